use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use longshore_core::{Timestamp, WorkspaceId};
use proptest::prelude::*;
use tokio::sync::mpsc::{self, UnboundedSender};

use super::{Grouping, Schedule, Work};
use crate::transfer::control::Control;
use crate::transfer::plan::{AHEAD, GROUPS_AT_ONCE, group_is_full, is_small};

/// A file: its length, and which workspace it goes to.
#[derive(Clone, Debug)]
struct File {
    length: u64,
    workspace: u8,
    unsure: bool,
    same: bool,
    /// Whether it is not there yet when it is asked for.
    late: bool,
}

#[derive(Default)]
struct Counted {
    running: AtomicUsize,
    most: AtomicUsize,
    groups: AtomicUsize,
    most_groups: AtomicUsize,
}

/// Work that only counts.
struct Counting(Arc<Counted>);

impl Counted {
    async fn step(&self) {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn id(workspace: u8) -> WorkspaceId {
    static IDS: std::sync::OnceLock<Vec<WorkspaceId>> = std::sync::OnceLock::new();
    let make = || (0..4).map(|_| WorkspaceId::new(Timestamp::from_micros(1))).collect();
    IDS.get_or_init(make)[usize::from(workspace)]
}

impl Work for Counting {
    type Given = File;
    type Item = (usize, File);
    type Outcome = usize;

    fn held(_: &File) -> u64 {
        0
    }

    fn look(&self, given: Vec<(usize, File)>) -> Vec<(usize, File)> {
        assert!(given.len() <= AHEAD);
        given
    }

    fn is_unsure(&self, (_, file): &(usize, File)) -> bool {
        file.unsure
    }

    fn check(self: Arc<Self>, item: (usize, File)) -> BoxFuture<'static, Result<usize, (usize, File)>> {
        async move {
            self.0.step().await;
            if item.1.same { Ok(item.0) } else { Err(item) }
        }
        .boxed()
    }

    fn grouping(&self, (_, file): &(usize, File)) -> Option<Grouping> {
        let grouping = Grouping { workspace: Some(id(file.workspace)), bytes: file.length };
        is_small(file.length).then_some(grouping)
    }

    fn alone(self: Arc<Self>, item: (usize, File)) -> BoxFuture<'static, usize> {
        async move {
            self.0.step().await;
            item.0
        }
        .boxed()
    }

    fn together(
        self: Arc<Self>,
        workspace: Option<WorkspaceId>,
        items: Vec<(usize, File)>,
        outcomes: UnboundedSender<usize>,
    ) -> BoxFuture<'static, ()> {
        async move {
            assert!(items.len() > 1);
            assert!(items.iter().all(|(_, file)| workspace == Some(id(file.workspace))));
            let before: u64 = items[1..].iter().map(|(_, file)| file.length).sum();
            assert!(!group_is_full(items.len() - 1, before), "a full group takes no more");
            let groups = self.0.groups.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most_groups.fetch_max(groups, Ordering::SeqCst);
            self.0.step().await;
            self.0.groups.fetch_sub(1, Ordering::SeqCst);
            for (place, _) in items {
                outcomes.send(place).unwrap();
            }
        }
        .boxed()
    }
}

fn file() -> impl Strategy<Value = File> {
    let length = prop_oneof![4 => 0..200_000_u64, 1 => Just(131_072), 1 => Just(131_073)];
    let late = prop_oneof![20 => Just(false), 1 => Just(true)];
    let parts = (length, 0..2_u8, any::<bool>(), any::<bool>(), late);
    parts.prop_map(|(length, workspace, unsure, same, late)| File { length, workspace, unsure, same, late })
}

/// Runs all and returns the places in the order they ended.
async fn run(files: Vec<File>, limit: usize, control: Control, counted: &Arc<Counted>) -> Vec<usize> {
    let (sender, mut outcomes) = mpsc::unbounded_channel();
    let work = Counting(Arc::clone(counted));
    let files = stream::iter(files).then(async |file| {
        if file.late {
            tokio::task::yield_now().await;
        }
        file
    });
    Schedule::new(work, files, limit, control, sender).run().await;
    let mut places = Vec::new();
    while let Some(place) = outcomes.recv().await {
        places.push(place);
    }
    places
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn all_move_once_and_never_more_at_once_than_the_limit(
        files in proptest::collection::vec(file(), 0..1_500), limit in 0..8_usize,
    ) {
        let (count, counted) = (files.len(), Arc::new(Counted::default()));
        let places = block_on(run(files, limit, Control::new(), &counted));
        prop_assert_eq!(places.len(), count);
        prop_assert_eq!(places.into_iter().collect::<HashSet<_>>().len(), count);
        prop_assert!(counted.most.load(Ordering::SeqCst) <= limit.max(1));
        prop_assert!(counted.most_groups.load(Ordering::SeqCst) <= GROUPS_AT_ONCE);
    }
}

#[tokio::test]
async fn what_was_not_begun_has_no_outcome_once_all_is_cancelled() {
    let control = Control::new();
    control.cancel();
    let small = File { length: 1, workspace: 0, unsure: false, same: false, late: false };
    let places = run(vec![small; 10], 2, control, &Arc::default()).await;
    assert!(places.is_empty());
}
