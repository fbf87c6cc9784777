//! What is given up, breaks off or goes wrong on the way: nothing is torn, lost or left over.

use std::time::Duration;

use bytes::Bytes;
use longshore_flow::RetryPolicy;

use super::{Outcome, pattern, promises, same};
use crate::capability::Capability;
use crate::error::ErrorKind;
use crate::info::{List, ReadOptions, WriteOptions};
use crate::store::Store;
use crate::testing::chaos::{Chaos, Op};
use crate::testing::given_up_after;

/// More than the least part of every service that takes large files in parts.
const PARTS: usize = 6 * 1024 * 1024;

/// After how many polls small and large work is given up. A file in parts is sent anew each time, so these are fewer.
const POLLS: [usize; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 17, 21, 29, 40];
const POLLS_OF_PARTS: [usize; 8] = [0, 1, 2, 3, 5, 8, 16, 40];

promises! {
    a_write_given_up_is_whole_or_not_there [AtomicWrite, List],
    a_large_write_given_up_is_whole_or_not_there [AtomicWrite, List],
    a_replacement_given_up_leaves_old_or_new [AtomicWrite, List],
    a_copy_given_up_is_whole_or_not_there [AtomicWrite, List, Copy],
    a_move_given_up_loses_nothing [AtomicWrite, List, Move],
    a_deletion_given_up_leaves_all_or_nothing [Delete],
    a_reader_given_up_disturbs_nobody [],
    closing_waits_for_what_was_given_up [AtomicWrite, List],
    what_breaks_off_is_read_whole_with_attempts [ConditionalRead],
    what_was_acknowledged_stands_whatever_fails [AtomicWrite, Delete],
}

/// Waits until what was given up is over, in a child of a store too.
async fn settle(store: &Store) -> Outcome {
    store.backend.close().await.map_err(Into::into)
}

/// Returns a file's content, or nothing where there is no file.
async fn content(store: &Store, path: &str) -> Result<Option<Bytes>, crate::Error> {
    match store.read_bytes(path).await {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fails the case unless every file of the store is this whole content.
async fn all_are(store: &Store, wanted: &Bytes) -> Outcome {
    let mut listing = store.list_files("", &List::ALL)?;
    while let Some(file) = listing.next_entry().await? {
        same((file.path.as_str(), file.size), (file.path.as_str(), wanted.len() as u64))?;
        // One that is not done yet may be gone again, or not be there yet, but never be another.
        if let Some(content) = content(store, &file.path).await? {
            same((file.path.as_str(), content == *wanted), (file.path.as_str(), true))?;
        }
    }
    Ok(())
}

async fn writes_given_up(store: &Store, content: Bytes, polls: &[usize]) -> Outcome {
    let mut is_done = false;
    for polls in polls.iter().copied() {
        let path = format!("given/up/{polls}");
        let write = store.write(&path, content.clone(), WriteOptions::default());
        let written = given_up_after(polls, write).await.transpose()?;
        settle(store).await?;
        if let Some(written) = written {
            same(written.size, content.len() as u64)?;
            same(store.read_bytes(&path).await? == content, true)?;
            is_done = true;
            break;
        }
    }
    if !is_done {
        store.write("given/up/at/last", content.clone(), WriteOptions::default()).await?;
    }
    all_are(store, &content).await
}

async fn a_write_given_up_is_whole_or_not_there(store: Store) -> Outcome {
    writes_given_up(&store, pattern(10), &POLLS).await
}

async fn a_large_write_given_up_is_whole_or_not_there(store: Store) -> Outcome {
    writes_given_up(&store, pattern(PARTS), &POLLS_OF_PARTS).await
}

async fn a_replacement_given_up_leaves_old_or_new(store: Store) -> Outcome {
    for (polls, new) in [(&POLLS[..], pattern(10)), (&POLLS_OF_PARTS[..], pattern(PARTS))] {
        let old = Bytes::from_static(b"old");
        for polls in polls.iter().copied() {
            let path = format!("{}/{polls}", new.len());
            store.write(&path, old.clone(), WriteOptions::default()).await?;
            let write = store.write(&path, new.clone(), WriteOptions::OVERWRITE);
            let written = given_up_after(polls, write).await.transpose()?;
            settle(&store).await?;
            let found = store.read_bytes(&path).await?;
            same(found == new || (written.is_none() && found == old), true)?;
            if written.is_some() {
                break;
            }
        }
    }
    Ok(())
}

async fn a_copy_given_up_is_whole_or_not_there(store: Store) -> Outcome {
    for (polls, size) in [(&POLLS[..], 10), (&POLLS_OF_PARTS[..], PARTS)] {
        let whole = pattern(size);
        let from = format!("from/{size}");
        store.write(&from, whole.clone(), WriteOptions::default()).await?;
        for polls in polls.iter().copied() {
            let to = format!("to/{size}/{polls}");
            let copied = given_up_after(polls, store.copy_file(&from, &to, false)).await.transpose()?;
            settle(&store).await?;
            let found = content(&store, &to).await?;
            let is_whole = found.as_ref().is_some_and(|found| *found == whole);
            same(is_whole || (found.is_none() && copied.is_none()), true)?;
            if copied.is_some() {
                break;
            }
        }
        same(store.read_bytes(&from).await? == whole, true)?;
    }
    Ok(())
}

async fn a_move_given_up_loses_nothing(store: Store) -> Outcome {
    let whole = pattern(1_000);
    for polls in POLLS {
        let (from, to) = (format!("from/{polls}"), format!("to/{polls}"));
        store.write(&from, whole.clone(), WriteOptions::default()).await?;
        let moved = given_up_after(polls, store.move_file(&from, &to, false)).await.transpose()?;
        settle(&store).await?;
        // In this order, and the first once more: a server may be at it still, and a file moves but one way.
        let mut places = [content(&store, &to).await?, content(&store, &from).await?];
        if places == [None, None] {
            places[0] = content(&store, &to).await?;
        }
        same(places.iter().flatten().all(|found| *found == whole), true)?;
        let count = places.iter().flatten().count();
        if moved.is_some() {
            same((places[0].is_some(), count), (true, 1))?;
            break;
        }
        same(count == 1 || (count == 2 && !store.supports(Capability::AtomicMove)), true)?;
    }
    Ok(())
}

async fn a_deletion_given_up_leaves_all_or_nothing(store: Store) -> Outcome {
    let whole = pattern(1_000);
    for polls in POLLS {
        let path = format!("deleted/{polls}");
        store.write(&path, whole.clone(), WriteOptions::default()).await?;
        let deleted = given_up_after(polls, store.delete(&path, false)).await.transpose()?;
        settle(&store).await?;
        match content(&store, &path).await? {
            Some(found) => same((deleted, found == whole), (None, true))?,
            None if deleted.is_some() => break,
            None => {}
        }
    }
    Ok(())
}

async fn a_reader_given_up_disturbs_nobody(store: Store) -> Outcome {
    let whole = pattern(PARTS);
    store.write("file", whole.clone(), WriteOptions::default()).await?;
    for polls in POLLS {
        let read = given_up_after(polls, store.read("file", ReadOptions::default())).await.transpose()?;
        // One in the middle of a chunk, and one between two.
        if let Some(mut read) = read {
            same(read.next_chunk().await?.is_some(), true)?;
            given_up_after(polls, read.next_chunk()).await.transpose()?;
        }
        let options = ReadOptions::range(PARTS as u64 - 5..PARTS as u64);
        let mut other = store.read("file", options).await?;
        same(other.next_chunk().await?.as_deref(), whole.get(PARTS - 5..))?;
    }
    same(store.read_bytes("file").await? == whole, true)?;
    store.write("file", "replaced", WriteOptions::OVERWRITE).await?;
    settle(&store).await?;
    same(&store.read_bytes("file").await?[..], b"replaced")
}

async fn closing_waits_for_what_was_given_up(store: Store) -> Outcome {
    let whole = pattern(1_000_000);
    for polls in 1..5 {
        let mut writer = store.open_write(&format!("dropped/{polls}"), WriteOptions::default()).await?;
        given_up_after(polls, writer.write(pattern(PARTS))).await.transpose()?;
        drop(writer);
        let path = format!("given/{polls}");
        let write = store.write(&path, whole.clone(), WriteOptions::default());
        given_up_after(polls, write).await.transpose()?;
    }
    settle(&store).await?;
    let mut seen = Vec::new();
    for polls in 1..5 {
        same(store.exists(&format!("dropped/{polls}")).await?, false)?;
        seen.push(content(&store, &format!("given/{polls}")).await?.is_some());
    }
    all_are(&store, &whole).await?;
    for (place, there) in seen.into_iter().enumerate() {
        // A server that was sent everything may take its time; what was there stays.
        let now = store.exists(&format!("given/{}", place + 1)).await?;
        same(now || !there, true)?;
    }
    // Whatever was given up, the same can be done again.
    store.write("dropped/1", whole.clone(), WriteOptions::default()).await?;
    store.write("given/1", whole.clone(), WriteOptions::OVERWRITE).await?;
    all_are(&store, &whole).await
}

fn quick() -> RetryPolicy {
    RetryPolicy { base: Duration::from_millis(1), max_attempts: 12, ..RetryPolicy::default() }
}

async fn what_breaks_off_is_read_whole_with_attempts(store: Store) -> Outcome {
    let whole = pattern(1024 * 1024 + 7);
    store.write("file", whole.clone(), WriteOptions::default()).await?;
    for seed in 0..4 {
        let (failing, chaos) = Chaos::wrap(store.clone());
        let failing = failing.with_retry(quick());
        chaos.disturb_by_seed(seed, 100);
        // Whatever the seed says and however few the chunks are: cut at once, and again in the rest.
        for _ in 0..2 {
            chaos.tear_next(Op::ReadChunk, ErrorKind::Unavailable);
        }
        same((seed, failing.read_bytes("file").await? == whole), (seed, true))?;
        chaos.tear_next(Op::ReadChunk, ErrorKind::Unavailable);
        let part = failing.read("file", ReadOptions::range(300_000..1_000_001)).await?;
        same((seed, part.bytes().await?.as_ref() == &whole[300_000..1_000_001]), (seed, true))?;
        same((seed, failing.file_info("file").await?.size), (seed, whole.len() as u64))?;
        same((seed, chaos.struck().len() >= 3), (seed, true))?;
    }
    Ok(())
}

/// Whatever fails, a file is one of the contents that somebody tried to give it; and what was acknowledged last stands unless
/// a later attempt's answer was lost.
async fn what_was_acknowledged_stands_whatever_fails(store: Store) -> Outcome {
    for seed in 0..3 {
        let (failing, chaos) = Chaos::wrap(store.clone());
        let failing = failing.with_retry(quick());
        chaos.fail_by_seed(seed, 150);
        let paths = ["a", "b/c", "b/d"].map(|name| format!("seed-{seed}/{name}"));
        let mut possible = paths.each_ref().map(|_| vec![None]);
        for step in 0..24_usize {
            let place = step % paths.len();
            let path = &paths[place];
            let wanted = (step % 7 != 6).then(|| pattern(1 + step * 9_000));
            let done = match &wanted {
                Some(content) => {
                    let write = failing.write(path, content.clone(), WriteOptions::OVERWRITE);
                    write.await.map(drop)
                }
                None => failing.delete(path, true).await,
            };
            if done.is_ok() {
                possible[place].clear();
            }
            possible[place].push(wanted);
        }
        chaos.calm();
        settle(&store).await?;
        for (path, possible) in paths.iter().zip(&possible) {
            let found = content(&store, path).await?;
            let is_possible = possible.contains(&found);
            same((seed, path, is_possible), (seed, path, true))?;
        }
    }
    Ok(())
}
