//! What can go wrong in a store, by what the caller must do about it.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::capability::Capability;

/// A result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong, by what the caller must do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such file or folder: name another.
    NotFound,
    /// The file stands already and overwriting was not asked for: choose another name, or ask for it.
    AlreadyExists,
    /// The store's owner does not let us do this: have the rights mended.
    PermissionDenied,
    /// The path breaks a rule, or names a thing of another type: mend the path.
    InvalidPath,
    /// What was asked for breaks a rule (metadata, a pattern): mend it. Nothing was tried.
    InvalidInput,
    /// The content is not what was asked for (no UTF-8, another digest): read it in another way, or mend it.
    InvalidContent,
    /// This backend cannot do this at all: look at its capabilities first. Nothing was tried.
    Unsupported,
    /// The folder has content and deleting it was not asked for: empty it, or ask for it.
    DirectoryNotEmpty,
    /// The file is no longer the one that was named (`if_match`): look, then decide anew.
    PreconditionFailed,
    /// The disk or quota is full, or the file is too large for it: make room. Nothing was stored.
    StorageFull,
    /// Not possible just now: wait, then do the same again.
    Unavailable,
    /// A fault of the storage or of this program: report it.
    Internal,
}

impl ErrorKind {
    /// Returns whether doing the same again, later, may succeed without anybody mending anything.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable)
    }
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// An error of the store: a kind to act on, and detail for a log.
#[derive(Debug)]
pub struct Error(Box<Detail>);

#[derive(Debug)]
struct Detail {
    kind: ErrorKind,
    message: Cow<'static, str>,
    path: Option<String>,
    backend: Option<&'static str>,
    retry_after: Option<Duration>,
    capability: Option<Capability>,
    source: Option<Source>,
}

impl Error {
    /// Makes an error. The store adds path and backend on the way out.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Detail {
            kind,
            message: message.into(),
            path: None,
            backend: None,
            retry_after: None,
            capability: None,
            source: None,
        }))
    }

    /// Makes the error of a backend that lacks what a verb needs.
    pub(crate) fn lacking(capability: Capability) -> Self {
        let message = format!("the backend lacks the capability {capability:?}");
        let mut error = Self::new(ErrorKind::Unsupported, message);
        error.0.capability = Some(capability);
        error
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds how long the storage asked to be left alone.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.0.retry_after = Some(pause);
        self
    }

    /// Adds the path and the backend, unless they are known already.
    #[must_use]
    pub(crate) fn located(mut self, path: &str, backend: &'static str) -> Self {
        self.0.path.get_or_insert_with(|| path.to_owned());
        self.0.backend.get_or_insert(backend);
        self
    }

    /// Returns what kind of thing went wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns what went wrong, in words, without path and backend.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the path the caller named.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// Returns the name of the backend.
    #[must_use]
    pub const fn backend(&self) -> Option<&'static str> {
        self.0.backend
    }

    /// Returns how long the storage asked to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the capability that the backend lacks, where the error is of that.
    #[must_use]
    pub const fn capability(&self) -> Option<Capability> {
        self.0.capability
    }

    /// Returns whether doing the same again, later, may succeed without anybody mending anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(path) = &self.0.path {
            write!(f, " | path={path:?}")?;
        }
        if let Some(backend) = self.0.backend {
            write!(f, " | backend={backend}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            ErrorKind::NotFound => Io::NotFound,
            ErrorKind::AlreadyExists => Io::AlreadyExists,
            ErrorKind::PermissionDenied => Io::PermissionDenied,
            ErrorKind::InvalidPath | ErrorKind::InvalidInput => Io::InvalidInput,
            ErrorKind::InvalidContent => Io::InvalidData,
            ErrorKind::Unsupported => Io::Unsupported,
            ErrorKind::DirectoryNotEmpty => Io::DirectoryNotEmpty,
            ErrorKind::StorageFull => Io::StorageFull,
            // `Interrupted` and `WouldBlock` would have readers try again by themselves.
            ErrorKind::PreconditionFailed | ErrorKind::Unavailable | ErrorKind::Internal => Io::Other,
        };
        Self::new(kind, error)
    }
}
