//! Where uploaded content comes from, and where it goes.

use std::fmt::{self, Debug, Display};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use longshore_core::{Name, NodeId, WorkspacePath};

use crate::api::files::{Folder, Place};
use crate::error::Result;

/// Content that comes chunk by chunk from the caller.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// Content to upload.
pub enum Source {
    /// A file of this machine. Its length must not change while it is sent.
    Path(PathBuf),
    /// Bytes in memory.
    Bytes(Bytes),
    /// A stream. It can be read only once, so it is not sent again after a failure.
    Stream {
        /// The content's length, where it is known; the stream must then have exactly that.
        len: Option<u64>,
        /// The content.
        stream: ByteStream,
    },
}

impl Source {
    /// Makes a source of a stream.
    pub fn stream<S>(len: Option<u64>, stream: S) -> Self
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        Self::Stream { len, stream: stream.boxed() }
    }
}

impl Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(&bytes.len()).finish(),
            Self::Stream { len, .. } => f.debug_tuple("Stream").field(len).finish(),
        }
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

/// A text is the path of a file, as everywhere in the standard library; content comes as bytes.
impl From<&str> for Source {
    fn from(path: &str) -> Self {
        Self::Path(path.into())
    }
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// Where uploaded content goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The file at a path; folders above it are made.
    Path(Place),
    /// A file of this name in a folder.
    Child {
        /// The folder.
        parent: Folder,
        /// The file's name.
        name: Name,
    },
    /// A new version of this file.
    Version {
        /// The file.
        node: NodeId,
    },
}

impl Target {
    /// Makes a target of a path's text in the key's current workspace, such as `/reports/q1.csv`.
    pub fn path(text: &str) -> Result<Self> {
        Ok(WorkspacePath::new(text)?.into())
    }

    /// Makes a target of a name in a folder.
    pub fn child(parent: impl Into<Folder>, name: Name) -> Self {
        let parent = parent.into();
        Self::Child { parent, name }
    }

    /// Makes the target of a file's next version.
    #[must_use]
    pub const fn version(node: NodeId) -> Self {
        Self::Version { node }
    }
}

impl<P: Into<Place>> From<P> for Target {
    fn from(place: P) -> Self {
        Self::Path(place.into())
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(place) => Display::fmt(place, f),
            Self::Child { name, .. } => Display::fmt(name, f),
            Self::Version { node } => Display::fmt(node, f),
        }
    }
}
