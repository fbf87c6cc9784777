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

#[cfg(test)]
mod tests {
    use longshore_core::wire::{Event, WebhookBody};
    use longshore_core::{EventId, HookId, PrincipalId, Timestamp, WorkspaceId};
    use serde_json::json;

    use super::{MOST_BYTES, of_event};

    #[test]
    fn an_event_that_is_too_large_loses_its_details_and_keeps_its_ids() {
        let now = Timestamp::from_micros(1_763_613_468_000_000);
        let (workspace, hook) = (WorkspaceId::new(now), HookId::new(now));
        let event = |length: usize| Event {
            seq: 7,
            id: EventId::new(now),
            r#type: "file.created".to_owned(),
            at: now,
            actor: PrincipalId::new(now),
            key_id: None,
            request_id: None,
            node_id: None,
            version_id: None,
            previous_version_id: None,
            act: 7,
            fence: Some(1),
            lock_id: None,
            data: json!({ "path": "x".repeat(length) }),
        };
        let sent = |event: &Event| {
            let text = of_event(workspace, hook, event).unwrap();
            let body: WebhookBody = serde_json::from_str(&text).unwrap();
            (text.len(), body.data.event.unwrap())
        };
        let empty = sent(&event(0)).0;
        let most = event(MOST_BYTES - empty);
        assert_eq!(sent(&most), (20_000, most));
        let too_large = event(MOST_BYTES - empty + 1);
        let (length, left) = sent(&too_large);
        assert!(length < 1_000, "{length}");
        assert_eq!(left, Event { data: json!({ "omitted": true }), ..too_large });
    }
}
