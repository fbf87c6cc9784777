//! Lanes that rest: none of their jobs is claimed until a time.

use longshore_core::Timestamp;

use crate::db::Tx;
use crate::error::Result;

/// Lets a lane rest until a time.
pub(crate) async fn rest(tx: &mut Tx, lane: &str, until: Timestamp) -> Result<()> {
    tx.execute(
        "INSERT INTO lane_rests (lane, rests_until) VALUES ($1, $2)
         ON CONFLICT (lane) DO UPDATE SET rests_until = excluded.rests_until",
        &[lane.into(), until.into()],
    )
    .await?;
    Ok(())
}

/// Ends a lane's rest, if it has one.
pub(crate) async fn wake(tx: &mut Tx, lane: &str) -> Result<()> {
    if tx.execute("DELETE FROM lane_rests WHERE lane = $1", &[lane.into()]).await? > 0 {
        tx.wake_workers();
    }
    Ok(())
}

/// Forgets rests that were over before a time; returns how many, at most `limit`.
pub(crate) async fn prune_rests(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64> {
    tx.execute(
        "DELETE FROM lane_rests WHERE lane IN
             (SELECT lane FROM lane_rests WHERE rests_until < $1 ORDER BY rests_until LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}
