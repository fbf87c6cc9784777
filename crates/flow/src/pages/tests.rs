use std::cell::{Cell, RefCell};
use std::future::ready;

use futures_util::{FutureExt as _, StreamExt, TryStreamExt};
use proptest::prelude::*;

use super::{PageError, pages};

type Read = Result<(Vec<u32>, Option<u32>), &'static str>;

#[tokio::test]
async fn empty_pages_are_passed_over() {
    let read = |cursor: u32| {
        let items = if cursor.is_multiple_of(2) { vec![cursor] } else { Vec::new() };
        ready(Read::Ok((items, (cursor < 5).then_some(cursor + 1))))
    };
    let all: Vec<_> = pages(0, read).try_collect().await.unwrap();
    assert_eq!(all, [0, 2, 4]);
}

#[tokio::test]
async fn an_error_comes_after_what_was_read_and_ends_it() {
    for ahead in [false, true] {
        let reads = Cell::new(0);
        let read = |cursor: u32| {
            reads.set(reads.get() + 1);
            ready(if cursor == 1 { Err("gone") } else { Ok((vec![7, 8], Some(1))) })
        };
        let list = pages(0, read);
        let list = if ahead { list.read_ahead() } else { list };
        let all: Vec<_> = list.collect().await;
        assert_eq!(all, [Ok(7), Ok(8), Err(PageError::Read("gone"))]);
        assert_eq!(reads.get(), 2);
    }
}

#[tokio::test]
async fn one_page_is_read_ahead_and_only_when_asked_for() {
    for ahead in [false, true] {
        let reads = RefCell::new(Vec::new());
        let read = |cursor: u32| {
            reads.borrow_mut().push(cursor);
            ready(Read::Ok((vec![0, 1, 2], Some(cursor + 1))))
        };
        let list = pages(0, read);
        let mut list = if ahead { list.read_ahead() } else { list };
        assert!(reads.borrow().is_empty());
        for _ in 0..3 {
            list.next().await.unwrap().unwrap();
        }
        assert_eq!(*reads.borrow(), if ahead { vec![0, 1] } else { vec![0] });
        list.next().await.unwrap().unwrap();
        assert_eq!(*reads.borrow(), if ahead { vec![0, 1, 2] } else { vec![0, 1] });
    }
}

#[tokio::test]
async fn what_is_being_read_ahead_holds_up_no_item() {
    let read = |cursor: u32| async move {
        if cursor == 1 {
            std::future::pending::<()>().await;
        }
        Read::Ok((vec![0, 1], Some(cursor + 1)))
    };
    let mut list = pages(0, read).read_ahead();
    assert_eq!(list.next().await, Some(Ok(0)));
    assert_eq!(list.next().await, Some(Ok(1)));
    assert!(list.next().now_or_never().is_none());
}

proptest! {
    #[test]
    fn a_ring_of_pages_ends_in_an_error(before in 0_u32..40, ring in 1_u32..40, ahead: bool) {
        let read = |cursor: u32| {
            let next = if cursor + 1 < before + ring { cursor + 1 } else { before };
            ready(Read::Ok((vec![cursor], Some(next))))
        };
        let list = pages(0, read);
        let list = if ahead { list.read_ahead() } else { list };
        let most = 4 * (before + ring) as usize + 2;
        let all: Vec<_> = list.take(most).collect().now_or_never().unwrap();
        prop_assert_eq!(all.last(), Some(&Err(PageError::Repeated)));
        let whole = (0..before + ring).map(Ok);
        prop_assert!(all.into_iter().zip(whole).all(|(item, expected)| item == expected));
    }
}
