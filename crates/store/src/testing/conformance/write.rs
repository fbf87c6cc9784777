//! Writing.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;

use super::{Outcome, broken_source, fails, pattern, promises, same};
use crate::error::ErrorKind;
use crate::info::{List, WriteOptions};
use crate::store::Store;
use crate::write::Content;

/// More than the least part of every service that takes large files in parts.
const PARTS: usize = 6 * 1024 * 1024;

promises! {
    a_standing_file_is_not_replaced_unasked [],
    a_standing_file_is_replaced_when_asked [],
    nothing_is_seen_before_the_end [AtomicWrite, List],
    a_dropped_writer_leaves_nothing [AtomicWrite, List],
    an_aborted_writer_leaves_nothing [AtomicWrite, List],
    a_broken_source_leaves_what_stood [AtomicWrite, List],
    streams_of_any_chunks_are_whole [],
    files_and_folders_do_not_mix [List, Hierarchy],
    one_of_many_creators_wins [AtomicCreate],
    replacers_leave_one_whole_content [AtomicWrite],
    many_writers_to_one_folder_all_succeed [List],
}

async fn a_standing_file_is_not_replaced_unasked(store: Store) -> Outcome {
    store.write("file", "one", WriteOptions::default()).await?;
    for content in [pattern(3), pattern(3 * 1024 * 1024)] {
        let write = store.write("file", content, WriteOptions::default()).await;
        fails(write, ErrorKind::AlreadyExists)?;
    }
    same(&store.read_bytes("file").await?[..], b"one")
}

async fn a_standing_file_is_replaced_when_asked(store: Store) -> Outcome {
    let options = WriteOptions::OVERWRITE;
    for content in ["new", "longer than before", "", "x"] {
        let made = store.write("file", content, options.clone()).await?;
        same(made.size, content.len() as u64)?;
        same(&store.read_bytes("file").await?[..], content.as_bytes())?;
    }
    Ok(())
}

/// Fails the case unless the store has exactly these files.
async fn has_files(store: &Store, wanted: &[&str]) -> Outcome {
    store.close().await?;
    let mut found = Vec::new();
    let mut listing = store.list_files("", &List::ALL)?;
    while let Some(file) = listing.next_entry().await? {
        found.push(file.path.to_string());
    }
    found.sort();
    same(found, wanted)
}

async fn nothing_is_seen_before_the_end(store: Store) -> Outcome {
    let mut writer = store.open_write("a/file", WriteOptions::default()).await?;
    for _ in 0..5 {
        writer.write(pattern(700_000)).await?;
        same(store.exists("a/file").await?, false)?;
        has_files(&store, &[]).await?;
    }
    same(writer.written(), 3_500_000)?;
    let made = writer.finish().await?;
    same(made.size, 3_500_000)?;
    has_files(&store, &["a/file"]).await
}

async fn a_dropped_writer_leaves_nothing(store: Store) -> Outcome {
    for chunks in [0, 1, 5] {
        let mut writer = store.open_write("file", WriteOptions::default()).await?;
        for _ in 0..chunks {
            writer.write(pattern(1024 * 1024)).await?;
        }
        drop(writer);
        has_files(&store, &[]).await?;
    }
    Ok(())
}

async fn an_aborted_writer_leaves_nothing(store: Store) -> Outcome {
    store.write("file", "old", WriteOptions::default()).await?;
    for chunks in [0, 1, 5] {
        let mut writer = store.open_write("file", WriteOptions::OVERWRITE).await?;
        for _ in 0..chunks {
            writer.write(pattern(1024 * 1024)).await?;
        }
        writer.abort().await?;
        has_files(&store, &["file"]).await?;
    }
    same(&store.read_bytes("file").await?[..], b"old")
}

async fn a_broken_source_leaves_what_stood(store: Store) -> Outcome {
    store.write("old", "old", WriteOptions::default()).await?;
    for chunks in [0, 1, 5] {
        for path in ["old", "new"] {
            let source = (0..chunks)
                .map(|_| Ok(pattern(1024 * 1024)))
                .chain([Err(broken_source())])
                .collect::<Vec<_>>();
            let content = Content::stream(stream::iter(source));
            let write = store.write(path, content, WriteOptions::OVERWRITE).await;
            same(write.is_err_and(|e| e.kind() == ErrorKind::Unavailable), true)?;
        }
    }
    has_files(&store, &["old"]).await?;
    same(&store.read_bytes("old").await?[..], b"old")
}

async fn streams_of_any_chunks_are_whole(store: Store) -> Outcome {
    let whole = pattern(2_500_000);
    for size in [1000, 16 * 1024, 999_983, 1024 * 1024, 2_400_000] {
        let chunks: Vec<_> = (0..whole.len())
            .step_by(size)
            .map(|start| Ok(whole.slice(start..whole.len().min(start + size))))
            // An empty chunk is no end.
            .flat_map(|chunk| [Ok(Bytes::new()), chunk])
            .collect();
        let path = format!("by/{size}");
        let content = Content::stream(stream::iter(chunks));
        let made = store.write(&path, content, WriteOptions::default()).await?;
        same(made.size, whole.len() as u64)?;
        same(store.read_bytes(&path).await? == whole, true)?;
    }
    Ok(())
}

async fn files_and_folders_do_not_mix(store: Store) -> Outcome {
    let options = WriteOptions::OVERWRITE;
    store.write("folder/file", "x", options.clone()).await?;
    for overwrite in [false, true] {
        let options = WriteOptions { overwrite, ..WriteOptions::default() };
        let onto_folder = store.write("folder", "y", options.clone()).await;
        fails(onto_folder, ErrorKind::InvalidPath)?;
        let below_file = store.write("folder/file/below", "y", options.clone()).await;
        fails(below_file, ErrorKind::InvalidPath)?;
        let far_below = store.write("folder/file/a/b", pattern(3 << 20), options).await;
        fails(far_below, ErrorKind::InvalidPath)?;
    }
    has_files(&store, &["folder/file"]).await?;
    same(&store.read_bytes("folder/file").await?[..], b"x")
}

async fn one_of_many_creators_wins(store: Store) -> Outcome {
    // Twenty rounds of one chunk each, and two of what goes in parts where a storage takes large files so.
    for round in 0..22 {
        let size = if round < 20 { 10 } else { PARTS };
        let path = format!("race/{round}");
        let begun = Arc::new(tokio::sync::Barrier::new(16));
        let writers = (0..16_u8).map(|number| {
            let (store, path, begun) = (store.clone(), path.clone(), Arc::clone(&begun));
            async move {
                let content = Bytes::from(vec![number; size]);
                begun.wait().await;
                store.write(&path, content, WriteOptions::default()).await
            }
        });
        let results = futures_util::future::join_all(writers).await;
        let mut winner = None;
        for (number, result) in results.into_iter().enumerate() {
            match result {
                Ok(_) => same(winner.replace(number), None)?,
                result => fails(result, ErrorKind::AlreadyExists)?,
            }
        }
        let Some(winner) = winner else {
            return Err("nobody won".into());
        };
        let content = store.read_bytes(&path).await?;
        same(content.iter().all(|byte| usize::from(*byte) == winner), true)?;
        same(content.len(), size)?;
    }
    Ok(())
}

async fn replacers_leave_one_whole_content(store: Store) -> Outcome {
    let writers = (0..16_u8).map(|number| {
        let store = store.clone();
        async move {
            let content = Bytes::from(vec![number; 100_000 + usize::from(number)]);
            let write = store.write("file", content, WriteOptions::OVERWRITE);
            write.await.map(drop)
        }
    });
    for result in futures_util::future::join_all(writers).await {
        result?;
    }
    let content = store.read_bytes("file").await?;
    let first = content.first().copied().unwrap_or_default();
    same(content.len(), 100_000 + usize::from(first))?;
    same(content.iter().all(|byte| *byte == first), true)
}

async fn many_writers_to_one_folder_all_succeed(store: Store) -> Outcome {
    let writers = (0..64).map(|number| {
        let store = store.clone();
        async move {
            let path = format!("a/b{}/c/{number}", number % 3);
            let write = store.write(&path, path.clone(), WriteOptions::default());
            write.await.map(drop)
        }
    });
    for result in futures_util::future::join_all(writers).await {
        result?;
    }
    for number in 0..64 {
        let path = format!("a/b{}/c/{number}", number % 3);
        same(&store.read_bytes(&path).await?[..], path.as_bytes())?;
    }
    Ok(())
}
