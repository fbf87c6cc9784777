use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use rustix::io::Errno;

use super::{Flush, lock};

#[test]
fn those_who_come_during_a_flush_share_the_next() {
    let flush = Arc::new(Flush::default());
    let runs = Arc::new(AtomicU64::new(0));
    let begun = Arc::new(Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            flush.share(|| {
                runs.fetch_add(1, Ordering::SeqCst);
                begun.wait();
                // Long enough for the others to come while this one runs.
                std::thread::sleep(Duration::from_millis(100));
                Ok(())
            })
        });
        begun.wait();
        for _ in 0..16 {
            scope.spawn(|| {
                flush.share(|| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
            });
        }
    });
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn a_failed_flush_fails_all_who_waited_for_it() {
    let flush = Arc::new(Flush::default());
    let begun = Arc::new(Barrier::new(2));
    let failed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            flush.share(|| {
                begun.wait();
                std::thread::sleep(Duration::from_millis(100));
                Ok(())
            })
        });
        begun.wait();
        for _ in 0..16 {
            scope.spawn(|| {
                if flush.share(|| Err(Errno::IO)).is_err() {
                    failed.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(failed.load(Ordering::SeqCst), 16);
    assert!(lock(&flush.state).failed.is_some());
    // Who comes later has a flush of their own, which tells of their entries alone.
    assert_eq!(flush.share(|| Ok(())), Ok(()));
}
