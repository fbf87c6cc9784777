//! The audit log by the SDK: page by page, and followed over a server that goes away.

use longshore::core::wire::{AuditEntry, AuditOutcome, AuditPage};
use longshore::{AuditFilter, Timestamp, blocking};

use crate::fake::{Fake, NOW, Reply, json, problem, workspace_id};

fn entry(place: &str) -> AuditEntry {
    AuditEntry {
        place: place.to_owned(),
        at: NOW,
        kind: "file.created".to_owned(),
        outcome: AuditOutcome::Done,
        workspace_id: Some(workspace_id()),
        principal_id: None,
        key_id: None,
        session_id: None,
        share_id: None,
        address: None,
        request_id: None,
        route: None,
        code: None,
        object: None,
        facts: serde_json::json!({}),
    }
}

fn page(places: &[&str], reached: &str, more: bool) -> Reply {
    let items = places.iter().map(|place| entry(place)).collect();
    let next_cursor = more.then(|| reached.to_owned());
    Reply::Answer(json(200, &AuditPage { items, next_cursor, reached: reached.to_owned() }))
}

#[tokio::test]
async fn a_list_goes_on_after_the_place_that_a_page_reached() {
    let fake = Fake::start(|place, _| match place {
        0 => page(&["0.3", "0.4"], "0.9", true),
        // A filter let nothing pass: only the place moves on.
        1 => page(&[], "0.20", true),
        _ => page(&["0.21"], "0.22", false),
    })
    .await;
    let filter = AuditFilter {
        workspace: Some(workspace_id()),
        outcome: Some(AuditOutcome::Refused),
        since: Some(Timestamp::from_micros(0)),
        ..AuditFilter::default()
    };
    let found = fake.client().audit().list(Some("0.2"), &filter).collect_all().await.unwrap();
    let places: Vec<_> = found.iter().map(|entry| entry.place.as_str()).collect();
    assert_eq!(places, ["0.3", "0.4", "0.21"]);
    for (seen, after) in fake.seen().iter().zip(["0.2", "0.9", "0.20"]) {
        let (base, place) = seen.target.split_once("&after=").unwrap();
        assert_eq!(place.replace("%2E", "."), after, "one place, and no other");
        let start = format!("/v1/audit?workspace={}&outcome=refused&since=1970-01-01T00", workspace_id());
        assert!(base.starts_with(&start) && base.ends_with("&limit=1000"), "{base}");
    }
}

#[tokio::test]
async fn who_follows_misses_nothing_and_hears_a_refusal() {
    let fake = Fake::start(|place, _| match place {
        0 => page(&["0.1"], "0.1", true),
        1 => page(&["0.2"], "0.2", true),
        2 => Reply::Close,
        3 => Reply::Answer(problem(503, "overloaded", &[])),
        4 => page(&["0.3"], "0.3", true),
        _ => Reply::Answer(problem(401, "key_revoked", &[])),
    })
    .await;
    let mut following = fake.client().audit().follow(None, &AuditFilter::default());
    for place in ["0.1", "0.2", "0.3"] {
        assert_eq!(following.next().await.unwrap().unwrap().place, place);
    }
    let refused = following.next().await.unwrap().unwrap_err();
    assert!(refused.is(longshore::Code::KeyRevoked), "{refused}");
    assert!(following.next().await.is_none());
}

#[test]
fn the_log_is_read_without_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = runtime.block_on(Fake::start(|_, _| page(&["0.1", "0.2"], "0.2", false)));
    let client = blocking::Client::new(fake.builder()).unwrap();
    let filter = AuditFilter::default();
    assert_eq!(
        client.audit().list(None, &filter).map(|entry| entry.unwrap().place).collect::<Vec<_>>(),
        ["0.1", "0.2"]
    );
    assert_eq!(client.audit().page(Some("now"), &filter).unwrap().reached, "0.2");
    assert_eq!(client.audit().follow(None, &filter).next().unwrap().unwrap().place, "0.1");
}
