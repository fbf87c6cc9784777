//! Invitations into a workspace.

use serde::{Deserialize, Serialize};

use super::{HiddenText, Member, Role, SignedIn};
use crate::id::{InvitationId, PrincipalId, WorkspaceId};
use crate::time::Timestamp;

/// How long an invitation lasts unless it says otherwise, in seconds: 7 days.
pub const DEFAULT_INVITATION: u64 = 7 * 24 * 3_600;
/// How long an invitation may last, in seconds: 30 days.
pub const LONGEST_INVITATION: u64 = 30 * 24 * 3_600;

const fn default_invitation() -> u64 {
    DEFAULT_INVITATION
}

/// Body of `POST /v1/workspaces/{ws}/invitations`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// What who accepts may do in the workspace: no more than who invites, and not the owner's.
    pub role: Role,
    /// Whom it is for, or why: at most 200 characters, for those who list invitations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"))]
    pub note: Option<String>,
    /// For how many seconds it lasts: up to 30 days; left out, 7 days.
    #[serde(default = "default_invitation")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 2_592_000, default = 604_800))]
    pub expires_in: u64,
}

/// Where an invitation stands.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationState {
    /// It can be accepted, while who made it may still invite.
    Open,
    /// Somebody has accepted it.
    Accepted,
    /// Somebody has declined it.
    Declined,
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
}

/// An invitation into a workspace, without its token.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The invitation's id.
    pub id: InvitationId,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// What who accepts may do there.
    pub role: Role,
    /// Whom it is for, or why.
    #[serde(default)]
    pub note: Option<String>,
    /// Who invites.
    pub created_by: PrincipalId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its time is over.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub state: InvitationState,
    /// Who has accepted it.
    #[serde(default)]
    pub accepted_by: Option<PrincipalId>,
}

/// A new invitation, with the token that is shown this once.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewInvitation {
    /// The invitation.
    #[serde(flatten)]
    pub invitation: Invitation,
    /// Its token, `lsi_…`; only a hash of it is kept.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub token: HiddenText,
}

/// Body of `POST /v1/invitations/look` and `POST /v1/invitations/decline`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationText {
    /// The token.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub token: HiddenText,
}

/// What who was invited sees of it before they accept.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookedAt {
    /// The workspace's name.
    pub workspace: String,
    /// What they may do there.
    pub role: Role,
    /// The name of who invites.
    pub invited_by: String,
    /// When its time is over.
    pub expires_at: Timestamp,
}

/// Body of `POST /v1/invitations/accept`.
///
/// Who shows a key or a session becomes a member. Who shows none becomes a new person, who needs a sign-in name and a password.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptInvitation {
    /// The token.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub token: HiddenText,
    /// The name shown to others; left out, the sign-in name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name to sign in by: 1 to 254 characters, of which capitals do not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in_name: Option<String>,
    /// The password: at least 10 characters, at most 1,024 bytes, and not the sign-in name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub password: Option<HiddenText>,
}

/// What comes of an invitation that was accepted.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The member that they are now.
    pub member: Member,
    /// A new person is signed in; nothing for who was known before.
    #[serde(default)]
    pub signed_in: Option<SignedIn>,
}
