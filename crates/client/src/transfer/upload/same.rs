//! Looking whether what would be uploaded is there already.

use std::path::PathBuf;

use bytes::Bytes;
use longshore_core::wire::{Node, NodeKind};
use longshore_core::{Algorithm, ErrorKind};

use super::{UploadOptions, find};
use crate::api::files::IfMatch;
use crate::client::Client;
use crate::error::Result;
use crate::transfer::plan::shows_itself;
use crate::transfer::progress::Report;
use crate::transfer::reader;
use crate::transfer::source::{Known, Source, Target, UploadItem};
use crate::transfer::threads::blocking;

/// Tells whether content of this length may be what stands at its target, so far as that is known.
pub(crate) fn may_be(known: &Known, length: u64, options: &UploadOptions, if_match: Option<IfMatch>) -> bool {
    shows_itself(options.on_conflict, options.if_none_match)
        && match known {
            Known::Unknown => true,
            Known::Absent => false,
            Known::Node(node) => is_alike(node, length, if_match),
        }
}

fn is_alike(node: &Node, length: u64, if_match: Option<IfMatch>) -> bool {
    let is_wanted = match if_match {
        Some(IfMatch::Version(version)) => node.version_id == Some(version),
        Some(IfMatch::Exists) | None => true,
    };
    let is_known = node.digest.is_some_and(|digest| digest.algorithm() == Algorithm::Blake3);
    is_wanted && is_known && node.kind == NodeKind::File && node.size == length
}

/// A look whether an item's content stands at its target.
pub(crate) struct Look {
    content: Content,
    target: Target,
    known: Known,
    if_match: Option<IfMatch>,
}

/// Content that can be read to be hashed and again to be sent.
enum Content {
    File(PathBuf),
    Memory(Bytes),
}

impl Look {
    /// Makes a look; nothing for a stream, which can be read but once.
    pub(crate) fn at(item: &UploadItem, options: &UploadOptions) -> Option<Self> {
        let content = match &item.source {
            Source::Path(path) => Content::File(path.clone()),
            Source::Bytes(bytes) => Content::Memory(bytes.clone()),
            Source::Stream { .. } => return None,
        };
        let (target, known) = (item.target.clone(), item.known.clone());
        Some(Self { content, target, known, if_match: item.if_match.or(options.if_match) })
    }

    /// Returns what stands at the target, if that is the content. The server is asked only where nothing is known, and the
    /// content is read only where its length is right.
    pub(crate) async fn find(self, client: &Client) -> Result<Option<Node>> {
        let node = match self.known {
            Known::Node(node) => *node,
            Known::Absent => return Ok(None),
            Known::Unknown => match find(client, &self.target).await {
                Ok(node) => node,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        if !is_alike(&node, node.size, self.if_match) {
            return Ok(None);
        }
        let length = node.size;
        // What cannot be read says so when it is sent.
        let digest = blocking(move || {
            Ok(match self.content {
                Content::File(path) => {
                    let opened = reader::open_file(&path).ok();
                    let opened = opened.filter(|(_, metadata)| metadata.len() == length);
                    opened.and_then(|(file, _)| reader::hash(file, length))
                }
                Content::Memory(bytes) => (bytes.len() as u64 == length).then(|| reader::digest(&bytes)),
            })
        })
        .await?;
        Ok((digest.is_some() && digest == node.digest).then_some(node))
    }
}

/// Tells of content that need not be sent, or could not be looked for.
pub(crate) fn told(report: &Report, found: Result<Node>) -> Result<Node> {
    if let Ok(node) = &found {
        report.started(Some(node.size));
        report.reused(node.size);
    }
    report.ended(found, |node| node.size)
}
