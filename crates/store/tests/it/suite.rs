//! The conformance suite, on every backend.

use libtest_mimic::Trial;
use longshore_store::testing::chaos::Chaos;
use longshore_store::testing::conformance::cases;
use longshore_store::{
    CacheOptions, Capability, Durability, LocalOptions, RateOptions, RetryPolicy, Store, Timeouts,
};
use tempfile::TempDir;

/// Makes a store, the empty part of it to test, and what both must not outlive.
type Make = fn() -> ((Store, Store), Option<TempDir>);

const STORES: &[(&str, Make)] = &[
    ("memory", || (twice(Store::memory()), None)),
    ("local", || local(LocalOptions::default())),
    ("local-unflushed", || {
        local(LocalOptions { durability: Durability::None, read_chunk: 4096, ..LocalOptions::default() })
    }),
    ("child", || {
        let (store, folder) = local(LocalOptions { durability: Durability::File, ..LocalOptions::default() });
        let child = store.0.child("some/folder").unwrap();
        ((store.0, child), folder)
    }),
    // A wrapper must not change what it wraps.
    ("layered", || {
        let store = Store::memory().with_limit(2).with_timeouts(Timeouts::default());
        let store = store.with_rate(RateOptions { bytes: Some(1 << 40), ..RateOptions::default() });
        (twice(store.with_retry(RetryPolicy::default()).observed(drop)), None)
    }),
    ("cached", || (twice(Store::memory().with_cache(CacheOptions::default())), None)),
    // One that forgets most of what it is told, over a disk that is slower than memory.
    ("cached-little", || {
        let ((store, _), folder) =
            local(LocalOptions { durability: Durability::None, ..LocalOptions::default() });
        let little =
            CacheOptions { max_entries: 2, max_file: 5_000, max_listing: 3, ..CacheOptions::default() };
        (twice(store.with_cache(little)), folder)
    }),
    ("outsider", || (twice(crate::outsider::over(Store::memory(), &[])), None)),
    #[cfg(feature = "opendal")]
    ("opendal-memory", || {
        let operator = opendal_core::Operator::new(opendal_core::services::Memory::default()).unwrap();
        (twice(Store::from_opendal(operator)), None)
    }),
    ("calm-chaos", || (twice(Chaos::wrap(Store::memory()).0), None)),
];

fn twice(store: Store) -> (Store, Store) {
    (store.clone(), store)
}

fn local(options: LocalOptions) -> ((Store, Store), Option<TempDir>) {
    let folder = TempDir::new().unwrap();
    let store = Store::local(folder.path().join("data"), options).unwrap();
    // A neighbour whose name begins alike, which nothing may reach.
    std::fs::create_dir(folder.path().join("data-evil")).unwrap();
    (twice(store), Some(folder))
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, make) in STORES.iter().copied() {
        let ((_, sample), _folder) = make();
        for case in cases() {
            let trial = Trial::test(format!("{name}::{}", case.name), move || {
                crate::block_on(async {
                    // Closing a child does nothing: what a test left to be done is waited for through its parent.
                    let ((parent, store), folder) = make();
                    let outcome = case.run(store).await;
                    parent.close().await.unwrap();
                    if let Some(folder) = folder {
                        let evil = folder.path().join("data-evil");
                        assert_eq!(evil.read_dir().unwrap().count(), 0);
                        let left = folder.path().join("data/.longshore-tmp");
                        assert_eq!(left.read_dir().unwrap().count(), 0);
                    }
                    outcome.map_err(Into::into)
                })
            });
            // A file system may keep no attributes, and services differ; all else both backends can do everywhere.
            let lacks: Vec<_> = case.needs.iter().filter(|needed| !sample.supports(*needed)).collect();
            let is_known = |lack: &Capability| {
                matches!(lack, Capability::Metadata | Capability::MediaType) || name.starts_with("opendal")
            };
            assert!(lacks.iter().all(is_known), "{name} lacks {lacks:?}");
            let kind = if lacks.is_empty() { String::new() } else { format!("lacks {lacks:?}") };
            trials.push(trial.with_ignored_flag(!lacks.is_empty()).with_kind(kind));
        }
    }
    trials
}
