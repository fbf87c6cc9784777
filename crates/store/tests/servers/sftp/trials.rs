//! What only this kind of store promises: who is let in, links, names, sizes around its packets.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use libtest_mimic::{Failed, Trial};
use longshore_store::testing::conformance::Outcome;
use longshore_store::{
    BoxFuture, ByteRange, Capability, Error, ErrorKind, HostKeys, List, ReadOptions, SftpOptions, Store,
    WriteOptions,
};

use super::proxy::Proxy;
use super::{asyncssh, known_line, leftovers, make, make_key, openssh, rclone};
use crate::targets::failed;
use crate::tools;

/// Makes trials of async functions.
macro_rules! named {
    ($($test:ident,)+) => {
        pub(super) fn trials() -> Vec<Trial> {
            vec![$(super::trials::trial(concat!("sftp::", stringify!($test)), || Box::pin($test())),)+]
        }
    };
}
pub(super) use named;

named! {
    a_wrong_password_is_denied,
    a_wrong_key_is_denied,
    an_unknown_host_key_is_refused_unless_told_otherwise,
    a_changed_host_key_is_refused,
    what_the_server_can_do_is_known_after_the_first_ping,
    a_root_that_does_not_stand_is_empty_until_the_first_write,
    a_link_is_not_followed,
    names_that_are_no_text_are_passed_over_and_deleted,
    two_hundred_things_at_once_share_one_session,
    two_hundred_files_are_open_at_once,
    sizes_around_packets_and_windows_are_whole,
    old_temporary_files_are_swept_and_young_ones_spared,
    a_file_that_is_replaced_while_it_is_opened_is_one_of_both,
    a_mover_that_comes_second_leaves_nothing,
}

pub(super) fn trial(name: &'static str, test: fn() -> BoxFuture<'static, Outcome>) -> Trial {
    let missing = tools::missing();
    let is_missing = missing.is_some();
    let run = move || -> Result<(), Failed> { crate::block_on(test()).map_err(failed) };
    Trial::test(name, run).with_ignored_flag(is_missing).with_kind(missing.unwrap_or_default())
}

/// Fails unless the result is an error of this kind.
pub(super) fn fails<T: std::fmt::Debug>(
    result: longshore_store::Result<T>,
    kind: ErrorKind,
) -> Result<String, String> {
    match result {
        Err(error) if error.kind() == kind => Ok(error.message().to_owned()),
        found => Err(format!("found {found:?}, wanted {kind:?}")),
    }
}

async fn a_wrong_password_is_denied() -> Outcome {
    for running in [asyncssh()?, rclone()?] {
        let (_, options) = running.folder();
        let store = Store::sftp(SftpOptions { password: Some("hunter2".into()), ..options })?;
        let denied = store.read_bytes("file").await;
        let shown = format!("{denied:?} {store:?}");
        fails(denied, ErrorKind::PermissionDenied)?;
        assert!(!shown.contains("hunter2"), "{shown}");
        fails(store.ping().await, ErrorKind::PermissionDenied)?;
    }
    Ok(())
}

async fn a_wrong_key_is_denied() -> Outcome {
    let (_, options) = openssh()?.folder();
    let folder = tempfile::tempdir()?;
    let key_file = folder.path().join("other");
    make_key(&key_file)?;
    let text = std::fs::read_to_string(&key_file)?;
    for options in [
        SftpOptions { key_file: Some(key_file), ..options.clone() },
        SftpOptions { key_file: None, key: Some(text.into()), ..options.clone() },
        SftpOptions { key_file: None, ..options.clone() },
        SftpOptions { key_file: Some("/nowhere/key".into()), ..options.clone() },
        SftpOptions { key_file: None, key: Some("no key".into()), ..options.clone() },
    ] {
        fails(Store::sftp(options)?.ping().await, ErrorKind::PermissionDenied)?;
    }
    // The right one, as text, after a wrong one was tried.
    let right = std::fs::read_to_string(options.key_file.as_ref().ok_or("no key")?)?;
    make(&SftpOptions { key_file: None, key: Some(right.into()), ..options }).await?;
    Ok(())
}

async fn an_unknown_host_key_is_refused_unless_told_otherwise() -> Outcome {
    let (_, options) = openssh()?.folder();
    let usual = SftpOptions::new("", "").host_keys;
    let told = fails(
        Store::sftp(SftpOptions { host_keys: usual, ..options.clone() })?.ping().await,
        ErrorKind::PermissionDenied,
    )?;
    assert!(told.contains("SHA256:") && told.contains("known_hosts"), "{told}");
    let fingerprint = told.split_whitespace().find(|word| word.starts_with("SHA256:")).ok_or("none")?;
    let pinned = HostKeys::Fingerprint(fingerprint.trim_end_matches(',').to_owned());
    make(&SftpOptions { host_keys: pinned, ..options.clone() }).await?;
    let other = HostKeys::Fingerprint("SHA256:AAAA".to_owned());
    let refused = Store::sftp(SftpOptions { host_keys: other, ..options })?.ping().await;
    fails(refused, ErrorKind::PermissionDenied)?;
    Ok(())
}

async fn a_changed_host_key_is_refused() -> Outcome {
    let (_, options) = openssh()?.folder();
    let folder = tempfile::tempdir()?;
    let other = make_key(&folder.path().join("other"))?;
    let known = folder.path().join("known_hosts");
    std::fs::write(&known, known_line(options.port, &other))?;
    let host_keys = HostKeys::Known(vec![known]);
    let told =
        fails(Store::sftp(SftpOptions { host_keys, ..options })?.ping().await, ErrorKind::PermissionDenied)?;
    assert!(told.contains("not the known one") && told.contains("line 1"), "{told}");
    Ok(())
}

async fn what_the_server_can_do_is_known_after_the_first_ping() -> Outcome {
    for (running, creates) in [(openssh()?, true), (asyncssh()?, false)] {
        let (_, options) = running.folder();
        let store = make(&options).await?;
        assert_eq!(store.supports(Capability::AtomicCreate), creates);
        let again = Store::sftp(options)?;
        assert!(!again.supports(Capability::AtomicWrite) && !again.supports(Capability::AtomicCreate));
        again.ping().await?;
        assert_eq!(again.capabilities(), store.capabilities());
    }
    Ok(())
}

async fn a_root_that_does_not_stand_is_empty_until_the_first_write() -> Outcome {
    let (folder, options) = openssh()?.folder();
    let store = Store::sftp(SftpOptions { root: format!("{}/some/where", options.root), ..options })?;
    fails(store.read_bytes("file").await, ErrorKind::NotFound)?;
    fails(store.ping().await, ErrorKind::NotFound)?;
    assert!(!store.exists("file").await?);
    assert!(store.list_files("", &List::ALL)?.next_entry().await?.is_none());
    assert!(!folder.exists());
    store.write("a/b/file", "x", WriteOptions::default()).await?;
    store.ping().await?;
    assert_eq!(std::fs::read(folder.join("some/where/a/b/file"))?, b"x");
    Ok(())
}

async fn a_link_is_not_followed() -> Outcome {
    for running in [openssh()?, asyncssh()?] {
        let (folder, options) = running.folder();
        let store = make(&options).await?;
        let outside = folder.with_extension("outside");
        std::fs::create_dir(&outside)?;
        std::fs::write(outside.join("secret"), "secret")?;
        std::fs::create_dir(folder.join("real"))?;
        std::fs::write(folder.join("real/file"), "x")?;
        symlink(&outside, folder.join("ancestor"))?;
        symlink(outside.join("secret"), folder.join("leaf"))?;
        symlink("real", folder.join("inward"))?;
        symlink("nowhere", folder.join("real/dangling"))?;
        for path in ["leaf", "ancestor/secret", "inward/file", "real/dangling"] {
            fails(store.read_bytes(path).await, ErrorKind::InvalidPath)?;
            fails(store.write(path, "y", WriteOptions::OVERWRITE).await, ErrorKind::InvalidPath)?;
            fails(store.write(path, "y", WriteOptions::default()).await, ErrorKind::InvalidPath)?;
            fails(store.copy_file("real/file", path, true).await, ErrorKind::InvalidPath)?;
            fails(store.move_file("real/file", path, true).await, ErrorKind::InvalidPath)?;
            fails(store.copy_file(path, "copy", true).await, ErrorKind::InvalidPath)?;
            assert!(!store.exists(path).await?, "{path}");
            assert!(store.delete(path, false).await.is_err(), "{path}");
            fails(store.delete_folder(path, true, false).await, ErrorKind::InvalidPath).or_else(|other| {
                // Below a link to a folder there may be a file.
                if path.contains('/') { Ok(String::new()) } else { Err(other) }
            })?;
        }
        fails(store.write("ancestor/new", "y", WriteOptions::default()).await, ErrorKind::InvalidPath)?;
        fails(store.delete_folder("ancestor", true, false).await, ErrorKind::InvalidPath)?;
        let listed: Vec<_> = store.list("", &List::ALL)?.collect().await;
        let listed: Vec<_> = listed
            .into_iter()
            .map(|entry| entry.map(|entry| entry.path().to_string()))
            .collect::<Result<_, _>>()?;
        assert_eq!(listed.len(), 2, "{listed:?}");
        assert!(store.list_files("ancestor", &List::ALL)?.next_entry().await?.is_none());
        // Deleting what has links in it leaves what they lead to.
        symlink(&outside, folder.join("real/out"))?;
        store.delete_folder("real", true, false).await?;
        assert!(!folder.join("real").exists());
        assert_eq!(std::fs::read(outside.join("secret"))?, b"secret");
        assert_eq!(outside.read_dir()?.count(), 1);
    }
    Ok(())
}

async fn names_that_are_no_text_are_passed_over_and_deleted() -> Outcome {
    let (folder, options) = openssh()?.folder();
    let store = make(&options).await?;
    let strange = folder.join("folder").join(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    std::fs::create_dir_all(&strange)?;
    std::fs::write(strange.join("inside"), "x")?;
    store.write("folder/file", "x", WriteOptions::default()).await?;
    let listed: Vec<_> = store.list("folder", &List::ALL)?.collect().await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    store.delete_folder("folder", true, false).await?;
    assert!(!folder.join("folder").exists());
    Ok(())
}

async fn two_hundred_things_at_once_share_one_session() -> Outcome {
    let (folder, options) = openssh()?.folder();
    let proxy = Proxy::to(options.port)?;
    let options = SftpOptions { port: proxy.port, host_keys: HostKeys::AcceptAny, ..options };
    let store = Store::sftp(options.clone())?;
    let works = (0..200_usize).map(|number| {
        let store = store.clone();
        async move {
            let path = format!("many/{}/{number}", number % 5);
            let content = Bytes::from(vec![number as u8; number * 3_000]);
            store.write(&path, content.clone(), WriteOptions::default()).await?;
            assert!(store.read_bytes(&path).await? == content, "{number}");
            assert!(store.is_file(&path).await?);
            if number % 2 == 0 {
                store.delete(&path, false).await?;
            }
            Ok::<_, Error>(())
        }
    });
    for result in join_all(works).await {
        result?;
    }
    assert_eq!(proxy.connections(), 1);
    let left: Vec<_> = store.list_files("many", &List::ALL)?.collect().await;
    assert_eq!(left.len(), 100);
    store.close().await?;
    leftovers(folder, options).await
}

async fn two_hundred_files_are_open_at_once() -> Outcome {
    let (folder, options) = openssh()?.folder();
    let store = make(&options).await?;
    // Handles are numbers there: those above 127 are no text.
    let content = Bytes::from(vec![7; 300_000]);
    store.write("file", content.clone(), WriteOptions::default()).await?;
    let mut reads = Vec::new();
    for number in 0..200_u64 {
        let range = ByteRange::Between(number, 200_000 + number);
        reads.push(store.read("file", ReadOptions::range(range)).await?);
    }
    for read in reads {
        assert_eq!(read.bytes().await?.len(), 200_000);
    }
    store.close().await?;
    leftovers(folder, options).await
}

async fn sizes_around_packets_and_windows_are_whole() -> Outcome {
    for running in [openssh()?, asyncssh()?, rclone()?] {
        let (folder, options) = running.folder();
        let (chunk, window) = (300 * 1024, 700 * 1024);
        let options = SftpOptions { read_chunk: chunk, window, requests: 3, ..options };
        let store = make(&options).await?;
        let packets = [32 * 1024, 255 * 1024, chunk, window, 2 * 1024 * 1024];
        for size in packets.into_iter().flat_map(|size| [size - 1, size, size + 1]) {
            let content: Bytes = (0..size).map(|place| (place % 251) as u8 ^ (place >> 15) as u8).collect();
            let path = size.to_string();
            let mut writer = store.open_write(&path, WriteOptions::default()).await?;
            for piece in content.chunks(size.div_ceil(3)) {
                writer.write(content.slice_ref(piece)).await?;
            }
            assert_eq!(writer.finish().await?.size, size as u64);
            let mut read = store.read(&path, ReadOptions::default()).await?;
            let mut whole = Vec::new();
            while let Some(piece) = read.next_chunk().await? {
                assert!(piece.len() == chunk || piece.len() + whole.len() == size, "{size}: {}", piece.len());
                whole.extend_from_slice(&piece);
            }
            assert!(whole == content, "{size}");
            let last = store.read(&path, ReadOptions::range(ByteRange::Last(32 * 1024 + 1))).await?;
            let last = last.bytes().await?;
            assert!(content.ends_with(&last) && last.len() == size.min(32 * 1024 + 1), "{size}");
        }
        store.close().await?;
        leftovers(folder, options).await?;
    }
    Ok(())
}

async fn old_temporary_files_are_swept_and_young_ones_spared() -> Outcome {
    let (folder, options) = openssh()?.folder();
    make(&options).await?;
    let temporary = folder.join(".longshore-tmp");
    #[expect(clippy::disallowed_methods, reason = "the disk stamps files with it")]
    let now = SystemTime::now();
    for (name, age) in [("old", 7), ("young", 5)] {
        let file = std::fs::File::create(temporary.join(name))?;
        file.set_modified(now - Duration::from_secs(age * 3_600))?;
    }
    Store::sftp(options)?.ping().await?;
    assert!(!temporary.join("old").exists());
    assert!(temporary.join("young").exists());
    Ok(())
}

async fn a_file_that_is_replaced_while_it_is_opened_is_one_of_both() -> Outcome {
    let (_, options) = openssh()?.folder();
    let store = make(&options).await?;
    let contents = [Bytes::from(vec![1; 1_000]), Bytes::from(vec![2; 400_000])];
    store.write("file", contents[0].clone(), WriteOptions::default()).await?;
    let replacing = async {
        for round in 0..60 {
            store.write("file", contents[round % 2].clone(), WriteOptions::OVERWRITE).await?;
        }
        Ok::<_, Error>(())
    };
    let reading = async {
        for _ in 0..200 {
            let read = store.read("file", ReadOptions::default()).await?;
            let size = read.info().size as usize;
            let bytes = read.bytes().await?;
            assert!(contents.contains(&bytes) && bytes.len() == size, "{} of {size}", bytes.len());
        }
        Ok::<_, Error>(())
    };
    let (replaced, read) = futures_util::future::join(replacing, reading).await;
    replaced?;
    read?;
    Ok(())
}

async fn a_mover_that_comes_second_leaves_nothing() -> Outcome {
    let (folder, options) = openssh()?.folder();
    let store = Arc::new(make(&options).await?);
    for round in 0..20 {
        let from = format!("from-{round}");
        store.write(&from, "x", WriteOptions::default()).await?;
        let movers = (0..8).map(|number| {
            let (store, from, to) = (Arc::clone(&store), from.clone(), format!("to-{round}-{number}"));
            async move { store.move_file(&from, &to, false).await }
        });
        let moved = join_all(movers).await;
        assert_eq!(moved.iter().filter(|moved| moved.is_ok()).count(), 1);
        for result in moved.into_iter().filter(Result::is_err) {
            fails(result, ErrorKind::NotFound)?;
        }
    }
    let left: Vec<_> = store.list_files("", &List::ALL)?.collect().await;
    assert_eq!(left.len(), 20);
    store.close().await?;
    leftovers(folder, options).await
}
