//! Quotas: how much a workspace may keep, and how much it keeps.

use serde::{Deserialize, Serialize};

use super::stated;

/// How much a workspace may keep; `null` for no limit.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quota {
    /// The most bytes of all versions that are kept, together with what is staged for open uploads.
    pub bytes: Option<u64>,
    /// The most files.
    pub files: Option<u64>,
    /// The most bytes of a version that is made from now on.
    pub largest_file: Option<u64>,
}

/// How much a workspace keeps.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// The bytes of all versions, old and current, live and in the trash. Versions that share bytes count in full.
    pub bytes: u64,
    /// The files, live and in the trash.
    pub files: u64,
    /// The bytes that are set aside for uploads which are not finished: as many as each has announced, or has so far where
    /// it has announced none.
    pub staged_bytes: u64,
}

/// Body of `PATCH /v1/workspaces/{ws}/quota`. What is left out stays; `null` takes a limit away.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateQuota {
    /// The most bytes: 0 to 2^53.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_u64))]
    pub bytes: Option<Option<u64>>,
    /// The most files: 0 to 2^53.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_u64))]
    pub files: Option<Option<u64>>,
    /// The most bytes of a version: 0 to 2^53.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_992_u64))]
    pub largest_file: Option<Option<u64>>,
}

impl UpdateQuota {
    /// The greatest limit: the greatest number that every reader of JSON has exactly.
    pub const MOST: u64 = 1 << 53;

    /// Returns the quota as it is after this change.
    #[must_use]
    pub fn apply(&self, to: &Quota) -> Quota {
        Quota {
            bytes: self.bytes.unwrap_or(to.bytes),
            files: self.files.unwrap_or(to.files),
            largest_file: self.largest_file.unwrap_or(to.largest_file),
        }
    }
}

/// The change after which this quota stands, whatever stood before.
impl From<Quota> for UpdateQuota {
    fn from(all: Quota) -> Self {
        Self { bytes: Some(all.bytes), files: Some(all.files), largest_file: Some(all.largest_file) }
    }
}

/// Which limit of a quota is meant.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaLimit {
    /// The bytes of all versions.
    Bytes,
    /// The number of files.
    Files,
    /// The bytes of one version.
    LargestFile,
}

/// What an act would have passed, for `quota_exceeded`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaExceeded {
    /// Which limit it is.
    pub of: QuotaLimit,
    /// How much there may be: bytes or files.
    pub limit: u64,
    /// How much there is, what is staged for uploads included; 0 for `largest_file`.
    pub used: u64,
    /// How much more was asked for; as far as it is known where no length was announced.
    pub asked: u64,
}
