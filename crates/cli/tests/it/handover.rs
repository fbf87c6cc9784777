//! Handing a workspace over on the command line.

use std::io::Write;
use std::process::Stdio;

use crate::run::{Server, run};

#[test]
fn a_workspace_is_offered_looked_at_declined_revoked_and_taken() {
    let server = Server::start();
    let heir =
        server.json(&["keys", "create", "heir", "--role", "admin", "--agent", "Ada", "--only", "default"]);
    let (secret, who) = (heir["secret"].as_str().unwrap(), heir["principal"]["id"].as_str().unwrap());
    let as_heir = |arguments: &[&str]| {
        let mut command = server.command();
        command.env("LONGSHORE_API_KEY", secret);
        run(command, arguments)
    };
    server.run(&["transfer", "show"]).exits(4);
    let ended = server.run(&["transfer", "offer", "--note", "all yours", "--expires", "1h"]).exits(0);
    let token = ended.text();
    let token = token.trim();
    assert!(token.starts_with("lsc_") && ended.stderr.contains("it is not shown again"), "{}", ended.stderr);
    assert!(server.ok(&["transfer", "show"]).contains(" open of ws_"));
    let shown = as_heir(&["transfer", "show", token]).exits(0).text();
    assert!(shown.contains("note       all yours\n") && shown.contains("members    2\n"), "{shown}");
    as_heir(&["transfer", "decline", token]).exits(0);
    assert_eq!(
        as_heir(&["--json", "transfer", "accept", token, "--yes"]).exits(4).error()["code"],
        "transfer_ended"
    );
    let made = server.json(&["transfer", "offer"]);
    let token = made["token"].as_str().unwrap();
    as_heir(&["transfer", "revoke"]).exits(6);
    server.ok(&["transfer", "revoke"]);
    assert_eq!(server.json(&["transfer", "show"])["state"], "revoked");
    let ended = as_heir(&["transfer", "accept", token, "--yes"]).exits(4);
    assert!(ended.stderr.contains("hint: ask the owner"), "{}", ended.stderr);
    let made = server.json(&["transfer", "offer"]);
    let token = made["token"].as_str().unwrap();
    let ended = server.run(&["transfer", "accept", token, "--yes"]).exits(5);
    assert!(ended.stderr.contains("hint: `longshore transfer revoke`"), "{}", ended.stderr);
    // Nobody is there to be asked, and nothing is done.
    as_heir(&["transfer", "accept", token]).exits(2);
    // From standard input, where no list of processes shows it.
    let mut command = server.command();
    command.env("LONGSHORE_API_KEY", secret).args(["--json", "transfer", "accept", "--yes"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{token}\n").as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success());
    let done: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((&done["state"], &done["ended_by"]), (&"accepted".into(), &who.into()));
    let listed = server.json(&["members", "list"]);
    let members = listed["items"].as_array().unwrap();
    let owner = members.iter().find(|member| member["role"] == "owner").unwrap();
    assert_eq!(owner["principal"]["id"], who);
    let ended = server.run(&["transfer", "accept", "nonsense", "--yes"]).exits(8);
    assert!(
        ended.stderr.contains("that is no claim token") && !ended.stderr.contains("nonsense"),
        "{}",
        ended.stderr
    );
}
