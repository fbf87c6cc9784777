use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use futures_util::stream;
use longshore_core::{Code, SystemClock};
use longshore_engine::store::Store;
use longshore_engine::{Database, Engine, Settings};
use longshore_flow::Tasks;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::super::app::{App, Entrance, Limits};
use super::{STRANGERS_BYTES, STRANGERS_TIME, read};

async fn app(folder: &std::path::Path) -> App {
    let database = Database::Sqlite(folder.join("longshore.db"));
    let clock = Arc::new(SystemClock);
    let engine = Engine::open(Settings::default(), &database, Store::memory(), clock).await.unwrap();
    App::new(engine, Limits::default(), Entrance::default(), CancellationToken::new(), Tasks::new())
}

#[tokio::test]
async fn the_body_of_a_stranger_is_small_and_comes_soon() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let all = |length: usize| {
        let text = format!("{{\"a\":\"{}\"}}", "a".repeat(length - 8));
        Request::post("/v1/session").body(Body::from(text)).unwrap()
    };
    assert_eq!(read(all(STRANGERS_BYTES), &app).await.unwrap().1.len(), STRANGERS_BYTES);
    assert_eq!(read(all(STRANGERS_BYTES + 1), &app).await.unwrap_err().code(), Code::BodyTooLarge);
    // A byte now and then is never a pause.
    tokio::time::pause();
    let drops = stream::unfold((), async |()| {
        sleep(Duration::from_secs(2)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
    });
    let (begun, body) = (Instant::now(), Body::from_stream(drops));
    let refused = read(Request::post("/v1/session").body(body).unwrap(), &app).await.unwrap_err();
    assert_eq!((refused.code(), begun.elapsed().as_secs()), (Code::RequestTimeout, STRANGERS_TIME.as_secs()));
}
