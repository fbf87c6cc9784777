//! How people are invited, sign in and are let in again.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, tcgetattr};

use crate::run::{Ended, Server, longshore, run, wait};
use crate::supervised::{PATIENCE, Terminal};

/// Runs a command with text on its standard input.
pub(crate) fn fed(mut command: Command, arguments: &[&str], input: &str) -> Ended {
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who ends before reading it all has closed the pipe.
    let _sent = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_person_sets_a_password_and_changes_it() {
    let server = Server::start();
    let id = server.json(&["principals", "create", "Ada"])["id"].as_str().unwrap().to_owned();
    let made = server.json(&["password", "reset", &id]);
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("lsr_") && made["expires_at"].is_string());
    let set = |input: &str| fed(server.command(), &["password", "set", "--sign-in-name", "ada"], input);
    let short = set(&format!("{token}\nshort\n")).exits(8);
    assert!(short.stderr.contains("at least 10 characters"), "{}", short.stderr);
    set(&format!("{token}\ncorrect horse\n")).exits(0);
    set(&format!("{token}\ncorrect horse\n")).exits(4);
    assert!(server.ok(&["password", "reset", &id]).starts_with("lsr_"));
    // The first key's own person has no password yet.
    let change = fed(server.command(), &["--json", "password", "change"], "nothing at all\nbattery staple\n");
    assert_eq!(change.exits(6).error()["code"], "password_wrong");
    let agent = server.json(&["keys", "create", "robot", "--agent", "Robbie"]);
    let agent = agent["principal"]["id"].as_str().unwrap();
    server.run(&["password", "reset", agent]).exits(5);
}

#[test]
fn who_is_invited_joins() {
    let server = Server::start();
    let made = server.json(&["invite", "create", "editor", "--note", "for Ada", "--expires", "1d"]);
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let listed = server.ok(&["invite", "list"]);
    assert!(listed.contains("for Ada") && listed.contains("open") && !listed.contains(token), "{listed}");
    let look = fed(server.command(), &["invite", "look"], &format!("{token}\n")).exits(0).text();
    assert!(look.contains("default as editor"), "{look}");
    let accepted = fed(server.command(), &["--json", "invite", "accept"], token).exits(0).json();
    // The owner has the greater role already.
    assert_eq!(accepted["role"], "owner");
    let again = fed(server.command(), &["invite", "accept"], token).exits(4);
    assert!(again.stderr.contains("the invitation has ended"), "{}", again.stderr);
    assert_eq!(server.json(&["invite", "list"])["items"][0]["state"], "accepted");
    let second = server.ok(&["invite", "create", "viewer"]);
    fed(server.command(), &["invite", "decline"], &second).exits(0);
    fed(server.command(), &["invite", "look"], &second).exits(4);
    let third = server.json(&["invite", "create", "viewer"]);
    server.ok(&["invite", "revoke", third["id"].as_str().unwrap(), id]);
    server.run(&["invite", "revoke", "nonsense"]).exits(8);
    server.run(&["invite", "create", "owner"]).exits(5);
}

#[test]
fn sessions_are_listed_and_ended() {
    let server = Server::start();
    assert_eq!(server.json(&["sessions", "list"])["items"].as_array().unwrap().len(), 0);
    assert!(server.ok(&["sessions", "list"]).starts_with("ID"));
    server.ok(&["sessions", "end", "--all"]);
    server.run(&["sessions", "end", "nonsense"]).exits(8);
    let nobodys = "ses_01k9x3m7q2e8rj5v4n6t0p1s2d";
    assert_eq!(
        server.run(&["--json", "sessions", "end", nobodys]).exits(4).error()["code"],
        "session_not_found"
    );
    let secret = server.ok(&["keys", "create", "narrow", "--role", "owner", "--only", "default"]);
    let mut command = server.command();
    command.env("LONGSHORE_API_KEY", secret.trim());
    assert_eq!(run(command, &["--json", "sessions", "list"]).exits(6).error()["code"], "account_needed");
}

#[test]
fn identities_are_listed_and_removed() {
    let server = Server::start();
    for arguments in [&["identities", "providers"][..], &["identities", "list"]] {
        assert_eq!(server.json(arguments)["items"].as_array().unwrap().len(), 0);
    }
    assert!(server.ok(&["identities", "providers"]).starts_with("NAME"));
    assert!(server.ok(&["identities", "list"]).starts_with("ID"));
    let ada = server.json(&["principals", "create", "Ada"])["id"].as_str().unwrap().to_owned();
    assert!(server.ok(&["identities", "list", "--of", &ada]).starts_with("ID"));
    server.run(&["identities", "list", "--of", "nonsense"]).exits(8);
    server.run(&["identities", "remove", "nonsense"]).exits(8);
    let nobodys = "idn_01k9x3m7q2e8rj5v4n6t0p1s2d";
    for arguments in [
        &["--json", "identities", "remove", nobodys][..],
        &["--json", "identities", "remove", nobodys, "--of", &ada],
    ] {
        assert_eq!(server.run(arguments).exits(4).error()["code"], "identity_not_found");
    }
}

#[test]
fn an_administrator_is_let_in_again_beside_a_running_server() {
    let server = Server::start();
    let data = server.path("data");
    let recover = |arguments: &[&str], input: &str| {
        let all: Vec<&str> = [&["--json", "recover", "--data", data.to_str().unwrap()], arguments].concat();
        fed(longshore(&server.path("config")), &all, input)
    };
    let listed = recover(&[], "").exits(0).json();
    let owner = &listed["items"][0];
    assert_eq!((owner["name"].as_str(), owner["active"].as_bool()), (Some("owner"), Some(true)));
    let id = owner["id"].as_str().unwrap();
    let made = recover(&[id, "--new-key"], "").exits(0);
    assert!(made.stderr.contains("let in again"), "{}", made.stderr);
    let made = made.json();
    let key = made["key"].as_str().unwrap();
    let mut command = server.command();
    command.env("LONGSHORE_API_KEY", key);
    run(command, &["principals", "list"]).exits(0);
    recover(&[id, "--new-password"], "correct horse\n").exits(8);
    recover(&[id, "--new-password", "--sign-in-name", "root"], "short\n").exits(8);
    let set = recover(&[id, "--new-password", "--sign-in-name", "root"], "correct horse\n").exits(0);
    assert!(!set.stderr.contains("correct horse") && !set.text().contains("correct horse"));
    assert_eq!(set.json()["sign_in_name"], "root");
    let change = fed(server.command(), &["password", "change"], "correct horse\nbattery staple\n");
    change.exits(0);
    recover(&["usr_01k9x3m7q2e8rj5v4n6t0p1s2d", "--new-key"], "").exits(4);
    recover(&[id], "").exits(2);
    let nowhere = server.path("nowhere");
    let arguments = ["recover", "--data", nowhere.to_str().unwrap()];
    run(longshore(&server.path("config")), &arguments).exits(1);
    assert!(!nowhere.exists());
}

#[test]
fn init_has_the_first_administrator_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let init = |input: &str| {
        let arguments = ["--json", "init", "--data", data.to_str().unwrap(), "--sign-in-name", "Root"];
        fed(longshore(&folder.path().join("config")), &arguments, input)
    };
    assert_eq!(init("short\n").exits(8).error()["code"], "invalid_password");
    assert!(!data.exists());
    assert!(init("correct horse\n").exits(0).json()["key"].is_string());
    // What is there stays as it is.
    assert!(init("battery staple\n").exits(0).json()["key"].is_null());
    let arguments = ["--json", "recover", "--data", data.to_str().unwrap()];
    let listed = run(longshore(&folder.path().join("config")), &arguments).exits(0).json();
    assert_eq!(listed["items"][0]["sign_in_name"], "Root");
}

/// Returns what a terminal shows until it shows a text.
fn shown_until(terminal: &mut Terminal, text: &str) -> String {
    let mut shown = String::new();
    while !shown.contains(text) {
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let ready = poll(&mut [PollFd::new(&terminal.ours, PollFlags::IN)], Some(&patience)).unwrap();
        assert_ne!(ready, 0, "{text:?} is not in {shown:?}");
        let mut some = [0; 1024];
        let count = terminal.ours.read(&mut some).unwrap();
        shown.push_str(str::from_utf8(&some[..count]).unwrap());
    }
    shown
}

fn shows_what_is_typed(terminal: &Terminal) -> bool {
    tcgetattr(terminal.side()).unwrap().local_modes.contains(LocalModes::ECHO)
}

#[test]
fn a_password_is_typed_unseen() {
    let server = Server::start();
    let id = server.json(&["principals", "create", "Ada"])["id"].as_str().unwrap().to_owned();
    let token = server.ok(&["password", "reset", &id]);
    let mut terminal = Terminal::open();
    let mut child = terminal.start(&server, &["password", "set", "--sign-in-name", "ada"]);
    let mut shown = shown_until(&mut terminal, "token: ");
    terminal.ours.write_all(token.trim_end().as_bytes()).unwrap();
    for (typed, then) in [
        ("\n", "new password: "),
        ("correct horse\n", "once more: "),
        ("correct horse\n", "the new password holds"),
    ] {
        assert!(!shows_what_is_typed(&terminal));
        terminal.ours.write_all(typed.as_bytes()).unwrap();
        shown += &shown_until(&mut terminal, then);
    }
    assert_eq!(wait(&mut child, PATIENCE), 0);
    assert!(shows_what_is_typed(&terminal));
    assert!(!shown.contains("horse") && !shown.contains(token.trim_end()), "{shown}");
}

#[test]
fn a_terminal_shows_again_what_is_typed_when_a_question_is_not_answered() {
    let server = Server::start();
    let mut terminal = Terminal::open();
    let mut child = terminal.start(&server, &["password", "change"]);
    shown_until(&mut terminal, "present password: ");
    assert!(!shows_what_is_typed(&terminal));
    terminal.ours.write_all(b"hal\x03").unwrap();
    assert_eq!(wait(&mut child, PATIENCE), 130);
    assert!(shows_what_is_typed(&terminal));
}
