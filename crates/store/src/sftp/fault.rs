//! Why a request was not done, and what that means to the caller of a store.

use super::wire::{Status, code};
use crate::error::{Error, ErrorKind};

/// Why a request was not done.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The server says no.
    Refused(Status),
    /// There is no session any more, or the server breaks the protocol.
    Broken(&'static str),
    /// A file was left half replaced, and this says where its contents are.
    Torn(String),
}

pub(super) type Answer<T> = Result<T, Fault>;

impl Fault {
    /// An answer that is none to what was asked.
    pub(super) const NONSENSE: Self = Self::Broken("the server's answer is not one of the protocol");

    pub(super) const fn code(&self) -> Option<u32> {
        match self {
            Self::Refused(status) => Some(status.code),
            Self::Broken(_) | Self::Torn(_) => None,
        }
    }

    /// Tells whether nothing stands there. OpenSSH says so below a file as well.
    pub(super) const fn is_missing(&self) -> bool {
        matches!(self.code(), Some(code::NO_SUCH_FILE | code::NO_SUCH_PATH | code::NOT_A_FOLDER))
    }

    /// Tells whether the session is gone, or as good as that.
    pub(super) const fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Torn(_))
    }

    /// Makes an error; `action` says what the request was for.
    pub(super) fn error(self, action: &'static str) -> Error {
        let status = match self {
            Self::Broken(why) => return Error::new(ErrorKind::Unavailable, why),
            Self::Torn(why) => return Error::new(ErrorKind::Unavailable, why),
            Self::Refused(status) => status,
        };
        let (kind, message) = match status.code {
            code::NO_SUCH_FILE | code::NO_SUCH_PATH => (ErrorKind::NotFound, "not found"),
            code::PERMISSION_DENIED => {
                (ErrorKind::PermissionDenied, "the server does not let this user do it")
            }
            code::WRITE_PROTECT => (ErrorKind::PermissionDenied, "the storage is write-protected"),
            code::EXISTS => (ErrorKind::AlreadyExists, "the file already exists"),
            code::NO_SPACE => (ErrorKind::StorageFull, "the server's disk is full"),
            code::QUOTA => (ErrorKind::StorageFull, "the quota on the server is used up"),
            code::NOT_EMPTY => (ErrorKind::DirectoryNotEmpty, "the folder is not empty"),
            code::NOT_A_FOLDER => (ErrorKind::InvalidPath, "a file stands where the path needs a folder"),
            code::IS_A_FOLDER => (ErrorKind::InvalidPath, "this is a folder"),
            // OpenSSH says the second for a name that is too long for the disk.
            code::INVALID_NAME | code::BAD_MESSAGE => {
                (ErrorKind::InvalidPath, "the server cannot take this path")
            }
            code::NO_CONNECTION | code::CONNECTION_LOST => {
                (ErrorKind::Unavailable, "the server has lost its storage")
            }
            code::UNSUPPORTED => (ErrorKind::Unsupported, "the server cannot do this"),
            _ => (ErrorKind::Internal, action),
        };
        Error::new(kind, message).with_source(format!("status {}: {}", status.code, status.text))
    }
}

pub(super) fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "not found")
}

pub(super) fn is_folder() -> Error {
    Error::new(ErrorKind::InvalidPath, "this is a folder")
}

pub(super) fn is_link() -> Error {
    Error::new(ErrorKind::InvalidPath, "a symbolic link is on the path")
}

pub(super) fn file_in_the_way() -> Error {
    Error::new(ErrorKind::InvalidPath, "a file stands where the path needs a folder")
}

pub(super) fn exists() -> Error {
    Error::new(ErrorKind::AlreadyExists, "the file already exists")
}
