//! Listing.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::{Outcome, fails, pattern, promises, same};
use crate::error::ErrorKind;
use crate::info::{Entry, FileInfo, List, ReadOptions, WriteOptions};
use crate::own_names::TEMPORARY;
use crate::path::StorePath;
use crate::store::Store;

promises! {
    files_are_listed_with_size_and_tag [List],
    folders_are_listed_once [List],
    both_are_listed_together [List],
    nothing_is_listed_where_nothing_is [List],
    a_large_folder_is_listed_whole [List],
    listings_go_as_deep_as_they_are_told [List],
    a_pattern_chooses_by_the_last_name [List],
    a_glob_chooses_by_the_whole_path [List],
    a_folder_is_summed_up [List],
    the_store_s_own_files_are_nobody_s [List, Delete, Copy, Move],
}

const FILES: [&str; 8] = ["a", "b/c", "b/d/e", "b/d/f", "b-x/y", "b.z", "b0/1", "deep/er/and/deeper"];

async fn fill(store: &Store) -> Outcome {
    for path in FILES {
        store.write(path, path, WriteOptions::default()).await?;
    }
    Ok(())
}

const fn deep(recursive: bool) -> List {
    if recursive { List::ALL } else { List::CHILDREN }
}

async fn files(store: &Store, path: &str, recursive: bool) -> Result<Vec<String>, crate::Error> {
    let mut listing = store.list_files(path, &deep(recursive))?;
    let mut found = Vec::new();
    while let Some(file) = listing.next_entry().await? {
        found.push(file.path.to_string());
    }
    found.sort();
    Ok(found)
}

async fn folders(store: &Store, path: &str, recursive: bool) -> Result<Vec<String>, crate::Error> {
    let mut listing = store.list_folders(path, &deep(recursive))?;
    let mut found = Vec::new();
    while let Some(folder) = listing.next_entry().await? {
        found.push(folder.path.to_string());
    }
    found.sort();
    Ok(found)
}

async fn files_are_listed_with_size_and_tag(store: Store) -> Outcome {
    fill(&store).await?;
    let mut all = FILES.map(str::to_owned).to_vec();
    all.sort();
    same(files(&store, "", true).await?, all)?;
    same(files(&store, "", false).await?, ["a", "b.z"])?;
    same(files(&store, "b", false).await?, ["b/c"])?;
    same(files(&store, "b", true).await?, ["b/c", "b/d/e", "b/d/f"])?;
    let mut listing = store.list_files("b", &List::ALL)?;
    while let Some(file) = listing.next_entry().await? {
        let info = store.file_info(&file.path).await?;
        same((&file.path, file.size, &file.etag), (&info.path, info.size, &info.etag))?;
        same(seconds(&file), seconds(&info))?;
        same(file.size, file.path.len() as u64)?;
    }
    Ok(())
}

/// Returns when a file was written, as exactly as every service tells it.
fn seconds(file: &FileInfo) -> Option<u64> {
    let since = file.last_modified?.duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

async fn folders_are_listed_once(store: Store) -> Outcome {
    fill(&store).await?;
    let top = ["b", "b-x", "b0", "deep"];
    same(folders(&store, "", false).await?, top)?;
    let all = ["b", "b-x", "b/d", "b0", "deep", "deep/er", "deep/er/and"];
    same(folders(&store, "", true).await?, all)?;
    same(folders(&store, "deep", true).await?, ["deep/er", "deep/er/and"])?;
    same(folders(&store, "b-x", true).await?.len(), 0)
}

async fn both_are_listed_together(store: Store) -> Outcome {
    fill(&store).await?;
    let mut listing = store.list("b", &List::CHILDREN)?;
    let mut found = Vec::new();
    while let Some(entry) = listing.next_entry().await? {
        found.push((entry.path().to_string(), matches!(entry, Entry::File(_))));
    }
    found.sort();
    same(found, [("b/c".to_owned(), true), ("b/d".to_owned(), false)])
}

async fn nothing_is_listed_where_nothing_is(store: Store) -> Outcome {
    same(files(&store, "", true).await?.len(), 0)?;
    same(folders(&store, "", true).await?.len(), 0)?;
    fill(&store).await?;
    for path in ["missing", "a", "a/below", "missing/below", "b/d/e"] {
        same(files(&store, path, true).await?.len(), 0)?;
        same(folders(&store, path, true).await?.len(), 0)?;
    }
    fails(store.list_files("../x", &List::ALL), ErrorKind::InvalidPath)
}

async fn a_large_folder_is_listed_whole(store: Store) -> Outcome {
    let mut wanted: Vec<_> = (0..1500).map(|number| format!("large/{:02}/{number:04}", number % 7)).collect();
    for paths in wanted.chunks(50) {
        let writes = paths.iter().map(|path| store.write(path, path.clone(), WriteOptions::default()));
        for result in futures_util::future::join_all(writes).await {
            result?;
        }
    }
    wanted.sort();
    same(files(&store, "large", true).await? == wanted, true)?;
    same(folders(&store, "large", false).await?.len(), 7)
}

async fn paths<T>(
    mut listing: crate::Listing<T>,
    path: impl Fn(T) -> String,
) -> Result<Vec<String>, crate::Error>
where
    T: Send + 'static,
{
    let mut found = Vec::new();
    while let Some(entry) = listing.next_entry().await? {
        found.push(path(entry));
    }
    found.sort();
    Ok(found)
}

async fn listings_go_as_deep_as_they_are_told(store: Store) -> Outcome {
    fill(&store).await?;
    let list = |depth| List { max_depth: Some(depth), pattern: None };
    let files = async |path: &str, depth| {
        paths(store.list_files(path, &list(depth))?, |file| file.path.to_string()).await
    };
    let folders = async |path: &str, depth| {
        paths(store.list_folders(path, &list(depth))?, |folder| folder.path.to_string()).await
    };
    same(files("", 0).await?, ["a", "b.z"])?;
    same(files("", 1).await?, ["a", "b-x/y", "b.z", "b/c", "b0/1"])?;
    same(files("", 2).await?, ["a", "b-x/y", "b.z", "b/c", "b/d/e", "b/d/f", "b0/1"])?;
    same(files("", 9).await?.len(), FILES.len())?;
    same(files("b", 1).await?, ["b/c", "b/d/e", "b/d/f"])?;
    same(folders("", 0).await?, ["b", "b-x", "b0", "deep"])?;
    same(folders("", 1).await?, ["b", "b-x", "b/d", "b0", "deep", "deep/er"])?;
    same(folders("deep", 0).await?, ["deep/er"])
}

async fn a_pattern_chooses_by_the_last_name(store: Store) -> Outcome {
    fill(&store).await?;
    let matching = async |text: &str| {
        let listing = store.list_files("", &List::ALL.matching(text))?;
        paths(listing, |file| file.path.to_string()).await
    };
    same(matching("?").await?, ["a", "b-x/y", "b/c", "b/d/e", "b/d/f", "b0/1"])?;
    same(matching("d*").await?, ["deep/er/and/deeper"])?;
    same(matching("[e-f]").await?, ["b/d/e", "b/d/f"])?;
    same(matching("[!a-f]").await?, ["b-x/y", "b0/1"])?;
    same(matching("*.z").await?, ["b.z"])?;
    same(matching("A").await?.len(), 0)?;
    // It says what is given, not where is looked.
    let folders = store.list_folders("", &List::ALL.matching("and"))?;
    same(paths(folders, |folder| folder.path.to_string()).await?, ["deep/er/and"])?;
    fails(store.list_files("", &List::ALL.matching("[a")), ErrorKind::InvalidInput)
}

async fn a_glob_chooses_by_the_whole_path(store: Store) -> Outcome {
    fill(&store).await?;
    let all = |text: &'static str| {
        let store = &store;
        async move { paths(store.glob(text)?, |file| file.path.to_string()).await }
    };
    same(all("*").await?, ["a", "b.z"])?;
    same(all("b/*").await?, ["b/c"])?;
    same(all("b/d/?").await?, ["b/d/e", "b/d/f"])?;
    same(all("*/d/[e]").await?, ["b/d/e"])?;
    same(all("**/e").await?, ["b/d/e"])?;
    same(all("b/**/e").await?, ["b/d/e"])?;
    same(all("b/**/c").await?, ["b/c"])?;
    same(all("deep/**").await?, ["deep/er/and/deeper"])?;
    same(all("**").await?.len(), FILES.len())?;
    same(all("b/d/e").await?, ["b/d/e"])?;
    same(all("/b//./d/e").await?, ["b/d/e"])?;
    same(all("b").await?.len() + all("").await?.len() + all("b/missing").await?.len(), 0)?;
    for bad in ["a**", "b/**e", "***", "[a"] {
        fails(store.glob(bad), ErrorKind::InvalidInput)?;
    }
    fails(store.glob("../*"), ErrorKind::InvalidPath)
}

async fn a_folder_is_summed_up(store: Store) -> Outcome {
    fill(&store).await?;
    let sum = store.folder_info("b", None).await?;
    same((sum.path.as_str(), sum.files, sum.bytes), ("b", 3, 3 + 5 + 5))?;
    same(store.folder_info("b", Some(0)).await?.files, 1)?;
    same(store.folder_info("deep", Some(0)).await?.files, 0)?;
    same(store.folder_info("", None).await?.files, FILES.len() as u64)?;
    fails(store.folder_info("missing", None).await, ErrorKind::NotFound)?;
    fails(store.folder_info("a", None).await, ErrorKind::InvalidPath)
}

async fn the_store_s_own_files_are_nobody_s(store: Store) -> Outcome {
    // The name is its own in the root of the storage, which others may use as well.
    let root = Store::over(Arc::clone(&store.backend), StorePath::ROOT);
    store.write("file", "x", WriteOptions::default()).await?;
    // Something is in the making, and may lie there.
    let mut writer = store.open_write("large", WriteOptions::default()).await?;
    writer.write(pattern(3_000_000)).await?;
    same(folders(&root, "", false).await?.iter().any(|folder| folder == TEMPORARY), false)?;
    if store.prefix.is_root() {
        same(files(&root, "", true).await?, ["file"])?;
        same(folders(&root, "", true).await?.len(), 0)?;
    }
    let refused = ErrorKind::InvalidPath;
    for path in [TEMPORARY.to_owned(), format!("{TEMPORARY}/x"), format!("/{TEMPORARY}//x/y")] {
        let path = path.as_str();
        fails(root.read(path, ReadOptions::default()).await, refused)?;
        fails(root.file_info(path).await, refused)?;
        fails(root.exists(path).await, refused)?;
        fails(root.is_folder(path).await, refused)?;
        fails(root.write(path, "x", WriteOptions::OVERWRITE).await, refused)?;
        fails(root.delete(path, true).await, refused)?;
        fails(root.delete_folder(path, true, true).await, refused)?;
        for (from, to) in [(path, "file"), ("file", path)] {
            fails(root.copy_file(from, to, true).await, refused)?;
            fails(root.move_file(from, to, true).await, refused)?;
        }
        fails(root.list(path, &List::ALL), refused)?;
        fails(root.glob(&format!("{path}/*")), refused)?;
        fails(root.folder_info(path, None).await, refused)?;
        fails(root.native_path(path), refused)?;
        fails(root.child(path), refused)?;
    }
    writer.finish().await?;
    // Deeper it is a name as any other.
    let below = format!("folder/{TEMPORARY}/x");
    store.write(&below, "x", WriteOptions::default()).await?;
    same(files(&store, "", true).await?, ["file".to_owned(), below.clone(), "large".to_owned()])?;
    same(&store.child("folder")?.read_bytes(&format!("{TEMPORARY}/x")).await?[..], b"x")?;
    store.delete(&below, false).await.map_err(Into::into)
}
