//! Bytes that are added to an upload: by a task of the engine, so that what came is kept when the request is gone.

use bytes::Bytes;
use longshore_core::wire::{SHORTEST_LEASE, UploadState};
use longshore_core::{Code, UploadId};
use longshore_store::Writer;
use tokio::sync::{mpsc, oneshot};

use super::cells::{CELL, PieceHasher};
use super::plan::Plan;
use super::running::Hold;
use super::{PIECES, Staged, not_found};
use crate::act::Premises;
use crate::actor::Actor;
use crate::blob::{BlobId, Piece};
use crate::db;
use crate::db::pieces::HashedPiece;
use crate::db::uploads::{UploadKind, UploadRow};
use crate::engine::{Engine, store_failed};
use crate::error::{Error, Result};
use crate::upload::Heartbeat;

/// Where bytes are cut into pieces: so much of what comes in one request is lost at most when the server dies.
const PIECE: u64 = 64 * 1_024 * 1_024;

/// How many bites of a request's body wait for the store at most.
const WAITING: usize = 4;

/// What is said of bytes before they come.
#[derive(Clone, Debug, Default)]
pub struct AppendOptions {
    /// Where they begin: where the upload ends so far.
    pub offset: u64,
    /// How many bytes the upload has in all, where that was not said before.
    pub length: Option<u64>,
    /// How many bytes come, where that is known.
    pub size: Option<u64>,
    /// Whether nothing is to be kept unless all come and are wanted.
    pub is_whole: bool,
    /// What is brought for the locks, and for the commit where these bytes are the last.
    pub premises: Premises,
}

enum Message {
    Bytes(Bytes),
    /// The body has come to its end.
    End,
}

/// Bytes on their way into an upload. Dropping it keeps those that came, unless only all of them are wanted.
#[derive(Debug)]
pub struct Appending {
    messages: mpsc::Sender<Message>,
    outcome: oneshot::Receiver<Result<Staged>>,
}

impl Appending {
    /// Takes the next bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.messages.send(Message::Bytes(bytes)).await.is_ok() {
            return Ok(());
        }
        match (&mut self.outcome).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) => Err(taken_over()),
            Err(_) => Err(torn_down()),
        }
    }

    /// Waits until no more bytes are taken: another request has taken over, or something failed.
    pub async fn ended(&self) {
        self.messages.closed().await;
    }

    /// Ends the bytes: all that were to come have come.
    pub async fn finish(self) -> Result<Staged> {
        // Where it is not taken the outcome says why.
        self.messages.send(Message::End).await.ok();
        self.break_off().await
    }

    /// Ends before all came, and waits until what did is kept.
    pub async fn break_off(self) -> Result<Staged> {
        drop(self.messages);
        self.outcome.await.unwrap_or_else(|_| Err(torn_down()))
    }
}

fn torn_down() -> Error {
    Error::new(Code::ShuttingDown, "the upload was broken off by the server's end")
}

fn taken_over() -> Error {
    Error::new(Code::UploadTakenOver, "a later request for the upload took over: ask for its offset")
}

impl Engine {
    /// Begins to add bytes to an upload, of which this request is the newest then.
    pub async fn append_upload(
        &self,
        actor: &Actor,
        id: UploadId,
        options: AppendOptions,
    ) -> Result<Appending> {
        let seen = self.seen_upload(actor, id).await?;
        if seen.kind == UploadKind::Joined {
            return Err(Error::new(Code::UploadNotAppendable, format!("{id} is made of parts")));
        }
        self.check_size(options.length.unwrap_or(0))?;
        let hold = self.appends().take(id).await;
        let row = self.take_over(actor, id, options.length).await?;
        if row.received != options.offset {
            let detail = format!("{id} has {} bytes, and these are for {}", row.received, options.offset);
            return Err(Error::new(Code::OffsetMismatch, detail));
        }
        let plan = Plan::of(&row)?;
        let mut append = Append {
            engine: self.clone(),
            actor: actor.clone(),
            row,
            at: plan.at,
            is_whole: options.is_whole,
            premises: options.premises,
            heartbeat: Heartbeat::of(SHORTEST_LEASE),
            piece: None,
        };
        append.check_room(options.size.unwrap_or(0))?;
        if append.row.state == UploadState::Receiving {
            append.renew_locks().await?;
        }
        let (messages, incoming) = mpsc::channel(WAITING);
        let (told, outcome) = oneshot::channel();
        self.appends().tasks().spawn(async move {
            let done = append.run(incoming, hold).await;
            // Who asked may be gone, and what came is kept all the same.
            told.send(done).ok();
        });
        Ok(Appending { messages, outcome })
    }
}

/// How a request's bytes ended.
enum Ended {
    Whole,
    BrokenOff,
    TakenOver,
}

/// A piece that is being written.
struct OpenPiece {
    blob: BlobId,
    writer: Writer,
    hash: PieceHasher,
    hashed_at: u64,
    length: u64,
}

struct Append {
    engine: Engine,
    actor: Actor,
    row: UploadRow,
    /// Where the upload is to begin in its content.
    at: u64,
    is_whole: bool,
    premises: Premises,
    heartbeat: Heartbeat,
    piece: Option<OpenPiece>,
}

impl Append {
    async fn run(mut self, mut incoming: mpsc::Receiver<Message>, hold: Hold) -> Result<Staged> {
        let ended = self.receive(&mut incoming, &hold).await;
        // Who still sends hears now that nothing more is taken.
        drop(incoming);
        let is_kept = !self.is_whole || matches!(ended, Ok(Ended::Whole));
        let kept = if is_kept { self.end_piece().await } else { self.drop_piece().await };
        let ended = ended?;
        kept?;
        if matches!(ended, Ended::TakenOver) {
            return Err(taken_over());
        }
        let Self { engine, actor, row, premises, .. } = self;
        let settled = Box::pin(engine.settle(&actor, row, premises)).await?;
        drop(hold);
        Staged::of(settled)
    }

    async fn receive(&mut self, incoming: &mut mpsc::Receiver<Message>, hold: &Hold) -> Result<Ended> {
        loop {
            let message = tokio::select! {
                biased;
                () = hold.wanted() => return Ok(Ended::TakenOver),
                message = incoming.recv() => message,
            };
            match message {
                Some(Message::Bytes(bytes)) => self.take(bytes).await?,
                Some(Message::End) => return Ok(Ended::Whole),
                None => return Ok(Ended::BrokenOff),
            }
        }
    }

    /// Returns how many bytes have come, durable or not.
    fn size(&self) -> u64 {
        self.row.received + self.piece.as_ref().map_or(0, |piece| piece.length)
    }

    fn check_room(&self, more: u64) -> Result<()> {
        let size = self.size().saturating_add(more);
        match self.row.length {
            Some(length) if size > length => {
                let detail = format!("{length} bytes were announced, and {size} would have come");
                Err(Error::new(Code::LengthMismatch, detail))
            }
            _ => self.engine.check_size(size),
        }
    }

    async fn take(&mut self, mut bytes: Bytes) -> Result<()> {
        self.check_room(bytes.len() as u64)?;
        if self.heartbeat.is_due() {
            self.renew_locks().await?;
        }
        while !bytes.is_empty() {
            let room = if self.is_whole { u64::MAX } else { PIECE - self.size() % PIECE };
            let part = bytes.split_to(usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()));
            self.write(part).await?;
            if !self.is_whole && self.size().is_multiple_of(PIECE) {
                self.end_piece().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let mut piece = match self.piece.take() {
            Some(piece) => piece,
            None => self.open_piece().await?,
        };
        piece.hash.update(&bytes);
        piece.length += bytes.len() as u64;
        // A writer that failed is dropped here, and takes back what it wrote.
        piece.writer.write(bytes).await.map_err(store_failed)?;
        self.piece = Some(piece);
        Ok(())
    }

    async fn open_piece(&mut self) -> Result<OpenPiece> {
        if self.row.pieces >= PIECES {
            let detail = format!("an upload has at most {PIECES} pieces: send more bytes in each request");
            return Err(Error::new(Code::TooManyPieces, detail));
        }
        let blob = BlobId::new(self.engine.now());
        let writer = self.engine.open_blob(blob).await?;
        let hashed_at = self.at + self.row.received;
        Ok(OpenPiece { blob, writer, hash: PieceHasher::new(CELL, hashed_at), hashed_at, length: 0 })
    }

    async fn renew_locks(&mut self) -> Result<()> {
        if !self.premises.locks.is_empty() {
            let lease = self.engine.renew_by_traffic(&self.actor, &self.premises.locks).await?;
            self.heartbeat = Heartbeat::of(lease);
        }
        Ok(())
    }

    async fn drop_piece(&mut self) -> Result<()> {
        match self.piece.take() {
            Some(piece) => piece.writer.abort().await.map_err(store_failed),
            None => Ok(()),
        }
    }

    /// Makes the piece durable, then counts it, while this request is the newest.
    async fn end_piece(&mut self) -> Result<()> {
        let Some(OpenPiece { blob, writer, hash, hashed_at, length }) = self.piece.take() else {
            return Ok(());
        };
        writer.finish().await.map_err(store_failed)?;
        let piece = Piece { blob, blob_size: length, start: 0, length };
        let piece = HashedPiece { piece, hashes: hash.finish(), hashed_at };
        let (clock, kept) = (self.engine.clock(), self.engine.settings().upload_kept);
        let before = self.row.clone();
        let counted = self.engine.db().write(move |tx| {
            let (before, piece, clock) = (before.clone(), piece.clone(), clock.clone());
            Box::pin(async move {
                let expires_at = tx.now(clock.as_ref()).await?.plus(kept);
                if !db::uploads::advance(tx, &before, length, expires_at).await? {
                    let found = db::uploads::get(tx, before.id).await?;
                    return Err(found.map_or_else(|| not_found(before.id), |_| taken_over()));
                }
                db::pieces::insert(tx, before.id, before.pieces, &piece).await?;
                // A sweep may have come between blob and row.
                db::orphans::forget(tx, blob).await?;
                db::uploads::get(tx, before.id).await?.ok_or_else(|| not_found(before.id))
            })
        });
        match counted.await {
            Ok(row) => {
                self.row = row;
                Ok(())
            }
            Err(error) => {
                self.engine.discard(blob, error.kind()).await;
                Err(error)
            }
        }
    }
}
