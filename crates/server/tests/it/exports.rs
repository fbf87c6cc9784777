//! Whole workspaces over HTTP, as another program reads them too.

use std::io::Write as _;
use std::process::{Command, Stdio};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use longshore_core::wire::Workspace;
use serde_json::{Value, json};

use crate::world::{Answer, User, World};

/// Tells what Python's reader finds in an archive: the names, and how many lines and nodes by path there are.
const READER: &str = r#"
import io, json, sys, tarfile
with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()), mode="r:") as archive:
    files = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
    assert all(m.isreg() for m in archive.getmembers())
nodes = [json.loads(line) for line in files["metadata/nodes.jsonl"].splitlines()]
read = lambda node: files["blobs/" + node["digest"].removeprefix("blake3:")].decode()
json.dump({"names": list(files), "files": {n["path"]: read(n) for n in nodes if n["kind"] == "file"}}, sys.stdout)
"#;

fn seen_by_python(archive: &[u8]) -> Value {
    let mut python = Command::new("python3");
    python.args(["-X", "utf8", "-c", READER]);
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut python = python.spawn().unwrap();
    python.stdin.take().unwrap().write_all(archive).unwrap();
    let ended = python.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}

async fn export(world: &World) -> Answer {
    world.call(User::Admin, &format!("GET /v1/workspaces/{}/export", world.id()), &[], "").await
}

async fn import(world: &World, query: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    world.call(User::Admin, &format!("POST /v1/workspaces/import?{query}"), headers, body).await
}

#[tokio::test]
async fn a_workspace_goes_out_and_comes_in() {
    let world = World::new().await;
    world.put("a/one", "first").await;
    world.put("a/one", "second").await;
    world.put("%E7%AC%AC", "first").await;
    let large = "x".repeat(300_000);
    world.put("large", large.clone()).await;
    let out = export(&world).await;
    assert_eq!(out.status, 200);
    assert_eq!(out.header("content-type"), "application/x-tar");
    assert_eq!(out.header("content-length"), out.body.len().to_string());
    assert_eq!(out.header("content-disposition"), "attachment; filename=\"default.tar\"");
    assert_eq!(out.header("x-content-type-options"), "nosniff");
    let seen = seen_by_python(&out.body);
    assert_eq!(seen["files"], json!({"/a/one": "second", "/第": "first", "/large": large}));
    let names = seen["names"].as_array().unwrap();
    assert_eq!((&names[0], names.last().unwrap()), (&json!("longshore-export.json"), &json!("end.json")));
    assert_eq!(names.len(), 1 + 7 + 3 + 1);

    let other = World::new().await;
    let made = import(&other, "name=there", &[], out.body.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made: Workspace = made.read();
    assert_eq!((made.name.as_str(), made.usage.files), ("there", 3));
    let url = format!("GET /v1/workspaces/{}/files/a/one?content=1", made.id);
    assert_eq!(other.call(User::Viewer, &url, &[], "").await.body, "second");
    // In pieces, with a digest, with members and quota.
    let digest = blake3::hash(&out.body);
    let digest = longshore_core::Digest::new(longshore_core::Algorithm::Blake3, *digest.as_bytes());
    let digest = digest.to_content_digest();
    let pieces: Vec<_> =
        out.body.chunks(1_000).map(Bytes::copy_from_slice).map(Ok::<_, std::io::Error>).collect();
    let body = Body::from_stream(stream::iter(pieces));
    let made = import(&other, "name=again&members=match&quota=1", &[("content-digest", &digest)], body).await;
    assert_eq!(made.status, 201, "{made:?}");
}

#[tokio::test]
async fn what_is_no_whole_export_is_refused() {
    let world = World::new().await;
    world.put("a", "one").await;
    let out = export(&world).await.body;
    let half = out.slice(..out.len() / 2);
    let told = import(&world, "name=half", &[], half.clone()).await;
    assert_eq!(told.outcome(), "422 export_malformed");
    assert!(told.json()["detail"].as_str().unwrap().contains("it was cut"), "{told:?}");
    assert_eq!(import(&world, "name=x", &[], "no tar").await.outcome(), "422 export_malformed");
    assert_eq!(import(&world, "name=x", &[], "").await.outcome(), "422 export_malformed");
    assert_eq!(import(&world, "name=default", &[], out.clone()).await.outcome(), "409 workspace_exists");
    assert_eq!(import(&world, "name=a%2Fb", &[], out.clone()).await.outcome(), "400 invalid_name");
    assert_eq!(import(&world, "", &[], out.clone()).await.outcome(), "400 invalid_query");
    assert_eq!(import(&world, "name=x&members=all", &[], out.clone()).await.outcome(), "400 invalid_query");
    let wrong = [("content-digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")];
    assert_eq!(import(&world, "name=x", &wrong, out.clone()).await.outcome(), "400 digest_mismatch");
    let matching = [("if-match", "*")];
    assert_eq!(import(&world, "name=x", &matching, out.clone()).await.outcome(), "400 invalid_header");
    // A body that breaks off, and one that stands still.
    let broken = stream::iter([Ok(half.clone()), Err(std::io::Error::other("gone"))]);
    let told = import(&world, "name=x", &[], Body::from_stream(broken)).await;
    assert_eq!(told.outcome(), "400 length_mismatch");
    let still =
        futures_util::StreamExt::chain(stream::iter([Ok::<_, std::io::Error>(half)]), stream::pending());
    let told = import(&world, "name=x", &[], Body::from_stream(still)).await;
    assert_eq!(told.outcome(), "408 request_timeout");
    let listed = world.get("/v1/workspaces").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "nothing of all that is there");
    // Who only reads or writes exports nothing.
    for user in [User::Viewer, User::Editor] {
        let url = format!("GET /v1/workspaces/{}/export", world.id());
        assert_eq!(world.call(user, &url, &[], "").await.outcome(), "403 forbidden");
    }
}
