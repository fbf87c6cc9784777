//! All ways on which stored bytes leave, and what goes beside them so that no browser runs them.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use longshore_core::wire::Link;
use longshore_server::Entrance;
use serde_json::json;

use crate::document::operations;
use crate::shares;
use crate::world::{Answer, User, World};

/// One way out, by the operation that it belongs to.
struct Way {
    operation: &'static str,
    user: User,
    what: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn way(operation: &'static str, user: User, what: String) -> Way {
    Way { operation, user, what, headers: Vec::new(), body: String::new() }
}

impl Way {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn sending(mut self, body: serde_json::Value) -> Self {
        self.body = body.to_string();
        self
    }

    async fn go(&self, world: &World) -> Answer {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.call(self.user, &self.what, &headers, self.body.clone()).await
    }
}

/// The operations that give bytes, as the document of the API tells.
fn operations_with_bytes() -> BTreeSet<String> {
    let is_bytes = |(_, _, operation): &(String, String, serde_json::Value)| {
        let responses = operation["responses"].as_object().unwrap();
        let mut contents =
            responses.values().filter_map(|response| response["content"].as_object()).flatten();
        contents.any(|(_, content)| content["schema"]["format"] == "binary")
    };
    let operations = operations().into_iter().filter(is_bytes);
    operations.map(|(_, _, operation)| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_way_out_of_bytes_is_guarded() {
    // Enough to have a list of chunks.
    let world = World::with_files_up_to(2_000_000).await;
    let page = "<html><script>alert(1)</script></html>".repeat(30_000);
    let node = world.put("d/page.html", page.clone()).await;
    let (file, folder, version) = (node.id, node.parent_id.unwrap(), node.version_id.unwrap());
    let content = format!("/v1/files/{file}/content");
    let of_version = format!("/v1/files/{file}/versions/{version}");
    let made = format!("POST /v1/files/{file}/links");
    let link = world.call(User::Viewer, &made, &[], r#"{"disposition":"inline"}"#).await.read::<Link>().url;
    let (shared, grant) = shares::opened(&world, folder).await;
    let shared = format!("/v1/shares/{shared}");
    let visitor = |operation, what: String| way(operation, User::Anonymous, what).with("share-grant", &grant);
    let workspace = format!("/v1/workspaces/{}", world.id());
    let here = world.at("d/page.html") + "?content=1";
    let viewer = |operation, what: String| way(operation, User::Viewer, what);
    let ways = [
        viewer("get_content", format!("GET {content}")),
        viewer("get_content", format!("GET {content}")).with("range", "bytes=0-99"),
        viewer("get_content", format!("GET {content}")).with("range", "bytes=0-9,100-199"),
        viewer("get_content", format!("GET {content}?direct=1")),
        viewer("get_content_head", format!("HEAD {content}")),
        viewer("get_version_content", format!("GET {of_version}/content")),
        viewer("get_version_content", format!("GET {of_version}/content")).with("range", "bytes=-5"),
        viewer("get_version_content_head", format!("HEAD {of_version}/content")),
        viewer("get_node_at", format!("GET {here}")),
        viewer("get_node_at_head", format!("HEAD {here}")),
        viewer("list_chunks", format!("GET {of_version}/chunks")),
        viewer("get_archive", format!("GET /v1/files/{folder}/archive")),
        viewer("get_archive", format!("GET /v1/files/{file}/archive")),
        viewer("get_archive_head", format!("HEAD /v1/files/{folder}/archive")),
        viewer("create_archive", format!("POST {workspace}/archive")).sending(json!({"items": ["/d"]})),
        viewer("read_batch", format!("POST {workspace}/batch/read"))
            .sending(json!({"items": [{"path": "/d/page.html"}]})),
        way("export_workspace", User::Admin, format!("GET {workspace}/export")),
        way("open_link", User::Anonymous, format!("GET {link}")),
        way("open_link", User::Anonymous, format!("GET {link}")).with("range", "bytes=0-9,100-199"),
        way("open_link_head", User::Anonymous, format!("HEAD {link}")),
        visitor("get_shared_content", format!("GET {shared}/content?path=/page.html")),
        visitor("get_shared_content", format!("GET {shared}/content?path=/page.html"))
            .with("range", "bytes=0-9"),
        visitor("get_shared_content_head", format!("HEAD {shared}/content?path=/page.html")),
        visitor("get_shared_archive", format!("GET {shared}/archive")),
        visitor("get_shared_archive_head", format!("HEAD {shared}/archive?path=/page.html")),
    ];
    for way in &ways {
        let (what, answer) = (&way.what, way.go(&world).await);
        assert!(answer.status.is_success(), "{what}: {answer:?}");
        let sent = answer.header("content-type");
        assert!(!sent.contains("html"), "{what}: {sent}");
        if sent.starts_with("multipart/") {
            let body = String::from_utf8_lossy(&answer.body);
            assert!(body.contains("Content-Type: application/octet-stream\r\n"), "{what}: {body}");
            assert!(!body.contains("Content-Type: text/html"), "{what}: {body}");
        }
        assert!(answer.header("content-disposition").starts_with("attachment"), "{what}: {answer:?}");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox", "{what}");
        let shared = if what.contains("/links/") { "cross-origin" } else { "same-origin" };
        assert_eq!(answer.header("cross-origin-resource-policy"), shared, "{what}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
        assert!(answer.header("cache-control").starts_with("private, no-"), "{what}");
    }
    // A way that is new has to be walked here too.
    let walked: BTreeSet<String> = ways.iter().map(|way| way.operation.to_owned()).collect();
    let missing: Vec<_> = operations_with_bytes().difference(&walked).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(walked, operations_with_bytes());
    // What the caller has already is as private as it was.
    let tag = format!("\"{version}\"");
    for (user, url) in [(User::Viewer, &content), (User::Anonymous, &link)] {
        let same = world.call(user, &format!("GET {url}"), &[("if-none-match", &tag)], "").await;
        assert_eq!((same.status.as_u16(), same.header("cache-control")), (304, "private, no-cache"));
        assert_eq!(same.header("content-security-policy"), "", "what stands beside the bytes stays");
    }
}

#[tokio::test]
async fn what_is_shown_is_of_a_kind_that_runs_nothing() {
    let world = World::new().await;
    let large = |begin: &[u8]| [begin, &vec![0; 100_000]].concat();
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    let played = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox";
    for (name, content, shown, policy) in [
        ("a.png", large(png), "image/png", played),
        ("lies.html", large(png), "image/png", played),
        (
            "a.txt",
            b"gr\xc3\xbc\xc3\x9fe".to_vec(),
            "text/plain; charset=utf-8",
            "default-src 'none'; sandbox",
        ),
        ("a.mp3", large(b"ID3\x03"), "audio/mpeg", played),
    ] {
        let node = world.put(name, content.clone()).await;
        let made = format!("POST /v1/files/{}/links", node.id);
        let link = world.call(User::Viewer, &made, &[], r#"{"disposition":"inline"}"#).await.read::<Link>();
        let open = async |range: &str| {
            let headers = if range.is_empty() { vec![] } else { vec![("range", range)] };
            world.call(User::Anonymous, &format!("GET {}", link.url), &headers, "").await
        };
        let last = content.len() - 2;
        for (answer, part) in
            [(open("").await, &content[..]), (open(&format!("bytes={last}-")).await, &content[last..])]
        {
            assert_eq!(&answer.body[..], part, "{name}");
            assert_eq!(answer.header("content-type"), shown, "{name}");
            assert_eq!(answer.header("content-disposition"), format!("inline; filename=\"{name}\""));
            assert_eq!(answer.header("content-security-policy"), policy, "{name}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{name}");
        }
        // Nobody but who made the link says that it is shown.
        let saved = world.get(&format!("/v1/files/{}/content", node.id)).await;
        assert!(saved.header("content-disposition").starts_with("attachment; "), "{name}");
    }
}

async fn at(world: &World, host: &str, user: User, what: &str) -> Answer {
    let (method, url) = what.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(url).header("host", host);
    if let Some(key) = world.key(user) {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn content_has_an_origin_of_its_own_where_one_is_configured() {
    let origin = "https://content.example.org";
    let entrance = Entrance { content_origin: Some(origin.parse().unwrap()), ..Entrance::default() };
    let world = World::new().await.behind(entrance);
    let node = world.put("a%20b.txt", "x").await;
    let made = world.call(User::Viewer, &format!("POST /v1/files/{}/links", node.id), &[], "{}").await;
    let link = made.read::<Link>().url;
    let path = link.strip_prefix(origin).unwrap();
    assert!(path.starts_with("/v1/links/lsl_") && path.ends_with("/a%20b.txt"), "{link}");
    let (here, there) = ("files.example.org", "content.example.org");
    for host in [there, "Content.Example.Org:443", "content.example.org."] {
        let answer = at(&world, host, User::Anonymous, &format!("GET {path}")).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"x"[..]), "{host}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
        // Nothing but links' content is there, whoever asks.
        for what in [
            "GET /v1/me",
            "GET /healthz",
            "GET /metrics",
            "GET /openapi.json",
            "GET /",
            "POST /v1/uploads",
            &format!("GET /v1/files/{}/content", node.id),
            &format!("POST /v1/files/{}/links", node.id),
            &format!("DELETE {path}"),
        ] {
            let answer = at(&world, host, User::Admin, what).await;
            assert_eq!(answer.outcome(), "404 route_not_found", "{host} {what}");
        }
    }
    // The service's own origin gives none of it, by whatever name it is called.
    for host in [here, "127.0.0.1:7420", "content.example.org.evil.example", "content.example.org:80"] {
        for method in ["GET", "HEAD"] {
            let answer = at(&world, host, User::Anonymous, &format!("{method} {path}?direct=1")).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (307, 0), "{host}");
            assert_eq!(answer.header("location"), format!("{link}?direct=1"));
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        assert_eq!(at(&world, host, User::Viewer, "GET /v1/me").await.status, 200);
        let content = at(&world, host, User::Viewer, &format!("GET /v1/files/{}/content", node.id)).await;
        assert_eq!((content.status.as_u16(), &content.body[..]), (200, &b"x"[..]));
    }
    // A target that is a whole URL names the server, and not the header beside it.
    let whole = at(&world, here, User::Admin, "GET http://content.example.org/v1/me").await;
    assert_eq!(whole.outcome(), "404 route_not_found");
    let whole = at(&world, there, User::Viewer, "GET http://files.example.org/v1/me").await;
    assert_eq!(whole.status, 200);
}

/// Who asks for the head of an export gets it, and nobody makes an archive for them or keeps anything.
#[tokio::test]
async fn a_head_makes_no_export() {
    let world = World::new().await;
    let export = format!("/v1/workspaces/{}/export", world.id());
    for _ in 0..3 {
        let answer = world.call(User::Admin, &format!("HEAD {export}"), &[], "").await;
        assert_eq!(answer.status.as_u16(), 200);
        assert_eq!(answer.header("content-type"), "application/x-tar");
        assert_eq!(answer.header("content-length"), "", "nobody knows it yet");
    }
    assert_eq!(world.call(User::Viewer, &format!("HEAD {export}"), &[], "").await.status.as_u16(), 403);
    let told = async || {
        let entries = world.call(User::Admin, "GET /v1/audit?limit=1000", &[], "").await;
        String::from_utf8_lossy(&entries.body).matches("\"workspace.exported\"").count()
    };
    assert_eq!(told().await, 0);
    assert!(world.call(User::Admin, &format!("GET {export}"), &[], "").await.status.is_success());
    assert_eq!(told().await, 1);
}
