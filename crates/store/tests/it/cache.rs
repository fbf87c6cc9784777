//! The cache: what is kept, and that nothing stale is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use longshore_store::testing::chaos::{Chaos, ChaosHandle};
use longshore_store::{
    ByteRange, CacheOptions, Durability, ErrorKind, List, LocalOptions, Op, ReadOptions, Store, WriteOptions,
};
use tempfile::TempDir;

crate::trials! {
    "cache":
    what_is_kept_is_not_asked_for_again,
    a_change_is_seen_at_once,
    what_is_missing_is_not_kept,
    ranges_are_cut_from_what_is_kept,
    large_files_go_through,
    a_tag_is_honoured,
    a_read_across_a_change_is_not_kept,
    a_listing_across_a_change_is_not_kept,
    many_who_ask_at_once_make_one_request,
    who_gives_up_fetching_holds_up_nobody,
    readers_never_see_less_than_was_acknowledged,
}

crate::paused_trials! {
    "cache":
    what_others_change_is_seen_after_a_while,
    what_was_given_up_is_not_kept_for_a_while,
    slow_readers_never_leave_what_is_stale,
    who_is_not_polled_holds_up_nobody_for_long,
}

/// A store with a cache, what was asked of the storage behind it, and what goes wrong there.
struct Bench {
    store: Store,
    behind: Store,
    asked: Arc<Mutex<Vec<Op>>>,
    chaos: ChaosHandle,
}

impl Bench {
    fn new(options: CacheOptions) -> Self {
        let (behind, chaos) = Chaos::wrap(Store::memory());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&asked);
        let behind = behind.observed(move |step| tell.lock().unwrap().push(step.op));
        Self { store: behind.clone().with_cache(options), behind, asked, chaos }
    }

    /// Returns what was asked since the last time, chunks left out.
    fn asked(&self) -> Vec<Op> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.retain(|op| *op != Op::ReadChunk);
        asked
    }

    async fn put(&self, path: &str, content: &'static str) {
        self.store.write(path, content, WriteOptions::OVERWRITE).await.unwrap();
        self.asked();
    }
}

async fn text(store: &Store, path: &str) -> String {
    store.read_text(path).await.unwrap()
}

async fn files(store: &Store, folder: &str) -> Vec<String> {
    let mut listing = store.list_files(folder, &List::ALL).unwrap();
    let mut found = Vec::new();
    while let Some(file) = listing.next_entry().await.unwrap() {
        found.push(file.path.to_string());
    }
    found.sort();
    found
}

async fn what_is_kept_is_not_asked_for_again() {
    let bench = Bench::new(CacheOptions::default());
    bench.put("a/file", "content").await;
    for _ in 0..3 {
        assert_eq!(text(&bench.store, "a/file").await, "content");
        assert_eq!(bench.store.file_info("a/file").await.unwrap().size, 7);
        assert!(bench.store.exists("a/file").await.unwrap());
        assert_eq!(files(&bench.store, "").await, ["a/file"]);
        // Through a child the same is seen, and the paths are its own.
        let child = bench.store.child("a").unwrap();
        assert_eq!(child.file_info("file").await.unwrap().path.as_str(), "file");
        assert_eq!(text(&child, "file").await, "content");
    }
    assert_eq!(bench.asked(), [Op::Read, Op::Stat, Op::List, Op::List], "the end of a listing is a step");
}

async fn a_change_is_seen_at_once() {
    let bench = Bench::new(CacheOptions::default());
    let store = &bench.store;
    let look = async || {
        let mut seen = Vec::new();
        for path in files(store, "").await {
            let size = store.file_info(&path).await.unwrap().size;
            let content = text(store, &path).await;
            assert_eq!(content.len() as u64, size);
            seen.push(format!("{path}={content}"));
        }
        seen
    };
    bench.put("a/one", "1").await;
    bench.put("b/two", "2").await;
    assert_eq!(look().await, ["a/one=1", "b/two=2"]);
    store.write("a/one", "11", WriteOptions::OVERWRITE).await.unwrap();
    assert_eq!(look().await, ["a/one=11", "b/two=2"]);
    store.copy_file("a/one", "b/two", true).await.unwrap();
    assert_eq!(look().await, ["a/one=11", "b/two=11"]);
    store.move_file("b/two", "b/c/three", false).await.unwrap();
    assert_eq!(look().await, ["a/one=11", "b/c/three=11"]);
    store.child("b/c").unwrap().write("three", "3", WriteOptions::OVERWRITE).await.unwrap();
    assert_eq!(look().await, ["a/one=11", "b/c/three=3"]);
    store.delete("a/one", false).await.unwrap();
    assert_eq!(look().await, ["b/c/three=3"]);
    assert!(!store.exists("a/one").await.unwrap());
    store.delete_folder("b", true, false).await.unwrap();
    assert_eq!(look().await.len(), 0);
    assert_eq!(store.read_bytes("b/c/three").await.unwrap_err().kind(), ErrorKind::NotFound);
    // A writer that is never finished changes nothing, and what is kept stays.
    bench.put("file", "old").await;
    assert_eq!(text(store, "file").await, "old");
    let mut writer = store.open_write("file", WriteOptions::OVERWRITE).await.unwrap();
    writer.write("new").await.unwrap();
    writer.abort().await.unwrap();
    bench.asked();
    assert_eq!(text(store, "file").await, "old");
    assert_eq!(bench.asked(), []);
}

async fn what_is_missing_is_not_kept() {
    let bench = Bench::new(CacheOptions::default());
    for _ in 0..2 {
        assert!(!bench.store.exists("file").await.unwrap());
        assert_eq!(bench.store.read_bytes("file").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(bench.asked(), [Op::Stat, Op::Read, Op::Stat, Op::Read]);
    bench.behind.write("file", "elsewhere", WriteOptions::default()).await.unwrap();
    assert_eq!(text(&bench.store, "file").await, "elsewhere");
    // What is found to be gone is gone for all that was kept of it.
    bench.behind.delete("file", false).await.unwrap();
    assert_eq!(bench.store.file_info("file").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bench.store.read_bytes("file").await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn ranges_are_cut_from_what_is_kept() {
    let bench = Bench::new(CacheOptions::default());
    bench.put("file", "0123456789").await;
    let part = async |range: ByteRange| {
        let read = bench.store.read("file", ReadOptions::range(range)).await.unwrap();
        let told = read.range();
        (told, String::from_utf8(read.bytes().await.unwrap().into()).unwrap())
    };
    assert_eq!(part(ByteRange::Between(2, 4)).await, (2..4, "23".to_owned()), "as it is asked for");
    assert_eq!(part(ByteRange::Last(3)).await, (7..10, "789".to_owned()), "as a whole");
    assert_eq!(bench.asked(), [Op::Read, Op::Read]);
    assert_eq!(part(ByteRange::From(8)).await, (8..10, "89".to_owned()));
    assert_eq!(part(ByteRange::Between(20, 30)).await, (10..10, String::new()));
    assert_eq!(part(ByteRange::All).await.1, "0123456789");
    assert_eq!(bench.asked(), []);
}

async fn large_files_go_through() {
    let bench = Bench::new(CacheOptions { max_file: 4, max_listing: 1, ..CacheOptions::default() });
    bench.put("large", "12345").await;
    bench.put("small", "1234").await;
    for _ in 0..2 {
        assert_eq!(text(&bench.store, "large").await, "12345");
        assert_eq!(text(&bench.store, "small").await, "1234");
        assert_eq!(files(&bench.store, "").await, ["large", "small"]);
        let part = bench.store.read("large", ReadOptions::range(1..3)).await.unwrap();
        assert_eq!(&part.bytes().await.unwrap()[..], b"23");
    }
    let (first, again) =
        ([Op::Read, Op::Read, Op::List, Op::List, Op::Read], [Op::Read, Op::List, Op::List, Op::Read]);
    assert_eq!(bench.asked(), [&first[..], &again[..]].concat());
    // One that has grown elsewhere since it was small.
    bench.store.read("small", ReadOptions::range(0..1)).await.unwrap();
    bench.put("grown", "1").await;
    bench.store.file_info("grown").await.unwrap();
    bench.behind.write("grown", "123456", WriteOptions::OVERWRITE).await.unwrap();
    let part = bench.store.read("grown", ReadOptions::range(4..6)).await.unwrap();
    assert_eq!(&part.bytes().await.unwrap()[..], b"56");
}

async fn a_tag_is_honoured() {
    let bench = Bench::new(CacheOptions::default());
    let read = async |tag: &str| {
        let options = ReadOptions { if_match: Some(tag.to_owned()), ..ReadOptions::default() };
        bench.store.read("file", options).await.map(|read| read.info().size)
    };
    bench.put("file", "1").await;
    let old = bench.store.file_info("file").await.unwrap().etag.unwrap();
    assert_eq!(read(&old).await.unwrap(), 1);
    assert_eq!(read("another").await.unwrap_err().kind(), ErrorKind::PreconditionFailed);
    bench.asked();
    assert_eq!(read(&old).await.unwrap(), 1);
    assert_eq!(bench.asked(), [], "who asks for a wrong tag makes nobody forget");
    let new = bench.behind.write("file", "22", WriteOptions::OVERWRITE).await.unwrap().etag.unwrap();
    assert_eq!(read(&new).await.unwrap(), 2, "what is kept has another tag, so the storage is asked");
    assert_eq!(read(&old).await.unwrap_err().kind(), ErrorKind::PreconditionFailed);
    assert_eq!(bench.store.file_info("file").await.unwrap().size, 2, "and the old is forgotten");
    // A tag that was kept too long is refused once, and not again.
    bench.behind.write("file", "333", WriteOptions::OVERWRITE).await.unwrap();
    bench.store.write("other", "x", WriteOptions::default()).await.unwrap();
    let ranges = [ByteRange::Between(0, 1)];
    assert_eq!(bench.store.read_ranges("file", &ranges).await.unwrap()[0], "2");
}

async fn a_read_across_a_change_is_not_kept() {
    let changes: [fn(&Store) -> futures_util::future::BoxFuture<'_, ()>; 4] = [
        |store| Box::pin(async { drop(store.write("file", "new", WriteOptions::OVERWRITE).await.unwrap()) }),
        |store| Box::pin(async { drop(store.copy_file("other", "file", true).await.unwrap()) }),
        |store| Box::pin(async { store.move_file("other", "file", true).await.unwrap() }),
        |store| {
            Box::pin(async {
                store.delete_folder("folder", true, false).await.unwrap();
                store.write("file", "new", WriteOptions::OVERWRITE).await.unwrap();
            })
        },
    ];
    for change in changes {
        let bench = Bench::new(CacheOptions::default());
        bench.put("file", "old").await;
        bench.put("other", "new").await;
        bench.put("folder/x", "x").await;
        // It has opened the old content, and waits for its first chunk: longer than a busy machine keeps this thread waiting.
        bench.chaos.delay_next(Op::ReadChunk, Duration::from_millis(100));
        let mut read = Box::pin(bench.store.read_bytes("file"));
        assert!(read.as_mut().now_or_never().is_none());
        change(&bench.store).await;
        assert_eq!(&read.await.unwrap()[..], b"old", "it began before");
        assert_eq!(text(&bench.store, "file").await, "new");
    }
}

async fn a_listing_across_a_change_is_not_kept() {
    let bench = Bench::new(CacheOptions::default());
    bench.put("a/one", "1").await;
    let mut listing = bench.store.list_files("", &List::ALL).unwrap();
    listing.next_entry().await.unwrap().unwrap();
    bench.put("a/two", "2").await;
    while listing.next_entry().await.unwrap().is_some() {}
    assert_eq!(files(&bench.store, "").await, ["a/one", "a/two"]);
}

async fn many_who_ask_at_once_make_one_request() {
    let bench = Bench::new(CacheOptions::default());
    bench.put("file", "content").await;
    for op in [Op::Read, Op::ReadChunk] {
        bench.chaos.delay_next(op, Duration::from_millis(1));
    }
    let contents = join_all((0..16).map(|_| text(&bench.store, "file"))).await;
    assert!(contents.iter().all(|content| content == "content"));
    assert_eq!(bench.asked(), [Op::Read]);
    // Where it cannot be had everybody is told so, and nobody waits for more than one other.
    bench.chaos.delay_next(Op::Read, Duration::from_millis(1));
    let missing = join_all((0..16).map(|_| bench.store.read_bytes("missing"))).await;
    assert!(missing.into_iter().all(|read| read.unwrap_err().kind() == ErrorKind::NotFound));
    assert_eq!(bench.asked().len(), 16);
}

async fn who_gives_up_fetching_holds_up_nobody() {
    let bench = Bench::new(CacheOptions::default());
    bench.put("file", "content").await;
    bench.chaos.delay_next(Op::Read, Duration::from_mins(10));
    let mut first = Box::pin(text(&bench.store, "file"));
    let mut second = Box::pin(text(&bench.store, "file"));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    assert_eq!(second.await, "content");
}

/// Sixteen take part: they change eight files, and look at them in every way. Who looks after version n was acknowledged never
/// sees an older one. A file's version is its length.
async fn race(store: &Store) {
    let acknowledged: [AtomicUsize; 8] = Default::default();
    for number in 0..8 {
        store.write(&format!("f/{number}"), "", WriteOptions::default()).await.unwrap();
    }
    let writers = acknowledged.iter().enumerate().map(|(number, acknowledged)| async move {
        let path = format!("f/{number}");
        for version in 1..60 {
            let content = vec![b'x'; version];
            if version % 3 == 0 {
                let made = format!("made/{number}");
                store.write(&made, content, WriteOptions::OVERWRITE).await.unwrap();
                store.move_file(&made, &path, true).await.unwrap();
            } else {
                store.write(&path, content, WriteOptions::OVERWRITE).await.unwrap();
            }
            acknowledged.store(version, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    let readers = (0..8_usize).map(|reader| {
        let acknowledged = &acknowledged;
        async move {
            for round in 0..200 {
                let number = (reader + round / 3) % 8;
                let path = format!("f/{number}");
                let least = acknowledged[number].load(Ordering::SeqCst);
                let seen = match round % 3 {
                    0 => store.read_bytes(&path).await.unwrap().len(),
                    1 => store.file_info(&path).await.unwrap().size as usize,
                    // A file that is being replaced may be missed by a listing.
                    _ => listed(store, &path).await.unwrap_or(least),
                };
                assert!(seen >= least, "{path}: saw {seen} after {least} was acknowledged");
                tokio::task::yield_now().await;
            }
        }
    });
    tokio::join!(join_all(writers), join_all(readers));
    for number in 0..8 {
        assert_eq!(store.read_bytes(&format!("f/{number}")).await.unwrap().len(), 59);
    }
}

async fn listed(store: &Store, path: &str) -> Option<usize> {
    let mut listing = store.list_files("f", &List::CHILDREN).unwrap();
    let mut seen = None;
    while let Some(file) = listing.next_entry().await.unwrap() {
        seen = seen.or((*file.path == *path).then_some(file.size as usize));
    }
    seen
}

async fn readers_never_see_less_than_was_acknowledged() {
    let folder = TempDir::new().unwrap();
    let options = LocalOptions { durability: Durability::None, ..LocalOptions::default() };
    let local = Store::local(folder.path(), options).unwrap();
    race(&local.clone().with_cache(CacheOptions { max_entries: 12, ..CacheOptions::default() })).await;
    local.close().await.unwrap();
}

/// As on the disk, with steps that take long and end in another order than they began.
async fn slow_readers_never_leave_what_is_stale() {
    let (behind, chaos) = Chaos::wrap(Store::memory());
    for step in 0..400 {
        for (op, steps) in [(Op::ReadChunk, 7), (Op::List, 5), (Op::Finish, 3), (Op::Move, 4)] {
            chaos.delay_next(op, Duration::from_millis(step % steps));
        }
    }
    race(&behind.with_cache(CacheOptions::default())).await;
}

async fn what_others_change_is_seen_after_a_while() {
    let bench = Bench::new(CacheOptions { ttl: Duration::from_secs(60), ..CacheOptions::default() });
    bench.put("file", "old").await;
    assert_eq!(text(&bench.store, "file").await, "old");
    assert_eq!(bench.store.file_info("file").await.unwrap().size, 3);
    assert_eq!(files(&bench.store, "").await, ["file"]);
    bench.behind.write("file", "newer", WriteOptions::OVERWRITE).await.unwrap();
    bench.behind.write("other", "x", WriteOptions::default()).await.unwrap();
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(text(&bench.store, "file").await, "old", "that is what a cache is");
    assert_eq!(files(&bench.store, "").await, ["file"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(text(&bench.store, "file").await, "newer");
    assert_eq!(bench.store.file_info("file").await.unwrap().size, 5);
    assert_eq!(files(&bench.store, "").await, ["file", "other"]);
}

async fn what_was_given_up_is_not_kept_for_a_while() {
    let bench = Bench::new(CacheOptions { ttl: Duration::from_secs(60), ..CacheOptions::default() });
    bench.put("file", "old").await;
    assert_eq!(text(&bench.store, "file").await, "old");
    bench.chaos.lose_answer_next(Op::Finish, ErrorKind::Unavailable);
    bench.store.write("file", "new", WriteOptions::OVERWRITE).await.unwrap_err();
    assert_eq!(text(&bench.store, "file").await, "new");
    // A write whose answer nobody waits for, and which comes to pass after all.
    bench.chaos.delay_next(Op::Finish, Duration::from_secs(1));
    let mut write = Box::pin(bench.store.write("file", "newer", WriteOptions::OVERWRITE));
    assert!(write.as_mut().now_or_never().is_none());
    drop(write);
    assert_eq!(text(&bench.store, "file").await, "new");
    bench.behind.write("file", "newer", WriteOptions::OVERWRITE).await.unwrap();
    assert_eq!(text(&bench.store, "file").await, "newer");
    tokio::time::advance(Duration::from_secs(60)).await;
    text(&bench.store, "file").await;
    bench.asked();
    text(&bench.store, "file").await;
    assert_eq!(bench.asked(), [], "now it is kept again");
}

async fn who_is_not_polled_holds_up_nobody_for_long() {
    let bench = Bench::new(CacheOptions::default());
    bench.behind.write("file", "x", WriteOptions::default()).await.unwrap();
    bench.chaos.delay_next(Op::Read, Duration::from_mins(10));
    // As the first of a buffered stream whose second is waited for.
    let mut first = Box::pin(bench.store.read_bytes("file"));
    assert!(first.as_mut().now_or_never().is_none());
    let second = tokio::time::timeout(Duration::from_mins(1), bench.store.read_bytes("file"));
    assert_eq!(&second.await.unwrap().unwrap()[..], b"x");
    assert_eq!(&first.await.unwrap()[..], b"x");
}
