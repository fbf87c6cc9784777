//! Bytes in and out: preconditions, digests, lengths, ranges and what goes beside them.

use longshore_core::wire::Node;
use longshore_core::{Algorithm, Digest};

use crate::world::{Answer, User, World};

fn tag(node: &Node) -> String {
    format!("\"{}\"", node.version_id.unwrap())
}

#[tokio::test]
async fn what_a_write_asks_of_the_version_that_stands() {
    let world = World::new().await;
    let (old, there) = (world.put("a.txt", "one").await, world.put("a.txt", "two").await);
    let (stale, fresh) = (tag(&old), tag(&there));
    let (weak, list) = (format!("W/{fresh}"), format!("{stale}, {fresh}"));
    let (at, none) = (world.at("a.txt"), world.at("none.txt"));
    let id = format!("/v1/files/{}", there.id);
    for (what, header, value, outcome) in [
        (format!("PUT {at}"), "if-match", stale.as_str(), "412 precondition_failed"),
        (format!("PUT {at}"), "if-match", &weak, "412 precondition_failed"),
        (format!("PUT {at}"), "if-match", "\"of another house\"", "412 precondition_failed"),
        (format!("PUT {at}"), "if-match", "bare", "400 invalid_header"),
        (format!("PUT {at}"), "if-none-match", "*", "412 precondition_failed"),
        (format!("PUT {at}"), "if-none-match", &fresh, "400 invalid_header"),
        (format!("PUT {none}"), "if-match", "*", "412 precondition_failed"),
        (format!("PUT {none}"), "if-match", &fresh, "412 precondition_failed"),
        (format!("PUT {id}/content"), "if-match", &stale, "412 precondition_failed"),
        (format!("DELETE {id}"), "if-match", &stale, "412 precondition_failed"),
        (format!("PATCH {id}"), "if-match", &stale, "412 precondition_failed"),
        (format!("POST {id}/copy"), "if-match", &stale, "412 precondition_failed"),
    ] {
        let body = if what.starts_with("PUT") { "x" } else { "{\"name\":\"b.txt\"}" };
        let answer = world.call(User::Editor, &what, &[(header, value)], body).await;
        assert_eq!(answer.outcome(), outcome, "{what} {header}: {value}");
        if outcome.starts_with("412") && !what.contains("none.txt") {
            assert_eq!(answer.json()["current_version"], there.version_id.unwrap().to_string());
        }
    }
    assert_eq!(world.paths().await, ["/a.txt"]);
    for (what, header, value) in [
        (format!("PATCH {id}"), "if-match", fresh.as_str()),
        (format!("PUT {at}"), "if-match", &list),
        (format!("PUT {at}"), "if-match", "*"),
        (format!("PUT {none}"), "if-none-match", "*"),
    ] {
        let body = if what.starts_with("PUT") { "x" } else { "{}" };
        let answer = world.call(User::Editor, &what, &[(header, value)], body).await;
        assert!(answer.status.is_success(), "{what} {header}: {value}: {answer:?}");
    }
}

#[tokio::test]
async fn what_a_write_does_where_the_name_is_taken() {
    let world = World::new().await;
    world.put("a.txt", "one").await;
    let at = world.at("a.txt");
    let put = async |rule: &str| world.edit(&format!("PUT {at}?on_conflict={rule}"), "two").await;
    assert_eq!(put("error").await.outcome(), "409 name_taken");
    let renamed = put("rename").await;
    assert_eq!((renamed.status.as_u16(), renamed.node().name.as_str()), (201, "a (2).txt"));
    assert_eq!(put("version").await.status, 200);
    assert_eq!(put("overwrite").await.outcome(), "400 invalid_query");
    assert_eq!(world.edit(&format!("PUT {}", world.at("a.txt/b")), "x").await.outcome(), "409 not_a_folder");
    world.put("dir/a", "x").await;
    assert_eq!(world.edit(&format!("PUT {}", world.at("dir")), "x").await.outcome(), "409 not_a_file");
}

#[tokio::test]
async fn a_digest_is_verified_before_anything_is_visible() {
    let world = World::new().await;
    let put = format!("PUT {}", world.at("a.txt"));
    let wrong = Digest::new(Algorithm::Blake3, [7; 32]).to_content_digest();
    // Of "abc": FIPS 180-2, appendix B.1.
    let right = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    for (value, outcome) in [
        (wrong.as_str(), "400 digest_mismatch"),
        ("sha-256=:short:", "400 invalid_header"),
        ("md5=:AAAA:", "201"),
        (right, "200"),
    ] {
        let answer = world.call(User::Editor, &put, &[("content-digest", value)], "abc").await;
        assert_eq!(answer.outcome(), outcome, "{value}");
    }
    assert_eq!(world.paths().await, ["/a.txt"]);
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_is_not_stored() {
    let world = World::new().await;
    let put = format!("PUT {}", world.at("a.txt"));
    for (length, outcome) in [
        ("2", "400 length_mismatch"),
        ("4", "400 length_mismatch"),
        ("-1", "400 invalid_header"),
        ("1000001", "413 body_too_large"),
    ] {
        let answer = world.call(User::Editor, &put, &[("content-length", length)], "abc").await;
        assert_eq!(answer.outcome(), outcome, "{length}");
    }
    let large = vec![0; 1_000_001];
    assert_eq!(world.edit(&put, large).await.outcome(), "413 body_too_large");
    assert!(world.paths().await.is_empty());
}

async fn ask(world: &World, url: &str, headers: &[(&str, &str)]) -> Answer {
    world.call(User::Viewer, &format!("GET {url}"), headers, "").await
}

#[tokio::test]
async fn ranges_of_small_and_large_content() {
    let world = World::new().await;
    let large: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
    let small = large[..1_000].to_vec();
    for (path, content) in [("small", small), ("large", large)] {
        let node = world.put(path, content.clone()).await;
        let (url, size) = (format!("/v1/files/{}/content", node.id), content.len());
        let whole = ask(&world, &url, &[]).await;
        assert_eq!((whole.status.as_u16(), &whole.body[..]), (200, &content[..]));
        assert_eq!(whole.header("accept-ranges"), "bytes");
        assert_eq!(whole.header("content-digest"), node.digest.unwrap().to_content_digest());
        for (range, part) in [
            ("bytes=0-0".to_owned(), &content[..1]),
            ("bytes=100-199".to_owned(), &content[100..200]),
            ("bytes=900-".to_owned(), &content[900..]),
            ("bytes=-10".to_owned(), &content[size - 10..]),
            (format!("bytes=5-{}", size * 2), &content[5..]),
        ] {
            let answer = ask(&world, &url, &[("range", &range)]).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (206, part), "{path} {range}");
            assert_eq!(answer.header("content-length"), part.len().to_string());
            assert!(answer.header("content-range").ends_with(&format!("/{size}")));
            assert_eq!(answer.header("content-digest"), "", "a part has no digest");
        }
        let outside = ask(&world, &url, &[("range", &format!("bytes={size}-"))]).await;
        assert_eq!(outside.outcome(), "416 range_not_satisfiable");
        assert_eq!(outside.header("content-range"), format!("bytes */{size}"));
    }
    let empty = world.put("empty", "").await;
    let url = format!("/v1/files/{}/content", empty.id);
    assert_eq!(ask(&world, &url, &[("range", "bytes=0-")]).await.outcome(), "416 range_not_satisfiable");
    let whole = ask(&world, &url, &[]).await;
    assert_eq!((whole.status.as_u16(), whole.header("content-length")), (200, "0"));
}

#[tokio::test]
async fn a_range_means_nothing_where_no_bytes_are_sent() {
    let world = World::new().await;
    let node = world.put("a.txt", "0123456789").await;
    let digest = node.digest.unwrap().to_content_digest();
    for url in [format!("/v1/files/{}/content", node.id), format!("{}?content=1", world.at("a.txt"))] {
        for range in ["bytes=0-1", "bytes=99-"] {
            let answer = world.call(User::Viewer, &format!("HEAD {url}"), &[("range", range)], "").await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{url} {range}");
            assert_eq!((answer.header("content-length"), answer.header("content-range")), ("10", ""));
            assert_eq!(answer.header("content-digest"), digest);
        }
    }
    let (head, ours) = (format!("HEAD /v1/files/{}/content", node.id), tag(&node));
    let same = world.call(User::Viewer, &head, &[("if-none-match", &ours)], "").await;
    assert_eq!(same.status, 304);
}

#[tokio::test]
async fn what_a_read_asks_of_the_version_that_stands() {
    let world = World::new().await;
    let node = world.put("a.txt", "0123456789").await;
    let (ours, weak) = (tag(&node), format!("W/{}", tag(&node)));
    for url in [format!("/v1/files/{}/content", node.id), format!("{}?content=1", world.at("a.txt"))] {
        for (headers, outcome) in [
            (&[("if-none-match", ours.as_str())][..], "304"),
            (&[("if-none-match", &weak)], "304"),
            (&[("if-none-match", "*")], "304"),
            (&[("if-none-match", "\"x\"")], "200"),
            (&[("if-match", &ours)], "200"),
            (&[("if-match", "\"x\"")], "412 precondition_failed"),
            (&[("range", "bytes=0-1"), ("if-range", &ours)], "206"),
            (&[("range", "bytes=0-1"), ("if-range", "\"x\"")], "200"),
            (&[("range", "bytes=99-"), ("if-range", "\"x\"")], "200"),
        ] {
            let answer = ask(&world, &url, headers).await;
            assert_eq!(answer.outcome(), outcome, "{url} {headers:?}");
            if outcome == "304" {
                assert_eq!((answer.header("etag"), answer.body.len()), (ours.as_str(), 0));
                assert_eq!(answer.header("content-length"), "10");
            }
        }
    }
}

#[tokio::test]
async fn nothing_stored_runs_in_the_services_origin() {
    let world = World::new().await;
    let put = format!("PUT {}", world.at("%22x%C3%A9.html"));
    let html = "<html><script>alert(1)</script></html>";
    let node = world.call(User::Editor, &put, &[("content-type", "text/html; charset=utf-8")], html).await;
    let node = node.node();
    let answer = world.get(&format!("/v1/files/{}/content", node.id)).await;
    assert_eq!(node.media_type.as_deref(), Some("text/html"));
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"_x_.html\"; filename*=UTF-8''%22x%C3%A9.html"
    );
}

#[tokio::test]
async fn a_stated_media_type_is_kept_unless_it_is_none() {
    let world = World::new().await;
    for (stated, kept) in [
        ("text/csv", Some("text/csv")),
        ("text/csv; header=present", Some("text/csv; header=present")),
        ("csv", None),
        ("text/", None),
        ("te xt/csv", None),
    ] {
        let put = format!("PUT {}", world.at("a.csv"));
        let node = world.call(User::Editor, &put, &[("content-type", stated)], "a").await.node();
        let url = format!("/v1/files/{}/versions/{}", node.id, node.version_id.unwrap());
        assert_eq!(world.get(&url).await.json()["stated_media_type"].as_str(), kept, "{stated}");
    }
}
