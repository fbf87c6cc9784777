//! The row that tells one database from another.

use longshore_core::{DatabaseId, Timestamp};

use super::Tx;
use crate::error::Result;

/// Returns the database's id, which is made at the first call.
pub(crate) async fn id(tx: &mut Tx, now: Timestamp) -> Result<DatabaseId> {
    if let Some(row) = tx.query_opt("SELECT id FROM instance", &[]).await? {
        return row.parse(0);
    }
    let id = DatabaseId::new(now);
    tx.execute("INSERT INTO instance (id, created_at) VALUES ($1, $2)", &[id.into(), now.into()]).await?;
    Ok(id)
}
