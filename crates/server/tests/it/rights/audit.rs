//! What the walk leaves in the audit log: of each refusal of a right one entry, of each act those of what it did, and of
//! nothing else any.

use longshore_core::PrincipalId;
use longshore_core::wire::{AuditEntry, AuditOutcome, Role};
use longshore_engine::{AuditQuery, Credential};
use longshore_server::rights::Right;

use super::{Caller, Walk, sign_in_name};
use crate::world::Answer;

/// Writes that leave nothing for others to see, so that nobody did anything: a lease goes on, bytes of an upload are kept until
/// there is a file, an undo is only looked at, somebody is sent to a provider, or of what is asked nothing is left to do.
const LEAVE_NOTHING: &[&str] = &[
    "POST /v1/invitations/look",
    "POST /v1/locks/{lock}/renew",
    "POST /v1/me/identities",
    "POST /v1/session/oidc/{provider}",
    "POST /v1/workspaces/{ws}/archive",
    "POST /v1/workspaces/{ws}/batch/read",
    "POST /v1/workspaces/{ws}/undo",
];

/// Reads that are told all the same: they take all that there is.
const TOLD: &[&str] = &["GET /v1/workspaces/{ws}/export"];

/// Writes that find it done already by who called before: then nothing is.
const REPEATED: &[&str] = &["DELETE /v1/workspaces/{ws}/trash", "PATCH /v1/workspaces/{ws}/quota"];

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

    /// Returns who a caller is, and the key they call with, where anybody can know.
    async fn known(&self, caller: Caller) -> Option<(PrincipalId, Option<Credential>)> {
        if let Some(secret) = self.secret(caller) {
            let key = secret.parse::<longshore_core::key::ApiKey>().unwrap().id();
            let made = self.keys.iter().find(|(_, made)| made.key.id == key).unwrap();
            return Some((made.1.key.principal.id, Some(Credential::Key(key))));
        }
        if !caller.is_signed_in() {
            return None;
        }
        let (owner, name) = (&self.world.owner, sign_in_name(caller));
        if caller == Caller::SignedIn(Role::Owner) {
            return Some((owner.principal, None));
        }
        let page = longshore_engine::PageRequest::new(Some(1_000), None);
        let people = self.world.engine.list_principals(owner, page).await.unwrap().items;
        people.into_iter().find(|one| one.name == name).map(|one| (one.id, None))
    }

    /// Compares what came of a call with what the audit log says of it; fails with what is wrong.
    pub(super) async fn is_in_the_audit_log(
        &self,
        caller: Caller,
        (route, right): (&str, Right),
        answer: &Answer,
        request: &str,
    ) -> Result<(), String> {
        let entries = self.entries(request).await;
        let status = answer.status.as_u16();
        let ensure = |holds: bool, what: &str| match holds {
            true => Ok(()),
            false => Err(format!("{route} as {caller:?}, {status}: {what}: {entries:?}")),
        };
        // Who visits a share link is asked for no key.
        let known = if right == Right::Visitor { None } else { self.known(caller).await };
        for entry in &entries {
            ensure(entry.route.as_deref() == Some(route), "the route")?;
            // Who brings a secret that is good by itself is whom it was made for.
            let is_by_key = !matches!(right, Right::Open | Right::Link | Right::Visitor);
            let is_own = known.is_none_or(|(who, _)| entry.principal_id == Some(who));
            ensure(is_own || !is_by_key, "who")?;
        }
        let done = entries.iter().filter(|entry| entry.outcome == AuditOutcome::Done).count();
        let refused: Vec<_> = entries.iter().filter(|entry| entry.outcome == AuditOutcome::Refused).collect();
        if status < 400 {
            // The answer of a batch is that it was read: what lies outside of the key's folder is refused item by item.
            let of_items = usize::from(caller == Caller::Outside && route.contains("/batch"));
            ensure(refused.len() == of_items, "a refusal of what was let through")?;
            let is_read = !TOLD.contains(&route) && (route.starts_with("GET ") || route.starts_with("HEAD "));
            let leaves_nothing = is_read || of_items > 0 || LEAVE_NOTHING.contains(&route);
            if done == 0 && REPEATED.contains(&route) {
                return Ok(());
            }
            return ensure((done == 0) == leaves_nothing, "what was done");
        }
        ensure(done == 0, "an act that was refused")?;
        let is_right = match status {
            401 | 403 => true,
            // What is not there for anybody is refused to nobody.
            404 => !is_nothing(caller, route),
            _ => false,
        };
        ensure(refused.len() == usize::from(is_right), "one refusal, where it is of a right")?;
        let Some(entry) = refused.first() else { return Ok(()) };
        // An answer to `HEAD` has no body here either.
        let code = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
        ensure(code.is_null() || entry.code.as_deref() == code["code"].as_str(), "the code")?;
        match known {
            Some((_, Some(Credential::Key(key)))) => ensure(entry.key_id == Some(key), "the key"),
            Some(_) => ensure(entry.session_id.is_some(), "the session"),
            None => Ok(()),
        }
    }
}

/// Tells whether a 404 says that there is nothing, and not that somebody may not know of it.
fn is_nothing(caller: Caller, route: &str) -> bool {
    route == "GET /v1/workspaces/current" && caller.reaches_several()
}
