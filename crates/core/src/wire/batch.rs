//! Many small files in one request: the header lines of a batch, and what is told of each item.
//!
//! A body of [`BATCH_MEDIA_TYPE`] is items one after the other: a line of JSON that ends with `\n`, then exactly as
//! many bytes of content as the line's `size` says, then the next line.

use serde::{Deserialize, Serialize};

use super::{Metadata, Node, OnConflict, Problem};
use crate::digest::Digest;
use crate::id::{NodeId, VersionId};
use crate::path::WorkspacePath;

/// The media type of a batch of items.
pub const BATCH_MEDIA_TYPE: &str = "application/vnd.longshore.batch";

/// The most bytes of one item that is written with a batch (1 MiB): larger files go by themselves.
pub const BATCH_ITEM_BYTES: u64 = 1_024 * 1_024;

/// The most bytes of an item's header line, its end included (16 KiB).
pub const BATCH_LINE_BYTES: usize = 16 * 1_024;

/// The most items that one request reads.
pub const BATCH_READ_ITEMS: usize = 10_000;

/// The header line of an item of `POST /v1/workspaces/{ws}/batch`. After it come `size` bytes of content.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchItem {
    /// The file's path; folders above it are made. A text, so that one that breaks a rule is refused with its item.
    #[cfg_attr(feature = "openapi", schema(value_type = WorkspacePath))]
    pub path: String,
    /// How many bytes of content follow the line: at most 1 MiB.
    pub size: u64,
    /// The digest that the content must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The media type that the writer states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What to do where the name is taken by a file.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub on_conflict: OnConflict,
    /// The version that must stand, or `*` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// Whether nothing may be there.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub if_none_match: bool,
    /// The metadata that the file gets in place of what it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// By which the item is known again when it is sent again, in whatever request and at whatever place, with the
    /// same line and content within 24 h. Left out, an `Idempotency-Key` of the request holds with the item's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// One line of the answer to a batch: what became of an item. The lines come in the order of the items.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchResult {
    /// The item's place in the request, from 0. A last line without one says why the rest of the request was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The path that the item named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The status that a request of its own would have had: 201 for a new file, 200 for a new version.
    pub status: u16,
    /// The file as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
    /// Whether this is the answer that the same item was given before.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub replayed: bool,
    /// Why nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Body of `POST /v1/workspaces/{ws}/batch/read`: reads many files in one request.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadBatch {
    /// What is read, at most 10,000 items, in the order in which they are answered.
    #[cfg_attr(feature = "openapi", schema(max_items = 10000))]
    pub items: Vec<ReadBatchItem>,
}

/// A file that is to be read: by its path or by its id.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadBatchItem {
    /// The file's path. A text, so that one that breaks a rule is refused with its item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<WorkspacePath>))]
    pub path: Option<String>,
    /// The file's id, in place of its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<NodeId>,
    /// The version; left out, the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
}

/// The header line of an item of the answer to a [`ReadBatch`]. After it come `size` bytes of content.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchContent {
    /// The item's place in the request, from 0.
    pub index: u64,
    /// How many bytes of content follow the line; 0 beside a problem.
    pub size: u64,
    /// Where the file is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<WorkspacePath>,
    /// The content's BLAKE3 digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
    /// The version whose content follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<VersionId>,
    /// Why no content follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
