use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;

use super::{Failure, NotTaken, Queue};

#[tokio::test(start_paused = true)]
async fn all_is_handled_by_so_many_and_failures_come_back() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let queue = Queue::new(3, 5, move |number: u32| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(u64::from(number % 7))).await;
            now.fetch_sub(1, Ordering::SeqCst);
            match number {
                4 | 40 => Err(number),
                20 => panic!("on purpose"),
                _ => Ok(()),
            }
        }
    });
    for number in 0..100 {
        queue.push(number).await.unwrap();
    }
    let failures = queue.drain().await;
    let expected = [Failure::Failed(4), Failure::Panicked("on purpose".into()), Failure::Failed(40)];
    assert_eq!(failures, expected);
    assert_eq!(seen.load(Ordering::SeqCst), 3);
    assert_eq!(queue.push(1).await, Err(NotTaken::Closed(1)));
    assert_eq!(queue.try_push(1), Err(NotTaken::Closed(1)));
    assert!(queue.drain().await.is_empty());
}

#[tokio::test]
async fn a_full_queue_waits_and_who_gives_up_pushed_nothing() {
    let go = Arc::new(Semaphore::new(0));
    let handled = Arc::new(AtomicUsize::new(0));
    let (gate, count) = (go.clone(), handled.clone());
    let queue = Queue::new(1, 2, move |_: u32| {
        let (gate, count) = (gate.clone(), count.clone());
        async move {
            gate.acquire().await.map_err(|_| ())?.forget();
            count.fetch_add(1, Ordering::SeqCst);
            Ok::<_, ()>(())
        }
    });
    queue.push(1).await.unwrap();
    // The worker takes the first, so that two wait.
    while queue.try_push(2).is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue.try_push(3), Err(NotTaken::Full(3)));
    assert!(queue.push(4).now_or_never().is_none());
    go.add_permits(10);
    queue.drain().await;
    assert_eq!(handled.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn stopping_drops_what_runs_and_what_waits() {
    let held = Arc::new(());
    let queue = Queue::new(2, 10, |held: Arc<()>| async move {
        let _held = held;
        pending::<Result<(), ()>>().await
    });
    for _ in 0..6 {
        queue.push(held.clone()).await.unwrap();
    }
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&held), 7);
    assert!(queue.stop().await.is_empty());
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(queue.push(held.clone()).await.is_err());
}

#[tokio::test]
async fn dropping_stops() {
    let held = Arc::new(());
    let queue = Queue::new(2, 10, |held: Arc<()>| async move {
        let _held = held;
        pending::<Result<(), ()>>().await
    });
    for _ in 0..6 {
        queue.push(held.clone()).await.unwrap();
    }
    let tasks = queue.tasks.clone();
    drop(queue);
    tasks.close().await;
    assert_eq!(Arc::strong_count(&held), 1);
}
