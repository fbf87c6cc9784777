//! Rows of sessions. One that has ended has none.

use std::sync::Arc;

use bytes::Bytes;
use longshore_core::wire::{Principal, Role, Session};
use longshore_core::{Code, PrincipalId, SessionId, Timestamp, WorkspaceId};

use super::access::{opt_role, read_memberships, read_principal};
use super::{Row, Tx};
use crate::actor::{Actor, Credential, Memberships, Rights};
use crate::error::{Error, Result};
use crate::narrowing::Narrowing;

/// A session with what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct KnownSession {
    pub(crate) session: Session,
    pub(crate) principal: Principal,
    pub(crate) secret_hash: Bytes,
    rights: Arc<Rights>,
}

pub(crate) fn ended() -> Error {
    Error::new(Code::SessionEnded, "the session has ended: sign in again")
}

/// Refuses a session whose time is over, or whose principal was deactivated.
fn ensure_valid(ends: [Timestamp; 2], deactivated_at: Option<Timestamp>, now: Timestamp) -> Result<()> {
    if ends.into_iter().any(|end| end <= now) {
        return Err(ended());
    }
    match deactivated_at {
        None => Ok(()),
        Some(at) => {
            Err(Error::new(Code::PrincipalDeactivated, format!("who is signed in was deactivated at {at}")))
        }
    }
}

/// What somebody may do who is signed in: all that they may at all.
fn rights(everywhere: Option<Role>, memberships: Memberships) -> Arc<Rights> {
    Arc::new(Rights {
        cap: Role::Owner,
        only: None,
        everywhere,
        memberships,
        narrowing: Narrowing::default(),
    })
}

impl KnownSession {
    /// Refuses a session that is over.
    pub(crate) fn ensure_valid(&self, now: Timestamp) -> Result<()> {
        let Session { idle_ends_at, ends_at, .. } = self.session;
        ensure_valid([idle_ends_at, ends_at], self.principal.deactivated_at, now)
    }

    /// Returns who acts in it.
    pub(crate) fn actor(&self) -> Actor {
        Actor::new(self.principal.id, Credential::Session(self.session.id), Arc::clone(&self.rights))
    }
}

macro_rules! select_sessions {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT s.id, s.created_at, s.seen_at, s.idle_ends_at, s.ends_at, s.address, s.user_agent ",
            $more,
            " FROM sessions s ",
            $rest
        )
    };
}

fn read(row: &Row) -> Result<Session> {
    Ok(Session {
        id: row.parse(0)?,
        created_at: row.time(1)?,
        seen_at: row.time(2)?,
        idle_ends_at: row.time(3)?,
        ends_at: row.time(4)?,
        address: row.opt_text(5)?.map(str::to_owned),
        user_agent: row.opt_text(6)?.map(str::to_owned),
        current: false,
    })
}

pub(crate) async fn insert(
    tx: &mut Tx,
    session: &Session,
    principal: PrincipalId,
    secret_hash: Bytes,
) -> Result<()> {
    tx.execute(
        "INSERT INTO sessions (id, principal_id, secret_hash, created_at, seen_at, idle_ends_at, ends_at, address, user_agent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            session.id.into(),
            principal.into(),
            secret_hash.into(),
            session.created_at.into(),
            session.seen_at.into(),
            session.idle_ends_at.into(),
            session.ends_at.into(),
            session.address.as_deref().into(),
            session.user_agent.as_deref().into(),
        ],
    )
    .await?;
    Ok(())
}

/// Returns a session with what its principal may do: all in one query, as every request asks it.
pub(crate) async fn known(tx: &mut Tx, id: SessionId) -> Result<Option<KnownSession>> {
    let row = tx
        .query_opt(
            select_sessions!(
                ", s.secret_hash, p.id, p.kind, p.name, p.everywhere, p.deactivated_at,
                 (SELECT string_agg(m.workspace_id || ' ' || m.role, ',') FROM members m
                  WHERE m.principal_id = s.principal_id)",
                "JOIN principals p ON p.id = s.principal_id WHERE s.id = $1"
            ),
            &[id.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let principal = read_principal(&row, 8)?;
    let rights = rights(principal.everywhere, read_memberships(row.opt_text(13)?)?);
    let secret_hash = row.opt_bytes(7)?.ok_or_else(|| Error::corrupt("a session without a hash"))?;
    Ok(Some(KnownSession { session: read(&row)?, principal, secret_hash, rights }))
}

/// Returns what who acts in a session may do as the transaction sees it; refuses one that has ended.
pub(super) async fn rights_now(tx: &mut Tx, id: SessionId, now: Timestamp) -> Result<Arc<Rights>> {
    let known = known(tx, id).await?.ok_or_else(ended)?;
    known.ensure_valid(now)?;
    Ok(known.rights)
}

/// The same for one workspace. Of others it knows nothing.
pub(crate) async fn rights_in(
    tx: &mut Tx,
    id: SessionId,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Arc<Rights>> {
    let row = tx
        .query_opt(
            "SELECT s.idle_ends_at, s.ends_at, p.deactivated_at, p.everywhere, m.role
             FROM sessions s JOIN principals p ON p.id = s.principal_id
             LEFT JOIN members m ON m.principal_id = p.id AND m.workspace_id = $2
             WHERE s.id = $1",
            &[id.into(), workspace.into()],
        )
        .await?
        .ok_or_else(ended)?;
    ensure_valid([row.time(0)?, row.time(1)?], row.opt_time(2)?, now)?;
    let own = opt_role(&row, 4)?;
    Ok(rights(opt_role(&row, 3)?, own.map(|own| (workspace, own)).into_iter().collect()))
}

/// Notes that a session was used.
pub(crate) async fn touch(tx: &mut Tx, id: SessionId, now: Timestamp, idle_ends_at: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE sessions SET seen_at = $2, idle_ends_at = $3 WHERE id = $1 AND seen_at < $2",
        &[id.into(), now.into(), idle_ends_at.into()],
    )
    .await?;
    Ok(())
}

/// Lists the sessions of a principal that have not ended, the newest first.
pub(crate) async fn list(
    tx: &mut Tx,
    principal: PrincipalId,
    now: Timestamp,
    most: u32,
) -> Result<Vec<Session>> {
    let rows = tx
        .query(
            select_sessions!(
                "",
                "WHERE s.principal_id = $1 AND s.idle_ends_at > $2 AND s.ends_at > $2 ORDER BY s.id DESC LIMIT $3"
            ),
            &[principal.into(), now.into(), most.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Ends a session of a principal; tells whether there was one.
pub(crate) async fn end(tx: &mut Tx, principal: PrincipalId, id: SessionId) -> Result<bool> {
    let sql = "DELETE FROM sessions WHERE id = $1 AND principal_id = $2";
    Ok(tx.execute(sql, &[id.into(), principal.into()]).await? > 0)
}

/// Ends all sessions of a principal but one.
pub(crate) async fn end_all(tx: &mut Tx, principal: PrincipalId, but: Option<SessionId>) -> Result<()> {
    tx.execute(
        "DELETE FROM sessions WHERE principal_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id <> $2)",
        &[principal.into(), but.into()],
    )
    .await?;
    Ok(())
}

/// Makes room for one session more: removes those of a principal whose time is over, and the oldest where `most` are left.
pub(crate) async fn make_room(tx: &mut Tx, principal: PrincipalId, now: Timestamp, most: u32) -> Result<()> {
    tx.execute(
        "DELETE FROM sessions WHERE principal_id = $1 AND (idle_ends_at <= $2 OR ends_at <= $2)",
        &[principal.into(), now.into()],
    )
    .await?;
    tx.execute(
        "DELETE FROM sessions WHERE principal_id = $1 AND id NOT IN (
             SELECT id FROM sessions WHERE principal_id = $1 ORDER BY id DESC LIMIT $2)",
        &[principal.into(), most.saturating_sub(1).into()],
    )
    .await?;
    Ok(())
}
