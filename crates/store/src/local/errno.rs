//! What the kernel's error numbers mean to the caller of a store.

use rustix::io::Errno;

use crate::error::{Error, ErrorKind};

/// Makes an error of a failed system call; `action` says what it was for.
pub(super) fn error(errno: Errno, action: &'static str) -> Error {
    let kind = match errno {
        Errno::NOENT => ErrorKind::NotFound,
        Errno::EXIST => ErrorKind::AlreadyExists,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => ErrorKind::PermissionDenied,
        Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::ILSEQ => {
            ErrorKind::InvalidPath
        }
        Errno::NOTEMPTY => ErrorKind::DirectoryNotEmpty,
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => ErrorKind::StorageFull,
        Errno::MFILE
        | Errno::NFILE
        | Errno::NOMEM
        | Errno::AGAIN
        | Errno::BUSY
        | Errno::TIMEDOUT
        | Errno::STALE => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    let message = match errno {
        Errno::NOENT => "not found",
        Errno::EXIST => "the file already exists",
        Errno::NOTDIR => "a file stands where the path needs a folder",
        Errno::ISDIR => "this is a folder",
        Errno::LOOP => "a symbolic link is on the path",
        Errno::NAMETOOLONG => "a name is too long for the disk",
        Errno::NOTEMPTY => "the folder is not empty",
        Errno::NOSPC => "the disk is full",
        Errno::DQUOT => "the quota of the disk is used up",
        Errno::FBIG => "the file is too large for the disk",
        _ => action,
    };
    Error::new(kind, message).with_source(std::io::Error::from(errno))
}

/// As [`error`], for looking a path up: below a file there is nothing.
pub(super) fn lookup_error(errno: Errno, action: &'static str) -> Error {
    match errno {
        Errno::NOTDIR => error(Errno::NOENT, action),
        errno => error(errno, action),
    }
}

/// Tells whether a kernel, a file system or a filter in front of them does not know a call.
pub(super) const fn is_unsupported(errno: Errno) -> bool {
    // Some container runtimes' filters say PERM where they mean NOSYS.
    matches!(errno, Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::PERM)
}
