//! Webhooks as people steer them, and a server that is killed between a delivery and its mark.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use longshore::webhook::{Headers, Verifier};
use serde_json::Value;

use crate::jobs::Place;

const PATIENCE: Duration = Duration::from_secs(60);

/// What lets a server of a test deliver to this machine, and take up soon what a dead one has left.
const CONFIG: &str = "[egress]\nallow_http = true\nports = \"1-65535\"\nnetworks = \"127.0.0.0/8\"\n\
                      [jobs]\nlease_seconds = 5\n[log]\nlevel = \"trace\"\n";

/// A request that has come, and the way to answer it.
struct Delivered {
    head: String,
    body: String,
    stream: TcpStream,
}

impl Delivered {
    fn header(&self, name: &str) -> &str {
        let find = |line: &'_ str| line.strip_prefix(name)?.strip_prefix(": ").map(str::len);
        self.head
            .lines()
            .find_map(|line| find(line).map(|length| &line[line.len() - length..]))
            .unwrap_or_default()
    }

    fn answer(mut self, status: &str) {
        // The server may be gone.
        let _gone = write!(self.stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    }

    fn verify(&self, secret: &str) {
        let headers = Headers {
            id: self.header("webhook-id"),
            timestamp: self.header("webhook-timestamp"),
            signature: self.header("webhook-signature"),
        };
        let verifier = Verifier::new([secret.parse().unwrap()]);
        verifier.verify(&headers, self.body.as_bytes()).unwrap();
        let mut torn = self.body.clone().into_bytes();
        torn[0] ^= 1;
        verifier.verify(&headers, &torn).unwrap_err();
    }
}

/// A receiver that leaves each request to the test.
struct Post {
    address: SocketAddr,
    delivered: Receiver<Delivered>,
}

impl Post {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (send, delivered) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let send: Sender<_> = send.clone();
                thread::spawn(move || read(stream).map(|delivered| send.send(delivered)));
            }
        });
        Self { address, delivered }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    #[track_caller]
    fn next(&self) -> Delivered {
        self.delivered.recv_timeout(PATIENCE).expect("a delivery comes")
    }
}

fn read(mut stream: TcpStream) -> io::Result<Delivered> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if length.is_none_or(|length: usize| body.len() >= length) {
                return Ok(Delivered { head: head.to_owned(), body: body.to_owned(), stream });
            }
        }
        let mut piece = [0; 4_096];
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&piece[..count]);
    }
}

fn add(place: &Place, post: &Post, more: &[&str]) -> (String, String) {
    let url = post.url();
    let made = place.json(&[&["hooks", "add", url.as_str()], more].concat());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["hook"]["id"]), text(&made["secret"]))
}

/// Waits until the newest delivery is as it should be.
#[track_caller]
fn newest(place: &Place, hook: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let listed = place.json(&["hooks", "deliveries", hook]);
        if let Some(delivery) = listed["items"].get(0).filter(|delivery| is_so(delivery)) {
            return delivery.clone();
        }
        assert!(start.elapsed() < PATIENCE, "{listed}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn hooks_are_added_tried_changed_and_removed() {
    let place = Place::start(CONFIG);
    let post = Post::start();
    let url = post.url();
    let ended = place
        .run(&["hooks", "add", &url, "--type", "file.*", "--path", "/in", "--description", "mine"])
        .exits(0);
    let secret = ended.text().trim().to_owned();
    assert!(secret.starts_with("whsec_") && ended.stderr.contains("is shown this once"), "{ended:?}");
    let hook = place.json(&["hooks", "list"])["items"][0]["id"].as_str().unwrap().to_owned();
    let listed = place.run(&["hooks", "list"]).exits(0).text();
    assert!(listed.starts_with("ID") && listed.contains(&url) && listed.contains("file.*"), "{listed}");

    place.run(&["hooks", "test", &hook]).exits(0);
    let ping = post.next();
    ping.verify(&secret);
    assert!(ping.header("user-agent").starts_with("Longshore/"), "{}", ping.head);
    ping.answer("204 No Content");
    newest(&place, &hook, |delivery| delivery["state"] == "succeeded");

    // Of all that happens, the file below the path: its folder is of another type.
    std::fs::write(place.folder.path().join("f"), "hello").unwrap();
    place.run(&["mkdir", "/in"]).exits(0);
    let file = place.folder.path().join("f");
    place.run(&["up", file.to_str().unwrap(), "/in/f"]).exits(0);
    let delivered = post.next();
    delivered.verify(&secret);
    let body: Value = serde_json::from_str(&delivered.body).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["hook_id"]),
        (&Value::from("file.created"), &Value::from(hook.as_str()))
    );
    let id = delivered.header("webhook-id").to_owned();
    assert_eq!(body["data"]["event"]["id"], id.as_str());
    delivered.answer("500 Oh");
    let failed = newest(&place, &hook, |delivery| delivery["attempts"][0]["status"] == 500);
    let delivery = failed["id"].as_str().unwrap();
    let shown = place.run(&["hooks", "deliveries", &hook, delivery]).exits(0).text();
    assert!(shown.contains("the receiver answered 500 in ") && shown.contains("again at "), "{shown}");

    // Not waited for: sent again at once, with the id it had.
    place.run(&["hooks", "redeliver", &hook, delivery]).exits(0);
    let again = post.next();
    assert_eq!(again.header("webhook-id"), id);
    again.answer("200 OK");
    newest(&place, &hook, |delivery| delivery["state"] == "succeeded");

    let job = place.run(&["hooks", "redeliver", &hook, "--since-seq", "0"]).exits(0).text();
    place.run(&["jobs", "wait", job.trim()]).exits(0);
    let again = post.next();
    assert_eq!(again.header("webhook-id"), id);
    again.answer("200 OK");

    // By time as well; and nothing is left that was given up.
    let sent = |how: &[&str]| {
        let job = place.run(&[&["hooks", "redeliver", &hook], how].concat()).exits(0).text();
        place.json(&["jobs", "wait", job.trim()])["result"]["deliveries"].clone()
    };
    assert_eq!(sent(&["--failed"]), 0);
    assert_eq!(sent(&["--since", "1h"]), 1);
    let again = post.next();
    assert_eq!(again.header("webhook-id"), id);
    again.answer("200 OK");

    let rotated = place.run(&["hooks", "rotate", &hook, "--overlap", "1"]).exits(0).text();
    place.run(&["hooks", "rotate", &hook]).exits(5);
    place.run(&["hooks", "test", &hook]).exits(0);
    let ping = post.next();
    ping.verify(&secret);
    ping.verify(rotated.trim());
    ping.answer("200 OK");

    let off = place.json(&["hooks", "update", &hook, "--off", "--all-types", "--to", &post.url()]);
    assert_eq!((&off["disabled"], &off["types"]), (&Value::from("asked"), &Value::Array(Vec::new())));
    place.run(&["hooks", "test", &hook]).exits(5);
    assert!(place.run(&["hooks", "show", &hook]).exits(0).text().contains("state       off"));
    place.run(&["hooks", "add", "http://169.254.169.254/"]).exits(8);
    place.run(&["hooks", "show", "nonsense"]).exits(8);
    place.run(&["hooks", "redeliver", &hook]).exits(2);
    place.run(&["hooks", "rm", &hook]).exits(0);
    place.run(&["hooks", "show", &hook]).exits(4);

    // The log is as loud as it gets, and tells no secret.
    let log = std::fs::read_to_string(place.folder.path().join("log")).unwrap();
    assert!(log.contains("hooks"), "{log}");
    for secret in [secret, rotated.trim().to_owned()] {
        assert!(!log.contains(&secret["whsec_".len()..]), "the log has a secret");
    }
}

/// The receiver has it, and nobody was left to write that down: it comes again, under the same id.
#[test]
fn a_kill_between_a_delivery_and_its_mark_makes_a_duplicate_and_no_loss() {
    let mut place = Place::start(CONFIG);
    let post = Post::start();
    let (hook, secret) = add(&place, &post, &[]);
    for round in 0..3 {
        place.run(&["mkdir", &format!("/{round}")]).exits(0);
        let first = post.next();
        first.verify(&secret);
        let (id, body) = (first.header("webhook-id").to_owned(), first.body.clone());
        if round == 0 {
            // Dead before the receiver has said a word,
            place.kill();
            first.answer("200 OK");
        } else {
            // or with its word on the way.
            first.answer("200 OK");
            place.kill();
        }
        place.serve(CONFIG);
        let start = Instant::now();
        loop {
            if let Ok(second) = post.delivered.recv_timeout(Duration::from_millis(200)) {
                second.verify(&secret);
                assert_eq!((second.header("webhook-id"), second.body.as_str()), (id.as_str(), body.as_str()));
                second.answer("200 OK");
                break;
            }
            // The mark may have been written in time after all, but never in the first round.
            let listed = place.json(&["hooks", "deliveries", &hook, "--state", "succeeded"]);
            let items = listed["items"].as_array().unwrap();
            if round > 0 && items.iter().any(|delivery| delivery["event_id"] == id) {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "what nobody wrote down was never sent again");
        }
        let done =
            newest(&place, &hook, |delivery| delivery["state"] == "succeeded" && delivery["event_id"] == id);
        assert_eq!(done["attempts"].as_array().unwrap().len(), 1, "{done}");
    }
    // Each event once in the log of deliveries, and all of them there.
    let listed = place.json(&["hooks", "deliveries", &hook, "--state", "succeeded"]);
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
}
