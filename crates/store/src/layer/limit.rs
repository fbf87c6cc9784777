//! So many steps at once, and no more.

use tokio::sync::Semaphore;

use super::{Layer, Op};
use crate::backend::BoxFuture;
use crate::error::Result;
use crate::path::StorePath;
use crate::store::Store;

#[derive(Debug)]
struct Limit(Semaphore);

impl Store {
    /// Returns this store with at most so many steps under way at once (0 counts as 1); others wait their turn, in the
    /// order in which they came. A step is one verb, or one chunk of an open file.
    #[must_use]
    pub fn with_limit(self, at_once: usize) -> Self {
        self.layered(Limit(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS))))
    }
}

impl Layer for Limit {
    fn step<'a, T: Send + 'a>(
        &'a self,
        _: Op,
        _: &'a StorePath,
        step: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            // Nobody closes it, so waiting does not fail.
            let _turn = self.0.acquire().await.ok();
            step.await
        })
    }
}
