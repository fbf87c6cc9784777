//! Rows of share links and of their visits.

use bytes::Bytes;
use longshore_core::wire::{Share, ShareMode, ShareState};
use longshore_core::{PrincipalId, SessionId, ShareId, Timestamp, VisitId, WorkspaceId};

use super::{Row, Tx};
use crate::error::{Error, Result};

/// A share link with what is not told of it.
#[derive(Clone, Debug)]
pub(crate) struct KnownShare {
    pub(crate) share: Share,
    pub(crate) token_hash: Bytes,
    pub(crate) password_hash: Option<String>,
    /// The session that it was made in, where that was no key.
    pub(crate) session: Option<SessionId>,
}

/// A visit of a share link.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) id: VisitId,
    pub(crate) share: ShareId,
    pub(crate) secret_hash: Bytes,
    pub(crate) expires_at: Timestamp,
}

macro_rules! select_shares {
    ($rest:literal) => {
        concat!(
            "SELECT id, workspace_id, node_id, mode, password_hash, note, expires_at, most_downloads, downloads,
                    created_by, key_id, created_at, revoked_at, token_hash, session_id
             FROM shares ",
            $rest
        )
    };
}

/// Returns where a share link stands at a time.
pub(crate) fn state(share: &Share, now: Timestamp) -> ShareState {
    if share.revoked_at.is_some() {
        ShareState::Revoked
    } else if share.expires_at.is_some_and(|end| end <= now) {
        ShareState::Expired
    } else if share.most_downloads.is_some_and(|most| share.downloads >= most) {
        ShareState::UsedUp
    } else {
        ShareState::Open
    }
}

/// Reads a share link as it stands at a time.
fn read(row: &Row, now: Timestamp) -> Result<KnownShare> {
    let password_hash = row.opt_text(4)?.map(str::to_owned);
    let mut share = Share {
        id: row.parse(0)?,
        workspace_id: row.parse(1)?,
        node_id: row.parse(2)?,
        mode: match row.text(3)? {
            "read" => ShareMode::Read,
            "drop" => ShareMode::Drop,
            other => return Err(Error::corrupt(format_args!("share mode {other:?}"))),
        },
        has_password: password_hash.is_some(),
        note: row.opt_text(5)?.map(str::to_owned),
        expires_at: row.opt_time(6)?,
        most_downloads: row.opt_count(7)?,
        downloads: row.count(8)?,
        created_by: row.parse(9)?,
        key_id: row.opt_parse(10)?,
        created_at: row.time(11)?,
        revoked_at: row.opt_time(12)?,
        state: ShareState::Open,
    };
    share.state = state(&share, now);
    let token_hash = row.opt_bytes(13)?.ok_or_else(|| Error::corrupt("a share link without a hash"))?;
    Ok(KnownShare { share, token_hash, password_hash, session: row.opt_parse(14)? })
}

pub(crate) async fn insert(tx: &mut Tx, known: &KnownShare) -> Result<()> {
    let KnownShare { share, token_hash, password_hash, session } = known;
    tx.execute(
        "INSERT INTO shares (id, workspace_id, node_id, mode, token_hash, password_hash, note, expires_at,
                             most_downloads, downloads, created_by, key_id, session_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $12, $13)",
        &[
            share.id.into(),
            share.workspace_id.into(),
            share.node_id.into(),
            share.mode.as_str().into(),
            token_hash.clone().into(),
            password_hash.as_deref().into(),
            share.note.as_deref().into(),
            share.expires_at.into(),
            share.most_downloads.into(),
            share.created_by.into(),
            share.key_id.into(),
            (*session).into(),
            share.created_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Returns a share link as it stands at a time.
pub(crate) async fn known(tx: &mut Tx, id: ShareId, now: Timestamp) -> Result<Option<KnownShare>> {
    let row = tx.query_opt(select_shares!("WHERE id = $1"), &[id.into()]).await?;
    row.map(|row| read(&row, now)).transpose()
}

/// Has those who visit a link, or change it, follow each other until this transaction has ended; returns it as it stands then.
pub(crate) async fn take(tx: &mut Tx, id: ShareId, now: Timestamp) -> Result<Option<KnownShare>> {
    tx.execute("UPDATE shares SET downloads = downloads WHERE id = $1", &[id.into()]).await?;
    known(tx, id, now).await
}

/// Lists the share links of a workspace, the oldest first: those of one maker, where one is given.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    maker: Option<PrincipalId>,
    after: &str,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Share>> {
    let rows = tx
        .query(
            select_shares!(
                "WHERE workspace_id = $1 AND id > $2 AND (CAST($4 AS TEXT) IS NULL OR created_by = $4)
                 ORDER BY id LIMIT $3"
            ),
            &[workspace.into(), after.into(), limit.into(), maker.into()],
        )
        .await?;
    rows.iter().map(|row| Ok(read(row, now)?.share)).collect()
}

/// Writes what can be changed about a share link. How much it has given is not: others count meanwhile.
pub(crate) async fn update(tx: &mut Tx, known: &KnownShare) -> Result<()> {
    let KnownShare { share, password_hash, .. } = known;
    tx.execute(
        "UPDATE shares SET password_hash = $2, note = $3, expires_at = $4, most_downloads = $5, revoked_at = $6
         WHERE id = $1",
        &[
            share.id.into(),
            password_hash.as_deref().into(),
            share.note.as_deref().into(),
            share.expires_at.into(),
            share.most_downloads.into(),
            share.revoked_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Removes the share links of a workspace that had ended at a time.
pub(crate) async fn forget(tx: &mut Tx, workspace: WorkspaceId, before: Timestamp) -> Result<()> {
    tx.execute(
        "DELETE FROM shares WHERE workspace_id = $1 AND (expires_at < $2 OR revoked_at < $2)",
        &[workspace.into(), before.into()],
    )
    .await?;
    Ok(())
}

/// Removes the oldest share link of a workspace that has ended, of those that `maker` made where that is given; tells
/// whether there was one.
pub(crate) async fn forget_oldest(
    tx: &mut Tx,
    workspace: WorkspaceId,
    maker: Option<PrincipalId>,
    now: Timestamp,
) -> Result<bool> {
    let removed = tx
        .execute(
            "DELETE FROM shares WHERE id =
             (SELECT MIN(id) FROM shares WHERE workspace_id = $1
              AND (CAST($2 AS TEXT) IS NULL OR created_by = $2) AND (expires_at <= $3 OR revoked_at <= $3))",
            &[workspace.into(), maker.into(), now.into()],
        )
        .await?;
    Ok(removed > 0)
}

/// Counts the share links of a workspace, up to `most`; those that `maker` made, where that is given.
pub(crate) async fn count(
    tx: &mut Tx,
    workspace: WorkspaceId,
    maker: Option<PrincipalId>,
    most: u32,
) -> Result<u64> {
    let row = tx
        .query_opt(
            "SELECT COUNT(*) FROM
             (SELECT 1 AS one FROM shares WHERE workspace_id = $1
              AND (CAST($2 AS TEXT) IS NULL OR created_by = $2) LIMIT $3) AS counted",
            &[workspace.into(), maker.into(), most.into()],
        )
        .await?;
    row.ok_or_else(|| Error::corrupt("a count without a row"))?.count(0)
}

pub(crate) async fn insert_visit(tx: &mut Tx, visit: &Visit, now: Timestamp) -> Result<()> {
    tx.execute(
        "INSERT INTO share_visits (id, share_id, secret_hash, opened_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        &[
            visit.id.into(),
            visit.share.into(),
            visit.secret_hash.clone().into(),
            now.into(),
            visit.expires_at.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn visit(tx: &mut Tx, id: VisitId) -> Result<Option<Visit>> {
    let sql = "SELECT id, share_id, secret_hash, expires_at FROM share_visits WHERE id = $1";
    let Some(row) = tx.query_opt(sql, &[id.into()]).await? else { return Ok(None) };
    let secret_hash = row.opt_bytes(2)?.ok_or_else(|| Error::corrupt("a visit without a hash"))?;
    Ok(Some(Visit { id: row.parse(0)?, share: row.parse(1)?, secret_hash, expires_at: row.time(3)? }))
}

/// Makes room for one visit more of a link: removes those that are over, and the oldest where `most` are left.
pub(crate) async fn make_room(tx: &mut Tx, share: ShareId, now: Timestamp, most: u32) -> Result<()> {
    tx.execute(
        "DELETE FROM share_visits WHERE share_id = $1 AND expires_at <= $2",
        &[share.into(), now.into()],
    )
    .await?;
    tx.execute(
        "DELETE FROM share_visits WHERE share_id = $1 AND id NOT IN (
             SELECT id FROM share_visits WHERE share_id = $1 ORDER BY id DESC LIMIT $2)",
        &[share.into(), most.saturating_sub(1).into()],
    )
    .await?;
    Ok(())
}

/// Ends all visits of a link.
pub(crate) async fn end_visits(tx: &mut Tx, share: ShareId) -> Result<()> {
    tx.execute("DELETE FROM share_visits WHERE share_id = $1", &[share.into()]).await?;
    Ok(())
}

/// Tells whether a visit has begun to download a content.
pub(crate) async fn has_begun(tx: &mut Tx, visit: VisitId, content: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM share_downloads WHERE visit_id = $1 AND content_id = $2";
    Ok(tx.query_opt(sql, &[visit.into(), content.into()]).await?.is_some())
}

/// Counts a download of a link that this transaction has taken, and notes what it is of.
pub(crate) async fn begin_download(tx: &mut Tx, share: ShareId, visit: VisitId, content: &str) -> Result<()> {
    let sql = "INSERT INTO share_downloads (visit_id, content_id) VALUES ($1, $2)";
    tx.execute(sql, &[visit.into(), content.into()]).await?;
    tx.execute("UPDATE shares SET downloads = downloads + 1 WHERE id = $1", &[share.into()]).await?;
    Ok(())
}
