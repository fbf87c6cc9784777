//! Who comes too often: told so before anything happens, by key and by address.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use longshore_core::key::ApiKey;
use longshore_server::config::{Proxies, ProxyHeader};
use longshore_server::{Entrance, Rate, Rates, Source};

use tokio::io::AsyncWriteExt;

use crate::wire::{Served, read_all};
use crate::world::{Answer, User, World, request};

/// A world with limits, and requests that come from addresses.
async fn world(rates: Rates) -> World {
    World::new().await.behind(Entrance { rates, ..Entrance::default() })
}

async fn from(
    world: &World,
    address: &str,
    key: Option<&str>,
    what: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let address: IpAddr = address.parse().unwrap();
    let body = if what.starts_with("PUT ") { "x".into() } else { Body::empty() };
    world.send(request(key, what, headers).extension(Source(address)).body(body).unwrap()).await
}

const HERE: &str = "192.0.2.1";

#[tokio::test]
async fn a_key_that_comes_too_often_is_told_when_to_come_again() {
    let world = world(Rates { key: Rate::per_second(2, 4), ..Rates::default() }).await;
    let key = world.key(User::Editor);
    let put = |name: &str| format!("PUT {}", world.at(name));
    for name in ["a", "b", "c", "d"] {
        assert_eq!(from(&world, HERE, key, &put(name), &[]).await.outcome(), "201");
    }
    let before = world.get(&format!("/v1/workspaces/{}/events", world.id())).await.body;
    let refused = from(&world, HERE, key, &put("e"), &[("idempotency-key", "once")]).await;
    assert_eq!(refused.outcome(), "429 rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), "\"key\";r=0;t=1");
    // In a minute: four at once, and two a second.
    assert_eq!(refused.header("ratelimit-policy"), "\"key\";q=124;w=60");
    // Wherever it comes from, and however it is written.
    assert_eq!(from(&world, "192.0.2.2", key, &put("e"), &[]).await.outcome(), "429 rate_limited");
    let spaced = format!("bearer   {}  ", key.unwrap());
    let request = Request::put(world.at("e")).header("host", "x").header("authorization", spaced);
    assert_eq!(world.send(request.body("x".into()).unwrap()).await.outcome(), "429 rate_limited");
    // Another key has its own, and nothing happened.
    assert_eq!(world.get(&format!("/v1/workspaces/{}/events", world.id())).await.body, before);
    for what in ["GET /healthz", "GET /readyz", "GET /v1/status"] {
        assert_eq!(from(&world, HERE, key, what, &[]).await.outcome(), "200", "{what}");
    }
    world.clock.advance(Duration::from_millis(1_000));
    for outcome in ["201", "200", "429 rate_limited"] {
        let again = from(&world, HERE, key, &put("e"), &[]).await;
        assert_eq!(again.outcome(), outcome);
    }
}

#[tokio::test]
async fn a_forged_key_uses_up_nothing_of_the_true_one() {
    let world = world(Rates { key: Rate::per_second(1, 3), ..Rates::default() }).await;
    let key = world.key(User::Viewer).unwrap();
    // The same id, which is no secret, and another secret.
    let forged = format!("{}{}", &key[..key.len() - 20], "A".repeat(20));
    for _ in 0..10 {
        from(&world, HERE, Some(&forged), "GET /v1/me", &[]).await;
    }
    for _ in 0..3 {
        assert_eq!(from(&world, HERE, Some(key), "GET /v1/me", &[]).await.status, 200);
    }
    assert_eq!(from(&world, HERE, Some(key), "GET /v1/me", &[]).await.status, 429);
}

#[tokio::test]
async fn addresses_are_counted_before_anything_is_asked_of_a_key() {
    let world = world(Rates { address: Rate::per_second(1, 3), ..Rates::default() }).await;
    let good = world.key(User::Viewer);
    let me = "GET /v1/me";
    assert_eq!(from(&world, HERE, None, me, &[]).await.outcome(), "401 key_missing");
    assert_eq!(from(&world, HERE, Some("lsk_none"), me, &[]).await.outcome(), "401 key_malformed");
    assert_eq!(from(&world, HERE, None, "GET /nowhere", &[]).await.outcome(), "404 route_not_found");
    for (key, what) in [(None, me), (good, me), (None, "GET /v1/links/x"), (None, "GET /openapi.json")] {
        let refused = from(&world, HERE, key, what, &[]).await;
        assert_eq!(refused.outcome(), "429 rate_limited", "{what}");
        assert_eq!(refused.header("ratelimit"), "\"address\";r=0;t=1");
    }
    assert_eq!(from(&world, HERE, None, "GET /healthz", &[]).await.status, 200);
    assert_eq!(from(&world, "192.0.2.2", good, me, &[]).await.status, 200);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(from(&world, HERE, good, me, &[]).await.status, 200);
    // Of IPv6 a host has 64 bits to itself.
    for host in 1..=3 {
        assert_eq!(from(&world, &format!("2001:db8::{host}"), good, me, &[]).await.status, 200);
    }
    assert_eq!(from(&world, "2001:db8::4", good, me, &[]).await.status, 429);
    assert_eq!(from(&world, "2001:db8:0:1::4", good, me, &[]).await.status, 200);
}

#[tokio::test]
async fn an_address_that_shows_wrong_keys_may_show_no_more() {
    let world = world(Rates { failures: Rate::per_minute(6, 3), ..Rates::default() }).await;
    let (good, me) = (world.key(User::Viewer), "GET /v1/me");
    let new = world.key(User::Editor);
    let wrong = || ApiKey::generate(world.engine.now()).reveal().to_owned();
    assert_eq!(from(&world, HERE, good, me, &[]).await.status, 200);
    // To show none is no guess.
    for _ in 0..5 {
        assert_eq!(from(&world, HERE, None, me, &[]).await.outcome(), "401 key_missing");
    }
    for _ in 0..3 {
        assert_eq!(from(&world, HERE, Some(&wrong()), me, &[]).await.outcome(), "401 key_unknown");
    }
    for what in [me, "GET /v1/status", &format!("PUT {}", world.at("a"))] {
        let refused = from(&world, HERE, Some(&wrong()), what, &[]).await;
        assert_eq!(refused.outcome(), "429 rate_limited", "{what}");
        assert_eq!(
            (refused.header("retry-after"), refused.header("ratelimit")),
            ("10", "\"failures\";r=0;t=10")
        );
        assert_eq!(refused.header("ratelimit-policy"), "\"failures\";q=9;w=60");
    }
    // Who was good before is not shut out by who shares the address; a key that is new there cannot be told from a guess.
    assert_eq!(from(&world, HERE, good, me, &[]).await.status, 200);
    assert_eq!(from(&world, HERE, new, me, &[]).await.outcome(), "429 rate_limited");
    assert_eq!(from(&world, "192.0.2.2", new, me, &[]).await.status, 200);
    assert_eq!(from(&world, HERE, new, me, &[]).await.status, 200);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(from(&world, HERE, Some(&wrong()), me, &[]).await.outcome(), "401 key_unknown");
    assert_eq!(from(&world, HERE, Some(&wrong()), me, &[]).await.outcome(), "429 rate_limited");
    // A key that was good and is revoked is a wrong one.
    let actor = world.engine.authenticate(good.unwrap()).await.unwrap();
    let id = world.engine.me(&actor).await.unwrap().key.unwrap().id;
    world.engine.revoke_key(&world.owner, id, None).await.unwrap();
    assert_eq!(from(&world, HERE, good, me, &[]).await.outcome(), "401 key_revoked");
    assert_eq!(from(&world, HERE, good, me, &[]).await.outcome(), "429 rate_limited");
}

#[tokio::test]
async fn only_a_known_proxy_is_believed() {
    let rates = Rates { address: Rate::per_second(1, 2), ..Rates::default() };
    let proxies =
        Proxies { networks: vec!["10.0.0.0/8".parse().unwrap()], header: ProxyHeader::XForwardedFor };
    let world = World::new().await.behind(Entrance { rates, proxies, ..Entrance::default() });
    let ask = async |peer: &str, said: &[(&str, &str)]| {
        from(&world, peer, None, "GET /v1/me", said).await.status.as_u16()
    };
    // A stranger is itself, whoever it says it is.
    for (place, said) in ["203.0.113.1", "203.0.113.2", "10.0.0.1"].iter().enumerate() {
        let said = [("x-forwarded-for", *said), ("forwarded", "for=203.0.113.9"), ("x-real-ip", *said)];
        assert_eq!(ask(HERE, &said).await, if place < 2 { 401 } else { 429 });
    }
    // A proxy is its clients, each of them one, by whatever proxy it comes and whatever it says itself.
    for client in ["203.0.113.1", "203.0.113.2"] {
        for (place, peer) in ["10.0.0.1", "10.0.0.2", "10.0.0.1"].iter().enumerate() {
            let line = format!("198.51.100.{place}, {client}, 10.9.9.9");
            let said = [("x-forwarded-for", line.as_str()), ("forwarded", "for=127.0.0.1")];
            assert_eq!(ask(peer, &said).await, if place < 2 { 401 } else { 429 }, "{client}");
        }
    }
}

#[tokio::test]
async fn a_server_knows_its_peers_and_limits_wrong_keys_by_itself() {
    let served = Served::start_with(|config, _| {
        (config.rates.failures_burst, config.rates.failures_per_minute) = (2, 1);
    });
    let served = served.await;
    let call = async |key: &str| {
        let mut stream = served.connect().await;
        let head = format!(
            "GET /v1/me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nx-forwarded-for: 203.0.113.1\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    };
    assert!(call(served.key.reveal()).await.starts_with("HTTP/1.1 200 "));
    for _ in 0..2 {
        assert!(call("lsk_none").await.starts_with("HTTP/1.1 401 "));
    }
    let refused = call("lsk_none").await;
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert!(refused.contains("\r\nretry-after: "), "{refused}");
    assert!(refused.contains("\r\nratelimit-policy: \"failures\";q=3;w=60\r\n"), "{refused}");
    assert!(call(served.key.reveal()).await.starts_with("HTTP/1.1 200 "));
}
