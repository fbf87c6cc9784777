//! Following events: over broken connections, in order, each once, and when it ends.

use std::time::Duration;

use http::Response;
use longshore::{After, Event, EventFilter, Following, Path, RetryPolicy};

use crate::fake::{Fake, NOW, Reply, json, problem, workspace_id};

fn event(seq: u64) -> Event {
    Event {
        seq,
        id: "evt_01k9x3m7q2e8rj5v4n6t0p1s2d".parse().unwrap(),
        r#type: "file.created".to_owned(),
        at: NOW,
        actor: "usr_01k9x3m7q2e8rj5v4n6t0p1s2d".parse().unwrap(),
        key_id: None,
        request_id: None,
        node_id: None,
        version_id: None,
        previous_version_id: None,
        act: seq,
        fence: None,
        lock_id: None,
        data: serde_json::json!({ "path": format!("/é{seq}") }),
    }
}

fn text(seqs: impl IntoIterator<Item = u64>) -> String {
    let message =
        |seq| format!("id: {seq}\nevent: x\ndata: {}\n\n", serde_json::to_string(&event(seq)).unwrap());
    seqs.into_iter().map(message).collect()
}

fn streamed(text: impl Into<String>) -> Response<bytes::Bytes> {
    Response::builder().header("content-type", "text/event-stream").body(text.into().into()).unwrap()
}

/// Cuts an answer off after so many bytes.
fn torn(text: &str, at: usize) -> Reply {
    Reply::Torn(streamed(&text[..at]), text.len() as u64)
}

async fn seqs(following: &mut Following, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        seqs.push(following.next().await.unwrap().unwrap().seq);
    }
    seqs
}

#[tokio::test]
async fn none_is_missed_and_none_comes_twice() {
    let fake = Fake::start(|place, _| match place {
        1 => torn(&text(1..=4), text(1..=3).len() + 20),
        // One that does not do as it was told.
        2 => Reply::Answer(streamed(format!("retry: 1\n\n{}", text(2..=5)))),
        3 => Reply::Close,
        4 => Reply::Answer(problem(503, "overloaded", &[])),
        // A filter let nothing pass: only the place moves on.
        5 => Reply::Answer(streamed("id: 9\n\n:\n\nid: 12\n\n")),
        6 => Reply::Answer(streamed(text([13, 14]))),
        _ => Reply::Answer(problem(410, "events_gone", &[])),
    })
    .await;
    let mut following = fake.client().events().follow(None, None, &EventFilter::default());
    assert!(fake.seen().is_empty(), "nothing is asked before it is polled");
    assert_eq!(seqs(&mut following, 7).await, [1, 2, 3, 4, 5, 13, 14]);
    let error = following.next().await.unwrap().unwrap_err();
    assert_eq!(error.code().unwrap().as_str(), "events_gone");
    assert!(following.next().await.is_none());
    let route = format!("GET /v1/workspaces/{}/events", workspace_id());
    let after = |seq| format!("{route}?after={seq}");
    assert_eq!(fake.asked(), [route.clone(), after(3), after(5), after(5), after(5), after(12), after(14)]);
    assert!(fake.seen()[1..].iter().all(|seen| seen.header("accept") == Some("text/event-stream")));
}

#[tokio::test]
async fn a_beginning_now_keeps_its_place() {
    let fake = Fake::start(|place, _| match place {
        0 => Reply::Answer(json(200, &serde_json::json!({"items": [], "next_cursor": null, "last_seq": 40}))),
        // It breaks before it has told a place; what happens meanwhile is not lost.
        1 => Reply::Close,
        2 => Reply::Answer(streamed("retry: 1\nid: 41\n\n")),
        _ => Reply::Answer(streamed(text([42]))),
    })
    .await;
    let filter = EventFilter {
        types: vec!["file.*".to_owned(), "node.moved".to_owned()],
        path: Some(Path::new("/a & b").unwrap()),
        actor: Some(event(1).actor),
    };
    let mut following = fake.client().events().follow(Some(workspace_id()), Some(After::Now), &filter);
    assert_eq!(seqs(&mut following, 1).await, [42]);
    let route = format!(
        "GET /v1/workspaces/{}/events?types=file.%2A%2Cnode.moved&path=%2Fa%20%26%20b&actor={}",
        workspace_id(),
        event(1).actor
    );
    let after = |place: &str| format!("{route}&after={place}");
    assert_eq!(fake.asked(), [after("now&limit=1"), after("40"), after("40"), after("41")]);
}

#[tokio::test]
async fn a_server_that_was_reached_is_waited_for() {
    // More failures in a row than any other verb would bear.
    let fake = Fake::start(|place, _| match place {
        0 => Reply::Answer(streamed(text([1]))),
        1..=9 => Reply::Close,
        _ => Reply::Answer(streamed(text([2]))),
    })
    .await;
    let client = fake.builder().retry(RetryPolicy {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(5),
        ..RetryPolicy::default()
    });
    let events = client.build().unwrap().events();
    let mut following = events.follow(Some(workspace_id()), None, &EventFilter::default());
    assert_eq!(seqs(&mut following, 2).await, [1, 2]);
    // One that never was is given up.
    let fake = Fake::start(|_, _| Reply::Close).await;
    let mut following = fake.client().events().follow(Some(workspace_id()), None, &EventFilter::default());
    assert!(following.next().await.unwrap().unwrap_err().is_network());
    assert!(following.next().await.is_none());
    assert_eq!(fake.seen().len(), 5);
}

#[tokio::test]
async fn a_stream_that_makes_no_sense_is_an_error() {
    for text in ["data: {}\n\n", "id: x\n\n", "data: \n\n"] {
        let fake = Fake::start(move |_, _| Reply::Answer(streamed(text))).await;
        let mut following =
            fake.client().events().follow(Some(workspace_id()), None, &EventFilter::default());
        assert!(following.next().await.unwrap().is_err(), "{text:?}");
        assert!(following.next().await.is_none());
    }
}

#[tokio::test]
async fn waiting_is_one_request() {
    let fake = Fake::start(|_, _| {
        let page = serde_json::json!({"items": [event(8)], "next_cursor": "8", "last_seq": 20});
        Reply::Answer(json(200, &page))
    })
    .await;
    let filter = EventFilter { types: vec!["a.b".to_owned()], ..EventFilter::default() };
    let wait = Duration::from_secs(30);
    // So short that the connection does not count as dead meanwhile.
    let page = fake.client().events().wait(None, Some(7.into()), &filter, wait).await.unwrap();
    assert_eq!((page.items, page.last_seq), (vec![event(8)], 20));
    let route = format!("GET /v1/workspaces/{}/events?types=a.b&wait=2&after=7", workspace_id());
    assert_eq!(fake.asked(), [route]);
}

#[test]
fn following_has_a_blocking_twin() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = runtime.block_on(Fake::start(|_, _| Reply::Answer(streamed(text([1, 2])))));
    let client = longshore::blocking::Client::new(fake.builder()).unwrap();
    let following = client.events().follow(None, None, &EventFilter::default());
    let seqs: Vec<_> = following.take(2).map(|event| event.unwrap().seq).collect();
    assert_eq!(seqs, [1, 2]);
}
