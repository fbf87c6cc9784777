//! What has come of an upload and is not counted yet: pieces in order, of one blob that is still being written and of
//! blobs that are there.

use bytes::Bytes;
use longshore_store::Writer;

use super::cells::{CELL, PieceHasher};
use crate::blob::{BlobId, Piece};
use crate::db::pieces::HashedPiece;
use crate::engine::{Engine, store_failed};
use crate::error::Result;

/// The tail of an upload. Dropping it takes back what its blob had.
#[derive(Default)]
pub(super) struct Tail {
    pieces: Vec<HashedPiece>,
    blob: Option<OpenBlob>,
    /// The last piece, while more of it may come.
    run: Option<Run>,
    length: u64,
}

struct OpenBlob {
    id: BlobId,
    writer: Writer,
    length: u64,
}

/// Bytes that came in a row.
struct Run {
    start: u64,
    length: u64,
    hash: PieceHasher,
    hashed_at: u64,
}

/// A tail that is durable.
pub(super) struct Durable {
    pub(super) pieces: Vec<HashedPiece>,
    pub(super) length: u64,
    /// The blob that was written.
    pub(super) blob: Option<BlobId>,
}

impl Tail {
    /// Returns how many bytes of content it has.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Returns how many bytes its blob has so far.
    pub(super) fn blob_length(&self) -> u64 {
        self.blob.as_ref().map_or(0, |blob| blob.length)
    }

    /// Returns how many pieces it has.
    pub(super) fn count(&self) -> usize {
        self.pieces.len() + usize::from(self.run.is_some())
    }

    /// Tells whether bytes that come next go on with its last piece.
    pub(super) const fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// Adds bytes, hashed for the content's place `at` if they begin a piece.
    pub(super) async fn write(&mut self, engine: &Engine, bytes: Bytes, at: u64) -> Result<()> {
        let blob = match &mut self.blob {
            Some(blob) => blob,
            None => {
                let id = BlobId::new(engine.now());
                let writer = engine.open_blob(id).await?;
                self.blob.insert(OpenBlob { id, writer, length: 0 })
            }
        };
        let start = blob.length;
        let run = self.run.get_or_insert_with(|| Run {
            start,
            length: 0,
            hash: PieceHasher::new(CELL, at),
            hashed_at: at,
        });
        let length = bytes.len() as u64;
        run.hash.update(&bytes);
        run.length += length;
        blob.length += length;
        self.length += length;
        blob.writer.write(bytes).await.map_err(store_failed)
    }

    /// Tells whether a range of a blob goes on where the last piece ends.
    pub(super) fn continues(&self, next: &Piece) -> bool {
        self.run.is_none() && self.pieces.last().is_some_and(|last| goes_on(&last.piece, next))
    }

    /// Adds a range of a blob that is there.
    pub(super) fn copy(&mut self, piece: Piece) {
        self.end_run();
        self.length += piece.length;
        match self.pieces.last_mut() {
            Some(last) if goes_on(&last.piece, &piece) => last.piece.length += piece.length,
            // Its cells are not known at this place: they are read when all is there.
            _ => self.pieces.push(HashedPiece { piece, hashes: Bytes::new(), hashed_at: 0 }),
        }
    }

    fn end_run(&mut self) {
        if let (Some(Run { start, length, hash, hashed_at }), Some(blob)) = (self.run.take(), &self.blob) {
            let piece = Piece { blob: blob.id, blob_size: 0, start, length };
            self.pieces.push(HashedPiece { piece, hashes: hash.finish(), hashed_at });
        }
    }

    /// Makes all of it durable; nothing where it is empty.
    pub(super) async fn end(mut self) -> Result<Option<Durable>> {
        self.end_run();
        let Self { mut pieces, blob, length, .. } = self;
        let mut written = None;
        if let Some(OpenBlob { id, writer, length }) = blob {
            writer.finish().await.map_err(store_failed)?;
            for piece in pieces.iter_mut().map(|hashed| &mut hashed.piece).filter(|piece| piece.blob == id) {
                piece.blob_size = length;
            }
            written = Some(id);
        }
        Ok((!pieces.is_empty()).then_some(Durable { pieces, length, blob: written }))
    }

    /// Takes back what its blob had, and waits for that.
    pub(super) async fn abort(self) -> Result<()> {
        match self.blob {
            Some(blob) => blob.writer.abort().await.map_err(store_failed),
            None => Ok(()),
        }
    }
}

fn goes_on(last: &Piece, next: &Piece) -> bool {
    last.blob == next.blob && last.start + last.length == next.start
}
