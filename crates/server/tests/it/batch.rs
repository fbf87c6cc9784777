//! Many files in one request, both ways: by hand, over sockets, and with the SDK.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use longshore::{
    Client, Code, DownloadItem, DownloadOptions, IfMatch, ManyOptions, OnConflict, Path, Progress,
    ProgressSink, Source, UploadOptions, UploadOutcome,
};
use longshore_core::wire::BatchResult;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::wire::{Served, read_all, read_until};
use crate::world::{Answer, User, World};

/// Adds an item to a batch.
fn add(batch: &mut Vec<u8>, head: Value, content: &[u8]) {
    let mut head = head;
    if head.get("size").is_none() {
        head["size"] = content.len().into();
    }
    batch.extend_from_slice(head.to_string().as_bytes());
    batch.push(b'\n');
    batch.extend_from_slice(content);
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/x-ndjson"));
    lines_of(str::from_utf8(&answer.body).unwrap())
}

fn lines_of(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns what became of each item: `201`, or `412 precondition_failed`.
fn outcomes(lines: &[Value]) -> Vec<String> {
    let outcome = |line: &Value| match line["problem"]["code"].as_str() {
        None => line["status"].to_string(),
        Some(code) => format!("{} {code}", line["status"]),
    };
    lines.iter().map(outcome).collect()
}

impl World {
    fn batch(&self) -> String {
        format!("/v1/workspaces/{}/batch", self.id())
    }

    async fn write_batch(&self, batch: Vec<u8>) -> Vec<Value> {
        lines(&self.edit(&format!("POST {}", self.batch()), batch).await)
    }
}

#[tokio::test]
async fn each_item_has_an_outcome_in_order() {
    let world = World::new().await;
    let node = world.put("there", "old").await;
    let lock = world.edit(&format!("POST /v1/files/{}/lock", world.put("locked", "x").await.id), "{}").await;
    assert_eq!(lock.status, 201);
    let mut batch = Vec::new();
    add(
        &mut batch,
        json!({"path": "/a/b.txt", "media_type": "text/x-own", "metadata": {"k": "v"}}),
        b"hello",
    );
    add(&mut batch, json!({"path": "/locked"}), b"x");
    add(&mut batch, json!({"path": "/../x"}), b"bad path\n{");
    add(&mut batch, json!({"path": "no slash"}), b"");
    let wrong = format!("blake3:{}", "0".repeat(64));
    add(&mut batch, json!({"path": "/wrong", "digest": wrong}), b"x");
    add(&mut batch, json!({"path": "/there", "if_match": node.version_id}), b"new");
    add(&mut batch, json!({"path": "/there", "if_match": node.version_id}), b"newer");
    add(&mut batch, json!({"path": "/there", "if_none_match": true}), b"newer");
    add(&mut batch, json!({"path": "/nothing", "if_match": "*"}), b"x");
    add(&mut batch, json!({"path": "/there", "on_conflict": "error"}), b"x");
    add(&mut batch, json!({"path": "/there", "on_conflict": "rename"}), b"renamed");
    add(&mut batch, json!({"path": "/there", "surprise": 1}), b"x");
    add(&mut batch, json!({"path": "/big"}), &vec![7; 1_024 * 1_024 + 1]);
    add(&mut batch, json!({"path": "/stored"}), &vec![8; 100_000]);
    add(&mut batch, json!({"path": "/key", "idempotency_key": ""}), b"x");
    add(&mut batch, json!({"path": "/名前/ünï 😀.txt"}), "ok".as_bytes());
    let lines = world.write_batch(batch).await;
    let expected = [
        "201",
        "423 locked",
        "400 invalid_name",
        "400 invalid_path",
        "400 digest_mismatch",
        "200",
        "412 precondition_failed",
        "412 precondition_failed",
        "412 precondition_failed",
        "409 name_taken",
        "201",
        "400 invalid_body",
        "413 body_too_large",
        "201",
        "400 invalid_header",
        "201",
    ];
    assert_eq!(outcomes(&lines), expected);
    for (place, line) in lines.iter().enumerate() {
        assert_eq!(line["index"], place);
    }
    assert_eq!((&lines[2]["path"], &lines[15]["path"]), (&json!("/../x"), &json!("/名前/ünï 😀.txt")));
    assert_eq!(lines[0]["node"]["metadata"]["k"], "v");
    assert_eq!(lines[6]["problem"]["current_version"], lines[5]["node"]["version_id"]);
    assert_eq!(lines[10]["node"]["path"], "/there (2)");
    let paths = ["/a", "/a/b.txt", "/locked", "/stored", "/there", "/there (2)", "/名前", "/名前/ünï 😀.txt"];
    assert_eq!(world.paths().await, paths);
    assert_eq!(world.get(&format!("{}?content=1", world.at("a/b.txt"))).await.body, "hello");
    assert_eq!(world.get(&format!("{}?content=1", world.at("stored"))).await.body, vec![8; 100_000]);
    assert_eq!(world.get(&format!("{}?content=1", world.at("there"))).await.body, "new");
}

#[tokio::test]
async fn what_is_no_batch_ends_the_reading() {
    let world = World::new().await;
    let mut whole = Vec::new();
    add(&mut whole, json!({"path": "/one"}), b"one");
    add(&mut whole, json!({"path": "/two"}), b"");
    let rests: [(&[u8], &str); 9] = [
        (b"{\"path\":\"/cut\",\"size\":4}\nabc", "length_mismatch"),
        (b"{\"path\":\"/cut\",\"si", "length_mismatch"),
        (b"{\"path\":\"/cut\"}\nabc", "invalid_body"),
        (b"{\"path\":\"/cut\",\"size\":-1}\nabc", "invalid_body"),
        (b"{\"path\":\"/cut\",\"size\":1,\"size\":2}\nabc", "invalid_body"),
        (b"[1]\n", "invalid_body"),
        (b"\n", "invalid_body"),
        (&[0xff; 20_000], "invalid_body"),
        (&[b' '; 20_000], "invalid_body"),
    ];
    for (rest, code) in rests {
        let lines = world.write_batch([&whole, rest].concat()).await;
        let last = lines.last().unwrap();
        assert_eq!((lines.len(), &last["problem"]["code"], last.get("index")), (3, &json!(code), None));
        assert_eq!(last["problem"]["status"], last["status"]);
        assert_eq!(world.paths().await, ["/one", "/two"]);
    }
    // Nothing is a batch, too.
    assert!(world.write_batch(Vec::new()).await.is_empty());
}

#[tokio::test]
async fn a_request_is_refused_as_a_whole() {
    let world = World::new().await;
    let mut batch = Vec::new();
    add(&mut batch, json!({"path": "/a"}), b"a");
    let post = format!("POST {}", world.batch());
    let call = async |user, headers: &[(&str, &str)]| {
        world.call(user, &post, headers, batch.clone()).await.outcome()
    };
    assert_eq!(call(User::Viewer, &[]).await, "403 forbidden");
    assert_eq!(call(User::Foreign, &[]).await, "404 workspace_not_found");
    assert_eq!(call(User::Anonymous, &[]).await, "401 key_missing");
    assert_eq!(call(User::Editor, &[("if-match", "*")]).await, "400 invalid_header");
    assert_eq!(call(User::Editor, &[("lock-token", "x")]).await, "400 invalid_header");
    let elsewhere = world.call(
        User::Admin,
        "POST /v1/workspaces/ws_01k9x3m7q2e8rj5v4n6t0p1s2d/batch",
        &[],
        batch.clone(),
    );
    assert_eq!(elsewhere.await.outcome(), "404 workspace_not_found");
    assert!(world.paths().await.is_empty());
}

#[tokio::test]
async fn items_come_in_groups_and_in_order() {
    let world = World::new().await;
    let mut batch = Vec::new();
    for number in 0..2_000 {
        add(&mut batch, json!({"path": format!("/many/{}", number % 1_500)}), &[number as u8]);
    }
    let lines = world.write_batch(batch).await;
    assert_eq!(lines.len(), 2_000);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(
            (&line["index"], &line["status"]),
            (&json!(number), &json!(if number < 1_500 { 201 } else { 200 }))
        );
    }
    let events = world.get(&format!("/v1/workspaces/{}", world.id())).await.json()["seq"].as_u64().unwrap();
    // The workspace, the folder, and one for each file written.
    assert_eq!(events, 2_002);
}

#[tokio::test]
async fn a_repeat_is_answered_as_before() {
    let world = World::new().await;
    let post = format!("POST {}", world.batch());
    let mut batch = Vec::new();
    add(&mut batch, json!({"path": "/a"}), b"a");
    add(&mut batch, json!({"path": "/own", "idempotency_key": "mine"}), b"own");
    let headers = [("idempotency-key", "of all")];
    let first = lines(&world.call(User::Editor, &post, &headers, batch.clone()).await);
    let again = lines(&world.call(User::Editor, &post, &headers, batch).await);
    for (first, again) in first.iter().zip(&again) {
        assert_eq!((&first["node"], &first["status"]), (&again["node"], &again["status"]));
        assert_eq!((first.get("replayed"), &again["replayed"]), (None, &json!(true)));
    }
    // An item's own key goes with it wherever it stands; that of the request goes with the place.
    let mut other = Vec::new();
    add(&mut other, json!({"path": "/own", "idempotency_key": "mine"}), b"own");
    add(&mut other, json!({"path": "/b"}), b"b");
    add(&mut other, json!({"path": "/own", "idempotency_key": "mine"}), b"changed");
    let lines = lines(&world.call(User::Editor, &post, &headers, other).await);
    assert_eq!(outcomes(&lines), ["201", "201", "422 idempotency_mismatch"]);
    assert_eq!(lines[0]["node"], first[1]["node"]);
}

#[tokio::test]
async fn an_answer_comes_while_items_still_go() {
    let served = Served::start().await;
    let workspace = served.workspace().await;
    let mut stream = served.connect().await;
    let post = format!("POST /v1/workspaces/{workspace}/batch");
    let headers = "transfer-encoding: chunked\r\nexpect: 100-continue\r\nconnection: close\r\n";
    stream.write_all(served.head(&post, headers).as_bytes()).await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    for number in 0..3 {
        let mut item = Vec::new();
        add(&mut item, json!({"path": format!("/{number}")}), b"hello");
        // Cut where it hurts: within the line, and within the content.
        for piece in [&item[..7], &item[7..item.len() - 2], &item[item.len() - 2..]] {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            stream.write_all(&chunk).await.unwrap();
        }
        let text = read_until(&mut stream, &format!("\"path\":\"/{number}\",\"size\":5")).await;
        assert!(text.contains(&format!("{{\"index\":{number},")), "{text}");
    }
    // The client goes away in the middle of an item.
    stream.write_all(b"20\r\n{\"path\":\"/cut\",\"size\":900}\nabcde").await.unwrap();
    stream.shutdown().await.unwrap();
    let rest = read_all(&mut stream).await;
    assert!(rest.contains("length_mismatch") && !rest.contains("/cut"), "{rest}");
    let tree =
        served.ask(&format!("GET /v1/workspaces/{workspace}/tree"), "connection: close\r\n", b"").await;
    assert!(tree.contains("\"/2\"") && !tree.contains("/cut"), "{tree}");
}

#[tokio::test]
async fn a_client_that_writes_all_before_it_reads_is_served() {
    let served = Served::start().await;
    let workspace = served.workspace().await;
    let mut batch = Vec::new();
    for number in 0..4_000 {
        add(&mut batch, json!({"path": format!("/many/{number}")}), b"x");
    }
    let post = format!("POST /v1/workspaces/{workspace}/batch");
    let answer =
        served.ask(&post, &format!("content-length: {}\r\nconnection: close\r\n", batch.len()), &batch).await;
    assert_eq!(answer.matches("\"status\":201").count(), 4_000);
}

#[tokio::test]
async fn a_malformed_batch_still_hears_why() {
    let served = Served::start().await;
    let workspace = served.workspace().await;
    let mut batch = Vec::new();
    add(&mut batch, json!({"path": "/one"}), b"one");
    batch.extend_from_slice(b"nonsense\n");
    batch.resize(20_000_000, b'x');
    let post = format!("POST /v1/workspaces/{workspace}/batch");
    let answer =
        served.ask(&post, &format!("content-length: {}\r\nconnection: close\r\n", batch.len()), &batch).await;
    assert!(answer.contains("\"index\":0") && answer.contains("invalid_body"), "{answer}");
}

#[tokio::test]
async fn a_body_that_stands_still_is_given_up() {
    let world = World::new().await;
    let mut item = Vec::new();
    add(&mut item, json!({"path": "/one"}), b"one");
    item.extend_from_slice(b"{\"path\":");
    let (sender, receiver) =
        tokio::sync::mpsc::unbounded_channel::<Result<Bytes, std::convert::Infallible>>();
    sender.send(Ok(item.into())).unwrap();
    let mut receiver = receiver;
    let body = axum::body::Body::from_stream(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx)));
    let lines = lines(&world.edit(&format!("POST {}", world.batch()), body).await);
    assert_eq!(outcomes(&lines), ["201", "408 request_timeout"]);
    drop(sender);
}

/// Takes the answer to a reading apart.
fn contents(mut body: &[u8]) -> Vec<(Value, Vec<u8>)> {
    let mut found = Vec::new();
    while !body.is_empty() {
        let end = body.iter().position(|byte| *byte == b'\n').unwrap();
        let head: Value = serde_json::from_slice(&body[..end]).unwrap();
        let size = head["size"].as_u64().unwrap() as usize;
        found.push((head, body[end + 1..][..size].to_vec()));
        body = &body[end + 1 + size..];
    }
    found
}

#[tokio::test]
async fn many_files_are_read_in_one_request() {
    let world = World::new().await;
    let large = vec![7; 300_000];
    let first = world.put("a", "first").await;
    world.put("a", "second").await;
    let stored = world.put("ünï", large.clone()).await;
    let mut items: Vec<_> = (0..200).map(|_| json!({"path": "/a"})).collect();
    items[3] = json!({"id": stored.id});
    items[4] = json!({"path": "/none"});
    items[5] = json!({"id": first.id, "version": first.version_id});
    items[6] = json!({"path": "/../x"});
    items[7] = json!({"path": "/a", "id": first.id});
    items[199] = json!({"path": "/ünï"});
    let read = |user, items: Value| {
        let body = json!({"items": items}).to_string();
        let post = format!("POST {}/read", world.batch());
        let world = &world;
        async move { world.call(user, &post, &[], body).await }
    };
    let answer = read(User::Viewer, items.into()).await;
    assert_eq!(answer.header("content-type"), "application/vnd.longshore.batch");
    let found = contents(&answer.body);
    assert_eq!(found.len(), 200);
    for (place, (head, content)) in found.iter().enumerate() {
        assert_eq!(head["index"], place);
        let (expected, problem): (&[u8], _) = match place {
            3 | 199 => (&large, None),
            4 => (b"", Some("node_not_found")),
            5 => (b"first", None),
            6 => (b"", Some("invalid_name")),
            7 => (b"", Some("invalid_body")),
            _ => (b"second", None),
        };
        assert_eq!((content.as_slice(), head["problem"]["code"].as_str()), (expected, problem), "{head}");
    }
    assert_eq!((&found[3].0["path"], &found[3].0["version_id"]), (&json!("/ünï"), &json!(stored.version_id)));
    assert_eq!(found[3].0["digest"], json!(stored.digest));
    assert!(read(User::Viewer, json!([])).await.body.is_empty());
    assert_eq!(read(User::Foreign, json!([])).await.outcome(), "404 workspace_not_found");
    let many = vec![json!({}); 10_001];
    assert_eq!(read(User::Viewer, many.into()).await.outcome(), "413 too_many_nodes");
}

fn client(served: &Served) -> Client {
    Client::builder().url(served.url.as_str()).api_key(served.key.reveal()).build().unwrap()
}

fn at(text: &str) -> Path {
    Path::new(text).unwrap()
}

#[tokio::test]
async fn the_sdk_moves_many_files_both_ways() {
    let served = Served::start().await;
    let client = client(&served);
    let folder = tempfile::tempdir().unwrap();
    let content = |number: usize| vec![number as u8; number * 37 % 30_000];
    let mut items = Vec::new();
    for number in 0..1_500 {
        let path = at(&format!("/many/{}/ø{number}", number % 7));
        if number % 2 == 0 {
            let file = folder.path().join(number.to_string());
            std::fs::write(&file, content(number)).unwrap();
            items.push((Source::from(file), path));
        } else {
            items.push((Source::from(content(number)), path));
        }
    }
    items.push((Source::from(folder.path().join("missing")), at("/missing")));
    items.push((Source::from(folder.path()), at("/folder")));
    items.push((Source::from(vec![1; 1_024 * 1_024 + 1]), at("/large")));
    items.push((Source::from(vec![1; 1_024 * 1_024]), at("/largest")));
    items.push((Source::stream(None, futures_util::stream::empty()), at("/stream")));
    items.push((Source::from(vec![2]), at("/many")));
    let told = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&told);
    let progress = ProgressSink::new(move |progress| {
        if matches!(progress, Progress::Done { .. } | Progress::Failed { .. }) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let options = ManyOptions { progress: Some(progress), ..ManyOptions::default() };
    let count = items.len();
    let mut outcomes = client.files().upload_many(items, options.clone()).collect_all().await;
    outcomes.sort_by_key(|outcome| outcome.index);
    assert_eq!((outcomes.len(), told.load(Ordering::Relaxed)), (count, count));
    for outcome in &outcomes[..1_500] {
        let node = outcome.result.as_ref().unwrap();
        assert_eq!(node.path, at(&format!("/many/{}/ø{}", outcome.index % 7, outcome.index)));
    }
    let kept: Vec<_> = outcomes[1_500..].iter().map(|outcome| outcome.result.is_ok()).collect();
    // What is too large for a batch, or a stream, goes by itself.
    assert_eq!(kept, [false, false, true, true, true, false]);
    assert!(outcomes[1_505].result.as_ref().unwrap_err().is(Code::NotAFile));

    let down = folder.path().join("down");
    let node = |outcome: &UploadOutcome| outcome.result.as_ref().unwrap().clone();
    let nodes: Vec<_> = outcomes[..1_500].iter().map(node).collect();
    let item = |number: usize| DownloadItem::of(nodes[number].clone(), down.join(number.to_string()));
    let mut wanted: Vec<_> = (0..1_500).map(item).collect();
    wanted.push((at("/largest"), down.join("largest")).into());
    wanted.push((at("/none"), down.join("none")).into());
    let done = client.files().download_many(wanted, options).collect_all().await;
    assert_eq!(done.len(), 1_502);
    let failed: Vec<_> =
        done.iter().filter(|outcome| outcome.result.is_err()).map(|outcome| outcome.index).collect();
    assert_eq!(failed, [1_501]);
    for number in 0..1_500 {
        assert!(std::fs::read(down.join(number.to_string())).unwrap() == content(number), "{number}");
    }
    assert_eq!(std::fs::read(down.join("largest")).unwrap().len(), 1_024 * 1_024);
    assert_eq!(std::fs::read_dir(&down).unwrap().count(), 1_501, "no part is left");

    // What stands is left alone where that is asked for.
    let kept = DownloadOptions { replace: false, ..DownloadOptions::default() };
    let options = ManyOptions { download: kept, ..ManyOptions::default() };
    let again = client.files().download_many([item(1), item(8)], options.clone()).collect_all().await;
    assert!(again.len() == 2 && again.iter().all(|outcome| outcome.result.is_err()));
    // But for what is to be replaced.
    let replaced = DownloadItem { replace: Some(true), ..item(1) };
    let mut again = client.files().download_many([replaced, item(8)], options).collect_all().await;
    again.sort_by_key(|outcome| outcome.index);
    assert!(again[0].result.is_ok() && again[1].result.is_err());
}

#[tokio::test]
async fn the_sdk_brings_what_a_write_asks() {
    let served = Served::start().await;
    let client = client(&served);
    let files = client.files();
    let made = files.upload(Bytes::from("old"), at("/locked/a"), &UploadOptions::default()).await.unwrap();
    let granted = client.locks().acquire(made.id, &longshore::AcquireLock::default()).await.unwrap();
    let options = |upload| ManyOptions { upload, ..ManyOptions::default() };
    let only_new = UploadOptions { if_none_match: true, ..UploadOptions::default() };
    let items = [(Bytes::from("x"), at("/locked/a")), (Bytes::from("x"), at("/new"))];
    let outcomes = files.upload_many(items.clone(), options(only_new)).collect_all().await;
    assert!(outcomes[0].result.as_ref().unwrap_err().is(Code::PreconditionFailed), "{outcomes:?}");
    assert!(outcomes[1].result.is_ok());
    let renamed = UploadOptions { on_conflict: OnConflict::Rename, ..UploadOptions::default() };
    let outcomes = files.upload_many(items[1..].to_vec(), options(renamed)).collect_all().await;
    assert_eq!(outcomes[0].result.as_ref().unwrap().name, "new (2)");
    let there = UploadOptions { if_match: Some(IfMatch::Exists), ..UploadOptions::default() };
    let gone = files.upload_many([(Bytes::from("x"), at("/none"))], options(there)).collect_all().await;
    assert!(gone[0].result.as_ref().unwrap_err().is(Code::PreconditionFailed));
    // One lock for all: it covers one of them, and nobody minds.
    let under = client.under([granted.token.parse().unwrap()]);
    let both = [(Bytes::from("y"), at("/locked/a")), (Bytes::from("y"), at("/free"))];
    for (files, is_locked) in [(client.files(), true), (under.files(), false)] {
        let outcomes = files.upload_many(both.clone(), ManyOptions::default()).collect_all().await;
        assert_eq!(
            outcomes[0].result.as_ref().is_err_and(longshore::Error::is_locked),
            is_locked,
            "{outcomes:?}"
        );
        assert!(outcomes[1].result.is_ok());
    }
    let result: BatchResult = serde_json::from_value(json!({"status": 201, "later": true})).unwrap();
    assert_eq!((result.status, result.index), (201, None), "an older reader bears what is new");
}
