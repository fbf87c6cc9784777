//! The async face of a file in the making.
//!
//! What fits into one packet is kept until `finish`, so that a small file costs few round trips. A larger one is sent on as it
//! comes, with [`window`](super::SftpOptions::window) bytes under way; a chunk that is large enough is sent as it is.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Shared;
use super::stage::Stage;
use crate::backend::{BoxFuture, WriteSink};
use crate::error::Result;
use crate::info::{FileInfo, WriteOptions};
use crate::path::StorePath;

/// How much is gathered: what OpenSSH takes in one packet.
const GATHERED: usize = 255 * 1024;

pub(super) struct SftpSink {
    shared: Arc<Shared>,
    path: StorePath,
    options: WriteOptions,
    gathered: BytesMut,
    /// The last chunk, if it came whole and nothing was gathered before it.
    whole: Bytes,
    stage: Option<Stage>,
}

impl SftpSink {
    pub(super) fn new(shared: Arc<Shared>, path: StorePath, options: WriteOptions) -> Self {
        Self { shared, path, options, gathered: BytesMut::new(), whole: Bytes::new(), stage: None }
    }

    /// Sends bytes on their way.
    async fn send(&mut self, bytes: Bytes) -> Result<()> {
        let stage = match &mut self.stage {
            Some(stage) => stage,
            None => {
                let stage = Stage::create(&self.shared, &self.path, self.options.overwrite).await?;
                self.stage.insert(stage)
            }
        };
        stage.append(bytes).await
    }

    /// Gathers bytes, for which there is room.
    fn gather(&mut self, bytes: &[u8]) {
        if self.gathered.is_empty() && self.stage.is_some() {
            self.gathered.reserve(GATHERED);
        }
        self.gathered.extend_from_slice(bytes);
    }
}

impl WriteSink for SftpSink {
    fn write(&mut self, mut chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        let nothing_before = self.stage.is_none() && self.whole.is_empty() && self.gathered.is_empty();
        if nothing_before && chunk.len() <= GATHERED {
            self.whole = chunk;
            return Box::pin(std::future::ready(Ok(())));
        }
        Box::pin(async move {
            let before = std::mem::take(&mut self.whole);
            self.gather(&before);
            while self.gathered.len() + chunk.len() >= GATHERED {
                let room = GATHERED - self.gathered.len();
                let piece = chunk.split_to(room);
                let piece = if self.gathered.is_empty() {
                    piece
                } else {
                    self.gather(&piece);
                    std::mem::take(&mut self.gathered).freeze()
                };
                self.send(piece).await?;
            }
            self.gather(&chunk);
            Ok(())
        })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>> {
        Box::pin(async move {
            let Self { shared, path, options, gathered, whole, stage } = *self;
            let mut stage = match stage {
                Some(stage) => stage,
                None => Stage::create(&shared, &path, options.overwrite).await?,
            };
            stage.append(if whole.is_empty() { gathered.freeze() } else { whole }).await?;
            stage.commit(&path, options.overwrite).await
        })
    }

    fn abort(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.stage.take() {
                Some(stage) => stage.abort().await,
                None => Ok(()),
            }
        })
    }
}
