//! What can go wrong on the way out, by what its reader can do about it.

use std::borrow::Cow;
use std::fmt::{self, Display};

/// What a verb of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The URL is not one that may be asked: another scheme, port or form is needed.
    BlockedUrl,
    /// The host is at an address that may not be dialled: name a public one.
    BlockedAddress,
    /// The host's name leads to no address: check the name, or wait.
    Resolve,
    /// No connection came about, or it broke: wait, then try again.
    Connect,
    /// The peer did not prove who it is, or speaks no TLS: have its certificate mended.
    Tls,
    /// The time for the request was over: wait, then try again.
    Timeout,
    /// The answer is larger than was asked for.
    TooLarge,
    /// The peer does not speak HTTP as it should.
    Protocol,
    /// What the caller set cannot be used: mend the settings or the request.
    Unusable,
}

impl ErrorKind {
    /// Tells whether the same request may do better later, everything else being equal.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Resolve | Self::Connect | Self::Timeout | Self::Protocol)
    }

    /// Returns the kind's name, for logs and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BlockedUrl => "blocked_url",
            Self::BlockedAddress => "blocked_address",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::Unusable => "unusable",
        }
    }
}

/// An error of the way out.
///
/// Its message may be shown to whoever named the URL: it never has a byte that the peer sent, nor an address
/// that a name turned out to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Returns what kind of thing went wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what went wrong in this very case, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Tells whether the same request may do better later, everything else being equal.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
