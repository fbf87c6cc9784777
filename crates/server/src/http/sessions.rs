//! Sessions: signing in and out, for browsers, and the list of one's own.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use longshore_core::wire::{HiddenText, Page, Session, SignIn, SignedIn};
use longshore_core::{Code, SessionId, SignInName};

use super::app::App;
use super::browser;
use super::document::AdminProblems;
use super::extract::{At, Caller, Nothing, Query};
use super::json::Order;
use super::limited;
use super::place::OfSession;
use crate::problem::Failure;

/// Signs in by a name and a password. The answer's cookie is the session, for browsers; `csrf_token` goes with every write.
#[utoipa::path(post, path = "/v1/session", operation_id = "sign_in", tag = "sessions", request_body = SignIn, security(()),
    responses((status = 200, description = "Signed in.", body = SignedIn, headers(("Set-Cookie" = String))), AdminProblems))]
pub(super) async fn sign_in(
    State(app): State<App>,
    parts: Parts,
    _: Query<Nothing>,
    Order { wanted, .. }: Order<SignIn>,
) -> Result<([(HeaderName, HeaderValue); 1], Answer<SignedIn>), Failure> {
    // Or a page of another site could have its visitors work in an account of its own.
    browser::ensure_same_site(&parts)?;
    // By the name as it is kept, or each way to write it could be tried as often.
    let name =
        SignInName::new(&wanted.name).map_or_else(|_| wanted.name.clone(), |name| name.folded().to_owned());
    let trying = app.engine().sign_in(wanted, browser::browser(&parts));
    let (signed_in, token) = limited::guess(&app, &parts, &format!("name\n{name}"), trying).await?;
    Ok(([browser::keep(&token, &signed_in)?], Answer(signed_in)))
}

/// Tells who is signed in, and the token that goes with every write.
#[utoipa::path(get, path = "/v1/session", operation_id = "get_session", tag = "sessions",
    responses((status = 200, description = "Who is signed in.", body = SignedIn), AdminProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    _: Query<Nothing>,
) -> Result<([(HeaderName, &'static str); 1], Answer<SignedIn>), Failure> {
    let (principal, session) = app.engine().signed_in(&caller).await?;
    let token = browser::session_token(&headers);
    let token = token.ok_or_else(|| Failure::new(Code::SessionNotFound, "no session asks"))?;
    let csrf_token = HiddenText::new(token.csrf_token());
    Ok(([(CACHE_CONTROL, "no-store")], Answer(SignedIn { principal, session, csrf_token })))
}

/// Signs out: the session is good no more.
#[utoipa::path(delete, path = "/v1/session", operation_id = "sign_out", tag = "sessions",
    responses((status = 204, description = "Signed out.", headers(("Set-Cookie" = String))), AdminProblems))]
pub(super) async fn sign_out(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1]), Failure> {
    app.engine().sign_out(&caller).await?;
    Ok((StatusCode::NO_CONTENT, [browser::forget()]))
}

/// Lists one's own sessions, the newest first: at most 100, on one page. It takes a session, or a whole key.
#[utoipa::path(get, path = "/v1/sessions", operation_id = "list_sessions", tag = "sessions",
    responses((status = 200, description = "Sessions.", body = Page<Session>), AdminProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
) -> Result<Answer<Page<Session>>, Failure> {
    Ok(Answer(app.engine().list_sessions(&caller).await?))
}

/// Ends all of one's own sessions but the one that asks.
#[utoipa::path(delete, path = "/v1/sessions", operation_id = "end_other_sessions", tag = "sessions",
    responses((status = 204, description = "They are good no more."), AdminProblems))]
pub(super) async fn end_others(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
) -> Result<StatusCode, Failure> {
    app.engine().end_other_sessions(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one of one's own sessions.
#[utoipa::path(delete, path = "/v1/sessions/{session}", operation_id = "end_session", tag = "sessions", params(OfSession),
    responses((status = 204, description = "It is good no more."), AdminProblems))]
pub(super) async fn end(
    State(app): State<App>,
    caller: Caller,
    At(session): At<SessionId>,
    _: Query<Nothing>,
) -> Result<StatusCode, Failure> {
    app.engine().end_session(&caller, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
