use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::{Blocking, Lost};

#[tokio::test]
async fn no_more_run_at_once_than_the_bound() {
    let (place, now, most) = (Blocking::new(3), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let work = (0..40).map(|number| {
        let (now, most) = (now.clone(), most.clone());
        place.run(move || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            number
        })
    });
    let numbers: Vec<_> = join_all(work).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    assert!(most.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn a_panic_is_an_error_and_gives_its_place_back() {
    let place = Blocking::new(1);
    assert_eq!(
        place.run(|| panic!("on {}", "purpose")).await,
        Err::<(), _>(Lost::Panicked("on purpose".into()))
    );
    assert_eq!(place.run(|| 7).await, Ok(7));
}

#[tokio::test]
async fn what_is_dropped_while_it_runs_keeps_its_place_until_it_ends() {
    let place = Blocking::new(1);
    let (begun, has_begun) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let mut first = Box::pin(place.run(move || {
        begun.send(()).unwrap();
        wait.recv().is_ok()
    }));
    assert!(first.as_mut().now_or_never().is_none());
    has_begun.recv().unwrap();
    drop(first);
    let mut dropped = Box::pin(place.run(|| panic!("begun")));
    let mut last = Box::pin(place.run(|| 7));
    assert!(dropped.as_mut().now_or_never().is_none());
    assert!(last.as_mut().now_or_never().is_none());
    assert_eq!(place.room.available_permits(), 0);
    drop(dropped);
    drop(go);
    assert_eq!(last.await, Ok(7));
}
