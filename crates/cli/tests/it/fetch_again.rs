//! `fetch` over connections that break: on from where it stopped, and never a file that is not whole.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::fetch::{command, files, parts, summary};
use crate::folders::bytes;
use crate::run::{signal, wait, write};
use crate::web_server::{Reply, WebServer, answer, head, ranged};

#[test]
fn what_breaks_off_goes_on_where_it_stopped() {
    let content = Arc::new(bytes(3_000_000));
    let all = Arc::clone(&content);
    let server = WebServer::start(move |place, seen| {
        let whole = ranged(seen, "\"v1\"", &all);
        // Three times it breaks off, each time later.
        if place < 3 { Reply::Cut(whole[..700_000].to_vec()) } else { Reply::Send(whole) }
    });
    let folder = tempfile::tempdir().unwrap();
    let done = summary(&folder, 0, &[&server.url("/big.bin")]);
    assert_eq!(done["bytes"], 3_000_000);
    assert!(fs::read(folder.path().join("big.bin")).unwrap() == *content);
    let starts: Vec<_> = server.seen().iter().map(|seen| seen.range_start().unwrap_or(0)).collect();
    assert_eq!(starts.len(), 4);
    assert!(starts.is_sorted() && starts[1] > 600_000 && starts[3] > 2_000_000, "{starts:?}");
    assert_eq!(server.seen()[1].header("if-range"), Some("\"v1\""));
}

#[test]
fn cuts_at_any_byte_cost_little() {
    const FILES: usize = 24;
    const SIZE: usize = 1_000_000;
    let content = Arc::new(bytes(SIZE));
    let (all, sent) = (Arc::clone(&content), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&sent);
    let requests = Mutex::new(BTreeMap::<String, usize>::new());
    let server = WebServer::start(move |place, seen| {
        let whole = ranged(seen, "\"v1\"", &all);
        // Where it breaks off depends on the request's place alone, from the head to the last byte.
        let mixed = (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let cut = usize::try_from(mixed).unwrap() % whole.len();
        let mut requests = requests.lock().unwrap();
        let earlier = requests.entry(seen.target.clone()).or_default();
        *earlier += 1;
        if *earlier > 4 {
            counted.fetch_add(whole.len(), Ordering::SeqCst);
            return Reply::Send(whole);
        }
        counted.fetch_add(cut, Ordering::SeqCst);
        Reply::Cut(whole[..cut].to_vec())
    });
    let folder = tempfile::tempdir().unwrap();
    let list: String = (0..FILES).map(|number| server.url(&format!("/{number}\n"))).collect();
    write(folder.path().join("list"), list);
    let done = summary(&folder, 0, &["--from", "list", "-o", "out", "-c", "8", "--retries", "20"]);
    assert_eq!((&done["files"], &done["failed"]), (&FILES.into(), &0.into()));
    let found = files(&folder.path().join("out"));
    assert!(
        found.len() == FILES && found.values().all(|file| *file == *content),
        "a file is not what was sent"
    );
    let (sent, needed) = (sent.load(Ordering::SeqCst), FILES * SIZE);
    assert!(sent <= needed + needed / 10, "{sent} bytes were sent for {needed}");
}

#[test]
fn a_later_run_goes_on_unless_the_file_has_changed() {
    for (etag, resumes) in [("\"v1\"", true), ("\"v2\"", false)] {
        let content = Arc::new(bytes(1_000_000));
        let all = Arc::clone(&content);
        let server = WebServer::start(move |place, seen| match place {
            0 => Reply::Cut(ranged(seen, "\"v1\"", &vec![b'?'; 1_000_000])[..600_000].to_vec()),
            _ => Reply::Send(ranged(seen, etag, &all)),
        });
        let folder = tempfile::tempdir().unwrap();
        let url = server.url("/big.bin");
        let done = summary(&folder, 3, &["--retries", "0", &url]);
        assert_eq!(done["failures"][0]["code"], "web_network");
        assert_eq!((files(folder.path()).len(), parts(folder.path())), (0, 1));
        summary(&folder, 0, &["--retries", "0", &url]);
        let start = server.seen()[1].range_start().unwrap();
        assert!(start > 500_000, "{start}");
        let there = fs::read(folder.path().join("big.bin")).unwrap();
        assert_eq!(there.len(), 1_000_000);
        // What was there before is kept where the server vouches for it, and nowhere else.
        assert_eq!(there.starts_with(b"???"), resumes);
        assert!(there[start..] == content[start..]);
        assert_eq!(parts(folder.path()), 0);
    }
}

#[test]
fn a_server_without_ranges_begins_anew() {
    let content = Arc::new(bytes(1_000_000));
    let all = Arc::clone(&content);
    let server = WebServer::start(move |place, _| {
        let whole = answer(200, &["etag: \"v1\""], all.as_slice());
        if place == 0 { Reply::Cut(whole[..500_000].to_vec()) } else { Reply::Send(whole) }
    });
    let folder = tempfile::tempdir().unwrap();
    summary(&folder, 0, &[&server.url("/big.bin")]);
    assert!(fs::read(folder.path().join("big.bin")).unwrap() == *content);

    // And one that sends another range than was asked for is not believed.
    let all = Arc::clone(&content);
    let server = WebServer::start(move |place, seen| match (place, seen.range_start()) {
        (0, _) => Reply::Cut(answer(200, &["etag: \"v1\""], all.as_slice())[..500_000].to_vec()),
        (_, Some(_)) => {
            Reply::Send(answer(206, &["content-range: bytes 5-9/1000000", "etag: \"v1\""], "wrong"))
        }
        (_, None) => Reply::Send(answer(200, &["etag: \"v1\""], all.as_slice())),
    });
    summary(&folder, 0, &[&server.url("/other.bin")]);
    assert!(fs::read(folder.path().join("other.bin")).unwrap() == *content);
}

#[test]
fn a_length_that_lies_is_a_failure() {
    let server = WebServer::start(|_, seen| match seen.target.as_str() {
        "/short" => Reply::Cut([head(200, &[], 1_000), b"too little".to_vec()].concat()),
        "/chunked" => {
            Reply::Cut(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec())
        }
        _ => Reply::Send(answer(200, &[], "")),
    });
    let folder = tempfile::tempdir().unwrap();
    let urls = [server.url("/short"), server.url("/chunked"), server.url("/empty")];
    let done = summary(&folder, 3, &["--retries", "1", "-o", "out", &urls[0], &urls[1], &urls[2]]);
    assert_eq!((&done["files"], &done["failed"]), (&1.into(), &2.into()));
    let out = folder.path().join("out");
    assert_eq!(files(&out).into_iter().collect::<Vec<_>>(), [("empty".to_owned(), Vec::new())]);
    assert_eq!(parts(&out), 0, "what nobody can go on with was left");
    assert_eq!(server.seen().len(), 5, "each was tried twice");
}

#[test]
fn an_interrupt_leaves_nothing_half_and_keeps_what_can_go_on() {
    let server = WebServer::start(|_, seen| {
        let (headers, kept): (&[&str], usize) =
            if seen.target == "/tagged" { (&["etag: \"v1\""], 600_000) } else { (&[], 600_000) };
        Reply::Stall([head(200, headers, 1_000_000), vec![b'x'; kept]].concat())
    });
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path())
        .args([server.url("/tagged"), server.url("/untagged")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Both have written something: what is to be left, and what is to be removed, is there.
    let start = Instant::now();
    let written = |name: &str| fs::metadata(folder.path().join(name)).is_ok_and(|part| part.len() > 0);
    while !(written(".tagged.part") && written(".untagged.part")) {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing was written");
        std::thread::sleep(Duration::from_millis(10));
    }
    let second = summary(&folder, 3, &[&server.url("/tagged")]);
    assert_eq!(second["failures"][0]["code"], "local_busy", "two programs write one file");
    signal(&child, "INT");
    assert_eq!(wait(&mut child, Duration::from_secs(15)), 130);
    assert!(files(folder.path()).is_empty());
    assert!(folder.path().join(".tagged.part").exists() && !folder.path().join(".untagged.part").exists());
}

#[test]
fn the_rest_of_another_content_is_not_taken() {
    let (old, new) = (vec![b'?'; 1_000_000], Arc::new(bytes(1_000_000)));
    // A server that does not look at `If-Range`: what it sends is of what it has now.
    for (tag, total) in [("etag: \"v2\"", 1_000_000), ("x-nothing: 1", 1_000_001)] {
        let all = [new.as_slice(), b"!"].concat()[..total].to_vec();
        let (old, sent) = (old.clone(), all.clone());
        let server = WebServer::start(move |place, seen| match (place, seen.range_start()) {
            (0, _) => Reply::Cut(answer(200, &["etag: \"v1\""], &old)[..600_000].to_vec()),
            (_, Some(start)) => {
                let range = format!("content-range: bytes {start}-{}/{total}", total - 1);
                Reply::Send(answer(206, &[tag, &range], &all[start..]))
            }
            (_, None) => Reply::Send(answer(200, &[tag], &all)),
        });
        let folder = tempfile::tempdir().unwrap();
        summary(&folder, 0, &[&server.url("/big.bin")]);
        assert!(fs::read(folder.path().join("big.bin")).unwrap() == sent, "two contents are mixed");
        assert!(server.seen()[1].range_start().is_some() && server.seen()[2].range_start().is_none());
    }
}

#[test]
fn a_date_names_a_content_only_when_it_lies_back() {
    const CHANGED: &str = "last-modified: Fri, 20 Nov 2026 12:00:00 GMT";
    for (date, resumes) in [("12:00:30", false), ("12:02:00", true)] {
        let content = Arc::new(bytes(1_000_000));
        let all = Arc::clone(&content);
        let date = format!("date: Fri, 20 Nov 2026 {date} GMT");
        let server = WebServer::start(move |place, seen| {
            let whole = match seen.range_start() {
                Some(start) => {
                    let range = format!("content-range: bytes {start}-999999/1000000");
                    answer(206, &[&date, &range], &all[start..])
                }
                None => answer(200, &[CHANGED, &date], all.as_slice()),
            };
            if place == 0 { Reply::Cut(whole[..600_000].to_vec()) } else { Reply::Send(whole) }
        });
        let folder = tempfile::tempdir().unwrap();
        summary(&folder, 0, &[&server.url("/big.bin")]);
        assert!(fs::read(folder.path().join("big.bin")).unwrap() == *content);
        let condition = server.seen()[1].header("if-range").map(str::to_owned);
        assert_eq!(condition, resumes.then(|| CHANGED.split_once(": ").unwrap().1.to_owned()));
    }
}

#[test]
fn a_server_that_sends_the_rest_in_pieces_is_asked_for_all_of_them() {
    let content = Arc::new(bytes(1_000_000));
    for total in ["1000000", "*"] {
        let all = Arc::clone(&content);
        let server = WebServer::start(move |place, seen| match (place, seen.range_start()) {
            (0, _) => Reply::Cut(answer(200, &["etag: \"v1\""], all.as_slice())[..300_000].to_vec()),
            (_, Some(start)) => {
                let end = all.len().min(start + 200_000);
                let range = format!("content-range: bytes {start}-{}/{total}", end - 1);
                Reply::Send(answer(206, &["etag: \"v1\"", &range], &all[start..end]))
            }
            (_, None) => Reply::Send(answer(400, &[], "")),
        });
        let folder = tempfile::tempdir().unwrap();
        summary(&folder, 0, &["--retries", "1", &server.url("/big.bin")]);
        assert!(fs::read(folder.path().join("big.bin")).unwrap() == *content);
        assert_eq!(server.seen().len(), 5, "the first, and four pieces");
    }
    // One that was not asked for a part and sends one is not believed.
    let server = WebServer::start(|_, _| Reply::Send(answer(206, &["content-range: bytes 0-2/3"], "abc")));
    let folder = tempfile::tempdir().unwrap();
    let done = summary(&folder, 3, &["--retries", "0", &server.url("/x")]);
    assert_eq!(done["failures"][0]["code"], "web_incomplete");
}

#[test]
fn a_rate_is_no_silence_of_the_server() {
    let server = WebServer::start(|_, _| Reply::Send(answer(200, &[], vec![b'x'; 12 * 1_024])));
    let folder = tempfile::tempdir().unwrap();
    // Each chunk has to wait for longer than the server may be silent.
    summary(&folder, 0, &["--limit-rate", "3K", "--timeout", "1s", "--retries", "0", &server.url("/slow")]);
    assert_eq!(fs::metadata(folder.path().join("slow")).unwrap().len(), 12 * 1_024);
}

#[test]
fn a_refusal_that_drips_is_not_read_to_its_end() {
    let server = WebServer::start(|_, _| Reply::Drip(head(404, &[], 1_000_000)));
    let folder = tempfile::tempdir().unwrap();
    let done = summary(&folder, 3, &["--timeout", "1s", &server.url("/x")]);
    assert_eq!(done["failures"][0]["code"], "web_refused");
}

#[test]
fn what_is_there_already_is_looked_at() {
    let server = WebServer::start(|_, _| Reply::Send(answer(200, &[], "abc")));
    let folder = tempfile::tempdir().unwrap();
    let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let (plain, digest) = (server.url("/f"), server.url(&format!("/f#sha256={right}")));
    assert_eq!(summary(&folder, 0, &[&plain])["files"], 1);
    assert_eq!(summary(&folder, 0, &[&digest])["skipped"], 1);
    write(folder.path().join("f"), "abd");
    assert_eq!(summary(&folder, 0, &[&plain])["skipped"], 1, "as long as it was");
    assert_eq!(summary(&folder, 3, &[&digest])["failures"][0]["code"], "web_digest");
    write(folder.path().join("f"), "");
    for url in [&plain, &digest] {
        assert_eq!(summary(&folder, 3, &[url])["failures"][0]["code"], "local_exists");
    }
    assert_eq!(fs::read(folder.path().join("f")).unwrap(), b"");
    assert_eq!(summary(&folder, 0, &["--force", &digest])["files"], 1);

    // A run that ended before it could note that the file has its name: its last line is missing.
    let journal = folder.path().join(".longshore-fetch");
    let noted = fs::read_to_string(&journal).unwrap();
    let kept: String = noted
        .lines()
        .filter(|line| !line.contains("\"done\":true"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(!kept.is_empty());
    write(&journal, kept);
    assert_eq!(summary(&folder, 0, &[&digest])["skipped"], 1);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_password_in_the_url_goes_with_redirects_of_its_host() {
    let other = WebServer::start(|_, _| Reply::Send(answer(200, &[], "theirs")));
    let away = other.url("/there");
    let server = WebServer::start(move |_, seen| {
        Reply::Send(match seen.target.as_str() {
            "/here" => answer(302, &["location: /moved"], ""),
            "/away" => answer(302, &[&format!("location: {away}")], ""),
            _ => answer(200, &[], "ours"),
        })
    });
    let folder = tempfile::tempdir().unwrap();
    let url = |target: &str| server.url(target).replace("http://", "http://me:p%40ss@");
    assert_eq!(summary(&folder, 0, &[&url("/here"), &url("/away")])["files"], 2);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for seen in seen {
        assert_eq!(seen.header("authorization"), Some("Basic bWU6cEBzcw=="), "{}", seen.target);
    }
    assert_eq!(other.seen()[0].header("authorization"), None);
}
