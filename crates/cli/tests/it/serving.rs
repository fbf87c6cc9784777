//! `serve` and `init`, and what they leave for the other verbs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::run::{end, longshore, run, signal, spawn, wait, write};

fn profiles(folder: &Path) -> String {
    fs::read_to_string(folder.join("config/profiles.toml")).unwrap_or_default()
}

#[test]
fn after_a_first_start_the_other_verbs_just_work() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, banner) = spawn(folder.path(), &[]);
    assert!(banner.starts_with("longshore ") && banner.contains(" serves at http://127.0.0.1:"), "{banner}");
    let file = folder.path().join("config/profiles.toml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    write(folder.path().join("source/f"), "f");
    let verb = |arguments: &[&str]| {
        let mut command = longshore(&folder.path().join("config"));
        command.current_dir(folder.path());
        run(command, arguments)
    };
    verb(&["up", "source"]).exits(0);
    assert_eq!(verb(&["ls"]).exits(0).text(), "f\n");
    assert_eq!(verb(&["status", "--json"]).exits(0).json()["profile"], "local");
    verb(&["workspaces", "create", "desk"]).exits(0);
    verb(&["workspaces", "use", "desk"]).exits(0);
    assert_eq!(verb(&["ls"]).exits(0).text(), "");
    assert_eq!(verb(&["--workspace", "default", "ls"]).exits(0).text(), "f\n");
    // The key is not shown to a server that it is not for.
    let ended = verb(&["--url", "http://127.0.0.1:1", "ls"]).exits(6);
    assert!(ended.stderr.starts_with("error: no API key for http://127.0.0.1:1\nhint: "), "{}", ended.stderr);
    signal(&server, "TERM");
    assert_eq!(wait(&mut server, Duration::from_secs(10)), 0);

    // A later start has no key to show, and its new address is found.
    let (mut server, _) = spawn(folder.path(), &[]);
    assert_eq!(verb(&["--workspace", "default", "ls"]).exits(0).text(), "f\n");
    signal(&server, "INT");
    assert_eq!(wait(&mut server, Duration::from_secs(10)), 0);
}

#[test]
fn scripts_get_one_line_and_no_profile() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, line) = spawn(folder.path(), &["--ready-json"]);
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert!(ready["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert!(ready["key"].as_str().unwrap().starts_with("lsk_"));
    assert_eq!(profiles(folder.path()), "");
    signal(&server, "TERM");
    assert_eq!(wait(&mut server, Duration::from_secs(10)), 0);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut server.stdout.take().unwrap(), &mut rest).unwrap();
    assert_eq!(rest, "", "more than one line");

    let (mut server, line) = spawn(folder.path(), &["--ready-json"]);
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready.as_object().unwrap().len(), 1, "the key is shown at the first start alone");
    end(&mut server);
}

#[test]
fn a_script_may_ask_for_the_profile() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _) = spawn(folder.path(), &["--ready-json", "--save-profile"]);
    end(&mut server);
    assert!(profiles(folder.path()).contains("key = \"lsk_"));
}

#[test]
fn one_data_folder_has_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _) = spawn(folder.path(), &["--ready-json"]);
    let data = folder.path().join("data");
    let command = longshore(&folder.path().join("config"));
    let ended =
        run(command, &["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]).exits(1);
    assert!(ended.stderr.contains("another server uses the data folder"), "{}", ended.stderr);
    end(&mut server);
}

#[test]
fn a_taken_address_is_told_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("data");
    let command = longshore(&folder.path().join("config"));
    let ended = run(command, &["serve", "--listen", &address, "--data", data.to_str().unwrap()]).exits(1);
    assert!(ended.stderr.contains("hint: `--listen 127.0.0.1:0`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("lsk_"), "the first key must not be lost: {}", ended.stderr);
}

#[test]
fn init_makes_everything_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let init = |more: &[&str]| {
        let mut arguments = vec!["init", "--data", data.to_str().unwrap()];
        arguments.extend(more);
        run(longshore(&folder.path().join("config")), &arguments)
    };
    let made = init(&["--json"]).exits(0).json();
    assert!(made["key"].as_str().unwrap().starts_with("lsk_"));
    assert!(data.join("longshore.db").is_file());
    assert!(profiles(folder.path()).contains("key = \"lsk_"));
    let config = data.join("longshore.toml");
    assert!(fs::read_to_string(&config).unwrap().contains("#listen = "));
    fs::write(&config, "[log]\nlevel = \"error\"\n").unwrap();
    assert_eq!(init(&["--json"]).exits(0).json()["key"], Value::Null);
    assert_eq!(fs::read_to_string(&config).unwrap(), "[log]\nlevel = \"error\"\n");
    // The file in the data folder is read without being named.
    fs::write(&config, "[log]\nlevle = \"error\"\n").unwrap();
    let ended = init(&[]).exits(8);
    assert!(ended.stderr.contains("levle"), "{}", ended.stderr);
}
