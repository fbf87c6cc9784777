//! A request with a small body or none, and what makes it safe to send it again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use longshore_core::{Code, ErrorKind, random};
use serde::Serialize;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::lock::Named;

/// Makes the key of a new write: one that nobody else ever sends.
pub(super) fn new_key() -> HeaderValue {
    let mut bits = [0; 16];
    random::fill(&mut bits);
    let mut key = HeaderValue::try_from(format!("{:032x}", u128::from_le_bytes(bits)))
        .unwrap_or(HeaderValue::from_static("0"));
    // It opens the answer that the server keeps, and that may hold a secret.
    key.set_sensitive(true);
    key
}

/// A key that the caller gave, for one write.
#[derive(Debug)]
pub(super) struct OwnKey {
    value: HeaderValue,
    taken: AtomicBool,
}

impl OwnKey {
    pub(super) fn new(text: &str) -> Result<Self> {
        let malformed = || Error::invalid("an idempotency key has 1 to 255 visible ASCII characters");
        let visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if text.is_empty() || text.len() > 255 || !text.bytes().all(visible) {
            return Err(malformed());
        }
        let mut value = HeaderValue::from_str(text).map_err(|_| malformed())?;
        value.set_sensitive(true);
        Ok(Self { value, taken: AtomicBool::new(false) })
    }

    /// Gives the key to a write, once.
    pub(super) fn take(&self) -> Result<HeaderValue> {
        if self.taken.swap(true, Ordering::Relaxed) {
            let message = "the idempotency key went with another write already: each needs a key of its own";
            return Err(Error::invalid(message));
        }
        Ok(self.value.clone())
    }
}

/// A request with a small body or none.
#[derive(Clone)]
pub(crate) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) json: Option<Bytes>,
    pub(super) if_match: Option<HeaderValue>,
    pub(super) locks: Named,
    pub(super) idempotency: Option<HeaderValue>,
    pub(super) lane: Lane,
}

impl Call {
    pub(crate) fn get(path: String) -> Self {
        Self::repeatable(Method::GET, path)
    }

    /// Makes a request that, carried out twice, has the effect of once, whatever others do in between. All others
    /// are [`Client::write`](super::Client::write)s.
    pub(crate) fn repeatable(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            json: None,
            if_match: None,
            locks: Named::default(),
            idempotency: None,
            lane: Lane::default(),
        }
    }

    /// Makes a write that the server knows again by its key.
    pub(super) fn keyed(method: Method, path: String, key: HeaderValue) -> Self {
        Self { idempotency: Some(key), ..Self::repeatable(method, path) }
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self> {
        let json = serde_json::to_vec(body)
            .map_err(|error| Error::invalid(format!("the request cannot be written: {error}")))?;
        self.json = Some(json.into());
        Ok(self)
    }

    pub(crate) fn if_match(mut self, value: Option<HeaderValue>) -> Self {
        self.if_match = value;
        self
    }

    pub(crate) fn locks(mut self, locks: Named) -> Self {
        self.locks = locks;
        self
    }

    pub(crate) fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }
}

/// How a request stands to the pause that a server asks the whole client for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lane {
    /// It keeps the pause, and what it is told itself holds for all.
    #[default]
    Common,
    /// It keeps the pause. That there is no room for one more who waits says nothing of other requests.
    Waiting,
    /// It keeps no pause but its own, cut so that another attempt comes before this moment: a lock would be lost.
    Urgent(Option<Instant>),
}

impl Lane {
    /// Returns the pause that a refusal asks the whole client for.
    pub(super) fn pause_of_all(self, refusal: &Error) -> Option<Duration> {
        let is_of_all = match refusal.kind() {
            // That there is no room for one more says nothing of other requests.
            ErrorKind::RateLimited => ![Code::TooManyLocks, Code::TooManyUploads, Code::TooManyExports]
                .iter()
                .any(|code| refusal.is(*code)),
            ErrorKind::Unavailable => self != Self::Waiting,
            _ => false,
        };
        refusal.retry_after().filter(|_| is_of_all)
    }

    /// Returns when another attempt must have been made.
    pub(super) const fn until(self) -> Option<Instant> {
        match self {
            Self::Urgent(until) => until,
            Self::Common | Self::Waiting => None,
        }
    }
}
