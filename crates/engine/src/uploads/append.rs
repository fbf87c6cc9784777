//! Bytes that are added to an upload: by a task of the engine, so that what came is kept when the request is gone.

use bytes::Bytes;
use longshore_core::delta::{Decoder, Step};
use longshore_core::wire::{SHORTEST_LEASE, UploadState};
use longshore_core::{Code, UploadId, VersionId};
use tokio::sync::{mpsc, oneshot};

use super::base::{Base, Copied};
use super::plan::Plan;
use super::running::Hold;
use super::tail::{Durable, Tail};
use super::{Next, PIECES, Staged, not_found, overtaken, taken_over, torn_down};
use crate::act::Premises;
use crate::actor::Actor;
use crate::blob::Piece;
use crate::db;
use crate::db::uploads::{Added, UploadKind, UploadRow};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::quota::{self, Gauge};
use crate::upload::Heartbeat;
use crate::versions::no_version;

/// Where bytes are cut into pieces, unless they are wanted whole: so much of what came is lost at most when the server dies.
const PIECE: u64 = 64 * 1_024 * 1_024;

/// How many pieces of a delta are counted in one transaction.
const COUNTED: usize = 500;

/// How many times as large as its base, and the bytes that were sent for it, a content may be.
const SHARED: u64 = 8;

/// How many bites of a request's body wait for the store at most.
const WAITING: usize = 2;

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
    /// The version that ranges are copied of, where what comes is a [delta](longshore_core::delta) and not the bytes
    /// themselves.
    pub base: Option<VersionId>,
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
        let delta = match options.base {
            Some(base) => {
                let base = self.delta_base(actor, &seen, base).await?;
                Some(Delta { base, decoder: Decoder::default() })
            }
            None => None,
        };
        let hold = self.appends().take(id).await;
        let next = Next { offset: options.offset, length: options.length };
        let row = self.take_over(actor, id, Some(next)).await?;
        let plan = Plan::of(&row)?;
        let mut append = Append {
            engine: self.clone(),
            actor: actor.clone(),
            row,
            at: plan.at,
            is_whole: options.is_whole,
            premises: options.premises,
            heartbeat: Heartbeat::of(SHORTEST_LEASE),
            delta,
            sent: 0,
            gauge: None,
            tail: Tail::default(),
            hold,
        };
        if append.row.length.is_none() {
            append.gauge = append.row.set_aside_in.map(|place| Gauge::new(place, append.row.received));
        }
        // How long a delta is says nothing of what it makes.
        let size = options.size.filter(|_| append.delta.is_none()).unwrap_or(0);
        append.check_room(size).await?;
        if append.row.state == UploadState::Receiving {
            append.renew_locks().await?;
        }
        let (messages, incoming) = mpsc::channel(WAITING);
        let (told, outcome) = oneshot::channel();
        self.appends().tasks().spawn(async move {
            let done = append.run(incoming).await;
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

/// How the bytes of a delta are understood.
struct Delta {
    base: Base,
    decoder: Decoder,
}

fn malformed(why: impl std::fmt::Display) -> Error {
    Error::new(Code::InvalidDelta, why.to_string())
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
    delta: Option<Delta>,
    /// How many bytes came that are not counted yet.
    sent: u64,
    /// What stops bytes of which nobody has said how many they are.
    gauge: Option<Gauge>,
    tail: Tail,
    hold: Hold,
}

impl Append {
    async fn run(mut self, mut incoming: mpsc::Receiver<Message>) -> Result<Staged> {
        let ended = self.receive(&mut incoming).await;
        // Who still sends hears now that nothing more is taken.
        drop(incoming);
        let is_kept = !self.is_whole || matches!(ended, Ok(Ended::Whole));
        let kept = if is_kept { self.end_tail().await } else { std::mem::take(&mut self.tail).abort().await };
        let ended = match kept {
            // That what came is not kept is worse than what was wrong about the rest.
            Err(fault) if !fault.is_refusal() => return Err(fault),
            kept => {
                let ended = ended?;
                kept?;
                ended
            }
        };
        if matches!(ended, Ended::TakenOver) {
            return Err(taken_over());
        }
        let Self { engine, actor, row, premises, hold, .. } = self;
        let settled = Box::pin(engine.settle(&actor, row, premises, Some(&hold))).await?;
        drop(hold);
        Staged::of(settled)
    }

    async fn receive(&mut self, incoming: &mut mpsc::Receiver<Message>) -> Result<Ended> {
        loop {
            let message = tokio::select! {
                biased;
                () = self.hold.wanted() => return Ok(Ended::TakenOver),
                message = incoming.recv() => message,
            };
            match message {
                Some(Message::Bytes(bytes)) => self.take(bytes).await?,
                Some(Message::End) if self.is_between() => return Ok(Ended::Whole),
                Some(Message::End) => return Err(malformed("it ends in the middle of an instruction")),
                None => return Ok(Ended::BrokenOff),
            }
        }
    }

    /// Returns how many bytes have come, durable or not.
    fn size(&self) -> u64 {
        self.row.received + self.tail.length()
    }

    /// Tells whether what came ends where an instruction does.
    fn is_between(&self) -> bool {
        self.delta.as_ref().is_none_or(|delta| delta.decoder.is_between())
    }

    async fn check_room(&mut self, more: u64) -> Result<()> {
        let size = self.size().saturating_add(more);
        if let Some(gauge) = &mut self.gauge {
            gauge.check(&self.engine, size, self.row.set_aside).await?;
        }
        match self.row.length {
            Some(length) if size > length => {
                let detail = format!("{length} bytes were announced, and {size} would have come");
                Err(Error::new(Code::LengthMismatch, detail))
            }
            _ => self.engine.check_size(size),
        }
    }

    /// Refuses a content that is far larger than what it is made of: an instruction is short, and what it makes is read.
    fn check_share(&self, base: u64, more: u64) -> Result<()> {
        let most = base.saturating_add(self.row.sent + self.sent).saturating_mul(SHARED);
        if self.size().saturating_add(more) <= most {
            return Ok(());
        }
        let detail =
            format!("a delta makes at most {SHARED} times the bytes of its base and of those that came");
        Err(Error::new(Code::BodyTooLarge, detail))
    }

    async fn take(&mut self, bytes: Bytes) -> Result<()> {
        if self.heartbeat.is_due() {
            self.renew_locks().await?;
        }
        if self.delta.is_none() {
            self.sent += bytes.len() as u64;
            return self.add(bytes).await;
        }
        let mut rest = &bytes[..];
        while let Some(delta) = &mut self.delta
            && let Some(step) = delta.decoder.next(&mut rest).map_err(malformed)?
        {
            match step {
                Step::Data(data) => {
                    self.sent += data.len() as u64;
                    self.add(bytes.slice_ref(data)).await?;
                }
                Step::Copy(range) => {
                    let length = range.end - range.start;
                    let copied = delta.base.copied(range)?;
                    let base = delta.base.size();
                    self.check_room(length).await?;
                    self.check_share(base, length)?;
                    match copied {
                        Copied::Bytes(content) => self.add(content).await?,
                        Copied::Pieces(pieces) => self.copy(pieces).await?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns how many bytes may come before what is there is to be counted.
    fn room(&self) -> u64 {
        if self.is_whole {
            u64::MAX
        } else if self.delta.is_some() {
            PIECE - self.tail.blob_length()
        } else {
            PIECE - self.size() % PIECE
        }
    }

    async fn add(&mut self, mut bytes: Bytes) -> Result<()> {
        self.check_room(bytes.len() as u64).await?;
        while !bytes.is_empty() {
            let room = self.room();
            let part = bytes.split_to(usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()));
            let fills = part.len() as u64 == room;
            self.write(part).await?;
            if fills {
                self.end_tail().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if !self.tail.is_running() {
            self.begin_piece().await?;
        }
        let at = self.at + self.size();
        // A tail whose writer failed is dropped here, and takes back what it wrote.
        let mut tail = std::mem::take(&mut self.tail);
        tail.write(&self.engine, bytes, at).await?;
        self.tail = tail;
        Ok(())
    }

    async fn copy(&mut self, pieces: Vec<Piece>) -> Result<()> {
        for piece in pieces {
            if !self.tail.continues(&piece) {
                self.begin_piece().await?;
            }
            self.tail.copy(piece);
        }
        Ok(())
    }

    /// Sees to it that there is room for one more piece.
    async fn begin_piece(&mut self) -> Result<()> {
        if self.is_whole && self.tail.count() >= COUNTED {
            // All of them are to be counted in one transaction.
            let detail =
                format!("a delta that comes with a digest of its own makes at most {COUNTED} pieces");
            return Err(Error::new(Code::TooManyPieces, detail));
        }
        let count = self.row.pieces + self.tail.count() as u64;
        if self.tail.count() >= COUNTED || (count >= PIECES && !self.is_whole) {
            self.end_tail().await?;
        }
        if self.row.pieces + self.tail.count() as u64 >= PIECES {
            let merged = tokio::select! {
                biased;
                () = self.hold.wanted() => return Err(taken_over()),
                merged = Box::pin(self.engine.merge_pieces(&self.row, self.at)) => merged,
            };
            self.row = merged?;
        }
        Ok(())
    }

    async fn renew_locks(&mut self) -> Result<()> {
        if !self.premises.locks.is_empty() {
            let lease = self.engine.renew_by_traffic(&self.actor, &self.premises.locks).await?;
            self.heartbeat = Heartbeat::of(lease);
        }
        Ok(())
    }

    /// Makes what is there durable, then counts it, while this request is the newest.
    async fn end_tail(&mut self) -> Result<()> {
        let Some(Durable { pieces, length, blob }) = std::mem::take(&mut self.tail).end().await? else {
            return Ok(());
        };
        let (clock, kept) = (self.engine.clock(), self.engine.settings().upload_kept);
        let (before, base) = (self.row.clone(), self.delta.as_ref().map(|delta| delta.base.version));
        let sent = std::mem::take(&mut self.sent);
        let place = before.set_aside_in.filter(|_| before.length.is_none());
        let set_aside = place.map_or(0, |_| length);
        let added = Added { bytes: length, sent, pieces: pieces.len() as u64, set_aside };
        let counted = self.engine.db().write(move |tx| {
            let (before, pieces, clock) = (before.clone(), pieces.clone(), clock.clone());
            Box::pin(async move {
                let expires_at = tx.now(clock.as_ref()).await?.plus(kept);
                if let Some(place) = place {
                    quota::set_aside(tx, place, length, before.received + length).await?;
                }
                if !db::uploads::advance(tx, &before, added, expires_at).await? {
                    return Err(overtaken(tx, before.id).await?);
                }
                // While it is there its blobs are no orphans, and from then on the pieces keep them.
                if let Some(base) = base
                    && db::versions::file_of(tx, base).await?.is_none()
                {
                    return Err(no_version(base));
                }
                for (seq, piece) in (before.pieces..).zip(&pieces) {
                    db::pieces::insert(tx, before.id, seq, piece).await?;
                    // A sweep may have come between blob and row.
                    db::orphans::forget(tx, piece.piece.blob).await?;
                }
                db::uploads::get(tx, before.id).await?.ok_or_else(|| not_found(before.id))
            })
        });
        let counted = counted.await;
        self.engine.discard_refused(blob, &counted).await;
        self.row = counted?;
        Ok(())
    }
}
