//! The local disk: every failing system call stops the commit and leaves nothing.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use longshore_store::testing::disk::{DiskFaults, DiskOp, faulty_local};
use longshore_store::{
    ByteRange, Durability, ErrorKind, List, LocalOptions, ReadOptions, Store, WriteOptions,
};
use tempfile::TempDir;

crate::trials! {
    "disk":
    each_failing_call_leaves_nothing,
    each_failing_call_leaves_what_stood,
    a_failed_folder_flush_fails_every_commit_it_covered,
    a_folder_not_known_to_be_durable_is_flushed_again,
    a_failing_read_is_told_where_it_happens,
    a_full_disk_is_told_and_the_store_goes_on,
    the_end_of_a_huge_file_is_read_alone,
    a_dropped_write_leaves_nothing_and_spoils_the_writer,
    the_store_s_own_folder_cannot_be_named,
    what_a_crash_left_is_swept_at_opening,
    looking_makes_nothing,
    a_folder_may_be_made_for_its_owner_alone,
    a_root_that_is_gone_does_not_answer,
    pipes_and_links_are_not_there,
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EFBIG: i32 = 27;
const EDQUOT: i32 = 122;

fn faulty() -> (Store, DiskFaults, TempDir) {
    let folder = TempDir::new().unwrap();
    let (store, faults) = faulty_local(folder.path(), LocalOptions::default()).unwrap();
    (store, faults, folder)
}

/// Returns every file below a folder, temporary ones as well.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

const STEPS: [DiskOp; 5] =
    [DiskOp::Create, DiskOp::Write, DiskOp::SyncFile, DiskOp::Rename, DiskOp::SyncFolder];

async fn each_failing_call_leaves_nothing() {
    for size in [10, 3 * 1024 * 1024] {
        for (errno, kind) in [
            (EIO, ErrorKind::Internal),
            (ENOSPC, ErrorKind::StorageFull),
            (EDQUOT, ErrorKind::StorageFull),
            (EFBIG, ErrorKind::StorageFull),
        ] {
            for op in STEPS.into_iter().chain([DiskOp::MakeFolder]) {
                let (store, faults, folder) = faulty();
                faults.fail_next(op, errno);
                let write = store.write("a/b/file", vec![7; size], WriteOptions::default());
                let error = write.await.unwrap_err();
                assert_eq!(error.kind(), kind, "{op:?}: {error:?}");
                assert_eq!(error.path(), Some("a/b/file"));
                assert!(faults.is_spent(), "{op:?}");
                store.close().await.unwrap();
                assert_eq!(files(folder.path()), Vec::<String>::new(), "{op:?}");
                // The next write has a file of its own and is not held up.
                store.write("a/b/file", "x", WriteOptions::default()).await.unwrap();
            }
        }
    }
}

async fn each_failing_call_leaves_what_stood() {
    for op in [DiskOp::Create, DiskOp::Write, DiskOp::SyncFile, DiskOp::Rename] {
        let (store, faults, folder) = faulty();
        let old = store.write("file", "old", WriteOptions::default());
        old.await.unwrap();
        faults.fail_next(op, EIO);
        let write = store.write("file", "new", WriteOptions::OVERWRITE);
        assert_eq!(write.await.unwrap_err().kind(), ErrorKind::Internal);
        let copied = {
            faults.fail_next(op, EIO);
            store.copy_file("file", "copy", false).await
        };
        // A copy inside the kernel does not come by our `write`.
        assert_eq!(copied.is_err(), op != DiskOp::Write);
        store.delete("copy", true).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(files(folder.path()).len(), 1, "{op:?}");
        assert_eq!(&store.read_bytes("file").await.unwrap()[..], b"old");
    }
}

async fn a_failed_folder_flush_fails_every_commit_it_covered() {
    let (store, faults, folder) = faulty();
    store.write("f/first", "x", WriteOptions::default()).await.unwrap();
    // More faults than flushes: each of the sixteen is covered by one that fails.
    for _ in 0..16 {
        faults.fail_next(DiskOp::SyncFolder, EIO);
    }
    let writes = (0..16).map(|number| {
        let store = store.clone();
        async move {
            let path = format!("f/{number}");
            store.write(&path, "x", WriteOptions::default()).await
        }
    });
    for result in futures_util::future::join_all(writes).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Internal);
    }
    assert_eq!(files(folder.path()).len(), 1);
}

async fn a_folder_not_known_to_be_durable_is_flushed_again() {
    let (store, faults, folder) = faulty();
    // The folders were made but their flush failed: the next write must not take them for durable.
    faults.fail_next(DiskOp::SyncFolder, EIO);
    let write = store.write("a/b/one", "x", WriteOptions::default());
    assert!(write.await.is_err());
    assert!(folder.path().join("a/b").is_dir());
    // Root, a and b are flushed; a fault at the third shows that there are three.
    faults.fail_after(DiskOp::SyncFolder, 2, EIO);
    let write = store.write("a/b/two", "x", WriteOptions::default());
    assert!(write.await.is_err());
    assert!(faults.is_spent());
    // Root and a are settled now, and b's entry in a too: one flush alone is left.
    faults.fail_after(DiskOp::SyncFolder, 1, EIO);
    let write = store.write("a/b/three", "x", WriteOptions::default());
    write.await.unwrap();
    assert!(!faults.is_spent());
}

async fn a_failing_read_is_told_where_it_happens() {
    let (store, faults, _folder) = faulty();
    let content = vec![7; 3 * 1024 * 1024];
    let write = store.write("file", content, WriteOptions::default());
    write.await.unwrap();
    faults.fail_next(DiskOp::Read, EIO);
    assert!(store.read("file", ReadOptions::default()).await.is_err());
    faults.fail_after(DiskOp::Read, 1, EIO);
    let mut read = store.read("file", ReadOptions::default()).await.unwrap();
    assert!(read.next_chunk().await.unwrap().is_some());
    let error = read.next_chunk().await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Internal, Some("file")));
    assert!(read.next_chunk().await.unwrap().is_none());
}

/// A file system of one mebibyte, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// Gives nothing where this process may not mount.
    fn mount() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
        let mounted = mount.arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let mut unmount = std::process::Command::new("umount");
        // Lazily: a store may still hold its root open.
        unmount.arg("-l").arg(self.0.path()).status().ok();
    }
}

/// Where a small file system can be mounted, on one; elsewhere the injected errors above must do.
async fn a_full_disk_is_told_and_the_store_goes_on() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let store = Store::local(disk.0.path(), LocalOptions::default()).unwrap();
    for size in [1024 * 1024 + 1, 5 * 1024 * 1024] {
        let write = store.write("file", vec![7; size], WriteOptions::default());
        let error = write.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        store.close().await.unwrap();
        assert_eq!(files(disk.0.path()), Vec::<String>::new());
    }
    let write = store.write("file", vec![7; 1000], WriteOptions::default());
    write.await.unwrap();
}

async fn the_end_of_a_huge_file_is_read_alone() {
    let folder = TempDir::new().unwrap();
    let store = Store::local(folder.path(), LocalOptions::default()).unwrap();
    let size = 5 << 30;
    let file = std::fs::File::create(folder.path().join("huge")).unwrap();
    file.set_len(size).unwrap();
    let read = store.read("huge", ReadOptions::range(ByteRange::Last(10))).await.unwrap();
    assert_eq!(read.range(), size - 10..size);
    assert_eq!(read.bytes().await.unwrap(), Bytes::from(vec![0; 10]));
}

async fn a_dropped_write_leaves_nothing_and_spoils_the_writer() {
    let folder = TempDir::new().unwrap();
    let store = Store::local(folder.path(), LocalOptions::default()).unwrap();
    let mut writer = store.open_write("file", WriteOptions::default()).await.unwrap();
    let large = Bytes::from(vec![7; 64 * 1024 * 1024]);
    // Its first batches are under way when it has to wait, and then it is dropped.
    assert!(writer.write(large).now_or_never().is_none());
    let error = writer.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(writer.finish().await.is_err());
    store.close().await.unwrap();
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

async fn the_store_s_own_folder_cannot_be_named() {
    let folder = TempDir::new().unwrap();
    let store = Store::local(folder.path(), LocalOptions::default()).unwrap();
    std::fs::write(folder.path().join(".longshore-tmp/x"), "x").unwrap();
    for path in [".longshore-tmp/x", "/.longshore-tmp/y", ".longshore-tmp"] {
        let refused = [
            store.read_bytes(path).await.unwrap_err(),
            store.write(path, "x", WriteOptions::OVERWRITE).await.unwrap_err(),
            store.delete(path, false).await.unwrap_err(),
            store.delete_folder(path, true, false).await.unwrap_err(),
            store.exists(path).await.unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::InvalidPath, "{path}");
        }
    }
    assert!(store.list("", &List::ALL).unwrap().next_entry().await.unwrap().is_none());
}

async fn what_a_crash_left_is_swept_at_opening() {
    let folder = TempDir::new().unwrap();
    let options = LocalOptions {
        sweep_older_than: Duration::ZERO,
        durability: Durability::None,
        ..LocalOptions::default()
    };
    let store = Store::local(folder.path(), options.clone()).unwrap();
    let mut writer = store.open_write("file", WriteOptions::default()).await.unwrap();
    writer.write(vec![7; 2 * 1024 * 1024]).await.unwrap();
    let left = folder.path().join(".longshore-tmp/left");
    std::fs::write(&left, "x").unwrap();
    // Another process of the same store opens it meanwhile: what is being written stays.
    let second = Store::local(folder.path(), options).unwrap();
    assert!(!left.exists());
    writer.finish().await.unwrap();
    assert_eq!(second.file_info("file").await.unwrap().size, 2 * 1024 * 1024);
}

async fn looking_makes_nothing() {
    let folder = TempDir::new().unwrap();
    let options = LocalOptions { create: false, ..LocalOptions::default() };
    let missing = Store::local(folder.path().join("missing"), options.clone()).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    std::fs::write(folder.path().join("file"), "content").unwrap();
    let store = Store::local(folder.path(), options).unwrap();
    store.ping().await.unwrap();
    assert_eq!(store.read_bytes("file").await.unwrap(), "content");
    store.move_file("file", "moved", false).await.unwrap();
    store.delete("moved", false).await.unwrap();
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    store.write("file", "content", WriteOptions::default()).await.unwrap();
    assert_eq!(store.read_bytes("file").await.unwrap(), "content");
}

async fn a_folder_may_be_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = TempDir::new().unwrap();
    let root = folder.path().join("above/root");
    Store::local(&root, LocalOptions { private: true, ..LocalOptions::default() }).unwrap();
    for made in [&root, &folder.path().join("above")] {
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}

async fn a_root_that_is_gone_does_not_answer() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("root");
    let store = Store::local(&root, LocalOptions::default()).unwrap();
    store.ping().await.unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(store.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let write = store.write("file", "x", WriteOptions::default());
    assert_eq!(write.await.unwrap_err().kind(), ErrorKind::Unavailable);
}

async fn pipes_and_links_are_not_there() {
    let folder = TempDir::new().unwrap();
    let store = Store::local(folder.path(), LocalOptions::default()).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
    assert!(pipe.unwrap().success());
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
    let error = store.read_bytes("pipe").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = store.read_bytes("link").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPath);
    for path in ["pipe", "link"] {
        assert!(!store.exists(path).await.unwrap());
    }
    assert!(store.list("", &List::ALL).unwrap().next_entry().await.unwrap().is_none());
    // Replacing a link replaces the link.
    store.write("link", "x", WriteOptions::OVERWRITE).await.unwrap();
    assert!(store.is_file("link").await.unwrap());
}
