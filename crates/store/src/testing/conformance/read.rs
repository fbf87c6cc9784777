//! Reading and looking.

use futures_util::StreamExt as _;

use super::{Outcome, fails, pattern, promises, same};
use crate::error::ErrorKind;
use crate::info::{ByteRange, List, ReadOptions, ResultSource, WriteOptions, WriteResult};
use crate::store::Store;

promises! {
    what_is_written_is_read [],
    missing_files_fail_at_the_call [],
    ranges_are_cut_to_the_file [],
    chunks_are_whole_and_in_order [],
    a_stale_tag_is_refused [ConditionalRead],
    a_reader_keeps_the_content_it_opened [AtomicWrite, SnapshotRead],
    looking_tells_files_from_folders [],
    paths_are_normalised [],
    paths_out_of_the_store_are_refused [],
    names_of_many_scripts_come_back [List],
    a_child_sees_its_folder_alone [List],
    ping_answers [],
}

async fn what_is_written_is_read(store: Store) -> Outcome {
    for size in [0, 1, 4096, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1] {
        let path = format!("sizes/{size}");
        let content = pattern(size);
        let made = store.write(&path, content.clone(), WriteOptions::default()).await?;
        same(made.size, size as u64)?;
        same(made.path.as_str(), path.as_str())?;
        same(store.read_bytes(&path).await? == content, true)?;
        let info = store.file_info(&path).await?;
        same(info.size, size as u64)?;
        same(&info.etag, &made.etag)?;
        let head = store.head(&path).await?;
        // Not every service tells with a write when that was.
        let last_modified = made.last_modified.or(head.last_modified);
        same(head, WriteResult { source: ResultSource::Sidecar, last_modified, ..made })?;
        same(info.path.name(), size.to_string().as_str())?;
    }
    Ok(())
}

async fn missing_files_fail_at_the_call(store: Store) -> Outcome {
    store.write("file", "x", WriteOptions::default()).await?;
    for path in ["missing", "missing/below", "file/below"] {
        let read = store.read(path, ReadOptions::default()).await;
        fails(read, ErrorKind::NotFound)?;
        fails(store.file_info(path).await, ErrorKind::NotFound)?;
        fails(store.head(path).await, ErrorKind::NotFound)?;
    }
    store.write("folder/file", "x", WriteOptions::default()).await?;
    let read = store.read("folder", ReadOptions::default()).await;
    fails(read, ErrorKind::InvalidPath)?;
    fails(store.file_info("folder").await, ErrorKind::InvalidPath)
}

async fn ranges_are_cut_to_the_file(store: Store) -> Outcome {
    let size = 2 * 1024 * 1024 + 3;
    let content = pattern(size);
    store.write("file", content.clone(), WriteOptions::default()).await?;
    let end = size as u64;
    let mib = 1024 * 1024;
    for (range, wanted) in [
        (ByteRange::All, 0..end),
        (ByteRange::Between(0, 1), 0..1),
        (ByteRange::Between(0, end), 0..end),
        (ByteRange::Between(mib - 1, mib + 1), mib - 1..mib + 1),
        (ByteRange::Between(mib, 2 * mib), mib..2 * mib),
        (ByteRange::Between(end - 1, end + 10), end - 1..end),
        (ByteRange::Between(end, end + 1), end..end),
        (ByteRange::Between(end + 5, end + 9), end..end),
        (ByteRange::Between(7, 7), 7..7),
        (ByteRange::From(end - 1), end - 1..end),
        (ByteRange::From(end), end..end),
        (ByteRange::From(u64::MAX), end..end),
        (ByteRange::Last(1), end - 1..end),
        (ByteRange::Last(0), end..end),
        (ByteRange::Last(u64::MAX), 0..end),
    ] {
        let read = store.read("file", ReadOptions::range(range)).await?;
        same(read.range(), wanted.clone())?;
        same(read.info().size, end)?;
        let bytes = read.bytes().await?;
        let wanted = content.slice(wanted.start as usize..wanted.end as usize);
        same((range, bytes == wanted), (range, true))?;
    }
    Ok(())
}

async fn chunks_are_whole_and_in_order(store: Store) -> Outcome {
    let content = pattern(5 * 1024 * 1024 + 17);
    store.write("file", content.clone(), WriteOptions::default()).await?;
    let mut read = store.read("file", ReadOptions::default()).await?;
    let mut offset = 0;
    while let Some(chunk) = read.next().await {
        let chunk = chunk?;
        same(chunk.is_empty(), false)?;
        same(chunk == content.slice(offset..offset + chunk.len()), true)?;
        offset += chunk.len();
    }
    same(offset, content.len())?;
    // A stream at its end stays there.
    same(read.next_chunk().await?, None::<bytes::Bytes>)
}

async fn a_stale_tag_is_refused(store: Store) -> Outcome {
    let first = store.write("file", "one", WriteOptions::default()).await?;
    let options = ReadOptions { if_match: first.etag.clone(), ..ReadOptions::default() };
    let read = store.read("file", options.clone()).await?;
    same(&read.bytes().await?[..], b"one")?;
    let second = store.write("file", "two", WriteOptions::OVERWRITE).await?;
    same(first.etag != second.etag, true)?;
    let stale = store.read("file", options.clone()).await;
    fails(stale, ErrorKind::PreconditionFailed)?;
    fails(store.read("missing", options).await, ErrorKind::NotFound)
}

async fn a_reader_keeps_the_content_it_opened(store: Store) -> Outcome {
    let first = pattern(3 * 1024 * 1024);
    store.write("file", first.clone(), WriteOptions::default()).await?;
    let read = store.read("file", ReadOptions::default()).await?;
    store.write("file", "short", WriteOptions::OVERWRITE).await?;
    same(read.bytes().await? == first, true)?;
    same(&store.read_bytes("file").await?[..], b"short")
}

async fn looking_tells_files_from_folders(store: Store) -> Outcome {
    store.write("folder/file", "x", WriteOptions::default()).await?;
    for (path, file, folder) in [
        ("folder/file", true, false),
        ("folder", false, true),
        ("", false, true),
        (".", false, true),
        ("missing", false, false),
        ("folder/file/below", false, false),
        ("fold", false, false),
    ] {
        same((path, store.is_file(path).await?), (path, file))?;
        same((path, store.is_folder(path).await?), (path, folder))?;
        same((path, store.exists(path).await?), (path, file || folder))?;
    }
    Ok(())
}

async fn paths_are_normalised(store: Store) -> Outcome {
    store.write("\\a//./b\\c/", "x", WriteOptions::default()).await?;
    for path in ["a/b/c", "/a/b/c", "a\\b\\c", "./a/b/./c"] {
        same(&store.read_bytes(path).await?[..], b"x")?;
    }
    Ok(())
}

async fn paths_out_of_the_store_are_refused(store: Store) -> Outcome {
    for path in ["..", "../x", "a/../../x", "a/..", "..\\x", "x\0", "\0"] {
        let write = store.write(path, "x", WriteOptions::default()).await;
        fails(write, ErrorKind::InvalidPath)?;
        fails(store.read_bytes(path).await, ErrorKind::InvalidPath)?;
        fails(store.exists(path).await, ErrorKind::InvalidPath)?;
        same(store.child(path).is_err(), true)?;
    }
    for path in ["", ".", "/", "./", ".//", "./.", "\\"] {
        let write = store.write(path, "x", WriteOptions::default()).await;
        fails(write, ErrorKind::InvalidPath)?;
        fails(store.read_bytes(path).await, ErrorKind::InvalidPath)?;
    }
    Ok(())
}

async fn names_of_many_scripts_come_back(store: Store) -> Outcome {
    let names = [
        "plain",
        "with space",
        "Größe",
        "Gro\u{308}ße",
        "файл",
        "文件",
        "ファイル",
        "파일",
        "ملف",
        "קובץ",
        "फ़ाइल",
        "ไฟล์",
        "🌊⚓️",
        "a\u{200d}b",
        "-rf",
        "~",
        "%2e%2e",
        "a:b*c?d\"e<f>g|h",
        "tab\there",
        "line\nbreak",
        "...",
        ".hidden",
        "con",
        "'quoted'",
        "$(x)",
        "\u{202e}rtl",
    ];
    for name in names {
        store.write(&format!("names/{name}"), name, WriteOptions::default()).await?;
    }
    let mut found = Vec::new();
    let mut listing = store.list_files("names", &List::CHILDREN)?;
    while let Some(file) = listing.next_entry().await? {
        found.push(file.path.name().to_owned());
    }
    found.sort();
    let mut wanted: Vec<_> = names.map(str::to_owned).into();
    wanted.sort();
    same(found, wanted)?;
    for name in names {
        let content = store.read_bytes(&format!("names/{name}")).await?;
        same(&content[..], name.as_bytes())?;
    }
    Ok(())
}

async fn a_child_sees_its_folder_alone(store: Store) -> Outcome {
    store.write("data/in", "in", WriteOptions::default()).await?;
    store.write("data-evil/out", "out", WriteOptions::default()).await?;
    let child = store.child("data")?;
    same(&child.read_bytes("in").await?[..], b"in")?;
    same(child.file_info("in").await?.path.as_str(), "in")?;
    same(child.is_folder("").await?, true)?;
    fails(child.read_bytes("out").await, ErrorKind::NotFound)?;
    fails(child.read_bytes("../data-evil/out").await, ErrorKind::InvalidPath)?;
    let made = child.write("deep/er", "x", WriteOptions::default()).await?;
    same(made.path.as_str(), "deep/er")?;
    same(store.is_file("data/deep/er").await?, true)?;
    let mut found = Vec::new();
    let mut listing = child.list_files("", &List::ALL)?;
    while let Some(file) = listing.next_entry().await? {
        found.push(file.path.to_string());
    }
    found.sort();
    same(found, ["deep/er", "in"])?;
    child.close().await?;
    same(&store.read_bytes("data/in").await?[..], b"in")
}

async fn ping_answers(store: Store) -> Outcome {
    store.ping().await?;
    store.close().await?;
    Ok(())
}
