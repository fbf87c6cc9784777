//! What is asked of versions, and what comparing two of them says.

use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::wire::Version;

/// Body of `PATCH /v1/files/{id}/versions/{ver}`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateVersion {
    /// The version's label, 1 to 200 characters; `null` takes it away.
    #[serde(deserialize_with = "Option::deserialize")]
    #[cfg_attr(
        feature = "openapi",
        schema(
            required,
            nullable,
            max_length = 200,
            pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
        )
    )]
    pub label: Option<String>,
}

/// Answer of `GET /v1/files/{id}/versions/{ver}/compare`: two versions side by side.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version that was named first.
    pub from: Version,
    /// The version that it is compared with.
    pub to: Version,
    /// Whether both have the same content.
    pub same_content: bool,
    /// What became of the lines; nothing where one of the contents is no text, or is too large.
    pub text: Option<TextDiff>,
    /// Why there is no `text`.
    pub no_text: Option<NoText>,
}

/// Why two contents are not compared line by line.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoText {
    /// One of them is no UTF-8 text.
    Binary,
    /// One of them has more than 1 MiB.
    TooLarge,
}

/// The difference of two texts, line by line.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextDiff {
    /// The lines that came and went, as `diff -u` writes them; empty where nothing differs.
    pub unified: String,
    /// Whether `unified` was cut off at its 1 MiB; the counts are of all lines all the same.
    pub truncated: bool,
    /// How many lines came.
    pub added: u64,
    /// How many lines went.
    pub removed: u64,
}

/// What was removed for good.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// How many folders and files.
    pub nodes: u64,
    /// How many versions.
    pub versions: u64,
    /// How many bytes the versions had. Copies share bytes, so less may become free.
    pub bytes: u64,
    /// The job that removes what is too much for one request: then nothing is gone yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
}
