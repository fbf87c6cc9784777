//! An upload in parts that leaves nothing behind, whenever it is given up.

use std::sync::Arc;

use longshore_flow::Tasks;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::again::again;
use super::service::{Service, UploadId};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{FileInfo, WriteOptions};

/// How many parts have the size that was asked for, before they grow. Some services want equal parts; so they have them up
/// to 16 GiB.
const EQUAL_PARTS: usize = 2_000;

/// How much parts grow, and after how many: 10,000 of them hold 5 TiB, the most that services take.
const GROWTH: (usize, usize) = (8 * 1024 * 1024, 48);

/// Returns the size of part `number` (from 0).
pub(super) const fn size_of_part(first: usize, number: usize) -> usize {
    first + number.saturating_sub(EQUAL_PARTS).div_ceil(GROWTH.1) * GROWTH.0
}

/// What uploads need: the service, and tasks that are waited for when the store is closed.
#[derive(Debug)]
pub(super) struct Shared<S> {
    pub(super) service: S,
    pub(super) tasks: Tasks,
}

/// An upload that was begun. Dropping it takes back its parts, in a task.
pub(super) struct Upload<S: Service> {
    shared: Arc<Shared<S>>,
    id: Option<UploadId>,
    runtime: Handle,
    /// Parts under way or done, in order.
    parts: Vec<Part>,
}

enum Part {
    UnderWay { bytes: usize, task: JoinHandle<()>, result: oneshot::Receiver<Result<String>> },
    Done(String),
}

impl<S: Service> Upload<S> {
    /// Begins an upload. The request is seen to its end though nobody waits, so that it can be taken back.
    pub(super) async fn begin(shared: &Arc<Shared<S>>, key: &str, options: &WriteOptions) -> Result<Self> {
        let (sender, receiver) = oneshot::channel();
        let (task_shared, key, options) = (Arc::clone(shared), key.to_owned(), options.clone());
        shared.tasks.spawn(async move {
            let begun = again(false, || task_shared.service.begin(&key, &options)).await;
            let begun = begun.map(|name| Self {
                shared: task_shared,
                id: Some(UploadId { key, name }),
                runtime: Handle::current(),
                parts: Vec::new(),
            });
            // Where nobody waits any more, it comes back and is dropped.
            drop(sender.send(begun));
        });
        receiver.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Returns how many parts there are so far.
    pub(super) const fn len(&self) -> usize {
        self.parts.len()
    }

    /// Starts the next part; `send` makes its request.
    pub(super) fn start<F>(&mut self, bytes: usize, send: impl FnOnce(Arc<Shared<S>>, UploadId, usize) -> F)
    where
        F: Future<Output = Result<String>> + Send + 'static,
    {
        let Some(id) = self.id.clone() else { return };
        let (sender, result) = oneshot::channel();
        let sending = send(Arc::clone(&self.shared), id, self.parts.len());
        let task = self.shared.tasks.spawn(async move {
            drop(sender.send(sending.await));
        });
        self.parts.push(Part::UnderWay { bytes, task, result });
    }

    /// Waits until no more than `count` parts of `bytes` in all are under way.
    pub(super) async fn wait_until(&mut self, count: usize, bytes: usize) -> Result<()> {
        // Parts end in any order, but the first one under way is as good to wait for as any: each is as large.
        loop {
            let (mut running, mut weight, mut first) = (0, 0, None);
            for part in &mut self.parts {
                if let Part::UnderWay { bytes, result, .. } = part {
                    match result.try_recv() {
                        Ok(done) => *part = Part::Done(done?),
                        Err(oneshot::error::TryRecvError::Closed) => return Err(ended()),
                        Err(oneshot::error::TryRecvError::Empty) => {
                            running += 1;
                            weight += *bytes;
                            first.get_or_insert(part);
                        }
                    }
                }
            }
            if running <= count && weight <= bytes {
                return Ok(());
            }
            if let Some(part) = first
                && let Part::UnderWay { result, .. } = part
            {
                *part = Part::Done(result.await.unwrap_or_else(|_| Err(ended()))?);
            }
        }
    }

    /// Makes the object. That is seen to its end though nobody waits.
    pub(super) async fn complete(mut self, options: WriteOptions) -> Result<FileInfo> {
        self.wait_until(0, 0).await?;
        let (sender, receiver) = oneshot::channel();
        let tasks = self.shared.tasks.clone();
        tasks.spawn(async move {
            let names = self.parts.iter().filter_map(|part| match part {
                Part::Done(name) => Some(name.clone()),
                Part::UnderWay { .. } => None,
            });
            let names: Vec<_> = names.collect();
            let Some(id) = &self.id else { return };
            let service = &self.shared.service;
            let made = again(options.overwrite, || service.complete(id, &names, &options)).await;
            if made.is_ok() {
                self.id.take();
            } else {
                self.take_back().await.ok();
            }
            drop(sender.send(made));
        });
        receiver.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Takes back what was uploaded, and waits until that is done.
    pub(super) async fn abort(mut self) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        let tasks = self.shared.tasks.clone();
        tasks.spawn(async move {
            drop(sender.send(self.take_back().await));
        });
        receiver.await.unwrap_or_else(|_| Err(ended()))
    }

    async fn take_back(&mut self) -> Result<()> {
        let Some(id) = self.id.take() else { return Ok(()) };
        take_back(&self.shared, &id, std::mem::take(&mut self.parts)).await
    }
}

/// Ends the parts under way, for one that arrives later than the end of its upload would stay, and then the upload.
async fn take_back<S: Service>(shared: &Shared<S>, id: &UploadId, parts: Vec<Part>) -> Result<()> {
    for part in &parts {
        if let Part::UnderWay { task, .. } = part {
            task.abort();
        }
    }
    for part in parts {
        if let Part::UnderWay { task, .. } = part {
            // It was ended, or has ended.
            task.await.ok();
        }
    }
    again(true, || shared.service.abort(id)).await
}

impl<S: Service> Drop for Upload<S> {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let (shared, parts) = (Arc::clone(&self.shared), std::mem::take(&mut self.parts));
        // Whoever drops it may stand outside of any runtime.
        let _entered = self.runtime.enter();
        let tasks = shared.tasks.clone();
        tasks.spawn(async move {
            // Nobody is left to be told; what the service keeps, its own rules for old uploads take away.
            take_back(&shared, &id, parts).await.ok();
        });
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, "the program is ending")
}

#[cfg(test)]
mod tests {
    use super::size_of_part;

    #[test]
    fn ten_thousand_parts_hold_the_largest_file() {
        const MIB: usize = 1024 * 1024;
        for first in [5 * MIB, 8 * MIB, 64 * MIB] {
            let sizes = (0..10_000).map(|number| size_of_part(first, number));
            assert!(sizes.clone().sum::<usize>() >= 5 * MIB * MIB, "{first}");
            assert!(sizes.clone().max().unwrap() < 2048 * MIB, "{first}");
            assert!(sizes.take(2_000).all(|size| size == first));
        }
    }
}
