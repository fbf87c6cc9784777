use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use longshore_core::{Code, Timestamp};
use longshore_egress::testing::{Peer, header};
use longshore_engine::egress::{Guard, Settings};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::{AT_ONCE, Provider};
use crate::config::{OidcConfig, Secret};

const NOW: Timestamp = Timestamp::from_micros(1_763_613_468_000_000);

fn at(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// A provider that is well once it is told to be, and fails before that on each cue.
struct Fickle {
    provider: Provider,
    peer: Peer,
    cue: Arc<Notify>,
    is_well: Arc<AtomicBool>,
}

impl Fickle {
    async fn new() -> Self {
        let (cue, is_well) = (Arc::<Notify>::default(), Arc::<AtomicBool>::default());
        let (cued, well) = (Arc::clone(&cue), Arc::clone(&is_well));
        let peer = Peer::start(move |mut stream, request| {
            let (cue, is_well) = (Arc::clone(&cued), Arc::clone(&well));
            async move {
                if !is_well.load(Ordering::SeqCst) {
                    cue.notified().await;
                    return stream.write_all(b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n").await;
                }
                let issuer = format!("http://{}", header(&request, "host").unwrap());
                let text = format!(
                    r#"{{"issuer":"{issuer}","authorization_endpoint":"{issuer}/a","token_endpoint":"{issuer}/t","jwks_uri":"{issuer}/k"}}"#
                );
                let text = format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n{text}", text.len());
                stream.write_all(text.as_bytes()).await
            }
        });
        let peer = peer.await;
        let config = OidcConfig {
            name: "a".to_owned(),
            label: None,
            issuer: peer.url(""),
            client_id: "longshore".to_owned(),
            client_secret: Secret("secret".to_owned()),
            scopes: Vec::new(),
            allowed_domains: Vec::new(),
        };
        let guard = Guard::new(Settings {
            allow_http: true,
            ports: vec!["1-65535".parse().unwrap()],
            networks: vec!["127.0.0.0/8".parse().unwrap()],
            ..Settings::default()
        });
        let provider =
            Provider::new(config, Secret("secret".to_owned()), guard.unwrap(), Duration::from_secs(60));
        Self { provider, peer, cue, is_well }
    }

    async fn discovery(&self, now: Timestamp) -> Option<Code> {
        self.provider.discovery(now).await.err().map(|error| error.code())
    }

    async fn fails(&self, now: Timestamp) {
        self.cue.notify_one();
        assert_eq!(self.discovery(now).await, Some(Code::OidcUnavailable));
    }

    /// Waits until it was asked so often.
    async fn asked(&self, times: usize) {
        while self.peer.requests().len() < times {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn all_who_wait_for_a_provider_that_fails_hear_so_together() {
    let fickle = Fickle::new().await;
    // One asks, and the others come while it waits: each of them in turn would wait as long.
    let came = (0..20).map(|late| fickle.discovery(at(late)));
    let fail = async {
        fickle.asked(1).await;
        fickle.cue.notify_one();
    };
    let (told, ()) = join(join_all(came), fail).await;
    assert_eq!(told, vec![Some(Code::OidcUnavailable); 20]);
    assert_eq!(fickle.peer.requests().len(), 1);
    fickle.is_well.store(true, Ordering::SeqCst);
    assert_eq!(fickle.discovery(at(60)).await, None);
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_nobody_from_a_provider_that_failed() {
    let fickle = Fickle::new().await;
    fickle.fails(at(86_400)).await;
    fickle.is_well.store(true, Ordering::SeqCst);
    assert_eq!(fickle.discovery(at(0)).await, Some(Code::OidcUnavailable));
    assert_eq!(fickle.discovery(at(60)).await, None);
}

#[tokio::test]
async fn a_provider_that_is_slow_takes_no_place_of_another() {
    let (slow, other) = (Fickle::new().await, Fickle::new().await);
    let places: Vec<_> = (0..AT_ONCE).map(|_| slow.provider.place().unwrap()).collect();
    assert_eq!(slow.provider.place().unwrap_err().code(), Code::Overloaded);
    drop(other.provider.place().unwrap());
    drop(places);
    drop(slow.provider.place().unwrap());
}
