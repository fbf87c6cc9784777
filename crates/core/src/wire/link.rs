//! Links that need no key, and archives.

use serde::{Deserialize, Serialize};

use crate::id::VersionId;
use crate::time::Timestamp;

/// How many seconds a link holds at most: a week.
pub const LONGEST_LINK: u64 = 7 * 24 * 60 * 60;
/// How many seconds a link holds where nothing is said: an hour.
pub const DEFAULT_LINK: u64 = 60 * 60;
/// How many folders and files one archive may be asked to hold by name; what is below them is not counted.
pub const MOST_ARCHIVED: usize = 1_000;

/// What a browser is to do with content.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Save it.
    #[default]
    Attachment,
    /// Show it, where it is of a kind that runs nothing (common images, sound, films and plain text), or else save it.
    Inline,
}

/// Body of `POST /v1/files/{id}/links`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateLink {
    /// For how many seconds the link holds.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 604_800, default = 3600))]
    pub expires_in: u64,
    /// The version whose content the link gives; left out, the one that is current now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// What a browser is to do with it.
    #[cfg_attr(feature = "openapi", schema(inline))]
    pub disposition: Disposition,
}

impl Default for CreateLink {
    fn default() -> Self {
        Self { expires_in: DEFAULT_LINK, version: None, disposition: Disposition::Attachment }
    }
}

/// A link that gives one version's content to whoever has it, without a key.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where the content is, on the server that was asked: a path from its root; a whole URL where that server has another
    /// origin for content. Whoever has it can read.
    pub url: String,
    /// When the link ends.
    pub expires_at: Timestamp,
    /// The version whose content it gives.
    pub version_id: VersionId,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url: _, expires_at, version_id } = self;
        f.debug_struct("Link")
            .field("expires_at", expires_at)
            .field("version_id", version_id)
            .finish_non_exhaustive()
    }
}

/// Body of `POST /v1/workspaces/{ws}/archive`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateArchive {
    /// The folders and files that it is to hold, 1 to 1,000 of them: each by its id, or by its path, which begins with `/`.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 1000))]
    pub items: Vec<String>,
}
