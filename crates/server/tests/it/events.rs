//! The log over the front door: pages, waiting, streams; with the SDK as the client where one is needed.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use longshore::{
    After, Client, CreateKey, ErrorKind, EventFilter, Following, Path, Role, Target, UploadOptions,
    WorkspaceId,
};
use longshore_core::wire::{EventPage, UpdateWorkspace, WorkspaceSettings};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use crate::wire::{SOON, Served, read_until};
use crate::world::{User, World};

fn log(world: &World, query: &str) -> String {
    format!("/v1/workspaces/{}/events{query}", world.id())
}

async fn served() -> Served {
    Served::start_with(|config, _| config.events.heartbeat_seconds = 1).await
}

fn client(url: &str, key: &str) -> Client {
    Client::builder().url(url).api_key(key).build().unwrap()
}

async fn put(client: &Client, workspace: Option<WorkspaceId>, path: &str) {
    let path = Path::new(path).unwrap();
    let target = match workspace {
        Some(id) => Target::from((id, path)),
        None => Target::from(path),
    };
    client.files().upload(b"content".to_vec(), target, &UploadOptions::default()).await.unwrap();
}

/// Reads so many events, each of which must come soon.
async fn take(following: &mut Following, count: usize) -> Vec<longshore::Event> {
    let mut events = Vec::new();
    while events.len() < count {
        let next = timeout(SOON, following.next()).await.expect("an event");
        events.push(next.expect("no end").expect("no error"));
    }
    events
}

/// Reads an answer's chunks until `end` has come.
async fn read_stream(body: &mut Body, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let frame = timeout(SOON, body.frame()).await.expect("a frame").expect("no end").unwrap();
        text.push_str(str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    text
}

#[tokio::test]
async fn an_event_tells_all_that_an_audit_asks() {
    let world = World::new().await;
    let old = world.put("a.txt", "one").await;
    let request = [("x-request-id", "the-request")];
    let answer = world.call(User::Editor, &format!("PUT {}", world.at("a.txt")), &request, "two").await;
    let new = answer.node();
    let page: EventPage = world.get(&log(&world, "?after=2")).await.read();
    let [event] = &page.items[..] else { panic!("{page:?}") };
    let me = world.call(User::Editor, "GET /v1/me", &[], "").await.json();
    assert_eq!(serde_json::json!(event.key_id), me["key"]["id"]);
    assert_eq!(serde_json::json!(event.actor), me["key"]["principal"]["id"]);
    assert_eq!(event.request_id.as_deref(), Some("the-request"));
    assert_eq!((event.previous_version_id, event.version_id), (old.version_id, new.version_id));
    assert_eq!((event.seq, event.act, event.fence), (3, 3, None));
    assert_eq!((page.next_cursor, page.last_seq), (None, 3));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = World::new().await;
    for (query, outcome) in [
        ("?after=x", "400 invalid_query"),
        ("?after=-1", "400 invalid_query"),
        ("?wait=56", "400 invalid_query"),
        ("?limit=0", "400 invalid_query"),
        ("?types=file", "400 invalid_query"),
        ("?types=", "400 invalid_query"),
        ("?path=a", "400 invalid_path"),
        ("?path=/a/../b", "400 invalid_name"),
        ("?actor=me", "400 invalid_query"),
        ("?since=1", "400 invalid_query"),
        ("?after=2", "410 events_gone"),
        ("?after=1&wait=0&types=file.*,node.moved&path=/&limit=1000", "200"),
        ("?after=now", "200"),
    ] {
        let plain = world.get(&log(&world, query)).await;
        assert_eq!(plain.outcome(), outcome, "{query}");
        if outcome != "200" {
            let what = format!("GET {}", log(&world, query));
            let streamed = world.call(User::Viewer, &what, &[("accept", "text/event-stream")], "");
            assert_eq!(streamed.await.outcome(), outcome, "{query}: a stream begins no other way");
        }
    }
    for id in ["x", "-1", "1.5"] {
        let headers = [("accept", "text/event-stream"), ("last-event-id", id)];
        let answer = world.call(User::Viewer, &format!("GET {}", log(&world, "")), &headers, "").await;
        assert_eq!(answer.outcome(), "400 invalid_header", "{id}");
    }
}

#[tokio::test]
async fn a_stream_is_server_sent_events() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.put(name, "x").await;
    }
    let open = async |query: &str, headers: &[(&str, &str)]| {
        let mut request = Request::get(log(&world, query)).header("host", "x");
        let key = world.key(User::Viewer).unwrap();
        request = request.header("authorization", format!("Bearer {key}"));
        request = request.header("accept", "text/html, text/event-stream;q=0.9");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        response.into_body()
    };
    // Pages of one event follow each other.
    let mut body = open("?limit=1", &[]).await;
    let text = read_stream(&mut body, "\"/c\"").await;
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("data: ")).collect();
    let one = |seq, kind| [format!("id: {seq}"), format!("event: {kind}"), String::new()];
    let events =
        [one(1, "workspace.created"), one(2, "file.created"), one(3, "file.created"), one(4, "file.created")];
    assert_eq!(lines[..2], ["retry: 1000", ""]);
    assert_eq!(lines[2..], events.concat());
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let first: longshore::Event = serde_json::from_str(data).unwrap();
    let page: EventPage = world.get(&log(&world, "?limit=1")).await.read();
    assert_eq!(first, page.items[0], "the same as in a page");
    // Then it is silent, and alive.
    assert_eq!(read_stream(&mut body, "\n\n").await, ":\n\n");
    world.put("d", "x").await;
    assert!(read_stream(&mut body, "\"/d\"").await.contains("id: 5\n"));

    // What came last goes before where it once began.
    let mut body = open("?after=1", &[("last-event-id", "4")]).await;
    assert!(read_stream(&mut body, "data").await.starts_with("retry: 1000\n\nid: 5\n"));
    // From now on; the place is told at once, so that nothing is lost if it breaks off here.
    let mut body = open("?after=now", &[("last-event-id", "")]).await;
    assert_eq!(read_stream(&mut body, "\n\n").await, "retry: 1000\nid: 5\n\n");
    // What a filter keeps back moves the place on all the same.
    let mut body = open("?after=5&types=node.*", &[]).await;
    assert_eq!(read_stream(&mut body, "\n\n").await, "retry: 1000\nid: 5\n\n");
    world.put("e", "x").await;
    assert_eq!(read_stream(&mut body, "id").await, ":\nid: 6\n\n");
    let before = world.engine.followers();
    drop(body);
    assert_eq!(world.engine.followers(), before - 1, "a stream that nobody reads is gone");
}

#[tokio::test]
async fn events_that_are_gone_and_the_way_back() {
    let world = World::new().await;
    world.put("a", "x").await;
    world.clock.advance(Duration::from_hours(24 * 31));
    world.put("b", "x").await;
    // Two of this workspace, and of the other one its beginning: its newest stays.
    assert_eq!(world.engine.prune_events().await.unwrap(), 3);
    let answer = world.get(&log(&world, "?after=1")).await;
    assert_eq!(answer.outcome(), "410 events_gone");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("events up to 2 are no longer kept: list the tree"), "{detail}");
    // As the problem says: the place, the tree, and what came after the place.
    let workspace = world.get(&format!("/v1/workspaces/{}", world.id())).await.json();
    assert_eq!(world.paths().await, ["/a", "/b"]);
    world.put("c", "x").await;
    let page: EventPage = world.get(&log(&world, &format!("?after={}", workspace["seq"]))).await.read();
    assert_eq!(page.items[0].data["path"], "/c");
}

#[tokio::test]
async fn how_long_events_are_kept_is_a_setting() {
    let world = World::new().await;
    let ws = format!("/v1/workspaces/{}", world.id());
    assert_eq!(world.get(&ws).await.json()["settings"]["events_days"], 30);
    for (days, outcome) in
        [("0", "400 invalid_body"), ("-1", "400 invalid_body"), ("7", "200"), ("null", "200")]
    {
        let body = format!(r#"{{"settings":{{"events_days":{days}}}}}"#);
        let answer = world.call(User::Admin, &format!("PATCH {ws}"), &[], body).await;
        assert_eq!(answer.outcome(), outcome, "{days}");
    }
    assert_eq!(world.get(&ws).await.json()["settings"]["events_days"], serde_json::Value::Null);
}

#[tokio::test]
async fn the_sdk_waits_for_the_next_event() {
    let served = served().await;
    let client = client(&served.url, served.key.reveal());
    let filter = EventFilter { path: Some(Path::new("/in").unwrap()), ..EventFilter::default() };
    let events = client.events();
    let started = Instant::now();
    let (page, ()) =
        tokio::join!(events.wait(None, Some(After::Now), &filter, Duration::from_secs(30)), async {
            sleep(Duration::from_millis(200)).await;
            put(&client, None, "/out").await;
            put(&client, None, "/in/a").await;
        });
    let page = page.unwrap();
    // One act made both, so they came together.
    let paths: Vec<_> = page.items.iter().map(|event| event.data["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/in", "/in/a"]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let next = events.wait(None, Some(page.reached().into()), &filter, Duration::ZERO).await.unwrap();
    assert_eq!((next.items, next.last_seq), (vec![], page.last_seq));
}

/// Passes bytes on to a server, and cuts each connection after so many bytes of answers.
async fn cutting(to: std::net::SocketAddr, after: usize) -> (String, longshore_flow::Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tasks = longshore_flow::Tasks::new();
    let connections = tasks.clone();
    tasks.spawn(async move {
        loop {
            let (mut here, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                let mut there = TcpStream::connect(to).await.unwrap();
                let (mut answers, mut questions) = there.split();
                let (mut asked, mut answered) = here.split();
                let mut answers = tokio::io::AsyncReadExt::take(&mut answers, after as u64);
                tokio::select! {
                    _ = tokio::io::copy(&mut answers, &mut answered) => {}
                    () = async {
                        let _gone = tokio::io::copy(&mut asked, &mut questions).await;
                        std::future::pending::<()>().await;
                    } => {}
                }
            });
        }
    });
    (url, tasks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_connections_that_break_none_is_missed_and_none_comes_twice() {
    const WRITERS: usize = 8;
    const FILES: usize = 12;
    let served = served().await;
    // Room for a few events: an answer breaks off in the middle of one, sooner or later.
    let (url, proxy) = cutting(served.address, 5_000).await;
    let (writer, reader) = (client(&served.url, served.key.reveal()), client(&url, served.key.reveal()));
    let mut following = reader.events().follow(None, Some(1.into()), &EventFilter::default());
    let writes = join_all((0..WRITERS).map(|one| {
        let writer = writer.clone();
        async move {
            for file in 0..FILES {
                put(&writer, None, &format!("/{one}-{file}")).await;
            }
        }
    }));
    let (events, _) = tokio::join!(take(&mut following, WRITERS * FILES), writes);
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (2..2 + (WRITERS * FILES) as u64).collect::<Vec<_>>());
    proxy.abort();
}

#[tokio::test]
async fn row_18_two_tenants_on_the_change_feed_see_only_their_own() {
    let served = served().await;
    let owner = client(&served.url, served.key.reveal());
    let mut tenants = Vec::new();
    for name in ["red", "blue"] {
        let id = owner.workspaces().create(name.parse().unwrap()).await.unwrap().id;
        let wanted = CreateKey {
            workspace_id: Some(id),
            agent: Some(name.to_owned()),
            ..CreateKey::new(name.to_owned(), Role::Admin)
        };
        let key = owner.keys().create(&wanted).await.unwrap().secret;
        tenants.push((id, client(&served.url, &key)));
    }
    let all = EventFilter::default();
    let mut feeds: Vec<_> =
        tenants.iter().map(|(id, tenant)| tenant.events().follow(Some(*id), Some(2.into()), &all)).collect();
    // Both follow before anything is written, and both write at once, by turns.
    let written = async {
        sleep(Duration::from_millis(200)).await;
        for file in 0..10 {
            for (id, tenant) in &tenants {
                put(tenant, Some(*id), &format!("/{id}/{file}")).await;
            }
        }
    };
    let (first, rest) = feeds.split_at_mut(1);
    // A folder and ten files each.
    let (red, blue, ()) = tokio::join!(take(&mut first[0], 11), take(&mut rest[0], 11), written);
    for (events, (id, tenant)) in [red, blue].iter().zip(&tenants) {
        let own = format!("/{id}");
        assert!(events.iter().all(|event| event.data["path"].as_str().unwrap().starts_with(&own)));
        assert_eq!(events.last().unwrap().seq, tenant.workspaces().get(*id).await.unwrap().seq);
        // No more is to come: nothing of the other is under way.
        let (other, _) = tenants.iter().find(|(other, _)| other != id).unwrap();
        let mut foreign = tenant.events().follow(Some(*other), None, &all);
        assert_eq!(foreign.next().await.unwrap().unwrap_err().status(), Some(404));
        let listed = tenant.events().list(Some(*other), None, &all).collect_all().await;
        assert_eq!(listed.unwrap_err().status(), Some(404));
        let waited = tenant.events().wait(Some(*other), None, &all, Duration::from_secs(1)).await;
        assert_eq!(waited.unwrap_err().status(), Some(404));
    }
    for feed in feeds {
        let mut feed = feed;
        assert!(timeout(Duration::from_millis(300), feed.next()).await.is_err(), "an event of somebody else");
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_hears_no_more() {
    let served = served().await;
    let owner = client(&served.url, served.key.reveal());
    let wanted = CreateKey::new("reader", Role::Viewer);
    let key = owner.keys().create(&wanted).await.unwrap();
    let mut following = client(&served.url, &key.secret).events().follow(None, None, &EventFilter::default());
    assert_eq!(take(&mut following, 1).await[0].r#type, "workspace.created");
    owner.keys().revoke(key.key.id).await.unwrap();
    put(&owner, None, "/secret").await;
    // The stream ends; who comes again is told why.
    let error = timeout(SOON, following.next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.code().unwrap().as_str(), "key_revoked");
    assert!(following.next().await.is_none());
}

#[tokio::test]
async fn a_silent_stream_ends_soon_after_its_key() {
    let served = served().await;
    let body = r#"{"name":"k","role":"viewer"}"#;
    let headers = format!("connection: close\r\ncontent-length: {}\r\n", body.len());
    let made = served.ask("POST /v1/keys", &headers, body.as_bytes()).await;
    let made: serde_json::Value = serde_json::from_str(made.split_once("\r\n\r\n").unwrap().1).unwrap();
    let workspace = served.workspace().await;
    let mut stream = served.connect().await;
    let head = format!(
        "GET /v1/workspaces/{workspace}/events?after=now HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\
         authorization: Bearer {}\r\nconnection: close\r\n\r\n",
        made["secret"].as_str().unwrap()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, "id: 1\n").await;
    let id = made["id"].as_str().unwrap();
    served.ask(&format!("DELETE /v1/keys/{id}"), "connection: close\r\n", b"").await;
    // Nothing happens in the workspace: the key is looked at again all the same.
    let rest = crate::wire::read_all(&mut stream).await;
    assert!(rest.ends_with("0\r\n\r\n"), "the answer has an end: {rest:?}");
}

#[tokio::test]
async fn a_server_that_stops_ends_streams_and_waits() {
    let mut served = served().await;
    let client = client(&served.url, served.key.reveal());
    let events = client.events();
    let mut following = events.follow(None, None, &EventFilter::default());
    take(&mut following, 1).await;
    let all = EventFilter::default();
    let (page, ()) =
        tokio::join!(events.wait(None, Some(After::Now), &all, Duration::from_secs(50)), async {
            sleep(Duration::from_millis(200)).await;
            served.tell_to_stop();
        });
    // The page that ended its first turn was empty, and for the next there is nobody to ask.
    assert_eq!(page.unwrap_err().kind(), ErrorKind::Unavailable);
    let stopped = Instant::now();
    served.ended().await;
    assert!(stopped.elapsed() < Duration::from_secs(3), "{:?}: it waited for a follower", stopped.elapsed());
}

#[tokio::test]
async fn a_place_is_free_again_when_its_follower_is_gone() {
    let served = Served::start_with(|config, _| {
        config.events.heartbeat_seconds = 1;
        config.events.max_followers = 1;
    })
    .await;
    let workspace = served.workspace().await;
    let get = format!("GET /v1/workspaces/{workspace}/events?after=now");
    let mut stream = served.connect().await;
    let streaming = "accept: text/event-stream\r\n";
    stream.write_all(served.head(&get, streaming).as_bytes()).await.unwrap();
    read_until(&mut stream, "id: 1\n").await;
    for headers in ["connection: close\r\n", "connection: close\r\naccept: text/event-stream\r\n"] {
        let answer = served.ask(&format!("{get}&wait=1"), headers, b"").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("overloaded"), "{answer}");
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    }
    drop(stream);
    let freed = async {
        while !served
            .ask(&format!("{get}&wait=1"), "connection: close\r\n", b"")
            .await
            .starts_with("HTTP/1.1 200")
        {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(SOON, freed).await.expect("the place is free again");
}

#[tokio::test]
async fn a_reader_that_stops_reading_its_stream_is_let_go() {
    let served = served().await;
    let workspace = served.workspace().await;
    // Deep folders have long paths; all together are more than sockets take in.
    for tree in 0..24 {
        let path = format!("/{tree}{}", format!("/{}", "x".repeat(14)).repeat(250));
        let body = format!(r#"{{"path":"{path}"}}"#);
        let headers = format!("connection: close\r\ncontent-length: {}\r\n", body.len());
        let answer =
            served.ask(&format!("POST /v1/workspaces/{workspace}/folders"), &headers, body.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(served.address).await.unwrap();
    let get = served
        .head(&format!("GET /v1/workspaces/{workspace}/events?after=0"), "accept: text/event-stream\r\n");
    stream.write_all(get.as_bytes()).await.unwrap();
    // The server waits two seconds for a reader that stands still.
    sleep(Duration::from_secs(4)).await;
    let mut all = Vec::new();
    let end = timeout(SOON, tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut all)).await;
    let end = end.expect("the connection has an end");
    let text = String::from_utf8_lossy(&all);
    assert!(end.is_err() || !text.contains("id: 6025\n"), "all of it came");
}

#[tokio::test]
async fn settings_that_keep_events_for_ever_are_the_same_in_the_sdk() {
    let served = served().await;
    let client = client(&served.url, served.key.reveal());
    let id = client.workspaces().current().await.unwrap().id;
    let settings = WorkspaceSettings { events_days: None, ..WorkspaceSettings::default() };
    let change = UpdateWorkspace { settings: Some(settings.clone().into()), ..UpdateWorkspace::default() };
    client.workspaces().update(id, &change).await.unwrap();
    assert_eq!(client.workspaces().get(id).await.unwrap().settings, settings);
    let filter = EventFilter { types: vec!["workspace.*".to_owned()], ..EventFilter::default() };
    let events = client.events().list(None, None, &filter).collect_all().await.unwrap();
    assert_eq!(events.last().unwrap().data["settings"]["events_days"], serde_json::Value::Null);
}
