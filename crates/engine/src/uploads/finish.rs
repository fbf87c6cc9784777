//! The end of an upload: what came whole is verified and committed as any write is.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use longshore_core::digest_tree::CellHasher;
use longshore_core::wire::UploadState;
use longshore_core::{Algorithm, Code, Digest, UploadId};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::cells::{CELL, Cells};
use super::plan::Plan;
use super::running::Hold;
use super::{not_found, seen, taken_over};
use crate::act::{Act, Ask, Premises};
use crate::actor::Actor;
use crate::blob::{Blob, BlobId, ComposedId, Piece};
use crate::db;
use crate::db::uploads::{UploadKind, UploadRow};
use crate::download::{ContentStream, read_pieces};
use crate::engine::{Engine, store_failed};
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::quota;
use crate::sniff::SNIFFED;
use crate::upload::{
    Input, Received, Written, came_for_nothing, check_digests, commit, media_type, wants_sha256,
};

/// Pieces that are smaller than this on the average are written anew as one: a reader opens each by itself.
const WORTH_KEEPING: u64 = 256 * 1_024;

/// How many rows of pieces are read at once.
const PAGE: u32 = 500;

/// How many blobs of pieces are removed at once where a small content went into the database.
const DISCARDED: usize = 64;

/// The pieces of an upload that is whole, and what is known of their hash.
struct Whole {
    pieces: Arc<[Piece]>,
    cells: Cells,
    size: u64,
}

/// What the committing transaction needs besides the write itself.
#[derive(Clone)]
struct Finishing {
    id: UploadId,
    /// As it was when the content was prepared.
    plan: String,
    kept: std::time::Duration,
    input: Input,
    received: Received,
}

/// A content that is verified, before it is committed.
struct Prepared {
    input: Input,
    received: Received,
    pieces: Arc<[Piece]>,
    /// The blob that its pieces were written anew as.
    rewritten: Option<BlobId>,
}

/// Commits the content; tells whether an earlier finish had done so.
async fn finish(act: &mut Act<'_>, finishing: Finishing) -> Result<(Written, bool)> {
    let Finishing { id, plan, kept, input, received } = finishing;
    let row = db::uploads::take_over(act.tx, id).await?;
    let row = seen(row, id, act.actor(), act.now())?;
    if let Some(written) = row.written {
        // Nothing is done: no lock was named in vain.
        act.take_held();
        return Ok((serde_json::from_str(&written).map_err(Error::corrupt)?, true));
    }
    if row.plan != plan {
        return Err(taken_over());
    }
    // What was set aside is given back for what is now counted: it finds its room whoever else comes.
    if row.set_aside_in == Some(act.log.workspace()) {
        act.log.tally_mut().unstage(row.set_aside);
    } else {
        quota::give_back(act.tx, row.set_aside_in, row.set_aside).await?;
    }
    let blob = received.blob.clone();
    let written = commit(act, input, received).await?;
    match blob {
        Blob::Composed(content) => db::pieces::compose(act.tx, id, content).await?,
        Blob::Inline(_) | Blob::Stored(_) | Blob::Packed(_) => db::pieces::delete(act.tx, id).await?,
    }
    let text = serde_json::to_string(&written).map_err(Error::corrupt)?;
    let expires_at = act.now().plus(kept);
    db::uploads::set_written(act.tx, id, &text, expires_at).await?;
    Ok((written, false))
}

impl Engine {
    /// Makes of an upload what it is to become, if all its bytes are there; else leaves it as it is.
    ///
    /// It is made once, whoever asks: a later request waits for the finish under way, and tries again only where it brings
    /// what that one may have lacked. Nobody who goes away ends it, and one who waits gives way to a newer request.
    pub(super) async fn settle(
        &self,
        actor: &Actor,
        row: UploadRow,
        premises: Premises,
        hold: Option<&Hold>,
    ) -> Result<UploadRow> {
        let is_due = matches!(row.state, UploadState::Receiving | UploadState::Refused);
        if !is_due || row.kind == UploadKind::Part || row.length != Some(row.received) {
            return Ok(row);
        }
        let id = row.id;
        let brings_more = !premises.locks.is_empty() || !premises.preconditions.is_empty();
        loop {
            let (engine, actor, row, premises) = (self.clone(), actor.clone(), row.clone(), premises.clone());
            let finishing = self.appends().finish(id, |stop| async move {
                Box::pin(engine.finish_or_keep(&actor, &row, premises, stop)).await
            });
            let is_own = finishing.is_own;
            let wanted = async {
                match hold {
                    Some(hold) => hold.wanted().await,
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                biased;
                ended = finishing.ended() => ended,
                () = wanted => return Err(taken_over()),
            };
            match ended {
                Ok(()) => break,
                // That one was of what the upload was to become before.
                Err(error) if !is_own && (brings_more || error.code() == Code::UploadTakenOver) => {}
                Err(error) => return Err(error),
            }
        }
        self.seen_upload(actor, id).await
    }

    async fn finish_or_keep(
        &self,
        actor: &Actor,
        row: &UploadRow,
        premises: Premises,
        stop: CancellationToken,
    ) -> Result<()> {
        let prepared = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(not_found(row.id)),
            prepared = self.prepare(actor, row, premises) => prepared,
        };
        let done = match prepared {
            Ok(prepared) => self.commit_prepared(actor, row, prepared).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &done {
            // Another node may have finished it, and what this one met is that.
            if self.seen_upload(actor, row.id).await.is_ok_and(|row| row.state == UploadState::Finished) {
                return Ok(());
            }
            tracing::debug!(upload = %row.id, %error, "an upload that is whole was refused");
            if let Err(fault) = self.keep_refused(row.id).await {
                // Why it was refused says more.
                tracing::warn!(upload = %row.id, error = %fault, "a refused upload is not marked as one");
            }
        }
        done
    }

    /// Keeps what could not be written, for whoever mends the reason.
    async fn keep_refused(&self, id: UploadId) -> Result<()> {
        let (clock, kept) = (self.clock(), self.settings().upload_kept);
        let marked = self.db().write(move |tx| {
            let clock = clock.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                db::uploads::set_state(tx, id, UploadState::Refused, (now, now.plus(kept))).await
            })
        });
        marked.await
    }

    async fn prepare(&self, actor: &Actor, row: &UploadRow, premises: Premises) -> Result<Prepared> {
        let input = Plan::of(row)?.input(actor, row.received, premises)?;
        self.check_place(&input)?;
        self.check_ahead(&input, row.set_aside).await?;
        let whole = self.whole(row).await?;
        let Whole { pieces, size, .. } = &whole;
        let (pieces, size) = (Arc::clone(pieces), *size);
        let (digest, head, content) = self.verify(whole, &input.options.digests).await?;
        let sha256 =
            input.options.digests.iter().find(|digest| digest.algorithm() == Algorithm::Sha256).copied();
        let media_type = media_type(&head, &input.target);
        let mut rewritten = None;
        let blob = match (content, &*pieces) {
            (Some(content), _) => Blob::Inline(content),
            (None, [piece]) if piece.is_whole() => Blob::Stored(piece.blob),
            (None, found) if size / (found.len() as u64).max(1) < WORTH_KEEPING => {
                let id = self.rewrite(Arc::clone(&pieces), size).await?;
                rewritten = Some(id);
                Blob::Stored(id)
            }
            _ => Blob::Composed(ComposedId::new(self.now())),
        };
        let received = Received { blob, size, media_type, digest, sha256 };
        Ok(Prepared { input, received, pieces, rewritten })
    }

    async fn commit_prepared(&self, actor: &Actor, row: &UploadRow, prepared: Prepared) -> Result<()> {
        let Prepared { mut input, received, pieces, rewritten } = prepared;
        let is_inline = matches!(received.blob, Blob::Inline(_));
        let premises = std::mem::take(&mut input.options.premises);
        let ask = Ask { actor, need: Need::UPLOAD, scope: input.scope(), premises };
        let (plan, kept) = (row.plan.clone(), self.settings().upload_kept);
        let finishing = Finishing { id: row.id, plan, kept, input, received };
        let done = self.act(ask, finishing, |act, finishing| Box::pin(finish(act, finishing))).await;
        match (&done, rewritten) {
            // Of another node's finish: the version has the bytes of that one.
            (done, Some(blob)) if came_for_nothing(done) => self.discard(blob).await,
            (Ok((_, false)), _) if is_inline => self.discard_pieces(&pieces).await,
            _ => {}
        }
        done.map(drop)
    }

    async fn whole(&self, row: &UploadRow) -> Result<Whole> {
        let (id, size) = (row.id, row.received);
        let (mut pieces, mut cells, mut at) = (Vec::new(), Cells::new(CELL, size), 0);
        loop {
            let from = pieces.len() as u64;
            let page = self
                .db()
                .read(move |tx| Box::pin(async move { db::pieces::hashed(tx, id, from, PAGE).await }));
            let page = page.await?;
            if page.is_empty() {
                break;
            }
            for found in page {
                let range = at..at + found.piece.length;
                at = range.end;
                if found.hashed_at == range.start {
                    cells.take(range, &found.hashes);
                }
                pieces.push(found.piece);
            }
        }
        if at != size || pieces.len() as u64 != row.pieces {
            // Another request has just finished or removed it; a fault would be found again.
            let found = self.db().read(move |tx| Box::pin(db::uploads::get(tx, id))).await?;
            return Err(match found {
                None => not_found(id),
                Some(row) if row.state == UploadState::Finished => {
                    Error::new(Code::UploadTakenOver, "another request has finished the upload")
                }
                Some(_) => Error::corrupt(format_args!("the pieces of {id} have {at} bytes, not {size}")),
            });
        }
        Ok(Whole { pieces: pieces.into(), cells, size })
    }

    fn read_whole(&self, pieces: &Arc<[Piece]>, range: std::ops::Range<u64>) -> ContentStream {
        read_pieces(self.store().clone(), Arc::clone(pieces), range)
    }

    /// Finds the digest, checks those that were stated, and returns it with the first bytes, and with all of them where
    /// they are few.
    async fn verify(&self, whole: Whole, stated: &[Digest]) -> Result<(Digest, Bytes, Option<Bytes>)> {
        let Whole { pieces, mut cells, size } = whole;
        let is_small = size <= self.settings().inline_limit as u64;
        let wanted = if is_small { size } else { size.min(SNIFFED as u64) };
        let mut head = BytesMut::new();
        let mut bytes = self.read_whole(&pieces, 0..wanted);
        while let Some(bite) = bytes.try_next().await? {
            head.extend_from_slice(&bite);
        }
        let head = head.freeze();
        let mut from = 0;
        while let Some(range) = cells.unknown(from) {
            let mut bytes = self.read_whole(&pieces, range.clone());
            let mut cell: Option<(u64, CellHasher)> = None;
            let mut at = range.start;
            while let Some(bite) = bytes.try_next().await? {
                let mut rest = &bite[..];
                while !rest.is_empty() {
                    let (number, hasher) = cell.get_or_insert_with(|| cells.reader(at));
                    let taken = hasher.update(rest);
                    (rest, at, from) = (&rest[taken..], at + taken as u64, *number + 1);
                    if hasher.is_full() || at == range.end {
                        cells.put(*number, hasher);
                        cell = None;
                    }
                }
            }
            if at != range.end {
                return Err(Error::corrupt(format_args!(
                    "an upload's content ends at {at}, not {}",
                    range.end
                )));
            }
        }
        let digest = cells.digest()?;
        let sha256 = if wants_sha256(stated) { Some(self.sha256(&pieces, size).await?) } else { None };
        check_digests(stated, digest, sha256)?;
        let first = head.slice(..head.len().min(SNIFFED));
        Ok((digest, first, is_small.then_some(head)))
    }

    async fn sha256(&self, pieces: &Arc<[Piece]>, size: u64) -> Result<Digest> {
        let mut hash = Sha256::new();
        let mut bytes = self.read_whole(pieces, 0..size);
        while let Some(bite) = bytes.try_next().await? {
            hash.update(&bite);
        }
        Ok(Digest::new(Algorithm::Sha256, hash.finalize().into()))
    }

    /// Writes pieces anew as one blob.
    pub(crate) async fn rewrite(&self, pieces: Arc<[Piece]>, size: u64) -> Result<BlobId> {
        let id = BlobId::new(self.now());
        let mut writer = self.open_blob(id).await?;
        let mut bytes = self.read_whole(&pieces, 0..size);
        while let Some(bite) = bytes.try_next().await? {
            writer.write(bite).await.map_err(store_failed)?;
        }
        writer.finish().await.map_err(store_failed)?;
        Ok(id)
    }

    /// Removes at once the blobs of a content that went into the database: nobody else can have named them.
    async fn discard_pieces(&self, pieces: &[Piece]) {
        for piece in pieces.iter().filter(|piece| piece.is_whole()).take(DISCARDED) {
            let blob = piece.blob;
            let used = self.db().read(move |tx| Box::pin(db::versions::uses_blob(tx, blob))).await;
            if matches!(used, Ok(false)) {
                self.discard(blob).await;
            }
        }
    }
}
