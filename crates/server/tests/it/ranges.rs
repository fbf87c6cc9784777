//! Parts of a content, one and many: any `Range` gives the right bytes, all of them, or a refusal.

use std::cell::Cell;

use futures_util::TryStreamExt;
use longshore_engine::{AppendOptions, Made, NewUpload, Target};
use longshore_store::{List, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::world::{Answer, User, World};

/// One part of a `multipart/byteranges`.
#[derive(Debug)]
struct Part {
    media_type: String,
    first: usize,
    last: usize,
    bytes: Vec<u8>,
}

fn after<'a>(bytes: &'a [u8], mark: &[u8]) -> &'a [u8] {
    assert!(bytes.starts_with(mark), "{mark:?} before {:?}", &bytes[..bytes.len().min(40)]);
    &bytes[mark.len()..]
}

/// Reads a body as RFC 2046 and RFC 9110 (14.6) have it; each part says itself how long it is.
fn parts(answer: &Answer, size: usize) -> Vec<Part> {
    let boundary = answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    let dash = format!("--{boundary}");
    let mut rest = after(&answer.body, dash.as_bytes());
    let mut found = Vec::new();
    loop {
        if rest == b"--\r\n" {
            return found;
        }
        rest = after(rest, b"\r\n");
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        let range = field("Content-Range: bytes ");
        let (range, all) = range.split_once('/').unwrap();
        assert_eq!(all, size.to_string());
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        rest = &rest[end + 4..];
        let (bytes, more) = rest.split_at(last + 1 - first);
        let media_type = field("Content-Type: ");
        found.push(Part { media_type, first, last, bytes: bytes.to_vec() });
        rest = after(more, format!("\r\n{dash}").as_bytes());
    }
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|place| (place % 251) as u8).collect()
}

async fn ask(world: &World, url: &str, headers: &[(&str, &str)]) -> Answer {
    world.call(User::Viewer, &format!("GET {url}"), headers, "").await
}

#[tokio::test]
async fn several_ranges_come_in_one_body() {
    let world = World::new().await;
    for (path, content) in [("small.csv", pattern(1_000)), ("large.csv", pattern(300_000))] {
        let node = world.put(path, content.clone()).await;
        let (url, size) = (format!("/v1/files/{}/content", node.id), content.len());
        let range = format!("bytes=900-, 5-9,-10,{}-", size * 2);
        let answer = ask(&world, &url, &[("range", &range)]).await;
        assert_eq!(answer.status, 206);
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert_eq!(answer.header("content-range"), "", "each part has its own");
        assert_eq!(answer.header("content-digest"), "");
        assert_eq!(answer.header("repr-digest"), node.digest.unwrap().to_content_digest());
        assert_eq!(answer.header("etag"), format!("\"{}\"", node.version_id.unwrap()));
        let parts = parts(&answer, size);
        let found: Vec<_> = parts.iter().map(|part| (part.first, part.last)).collect();
        assert_eq!(found, [(5, 9), (900, size - 1)]);
        for part in &parts {
            assert!(part.bytes == content[part.first..=part.last]);
            assert_eq!(part.media_type, node.media_type.clone().unwrap());
        }
        // What meets becomes one, and one is no multipart.
        let one = ask(&world, &url, &[("range", "bytes=0-3,4-9,2-5")]).await;
        assert_eq!((one.status.as_u16(), &one.body[..]), (206, &content[..10]));
        assert_eq!(one.header("content-range"), format!("bytes 0-9/{size}"));
        assert_eq!(one.header("repr-digest"), node.digest.unwrap().to_content_digest());
        let stale = ask(&world, &url, &[("range", "bytes=0-1,5-6"), ("if-range", "\"x\"")]).await;
        assert_eq!((stale.status.as_u16(), stale.body.len()), (200, size));
        let outside = ask(&world, &url, &[("range", &format!("bytes={size}-,{size}-"))]).await;
        assert_eq!(outside.outcome(), "416 range_not_satisfiable");
        let many: Vec<_> = (0..65).map(|place| format!("{0}-{0}", place * 2)).collect();
        let many = ask(&world, &url, &[("range", &format!("bytes={}", many.join(",")))]).await;
        assert_eq!((many.status.as_u16(), many.body.len()), (200, size));
        let head = world.call(User::Viewer, &format!("HEAD {url}"), &[("range", "bytes=0-1,5-6")], "").await;
        assert_eq!((head.status.as_u16(), head.header("content-length")), (200, size.to_string().as_str()));
    }
}

#[tokio::test]
async fn an_empty_content_has_no_parts() {
    let world = World::new().await;
    let node = world.put("empty", "").await;
    let url = format!("/v1/files/{}/content", node.id);
    for (range, outcome) in [
        ("bytes=0-", "416 range_not_satisfiable"),
        ("bytes=0-0,-1", "416 range_not_satisfiable"),
        ("bytes=x", "200"),
    ] {
        let answer = ask(&world, &url, &[("range", range)]).await;
        assert_eq!(answer.outcome(), outcome, "{range}");
    }
}

/// What a header may hold: what looks like ranges, and what does not.
fn hostile() -> impl Strategy<Value = String> {
    let bound = prop_oneof![0_u64..1_200, Just(u64::MAX)];
    let one = prop_oneof![
        (bound.clone(), bound.clone()).prop_map(|(first, last)| format!("{first}-{last}")),
        bound.clone().prop_map(|first| format!("{first}-")),
        bound.prop_map(|last| format!("-{last}")),
        "[0-9, \\-]{0,12}",
    ];
    let list = proptest::collection::vec(one, 0..90).prop_map(|list| format!("bytes={}", list.join(",")));
    prop_oneof![4 => list, 1 => "[ -~]{0,40}"]
}

#[test]
fn any_range_gives_right_bytes_or_a_refusal() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    for size in [0, 1, 1_000, 40_000] {
        let content = pattern(size);
        let node = runtime.block_on(world.put(&format!("{size}"), content.clone()));
        let url = format!("/v1/files/{}/content", node.id);
        let mut runner =
            TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
        let tried = runner.run(&hostile(), |range| {
            let answer = runtime.block_on(ask(&world, &url, &[("range", &range)]));
            prop_assert!(!answer.header("content-length").is_empty());
            match answer.status.as_u16() {
                200 => prop_assert!(answer.body == content),
                206 if answer.header("content-type").starts_with("multipart/") => {
                    prop_assert_eq!(answer.header("content-length"), answer.body.len().to_string());
                    let parts = parts(&answer, size);
                    prop_assert!((2..=64).contains(&parts.len()));
                    prop_assert!(parts.windows(2).all(|pair| pair[0].last + 1 < pair[1].first));
                    for part in parts {
                        prop_assert!(part.bytes == content[part.first..=part.last]);
                    }
                }
                206 => {
                    let field = answer.header("content-range").strip_prefix("bytes ").unwrap();
                    let (first, last) = field.split_once('/').unwrap().0.split_once('-').unwrap();
                    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                    prop_assert!(answer.body == content[first..=last]);
                }
                416 => prop_assert_eq!(answer.header("content-range"), format!("bytes */{size}")),
                other => prop_assert!(false, "{} for {:?}", other, range),
            }
            Ok(())
        });
        tried.unwrap();
    }
}

/// Bytes of which no two stretches are alike.
fn uneven(size: usize) -> Vec<u8> {
    (0..size as u64).map(|place| (place.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 29) as u8).collect()
}

/// Uploads content in requests that end at these cuts; each makes a piece.
async fn upload_in_pieces(world: &World, name: &str, content: &[u8], cuts: &[usize]) -> String {
    let engine = &world.engine;
    let target = Target::Child { parent: world.workspace.root_id, name: name.parse().unwrap() };
    let made = Made::File(target, Box::default());
    let length = Some(content.len() as u64);
    let new = NewUpload { id: engine.upload_id(), made, length, metadata: String::new() };
    let id = engine.create_upload(&world.owner, new).await.unwrap().id;
    let mut written = None;
    let starts = std::iter::once(&0).chain(cuts);
    for (start, end) in starts.zip(cuts.iter().chain([&content.len()])) {
        let options = AppendOptions { offset: *start as u64, ..AppendOptions::default() };
        let mut appending = engine.append_upload(&world.owner, id, options).await.unwrap();
        appending.write(content[*start..*end].to_vec().into()).await.unwrap();
        written = appending.finish().await.unwrap().written;
    }
    format!("/v1/files/{}/content", written.unwrap().node.id)
}

const COMPOSED: usize = 900_000;

/// Where three pieces meet, and ranges of which many begin or end there.
fn of_pieces() -> impl Strategy<Value = (usize, usize, Vec<(usize, usize)>)> {
    let cuts = prop_oneof![
        (1..COMPOSED - 1, 1..COMPOSED - 1).prop_map(|(one, other)| (one.min(other), one.max(other) + 1)),
        Just((1, 2)),
        Just((COMPOSED - 2, COMPOSED - 1)),
        (1..COMPOSED - 1).prop_map(|cut| (cut, cut + 1)),
    ];
    cuts.prop_flat_map(|(one, other)| {
        let last = COMPOSED - 1;
        let near =
            move |border: usize| (0..5_usize).prop_map(move |by| (border + by).saturating_sub(2).min(last));
        let bound = prop_oneof![near(0), near(one), near(other), near(last), 0..COMPOSED];
        let range = (bound.clone(), bound).prop_map(|(first, last)| (first.min(last), first.max(last)));
        (Just(one), Just(other), proptest::collection::vec(range, 1..7))
    })
}

#[test]
fn any_ranges_of_a_composed_content_are_those_of_the_whole() {
    let runtime = Runtime::new().unwrap();
    let store = Store::memory();
    let world = runtime.block_on(World::over(store.clone()));
    let content = uneven(COMPOSED);
    let number = Cell::new(0);
    let config = Config { cases: 40, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&of_pieces(), |(one, other, ranges)| {
        let name = number.replace(number.get() + 1).to_string();
        let url = runtime.block_on(upload_in_pieces(&world, &name, &content, &[one, other]));
        let whole = runtime.block_on(world.get(&url));
        prop_assert!(whole.body == content);
        for (first, last) in &ranges {
            let alone = format!("bytes={first}-{last}");
            let answer = runtime.block_on(ask(&world, &url, &[("range", &alone)]));
            prop_assert_eq!(answer.status.as_u16(), 206);
            prop_assert!(answer.body == content[*first..=*last]);
        }
        let list: Vec<_> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        let list = format!("bytes={}", list.join(","));
        let answer = runtime.block_on(ask(&world, &url, &[("range", &list)]));
        prop_assert_eq!(answer.status.as_u16(), 206);
        let mut asked = vec![false; COMPOSED];
        ranges.iter().for_each(|(first, last)| asked[*first..=*last].fill(true));
        let mut given = vec![false; COMPOSED];
        if answer.header("content-type").starts_with("multipart/") {
            for part in parts(&answer, COMPOSED) {
                prop_assert!(part.bytes == content[part.first..=part.last]);
                given[part.first..=part.last].fill(true);
            }
        } else {
            let field = answer.header("content-range").strip_prefix("bytes ").unwrap();
            let (first, last) = field.split_once('/').unwrap().0.split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            prop_assert!(answer.body == content[first..=last]);
            given[first..=last].fill(true);
        }
        prop_assert!(given == asked, "no byte less, and none that nobody asked for");
        Ok(())
    });
    tried.unwrap();
    // They were pieces indeed, and not written anew as one.
    let blobs = store.list_files("blobs", &List::ALL).unwrap();
    let blobs = runtime.block_on(blobs.try_fold(0, |count, _| async move { Ok(count + 1) })).unwrap();
    assert_eq!(blobs, 3 * number.get());
}
