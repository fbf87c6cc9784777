//! What went wrong, as the user sees it: the one place where an error becomes an exit code and a hint.

use std::fmt::{self, Display};
use std::io;
use std::process::ExitCode;

use longshore::{Code, ErrorCode, ErrorKind};
use serde::Serialize;

use crate::output::Output;

/// How the program ends. The numbers are part of the interface and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok,
    Unexpected,
    Usage,
    Partial,
    NotFound,
    Conflict,
    Denied,
    Unavailable,
    Invalid,
    Locked,
    Interrupted,
    /// What a command ended with that `longshore run` has run.
    Command(u8),
}

impl Exit {
    /// Every exit code and what it means.
    pub(crate) const ALL: [(Self, &str); 11] = [
        (Self::Ok, "all went well"),
        (Self::Unexpected, "something unexpected went wrong"),
        (Self::Usage, "the command line is wrong"),
        (Self::Partial, "some items failed; the others are done"),
        (Self::NotFound, "a file, folder, workspace, key or version does not exist"),
        (Self::Conflict, "a name is taken, a precondition does not hold, or a lock is lost"),
        (Self::Denied, "the key is missing, not valid, or may not do this"),
        (Self::Unavailable, "the server cannot be reached or is busy; try again later"),
        (Self::Invalid, "a name, path, id or value breaks a rule"),
        (Self::Locked, "somebody else's lock is in the way; try again later"),
        (Self::Interrupted, "interrupted"),
    ];

    /// Returns the number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::NotFound => 4,
            Self::Conflict => 5,
            Self::Denied => 6,
            Self::Unavailable => 7,
            Self::Invalid => 8,
            // What sendmail calls a temporary failure, as `flock` and schedulers know it.
            Self::Locked => 75,
            Self::Interrupted => 130,
            Self::Command(code) => code,
        }
    }

    /// Returns what this program ends with where a command of its has ended with `code`.
    pub(crate) fn of_command(code: i32) -> Self {
        match u8::try_from(code) {
            Ok(0) => Self::Ok,
            Ok(code) => Self::Command(code),
            Err(_) => Self::Unexpected,
        }
    }

    pub(crate) fn help() -> String {
        let mut text = "Exit codes:\n".to_owned();
        for (exit, meaning) in Self::ALL {
            text.push_str(&format!("  {:>3}  {meaning}\n", exit.number()));
        }
        text
    }

    fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Conflict | ErrorKind::Precondition => Self::Conflict,
            ErrorKind::Denied | ErrorKind::Unauthenticated => Self::Denied,
            ErrorKind::RateLimited | ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Invalid | ErrorKind::TooLarge => Self::Invalid,
            ErrorKind::Internal => Self::Unexpected,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// An error that is ready to be shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    #[serde(rename = "exit", serialize_with = "as_number")]
    pub(crate) exit: Exit,
    /// The stable code: of the API's table, one of this program that begins with `local_`, one of a store that was asked
    /// directly, which begins with `store_`, or one of a web server of others, which begins with `web_`.
    pub(crate) code: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn as_number<S: serde::Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(exit.number())
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self { exit, code: code.to_owned(), message: message.into(), hint: None, request_id: None }
    }

    pub(crate) fn of_code(code: Code, message: impl Into<String>) -> Self {
        Self::new(Exit::of(code.kind()), code.as_str(), message)
    }

    /// A value on the command line that its type alone does not refuse.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, "local_invalid", message)
    }

    /// A failure of this machine's files.
    pub(crate) fn local(message: impl Display, error: &io::Error) -> Self {
        let (exit, code) = match error.kind() {
            io::ErrorKind::NotFound => (Exit::NotFound, "local_not_found"),
            io::ErrorKind::AlreadyExists => (Exit::Conflict, "local_exists"),
            io::ErrorKind::PermissionDenied => (Exit::Denied, "local_denied"),
            _ => (Exit::Unexpected, "local_io"),
        };
        Self::new(exit, code, format!("{message}: {error}"))
    }

    /// Tells whether it says nothing about the item that it happened to, so that the next would meet it too.
    pub(crate) fn is_hopeless(&self) -> bool {
        let codes = ["network", "storage_full", "store_full", "store_unavailable", "store_denied", "web_tls"];
        codes.contains(&self.code.as_str()) || self.code.starts_with("key_")
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<&longshore::Error> for Failure {
    fn from(error: &longshore::Error) -> Self {
        let code = match error.code() {
            Some(code) => code.as_str(),
            None if error.is_network() => "network",
            None if error.is_local() => match error.kind() {
                ErrorKind::NotFound => "local_not_found",
                ErrorKind::Denied => "local_denied",
                _ => "local_io",
            },
            None => match error.kind() {
                ErrorKind::Invalid => "local_invalid",
                _ => "unexpected_answer",
            },
        };
        Self {
            exit: if error.is_locked() { Exit::Locked } else { Exit::of(error.kind()) },
            code: code.to_owned(),
            message: error.to_string(),
            hint: hint(error),
            request_id: error.request_id().map(str::to_owned),
        }
    }
}

impl From<longshore::Error> for Failure {
    fn from(error: longshore::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&longshore_store::Error> for Failure {
    fn from(error: &longshore_store::Error) -> Self {
        use longshore_store::ErrorKind as Kind;
        let (exit, code) = match error.kind() {
            Kind::NotFound => (Exit::NotFound, "store_not_found"),
            Kind::AlreadyExists => (Exit::Conflict, "store_exists"),
            Kind::DirectoryNotEmpty => (Exit::Conflict, "store_not_empty"),
            Kind::PreconditionFailed => (Exit::Conflict, "store_changed"),
            Kind::PermissionDenied => (Exit::Denied, "store_denied"),
            Kind::InvalidPath => (Exit::Invalid, "store_invalid_path"),
            Kind::InvalidInput => (Exit::Invalid, "store_invalid"),
            Kind::InvalidContent => (Exit::Invalid, "store_invalid_content"),
            Kind::Unsupported => (Exit::Invalid, "store_unsupported"),
            Kind::StorageFull => (Exit::Unavailable, "store_full"),
            Kind::Unavailable => (Exit::Unavailable, "store_unavailable"),
            Kind::Internal => (Exit::Unexpected, "store_internal"),
        };
        let hint = match error.kind() {
            Kind::NotFound => "`longshore store ls` shows what is there",
            Kind::AlreadyExists => "--overwrite replaces it",
            Kind::PermissionDenied => "docs/stores.md says where each kind of store looks for credentials",
            Kind::Unsupported => "`longshore store ping` shows what this store can do",
            Kind::Unavailable => {
                "`longshore store ping` tells whether it answers; --option attempts=N tries more often"
            }
            Kind::StorageFull => "make room there, then try again",
            _ => "",
        };
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(deeper) = cause {
            let text = deeper.to_string();
            if !message.contains(&text) {
                message.push_str(&format!(": {text}"));
            }
            cause = deeper.source();
        }
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        Self { hint, ..Self::new(exit, code, message) }
    }
}

impl From<longshore_store::Error> for Failure {
    fn from(error: longshore_store::Error) -> Self {
        Self::from(&error)
    }
}

impl From<longshore_core::PathError> for Failure {
    fn from(error: longshore_core::PathError) -> Self {
        Self::of_code(error.code(), error.to_string())
    }
}

/// Says what to do about an error, where that is not plain from the error itself.
fn hint(error: &longshore::Error) -> Option<String> {
    if error.is_network() {
        return Some(
            "is the server running? start one with `longshore serve`, or name another with --url".to_owned(),
        );
    }
    if let Some(ErrorCode::Known(code)) = error.code() {
        let hint = match code {
            Code::KeyMissing => NO_KEY,
            Code::KeyMalformed | Code::KeyUnknown | Code::KeyRevoked | Code::KeyExpired => {
                "check --key, LONGSHORE_API_KEY and the profile; \
                 an admin makes a new key with `longshore keys create`"
            }
            Code::KeyAddressRefused => {
                "use it from where it is for; an admin makes one for other networks with `longshore keys create --address`"
            }
            Code::PrincipalDeactivated => "an admin of the server may reactivate you",
            Code::OwnerRefused => "`longshore members list` shows who the owner is",
            Code::TransferNotFound => "`longshore transfer offer` makes one",
            Code::TransferEnded => "ask the owner for a new one, of `longshore transfer offer`",
            Code::TransferToSelf => "`longshore transfer revoke` takes your offer back",
            Code::MemberNotFound => "`longshore members list` shows them",
            Code::AccountNeeded => {
                "use a key of your own with the role owner, which is not narrowed to a workspace"
            }
            Code::InvitationNotFound => "`longshore invite list` shows them",
            Code::InvitationEnded => "ask whoever invited you for a new one",
            Code::ShareNotFound => "`longshore share list` shows them",
            Code::ShareRevoked => "`longshore share create` makes a new one",
            Code::TooManyShares => "`longshore share revoke` ends those that nobody needs",
            Code::SessionNotFound => "`longshore sessions list` shows them",
            Code::IdentityNotFound => "`longshore identities list` shows them",
            Code::LastWayIn => {
                "add another identity in a browser, or have an admin make a token for a password"
            }
            Code::PrincipalNotFound => "the id is what `longshore status` shows to them",
            Code::Forbidden => "ask an admin for a key with a higher role",
            Code::NodeNotFound => "`longshore ls` shows what is there, `longshore trash` what was deleted",
            Code::WorkspaceNotFound => "`longshore workspaces list` shows those this key reaches",
            Code::ActNotFound => "the events of the workspace tell their acts",
            Code::VersionNotFound => "`longshore versions list PATH` lists them",
            Code::KeyNotFound => "`longshore keys list` shows them",
            Code::NameTaken => "choose another name, or move what is there out of the way",
            Code::PreconditionFailed => {
                "somebody else has changed it: look at it again, then decide; --if-match '*' does it whatever the \
                 version"
            }
            Code::PreconditionRequired => {
                "the workspace's rules ask for the version that is to change: `longshore stat` shows it, and \
                 --if-match says it; --if-match '*' is for whichever it is"
            }
            Code::EventsGone => {
                "look what there is: the `seq` of `longshore workspaces current --json`, then `longshore ls -R`; then \
                 go on with --after that seq, or without --after from the oldest event that is kept"
            }
            Code::Locked => {
                "`longshore locks` shows who holds it; --wait of `lock` and `run` waits for it, \
                 an admin breaks it with `longshore unlock --force`"
            }
            Code::LockLost => "look at what has changed since, take the lock again, then decide",
            Code::LockNotFound => "`longshore locks` shows them",
            Code::NotInTrash => "`longshore trash` shows what is in the trash",
            Code::RateLimited | Code::Overloaded | Code::ShuttingDown | Code::RequestTimeout => {
                "nothing happened: try again in a moment"
            }
            Code::OutcomeUnknown => "it may have happened: look before trying again",
            Code::StorageFull => "make room on the server's disk, then try again",
            Code::QuotaExceeded => {
                "`longshore workspaces show` tells what there is and may be; `longshore trash purge` and `longshore versions rm` \
                 make room, as what was deleted counts until it is purged; an admin of the server may raise the quota"
            }
            Code::BodyTooLarge => "the server's configuration sets the largest file",
            _ => "",
        };
        if !hint.is_empty() {
            return Some(hint.to_owned());
        }
    }
    (error.kind() == ErrorKind::Internal).then(|| match error.request_id() {
        Some(id) => format!("the server's log says more under request {id}"),
        None => "this should not happen; please report it".to_owned(),
    })
}

/// How to get a key, for those who have none.
pub(crate) const NO_KEY: &str = "set LONGSHORE_API_KEY or give --key; `longshore serve` on this machine saves its \
     first key in your profile";

/// Makes of any error what the user is shown; nothing for a reader that has gone away.
fn explain(error: &anyhow::Error) -> Option<Failure> {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            let mut failure = failure.clone();
            failure.message = format!("{error:#}");
            return Some(failure);
        }
        if let Some(sdk) = cause.downcast_ref::<longshore::Error>() {
            let mut failure = Failure::from(sdk);
            failure.message = format!("{error:#}");
            return Some(failure);
        }
        if let Some(store) = cause.downcast_ref::<longshore_store::Error>() {
            return Some(Failure::from(store));
        }
        if let Some(path) = cause.downcast_ref::<longshore_core::PathError>() {
            return Some(Failure::of_code(path.code(), format!("{error:#}")));
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if io.kind() == io::ErrorKind::BrokenPipe {
                return None;
            }
            let mut failure = Failure::local("", io);
            failure.message = format!("{error:#}");
            return Some(failure);
        }
    }
    Some(Failure::new(Exit::Unexpected, "unexpected", format!("{error:#}")))
}

/// Shows an error and returns the code to end with.
pub(crate) fn report(error: &anyhow::Error, output: &Output) -> Exit {
    match explain(error) {
        Some(failure) => {
            output.failure(&failure);
            failure.exit
        }
        // As `longshore ls | head` ends: the reader has what it wanted.
        None => Exit::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn every_exit_code_is_told_once() {
        let codes: std::collections::HashSet<_> = Exit::ALL.iter().map(|(exit, _)| exit.number()).collect();
        assert_eq!(codes.len(), Exit::ALL.len());
    }
}
