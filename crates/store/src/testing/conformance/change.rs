//! Deleting, copying and moving.

use super::{Outcome, fails, pattern, promises, same};
use crate::capability::Capability;
use crate::error::ErrorKind;
use crate::info::{List, WriteOptions};
use crate::store::Store;

promises! {
    a_deleted_file_is_gone [Delete],
    deleting_what_is_missing_is_told_or_forgiven [Delete],
    a_folder_with_content_is_deleted_when_asked [Delete],
    the_root_is_not_deleted [Delete],
    a_copy_is_a_second_file [Copy],
    copies_keep_the_rules_of_writing [Copy],
    a_moved_file_is_at_its_new_place [Move],
    moves_keep_the_rules_of_writing [Move],
    one_of_many_movers_wins [Move, AtomicCreate, AtomicMove],
    what_a_backend_cannot_do_is_refused [],
}

async fn put(store: &Store, path: &str, content: &'static str) -> Outcome {
    let write = store.write(path, content, WriteOptions::default());
    write.await.map(drop).map_err(Into::into)
}

async fn a_deleted_file_is_gone(store: Store) -> Outcome {
    put(&store, "a/file", "x").await?;
    put(&store, "a/other", "y").await?;
    store.delete("a/file", false).await?;
    same(store.exists("a/file").await?, false)?;
    same(store.exists("a/other").await?, true)?;
    put(&store, "a/file", "again").await?;
    same(&store.read_bytes("a/file").await?[..], b"again")
}

async fn deleting_what_is_missing_is_told_or_forgiven(store: Store) -> Outcome {
    put(&store, "folder/file", "x").await?;
    for path in ["missing", "missing/below", "folder/file/below"] {
        fails(store.delete(path, false).await, ErrorKind::NotFound)?;
        store.delete(path, true).await?;
        let folder = store.delete_folder(path, true, false).await;
        fails(folder, ErrorKind::NotFound)?;
        store.delete_folder(path, true, true).await?;
    }
    fails(store.delete("folder", true).await, ErrorKind::InvalidPath)?;
    let file = store.delete_folder("folder/file", true, true).await;
    fails(file, ErrorKind::InvalidPath)?;
    same(store.exists("folder/file").await?, true)
}

async fn a_folder_with_content_is_deleted_when_asked(store: Store) -> Outcome {
    for path in ["a/b/c", "a/b/d/e", "a/f", "a-b/kept", "a0/kept"] {
        put(&store, path, "x").await?;
    }
    let full = store.delete_folder("a", false, false).await;
    fails(full, ErrorKind::DirectoryNotEmpty)?;
    same(store.exists("a/b/c").await?, true)?;
    store.delete_folder("a", true, false).await?;
    for (path, stands) in [("a", false), ("a/b/c", false), ("a-b/kept", true), ("a0/kept", true)] {
        same((path, store.exists(path).await?), (path, stands))?;
    }
    // What was made known as durable before must not be taken for the new folder.
    put(&store, "a/b/c", "again").await?;
    store.delete("a/b/c", false).await?;
    // Backends without real folders have none here any more.
    store.delete_folder("a/b", false, true).await?;
    same(store.exists("a/b").await?, false)
}

async fn the_root_is_not_deleted(store: Store) -> Outcome {
    put(&store, "file", "x").await?;
    for root in ["", ".", "./", ".//", "./.", "/", "\\"] {
        fails(store.delete(root, true).await, ErrorKind::InvalidPath)?;
        let folder = store.delete_folder(root, true, true).await;
        fails(folder, ErrorKind::InvalidPath)?;
    }
    same(store.exists("file").await?, true)
}

async fn a_copy_is_a_second_file(store: Store) -> Outcome {
    for size in [0, 1, 3 * 1024 * 1024 + 1] {
        let content = pattern(size);
        let (from, to) = (format!("from-{size}"), format!("to/{size}"));
        store.write(&from, content.clone(), WriteOptions::default()).await?;
        let copied = store.copy_file(&from, &to, false).await?;
        same(&copied, &store.file_info(&to).await?)?;
        same(copied.size, size as u64)?;
        same(store.read_bytes(&to).await? == content, true)?;
        store.write(&from, "changed", WriteOptions::OVERWRITE).await?;
        same(store.read_bytes(&to).await? == content, true)?;
    }
    Ok(())
}

async fn copies_keep_the_rules_of_writing(store: Store) -> Outcome {
    put(&store, "file", "one").await?;
    put(&store, "folder/other", "two").await?;
    let missing = store.copy_file("missing", "new", false).await;
    fails(missing, ErrorKind::NotFound)?;
    let folder = store.copy_file("folder", "new", false).await;
    fails(folder, ErrorKind::InvalidPath)?;
    let taken = store.copy_file("file", "folder/other", false).await;
    fails(taken, ErrorKind::AlreadyExists)?;
    if store.supports(Capability::Hierarchy) {
        let onto_folder = store.copy_file("file", "folder", true).await;
        fails(onto_folder, ErrorKind::InvalidPath)?;
        let below_file = store.copy_file("file", "folder/other/x", true).await;
        fails(below_file, ErrorKind::InvalidPath)?;
    }
    store.copy_file("file", "./file", false).await?;
    same(&store.read_bytes("folder/other").await?[..], b"two")?;
    store.copy_file("file", "folder/other", true).await?;
    same(&store.read_bytes("folder/other").await?[..], b"one")
}

async fn a_moved_file_is_at_its_new_place(store: Store) -> Outcome {
    put(&store, "from/file", "x").await?;
    store.move_file("from/file", "to/deep/file", false).await?;
    same(store.exists("from/file").await?, false)?;
    same(&store.read_bytes("to/deep/file").await?[..], b"x")?;
    put(&store, "second", "y").await?;
    store.move_file("second", "to/deep/file", true).await?;
    same(store.exists("second").await?, false)?;
    same(&store.read_bytes("to/deep/file").await?[..], b"y")
}

async fn moves_keep_the_rules_of_writing(store: Store) -> Outcome {
    put(&store, "file", "one").await?;
    put(&store, "folder/other", "two").await?;
    let missing = store.move_file("missing", "new", false).await;
    fails(missing, ErrorKind::NotFound)?;
    let onto_itself = store.move_file("missing", "missing", true).await;
    fails(onto_itself, ErrorKind::NotFound)?;
    let folder = store.move_file("folder", "new", false).await;
    fails(folder, ErrorKind::InvalidPath)?;
    let taken = store.move_file("file", "folder/other", false).await;
    fails(taken, ErrorKind::AlreadyExists)?;
    if store.supports(Capability::Hierarchy) {
        let onto_folder = store.move_file("file", "folder", true).await;
        fails(onto_folder, ErrorKind::InvalidPath)?;
        let below_file = store.move_file("file", "folder/other/x", true).await;
        fails(below_file, ErrorKind::InvalidPath)?;
    }
    store.move_file("file", "/file", false).await?;
    same(&store.read_bytes("file").await?[..], b"one")?;
    same(&store.read_bytes("folder/other").await?[..], b"two")
}

async fn one_of_many_movers_wins(store: Store) -> Outcome {
    for number in 0..16 {
        let path = format!("from-{number}");
        store.write(&path, path.clone(), WriteOptions::default()).await?;
    }
    let movers = (0..16).map(|number| {
        let store = store.clone();
        async move { store.move_file(&format!("from-{number}"), "to", false).await }
    });
    let results = futures_util::future::join_all(movers).await;
    same(results.iter().filter(|result| result.is_ok()).count(), 1)?;
    for (number, result) in results.into_iter().enumerate() {
        let path = format!("from-{number}");
        same(store.exists(&path).await?, result.is_err())?;
        if result.is_ok() {
            same(&store.read_bytes("to").await?[..], path.as_bytes())?;
        } else {
            fails(result, ErrorKind::AlreadyExists)?;
        }
    }
    Ok(())
}

async fn what_a_backend_cannot_do_is_refused(store: Store) -> Outcome {
    put(&store, "file", "x").await?;
    if !store.supports(Capability::Delete) {
        fails(store.delete("file", true).await, ErrorKind::Unsupported)?;
    }
    if !store.supports(Capability::Copy) {
        let copied = store.copy_file("file", "new", true).await;
        fails(copied, ErrorKind::Unsupported)?;
    }
    if !store.supports(Capability::Move) {
        let moved = store.move_file("file", "new", true).await;
        fails(moved, ErrorKind::Unsupported)?;
    }
    if !store.supports(Capability::List) {
        fails(store.list_files("", &List::ALL), ErrorKind::Unsupported)?;
    }
    same(&store.read_bytes("file").await?[..], b"x")
}
