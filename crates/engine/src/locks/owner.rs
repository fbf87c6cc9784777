//! Taking all its locks from an owner who may not have them any more.

use longshore_core::PrincipalId;
use longshore_core::wire::LostReason;

use super::end;
use crate::act::Act;
use crate::db;
use crate::error::Result;

/// How many locks are read at once.
const READ: u32 = 500;

/// Breaks the locks that a principal holds in the act's workspace, for a reason that the events state, and takes it out of
/// the queues there. Those who wait are to be woken once this is committed.
pub(crate) async fn end_all_of(act: &mut Act<'_>, principal: PrincipalId, why: &str) -> Result<()> {
    let (workspace, now) = (act.log.workspace(), act.now());
    db::waiters::delete_of(act.tx, workspace, principal).await?;
    loop {
        let held = db::locks::live(act.tx, workspace, Some(principal), now, "", READ).await?;
        if held.is_empty() {
            return Ok(());
        }
        for grant in &held {
            end(act, grant, LostReason::Broken, Some(why)).await?;
        }
    }
}
