//! One provider: what it says of itself, its keys, and the exchange of a code.
//!
//! It is asked at the first use and not when the server starts. What it says of itself and its keys are kept for an hour; a
//! token that no known key has signed has the keys asked for anew, once a minute at most. One request asks for many.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::TryStreamExt;
use longshore_core::wire::HiddenText;
use longshore_core::{Code, Timestamp};
use longshore_engine::egress::{Guard, Limits, Request};
use longshore_engine::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::token::{Claims, Keys, Signed};
use crate::config::{OidcConfig, Secret, is_private};
use crate::steady::Steady;

#[cfg(test)]
mod tests;

/// How many sign-ins ask a provider at once; further ones are refused.
const AT_ONCE: usize = 32;

/// How long what a provider says is kept.
const KEPT: Duration = Duration::from_hours(1);
/// How long the keys are left alone, whatever a token names.
const KEYS_REST: Duration = Duration::from_mins(1);
/// How long a provider that failed is left alone: those who wait for it are told so at once.
const FAILED_REST: Duration = Duration::from_secs(5);
/// The most bytes of an answer.
const ANSWER: u64 = 1024 * 1024;
/// The most characters of an error's name that a provider's answer has.
const ERROR: usize = 64;

/// What forms and queries take as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// What a provider says of itself (OpenID Connect Discovery 1.0).
#[derive(Debug, Deserialize)]
pub(super) struct Discovery {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    /// Whether its answers name it (RFC 9207).
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Default)]
struct Known {
    discovery: Option<(Arc<Discovery>, Timestamp)>,
    keys: Option<(Arc<Keys>, Timestamp)>,
    failed_at: Option<Timestamp>,
    /// How often it failed.
    failures: u64,
}

/// A provider with what is known of it.
pub(super) struct Provider {
    pub(super) config: OidcConfig,
    secret: Secret,
    guard: Guard,
    patience: Duration,
    /// By which what is known grows old: a clock that is set back keeps nobody out.
    clock: Steady,
    known: Mutex<Known>,
    /// Who waits for the provider holds a place: one that is slow gathers so many, and takes no other's.
    room: Semaphore,
    /// Who has it asks for what all wait for.
    turn: Semaphore,
}

/// The turn to ask, and when it began: by the clock, and by one that nobody sets.
struct Turn<'p> {
    _permit: SemaphorePermit<'p>,
    began: (Timestamp, Instant),
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

pub(super) fn refused(detail: impl Into<String>) -> Error {
    Error::new(Code::OidcRefused, detail)
}

/// Tells an error's name that came from outside; nothing where it is no name.
pub(super) fn error_name(text: &str) -> Option<&str> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (!text.is_empty() && text.len() <= ERROR && text.bytes().all(is_name)).then_some(text)
}

impl Provider {
    pub(super) fn new(config: OidcConfig, secret: Secret, guard: Guard, patience: Duration) -> Self {
        let (clock, known) = (Steady::default(), Mutex::default());
        let (room, turn) = (Semaphore::new(AT_ONCE), Semaphore::new(1));
        Self { config, secret, guard, patience, clock, known, room, turn }
    }

    /// Takes a place for a sign-in.
    pub(super) fn place(&self) -> Result<SemaphorePermit<'_>> {
        let full =
            |_| Error::new(Code::Overloaded, "too many are signing in just now: come again in a moment");
        self.room.try_acquire().map_err(full)
    }

    fn with_known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The log says what the matter is; who signs in can do nothing about it.
    fn unavailable(&self, what: &str, why: &str) -> Error {
        tracing::warn!(provider = %self.config.name, what, why, "a provider to sign in by is of no use");
        self.told_unavailable()
    }

    fn told_unavailable(&self) -> Error {
        let label = self.config.label();
        Error::new(Code::OidcUnavailable, format!("{label} does not answer as it should: come again later"))
    }

    /// Asks the provider, without following it elsewhere; returns the status and all of the answer.
    async fn ask(&self, what: &str, url: &str, form: Option<&str>) -> Result<(u16, Vec<u8>)> {
        let failed = |error: longshore_engine::egress::Error| self.unavailable(what, error.message());
        if !is_private(url) {
            return Err(self.unavailable(what, "its URL is neither https nor http at a loopback address"));
        }
        let target = self.guard.check_url(url).map_err(failed)?;
        let mut request = match form {
            None => Request::get(target),
            Some(form) => {
                let pair = format!("{}:{}", encoded(&self.config.client_id), encoded(&self.secret.0));
                let own = format!("Basic {}", BASE64_STANDARD.encode(pair));
                Request::post(target, form.to_owned())
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("authorization", own)
            }
        };
        request = request.header("accept", "application/json");
        request.limits =
            Limits { connect: self.patience, total: self.patience, body: ANSWER, ..Limits::default() };
        let response = self.guard.send(request).await.map_err(failed)?;
        let body = response.body.try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        });
        Ok((response.status, body.await.map_err(failed)?))
    }

    async fn get(&self, what: &str, url: &str) -> Result<Vec<u8>> {
        match self.ask(what, url, None).await? {
            (200, body) => Ok(body),
            (status, _) => Err(self.unavailable(what, &format!("the status is {status}"))),
        }
    }

    /// Takes the turn to ask, and waits for it no longer than for the provider. Refuses where who had it before has failed,
    /// meanwhile or just now.
    async fn turn(&self, now: Timestamp) -> Result<Turn<'_>> {
        let failures = || self.with_known(|known| known.failures);
        let before = failures();
        let turn = tokio::time::timeout(self.patience, self.turn.acquire()).await;
        let Ok(Ok(permit)) = turn else { return Err(self.told_unavailable()) };
        let failed_at = self.with_known(|known| known.failed_at);
        if failures() != before || failed_at.is_some_and(|at| now.since(at) < FAILED_REST) {
            return Err(self.told_unavailable());
        }
        Ok(Turn { _permit: permit, began: (now, Instant::now()) })
    }

    /// Notes of what was asked for whether it came: what did is as old as the question, and one that failed rests from then on.
    fn noted<T>(
        &self,
        asked: Result<T>,
        turn: &Turn<'_>,
        keep: impl FnOnce(&mut Known, &T, Timestamp),
    ) -> Result<T> {
        let (began, since) = turn.began;
        self.with_known(|known| match &asked {
            Ok(answer) => {
                known.failed_at = None;
                keep(known, answer, began);
            }
            Err(_) => {
                known.failed_at = Some(began.plus(since.elapsed()));
                known.failures += 1;
            }
        });
        asked
    }

    /// Returns what the provider says of itself.
    pub(super) async fn discovery(&self, now: Timestamp) -> Result<Arc<Discovery>> {
        let now = self.clock.at(now);
        let fresh = || {
            let known = self.with_known(|known| known.discovery.clone());
            known.filter(|(_, at)| now.since(*at) < KEPT).map(|(found, _)| found)
        };
        if let Some(found) = fresh() {
            return Ok(found);
        }
        let turn = self.turn(now).await?;
        if let Some(found) = fresh() {
            return Ok(found);
        }
        let asked = self.discover().await.map(Arc::new);
        self.noted(asked, &turn, |known, found, at| known.discovery = Some((Arc::clone(found), at)))
    }

    async fn discover(&self) -> Result<Discovery> {
        const WHAT: &str = "discovery";
        let issuer = &self.config.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let body = self.get(WHAT, &url).await?;
        let found: Discovery = serde_json::from_slice(&body)
            .map_err(|_| self.unavailable(WHAT, "what came describes no provider"))?;
        if found.issuer != *issuer {
            return Err(self.unavailable(WHAT, "it names another issuer than the configuration does"));
        }
        // Each is asked later, by us or by the browser, and none is to be read on the way.
        let urls = [&found.authorization_endpoint, &found.token_endpoint, &found.jwks_uri];
        let are_good = urls.into_iter().all(|url| is_private(url) && !url.contains('#'));
        if !are_good {
            return Err(self
                .unavailable(WHAT, "one of its endpoints is neither https nor http at a loopback address"));
        }
        Ok(found)
    }

    /// Refuses an answer that another provider gave, or that has to say who did and does not (RFC 9207).
    pub(super) fn ensure_from(&self, discovery: &Discovery, iss: Option<&str>) -> Result<()> {
        match iss {
            Some(iss) if iss != self.config.issuer => Err(refused("the answer is of another provider")),
            None if discovery.authorization_response_iss_parameter_supported => {
                Err(refused("the answer does not say which provider it is of"))
            }
            _ => Ok(()),
        }
    }

    /// Exchanges a code for an ID token whose signature is good.
    pub(super) async fn exchange(
        &self,
        discovery: &Discovery,
        (code, verifier): (&str, &HiddenText),
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<Claims> {
        const WHAT: &str = "the token endpoint";
        let form = format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}",
            encoded(code),
            encoded(redirect_uri),
            encoded(verifier.reveal())
        );
        let (status, body) = self.ask(WHAT, &discovery.token_endpoint, Some(&form)).await?;
        if status != 200 {
            let told = serde_json::from_slice(&body).ok().map(|told: TokenError| told.error);
            return Err(match told.as_deref().and_then(error_name) {
                Some("invalid_grant") => refused("the provider knows no such sign-in: begin anew"),
                // That it refuses us is the operator's matter.
                Some(name) => self.unavailable(WHAT, &format!("the status is {status}, the error {name}")),
                None => self.unavailable(WHAT, &format!("the status is {status}")),
            });
        }
        let tokens: Tokens =
            serde_json::from_slice(&body).map_err(|_| self.unavailable(WHAT, "what came has no ID token"))?;
        let token = Signed::read(&tokens.id_token).map_err(refused)?;
        if !self.has_signed(discovery, &token, now).await? {
            return Err(refused("the ID token is signed by no key of the provider"));
        }
        let claims = token.claims().map_err(refused)?;
        claims.check(&self.config.issuer, &self.config.client_id, now).map_err(refused)?;
        Ok(claims)
    }

    async fn has_signed(&self, discovery: &Discovery, token: &Signed<'_>, now: Timestamp) -> Result<bool> {
        let now = self.clock.at(now);
        let known = || {
            let known = self.with_known(|known| known.keys.clone());
            known.filter(|(_, at)| now.since(*at) < KEPT)
        };
        if known().is_some_and(|(keys, _)| token.is_of(&keys)) {
            return Ok(true);
        }
        let turn = self.turn(now).await?;
        if let Some((keys, at)) = known() {
            let is_signed = token.is_of(&keys);
            if is_signed || now.since(at) < KEYS_REST {
                return Ok(is_signed);
            }
        }
        let asked = self.get("the keys", &discovery.jwks_uri).await.and_then(|body| {
            let keys = Keys::read(&body).map(Arc::new);
            keys.ok_or_else(|| self.unavailable("the keys", "what came is no list of keys"))
        });
        let keys = self.noted(asked, &turn, |known, keys, at| known.keys = Some((Arc::clone(keys), at)))?;
        Ok(token.is_of(&keys))
    }
}
