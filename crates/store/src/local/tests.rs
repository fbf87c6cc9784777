//! What only this module can see: the fallback for kernels without `openat2`, links, locks and sweeps.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use tempfile::TempDir;

use super::root::Root;
use super::stage::Stage;
use super::{Disk, Local, LocalOptions, Shared, temporary};
use crate::backend::Backend as _;
use crate::error::ErrorKind;
use crate::info::{ReadOptions, WriteOptions};
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
