//! Servers that stop, fall silent and come back; callers that do not wait for the end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use libtest_mimic::Trial;
use longshore_store::testing::conformance::Outcome;
use longshore_store::{ErrorKind, HostKeys, List, ReadOptions, SftpOptions, Store, WriteOptions};

use super::proxy::Proxy;
use super::trials::{fails, named};
use super::{asyncssh, leftovers, make, openssh};
use crate::targets::AnyError;

named! {
    a_server_that_stops_in_the_middle_of_a_write_leaves_nothing,
    a_server_that_stops_in_the_middle_of_a_read_is_unavailable,
    a_server_that_is_not_there_is_unavailable_for_all_who_wait,
    a_server_that_says_nothing_is_unavailable,
    one_connects_again_for_all,
    what_is_dropped_at_any_point_leaves_nothing,
    a_store_that_is_dropped_takes_leave,
    a_break_while_a_file_is_replaced_loses_neither_content,
}

/// A store behind a wire.
fn wired() -> Result<(Proxy, std::path::PathBuf, SftpOptions, SftpOptions), AnyError> {
    let (folder, direct) = openssh()?.folder();
    let proxy = Proxy::to(direct.port)?;
    let wired = SftpOptions { port: proxy.port, host_keys: HostKeys::AcceptAny, ..direct.clone() };
    Ok((proxy, folder, wired, direct))
}

async fn a_server_that_stops_in_the_middle_of_a_write_leaves_nothing() -> Outcome {
    let (proxy, folder, options, direct) = wired()?;
    let store = make(&options).await?;
    store.write("old", "old", WriteOptions::default()).await?;
    for (path, after) in [("new", 1), ("old", 1_000_000), ("new", 7_000_000)] {
        let mut writer = store.open_write(path, WriteOptions::OVERWRITE).await?;
        writer.write(vec![1; 2_000_000]).await?;
        proxy.cut_after(after);
        let written = async {
            for _ in 0..20 {
                writer.write(vec![2; 1_000_000]).await?;
            }
            writer.finish().await
        };
        fails(written.await, ErrorKind::Unavailable)?;
        fails(store.read_bytes("old").await, ErrorKind::Unavailable)?;
        proxy.mend();
        assert_eq!(&store.read_bytes("old").await?[..], b"old");
        assert!(!store.exists("new").await?);
    }
    // What the broken sessions left, the next ones have removed.
    store.close().await?;
    leftovers(folder, direct).await
}

async fn a_server_that_stops_in_the_middle_of_a_read_is_unavailable() -> Outcome {
    let (proxy, folder, options, direct) = wired()?;
    let store = make(&options).await?;
    let content = Bytes::from(vec![3; 30_000_000]);
    store.write("file", content.clone(), WriteOptions::default()).await?;
    let mut read = store.read("file", ReadOptions::default()).await?;
    let first = read.next_chunk().await?.ok_or("no chunk")?;
    assert!(content.starts_with(&first));
    proxy.cut();
    let rest = async {
        while read.next_chunk().await?.is_some() {}
        Ok(())
    };
    fails(rest.await, ErrorKind::Unavailable)?;
    proxy.mend();
    assert!(store.read_bytes("file").await? == content);
    store.close().await?;
    leftovers(folder, direct).await
}

async fn a_server_that_is_not_there_is_unavailable_for_all_who_wait() -> Outcome {
    let (proxy, _, options, _) = wired()?;
    proxy.cut();
    let store = Store::sftp(SftpOptions { connect_timeout: Duration::from_secs(60), ..options })?;
    let asked = (0..100).map(|_| store.exists("file"));
    for result in join_all(asked).await {
        fails(result, ErrorKind::Unavailable)?;
    }
    fails(store.ping().await, ErrorKind::Unavailable)?;
    proxy.mend();
    assert!(!store.exists("file").await?);
    Ok(())
}

async fn a_server_that_says_nothing_is_unavailable() -> Outcome {
    let (proxy, folder, options, direct) = wired()?;
    // Long enough for a server that is merely slow.
    let patience = Duration::from_secs(4);
    let store = make(&SftpOptions { request_timeout: patience, ..options.clone() }).await?;
    store.write("file", "x", WriteOptions::default()).await?;
    let mut writer = store.open_write("new", WriteOptions::default()).await?;
    writer.write(vec![1; 3_000_000]).await?;
    proxy.silence(true);
    fails(store.read_bytes("file").await, ErrorKind::Unavailable)?;
    fails(writer.write(vec![1; 9_000_000]).await, ErrorKind::Unavailable)?;
    // Nobody waits for ever to tidy up either.
    drop(writer);
    store.close().await?;
    let hasty = Store::sftp(SftpOptions { connect_timeout: patience, ..options })?;
    fails(hasty.ping().await, ErrorKind::Unavailable)?;
    proxy.silence(false);
    assert_eq!(&store.read_bytes("file").await?[..], b"x");
    store.close().await?;
    leftovers(folder, direct).await
}

async fn one_connects_again_for_all() -> Outcome {
    let (proxy, _, options, _) = wired()?;
    let store = make(&options).await?;
    assert_eq!(proxy.connections(), 1);
    for round in 2..5 {
        proxy.cut();
        fails(store.exists("file").await, ErrorKind::Unavailable)?;
        proxy.mend();
        for result in join_all((0..50).map(|_| store.exists("file"))).await {
            assert!(!result?);
        }
        assert_eq!(proxy.connections(), round);
    }
    Ok(())
}

/// Ends after so many polls, whatever it was about to do.
struct Polled<F>(F, usize);

impl<F: Future + Unpin> Future for Polled<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.1 == 0 {
            return Poll::Ready(None);
        }
        self.1 -= 1;
        let polled = Pin::new(&mut self.0).poll(cx).map(Some);
        if polled.is_pending() && self.1 == 0 { Poll::Ready(None) } else { polled }
    }
}

async fn what_is_dropped_at_any_point_leaves_nothing() -> Outcome {
    for running in [openssh()?, asyncssh()?] {
        let (folder, options) = running.folder();
        let store = make(&options).await?;
        let large = Bytes::from(vec![5; 1_500_000]);
        store.write("source", large.clone(), WriteOptions::default()).await?;
        let mut ended = 0;
        for polls in 1..60 {
            let (small, big, copy) =
                (format!("a/small-{polls}"), format!("big-{polls}"), format!("b/copy-{polls}"));
            let writing = Box::pin(store.write(&small, "small", WriteOptions::default()));
            let sending = Box::pin(store.write(&big, large.clone(), WriteOptions::OVERWRITE));
            let copying = Box::pin(store.copy_file("source", &copy, false));
            let reading = Box::pin(store.read_bytes("source"));
            ended += usize::from(Polled(writing, polls).await.is_some());
            ended += usize::from(Polled(sending, polls).await.is_some());
            ended += usize::from(Polled(copying, polls).await.is_some());
            ended += usize::from(Polled(reading, polls).await.is_some());
            store.close().await?;
            leftovers(folder.clone(), options.clone()).await?;
        }
        assert!(ended > 0);
        // Whatever is there is whole.
        let mut listing = store.list_files("", &List::ALL)?;
        while let Some(file) = listing.next_entry().await? {
            let size = if file.path.starts_with("a/") { 5 } else { large.len() as u64 };
            assert_eq!(file.size, size, "{}", file.path);
        }
    }
    Ok(())
}

async fn a_store_that_is_dropped_takes_leave() -> Outcome {
    let (folder, options) = openssh()?.folder();
    let store = make(&options).await?;
    let mut writer = store.open_write("file", WriteOptions::default()).await?;
    writer.write(vec![1; 3_000_000]).await?;
    // A stream goes on though the store is gone.
    store.write("other", vec![2; 3_000_000], WriteOptions::default()).await?;
    let read = store.read("other", ReadOptions::default()).await?;
    drop(store);
    assert_eq!(read.bytes().await?.len(), 3_000_000);
    writer.abort().await?;
    let again = Store::sftp(options.clone())?;
    assert!(!again.exists("file").await?);
    leftovers(folder, options).await
}

/// On a server that replaces in steps.
async fn a_break_while_a_file_is_replaced_loses_neither_content() -> Outcome {
    let (folder, direct) = asyncssh()?.folder();
    let proxy = Proxy::to(direct.port)?;
    let options = SftpOptions { port: proxy.port, host_keys: HostKeys::AcceptAny, ..direct.clone() };
    let store = make(&options).await?;
    let mut torn = 0;
    for after in (0..1_500).step_by(50) {
        let path = format!("file-{after}");
        store.write(&path, "old", WriteOptions::default()).await?;
        let mut writer = store.open_write(&path, WriteOptions::OVERWRITE).await?;
        writer.write("new").await?;
        proxy.cut_after(after);
        let finished = writer.finish().await;
        proxy.mend();
        store.ping().await.ok();
        let through = Store::sftp(direct.clone())?;
        match through.read_bytes(&path).await {
            Ok(content) if &content[..] == b"old" => assert!(finished.is_err(), "{after}"),
            Ok(content) => assert_eq!(&content[..], b"new", "{after}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound);
                torn += 1;
                let told = finished.unwrap_err().to_string();
                let kept = |content: &str| {
                    folder.join(".longshore-tmp").read_dir().unwrap().flatten().any(|file| {
                        told.contains(file.file_name().to_str().unwrap())
                            && std::fs::read_to_string(file.path()).unwrap() == content
                    })
                };
                assert!(kept("old") && kept("new"), "{after}: {told}");
            }
        }
        through.close().await?;
    }
    assert!(torn > 0, "no break was between the steps");
    store.close().await?;
    Ok(())
}
