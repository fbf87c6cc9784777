use std::future::pending;
use std::sync::Arc;

use super::{Cancel, Cancelled};
use crate::Tasks;

#[tokio::test]
async fn the_word_goes_down_the_tree_and_not_up() {
    let root = Cancel::new();
    let (left, right) = (root.child(), root.child());
    let leaf = left.child();
    left.cancel();
    assert!(leaf.is_cancelled() && !right.is_cancelled() && !root.is_cancelled());
    root.clone().cancel();
    right.cancelled().await;
}

#[tokio::test]
async fn what_is_cancelled_leaves_nothing_behind() {
    let (cancel, tasks, held) = (Cancel::new(), Tasks::new(), Arc::new(()));
    for _ in 0..10 {
        let (cancel, held) = (cancel.child(), held.clone());
        drop(tasks.spawn(async move {
            let ended = cancel
                .run(async move {
                    let _held = held;
                    pending::<()>().await;
                })
                .await;
            assert_eq!(ended, Err(Cancelled));
        }));
    }
    tokio::task::yield_now().await;
    cancel.cancel();
    tasks.close().await;
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn what_comes_too_late_is_not_begun() {
    let cancel = Cancel::new();
    assert_eq!(cancel.run(async { 7 }).await, Ok(7));
    drop(cancel.clone().on_drop());
    assert_eq!(cancel.run(async { panic!("begun") }).await, Err::<(), _>(Cancelled));
}
