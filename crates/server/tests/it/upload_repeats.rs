//! Creations of uploads: what they tell, which come again, and digests of what comes with them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_core::wire::{StagedUpload, UploadState};
use longshore_core::{Algorithm, Digest};

use crate::uploads::{content, create, head, metadata, patch, told};
use crate::world::World;

fn named(world: &World, name: &str) -> String {
    metadata(&[("filename", name), ("workspace", &world.id().to_string())])
}

async fn seq(world: &World) -> u64 {
    world.engine.workspace(&world.owner, world.id()).await.unwrap().seq
}

#[tokio::test]
async fn a_creation_tells_what_became_of_it_where_that_is_preferred() {
    let world = World::new().await;
    let name = named(&world, "a");
    for preference in ["return=representation", "wait=3, Return=Representation; x=y"] {
        let headers = [("upload-length", "3"), told(&name), ("prefer", preference)];
        let answer = create(&world, &headers, "all").await;
        assert_eq!((answer.outcome().as_str(), answer.header("upload-offset")), ("201", "3"));
        assert_eq!(answer.header("content-type"), "application/json");
        let shown: StagedUpload = answer.read();
        assert!(answer.header("location").ends_with(&shown.id.to_string()));
        assert_eq!((shown.state, shown.offset), (UploadState::Finished, 3));
        assert_eq!(shown.node.unwrap().path.to_string(), "/a");
        let begun: StagedUpload = create(&world, &headers, "").await.read();
        assert_eq!((begun.state, begun.node), (UploadState::Receiving, None));
    }
    let minimal = [("upload-length", "3"), told(&name), ("prefer", "return=minimal")];
    assert!(create(&world, &minimal, "all").await.body.is_empty());
}

#[tokio::test]
async fn a_creation_with_a_key_is_begun_once() {
    let world = World::new().await;
    let name = named(&world, "a");
    let whole = [("upload-length", "5"), told(&name), ("idempotency-key", "one")];
    let first = create(&world, &whole, "01234").await;
    assert_eq!((first.outcome(), first.header("upload-offset")), ("201".to_owned(), "5"));
    let events = seq(&world).await;
    let again = create(&world, &whole, "01234").await;
    assert_eq!(again.outcome(), "201");
    assert_eq!(again.header("idempotency-replayed"), "true");
    for name in ["location", "longshore-node", "longshore-version", "upload-offset", "longshore-upload-state"]
    {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!(seq(&world).await, events, "one version");

    // One that broke off goes on where it is, and what came is not taken twice.
    let halves = [("upload-length", "10"), told(&name), ("idempotency-key", "two")];
    let first = create(&world, &halves, "01234").await;
    for _ in 0..2 {
        let again = create(&world, &halves, "01234").await;
        assert_eq!((again.outcome(), again.header("upload-offset")), ("201".to_owned(), "5"));
        assert_eq!(again.header("location"), first.header("location"));
    }
    assert_eq!(patch(&world, first.header("location"), "5", &[], "56789").await.status, 204);
    assert_eq!(content(&world, "a").await, "0123456789");

    // One whose bytes never came takes those of the repeat.
    let none = [("upload-length", "3"), told(&name), ("idempotency-key", "three")];
    let first = create(&world, &none, "").await;
    let again = create(&world, &none, "abc").await;
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("longshore-upload-state"), "finished");
    assert_eq!(content(&world, "a").await, "abc");

    // It stands for no other upload, and without it each is its own.
    let other = [("upload-length", "4"), told(&name), ("idempotency-key", "three")];
    assert_eq!(create(&world, &other, "").await.outcome(), "422 idempotency_mismatch");
    let elsewhere = named(&world, "b");
    let other = [("upload-length", "3"), told(&elsewhere), ("idempotency-key", "three")];
    assert_eq!(create(&world, &other, "").await.outcome(), "422 idempotency_mismatch");
    let keyless = [("upload-length", "3"), told(&name)];
    let (one, two) = (create(&world, &keyless, "").await, create(&world, &keyless, "").await);
    assert_ne!(one.header("location"), two.header("location"));

    // A repeat is not refused for what it did itself.
    let once =
        metadata(&[("filename", "once"), ("workspace", &world.id().to_string()), ("on_conflict", "error")]);
    let once = [("upload-length", "3"), told(&once), ("idempotency-key", "four")];
    let first = create(&world, &once, "abc").await;
    assert_eq!(first.outcome(), "201");
    let again = create(&world, &once, "abc").await;
    assert_eq!(again.header("longshore-version"), first.header("longshore-version"));
    // Parts are begun once too.
    let part = [("upload-length", "3"), ("upload-concat", "partial"), ("idempotency-key", "five")];
    let first = create(&world, &part, "abc").await;
    let again = create(&world, &part, "abc").await;
    assert_eq!((again.outcome(), again.header("location")), ("201".to_owned(), first.header("location")));
}

#[tokio::test]
async fn bytes_have_the_digest_that_comes_with_them() {
    let world = World::new().await;
    let name = named(&world, "a");
    let right = Digest::new(Algorithm::Blake3, *blake3::hash(b"abc").as_bytes()).to_content_digest();
    // Of "abc": FIPS 180-2, appendix B.1.
    let sha256 = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    let both = format!("{right}, {sha256}");
    let md5 = format!("md5=:{}:", STANDARD.encode([0; 16]));
    let url = create(&world, &[("upload-length", "12"), told(&name)], "").await.header("location").to_owned();
    let mut at = 0;
    for digest in [right.as_str(), sha256, &both] {
        let offset = at.to_string();
        let stated = [("content-digest", digest)];
        let wrong = patch(&world, &url, &offset, &stated, "abd").await;
        assert_eq!(wrong.outcome(), "400 digest_mismatch", "{digest}");
        assert_eq!(head(&world, &url).await.header("upload-offset"), offset);
        assert_eq!(patch(&world, &url, &offset, &stated, "abc").await.status, 204);
        at += 3;
    }
    // Of an algorithm that is not known here nothing can be said.
    assert_eq!(patch(&world, &url, "9", &[("content-digest", &md5)], "abd").await.status, 204);
    assert_eq!(content(&world, "a").await, "abcabcabcabd");
    let begun = [("upload-length", "3"), told(&name), ("content-digest", sha256)];
    assert_eq!(create(&world, &begun, "abd").await.outcome(), "400 digest_mismatch");
    assert_eq!(create(&world, &begun, "abc").await.header("longshore-upload-state"), "finished");
    // What is malformed begins nothing.
    let malformed = [("upload-length", "3"), told(&name), ("content-digest", "sha-256=abc")];
    let refused = create(&world, &malformed, "abc").await;
    assert_eq!((refused.outcome(), refused.header("location")), ("400 invalid_header".to_owned(), ""));
}
