//! The audit log over HTTP: pages, lines, and what a request leaves in it.

use axum::http::Request;
use longshore_core::wire::{AuditEntry, AuditOutcome, AuditPage};
use longshore_server::Source;

use crate::world::{Answer, User, World};

async fn page(world: &World, query: &str) -> AuditPage {
    let answer = world.call(User::Admin, &format!("GET /v1/audit{query}"), &[], "").await;
    assert_eq!(answer.outcome(), "200");
    answer.read()
}

fn lines(answer: &Answer) -> Vec<AuditEntry> {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/x-ndjson"));
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn export(world: &World, user: User, query: &str) -> Answer {
    let accept = [("accept", "application/x-ndjson")];
    world.call(user, &format!("GET /v1/audit{query}"), &accept, "").await
}

#[tokio::test]
async fn a_request_is_told_with_where_it_came_from() {
    let world = World::new().await;
    let place = page(&world, "?after=now").await.reached;
    let what = format!("{}?on_conflict=error", world.at("a/b%20c"));
    for (user, id) in [(User::Editor, "written"), (User::Viewer, "refused")] {
        let mut request = Request::put(&what)
            .header("host", "x")
            .header("x-request-id", id)
            .header("authorization", format!("Bearer {}", world.key(user).unwrap()))
            .body("text".into())
            .unwrap();
        request.extensions_mut().insert(Source([192, 0, 2, 9].into()));
        world.send(request).await;
    }
    world.engine.write_refusals().await.unwrap();
    let found = page(&world, &format!("?after={place}")).await.items;
    let told: Vec<_> = found
        .iter()
        .map(|entry| (entry.kind.as_str(), entry.request_id.as_deref().unwrap(), entry.code.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("folder.created", "written", None),
            ("file.created", "written", None),
            ("refused", "refused", Some("forbidden")),
        ]
    );
    for entry in found {
        assert_eq!(entry.address.as_deref(), Some("192.0.2.9"));
        assert_eq!(entry.route.as_deref(), Some("PUT /v1/workspaces/{ws}/files/{path}"));
        assert_eq!(entry.workspace_id, Some(world.id()));
        assert!(entry.principal_id.is_some() && entry.key_id.is_some());
    }
}

#[tokio::test]
async fn pages_and_lines_are_the_same_log() {
    let world = World::new().await;
    for number in 0..25 {
        world.put(&format!("file {number}").replace(' ', "-"), "x").await;
    }
    world.call(User::Viewer, &format!("PUT {}", world.at("x")), &[], "x").await;
    world.engine.write_refusals().await.unwrap();
    let mut paged = Vec::new();
    let mut after = "0.0".to_owned();
    loop {
        let page = page(&world, &format!("?limit=7&after={after}")).await;
        paged.extend(page.items);
        after = page.reached;
        if page.next_cursor.is_none() {
            break;
        }
    }
    assert!(paged.len() > 25);
    for query in ["", "?limit=3"] {
        assert_eq!(lines(&export(&world, User::Admin, query).await), paged, "{query}");
    }
    // One that broke off goes on after the place of its last line.
    let rest = export(&world, User::Admin, &format!("?after={}", paged[9].place)).await;
    assert_eq!(lines(&rest), paged[10..]);
    assert_eq!(lines(&export(&world, User::Admin, "?after=now").await), []);
    let refused = lines(&export(&world, User::Admin, "?outcome=refused").await);
    assert!(!refused.is_empty() && refused.iter().all(|entry| entry.outcome == AuditOutcome::Refused));
    let of_one = paged.last().unwrap().principal_id.unwrap();
    let own = page(&world, &format!("?principal={of_one}&workspace={}", world.id())).await.items;
    assert!(!own.is_empty() && own.iter().all(|entry| entry.principal_id == Some(of_one)));
    let late = page(&world, "?since=2999-01-01T00:00:00Z").await;
    assert_eq!(late.items, []);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_before_anything_is_sent() {
    let world = World::new().await;
    for (query, expected) in [
        ("?after=x", "400 invalid_query"),
        ("?after=999999999.9", "410 events_gone"),
        ("?outcome=maybe", "400 invalid_query"),
        ("?since=yesterday", "400 invalid_query"),
        ("?limit=0", "400 invalid_query"),
        ("?workspace=ws_01kafrvsb0f5mt553qe7yb3ybn", "404 workspace_not_found"),
        ("?who=me", "400 invalid_query"),
    ] {
        assert_eq!(export(&world, User::Admin, query).await.outcome(), expected, "{query}");
    }
    assert_eq!(export(&world, User::Editor, "").await.outcome(), "403 forbidden");
    assert_eq!(export(&world, User::Anonymous, "").await.outcome(), "401 key_missing");
    let foreign = lines(&export(&world, User::Foreign, "").await);
    assert!(!foreign.is_empty() && foreign.iter().all(|entry| entry.workspace_id != Some(world.id())));
    let named = format!("?workspace={}", world.id());
    assert_eq!(export(&world, User::Foreign, &named).await.outcome(), "404 workspace_not_found");
}
