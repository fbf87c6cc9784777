//! What can go wrong, as callers see it.

use std::error::Error as StdError;
use std::fmt::{self, Debug, Display};
use std::io;
use std::path::Path;
use std::time::Duration;

use http::response::Parts;
use longshore_core::wire::{Facts, LostReason, Problem};
use longshore_core::{Clock, Code, ErrorKind, LockId, SystemClock, VersionId};
use longshore_flow::retry::parse_retry_after;

mod hiding;
#[cfg(test)]
mod tests;

/// What a verb of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A cause that is kept for people who look deeper.
pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

/// The longest `Retry-After` that is believed at all.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The code a server gave: one of the public table, or one that a newer server has and this client does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A code of the table.
    Known(Code),
    /// A code this client does not know.
    Unknown(String),
}

impl ErrorCode {
    /// Returns the code's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Unknown(text) => text,
        }
    }
}

/// Where an error arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The caller's settings or arguments.
    Caller,
    /// This machine's files.
    Local,
    /// The way to the server.
    Network,
    /// The server's answer.
    Server,
    /// Bytes that are not what they should be.
    Integrity,
    /// A lock that a guard held.
    Lease,
    /// The caller's hand on a transfer.
    Control,
}

/// An error of the SDK: what the caller must do about it, and what is known of it.
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    origin: Origin,
    message: String,
    code: Option<ErrorCode>,
    status: Option<u16>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    /// Where what was refused has come to be all the same.
    location: Option<String>,
    facts: Facts,
    /// Whether the server may have carried out what was asked although it did not say so.
    ambiguous: bool,
    /// Whether nothing moved any more on the connection.
    stalled: bool,
    source: Option<Cause>,
}

impl Error {
    fn new(kind: ErrorKind, origin: Origin, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            origin,
            message: message.into(),
            code: None,
            status: None,
            request_id: None,
            retry_after: None,
            location: None,
            facts: Facts::default(),
            ambiguous: false,
            stalled: false,
            source: None,
        }))
    }

    fn caused_by(mut self, source: impl Into<Cause>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Makes the error of a setting or an argument that cannot be used.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, Origin::Caller, message)
    }

    /// Makes the error of a client without a key.
    pub(crate) fn no_key(message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::Unauthenticated, Origin::Caller, message);
        error.0.code = Some(ErrorCode::Known(Code::KeyMissing));
        error
    }

    /// Makes the error of a request that surely never reached the server.
    pub(crate) fn unsent(message: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self::new(ErrorKind::Unavailable, Origin::Network, message).caused_by(source)
    }

    /// Makes the error of a request or an answer that broke off: what the server did is unknown.
    pub(crate) fn broken(message: impl Into<String>, source: impl Into<Cause>) -> Self {
        let mut error = Self::unsent(message, source);
        error.0.ambiguous = true;
        error
    }

    /// Makes the error of a connection on which nothing moves any more.
    pub(crate) fn stalled(limit: Duration) -> Self {
        let mut error = Self::new(
            ErrorKind::Unavailable,
            Origin::Network,
            format!("nothing moved on the connection for {limit:?}"),
        );
        error.0.ambiguous = true;
        error.0.stalled = true;
        error
    }

    /// Makes the error of a local file.
    pub(crate) fn local(doing: &str, path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
            io::ErrorKind::AlreadyExists => ErrorKind::Conflict,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ErrorKind::TooLarge
            }
            io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::InvalidInput => ErrorKind::Invalid,
            _ => ErrorKind::Internal,
        };
        let message = format!("{doing} {}", path.display());
        Self::new(kind, Origin::Local, message).caused_by(source)
    }

    /// Makes the error of a source that is no file, such as a folder.
    pub(crate) fn no_file(path: &Path) -> Self {
        let message = format!("{} is not a regular file", path.display());
        Self::new(ErrorKind::Invalid, Origin::Local, message)
    }

    /// Makes the error of a caller's stream that failed while it was sent.
    pub(crate) fn source_failed(source: io::Error) -> Self {
        let message = "the stream to be sent failed";
        Self::new(ErrorKind::Internal, Origin::Local, message).caused_by(source)
    }

    /// Makes the error of content that is not what it should be.
    pub(crate) fn mismatch(code: Code, message: impl Into<String>) -> Self {
        let mut error = Self::new(code.kind(), Origin::Integrity, message);
        error.0.code = Some(ErrorCode::Known(code));
        error
    }

    /// Makes the error of an answer that breaks the contract.
    pub(crate) fn unreadable(message: impl Into<String>, status: u16) -> Self {
        let mut error = Self::new(ErrorKind::Internal, Origin::Server, message);
        error.0.status = Some(status);
        error.0.ambiguous = true;
        error
    }

    /// Makes the error of work inside this crate that ended without a result: a panic, or a runtime that stops.
    pub(crate) fn lost(source: impl Into<Cause>) -> Self {
        let message = "a task of the client ended early";
        Self::new(ErrorKind::Internal, Origin::Local, message).caused_by(source)
    }

    /// Makes the error of a request that was not sent because the server wants to be left alone for so long.
    pub(crate) fn left_alone(rest: Duration) -> Self {
        let message = format!("the server asked to be left alone for another {} s", rest.as_secs() + 1);
        let mut error = Self::new(ErrorKind::RateLimited, Origin::Server, message);
        error.0.retry_after = Some(rest);
        error
    }

    /// Makes the error of a transfer that the caller cancelled.
    pub(crate) fn cancelled() -> Self {
        Self::new(ErrorKind::Invalid, Origin::Control, "the transfer was cancelled")
    }

    /// Makes the error of content that became another version while it came, again and again.
    pub(crate) fn changed() -> Self {
        Self::mismatch(Code::PreconditionFailed, "the content changed while it was downloaded")
    }

    /// Makes the error of a lock that its guard takes for lost.
    pub(crate) fn lock_lost(reason: Option<LostReason>, message: impl Into<String>) -> Self {
        let mut error = Self::new(Code::LockLost.kind(), Origin::Lease, message);
        error.0.code = Some(ErrorCode::Known(Code::LockLost));
        error.0.facts.reason = reason;
        error
    }

    /// Says that what was under way may have happened.
    pub(crate) fn while_under_way(mut self) -> Self {
        self.0.ambiguous = true;
        self
    }

    /// Makes the error that a server's refusing answer tells.
    pub(crate) fn refused(head: &Parts, body: &[u8]) -> Self {
        let status = head.status.as_u16();
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let code = problem.as_ref().map(|problem| read_code(&problem.code));
        let kind = match code {
            Some(ErrorCode::Known(code)) => code.kind(),
            _ => kind_of_status(status),
        };
        let retry_after = header("retry-after").and_then(|field| {
            let micros = u64::try_from(SystemClock.now().as_micros()).unwrap_or(0);
            let now = std::time::UNIX_EPOCH + Duration::from_micros(micros);
            parse_retry_after(field, now, RETRY_AFTER_LIMIT)
        });
        let request_id = header("x-request-id").map(str::to_owned);
        let mut error = Self::new(kind, Origin::Server, "");
        let inner = &mut *error.0;
        inner.status = Some(status);
        inner.retry_after = retry_after;
        inner.location = header("location").map(str::to_owned);
        inner.code = code;
        // A fault, or a gateway that lost the server's answer, knows no more than a broken connection does.
        inner.ambiguous = status >= 500 && status != 503 && kind != ErrorKind::Unavailable
            || matches!(status, 502 | 504) && inner.code.is_none()
            || inner.code == Some(ErrorCode::Known(Code::OutcomeUnknown));
        match problem {
            Some(problem) => {
                inner.message = if problem.detail.is_empty() { problem.title } else { problem.detail };
                inner.facts = problem.facts;
                inner.request_id = request_id.or(Some(problem.request_id).filter(|id| !id.is_empty()));
            }
            None => {
                inner.message = match &inner.location {
                    Some(place) => format!("the server answered {} to {place}", head.status),
                    None => format!("the server answered {}", head.status),
                };
                inner.request_id = request_id;
            }
        }
        error
    }

    /// Makes the error that the problem of one item of an answer tells.
    pub(crate) fn of_problem(problem: Problem) -> Self {
        let code = read_code(&problem.code);
        let kind = match code {
            ErrorCode::Known(code) => code.kind(),
            ErrorCode::Unknown(_) => kind_of_status(problem.status),
        };
        let mut error = Self::new(kind, Origin::Server, "");
        let inner = &mut *error.0;
        inner.status = Some(problem.status);
        inner.ambiguous = kind == ErrorKind::Internal;
        inner.code = Some(code);
        inner.message = if problem.detail.is_empty() { problem.title } else { problem.detail };
        inner.facts = problem.facts;
        inner.request_id = Some(problem.request_id).filter(|id| !id.is_empty());
        error
    }

    /// Returns the same error for another of the things that it is about; its causes are in its message.
    pub(crate) fn repeated(&self) -> Self {
        let inner = &self.0;
        Self(Box::new(Inner {
            kind: inner.kind,
            origin: inner.origin,
            message: self.to_string(),
            code: inner.code.clone(),
            status: inner.status,
            request_id: inner.request_id.clone(),
            retry_after: inner.retry_after,
            location: inner.location.clone(),
            facts: inner.facts.clone(),
            ambiguous: inner.ambiguous,
            stalled: inner.stalled,
            source: None,
        }))
    }

    /// Returns where a refusing answer says that what was asked for is.
    pub(crate) fn location(&self) -> Option<&str> {
        self.0.location.as_deref()
    }

    /// Returns what kind of thing went wrong, by what the caller must do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the stable code, where there is one: from the server, or of a check this client makes itself.
    #[must_use]
    pub fn code(&self) -> Option<&ErrorCode> {
        self.0.code.as_ref()
    }

    /// Tells whether the error has this code of the table.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.0.code == Some(ErrorCode::Known(code))
    }

    /// Tells whether somebody else's lock is in the way; [`Error::facts`] says whose, for how long, and where in the
    /// queue the caller stands.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.is(Code::Locked)
    }

    /// Tells whether a lock that the caller had is held no longer; the `reason` of [`Error::facts`] says why.
    #[must_use]
    pub fn is_lock_lost(&self) -> bool {
        self.is(Code::LockLost)
    }

    /// Returns what went wrong in this very case, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the HTTP status of the server's answer, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the request's id, which the server's log has too.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Returns how long the server asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the version that stands, for a failed precondition.
    #[must_use]
    pub fn current_version(&self) -> Option<VersionId> {
        self.0.facts.current_version
    }

    /// Returns what the server said for a program to act on, such as whose lock is in the way.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.0.facts
    }

    /// Tells whether the same request may do better later, everything else being equal.
    ///
    /// Whether it may then be sent again without a look is another question: see [`Error::may_have_happened`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        // A commit that was lost from sight is, to who asked, a connection that broke before the answer.
        matches!(self.0.kind, ErrorKind::RateLimited | ErrorKind::Unavailable)
            || self.is(Code::OutcomeUnknown)
    }

    /// Tells whether a connection was given up because nothing moved on it.
    pub(crate) fn is_stall(&self) -> bool {
        self.0.stalled
    }

    /// Tells whether the server has no room for what is sent to it.
    pub(crate) fn is_storage_full(&self) -> bool {
        self.is(Code::StorageFull) || self.0.status == Some(507)
    }

    /// Returns the locks that a refusal is about, of those that the request has named.
    pub(crate) fn locks_meant(&self) -> impl Iterator<Item = LockId> {
        let facts = &self.0.facts;
        facts.lock_ids.iter().copied().chain(facts.locks.iter().map(|lock| lock.id))
    }

    /// Tells whether the way to the server failed: no connection, one that broke, or one that stalled.
    #[must_use]
    pub fn is_network(&self) -> bool {
        self.0.origin == Origin::Network
    }

    /// Tells whether a file of this machine, or the caller's own stream, failed.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.origin == Origin::Local
    }

    /// Tells whether the caller cancelled the transfer, see [`crate::Control`].
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.origin == Origin::Control
    }

    /// Tells whether the server may have done what was asked although this error came back.
    ///
    /// So it is with a connection that broke after the request was sent, with a commit whose end the server
    /// itself did not see ([`Code::OutcomeUnknown`]), and with a fault inside the server (5xx but 503); every
    /// other refusal means that nothing happened.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        self.0.ambiguous
    }

    /// Returns what caused this error, where something outside this crate did.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|cause| cause as _)
    }
}

fn read_code(text: &str) -> ErrorCode {
    Code::ALL
        .iter()
        .copied()
        .find(|code| code.as_str() == text)
        .map_or_else(|| ErrorCode::Unknown(text.to_owned()), ErrorCode::Known)
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::Denied,
        404 | 410 => ErrorKind::NotFound,
        408 | 502 | 503 | 504 | 507 => ErrorKind::Unavailable,
        409 | 423 => ErrorKind::Conflict,
        412 | 428 => ErrorKind::Precondition,
        413 | 431 => ErrorKind::TooLarge,
        429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    }
}

impl Display for Error {
    /// Writes the message and every cause below it: "cannot read x" alone would not say why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut cause = self.cause();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

/// `source` gives nothing: `Display` has told the causes, and who prints a chain would tell them twice.
impl StdError for Error {}

impl From<longshore_core::PathError> for Error {
    fn from(error: longshore_core::PathError) -> Self {
        let mut invalid = Self::invalid(error.to_string());
        invalid.0.code = Some(ErrorCode::Known(error.code()));
        invalid
    }
}
