//! Staged uploads: content that comes in many requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Node;
use crate::id::{UploadId, WorkspaceId};
use crate::path::WorkspacePath;
use crate::time::Timestamp;

/// How far a staged upload is.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// Bytes are still to come, or what has come whole is about to become a file.
    Receiving,
    /// A part is whole: an upload that is made of parts can take it.
    Complete,
    /// All bytes came, and the file could not be written: `HEAD`, or an empty `PATCH` at the end, tries it again; of parts,
    /// naming them again does.
    Refused,
    /// The file is written.
    Finished,
}

impl UploadState {
    /// Returns the state's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::Finished => "finished",
        }
    }
}

/// A staged upload, as `GET /v1/uploads/{upload}` shows it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedUpload {
    /// The upload's id.
    pub id: UploadId,
    /// How far it is.
    pub state: UploadState,
    /// How many bytes have come and are durable.
    pub offset: u64,
    /// How many bytes there will be, where that is known.
    pub length: Option<u64>,
    /// When it is removed unless more bytes come.
    pub expires_at: Timestamp,
    /// What its maker said of it, decoded.
    pub metadata: BTreeMap<String, String>,
    /// The file that it became.
    pub node: Option<Node>,
}

/// A staged upload that is not finished, as `GET /v1/uploads` lists it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenUpload {
    /// The upload's id.
    pub id: UploadId,
    /// How far it is.
    pub state: UploadState,
    /// The workspace that its file goes to; nothing for a part.
    pub workspace_id: Option<WorkspaceId>,
    /// Where its file would go now; nothing for a part, or where the folder or file is gone.
    pub path: Option<WorkspacePath>,
    /// Whether it is a part of another upload.
    pub is_part: bool,
    /// How many bytes have come and are durable.
    pub offset: u64,
    /// How many bytes there will be, where that is known.
    pub length: Option<u64>,
    /// When it is removed unless more bytes come.
    pub expires_at: Timestamp,
}
