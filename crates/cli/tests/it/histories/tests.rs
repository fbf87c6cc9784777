//! The checker itself: what it must refuse.

use std::time::{Duration, Instant};

use super::LEASE;
use super::model::{Act, Loss, Op, Saw, is_linearizable};
use super::record::{Entry, history};

/// Makes entries out of what happened from one tenth of a second to another; an answer at 0 never came.
fn entries(all: &[(u64, u64, Act, Saw)]) -> Vec<Entry> {
    // Long enough ago that what is pending can have happened.
    let start = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    let at = |tenths: u64| start + Duration::from_millis(tenths * 100);
    (0..)
        .zip(all)
        .map(|(id, (called, answered, act, saw))| Entry {
            op: Op { id, act: *act, saw: *saw },
            called: at(*called),
            answered: (*answered > 0).then(|| at(*answered)),
        })
        .collect()
}

fn accepts(all: &[(u64, u64, Act, Saw)]) -> bool {
    is_linearizable(history(&entries(all), LEASE))
}

use Act::{Acquire, Break, Read, Release, Renew, Write};
use Loss::{Broken, Expired, Released, Superseded};
use Saw::{Content, Done, Fence, Locked, Lost, Nothing};

#[test]
fn the_checker_takes_what_a_file_may_do() {
    assert!(accepts(&[
        (1, 2, Acquire, Fence(1)),
        (3, 4, Acquire, Locked),
        (5, 6, Write(Some(0)), Fence(1)),
        (7, 8, Write(None), Locked),
        (9, 10, Release(0), Done),
        (11, 12, Release(0), Done),
        (13, 14, Acquire, Fence(2)),
        (15, 16, Write(Some(0)), Lost(Released)),
        (17, 18, Break(6), Done),
        (19, 20, Renew(6), Lost(Broken)),
        (21, 22, Write(None), Fence(3)),
        (23, 24, Read, Content(Some(10))),
        (25, 26, Acquire, Fence(4)),
        // Five seconds later its lease is over.
        (77, 78, Write(Some(12)), Lost(Expired)),
        // Nobody else has it yet, so that it can still be broken.
        (79, 80, Break(12), Done),
        (81, 82, Break(12), Done),
        (83, 84, Acquire, Fence(6)),
    ]));
    // A body that came slowly has renewed the lease.
    let write = (20, 40, Write(Some(0)), Fence(1));
    assert!(accepts(&[(1, 2, Acquire, Fence(1)), write, (60, 61, Renew(0), Fence(1))]));
    assert!(accepts(&[(1, 2, Acquire, Fence(1)), write, (60, 61, Renew(0), Lost(Expired))]));
    // At the same time, in either order.
    for (first, second) in [(Fence(1), Locked), (Locked, Fence(1))] {
        assert!(accepts(&[(1, 5, Acquire, first), (2, 4, Acquire, second)]));
    }
}

#[test]
fn what_was_not_answered_may_have_happened_or_not_or_later() {
    let lost = (1, 0, Acquire, Nothing);
    assert!(accepts(&[lost, (3, 4, Acquire, Fence(1))]), "never, or at the end");
    assert!(accepts(&[lost, (3, 4, Acquire, Locked), (70, 71, Acquire, Fence(2))]), "at once");
    assert!(
        accepts(&[lost, (3, 4, Acquire, Fence(1)), (5, 6, Release(1), Done), (7, 8, Acquire, Locked)]),
        "late"
    );
    assert!(!accepts(&[lost, (3, 4, Acquire, Fence(3))]), "but not twice");
    assert!(!accepts(&[lost, (3, 4, Acquire, Fence(2))]), "and its lease lasts");
    let write = (1, 0, Write(None), Nothing);
    assert!(accepts(&[write, (3, 4, Read, Content(None)), (5, 6, Read, Content(Some(0)))]));
    assert!(!accepts(&[write, (3, 4, Read, Content(Some(0))), (5, 6, Read, Content(None))]));
}

#[test]
fn the_checker_refuses_two_holders() {
    let first = (1, 2, Acquire, Fence(1));
    assert!(!accepts(&[first, (3, 4, Acquire, Fence(2))]));
    assert!(!accepts(&[(1, 5, Acquire, Fence(1)), (2, 4, Acquire, Fence(1))]), "nor at the same time");
    assert!(!accepts(&[first, (40, 41, Acquire, Fence(2))]), "nor before the lease is over");
    assert!(accepts(&[first, (53, 54, Acquire, Fence(2))]));
    assert!(
        !accepts(&[first, (30, 31, Renew(0), Fence(1)), (53, 54, Acquire, Fence(2))]),
        "which was renewed"
    );
    assert!(!accepts(&[first, (60, 61, Renew(0), Fence(1))]), "which lasts no longer than its time");
}

#[test]
fn the_checker_refuses_what_comes_late() {
    let over = [(1, 2, Acquire, Fence(1)), (60, 61, Acquire, Fence(2))];
    let and = |more| accepts(&[over[0], over[1], more]);
    assert!(and((62, 63, Write(Some(0)), Lost(Superseded))));
    assert!(!and((62, 63, Write(Some(0)), Lost(Expired))), "for that reason");
    assert!(!and((62, 63, Write(Some(0)), Fence(1))), "under its own fence");
    assert!(!and((62, 63, Write(Some(0)), Fence(2))), "or under the next one's");
    assert!(!and((62, 63, Renew(0), Fence(1))));
    assert!(!and((62, 63, Release(0), Done)));
    assert!(!accepts(&[over[0], (3, 4, Break(0), Done), (5, 6, Write(Some(0)), Fence(2))]), "after a break");
    assert!(!accepts(&[over[0], (60, 61, Write(Some(0)), Fence(1))]), "after the lease, though nobody came");
}

#[test]
fn the_checker_refuses_a_fence_that_goes_back_or_stands() {
    let broken = [(1, 2, Acquire, Fence(1)), (3, 4, Break(0), Done)];
    assert!(accepts(&[broken[0], broken[1], (5, 6, Acquire, Fence(3))]));
    assert!(!accepts(&[broken[0], broken[1], (5, 6, Acquire, Fence(2))]));
    assert!(!accepts(&[broken[0], broken[1], (5, 6, Acquire, Fence(1))]));
}

#[test]
fn the_checker_refuses_a_write_that_is_lost_or_let_in() {
    let locked = [(1, 2, Acquire, Fence(1)), (3, 4, Write(Some(0)), Fence(1))];
    assert!(!accepts(&[locked[0], locked[1], (5, 6, Read, Content(None))]), "lost");
    assert!(!accepts(&[locked[0], locked[1], (5, 6, Write(None), Fence(1))]), "let in without a token");
    assert!(
        !accepts(&[locked[0], (5, 6, Write(None), Locked), (7, 8, Read, Content(Some(1)))]),
        "refused, and done"
    );
}
