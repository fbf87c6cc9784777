//! The audit log: every act, and every refusal of a right, on the whole server.
//!
//! What was done is noted in the transaction that does it ([`Tx::note`](crate::db::Tx::note)) and written by the same commit, so
//! neither is there without the other. What was refused has no transaction: it is written behind the requests' backs, in
//! groups ([`refusals`]). No entry has a secret, nor a name that somebody typed who is not signed in: people type passwords there.

mod reading;
mod refusals;

use std::fmt::Display;
use std::sync::Arc;

use longshore_core::{Code, PrincipalId, Timestamp, WorkspaceId};
use serde_json::{Value, json};

use crate::actor::{Actor, Credential, Origin};

pub use reading::{AuditAfter, AuditQuery};
pub(crate) use refusals::Refusals;

/// What is written down of an act or a refusal.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    pub(crate) kind: &'static str,
    /// Of a refusal.
    pub(crate) code: Option<Code>,
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) credential: Option<Credential>,
    pub(crate) origin: Option<Arc<Origin>>,
    pub(crate) object: Option<String>,
    facts: Value,
    /// Which act of its workspace's log it is of.
    pub(crate) act: Option<u64>,
    /// How many more it stands for.
    pub(crate) more: u64,
}

impl Entry {
    fn new(kind: &'static str, at: Timestamp) -> Self {
        Self {
            at,
            kind,
            code: None,
            workspace: None,
            principal: None,
            credential: None,
            origin: None,
            object: None,
            facts: Value::Null,
            act: None,
            more: 0,
        }
    }

    /// Something was done by somebody.
    pub(crate) fn done(kind: &'static str, actor: &Actor, at: Timestamp) -> Self {
        Self {
            principal: Some(actor.principal),
            credential: Some(actor.credential),
            origin: actor.origin.clone(),
            ..Self::new(kind, at)
        }
    }

    /// Something was done by who showed what is good for this alone, and no key.
    pub(crate) fn done_by(
        kind: &'static str,
        principal: PrincipalId,
        origin: Option<Arc<Origin>>,
        at: Timestamp,
    ) -> Self {
        Self { principal: Some(principal), origin, ..Self::new(kind, at) }
    }

    pub(crate) fn within(self, workspace: impl Into<Option<WorkspaceId>>) -> Self {
        Self { workspace: workspace.into(), ..self }
    }

    pub(crate) fn in_session(self, session: longshore_core::SessionId) -> Self {
        Self { credential: Some(Credential::Session(session)), ..self }
    }

    pub(crate) fn of_act(self, workspace: WorkspaceId, act: u64) -> Self {
        Self { act: Some(act), ..self.within(workspace) }
    }

    /// Says what it is about.
    pub(crate) fn about(self, object: impl Display) -> Self {
        Self { object: Some(object.to_string()), ..self }
    }

    /// Says all that there is to say.
    pub(crate) fn saying(self, facts: Value) -> Self {
        Self { facts, ..self }
    }

    /// Says one thing more.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.facts[key] = value;
        self
    }

    /// Returns what is said of it, with how many more it stands for.
    pub(crate) fn told_facts(&self) -> Option<Value> {
        let mut facts = self.facts.clone();
        if self.more > 0 {
            facts["more"] = json!(self.more);
        }
        (!facts.is_null()).then_some(facts)
    }
}
