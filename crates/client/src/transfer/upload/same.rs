//! Looking at what stands where something would be uploaded: the same, or a version that the write replaces.

use longshore_core::wire::{Node, NodeKind};
use longshore_core::{Algorithm, Digest, ErrorKind};

use super::{UploadOptions, find};
use crate::api::files::IfMatch;
use crate::client::Client;
use crate::error::Result;
use crate::transfer::plan::shows_itself;
use crate::transfer::progress::Report;
use crate::transfer::reader;
use crate::transfer::source::{Held, Known, Source, UploadItem};
use crate::transfer::threads::blocking;

/// Tells whether the options ask for a look before something is sent.
pub(crate) fn is_asked(options: &UploadOptions) -> bool {
    (options.skip_same || options.state_version) && shows_itself(options.on_conflict, options.if_none_match)
}

/// Tells whether an item's target must be looked at before content of this length is sent: for what stands there may be the
/// same, or is not known and is to be stated. What cannot be read has no length.
pub(crate) fn is_needed(item: &UploadItem, length: Option<u64>, options: &UploadOptions) -> bool {
    let if_match = item.if_match.or(options.if_match);
    let is_unstated = options.state_version && if_match.is_none();
    is_asked(options)
        && length.is_some()
        && match (&item.known, length) {
            (Known::Unknown, _) => options.skip_same || is_unstated,
            (Known::Absent, _) | (_, None) => false,
            (Known::Node(node), Some(length)) => {
                is_unstated || (options.skip_same && is_alike(node, length, if_match))
            }
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

/// Looks at an item's target, and returns what stands there if nothing need be sent. Else the item knows what stands there,
/// and states its version if the options ask for that.
///
/// The server is asked only where nothing is known, and the content is read only where its length is right.
pub(crate) async fn look(
    client: &Client,
    item: &mut UploadItem,
    options: &UploadOptions,
) -> Result<Option<Node>> {
    options.hand().pass().await?;
    if let Known::Unknown = item.known {
        item.known = match find(client, &item.target).await {
            Ok(node) => node.into(),
            Err(error) if error.kind() == ErrorKind::NotFound => Known::Absent,
            Err(error) => return Err(error),
        };
    }
    let Known::Node(node) = &item.known else { return Ok(None) };
    let if_match = item.if_match.or(options.if_match);
    if options.skip_same && is_alike(node, node.size, if_match) {
        let digest = hash(&item.source, node.size).await?;
        if digest.is_some() && digest == node.digest {
            return Ok(Some(Node::clone(node)));
        }
    }
    if options.state_version && if_match.is_none() {
        item.if_match = node.version_id.map(IfMatch::Version);
    }
    Ok(None)
}

/// Hashes content that has this length and can be read again to be sent; nothing for other content, and for what cannot be
/// read, which says so when it is sent.
fn hash(source: &Source, length: u64) -> impl Future<Output = Result<Option<Digest>>> + use<> {
    // The source itself is not held: a stream cannot be seen by two threads.
    let held = Held::of(source);
    async move {
        let Some(held) = held else { return Ok(None) };
        let hashed = move || match held {
            Held::File(path) => {
                let opened = reader::open_file(&path).ok().filter(|(_, found)| found.len() == length);
                opened.and_then(|(file, _)| reader::hash(file, length))
            }
            Held::Memory(bytes) => (bytes.len() as u64 == length).then(|| reader::digest(&bytes)),
        };
        blocking(move || Ok(hashed())).await
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
