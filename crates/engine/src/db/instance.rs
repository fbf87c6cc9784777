//! The row that tells one database from another.

use bytes::Bytes;
use longshore_core::{DatabaseId, Timestamp};

use super::Tx;
use crate::error::{Error, Result};

/// Returns the database's id, which is made at the first call.
pub(crate) async fn id(tx: &mut Tx, now: Timestamp) -> Result<DatabaseId> {
    if let Some(row) = tx.query_opt("SELECT id FROM instance", &[]).await? {
        return row.parse(0);
    }
    let id = DatabaseId::new(now);
    tx.execute("INSERT INTO instance (id, created_at) VALUES ($1, $2)", &[id.into(), now.into()]).await?;
    Ok(id)
}

/// Returns the secret that seals links: the one there is, or `fresh` from now on. Of two nodes that ask first the
/// later one waits for the row, and finds the earlier one's.
pub(crate) async fn link_secret(tx: &mut Tx, fresh: Bytes) -> Result<Bytes> {
    tx.execute("UPDATE instance SET link_secret = $1 WHERE link_secret IS NULL", &[fresh.into()]).await?;
    let row = tx.query_opt("SELECT link_secret FROM instance", &[]).await?;
    let secret = row.map(|row| row.opt_bytes(0)).transpose()?.flatten();
    secret.ok_or_else(|| Error::corrupt("a database without a secret for links"))
}
