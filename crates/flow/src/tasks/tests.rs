use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Tasks;

#[tokio::test(start_paused = true)]
async fn close_waits_for_all() {
    let tasks = Tasks::new();
    let done = Arc::new(AtomicUsize::new(0));
    for seconds in 1..=5 {
        let done = done.clone();
        tasks.spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            done.fetch_add(1, Ordering::SeqCst);
        });
    }
    assert_eq!(tasks.len(), 5);
    tasks.close().await;
    assert_eq!(done.load(Ordering::SeqCst), 5);
    assert!(tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn abort_ends_what_would_never_end() {
    let tasks = Tasks::new();
    let handle = tasks.spawn(std::future::pending());
    tasks.abort();
    tasks.close().await;
    handle.await.unwrap();
    tasks.spawn(std::future::pending());
    tasks.close().await;
}

#[tokio::test]
async fn a_panic_leaves_the_set_usable() {
    let tasks = Tasks::new();
    let handle = tasks.spawn(async { panic!("on purpose") });
    assert!(handle.await.unwrap_err().is_panic());
    tasks.close().await;
}
