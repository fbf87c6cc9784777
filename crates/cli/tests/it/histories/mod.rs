//! Histories of a file and its lock: eight clients take it, renew it, lose it, break it, write with and without
//! it and read, while servers are paused and killed, answers are lost and connections to the database break.
//! Whatever the clients saw, one file without any concurrency could have shown it, with each operation at one
//! moment between its call and its answer; a checker of linearizability says so, for each history.
//!
//! A few histories run with every change. The full form is two hundred of them:
//! ```text
//! LONGSHORE_TEST_HISTORIES=100 cargo test -p longshore-cli --test it every_history -- --nocapture
//! ```

mod client;
mod model;
mod record;
mod tests;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::dice::Dice;
use client::{Client, Shared};
use model::{Act, Loss, Op, Saw, is_linearizable};
use record::{Entry, Record, history};

/// The shortest lease there is.
const LEASE: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(3);
const CLIENTS: usize = 8;
/// The checker's work may grow with two to the power of what is under way at once.
const OPERATIONS: usize = 160;
const AT_ONCE: usize = 8;
const CHECK_LIMIT: Duration = Duration::from_secs(120);

/// How many histories each kind of cluster makes.
#[expect(clippy::disallowed_methods, reason = "a test asks how long it may take")]
fn wanted() -> usize {
    std::env::var("LONGSHORE_TEST_HISTORIES").map_or(3, |text| text.parse().unwrap())
}

#[test]
fn every_history_on_sqlite_is_linearizable() {
    check_histories(&Cluster::on_sqlite(), "one server on SQLite");
}

#[test]
fn every_history_of_three_servers_on_postgres_is_linearizable() {
    if let Some(cluster) = Cluster::on_postgres() {
        check_histories(&cluster, "three servers on PostgreSQL");
    }
}

#[expect(clippy::print_stdout, reason = "the full form is read by people")]
fn check_histories(cluster: &Cluster, what: &str) {
    let mut left = wanted();
    let mut seen = BTreeMap::new();
    let mut seed = Dice::new(std::process::id().into());
    let (mut checked, mut slowest, mut mutants) = (0, Duration::ZERO, [0, 0]);
    while left > 0 {
        let count = left.min(AT_ONCE);
        left -= count;
        let (histories, befell) = make_histories(cluster, count, &mut seed);
        for kind in befell {
            *seen.entry(format!("server {kind}")).or_default() += 1;
        }
        for entries in histories {
            tally(&entries, &mut seen);
            let start = Instant::now();
            assert_eq!(checked_in_time(&entries), Some(true), "not linearizable:\n{}", table(&entries));
            slowest = slowest.max(start.elapsed());
            for (count, mutant) in
                mutants.iter_mut().zip([with_all_forgotten(&entries), with_a_fence_twice(&entries)])
            {
                let Some(mutant) = mutant else { continue };
                assert_eq!(checked_in_time(&mutant), Some(false), "accepted:\n{}", table(&mutant));
                *count += 1;
            }
            checked += 1;
        }
        println!("{what}: {checked} histories are linearizable");
    }
    assert!(mutants.iter().all(|count| *count > 0), "no history was altered so that it must be refused");
    let seen: Vec<_> =
        seen.iter().map(|(what, count): (&String, &usize)| format!("{count} × {what}")).collect();
    println!("{what}: {}; the slowest check took {slowest:.1?}", seen.join(", "));
}

/// Lets clients at some files, each with a record of its own, while the servers have a bad time.
fn make_histories(cluster: &Cluster, count: usize, seed: &mut Dice) -> (Vec<Vec<Entry>>, Vec<&'static str>) {
    let files: Vec<_> = (0..count).map(|_| Shared::new(cluster, seed.next())).collect();
    let is_over = AtomicBool::new(false);
    let befell = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let mut dice = Dice::new(seed.next());
        let bad_time = scope.spawn({
            let (is_over, befell) = (&is_over, &befell);
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(300 + dice.below(1_500) as u64));
                    befell.lock().unwrap().push(cluster.befall(&mut dice));
                }
            }
        });
        let mut clients = Vec::new();
        for file in &files {
            for _ in 0..CLIENTS {
                let dice = Dice::new(seed.next());
                clients.push(scope.spawn(move || Client::new(file, dice).run(OPERATIONS)));
            }
        }
        // The bad time ends with the clients, be it by their panic.
        let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        is_over.store(true, Ordering::Relaxed);
        bad_time.join().unwrap();
        // What was cut off may wait for a lock that much longer.
        std::thread::sleep(LONGEST_WAIT);
        for client in ended {
            let mut client = client.unwrap();
            scope.spawn(move || client.settle());
        }
    });
    (files.iter().map(|file| file.record.entries()).collect(), befell.into_inner().unwrap())
}

impl<'a> Shared<'a> {
    fn new(cluster: &'a Cluster, number: u64) -> Self {
        let file = cluster.new_file(&format!("history {number}"), "nothing yet");
        Self { cluster, file, record: Record::default(), newest: Mutex::new(None) }
    }
}

/// Checks a history; nothing where that takes too long.
fn checked_in_time(entries: &[Entry]) -> Option<bool> {
    let history = history(entries, LEASE);
    let (sender, receiver) = std::sync::mpsc::channel();
    // On a thread that is left behind when it takes too long; then nobody receives what it finds.
    std::thread::spawn(move || sender.send(is_linearizable(history)).is_ok());
    receiver.recv_timeout(CHECK_LIMIT).ok()
}

/// The same history until the second grant, but that one has the fence of the first: two believe that they hold.
fn with_a_fence_twice(entries: &[Entry]) -> Option<Vec<Entry>> {
    let mut entries = entries.to_vec();
    let grants = entries.iter_mut().filter(|entry| entry.op.act == Act::Acquire);
    let mut granted: Vec<_> = grants.filter(|entry| matches!(entry.op.saw, Saw::Fence(_))).collect();
    granted.sort_by_key(|entry| entry.answered);
    let [first, second, ..] = granted.as_mut_slice() else { return None };
    second.op.saw = first.op.saw;
    let until = second.answered?;
    Some(until_then(&entries, until))
}

/// The same history until somebody reads after a write, but that one finds what was there before any write.
fn with_all_forgotten(entries: &[Entry]) -> Option<Vec<Entry>> {
    let mut entries = entries.to_vec();
    let is_write = |entry: &&Entry| matches!((entry.op.act, entry.op.saw), (Act::Write(_), Saw::Fence(_)));
    let written = entries.iter().filter(is_write).filter_map(|entry| entry.answered).min()?;
    let reads = entries.iter_mut().filter(|entry| matches!(entry.op.saw, Saw::Content(_)));
    let read = reads.filter(|entry| entry.called > written).min_by_key(|entry| entry.answered)?;
    read.op.saw = Saw::Content(None);
    let until = read.answered?;
    Some(until_then(&entries, until))
}

/// What was known of a history at a moment. Of what was still under way only that is left which had an effect.
fn until_then(entries: &[Entry], until: Instant) -> Vec<Entry> {
    let then = entries.iter().filter(|entry| entry.called <= until).filter_map(|entry| {
        let is_open = entry.answered.is_none_or(|answered| answered > until);
        match entry.op.saw {
            _ if !is_open => Some(*entry),
            Saw::Nothing | Saw::Fence(_) | Saw::Granted | Saw::Done => {
                Some(Entry { op: Op { saw: Saw::Nothing, ..entry.op }, answered: None, ..*entry })
            }
            Saw::Undone | Saw::Locked | Saw::Queued | Saw::Lost(_) | Saw::Content(_) => None,
        }
    });
    then.collect()
}

/// Counts what was seen, so that a run of which nothing came is noticed.
fn tally(entries: &[Entry], seen: &mut BTreeMap<String, usize>) {
    for entry in entries {
        let act = match entry.op.act {
            Act::Write(Some(_)) => "write with a token".to_owned(),
            Act::Write(None) => "write without a token".to_owned(),
            act => format!("{act:?}").split('(').next().unwrap().to_lowercase(),
        };
        let saw = match entry.op.saw {
            Saw::Nothing => "not answered",
            Saw::Undone => "not answered and not done",
            Saw::Locked => "refused as locked",
            Saw::Queued => "refused as queued",
            Saw::Lost(Loss::Expired) => "refused as expired",
            Saw::Lost(Loss::Broken) => "refused as broken",
            Saw::Lost(Loss::Released) => "refused as released",
            Saw::Lost(Loss::Superseded) => "refused as superseded",
            Saw::Fence(_) | Saw::Granted | Saw::Done | Saw::Content(_) => "done",
        };
        *seen.entry(format!("{act} {saw}")).or_default() += 1;
    }
}

/// Writes a history down: when it was called and answered, in milliseconds, and what.
fn table(entries: &[Entry]) -> String {
    let start = entries.iter().map(|entry| entry.called).min().unwrap();
    let since = |at: Instant| (at - start).as_millis();
    let line = |Entry { op, called, answered }: &Entry| {
        let answered = answered.map_or("never".to_owned(), |at| since(at).to_string());
        format!("{:>6} {answered:>6} #{} {:?} → {:?}\n", since(*called), op.id, op.act, op.saw)
    };
    entries.iter().map(line).collect()
}
