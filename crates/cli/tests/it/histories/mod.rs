//! Histories of a file: eight clients write and read it, while servers are paused and killed, answers are lost
//! and connections to the database break. Whatever the clients saw, one file without any concurrency could have
//! shown it, with each operation at one moment between its call and its answer; a checker of linearizability says
//! so, for each history.
//!
//! A few histories run with every change. More of them:
//! ```text
//! LONGSHORE_TEST_HISTORIES=100 cargo test -p longshore-cli --test it histories -- --nocapture
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
use crate::wire::Request;
use client::{Client, Shared};
use model::{Act, Saw, is_linearizable};
use record::{Entry, Record, history};
use serde_json::json;

/// The shortest lease there is.
const LEASE: Duration = Duration::from_secs(5);
const CLIENTS: usize = 8;
/// The checker's work may grow with two to the power of what is under way at once.
const OPERATIONS: usize = 240;
const AT_ONCE: usize = 8;
const CHECK_LIMIT: Duration = Duration::from_secs(120);

/// How many histories each kind of cluster makes.
#[expect(clippy::disallowed_methods, reason = "a test asks how long it may take")]
fn wanted() -> usize {
    std::env::var("LONGSHORE_TEST_HISTORIES").map_or(4, |text| text.parse().unwrap())
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
    let (mut checked, mut slowest) = (0, Duration::ZERO);
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
            assert_eq!(checked_in_time(&entries), Some(true), "not linearizable: {entries:#?}");
            slowest = slowest.max(start.elapsed());
            assert_eq!(
                checked_in_time(&with_all_forgotten(&entries)),
                Some(false),
                "the checker sees nothing"
            );
            checked += 1;
        }
        println!("{what}: {checked} histories are linearizable");
    }
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
        scope.spawn({
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
                clients.push(scope.spawn(|| Client::new(file, dice).run(OPERATIONS)));
            }
        }
        // The bad time ends with the clients, be it by their panic.
        let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        is_over.store(true, Ordering::Relaxed);
        for client in ended {
            client.unwrap();
        }
    });
    (files.iter().map(|file| file.record.entries()).collect(), befell.into_inner().unwrap())
}

impl<'a> Shared<'a> {
    /// Makes a file in a workspace of its own.
    fn new(cluster: &'a Cluster, number: u64) -> Self {
        let request = Request::new("POST", "/v1/workspaces".to_owned());
        let workspace = cluster.ask(&request.json(&json!({"name": format!("history {number}")}))).json();
        let workspace = workspace["id"].as_str().unwrap();
        let request = Request::new("PUT", format!("/v1/workspaces/{workspace}/files/file"));
        let file = cluster.ask(&request.content("nothing yet".to_owned())).json();
        let file = file["id"].as_str().unwrap().to_owned();
        Self { cluster, file, record: Record::default() }
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

/// The same history, but the last reader finds the file as it was before anybody wrote to it.
fn with_all_forgotten(entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    let reads = entries.iter_mut().filter(|entry| matches!(entry.op.saw, Saw::Content(_)));
    let last = reads.max_by_key(|entry| entry.called).expect("somebody reads");
    last.op.saw = Saw::Content(None);
    entries
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
            Saw::Locked => "refused as locked",
            Saw::Lost => "refused as lost",
            Saw::Fence(_) | Saw::Done | Saw::Content(_) => "done",
        };
        *seen.entry(format!("{act} {saw}")).or_default() += 1;
    }
}
