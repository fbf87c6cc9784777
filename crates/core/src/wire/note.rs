//! Notes: short comments on nodes.

use serde::{Deserialize, Serialize};

use crate::id::{NodeId, NoteId, PrincipalId, VersionId, WorkspaceId};
use crate::time::Timestamp;

/// A part of a version's text, counted in characters from its begin.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRange {
    /// The first character, from 0.
    pub start: u64,
    /// The character after the last one.
    pub end: u64,
}

/// A short comment on a folder or file.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The note's id.
    pub id: NoteId,
    /// The workspace the node is in.
    pub workspace_id: WorkspaceId,
    /// The node.
    pub node_id: NodeId,
    /// The version that the note is about, where it is about one. The version may be gone since.
    pub version_id: Option<VersionId>,
    /// The part of the version's text that the note is about.
    pub range: Option<TextRange>,
    /// What it says.
    pub text: String,
    /// Who wrote it.
    pub author: PrincipalId,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub edited_at: Option<Timestamp>,
}

/// Body of `POST /v1/files/{id}/notes`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateNote {
    /// What it says: 1 to 4,000 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 4000, pattern = "\\S"))]
    pub text: String,
    /// The version that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<VersionId>,
    /// The part of the text that it is about: of `version_id`, or of the current version, which is then kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<TextRange>,
}

/// Body of `PATCH /v1/notes/{note}`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateNote {
    /// What it says from now on: 1 to 4,000 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 4000, pattern = "\\S"))]
    pub text: String,
}
