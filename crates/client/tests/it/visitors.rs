//! Visits of share links: grants that end, answers that are lost, content that has an origin of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Response;
use longshore::core::ShareToken;
use longshore::core::wire::{HiddenText, OpenedShare};
use longshore::{
    Code, Depth, DownloadOptions, DropOptions, Dropped, Name, NodeKind, Path, ShareMode, Source, Visitor,
};

use crate::fake::{Fake, NOW, Reply, Seen, Served, digest, json, problem};
use crate::parts::MIB;

fn token() -> String {
    ShareToken::generate(NOW).reveal().to_owned()
}

fn visitor(fake: &Fake, token: &str) -> Visitor {
    fake.builder().visit(&format!("http://{}/v1/shares/{token}", fake.address())).unwrap()
}

/// Answers the opening of a link with the grant of this number.
fn opened(number: usize) -> Reply {
    let grant = HiddenText::new(format!("lsg_{number}"));
    let name = "f".to_owned();
    let opened = OpenedShare {
        grant,
        expires_at: NOW,
        mode: ShareMode::Read,
        name,
        kind: NodeKind::File,
        size: Some(3),
    };
    Reply::Answer(json(200, &opened))
}

fn dropped(seen: &Seen) -> Reply {
    let size = seen.body.len() as u64;
    Reply::Answer(json(201, &Dropped { size, digest: digest(&seen.body), stored_at: NOW }))
}

/// A server whose first grants have ended; the next is good.
async fn ended(grants: usize, serve: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Fake {
    let opens = AtomicUsize::new(0);
    Fake::start(move |_, seen| {
        if seen.target.ends_with("/open") {
            return opened(opens.fetch_add(1, Ordering::Relaxed));
        }
        let number: usize = seen.header("share-grant").unwrap()["lsg_".len()..].parse().unwrap();
        if number < grants { Reply::Answer(problem(401, "share_not_opened", &[])) } else { serve(seen) }
    })
    .await
}

#[tokio::test]
async fn a_visit_that_has_ended_is_followed_by_another() {
    let served = Served::new("abc");
    let fake = ended(1, move |seen| served.reply(seen)).await;
    let visitor = visitor(&fake, &token());
    assert_eq!(visitor.download(Path::root()).await.unwrap(), "abc");
    assert_eq!(visitor.download(Path::root()).await.unwrap(), "abc");
    let asked = fake.asked();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("POST")).count(), 2, "{asked:?}");
    assert_eq!(asked.len(), 5);
    assert!(fake.seen().iter().all(|seen| seen.header("authorization").is_none()), "no key is sent");
    // One that never holds is no loop.
    let fake = ended(usize::MAX, |_| Reply::Close).await;
    let error = self::visitor(&fake, &token()).download(Path::root()).await.unwrap_err();
    assert!(error.is(Code::ShareNotOpened), "{error}");
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn a_large_download_goes_on_in_another_visit() {
    let served = Served::new(vec![5; 40 * MIB]);
    let (whole, opens) = (served.bytes.clone(), AtomicUsize::new(0));
    let asked = AtomicUsize::new(0);
    let fake = Fake::start(move |_, seen| {
        if seen.target.ends_with("/open") {
            return opened(opens.fetch_add(1, Ordering::Relaxed));
        }
        // Each visit is good for three requests.
        let visit = asked.fetch_add(1, Ordering::Relaxed) / 3;
        let number: usize = seen.header("share-grant").unwrap()["lsg_".len()..].parse().unwrap();
        if number < visit.min(1) {
            return Reply::Answer(problem(401, "share_not_opened", &[]));
        }
        served.reply(seen)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (local, visitor) = (folder.path().join("f"), visitor(&fake, &token()));
    let done = visitor.download_to(Path::root(), &local, &DownloadOptions::default()).await.unwrap();
    assert_eq!(done.bytes, 40 * MIB as u64);
    assert!(std::fs::read(local).unwrap() == whole);
}

#[tokio::test]
async fn a_put_is_sent_again_in_the_visit_in_which_its_key_holds() {
    let options = DropOptions::default();
    let name: Name = "n".parse().unwrap();
    // It surely was not made: another visit does it.
    let fake = ended(1, dropped).await;
    visitor(&fake, &token()).put(b"x".to_vec(), &name, &options).await.unwrap();
    // Its answer was lost: it goes again under the same key and the same grant.
    let count = AtomicUsize::new(0);
    let lossy = Fake::start(move |_, seen| match seen.target.ends_with("/open") {
        true => opened(0),
        false if count.fetch_add(1, Ordering::Relaxed) < 2 => Reply::Close,
        false => dropped(seen),
    })
    .await;
    visitor(&lossy, &token()).put(vec![1; 2 * MIB], &name, &options).await.unwrap();
    let seen = lossy.seen();
    let puts: Vec<_> = seen.iter().filter(|seen| seen.target.ends_with("/files?name=n")).collect();
    assert_eq!(puts.len(), 3);
    for header in ["idempotency-key", "share-grant", "content-digest"] {
        assert!(puts.iter().all(|put| put.header(header) == puts[0].header(header)), "{header}");
    }
    // Its answer was lost, and then the visit ended: nobody knows, and it is not sent a second time.
    let (count, opens) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let over = Fake::start(move |_, seen| match seen.target.ends_with("/open") {
        true => opened(opens.fetch_add(1, Ordering::Relaxed)),
        false if count.fetch_add(1, Ordering::Relaxed) == 0 => Reply::Close,
        false => Reply::Answer(problem(401, "share_not_opened", &[])),
    })
    .await;
    let error = visitor(&over, &token()).put(b"x".to_vec(), &name, &options).await.unwrap_err();
    assert!(error.may_have_happened() && error.is_network(), "{error:?}");
    assert_eq!(over.asked().iter().filter(|asked| asked.ends_with("/open")).count(), 1);
    // A key of the caller's, and a stream, go in one visit.
    let fake = ended(1, dropped).await;
    let visitor = visitor(&fake, &token());
    let error = visitor.with_idempotency_key("k").unwrap().put(b"x".to_vec(), &name, &options).await;
    assert!(error.unwrap_err().is(Code::ShareNotOpened));
    visitor.with_idempotency_key("k").unwrap().put(b"x".to_vec(), &name, &options).await.unwrap();
    let fake = ended(1, dropped).await;
    let visitor = self::visitor(&fake, &token());
    let stream = || Source::stream(None, futures_util::stream::iter([Ok(Bytes::from_static(b"x"))]));
    assert!(visitor.put(stream(), &name, &options).await.unwrap_err().is(Code::ShareNotOpened));
    visitor.put(stream(), &name, &options).await.unwrap();
}

fn redirect(to: String) -> Reply {
    Reply::Answer(Response::builder().status(307).header("location", to).body(Bytes::new()).unwrap())
}

#[tokio::test]
async fn content_is_read_at_its_own_origin_and_nowhere_else() {
    let served = Served::new("abc");
    let there = Fake::start(move |_, seen| match seen.header("share-grant") {
        Some("lsg_0") => served.reply(seen),
        _ => Reply::Answer(problem(401, "share_not_opened", &[])),
    })
    .await;
    let place = there.address();
    let fake = Fake::start(move |_, seen| match seen.target.ends_with("/open") {
        true => opened(0),
        false => redirect(format!("http://{place}{}", seen.target)),
    })
    .await;
    let token = token();
    let visitor = visitor(&fake, &token);
    let path = Path::new("/ä b").unwrap();
    for _ in 0..2 {
        assert_eq!(visitor.download(path.clone()).await.unwrap(), "abc");
    }
    visitor.archive(Path::root()).await.unwrap();
    assert_eq!(fake.asked().len(), 2, "it is asked there from then on: {:?}", fake.asked());
    let asked = there.seen();
    assert!(asked[0].target.starts_with(&format!("/v1/shares/{token}/content?path=%2F")), "{:?}", asked[0]);
    assert_eq!(asked[0].header("host"), Some(place.to_string().as_str()));
    // A list is nowhere else, and what is led to is the same content or nothing.
    let error = visitor.list(Path::root(), Depth::All).collect_all().await.unwrap_err();
    assert_eq!(error.status(), Some(307));
    assert!(!format!("{error} {error:?}").contains(&token[30..]), "{error:?}");
    for to in [format!("http://{place}/elsewhere"), format!("http://{place}/{token}"), "/x".to_owned()] {
        let fake = Fake::start(move |_, seen| match seen.target.ends_with("/open") {
            true => opened(0),
            false => redirect(to.clone()),
        })
        .await;
        let error = self::visitor(&fake, &token).download(Path::root()).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&token[30..]), "{error:?}");
    }
    assert_eq!(there.seen().len(), asked.len());
}

#[tokio::test]
async fn a_server_that_repeats_the_secret_is_not_repeated() {
    let token = token();
    let echo = token.clone();
    let fake = Fake::start(move |_, _| {
        let problem = serde_json::json!({ "type": "x", "title": "x", "status": 404,
            "detail": format!("nothing at /v1/shares/{echo}"), "code": echo, "request_id": echo });
        Reply::Answer(json(404, &problem))
    })
    .await;
    let visitor = visitor(&fake, &token);
    for error in [visitor.look().await.unwrap_err(), visitor.open().await.unwrap_err()] {
        assert!(!format!("{error} {error:?}").contains(&token), "{error:?}");
    }
}

/// What is listed is a path of the workspace, or the list ends there.
#[tokio::test]
async fn a_list_that_climbs_is_refused() {
    for climbing in ["/../x", "../x", "/a/../../x", "/", "//x"] {
        let fake = Fake::start(move |_, seen| match seen.target.ends_with("/open") {
            true => opened(0),
            false => Reply::Answer(json(
                200,
                &serde_json::json!({ "items": [{ "name": "x", "path": climbing, "kind": "file", "size": 1,
                    "updated_at": NOW }], "next_cursor": null }),
            )),
        })
        .await;
        let listed = visitor(&fake, &token()).list(Path::root(), Depth::All).collect_all().await;
        // The root itself is a path; who makes files of a list leaves it out.
        assert_eq!(listed.is_err(), climbing != "/", "{climbing}: {listed:?}");
    }
}
