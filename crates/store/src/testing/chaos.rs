//! A store that fails, waits and tears on demand, or by a seed.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::backend::{Backend, BoxFuture, BoxStream, WriteSink};
use crate::capability::CapabilitySet;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{Entry, FileInfo, ListOptions, ReadOptions, WriteOptions};
use crate::path::StorePath;
use crate::read::Read;
use crate::store::Store;

/// A step of a store at which it can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Opening a file for reading.
    Read,
    /// Giving a chunk of a file that is read.
    ReadChunk,
    /// Beginning a file.
    OpenWrite,
    /// Taking a chunk of a file that is written.
    Write,
    /// Making a written file visible.
    Finish,
    /// Looking at a path.
    Stat,
    /// Giving a batch of a listing.
    List,
    /// Deleting a file.
    Delete,
    /// Deleting a folder.
    DeleteFolder,
    /// Copying a file.
    Copy,
    /// Moving a file.
    Move,
    /// Asking whether the storage answers.
    Ping,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing is done.
    Fail(ErrorKind),
    /// Everything is done, and failure told.
    LoseAnswer(ErrorKind),
    /// Half of a chunk is done, and failure told.
    Tear(ErrorKind),
    Delay(Duration),
}

/// Makes stores that fail.
#[derive(Debug)]
pub struct Chaos;

impl Chaos {
    /// Wraps a store; the handle says what goes wrong. Until it is told to, nothing does.
    #[must_use]
    pub fn wrap(store: Store) -> (Store, ChaosHandle) {
        let (inner, prefix) = store.into_parts();
        let handle = ChaosHandle(Arc::default());
        let backend = ChaosBackend { inner, chaos: handle.clone() };
        (Store::over(Arc::new(backend), prefix), handle)
    }
}

/// Says what goes wrong in a store. Clones are the same handle.
#[derive(Clone, Debug)]
pub struct ChaosHandle(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    planned: VecDeque<(Op, u64, Fault)>,
    random: Option<Random>,
    struck: Vec<Op>,
}

#[derive(Debug)]
struct Random {
    seed: u64,
    state: u64,
    per_mille: u64,
}

impl Random {
    /// Returns the next number of SplitMix64.
    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl ChaosHandle {
    /// Makes the next `op` fail before it does anything.
    pub fn fail_next(&self, op: Op, kind: ErrorKind) {
        self.fail_after(op, 0, kind);
    }

    /// Lets `skip` times `op` pass, and makes the one after fail before it does anything.
    pub fn fail_after(&self, op: Op, skip: u64, kind: ErrorKind) {
        self.plan(op, skip, Fault::Fail(kind));
    }

    /// Makes the next `op` do its work and then tell of a failure, as when an answer is lost.
    pub fn lose_answer_next(&self, op: Op, kind: ErrorKind) {
        self.plan(op, 0, Fault::LoseAnswer(kind));
    }

    /// Makes the next `op` on a chunk ([`Op::Write`], [`Op::ReadChunk`]) do half of it and then fail; any other
    /// just fails.
    pub fn tear_next(&self, op: Op, kind: ErrorKind) {
        self.plan(op, 0, Fault::Tear(kind));
    }

    /// Makes the next `op` wait first.
    pub fn delay_next(&self, op: Op, delay: Duration) {
        self.plan(op, 0, Fault::Delay(delay));
    }

    /// Makes `per_mille` of a thousand steps fail, lose their answer, tear or wait, as `seed` says.
    ///
    /// The same seed and order of steps give the same faults. The seed stands in each error's message, and is
    /// printed when a test panics while the last handle goes.
    pub fn fail_by_seed(&self, seed: u64, per_mille: u16) {
        self.state().random = Some(Random { seed, state: seed, per_mille: per_mille.into() });
    }

    /// Lets everything pass again.
    pub fn calm(&self) {
        let mut state = self.state();
        state.planned.clear();
        state.random = None;
    }

    /// Returns the steps at which something went wrong so far, in order.
    #[must_use]
    pub fn struck(&self) -> Vec<Op> {
        self.state().struck.clone()
    }

    fn plan(&self, op: Op, skip: u64, fault: Fault) {
        self.state().planned.push_back((op, skip, fault));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, op: Op) -> Option<Fault> {
        let mut state = self.state();
        let fault = state.draw(op)?;
        state.struck.push(op);
        Some(fault)
    }

    fn error(&self, op: Op, kind: ErrorKind) -> Error {
        let message = match &self.state().random {
            Some(random) => format!("chaos at {op:?} (seed {})", random.seed),
            None => format!("chaos at {op:?}"),
        };
        Error::new(kind, message)
    }

    /// Runs a step that is done as a whole or not at all.
    async fn around<T>(&self, op: Op, step: impl Future<Output = Result<T>>) -> Result<T> {
        match self.draw(op) {
            None => step.await,
            Some(Fault::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                step.await
            }
            Some(Fault::LoseAnswer(kind)) => {
                drop(step.await?);
                Err(self.error(op, kind))
            }
            Some(Fault::Fail(kind) | Fault::Tear(kind)) => Err(self.error(op, kind)),
        }
    }
}

impl State {
    fn draw(&mut self, op: Op) -> Option<Fault> {
        if let Some(place) = self.planned.iter().position(|(at, ..)| *at == op) {
            let (_, skip, _) = &mut self.planned[place];
            if *skip == 0 {
                return self.planned.remove(place).map(|(_, _, fault)| fault);
            }
            *skip -= 1;
        }
        let random = self.random.as_mut()?;
        if random.next() % 1000 >= random.per_mille {
            return None;
        }
        let kind = match random.next() % 4 {
            0 => ErrorKind::StorageFull,
            1 => ErrorKind::Internal,
            _ => ErrorKind::Unavailable,
        };
        Some(match random.next() % 4 {
            0 => Fault::LoseAnswer(kind),
            1 => Fault::Tear(kind),
            2 => Fault::Delay(Duration::from_micros(random.next() % 2000)),
            _ => Fault::Fail(kind),
        })
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(random) = &self.random
            && std::thread::panicking()
        {
            #[expect(clippy::print_stderr, reason = "the test that fails must tell its seed")]
            {
                eprintln!("chaos: the seed was {}", random.seed);
            }
        }
    }
}

struct ChaosBackend {
    inner: Arc<dyn Backend>,
    chaos: ChaosHandle,
}

impl Debug for ChaosBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chaos").field(&self.inner).finish()
    }
}

impl ChaosBackend {
    async fn torn_read(&self, path: &StorePath, options: &ReadOptions) -> Result<Read> {
        let inner = self.inner.read(path, options);
        let read = self.chaos.around(Op::Read, inner).await?;
        let (info, range) = (read.info().clone(), read.range());
        let chaos = self.chaos.clone();
        let chunks = read.then(move |chunk| {
            let chaos = chaos.clone();
            async move { torn_chunk(&chaos, chunk).await }
        });
        Ok(Read::new(info, range, chunks.flatten()))
    }
}

async fn torn_chunk(
    chaos: &ChaosHandle,
    chunk: Result<Bytes>,
) -> stream::Iter<std::vec::IntoIter<Result<Bytes>>> {
    let items = match (chaos.draw(Op::ReadChunk), chunk) {
        (None, chunk) => vec![chunk],
        (Some(Fault::Delay(delay)), chunk) => {
            tokio::time::sleep(delay).await;
            vec![chunk]
        }
        (Some(Fault::Tear(kind)), Ok(chunk)) => {
            let half = chunk.slice(..chunk.len() / 2);
            vec![Ok(half), Err(chaos.error(Op::ReadChunk, kind))]
        }
        (Some(Fault::Fail(kind) | Fault::LoseAnswer(kind) | Fault::Tear(kind)), _) => {
            vec![Err(chaos.error(Op::ReadChunk, kind))]
        }
    };
    stream::iter(items)
}

impl Backend for ChaosBackend {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> CapabilitySet {
        self.inner.capabilities()
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(self.torn_read(path, options))
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        Box::pin(async move {
            let inner = self.inner.open_write(path, options);
            let sink: Box<dyn WriteSink> = Box::new(ChaosSink {
                inner: self.chaos.around(Op::OpenWrite, inner).await?,
                chaos: self.chaos.clone(),
            });
            Ok(sink)
        })
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        Box::pin(self.chaos.around(Op::Stat, self.inner.stat(path)))
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        let chaos = self.chaos.clone();
        let batches = self.inner.list(path, options);
        Box::pin(batches.and_then(move |batch| {
            let chaos = chaos.clone();
            async move { chaos.around(Op::List, std::future::ready(Ok(batch))).await }
        }))
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.chaos.around(Op::Delete, self.inner.delete(path)))
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        let inner = self.inner.delete_folder(path, recursive);
        Box::pin(self.chaos.around(Op::DeleteFolder, inner))
    }

    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        let inner = self.inner.copy_file(from, to, overwrite);
        Box::pin(self.chaos.around(Op::Copy, inner))
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        let inner = self.inner.move_file(from, to, overwrite);
        Box::pin(self.chaos.around(Op::Move, inner))
    }

    fn native_path(&self, path: &StorePath) -> String {
        self.inner.native_path(path)
    }

    fn path_of_native(&self, native: &str) -> Option<StorePath> {
        self.inner.path_of_native(native)
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.chaos.around(Op::Ping, self.inner.ping()))
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.close()
    }
}

struct ChaosSink {
    inner: Box<dyn WriteSink>,
    chaos: ChaosHandle,
}

impl WriteSink for ChaosSink {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            match self.chaos.draw(Op::Write) {
                None => self.inner.write(chunk).await,
                Some(Fault::Delay(delay)) => {
                    tokio::time::sleep(delay).await;
                    self.inner.write(chunk).await
                }
                Some(Fault::Fail(kind)) => Err(self.chaos.error(Op::Write, kind)),
                Some(Fault::LoseAnswer(kind)) => {
                    self.inner.write(chunk).await?;
                    Err(self.chaos.error(Op::Write, kind))
                }
                Some(Fault::Tear(kind)) => {
                    self.inner.write(chunk.slice(..chunk.len() / 2)).await?;
                    Err(self.chaos.error(Op::Write, kind))
                }
            }
        })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>> {
        Box::pin(async move {
            let Self { inner, chaos } = *self;
            chaos.around(Op::Finish, inner.finish()).await
        })
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        self.inner.abort()
    }
}
