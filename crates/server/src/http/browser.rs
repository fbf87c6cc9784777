//! What browsers send by themselves: the cookies of a session and of a sign-in under way, and where a request comes from.
//!
//! A browser adds its cookie to whatever any page asks for, so a cookie alone authorises no write. It takes the session's own
//! token too, which pages of other sites cannot read; and where the browser says that another site asks, it is refused.

use axum::http::header::{COOKIE as COOKIES, HOST, ORIGIN, SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use longshore_core::wire::SignedIn;
use longshore_core::{Code, ErrorKind, SessionToken};
use longshore_engine::{Actor, Browser};

use super::app::App;
use super::context::Context;
use super::forwarded::Source;
use super::limited;
use crate::oidc::{Attempt, LASTS};
use crate::problem::Failure;

/// The name of the cookie: by its prefix browsers keep it to this very host, and to connections that nobody reads.
pub(super) const COOKIE: &str = "__Host-longshore";

const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The name of the cookie that binds a sign-in at a provider to the browser that began it.
const ATTEMPT: &str = "__Host-longshore-oidc";

const FORGET_ATTEMPT: HeaderValue =
    HeaderValue::from_static("__Host-longshore-oidc=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");

/// What has a browser forget the cookie.
const FORGET: HeaderValue =
    HeaderValue::from_static("__Host-longshore=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");

/// Returns the values that cookies of a name have.
fn cookies<'h>(headers: &'h HeaderMap, wanted: &str) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(COOKIES).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
}

/// Returns the value of the one cookie of a name; nothing where there is none, or more than one.
fn one_cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let mut cookies = cookies(headers, wanted);
    cookies.next().filter(|_| cookies.next().is_none())
}

/// Tells whether a request has our cookie.
pub(super) fn has_cookie(headers: &HeaderMap) -> bool {
    cookies(headers, COOKIE).next().is_some()
}

/// Returns the secret that the cookie has; nothing where there is none, or none of ours, or more than one.
pub(super) fn session_token(headers: &HeaderMap) -> Option<SessionToken> {
    one_cookie(headers, COOKIE)?.parse().ok()
}

/// Returns what the cookie of a sign-in that is under way holds.
pub(super) fn attempt(headers: &HeaderMap) -> Option<&str> {
    one_cookie(headers, ATTEMPT)
}

/// Returns the header by which a browser keeps a sign-in that is under way, until its time is over.
pub(super) fn keep_attempt(attempt: &Attempt) -> Result<(HeaderName, HeaderValue), Failure> {
    let (text, seconds) = (attempt.cookie(), LASTS.as_secs());
    let text = format!("{ATTEMPT}={text}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}");
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Failure::new(Code::Internal, "a sign-in that no header takes"))?;
    value.set_sensitive(true);
    Ok((SET_COOKIE, value))
}

/// Returns the header by which a browser forgets it.
pub(super) const fn forget_attempt() -> (HeaderName, HeaderValue) {
    (SET_COOKIE, FORGET_ATTEMPT)
}

/// Finds out who is signed in, and that it is their own page which asks where the request may change anything.
pub(super) async fn signed_in(app: &App, parts: &Parts) -> Result<Actor, Failure> {
    if !has_cookie(&parts.headers) {
        return Err(Failure::new(Code::KeyMissing, "send `Authorization: Bearer <key>`, or sign in"));
    }
    let ended = || Failure::new(Code::SessionEnded, "the cookie names no session: sign in again");
    let token = session_token(&parts.headers).ok_or_else(|| ended().with_header(SET_COOKIE, FORGET))?;
    let trying = app.engine().authenticate_session(&token);
    let actor = limited::attempt(app, parts, token.reveal(), trying).await.map_err(|failure| {
        // What is good no more the browser need not send again.
        let is_over = failure.code().kind() == ErrorKind::Unauthenticated;
        if is_over { failure.with_header(SET_COOKIE, FORGET) } else { failure }
    })?;
    let actor = Context::of(parts).by(actor);
    if !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        ensure_same_site(parts)?;
        ensure_own_page(&parts.headers, &token)?;
    }
    Ok(actor)
}

/// Refuses who does not show the session's own token.
fn ensure_own_page(headers: &HeaderMap, token: &SessionToken) -> Result<(), Failure> {
    let Some(shown) = headers.get(CSRF_TOKEN) else {
        let detail = "a request that a cookie authorises needs `X-CSRF-Token`, which `GET /v1/session` tells";
        return Err(Failure::new(Code::CsrfMissing, detail));
    };
    if shown.to_str().is_ok_and(|shown| token.is_csrf_token(shown)) {
        return Ok(());
    }
    let detail = "`X-CSRF-Token` is not that of this session, which `GET /v1/session` tells";
    Err(Failure::new(Code::CsrfWrong, detail))
}

/// Refuses what a page of another site has sent, as far as the browser says so. What is no browser says nothing.
pub(super) fn ensure_same_site(parts: &Parts) -> Result<(), Failure> {
    let headers = &parts.headers;
    let is_ours = if headers.contains_key(SEC_FETCH_SITE) {
        headers.get_all(SEC_FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none")
    } else {
        headers.get_all(ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(|origin| is_own(parts, origin)))
    };
    if is_ours {
        return Ok(());
    }
    Err(Failure::new(
        Code::CrossSite,
        "a page of another site has sent this: open it on the server's own origin",
    ))
}

/// Tells whether an origin is the one that the request was sent to.
fn is_own(parts: &Parts, origin: &str) -> bool {
    let target = parts.uri.authority().map(|authority| authority.as_str());
    let header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(host) = target.or_else(header) else { return false };
    let stated = [("https://", ":443"), ("http://", ":80")]
        .into_iter()
        .find_map(|(scheme, port)| Some((origin.strip_prefix(scheme)?, port)));
    let bare = |text: &str, port: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    stated.is_some_and(|(stated, port)| bare(stated, port) == bare(host, port))
}

/// Returns what is known of the browser that signs in.
pub(super) fn browser(parts: &Parts) -> Browser {
    let source = parts.extensions.get::<Source>().map(|source| source.0);
    let user_agent = parts.headers.get(USER_AGENT).map(|text| String::from_utf8_lossy(text.as_bytes()));
    Browser::new(source, user_agent.as_deref()).in_request(Context::of(parts).origin())
}

/// Returns the header by which a browser keeps a session's secret, until the session ends.
pub(super) fn keep(token: &SessionToken, signed_in: &SignedIn) -> Result<(HeaderName, HeaderValue), Failure> {
    let session = &signed_in.session;
    let seconds = session.ends_at.since(session.created_at).as_secs();
    let text =
        format!("{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}", token.reveal());
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Failure::new(Code::Internal, "a session's secret that no header takes"))?;
    value.set_sensitive(true);
    Ok((SET_COOKIE, value))
}

/// Returns the header by which a browser forgets it.
pub(super) const fn forget() -> (HeaderName, HeaderValue) {
    (SET_COOKIE, FORGET)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use longshore_core::{SessionToken, Timestamp};

    use super::{ensure_same_site, has_cookie, session_token};

    fn with(headers: &[(&str, &str)]) -> axum::http::request::Parts {
        let request =
            headers.iter().fold(Request::builder(), |made, (name, value)| made.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn one_cookie_of_our_name_is_read() {
        let token = SessionToken::generate(Timestamp::from_micros(1));
        let ours = format!("__Host-longshore={}", token.reveal());
        for good in [ours.clone(), format!("a=b; {ours}"), format!("longshore=x;{ours}; c=d")] {
            assert_eq!(session_token(&with(&[("cookie", &good)]).headers), Some(token.clone()), "{good}");
        }
        assert_eq!(
            session_token(&with(&[("cookie", "a=b"), ("cookie", &ours)]).headers),
            Some(token.clone())
        );
        for bad in [format!("{ours}; {ours}"), format!("{ours}x"), "__Host-longshore=".to_owned()] {
            let parts = with(&[("cookie", &bad)]);
            assert!(has_cookie(&parts.headers));
            assert_eq!(session_token(&parts.headers), None, "{bad}");
        }
        assert!(!has_cookie(&with(&[("cookie", "x__Host-longshore=a")]).headers));
    }

    #[test]
    fn what_a_browser_says_of_another_site_is_believed() {
        for (headers, is_ours) in [
            (vec![], true),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "none")], true),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-origin, none")], false),
            (vec![("sec-fetch-site", "cross-site"), ("origin", "https://a.example")], false),
            (vec![("origin", "https://a.example")], true),
            (vec![("origin", "http://A.example")], true),
            (vec![("origin", "https://a.example:443")], true),
            (vec![("origin", "https://a.example:8443")], false),
            (vec![("origin", "https://b.example")], false),
            (vec![("origin", "https://a.example.b.example")], false),
            (vec![("origin", "null")], false),
            (vec![("origin", "a.example")], false),
            (vec![("origin", "https://a.example"), ("origin", "https://b.example")], false),
        ] {
            let mut parts = with(&headers);
            parts.headers.insert("host", "a.example".parse().unwrap());
            assert_eq!(ensure_same_site(&parts).is_ok(), is_ours, "{headers:?}");
        }
        assert!(ensure_same_site(&with(&[("origin", "https://a.example")])).is_err());
    }
}
