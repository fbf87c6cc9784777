//! Rows of staged uploads.

use longshore_core::wire::UploadState;
use longshore_core::{Algorithm, Digest, PrincipalId, Timestamp, UploadId, WorkspaceId};
use sha2::{Digest as _, Sha256};

use super::{Row, Tx, pieces, quotas};
use crate::actor::Actor;
use crate::error::{Error, Result};
use crate::quota;

/// What an upload is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadKind {
    /// A file.
    Whole,
    /// A part of another upload.
    Part,
    /// A file, made of parts.
    Joined,
}

impl UploadKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Part => "part",
            Self::Joined => "joined",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let known = [Self::Whole, Self::Part, Self::Joined].into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| Error::corrupt(format_args!("an upload of kind {text:?}")))
    }
}

fn parse_state(text: &str) -> Result<UploadState> {
    use UploadState::{Complete, Finished, Receiving, Refused};
    let known = [Receiving, Complete, Refused, Finished].into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| Error::corrupt(format_args!("an upload in state {text:?}")))
}

/// A staged upload as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct UploadRow {
    pub(crate) id: UploadId,
    pub(crate) principal: PrincipalId,
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) kind: UploadKind,
    pub(crate) state: UploadState,
    pub(crate) received: u64,
    /// How many of the bytes were sent, and not copied of a base.
    pub(crate) sent: u64,
    pub(crate) pieces: u64,
    pub(crate) length: Option<u64>,
    pub(crate) turn: u64,
    pub(crate) plan: String,
    pub(crate) metadata: String,
    pub(crate) parts: Option<String>,
    pub(crate) written: Option<String>,
    pub(crate) expires_at: Timestamp,
    /// How many bytes of a quota it has set aside, and in which workspace.
    pub(crate) set_aside: u64,
    pub(crate) set_aside_in: Option<WorkspaceId>,
}

impl UploadRow {
    /// Returns the workspace that it is of: where its file goes or, of a part, whose quota its bytes are held against.
    pub(crate) fn place(&self) -> Option<WorkspaceId> {
        self.workspace.or(self.set_aside_in)
    }
}

macro_rules! columns {
    () => {
        "id, principal_id, workspace_id, kind, state, received, pieces, length, turn, plan, metadata, parts, written, expires_at, sent, set_aside, set_aside_in"
    };
}

fn read(row: &Row) -> Result<UploadRow> {
    Ok(UploadRow {
        id: row.parse(0)?,
        principal: row.parse(1)?,
        workspace: row.opt_parse(2)?,
        kind: UploadKind::parse(row.text(3)?)?,
        state: parse_state(row.text(4)?)?,
        received: row.count(5)?,
        pieces: row.count(6)?,
        length: row.opt_count(7)?,
        turn: row.count(8)?,
        plan: row.text(9)?.to_owned(),
        metadata: row.text(10)?.to_owned(),
        parts: row.opt_text(11)?.map(str::to_owned),
        written: row.opt_text(12)?.map(str::to_owned),
        expires_at: row.time(13)?,
        sent: row.count(14)?,
        set_aside: row.count(15)?,
        set_aside_in: row.opt_parse(16)?,
    })
}

pub(crate) async fn insert(tx: &mut Tx, row: &UploadRow) -> Result<()> {
    tx.execute(
        concat!(
            "INSERT INTO uploads (",
            columns!(),
            ", parts_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
        ),
        &[
            row.id.into(),
            row.principal.into(),
            row.workspace.into(),
            row.kind.as_str().into(),
            row.state.as_str().into(),
            row.received.into(),
            row.pieces.into(),
            row.length.into(),
            row.turn.into(),
            row.plan.as_str().into(),
            row.metadata.as_str().into(),
            row.parts.as_deref().into(),
            row.written.as_deref().into(),
            row.expires_at.into(),
            row.sent.into(),
            row.set_aside.into(),
            row.set_aside_in.into(),
            row.parts.as_deref().map(hash_of).as_deref().into(),
        ],
    )
    .await?;
    Ok(())
}

/// Returns what a list of parts is found by: the list itself is too long for an index.
fn hash_of(parts: &str) -> String {
    Digest::new(Algorithm::Sha256, Sha256::digest(parts).into()).to_string()
}

pub(crate) async fn get(tx: &mut Tx, id: UploadId) -> Result<Option<UploadRow>> {
    let row =
        tx.query_opt(concat!("SELECT ", columns!(), " FROM uploads WHERE id = $1"), &[id.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Lists the uploads of a principal that are not finished and not over, by their ids, after one on: of the workspaces that
/// are reached, and parts of none.
pub(crate) async fn open(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    after: &str,
    limit: u32,
) -> Result<Vec<UploadRow>> {
    // A narrowed key is asked for its one workspace, which it reaches or has nothing here.
    let is_everywhere =
        actor.only().map_or_else(|| actor.role_everywhere().is_some(), |own| actor.reaches(own));
    let rows = tx
        .query(
            concat!(
                "SELECT ",
                columns!(),
                " FROM uploads WHERE principal_id = $1 AND id > $2 AND state <> 'finished' AND expires_at > $3
                  AND (CAST($4 AS TEXT) IS NULL OR COALESCE(workspace_id, set_aside_in, $4) = $4)
                  AND (CAST($6 AS BIGINT) = 1 OR COALESCE(workspace_id, set_aside_in) IS NULL
                       OR EXISTS (SELECT 1 FROM members m
                                  WHERE m.principal_id = $1
                                    AND m.workspace_id = COALESCE(uploads.workspace_id, uploads.set_aside_in)))
                  ORDER BY id LIMIT $5"
            ),
            &[
                actor.principal.into(),
                after.into(),
                now.into(),
                actor.only().into(),
                limit.into(),
                i64::from(is_everywhere).into(),
            ],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Counts the uploads of a principal that are not finished and not over, up to `most`.
pub(crate) async fn count_open(
    tx: &mut Tx,
    principal: PrincipalId,
    now: Timestamp,
    most: u32,
) -> Result<u64> {
    let row = tx
        .query_opt(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM uploads
             WHERE principal_id = $1 AND state <> 'finished' AND expires_at > $2 LIMIT $3) AS found",
            &[principal.into(), now.into(), most.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Returns the upload that a principal has made of these parts.
pub(crate) async fn of_parts(tx: &mut Tx, principal: PrincipalId, parts: &str) -> Result<Option<UploadRow>> {
    let row = tx
        .query_opt(
            concat!(
                "SELECT ",
                columns!(),
                " FROM uploads WHERE principal_id = $1 AND parts_hash = $2 AND parts = $3"
            ),
            &[principal.into(), hash_of(parts).as_str().into(), parts.into()],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Keeps an upload that is in use.
pub(crate) async fn keep(tx: &mut Tx, row: &mut UploadRow, expires_at: Timestamp) -> Result<()> {
    row.expires_at = row.expires_at.max(expires_at);
    tx.execute("UPDATE uploads SET expires_at = $1 WHERE id = $2", &[row.expires_at.into(), row.id.into()])
        .await?;
    Ok(())
}

/// Takes an upload over from the requests before, none of which commits from then on, and returns it. Until this
/// transaction has ended nobody else changes or removes it.
pub(crate) async fn take_over(tx: &mut Tx, id: UploadId) -> Result<Option<UploadRow>> {
    tx.execute("UPDATE uploads SET turn = turn + 1 WHERE id = $1", &[id.into()]).await?;
    get(tx, id).await
}

/// Says how long an upload is whose length was not known, and what it has set aside; a part that has so many bytes is whole
/// then.
pub(crate) async fn set_length(tx: &mut Tx, row: &mut UploadRow, length: u64) -> Result<()> {
    row.length = Some(length);
    if row.kind == UploadKind::Part && row.received == length {
        row.state = UploadState::Complete;
    }
    tx.execute(
        "UPDATE uploads SET length = $1, state = $2, set_aside = $4 WHERE id = $3",
        &[length.into(), row.state.as_str().into(), row.id.into(), row.set_aside.into()],
    )
    .await?;
    Ok(())
}

/// What is added to an upload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    pub(crate) bytes: u64,
    /// How many bytes were sent for them.
    pub(crate) sent: u64,
    pub(crate) pieces: u64,
    /// How many bytes were set aside for them.
    pub(crate) set_aside: u64,
}

/// Moves an upload on by pieces, as it was seen in `before`; tells whether it still was so.
pub(crate) async fn advance(
    tx: &mut Tx,
    before: &UploadRow,
    added: Added,
    expires_at: Timestamp,
) -> Result<bool> {
    let Added { bytes, sent, pieces, set_aside } = added;
    let is_whole_part = before.kind == UploadKind::Part && before.length == Some(before.received + bytes);
    let state = if is_whole_part { UploadState::Complete } else { UploadState::Receiving };
    let moved = tx
        .execute(
            "UPDATE uploads SET received = received + $1, pieces = pieces + $8, sent = sent + $9,
                 set_aside = set_aside + $10, expires_at = $2, state = $3
             WHERE id = $4 AND turn = $5 AND received = $6 AND pieces = $7 AND state = 'receiving'",
            &[
                bytes.into(),
                expires_at.into(),
                state.as_str().into(),
                before.id.into(),
                before.turn.into(),
                before.received.into(),
                before.pieces.into(),
                pieces.into(),
                sent.into(),
                set_aside.into(),
            ],
        )
        .await?;
    Ok(moved == 1)
}

/// Writes what is to become of an upload anew, and what it has set aside for that.
pub(crate) async fn set_plan(tx: &mut Tx, row: &UploadRow) -> Result<()> {
    tx.execute(
        "UPDATE uploads SET workspace_id = $1, plan = $2, metadata = $3, set_aside = $5, set_aside_in = $6
         WHERE id = $4",
        &[
            row.workspace.into(),
            row.plan.as_str().into(),
            row.metadata.as_str().into(),
            row.id.into(),
            row.set_aside.into(),
            row.set_aside_in.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Takes note that pieces of an upload, as it was seen in `before`, were made one; tells whether it still was so.
pub(crate) async fn merge(tx: &mut Tx, before: &UploadRow, fewer: u64) -> Result<bool> {
    let merged = tx
        .execute(
            "UPDATE uploads SET pieces = pieces - $1
             WHERE id = $2 AND turn = $3 AND received = $4 AND pieces = $5 AND state = 'receiving'",
            &[
                fewer.into(),
                before.id.into(),
                before.turn.into(),
                before.received.into(),
                before.pieces.into(),
            ],
        )
        .await?;
    Ok(merged == 1)
}

/// Says how far an upload is that is whole and not a file yet, and until when it is kept. One whose time is over stays over.
pub(crate) async fn set_state(
    tx: &mut Tx,
    id: UploadId,
    state: UploadState,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<()> {
    tx.execute(
        "UPDATE uploads SET state = $1, expires_at = $2 WHERE id = $3 AND state <> 'finished' AND expires_at > $4",
        &[state.as_str().into(), expires_at.into(), id.into(), now.into()],
    )
    .await?;
    Ok(())
}

/// Ends the time of all that a principal has not finished in a workspace. What adds to one of them at this moment finds it
/// taken over, and the next pruning gives back what they have set aside.
pub(crate) async fn expire_all_of(
    tx: &mut Tx,
    workspace: WorkspaceId,
    principal: PrincipalId,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        "UPDATE uploads SET expires_at = $3, turn = turn + 1
         WHERE principal_id = $1 AND COALESCE(workspace_id, set_aside_in) = $2 AND state <> 'finished'
           AND expires_at > $3",
        &[principal.into(), workspace.into(), now.into()],
    )
    .await?;
    Ok(())
}

/// Says what an upload became, which has nothing set aside from then on.
pub(crate) async fn set_written(
    tx: &mut Tx,
    id: UploadId,
    written: &str,
    expires_at: Timestamp,
) -> Result<()> {
    tx.execute(
        "UPDATE uploads SET state = 'finished', written = $1, expires_at = $2, set_aside = 0 WHERE id = $3",
        &[written.into(), expires_at.into(), id.into()],
    )
    .await?;
    Ok(())
}

/// Removes an upload. Its pieces, if nothing took them over, are to go in the same transaction, after it.
pub(crate) async fn delete(tx: &mut Tx, id: UploadId) -> Result<()> {
    tx.execute("DELETE FROM uploads WHERE id = $1", &[id.into()]).await?;
    Ok(())
}

/// Lists the workspaces in which the parts of a principal have set bytes aside.
pub(crate) async fn places_of_parts(tx: &mut Tx, principal: PrincipalId) -> Result<Vec<WorkspaceId>> {
    // A principal has so many open uploads and no more.
    let rows = tx
        .query(
            "SELECT DISTINCT set_aside_in FROM uploads
             WHERE principal_id = $1 AND kind = 'part' AND set_aside_in IS NOT NULL",
            &[principal.into()],
        )
        .await?;
    rows.iter().map(|row| row.parse(0)).collect()
}

/// Removes some of the uploads whose time is over, with their pieces, and gives back what they have set aside; returns how
/// many.
pub(crate) async fn delete_expired(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64> {
    let places = tx
        .query(
            "SELECT DISTINCT set_aside_in FROM (
                SELECT set_aside_in FROM uploads WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) AS due
             WHERE set_aside_in IS NOT NULL ORDER BY set_aside_in",
            &[now.into(), limit.into()],
        )
        .await?;
    for place in &places {
        quotas::hold(tx, place.parse(0)?).await?;
    }
    let rows = tx
        .query(
            "DELETE FROM uploads WHERE expires_at <= $1 AND id IN (
                SELECT id FROM uploads WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) RETURNING id, set_aside, set_aside_in",
            &[now.into(), limit.into()],
        )
        .await?;
    for row in &rows {
        pieces::delete(tx, row.parse(0)?).await?;
        let (bytes, place) = (row.count(1)?, row.opt_parse(2)?);
        quota::give_back(tx, place, bytes).await?;
    }
    Ok(rows.len() as u64)
}
