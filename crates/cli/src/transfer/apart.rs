//! Items of two kinds out of one stream.

use futures_util::future::Either;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::mpsc;

/// Gives what `kind` puts on the left in one stream, and what it puts on the right in a second, of which so many may wait.
/// Both must be polled: the first goes no further while the second is full.
pub(crate) fn apart<I, T, O>(
    items: impl Stream<Item = I> + Send + 'static,
    waiting: usize,
    kind: impl Fn(I) -> Either<T, O> + Send + 'static,
) -> (impl Stream<Item = T> + Send + 'static, impl Stream<Item = O> + Send + 'static)
where
    I: Send + 'static,
    T: Send + 'static,
    O: Send + 'static,
{
    let (aside, mut others) = mpsc::channel(waiting);
    let taken = items.filter_map(move |item| {
        let (sorted, aside) = (kind(item), aside.clone());
        async move {
            match sorted {
                Either::Left(taken) => Some(taken),
                Either::Right(other) => {
                    // Who drops the others drops this too; nobody else stops listening.
                    drop(aside.send(other).await);
                    None
                }
            }
        }
    });
    (taken, stream::poll_fn(move |cx| others.poll_recv(cx)))
}
