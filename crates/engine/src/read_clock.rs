//! The time of a read: that of the clock by which the workspace is written to.
//!
//! Whether a lock holds is one question with one answer, whoever asks: a server whose own clock differs from the
//! database's must not see as over what every write still takes for held.

use std::sync::Arc;

use longshore_core::wire::Node;
use longshore_core::{Clock, Timestamp, WorkspaceId};

use crate::db::nodes::{NodeRow, Place};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::Result;
use crate::workspaces;

/// The time of one read in one workspace, asked for once and only where it matters.
#[derive(Clone, Debug)]
pub(crate) struct ReadClock {
    clock: Arc<dyn Clock>,
    now: Option<Timestamp>,
}

impl ReadClock {
    /// Returns the time of the read.
    pub(crate) async fn now(&mut self, tx: &mut Tx, workspace: WorkspaceId) -> Result<Timestamp> {
        if let Some(now) = self.now {
            return Ok(now);
        }
        let now = db::workspaces::now(tx, workspace, self.clock.as_ref()).await?;
        let now = now.ok_or_else(|| workspaces::not_found(workspace))?;
        self.now = Some(now);
        Ok(now)
    }

    /// Returns a node as readers see it.
    pub(crate) async fn node(&mut self, tx: &mut Tx, row: NodeRow, place: Place) -> Result<Node> {
        // Without a lock the time does not matter.
        let now = match &row.lock {
            Some(_) => self.now(tx, row.workspace).await?,
            None => row.updated_at,
        };
        Ok(row.into_node(place, now))
    }
}

impl Engine {
    /// Returns the clock of a read that is to begin.
    pub(crate) fn read_clock(&self) -> ReadClock {
        ReadClock { clock: self.clock(), now: None }
    }
}
