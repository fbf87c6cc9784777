//! Undo, as callers see it.

use longshore_core::wire::{Event, Page, Undone};

use crate::world::{User, World};

#[tokio::test]
async fn an_act_is_undone_and_a_conflict_is_named() {
    let world = World::new().await;
    let url = format!("POST /v1/workspaces/{}/undo", world.id());
    let events = format!("/v1/workspaces/{}/events", world.id());
    world.put("a/file", "one").await;
    let file = world.put("a/file", "two").await;
    let page: Page<Event> = world.get(&events).await.read();
    let last = page.items.last().unwrap().clone();

    let preview =
        world.call(User::Viewer, &url, &[], format!(r#"{{"act":{},"preview":true}}"#, last.act)).await;
    assert_eq!(preview.json()["changes"][0]["steps"][0], "content");
    let body = format!(r#"{{"act":{}}}"#, last.act);
    assert_eq!(world.call(User::Viewer, &url, &[], body.clone()).await.outcome(), "403 forbidden");
    assert_eq!(world.call(User::Foreign, &url, &[], body.clone()).await.outcome(), "404 workspace_not_found");
    let undone: Undone = world.edit(&url, body.clone()).await.read();
    assert_eq!(undone.act, Some(last.seq + 1));
    assert_eq!(world.get(&format!("/v1/files/{}/content", file.id)).await.body, "one");

    // What was shown is what is undone, and nothing that came after it.
    let since = format!(r#""actor":"me","since_seq":{}"#, last.seq);
    let shown = world.edit(&url, format!(r#"{{{since},"preview":true}}"#)).await.json();
    assert_eq!((&shown["last_seq"], &shown["acts"]), (&(last.seq + 1).into(), &vec![last.seq + 1].into()));
    let until = |seq: u64| format!(r#"{{{since},"until_seq":{seq}}}"#);
    assert_eq!(world.edit(&url, until(last.seq)).await.outcome(), "409 not_undoable");
    assert_eq!(world.edit(&url, r#"{"act":1,"until_seq":9}"#).await.outcome(), "400 invalid_body");

    let mine = r#"{"actor":"me","since_seq":0}"#;
    let put = format!("PUT {}", world.at("a/file"));
    assert_eq!(world.call(User::Admin, &put, &[], "three").await.status, 200);
    let refused = world.edit(&url, mine).await;
    assert_eq!(refused.outcome(), "409 undo_conflict");
    let conflict = refused.json()["conflicts"][0].clone();
    assert_eq!(conflict["node_id"], file.id.to_string());
    assert_eq!((&conflict["path"], &conflict["reason"]), (&"/a/file".into(), &"changed".into()));
    assert_eq!(
        (&conflict["seq"], &conflict["actor"]),
        (&(last.seq + 2).into(), &world.owner.principal.to_string().into())
    );

    for (bad, outcome) in [
        ("{}", "400 invalid_body"),
        (r#"{"act":1,"actor":"me"}"#, "400 invalid_body"),
        (r#"{"actor":"you","since_seq":1}"#, "400 invalid_body"),
        (r#"{"actor":"me"}"#, "400 invalid_body"),
        (r#"{"act":-1}"#, "400 invalid_body"),
        (r#"{"act":999}"#, "404 act_not_found"),
        (r#"{"act":1}"#, "403 forbidden"),
    ] {
        assert_eq!(world.edit(&url, bad).await.outcome(), outcome, "{bad}");
    }
    assert_eq!(world.call(User::Admin, &url, &[], r#"{"act":1}"#).await.outcome(), "409 not_undoable");
    let page: Page<Event> = world.get(&events).await.read();
    assert_eq!(page.items.len() as u64, last.seq + 2, "what is refused leaves no trace");
}
