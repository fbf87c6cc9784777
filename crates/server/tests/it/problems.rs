//! What is refused, and how it is told.

use axum::body::{Body, Bytes};
use futures_util::stream;

use crate::world::{User, World};

#[tokio::test]
async fn a_problem_says_what_it_is_and_whose() {
    let world = World::new().await;
    let url = "GET /v1/files/nd_01k9x3m7q2e8rj5v4n6t0p1s2d";
    let answer = world.call(User::Viewer, url, &[("x-request-id", "my.request_1-2")], "").await;
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(
        str::from_utf8(&answer.body).unwrap(),
        "{\"type\":\"urn:longshore:error:node_not_found\",\"title\":\"no such folder or file\",\
         \"status\":404,\"detail\":\"no folder or file nd_01k9x3m7q2e8rj5v4n6t0p1s2d\",\
         \"code\":\"node_not_found\",\"request_id\":\"my.request_1-2\"}"
    );
}

#[tokio::test]
async fn a_request_id_is_kept_if_it_is_one() {
    let world = World::new().await;
    let ask = async |id: &str| {
        let answer = world.call(User::Anonymous, "GET /healthz", &[("x-request-id", id)], "").await;
        answer.header("x-request-id").to_owned()
    };
    let longest = "a".repeat(64);
    assert_eq!(ask(&longest).await, longest);
    let made = ask("").await;
    assert!(made.starts_with("req-"), "{made}");
    for bad in ["", "a b", "a/b", "\u{e9}", &"a".repeat(65)] {
        let other = ask(bad).await;
        assert!(other.starts_with("req-") && other != made, "{bad:?}: {other}");
    }
}

#[tokio::test]
async fn the_routers_own_refusals_are_problems_too() {
    let world = World::new().await;
    for what in ["GET /", "GET /v1", "GET /v1/nothing", "POST /v2/files", "GET /v1/me/", "GET //v1/me"] {
        assert_eq!(world.edit(what, "").await.outcome(), "404 route_not_found", "{what}");
    }
    for (what, allowed) in [
        ("PATCH /v1/keys", ["GET", "POST"]),
        ("POST /v1/files/root/content", ["GET", "PUT"]),
        ("BREW /v1/me", ["GET", "HEAD"]),
    ] {
        let answer = world.edit(what, "").await;
        assert_eq!(answer.outcome(), "405 method_not_allowed", "{what}");
        let allow = answer.header("allow");
        assert!(allowed.iter().all(|method| allow.contains(method)), "{what}: {allow}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_refused() {
    let world = World::new().await;
    let ws = format!("/v1/workspaces/{}", world.id());
    for (what, body, outcome) in [
        (format!("GET {ws}/tree?dept=all"), "", "400 invalid_query"),
        (format!("GET {ws}/tree?depth=0"), "", "400 invalid_query"),
        (format!("GET {ws}/tree?depth=deep"), "", "400 invalid_query"),
        (format!("GET {ws}/tree?limit=0"), "", "400 invalid_query"),
        (format!("GET {ws}/tree?limit=1001"), "", "400 invalid_query"),
        (format!("GET {ws}/tree?limit=1&limit=2"), "", "400 invalid_query"),
        (format!("GET {ws}/tree?cursor=x"), "", "400 invalid_cursor"),
        (format!("GET {ws}/events?after=-1"), "", "400 invalid_query"),
        (format!("GET {ws}?x=y"), "", "400 invalid_query"),
        ("GET /v1/me?key=mine".to_owned(), "", "400 invalid_query"),
        ("GET /v1/files/root?workspace=nonsense".to_owned(), "", "400 invalid_query"),
        (format!("PUT {ws}/files/a?content=1"), "x", "400 invalid_query"),
        (format!("GET {ws}/files/a?content=yes"), "", "400 invalid_query"),
        (format!("POST {ws}/folders"), r#"{"path":"/a","mode":7}"#, "400 invalid_body"),
        (format!("POST {ws}/folders"), r#"{"path":"a"}"#, "400 invalid_body"),
        (format!("POST {ws}/folders"), "", "400 invalid_body"),
        (format!("POST {ws}/folders"), "{", "400 invalid_body"),
        (format!("POST {ws}/folders"), "{\"path\":\"/\u{0}\"}", "400 invalid_body"),
    ] {
        assert_eq!(world.edit(&what, body).await.outcome(), outcome, "{what} {body}");
    }
    let large = format!("{{\"path\":\"/{}\"}}", "x".repeat(70_000));
    assert_eq!(world.edit(&format!("POST {ws}/folders"), large).await.outcome(), "413 body_too_large");
    let header = "x".repeat(17_000);
    let answer = world.call(User::Editor, "GET /v1/me", &[("x-large", &header)], "").await;
    assert_eq!(answer.outcome(), "431 header_too_large");
    assert!(world.paths().await.is_empty());
}

#[tokio::test]
async fn a_json_body_is_one_object_that_says_each_thing_once() {
    let world = World::new().await;
    let url = format!("/v1/files/{}", world.put("a.txt", "a").await.id);
    let workspace = format!("PATCH /v1/workspaces/{}", world.id());
    let folders = format!("POST /v1/workspaces/{}/folders", world.id());
    for (what, body, word) in [
        (format!("PATCH {url}"), "[]", "object"),
        (format!("PATCH {url}"), r#"["b.txt"]"#, "object"),
        (format!("PATCH {url}"), "null", "object"),
        (format!("PATCH {url}"), "{} {}", "trailing"),
        (format!("PATCH {url}"), r#"{"name":"b.txt","name":"c.txt"}"#, "`name` comes twice"),
        (format!("PATCH {url}"), r#"{"parent_id":"root","parent_id":"root"}"#, "`parent_id` comes twice"),
        (format!("PATCH {url}"), r#"{"metadata":{"k":"1","\u006b":"2"}}"#, "`k` comes twice"),
        (format!("POST {url}/copy"), "[]", "object"),
        (format!("POST {url}/notes"), r#"{"text":"a note","range":[1,2]}"#, "sequence, expected struct"),
        (workspace.clone(), r#"{"settings":[null,null]}"#, "sequence, expected struct"),
        (format!("POST {url}/copy"), r#"{"name":"b.txt","name":"c.txt"}"#, "`name` comes twice"),
        (format!("POST {url}/restore"), "[]", "object"),
        (folders.clone(), r#"["/made"]"#, "object"),
        (folders.clone(), r#"{"path":"/made","path":"/made"}"#, "`path` comes twice"),
        (folders.clone(), &"[".repeat(1_000), "recursion"),
    ] {
        let answer = world.edit(&what, body.to_owned()).await;
        assert_eq!(answer.outcome(), "400 invalid_body", "{what} {body}");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(word), "{what} {body}: {detail}");
    }
    assert_eq!(world.paths().await, ["/a.txt"]);
    let body = r#" {"name":"b.txt","metadata":{"name":"not this one"}} "#;
    assert_eq!(world.edit(&format!("PATCH {url}"), body).await.node().name, "b.txt");
}

#[tokio::test]
async fn a_body_that_stands_still_is_not_waited_for() {
    let world = World::new().await;
    let stuck = || Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let put = format!("PUT {}", world.at("a.txt"));
    assert_eq!(world.edit(&put, stuck()).await.outcome(), "408 request_timeout");
    let post = format!("POST /v1/workspaces/{}/folders", world.id());
    let answer = world.edit(&post, stuck()).await;
    assert_eq!(answer.outcome(), "408 request_timeout");
    assert_eq!(answer.header("connection"), "close");
}
