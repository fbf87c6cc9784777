//! Rows of principals and keys.

use bytes::Bytes;
use longshore_core::wire::{Key, Principal, PrincipalKind, Role};
use longshore_core::{KeyId, Timestamp, WorkspaceId};

use super::{Row, Tx};
use crate::actor::ensure_valid;
use crate::error::{Error, Result};

const fn kind_text(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Person => "person",
        PrincipalKind::Agent => "agent",
    }
}

pub(super) const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Editor => "editor",
        Role::Admin => "admin",
    }
}

pub(super) fn role(text: &str) -> Result<Role> {
    match text {
        "viewer" => Ok(Role::Viewer),
        "editor" => Ok(Role::Editor),
        "admin" => Ok(Role::Admin),
        other => Err(Error::corrupt(format_args!("role {other:?}"))),
    }
}

fn read(row: &Row) -> Result<Key> {
    Ok(Key {
        id: row.parse(0)?,
        name: row.text(1)?.to_owned(),
        role: role(row.text(2)?)?,
        workspace_id: row.opt_parse(3)?,
        created_at: row.time(4)?,
        expires_at: row.opt_time(5)?,
        revoked_at: row.opt_time(6)?,
        principal: Principal {
            id: row.parse(7)?,
            kind: match row.text(8)? {
                "person" => PrincipalKind::Person,
                "agent" => PrincipalKind::Agent,
                other => return Err(Error::corrupt(format_args!("principal kind {other:?}"))),
            },
            name: row.text(9)?.to_owned(),
        },
    })
}

pub(crate) async fn insert_principal(tx: &mut Tx, principal: &Principal, now: Timestamp) -> Result<()> {
    tx.execute(
        "INSERT INTO principals (id, kind, name, created_at) VALUES ($1, $2, $3, $4)",
        &[principal.id.into(), kind_text(principal.kind).into(), principal.name.as_str().into(), now.into()],
    )
    .await?;
    Ok(())
}

pub(crate) async fn insert_key(tx: &mut Tx, key: &Key, secret_hash: Bytes) -> Result<()> {
    tx.execute(
        "INSERT INTO keys (id, name, principal_id, role, workspace_id, secret_hash, created_at, expires_at, revoked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            key.id.into(),
            key.name.as_str().into(),
            key.principal.id.into(),
            role_text(key.role).into(),
            key.workspace_id.into(),
            secret_hash.into(),
            key.created_at.into(),
            key.expires_at.into(),
            key.revoked_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Returns a key and the hash of its secret.
pub(crate) async fn key_with_hash(tx: &mut Tx, id: KeyId) -> Result<Option<(Key, Bytes)>> {
    let row = tx
        .query_opt(
            "SELECT k.id, k.name, k.role, k.workspace_id, k.created_at, k.expires_at, k.revoked_at,
                    p.id, p.kind, p.name, k.secret_hash
             FROM keys k JOIN principals p ON p.id = k.principal_id WHERE k.id = $1",
            &[id.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let hash = row.opt_bytes(10)?.ok_or_else(|| Error::corrupt("a key without a hash"))?;
    Ok(Some((read(&row)?, hash)))
}

/// Lists keys by id, which is by age: all, or those of one workspace.
pub(crate) async fn keys(
    tx: &mut Tx,
    workspace: Option<WorkspaceId>,
    after: &str,
    limit: u32,
) -> Result<Vec<Key>> {
    let rows = tx
        .query(
            "SELECT k.id, k.name, k.role, k.workspace_id, k.created_at, k.expires_at, k.revoked_at,
                    p.id, p.kind, p.name
             FROM keys k JOIN principals p ON p.id = k.principal_id
             WHERE k.id > $1 AND (CAST($3 AS TEXT) IS NULL OR k.workspace_id = $3) ORDER BY k.id LIMIT $2",
            &[after.into(), limit.into(), workspace.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Revokes a key; a key that was revoked before keeps its time.
pub(crate) async fn revoke_key(tx: &mut Tx, id: KeyId, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
        &[now.into(), id.into()],
    )
    .await?;
    Ok(())
}

/// Refuses a key that is revoked or over as the transaction sees it. A first start's key is not written yet.
pub(crate) async fn ensure_valid_now(tx: &mut Tx, id: KeyId, now: Timestamp) -> Result<()> {
    match tx.query_opt("SELECT revoked_at, expires_at FROM keys WHERE id = $1", &[id.into()]).await? {
        Some(row) => ensure_valid(row.opt_time(0)?, row.opt_time(1)?, now),
        None => Ok(()),
    }
}
