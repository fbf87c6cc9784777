//! What an export puts aside before it is sent: in memory while it is little, else as a blob of the store, which is there on
//! every machine and swept where a crash leaves it.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use longshore_store::Writer;

use crate::blob::{BlobId, Piece};
use crate::db::crossings::Held;
use crate::download::{ContentStream, read_piece};
use crate::engine::{Engine, store_failed};
use crate::error::Result;

/// How much stays in memory.
const SMALL: usize = 1_024 * 1_024;

/// Bytes that come.
pub(super) struct Spool {
    engine: Engine,
    small: BytesMut,
    large: Option<(BlobId, Box<Writer>)>,
    size: u64,
}

/// Bytes that are put aside.
#[derive(Clone, Debug)]
pub(super) enum Spooled {
    Here(Bytes),
    Blob(Piece),
}

impl Spool {
    pub(super) fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone(), small: BytesMut::new(), large: None, size: 0 }
    }

    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.size += bytes.len() as u64;
        if let Some((_, writer)) = &mut self.large {
            return writer.write(bytes).await.map_err(store_failed);
        }
        self.small.extend_from_slice(&bytes);
        if self.small.len() > SMALL {
            let id = BlobId::new(self.engine.now());
            let mut writer = self.engine.open_blob(id).await?;
            writer.write(self.small.split().freeze()).await.map_err(store_failed)?;
            self.large = Some((id, Box::new(writer)));
        }
        Ok(())
    }

    pub(super) async fn finish(self) -> Result<Spooled> {
        let Some((blob, writer)) = self.large else { return Ok(Spooled::Here(self.small.freeze())) };
        writer.finish().await.map_err(store_failed)?;
        Ok(Spooled::Blob(Piece { blob, blob_size: self.size, start: 0, length: self.size }))
    }
}

impl Spooled {
    pub(super) const fn size(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            Self::Blob(piece) => piece.length,
        }
    }

    /// Returns the blob that holds it.
    pub(super) const fn blob(&self) -> Option<BlobId> {
        match self {
            Self::Here(_) => None,
            Self::Blob(piece) => Some(piece.blob),
        }
    }

    /// Returns what is to be held so that it stays.
    pub(super) fn held(&self) -> Option<Held> {
        let blob = crate::blob::Blob::Stored(self.blob()?);
        Some(Held { size: self.size(), sha256: None, blob })
    }

    pub(super) async fn read(&self, engine: &Engine) -> Result<ContentStream> {
        match self {
            Self::Here(bytes) => {
                let bytes = bytes.clone();
                Ok(stream::once(async move { Ok(bytes) }).boxed())
            }
            Self::Blob(piece) => read_piece(engine.store(), *piece, 0..piece.length).await,
        }
    }
}
