//! Quotas over HTTP: each way in is stopped, with the numbers.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use longshore_core::wire::{CreateKey, Quota, Role, Usage, Workspace};

use crate::uploads::metadata;
use crate::world::{Answer, User, World};

const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

async fn limit(world: &World, quota: Quota) {
    let set = world.engine.set_quota(&world.owner, world.id(), quota.into(), Default::default());
    set.await.unwrap();
}

async fn usage(world: &World) -> Usage {
    let answer = world.call(User::Viewer, &format!("GET /v1/workspaces/{}", world.id()), &[], "").await;
    answer.read::<Workspace>().usage
}

/// Makes an editor's key of the workspace alone.
async fn narrowed(world: &World) -> String {
    let wanted = CreateKey {
        workspace_id: Some(world.id()),
        agent: Some("narrow".to_owned()),
        ..CreateKey::new("narrow", Role::Editor)
    };
    world.engine.create_key(&world.owner, wanted, None).await.unwrap().secret
}

#[track_caller]
fn exceeds(answer: &Answer, of: &str, [limit, used, asked]: [u64; 3]) {
    assert_eq!(answer.outcome(), "413 quota_exceeded");
    let expected = serde_json::json!({ "of": of, "limit": limit, "used": used, "asked": asked });
    assert_eq!(answer.json()["quota"], expected, "{answer:?}");
}

#[tokio::test]
async fn each_way_in_is_measured() {
    let world = World::new().await;
    limit(&world, Quota { bytes: Some(600_000), files: Some(4), largest_file: Some(500_000) }).await;
    let put = async |path: &str, length: Option<usize>, size: usize| {
        let what = format!("PUT {}", world.at(path));
        let length = length.map(|length| length.to_string());
        let headers: Vec<_> = length.iter().map(|length| ("content-length", length.as_str())).collect();
        let pieces =
            (0..size.div_ceil(50_000)).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![7; 50_000])));
        let body = Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()));
        world.call(User::Editor, &what, &headers, body).await
    };
    // What is announced, and what is not.
    exceeds(&put("a", Some(550_000), 550_000).await, "largest_file", [500_000, 0, 550_000]);
    exceeds(&put("a", None, 550_000).await, "largest_file", [500_000, 0, 550_000]);
    assert_eq!(put("a", Some(400_000), 400_000).await.status, 201);
    exceeds(&put("b", Some(300_000), 300_000).await, "bytes", [600_000, 400_000, 300_000]);
    exceeds(&put("b", None, 300_000).await, "bytes", [600_000, 400_000, 250_000]);
    // A resumable one sets aside what it announces.
    let told = metadata(&[("filename", "tus"), ("workspace", &world.id().to_string())]);
    let begin = async |length: &'static str| {
        let headers = [TUS, ("upload-length", length), ("upload-metadata", told.as_str())];
        world.call(User::Editor, "POST /v1/uploads", &headers, "").await
    };
    exceeds(&begin("200001").await, "bytes", [600_000, 400_000, 200_001]);
    let begun = begin("150000").await;
    assert_eq!(begun.status, 201, "{begun:?}");
    assert_eq!(usage(&world).await, Usage { bytes: 400_000, files: 1, staged_bytes: 150_000 });
    exceeds(&begin("50001").await, "bytes", [600_000, 550_000, 50_001]);
    // A part has no place yet: a key of this workspace alone sets its bytes aside here.
    let narrow = narrowed(&world).await;
    let part = [TUS, ("upload-length", "50001"), ("upload-concat", "partial")];
    let answer = world.call_with(Some(&narrow), "POST /v1/uploads", &part, "").await;
    exceeds(&answer, "bytes", [600_000, 550_000, 50_001]);
    let remove = format!("DELETE {}", begun.header("location"));
    assert_eq!(world.call(User::Editor, &remove, &[TUS], "").await.status, 204);
    assert_eq!(usage(&world).await.staged_bytes, 0);
    // Each item of a batch says for itself that there is no room for it.
    let mut items = Vec::new();
    for (path, size) in [("/c", 150_000), ("/d", 60_000), ("/e", 50_000)] {
        items.extend(format!("{{\"path\":\"{path}\",\"size\":{size}}}\n").into_bytes());
        items.extend(vec![1; size]);
    }
    let batch = world.edit(&format!("POST /v1/workspaces/{}/batch", world.id()), items).await;
    let lines: Vec<serde_json::Value> = batch
        .body
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let statuses: Vec<_> = lines.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 413, 201], "{batch:?}");
    assert_eq!(lines[1]["problem"]["quota"]["of"], "bytes");
    assert_eq!(usage(&world).await, Usage { bytes: 600_000, files: 3, staged_bytes: 0 });
    let copy = format!("POST /v1/files/{}/copy", world.get(&world.at("a")).await.node().id);
    exceeds(&world.edit(&copy, r#"{"name":"copy"}"#).await, "bytes", [600_000, 600_000, 400_000]);
    assert_eq!(put("empty", Some(0), 0).await.status, 201);
    exceeds(&put("empty2", Some(0), 0).await, "files", [4, 4, 1]);
}

#[tokio::test]
async fn an_admin_of_the_server_sets_it_and_what_is_left_out_stays() {
    let world = World::new().await;
    let url = format!("PATCH /v1/workspaces/{}/quota", world.id());
    let set = async |user, body: &'static str| world.call(user, &url, &[], body).await;
    assert_eq!(set(User::Editor, r#"{"bytes":5}"#).await.outcome(), "403 forbidden");
    let by_server = async |body| set(User::Admin, body).await;
    assert_eq!(by_server(r#"{"bytes":5,"files":7}"#).await.json()["quota"]["bytes"], 5);
    let answer = by_server(r#"{"bytes":null,"largest_file":9}"#).await.json();
    assert_eq!(answer["quota"], serde_json::json!({ "bytes": null, "files": 7, "largest_file": 9 }));
    assert_eq!(answer["usage"], serde_json::json!({ "bytes": 0, "files": 0, "staged_bytes": 0 }));
    for bad in [r#"{"bytes":-1}"#, r#"{"bytes":"5"}"#, r#"{"sizes":1}"#, r#"{"files":9007199254740993}"#] {
        assert_eq!(by_server(bad).await.outcome(), "400 invalid_body", "{bad}");
    }
}
