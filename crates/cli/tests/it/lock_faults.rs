//! Locks where something goes wrong between a client and real servers: one server on SQLite, three on PostgreSQL.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::wire::{Answer, Connection, Fate, Request};

/// The shortest lease there is.
const LEASE: Duration = Duration::from_secs(5);

fn on_each_kind(case: impl Fn(&Cluster)) {
    case(&Cluster::on_sqlite());
    if let Some(cluster) = Cluster::on_postgres() {
        case(&cluster);
    }
}

fn acquiring(file: &str) -> Request<'static> {
    Request::new("POST", format!("/v1/files/{file}/lock")).json(&json!({"ttl_seconds": LEASE.as_secs()}))
}

fn writing(file: &str, token: &Value) -> Request<'static> {
    let request = Request::new("PUT", format!("/v1/files/{file}/content"));
    request.header("Lock-Token", token.as_str().expect("a token"))
}

fn content(cluster: &Cluster, file: &str) -> String {
    let answer = cluster.ask(&Request::new("GET", format!("/v1/files/{file}/content")));
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body).unwrap()
}

#[track_caller]
fn granted(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

#[test]
fn a_write_whose_server_was_stopped_past_its_lease_is_refused() {
    on_each_kind(|cluster| {
        let file = cluster.new_file("stopped", "old");
        let held = granted(&cluster.ask(&acquiring(&file)), 201);
        let mut late = cluster.connect(0);
        late.send_head(&cluster.key, &writing(&file, &held["token"]), 8).unwrap();
        late.send("late").unwrap();
        sleep(Duration::from_millis(300));
        cluster.signal(0, "STOP");
        sleep(LEASE);
        let mut expected = "old";
        if cluster.len() > 1 {
            // Meanwhile somebody else has it, by way of another server.
            let next = granted(&cluster.ask_of(1, &acquiring(&file)), 201);
            assert!(next["fence"].as_u64() > held["fence"].as_u64());
            let written = cluster.ask_of(2, &writing(&file, &next["token"]).content("next".to_owned()));
            assert_eq!(written.status, 200);
            expected = "next";
        }
        cluster.signal(0, "CONT");
        late.send("late").unwrap();
        let answer = late.read().expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (412, "lock_lost"));
        assert_eq!(content(cluster, &file), expected);
    });
}

#[test]
fn a_grant_whose_answer_was_lost_is_given_again() {
    on_each_kind(|cluster| {
        let file = cluster.new_file("lost", "old");
        let request = acquiring(&file).header("Idempotency-Key", "one and the same");
        let lost = cluster.connect(0).ask(&cluster.key, &request, Fate::IsLost).unwrap();
        let lost = granted(&lost, 201);
        // The server that has granted it is not even there any more.
        cluster.kill_and_restart(0);
        for server in 0..cluster.len() {
            let again = granted(&cluster.ask_of(server, &request), 200);
            for same in ["id", "token", "fence"] {
                assert_eq!(again[same], lost[same], "{same}");
            }
        }
        let written = cluster.ask(&writing(&file, &lost["token"]).content("new".to_owned()));
        assert_eq!(written.header("Lock-Fence"), Some(lost["fence"].to_string().as_str()));
        let other = Request::new("POST", format!("/v1/files/{file}/lock")).json(&json!({"ttl_seconds": 60}));
        let other = cluster.ask(&other.header("Idempotency-Key", "one and the same"));
        assert_eq!((other.status, other.code().as_str()), (422, "idempotency_mismatch"));
        // The grant is over: the request is not done anew under its key.
        sleep(LEASE);
        let over = cluster.ask(&request);
        assert!(over.status >= 400 && over.code() == "lock_lost", "{}", over.status);
        granted(&cluster.ask(&acquiring(&file)), 201);
    });
}

#[test]
fn of_a_thousand_requests_one_gets_the_lock() {
    const THREADS: u64 = 25;
    on_each_kind(|cluster| {
        let file = cluster.new_file("thousand", "old");
        let statuses = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (file, statuses) = (&file, &statuses);
                scope.spawn(move || {
                    let mut dice = Dice::new(thread);
                    let mut connections: Vec<Connection> =
                        (0..cluster.len()).map(|server| cluster.connect(server)).collect();
                    // For longer than it takes, so that the lock does not end meanwhile.
                    let request = Request::new("POST", format!("/v1/files/{file}/lock"));
                    let request = request.json(&json!({"ttl_seconds": 600}));
                    for _ in 0..1_000 / THREADS {
                        let connection = &mut connections[dice.below(cluster.len())];
                        let answer = connection.ask(&cluster.key, &request, Fate::Arrives).unwrap();
                        *statuses.lock().unwrap().entry(answer.status).or_insert(0) += 1;
                    }
                });
            }
        });
        assert_eq!(statuses.into_inner().unwrap(), [(201, 1), (423, 999)].into());
    });
}
