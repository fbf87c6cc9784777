//! Futures that are dropped on their way.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Polls a future so often, whenever it asks to be, and gives it up unless it is done by then.
pub async fn given_up_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut left = polls;
    let mut future = pin!(future);
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
