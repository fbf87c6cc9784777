//! What is secret is in the answer that gives it, and nowhere else.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::people::fed;
use crate::run::{end, longshore, spawn};
use crate::wire::{Answer, Connection, Fate, Request};

/// Returns the files below a folder, with what is in them.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// Reads the whole audit log, as lines, once it tells of something: refusals are written a moment after they were answered.
fn audit_log(address: SocketAddr, key: &str, of: &str) -> Vec<u8> {
    for _ in 0..200 {
        let mut connection = TcpStream::connect(address).unwrap();
        let request = format!(
            "GET /v1/audit HTTP/1.1\r\nHost: longshore\r\nAuthorization: Bearer {key}\r\n\
             Accept: application/x-ndjson\r\nConnection: close\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        if has(&answer, of) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the audit log says nothing of {of}");
}

fn has(content: &[u8], secret: &str) -> bool {
    content.windows(secret.len()).any(|window| window == secret.as_bytes())
}

/// Returns the part of a secret behind its public id: 43 characters that nobody guesses.
fn hidden(secret: &str) -> &str {
    &secret[30..73]
}

/// A server that logs all that it can.
struct Talkative {
    folder: TempDir,
    server: Child,
    address: SocketAddr,
    /// The first key.
    key: String,
}

impl Talkative {
    /// Starts one; returns the first key and a connection too.
    fn serve() -> (Self, String, Connection) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("data/longshore.toml"), "[log]\nlevel = \"trace\"\n").unwrap();
        let (server, ready) = spawn(folder.path(), &["--ready-json"]);
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let address = ready["url"].as_str().unwrap().trim_start_matches("http://").parse().unwrap();
        let key = ready["key"].as_str().unwrap().to_owned();
        (Self { folder, server, address, key: key.clone() }, key, Connection::open(address).unwrap())
    }

    /// Ends it once its audit log tells of something, and returns what it left.
    fn end(mut self, told: &str) -> Left {
        let audit = audit_log(self.address, &self.key, told);
        end(&mut self.server);
        let log = fs::read(self.folder.path().join("log")).unwrap();
        assert!(has(&log, "TRACE") || has(&log, "DEBUG"), "the log says too little to tell");
        let kept = files(&self.folder.path().join("data"));
        assert!(kept.iter().any(|(name, _)| name.contains("longshore.db")));
        Left { log, audit, kept }
    }
}

/// What a server has written: its log, its audit log, and the files of its data folder.
struct Left {
    log: Vec<u8>,
    audit: Vec<u8>,
    kept: Vec<(String, Vec<u8>)>,
}

impl Left {
    /// Fails where a secret is in any of it.
    fn has_not(&self, secret: &str) {
        assert!(!has(&self.log, secret), "{secret:?} is in the log");
        assert!(!has(&self.audit, secret), "{secret:?} is in the audit log");
        for (name, content) in &self.kept {
            assert!(!has(content, secret), "{secret:?} is in {name}");
        }
    }
}

/// Row 24 of the list of peers' bugs, GHSA-r54g, -8cm2 and -333v (RustFS): secrets in the log.
#[test]
fn row_24_no_secret_is_in_the_log_or_on_the_disk() {
    let (talkative, first, mut connection) = Talkative::serve();
    let mut ask = |key: &str, request: &Request<'_>| -> Answer {
        connection.ask(key, request, Fate::Arrives).expect("an answer")
    };
    let made = ask(
        &first,
        &Request::new("POST", "/v1/keys".to_owned())
            .header("Idempotency-Key", "make-a-key")
            .json(&json!({ "name": "second", "role": "admin", "agent": "agent" })),
    );
    let second = made.json()["secret"].as_str().unwrap().to_owned();
    let workspace = ask(&first, &Request::new("GET", "/v1/workspaces/current".to_owned())).json();
    let path = format!("/v1/workspaces/{}/files/file", workspace["id"].as_str().unwrap());
    let file = ask(&second, &Request::new("PUT", path).content("content".to_owned())).json();
    let file = format!("/v1/files/{}", file["id"].as_str().unwrap());
    let lock = Request::new("POST", format!("{file}/lock")).json(&json!({}));
    let held = ask(&second, &lock.clone().header("Idempotency-Key", "take-a-lock")).json();
    let token = held["token"].as_str().unwrap().to_owned();
    let write = Request::new("PUT", format!("{file}/content")).content("more".to_owned());
    let renew = Request::new("POST", format!("/v1/locks/{}/renew", held["id"].as_str().unwrap()));
    for (status, request) in [
        (423, lock.clone()),
        (423, write.clone()),
        (200, write.clone().header("Lock-Token", token.as_str())),
        (400, write.clone().header("Lock-Token", format!("{token}x"))),
        (412, write.header("Lock-Token", token.as_str()).header("If-Match", "\"x\"")),
        (200, renew.clone().header("Lock-Token", token.as_str())),
        (400, renew),
        (200, lock.header("Idempotency-Key", "take-a-lock")),
    ] {
        assert_eq!(ask(&second, &request).status, status, "{request:?}");
    }
    let offer =
        Request::new("POST", format!("/v1/workspaces/{}/transfer", workspace["id"].as_str().unwrap()));
    let claim = ask(&first, &offer.json(&json!({}))).json()["token"].as_str().unwrap().to_owned();
    let verb = |verb: &str, token: &str| {
        Request::new("POST", format!("/v1/transfers/{verb}")).json(&json!({ "token": token }))
    };
    for (status, request) in [
        (200, verb("look", &claim)),
        (400, verb("accept", &format!("{claim}x"))),
        (200, verb("accept", &claim)),
        (410, verb("accept", &claim)),
    ] {
        assert_eq!(ask(&second, &request).status, status, "{request:?}");
    }
    // Half of a key is none; whose it was meant to be is known by its id.
    let wrong = format!("{}x", &first[..first.len() - 1]);
    assert_eq!(ask(&wrong, &Request::new("GET", "/v1/me".to_owned())).status, 401);
    let left = talkative.end("key.refused");
    assert!(has(&left.audit, "transfer.accepted") && has(&left.audit, "lock.acquired"));
    for secret in [&first, &second, &token, &claim] {
        left.has_not(hidden(secret));
    }
    // These open a stored answer.
    left.has_not("make-a-key");
    left.has_not("take-a-lock");
}

/// The same for what people sign in with: passwords, their hashes, cookies, and tokens of sessions, invitations and resets.
#[test]
fn row_24_nothing_that_people_sign_in_with_is_in_the_log() {
    let (talkative, first, mut connection) = Talkative::serve();
    let mut ask = |key: &str, method: &str, path: String, headers: &[(&'static str, &str)], body: Value| {
        let request = Request::new(method, path).json(&body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, *value));
        connection.ask(key, &request, Fate::Arrives).expect("an answer")
    };
    let workspace = ask(&first, "GET", "/v1/workspaces/current".to_owned(), &[], json!({})).json();
    let invitations = format!("/v1/workspaces/{}/invitations", workspace["id"].as_str().unwrap());
    let idempotency = [("Idempotency-Key", "invite-somebody")];
    let invitation = ask(&first, "POST", invitations, &idempotency, json!({ "role": "editor" })).json();
    let invitation = invitation["token"].as_str().unwrap().to_owned();
    let (password, wrong, next) = ("a correct horse", "a wrong horse", "a battery staple");
    let accept = json!({ "token": invitation, "sign_in_name": "ada", "password": password });
    let accepted = ask("", "POST", "/v1/invitations/accept".to_owned(), &[], accept.clone());
    assert_eq!(accepted.status, 200);
    assert_eq!(ask("", "POST", "/v1/invitations/accept".to_owned(), &[], accept).status, 410);
    let sign_in = |password: &str| json!({ "name": "ada", "password": password });
    assert_eq!(ask("", "POST", "/v1/session".to_owned(), &[], sign_in(wrong)).status, 401);
    // People type a password where the name is asked for.
    let astray = "a password that went astray";
    let slip = json!({ "name": astray, "password": "x" });
    assert_eq!(ask("", "POST", "/v1/session".to_owned(), &[], slip).status, 401);
    let signed_in = ask("", "POST", "/v1/session".to_owned(), &[], sign_in(password));
    let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let csrf = signed_in.json()["csrf_token"].as_str().unwrap().to_owned();
    let own = [("Cookie", cookie.as_str()), ("X-CSRF-Token", csrf.as_str())];
    let change = json!({ "current": password, "new": next });
    assert_eq!(ask("", "PUT", "/v1/me/password".to_owned(), &own[..1], change.clone()).status, 403);
    assert_eq!(ask("", "PUT", "/v1/me/password".to_owned(), &own, change).status, 204);
    let ada = signed_in.json()["principal"]["id"].as_str().unwrap().to_owned();
    let reset = ask(&first, "POST", format!("/v1/principals/{ada}/password"), &[], json!({})).json();
    let reset = reset["token"].as_str().unwrap().to_owned();
    let set = json!({ "token": reset, "password": password });
    assert_eq!(ask("", "POST", "/v1/password".to_owned(), &[], set).status, 204);
    assert_eq!(ask("", "GET", "/v1/me".to_owned(), &own, json!({})).status, 401);
    let left = talkative.end("session.refused");
    for told in
        ["sign_in.failed", "session.began", "password.changed", "password.reset", "invitation.accepted"]
    {
        assert!(has(&left.audit, told), "{told}");
    }
    let session = cookie.split_once('=').unwrap().1;
    let secrets =
        [hidden(&invitation), hidden(session), hidden(&reset), &csrf, password, wrong, next, astray];
    for secret in secrets {
        left.has_not(secret);
    }
    assert!(!has(&left.log, "$argon2id$"), "a password's hash is in the log");
    assert!(left.kept.iter().any(|(_, content)| has(content, "$argon2id$v=19$m=19456,t=2,p=1$")));
}

/// The same for share links: tokens, grants, passwords and their hashes.
#[test]
fn row_24_nothing_that_opens_a_share_is_in_the_log_or_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/longshore.toml"), "[log]\nlevel = \"trace\"\n").unwrap();
    let (mut server, ready) = spawn(folder.path(), &["--ready-json"]);
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let first = ready["key"].as_str().unwrap().to_owned();
    let address = ready["url"].as_str().unwrap().trim_start_matches("http://").parse().unwrap();
    let mut connection = Connection::open(address).unwrap();
    let mut ask = |key: &str, method: &str, path: String, headers: &[(&'static str, &str)], body: Value| {
        let request = Request::new(method, path);
        let request = if method == "GET" { request } else { request.json(&body) };
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, *value));
        connection.ask(key, &request, Fate::Arrives).expect("an answer")
    };
    let workspace = ask(&first, "GET", "/v1/workspaces/current".to_owned(), &[], json!({})).json();
    let workspace = workspace["id"].as_str().unwrap().to_owned();
    ask(&first, "POST", format!("/v1/workspaces/{workspace}/folders"), &[], json!({ "path": "/d" }));
    let (password, wrong, next) = ("a correct horse", "a wrong horse", "a battery staple");
    let once = [("Idempotency-Key", "share-a-folder")];
    let shares = format!("/v1/files/root/shares?workspace={workspace}");
    let made = ask(&first, "POST", shares, &once, json!({ "password": password })).json();
    let (token, id) = (made["token"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned());
    let open = |password: &str| json!({ "password": password });
    let public = |rest: &str| format!("/v1/shares/{token}{rest}");
    assert_eq!(ask("", "POST", public("/open"), &[], open(wrong)).status, 403);
    let opened = ask("", "POST", public("/open"), &[], open(password)).json();
    let grant = opened["grant"].as_str().unwrap().to_owned();
    let visit = [("Share-Grant", grant.as_str())];
    for (status, rest) in
        [(200, ""), (200, "/tree"), (200, "/archive"), (404, "/content?path=/none"), (404, "/nowhere")]
    {
        assert_eq!(ask("", "GET", public(rest), &visit, json!({})).status, status, "{rest}");
    }
    assert_eq!(ask("", "GET", public("x/tree"), &visit, json!({})).status, 404);
    // What the command line of a visitor says, and is refused.
    let url = format!("http://{address}/v1/shares/{token}");
    let guest = tempfile::tempdir().unwrap();
    for (code, password, arguments) in [
        (0, password, ["look", &url, "--password"]),
        (6, wrong, ["ls", &url, "/"]),
        (0, password, ["ls", &url, "--password"]),
        (0, password, ["get", &url, "--password"]),
        (4, password, ["get", &url, "/none"]),
        (5, password, ["put", &url, "f"]),
        (2, password, ["look", &url, &url]),
    ] {
        fs::write(guest.path().join("f"), "f").unwrap();
        let with_password = (code > 3).then_some("--password");
        let arguments: Vec<_> =
            ["--json", "visit"].into_iter().chain(arguments).chain(with_password).collect();
        let mut command = longshore(guest.path());
        command.current_dir(guest.path());
        let ended = fed(command, &arguments, &format!("{password}\n"));
        let said = format!("{}{}", ended.text(), ended.stderr);
        assert_eq!(ended.code, code, "{arguments:?}: {said}");
        for secret in [&token[30..73], password, wrong, "lsg_"] {
            assert!(!said.contains(secret), "{secret:?} is in {said}");
        }
    }
    let share = format!("/v1/workspaces/{workspace}/shares/{id}");
    assert_eq!(ask(&first, "PATCH", share.clone(), &[], json!({ "password": next })).status, 200);
    assert_eq!(ask("", "GET", public("/tree"), &visit, json!({})).status, 401);
    assert_eq!(ask(&first, "DELETE", share, &[], json!({})).status, 204);
    let events =
        ask(&first, "GET", format!("/v1/workspaces/{workspace}/events"), &[], json!({})).json().to_string();
    end(&mut server);
    let log = fs::read(folder.path().join("log")).unwrap();
    assert!(has(&log, "TRACE") || has(&log, "DEBUG"), "the log says too little to tell");
    let kept = files(&folder.path().join("data"));
    for secret in [&token[30..73], &grant[30..73], password, wrong, next] {
        assert!(!has(&log, secret), "{secret:?} is in the log");
        assert!(!events.contains(secret), "{secret:?} is in the events");
        for (name, content) in &kept {
            assert!(!has(content, secret), "{secret:?} is in {name}");
        }
    }
    assert!(!has(&log, "$argon2id$") && !events.contains("$argon2id$"), "a password's hash is told");
    assert!(kept.iter().any(|(_, content)| has(content, "$argon2id$v=19$m=19456,t=2,p=1$")));
}
