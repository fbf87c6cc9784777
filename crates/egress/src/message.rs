//! Requests and answers, in types of this crate's own.

use std::fmt::{self, Debug};
use std::time::Duration;

use bytes::Bytes;

use crate::body::Body;
use crate::guard::Target;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Asks for content.
    Get,
    /// Hands content over.
    Post,
}

/// What happens when the answer points elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// The answer is given as it is: a status from 300 to 399.
    Refuse,
    /// At most so many are followed. Each is checked as the first URL was; from https nothing leads to http; and
    /// another origin gets none of the caller's headers that could tell it who asks.
    Follow(u8),
}

/// How long a request may take, and how much may come back.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the name, the connection and TLS together.
    pub connect: Duration,
    /// For all of it, redirects and the answer's content included.
    pub total: Duration,
    /// The most bytes of content that are handed out; more is an error.
    pub body: u64,
    /// The most bytes of an answer's head.
    pub head: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            total: Duration::from_secs(15),
            body: 64 * 1024,
            head: 16 * 1024,
        }
    }
}

/// A request. It prints neither its headers nor its content, which may be secret.
#[derive(Clone)]
pub struct Request {
    /// What it does.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// Names and values; `host` and `content-length` are added.
    pub headers: Vec<(String, String)>,
    /// The content it carries.
    pub body: Bytes,
    /// What happens when the answer points elsewhere.
    pub redirects: Redirects,
    /// How long it may take, and how much may come back.
    pub limits: Limits,
}

impl Request {
    /// Makes a request for content that follows no redirect.
    #[must_use]
    pub fn get(target: Target) -> Self {
        Self {
            method: Method::Get,
            target,
            headers: Vec::new(),
            body: Bytes::new(),
            redirects: Redirects::Refuse,
            limits: Limits::default(),
        }
    }

    /// Makes a request that hands over `body` and follows no redirect.
    #[must_use]
    pub fn post(target: Target, body: impl Into<Bytes>) -> Self {
        Self { method: Method::Post, body: body.into(), ..Self::get(target) }
    }

    /// Adds a header. Whether name and value can be one is found out when the request is sent.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("redirects", &self.redirects)
            .finish_non_exhaustive()
    }
}

/// The headers of an answer.
pub struct Headers(pub(crate) http::HeaderMap);

impl Headers {
    /// Returns the first value of a header; one that is not ASCII text counts as none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An answer: its head, and its content as it comes.
///
/// Dropping it closes the connection, whatever is still on its way.
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The URL that gave this answer, after redirects.
    pub target: Target,
    /// The content.
    pub body: Body,
}

impl Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
