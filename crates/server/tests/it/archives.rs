//! Folders and selections as one zip, as another program reads it.

use std::process::Command;

use longshore_store::testing::chaos::{Chaos, Op};
use longshore_store::{ErrorKind, Store};
use serde_json::{Value, json};

use crate::wire::{SOON, Served};
use crate::world::{Answer, User, World};

/// Tells what Python's reader finds in a zip: names with sizes, the bytes being checked by their checksums.
const READER: &str = r"
import io, json, sys, zipfile
with zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())) as archive:
    assert archive.testzip() is None
    json.dump([[i.filename, i.file_size, archive.read(i)[:8].decode()] for i in archive.infolist()], sys.stdout)
";

fn entries(zip: &[u8]) -> Value {
    use std::io::Write;
    use std::process::Stdio;
    let mut python = Command::new("python3");
    python
        .args(["-X", "utf8", "-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut python = python.spawn().unwrap();
    python.stdin.take().unwrap().write_all(zip).unwrap();
    let ended = python.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}

async fn world() -> World {
    let world = World::new().await;
    world.put("d/a.txt", "one").await;
    world.put("d/%E7%AC%AC/b.bin", vec![b'x'; 300_000]).await;
    world.put("d/empty", "").await;
    world.put("e/a.txt", "two").await;
    let folder = json!({"path": "/d/nothing"}).to_string();
    assert!(
        world.edit(&format!("POST /v1/workspaces/{}/folders", world.id()), folder).await.status.is_success()
    );
    world
}

async fn select(world: &World, items: Value) -> Answer {
    let url = format!("POST /v1/workspaces/{}/archive", world.id());
    world.call(User::Viewer, &url, &[], json!({"items": items}).to_string()).await
}

#[tokio::test]
async fn a_folder_is_a_zip_of_all_below_it() {
    let world = world().await;
    let id = world.get(&world.at("d")).await.node().id;
    let answer = world.get(&format!("/v1/files/{id}/archive")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/zip");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"d.zip\"");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string(), "known beforehand");
    let all = json!([
        ["d/", 0, ""],
        ["d/a.txt", 3, "one"],
        ["d/empty", 0, ""],
        ["d/nothing/", 0, ""],
        ["d/第/", 0, ""],
        ["d/第/b.bin", 300_000, "xxxxxxxx"]
    ]);
    assert_eq!(entries(&answer.body), all);
    let head = world.call(User::Viewer, &format!("HEAD /v1/files/{id}/archive"), &[], "").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, answer.header("content-length")));
    let root = entries(&world.get(&format!("/v1/files/root/archive?workspace={}", world.id())).await.body);
    assert_eq!((&root[0], root.as_array().unwrap().len()), (&json!(["d/", 0, ""]), 8));
    let file = world.get(&world.at("d/a.txt")).await.node().id;
    assert_eq!(
        entries(&world.get(&format!("/v1/files/{file}/archive")).await.body),
        json!([["a.txt", 3, "one"]])
    );
}

#[tokio::test]
async fn a_selection_stands_side_by_side() {
    let world = world().await;
    let id = world.get(&world.at("e/a.txt")).await.node().id;
    let answer = select(&world, json!(["/d/a.txt", id, "/e", "/d/empty"])).await;
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"files.zip\"");
    assert_eq!(
        entries(&answer.body),
        json!([
            ["a.txt", 3, "one"],
            ["a (2).txt", 3, "two"],
            ["e/", 0, ""],
            ["e/a.txt", 3, "two"],
            ["empty", 0, ""]
        ])
    );
    let empty = select(&world, json!(["/d/nothing"])).await;
    assert_eq!(entries(&empty.body), json!([["nothing/", 0, ""]]));
}

#[tokio::test]
async fn what_cannot_be_in_an_archive() {
    let world = world().await;
    let trashed = world.get(&world.at("e/a.txt")).await.node().id;
    world.edit(&format!("DELETE /v1/files/{trashed}"), "").await;
    for (items, outcome) in [
        (json!([]), "400 invalid_body"),
        (json!(vec!["/d"; 1_001]), "400 invalid_body"),
        (json!(["/never"]), "404 node_not_found"),
        (json!(["d"]), "400 invalid_id"),
        (json!(["/d/../e"]), "400 invalid_name"),
        (json!(["nd_00000000000000000000000000"]), "404 node_not_found"),
        (json!([trashed]), "409 in_trash"),
    ] {
        assert_eq!(select(&world, items.clone()).await.outcome(), outcome, "{items}");
    }
    let post = format!("POST /v1/workspaces/{}/archive", world.id());
    let foreign = world.call(User::Foreign, &post, &[], json!({"items": ["/d"]}).to_string()).await;
    assert_eq!(foreign.outcome(), "404 workspace_not_found");
    let get = format!("GET /v1/files/{}/archive", world.get(&world.at("d")).await.node().id);
    assert_eq!(world.call(User::Anonymous, &get, &[], "").await.outcome(), "401 key_missing");
    assert_eq!(world.call(User::Foreign, &get, &[], "").await.outcome(), "404 node_not_found");
}

#[tokio::test]
async fn a_large_folder_is_walked_while_it_is_sent() {
    let world = World::new().await;
    for place in 0..600 {
        world.put(&format!("d/{:03}/{place:04}.txt", place % 7), format!("{place}")).await;
    }
    let id = world.get(&world.at("d")).await.node().id;
    let answer = world.get(&format!("/v1/files/{id}/archive")).await;
    assert_eq!(answer.header("content-length"), "", "not known before the walk has ended");
    let found = entries(&answer.body);
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 600 + 7 + 1);
    assert_eq!(found.last().unwrap(), &json!(["d/006/0594.txt", 3, "594"]));
}

/// A client must see that something is missing, though the status was sent long ago.
#[tokio::test]
async fn a_blob_that_cannot_be_read_breaks_the_archive_off() {
    let (store, chaos) = Chaos::wrap(Store::memory());
    let world = World::over(store).await;
    world.put("d/a.bin", vec![1; 300_000]).await;
    world.put("d/b.bin", vec![2; 300_000]).await;
    let id = world.get(&world.at("d")).await.node().id;
    chaos.fail_next(Op::Read, ErrorKind::Unavailable);
    let request = axum::http::Request::get(format!("/v1/files/{id}/archive"))
        .header("host", "x")
        .header("authorization", format!("Bearer {}", world.key(User::Viewer).unwrap()))
        .body(axum::body::Body::empty())
        .unwrap();
    let response = tower::ServiceExt::oneshot(world.router.clone(), request).await.unwrap();
    assert_eq!(response.status(), 200);
    let collected = http_body_util::BodyExt::collect(response.into_body()).await;
    assert!(collected.is_err());
}

#[tokio::test]
async fn over_a_socket_an_archive_has_its_length() {
    let served = Served::start().await;
    let workspace = served.workspace().await;
    let put = format!("PUT /v1/workspaces/{workspace}/files/d/a.txt");
    assert!(served.ask(&put, "content-length: 3\r\n", b"abc").await.starts_with("HTTP/1.1 201"));
    let mut stream = served.connect().await;
    let head = served.head("GET /v1/files/root/archive", "connection: close\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
    tokio::time::timeout(SOON, read).await.unwrap().unwrap();
    let place = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..place]);
    assert!(head.contains("content-length: ") && !head.contains("chunked"), "{head}");
    assert_eq!(entries(&answer[place + 4..])[1], json!(["d/a.txt", 3, "abc"]));
}
