//! `longshore undo`.

use crate::run::{Server, run, write};

#[test]
fn what_was_done_is_shown_undone_and_done_again() {
    let server = Server::start();
    write(server.path("one"), "one");
    write(server.path("two"), "two");
    server.ok(&["up", "one", "/a/file"]);
    let seq = server.json(&["workspaces", "current"])["seq"].to_string();
    server.ok(&["up", "two", "/a/file"]);
    server.ok(&["mv", "/a/file", "/b"]);

    let shown = server.ok(&["undo", "--mine", "--after", &seq, "--preview"]);
    assert_eq!(shown, "move, content: /b to /a/file\n");
    assert_eq!(server.ok(&["cat", "/b"]), "two");
    // Nobody is there to be asked.
    let ended = server.run(&["undo", "--mine", "--after", &seq]).exits(2);
    assert!(ended.stderr.contains("--yes"), "{}", ended.stderr);
    // What is done after the look stays.
    let shown = server.json(&["undo", "--mine", "--after", &seq, "--preview"])["last_seq"].to_string();
    server.ok(&["up", "two", "/later"]);
    let undone = server.json(&["undo", "--mine", "--after", &seq, "--until", &shown, "--yes"]);
    assert_eq!(undone["changes"].as_array().unwrap().len(), 1);
    assert_eq!(server.ok(&["cat", "/later"]), "two");
    assert_eq!(undone["changes"][0]["to_path"], "/a/file");
    assert_eq!(server.ok(&["cat", "/a/file"]), "one");
    server.ok(&["undo", "--act", &undone["act"].to_string(), "--yes"]);
    assert_eq!(server.ok(&["cat", "/b"]), "two");
    let nothing = server.run(&["undo", "--mine", "--since", "2100-01-01T00:00:00Z", "--yes"]).exits(5);
    assert!(nothing.stderr.contains("no node"), "{}", nothing.stderr);

    // What another has changed since is named.
    let secret = server.ok(&["keys", "create", "robot", "--agent", "Robbie"]);
    let mut other = server.command();
    other.env("LONGSHORE_API_KEY", secret.trim());
    run(other, &["up", "one", "/b"]).exits(0);
    let refused = server.run(&["undo", "--mine", "--since", "1h", "--yes"]).exits(5);
    assert!(
        refused.stderr.contains("nothing was undone: /b was changed since (by usr_"),
        "{}",
        refused.stderr
    );
    let shown = server.run(&["undo", "--mine", "--since", "1h", "--preview"]).exits(5);
    assert!(shown.text().contains("! /b was changed since"), "{}", shown.text());
    for bad in [
        &["undo"][..],
        &["undo", "--mine"],
        &["undo", "--act", "1", "--after", "2"],
        &["undo", "--mine", "--act", "1"],
        &["undo", "--act", "1", "--until", "2"],
    ] {
        server.run(bad).exits(2);
    }
    server.run(&["undo", "--actor", "nobody", "--after", "0"]).exits(8);
}
