//! Whether a request went over a connection that was made for it, or over one that was kept.
//!
//! The pool does not tell. What makes connections does: a connection that came about while its request was waited for is new.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::{Layer, Service};

tokio::task_local! {
    static IS_NEW: Cell<bool>;
}

/// Waits for a request; tells besides what came of it whether a new connection was made for it.
pub(crate) async fn watch<T>(request: impl Future<Output = T>) -> (T, bool) {
    IS_NEW.scope(Cell::new(false), async { (request.await, IS_NEW.with(Cell::get)) }).await
}

/// Notes each connection that comes about.
#[derive(Clone, Debug)]
pub(crate) struct Noting;

/// What makes connections, noted.
#[derive(Clone, Debug)]
pub(crate) struct Noted<S>(S);

impl<S> Layer<S> for Noting {
    type Service = Noted<S>;

    fn layer(&self, inner: S) -> Noted<S> {
        Noted(inner)
    }
}

impl<S, R> Service<R> for Noted<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, to: R) -> Self::Future {
        let making = self.0.call(to);
        Box::pin(async move {
            let made = making.await;
            // One that goes on in the background is not for the request that began it: that has another by now.
            if made.is_ok() {
                let _in_the_background = IS_NEW.try_with(|is_new| is_new.set(true));
            }
            made
        })
    }
}
