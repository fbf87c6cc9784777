//! `up` and `down`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::{Duration, Instant};

use longshore_link::{Conditions, Counts, Link};

use crate::folders::{bytes, contents, fill};
use crate::run::{Server, end, run, signal, wait, write};

#[test]
fn a_folder_comes_back_byte_for_byte() {
    let server = Server::start();
    fill(&server.path("source"));
    let summary = server.json(&["up", "source", "/there"]);
    let before = contents(&server.path("source"));
    let files = before.values().flatten().count();
    let size: usize = before.values().flatten().map(Vec::len).sum();
    assert_eq!(summary["files"], files);
    assert_eq!(summary["bytes"], size);
    assert_eq!(summary["folders"], 1, "only the empty folder is made by itself");
    assert_eq!((&summary["failed"], &summary["skipped"]), (&0.into(), &0.into()));
    assert!(summary["seconds"].is_number());
    assert_eq!(summary["failures"], serde_json::json!([]));

    let summary = server.json(&["down", "/there", "back"]);
    assert_eq!(summary["files"], files);
    assert_eq!(summary["bytes"], size);
    assert!(contents(&server.path("back")) == before, "what came back is not what was sent");

    let listed = server.json(&["ls", "-R", "/there"]);
    let mut paths: Vec<_> = listed["items"].as_array().unwrap().iter().map(|node| &node["path"]).collect();
    paths.sort_by_key(|path| path.as_str());
    let expected: Vec<_> = before.keys().map(|path| format!("/there{path}")).collect();
    assert_eq!(paths, expected.iter().collect::<Vec<_>>());
}

#[test]
fn where_things_go() {
    let server = Server::start();
    write(server.path("dir/in/x"), "x");
    write(server.path("a.txt"), "a");
    write(server.path("b.txt"), "b");
    for (arguments, path) in [
        (&["up", "a.txt"][..], "/a.txt"),
        (&["up", "a.txt", "/plain"], "/plain"),
        (&["up", "a.txt", "/new/"], "/new/a.txt"),
        (&["up", "b.txt", "/new"], "/new/b.txt"),
        (&["up", "a.txt", "b.txt", "/both"], "/both/b.txt"),
        (&["up", "dir", "/contents"], "/contents/in/x"),
        (&["up", "dir/", "/contents2"], "/contents2/in/x"),
        (&["up", "dir", "a.txt", "/mixed"], "/mixed/dir/in/x"),
        (&["up", "dir"], "/in/x"),
        (&["up", "--to", "/named", "a.txt"], "/named"),
    ] {
        server.ok(arguments);
        assert_eq!(server.json(&["stat", path])["path"], path, "{arguments:?}");
    }
    let absolute = server.path("a.txt");
    server.ok(&["up", absolute.to_str().unwrap(), "/absolute"]);
    assert_eq!(server.ok(&["cat", "/absolute"]), "a");

    fs::create_dir(server.path("here")).unwrap();
    for (arguments, path) in [
        (&["down", "/plain", "renamed"][..], "renamed"),
        (&["down", "/plain", "here"], "here/plain"),
        (&["down", "/plain", "made/"], "made/plain"),
        (&["down", "/contents", "out"], "out/in/x"),
        (&["down", "/contents", "/plain", "several"], "several/contents/in/x"),
    ] {
        server.ok(arguments);
        assert!(server.path(path).is_file(), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_sent_fails_alone() {
    use std::os::unix::ffi::OsStrExt;
    let server = Server::start();
    let source = server.path("source");
    write(source.join("good"), "good");
    write(source.join("e\u{301}.txt"), "decomposed");
    write(source.join("line\nbreak"), "control");
    write(source.join(std::ffi::OsStr::from_bytes(b"\xff")), "no text");
    symlink("/etc/passwd", source.join("link")).unwrap();
    let ended = server.run(&["up", "--json", "source", "/to"]).exits(3);
    let summary = ended.json();
    assert_eq!(summary["files"], 1);
    assert_eq!(summary["failed"], 3);
    assert_eq!(summary["skipped"], 1);
    for failure in summary["failures"].as_array().unwrap() {
        assert_eq!(failure["code"], "invalid_name");
        assert!(failure["path"].is_string() && failure["message"].is_string());
    }
    let ended = server.run(&["up", "source", "/to"]).exits(3);
    assert!(
        ended.stderr.contains("error: source/e\u{301}.txt: a name is in Unicode normal form C\n"),
        "{}",
        ended.stderr
    );
    assert!(ended.text().contains("uploaded 0 files,"), "{}", ended.text());
    assert!(ended.text().ends_with("; 1 there already; 3 failed\n"), "{}", ended.text());
}

#[test]
fn what_is_there_already() {
    let server = Server::start();
    write(server.path("f"), "one");
    server.ok(&["up", "f", "/f"]);
    write(server.path("f"), "two");
    server.ok(&["up", "f", "/f"]);
    assert_eq!(server.json(&["versions", "list", "/f"])["items"].as_array().unwrap().len(), 2);
    let ended = server.run(&["up", "--json", "--on-conflict", "error", "f", "/f"]).exits(3);
    assert_eq!(ended.json()["failures"][0]["code"], "name_taken");
    server.ok(&["up", "--on-conflict", "rename", "f", "/f"]);
    assert_eq!(server.ok(&["ls"]), "f\nf (2)\n");

    write(server.path("mine/f"), "mine");
    let ended = server.run(&["down", "/", "mine"]).exits(3);
    assert!(ended.stderr.contains("mine/f exists\nhint: --force replaces files\n"), "{}", ended.stderr);
    assert_eq!(fs::read(server.path("mine/f")).unwrap(), b"mine");
    assert_eq!(fs::read(server.path("mine/f (2)")).unwrap(), b"two");
    server.ok(&["down", "--force", "/", "mine"]);
    assert_eq!(fs::read(server.path("mine/f")).unwrap(), b"two");
}

#[test]
fn a_download_stays_below_its_destination() {
    let server = Server::start();
    write(server.path("source/sub/f"), "theirs");
    server.ok(&["up", "source", "/"]);
    fs::create_dir_all(server.path("outside")).unwrap();
    fs::create_dir_all(server.path("back")).unwrap();
    symlink(server.path("outside"), server.path("back/sub")).unwrap();
    server.run(&["down", "--force", "/", "back"]).exits(3);
    assert_eq!(fs::read_dir(server.path("outside")).unwrap().count(), 0);
}

#[test]
fn a_download_stays_below_its_destination_while_that_is_changed() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use std::sync::atomic::{AtomicBool, Ordering};
    let server = Server::start();
    for number in 0..300 {
        write(server.path(&format!("source/sub/{number}")), "theirs");
    }
    server.ok(&["up", "source", "/"]);
    fs::create_dir_all(server.path("outside")).unwrap();
    fs::create_dir_all(server.path("back/sub")).unwrap();
    symlink(server.path("outside"), server.path("back/aside")).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The folder and the link take each other's place.
            let (one, other) = (server.path("back/sub"), server.path("back/aside"));
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..5 {
            // Files for which the link was in the way fail; that is as it should be.
            server.run(&["down", "--force", "/", "back"]);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(server.path("outside")).unwrap().count(), 0);
}

#[test]
fn two_sources_with_one_name_are_refused_before_anything_moves() {
    let server = Server::start();
    for path in ["a/x.txt", "b/x.txt", "a/f/1", "b/f/2"] {
        write(server.path(path), path);
        server.ok(&["up", path, &format!("/{path}")]);
    }
    for (arguments, both) in [
        (&["down", "/a/x.txt", "/b/x.txt", "back"][..], "/a/x.txt and /b/x.txt would both become back/x.txt"),
        (&["down", "--force", "/a/f", "/b/f", "back"], "/a/f and /b/f would both become back/f"),
        (&["up", "a/x.txt", "b/x.txt", "/dest"], "a/x.txt and b/x.txt would both become /dest/x.txt"),
        (&["up", "a/f", "a/x.txt", "b/f/", "/dest"], "a/f and b/f/ would both become /dest/f"),
    ] {
        let ended = server.run(arguments).exits(8);
        assert!(ended.stderr.starts_with(&format!("error: {both}\n")), "{}", ended.stderr);
    }
    server.run(&["down", "/", "/a/f", "back"]).exits(8);
    assert!(!server.path("back").exists());
    server.run(&["stat", "/dest"]).exits(4);
    server.ok(&["down", "/a/x.txt", "/b/f", "/a", "back"]);
    assert_eq!(fs::read(server.path("back/x.txt")).unwrap(), b"a/x.txt");
    assert_eq!(fs::read(server.path("back/f/2")).unwrap(), b"b/f/2");
    assert_eq!(fs::read(server.path("back/a/f/1")).unwrap(), b"a/f/1");
}

#[test]
fn a_rehearsal_sends_nothing() {
    let server = Server::start();
    write(server.path("source/a"), "abc");
    fs::create_dir_all(server.path("source/empty")).unwrap();
    let said = server.ok(&["up", "--dry-run", "source", "/to"]);
    assert!(said.contains("source/a -> /to/a\n") && said.contains("folder /to/empty\n"), "{said}");
    assert_eq!(server.ok(&["ls"]), "");
}

#[test]
fn a_rehearsal_fetches_nothing() {
    let server = Server::start();
    for name in ["same", "other", "missing/x"] {
        write(server.path("source").join(name), name);
    }
    server.ok(&["up", "source", "/from"]);
    write(server.path("back/same"), "same");
    write(server.path("back/other"), "OTHER");
    let ended = server.run(&["down", "--dry-run", "/from", "back"]).exits(3);
    assert!(ended.text().starts_with("/from/missing/x -> back/missing/x\n"), "{}", ended.text());
    assert!(ended.stderr.contains("back/other exists\nhint: --force"), "{}", ended.stderr);
    let forced = server.json(&["down", "--dry-run", "--force", "/from", "back"]);
    assert_eq!((&forced["files"], &forced["same"]), (&2.into(), &1.into()));
    assert!(!server.path("back/missing").exists());
    server.ok(&["down", "--dry-run", "/from", "nowhere"]);
    assert!(!server.path("nowhere").exists());
}

#[test]
fn a_second_run_repeats_only_what_failed_or_changed() {
    let server = Server::start();
    fill(&server.path("source"));
    write(server.path("source/bad\nname"), "bad");
    let first = server.run(&["--json", "up", "source", "/to"]).exits(3).json();
    let files = first["files"].as_u64().unwrap();
    fs::rename(server.path("source/bad\nname"), server.path("source/good name")).unwrap();
    write(server.path("source/plain.txt"), "new");
    write(server.path("source/names/plain.txt"), "PLAIN.TXT");
    let second = server.json(&["up", "source", "/to"]);
    assert_eq!((&second["files"], &second["same"]), (&3.into(), &(files - 1).into()));
    assert_eq!(server.json(&["up", "--always", "source", "/to"])["files"], files + 2);
    let one = server.json(&["up", "--media-type", "text/x", "source/names", "/to/names"]);
    assert_eq!(one["same"], 0, "all get the type that is said");

    server.ok(&["down", "/to", "back"]);
    write(server.path("back/names/ไทย"), "mine");
    fs::remove_file(server.path("back/large.bin")).unwrap();
    let second = server.run(&["--json", "down", "/to", "back"]).exits(3).json();
    assert_eq!((&second["files"], &second["same"], &second["failed"]), (&1.into(), &files.into(), &1.into()));
    let third = server.json(&["down", "--force", "/to", "back"]);
    assert_eq!((&third["files"], &third["same"]), (&1.into(), &(files + 1).into()));
    assert!(contents(&server.path("back")) == contents(&server.path("source")));
}

#[test]
fn a_rate_is_said_in_bytes() {
    let server = Server::start();
    write(server.path("a"), "a");
    for (place, rate) in ["10M", "512K", "2MiB", "1000000"].iter().enumerate() {
        server.ok(&["up", "a", "/a", "--limit-rate", rate, "--no-resume"]);
        server.ok(&["down", "/a", &format!("b{place}"), "--limit-rate", rate]);
    }
    for wrong in ["0", "fast", "10MB"] {
        server.run(&["up", "a", "/a", "--limit-rate", wrong]).exits(2);
        server.run(&["fetch", "http://host/", "--limit-rate", wrong]).exits(2);
    }
}

#[test]
fn a_rate_holds_a_transfer_back() {
    // Of one download half may wait in the buffers of sockets.
    const SIZE: usize = 28 * 1_024 * 1_024;
    let server = Server::start();
    write(server.path("f"), bytes(SIZE));
    server.ok(&["up", "f", "/f"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for (limited, free, way) in [
        (["up", "f", "/limited"], ["up", "f", "/free"], (|counts| counts.up) as fn(Counts) -> u64),
        (["down", "/f", "limited"], ["down", "/f", "free"], |counts| counts.down),
    ] {
        let link = runtime.block_on(Link::start(address(&server), Conditions::default())).unwrap();
        let mut command = server.command();
        command.env("LONGSHORE_URL", format!("http://{}", link.address())).args(limited);
        let mut limited = command.args(["--quiet", "--limit-rate", "16K"]).spawn().unwrap();
        moved(&link, way, 1_024);
        // One that began later and has no limit is over before the other one is far.
        server.ok(&free);
        let far = way(link.counts());
        end(&mut limited);
        assert!(far < SIZE as u64 / 2, "{far} bytes came through");
    }
}

#[test]
fn a_folder_of_many_files_is_filled_with_few_descriptors() {
    let server = Server::start();
    for number in 0..600 {
        write(server.path(&format!("source/one/{number}")), number.to_string());
        write(server.path(&format!("source/many/{number}/f")), number.to_string());
    }
    server.ok(&["up", "source", "/from"]);
    // The second may be raised by the program itself.
    for (limit, what) in [("-n 256", "one"), ("-S -n 256", "many")] {
        let mut shell = std::process::Command::new("sh");
        let down = format!("ulimit {limit} && exec \"$0\" --json down /from/{what} back/{what}");
        shell.args(["-c", &down, env!("CARGO_BIN_EXE_longshore")]).current_dir(server.path("."));
        for (name, value) in server.command().get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        assert_eq!(run::<&str>(shell, &[]).exits(0).json()["files"], 600, "{limit}");
    }
    assert!(contents(&server.path("back")) == contents(&server.path("source")));
}

#[test]
fn a_source_that_is_not_there_ends_it_before_it_begins() {
    let server = Server::start();
    write(server.path("a"), "a");
    let ended = server.run(&["up", "a", "nowhere", "/to"]).exits(4);
    assert!(ended.stderr.starts_with("error: cannot read nowhere: "), "{}", ended.stderr);
    assert_eq!(server.ok(&["ls"]), "");
    let ended = server.run(&["down", "/nowhere", "to"]).exits(4);
    assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
    assert!(!server.path("to").exists());
}

fn address(server: &Server) -> SocketAddr {
    server.url.trim_start_matches("http://").parse().unwrap()
}

/// Waits until so many bytes have crossed a link.
#[track_caller]
fn moved(link: &Link, way: fn(Counts) -> u64, wanted: u64) {
    let patience = Instant::now() + Duration::from_secs(60);
    while way(link.counts()) < wanted {
        assert!(Instant::now() < patience, "only {} bytes came through", way(link.counts()));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_interrupt_ends_it_and_leaves_nothing_half() {
    const SIZE: u64 = 6 * 1_024 * 1_024;
    let server = Server::start();
    for number in 0..8 {
        write(server.path(&format!("source/{number}")), bytes(SIZE as usize));
    }
    // So slow that it takes a minute, and is interrupted when some of each of the first has come.
    let slow = Conditions { rate: Some(1_024 * 1_024), ..Conditions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let link = runtime.block_on(Link::start(address(&server), slow)).unwrap();
    let interrupted = |arguments: &[&str], way: fn(Counts) -> u64| {
        let told = fs::File::create(server.path("told")).unwrap();
        let mut command = server.command();
        command.env("LONGSHORE_URL", format!("http://{}", link.address())).args(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(told).spawn().unwrap();
        moved(&link, way, way(link.counts()) + SIZE / 4);
        signal(&child, "INT");
        assert_eq!(wait(&mut child, Duration::from_secs(20)), 130);
        fs::read_to_string(server.path("told")).unwrap()
    };
    interrupted(&["up", "-j", "4", "source", "/to"], |counts| counts.up);
    // What is listed is whole.
    let listed = run(server.command(), &["--json", "ls", "/to"]);
    if listed.code == 0 {
        for node in listed.json()["items"].as_array().unwrap() {
            assert_eq!(node["size"], SIZE);
        }
    }
    server.ok(&["up", "source", "/to"]);
    let told = interrupted(&["down", "-j", "4", "/to", "back"], |counts| counts.down);
    // Files in flight may have landed after the last that was counted.
    assert!(
        told.contains("note: interrupted; what was under way may be there: whole, or not at all\n"),
        "{told}"
    );
    for entry in fs::read_dir(server.path("back")).into_iter().flatten() {
        let entry = entry.unwrap();
        assert!(!entry.file_name().to_string_lossy().ends_with(".part"), "{entry:?} was left");
        assert_eq!(entry.metadata().unwrap().len(), SIZE);
    }
    fs::create_dir(server.path("zipped")).unwrap();
    let told = interrupted(&["zip", "/to", "-o", "zipped/all.zip"], |counts| counts.down);
    assert_eq!(told, "note: interrupted; nothing was written\n");
    assert_eq!(fs::read_dir(server.path("zipped")).unwrap().count(), 0, "something was left");
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    use crate::run::{signal, wait};
    use std::io::Read;
    use std::process::Stdio;
    use std::time::{Duration, Instant};
    let server = Server::start();
    // So much is told of these that nobody has room for it who does not read.
    for number in 0..600 {
        write(server.path(&format!("source/a{}{number}\n", "x".repeat(200))), "");
    }
    write(server.path("source/z"), bytes(64 * 1_024 * 1_024));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let target = server.url.trim_start_matches("http://").parse().unwrap();
    let slow = Conditions { rate: Some(256 * 1_024), ..Conditions::default() };
    let link = runtime.block_on(Link::start(target, slow)).unwrap();
    let mut up = server.command();
    up.env("LONGSHORE_URL", format!("http://{}", link.address())).args(["--json", "up", "source", "/to"]);
    let mut up = up.stdout(Stdio::piped()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while link.counts().up < 200_000 {
        assert!(Instant::now() < patience, "it does not move");
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(&up, "INT");
    // What it has come to is told, so it is ending in order. Nobody reads on.
    let mut told = up.stdout.take().unwrap();
    let mut begin = [0];
    told.read_exact(&mut begin).unwrap();
    assert!(up.try_wait().unwrap().is_none(), "there was room for all of it");
    signal(&up, "INT");
    assert_eq!(wait(&mut up, Duration::from_secs(5)), 130);
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("incomplete"), "it was told to its end");
}

#[test]
fn a_file_in_each_of_many_folders_comes_though_few_may_be_open_at_first() {
    let server = Server::start();
    for number in 0..400 {
        write(server.path(&format!("source/{number}/f")), number.to_string());
    }
    server.ok(&["up", "source", "/there"]);
    let program = env!("CARGO_BIN_EXE_longshore");
    let limited = format!("ulimit -S -n 128; exec {program} --json down /there back");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &limited]).current_dir(server.path("."));
    for (name, value) in server.command().get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let summary = run::<&str>(shell, &[]).exits(0).json();
    assert_eq!((&summary["files"], &summary["failed"]), (&400.into(), &0.into()));
    assert!(contents(&server.path("back")) == contents(&server.path("source")));
}
