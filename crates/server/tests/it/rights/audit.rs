//! What the walk leaves in the audit log: of each refusal of a right one entry, of each act those of what it did, and of
//! nothing else any.

use longshore_core::wire::{AuditEntry, AuditOutcome};
use longshore_engine::{AuditQuery, Credential};
use longshore_server::rights::Right;

use super::{Caller, Walk};
use crate::world::Answer;

/// Writes that leave nothing for others to see, so that nobody did anything: a lease goes on, bytes of an upload are kept until
/// there is a file, an undo is only looked at, or of what is asked nothing is left to do.
const LEAVE_NOTHING: &[&str] = &[
    "POST /v1/invitations/look",
    "POST /v1/locks/{lock}/renew",
    "POST /v1/workspaces/{ws}/archive",
    "POST /v1/workspaces/{ws}/batch/read",
    "POST /v1/workspaces/{ws}/undo",
    // The trash was emptied by the caller before, and nothing came to it since.
    "DELETE /v1/workspaces/{ws}/trash",
];

impl Walk {
    /// Returns the entries of a request, after those that were looked at before.
    async fn entries(&self, request: &str) -> Vec<AuditEntry> {
        self.world.engine.write_refusals().await.unwrap();
        let mut own = Vec::new();
        loop {
            let after = Some(*self.place.lock().unwrap());
            let query = AuditQuery { after, limit: Some(1_000), ..AuditQuery::default() };
            let page = self.world.engine.audit(&self.world.owner, query).await.unwrap();
            *self.place.lock().unwrap() = page.reached.parse().unwrap();
            own.extend(page.items.into_iter().filter(|entry| entry.request_id.as_deref() == Some(request)));
            if page.next_cursor.is_none() {
                return own;
            }
        }
    }

    /// Compares what came of a call with what the audit log says of it.
    pub(super) async fn is_in_the_audit_log(
        &self,
        caller: Caller,
        (route, right): (&str, Right),
        answer: &Answer,
        request: &str,
    ) {
        let entries = self.entries(request).await;
        let of = format!("{route} as {caller:?}: {answer:?}: {entries:?}");
        let (done, refused): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| entry.outcome == AuditOutcome::Done);
        for entry in &entries {
            assert_eq!(
                entry.route.as_deref().map(|text| text.replace("{*", "{")).as_deref(),
                Some(route),
                "{of}"
            );
            if let Some(who) = self.known(caller).await {
                let is_own = entry.principal_id == Some(who.0) || matches!(right, Right::Open | Right::Link);
                assert!(is_own, "{of}");
            }
        }
        let status = answer.status.as_u16();
        if status < 400 {
            assert!(refused.is_empty(), "{of}");
            let is_read = route.starts_with("GET ") || route.starts_with("HEAD ");
            let leaves_nothing = is_read || LEAVE_NOTHING.contains(&route);
            assert!(done.is_empty() == leaves_nothing || route.contains("/trash"), "{of}");
            return;
        }
        assert!(done.is_empty(), "{of}");
        let is_right = match status {
            401 | 403 => true,
            // What is not there for anybody is refused to nobody.
            404 => !self.is_nothing(caller, route),
            _ => false,
        };
        assert_eq!(refused.len(), usize::from(is_right), "{of}");
        let Some(entry) = refused.first() else { return };
        let problem = answer.json();
        assert_eq!(entry.code.as_deref(), problem["code"].as_str(), "{of}");
        if let Some((_, credential)) = self.known(caller).await {
            let own = match credential {
                Some(Credential::Key(key)) => entry.key_id == Some(key),
                _ => entry.session_id.is_some(),
            };
            assert!(own, "{of}");
        }
    }

    /// Tells whether a 404 says that there is nothing, and not that somebody may not know of it.
    fn is_nothing(&self, caller: Caller, route: &str) -> bool {
        route == "GET /v1/workspaces/current" && (caller.reaches_several() || caller == Caller::Removed)
    }
}
