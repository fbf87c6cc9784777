//! One request and its answer, from hop to hop.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use crate::body::Body;
use crate::connect::Wire;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Guard, Target};
use crate::message::{Headers, Method, Redirects, Request, Response};

/// The library's floor for the buffer that holds an answer's head.
const LEAST_HEAD: usize = 8192;
/// Headers that say nothing of who asks; only these go along to another origin.
const HARMLESS: &[&str] = &["accept", "accept-encoding", "accept-language", "content-type", "range"];
/// Headers that belong to the connection or are computed.
const OURS: &[&str] =
    &["connection", "content-length", "host", "transfer-encoding", "upgrade", "te", "trailer"];

type Connection = http1::Connection<TokioIo<Box<dyn Wire>>, Full<Bytes>>;

/// The work of a connection, done by whoever waits for its answer.
pub(crate) struct Driver(Option<Pin<Box<Connection>>>);

impl Driver {
    /// Moves the connection on. How it failed is told to whoever waits for the answer or its content.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.0
            && connection.as_mut().poll(cx).is_ready()
        {
            self.0 = None;
        }
    }
}

impl Guard {
    /// Sends a request and returns the head of its answer; the content follows as it is read.
    ///
    /// The target's addresses are looked up and checked anew, and so are those of each redirect that is
    /// followed. A status that is no success is an answer, not an error. Dropping the future or the answer ends
    /// the request and closes its connection.
    ///
    /// # Errors
    /// Every kind there is.
    pub async fn send(&self, request: Request) -> Result<Response> {
        let ends = Instant::now() + request.limits.total;
        let total = request.limits.total;
        match timeout_at(ends, self.follow(request, ends)).await {
            Ok(answered) => answered,
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("no answer within {total:?}"))),
        }
    }

    async fn follow(&self, mut request: Request, ends: Instant) -> Result<Response> {
        // What passed another guard, or passed before the settings changed, must pass this one.
        request.target = self.check_parsed(request.target.0.clone())?;
        let mut hops = 0;
        loop {
            let response = self.exchange(&request, ends).await?;
            let Redirects::Follow(most) = request.redirects else { return Ok(response) };
            let Some(place) = redirection(&response) else { return Ok(response) };
            if hops == most {
                return Err(Error::new(ErrorKind::Protocol, format!("more than {most} redirects")));
            }
            hops += 1;
            let target = self.check_hop(&request.target, &place)?;
            redirect(&mut request, response.status, target);
        }
    }

    fn check_hop(&self, from: &Target, place: &str) -> Result<Target> {
        // The place is the peer's text: what is wrong with it is told without it.
        let bad = |kind| Error::new(kind, "a redirect leads to where no request may go");
        let url = from.0.join(place).map_err(|_| bad(ErrorKind::Protocol))?;
        let target = self.check_parsed(url).map_err(|error| bad(error.kind()))?;
        if from.is_https() && !target.is_https() {
            return Err(Error::new(ErrorKind::BlockedUrl, "a redirect leads from https to http"));
        }
        Ok(target)
    }

    async fn exchange(&self, request: &Request, ends: Instant) -> Result<Response> {
        let message = self.message(request)?;
        let wire = self.dial(&request.target, &request.limits).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(request.limits.head.max(LEAST_HEAD));
        let shaken = builder.handshake(TokioIo::new(wire)).await;
        let (mut sender, connection) = shaken.map_err(|error| exchange_error(&error))?;
        let mut driver = Driver(Some(Box::pin(connection)));
        let mut answer = pin!(sender.send_request(message));
        let answer = poll_fn(|cx| {
            // Before and after: a connection that is done has left its answer to be picked up.
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            driver.poll(cx);
            answer.as_mut().poll(cx)
        });
        let (head, incoming) = answer.await.map_err(|error| exchange_error(&error))?.into_parts();
        Ok(Response {
            status: head.status.as_u16(),
            headers: Headers(head.headers),
            target: request.target.clone(),
            body: Body::new(incoming, driver, request.limits.body, ends),
        })
    }

    fn message(&self, request: &Request) -> Result<http::Request<Full<Bytes>>> {
        let unusable = || Error::new(ErrorKind::Unusable, "a header's name or value is none of HTTP");
        let method = match request.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
        };
        let mut message = http::Request::new(Full::new(request.body.clone()));
        *message.method_mut() = method;
        *message.uri_mut() = request.target.origin_form()?.into();
        let headers = message.headers_mut();
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
            if OURS.contains(&name.as_str()) {
                return Err(Error::new(ErrorKind::Unusable, format!("{name} is not for the caller to set")));
            }
            let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        headers.insert(HOST, HeaderValue::from_str(&request.target.authority()).map_err(|_| unusable())?);
        // One request each: an answer's connection is closed with it.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Some(name) = &self.0.settings.user_agent
            && !headers.contains_key(USER_AGENT)
        {
            headers.insert(USER_AGENT, HeaderValue::from_str(name).map_err(|_| unusable())?);
        }
        Ok(message)
    }
}

fn redirection(response: &Response) -> Option<String> {
    matches!(response.status, 301 | 302 | 303 | 307 | 308)
        .then(|| response.headers.get(LOCATION.as_str()))
        .flatten()
        .map(str::to_owned)
}

/// Turns a request into the one that a redirect asks for.
fn redirect(request: &mut Request, status: u16, target: Target) {
    if !matches!(status, 307 | 308) {
        // As browsers do, whatever the method was: content is not handed to a place that did not ask for it.
        request.method = Method::Get;
        request.body = Bytes::new();
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    }
    if request.target.0.origin() != target.0.origin() {
        request.headers.retain(|(name, _)| HARMLESS.iter().any(|it| name.eq_ignore_ascii_case(it)));
    }
    request.target = target;
}

fn exchange_error(error: &hyper::Error) -> Error {
    if error.is_parse() {
        Error::new(ErrorKind::Protocol, "the answer's head is not HTTP, or too large")
    } else {
        Error::new(ErrorKind::Connect, "the connection broke before the answer came")
    }
}
