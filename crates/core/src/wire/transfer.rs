//! Transfers: a workspace that is handed over to another owner.

use serde::{Deserialize, Serialize};

use super::{Principal, Usage};
use crate::id::{PrincipalId, TransferId, WorkspaceId};
use crate::time::Timestamp;

/// How many seconds an offer holds at most, and where nothing is said: three days.
pub const LONGEST_OFFER: u64 = 72 * 60 * 60;

/// Body of `POST /v1/workspaces/{ws}/transfer`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OfferTransfer {
    /// What is said to who gets the token: 1 to 500 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(
            max_length = 500,
            pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
        )
    )]
    pub note: Option<String>,
    /// For how many seconds the offer holds.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 259_200, default = 259_200))]
    pub expires_in: u64,
}

impl Default for OfferTransfer {
    fn default() -> Self {
        Self { note: None, expires_in: LONGEST_OFFER }
    }
}

/// How an offer stands.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// Whoever has the token may accept or decline it.
    Open,
    /// The workspace has a new owner.
    Accepted,
    /// Who had the token did not want it.
    Declined,
    /// It was taken back, or another took its place.
    Revoked,
    /// Its time was over.
    Expired,
}

impl TransferState {
    /// Returns the word for it, as JSON has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// An offer to hand a workspace over, without its token.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The offer's id.
    pub id: TransferId,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The owner who gives it away.
    pub giver: PrincipalId,
    /// Who made the offer: the owner, or an admin of the server.
    pub offered_by: PrincipalId,
    /// What was said with it.
    pub note: Option<String>,
    /// When it was made.
    pub offered_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// How it stands.
    pub state: TransferState,
    /// When it was accepted, declined or revoked.
    pub ended_at: Option<Timestamp>,
    /// By whom.
    pub ended_by: Option<PrincipalId>,
}

/// An offer with its token, which is shown this once.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTransfer {
    /// The offer.
    #[serde(flatten)]
    pub transfer: Transfer,
    /// The claim token, `lsc_…`: whoever has it may become the owner.
    pub token: String,
}

impl std::fmt::Debug for NewTransfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewTransfer").field("transfer", &self.transfer).finish_non_exhaustive()
    }
}

/// Body of `POST /v1/transfers/look`, `/accept` and `/decline`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimTransfer {
    /// The claim token.
    #[serde(deserialize_with = "super::session::secret")]
    #[cfg_attr(feature = "openapi", schema(pattern = "^lsc_[0-7][0-9a-hjkmnp-tv-z]{25}[0-9A-Za-z]{49}$"))]
    pub token: String,
}

impl std::fmt::Debug for ClaimTransfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClaimTransfer")
    }
}

/// What is handed over with a workspace. What is counted here is counted up to 100,000.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferManifest {
    /// The offer.
    pub transfer: Transfer,
    /// The workspace's name.
    pub workspace_name: String,
    /// Its owner, who stays as an admin until removed.
    pub owner: Principal,
    /// Its files and bytes, exactly.
    pub usage: Usage,
    /// Versions of files, old and current, live and in the trash.
    pub versions: u64,
    /// Members, the owner among them.
    pub members: u64,
    /// Webhooks.
    pub hooks: u64,
    /// Locks that hold.
    pub locks: u64,
    /// Keys that are narrowed to the workspace and not revoked.
    pub keys: u64,
}
