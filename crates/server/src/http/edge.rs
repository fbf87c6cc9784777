//! The outermost layer of every route: the request's id, one span, one log line, the counts, errors as
//! problems, panics as errors, and what becomes of a body that nobody read.
//!
//! It is one small layer and not a stack of ready-made ones because each layer costs every request an
//! allocation or two, and small files are many requests.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::header::{CONNECTION, EXPECT, HOST};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body::{Frame, SizeHint};
use longshore_core::{Code, random};
use longshore_engine::Replayed;
use tower::{Layer, Service};
use tracing::Instrument;

use super::app::App;
use super::content_origin;
use super::context;
use super::leftover::{Leftover, Watched};
use super::limited;
use crate::error::chain;
use crate::measures;
use crate::problem::{self, Failure};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The most characters of a request id that a caller may bring.
const REQUEST_ID_CHARACTERS: usize = 64;

/// The id of the request, for handlers.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) Arc<str>);

/// Makes ids that no other start of a server makes: a random number and a count.
#[derive(Debug)]
struct RequestIds {
    start: u32,
    count: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        let mut start = [0; 4];
        random::fill(&mut start);
        Self { start: u32::from_le_bytes(start), count: AtomicU64::new(0) }
    }

    /// Returns the caller's id where it is one, else a new one.
    fn of(&self, headers: &HeaderMap) -> Arc<str> {
        let own = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|text| {
            (1..=REQUEST_ID_CHARACTERS).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        });
        own.map_or_else(
            || format!("req-{:08x}-{:x}", self.start, self.count.fetch_add(1, Ordering::Relaxed)).into(),
            Arc::from,
        )
    }
}

/// The layer. Put it around the finished router.
#[derive(Clone)]
pub(super) struct Edge {
    app: App,
    ids: Arc<RequestIds>,
}

impl Edge {
    pub(super) fn new(app: App) -> Self {
        Self { app, ids: Arc::new(RequestIds::new()) }
    }
}

impl<S> Layer<S> for Edge {
    type Service = Edged<S>;

    fn layer(&self, inner: S) -> Edged<S> {
        Edged { edge: self.clone(), inner }
    }
}

/// A route with its edge.
#[derive(Clone)]
pub(super) struct Edged<S> {
    edge: Edge,
    inner: S,
}

impl<S> Service<Request> for Edged<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let app = self.edge.app.clone();
        let id = self.edge.ids.of(request.headers());
        let leftover = watch_body(&mut request);
        let record = Record::begin(&request, Arc::clone(&id), leftover.clone());
        let refused = turned_away(&mut request, &app);
        request.extensions_mut().insert(RequestId(Arc::clone(&id)));
        let context = context::Context::new(&id, &request);
        request.extensions_mut().insert(context.clone());
        let replayed = request.headers().contains_key(IDEMPOTENCY_KEY).then(Replayed::default);
        if let Some(replayed) = &replayed {
            request.extensions_mut().insert(replayed.clone());
        }
        // A level that is on whenever anything is logged: a warning is of little use without its request.
        let span = tracing::error_span!("request", id = &*id);
        let answering = match refused {
            None => Ok(AssertUnwindSafe(self.inner.call(request)).catch_unwind()),
            Some(refusal) => Err(refusal),
        };
        Box::pin(async move {
            let response = match answering {
                Ok(answering) => match answering.instrument(span).await {
                    Ok(Ok(response)) => response,
                    Err(panic) => fault(panic.as_ref()).into_response(),
                },
                Err(refusal) => refusal,
            };
            if let Some(failure) = response.extensions().get::<Failure>() {
                context.note(app.engine(), failure);
            }
            let mut response = problem::render(response, &id);
            let reusable = match leftover {
                Some(leftover) => leftover.settle().await,
                None => true,
            };
            let headers = response.headers_mut();
            if let Ok(id) = HeaderValue::from_str(&id) {
                headers.insert(X_REQUEST_ID, id);
            }
            if replayed.is_some_and(|replayed| replayed.get()) {
                headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
            }
            if !reusable || app.is_closing() {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let status = response.status();
            Ok(response.map(|inner| Body::new(Sent { inner, bytes: 0, record: Record { status, ..record } })))
        })
    }
}

fn watch_body(request: &mut Request) -> Option<Arc<Leftover>> {
    if request.body().is_end_stream() {
        return None;
    }
    let leftover = Arc::new(Leftover::new(request.headers().contains_key(EXPECT)));
    let body = std::mem::take(request.body_mut());
    *request.body_mut() = Body::new(Watched::new(body, Arc::clone(&leftover)));
    Some(leftover)
}

fn header_bytes(request: &Request) -> usize {
    let uri = request.uri();
    let line = uri.path().len() + uri.query().map_or(0, str::len);
    // Each line has `: ` and an end besides its name and value.
    request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() + line
}

/// Returns the answer of a request that no route is to see, if it is one.
fn turned_away(request: &mut Request, app: &App) -> Option<Response> {
    if let Some(refusal) = refusal(request, app) {
        return Some(refusal.into_response());
    }
    if let Err(refusal) = limited::arrive(app, request) {
        return Some(refusal.into_response());
    }
    content_origin::answer(app.content_origin()?, request)
}

/// Returns why no route is to see this request, if anything.
fn refusal(request: &Request, app: &App) -> Option<Failure> {
    let limit = app.limits().header_bytes;
    if header_bytes(request) > limit {
        let detail = format!("a request's header has at most {limit} bytes here");
        return Some(Failure::new(Code::HeaderTooLarge, detail));
    }
    // Who stands between two ends and counts otherwise would send a request elsewhere (RFC 9112, 3.2).
    let hosts = request.headers().get_all(HOST).iter().count();
    let needed = usize::from(request.version() >= Version::HTTP_11);
    let fits = (needed..=1).contains(&hosts);
    (!fits).then(|| Failure::new(Code::InvalidHeader, "a request has one `Host`"))
}

fn fault(panic: &(dyn std::any::Any + Send)) -> Failure {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::new(Code::Internal, format!("a panic: {}", message.unwrap_or("of no text")))
}

/// What is told of a request when its answer has ended.
struct Record {
    started: Instant,
    id: Arc<str>,
    method: Method,
    route: Option<MatchedPath>,
    status: StatusCode,
    leftover: Option<Arc<Leftover>>,
}

impl Record {
    fn begin(request: &Request, id: Arc<str>, leftover: Option<Arc<Leftover>>) -> Self {
        Self {
            started: Instant::now(),
            id,
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            status: StatusCode::OK,
            leftover,
        }
    }

    fn end(&self, sent: u64) {
        let taken = self.started.elapsed();
        let received = self.leftover.as_ref().map_or(0, |leftover| leftover.received());
        let route = self.route.as_ref().map_or("none", MatchedPath::as_str);
        measures::request(route, &self.method, self.status, taken, received, sent);
        tracing::info!(
            target: "longshore::http",
            method = %self.method,
            route,
            status = self.status.as_u16(),
            received,
            sent,
            micros = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX),
            request_id = &*self.id,
            "answered"
        );
    }
}

/// An answer's body, which counts what is sent and tells when it has ended.
struct Sent {
    inner: Body,
    bytes: u64,
    record: Record,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(error))) => {
                // The status is long sent: all that is left is to break the connection, which hyper does.
                tracing::error!(request_id = &*self.record.id, error = chain(error), "an answer broke off");
            }
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.record.end(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use longshore_core::SystemClock;
    use longshore_core::wire::Problem;
    use longshore_engine::store::Store;
    use longshore_engine::{Database, Engine, Settings};
    use longshore_flow::Tasks;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

    use super::super::app::{App, Entrance, Limits};
    use super::Edge;

    async fn app(folder: &std::path::Path) -> (App, CancellationToken) {
        let database = Database::Sqlite(folder.join("longshore.db"));
        let clock = Arc::new(SystemClock);
        let engine = Engine::open(Settings::default(), &database, Store::memory(), clock).await.unwrap();
        let closing = CancellationToken::new();
        let (limits, entrance) = (Limits::default(), Entrance::default());
        (App::new(engine, limits, entrance, closing.clone(), Tasks::new()), closing)
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_that_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (app, _) = app(folder.path()).await;
        let broken = get(async || -> &'static str { panic!("the secret is out") });
        let router = Router::new().route("/broken", broken).layer(Edge::new(app));
        let request = Request::get("/broken").header("host", "x").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem.code, "internal");
        assert!(!problem.detail.contains("secret"));
    }

    #[tokio::test]
    async fn a_server_that_stops_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (app, closing) = app(folder.path()).await;
        let router = super::super::finished(app);
        closing.cancel();
        let request = Request::get("/readyz").header("host", "x").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["connection"], "close");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&body[..], br#"{"ready":false,"failed":"shutting_down"}"#);
    }
}
