//! What only this module can see: the fallback for kernels without `openat2`, links, locks and sweeps.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use rustix::io::Errno;
use tempfile::TempDir;

use super::root::Root;
use super::stage::Stage;
use super::{Disk, Local, LocalOptions, Shared, temporary};
use crate::backend::Backend as _;
use crate::error::ErrorKind;
use crate::info::{ByteRange, ReadOptions, WriteOptions};
use crate::path::StorePath;

fn local(folder: &TempDir) -> Local {
    Local::open(folder.path(), LocalOptions::default()).unwrap()
}

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

#[tokio::test]
async fn row_02_links_lead_nowhere_with_or_without_openat2() {
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    for by_component in [false, true] {
        let folder = TempDir::new().unwrap();
        symlink(outside.path(), folder.path().join("ancestor")).unwrap();
        symlink(outside.path().join("secret"), folder.path().join("leaf")).unwrap();
        std::fs::create_dir(folder.path().join("real")).unwrap();
        std::fs::write(folder.path().join("real/file"), "x").unwrap();
        symlink("real", folder.path().join("inward")).unwrap();
        let local = local(&folder);
        if by_component {
            local.0.root.resolve_by_component();
        }
        for escape in ["leaf", "ancestor/secret", "inward/file"] {
            let read = local.read(&path(escape), &ReadOptions::default()).await;
            assert_eq!(read.unwrap_err().kind(), ErrorKind::InvalidPath, "{escape}");
            let stat = local.stat(&path(escape)).await;
            assert_eq!(stat.unwrap_err().kind(), ErrorKind::NotFound, "{escape}");
            let deleted = local.delete(&path(escape)).await;
            assert!(deleted.is_err(), "{escape}");
        }
        let (kept, options) = (path("real/file"), ReadOptions::default());
        let kept = local.read(&kept, &options).await.unwrap();
        assert_eq!(&kept.bytes().await.unwrap()[..], b"x");
        let target = path("ancestor/new");
        let stage = Stage::create(&local.0).unwrap();
        let error = stage.commit(&target, &WriteOptions::OVERWRITE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPath);
        assert!(!outside.path().join("new").exists());
        let gone = local.delete_folder(&path("ancestor"), true).await;
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::InvalidPath);
        assert!(outside.path().join("secret").exists());
    }
}

#[tokio::test]
async fn deleting_a_folder_leaves_what_links_in_it_lead_to() {
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("kept"), "x").unwrap();
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
    symlink(outside.path(), folder.path().join("a/b/link")).unwrap();
    let local = local(&folder);
    local.delete_folder(&path("a"), true).await.unwrap();
    assert!(!folder.path().join("a").exists());
    assert!(outside.path().join("kept").exists());
}

#[test]
fn a_sweep_between_making_and_locking_takes_no_file_from_its_writer() {
    let folder = TempDir::new().unwrap();
    let local = local(&folder);
    let writing = AtomicUsize::new(2);
    std::thread::scope(|threads| {
        for writer in 0..2 {
            let (local, writing) = (&local, &writing);
            threads.spawn(move || {
                for number in 0..1000 {
                    let stage = Stage::create(&local.0).unwrap();
                    let done = stage.commit(&path(&format!("{writer}-{number}")), &WriteOptions::default());
                    if let Err(error) = done {
                        writing.fetch_sub(1, Ordering::Relaxed);
                        panic!("{error}");
                    }
                }
                writing.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while writing.load(Ordering::Relaxed) > 0 {
            temporary::sweep(&local.0.root, Duration::ZERO).unwrap();
        }
    });
}

#[test]
fn a_sweep_spares_the_young_and_the_living() {
    let folder = TempDir::new().unwrap();
    let local = local(&folder);
    let left = folder.path().join(".longshore-tmp/left");
    std::fs::write(&left, "x").unwrap();
    let living = Stage::create(&local.0).unwrap();
    let root: &Root = &local.0.root;
    assert_eq!(temporary::sweep(root, Duration::from_secs(3600)).unwrap(), 0);
    assert_eq!(temporary::sweep(root, Duration::ZERO).unwrap(), 1);
    assert!(!left.exists());
    living.commit(&path("file"), &WriteOptions::default()).unwrap();
    assert!(folder.path().join("file").exists());
}

#[test]
fn a_link_stands_in_for_a_rename_that_cannot_refuse() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::default();
    let local = Local::open_on(folder.path(), LocalOptions::default(), disk.clone()).unwrap();
    let root = local.0.root.open_folder("").unwrap();
    for name in ["a", "b"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    let taken = disk.link_and_unlink((&root, "a"), (&root, "b"));
    assert_eq!(taken, Err(Errno::EXIST));
    disk.link_and_unlink((&root, "a"), (&root, "c")).unwrap();
    assert!(!folder.path().join("a").exists());
    assert_eq!(std::fs::read(folder.path().join("c")).unwrap(), b"a");
}

#[tokio::test]
async fn close_waits_for_jobs_nobody_awaits() {
    let folder = TempDir::new().unwrap();
    let local = local(&folder);
    let flag = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    drop(local.0.start(move |_: &Arc<Shared>| {
        std::thread::sleep(Duration::from_millis(50));
        seen.store(true, Ordering::SeqCst);
        Ok(())
    }));
    local.close().await.unwrap();
    assert!(flag.load(Ordering::SeqCst));
}

#[tokio::test]
async fn attributes_of_others_keep_nobody_from_a_file() {
    let folder = TempDir::new().unwrap();
    let local = local(&folder);
    if !local.0.keeps_attributes {
        return;
    }
    let (file, options) = (path("file"), ReadOptions::default());
    for foreign in [&b""[..], b"no end", b"text/plain\0key\0", b"\xff\0", &[b'x'; 3_000]] {
        std::fs::write(folder.path().join("file"), "content").unwrap();
        let set = rustix::fs::setxattr(
            folder.path().join("file"),
            "user.longshore.described",
            foreign,
            rustix::fs::XattrFlags::empty(),
        );
        set.unwrap();
        let read = local.read(&file, &options).await.unwrap();
        assert_eq!((read.info().media_type.clone(), read.info().metadata.len()), (None, 0));
        assert_eq!(&read.bytes().await.unwrap()[..], b"content");
        local.copy_file(&file, &path("copy"), true).await.unwrap();
        local.delete(&file).await.unwrap();
    }
}

/// What is in memory and what is not are answered alike; here and now only the one.
#[tokio::test]
async fn what_is_in_memory_is_answered_at_once_and_alike() {
    let folder = TempDir::new().unwrap();
    let (at_once, by_threads) = (local(&folder), local(&folder));
    by_threads.0.root.resolve_by_component();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    for (name, size) in [("folder/small", 1_000), ("empty", 0), ("large", 3_000_000)] {
        std::fs::write(folder.path().join(name), vec![7; size]).unwrap();
    }
    symlink("folder", folder.path().join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.path().join("pipe"), 0o600.into()).unwrap();
    let names = [
        "folder/small",
        "empty",
        "large",
        "folder",
        "link",
        "link/small",
        "pipe",
        "missing",
        ".longshore-tmp",
    ];
    let of = |range, tag: &str| ReadOptions { range, if_match: (!tag.is_empty()).then(|| tag.to_owned()) };
    for name in names.map(path) {
        for options in [
            of(ByteRange::All, ""),
            of(ByteRange::Between(10, 20), ""),
            of(ByteRange::From(5_000), ""),
            of(ByteRange::Last(7), ""),
            of(ByteRange::All, "another"),
        ] {
            let mut answers = Vec::new();
            for local in [&at_once, &by_threads] {
                let stat = local.stat(&name).await.map_err(|error| error.kind());
                let read = match local.read(&name, &options).await {
                    Ok(read) => Ok((read.info().clone(), read.range(), read.bytes().await.unwrap())),
                    Err(error) => Err(error.kind()),
                };
                answers.push((stat, read));
            }
            assert!(answers[0] == answers[1], "{name} {options:?}");
        }
    }
    let file = path("folder/small");
    if at_once.0.root.open_cached(&file, rustix::fs::OFlags::PATH).is_some() {
        let options = ReadOptions::default();
        assert!(at_once.stat(&file).now_or_never().is_some());
        assert!(at_once.read(&path("empty"), &options).now_or_never().is_some());
        // Asked of what answers at once, and not of the store: a thread may be as quick as who waits for it.
        assert!(super::cached::stat(&by_threads.0, &file).is_none());
        // Some file systems can open at once and not read, which they have said by now.
        let is_read = at_once.read(&file, &options).now_or_never().is_some();
        assert_eq!(is_read, at_once.0.root.open_cached(&file, rustix::fs::OFlags::PATH).is_some());
    }
}
