//! Rows of identities: how providers know people.

use longshore_core::wire::{Identity, Principal};
use longshore_core::{IdentityId, PrincipalId, Timestamp};

use super::access::read_principal;
use super::{Row, Tx};
use crate::error::Result;

macro_rules! select_identities {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT i.id, i.issuer, i.subject, i.email, i.created_at, i.last_used_at",
            $more,
            " FROM identities i ",
            $rest
        )
    };
}

fn read(row: &Row) -> Result<Identity> {
    Ok(Identity {
        id: row.parse(0)?,
        issuer: row.text(1)?.to_owned(),
        subject: row.text(2)?.to_owned(),
        email: row.opt_text(3)?.map(str::to_owned),
        created_at: row.time(4)?,
        last_used_at: row.opt_time(5)?,
    })
}

/// Finds what a provider calls somebody, and who that is here.
pub(crate) async fn known(tx: &mut Tx, issuer: &str, subject: &str) -> Result<Option<(Identity, Principal)>> {
    let row = tx
        .query_opt(
            select_identities!(
                ", p.id, p.kind, p.name, p.everywhere, p.deactivated_at",
                "JOIN principals p ON p.id = i.principal_id WHERE i.issuer = $1 AND i.subject = $2"
            ),
            &[issuer.into(), subject.into()],
        )
        .await?;
    row.map(|row| Ok((read(&row)?, read_principal(&row, 6)?))).transpose()
}

pub(crate) async fn insert(tx: &mut Tx, identity: &Identity, principal: PrincipalId) -> Result<()> {
    tx.execute(
        "INSERT INTO identities (id, issuer, subject, principal_id, email, created_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            identity.id.into(),
            identity.issuer.as_str().into(),
            identity.subject.as_str().into(),
            principal.into(),
            identity.email.as_deref().into(),
            identity.created_at.into(),
            identity.last_used_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Notes that somebody signed in by an identity, and what their e-mail address is now.
pub(crate) async fn used(tx: &mut Tx, id: IdentityId, email: Option<&str>, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE identities SET last_used_at = $2, email = $3 WHERE id = $1",
        &[id.into(), now.into(), email.into()],
    )
    .await?;
    Ok(())
}

/// Lists the identities of a principal, the oldest first.
pub(crate) async fn list(tx: &mut Tx, principal: PrincipalId, most: u32) -> Result<Vec<Identity>> {
    let rows = tx
        .query(
            select_identities!("", "WHERE i.principal_id = $1 ORDER BY i.id LIMIT $2"),
            &[principal.into(), most.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Removes an identity of a principal; tells whether there was one.
pub(crate) async fn delete(tx: &mut Tx, principal: PrincipalId, id: IdentityId) -> Result<bool> {
    let sql = "DELETE FROM identities WHERE id = $1 AND principal_id = $2";
    Ok(tx.execute(sql, &[id.into(), principal.into()]).await? > 0)
}
