//! Signing in by OpenID Connect. A browser is sent to the provider with an attempt in a cookie, and comes back with a code.
//!
//! What begins an attempt comes from the server's own pages, so that no other site has its visitors sign in, accept an
//! invitation or add an identity. Tokens of invitations come in a body: what stands in a URL is logged by others.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use longshore_core::Code;
use longshore_core::wire::{BeginOidc, OidcBegun, OidcProvider, Page};
use longshore_engine::Welcome;
use serde::Deserialize;

use super::app::App;
use super::browser;
use super::document::{AdminProblems, InvitationProblems};
use super::extract::{At, Nothing, ProviderName, Query};
use super::json::Order;
use super::limited;
use super::place::OfProvider;
use crate::oidc::{Attempt, Known, Purpose, Told, wrong};
use crate::problem::Failure;

/// Where a browser that signs in goes in the end.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReturnTo {
    /// A path of the server's own origin; left out, `/`.
    return_to: Option<String>,
}

/// What a provider answers. It may say more, which means nothing here.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Answered {
    /// What the provider gives an ID token for.
    code: Option<String>,
    /// Which sign-in it is of.
    state: Option<String>,
    /// Which provider it is of (RFC 9207).
    iss: Option<String>,
    /// Why it refuses.
    error: Option<String>,
}

/// Lists the providers that people may sign in by, for a page to sign in at.
#[utoipa::path(get, path = "/v1/session/oidc", operation_id = "list_oidc_providers", tag = "sessions", security(()),
    responses((status = 200, description = "Providers.", body = Page<OidcProvider>), AdminProblems))]
pub(super) async fn providers(State(app): State<App>, _: Query<Nothing>) -> Answer<Page<OidcProvider>> {
    Answer(Page { items: app.oidc().list(), next_cursor: None })
}

/// What an attempt to sign in, or to add an identity, answers: where the browser goes, and the cookie that binds it.
pub(super) type Begun = (AppendHeaders<[(HeaderName, HeaderValue); 2]>, Answer<OidcBegun>);

/// Begins an attempt at a provider.
pub(super) async fn attempt(
    app: &App,
    provider: &str,
    (purpose, return_to, code): (Purpose, Option<&str>, Code),
) -> Result<Begun, Failure> {
    let now = app.engine().now();
    app.oidc().ensure_named(provider)?;
    let attempt = Attempt::new(provider, purpose, return_to, now).map_err(|rule| Failure::new(code, rule))?;
    let authorization_url = app.oidc().begin(provider, &attempt, now).await?;
    let headers = [browser::keep_attempt(&attempt)?, (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((AppendHeaders(headers), Answer(OidcBegun { authorization_url })))
}

/// Sends a browser to another place, and tells nobody from where it comes.
fn redirect(
    url: &str,
    cookies: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> Result<Response, Failure> {
    let mut place = HeaderValue::try_from(url).map_err(|_| {
        Failure::new(Code::OidcUnavailable, "the provider's page has no URL that a header takes")
    })?;
    place.set_sensitive(true);
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, place);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for (name, value) in cookies {
        headers.append(name, value);
    }
    Ok(response)
}

/// Sends a browser to a provider to sign in there: a link of a page to sign in at leads here.
#[utoipa::path(get, path = "/v1/session/oidc/{provider}", operation_id = "go_to_oidc_provider", tag = "sessions", security(()),
    params(OfProvider, ReturnTo),
    responses((status = 303, description = "To the provider.", headers(("Location" = String), ("Set-Cookie" = String))), AdminProblems))]
pub(super) async fn go(
    State(app): State<App>,
    At(ProviderName(provider)): At<ProviderName>,
    parts: Parts,
    Query(ReturnTo { return_to }): Query<ReturnTo>,
) -> Result<Response, Failure> {
    browser::ensure_same_site(&parts)?;
    let wanted = (Purpose::SignIn, return_to.as_deref(), Code::InvalidQuery);
    let (AppendHeaders(headers), Answer(begun)) = attempt(&app, &provider, wanted).await?;
    let [cookie, _] = headers;
    redirect(&begun.authorization_url, [cookie])
}

/// Begins a sign-in at a provider for a script, which sends its browser there; an invitation is accepted by who signs in.
#[utoipa::path(post, path = "/v1/session/oidc/{provider}", operation_id = "begin_oidc", tag = "sessions", request_body = BeginOidc, security(()),
    params(OfProvider),
    responses((status = 200, description = "Where the browser is to go.", body = OidcBegun, headers(("Set-Cookie" = String))), InvitationProblems))]
pub(super) async fn begin(
    State(app): State<App>,
    At(ProviderName(provider)): At<ProviderName>,
    parts: Parts,
    _: Query<Nothing>,
    Order { wanted, .. }: Order<BeginOidc>,
) -> Result<Begun, Failure> {
    browser::ensure_same_site(&parts)?;
    let purpose = match wanted.invitation {
        None => Purpose::SignIn,
        Some(token) => {
            // Nobody is sent to the provider in vain.
            let looking = app.engine().look_at_invitation(&token);
            limited::attempt(&app, &parts, token.reveal(), looking).await?;
            Purpose::Invited(token)
        }
    };
    attempt(&app, &provider, (purpose, wanted.return_to.as_deref(), Code::InvalidBody)).await
}

/// Ends a sign-in: the provider sends the browser back here. It takes the cookie of who began it.
#[utoipa::path(get, path = "/v1/session/oidc/{provider}/callback", operation_id = "end_oidc", tag = "sessions", security(()),
    params(OfProvider, Answered),
    responses((status = 303, description = "Signed in, and on to where the sign-in was to lead.",
        headers(("Location" = String), ("Set-Cookie" = String))), InvitationProblems))]
pub(super) async fn callback(
    State(app): State<App>,
    At(ProviderName(provider)): At<ProviderName>,
    parts: Parts,
    Query(answered): Query<Answered>,
) -> Result<Response, Failure> {
    app.oidc().ensure_named(&provider)?;
    let (cookie, state) = (browser::attempt(&parts.headers), answered.state.as_deref().unwrap_or_default());
    // What is of no attempt ends none: a page of another site may have sent it.
    let attempt = Attempt::of(cookie, &provider, state, app.engine().now())?;
    let url = app.oidc().own_url(attempt.return_to());
    let forget = browser::forget_attempt();
    match Box::pin(end(&app, &parts, &attempt, &provider, &answered)).await {
        Ok(cookie) => redirect(&url, cookie.into_iter().chain([forget])),
        Err(failure) => Err(failure.with_header(forget.0, forget.1)),
    }
}

/// Does what an attempt was for; returns the cookie of who has signed in by it.
async fn end(
    app: &App,
    parts: &Parts,
    attempt: &Attempt,
    provider: &str,
    answered: &Answered,
) -> Result<Option<(HeaderName, HeaderValue)>, Failure> {
    let (engine, state) = (app.engine(), answered.state.as_deref().unwrap_or_default());
    let Answered { code, iss, error, .. } = answered;
    let told = Told { code: code.as_deref(), iss: iss.as_deref(), error: error.as_deref() };
    let finish = app.oidc().finish(provider, attempt, told, engine.now());
    let welcome = match &attempt.purpose {
        Purpose::Link(person) => {
            let actor = browser::signed_in(app, parts).await?;
            if actor.principal != *person {
                return Err(wrong("somebody else is signed in than who began this").into());
            }
            let Known { vouched, .. } = limited::attempt(app, parts, state, finish).await?;
            engine.link_identity(&actor, vouched).await?;
            return Ok(None);
        }
        Purpose::Invited(token) => Some(Welcome::Invited(token.clone())),
        Purpose::SignIn => None,
    };
    // In a box: it asks the provider, and what awaits it stays small.
    let trying = Box::pin(async {
        let Known { vouched, is_of_domain } = finish.await?;
        let usual = if is_of_domain { Welcome::Newcomers } else { Welcome::Nobody };
        engine.sign_in_by_identity(vouched, welcome.unwrap_or(usual), browser::browser(parts)).await
    });
    let (signed_in, token) = limited::attempt(app, parts, state, trying).await?;
    browser::keep(&token, &signed_in).map(Some)
}
