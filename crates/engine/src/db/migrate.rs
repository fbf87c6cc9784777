//! The schema's history: forward only, each step once, in one transaction.

use longshore_core::{Code, Timestamp};

use super::instance::{self, Instance};
use super::{Db, Engine, audit};
use crate::error::{Error, Result};

struct Step {
    name: &'static str,
    sql: &'static str,
}

/// A step that has been released is never edited: [`run`] compares digests.
const STEPS: &[Step] = &[
    Step { name: "first", sql: include_str!("schema/0001_first.sql") },
    Step { name: "jobs", sql: include_str!("schema/0002_jobs.sql") },
    Step { name: "locks", sql: include_str!("schema/0003_locks.sql") },
    Step { name: "idempotency", sql: include_str!("schema/0004_idempotency.sql") },
    Step { name: "hooks", sql: include_str!("schema/0005_hooks.sql") },
    Step { name: "metadata", sql: include_str!("schema/0006_metadata.sql") },
    Step { name: "events", sql: include_str!("schema/0007_events.sql") },
    Step { name: "steering", sql: include_str!("schema/0008_steering.sql") },
    Step { name: "locks_live", sql: include_str!("schema/0009_locks_live.sql") },
    Step { name: "forgotten", sql: include_str!("schema/0010_forgotten.sql") },
    Step { name: "uploads", sql: include_str!("schema/0011_uploads.sql") },
    Step { name: "links", sql: include_str!("schema/0012_links.sql") },
    Step { name: "packs", sql: include_str!("schema/0013_packs.sql") },
    Step { name: "upload_parts", sql: include_str!("schema/0014_upload_parts.sql") },
    Step { name: "open_uploads", sql: include_str!("schema/0015_open_uploads.sql") },
    Step { name: "members", sql: include_str!("schema/0016_members.sql") },
    Step { name: "narrowed_keys", sql: include_str!("schema/0017_narrowed_keys.sql") },
    Step { name: "quotas", sql: include_str!("schema/0018_quotas.sql") },
    Step { name: "transfers", sql: include_str!("schema/0019_transfers.sql") },
    Step { name: "sign_in", sql: include_str!("schema/0020_sign_in.sql") },
    Step { name: "shares", sql: include_str!("schema/0021_shares.sql") },
    Step { name: "audit", sql: include_str!("schema/0022_audit.sql") },
    Step { name: "identities", sql: include_str!("schema/0023_identities.sql") },
    Step { name: "crossings", sql: include_str!("schema/0024_crossings.sql") },
    Step { name: "crossings_taken", sql: include_str!("schema/0025_crossings_taken.sql") },
];

/// Two nodes that start at once on one PostgreSQL database take turns by this number.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(7420)";

/// Brings the schema up to date, and returns which database this is, with its secret.
pub(super) async fn run(db: &Db, now: Timestamp) -> Result<Instance> {
    let needs_lock = matches!(db.engine, Engine::Postgres(_));
    db.write(move |tx| {
        Box::pin(async move {
            if needs_lock {
                tx.session.batch(POSTGRES_LOCK).await?;
            }
            tx.session
                .batch(
                    "CREATE TABLE IF NOT EXISTS schema_history (
                        number BIGINT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, at BIGINT NOT NULL)",
                )
                .await?;
            let done = tx.query("SELECT number, digest FROM schema_history ORDER BY number", &[]).await?;
            if done.len() > STEPS.len() {
                return Err(Error::new(
                    Code::Internal,
                    "the database was made by a newer Longshore: start that one, or restore a backup",
                ));
            }
            for (number, step) in (1_i64..).zip(STEPS) {
                let digest = blake3::hash(step.sql.as_bytes()).to_hex().to_string();
                match done.iter().find(|row| row.int(0).is_ok_and(|known| known == number)) {
                    Some(row) if row.text(1)? == digest => {}
                    Some(_) => {
                        return Err(Error::new(
                            Code::Internal,
                            format!("step {number} ({}) of the database's schema is not the one known here", step.name),
                        ));
                    }
                    None => {
                        tx.session.batch(step.sql).await?;
                        tx.execute(
                            "INSERT INTO schema_history (number, name, digest, at) VALUES ($1, $2, $3, $4)",
                            &[number.into(), step.name.into(), digest.into(), now.into()],
                        )
                        .await?;
                    }
                }
            }
            let instance = instance::of(tx, now).await?;
            audit::rebase(tx).await?;
            Ok(instance)
        })
    })
    .await
}

#[cfg(test)]
mod tests;
