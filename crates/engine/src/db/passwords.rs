//! Rows of passwords, and of what lets somebody set a new one.

use std::fmt::{self, Debug};

use bytes::Bytes;
use longshore_core::wire::Principal;
use longshore_core::{PrincipalId, ResetId, SignInName, Timestamp};

use super::access::read_principal;
use super::{Row, Tx};
use crate::error::{Error, Result};

/// How somebody signs in. It does not print the hash.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) principal: Principal,
    pub(crate) sign_in_name: String,
    /// The password's, as a PHC string.
    pub(crate) hash: String,
    /// How many times another password was set.
    pub(crate) changes: u64,
}

impl Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.principal.id)
    }
}

macro_rules! select_accounts {
    ($rest:literal) => {
        concat!(
            "SELECT a.sign_in_name, a.hash, a.changes, p.id, p.kind, p.name, p.everywhere, p.deactivated_at
             FROM passwords a JOIN principals p ON p.id = a.principal_id ",
            $rest
        )
    };
}

fn read(row: &Row) -> Result<Account> {
    Ok(Account {
        sign_in_name: row.text(0)?.to_owned(),
        hash: row.text(1)?.to_owned(),
        changes: row.count(2)?,
        principal: read_principal(row, 3)?,
    })
}

/// Finds who signs in by a name.
pub(crate) async fn named(tx: &mut Tx, name: &SignInName) -> Result<Option<Account>> {
    let row = tx.query_opt(select_accounts!("WHERE a.folded_name = $1"), &[name.folded().into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Returns how a principal signs in.
pub(crate) async fn of(tx: &mut Tx, principal: PrincipalId) -> Result<Option<Account>> {
    let row = tx.query_opt(select_accounts!("WHERE a.principal_id = $1"), &[principal.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Has a principal sign in by a name and a password from now on; tells whether nobody else has the name. Whoever sets names
/// has taken the principals.
pub(crate) async fn set(
    tx: &mut Tx,
    principal: PrincipalId,
    (name, hash): (&SignInName, &str),
    now: Timestamp,
) -> Result<bool> {
    if named(tx, name).await?.is_some_and(|account| account.principal.id != principal) {
        return Ok(false);
    }
    let values = [principal.into(), name.as_str().into(), name.folded().into(), hash.into(), now.into()];
    let changed = tx.execute(
        "UPDATE passwords SET sign_in_name = $2, folded_name = $3, hash = $4, changes = changes + 1, changed_at = $5
         WHERE principal_id = $1",
        &values,
    );
    if changed.await? == 0 {
        tx.execute(
            "INSERT INTO passwords (principal_id, sign_in_name, folded_name, hash, changes, changed_at)
             VALUES ($1, $2, $3, $4, 0, $5)",
            &values,
        )
        .await?;
    }
    Ok(true)
}

/// Keeps another hash of the same password, where `before` still stands.
pub(crate) async fn rehash(tx: &mut Tx, principal: PrincipalId, before: &str, hash: &str) -> Result<()> {
    tx.execute(
        "UPDATE passwords SET hash = $3 WHERE principal_id = $1 AND hash = $2",
        &[principal.into(), before.into(), hash.into()],
    )
    .await?;
    Ok(())
}

/// What lets somebody set a new password.
#[derive(Clone, Debug)]
pub(crate) struct Reset {
    pub(crate) id: ResetId,
    pub(crate) principal: PrincipalId,
    pub(crate) token_hash: Bytes,
    pub(crate) created_by: PrincipalId,
    pub(crate) expires_at: Timestamp,
}

/// Keeps what lets somebody set a new password, instead of any before it.
pub(crate) async fn insert_reset(tx: &mut Tx, reset: &Reset) -> Result<()> {
    delete_reset(tx, reset.principal).await?;
    tx.execute(
        "INSERT INTO password_resets (principal_id, id, token_hash, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
        &[
            reset.principal.into(),
            reset.id.into(),
            reset.token_hash.clone().into(),
            reset.created_by.into(),
            reset.expires_at.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn reset(tx: &mut Tx, id: ResetId) -> Result<Option<Reset>> {
    let row = tx
        .query_opt(
            "SELECT principal_id, token_hash, created_by, expires_at FROM password_resets WHERE id = $1",
            &[id.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Reset {
        id,
        principal: row.parse(0)?,
        token_hash: row.opt_bytes(1)?.ok_or_else(|| Error::corrupt("a reset without a hash"))?,
        created_by: row.parse(2)?,
        expires_at: row.time(3)?,
    }))
}

pub(crate) async fn delete_reset(tx: &mut Tx, principal: PrincipalId) -> Result<()> {
    tx.execute("DELETE FROM password_resets WHERE principal_id = $1", &[principal.into()]).await?;
    Ok(())
}
