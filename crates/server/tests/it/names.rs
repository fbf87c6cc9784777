//! Names and URLs that break a rule.

use crate::world::{User, World};

#[tokio::test]
async fn a_path_that_breaks_a_rule_is_refused_on_every_verb() {
    let world = World::new().await;
    for (path, outcome) in [
        ("a%2fb", "400 invalid_name"),
        ("a%2Fb", "400 invalid_name"),
        ("..", "400 invalid_name"),
        ("%2e%2e/secret", "400 invalid_name"),
        ("a/%2E/b", "400 invalid_name"),
        ("a//b", "400 invalid_name"),
        ("/a", "400 invalid_name"),
        ("a//", "400 invalid_name"),
        ("/", "400 invalid_name"),
        ("a%00b", "400 invalid_name"),
        ("a%0ab", "400 invalid_name"),
        ("%ff", "400 invalid_name"),
        ("%zz", "400 invalid_path"),
        ("a/b%2", "400 invalid_path"),
        ("e%CC%81", "400 invalid_name"),
        (&"x".repeat(256), "400 invalid_name"),
        (&"abc/".repeat(1_100), "400 invalid_path"),
    ] {
        let url = world.at(path);
        let tree = url.replace("/files/", "/tree/");
        for what in [format!("PUT {url}"), format!("GET {url}"), format!("GET {tree}")] {
            assert_eq!(world.edit(&what, "x").await.outcome(), outcome, "{what}");
        }
    }
    assert!(world.paths().await.is_empty());
}

#[tokio::test]
async fn a_segment_is_decoded_once() {
    let world = World::new().await;
    let node = world.put("a%252fb+c%2B%20d%3f", "x").await;
    assert_eq!(node.path.to_string(), "/a%2fb+c+ d?");
    // One `/` at the end says nothing more.
    assert_eq!(world.get(&world.at("a%252fb+c%2B%20d%3f/")).await.node().id, node.id);
    // A `%` of a name is always encoded, so that a name has one meaning in a URL.
    assert_eq!(world.put("%25zz", "x").await.name, "%zz");
    assert_eq!(world.get(&world.at("%zz")).await.outcome(), "400 invalid_path");
}

#[tokio::test]
async fn names_in_queries_and_bodies_have_the_same_rules() {
    let world = World::new().await;
    for (what, body, outcome) in [
        ("POST /v1/files/root/files?name=a%2Fb", "x", "400 invalid_name"),
        ("POST /v1/files/root/files?name=", "x", "400 invalid_name"),
        ("POST /v1/files/root/files?name=%ff", "x", "400 invalid_query"),
        ("POST /v1/files/root/files?name=%zz", "x", "400 invalid_query"),
        ("POST /v1/files/root/files?name=a%", "x", "400 invalid_query"),
        ("POST /v1/files/root/files", "x", "400 invalid_query"),
        ("POST /v1/files/root/children", r#"{"kind":"folder","name":".."}"#, "400 invalid_body"),
        ("POST /v1/files/root/children", r#"{"kind":"file","name":"a"}"#, "400 invalid_body"),
        ("POST /v1/files/root/children", "{\"kind\":\"folder\",\"name\":\"\u{7}\"}", "400 invalid_body"),
    ] {
        assert_eq!(world.edit(what, body).await.outcome(), outcome, "{what} {body}");
    }
    assert!(world.paths().await.is_empty());
}

#[tokio::test]
async fn an_id_is_of_its_kind() {
    let world = World::new().await;
    let node = world.put("a", "a").await.id;
    for url in [
        "/v1/files/nonsense".to_owned(),
        format!("/v1/files/{}", world.id()),
        format!("/v1/files/{node}%20"),
        format!("/v1/files/{node}/versions/{node}"),
        format!("/v1/workspaces/{node}"),
        "/v1/files/%ff/content".to_owned(),
    ] {
        assert_eq!(world.get(&url).await.outcome(), "400 invalid_id", "{url}");
    }
    let unknown = node.to_string().replace("nd_01", "nd_02");
    assert_eq!(world.get(&format!("/v1/files/{unknown}")).await.outcome(), "404 node_not_found");
    let revoke = world.call(User::Admin, "DELETE /v1/keys/key_x", &[], "").await;
    assert_eq!(revoke.outcome(), "400 invalid_id");
}
