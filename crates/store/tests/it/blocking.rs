//! The store for threads that may wait, anywhere a thread may be.

use std::io::{BufRead as _, Cursor, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use longshore_store::blocking::Store;
use longshore_store::testing::chaos::Chaos;
use longshore_store::{
    Algorithm, ByteRange, Capability, ErrorKind, List, LocalOptions, Op, ReadOptions, WriteOptions,
};
use tempfile::TempDir;

const TESTS: [(&str, fn()); 8] = [
    ("every_verb_waits_for_its_end", every_verb_waits_for_its_end),
    ("streams_come_one_by_one", streams_come_one_by_one),
    ("a_reader_reads_as_any_file_does", a_reader_reads_as_any_file_does),
    ("a_reader_asks_for_more_the_longer_it_goes_on", a_reader_asks_for_more_the_longer_it_goes_on),
    ("a_reader_never_mixes_two_contents", a_reader_never_mixes_two_contents),
    ("a_file_is_there_when_it_is_finished", a_file_is_there_when_it_is_finished),
    ("it_works_in_async_code", it_works_in_async_code),
    ("it_works_on_a_given_runtime", it_works_on_a_given_runtime),
];

/// These run outside of any runtime.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, test): (&str, fn())| {
        Trial::test(format!("blocking::{name}"), move || {
            test();
            Ok(())
        })
    };
    TESTS.map(trial).into()
}

fn memory() -> Store {
    Store::new(longshore_store::Store::memory()).unwrap()
}

fn local() -> (Store, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = longshore_store::Store::local(folder.path(), LocalOptions::default()).unwrap();
    (Store::new(store).unwrap(), folder)
}

fn every_verb_waits_for_its_end() {
    let (on_disk, _folder) = local();
    for store in [memory(), on_disk] {
        store.ping().unwrap();
        assert!(store.supports(Capability::Read) && store.capabilities().contains(Capability::Write));
        let written = store.write("a/file", "content", WriteOptions::default()).unwrap();
        assert_eq!((written.path.as_str(), written.size), ("a/file", 7));
        let again = store.write("a/file", "content", WriteOptions::default()).unwrap_err();
        assert_eq!((again.kind(), again.backend()), (ErrorKind::AlreadyExists, Some(store.name())));
        store.write_text("a/text", "text", WriteOptions::default()).unwrap();
        store.write_atomic("a/text", "texts", WriteOptions::OVERWRITE).unwrap();
        assert_eq!(store.read_text("a/text").unwrap(), "texts");
        assert_eq!(&store.read_bytes("a/file").unwrap()[..], b"content");
        let ranges = [ByteRange::Between(0, 1), ByteRange::Last(1)];
        assert_eq!(store.read_ranges("a/file", &ranges).unwrap(), ["c", "t"]);
        let hashed =
            store.write_with_hash("hashed", "x", Algorithm::Sha256, WriteOptions::default()).unwrap();
        let digest = store.checksum("hashed", Algorithm::Sha256).unwrap();
        assert_eq!(hashed.digest.as_ref(), Some(&digest));
        store.verify("hashed", &digest).unwrap();
        assert_eq!(store.file_info("a/file").unwrap().size, 7);
        assert_eq!(store.head("a/file").unwrap().etag, written.etag);
        assert!(
            store.exists("a").unwrap() && store.is_folder("a").unwrap() && store.is_file("a/file").unwrap()
        );
        assert_eq!(store.folder_info("", None).unwrap().files, 3);
        store.copy_file("a/file", "b/copy", false).unwrap();
        store.move_file("b/copy", "c/moved", false).unwrap();
        let child = store.child("c").unwrap();
        assert_eq!(child.read_text("moved").unwrap(), "content");
        let native = child.native_path("moved").unwrap();
        assert_eq!(child.path_of_native(&native).unwrap().as_str(), "moved");
        let other = memory();
        let told = Arc::new(Mutex::new(0));
        let tell = Arc::clone(&told);
        let transfer = store.transfer("a/file", &other, "there", WriteOptions::default(), move |progress| {
            *tell.lock().unwrap() = progress.done;
        });
        assert_eq!((transfer.unwrap().size, *told.lock().unwrap()), (7, 7));
        assert_eq!(other.read_text("there").unwrap(), "content");
        store.delete("c/moved", false).unwrap();
        store.delete_folder("a", true, false).unwrap();
        assert!(!store.exists("a/file").unwrap());
        store.close().unwrap();
    }
}

fn streams_come_one_by_one() {
    let (store, _folder) = local();
    let content: Vec<u8> = (0..3_000_000_u32).map(|place| (place % 251) as u8).collect();
    store.write("large", content.clone(), WriteOptions::default()).unwrap();
    let read = store.read("large", ReadOptions::range(10..2_900_000)).unwrap();
    assert_eq!((read.info().size, read.range()), (3_000_000, 10..2_900_000));
    let chunks: Vec<_> = read.map(Result::unwrap).collect();
    assert!(chunks.len() > 1 && chunks.concat() == content[10..2_900_000]);
    let mut read = store.read("large", ReadOptions::default()).unwrap();
    let first = read.next().unwrap().unwrap();
    assert!([&first[..], &read.into_bytes().unwrap()[..]].concat() == content);
    assert_eq!(store.read("missing", ReadOptions::default()).unwrap_err().kind(), ErrorKind::NotFound);
    for number in 0..5 {
        store.write(&format!("f/{number}"), "x", WriteOptions::default()).unwrap();
    }
    let mut files: Vec<_> =
        store.list_files("f", &List::ALL).unwrap().map(|file| file.unwrap().path.to_string()).collect();
    files.sort();
    assert_eq!(files, ["f/0", "f/1", "f/2", "f/3", "f/4"]);
    assert_eq!(store.list_folders("", &List::ALL).unwrap().count(), 1);
    assert_eq!(store.list("", &List::CHILDREN).unwrap().count(), 2);
    assert_eq!(store.glob("*/[12]").unwrap().count(), 2);
    assert_eq!(store.list_files("../x", &List::ALL).unwrap_err().kind(), ErrorKind::InvalidPath);
    let pairs = files.iter().map(|path| (path.clone(), format!("g/{path}")));
    assert!(store.copy_many(pairs, false, 3).all(|copied| copied.result.is_ok()));
    assert!(store.exists_many(files.clone(), 3).all(|looked| looked.result.unwrap()));
    assert!(store.delete_many(files.clone(), false, 3).all(|deleted| deleted.result.is_ok()));
    assert!(store.exists_many(files, 3).all(|looked| !looked.result.unwrap()));
}

/// Next to a cursor over the same bytes, by many steps of any kind.
fn a_reader_reads_as_any_file_does() {
    let (on_disk, _folder) = local();
    let content: Vec<u8> =
        (0..700_000_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for store in [memory(), on_disk] {
        store.write("file", content.clone(), WriteOptions::default()).unwrap();
        let mut reader = store.open_read("file").unwrap();
        assert_eq!(reader.info().size, 700_000);
        let mut model = Cursor::new(&content);
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..500 {
            let to = match random(6) {
                0 => Some(SeekFrom::Start(random(800_000))),
                1 => Some(SeekFrom::End(-(random(700_000) as i64))),
                2 => Some(SeekFrom::Current(random(1_000) as i64 - 500)),
                _ => None,
            };
            if let Some(to) = to {
                assert_eq!(reader.seek(to).ok(), model.seek(to).ok(), "{to:?}");
            }
            let mut found = vec![0; random(100_000) as usize];
            let mut wanted = found.clone();
            let size = reader.read(&mut found).unwrap();
            assert!(size > 0 || found.is_empty() || model.position() >= 700_000);
            model.read_exact(&mut wanted[..size]).unwrap();
            assert!(found[..size] == wanted[..size]);
        }
        assert_eq!(
            reader.seek(SeekFrom::End(-700_001)).unwrap_err().kind(),
            std::io::ErrorKind::InvalidInput
        );
        reader.rewind().unwrap();
        let mut whole = Vec::new();
        reader.read_to_end(&mut whole).unwrap();
        assert!(whole == content);
        store.write("lines", "one\ntwo\n", WriteOptions::default()).unwrap();
        let lines: Vec<_> = store.open_read("lines").unwrap().lines().map(Result::unwrap).collect();
        assert_eq!(lines, ["one", "two"]);
        let missing = store.open_read("missing").unwrap_err();
        assert_eq!(std::io::Error::from(missing).kind(), std::io::ErrorKind::NotFound);
        store.write("empty", "", WriteOptions::default()).unwrap();
        assert_eq!(store.open_read("empty").unwrap().read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}

fn a_reader_asks_for_more_the_longer_it_goes_on() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let store = longshore_store::Store::memory().observed(move |step| {
        *count.lock().unwrap() += u32::from(step.op == Op::Read);
    });
    let store = Store::new(store).unwrap();
    store.write("file", vec![1; 20_000_000], WriteOptions::default()).unwrap();
    let mut reader = store.open_read("file").unwrap();
    let mut byte = [0];
    for _ in 0..1_000 {
        reader.read_exact(&mut byte).unwrap();
    }
    assert_eq!(*asked.lock().unwrap(), 1, "small reads are of what is there");
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    // 64 KiB and its doubles up to 4 MiB are 8 MiB less 64 KiB in seven pieces; three more of 4 MiB are the rest.
    assert_eq!(*asked.lock().unwrap(), 10);
}

fn a_reader_never_mixes_two_contents() {
    let (on_disk, _folder) = local();
    for store in [memory(), on_disk] {
        store.write("file", vec![1; 1_000_000], WriteOptions::default()).unwrap();
        let mut reader = store.open_read("file").unwrap();
        let mut start = [0; 10];
        reader.read_exact(&mut start).unwrap();
        store.write("file", vec![2; 1_000_000], WriteOptions::OVERWRITE).unwrap();
        let mut rest = Vec::new();
        let error = reader.read_to_end(&mut rest).unwrap_err();
        assert!(rest.iter().all(|byte| *byte == 1));
        let inner = error.into_inner().unwrap().downcast::<longshore_store::Error>().unwrap();
        assert_eq!((inner.kind(), inner.path()), (ErrorKind::PreconditionFailed, Some("file")));
    }
}

fn a_file_is_there_when_it_is_finished() {
    let (store, folder) = local();
    for finished in [true, false] {
        let mut writer = store.open_atomic("file", WriteOptions::OVERWRITE).unwrap();
        for number in 0..200_000 {
            writeln!(writer, "{finished} line {number}").unwrap();
        }
        writer.write_all(&vec![b'x'; 3_000_000]).unwrap();
        writer.write_bytes(vec![b'y'; 2_000_000]).unwrap();
        writer.flush().unwrap();
        let size = writer.written();
        assert!(size > 8_000_000);
        assert_eq!(store.exists("file").unwrap(), !finished, "flushing makes nothing visible");
        if finished {
            assert_eq!(writer.finish().unwrap().size, size);
        } else {
            drop(writer);
        }
        let left = folder.path().join(".longshore-tmp");
        assert_eq!(left.read_dir().unwrap().count(), 0, "dropping waits until all is taken back");
        let text = store.read_text("file").unwrap();
        assert!(text.starts_with("true line 0\ntrue line 1\n") && text.ends_with('y'));
    }
    let writer = store.open_write("other", WriteOptions::default()).unwrap();
    writer.abort().unwrap();
    assert!(!store.exists("other").unwrap());
    // After an error nothing becomes visible.
    let (failing, chaos) = Chaos::wrap(longshore_store::Store::memory());
    let failing = Store::new(failing).unwrap();
    let mut writer = failing.open_write("file", WriteOptions::default()).unwrap();
    chaos.fail_next(Op::Write, ErrorKind::StorageFull);
    assert_eq!(writer.write(&[0; 300_000]).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    writer.finish().unwrap_err();
    assert!(!failing.exists("file").unwrap());
}

/// Writes and reads, with timers and blocking threads in it.
fn work(store: &Store) {
    store.write("file", vec![1; 3_000_000], WriteOptions::OVERWRITE).unwrap();
    let mut reader = store.open_read("file").unwrap();
    assert_eq!(std::io::copy(&mut reader, &mut std::io::sink()).unwrap(), 3_000_000);
    drop(store.open_write("file", WriteOptions::OVERWRITE).unwrap());
    let chunks = store.read("file", ReadOptions::default()).unwrap();
    assert_eq!(chunks.map(|chunk| chunk.unwrap().len()).sum::<usize>(), 3_000_000);
}

fn slow() -> (longshore_store::Store, TempDir) {
    let (store, folder) = local();
    let (store, chaos) = Chaos::wrap(store.as_async().clone());
    for op in [Op::OpenWrite, Op::Finish, Op::Stat, Op::ReadChunk] {
        chaos.delay_next(op, std::time::Duration::from_millis(2));
    }
    (store, folder)
}

fn it_works_in_async_code() {
    let current = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for runtime in [current, threads] {
        runtime.block_on(async {
            let (store, _folder) = slow();
            work(&Store::new(store).unwrap());
        });
    }
}

fn it_works_on_a_given_runtime() {
    let build = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
    let runtime = build.unwrap();
    let (store, _folder) = slow();
    let store = Store::on(store, runtime.handle().clone()).unwrap();
    // From outside, from where it may block, and from the one thread that it has for async code.
    work(&store);
    let tasks = longshore_flow::Tasks::new();
    runtime.block_on(async {
        let blocking = store.clone();
        tokio::task::spawn_blocking(move || work(&blocking)).await.unwrap();
        let inside = store.clone();
        tasks.spawn(async move { work(&inside) }).await.unwrap();
        work(&store);
    });
    let current = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = Store::on(longshore_store::Store::memory(), current.handle().clone());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}
