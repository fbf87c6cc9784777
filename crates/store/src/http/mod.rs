//! The HTTP that `object_store` speaks through: hyper's pooled client with rustls, in place of reqwest.
//!
//! A status that is no success never gets back into `object_store`: it becomes the error [`Refused`], which the object
//! backends find again and translate, with its `Retry-After`. So there is one place that knows what a status means, and
//! `object_store` has nothing to try again by itself.

mod body;
mod dial;
mod refused;
mod tls;

use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use hyper_util::client::legacy;
use hyper_util::rt::TokioTimer;
use longshore_flow::Tasks;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::{ClientConfigKey, ClientOptions};

use self::body::{Answer, Outgoing};
use self::dial::Dial;
pub(crate) use self::refused::Refused;
use self::tls::Tls;

/// Reads this large move a big file with few system calls; small answers never make the buffer grow to it.
const READ_BUFFER: usize = 512 * 1024;

/// A connection that nobody used for so long is closed: servers close theirs, some after no more than 5 seconds, and a
/// request that meets such an end is lost.
const KEEP: Duration = Duration::from_secs(4);

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("longshore-store/", env!("CARGO_PKG_VERSION")));

/// How to speak HTTP with a service.
#[derive(Clone, Debug)]
pub(crate) struct HttpOptions {
    /// How long a connection may take to be made, name and TLS included.
    pub(crate) connect_timeout: Duration,
    /// How long nothing may move, in either direction, before a request is given up.
    pub(crate) idle_timeout: Duration,
    /// A file of further root certificates (PEM), for a service that has its own authority.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            ca_file: None,
        }
    }
}

/// Makes HTTP clients for `object_store`. All clients of one connector share its certificates.
///
/// Of [`ClientOptions`] it heeds whether plain HTTP is allowed, and a shorter time-out for connections.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    options: HttpOptions,
    tls: Arc<Tls>,
}

impl Connector {
    pub(crate) fn new(options: HttpOptions) -> Self {
        let tls = Arc::new(Tls::new(options.ca_file.clone()));
        Self { options, tls }
    }

    /// Makes a client, for our own requests.
    pub(crate) fn client(&self, allow_http: bool) -> Client {
        Client::new(&self.options, self.options.connect_timeout, Arc::clone(&self.tls), allow_http)
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allow_http = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let asked = options.get_config_value(&ClientConfigKey::ConnectTimeout);
        let connect = asked.and_then(|text| whole_seconds(&text));
        let connect = connect.map_or(self.options.connect_timeout, |c| c.min(self.options.connect_timeout));
        Ok(HttpClient::new(Client::new(&self.options, connect, Arc::clone(&self.tls), allow_http)))
    }
}

/// Reads how `object_store` prints a time-out of whole seconds.
fn whole_seconds(text: &str) -> Option<Duration> {
    let number = text.strip_suffix("seconds").or_else(|| text.strip_suffix('s'))?;
    number.trim().parse().ok().map(Duration::from_secs)
}

/// One pool of connections. Clones share it.
#[derive(Clone)]
pub(crate) struct Client {
    pool: legacy::Client<Dial, Outgoing>,
    idle_timeout: Duration,
    allow_http: bool,
}

impl Client {
    fn new(options: &HttpOptions, connect: Duration, tls: Arc<Tls>, allow_http: bool) -> Self {
        let pool = legacy::Client::builder(Spawn(Tasks::new()))
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP)
            .http1_max_buf_size(READ_BUFFER)
            .build(Dial::new(tls, connect));
        Self { pool, idle_timeout: options.idle_timeout, allow_http }
    }

    /// Sends a request, and gives the answer when its head is there. What is no success is [`Refused`].
    pub(crate) async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if !self.allow_http && request.uri().scheme_str() != Some("https") {
            return Err(failed(HttpErrorKind::Unknown, PlainHttp(origin(request.uri()))));
        }
        request.headers_mut().entry(header::USER_AGENT).or_insert(USER_AGENT);
        // The connection may have been closed by the server just when we took it out of the pool.
        let again = may_be_sent_twice(&request).then(|| request.clone());
        match (self.exchange(request).await, again) {
            (Err(error), Some(request)) if error.kind() == HttpErrorKind::Interrupted => {
                self.exchange(request).await
            }
            (result, _) => result,
        }
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let (body, mut idle) = Outgoing::new(body, self.idle_timeout);
        let mut answer = pin!(self.pool.request(Request::from_parts(head, body)));
        let answer = std::future::poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer.map_err(broken)),
            Poll::Pending => idle.poll_expired(cx).map(|()| Err(stalled(idle.limit()))),
        })
        .await?;
        idle.touch();
        let (head, body) = answer.into_parts();
        let body = Answer::new(body, idle);
        if head.status.is_success() {
            return Ok(Response::from_parts(head, HttpResponseBody::new(body)));
        }
        Err(failed(HttpErrorKind::Unknown, Refused::read(&head, body).await))
    }
}

impl HttpService for Client {
    fn call<'a, 'b>(&'a self, request: HttpRequest) -> BoxFuture<'b, Result<HttpResponse, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.send(request))
    }
}

impl Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("idle_timeout", &self.idle_timeout).finish_non_exhaustive()
    }
}

/// Returns whether a request does the same done twice: a condition may be met by its own first attempt.
fn may_be_sent_twice(request: &HttpRequest) -> bool {
    let is_conditional = |name| request.headers().contains_key(name);
    match *request.method() {
        Method::GET | Method::HEAD => true,
        Method::PUT | Method::DELETE => {
            !is_conditional(header::IF_NONE_MATCH) && !is_conditional(header::IF_MATCH)
        }
        _ => false,
    }
}

/// Returns scheme, host and port: a query may hold what must not be printed.
fn origin(uri: &Uri) -> String {
    let host = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{}", uri.scheme_str().unwrap_or("?"), host.rsplit('@').next().unwrap_or_default())
}

fn failed(kind: HttpErrorKind, error: impl StdError + Send + Sync + 'static) -> HttpError {
    HttpError::new(kind, error)
}

/// Tells what broke a request: `Connect` where nothing of it was sent.
fn broken(error: legacy::Error) -> HttpError {
    let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Interrupted };
    failed(kind, error)
}

/// Tells that nothing came or went for `limit`.
fn stalled(limit: Duration) -> HttpError {
    failed(HttpErrorKind::Timeout, Stalled(limit))
}

/// Nothing came or went for this long.
#[derive(Debug)]
struct Stalled(Duration);

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing moved for {:?}", self.0)
    }
}

impl StdError for Stalled {}

/// A plain-text address where only TLS is allowed.
#[derive(Debug)]
pub(crate) struct PlainHttp(String);

impl fmt::Display for PlainHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not https, and plain http is not allowed", self.0)
    }
}

impl StdError for PlainHttp {}

/// Runs what the pool needs to be run, in tasks that end with their connections.
#[derive(Clone)]
struct Spawn(Tasks);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, future: F) {
        drop(self.0.spawn(future));
    }
}
