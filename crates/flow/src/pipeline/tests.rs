use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use proptest::prelude::*;

use super::{Checkpoint, CheckpointError, Failure, Outcome, Pipeline, RunError};

const MILLI: Duration = Duration::from_millis(1);

type Ok<T> = Result<T, Infallible>;

fn keyed(numbers: impl IntoIterator<Item = u32>) -> Vec<(String, u32)> {
    numbers.into_iter().map(|number| (number.to_string(), number)).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

/// Counts how many hold it, and the most that ever did.
#[derive(Clone, Default)]
struct Gauge(Arc<(AtomicUsize, AtomicUsize)>);

impl Gauge {
    async fn hold(&self, time: Duration) {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(time).await;
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn each_step_keeps_its_own_concurrency() {
    let (fetches, parses) = (Gauge::default(), Gauge::default());
    let (fetch, parse) = (fetches.clone(), parses.clone());
    let run = Pipeline::new("test")
        .step("fetch", 7, move |number: u32| {
            let gauge = fetch.clone();
            async move {
                gauge.hold(10 * MILLI).await;
                Ok::<_, Infallible>(u64::from(number))
            }
        })
        .step("parse", 3, move |number: u64| {
            let gauge = parse.clone();
            async move {
                gauge.hold(20 * MILLI).await;
                Ok::<_, Infallible>(number.to_string())
            }
        })
        .run(stream::iter(keyed(0..100)));
    let progress = run.progress();
    let outcomes: Vec<_> = run.collect().await;
    let items: BTreeSet<_> = outcomes
        .into_iter()
        .map(|outcome| match outcome.unwrap() {
            Outcome::Done { key, item } if key == item => key,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(items.len(), 100);
    assert_eq!((fetches.most(), parses.most()), (7, 3));
    let progress = progress.borrow();
    assert_eq!((progress.read, progress.skipped), (100, 0));
    for step in &progress.steps {
        assert_eq!((step.started, step.done, step.failed, step.in_flight()), (100, 100, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_stands_still_holds_up_the_source() {
    let read = Arc::new(AtomicUsize::new(0));
    let count = read.clone();
    let source = stream::iter(keyed(0..1_000)).inspect(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let held = Arc::new(());
    let holds = held.clone();
    let mut run = Pipeline::new("test")
        .step("quick", 4, async |number: u32| Ok::<_, Infallible>(number))
        .step("stuck", 2, move |_: u32| {
            let held = holds.clone();
            async move {
                let _held = held;
                pending::<Ok<()>>().await
            }
        })
        .run(source);
    let waited = tokio::time::timeout(Duration::from_hours(1), run.next()).await;
    assert!(waited.is_err());
    // As many as the steps work on and as many before each, and one before them.
    assert!((6..=13).contains(&read.load(Ordering::SeqCst)), "{read:?}");
    assert_eq!(run.progress().borrow().steps[1].in_flight(), 2);
    drop(run);
    // Each task gets its turn, and finds that it is over.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(Arc::strong_count(&held), 1, "dropping ended all");
}

#[tokio::test]
async fn nothing_is_read_before_it_is_polled() {
    let source = stream::iter(keyed(0..3)).inspect(|_| panic!("read"));
    drop(Pipeline::new("test").run(source));
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_told_with_its_key_and_step_and_the_rest_goes_on() {
    let run = Pipeline::new("test")
        .step("odd", 3, async |number: u32| if number == 3 { Err("three") } else { Ok(number) })
        .step("even", 3, async |number: u32| {
            assert!(number != 6, "on purpose");
            if number == 8 { Err("eight".to_owned()) } else { Ok(number) }
        })
        .ordered()
        .run(stream::iter(keyed(0..10)));
    let progress = run.progress();
    let told: Vec<_> = run
        .map(|outcome| match outcome.unwrap() {
            Outcome::Done { key, .. } => key,
            Outcome::Failed(failure) => failure.to_string(),
        })
        .collect()
        .await;
    let eight = ["0", "1", "2", "3: odd: three", "4", "5", "6: even: it panicked: on purpose", "7"];
    assert_eq!(told[..8], eight);
    assert_eq!(told[8..], ["8: even: eight", "9"]);
    let counts: Vec<_> = progress.borrow().steps.iter().map(|step| (step.done, step.failed)).collect();
    assert_eq!(counts, [(9, 1), (7, 2)]);
}

#[tokio::test]
async fn a_source_that_panics_is_no_end() {
    let source = stream::iter(keyed(0..5)).inspect(|(_, number)| assert!(*number < 3, "on purpose"));
    let outcomes: Vec<_> = Pipeline::new("test")
        .step("one", 1, async |number: u32| Ok::<_, Infallible>(number))
        .run(source)
        .collect()
        .await;
    assert_eq!(outcomes.len(), 4);
    assert!(matches!(&outcomes[3], Err(RunError::Source(message)) if message == "on purpose"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_is_kept_where_it_is_asked_for(
        pauses in prop::collection::vec(0_u32..50, 0..80), first in 1_usize..6, second in 1_usize..6,
    ) {
        let numbers = pauses.iter().copied().enumerate().map(|(place, pause)| (place.to_string(), pause));
        let source = stream::iter(numbers.collect::<Vec<_>>());
        let keys = block_on(async {
            let sleep = async |pause: u32| {
                tokio::time::sleep(MILLI * pause).await;
                if pause.is_multiple_of(5) { Err("five") } else { Ok(pause) }
            };
            let run = Pipeline::new("test").step("first", first, sleep).step("second", second, sleep).ordered().run(source);
            run.map(|outcome| match outcome.unwrap() {
                Outcome::Done { key, .. } | Outcome::Failed(Failure { key, .. }) => key,
            })
            .collect::<Vec<_>>()
            .await
        });
        prop_assert_eq!(keys, (0..pauses.len()).map(|place| place.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn a_second_run_does_what_the_first_has_not(
        keys in prop::collection::btree_set("[a\\\\\n\ré]{0,4}", 0..40),
        fails in prop::collection::vec(any::<bool>(), 40),
        taken in 0_usize..50,
        group in 1_usize..6,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let items: Vec<_> = keys.iter().cloned().zip(fails).collect();
        let source = stream::iter(items.clone());
        let (begun, again, third) = block_on(async {
            // Some of it, then stopped: what was asked past is done.
            let mut first = pipeline(&path, group, false).run(source.clone());
            let mut begun = Vec::new();
            for _ in 0..taken {
                let Some(outcome) = first.next().await.unwrap() else { break };
                begun.push(outcome);
            }
            first.stop().await;
            let again = pipeline(&path, group, true).run(source.clone()).map(done).collect::<BTreeSet<_>>().await;
            let third = pipeline(&path, group, true).run(source).collect::<Vec<_>>().await;
            (begun, again, third)
        });
        let all_taken = begun.len() < taken;
        let mut done: Vec<_> = begun
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Done { key, .. } => Some(key),
                Outcome::Failed(_) => None,
            })
            .collect();
        if !all_taken {
            // Nobody asked for the one after it.
            done.pop();
        }
        let done: BTreeSet<_> = done.into_iter().flatten().collect();
        prop_assert_eq!(again, keys.difference(&done).cloned().collect::<BTreeSet<_>>());
        prop_assert!(third.is_empty());
    }
}

/// A pipeline over items that say whether they fail; with `mended` none does.
fn pipeline(path: &Path, group: usize, mended: bool) -> Pipeline<bool, ()> {
    Pipeline::new("a\nname")
        .step(
            "try",
            1,
            move |fails: bool| async move { if fails && !mended { Err("failed") } else { Ok(()) } },
        )
        .ordered()
        .checkpoint(Checkpoint::new(path).group(group, MILLI))
}

fn done(outcome: Result<Outcome<()>, RunError>) -> String {
    match outcome.unwrap() {
        Outcome::Done { key, .. } => key,
        Outcome::Failed(failure) => panic!("{failure}"),
    }
}

#[test]
fn a_file_that_was_cut_anywhere_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let keys = ["one", "two\nlines", "back\\slash", "ü", ""];
    let source = keys.map(|key| (key.to_owned(), false));
    block_on(pipeline(&whole, 2, true).run(stream::iter(source.clone())).collect::<Vec<_>>());
    let content = std::fs::read(&whole).unwrap();
    for length in 0..=content.len() {
        std::fs::write(&cut, &content[..length]).unwrap();
        let lines = content[..length].iter().filter(|byte| **byte == b'\n').count();
        // A run with nothing to do leaves whole lines alone, the header at least.
        block_on(pipeline(&cut, 2, true).run(stream::empty()).collect::<Vec<_>>());
        let whole: Vec<u8> =
            content.split_inclusive(|byte| *byte == b'\n').take(lines.max(1)).flatten().copied().collect();
        assert_eq!(std::fs::read(&cut).unwrap(), whole);
        let left: Vec<_> =
            block_on(pipeline(&cut, 2, true).run(stream::iter(source.clone())).map(done).collect());
        assert_eq!(left, keys[lines.saturating_sub(1)..], "cut to {length} bytes");
        assert_eq!(std::fs::read(&cut).unwrap(), content);
    }
}

#[tokio::test]
async fn a_file_of_others_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    for content in ["longshore-pipeline 1 other\nkey\n", "a letter", "longshore-pipeline 2 a\\nname\n"] {
        std::fs::write(&path, content).unwrap();
        let error =
            pipeline(&path, 1, true).run(stream::iter([(String::new(), false)])).next().await.unwrap_err();
        assert!(matches!(error, RunError::Checkpoint(CheckpointError::Foreign { .. })), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    // It would be read without end.
    let zeros = pipeline(Path::new("/dev/zero"), 1, true).run(stream::empty()).next().await.unwrap_err();
    assert!(matches!(zeros, RunError::Checkpoint(CheckpointError::Foreign { .. })), "{zeros}");
    let error = pipeline(folder.path(), 1, true).run(stream::empty()).next().await.unwrap_err();
    assert!(matches!(error, RunError::Checkpoint(CheckpointError::Io { .. })), "{error}");
}

#[tokio::test]
async fn two_runs_do_not_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let source = || stream::iter([("a".to_owned(), false), ("b".to_owned(), false)]);
    let mut first = pipeline(&path, 1, true).run(source());
    assert!(first.next().await.unwrap().is_some());
    let error = pipeline(&path, 1, true).run(source()).next().await.unwrap_err();
    assert!(matches!(error, RunError::Checkpoint(CheckpointError::InUse { .. })), "{error}");
    first.stop().await;
    assert!(pipeline(&path, 1, true).run(source()).next().await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_stays_small_is_written_after_its_pause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let source = stream::iter([("a".to_owned(), false)]).chain(stream::once(pending()));
    let mut run = pipeline(&path, 1_000, true).run(source);
    assert!(run.next().await.unwrap().is_some());
    // Asked for the next, which never comes, the first is done; an hour is past the pause.
    assert!(tokio::time::timeout(Duration::from_hours(1), run.next()).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "longshore-pipeline 1 a\\nname\na\n");
}
