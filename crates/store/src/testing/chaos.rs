//! A store that fails, waits and tears on demand, or by a seed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::backend::{Backend, BoxFuture, WriteSink};
use crate::error::{Error, ErrorKind, Result};
pub use crate::layer::Op;
use crate::layer::{Layer, Opened};
use crate::path::StorePath;
use crate::read::Read;
use crate::store::Store;

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
        let handle = ChaosHandle(Arc::default());
        (store.layered(handle.clone()), handle)
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
    kinds: &'static [ErrorKind],
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
        self.random(
            seed,
            per_mille,
            &[ErrorKind::StorageFull, ErrorKind::Internal, ErrorKind::Unavailable, ErrorKind::Unavailable],
        );
    }

    /// As [`fail_by_seed`](Self::fail_by_seed), with failures that pass by themselves alone.
    pub fn disturb_by_seed(&self, seed: u64, per_mille: u16) {
        self.random(seed, per_mille, &[ErrorKind::Unavailable]);
    }

    fn random(&self, seed: u64, per_mille: u16, kinds: &'static [ErrorKind]) {
        self.state().random = Some(Random { seed, state: seed, per_mille: per_mille.into(), kinds });
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
        // The remainder always fits, and there are some.
        let kind = random.kinds[(random.next() % random.kinds.len() as u64) as usize];
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

impl Layer for ChaosHandle {
    fn step<'a, T: Send + 'a>(
        &'a self,
        op: Op,
        _: &'a StorePath,
        step: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        Box::pin(self.around(op, step))
    }

    fn stream(self: &Arc<Self>, _: &Arc<dyn Backend>, _: Opened, read: Read) -> Read {
        let (info, range) = (read.info().clone(), read.range());
        let chaos = Arc::clone(self);
        let chunks = read.then(move |chunk| {
            let chaos = Arc::clone(&chaos);
            async move { torn_chunk(&chaos, chunk).await }
        });
        Read::new(info, range, chunks.flatten())
    }

    fn write<'a>(
        &'a self,
        _: &'a StorePath,
        sink: &'a mut Box<dyn WriteSink>,
        chunk: Bytes,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match self.draw(Op::Write) {
                None => sink.write(chunk).await,
                Some(Fault::Delay(delay)) => {
                    tokio::time::sleep(delay).await;
                    sink.write(chunk).await
                }
                Some(Fault::Fail(kind)) => Err(self.error(Op::Write, kind)),
                Some(Fault::LoseAnswer(kind)) => {
                    sink.write(chunk).await?;
                    Err(self.error(Op::Write, kind))
                }
                Some(Fault::Tear(kind)) => {
                    sink.write(chunk.slice(..chunk.len() / 2)).await?;
                    Err(self.error(Op::Write, kind))
                }
            }
        })
    }
}
