//! Scripts of pages from other origins: what they may send, and what they may read.

use std::collections::BTreeSet;

use longshore_server::config::Origin;

use crate::world::{Answer, User, World};

const PAGE: &str = "https://app.example.org";

async fn world(origins: &[&str]) -> World {
    let mut world = World::new().await;
    let origins: Vec<Origin> = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    world.router = longshore_server::allow_origins(world.router, &origins);
    world
}

/// The headers that a browser reads, none of which is there by default.
const OURS: &[&str] = &[
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-max-age",
    "vary",
];

fn says_nothing(answer: &Answer) {
    for name in OURS {
        assert_eq!(answer.header(name), "", "{name}: {answer:?}");
    }
}

fn preflight(method: &'static str) -> [(&'static str, &'static str); 3] {
    let headers = "authorization,content-type,tus-resumable,upload-length,upload-metadata,x-requested-with";
    [("origin", PAGE), ("access-control-request-method", method), ("access-control-request-headers", headers)]
}

#[tokio::test]
async fn without_allowed_origins_nothing_is_said_of_them() {
    let world = world(&[]).await;
    let node = world.put("a.txt", "abc").await;
    let read = format!("GET /v1/files/{}/content", node.id);
    says_nothing(&world.call(User::Viewer, &read, &[("origin", PAGE)], "").await);
    let asked = world.call(User::Anonymous, "OPTIONS /v1/uploads", &preflight("POST"), "").await;
    assert_eq!((asked.status.as_u16(), asked.header("tus-version")), (204, "1.0.0"));
    says_nothing(&asked);
    let asked = world.call(User::Anonymous, "OPTIONS /v1/me", &preflight("GET"), "").await;
    assert_eq!(asked.outcome(), "405 method_not_allowed");
    says_nothing(&asked);
}

#[tokio::test]
async fn a_browser_is_told_what_a_page_may_do() {
    let world = world(&["http://localhost:5173", PAGE]).await;
    for (url, method) in [
        ("/v1/uploads", "POST"),
        ("/v1/uploads/up_x", "PATCH"),
        ("/v1/workspaces/ws_x/files/a/b.csv", "PUT"),
        ("/v1/files/nd_x", "DELETE"),
    ] {
        let what = format!("OPTIONS {url}");
        let answer = world.call(User::Anonymous, &what, &preflight(method), "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0), "{url}");
        assert_eq!(answer.header("access-control-allow-origin"), PAGE);
        assert!(answer.header("access-control-allow-methods").split(", ").any(|name| name == method));
        assert_eq!(answer.header("access-control-allow-headers"), preflight(method)[2].1);
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        assert_eq!(answer.header("access-control-max-age"), "7200");
        assert_eq!(answer.header("vary"), "Origin");
        assert_eq!(answer.header("tus-version"), "", "the browser asks, and no client of tus");
    }
    // Another page is told nothing, and neither is who names two origins.
    let others: [&[(&str, &str)]; 4] = [
        &[("origin", "https://app.example.org.evil.example"), ("access-control-request-method", "GET")],
        &[("origin", "null"), ("access-control-request-method", "GET")],
        &[("origin", PAGE), ("origin", "https://evil.example"), ("access-control-request-method", "GET")],
        &[("access-control-request-method", "GET")],
    ];
    for headers in others {
        let answer = world.call(User::Anonymous, "OPTIONS /v1/me", headers, "").await;
        assert_eq!(answer.outcome(), "405 method_not_allowed", "{headers:?}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{headers:?}");
        assert_eq!(answer.header("vary"), "Origin");
    }
}

#[tokio::test]
async fn a_page_reads_answers_and_refusals() {
    let world = world(&[PAGE]).await;
    let node = world.put("a.txt", "abcdef").await;
    let content = format!("/v1/files/{}/content", node.id);
    for (user, what, headers, outcome) in [
        (User::Viewer, format!("GET {content}"), vec![("range", "bytes=0-1")], "206"),
        (User::Anonymous, format!("GET {content}"), vec![], "401 key_missing"),
        (User::Viewer, "GET /v1/nowhere".to_owned(), vec![], "404 route_not_found"),
        (User::Viewer, format!("GET {content}"), vec![("x", "y"); 4_000], "431 header_too_large"),
    ] {
        let headers: Vec<_> = headers.into_iter().chain([("origin", PAGE)]).collect();
        let answer = world.call(user, &what, &headers, "").await;
        assert_eq!(answer.outcome(), outcome);
        assert_eq!(answer.header("access-control-allow-origin"), PAGE, "{what}");
        assert_eq!(answer.headers.get_all("vary").iter().filter(|value| *value == "Origin").count(), 1);
        assert!(answer.header("access-control-expose-headers").contains("Content-Range"));
    }
    // A page that is not allowed is answered, and its browser keeps the answer from it.
    let other = world.call(User::Viewer, &format!("GET {content}"), &[("origin", "https://b")], "").await;
    assert_eq!((other.status.as_u16(), other.header("access-control-allow-origin")), (200, ""));
    assert_eq!(other.header("vary"), "Origin");
    // What watches over the server is nobody else's.
    for url in ["/metrics", "/healthz", "/readyz"] {
        says_nothing(&world.call(User::Anonymous, &format!("GET {url}"), &[("origin", PAGE)], "").await);
    }
}

#[tokio::test]
async fn tus_is_spoken_from_another_origin_and_says_what_it_can() {
    let world = world(&["*"]).await;
    let page = ("origin", "https://anywhere.example");
    let can = world.call(User::Anonymous, "OPTIONS /v1/uploads", &[page], "").await;
    assert_eq!((can.status.as_u16(), can.header("tus-version")), (204, "1.0.0"));
    assert_eq!(can.header("access-control-allow-origin"), "*");
    assert_eq!(can.header("vary"), "");
    let workspace = base64(&world.id().to_string());
    let metadata = format!("filename YS50eHQ=,workspace {workspace}");
    let begun = [page, ("tus-resumable", "1.0.0"), ("upload-length", "3"), ("upload-metadata", &metadata)];
    let begun = world.call(User::Editor, "POST /v1/uploads", &begun, "").await;
    assert_eq!((begun.status.as_u16(), begun.header("access-control-allow-origin")), (201, "*"));
    let exposed: BTreeSet<String> = exposed(&begun);
    let url = begun.header("location");
    let bytes = ("content-type", "application/offset+octet-stream");
    let last = [page, ("tus-resumable", "1.0.0"), ("upload-offset", "0"), bytes];
    let last = world.call(User::Editor, &format!("PATCH {url}"), &last, "abc").await;
    assert_eq!(last.status, 204);
    let seen =
        world.call(User::Editor, &format!("HEAD {url}"), &[page, ("tus-resumable", "1.0.0")], "").await;
    for answer in [&can, &begun, &last, &seen] {
        for name in answer.headers.keys() {
            let name = name.as_str();
            let is_always_read = ["cache-control", "content-length", "content-type", "allow"].contains(&name);
            let is_for_browsers = name.starts_with("access-control-");
            assert!(is_always_read || is_for_browsers || exposed.contains(name), "{name} cannot be read");
        }
    }
}

fn exposed(answer: &Answer) -> BTreeSet<String> {
    answer.header("access-control-expose-headers").split(", ").map(str::to_ascii_lowercase).collect()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn every_header_that_the_document_names_can_be_read() {
    let world = world(&["*"]).await;
    let answer = world.get("/v1/me").await;
    let exposed = exposed(&answer);
    let document = serde_json::to_value(longshore_server::openapi()).unwrap();
    let mut named = BTreeSet::new();
    for path in document["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values() {
            let responses = operation["responses"].as_object().into_iter().flatten();
            for headers in responses.filter_map(|(_, response)| response["headers"].as_object()) {
                named.extend(headers.keys().map(|name| name.to_ascii_lowercase()));
            }
        }
    }
    assert!(named.contains("upload-offset"), "{named:?}");
    // Which no browser shows to any script.
    assert!(named.remove("set-cookie"), "{named:?}");
    let missing: Vec<_> = named.difference(&exposed).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
