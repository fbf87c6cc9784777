//! Share links: a folder or a file for who has no key, to read or to put files in.

use serde::{Deserialize, Serialize};

use super::{HiddenText, NodeKind, stated};
use crate::digest::Digest;
use crate::id::{KeyId, NodeId, PrincipalId, ShareId, WorkspaceId};
use crate::path::WorkspacePath;
use crate::time::Timestamp;

/// How long a share link may last, in seconds, where its end is stated: ten years.
pub const LONGEST_SHARE: u64 = 3_650 * 24 * 3_600;
/// How long a visit of a share link lasts, in seconds: an hour.
pub const LONGEST_VISIT: u64 = 3_600;

/// What a share link is for.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareMode {
    /// To read the file, or the folder with all that is below it.
    #[default]
    Read,
    /// A drop box: to put new files in the folder, and to see nothing of what is there.
    Drop,
}

impl ShareMode {
    /// Returns the mode as callers see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Drop => "drop",
        }
    }
}

/// Body of `POST /v1/files/{id}/shares`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateShare {
    /// What it is for: left out, to read.
    #[cfg_attr(feature = "openapi", schema(inline))]
    pub mode: ShareMode,
    /// What visitors have to know: at least 10 characters, at most 1,024 bytes. Left out, the link alone lets in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, min_length = 10, max_length = 1024))]
    pub password: Option<HiddenText>,
    /// Whom it is for, or why: at most 200 characters, for those who list links.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"))]
    pub note: Option<String>,
    /// For how many seconds it lasts: up to ten years; left out, until it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 315_360_000))]
    pub expires_in: Option<u64>,
    /// How many downloads it gives; left out, as many as are asked for. It is for links to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000_000))]
    pub most_downloads: Option<u64>,
}

/// Body of `PATCH /v1/workspaces/{ws}/shares/{share}`. What is left out stays; `null` takes it away.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateShare {
    /// Another password, which ends the visits under way.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, min_length = 10, max_length = 1024))]
    pub password: Option<Option<HiddenText>>,
    /// Another note: at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"))]
    pub note: Option<Option<String>>,
    /// For how many seconds it lasts from now on: up to ten years.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, minimum = 1, maximum = 315_360_000))]
    pub expires_in: Option<Option<u64>>,
    /// How many downloads it gives, those of before included.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000))]
    pub most_downloads: Option<Option<u64>>,
}

/// Where a share link stands, by what is kept of it. Whether who made it may still give it is asked when it is visited.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareState {
    /// It can be visited, while who made it may still give what it leads to.
    Open,
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
    /// It has given as many downloads as it gives.
    UsedUp,
}

/// A share link, without its token.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The link's id.
    pub id: ShareId,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The folder or file that it leads to, wherever that is moved.
    pub node_id: NodeId,
    /// What it is for.
    pub mode: ShareMode,
    /// Whether visitors have to know a password.
    pub has_password: bool,
    /// Whom it is for, or why.
    #[serde(default)]
    pub note: Option<String>,
    /// When its time is over; nothing where it lasts until it is revoked.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// How many downloads it gives; nothing for as many as are asked for.
    #[serde(default)]
    pub most_downloads: Option<u64>,
    /// How many it has given. What a visit has of one content counts once.
    pub downloads: u64,
    /// Who made it: what they may no longer do themselves, it does not give.
    pub created_by: PrincipalId,
    /// The key that it was made with, and ends with; nothing for one that was made in a session, and ends with that.
    #[serde(default)]
    pub key_id: Option<KeyId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// Where it stands.
    pub state: ShareState,
}

/// A new share link, with the token that is shown this once.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewShare {
    /// The link.
    #[serde(flatten)]
    pub share: Share,
    /// Its token, `lsh_…`; only a hash of it is kept.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub token: HiddenText,
}

/// What who has a share link sees of it before they have opened it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenShare {
    /// What it is for.
    pub mode: ShareMode,
    /// Whether opening it takes a password.
    pub has_password: bool,
}

/// Body of `POST /v1/shares/{token}/open`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenShare {
    /// The password, where the link takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub password: Option<HiddenText>,
}

/// A visit of a share link.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenedShare {
    /// What shows from now on that the link was opened, `lsg_…`: it goes into the header `Share-Grant`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub grant: HiddenText,
    /// When the visit is over: after an hour at the latest.
    pub expires_at: Timestamp,
    /// What the link is for.
    pub mode: ShareMode,
    /// The name of the folder or file that it leads to.
    pub name: String,
    /// Whether that is a folder or a file.
    pub kind: NodeKind,
    /// How many bytes a file has; nothing for a folder.
    #[serde(default)]
    pub size: Option<u64>,
}

/// A folder or a file, as visitors of a share link see it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedNode {
    /// Its name.
    pub name: String,
    /// Its path, which begins in the folder that the link leads to.
    pub path: WorkspacePath,
    /// Whether it is a folder or a file.
    pub kind: NodeKind,
    /// How many bytes a file has; 0 for a folder.
    pub size: u64,
    /// Of which kind a file's content is.
    #[serde(default)]
    pub media_type: Option<String>,
    /// The digest of a file's content.
    #[serde(default)]
    pub digest: Option<Digest>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What came of a file that was put into a drop box. Under which name it lies there is not told: that would tell of others.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// How many bytes came.
    pub size: u64,
    /// The digest of what came.
    pub digest: Digest,
    /// When it was stored.
    pub stored_at: Timestamp,
}
