//! The async face of a file in the making.
//!
//! Chunks gather in memory up to [`BATCH`]. A file that never grows past it costs one turn on a blocking
//! thread, at `finish`. A larger one hands over batch after batch, gathering the next while the disk takes
//! the last: two batches and a chunk are the most that is held. No thread waits for a slow sender.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::stage::{Stage, check_target};
use super::{Shared, joined};
use crate::backend::{BoxFuture, WriteSink};
use crate::error::Result;
use crate::info::{FileInfo, WriteOptions};
use crate::path::StorePath;

const BATCH: usize = 512 * 1024;

/// Smaller chunks are gathered into one, so that a sender of tiny chunks costs neither memory nor calls.
const SMALL: usize = 8 * 1024;

pub(super) struct LocalSink {
    shared: Arc<Shared>,
    path: StorePath,
    options: WriteOptions,
    gathered: Gathered,
    /// A batch that is being written, or was. Its result is the file so far.
    last: Option<JoinHandle<Result<Stage>>>,
}

#[derive(Default)]
struct Gathered {
    chunks: Vec<Bytes>,
    small: BytesMut,
    size: usize,
}

impl Gathered {
    fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        self.size += chunk.len();
        if chunk.len() <= SMALL {
            self.small.extend_from_slice(&chunk);
        } else {
            self.close_small();
            self.chunks.push(chunk);
        }
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.close_small();
        self.size = 0;
        std::mem::take(&mut self.chunks)
    }
}

impl LocalSink {
    pub(super) fn new(shared: Arc<Shared>, path: StorePath, options: WriteOptions) -> Self {
        Self { shared, path, options, gathered: Gathered::default(), last: None }
    }

    /// Waits until the disk has taken the last batch.
    async fn settle(&mut self) -> Result<Option<Stage>> {
        let Some(job) = &mut self.last else {
            return Ok(None);
        };
        // The handle stays in its place while waiting, so a dropped future loses nothing.
        let written = joined(job.await);
        self.last = None;
        written.map(Some)
    }

    async fn hand_over(&mut self) -> Result<()> {
        let stage = self.settle().await?;
        let (path, overwrite) = (self.path.clone(), self.options.overwrite);
        let batch = self.gathered.take();
        self.last = Some(self.shared.start(move |shared| {
            let mut stage = match stage {
                Some(stage) => stage,
                None => {
                    check_target(shared, &path, overwrite)?;
                    Stage::create(shared)?
                }
            };
            stage.append(&batch)?;
            stage.write_back_early();
            Ok(stage)
        }));
        Ok(())
    }
}

impl WriteSink for LocalSink {
    fn write(&mut self, mut chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        if self.gathered.size + chunk.len() <= BATCH {
            self.gathered.push(chunk);
            return Box::pin(std::future::ready(Ok(())));
        }
        Box::pin(async move {
            while self.gathered.size + chunk.len() > BATCH {
                let room = BATCH - self.gathered.size;
                self.gathered.push(chunk.split_to(room));
                self.hand_over().await?;
            }
            self.gathered.push(chunk);
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>> {
        Box::pin(async move {
            let stage = self.settle().await?;
            let (path, options) = (std::mem::take(&mut self.path), std::mem::take(&mut self.options));
            let batch = self.gathered.take();
            let job = self.shared.start(move |shared| {
                let mut stage = match stage {
                    Some(stage) => stage,
                    None => Stage::create(shared)?,
                };
                stage.append(&batch)?;
                stage.commit(&path, &options)
            });
            joined(job.await)
        })
    }

    fn abort(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            // An error of the last batch has taken its file away already.
            if let Ok(Some(stage)) = self.settle().await {
                let job = self.shared.start(move |_| {
                    drop(stage);
                    Ok(())
                });
                return joined(job.await);
            }
            Ok(())
        })
    }
}

impl Drop for LocalSink {
    fn drop(&mut self) {
        let Some(job) = self.last.take() else {
            return;
        };
        // Without a runtime there is no thread to wait on, and the file goes when its thread is done with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // A job of its own waits for the batch and takes the file away: unlinking a large one takes too
            // long for this thread, and `close` must not end before it is done. It cannot starve the batch,
            // which was queued before it.
            drop(self.shared.start(move |_| {
                drop(runtime.block_on(job));
                Ok(())
            }));
        }
    }
}
