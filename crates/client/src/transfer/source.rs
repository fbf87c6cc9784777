//! Where uploaded content comes from, and where it goes.

use std::fmt::{self, Debug, Display};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use longshore_core::wire::Node;
use longshore_core::{Name, NodeId, WorkspacePath};

use crate::api::files::{Folder, IfMatch, Place};
use crate::error::Result;

/// Content that comes chunk by chunk from the caller.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// Content to upload.
pub enum Source {
    /// A file of this machine. It must not change while it is sent.
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

    /// Returns the file that it is.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Bytes(_) | Self::Stream { .. } => None,
        }
    }
}

/// Content that can be read again.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    File(PathBuf),
    Memory(Bytes),
}

impl Held {
    /// Returns content that is no stream.
    pub(crate) fn of(source: &Source) -> Option<Self> {
        match source {
            Source::Path(path) => Some(Self::File(path.clone())),
            Source::Bytes(bytes) => Some(Self::Memory(bytes.clone())),
            Source::Stream { .. } => None,
        }
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

impl Target {
    /// Tells whether it is the one path that no file can have.
    pub(crate) fn is_root(&self) -> bool {
        matches!(self, Self::Path(place) if place.path.is_root())
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

/// What a caller knows of what stands at an upload's target, who has listed it before perhaps.
#[derive(Clone, Debug, Default)]
pub enum Known {
    /// Nothing is known: who must know asks the server.
    #[default]
    Unknown,
    /// Nothing stands there.
    Absent,
    /// This node stands there.
    Node(Box<Node>),
}

impl From<Node> for Known {
    fn from(node: Node) -> Self {
        Self::Node(Box::new(node))
    }
}

/// What is known after a look: the node, or that there is none.
impl From<Option<Node>> for Known {
    fn from(found: Option<Node>) -> Self {
        found.map_or(Self::Absent, Self::from)
    }
}

/// One of many uploads. A pair of source and target is one of which nothing more is known.
#[derive(Debug)]
pub struct UploadItem {
    /// The content.
    pub source: Source,
    /// Where it goes.
    pub target: Target,
    /// What stands there, for [`crate::UploadOptions::skip_same`]: with it the server need not be asked.
    pub known: Known,
    /// Writes only if this stands there; in place of what the options say for all.
    pub if_match: Option<IfMatch>,
}

impl UploadItem {
    /// Makes an item of what is known to stand at its target.
    pub fn new(source: impl Into<Source>, target: impl Into<Target>, known: impl Into<Known>) -> Self {
        Self { source: source.into(), target: target.into(), known: known.into(), if_match: None }
    }
}

impl<S: Into<Source>, T: Into<Target>> From<(S, T)> for UploadItem {
    fn from((source, target): (S, T)) -> Self {
        Self::new(source, target, Known::Unknown)
    }
}
