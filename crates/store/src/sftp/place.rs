//! Where the store lies on the server, and what stands there.
//!
//! SFTP follows links, and has no way to be told not to. So every name on a path is looked at, all in one flight, before
//! anything is done there: none may be a link. Nothing of it is kept for later. Whoever has an account of their own on the
//! server can put a link in place between the look and the deed; version 3 of the protocol has nothing against that.

use super::fault::{self, Answer, Fault};
use super::session::{Pending, Session};
use super::wire::{Attributes, Type, kind};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{Entry, FileInfo, FolderInfo};
use crate::own_names::TEMPORARY;
use crate::path::StorePath;

/// The folder on the server that is the store's root.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Empty for `/`.
    root: String,
}

/// What stands at a path.
#[derive(Debug)]
pub(super) enum Standing {
    File(Attributes),
    Folder,
    /// A link, here or on the way.
    Link,
    /// A pipe, a device.
    Other,
    /// Nothing, as a file stands on the way.
    BelowFile,
    /// Nothing, in a folder that stands or does not either.
    Nothing {
        has_folder: bool,
    },
}

impl Place {
    /// Takes a path on the server; `~` is the login folder.
    pub(super) fn new(root: &str) -> Self {
        let root = match root.strip_prefix('~') {
            Some(below) if below.is_empty() || below.starts_with('/') => below.trim_start_matches('/'),
            _ => root,
        };
        let is_absolute = root.starts_with('/');
        let root = root.trim_end_matches('/');
        let root = match (is_absolute, root) {
            (true, root) => root.to_owned(),
            (false, "" | ".") => ".".to_owned(),
            // The dot keeps a name that begins with `~` or `-` from being taken for something else.
            (false, root) => format!("./{}", root.trim_start_matches("./")),
        };
        Self { root }
    }

    /// Returns what the server calls a path of the store.
    pub(super) fn of(&self, path: &str) -> String {
        if path.is_empty() { self.root().to_owned() } else { format!("{}/{path}", self.root) }
    }

    pub(super) fn root(&self) -> &str {
        if self.root.is_empty() { "/" } else { &self.root }
    }

    /// Returns the path of the store that the server calls so.
    pub(super) fn path_of(&self, native: &str) -> Option<StorePath> {
        if native == self.root() {
            return Some(StorePath::ROOT);
        }
        StorePath::parse(native.strip_prefix(&self.root)?.strip_prefix('/')?).ok()
    }

    /// Returns what the server calls the folder for temporary files.
    pub(super) fn temporary(&self) -> String {
        self.of(TEMPORARY)
    }

    /// Begins to look at every name of a path.
    pub(super) async fn begin_look(&self, session: &Session, path: &StorePath) -> Result<Look> {
        let mut pending = Vec::with_capacity(4);
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends {
            let asked = session.ask_path(kind::LSTAT, &self.of(&path[..end])).await;
            pending.push(asked.map_err(|fault| fault.error("looking"))?);
        }
        Ok(Look(pending))
    }

    /// Looks at every name of a path.
    pub(super) async fn look(&self, session: &Session, path: &StorePath) -> Result<Standing> {
        self.begin_look(session, path).await?.standing().await
    }

    /// Makes a folder and what is missing above it, the root included.
    pub(super) async fn make_folder(&self, session: &Session, path: &str) -> Result<()> {
        if path.is_empty() {
            return self.make_root(session).await;
        }
        for end in path.match_indices('/').map(|(end, _)| end).chain([path.len()]) {
            let folder = self.of(&path[..end]);
            if self.make_one(session, &folder).await?.is_none() {
                // The first may be missing as the root is.
                self.make_root(session).await?;
                if self.make_one(session, &folder).await?.is_none() {
                    return Err(Error::new(ErrorKind::Unavailable, "the folder keeps disappearing"));
                }
            }
        }
        Ok(())
    }

    /// Makes a folder unless it stands. Nothing if that above it is missing.
    async fn make_one(&self, session: &Session, folder: &str) -> Result<Option<()>> {
        let failed = |fault: Fault| fault.error("making the folder");
        let refused = match session.make_folder(folder).await {
            Ok(()) => return Ok(Some(())),
            Err(fault) if fault.is_broken() => return Err(failed(fault)),
            Err(fault) => fault,
        };
        // The protocol has no words for why: somebody may have made it.
        match session.lstat(folder).await {
            Ok(there) => match there.kind() {
                Type::Folder => Ok(Some(())),
                Type::Link => Err(fault::is_link()),
                Type::File | Type::Other => Err(fault::file_in_the_way()),
            },
            Err(fault) if fault.is_missing() && refused.is_missing() => Ok(None),
            Err(fault) if fault.is_missing() => Err(failed(refused)),
            Err(fault) => Err(failed(fault)),
        }
    }

    /// Makes the root, and what is missing above it. There links are the server's own affair.
    async fn make_root(&self, session: &Session) -> Result<()> {
        let failed = |fault: Fault| fault.error("making the root of the store");
        let ends = self.root.match_indices('/').map(|(end, _)| end).chain([self.root.len()]);
        let mut last = Ok(());
        for end in ends.filter(|end| *end > 0) {
            last = session.make_folder(&self.root[..end]).await;
        }
        match session.ask_path(kind::STAT, self.root()).await.map_err(failed)?.attributes().await {
            Ok(there) if there.kind() == Type::Folder => Ok(()),
            Ok(_) => Err(fault::file_in_the_way()),
            Err(fault) => Err(failed(last.err().unwrap_or(fault))),
        }
    }
}

/// A look that is under way: the names of a path, from the root down.
pub(super) struct Look(Vec<Pending>);

impl Look {
    pub(super) async fn standing(self) -> Result<Standing> {
        let mut left = self.0.len();
        let mut all: Vec<Answer<Attributes>> = Vec::with_capacity(left);
        for mut pending in self.0 {
            all.push(pending.attributes().await);
        }
        for found in all {
            left -= 1;
            let here = match found {
                Ok(found) => found,
                Err(fault) if fault.is_missing() => return Ok(Standing::Nothing { has_folder: left == 0 }),
                Err(fault) => return Err(fault.error("looking")),
            };
            match (here.kind(), left) {
                (Type::File, 0) => return Ok(Standing::File(here)),
                (Type::Folder, 0) => return Ok(Standing::Folder),
                (Type::Other, 0) => return Ok(Standing::Other),
                (Type::Folder, _) => {}
                (Type::Link, _) => return Ok(Standing::Link),
                (Type::File | Type::Other, _) => return Ok(Standing::BelowFile),
            }
        }
        Ok(Standing::Nothing { has_folder: true })
    }
}

impl Standing {
    /// Returns the file that is to be read, copied, moved or deleted.
    pub(super) fn file(self) -> Result<Attributes> {
        match self {
            Self::File(file) => Ok(file),
            Self::Folder => Err(fault::is_folder()),
            Self::Link => Err(fault::is_link()),
            Self::Other | Self::BelowFile | Self::Nothing { .. } => Err(fault::not_found()),
        }
    }

    /// Returns what a look tells. A link is not there.
    pub(super) fn entry(self, path: &StorePath) -> Result<Entry> {
        match self {
            Self::File(file) => Ok(Entry::File(info_of(path.clone(), &file))),
            Self::Folder => Ok(Entry::Folder(FolderInfo { path: path.clone() })),
            _ => Err(fault::not_found()),
        }
    }

    /// Refuses to make a file where none can be made. Returns whether the folder for it stands.
    pub(super) fn target(&self, overwrite: bool) -> Result<bool> {
        match self {
            Self::Folder => Err(fault::is_folder()),
            Self::Link => Err(fault::is_link()),
            Self::BelowFile => Err(fault::file_in_the_way()),
            Self::File(_) | Self::Other if !overwrite => Err(fault::exists()),
            Self::File(_) | Self::Other => Ok(true),
            Self::Nothing { has_folder } => Ok(*has_folder),
        }
    }
}

pub(super) fn info_of(path: StorePath, file: &Attributes) -> FileInfo {
    FileInfo { last_modified: file.modified(), ..FileInfo::new(path, file.size.unwrap_or(0)) }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_root_is_where_it_was_said() {
        for (root, named, below) in [
            ("", ".", "./a/b"),
            (".", ".", "./a/b"),
            ("~", ".", "./a/b"),
            ("~/data", "./data", "./data/a/b"),
            ("data/", "./data", "./data/a/b"),
            ("./data", "./data", "./data/a/b"),
            ("~someone", "./~someone", "./~someone/a/b"),
            ("/", "/", "/a/b"),
            ("/srv/data//", "/srv/data", "/srv/data/a/b"),
        ] {
            let place = Place::new(root);
            assert_eq!((place.root(), place.of("a/b")), (named, below.to_owned()), "{root}");
            assert_eq!(place.path_of(below).unwrap().as_str(), "a/b", "{root}");
            assert!(place.path_of(named).unwrap().is_root(), "{root}");
        }
        assert!(Place::new("/srv/data").path_of("/srv/data-evil/x").is_none());
    }
}
