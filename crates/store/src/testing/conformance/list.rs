//! Listing.

use super::{Outcome, fails, promises, same};
use crate::error::ErrorKind;
use crate::info::{Entry, WriteOptions};
use crate::store::Store;

promises! {
    files_are_listed_with_size_and_tag [List],
    folders_are_listed_once [List],
    both_are_listed_together [List],
    nothing_is_listed_where_nothing_is [List],
    a_large_folder_is_listed_whole [List],
}

const FILES: [&str; 8] = ["a", "b/c", "b/d/e", "b/d/f", "b-x/y", "b.z", "b0/1", "deep/er/and/deeper"];

async fn fill(store: &Store) -> Outcome {
    for path in FILES {
        store.write(path, path, WriteOptions::default()).await?;
    }
    Ok(())
}

async fn files(store: &Store, path: &str, recursive: bool) -> Result<Vec<String>, crate::Error> {
    let mut listing = store.list_files(path, recursive)?;
    let mut found = Vec::new();
    while let Some(file) = listing.next_entry().await? {
        found.push(file.path.to_string());
    }
    found.sort();
    Ok(found)
}

async fn folders(store: &Store, path: &str, recursive: bool) -> Result<Vec<String>, crate::Error> {
    let mut listing = store.list_folders(path, recursive)?;
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
    let mut listing = store.list_files("b", true)?;
    while let Some(file) = listing.next_entry().await? {
        same(&file, &store.file_info(&file.path).await?)?;
        same(file.size, file.path.len() as u64)?;
    }
    Ok(())
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
    let mut listing = store.list("b", false)?;
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
    fails(store.list_files("../x", true), ErrorKind::InvalidPath)
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
