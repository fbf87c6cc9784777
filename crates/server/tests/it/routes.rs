//! Every route, when all goes well.

use std::time::Duration;

use longshore_core::wire::{Event, Key, Me, NewKey, Node, NodeKind, Page, Status, Version, Workspace};

use crate::world::{User, World};

#[tokio::test]
async fn the_server_tells_of_itself() {
    let world = World::new().await;
    for (url, text) in [
        ("/healthz", "ok"),
        ("/readyz", "\"ready\":true"),
        ("/metrics", "longshore_http_requests_total"),
        ("/openapi.json", "\"openapi\":\"3.1"),
    ] {
        // What is counted shows from the second request on.
        world.call(User::Anonymous, &format!("GET {url}"), &[], "").await;
        let answer = world.call(User::Anonymous, &format!("GET {url}"), &[], "").await;
        assert_eq!(answer.status, 200, "{url}");
        assert!(str::from_utf8(&answer.body).unwrap().contains(text), "{url}: {answer:?}");
    }
    let status: Status = world.get("/v1/status").await.read();
    assert_eq!((status.database.as_str(), status.store.as_str()), ("sqlite", "memory"));
    let me: Me = world.get("/v1/me").await.read();
    assert_eq!(me.key.unwrap().name, "Viewer");
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let world = World::new().await;
    world.clock.advance(Duration::from_millis(1));
    let body = r#"{"name":"robot","role":"editor","agent":"robot"}"#;
    let answer = world.call(User::Admin, "POST /v1/keys", &[], body).await;
    assert_eq!(answer.status, 201);
    let new: NewKey = answer.read();
    assert!(new.secret.starts_with("lsk_"));
    let page: Page<Key> = world.call(User::Admin, "GET /v1/keys?limit=2", &[], "").await.read();
    assert_eq!(page.items.len(), 2);
    let next = format!("GET /v1/keys?limit=1000&cursor={}", page.next_cursor.unwrap());
    let rest: Page<Key> = world.call(User::Admin, &next, &[], "").await.read();
    assert!(rest.items.iter().any(|key| key.id == new.key.id));
    let revoke = format!("DELETE /v1/keys/{}", new.key.id);
    let answer = world.call(User::Admin, &revoke, &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
}

#[tokio::test]
async fn workspaces_are_made_found_and_renamed() {
    let world = World::new().await;
    let answer = world.call(User::Admin, "POST /v1/workspaces", &[], r#"{"name":"third"}"#).await;
    assert_eq!(answer.status, 201);
    let third: Workspace = answer.read();
    let page: Page<Workspace> = world.get("/v1/workspaces").await.read();
    assert_eq!(page.items.len(), 3);
    // A key of one workspace has that one; of several none is guessed, nor their roots.
    let own: Workspace = world.call(User::Foreign, "GET /v1/workspaces/current", &[], "").await.read();
    assert_eq!(own.name, "other");
    for ambiguous in ["/v1/workspaces/current", "/v1/files/root"] {
        assert_eq!(world.get(ambiguous).await.outcome(), "404 workspace_not_found", "{ambiguous}");
    }
    let url = format!("/v1/workspaces/{}", third.id);
    let answer = world.call(User::Admin, &format!("PATCH {url}"), &[], r#"{"name":"3rd"}"#).await;
    assert_eq!(answer.read::<Workspace>().name, "3rd");
    assert_eq!(world.get(&url).await.read::<Workspace>().name, "3rd");
}

#[tokio::test]
async fn a_file_is_written_and_read_by_path_and_by_id() {
    let world = World::new().await;
    let url = world.at("reports/q%201.csv");
    let answer = world.edit(&format!("PUT {url}"), "a,b\n").await;
    assert_eq!(answer.status, 201);
    let node = answer.node();
    assert_eq!(node.path.to_string(), "/reports/q 1.csv");
    assert_eq!(answer.header("etag"), format!("\"{}\"", node.version_id.unwrap()));
    assert_eq!(world.edit(&format!("PUT {url}"), "a,b,c\n").await.status, 200);
    assert_eq!(world.get(&url).await.node().size, 6);
    assert_eq!(world.get(&format!("{url}?content=1")).await.body, "a,b,c\n");
    let by_id = format!("/v1/files/{}", node.id);
    assert_eq!(world.get(&by_id).await.node().id, node.id);
    assert_eq!(world.get(&format!("{by_id}/content")).await.body, "a,b,c\n");
    let answer = world.edit(&format!("PUT {by_id}/content"), "new").await;
    assert_eq!((answer.status.as_u16(), answer.node().size), (200, 3));
    let head = world.call(User::Viewer, &format!("HEAD {by_id}/content"), &[], "").await;
    assert_eq!((head.header("content-length"), head.body.len()), ("3", 0));
}

#[tokio::test]
async fn root_stands_for_the_root_folder() {
    let world = World::new().await;
    let answer =
        world.edit(&format!("POST /v1/files/root/files?name=a.txt&workspace={}", world.id()), "a").await;
    assert_eq!((answer.status.as_u16(), answer.node().path.to_string()), (201, "/a.txt".to_owned()));
    let body = r#"{"kind":"folder","name":"box"}"#;
    let url = format!("POST /v1/files/root/children?workspace={}", world.id());
    let folder = world.edit(&url, body).await;
    assert_eq!((folder.status.as_u16(), folder.node().kind), (201, NodeKind::Folder));
    assert!(world.get(&format!("/v1/files/root?workspace={}", world.id())).await.node().path.is_root());
    assert!(world.get(&world.at("")).await.node().path.is_root());
    let own: Node = world.call(User::Foreign, "GET /v1/files/root", &[], "").await.read();
    assert_ne!(own.workspace_id, world.id());
    let file = format!("PATCH /v1/files/{}", answer.node().id);
    let inner = format!(r#"{{"parent_id":"{}"}}"#, folder.node().id);
    assert_eq!(world.edit(&file, inner).await.node().path.to_string(), "/box/a.txt");
    let up = world.edit(&file, r#"{"parent_id":"root"}"#).await;
    assert_eq!(up.node().path.to_string(), "/a.txt");
    let mixed = format!("/v1/files/{}?workspace={}", own.id, world.id());
    assert_eq!(world.get(&mixed).await.outcome(), "400 invalid_query");
}

#[tokio::test]
async fn folders_are_made_and_listed() {
    let world = World::new().await;
    let url = format!("POST /v1/workspaces/{}/folders", world.id());
    assert_eq!(world.edit(&url, r#"{"path":"/a/b"}"#).await.status, 201);
    assert_eq!(world.edit(&url, r#"{"path":"/a/b"}"#).await.status, 200);
    world.put("a/b/c.txt", "c").await;
    assert_eq!(world.paths().await, ["/a", "/a/b", "/a/b/c.txt"]);
    let tree = format!("/v1/workspaces/{}/tree", world.id());
    let page: Page<Node> = world.get(&tree).await.read();
    assert_eq!(page.items.len(), 1);
    let page: Page<Node> = world.get(&format!("{tree}/a/b/?depth=2&limit=1")).await.read();
    assert_eq!(page.items[0].path.to_string(), "/a/b/c.txt");
    assert_eq!(world.get(&format!("{tree}/")).await.status, 200);
}

#[tokio::test]
async fn nodes_are_renamed_copied_trashed_and_restored() {
    let world = World::new().await;
    let node = world.put("a.txt", "a").await;
    let url = format!("/v1/files/{}", node.id);
    let body = r#"{"name":"b.txt","metadata":{"owner":"me"}}"#;
    assert_eq!(world.edit(&format!("PATCH {url}"), body).await.node().name, "b.txt");
    let copy = world.edit(&format!("POST {url}/copy"), r#"{"name":"c.txt"}"#).await;
    assert_eq!((copy.status.as_u16(), copy.node().name.as_str()), (201, "c.txt"));
    let trashed = world.edit(&format!("DELETE {url}"), "").await;
    assert_eq!(trashed.status, 200);
    assert!(trashed.node().trashed_at.is_some());
    let trash: Page<Node> = world.get(&format!("/v1/workspaces/{}/trash", world.id())).await.read();
    assert_eq!(trash.items[0].path.to_string(), "/b.txt");
    let restored = world.edit(&format!("POST {url}/restore"), "{}").await;
    assert_eq!((restored.status.as_u16(), restored.node().trashed_at), (200, None));
}

#[tokio::test]
async fn versions_are_listed_read_and_restored() {
    let world = World::new().await;
    let old = world.put("a.txt", "old").await;
    world.put("a.txt", "new").await;
    let url = format!("/v1/files/{}/versions", old.id);
    let page: Page<Version> = world.get(&format!("{url}?limit=1")).await.read();
    assert_eq!(page.items[0].number, 2);
    let rest = format!("{url}?cursor={}", page.next_cursor.unwrap());
    assert_eq!(world.get(&rest).await.read::<Page<Version>>().items.len(), 1);
    let old = format!("{url}/{}", old.version_id.unwrap());
    assert_eq!(world.get(&old).await.read::<Version>().number, 1);
    assert_eq!(world.get(&format!("{old}/content")).await.body, "old");
    assert_eq!(world.edit(&format!("POST {old}/restore"), "").await.status, 200);
    assert_eq!(world.get(&format!("{}?content=1", world.at("a.txt"))).await.body, "old");
}

#[tokio::test]
async fn events_follow_with_the_request_that_made_them() {
    let world = World::new().await;
    let put = format!("PUT {}", world.at("a.txt"));
    world.call(User::Editor, &put, &[("x-request-id", "mine-1")], "a").await;
    let url = format!("/v1/workspaces/{}/events", world.id());
    let page: Page<Event> = world.get(&format!("{url}?after=1&limit=10")).await.read();
    let event = page.items.last().unwrap();
    assert_eq!((event.r#type.as_str(), event.request_id.as_deref()), ("file.created", Some("mine-1")));
}
