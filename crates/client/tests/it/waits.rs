//! Waiting for what the server will say, as long as the line bears, and who else is held up by it.

use std::time::Duration;

use longshore::{AcquireLock, After, Code, EventFilter, RetryPolicy, Timeouts};
use tokio::time::timeout;

use crate::fake::{Fake, Reply, json, node, node_id, problem, workspace_id};

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

fn page(next_cursor: Option<&str>, last_seq: u64) -> Reply {
    let page = serde_json::json!({ "items": [], "next_cursor": next_cursor, "last_seq": last_seq });
    Reply::Answer(json(200, &page))
}

fn waits(fake: &Fake) -> Vec<String> {
    let route = format!("GET /v1/workspaces/{}/events?wait=", workspace_id());
    fake.asked().iter().map(|asked| asked.strip_prefix(&route).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_long_wait_is_several_requests_and_goes_on_where_it_was() {
    let fake = Fake::start(|place, _| match place {
        // The filter let nothing pass of what was looked at.
        0 => page(Some("40"), 90),
        1 => page(Some("80"), 90),
        _ => Reply::Answer(problem(410, "events_gone", &[])),
    })
    .await;
    let timeouts = Timeouts { idle: Duration::from_secs(60), ..Timeouts::default() };
    let events = fake.builder().timeouts(timeouts).build().unwrap().events();
    for at_most in [Duration::from_secs(90), Duration::MAX] {
        let waited =
            events.wait(Some(workspace_id()), Some(After::Now), &EventFilter::default(), at_most).await;
        assert!(waited.unwrap_err().is(Code::EventsGone));
    }
    assert_eq!(waits(&fake), ["55&after=now", "55&after=40", "55&after=80", "55&after=now"]);
}

#[tokio::test]
async fn a_wait_is_as_long_as_the_line_may_be_silent() {
    let fake = Fake::start(|_, _| page(None, 7)).await;
    // The fake's clients take five seconds of silence for a dead line.
    let events = fake.client().events();
    let at_most = Duration::from_millis(300);
    let filter = EventFilter::default();
    let begun = tokio::time::Instant::now();
    let page = events.wait(Some(workspace_id()), None, &filter, at_most).await.unwrap();
    assert!(page.items.is_empty() && begun.elapsed() >= at_most);
    // Less than a second is no look in passing, and a server that does not wait is not asked in a loop.
    let asked = waits(&fake);
    assert!(asked[0] == "1" && asked.len() <= 2, "{asked:?}");
    let long = events.wait(Some(workspace_id()), None, &filter, Duration::from_secs(60));
    tokio::select! {
        _ = long => panic!("nothing comes"),
        () = async {
            while fake.asked().len() == asked.len() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        } => {}
    }
    assert_eq!(waits(&fake)[asked.len()], "2");
    assert_eq!(events.wait(Some(workspace_id()), None, &filter, Duration::ZERO).await.unwrap().last_seq, 7);
}

#[tokio::test]
async fn what_is_refused_to_who_waits_holds_up_nobody_else() {
    let later = [("retry-after", "60")];
    let fake = Fake::start(move |_, seen| match seen.target.as_str() {
        target if target.contains("/events") => Reply::Answer(problem(503, "overloaded", &later)),
        target if target.ends_with("/lock") => Reply::Answer(problem(429, "too_many_locks", &later)),
        _ => Reply::Answer(json(200, &node("/a", b""))),
    })
    .await;
    let client = fake.builder().retry(RetryPolicy::never()).build().unwrap();
    let (events, filter) = (client.events(), EventFilter::default());
    let get = async || timeout(SOON, client.files().get(node_id())).await.expect("no pause").unwrap();
    let mut following = events.follow(Some(workspace_id()), None, &filter);
    assert!(following.next().await.unwrap().unwrap_err().is(Code::Overloaded));
    get().await;
    let waited = events.wait(Some(workspace_id()), None, &filter, Duration::from_secs(9)).await;
    assert!(waited.unwrap_err().is(Code::Overloaded));
    get().await;
    let refused = client.locks().acquire(node_id(), &AcquireLock::default()).await.unwrap_err();
    assert!(refused.is(Code::TooManyLocks));
    get().await;
}
