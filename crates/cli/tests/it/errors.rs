//! What is said when it goes wrong, and how the program ends then.

use crate::run::{longshore, run, run_alone};

const KEY: &str = "lsk_01m7vpp8k8es18wkpwzaq1jej85RFQIGf8IWDlxgrhjOK8RhFAMllmIPS1OMwh6yI3yh14dNntY";

/// An address where nothing listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn no_server() {
    let url = nobody();
    let ended = run_alone(&["--url", &url, "--key", KEY, "ls"]).exits(7);
    let (error, hint) = ended.stderr.split_once('\n').unwrap();
    assert!(error.starts_with("error: "), "{error}");
    assert!(!error.ends_with('.'), "{error}");
    assert!(hint.starts_with("hint: is the server running? start one with `longshore serve`"), "{hint}");
    let told = run_alone(&["--json", "--url", &url, "--key", KEY, "status"]).exits(7).error();
    assert_eq!((&told["code"], &told["exit"]), (&"network".into(), &7.into()));
    assert!(told["message"].is_string() && told["hint"].is_string());
}

#[test]
fn no_key() {
    let ended = run_alone(&["ls"]).exits(6);
    assert_eq!(
        ended.stderr,
        "error: no API key for http://127.0.0.1:7420\n\
         hint: set LONGSHORE_API_KEY or give --key; `longshore serve` on this machine saves its first key in \
         your profile\n"
    );
    assert_eq!(run_alone(&["--json", "ls"]).exits(6).error()["code"], "key_missing");
}

#[test]
fn a_wrong_command_line() {
    for arguments in
        [&["fly"][..], &["ls", "--nonsense"], &[], &["down", "/x"], &["up"], &["up", "-j", "0", "x"]]
    {
        run_alone(arguments).exits(2);
    }
}

#[test]
fn paths_that_break_a_rule() {
    let url = nobody();
    for (path, hint) in [("notes", Some("hint: write /notes\n")), ("/a//b", None), ("/../etc", None)] {
        let ended = run_alone(&["--url", &url, "--key", KEY, "ls", path]).exits(8);
        assert!(ended.stderr.starts_with(&format!("error: {path:?} is no path: ")), "{}", ended.stderr);
        assert_eq!(hint.is_some(), ended.stderr.contains("hint"), "{}", ended.stderr);
    }
    run_alone(&["--url", "nonsense", "--key", KEY, "ls"]).exits(8);
}

#[test]
fn an_unknown_profile_and_a_broken_file() {
    let ended = run_alone(&["--profile", "work", "ls"]).exits(4);
    assert!(ended.stderr.starts_with("error: there is no profile \"work\"\nhint: "), "{}", ended.stderr);
    let config = tempfile::tempdir().unwrap();
    std::fs::write(config.path().join("profiles.toml"), "what is this").unwrap();
    let ended = run(longshore(config.path()), &["ls"]).exits(8);
    assert!(ended.stderr.contains("profiles.toml cannot be understood: line 1: "), "{}", ended.stderr);
}

/// What is wrong may stand beside a secret, or be one.
#[test]
fn a_file_that_cannot_be_read_is_not_shown() {
    let config = tempfile::tempdir().unwrap();
    for line in
        ["api_key = \"lsk_SECRET\"", "key = \"lsk_SECRET", "key = lsk_SECRET", "url = [\"lsk_SECRET\"]"]
    {
        let text = format!("[profiles.p]\nurl = \"http://127.0.0.1:1\"\n{line}\n");
        std::fs::write(config.path().join("profiles.toml"), text).unwrap();
        let ended = run(longshore(config.path()), &["ls"]).exits(8);
        assert!(ended.stderr.contains("cannot be understood: line 3: "), "{}", ended.stderr);
        assert!(!ended.stderr.contains("SECRET"), "{}", ended.stderr);
    }
    let file = config.path().join("longshore.toml");
    for line in [
        "[database]\nurls = \"postgres://u:SECRET@h/db\"",
        "[store]\nsecret_access_key = \"SECRET\"",
        "[database]\nurl = SECRET",
        "[server]\nlisten = \"SECRET\"",
    ] {
        std::fs::write(&file, line).unwrap();
        let arguments =
            ["serve", "--config", file.to_str().unwrap(), "--data", config.path().to_str().unwrap()];
        let ended = run(longshore(config.path()), &arguments).exits(8);
        assert!(ended.stderr.contains("longshore.toml: line 2: "), "{}", ended.stderr);
        assert!(!ended.stderr.contains("SECRET"), "{}", ended.stderr);
    }
}

#[test]
fn flags_come_before_the_environment_and_that_before_profiles() {
    let config = tempfile::tempdir().unwrap();
    let [flag, environment, profile] = [nobody(), nobody(), nobody()];
    std::fs::write(
        config.path().join("profiles.toml"),
        format!("current = \"p\"\n[profiles.p]\nurl = \"{profile}\"\nkey = \"{KEY}\"\n"),
    )
    .unwrap();
    let asked = |set: bool, arguments: &[&str]| {
        let mut command = longshore(config.path());
        if set {
            command.env("LONGSHORE_URL", &environment).env("LONGSHORE_API_KEY", KEY);
        }
        run(command, arguments).exits(7).stderr
    };
    let port = |url: &str| url.rsplit_once(':').unwrap().1.to_owned();
    assert!(asked(true, &["--url", &flag, "ls"]).contains(&port(&flag)));
    assert!(asked(true, &["ls"]).contains(&port(&environment)));
    assert!(asked(false, &["ls"]).contains(&port(&profile)));
    assert!(asked(true, &["--profile", "p", "ls"]).contains(&port(&profile)));
}
