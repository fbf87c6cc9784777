//! A file in the making, under a hidden name.
//!
//! Content gathers up to the size of a part. A file that never grows past it costs three requests, at `finish`. A larger one is sent in
//! pieces by their positions, a few at a time, while the next gathers. Every request that changes something runs as a task to its
//! end, so that a dropped future never leaves one under way that nobody waits for.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::StatusCode;
use longshore_flow::Tasks;
use object_store::{PutPayload, PutPayloadMut};
use tokio::sync::oneshot;

use super::Shared;
use super::filesystem::{Stamp, told_media_type};
use crate::azure::endpoint::Failure;
use crate::backend::{BoxFuture, WriteSink};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{FileInfo, WriteOptions};
use crate::object::again;
use crate::own_names::TEMPORARY;
use crate::path::StorePath;

/// Smaller chunks are gathered into one, so that a sender of tiny chunks costs neither memory nor calls.
const SMALL: usize = 8 * 1024;

pub(super) struct AdlsSink {
    shared: Arc<Shared>,
    path: StorePath,
    options: WriteOptions,
    gathered: PutPayloadMut,
    /// The hidden path, from before it is asked for until it is renamed or taken back.
    stage: Option<String>,
    /// How many bytes were sent, or are on their way.
    sent: u64,
    in_flight: VecDeque<oneshot::Receiver<Result<()>>>,
    /// What runs for this file alone.
    steps: Tasks,
}

/// Returns a name that no other file in the making has, in this or another process.
fn new_stage() -> String {
    static PROCESS: OnceLock<u64> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(|| RandomState::new().build_hasher().finish());
    format!("{TEMPORARY}/{process:016x}-{:x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs something as a task, to its end even if nobody waits for it.
fn run<T: Send + 'static>(
    tasks: &Tasks,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> oneshot::Receiver<Result<T>> {
    let (sender, receiver) = oneshot::channel();
    drop(tasks.spawn(async move {
        // Who asked may be gone.
        sender.send(work.await).ok();
    }));
    receiver
}

fn joined<T>(ended: std::result::Result<Result<T>, oneshot::error::RecvError>) -> Result<T> {
    ended.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Unavailable, "the program is ending").with_source(error))
    })
}

impl AdlsSink {
    pub(super) fn new(shared: Arc<Shared>, path: StorePath, options: WriteOptions) -> Self {
        Self {
            shared,
            path,
            options,
            gathered: PutPayloadMut::new(),
            stage: None,
            sent: 0,
            in_flight: VecDeque::new(),
            steps: Tasks::new(),
        }
    }

    fn gather(&mut self, chunk: Bytes) {
        if chunk.len() <= SMALL {
            self.gathered.extend_from_slice(&chunk);
        } else {
            self.gathered.push(chunk);
        }
    }

    fn take_gathered(&mut self) -> PutPayload {
        mem::take(&mut self.gathered).freeze()
    }

    /// Makes the hidden file.
    async fn create(&mut self) -> Result<(String, Stamp)> {
        let stage = new_stage();
        self.stage = Some(stage.clone());
        let (shared, options, path) = (Arc::clone(&self.shared), self.options.clone(), stage.clone());
        let step = run(&self.steps, async move {
            let stamp = shared.filesystem.create_file(&path, &options).await?;
            shared.sweep();
            Ok(stamp)
        });
        Ok((stage, joined(step.await)?))
    }

    /// Waits for the oldest piece under way.
    async fn settle(&mut self) -> Result<()> {
        let Some(oldest) = self.in_flight.front_mut() else {
            return Ok(());
        };
        // It stays in its place while waiting, so a dropped future loses nothing.
        let ended = joined(oldest.await);
        self.in_flight.pop_front();
        ended
    }

    async fn hand_over(&mut self) -> Result<()> {
        let stage = match &self.stage {
            Some(stage) => stage.clone(),
            None => {
                self.shared.check_target(&self.path, self.options.overwrite).await?;
                self.create().await?.0
            }
        };
        while self.in_flight.len() >= self.shared.limits.parts_in_flight {
            self.settle().await?;
        }
        let piece = self.take_gathered();
        let position = self.sent;
        self.sent += piece.content_length() as u64;
        let shared = Arc::clone(&self.shared);
        self.in_flight.push_back(run(&self.steps, async move {
            let append = || async {
                Ok(shared.filesystem.append(&stage, position, piece.clone(), false).await.map(drop)?)
            };
            // At its position a piece is the same sent twice.
            again(true, append).await
        }));
        Ok(())
    }

    /// Sends what is left and renames the file into its place.
    async fn commit(&mut self) -> Result<FileInfo> {
        let shared = Arc::clone(&self.shared);
        let is_small = self.stage.is_none();
        let size = self.sent + self.gathered.content_length() as u64;
        let (stage, stamp) = if is_small {
            let (stage, made) = self.create().await?;
            let content = self.take_gathered();
            let stamp = match size {
                0 => made,
                _ => shared.filesystem.append(&stage, 0, content, true).await?,
            };
            (stage, stamp)
        } else {
            if self.gathered.content_length() > 0 {
                self.hand_over().await?;
            }
            while !self.in_flight.is_empty() {
                self.settle().await?;
            }
            let stage = self.stage.clone().unwrap_or_default();
            let stamp = shared.filesystem.flush(&stage, size).await?;
            (stage, stamp)
        };
        shared.publish(&stage, stamp.etag.as_deref(), &self.path, self.options.overwrite).await?;
        self.stage = None;
        Ok(FileInfo {
            etag: stamp.etag,
            last_modified: stamp.last_modified,
            media_type: told_media_type(&self.options),
            metadata: mem::take(&mut self.options.metadata),
            ..FileInfo::new(mem::take(&mut self.path), size)
        })
    }
}

/// Waits for what is under way, and deletes the hidden file.
async fn take_back(shared: Arc<Shared>, steps: Tasks, stage: String) -> Result<()> {
    steps.close().await;
    match shared.filesystem.delete(&stage, None).await {
        // It was never made, or it was renamed, though nobody was told.
        Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => Ok(()),
        deleted => deleted.map_err(|failure: Failure| failure.into()),
    }
}

impl WriteSink for AdlsSink {
    fn write(&mut self, mut chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let piece = self.shared.limits.part_size;
            while self.gathered.content_length() + chunk.len() > piece {
                let room = piece - self.gathered.content_length();
                self.gather(chunk.split_to(room));
                self.hand_over().await?;
            }
            self.gather(chunk);
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>> {
        let tasks = self.shared.tasks.clone();
        Box::pin(async move {
            let finished = run(&tasks, async move {
                let committed = self.commit().await;
                if committed.is_err()
                    && let Some(stage) = self.stage.take()
                {
                    // Whatever taking back meets, the first error is the one to tell.
                    take_back(Arc::clone(&self.shared), self.steps.clone(), stage).await.ok();
                }
                committed
            });
            joined(finished.await)
        })
    }

    fn abort(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            let Some(stage) = self.stage.take() else { return Ok(()) };
            let work = take_back(Arc::clone(&self.shared), self.steps.clone(), stage);
            joined(run(&self.shared.tasks, work).await)
        })
    }
}

impl Drop for AdlsSink {
    fn drop(&mut self) {
        let Some(stage) = self.stage.take() else { return };
        // Without a runtime nothing can be sent any more, and the hidden file stays.
        if tokio::runtime::Handle::try_current().is_ok() {
            let (shared, steps) = (Arc::clone(&self.shared), self.steps.clone());
            drop(self.shared.tasks.spawn(async move {
                // What cannot be taken back now nobody sees.
                take_back(shared, steps, stage).await.ok();
            }));
        }
    }
}
