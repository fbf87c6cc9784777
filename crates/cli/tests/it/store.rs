//! `longshore store`: the verbs of any store, without a server.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::run::{Ended, longshore, write};

/// A folder to work in, with nothing of the user's.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn url(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with("", arguments)
    }

    /// Runs a verb of `longshore store` with this on standard input.
    fn run_with(&self, input: &str, arguments: &[&str]) -> Ended {
        let mut command = longshore(&self.path("config"));
        command.current_dir(self.0.path()).env("PLACE", "full");
        // Where a URL of Azure names no account.
        command.env("AZURE_STORAGE_ACCOUNT_NAME", "account").arg("store").args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A verb that has no use for it may have ended.
        let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).exits(0).text()
    }
}

/// Returns the names in a folder, but that of the store's own.
fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| name != ".longshore-tmp").collect();
    names.sort();
    names
}

#[test]
fn a_file_goes_in_and_out() {
    let desk = Desk::new();
    write(desk.path("note.txt"), "one two\n");
    let url = desk.url("blobs/a/note.txt");
    let put = desk.run(&["put", "note.txt", &url, "--hash", "sha256"]).exits(0);
    let digest = "2dbb4a503f1515636b6a54e7f5b1a8ccfddcb62f0571c8b57a2879c360d00346";
    assert_eq!(put.text(), format!("sha256:{digest}  {url}\n"));
    assert_eq!(desk.ok(&["cat", &url]), "one two\n");
    for (range, expected) in [("0-2", "one"), ("4-", "two\n"), ("-4", "two\n"), ("5-900", "wo\n")] {
        assert_eq!(desk.ok(&["cat", &url, "--range", range]), expected, "{range}");
    }
    desk.run(&["cat", &url, "--range", "3-1"]).exits(2);
    // Nothing is replaced that was not asked for, on either side.
    let refused = desk.run(&["--json", "put", "note.txt", &url]).exits(5);
    assert_eq!(refused.error()["code"], "store_exists");
    desk.run_with("three\n", &["put", "-", &url, "--overwrite"]).exits(0);
    desk.run(&["get", &url]).exits(5);
    assert_eq!(fs::read_to_string(desk.path("note.txt")).unwrap(), "one two\n");
    desk.ok(&["get", &url, "--force"]);
    assert_eq!(fs::read_to_string(desk.path("note.txt")).unwrap(), "three\n");
    assert_eq!(desk.ok(&["get", &url, "-"]), "three\n");
    fs::create_dir(desk.path("folder")).unwrap();
    desk.ok(&["get", &url, "folder"]);
    assert_eq!(names(&desk.path("folder")), ["note.txt"], "no temporary file stays");
    // Names that end in dots are names.
    desk.ok(&["cp", &url, "blobs/deep/er/note..."]);
    assert_eq!(desk.ok(&["cat", &desk.url("blobs/deep/er/note...")]), "three\n");
    // A URL of a folder takes the file's name.
    desk.ok(&["put", "note.txt", &desk.url("blobs/b/")]);
    assert_eq!(desk.ok(&["cat", "blobs/b/note.txt"]), "three\n");
}

#[test]
fn what_a_store_knows_is_shown() {
    let desk = Desk::new();
    write(desk.path("f"), "0123456789");
    write(desk.path("blobs/a/b/deep"), "x");
    let url = desk.url("blobs/f");
    let put = desk.run(&["put", "f", &url, "--media-type", "text/plain", "--meta", "owner=me"]);
    if put.code == 0 {
        let shown = desk.run(&["--json", "stat", &url]).exits(0).json();
        assert_eq!((&shown["media_type"], &shown["metadata"]["owner"]), (&"text/plain".into(), &"me".into()));
    } else {
        assert!(
            put.stderr.contains("lacks the capability"),
            "a file system without attributes: {}",
            put.stderr
        );
        desk.ok(&["put", "f", &url]);
    }
    let shown = desk.run(&["stat", &url]).exits(0).text();
    assert!(shown.contains("size       10 bytes") && shown.contains("etag"), "{shown}");
    assert!(desk.ok(&["stat", &desk.url("blobs/a")]).contains("kind       folder"));
    let lines = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&desk.ok(&["ls", "blobs"])), ["a/", "f"]);
    assert_eq!(lines(&desk.ok(&["ls", "-r", "blobs"])), ["a/", "a/b/", "a/b/deep", "f"]);
    assert_eq!(lines(&desk.ok(&["ls", "-r", "blobs", "--name", "d*"])), ["a/b/deep"]);
    assert_eq!(desk.ok(&["ls", &url]), "f\n");
    let items = desk.run(&["--json", "ls", "blobs"]).exits(0).json();
    assert_eq!(items["items"].as_array().unwrap().len(), 2);
    assert!(desk.ok(&["ls", "-l", &url]).contains("10       10 B  20"));
    let refused = desk.run(&["--json", "ls", &desk.url("blobs/missing")]).exits(4);
    assert_eq!(refused.error()["code"], "store_not_found");
    desk.run(&["ls", &desk.url("missing/deeper")]).exits(4);
    assert!(!desk.path("missing").exists(), "looking makes nothing");
    desk.run(&["cat", &desk.url("blobs/a")]).exits(8);
}

#[test]
fn looking_at_a_folder_leaves_nothing_in_it() {
    let desk = Desk::new();
    write(desk.path("mine/f"), "x");
    for verb in [&["ls", "-r", "mine"][..], &["cat", "mine/f"], &["stat", "mine/f"], &["ping", "mine"]] {
        desk.ok(verb);
    }
    desk.ok(&["cp", "-r", "mine", "copy"]);
    desk.ok(&["rm", "mine/f"]);
    assert_eq!(fs::read_dir(desk.path("mine")).unwrap().count(), 0);
}

#[test]
fn files_and_folders_are_copied_between_stores() {
    let desk = Desk::new();
    for number in 0..30 {
        write(desk.path(&format!("source/{}/{number}", number % 3)), vec![number; 1_000]);
    }
    let told = desk.run(&["--json", "cp", "-r", "source", &desk.url("target")]).exits(0).json();
    assert_eq!((&told["files"], &told["bytes"]), (&30.into(), &30_000.into()));
    assert_eq!(fs::read(desk.path("target/1/4")).unwrap(), vec![4; 1_000]);
    // Again, all of them are in the way, and each is told; what is not there yet is copied all the same.
    write(desk.path("source/new"), "new");
    let told = desk.run(&["--json", "cp", "-r", "source", &desk.url("target")]).exits(3).json();
    assert_eq!((&told["files"], &told["failed"]), (&1.into(), &30.into()));
    assert_eq!(told["failures"][0]["code"], "store_exists");
    desk.ok(&["cp", "-r", "--overwrite", "source", &desk.url("target")]);
    // One file: into a folder, or as another name.
    desk.run(&["cp", "source/new", "target"]).exits(5);
    fs::remove_file(desk.path("target/new")).unwrap();
    desk.ok(&["cp", "source/new", "target"]);
    desk.ok(&["cp", "source/new", "target/other", "-O", "durability=none"]);
    assert_eq!(fs::read_to_string(desk.path("target/other")).unwrap(), "new");
    assert!(desk.run(&["cp", "source", "elsewhere"]).exits(8).stderr.contains("hint: -r copies folders"));
    desk.run(&["cp", "source/never", "target"]).exits(4);
    // Moves, within a folder and into another.
    desk.ok(&["mv", "target/other", "target/third"]);
    desk.ok(&["mv", "target/third", "source/"]);
    assert!(!desk.path("target/third").exists());
    assert_eq!(fs::read_to_string(desk.path("source/third")).unwrap(), "new");
    desk.run(&["mv", "source/third", "source/new"]).exits(5);
    assert_eq!(names(&desk.path("target")), ["0", "1", "2", "new"]);
}

#[test]
fn a_file_moved_onto_itself_by_another_name_stays() {
    let desk = Desk::new();
    write(desk.path("real/f"), "precious");
    std::os::unix::fs::symlink(desk.path("real"), desk.path("link")).unwrap();
    for (from, to, option) in [
        ("real/f", "link/f", "durability=full"),
        ("link/f", "real/", "durability=full"),
        ("real/f", "real/f", "durability=none"),
    ] {
        let refused = desk.run(&["--json", "mv", "--overwrite", from, to, "-O", option]).exits(8);
        assert_eq!(refused.error()["code"], "store_same_file", "{from} {to}");
        assert_eq!(fs::read_to_string(desk.path("real/f")).unwrap(), "precious");
    }
}

#[test]
fn a_folder_is_not_copied_into_itself() {
    let desk = Desk::new();
    write(desk.path("data/f"), "x");
    std::os::unix::fs::symlink(desk.path("data"), desk.path("link")).unwrap();
    for target in ["data/backup", "link/backup", "data", "."] {
        let refused = desk.run(&["cp", "-r", "data", target]).exits(8);
        assert!(refused.stderr.contains("lies in the other"), "{target}: {}", refused.stderr);
    }
    desk.run(&["cp", "-r", "s3://bucket/a", "s3://bucket/a/b"]).exits(8);
    desk.run(&["cp", "-r", "sftp://host/a", "sftp://host/a/b"]).exits(8);
    assert_eq!(names(&desk.path("data")), ["f"]);
}

#[test]
fn only_a_folder_that_is_there_is_copied_as_one() {
    let desk = Desk::new();
    write(desk.path("data/f"), "x");
    desk.run(&["cp", "-r", "never", "target"]).exits(4);
    desk.run(&["cp", "-r", "never/deeper", "target"]).exits(4);
    let refused = desk.run(&["cp", "-r", "data/f", "target"]).exits(8);
    assert!(refused.stderr.contains("is a file"), "{}", refused.stderr);
    assert!(!desk.path("target").exists());
    // What is a store's own, of whatever root, is nothing to copy.
    write(desk.path("data/deep/.longshore-tmp/half"), "x");
    desk.ok(&["cp", "-r", "data", "target"]);
    assert_eq!(names(&desk.path("target")), ["f"]);
}

#[test]
fn removing_is_for_good_and_asked_for() {
    let desk = Desk::new();
    write(desk.path("blobs/d/f"), "x");
    write(desk.path("blobs/g"), "x");
    assert_eq!(desk.ok(&["rm", "blobs/g"]), "removed blobs/g\n");
    desk.run(&["rm", "blobs/g"]).exits(4);
    assert_eq!(desk.ok(&["rm", "blobs/g", "--missing-ok"]), "");
    assert!(desk.run(&["rm", "blobs/d"]).exits(8).stderr.contains("hint: -r removes folders"));
    assert!(desk.run(&["rm", "-r", "blobs/d"]).exits(2).stderr.contains("hint: say --yes"));
    assert!(desk.path("blobs/d/f").exists());
    desk.ok(&["rm", "-r", "--yes", "blobs/d"]);
    assert!(!desk.path("blobs/d").exists());
    let refused = desk.run(&["rm", "-r", "--yes", "memory:"]).exits(8);
    assert!(refused.stderr.contains("is a whole store"), "{}", refused.stderr);
    desk.run(&["rm", "-r", "--yes", "file:///"]).exits(8);
}

#[test]
fn a_store_says_what_it_can_and_what_not() {
    let desk = Desk::new();
    let told = desk.run(&["--json", "ping", "memory:"]).exits(0).json();
    assert_eq!((&told["store"], &told["url"]), (&"memory".into(), &"memory:".into()));
    assert_eq!(told["lacks"][0]["capability"], "durable");
    assert!(told["capabilities"].as_array().unwrap().contains(&"atomic-create".into()));
    let text = desk.ok(&["ping", "memory:"]);
    assert!(text.starts_with("memory: answers in ") && text.contains("\nlacks  durable: "), "{text}");
    fs::create_dir(desk.path("d")).unwrap();
    let text = desk.ok(&["ping", &desk.url("d"), "-o", "durability=${PLACE}"]);
    assert!(!text.contains("lacks  durable"), "{text}");
    desk.run(&["ping", &desk.url("missing")]).exits(4);
}

#[test]
fn what_is_wrong_with_a_store_is_told_without_secrets() {
    let desk = Desk::new();
    for (arguments, word) in [
        (&["ping", "sfpt://me:hunter2@host/"][..], "there is no store sfpt:"),
        (&["ping", "memory:?api_token=hunter2"], "has no option \"api_token\""),
        (&["ping", "memory:", "-o", "secret_key=hunter2"], "has no option \"secret_key\""),
        (&["ping", "sftp://me:1/hunter2@host"], "an `@` behind the host"),
        (&["ping", "memory:", "-o", "timeout=${NOT_SET}"], "NOT_SET is not set"),
        (&["ls", "file:relative"], "not absolute"),
    ] {
        let refused = desk.run(arguments).exits(8);
        assert!(refused.stderr.contains(word), "{arguments:?}: {}", refused.stderr);
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    }
    assert!(
        !desk
            .run(&["ping", "memory:", "-o", "hunter2"])
            .exits(2)
            .stderr
            .contains("write KEY=VALUE\n\nhunter2")
    );
}

/// A scheme refuses what it does not know and lists what it does: docs/stores.md has all of that.
#[test]
fn every_scheme_and_option_is_in_the_page_of_stores() {
    let page = include_str!("../../../../docs/stores.md");
    let desk = Desk::new();
    let refused = desk.run(&["ping", "nothing:"]).exits(8).stderr;
    let (_, forms) = refused.lines().next().unwrap().split_once("but there are ").unwrap();
    for form in forms.split(", ") {
        let url = if form.starts_with("file:") { desk.url("") } else { form.replace("PORT", "22") };
        let refused = desk.run(&["ping", &url, "-o", "never_known=1"]).exits(8).stderr;
        let known = refused.split_once("it has: ").unwrap_or_else(|| panic!("{form}: {refused}")).1;
        let (known, _) = known.split_once(" | ").unwrap();
        let (scheme, _) = form.split_once(':').unwrap();
        assert!(page.contains(&format!("`{scheme}:")), "{form}");
        for option in known.split(", ") {
            assert!(page.contains(&format!("`{option}`")), "{form}: {option}");
        }
    }
}
