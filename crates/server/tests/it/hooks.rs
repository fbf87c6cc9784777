//! Webhooks over HTTP: their forms and refusals. What they deliver is tried in the engine's tests and the binary's.

use longshore_core::wire::{Delivery, Hook, NewHook, Page};
use serde_json::{Value, json};

use crate::world::{Answer, User, World};

/// A body that makes a hook: the address is public, and nobody dials it here.
pub(crate) const WANTED: &str = r#"{"url":"https://93.184.216.34/hook?token=geheim"}"#;

async fn admin(world: &World, what: &str, body: impl Into<axum::body::Body>) -> Answer {
    world.call(User::Admin, what, &[], body).await
}

pub(crate) async fn make(world: &World) -> NewHook {
    let answer = admin(world, &format!("POST /v1/workspaces/{}/hooks", world.id()), WANTED).await;
    assert_eq!(answer.outcome(), "201");
    answer.read()
}

#[tokio::test]
async fn a_hook_is_made_read_changed_and_removed() {
    let world = World::new().await;
    let hooks = format!("/v1/workspaces/{}/hooks", world.id());
    let made = make(&world).await;
    assert!(made.secret.starts_with("whsec_"));
    let url = format!("{hooks}/{}", made.hook.id);
    let answer = admin(&world, &format!("GET {url}"), "").await;
    assert_eq!(answer.read::<Hook>(), made.hook);
    assert!(
        !String::from_utf8_lossy(&answer.body).contains(&made.secret[6..]),
        "a secret that was shown before"
    );
    let listed: Page<Hook> = admin(&world, &format!("GET {hooks}"), "").await.read();
    assert_eq!(listed.items, [made.hook]);
    let change = json!({ "types": ["version.*"], "path": "/reports", "description": "für alle" }).to_string();
    let hook: Hook = admin(&world, &format!("PATCH {url}"), change).await.read();
    assert_eq!(
        (hook.types.as_slice(), hook.path.to_string()),
        (&["version.*".to_owned()][..], "/reports".into())
    );
    let rotated: NewHook =
        admin(&world, &format!("POST {url}/rotate"), r#"{"overlap_hours":1}"#).await.read();
    assert!(rotated.secret != made.secret && rotated.hook.old_secret_until.is_some());

    let answer = admin(&world, &format!("POST {url}/test"), "").await;
    assert_eq!(answer.outcome(), "202");
    let ping: Delivery = answer.read();
    let listed: Page<Delivery> =
        admin(&world, &format!("GET {url}/deliveries?state=pending"), "").await.read();
    assert_eq!(listed.items, std::slice::from_ref(&ping));
    let one: Delivery = admin(&world, &format!("GET {url}/deliveries/{}", ping.id), "").await.read();
    assert_eq!(one, ping);
    let again = admin(&world, &format!("POST {url}/deliveries/{}/redeliver", ping.id), "").await;
    assert_eq!((again.outcome().as_str(), again.read::<Delivery>().id), ("202", ping.id));
    let job = admin(&world, &format!("POST {url}/redeliver"), r#"{"since_seq":0}"#).await;
    assert_eq!((job.outcome().as_str(), &job.json()["kind"]), ("202", &Value::from("hooks.redeliver")));

    assert_eq!(admin(&world, &format!("PATCH {url}"), r#"{"enabled":false}"#).await.outcome(), "200");
    assert_eq!(admin(&world, &format!("POST {url}/test"), "").await.outcome(), "409 hook_disabled");
    assert_eq!(admin(&world, &format!("DELETE {url}"), "").await.outcome(), "204");
    assert_eq!(admin(&world, &format!("GET {url}"), "").await.outcome(), "404 hook_not_found");
}

#[tokio::test]
async fn what_is_malformed_or_may_not_be_dialled_is_refused() {
    let world = World::new().await;
    let hooks = format!("/v1/workspaces/{}/hooks", world.id());
    let hook = make(&world).await.hook.id;
    let url = format!("{hooks}/{hook}");
    for (what, body, outcome) in [
        (format!("POST {hooks}"), r#"{"url":"http://169.254.169.254/"}"#, "400 url_refused"),
        (format!("POST {hooks}"), r#"{"url":"https://127.0.0.1/"}"#, "400 url_refused"),
        (format!("POST {hooks}"), r#"{"url":"https://example.com:22/"}"#, "400 url_refused"),
        (format!("POST {hooks}"), "{}", "400 invalid_body"),
        (format!("POST {hooks}"), r#"{"url":"https://1.1.1.1/","secret":"mine"}"#, "400 invalid_body"),
        (format!("PATCH {url}"), r#"{"url":"https://[::1]/"}"#, "400 url_refused"),
        (format!("PATCH {url}"), r#"{"types":["No Type"]}"#, "400 invalid_body"),
        (format!("POST {url}/rotate"), r#"{"overlap_hours":169}"#, "400 invalid_body"),
        (format!("POST {url}/redeliver"), "{}", "400 invalid_body"),
        (format!("GET {url}/deliveries?state=lost"), "", "400 invalid_query"),
        (format!("GET {url}/deliveries?cursor=x"), "", "400 invalid_cursor"),
        (format!("GET {url}/deliveries/dl_x"), "", "400 invalid_id"),
        (format!("GET {hooks}/hk_x"), "", "400 invalid_id"),
    ] {
        let answer = admin(&world, &what, body).await;
        assert_eq!(answer.outcome(), outcome, "{what} {body}: {answer:?}");
    }
}

/// A lost answer holds a secret that is shown once: the same request gives it again.
#[tokio::test]
async fn a_repeat_with_the_same_idempotency_key_gives_the_same_secret() {
    let world = World::new().await;
    let what = format!("POST /v1/workspaces/{}/hooks", world.id());
    let call = async || world.call(User::Admin, &what, &[("idempotency-key", "once")], WANTED).await;
    let (first, second): (NewHook, NewHook) = (call().await.read(), call().await.read());
    assert_eq!((first.hook.id, first.secret), (second.hook.id, second.secret));
}
