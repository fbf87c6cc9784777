//! Why a request came to nothing, and whether another may come to more.

use std::error::Error as _;
use std::time::Duration;

use crate::failure::{Exit, Failure};

/// Whether, and when, the same may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It would end the same way.
    Never,
    /// After a pause that grows.
    Soon,
    /// The same, and the server may still be at the first attempt.
    AfterTimeout,
    /// After the pause that the server asked for.
    After(Duration),
}

/// A request that came to nothing.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// What the server answered, where it did.
    pub(crate) status: Option<u16>,
    pub(crate) again: Again,
    /// The first of the answer's body.
    pub(crate) body: Vec<u8>,
}

impl Refused {
    pub(crate) fn new(code: &'static str, again: Again, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: None, again, body: Vec::new() }
    }

    /// What the server says cannot be, and would say again.
    pub(crate) fn never(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Again::Never, message)
    }

    pub(crate) fn timeout(limit: Duration) -> Self {
        Self::new("web_timeout", Again::AfterTimeout, format!("nothing came for {limit:?}"))
    }

    /// Says what broke on the way. The URL is left out: it may hold a secret.
    pub(crate) fn broken(error: reqwest::Error, limit: Duration) -> Self {
        if error.is_timeout() {
            return Self::timeout(limit);
        }
        let again = if error.is_builder() { Again::Never } else { Again::Soon };
        let error = error.without_url();
        // The outermost words are the library's own; what happened is below them.
        let mut message = String::new();
        let mut cause = error.source();
        while let Some(deeper) = cause {
            let text = deeper.to_string();
            if !text.is_empty() && !message.contains(&text) {
                message = if message.is_empty() { text } else { format!("{message}: {text}") };
            }
            cause = deeper.source();
        }
        if message.is_empty() {
            message = error.to_string();
        }
        Self::new("web_network", again, message)
    }

    pub(crate) fn into_failure(self) -> Failure {
        let exit = match self.code {
            "web_network" | "web_timeout" | "web_throttled" | "web_failed" => Exit::Unavailable,
            "web_refused" => match self.status {
                Some(401 | 403) => Exit::Denied,
                Some(404 | 410) => Exit::NotFound,
                _ => Exit::Invalid,
            },
            "web_url" | "web_too_large" => Exit::Invalid,
            _ => Exit::Unexpected,
        };
        Failure::new(exit, self.code, self.message)
    }
}

/// What ends an attempt: the server's doing, or this machine's, which another attempt would not change.
#[derive(Debug)]
pub(crate) enum Ended {
    Refused(Refused),
    Failed(Failure),
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
