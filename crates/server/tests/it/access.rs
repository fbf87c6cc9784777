//! Keys that are good, and those that are not. Who may do what on which route is in `rights`.

use std::time::Duration;

use longshore_core::Timestamp;
use longshore_core::wire::{CreateKey, Role};

use crate::world::{User, World};

#[tokio::test]
async fn nobody_learns_anything_without_a_key() {
    let world = World::new().await;
    for what in ["GET /v1/files/nonsense", "PUT /v1/workspaces/ws_x/files/%ff", "POST /v1/keys?x=y"] {
        let answer = world.call(User::Anonymous, what, &[], "not json").await;
        assert_eq!(answer.outcome(), "401 key_missing", "{what}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn keys_that_are_not_good() {
    let world = World::new().await;
    let good = world.key(User::Viewer).unwrap().to_owned();
    let mut typo = good.clone();
    typo.replace_range(40..41, if &good[40..41] == "x" { "y" } else { "x" });
    let stranger = longshore_core::key::ApiKey::generate(Timestamp::from_micros(1));
    let owner = world.owner.clone();
    let end = Timestamp::from_micros(1_763_613_468_000_000).plus(Duration::from_secs(60));
    let wanted = CreateKey { expires_at: Some(end), ..CreateKey::new("short", Role::Viewer) };
    let short = world.engine.create_key(&owner, wanted.clone(), None).await.unwrap();
    let revoked =
        world.engine.create_key(&owner, CreateKey { expires_at: None, ..wanted }, None).await.unwrap();
    let ask = async |field: String| {
        let answer = world.call(User::Anonymous, "GET /v1/me", &[("authorization", &field)], "").await;
        answer.outcome()
    };
    assert_eq!(ask(format!("Bearer {}", revoked.secret)).await, "200");
    world.engine.revoke_key(&owner, revoked.key.id, None).await.unwrap();
    assert_eq!(ask(format!("bearer {}", short.secret)).await, "200");
    world.clock.advance(Duration::from_secs(61));
    for (field, outcome) in [
        (format!("Bearer {good}"), "200"),
        (format!("Bearer {typo}"), "401 key_malformed"),
        ("Bearer lsk_short".to_owned(), "401 key_malformed"),
        ("Bearer".to_owned(), "401 key_malformed"),
        (format!("Basic {good}"), "401 key_malformed"),
        (format!("Bearer {}", stranger.reveal()), "401 key_unknown"),
        (format!("Bearer {}", short.secret), "401 key_expired"),
        (format!("Bearer {}", revoked.secret), "401 key_revoked"),
    ] {
        assert_eq!(ask(field.clone()).await, outcome, "{field}");
    }
}
