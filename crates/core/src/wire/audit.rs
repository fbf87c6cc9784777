//! The audit log: what was done and what was refused, on the whole server.

use serde::{Deserialize, Serialize};

use crate::id::{KeyId, PrincipalId, SessionId, ShareId, WorkspaceId};
use crate::time::Timestamp;

/// The media type of an export: a line of JSON for each entry.
pub const NDJSON: &str = "application/x-ndjson";

/// What came of it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// It was refused for want of a right.
    Refused,
}

impl AuditOutcome {
    /// Returns the text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// One act, or one refusal.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Where it is in the log: `after` this place begins what follows it. Its text is not to be taken apart.
    pub place: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened: the type of an act's event, such as `file.created`; for what is no workspace's `key.created`,
    /// `session.began` and the like; of a refusal `refused`, `key.refused` or `sign_in.failed`.
    pub kind: String,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// The workspace it was about.
    pub workspace_id: Option<WorkspaceId>,
    /// Who did it, or was refused; nothing where nobody knows.
    pub principal_id: Option<PrincipalId>,
    /// The key it was done with.
    pub key_id: Option<KeyId>,
    /// The session it was done in.
    pub session_id: Option<SessionId>,
    /// The share link it was done by: by somebody who visited it, in the name of who made it.
    pub share_id: Option<ShareId>,
    /// The address that the request came from.
    pub address: Option<String>,
    /// The request it was done in.
    pub request_id: Option<String>,
    /// The method and the route of the request, such as `PUT /v1/workspaces/{ws}/files/{path}`.
    pub route: Option<String>,
    /// The code of the refusal.
    pub code: Option<String>,
    /// The id of what it was about.
    pub object: Option<String>,
    /// What more there is to say, by kind. `more` counts what this entry stands for besides itself.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub facts: serde_json::Value,
}

/// One page of the audit log.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The entries in the order of their places.
    pub items: Vec<AuditEntry>,
    /// What to send as `after` for the next page; nothing once all was looked at that there is now.
    pub next_cursor: Option<String>,
    /// The last place that was looked at, whether or not the filter let it pass: after it the log goes on.
    pub reached: String,
}
