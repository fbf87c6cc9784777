//! The audit log: shown, narrowed, followed, and whole after a kill.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::run::{Server, run, write};
use crate::wire::{Connection, Fate, Request};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// Runs the verb until something is found: refusals are written a moment after they were answered.
fn until(server: &Server, arguments: &[&str], found: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..200 {
        let entries = lines(&server.ok(arguments));
        if found(&entries) {
            return entries;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{arguments:?}: {}", server.ok(arguments));
}

#[test]
fn the_log_is_shown_and_narrowed() {
    let server = Server::start();
    write(server.path("f"), "f");
    server.ok(&["up", "f", "/f"]);
    let viewer = server.json(&["keys", "create", "eyes", "--role", "viewer"]);
    let mut command = server.command();
    command.env("LONGSHORE_API_KEY", viewer["secret"].as_str().unwrap());
    run(command, &["mkdir", "/x"]).exits(6);
    let refused = until(&server, &["--json", "audit", "--refused"], |entries| !entries.is_empty());
    let [refusal] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((&refusal["code"], &refusal["outcome"]), (&json!("forbidden"), &json!("refused")));
    assert_eq!(refusal["key_id"], viewer["id"]);
    assert_eq!(refusal["address"], "127.0.0.1");
    assert_eq!(refusal["route"], "POST /v1/workspaces/{ws}/folders");
    assert!(refusal["request_id"].is_string());

    let all = lines(&server.ok(&["--json", "audit", "--since", "1h"]));
    let kinds: Vec<_> = all.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["key.created", "workspace.created", "file.created", "key.created", "refused"]);
    let after = all[2]["place"].as_str().unwrap();
    assert_eq!(lines(&server.ok(&["--json", "audit", "--after", after])), all[3..]);
    assert_eq!(lines(&server.ok(&["--json", "--workspace", "default", "audit"])).len(), 3, "{all:?}");
    assert_eq!(server.ok(&["--json", "audit", "--until", "1h"]), "");
    let who = refusal["principal_id"].as_str().unwrap();
    assert_eq!(lines(&server.ok(&["--json", "audit", "--principal", who, "--refused"])), refused);
    let shown = server.ok(&["audit"]);
    let line = shown.lines().last().unwrap();
    assert!(line.contains("refused (forbidden)") && line.contains("127.0.0.1"), "{shown}");
    assert!(shown.lines().any(|line| line.contains("file.created") && line.contains("/f")), "{shown}");

    let mut command = server.command();
    command.env("LONGSHORE_API_KEY", viewer["secret"].as_str().unwrap());
    run(command, &["audit"]).exits(6);
    server.run(&["audit", "--after", "yesterday"]).exits(8);
    server.run(&["audit", "--since", "yesterday"]).exits(8);
}

#[test]
fn who_follows_the_log_hears_of_what_comes() {
    let server = Server::start();
    write(server.path("f"), "f");
    server.ok(&["up", "f", "/before"]);
    let mut command = server.command();
    command.args(["--json", "audit", "--follow"]).stdout(Stdio::piped());
    let mut following = command.spawn().unwrap();
    let stdout = BufReader::new(following.stdout.take().unwrap());
    let mut told = stdout.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let path = |entry: &Value| entry["facts"]["path"].as_str().unwrap_or_default().to_owned();
    told.find(|entry| path(entry) == "/before").unwrap();
    server.ok(&["up", "f", "/after"]);
    assert_eq!(told.next().map(|entry| path(&entry)).as_deref(), Some("/after"));
    following.kill().unwrap();
    following.wait().unwrap();
}

/// Returns all items of a list, page by page.
fn all(cluster: &Cluster, route: &str, cursor: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut next = String::new();
    loop {
        let page = cluster.ask(&Request::new("GET", format!("{route}?limit=1000{next}"))).json();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(text) = page["next_cursor"].as_str() else { return items };
        next = format!("&{cursor}={text}");
    }
}

/// Writes a file again and again until the server is gone, and tells of each answer.
fn write_files(address: SocketAddr, key: &str, workspace: &str, name: &str, answered: &mpsc::Sender<()>) {
    let Ok(mut connection) = Connection::open(address) else { return };
    for number in 0.. {
        let path = format!("/v1/workspaces/{workspace}/files/{name}-{number}");
        let request = Request::new("PUT", path).content("x".to_owned());
        let Some(answer) = connection.ask(key, &request, Fate::Arrives) else { return };
        assert!(answer.status < 300, "{answer:?}");
        answered.send(()).ok();
    }
}

/// The same with many files to a request, whose answers come in pieces.
fn write_batches(address: SocketAddr, key: &str, workspace: &str, answered: &mpsc::Sender<()>) {
    for number in 0.. {
        let item = |item: u32| format!("{{\"path\":\"/batch/{number}-{item}\",\"size\":1}}\nx");
        let body: String = (0..20).map(item).collect();
        let head = format!(
            "POST /v1/workspaces/{workspace}/batch HTTP/1.1\r\nHost: longshore\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/vnd.longshore.batch\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let Ok(mut connection) = TcpStream::connect(address) else { return };
        let sent = connection.write_all((head + &body).as_bytes());
        let read = sent.and_then(|()| connection.read_to_end(&mut Vec::new()));
        if read.is_err() {
            return;
        }
        answered.send(()).ok();
    }
}

/// What happened is in the log of events, and who did it in the audit log: each has what the other has, whenever the server dies.
#[test]
fn a_kill_leaves_no_act_without_its_row() {
    let cluster = Cluster::on_sqlite();
    let workspace = cluster.ask(&Request::new("GET", "/v1/workspaces/current".to_owned())).json();
    let workspace = workspace["id"].as_str().unwrap().to_owned();
    let mut dice = Dice::new(11);
    for round in 0..6 {
        let (answered, answers) = mpsc::channel();
        let (address, key, workspace) = (cluster.any(&mut dice), cluster.key.as_str(), workspace.as_str());
        std::thread::scope(|scope| {
            for name in ["a", "b"] {
                let (name, answered) = (format!("{name}{round}"), answered.clone());
                scope.spawn(move || write_files(address, key, workspace, &name, &answered));
            }
            let answered = answered.clone();
            scope.spawn(move || write_batches(address, key, workspace, &answered));
            for _ in 0..5 + dice.below(60) {
                answers.recv().unwrap();
            }
            cluster.kill_and_restart(0);
        });
    }
    let events = all(&cluster, &format!("/v1/workspaces/{workspace}/events"), "after");
    let told = all(&cluster, "/v1/audit", "after");
    let done: BTreeMap<u64, &Value> =
        told.iter().filter_map(|entry| Some((entry["facts"]["seq"].as_u64()?, entry))).collect();
    assert!(events.len() > 100, "{}", events.len());
    assert_eq!(done.len(), events.len());
    for event in &events {
        let entry = done[&event["seq"].as_u64().unwrap()];
        assert_eq!((&entry["kind"], &entry["object"]), (&event["type"], &event["node_id"]));
        assert_eq!((&entry["request_id"], &entry["key_id"]), (&event["request_id"], &event["key_id"]));
    }
}
