//! What a receiver gets: thin, so that it asks for what it wants to know.

use longshore_core::wire::{Event, WebhookBody, WebhookData};
use longshore_core::{HookId, Timestamp, WorkspaceId};
use serde_json::json;

use crate::error::{Error, Result};

/// The type of a test.
pub(super) const PING: &str = "hook.ping";
/// The most bytes of a body: what the standard advises.
const MOST_BYTES: usize = 20_000;

/// Renders an event. One that is too large loses its details, not its ids.
pub(super) fn of_event(workspace: WorkspaceId, hook: HookId, event: &Event) -> Result<String> {
    let render = |event: &Event| {
        text(&WebhookBody {
            r#type: event.r#type.clone(),
            timestamp: event.at,
            data: WebhookData { workspace_id: workspace, hook_id: hook, event: Some(event.clone()) },
        })
    };
    let whole = render(event)?;
    if whole.len() <= MOST_BYTES {
        return Ok(whole);
    }
    render(&Event { data: json!({ "omitted": true }), ..event.clone() })
}

/// Renders a test.
pub(super) fn of_ping(workspace: WorkspaceId, hook: HookId, now: Timestamp) -> Result<String> {
    text(&WebhookBody {
        r#type: PING.to_owned(),
        timestamp: now,
        data: WebhookData { workspace_id: workspace, hook_id: hook, event: None },
    })
}

fn text(body: &WebhookBody) -> Result<String> {
    serde_json::to_string(body).map_err(Error::corrupt)
}
