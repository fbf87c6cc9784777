//! The event log of a workspace.
//!
//! An event's place is a counter in the workspace's own row, taken and written in the change's transaction.
//! A database sequence would hand out a place before its transaction commits, and a reader that has passed a
//! later place would never see it.

use longshore_core::wire::Event;
use longshore_core::{Code, EventId, NodeId, Timestamp, VersionId, WorkspaceId};

use super::{Tx, workspaces};
use crate::actor::Actor;
use crate::error::{Error, Result};

/// What an event says besides who, when and where.
#[derive(Clone, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) kind: &'a str,
    pub(crate) node: Option<NodeId>,
    pub(crate) version: Option<VersionId>,
    pub(crate) data: serde_json::Value,
}

/// A workspace's log, held by the transaction that writes to the workspace.
pub(crate) struct Log<'a> {
    workspace: WorkspaceId,
    actor: &'a Actor,
    now: Timestamp,
    /// Taken when the log was opened and not yet used.
    reserved: Option<u64>,
}

impl<'a> Log<'a> {
    /// Takes the workspace for this transaction: its first statement, so that all that follows sees the
    /// workspace as the write before it left it. A key that was revoked while its request was under way writes
    /// nothing any more.
    pub(crate) async fn open(
        tx: &mut Tx,
        workspace: WorkspaceId,
        actor: &'a Actor,
        now: Timestamp,
    ) -> Result<Self> {
        let reserved = workspaces::next_seq(tx, workspace)
            .await?
            .ok_or_else(|| Error::new(Code::WorkspaceNotFound, format!("no workspace {workspace}")))?;
        if let Some(key) = actor.key {
            super::access::ensure_valid_now(tx, key, now).await?;
        }
        Ok(Self { workspace, actor, now, reserved: Some(reserved) })
    }

    pub(crate) const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    pub(crate) const fn actor(&self) -> &Actor {
        self.actor
    }

    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) async fn append(&mut self, tx: &mut Tx, change: Change<'_>) -> Result<()> {
        let seq = match self.reserved.take() {
            Some(seq) => seq,
            None => workspaces::next_seq(tx, self.workspace)
                .await?
                .ok_or_else(|| Error::corrupt("a workspace went away while it was held"))?,
        };
        tx.execute(
            "INSERT INTO events (workspace_id, seq, id, type, at, actor, key_id, request_id, node_id, version_id, data)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            &[
                self.workspace.into(),
                seq.into(),
                EventId::new(self.now).into(),
                change.kind.into(),
                self.now.into(),
                self.actor.principal.into(),
                self.actor.key.into(),
                self.actor.request_id.as_deref().into(),
                change.node.into(),
                change.version.into(),
                change.data.to_string().into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// Ends a write that turned out to change nothing.
    pub(crate) async fn close_unused(self, tx: &mut Tx) -> Result<()> {
        match self.reserved {
            Some(_) => workspaces::unuse_seq(tx, self.workspace).await,
            None => Ok(()),
        }
    }
}

/// Lists the events after a place, oldest first.
pub(crate) async fn list(tx: &mut Tx, workspace: WorkspaceId, after: u64, limit: u32) -> Result<Vec<Event>> {
    let rows = tx
        .query(
            "SELECT seq, id, type, at, actor, key_id, request_id, node_id, version_id, data
             FROM events WHERE workspace_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            &[workspace.into(), after.into(), limit.into()],
        )
        .await?;
    let events = rows.iter().map(|row| {
        Ok(Event {
            seq: row.count(0)?,
            id: row.parse(1)?,
            r#type: row.text(2)?.to_owned(),
            at: row.time(3)?,
            actor: row.parse(4)?,
            key_id: row.opt_parse(5)?,
            request_id: row.opt_text(6)?.map(str::to_owned),
            node_id: row.opt_parse(7)?,
            version_id: row.opt_parse(8)?,
            data: serde_json::from_str(row.text(9)?).map_err(Error::corrupt)?,
        })
    });
    events.collect()
}
