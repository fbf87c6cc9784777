//! Downloads over a bad network.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use longshore::{Client, DownloadOptions, Progress, ProgressSink, RetryPolicy, Timeouts};
use longshore_link::{Conditions, CutWay, Cuts, Dice, Link};

use crate::fake::{Fake, Served, node_id};
use crate::parts::{MIB, names, pattern};

const SEEDS: u64 = 200;
/// How many connections of one download are cut.
const MOST: u64 = 10;
/// What a cut may cost beyond a tenth of the content: what the sockets' and the link's buffers held, which crossed the
/// link and never reached the client. It is the same for any length.
const BUFFERS: u64 = 256 * 1024;

/// A client that tries once more than there are cuts.
fn client(fake: &Fake, link: &Link) -> Client {
    let retry = RetryPolicy {
        base: Duration::from_millis(1),
        max_attempts: MOST as u32 + 2,
        ..RetryPolicy::default()
    };
    fake.builder().url(format!("http://{}", link.address())).retry(retry).build().unwrap()
}

/// Draws a length: one in ten is large enough to come in parts, three are moved as they come, the rest are small.
fn length(seed: u64, dice: &mut Dice) -> u64 {
    match seed % 10 {
        0 => dice.within(&(32 * MIB as u64..40 * MIB as u64)),
        1..4 => dice.within(&(MIB as u64..6 * MIB as u64)),
        4 => [0, 1, MIB as u64, MIB as u64 + 1][(dice.roll() % 4) as usize],
        _ => dice.within(&(0..MIB as u64)),
    }
}

async fn download(seed: u64, all: &Bytes, folder: &Path) {
    let mut dice = Dice::new(seed);
    let length = length(seed, &mut dice);
    let bytes = all.slice(..length as usize);
    let served = Served::new(bytes.clone());
    let fake = Fake::start(move |_, seen| served.reply(seen)).await;
    let most = dice.within(&(1..MOST));
    let cuts = Cuts { after: 0..length / 2 + 1000, way: CutWay::Down, most };
    let conditions = Conditions { seed, cuts: Some(cuts), ..Conditions::default() };
    let link = Link::start(fake.address(), conditions).await.unwrap();
    let path = folder.join("f");
    let done = client(&fake, &link).files().download_to(node_id(), &path, &DownloadOptions::default()).await;
    let done = done.unwrap_or_else(|error| panic!("seed {seed}, {length} bytes: {error}"));
    assert_eq!(done.bytes, length, "seed {seed}");
    assert!(fs::read(&path).unwrap() == bytes, "seed {seed}");
    assert_eq!(names(folder), ["f"], "seed {seed}");
    let counts = link.counts();
    let most = if length <= MIB as u64 {
        // In memory, and asked for again as a whole.
        (length + 1000) * (1 + counts.cuts)
    } else {
        length + length / 10 + BUFFERS * (1 + counts.cuts)
    };
    assert!(counts.down <= most, "seed {seed}: {counts:?} for {length} bytes");
    fs::remove_file(path).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_at_random_bytes_every_download_ends_whole_with_little_sent_twice() {
    let all = pattern(40 * MIB);
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..SEEDS {
        download(seed, &all, folder.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_on_which_nothing_moves_is_given_up_and_the_rest_asked_for_anew() {
    for length in [3 * MIB, 33 * MIB] {
        let bytes = pattern(length);
        let served = Served::new(bytes.clone());
        let fake = Fake::start(move |_, seen| served.reply(seen)).await;
        let link = std::sync::Arc::new(Link::start(fake.address(), Conditions::default()).await.unwrap());
        let (stalls, goes_on) = (link.clone(), link.clone());
        let stalled = std::sync::atomic::AtomicBool::new(false);
        let sink = ProgressSink::new(move |progress| match progress {
            Progress::Bytes { .. } if !stalled.swap(true, std::sync::atomic::Ordering::SeqCst) => {
                stalls.stall(true);
            }
            Progress::Retried { .. } => goes_on.stall(false),
            _ => {}
        });
        let timeouts = Timeouts { idle: Duration::from_millis(300), ..Timeouts::default() };
        let client = fake.builder().url(format!("http://{}", link.address())).timeouts(timeouts);
        let options = DownloadOptions { progress: Some(sink), ..DownloadOptions::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        client.build().unwrap().files().download_to(node_id(), &path, &options).await.unwrap();
        assert!(fs::read(&path).unwrap() == bytes);
        assert_eq!(names(folder.path()), ["f"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_for_a_while_is_waited_for() {
    for length in [3 * MIB, 33 * MIB] {
        let bytes = pattern(length);
        let served = Served::new(bytes.clone());
        let fake = Fake::start(move |_, seen| served.reply(seen)).await;
        // Else all of it may have come before the fourth piece is seen.
        let conditions = Conditions { rate: Some(64 * MIB as u64), ..Conditions::default() };
        let link = std::sync::Arc::new(Link::start(fake.address(), conditions).await.unwrap());
        let far = link.clone();
        let gone = std::sync::atomic::AtomicU32::new(0);
        let sink = ProgressSink::new(move |progress| match progress {
            Progress::Bytes { .. } if gone.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 3 => {
                far.refuse(true);
                far.cut_all();
            }
            // One attempt is refused, the next is not.
            Progress::Retried { attempt: 2.., .. } if far.counts().refused > 0 => far.refuse(false),
            _ => {}
        });
        let options = DownloadOptions { progress: Some(sink), ..DownloadOptions::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        client(&fake, &link).files().download_to(node_id(), &path, &options).await.unwrap();
        assert!(fs::read(&path).unwrap() == bytes);
        assert!(link.counts().refused > 0);
    }
}
