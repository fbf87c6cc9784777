//! Links that need no key: what they give, to whom, and when they end.

use std::time::Duration;

use longshore_core::wire::{CreateKey, Link, Node, Role};
use serde_json::json;

use crate::world::{Answer, User, World};

async fn link(world: &World, user: User, node: &Node, wanted: serde_json::Value) -> Answer {
    world.call(user, &format!("POST /v1/files/{}/links", node.id), &[], wanted.to_string()).await
}

async fn made(world: &World, node: &Node, wanted: serde_json::Value) -> Link {
    let answer = link(world, User::Viewer, node, wanted).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.read()
}

async fn open(world: &World, url: &str) -> Answer {
    world.call(User::Anonymous, &format!("GET {url}"), &[], "").await
}

#[tokio::test]
async fn a_link_gives_its_version_to_anyone() {
    let world = World::new().await;
    let node = world.put("%E7%AC%AC%20a.csv", "0123456789").await;
    let link = made(&world, &node, json!({})).await;
    assert_eq!(link.version_id, node.version_id.unwrap());
    assert!(
        link.url.starts_with("/v1/links/lsl_") && link.url.ends_with("/%E7%AC%AC%20a.csv"),
        "{}",
        link.url
    );
    let answer = open(&world, &link.url).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"0123456789"[..]));
    assert_eq!(answer.header("content-digest"), node.digest.unwrap().to_content_digest());
    assert!(answer.header("content-disposition").starts_with("attachment; "));
    assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    // The name after the token is for people.
    let bare = link.url.rsplit_once('/').unwrap().0;
    assert_eq!(open(&world, bare).await.body, answer.body);
    assert_eq!(open(&world, &format!("{bare}/other")).await.body, answer.body);
    let part = world.call(User::Anonymous, &format!("GET {bare}"), &[("range", "bytes=2-3")], "").await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &b"23"[..]));
    let head = world.call(User::Anonymous, &format!("HEAD {bare}"), &[], "").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "10"));
    // It stays with its version, which another one can be named for.
    let newer = world.put("%E7%AC%AC%20a.csv", "newer").await;
    assert_eq!(open(&world, bare).await.body, "0123456789");
    assert_eq!(open(&world, &made(&world, &newer, json!({})).await.url).await.body, "newer");
    let older = made(&world, &newer, json!({"version": node.version_id, "disposition": "inline"})).await;
    let older = open(&world, &older.url).await;
    assert_eq!(older.body, "0123456789");
    assert!(older.header("content-disposition").starts_with("inline; "));
    assert_eq!(older.header("content-security-policy"), "default-src 'none'; sandbox");
}

#[tokio::test]
async fn a_link_outlives_a_restart_and_no_more_than_its_time() {
    let mut world = World::new().await;
    let node = world.put("a.txt", "x").await;
    let link = made(&world, &node, json!({"expires_in": 60})).await;
    world.restart().await;
    assert_eq!(open(&world, &link.url).await.status, 200);
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(open(&world, &link.url).await.status, 200);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(open(&world, &link.url).await.outcome(), "410 link_expired");
}

#[tokio::test]
async fn a_link_ends_with_what_it_leads_to() {
    let world = World::new().await;
    let node = world.put("a.txt", "x").await;
    let current = made(&world, &node, json!({})).await;
    let newer = world.put("a.txt", "y").await;
    let url = format!("/v1/files/{}", node.id);
    let version = format!("DELETE {url}/versions/{}", node.version_id.unwrap());
    let newest = made(&world, &newer, json!({})).await;
    assert!(world.call(User::Admin, &version, &[], "").await.status.is_success());
    assert_eq!(open(&world, &current.url).await.outcome(), "404 link_not_found");
    assert_eq!(open(&world, &newest.url).await.status, 200);
    world.edit(&format!("DELETE {url}"), "").await;
    assert_eq!(open(&world, &newest.url).await.outcome(), "404 link_not_found");
    world.edit(&format!("POST {url}/restore"), "{}").await;
    assert_eq!(open(&world, &newest.url).await.status, 200);
}

#[tokio::test]
async fn a_link_ends_with_its_key() {
    let world = World::new().await;
    let node = world.put("a.txt", "x").await;
    let wanted = CreateKey { workspace_id: Some(world.id()), ..CreateKey::new("short", Role::Viewer) };
    let key = world.engine.create_key(&world.owner, wanted, None).await.unwrap();
    let maker = world.engine.authenticate(&key.secret).await.unwrap();
    let premises = longshore_engine::Premises::default();
    let made = world.engine.create_link(&maker, node.id, Default::default(), premises).await.unwrap();
    let url = format!("/v1/links/{}", made.token.reveal());
    assert_eq!(open(&world, &url).await.status, 200);
    world.engine.revoke_key(&world.owner, key.key.id, None).await.unwrap();
    assert_eq!(open(&world, &url).await.outcome(), "410 link_expired");
}

#[tokio::test]
async fn what_is_no_link_opens_nothing_and_is_not_repeated() {
    let (world, other) = (World::new().await, World::new().await);
    let (node, foreign) = (world.put("a.txt", "x").await, other.put("a.txt", "x").await);
    let foreign = made(&other, &foreign, json!({})).await.url;
    let url = made(&world, &node, json!({})).await.url;
    let token = url.split('/').nth(3).unwrap();
    let mut changed = token.to_owned();
    changed.replace_range(20..21, if &changed[20..21] == "A" { "B" } else { "A" });
    let escaped = format!("/v1/links/{token}%00/a");
    for url in [&format!("/v1/links/{changed}/a.txt"), "/v1/links/x", "/v1/links/lsl_", &escaped, &foreign] {
        let answer = open(&world, url).await;
        assert_eq!(answer.outcome(), "404 link_not_found", "{url}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("lsl_"), "{answer:?}");
    }
    for (url, outcome) in [
        (format!("/v1/links/{token}/a/b"), "404 route_not_found"),
        (format!("/v1/links/{token}?a=1"), "400 invalid_query"),
    ] {
        let answer = open(&world, &url).await;
        assert_eq!(answer.outcome(), outcome);
        assert!(!String::from_utf8_lossy(&answer.body).contains(token), "{answer:?}");
    }
}

#[tokio::test]
async fn who_may_make_a_link_and_of_what() {
    let world = World::new().await;
    let node = world.put("d/a.txt", "x").await;
    let folder: Node = world.get(&world.at("d")).await.read();
    for (user, node, wanted, outcome) in [
        (User::Anonymous, &node, json!({}), "401 key_missing"),
        (User::Foreign, &node, json!({}), "404 node_not_found"),
        (User::Viewer, &node, json!({"expires_in": 0}), "400 invalid_body"),
        (User::Viewer, &node, json!({"expires_in": 604_801}), "400 invalid_body"),
        (User::Viewer, &node, json!({"expires_in": 604_800}), "201"),
        (User::Viewer, &node, json!({"ttl": 1}), "400 invalid_body"),
        (User::Viewer, &node, json!({"version": "ver_00000000000000000000000000"}), "404 version_not_found"),
        (User::Viewer, &folder, json!({}), "409 not_a_file"),
    ] {
        assert_eq!(link(&world, user, node, wanted.clone()).await.outcome(), outcome, "{user:?} {wanted}");
    }
    let post = format!("POST /v1/files/{}/links", node.id);
    let again = async || world.call(User::Viewer, &post, &[("idempotency-key", "one")], "{}").await;
    let (first, second) = (again().await, again().await);
    assert_eq!((first.status.as_u16(), &first.body), (201, &second.body));
    assert_eq!(second.header("idempotency-replayed"), "true");
}
