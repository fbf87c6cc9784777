//! Webhooks: where events are sent, and what became of each delivery.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::id::{DeliveryId, EventId, HookId, PrincipalId, WorkspaceId};
use crate::path::WorkspacePath;
#[cfg(feature = "openapi")]
use crate::schema::EventType;
use crate::time::Timestamp;

/// Why a hook is switched off.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookDisabled {
    /// Somebody asked for it.
    Asked,
    /// The receiver answered 410: it wants no more.
    Gone,
    /// Every attempt failed for five days, and a delivery has had all of its own.
    Failing,
}

/// A webhook: events of a workspace go to a URL.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The hook's id.
    pub id: HookId,
    /// The workspace whose events it sends.
    pub workspace_id: WorkspaceId,
    /// Where they go.
    pub url: String,
    /// The types of events it sends: whole, or a beginning such as `version.*`. None means all.
    pub types: Vec<String>,
    /// Only what happens at this path or below it is sent; `/` means everything.
    pub path: WorkspacePath,
    /// What it is for.
    pub description: String,
    /// Why it is switched off; nothing while it is on.
    pub disabled: Option<HookDisabled>,
    /// Since when it is off.
    pub disabled_at: Option<Timestamp>,
    /// Since when every delivery has failed; nothing while they succeed.
    pub failing_since: Option<Timestamp>,
    /// The place in the log up to which events have become deliveries.
    pub seq: u64,
    /// Until when deliveries are signed with the secret before the last rotation too.
    pub old_secret_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: PrincipalId,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Body of `POST /v1/workspaces/{ws}/hooks`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateHook {
    /// Where the events go: https, at a public address.
    #[cfg_attr(feature = "openapi", schema(format = "web-url", pattern = "^https?://", max_length = 2048))]
    pub url: String,
    /// The types of events to send: whole, or a beginning such as `version.*`; left out, all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<EventType>))]
    pub types: Vec<String>,
    /// Sends only what happens at this path or below it; left out, everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<WorkspacePath>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A hook and its secret, which is in this answer and nowhere else.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Serialize, Deserialize)]
pub struct NewHook {
    /// The hook.
    pub hook: Hook,
    /// What its deliveries are signed with: `whsec_…`.
    pub secret: String,
}

impl std::fmt::Debug for NewHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewHook").field("hook", &self.hook).finish_non_exhaustive()
    }
}

/// Body of `PATCH /v1/workspaces/{ws}/hooks/{id}`. What is left out stays.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateHook {
    /// Where the events go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(format = "web-url", pattern = "^https?://", max_length = 2048))]
    pub url: Option<String>,
    /// The types of events to send; an empty list means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<EventType>>))]
    pub types: Option<Vec<String>>,
    /// Sends only what happens at this path or below it; `/` means everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<WorkspacePath>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Switches it on or off. What happened while it was off is not sent when it is switched on; `redeliver` does
    /// that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Body of `POST /v1/workspaces/{ws}/hooks/{id}/rotate`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateHook {
    /// For how many hours deliveries carry a signature of the old secret too: 0 to 168, left out 24. While those of an
    /// earlier rotation last, 0 alone is taken: it ends both old secrets at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 168))]
    pub overlap_hours: Option<u32>,
}

/// Where a delivery stands.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits for an attempt, or one is under way.
    Pending,
    /// The receiver took it.
    Succeeded,
    /// It was given up: a dead letter, which can be sent again.
    Failed,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Succeeded, Self::Failed];

    /// Returns the state's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// One attempt to hand a delivery over.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryAttempt {
    /// When it began.
    pub at: Timestamp,
    /// The status of the receiver's answer, where there was one.
    pub status: Option<u16>,
    /// What went wrong; nothing where it succeeded. Never anything that the receiver wrote.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// One event on its way to one hook's receiver.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The hook it is of.
    pub hook_id: HookId,
    /// The event's id, which the receiver sees as `webhook-id`: the same in every attempt and redelivery.
    pub event_id: EventId,
    /// The event's type; `hook.ping` for a test.
    pub r#type: String,
    /// The event's place in the log; nothing for a test.
    pub seq: Option<u64>,
    /// Where it stands.
    pub state: DeliveryState,
    /// When the next attempt is due; while the receiver is left alone for its failures it waits for longer.
    pub next_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it succeeded or was given up.
    pub finished_at: Option<Timestamp>,
    /// The last twenty attempts, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
}

/// Body of `POST /v1/workspaces/{ws}/hooks/{id}/redeliver`: just one of `failed`, `since_seq` and `since`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redeliver {
    /// Sends again all deliveries that were given up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub failed: bool,
    /// Sends, again or for the first time, all events after this place in the log that the hook's filter lets through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_seq: Option<u64>,
    /// The same for all events from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// With `since_seq` or `since`: up to this place in the log; left out, up to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_seq: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// What a receiver gets.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookBody {
    /// The event's type; `hook.ping` for a test.
    pub r#type: String,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What happened.
    pub data: WebhookData,
}

/// What happened, and where.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookData {
    /// The workspace it happened in.
    pub workspace_id: WorkspaceId,
    /// The hook that sends it.
    pub hook_id: HookId,
    /// The event as the log has it; nothing for a test. Where it is too large to send, its `data` is
    /// `{"omitted": true}` and the rest stands.
    pub event: Option<Event>,
}
