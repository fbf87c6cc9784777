//! Whole files, ranges of them, what is said of them, and many at once.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;

use super::{Outcome, broken_source, fails, pattern, promises, same};
use crate::batch::Progress;
use crate::capability::Capability;
use crate::digest::{Algorithm, Digest};
use crate::error::ErrorKind;
use crate::info::{ByteRange, Metadata, ReadOptions, ResultSource, WriteOptions};
use crate::store::Store;
use crate::write::Content;

promises! {
    text_is_utf8 [],
    a_write_has_the_digest_that_was_asked_for [],
    a_digest_tells_when_content_has_changed [],
    many_ranges_are_cut_exactly [],
    ranges_are_all_of_one_content [ConditionalRead],
    metadata_comes_back_as_it_was [Metadata, Copy, Move],
    metadata_that_some_cannot_keep_is_refused [Metadata],
    a_media_type_comes_back [MediaType],
    what_cannot_be_kept_is_refused_before_anything_is_written [],
    many_are_done_at_once_and_each_has_its_result [Delete, Copy],
    a_file_goes_from_store_to_store [],
    native_names_lead_back [],
}

async fn text_is_utf8(store: Store) -> Outcome {
    for text in ["", "plain", "\u{1f6a2} \u{5e3}\r\n\0"] {
        store.write_text("text", text, WriteOptions::OVERWRITE).await?;
        same(store.read_text("text").await?.as_str(), text)?;
    }
    store.write("bytes", &b"\xff\xfe"[..], WriteOptions::default()).await?;
    fails(store.read_text("bytes").await, ErrorKind::InvalidContent)?;
    fails(store.read_text("missing").await, ErrorKind::NotFound)
}

async fn a_write_has_the_digest_that_was_asked_for(store: Store) -> Outcome {
    let content = pattern(300_000);
    for algorithm in Algorithm::ALL {
        let chunks: Vec<_> = content.chunks(70_000).map(|chunk| Ok(content.slice_ref(chunk))).collect();
        let stream = Content::stream(futures_util::stream::iter(chunks));
        let streamed = store.write_with_hash("streamed", stream, *algorithm, WriteOptions::OVERWRITE).await?;
        let whole =
            store.write_with_hash("whole", content.clone(), *algorithm, WriteOptions::OVERWRITE).await?;
        let digest = store.checksum("streamed", *algorithm).await?;
        same((streamed.digest.as_ref(), whole.digest.as_ref()), (Some(&digest), Some(&digest)))?;
        same((streamed.size, streamed.path.as_str()), (300_000, "streamed"))?;
    }
    let empty = store.write_with_hash("empty", "", Algorithm::Md5, WriteOptions::default()).await?;
    same(
        empty.digest.map(|digest| digest.to_string()),
        Some("md5:d41d8cd98f00b204e9800998ecf8427e".to_owned()),
    )?;
    let broken = futures_util::stream::iter([Ok(content), Err(broken_source())]);
    let broken =
        store.write_with_hash("broken", Content::stream(broken), Algorithm::Md5, WriteOptions::default());
    fails(broken.await, ErrorKind::Unavailable)?;
    same(store.exists("broken").await?, false)
}

async fn a_digest_tells_when_content_has_changed(store: Store) -> Outcome {
    let written = store.write_with_hash("file", "one", Algorithm::Sha256, WriteOptions::default()).await?;
    let digest: Digest = written.digest.ok_or("no digest")?;
    store.verify("file", &digest).await?;
    store.write("file", "two", WriteOptions::OVERWRITE).await?;
    fails(store.verify("file", &digest).await, ErrorKind::InvalidContent)?;
    fails(store.verify("missing", &digest).await, ErrorKind::NotFound)
}

async fn many_ranges_are_cut_exactly(store: Store) -> Outcome {
    let content = pattern(1_000_000);
    store.write("file", content.clone(), WriteOptions::default()).await?;
    let ranges = [
        ByteRange::Between(999_990, 1_000_010),
        ByteRange::Between(5, 5),
        ByteRange::Between(0, 10),
        ByteRange::Between(5, 20),
        ByteRange::Between(500_000, 700_000),
        ByteRange::Last(3),
        ByteRange::From(2_000_000),
        ByteRange::All,
    ];
    let read = store.read_ranges("file", &ranges).await?;
    let wanted: Vec<_> = ranges.iter().map(|range| range.within(1_000_000)).collect();
    for (bytes, range) in read.iter().zip(&wanted) {
        same(bytes == &content[range.start as usize..range.end as usize], true)?;
    }
    same(read.len(), ranges.len())?;
    same(store.read_ranges("file", &[]).await?.len(), 0)?;
    store.write("empty", "", WriteOptions::default()).await?;
    same(store.read_ranges("empty", &[ByteRange::All]).await?[0].len(), 0)?;
    fails(store.read_ranges("missing", &[ByteRange::All]).await, ErrorKind::NotFound)
}

async fn ranges_are_all_of_one_content(store: Store) -> Outcome {
    store.write("file", pattern(4_000_000), WriteOptions::default()).await?;
    let far = [ByteRange::Between(0, 1), ByteRange::Between(3_000_000, 3_000_001)];
    // The file keeps changing: either all is of one content, or it is said.
    for round in 0..20_u8 {
        let content = vec![round; 4_000_000];
        let (read, written) = futures_util::future::join(
            store.read_ranges("file", &far),
            store.write("file", content, WriteOptions::OVERWRITE),
        )
        .await;
        written?;
        match read {
            Ok(read) if round > 0 => same(&read[0], &read[1])?,
            Ok(_) => {}
            Err(error) => same(error.kind(), ErrorKind::PreconditionFailed)?,
        }
    }
    Ok(())
}

fn said(pairs: &[(&str, &str)]) -> Metadata {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn metadata_comes_back_as_it_was(store: Store) -> Outcome {
    let metadata = said(&[("owner", "Ann B. <ann@example.org>"), ("empty", ""), ("n_2", "a=b;c,d\"'\\%20")]);
    let options = WriteOptions { metadata: metadata.clone(), ..WriteOptions::default() };
    let written = store.write("file", pattern(100_000), options.clone()).await?;
    same(&written.metadata, &metadata)?;
    let read = store.read("file", ReadOptions::default()).await?;
    same(&read.info().metadata, &metadata)?;
    same(store.file_info("file").await?.metadata, metadata.clone())?;
    let head = store.head("file").await?;
    same((head.metadata, head.source), (metadata.clone(), ResultSource::Sidecar))?;
    same(store.copy_file("file", "copy", false).await?.metadata, metadata.clone())?;
    store.move_file("copy", "moved", false).await?;
    same(store.file_info("moved").await?.metadata, metadata.clone())?;
    // What replaces a file has what was said of it, and nothing of what was there.
    store.write("file", "new", WriteOptions::OVERWRITE).await?;
    same(store.file_info("file").await?.metadata, Metadata::new())?;
    let largest = said(&[("k", &"x".repeat(2_047))]);
    let options = WriteOptions { metadata: largest.clone(), ..WriteOptions::default() };
    store.write("largest", "", options).await?;
    same(store.file_info("largest").await?.metadata, largest)
}

async fn metadata_that_some_cannot_keep_is_refused(store: Store) -> Outcome {
    for (key, value) in
        [("", "x"), ("A", "x"), ("a-b", "x"), ("a", "\u{e4}"), ("a", "b\n"), ("a", &"x".repeat(2_048))]
    {
        let options = WriteOptions { metadata: said(&[(key, value)]), ..WriteOptions::default() };
        fails(store.write("file", "x", options).await, ErrorKind::InvalidInput)?;
    }
    same(store.exists("file").await?, false)
}

async fn a_media_type_comes_back(store: Store) -> Outcome {
    let options =
        WriteOptions { media_type: Some("text/csv; charset=utf-8".to_owned()), ..WriteOptions::default() };
    store.write("file", "a,b", options).await?;
    same(store.file_info("file").await?.media_type.as_deref(), Some("text/csv; charset=utf-8"))
}

async fn what_cannot_be_kept_is_refused_before_anything_is_written(store: Store) -> Outcome {
    let metadata = said(&[("a", "b")]);
    let options = WriteOptions { metadata, ..WriteOptions::default() };
    if !store.supports(Capability::Metadata) {
        fails(store.open_write("file", options).await, ErrorKind::Unsupported)?;
    }
    let options = WriteOptions { media_type: Some("a/b".to_owned()), ..WriteOptions::default() };
    if !store.supports(Capability::MediaType) {
        fails(store.open_write("file", options).await, ErrorKind::Unsupported)?;
    }
    same(store.exists("file").await?, false)
}

async fn many_are_done_at_once_and_each_has_its_result(store: Store) -> Outcome {
    let names = |count: usize| (0..count).map(|number| format!("many/{number}"));
    for name in names(40) {
        store.write(&name, "x", WriteOptions::default()).await?;
    }
    let there: Vec<_> = store.exists_many(names(60), 7).collect().await;
    same(there.iter().filter(|outcome| matches!(outcome.result, Ok(true))).count(), 40)?;
    same(there.len(), 60)?;
    let pairs = names(50).map(|name| (name.clone(), name.replace("many", "copies")));
    let copies: Vec<_> = store.copy_many(pairs, false, 7).collect().await;
    let failed: Vec<_> = copies.iter().filter(|outcome| outcome.result.is_err()).collect();
    same(failed.len(), 10)?;
    for outcome in failed {
        same(outcome.result.as_ref().err().map(crate::Error::kind), Some(ErrorKind::NotFound))?;
    }
    let gone: Vec<_> = store.delete_many(names(50), false, 7).collect().await;
    same(gone.iter().filter(|outcome| outcome.result.is_err()).count(), 10)?;
    let again: Vec<_> = store.delete_many(names(50), true, 0).collect().await;
    same(again.iter().filter(|outcome| outcome.result.is_err()).count(), 0)?;
    same(store.exists("copies/39").await?, true)
}

async fn a_file_goes_from_store_to_store(store: Store) -> Outcome {
    let other = Store::memory();
    let content = pattern(300_000);
    let metadata = if store.supports(Capability::Metadata) { said(&[("a", "b")]) } else { Metadata::new() };
    store
        .write(
            "from/file",
            content.clone(),
            WriteOptions { metadata: metadata.clone(), ..WriteOptions::default() },
        )
        .await?;
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = || {
        let told = Arc::clone(&told);
        move |progress: Progress| told.lock().expect("no panic").push(progress)
    };
    let there = store.transfer("from/file", &other, "to/file", WriteOptions::default(), tell()).await?;
    same((there.path.as_str(), there.size, there.metadata), ("to/file", 300_000, metadata))?;
    same(other.read_bytes("to/file").await? == content, true)?;
    let last = told.lock().map_err(|_| "a panic")?.last().copied();
    same(last, Some(Progress { done: 300_000, total: 300_000 }))?;
    let taken = store.transfer("from/file", &other, "to/file", WriteOptions::default(), tell()).await;
    fails(taken, ErrorKind::AlreadyExists)?;
    // Within one storage, also between parts of it.
    let (from, to) = (store.child("from")?, store.child("here")?);
    let there = from.transfer("file", &to, "file", WriteOptions::default(), tell()).await?;
    same(there.path.as_str(), "file")?;
    same(store.read_bytes("here/file").await? == content, true)?;
    fails(store.transfer("missing", &other, "x", WriteOptions::default(), tell()).await, ErrorKind::NotFound)
}

async fn native_names_lead_back(store: Store) -> Outcome {
    for path in ["a", "b/c", "d/\u{e4} %20"] {
        let native = store.native_path(path)?;
        same(store.path_of_native(&native).map(|path| path.to_string()), Some(path.to_owned()))?;
        let child = store.child("some")?;
        let inside = child.native_path(path)?;
        same(child.path_of_native(&inside).map(|path| path.to_string()), Some(path.to_owned()))?;
        same(child.path_of_native(&native), None)?;
    }
    fails(store.native_path("../x"), ErrorKind::InvalidPath)
}
