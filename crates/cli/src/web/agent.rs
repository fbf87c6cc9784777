//! One request: to the host it names, through the redirects it meets, to the head of its answer.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::{Clock, SystemClock};
use longshore_flow::adaptive::Permit;
use longshore_flow::retry::parse_retry_after;
use longshore_flow::with_timeout;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::hosts::{Hosts, Pace};
use super::refused::{Again, Refused};
use super::{LONGEST_PAUSE, shown};
use crate::failure::Failure;

/// How many redirects are followed.
const REDIRECTS: usize = 10;
/// How much of a refusing answer is kept.
pub(crate) const KEPT: usize = 2_048;

/// Sends requests.
// No `Debug`: it would show headers.
pub(crate) struct Agent {
    /// Made when first needed: what TLS trusts takes longer to read than most requests take.
    plain: OnceCell<Client>,
    secure: OnceCell<Client>,
    pub(crate) settings: Settings,
    hosts: Hosts,
}

pub(crate) struct Settings {
    /// What goes to the host that was named.
    pub(crate) headers: HeaderMap,
    /// Authorities besides the machine's.
    pub(crate) ca_file: Option<PathBuf>,
    /// How long nothing may come.
    pub(crate) idle: Duration,
    /// Whether https may lead to http.
    pub(crate) downgrade: bool,
    /// How many requests run at one host at once, at most.
    pub(crate) at_once: usize,
    pub(crate) pace: Option<Pace>,
}

/// A request.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Besides the agent's own: nothing secret.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

/// An answer that begins well: its status is a success, or 416 to a request for a range.
#[derive(Debug)]
pub(crate) struct Answer {
    response: Response,
    /// Where it came from in the end.
    pub(crate) url: Url,
    permit: Permit,
    latency: Duration,
    idle: Duration,
}

impl Agent {
    pub(crate) fn new(settings: Settings) -> Self {
        let hosts = Hosts::new(settings.at_once);
        Self { plain: OnceCell::new(), secure: OnceCell::new(), settings, hosts }
    }

    /// Sends a request and follows redirects, to the head of the answer.
    pub(crate) async fn send(&self, ask: &Ask) -> Result<Answer, Refused> {
        let mut url = ask.url.clone();
        // Who was redirected away once gets no secret again, wherever the next redirect leads.
        let mut trusted = true;
        for _ in 0..=REDIRECTS {
            let answer = self.exchange(ask, &url, trusted).await?;
            if !is_redirect(answer.status()) {
                return self.judge(answer, ask).await;
            }
            let mut next = self.next(&answer, ask)?;
            trusted = trusted && is_same_host(&url, &next);
            if trusted {
                // Both have a host, so both can be set.
                let _has_host = next.set_username(ask.url.username());
                let _has_host = next.set_password(ask.url.password());
            }
            url = next;
            answer.end();
        }
        Err(Refused::never("web_redirect", format!("more than {REDIRECTS} redirects")))
    }

    /// Sends one request when its host is ready for it.
    async fn exchange(&self, ask: &Ask, url: &Url, trusted: bool) -> Result<Answer, Refused> {
        let client = self.client(url).await?;
        let host = self.hosts.of(url);
        let mut request = client.request(ask.method.clone(), url.clone()).headers(ask.headers.clone());
        if trusted {
            request = request.headers(self.settings.headers.clone());
        }
        if let Some(body) = &ask.body {
            request = request.body(body.clone());
        }
        let permit = host.enter(self.settings.pace.as_ref()).await;
        let begun = Instant::now();
        let idle = self.settings.idle;
        let answered = with_timeout("the answer", idle, request.send()).await;
        let response = match answered.map_err(|_| Refused::timeout(idle)) {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                permit.failed();
                return Err(Refused::broken(error, idle));
            }
            Err(refused) => {
                permit.failed();
                return Err(refused);
            }
        };
        let answer = Answer { response, url: url.clone(), permit, latency: begun.elapsed(), idle };
        if let Some(pause) = answer.pause() {
            host.pause(pause);
        }
        Ok(answer)
    }

    /// Lets through what is a success, and makes of the rest why it is none.
    async fn judge(&self, answer: Answer, ask: &Ask) -> Result<Answer, Refused> {
        let status = answer.status();
        let ranged = ask.headers.contains_key(reqwest::header::RANGE);
        if status.is_success() || (ranged && status == StatusCode::RANGE_NOT_SATISFIABLE) {
            return Ok(answer);
        }
        let (code, mut again) = match status.as_u16() {
            429 => ("web_throttled", Again::Soon),
            408 | 425 => ("web_failed", Again::Soon),
            501 | 505 => ("web_failed", Again::Never),
            500.. => ("web_failed", Again::Soon),
            _ => ("web_refused", Again::Never),
        };
        if again == Again::Soon
            && let Some(pause) = answer.pause()
        {
            again = Again::After(pause);
        }
        let message = match status.canonical_reason() {
            Some(reason) => format!("the server answered {} {reason}", status.as_u16()),
            None => format!("the server answered {}", status.as_u16()),
        };
        let body = answer.refusal().await;
        Err(Refused { status: Some(status.as_u16()), body, ..Refused::new(code, again, message) })
    }

    /// Returns where a redirect leads, if it may be followed.
    fn next(&self, answer: &Answer, ask: &Ask) -> Result<Url, Refused> {
        let from = &answer.url;
        let refuse = |why: String| Err(Refused::never("web_redirect", why));
        // What a body was sent to another may not want; and 303 means that something else is to be read.
        if ask.method != Method::GET {
            return refuse(format!("the server redirects a {}, which is not followed", ask.method));
        }
        let Some(location) = answer.header(LOCATION.as_str()) else {
            return refuse("a redirect without a place to go to".to_owned());
        };
        let Ok(mut next) = from.join(location) else {
            return refuse("a redirect to what is no URL".to_owned());
        };
        if !matches!(next.scheme(), "http" | "https") {
            return refuse(format!("a redirect to {}, which is neither http nor https", next.scheme()));
        }
        if from.scheme() == "https" && next.scheme() == "http" && !self.settings.downgrade {
            return refuse(format!("a redirect from https to {}, which is not encrypted", shown(&next)));
        }
        // Names and passwords come from the user alone, who gave them for one host.
        let _no_host = next.set_password(None);
        let _no_host = next.set_username("");
        next.set_fragment(None);
        Ok(next)
    }

    async fn client(&self, url: &Url) -> Result<&Client, Refused> {
        let secure = url.scheme() == "https";
        let made = if secure { &self.secure } else { &self.plain };
        made.get_or_try_init(|| self.make(secure)).await
    }

    async fn make(&self, secure: bool) -> Result<Client, Refused> {
        let unusable = |error: String| Refused::never("web_tls", error);
        let file = self.settings.ca_file.clone();
        let trust = move || {
            if !secure {
                return longshore_trust::trusting_nobody();
            }
            let further = file.as_deref().map(longshore_trust::read_authorities).transpose()?;
            longshore_trust::client_config(&further.unwrap_or_default())
        };
        let config = longshore_flow::Blocking::new(1).run(trust).await;
        let config = config
            .map_err(|error| unusable(error.to_string()))?
            .map_err(|error| unusable(error.to_string()))?;
        Client::builder()
            .tls_backend_preconfigured(config)
            .user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.settings.idle)
            .pool_max_idle_per_host(self.settings.at_once)
            .build()
            .map_err(|error| Refused::broken(error, self.settings.idle))
    }

    /// Reads the file of authorities, if one was named, so that a wrong one shows before anything is sent.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(file) = &self.settings.ca_file else { return Ok(()) };
        let read = longshore_trust::read_authorities(file);
        read.map(drop).map_err(|error| Failure::invalid(format!("cannot use {}: {error}", file.display())))
    }
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Returns a field, if it is one and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Returns a field as it came.
    pub(crate) fn raw_header(&self, name: &str) -> Option<&[u8]> {
        Some(self.response.headers().get(name)?.as_bytes())
    }

    pub(crate) fn media_type(&self) -> Option<&str> {
        self.header(CONTENT_TYPE.as_str())
    }

    /// Returns how many bytes the body is said to have.
    pub(crate) fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Returns the next bytes of the body; nothing at its end. The time between two calls is the caller's own.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Refused> {
        match with_timeout("the answer", self.idle, self.response.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| Refused::broken(error, self.idle)),
            Err(_) => Err(Refused::timeout(self.idle)),
        }
    }

    /// Notes that the exchange went well, to its end.
    pub(crate) fn end(self) {
        self.permit.success(self.latency);
    }

    /// Notes that it broke off.
    pub(crate) fn broke(self) {
        self.permit.failed();
    }

    /// Returns how long the server wants to be left alone.
    fn pause(&self) -> Option<Duration> {
        if !matches!(self.status().as_u16(), 429 | 503) {
            return None;
        }
        let micros = u64::try_from(SystemClock.now().as_micros()).unwrap_or(0);
        let now = std::time::UNIX_EPOCH + Duration::from_micros(micros);
        parse_retry_after(self.header(RETRY_AFTER.as_str())?, now, LONGEST_PAUSE)
    }

    /// Tells the host's limit what came of the request, and reads the first of a refusing answer's body.
    async fn refusal(self) -> Vec<u8> {
        let Self { mut response, permit, latency, idle, .. } = self;
        // At once: the body may be long in coming.
        match response.status().as_u16() {
            429 | 503 => permit.throttled(),
            500.. => permit.failed(),
            // It is well, and says no.
            _ => permit.success(latency),
        }
        let mut body = Vec::new();
        let reading = async {
            while body.len() < KEPT {
                let Ok(Some(chunk)) = response.chunk().await else { break };
                body.extend_from_slice(&chunk[..chunk.len().min(KEPT - body.len())]);
            }
        };
        // What does not come in time is not told: the status is what counts.
        let _in_time = with_timeout("the refusal", idle, reading).await;
        body
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Tells whether what is secret with one may be told to the other: the same host, or the same one encrypted.
fn is_same_host(one: &Url, other: &Url) -> bool {
    let upgraded = one.scheme() == "http"
        && other.scheme() == "https"
        && one.host() == other.host()
        && one.port().is_none()
        && other.port().is_none();
    one.origin() == other.origin() || upgraded
}
