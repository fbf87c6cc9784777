//! Rows of principals and keys.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use longshore_core::wire::{Key, Principal, PrincipalKind, Role, Verb};
use longshore_core::{Code, KeyId, PrincipalId, Timestamp, WorkspaceId};

use super::{Row, Tx, sessions};
use crate::actor::{Actor, Credential, Ends, Memberships, Rights};
use crate::error::{Error, Result};
use crate::narrowing::{Narrowing, Need};
use crate::shares;

pub(super) const fn kind_text(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Person => "person",
        PrincipalKind::Agent => "agent",
    }
}

const ROLES: [Role; 4] = [Role::Viewer, Role::Editor, Role::Admin, Role::Owner];

pub(super) fn role(text: &str) -> Result<Role> {
    let known = ROLES.into_iter().find(|role| role.as_str() == text);
    known.ok_or_else(|| Error::corrupt(format_args!("role {text:?}")))
}

pub(super) fn opt_role(row: &Row, column: usize) -> Result<Option<Role>> {
    row.opt_text(column)?.map(role).transpose()
}

/// Reads a principal whose columns begin at one: id, kind, name, everywhere, `deactivated_at`.
pub(super) fn read_principal(row: &Row, first: usize) -> Result<Principal> {
    Ok(Principal {
        id: row.parse(first)?,
        kind: match row.text(first + 1)? {
            "person" => PrincipalKind::Person,
            "agent" => PrincipalKind::Agent,
            other => return Err(Error::corrupt(format_args!("principal kind {other:?}"))),
        },
        name: row.text(first + 2)?.to_owned(),
        everywhere: opt_role(row, first + 3)?,
        deactivated_at: row.opt_time(first + 4)?,
    })
}

macro_rules! select_keys {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT k.id, k.name, k.role, k.workspace_id, k.created_at, k.expires_at, k.revoked_at,
                    p.id, p.kind, p.name, p.everywhere, p.deactivated_at,
                    k.verbs, k.folder_id, k.addresses, k.last_used_at, k.last_used_from ",
            $more,
            " FROM keys k JOIN principals p ON p.id = k.principal_id ",
            $rest
        )
    };
}

/// The column of the verbs; behind it are those of the folder and the addresses.
const NARROWING: usize = 12;

fn read_verbs(text: &str) -> Result<BTreeSet<Verb>> {
    text.split(' ').map(|word| word.parse().map_err(Error::corrupt)).collect()
}

/// Reads what a key is narrowed to: verbs, folder, addresses, from this column on, and its end.
fn read_narrowing(row: &Row, first: usize, ends_at: Option<Timestamp>) -> Result<Narrowing> {
    let network = |text: &str| text.parse().map_err(Error::corrupt);
    Ok(Narrowing {
        verbs: row.opt_text(first)?.map(read_verbs).transpose()?,
        folder: row.opt_parse(first + 1)?,
        networks: row.opt_text(first + 2)?.map(|text| text.split(' ').map(network).collect()).transpose()?,
        ends_at,
    })
}

fn joined<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>().join(" ")
}

fn read(row: &Row) -> Result<Key> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    Ok(Key {
        verbs: row.opt_text(NARROWING)?.map(read_verbs).transpose()?,
        folder_id: row.opt_parse(NARROWING + 1)?,
        addresses: row.opt_text(NARROWING + 2)?.map(words),
        last_used_at: row.opt_time(15)?,
        last_used_from: row.opt_text(16)?.map(str::to_owned),
        id: row.parse(0)?,
        name: row.text(1)?.to_owned(),
        role: role(row.text(2)?)?,
        workspace_id: row.opt_parse(3)?,
        created_at: row.time(4)?,
        expires_at: row.opt_time(5)?,
        revoked_at: row.opt_time(6)?,
        principal: read_principal(row, 7)?,
    })
}

/// Reads memberships that a query has put together: `ws_… role` with commas between.
pub(super) fn read_memberships(text: Option<&str>) -> Result<Memberships> {
    let mut memberships = Memberships::new();
    for one in text.into_iter().flat_map(|text| text.split(',')) {
        let (workspace, own) = one.split_once(' ').ok_or_else(|| Error::corrupt("a membership"))?;
        memberships.insert(workspace.parse().map_err(Error::corrupt)?, role(own)?);
    }
    Ok(memberships)
}

pub(crate) async fn insert_principal(tx: &mut Tx, principal: &Principal, now: Timestamp) -> Result<()> {
    tx.execute(
        "INSERT INTO principals (id, kind, name, created_at, everywhere) VALUES ($1, $2, $3, $4, $5)",
        &[
            principal.id.into(),
            kind_text(principal.kind).into(),
            principal.name.as_str().into(),
            now.into(),
            principal.everywhere.map(Role::as_str).into(),
        ],
    )
    .await?;
    Ok(())
}

/// Returns a principal.
pub(crate) async fn principal(tx: &mut Tx, id: PrincipalId) -> Result<Option<Principal>> {
    let row = tx
        .query_opt(
            "SELECT id, kind, name, everywhere, deactivated_at FROM principals WHERE id = $1",
            &[id.into()],
        )
        .await?;
    row.map(|row| read_principal(&row, 0)).transpose()
}

/// Lists principals by id, which is by age.
pub(crate) async fn principals(tx: &mut Tx, after: &str, limit: u32) -> Result<Vec<Principal>> {
    let rows = tx
        .query(
            "SELECT id, kind, name, everywhere, deactivated_at FROM principals
             WHERE id > $1 ORDER BY id LIMIT $2",
            &[after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(|row| read_principal(row, 0)).collect()
}

/// Lists the admins of the server, the oldest first.
pub(crate) async fn administrators(tx: &mut Tx) -> Result<Vec<Principal>> {
    let rows = tx
        .query(
            "SELECT id, kind, name, everywhere, deactivated_at FROM principals
             WHERE everywhere IN ('admin', 'owner') ORDER BY id LIMIT 1000",
            &[],
        )
        .await?;
    rows.iter().map(|row| read_principal(row, 0)).collect()
}

/// Has those who change principals follow each other, until this transaction has ended.
pub(crate) async fn take_principals(tx: &mut Tx) -> Result<()> {
    tx.execute("UPDATE instance SET created_at = created_at", &[]).await?;
    Ok(())
}

pub(crate) async fn rename(tx: &mut Tx, id: PrincipalId, name: &str) -> Result<()> {
    tx.execute("UPDATE principals SET name = $1 WHERE id = $2", &[name.into(), id.into()]).await?;
    changed(tx).await
}

/// Says since when a principal may do nothing.
pub(crate) async fn set_deactivated(tx: &mut Tx, id: PrincipalId, at: Option<Timestamp>) -> Result<()> {
    tx.execute("UPDATE principals SET deactivated_at = $1 WHERE id = $2", &[at.into(), id.into()]).await?;
    changed(tx).await
}

pub(crate) async fn insert_key(tx: &mut Tx, key: &Key, secret_hash: Bytes) -> Result<()> {
    tx.execute(
        "INSERT INTO keys (id, name, principal_id, role, workspace_id, secret_hash, created_at, expires_at, revoked_at,
                           verbs, folder_id, addresses)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            key.id.into(),
            key.name.as_str().into(),
            key.principal.id.into(),
            key.role.as_str().into(),
            key.workspace_id.into(),
            secret_hash.into(),
            key.created_at.into(),
            key.expires_at.into(),
            key.revoked_at.into(),
            key.verbs.as_ref().map(joined).into(),
            key.folder_id.into(),
            key.addresses.as_ref().map(joined).into(),
        ],
    )
    .await?;
    Ok(())
}

/// A key with what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct KnownKey {
    pub(crate) key: Key,
    pub(crate) secret_hash: Bytes,
    /// Shared: each request has them.
    pub(crate) rights: Arc<Rights>,
}

impl KnownKey {
    /// Refuses a key that is over.
    pub(crate) fn ensure_valid(&self, now: Timestamp) -> Result<()> {
        let Key { revoked_at, expires_at, principal, .. } = &self.key;
        let deactivated_at = principal.deactivated_at;
        Ends { revoked_at: *revoked_at, expires_at: *expires_at, deactivated_at }.ensure_valid(now)
    }

    /// Returns who acts with it.
    pub(crate) fn actor(&self) -> Actor {
        Actor::new(self.key.principal.id, Credential::Key(self.key.id), Arc::clone(&self.rights))
    }
}

/// Returns a key with what its principal may do: all in one query, as every request asks it.
pub(crate) async fn known_key(tx: &mut Tx, id: KeyId) -> Result<Option<KnownKey>> {
    let row = tx
        .query_opt(
            select_keys!(
                ", k.secret_hash,
                 (SELECT string_agg(m.workspace_id || ' ' || m.role, ',') FROM members m
                  WHERE m.principal_id = k.principal_id
                    AND (k.workspace_id IS NULL OR m.workspace_id = k.workspace_id))",
                "WHERE k.id = $1"
            ),
            &[id.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let key = read(&row)?;
    let rights = Rights {
        cap: key.role,
        only: key.workspace_id,
        everywhere: key.principal.everywhere,
        memberships: read_memberships(row.opt_text(18)?)?,
        narrowing: read_narrowing(&row, NARROWING, key.expires_at)?,
    };
    let secret_hash = row.opt_bytes(17)?.ok_or_else(|| Error::corrupt("a key without a hash"))?;
    Ok(Some(KnownKey { key, secret_hash, rights: Arc::new(rights) }))
}

fn unknown() -> Error {
    Error::new(Code::KeyUnknown, "no such key")
}

/// Returns an actor with all that they may do as the transaction sees it; refuses a key or a session that is over.
pub(crate) async fn actor_now(tx: &mut Tx, actor: &Actor, now: Timestamp) -> Result<Actor> {
    let key = match actor.credential {
        Credential::Longshore => return Ok(actor.clone()),
        Credential::Session(id) => return Ok(actor.with_rights(sessions::rights_now(tx, id, now).await?)),
        Credential::Share(id) => return Ok(actor.with_rights(shares::rights_now(tx, id, now).await?)),
        Credential::Key(key) => key,
    };
    let known = known_key(tx, key).await?.ok_or_else(unknown)?;
    known.ensure_valid(now)?;
    Ok(actor.with_rights(known.rights))
}

/// Returns an actor with what they may do in one workspace as the transaction sees it; refuses a key or a session that is
/// over. Of other workspaces it knows nothing.
pub(crate) async fn actor_in(
    tx: &mut Tx,
    actor: &Actor,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Actor> {
    let rights = match actor.credential {
        Credential::Longshore => return Ok(actor.clone()),
        Credential::Session(id) => sessions::rights_in(tx, id, workspace, now).await?,
        // It leads into one workspace, and has no rights in another.
        Credential::Share(id) => shares::rights_now(tx, id, now).await?,
        Credential::Key(key) => key_rights_in(tx, key, workspace, now).await?,
    };
    Ok(actor.with_rights(rights))
}

/// Returns who reads on in a workspace, where an answer goes on for longer than a moment, with what they may do there now;
/// refuses who may read there no longer.
pub(crate) async fn reader_now(
    tx: &mut Tx,
    actor: &Actor,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Actor> {
    let actor = actor_in(tx, actor, workspace, now).await?;
    actor.needs(workspace, Need::READ)?;
    Ok(actor)
}

/// Returns what a key lets its principal do in one workspace as the transaction sees it; refuses one that is over.
pub(crate) async fn key_rights_in(
    tx: &mut Tx,
    key: KeyId,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Arc<Rights>> {
    let row = tx
        .query_opt(
            "SELECT k.revoked_at, k.expires_at, p.deactivated_at, k.role, k.workspace_id, p.everywhere, m.role,
                    k.verbs, k.folder_id, k.addresses
             FROM keys k JOIN principals p ON p.id = k.principal_id
             LEFT JOIN members m ON m.principal_id = p.id AND m.workspace_id = $2
             WHERE k.id = $1",
            &[key.into(), workspace.into()],
        )
        .await?;
    let row = row.ok_or_else(unknown)?;
    let ends =
        Ends { revoked_at: row.opt_time(0)?, expires_at: row.opt_time(1)?, deactivated_at: row.opt_time(2)? };
    ends.ensure_valid(now)?;
    let own = opt_role(&row, 6)?;
    Ok(Arc::new(Rights {
        cap: role(row.text(3)?)?,
        only: row.opt_parse(4)?,
        everywhere: opt_role(&row, 5)?,
        memberships: own.map(|own| (workspace, own)).into_iter().collect(),
        narrowing: read_narrowing(&row, 7, ends.expires_at)?,
    }))
}

/// Lists keys by id, which is by age, for who is an admin somewhere: for one of the server all; for another those of the
/// workspaces that they are an admin of, and their own. A narrowed key sees those of its workspace.
pub(crate) async fn keys(tx: &mut Tx, actor: &Actor, after: &str, limit: u32) -> Result<Vec<Key>> {
    let widest = actor.only().map_or_else(|| actor.role_everywhere(), |own| actor.role_in(own));
    let all = widest >= Some(Role::Admin);
    let rows = tx
        .query(
            select_keys!(
                "",
                "WHERE k.id > $1 AND (CAST($3 AS TEXT) IS NULL OR k.workspace_id = $3)
                   AND (CAST($4 AS BIGINT) = 1 OR k.principal_id = $5
                        OR EXISTS (SELECT 1 FROM members m WHERE m.principal_id = $5
                                   AND m.workspace_id = k.workspace_id AND m.role IN ('admin', 'owner')))
                 ORDER BY k.id LIMIT $2"
            ),
            &[after.into(), limit.into(), actor.only().into(), i64::from(all).into(), actor.principal.into()],
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
    changed(tx).await
}

/// Has a key end at a time, unless it ends before.
pub(crate) async fn end_key(tx: &mut Tx, id: KeyId, at: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE keys SET expires_at = $1 WHERE id = $2 AND (expires_at IS NULL OR expires_at > $1)",
        &[at.into(), id.into()],
    )
    .await?;
    changed(tx).await
}

/// Says when and from where a key was last used, unless that is known of a later time.
pub(crate) async fn set_last_use(tx: &mut Tx, id: KeyId, at: Timestamp, from: Option<IpAddr>) -> Result<()> {
    tx.execute(
        "UPDATE keys SET last_used_at = $1, last_used_from = $2
         WHERE id = $3 AND (last_used_at IS NULL OR last_used_at < $1)",
        &[at.into(), from.map(|address| address.to_string()).into(), id.into()],
    )
    .await?;
    Ok(())
}

/// Has every process forget what it remembers of who may do what: part of each transaction that changes anything of it that
/// was there before, be it of keys, members, principals or sessions.
///
/// It takes a row that all of them take, so it comes after whatever else such a transaction takes.
pub(crate) async fn changed(tx: &mut Tx) -> Result<()> {
    tx.execute("UPDATE access_changes SET number = number + 1", &[]).await?;
    Ok(())
}

/// Returns how often it has changed who may do what.
pub(crate) async fn changes(tx: &mut Tx) -> Result<u64> {
    let row = tx.query_opt("SELECT number FROM access_changes", &[]).await?;
    row.ok_or_else(|| Error::corrupt("a database that counts no changes of access"))?.count(0)
}
