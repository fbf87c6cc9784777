//! Refusing who comes too often: before anything happens, with what they need to know to come again in time
//! (draft-ietf-httpapi-ratelimit-headers).

use axum::extract::Request;
use axum::http::header::RETRY_AFTER;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use longshore_core::{Code, ErrorKind};

use super::app::App;
use super::forwarded::{self, Source};
use crate::problem::Failure;
use crate::throttle::{Attempt, Excess};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What others ask all the time, to know whether the server is well.
const HEALTH: &[&str] = &["/healthz", "/readyz", "/v1/status"];

fn is_counted(path: &str) -> bool {
    !HEALTH.contains(&path)
}

/// Tells whether a route may refuse who comes too often. One that is about the server's health and takes no key never does.
pub(super) fn may_refuse(path: &str) -> bool {
    is_counted(path) || path.starts_with("/v1/")
}

/// Finds out where a request comes from, and counts it for that address.
pub(super) fn arrive(app: &App, request: &mut Request) -> Result<(), Failure> {
    let Some(peer) = request.extensions().get::<Source>().copied() else { return Ok(()) };
    let source = forwarded::source(peer, request.headers(), app.proxies())?;
    if source != peer {
        request.extensions_mut().insert(source);
    }
    if is_counted(request.uri().path()) {
        app.throttle().arrive(source.0, app.engine().now())?;
    }
    Ok(())
}

/// Tries a secret that a request shows, unless too many of its address were none or it comes too often itself.
///
/// Everything that lets somebody in by what they show goes through here. `trying` is not begun where it is refused; it says
/// what the secret is good for, or fails as one that [`is_none`].
pub(super) async fn attempt<T>(
    app: &App,
    parts: &Parts,
    secret: &str,
    trying: impl Future<Output = longshore_engine::Result<T>>,
) -> Result<T, Failure> {
    let source = parts.extensions.get::<Source>().map(|source| source.0);
    let counted = is_counted(parts.uri.path());
    tried(app.throttle().attempt(secret, source, counted, app.engine().now())?, trying).await
}

/// The same of what people choose, tried on a thing that many may know of: a password on a link or a name.
pub(super) async fn guess<T>(
    app: &App,
    parts: &Parts,
    thing: &str,
    trying: impl Future<Output = longshore_engine::Result<T>>,
) -> Result<T, Failure> {
    let source = parts.extensions.get::<Source>().map(|source| source.0);
    let counted = is_counted(parts.uri.path());
    tried(app.throttle().guess(thing, source, counted, app.engine().now())?, trying).await
}

async fn tried<T>(
    attempt: Attempt<'_>,
    trying: impl Future<Output = longshore_engine::Result<T>>,
) -> Result<T, Failure> {
    let tried = trying.await;
    match &tried {
        Ok(_) => attempt.succeeded(),
        Err(error) if is_none(error) => attempt.failed(),
        // Nothing was found out.
        Err(_) => {}
    }
    Ok(tried?)
}

/// Tells whether an error says that a secret was none.
fn is_none(error: &longshore_engine::Error) -> bool {
    match error.code() {
        Code::PasswordWrong
        | Code::SharePasswordWrong
        | Code::ShareNotFound
        | Code::InvitationNotFound
        | Code::ResetNotFound => true,
        // Whose visit is over, or has not begun, has guessed nothing.
        Code::ShareNotOpened => false,
        _ => error.kind() == ErrorKind::Unauthenticated,
    }
}

impl From<Excess> for Failure {
    fn from(excess: Excess) -> Self {
        let Excess { of, rate, wait_seconds } = excess;
        let why = match of {
            "key" => "this key sends requests faster than it may",
            "address" => "requests come from this address faster than they may",
            "passwords" => "too many passwords were tried here that are none",
            _ => "too many keys came from this address that are none",
        };
        let failure = Self::new(Code::RateLimited, format!("{why}: come again in {wait_seconds} s"));
        let policy = format!("\"{of}\";q={};w={}", rate.quota(), rate.window_seconds());
        let left = format!("\"{of}\";r=0;t={wait_seconds}");
        let fields = [(RATE_LIMIT, left), (RATE_LIMIT_POLICY, policy)];
        fields.into_iter().fold(
            failure.with_header(RETRY_AFTER, HeaderValue::from(wait_seconds)),
            |failure, (name, text)| match HeaderValue::try_from(text) {
                Ok(value) => failure.with_header(name, value),
                Err(_) => failure,
            },
        )
    }
}
