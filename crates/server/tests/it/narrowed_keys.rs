//! Keys that are narrowed, over HTTP: addresses, uploads that are taken back, folders. Which routes a narrowed key may call is in
//! `rights`; what a folder's key sees, in the engine's suite.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::body::Body;
use axum::http::Request;
use longshore_core::wire::{CreateKey, NewKey, Role, Verb};
use longshore_server::config::{Proxies, ProxyHeader};
use longshore_server::{Entrance, Source};
use serde_json::json;

use crate::uploads::metadata;
use crate::world::{Answer, User, World};

const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

async fn key(world: &World, wanted: CreateKey) -> NewKey {
    let wanted = CreateKey { workspace_id: Some(world.id()), ..wanted };
    world.engine.create_key(&world.owner, wanted, None).await.unwrap()
}

/// Row 3, CVE-2026-29188 (File Browser): who may create alone deletes files by the route that takes uploads back.
#[tokio::test]
async fn row_03_a_key_that_creates_takes_back_uploads_and_never_files() {
    let world = World::new().await;
    let verbs = Some(BTreeSet::from([Verb::Create]));
    let made = key(&world, CreateKey { verbs, ..CreateKey::new("drop", Role::Admin) }).await;
    let call = async |what: &str, headers: &[(&str, &str)], body: &'static str| {
        world.call_with(Some(&made.secret), what, headers, body).await
    };
    let begin = async |name: &str, body: &'static str| {
        let told = metadata(&[("filename", name), ("workspace", &world.id().to_string())]);
        let bytes = ("content-type", "application/offset+octet-stream");
        let headers = [TUS, ("upload-length", "3"), ("upload-metadata", told.as_str()), bytes];
        call("POST /v1/uploads", if body.is_empty() { &headers[..3] } else { &headers }, body).await
    };
    let own = begin("own", "").await.header("location").to_owned();
    assert_eq!(call(&format!("DELETE {own}"), &[TUS], "").await.outcome(), "204");
    assert_eq!(call(&format!("DELETE {own}"), &[TUS], "").await.outcome(), "404 upload_not_found");

    // One that became a file: the upload goes, the file stays, by this route and by every other.
    let done = begin("done", "abc").await;
    assert_eq!(done.outcome(), "201");
    let url = done.header("location").to_owned();
    let file = world.get(&world.at("done")).await.node();
    call(&format!("DELETE {url}"), &[TUS], "").await;
    assert_eq!(&world.get(&(world.at("done") + "?content=1")).await.body[..], b"abc");
    for what in [
        format!("DELETE /v1/files/{}", file.id),
        format!("DELETE /v1/files/{}?purge=true", file.id),
        format!("DELETE /v1/files/{}/versions/{}", file.id, file.version_id.unwrap()),
        format!("PUT /v1/files/{}/content", file.id),
        format!("PUT {}", world.at("done")),
        format!("GET /v1/files/{}", file.id),
    ] {
        assert_eq!(call(&what, &[], "x").await.outcome(), "403 forbidden", "{what}");
    }
    assert_eq!(begin("done", "xyz").await.outcome(), "403 forbidden");
    let disguised = format!("DELETE /v1/uploads/{}", file.id);
    assert_eq!(call(&disguised, &[TUS], "").await.outcome(), "400 invalid_id");

    // Nor another's upload, be it the same principal's by another key.
    let told = metadata(&[("filename", "other"), ("workspace", &world.id().to_string())]);
    let headers = [TUS, ("upload-length", "3"), ("upload-metadata", told.as_str())];
    let other = world.call(User::Admin, "POST /v1/uploads", &headers, "").await.header("location").to_owned();
    for method in ["HEAD", "GET", "DELETE"] {
        let answer = call(&format!("{method} {other}"), &[TUS], "").await;
        assert_eq!(answer.status, 404, "{method}");
    }
    assert_eq!(&world.get(&(world.at("done") + "?content=1")).await.body[..], b"abc");
}

async fn from(world: &World, secret: &str, address: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request =
        Request::get("/v1/me").header("host", "x").header("authorization", format!("Bearer {secret}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let source = Source(address.parse::<IpAddr>().unwrap());
    world.send(request.extension(source).body(Body::empty()).unwrap()).await
}

/// Row 13, CVE-2026-21862 (RustFS): a list of addresses that believes `X-Forwarded-For` of anybody.
#[tokio::test]
async fn row_13_a_keys_addresses_believe_known_proxies_alone() {
    let proxies =
        Proxies { networks: vec!["10.0.0.0/8".parse().unwrap()], header: ProxyHeader::XForwardedFor };
    let world = World::new().await.behind(Entrance { proxies, ..Entrance::default() });
    let addresses = Some(vec!["192.0.2.0/24".to_owned(), "2001:db8::/32".to_owned()]);
    let made = key(&world, CreateKey { addresses, ..CreateKey::new("here", Role::Viewer) }).await;
    let said = |line: &'static str| [("x-forwarded-for", line), ("forwarded", "for=192.0.2.1")];
    for (peer, headers, outcome) in [
        ("192.0.2.1", &[][..], "200"),
        ("::ffff:192.0.2.1", &[], "200"),
        ("2001:db8:1::1", &[], "200"),
        ("198.51.100.1", &[], "403 key_address_refused"),
        ("198.51.100.1", &said("192.0.2.1"), "403 key_address_refused"),
        ("10.0.0.1", &[], "403 key_address_refused"),
        ("10.0.0.1", &said("192.0.2.1"), "200"),
        ("10.0.0.1", &said("192.0.2.1, 198.51.100.1"), "403 key_address_refused"),
        ("10.0.0.1", &said("198.51.100.1, 192.0.2.1"), "200"),
    ] {
        assert_eq!(from(&world, &made.secret, peer, headers).await.outcome(), outcome, "{peer} {headers:?}");
    }
    // A key of the network that the proxy is in too: no stranger's bytes are the proxy's.
    let addresses = Some(vec!["10.0.0.0/8".to_owned()]);
    let inside = key(&world, CreateKey { addresses, ..CreateKey::new("inside", Role::Viewer) }).await;
    for (line, outcome) in [
        (&b"10.7.7.7"[..], "200"),
        (b"198.51.100.1", "403 key_address_refused"),
        (b"\xfc, 198.51.100.1", "403 key_address_refused"),
        (b"198.51.100.1, 10.7.7.7", "403 key_address_refused"),
        (b"198.51.100.1, \xfc, 10.7.7.7", "400 invalid_header"),
        (b"198.51.100.1, \xfc", "400 invalid_header"),
    ] {
        let request = Request::get("/v1/me").header("host", "x").header("x-forwarded-for", line);
        let request = request.header("authorization", format!("Bearer {}", inside.secret));
        let request = request.extension(Source("10.0.0.1".parse().unwrap())).body(Body::empty());
        assert_eq!(world.send(request.unwrap()).await.outcome(), outcome, "{}", line.escape_ascii());
    }
    // Revoked, it is told so from there alone where it was good.
    world.engine.revoke_key(&world.owner, made.key.id, None).await.unwrap();
    assert_eq!(from(&world, &made.secret, "192.0.2.1", &[]).await.outcome(), "401 key_revoked");
    assert_eq!(from(&world, &made.secret, "198.51.100.1", &[]).await.outcome(), "403 key_address_refused");
}

#[tokio::test]
async fn a_key_is_made_narrow_listed_and_rotated() {
    let world = World::new().await;
    let folder = world.put("folder/file", "x").await.parent_id.unwrap();
    let order = json!({
        "name": "narrow", "role": "editor", "workspace_id": world.id(), "verbs": ["read", "create"],
        "folder": "/folder", "addresses": ["192.0.2.0/24"], "agent": "robot",
    });
    let made = world.call(User::Admin, "POST /v1/keys", &[], order.to_string()).await;
    assert_eq!(made.outcome(), "201");
    let made = made.json();
    assert_eq!(made["verbs"], json!(["read", "create"]));
    assert_eq!(made["folder_id"], json!(folder));
    assert_eq!(made["addresses"], json!(["192.0.2.0/24"]));
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(from(&world, secret, "192.0.2.7", &[]).await.outcome(), "200");
    world.engine.write_last_uses().await;
    let listed = world.call(User::Admin, "GET /v1/keys", &[], "").await.json();
    let listed =
        listed["items"].as_array().unwrap().iter().find(|key| key["id"] == made["id"]).unwrap().clone();
    assert_eq!(listed["last_used_from"], "192.0.2.7");
    assert!(listed["last_used_at"].is_string() && listed.get("secret").is_none());

    let rotate = format!("POST /v1/keys/{}/rotate", made["id"].as_str().unwrap());
    let once = [("idempotency-key", "once")];
    let new = world.call(User::Admin, &rotate, &once, r#"{"grace_seconds":60}"#).await;
    assert_eq!(new.outcome(), "201");
    let again = world.call(User::Admin, &rotate, &once, r#"{"grace_seconds":60}"#).await;
    assert_eq!((again.json(), again.header("idempotency-replayed")), (new.json(), "true"));
    assert_eq!(new.json()["folder_id"], made["folder_id"]);
    let other = world.call(User::Admin, &rotate, &once, r#"{"grace_seconds":61}"#).await;
    assert_eq!(other.outcome(), "422 idempotency_mismatch");
    for (body, outcome) in [
        (r#"{"grace_seconds":604801}"#, "400 invalid_body"),
        (r#"{"grace":1}"#, "400 invalid_body"),
        (r#"{"grace_seconds":-1}"#, "400 invalid_body"),
    ] {
        assert_eq!(world.call(User::Admin, &rotate, &[], body).await.outcome(), outcome, "{body}");
    }
    for (field, value, outcome) in [
        ("verbs", json!([]), "400 invalid_body"),
        ("verbs", json!(["everything"]), "400 invalid_body"),
        ("addresses", json!([]), "400 invalid_body"),
        ("addresses", json!(["192.0.2.0/33"]), "400 invalid_body"),
        ("addresses", json!(vec!["192.0.2.1"; 33]), "400 invalid_body"),
        ("folder", json!("folder"), "400 invalid_id"),
        ("folder", json!("/nowhere"), "404 node_not_found"),
        ("folder", json!("/folder/file"), "409 not_a_folder"),
        ("agent_id", json!("pr_x"), "400 invalid_body"),
    ] {
        let mut order = order.clone();
        order[field] = value.clone();
        let answer = world.call(User::Admin, "POST /v1/keys", &[], order.to_string()).await;
        assert_eq!(answer.outcome(), outcome, "{field} {value}");
    }
}
