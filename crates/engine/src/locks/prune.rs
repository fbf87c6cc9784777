//! What leases leave behind: those that ran out are ended by the clock, and the rows of ended ones go.
//!
//! A node's fence is in its own row and counts on, whatever becomes of these.

use std::time::Duration;

use longshore_core::WorkspaceId;
use longshore_core::wire::LostReason;

use super::lapse;
use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::Actor;
use crate::db;
use crate::engine::Engine;
use crate::error::Result;
use crate::narrowing::Need;

/// How often leases that ran out are looked for.
pub(crate) const INTERVAL: Duration = Duration::from_mins(10);

/// How long who comes late is told what became of its lock: longer than a grant's answer is kept for its key.
const KEPT: Duration = Duration::from_hours(48);

/// How many leases one act ends, each with an event.
const ENDED: usize = 100;

/// How many rows one transaction removes.
const REMOVED: u32 = 1_000;

/// What became of locks that nobody ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrunedLocks {
    /// How many leases had run out and were ended.
    pub expired: u64,
    /// How many rows of locks that ended long ago were removed.
    pub removed: u64,
}

/// Ends some of the leases of the act's workspace that have run out; returns how many.
async fn end_some(act: &mut Act<'_>) -> Result<u64> {
    let old = db::locks::lapsed(act.tx, act.log.workspace(), act.now(), ENDED).await?;
    for grant in &old {
        match db::nodes::get(act.tx, grant.node).await? {
            Some(mut row) => {
                let place = db::nodes::place(act.tx, row.id).await?;
                lapse(act, grant, LostReason::Expired, &row, &place).await?;
                // What nobody can give back or break any more must not come back to life with a clock that steps back.
                row.lock = None;
                db::nodes::set_lock(act.tx, &row).await?;
            }
            None => db::locks::end(act.tx, grant.id, LostReason::Expired, act.now()).await?,
        }
    }
    Ok(old.len() as u64)
}

impl Engine {
    /// Ends the leases that have run out, and removes the rows of locks that ended two days ago.
    pub async fn prune_locks(&self) -> Result<PrunedLocks> {
        let (mut pruned, mut after) = (PrunedLocks::default(), String::new());
        loop {
            let (clock, from) = (self.clock(), after.clone());
            let next = self.db().read(move |tx| {
                let (clock, from) = (clock.clone(), from.clone());
                Box::pin(async move {
                    let now = tx.now(clock.as_ref()).await?;
                    db::locks::next_with_lapsed(tx, now, &from).await
                })
            });
            let Some(workspace) = next.await? else { break };
            pruned.expired += self.end_lapsed_of(workspace).await?;
            after = workspace.to_string();
        }
        pruned.removed = self
            .remove_by_steps(
                REMOVED,
                |tx, now| Box::pin(async move { db::locks::prune(tx, now.minus(KEPT), REMOVED).await }),
                |_| {},
            )
            .await?;
        Ok(pruned)
    }

    async fn end_lapsed_of(&self, workspace: WorkspaceId) -> Result<u64> {
        let (actor, mut ended) = (Actor::longshore(workspace), 0);
        loop {
            let scope = Scope::Workspace(workspace);
            let ask = Ask { actor: &actor, need: Need::BREAK, scope, premises: Premises::default() };
            let some = self.act(ask, (), |act, ()| Box::pin(end_some(act))).await?;
            ended += some;
            if some < ENDED as u64 {
                return Ok(ended);
            }
        }
    }
}
