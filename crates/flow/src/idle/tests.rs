use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, advance};

use super::{Idle, Moved};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn it_runs_out_when_nothing_has_moved_for_the_limit() {
    let start = Instant::now();
    let mut idle = Idle::new(10 * SECOND, None);
    advance(6 * SECOND).await;
    idle.touch();
    poll_fn(|cx| idle.poll_expired(cx)).await;
    assert_eq!(start.elapsed().as_secs(), 16);
    assert_eq!(idle.limit(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_moves_elsewhere_counts_while_it_waits() {
    let start = Instant::now();
    let moved = Arc::new(Moved::new());
    let mut idle = Idle::new(10 * SECOND, Some(moved.clone()));
    tokio::join!(poll_fn(|cx| idle.poll_expired(cx)), async {
        for _ in 0..5 {
            tokio::time::sleep(9 * SECOND).await;
            moved.touch();
        }
    });
    assert_eq!(start.elapsed().as_secs(), 55);
}

#[tokio::test(start_paused = true)]
async fn no_limit_is_too_long() {
    let mut idle = Idle::new(Duration::MAX, None);
    assert!(poll_fn(|cx| std::task::Poll::Ready(idle.poll_expired(cx))).await.is_pending());
}
