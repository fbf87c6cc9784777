//! The row that tells one database from another, and has its secret.

use bytes::Bytes;
use longshore_core::{DatabaseId, Timestamp, random};

use super::Tx;
use crate::error::{Error, Result};
use crate::secret::{BYTES, Secret};

/// What there is one of in a database.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: DatabaseId,
    pub(crate) secret: Secret,
}

/// Returns what there is one of; it is made at the first call.
pub(crate) async fn of(tx: &mut Tx, now: Timestamp) -> Result<Instance> {
    Ok(Instance { id: id(tx, now).await?, secret: secret(tx).await? })
}

async fn id(tx: &mut Tx, now: Timestamp) -> Result<DatabaseId> {
    if let Some(row) = tx.query_opt("SELECT id FROM instance", &[]).await? {
        return row.parse(0);
    }
    let id = DatabaseId::new(now);
    tx.execute("INSERT INTO instance (id, created_at) VALUES ($1, $2)", &[id.into(), now.into()]).await?;
    Ok(id)
}

async fn kept(tx: &mut Tx) -> Result<Option<Bytes>> {
    let row = tx.query_opt("SELECT link_secret FROM instance", &[]).await?;
    Ok(row.map(|row| row.opt_bytes(0)).transpose()?.flatten())
}

/// Returns the secret. Of two nodes that make it the later one waits for the row, and finds the earlier one's.
async fn secret(tx: &mut Tx) -> Result<Secret> {
    if let Some(kept) = kept(tx).await? {
        return Ok(Secret::new(&kept));
    }
    let mut fresh = [0; BYTES];
    random::fill(&mut fresh);
    let fresh = Bytes::copy_from_slice(&fresh);
    tx.execute("UPDATE instance SET link_secret = $1 WHERE link_secret IS NULL", &[fresh.into()]).await?;
    let kept = kept(tx).await?.ok_or_else(|| Error::corrupt("a database without a secret"))?;
    Ok(Secret::new(&kept))
}
