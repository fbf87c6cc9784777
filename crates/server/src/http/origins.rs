//! Pages of other origins: what lets a browser's scripts call the API and read its answers (CORS, of the Fetch standard).
//!
//! Scripts show a key with each request, and a browser adds nothing by itself: no answer allows credentials. Without allowed
//! origins none of this is there.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::config::Origin;

/// What is open to other origins: the API, and not what watches over the server.
const OPEN: &str = "/v1/";

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// For how many seconds a browser may remember what it was allowed: two hours, of which it takes no more.
const REMEMBERED: &str = "7200";

/// What a script may read besides the few headers that it always may.
const EXPOSED: &str = "Accept-Ranges, Content-Digest, Content-Disposition, Content-Range, ETag, \
                       Idempotency-Replayed, Location, Lock-Fence, Longshore-Node, Longshore-Upload-State, \
                       Longshore-Version, RateLimit, RateLimit-Policy, Repr-Digest, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, \
                       Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Concat, Upload-Defer-Length, \
                       Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset, WWW-Authenticate, X-Request-Id";

/// Puts what other origins need around a service; nothing where none is allowed.
pub fn allow_origins(router: Router, origins: &[Origin]) -> Router {
    if origins.is_empty() {
        return router;
    }
    let origins: Arc<[Origin]> = origins.into();
    router.layer(middleware::from_fn_with_state(origins, answer))
}

async fn answer(State(origins): State<Arc<[Origin]>>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with(OPEN) {
        return next.run(request).await;
    }
    let is_any = origins.contains(&Origin::Any);
    let allowed =
        if is_any { Some(HeaderValue::from_static("*")) } else { named(&origins, request.headers()) };
    let asked = if allowed.is_some() { preflight(&request) } else { None };
    let mut response = match asked {
        Some(response) => response,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    if !is_any {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(allowed) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

/// Returns the one origin that a request names, if it is allowed.
fn named(origins: &[Origin], headers: &HeaderMap) -> Option<HeaderValue> {
    let mut named = headers.get_all(ORIGIN).iter();
    let origin = named.next().filter(|_| named.next().is_none())?;
    let is_named =
        |allowed: &Origin| matches!(allowed, Origin::Of(text) if text.as_bytes() == origin.as_bytes());
    origins.iter().any(is_named).then(|| origin.clone())
}

/// Answers a browser that asks whether a script may send what it is about to. Any other `OPTIONS` is a route's own.
fn preflight(request: &Request) -> Option<Response> {
    let headers = request.headers();
    let asks = request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !asks {
        return None;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED));
    // A page whose calls are allowed may send any header: what a route does not know, it does not heed.
    if let Some(names) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    Some(response)
}
