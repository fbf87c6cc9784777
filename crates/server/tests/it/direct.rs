//! `direct=1`: the store itself gives the bytes, where it can.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use longshore_store::{S3Credentials, S3Options, Store};

use crate::world::{Answer, User, World};

/// As much of S3 as whole objects need, without its signatures.
async fn bucket() -> (Store, String, tokio::task::JoinHandle<()>) {
    let objects: Arc<Mutex<HashMap<String, Bytes>>> = Arc::default();
    let answer = move |method: Method, uri: Uri, body: Bytes| async move {
        let mut objects = objects.lock().unwrap();
        let key = uri.path().to_owned();
        let tag = [("etag", "\"tag\"")];
        match (method, objects.get(&key)) {
            (Method::PUT, _) => {
                objects.insert(key, body);
                tag.into_response()
            }
            (Method::GET | Method::HEAD, Some(found)) => (tag, found.clone()).into_response(),
            _ => Response::builder().status(StatusCode::NOT_FOUND).body("".into()).unwrap(),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = Router::new().fallback(answer);
    #[expect(clippy::disallowed_methods, reason = "a server beside the test, which ends it")]
    let serving = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    let options = S3Options {
        bucket: "b".to_owned(),
        endpoint: Some(address.clone()),
        allow_http: true,
        credentials: S3Credentials::keys("ak", "hunter2"),
        conditional_writes: Some(true),
        ..S3Options::default()
    };
    (Store::s3(options).unwrap(), format!("{address}/b/blobs/"), serving)
}

async fn ask(world: &World, user: User, what: &str, headers: &[(&str, &str)]) -> Answer {
    world.call(user, what, headers, "").await
}

#[tokio::test]
async fn the_store_gives_what_it_has_as_one_blob() {
    let (store, begins, serving) = bucket().await;
    let world = World::over(store).await;
    let node = world.put("%C3%A9.csv", vec![b'x'; 100_000]).await;
    let url = format!("/v1/files/{}/content", node.id);
    let link = world.call(User::Viewer, &format!("POST /v1/files/{}/links", node.id), &[], "{}").await;
    let link = link.json()["url"].as_str().unwrap().to_owned();
    let version = format!("/v1/files/{}/versions/{}/content", node.id, node.version_id.unwrap());
    for (user, url) in [
        (User::Viewer, format!("{url}?direct=1")),
        (User::Viewer, format!("{version}?direct=1")),
        (User::Viewer, format!("{}?content=1&direct=1", world.at("%C3%A9.csv"))),
        (User::Anonymous, format!("{link}?direct=1")),
    ] {
        let answer = ask(&world, user, &format!("GET {url}"), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (307, 0), "{url}");
        let location = answer.header("location");
        assert!(location.starts_with(&begins) && location.contains("X-Amz-Expires=300"), "{location}");
        assert!(location.contains("response-content-disposition=attachment"), "{location}");
        assert!(location.contains("filename%2A%3DUTF-8%27%27%25C3%25A9.csv"), "{location}");
        assert_eq!(answer.header("etag"), format!("\"{}\"", node.version_id.unwrap()));
    }
    // What was asked of the version comes first, and a URL is for GET alone.
    let tag = format!("\"{}\"", node.version_id.unwrap());
    let get = format!("GET {url}?direct=1");
    assert_eq!(ask(&world, User::Viewer, &get, &[("if-none-match", &tag)]).await.status, 304);
    assert_eq!(ask(&world, User::Viewer, &get, &[("if-match", "\"x\"")]).await.status, 412);
    assert_eq!(ask(&world, User::Viewer, &format!("HEAD {url}?direct=1"), &[]).await.status, 200);
    assert_eq!(ask(&world, User::Anonymous, &get, &[]).await.outcome(), "401 key_missing");
    for plain in [url.clone(), format!("{url}?direct=0")] {
        let answer = ask(&world, User::Viewer, &format!("GET {plain}"), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 100_000));
    }
    assert_eq!(
        ask(&world, User::Viewer, &format!("GET {url}?direct=2"), &[]).await.outcome(),
        "400 invalid_query"
    );
    // Small content lies in the database.
    let small = world.put("small", "abc").await;
    let small = world.get(&format!("/v1/files/{}/content?direct=1", small.id)).await;
    assert_eq!((small.status.as_u16(), &small.body[..]), (200, &b"abc"[..]));
    serving.abort();
}

#[tokio::test]
async fn a_store_that_signs_nothing_gives_the_bytes() {
    let world = World::new().await;
    let node = world.put("a.bin", vec![b'x'; 100_000]).await;
    let answer = world.get(&format!("/v1/files/{}/content?direct=1", node.id)).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 100_000));
    assert_eq!(answer.header("location"), "");
}
