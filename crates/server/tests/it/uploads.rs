//! tus 1.0: each rule of the protocol, and what is ours beside it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_core::wire::{LockGrant, StagedUpload, UploadState};

use crate::world::{Answer, User, World};

const TUS: (&str, &str) = ("tus-resumable", "1.0.0");
const BYTES: (&str, &str) = ("content-type", "application/offset+octet-stream");

/// The headers and body of a request, and how it ends.
type Sent<'a> = (Vec<(&'a str, &'a str)>, &'static str, &'static str);

/// Writes metadata as tus has it.
pub(crate) fn metadata(pairs: &[(&str, &str)]) -> String {
    let pair = |(key, value): &(&str, &str)| format!("{key} {}", STANDARD.encode(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// Returns the header of metadata.
pub(crate) fn told(text: &str) -> (&str, &str) {
    ("upload-metadata", text)
}

pub(crate) async fn create(world: &World, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let mut all = vec![TUS];
    if !body.is_empty() {
        all.push(BYTES);
    }
    all.extend(headers);
    world.call(User::Editor, "POST /v1/uploads", &all, body).await
}

/// Begins an upload of some bytes at the root of the workspace, and returns its URL.
async fn begin(world: &World, name: &str, length: &str) -> String {
    let named = metadata(&[("filename", name), ("workspace", &world.id().to_string())]);
    let answer = create(world, &[("upload-length", length), ("upload-metadata", &named)], "").await;
    assert_eq!(answer.outcome(), "201");
    answer.header("location").to_owned()
}

pub(crate) async fn patch(
    world: &World,
    url: &str,
    offset: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> Answer {
    let mut all = vec![TUS, BYTES, ("upload-offset", offset)];
    all.extend(headers);
    world.call(User::Editor, &format!("PATCH {url}"), &all, body).await
}

pub(crate) async fn head(world: &World, url: &str) -> Answer {
    world.call(User::Editor, &format!("HEAD {url}"), &[TUS], "").await
}

pub(crate) async fn content(world: &World, path: &str) -> String {
    let answer = world.get(&format!("{}?content=1", world.at(path))).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test]
async fn the_server_says_what_it_can() {
    let world = World::new().await;
    let url = begin(&world, "a", "1").await;
    for url in ["/v1/uploads", url.as_str()] {
        // Neither a key nor a version is asked for.
        let answer = world.call(User::Anonymous, &format!("OPTIONS {url}"), &[], "").await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("tus-resumable"), "1.0.0");
        assert_eq!(answer.header("tus-version"), "1.0.0");
        assert_eq!(answer.header("tus-max-size"), "1000000");
        assert_eq!(answer.header("tus-checksum-algorithm"), "sha256,blake3,sha1,md5");
        for extension in [
            "creation",
            "creation-with-upload",
            "creation-defer-length",
            "checksum",
            "concatenation",
            "expiration",
            "termination",
        ] {
            assert!(answer.header("tus-extension").split(',').any(|name| name == extension), "{extension}");
        }
    }
}

#[tokio::test]
async fn a_file_comes_in_steps() {
    let world = World::new().await;
    let url = begin(&world, "a.txt", "10").await;
    let first = patch(&world, &url, "0", &[], "01234").await;
    assert_eq!((first.status.as_u16(), first.header("upload-offset")), (204, "5"));
    assert_eq!(first.header("upload-expires"), "Fri, 21 Nov 2025 04:37:48 GMT");
    assert!(world.paths().await.is_empty());
    let seen = head(&world, &url).await;
    assert_eq!(seen.status, 200);
    for (name, value) in [
        ("tus-resumable", "1.0.0"),
        ("upload-offset", "5"),
        ("upload-length", "10"),
        ("cache-control", "no-store"),
        ("longshore-upload-state", "receiving"),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert!(seen.header("upload-metadata").starts_with("filename YS50eHQ=,"));
    let last = patch(&world, &url, "5", &[], "56789").await;
    assert_eq!((last.status.as_u16(), last.header("upload-offset")), (204, "10"));
    assert_eq!(content(&world, "a.txt").await, "0123456789");
    let node = world.get(&world.at("a.txt")).await.node();
    let version = node.version_id.unwrap();
    assert_eq!(last.header("longshore-node"), node.id.to_string());
    assert_eq!(last.header("longshore-version"), version.to_string());
    assert_eq!(last.header("etag"), format!("\"{version}\""));
    let shown: StagedUpload = world.call(User::Editor, &format!("GET {url}"), &[], "").await.read();
    assert_eq!((shown.state, shown.offset, shown.length), (UploadState::Finished, 10, Some(10)));
    assert_eq!(shown.metadata["filename"], "a.txt");
    assert_eq!(shown.node.unwrap().version_id, Some(version));
    // Who did not hear the answer asks again, and gets the first.
    let again = patch(&world, &url, "10", &[], "").await;
    assert_eq!(again.header("longshore-version"), version.to_string());
    assert_eq!(head(&world, &url).await.header("upload-offset"), "10");
}

#[tokio::test]
async fn what_a_creation_must_say() {
    let world = World::new().await;
    let workspace = world.id().to_string();
    let good = metadata(&[("filename", "a"), ("workspace", &workspace)]);
    let long = metadata(&[("filename", "a"), ("workspace", &workspace), ("x", &"x".repeat(9_000))]);
    let slash = metadata(&[("filename", "a/b"), ("workspace", &workspace)]);
    let digest = metadata(&[("filename", "a"), ("workspace", &workspace), ("digest", "md5:00")]);
    let length = ("upload-length", "3");
    let cases: Vec<(Vec<(&str, &str)>, &str)> = vec![
        (vec![told(&good)], "400 invalid_header"),
        (vec![("upload-length", "-1"), told(&good)], "400 invalid_header"),
        (vec![("upload-length", "+3"), told(&good)], "400 invalid_header"),
        (vec![("upload-length", "99999999999999999999"), told(&good)], "400 invalid_header"),
        (vec![("upload-length", "1000001"), told(&good)], "413 body_too_large"),
        (vec![("upload-defer-length", "2"), told(&good)], "400 invalid_header"),
        (vec![length, ("upload-defer-length", "1"), told(&good)], "400 invalid_header"),
        (vec![length, told("filename ?")], "400 invalid_header"),
        (vec![length, told(&long)], "400 invalid_header"),
        (vec![length, told(&slash)], "400 invalid_name"),
        (vec![length, told(&digest)], "400 invalid_header"),
        (vec![length, ("upload-concat", "half"), told(&good)], "400 invalid_header"),
        (vec![length, ("upload-concat", "final;"), told(&good)], "400 invalid_header"),
        (vec![length, ("upload-concat", "final;/v1/uploads/x"), told(&good)], "400 invalid_header"),
        (vec![length, told(&good)], "201"),
        (vec![("upload-defer-length", "1"), told(&good)], "201"),
    ];
    for (headers, outcome) in cases {
        let answer = create(&world, &headers, "").await;
        assert_eq!(answer.outcome(), outcome, "{headers:?}");
        assert_eq!(answer.header("tus-resumable"), "1.0.0", "also of a refusal");
    }
    for version in [&[][..], &[("tus-resumable", "0.2.2")], &[("tus-resumable", "2.0.0")]] {
        let mut headers = vec![length, told(&good)];
        headers.extend(version);
        let answer = world.call(User::Editor, "POST /v1/uploads", &headers, "").await;
        assert_eq!(answer.outcome(), "412 tus_version_unsupported");
        assert_eq!((answer.header("tus-version"), answer.header("tus-resumable")), ("1.0.0", "1.0.0"));
    }
    assert_eq!(
        create(&world, &[length, told(&good), ("content-type", "text/plain")], "").await.outcome(),
        "201"
    );
    let untyped = world.call(User::Editor, "POST /v1/uploads", &[TUS, length, told(&good)], "abc").await;
    assert_eq!(untyped.outcome(), "415 media_type_unsupported");
}

#[tokio::test]
async fn where_a_file_goes() {
    let world = World::new().await;
    let workspace = world.id().to_string();
    let there = world.put("dir/there.txt", "old").await;
    let (folder, node) = (there.parent_id.unwrap().to_string(), there.id.to_string());
    let version = there.version_id.unwrap().to_string();
    let ws = ("workspace", workspace.as_str());
    let cases: Vec<(Vec<(&str, &str)>, &str)> = vec![
        (vec![ws, ("filename", "é.txt")], "%C3%A9.txt"),
        (vec![ws, ("filename", "b"), ("path", "/x/y/")], "x/y/b"),
        (vec![ws, ("filename", "b"), ("path", "/x/z")], "x/z"),
        (vec![ws, ("filename", "c"), ("parent_id", &folder)], "dir/c"),
        (vec![ws, ("filename", "d"), ("parent_id", "root")], "d"),
        (vec![("filename", "ignored"), ("node_id", &node)], "dir/there.txt"),
        (vec![ws, ("filename", "d"), ("on_conflict", "rename")], "d%20%282%29"),
    ];
    for (pairs, path) in cases {
        let told = metadata(&pairs);
        let answer = create(&world, &[("upload-length", "3"), ("upload-metadata", &told)], "new").await;
        assert_eq!(answer.outcome(), "201", "{pairs:?}");
        assert_eq!(content(&world, path).await, "new", "{pairs:?}");
    }
    for (pairs, outcome) in [
        (vec![ws, ("filename", "d"), ("on_conflict", "error")], "409 name_taken"),
        (vec![("node_id", node.as_str()), ("if_match", version.as_str())], "412 precondition_failed"),
        (vec![("node_id", "nd_x")], "400 invalid_header"),
        (vec![ws, ("filename", "f"), ("parent_id", &node)], "409 not_a_folder"),
        (vec![ws, ("filename", "f"), ("path", "relative")], "400 invalid_path"),
        (vec![("filename", "f"), ("workspace", "ws_00000000000000000000000000")], "404 workspace_not_found"),
    ] {
        let told = metadata(&pairs);
        let answer = create(&world, &[("upload-length", "3"), ("upload-metadata", &told)], "").await;
        assert_eq!(answer.outcome(), outcome, "{pairs:?}");
    }
    // A media type that is stated is kept beside the one that was found.
    let told = metadata(&[ws, ("filename", "typed"), ("filetype", "x/y")]);
    let answer = create(&world, &[("upload-length", "3"), ("upload-metadata", &told)], "new").await;
    let (node, version) = (answer.header("longshore-node"), answer.header("longshore-version"));
    let version = world.get(&format!("/v1/files/{node}/versions/{version}")).await.json();
    assert_eq!(version["stated_media_type"], "x/y");
}

#[tokio::test]
async fn an_empty_header_of_metadata_is_taken() {
    let world = World::new().await;
    // Of two workspaces none is guessed; a key of one has that one.
    let ask = async |user| {
        let headers = [TUS, ("upload-length", "3"), ("upload-metadata", ""), BYTES];
        world.call(user, "POST /v1/uploads", &headers, "abc").await
    };
    assert_eq!(ask(User::Editor).await.outcome(), "404 workspace_not_found");
    let answer = ask(User::Foreign).await;
    assert_eq!(answer.outcome(), "201");
    let node = format!("GET /v1/files/{}", answer.header("longshore-node"));
    let name = world.call(User::Foreign, &node, &[], "").await.node().name;
    assert_eq!(
        answer.header("location"),
        format!("/v1/uploads/{name}"),
        "it has the upload's id as its name"
    );
    assert_eq!(
        create(&world, &[("upload-concat", "partial"), ("upload-length", "3"), ("upload-metadata", "")], "")
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn what_bytes_must_say() {
    let world = World::new().await;
    let url = begin(&world, "a", "5").await;
    let what = format!("PATCH {url}");
    let cases: [Sent<'_>; 10] = [
        (vec![BYTES, ("upload-offset", "0")], "ab", "412 tus_version_unsupported"),
        (vec![TUS, ("upload-offset", "0")], "ab", "415 media_type_unsupported"),
        (
            vec![TUS, ("content-type", "text/plain"), ("upload-offset", "0")],
            "ab",
            "415 media_type_unsupported",
        ),
        (vec![TUS, BYTES], "ab", "400 invalid_header"),
        (vec![TUS, BYTES, ("upload-offset", "-1")], "ab", "400 invalid_header"),
        (vec![TUS, BYTES, ("upload-offset", "1")], "ab", "409 offset_mismatch"),
        (vec![TUS, BYTES, ("upload-offset", "0"), ("upload-length", "6")], "ab", "400 length_mismatch"),
        (vec![TUS, BYTES, ("upload-offset", "0")], "abcdef", "400 length_mismatch"),
        (
            vec![TUS, BYTES, ("upload-offset", "0"), ("upload-checksum", "crc32 AAAA")],
            "ab",
            "400 invalid_header",
        ),
        (
            vec![TUS, BYTES, ("upload-offset", "0"), ("upload-checksum", "sha1 AAAA")],
            "ab",
            "400 invalid_header",
        ),
    ];
    for (headers, body, outcome) in cases {
        let answer = world.call(User::Editor, &what, &headers, body).await;
        assert_eq!(answer.outcome(), outcome, "{headers:?}");
        assert_eq!(answer.header("tus-resumable"), "1.0.0");
        assert_eq!(head(&world, &url).await.header("upload-offset"), "0");
    }
    let nobody = "/v1/uploads/upl_00000000000000000000000000";
    assert_eq!(patch(&world, nobody, "0", &[], "ab").await.outcome(), "404 upload_not_found");
    assert_eq!(patch(&world, "/v1/uploads/nonsense", "0", &[], "ab").await.outcome(), "400 invalid_id");
    assert_eq!(head(&world, nobody).await.status, 404);
}

#[tokio::test]
async fn bytes_with_a_checksum_are_verified_before_they_count() {
    let world = World::new().await;
    // Of "abc": FIPS 180, RFC 1321, and the BLAKE3 paper's test of the same.
    for (number, checksum) in [
        "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=".to_owned(),
        "sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=".to_owned(),
        "md5 kAFQmDzST7DWlj99KOF/cg==".to_owned(),
        format!("blake3 {}", STANDARD.encode(blake3::hash(b"abc").as_bytes())),
    ]
    .iter()
    .enumerate()
    {
        let url = begin(&world, &format!("file {number}"), "6").await;
        let checked = [("upload-checksum", checksum.as_str())];
        let wrong = patch(&world, &url, "0", &checked, "abd").await;
        assert_eq!(wrong.outcome(), "460 checksum_mismatch");
        assert_eq!(head(&world, &url).await.header("upload-offset"), "0");
        assert_eq!(patch(&world, &url, "0", &checked, "abc").await.header("upload-offset"), "3");
        assert_eq!(patch(&world, &url, "3", &checked, "abc").await.header("upload-offset"), "6");
        assert_eq!(content(&world, &format!("file%20{number}")).await, "abcabc");
    }
    // At the creation too, which then is in vain but for its place.
    let named = metadata(&[("filename", "late"), ("workspace", &world.id().to_string())]);
    let headers = [
        ("upload-length", "3"),
        ("upload-metadata", named.as_str()),
        ("upload-checksum", "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0="),
    ];
    let wrong = create(&world, &headers, "abd").await;
    assert_eq!(wrong.outcome(), "460 checksum_mismatch");
    assert_eq!(patch(&world, wrong.header("location"), "0", &[], "abc").await.status, 204);
}

#[tokio::test]
async fn bytes_come_with_the_creation_and_lengths_after_it() {
    let world = World::new().await;
    let named = |name| metadata(&[("filename", name), ("workspace", &world.id().to_string())]);
    let (some, none, later) = (named("some"), named("none"), named("later"));
    let answer = create(&world, &[("upload-length", "6"), ("upload-metadata", &some)], "abc").await;
    assert_eq!((answer.outcome().as_str(), answer.header("upload-offset")), ("201", "3"));
    assert_eq!(patch(&world, answer.header("location"), "3", &[], "def").await.status, 204);
    assert_eq!(content(&world, "some").await, "abcdef");
    let empty = create(&world, &[("upload-length", "0"), ("upload-metadata", &none)], "").await;
    assert_eq!(empty.header("longshore-upload-state"), "finished");
    assert_eq!(content(&world, "none").await, "");
    let answer = create(&world, &[("upload-defer-length", "1"), ("upload-metadata", &later)], "abc").await;
    let url = answer.header("location").to_owned();
    let seen = head(&world, &url).await;
    assert_eq!((seen.header("upload-defer-length"), seen.header("upload-length")), ("1", ""));
    assert_eq!(patch(&world, &url, "3", &[], "def").await.header("upload-offset"), "6");
    assert_eq!(
        patch(&world, &url, "6", &[("upload-length", "5")], "").await.outcome(),
        "400 length_mismatch"
    );
    assert_eq!(
        patch(&world, &url, "6", &[("upload-length", "1000001")], "").await.outcome(),
        "413 body_too_large"
    );
    assert_eq!(patch(&world, &url, "6", &[("upload-length", "6")], "").await.status, 204);
    assert_eq!(content(&world, "later").await, "abcdef");
}

#[tokio::test]
async fn parts_become_one_file() {
    let world = World::new().await;
    let mut urls = Vec::new();
    for body in ["abc", "def"] {
        let answer = create(&world, &[("upload-concat", "partial"), ("upload-length", "3")], "").await;
        let url = answer.header("location").to_owned();
        assert_eq!(head(&world, &url).await.header("upload-concat"), "partial");
        if body == "def" {
            let half = format!("final;{} {url}", urls[0]);
            assert_eq!(
                create(&world, &[("upload-concat", &half)], "").await.outcome(),
                "404 workspace_not_found"
            );
            let named = metadata(&[("filename", "x"), ("workspace", &world.id().to_string())]);
            let answer = create(&world, &[("upload-concat", &half), ("upload-metadata", &named)], "").await;
            assert_eq!(answer.outcome(), "409 upload_incomplete");
        }
        assert_eq!(patch(&world, &url, "0", &[], body).await.header("longshore-upload-state"), "complete");
        urls.push(url);
    }
    let named = metadata(&[("filename", "a"), ("workspace", &world.id().to_string())]);
    let concat = format!("final;{} https://files.example/below{}", urls[0], urls[1]);
    let joined = create(&world, &[("upload-concat", &concat), ("upload-metadata", &named)], "").await;
    assert_eq!((joined.outcome().as_str(), joined.header("longshore-upload-state")), ("201", "finished"));
    assert_eq!(content(&world, "a").await, "abcdef");
    let url = joined.header("location").to_owned();
    let seen = head(&world, &url).await;
    assert_eq!(seen.header("upload-concat"), format!("final;{} {}", urls[0], urls[1]));
    assert_eq!((seen.header("upload-length"), seen.header("upload-offset")), ("6", "6"));
    assert_eq!(patch(&world, &url, "6", &[], "").await.outcome(), "403 upload_not_appendable");
    assert_eq!(head(&world, &urls[0]).await.status, 404);
    // Who did not hear the answer makes it again, and it is the same.
    let again = create(&world, &[("upload-concat", &concat), ("upload-metadata", &named)], "").await;
    assert_eq!(again.header("location"), url);
    assert_eq!(again.header("longshore-version"), joined.header("longshore-version"));
}

#[tokio::test]
async fn uploads_end_by_hand_and_by_time() {
    let world = World::new().await;
    let (one, other) = (begin(&world, "one", "5").await, begin(&world, "other", "5").await);
    let delete = format!("DELETE {one}");
    assert_eq!(world.call(User::Editor, &delete, &[], "").await.outcome(), "412 tus_version_unsupported");
    let gone = world.call(User::Editor, &delete, &[TUS], "").await;
    assert_eq!((gone.status.as_u16(), gone.header("tus-resumable")), (204, "1.0.0"));
    assert_eq!(head(&world, &one).await.status, 404);
    assert_eq!(patch(&world, &one, "0", &[], "abc").await.outcome(), "404 upload_not_found");
    assert_eq!(patch(&world, &other, "0", &[], "abc").await.status, 204);
    world.clock.advance(Duration::from_hours(25));
    assert_eq!(head(&world, &other).await.status, 410);
    assert_eq!(patch(&world, &other, "3", &[], "de").await.outcome(), "410 upload_expired");
}

#[tokio::test]
async fn a_method_may_hide_in_a_header() {
    let world = World::new().await;
    let url = begin(&world, "a", "6").await;
    let post = async |method: &str, headers: &[(&str, &str)], body: &'static str| {
        let mut all = vec![TUS, ("x-http-method-override", method)];
        all.extend(headers);
        world.call(User::Editor, &format!("POST {url}"), &all, body).await
    };
    assert_eq!(post("PATCH", &[BYTES, ("upload-offset", "0")], "abc").await.header("upload-offset"), "3");
    assert_eq!(post("HEAD", &[], "").await.header("upload-offset"), "3");
    assert_eq!(post("PUT", &[], "").await.outcome(), "405 method_not_allowed");
    assert_eq!(post("delete", &[], "").await.status, 204);
    let plain = world.call(User::Editor, &format!("POST {url}"), &[TUS], "").await;
    assert_eq!(plain.outcome(), "405 method_not_allowed");
}

#[tokio::test]
async fn a_refused_end_is_tried_again() {
    let world = World::new().await;
    let file = world.put("a.txt", "old").await;
    let stale = file.version_id.unwrap().to_string();
    let told = metadata(&[("node_id", &file.id.to_string()), ("if_match", &stale)]);
    let answer = create(&world, &[("upload-length", "6"), ("upload-metadata", &told)], "abc").await;
    let url = answer.header("location").to_owned();
    let newer = world.put("a.txt", "newer").await.version_id.unwrap();
    let refused = patch(&world, &url, "3", &[], "def").await;
    assert_eq!(refused.outcome(), "412 precondition_failed");
    assert_eq!(refused.json()["current_version"], newer.to_string());
    // Nobody takes it for done.
    assert_eq!(head(&world, &url).await.status, 412);
    let shown: StagedUpload = world.call(User::Editor, &format!("GET {url}"), &[], "").await.read();
    assert_eq!((shown.state, shown.offset), (UploadState::Refused, 6));
    let grant: LockGrant =
        world.call(User::Editor, &format!("POST /v1/files/{}/lock", file.id), &[], "{}").await.read();
    let newer = format!("\"{newer}\"");
    let matching = ("if-match", newer.as_str());
    assert_eq!(patch(&world, &url, "6", &[matching], "").await.outcome(), "423 locked");
    let done = patch(&world, &url, "6", &[matching, ("lock-token", &grant.token)], "").await;
    assert_eq!(done.status, 204);
    assert_eq!(done.header("longshore-node"), file.id.to_string());
    assert_eq!(content(&world, "a.txt").await, "abcdef");
}

#[tokio::test]
async fn who_may_do_what() {
    let world = World::new().await;
    let url = begin(&world, "a", "3").await;
    let told = metadata(&[("filename", "b"), ("workspace", &world.id().to_string())]);
    for (user, made, other) in [
        (User::Anonymous, "401 key_missing", "401 key_missing"),
        (User::Viewer, "403 forbidden", "403 forbidden"),
        (User::Foreign, "404 workspace_not_found", "404 upload_not_found"),
        (User::Admin, "201", "404 upload_not_found"),
    ] {
        let headers = [TUS, ("upload-length", "3"), ("upload-metadata", told.as_str())];
        assert_eq!(world.call(user, "POST /v1/uploads", &headers, "").await.outcome(), made, "{user:?}");
        for method in ["HEAD", "GET", "PATCH", "DELETE"] {
            let headers = [TUS, BYTES, ("upload-offset", "0")];
            let body = if method == "PATCH" { "abc" } else { "" };
            let answer = world.call(user, &format!("{method} {url}"), &headers, body).await;
            // An answer to HEAD has no body that would tell the code.
            let found = if method == "HEAD" { answer.status.as_str().to_owned() } else { answer.outcome() };
            assert!(other.starts_with(&found), "{user:?} {method}: {answer:?}");
        }
    }
    assert_eq!(patch(&world, &url, "0", &[], "abc").await.status, 204);
}

#[tokio::test]
async fn an_upload_outlives_the_server() {
    let mut world = World::new().await;
    let url = begin(&world, "a", "6").await;
    patch(&world, &url, "0", &[], "abc").await;
    world.restart().await;
    assert_eq!(head(&world, &url).await.header("upload-offset"), "3");
    assert_eq!(patch(&world, &url, "3", &[], "def").await.status, 204);
    assert_eq!(content(&world, "a").await, "abcdef");
}
