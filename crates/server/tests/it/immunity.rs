//! Bugs that peers had, tried here. The numbers are the rows of the list in docs/semantics.md; rows on what
//! Longshore does not have yet (shares, archives, S3, MCP) come with it, and rows on other crates stand there.

use longshore_core::wire::{LockGrant, Node};
use proptest::prelude::*;

use crate::world::{Answer, User, World};

async fn locked(world: &World, file: &Node) -> LockGrant {
    let answer = world.edit(&format!("POST /v1/files/{}/lock", file.id), "{}").await;
    assert_eq!(answer.outcome(), "201");
    answer.read()
}

/// Row 1, CVE-2026-45283 (Nextcloud files_lock): others' files locked by a path of theirs, tokens in error bodies.
#[tokio::test]
async fn row_01_locks_of_foreign_files_and_tokens_in_errors() {
    let world = World::new().await;
    let file = world.put("theirs", "x").await;
    let held = locked(&world, &file).await;
    let (lock, token) = (held.lock.id, held.token.as_str());
    let of_file = format!("/v1/files/{}/lock", file.id);
    let forged = format!("{}x", &token[..token.len() - 1]);
    let calls = [
        (User::Foreign, format!("POST {of_file}"), "{}", "404 node_not_found"),
        (User::Foreign, format!("GET {of_file}"), "", "404 node_not_found"),
        (User::Foreign, format!("POST /v1/locks/{lock}/renew"), "{}", "404 lock_not_found"),
        (User::Foreign, format!("DELETE /v1/locks/{lock}"), "", "404 lock_not_found"),
        (
            User::Foreign,
            format!("DELETE /v1/locks/{lock}?force=true"),
            r#"{"reason":"x"}"#,
            "404 lock_not_found",
        ),
        (User::Foreign, format!("GET /v1/locks?workspace={}", world.id()), "", "404 workspace_not_found"),
        (User::Viewer, format!("POST {of_file}"), "{}", "403 forbidden"),
        (User::Editor, format!("DELETE /v1/locks/{lock}?force=true"), r#"{"reason":"x"}"#, "403 forbidden"),
        (User::Editor, format!("POST {of_file}"), "{}", "423 locked"),
        (User::Editor, format!("PUT /v1/files/{}/content", file.id), "x", "423 locked"),
    ];
    for (user, what, body, outcome) in calls {
        // The very token is sent along where that changes nothing about who may see the lock.
        let headers = if user == User::Foreign { vec![("lock-token", token)] } else { vec![] };
        let answer = world.call(user, &what, &headers, body).await;
        assert_eq!(answer.outcome(), outcome, "{user:?} {what}");
        assert!(!told(&answer).contains(&token[30..]), "a token in the answer to {what}");
    }
    // A token in a wrong place, or a wrong one, is not given back either.
    let put = format!("PUT /v1/files/{}/content", file.id);
    for sent in [forged.as_str(), &format!("{token} {token}"), &format!("<{token}>")] {
        let answer = world.call(User::Editor, &put, &[("lock-token", sent)], "x").await;
        assert!(answer.status.is_client_error() && !told(&answer).contains(&token[30..60]), "{answer:?}");
    }
    let renewed = format!("POST /v1/locks/{lock}/renew");
    assert_eq!(world.call(User::Editor, &renewed, &[("lock-token", token)], "{}").await.outcome(), "200");
}

fn told(answer: &Answer) -> String {
    format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body))
}

/// Row 11, CVE-2026-39360 (RustFS): a copy that never looks at whose its source is.
#[tokio::test]
async fn row_11_copies_and_moves_of_foreign_files() {
    let world = World::new().await;
    let file = world.put("theirs", "x").await;
    let own =
        world.call(User::Foreign, "POST /v1/files/root/children", &[], r#"{"kind":"folder","name":"own"}"#);
    let own = own.await.node();
    let into = format!(r#"{{"parent_id":"{}"}}"#, own.id);
    for what in [
        format!("POST /v1/files/{}/copy", file.id),
        format!("PATCH /v1/files/{}", file.id),
        format!("POST /v1/files/{}/restore", file.id),
    ] {
        assert_eq!(
            world.call(User::Foreign, &what, &[], into.clone()).await.outcome(),
            "404 node_not_found",
            "{what}"
        );
        // Nor may one who reaches both carry a node over: another workspace has other members.
        let carried = world.call(User::Admin, &what, &[], into.clone()).await.outcome();
        assert!(carried == "404 node_not_found" || carried == "409 not_in_trash", "{what}: {carried}");
    }
    // The other way round: a foreign key puts nothing into this workspace.
    let (here, stray) =
        (world.workspace.root_id, format!(r#"{{"parent_id":"{}"}}"#, world.workspace.root_id));
    let moved = world.call(User::Foreign, &format!("PATCH /v1/files/{}", own.id), &[], stray).await;
    assert_eq!(moved.outcome(), "404 node_not_found");
    let written = world.call(User::Foreign, &format!("POST /v1/files/{here}/files?name=x"), &[], "x").await;
    assert_eq!(written.outcome(), "404 node_not_found");
    assert_eq!(world.paths().await, ["/theirs"]);
}

/// Row 13, CVE-2026-21862 (RustFS): `X-Forwarded-For` of anybody is believed.
#[tokio::test]
async fn row_13_forwarded_headers_of_anybody() {
    let world = World::new().await;
    let spoofed = [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1;host=localhost;proto=https"),
        ("x-forwarded-host", "evil.example"),
    ];
    for what in ["GET /v1/keys", "GET /v1/me"] {
        let plain = world.call(User::Anonymous, what, &[], "").await;
        let answer = world.call(User::Anonymous, what, &spoofed, "").await;
        assert_eq!(
            (answer.outcome(), plain.outcome()),
            ("401 key_missing".to_owned(), "401 key_missing".to_owned())
        );
    }
    let answer = world.call(User::Editor, &format!("PUT {}", world.at("f")), &spoofed, "x").await;
    assert!(!told(&answer).contains("evil.example") && !told(&answer).contains("127.0.0.1"));
    let events = world.get(&format!("/v1/workspaces/{}/events", world.id())).await;
    assert!(!told(&events).contains("127.0.0.1"), "the log believes nobody's word on where they are");
    // Nor do limits: `limits::only_a_known_proxy_is_believed`.
}

/// Row 15, GHSA-v9fg-3cr2-277j (RustFS): what a name says it is runs as what it is.
#[tokio::test]
async fn row_15_content_that_would_run_in_our_origin() {
    let world = World::new().await;
    let script = "<script>fetch('/v1/keys')</script>";
    let utf_16: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let polyglots: [(&str, Vec<u8>); 13] = [
        ("page.pdf", format!("<html>{script}</html>").into()),
        ("page.html", format!("<!doctype html>{script}").into()),
        ("page.png", format!("<html>{script}</html>").into()),
        ("page.txt", format!("\u{feff}<body>{script}").into()),
        ("image.svg", format!("<svg xmlns='http://www.w3.org/2000/svg'>{script}</svg>").into()),
        ("both.pdf", format!("%PDF-1.7\n{script}").into()),
        ("both.gif", format!("GIF89a/*{script}*/=1;").into()),
        ("both.webp", b"<script>WEBP".into()),
        ("page.xhtml", format!("<html xmlns='http://www.w3.org/1999/xhtml'>{script}</html>").into()),
        ("none", script.into()),
        ("style.xml", "<?xml-stylesheet href='javascript:alert(1)'?><x/>".into()),
        ("wide.txt", [b"\xff\xfe", &utf_16[..]].concat()),
        ("seven.txt", "+ADw-script+AD4-alert(1)+ADw-/script+AD4-".into()),
    ];
    for (name, content) in polyglots {
        let put = format!("PUT {}", world.at(name));
        let written = world.call(User::Editor, &put, &[("content-type", "text/html")], content.clone()).await;
        assert_eq!(written.outcome(), "201");
        let id = written.node().id;
        let made = format!("POST /v1/files/{id}/links");
        let made = world.call(User::Viewer, &made, &[], r#"{"disposition":"inline"}"#).await;
        let link = made.json()["url"].as_str().unwrap().to_owned();
        for url in [world.at(name) + "?content=1", format!("/v1/files/{id}/content"), link.clone()] {
            let answer = world.get(&url).await;
            assert_eq!(answer.body, content, "{name}: whoever asks gets the bytes as they are");
            let sent = answer.header("content-type");
            assert!(!["html", "xml", "svg"].iter().any(|part| sent.contains(part)), "{name}: {sent}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{name}");
            assert!(answer.header("content-security-policy").starts_with("default-src 'none'; "), "{name}");
            assert!(answer.header("content-security-policy").ends_with("; sandbox"), "{name}");
            assert!(!answer.header("content-security-policy").contains("script"), "{name}");
            let shown = answer.header("content-disposition").starts_with("inline").then_some(sent);
            // An image is decoded as one, and text is shown letter by letter.
            let expected = match name {
                "both.gif" => Some("image/gif"),
                "seven.txt" => Some("text/plain; charset=utf-8"),
                _ => None,
            };
            assert_eq!(shown, expected.filter(|_| url == link), "{name}");
        }
    }
}

/// Row 17, CVE-2026-30914 (SFTPGo), CVE-2026-42882 (s3-proxy): one part of the server sees the encoded path, one
/// the decoded.
#[tokio::test]
async fn row_17_a_path_has_one_meaning() {
    let world = World::new().await;
    world.put("dir/file", "x").await;
    let other = format!("/v1/workspaces/{}/files", world.id());
    for disguised in [
        "dir%2ffile",
        "dir%2Ffile",
        "dir/%2e%2e/dir/file",
        "dir/%2e/file",
        "dir/../dir/file",
        "./dir/file",
        "dir//file",
        "%2fdir/file",
        "dir/%252e%252e/file",
        "dir/file%00",
        "dir%5cfile",
        "dir/%66ile%2f..%2ffile",
    ] {
        for method in ["GET", "PUT"] {
            let answer =
                world.call(User::Editor, &format!("{method} {other}/{disguised}"), &[], "evil").await;
            // Refused, or a name of its own that no other spelling has.
            let is_apart = answer.outcome() == "404 node_not_found"
                || answer.outcome().starts_with("400 ")
                || (answer.outcome() == "201" && answer.node().path.to_string() != "/dir/file");
            assert!(is_apart, "{method} {disguised}: {}", answer.outcome());
        }
    }
    assert_eq!(&world.get(&(world.at("dir/file") + "?content=1")).await.body[..], b"x");
    // What needs no disguise: an unreserved character may be encoded, and means the same to all.
    assert_eq!(world.get(&world.at("%64ir/%66ile")).await.outcome(), "200");
}

/// Row 22, CVE-2025-53109 and -53110 (an MCP file server): a root is a text that a neighbour's name begins with.
#[tokio::test]
async fn row_22_a_neighbour_whose_name_begins_alike() {
    let world = World::new().await;
    let inside = world.put("data/file", "in").await;
    let beside = world.put("data-evil/file", "out").await;
    let folder = inside.parent_id.unwrap();
    let held = world.edit(&format!("POST /v1/files/{folder}/lock"), "{}").await;
    assert_eq!(held.outcome(), "201");
    // The lock of a folder covers what is in it, not what is called alike.
    let put = |id| format!("PUT /v1/files/{id}/content");
    assert_eq!(world.edit(&put(inside.id), "x").await.outcome(), "423 locked");
    assert_eq!(world.edit(&put(beside.id), "x").await.outcome(), "200");
    let listed = world.get(&format!("/v1/workspaces/{}/tree/data?depth=all", world.id())).await;
    let paths: Vec<_> =
        listed.json()["items"].as_array().unwrap().iter().map(|node| node["path"].clone()).collect();
    assert_eq!(paths, ["/data/file"]);
    world
        .call(
            User::Admin,
            &format!("DELETE /v1/locks/{}?force=true", held.json()["id"].as_str().unwrap()),
            &[],
            r#"{"reason":"x"}"#,
        )
        .await;
    assert_eq!(world.edit(&format!("DELETE /v1/files/{folder}"), "").await.outcome(), "200");
    assert_eq!(world.get(&world.at("data-evil/file")).await.outcome(), "200");
}

/// Pieces that requests are made of: what routes expect, and what they do not.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("v1".to_owned()),
        Just("files".to_owned()),
        Just("workspaces".to_owned()),
        Just("root".to_owned()),
        Just("locks".to_owned()),
        Just("locks:batch".to_owned()),
        Just("lock".to_owned()),
        Just("renew".to_owned()),
        Just("content".to_owned()),
        Just("versions".to_owned()),
        Just("copy".to_owned()),
        Just("restore".to_owned()),
        Just("events".to_owned()),
        Just("tree".to_owned()),
        Just("keys".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("nd_01k9x3m7q2e8rj5v4n6t0p1s2d".to_owned()),
        Just("ws_01k9x3m7q2e8rj5v4n6t0p1s2d".to_owned()),
        Just("lk_01k9x3m7q2e8rj5v4n6t0p1s2d".to_owned()),
        "[a-z0-9_%:.-]{0,12}",
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        Just("0".to_owned()),
        Just("-1".to_owned()),
        Just("1e999".to_owned()),
        Just("18446744073709551616".to_owned())
    ];
    let field = prop_oneof![
        Just("name"),
        Just("ttl_seconds"),
        Just("wait_seconds"),
        Just("files"),
        Just("parent_id"),
        Just("path"),
        Just("metadata"),
        Just("reason"),
        Just("kind"),
        Just("settings"),
        Just("role"),
        Just("expires_at"),
    ];
    let value = prop_oneof![
        number,
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("[[[[[[[[{}]]]]]]]]".to_owned()),
        Just("{}".to_owned()),
        Just("\"root\"".to_owned()),
        Just("\"\\u0000\"".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        Just("\"nd_01k9x3m7q2e8rj5v4n6t0p1s2d\"".to_owned()),
        "\"[ -~]{0,9}\"",
    ];
    let object = prop::collection::vec((field, value), 0..4).prop_map(|fields| {
        let fields: Vec<_> = fields.iter().map(|(field, value)| format!("\"{field}\":{value}")).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    });
    prop_oneof![object, prop::collection::vec(any::<u8>(), 0..64)]
}

/// Row 25, RUSTSEC-2026-0154 and GHSA-gw2x (RustFS): a malformed request ends the process or takes all memory.
#[test]
fn row_25_no_request_is_a_fault() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let header = prop_oneof![
        Just("lock-token"),
        Just("idempotency-key"),
        Just("if-match"),
        Just("if-none-match"),
        Just("range"),
        Just("content-digest"),
        Just("content-length"),
        Just("content-type"),
    ];
    let value = "[ -~]{0,24}";
    let methods =
        prop_oneof![Just("GET"), Just("PUT"), Just("POST"), Just("PATCH"), Just("DELETE"), Just("HEAD")];
    let request = (
        methods,
        prop::collection::vec(piece(), 0..7),
        "(\\?[a-z_]{1,9}=[a-z0-9%_.-]{0,9})?",
        prop::collection::vec((header, value), 0..3),
        body(),
    );
    let config = ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((method, pieces, query, headers, body) in request)| {
        // A wait for a lock is no fault, but long.
        prop_assume!(!String::from_utf8_lossy(&body).contains("wait_seconds"));
        let url = format!("/{}{query}", pieces.join("/"));
        prop_assume!(url.parse::<axum::http::Uri>().is_ok());
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = runtime.block_on(world.call(User::Admin, &format!("{method} {url}"), &headers, body));
        prop_assert!(answer.status.as_u16() < 500, "{method} {url}: {answer:?}");
    });
}
