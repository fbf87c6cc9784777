//! The origin of content, where there is one: a second name of this server, by which links and share links give their content
//! and nothing else answers. What stands there is kept from the pages and the cookies of the service's own origin by every browser.

use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, HOST, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use longshore_core::Code;

use super::{links, shared};
use crate::config::ContentOrigin;
use crate::problem::Failure;

/// Returns the answer of a request that is for the other origin, or for none.
pub(super) fn answer(origin: &ContentOrigin, request: &Request) -> Option<Response> {
    let path = request.uri().path();
    let opens_link = (path.starts_with(links::PREFIX) || shared::gives_bytes(path))
        && matches!(*request.method(), Method::GET | Method::HEAD);
    match (origin.is_called(host(request)), opens_link) {
        (true, true) | (false, false) => None,
        (true, false) => {
            let detail = "links give their content here, and nothing else answers";
            Some(Failure::new(Code::RouteNotFound, detail).into_response())
        }
        (false, true) => Some(redirect(origin, request)),
    }
}

/// Returns the server that a request names.
fn host(request: &Request) -> &str {
    // A target that is a whole URL says it better than the header does (RFC 9112, 3.2.2).
    let target = request.uri().authority().map(|authority| authority.as_str());
    let header = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    target.or_else(header).unwrap_or_default()
}

fn redirect(origin: &ContentOrigin, request: &Request) -> Response {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let Ok(mut url) = HeaderValue::try_from(format!("{}{target}", origin.as_str())) else {
        return Failure::new(Code::RouteNotFound, "no link is called so").into_response();
    };
    // It is as good as a key for as long as the link holds.
    url.set_sensitive(true);
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, url);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
