//! What others have written, as it reaches a terminal.

use crate::run::{Server, write};

/// Text that clears the screen, overwrites its line, ends the line, and turns what follows round.
const FOUL: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\rgone\u{9b}31m\nforged=yes\u{202e}txt";

fn is_harmless(text: &str) -> bool {
    let acts = |char: char| (char.is_control() && char != '\n' && char != '\t') || char == '\u{202e}';
    !text.chars().any(acts)
}

#[test]
fn no_text_of_others_acts_on_a_terminal() {
    let server = Server::start();
    write(server.path("one"), "one\n");
    write(server.path("two"), FOUL);
    let path = "/\u{202e}fdp.exe";
    server.ok(&["up", "one", path]);
    server.ok(&["up", "two", path]);
    let set = format!("text={FOUL}");
    let pair = "metadata   text=\\u{1b}[2J\\u{1b}]0;owned\\u{7}\\rgone\\u{9b}31m\\nforged=yes\\u{202e}txt\n";
    server.ok(&["meta", "set", path, &set]);
    server.ok(&["label", path, "a\u{202e}b"]);
    server.ok(&["versions", "label", path, "1", "a\u{202e}b"]);
    server.ok(&["lock", path, "--ttl", "1h", "--label", "\u{202e}me", "--purpose", "\u{202e}why"]);
    for (shown, what) in [
        (&["stat", path][..], pair),
        (&["meta", "get", path], "\\nforged"),
        (&["meta", "get", path, "text"], "\\u{1b}"),
        (&["meta", "find", "--name", "fdp"], "\\u{202e}fdp.exe"),
        (&["label", path], "a\\u{202e}b\n"),
        (&["ls"], "\\u{202e}fdp.exe\n"),
        (&["ls", "-lR"], "\\u{202e}fdp.exe\n"),
        (&["locks"], "\\u{202e}me"),
        (&["events"], "/\\u{202e}fdp.exe\n"),
        (&["versions", "list", path], "a\\u{202e}b\n"),
        (&["versions", "diff", path, "1"], "+\\u{1b}[2J"),
    ] {
        // As where colours are wanted, and so nothing is taken out on the way.
        let all: Vec<_> = ["--color", "always"].iter().chain(shown).copied().collect();
        let text = server.ok(&all);
        assert!(is_harmless(&text) && text.contains(what), "{shown:?}: {text:?}");
    }
    // Errors name what they are about, and say what the server says.
    for refused in [&["mv", path, "/b"][..], &["stat", &format!("/none{FOUL}")], &["lock", path]] {
        let mut all = vec!["--color", "always"];
        all.extend(refused);
        let told = server.run(&all).stderr;
        let told = told.replace("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m", "error:");
        let told = told.replace("\u{1b}[1m\u{1b}[36mhint:\u{1b}[0m", "hint:");
        assert!(is_harmless(&told) && told.starts_with("error: "), "{refused:?}: {told:?}");
    }
    // Programs get it as it is, and so do those who ask for content.
    assert_eq!(server.json(&["meta", "get", path])["text"], FOUL);
    assert_eq!(server.ok(&["cat", path]), FOUL);
    assert_eq!(server.ok(&["versions", "get", path, "2"]), FOUL);
}

#[test]
fn a_note_cannot_pass_for_two() {
    let server = Server::start();
    write(server.path("one"), "one\n");
    server.ok(&["up", "one", "/one"]);
    let note = server.json(&["notes", "add", "/one", "fine"]);
    let line = server.ok(&["notes", "list", "/one"]);
    let forged = line
        .replace("fine", "forged")
        .replace(note["id"].as_str().unwrap(), "note_00000000000000000000000000");
    server.ok(&["notes", "add", "/one", &format!("first\n{forged}\r\u{1b}[1A")]);
    let listed = server.ok(&["notes", "list", "/one"]);
    assert!(is_harmless(&listed), "{listed:?}");
    let entries: Vec<_> = listed.lines().filter(|line| !line.starts_with("    ")).collect();
    assert_eq!(entries.len(), 2, "{listed}");
    assert!(entries.iter().all(|entry| !entry.contains("forged")), "{listed}");
}
