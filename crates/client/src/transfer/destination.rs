//! Where downloaded content goes.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore_core::wire::Node;

use crate::api::files::Content;

/// Where downloaded content goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// The file at a path. Folders above it that are missing are made.
    Path(PathBuf),
    /// A file in a folder that the caller has opened: it lands there and nowhere else, whatever becomes of the
    /// folder's path meanwhile. A descriptor opened with `O_PATH` is enough.
    In {
        /// The folder.
        folder: Arc<OwnedFd>,
        /// The file's name: one name, not a path.
        name: OsString,
    },
}

impl<P: AsRef<Path>> From<P> for Destination {
    fn from(path: P) -> Self {
        Self::Path(path.as_ref().to_owned())
    }
}

impl Destination {
    /// Returns what people know it by: its name alone where its folder was handed over open.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::In { name, .. } => name.into(),
        }
    }
}

/// One of many downloads. A pair of content and destination is one of which nothing more is known.
#[derive(Clone, Debug)]
pub struct DownloadItem {
    /// What is downloaded.
    pub content: Content,
    /// Where it goes.
    pub destination: Destination,
    /// Whether a local file that is there already is replaced; in place of what the options say for all.
    pub replace: Option<bool>,
    /// The node that the content is the current one of, as it stood when it was listed. Small files that are known to be
    /// small come many in one request, and whether a local file is the same is seen without asking the server.
    pub known: Option<Box<Node>>,
}

impl DownloadItem {
    /// Makes an item of a node's current content.
    pub fn of(node: Node, destination: impl Into<Destination>) -> Self {
        let (content, destination) = (Content::File(node.id), destination.into());
        Self { content, destination, replace: None, known: Some(Box::new(node)) }
    }
}

impl<C: Into<Content>, D: Into<Destination>> From<(C, D)> for DownloadItem {
    fn from((content, destination): (C, D)) -> Self {
        Self { content: content.into(), destination: destination.into(), replace: None, known: None }
    }
}
