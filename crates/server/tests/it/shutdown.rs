//! Starting and stopping.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use longshore_server::Server;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::wire::{Served, config, read_all, read_until};

#[tokio::test]
async fn a_running_upload_is_finished_before_the_server_ends() {
    let mut served = Served::start().await;
    let workspace = served.workspace().await;
    let put = format!("PUT /v1/workspaces/{workspace}/files/a.txt");
    let mut stream = served.connect().await;
    stream.write_all(served.head(&put, "content-length: 6\r\n").as_bytes()).await.unwrap();
    stream.write_all(b"abc").await.unwrap();
    // A connection that only waits is closed at once.
    let mut idle = served.connect().await;
    idle.write_all(served.head("GET /healthz", "").as_bytes()).await.unwrap();
    read_until(&mut idle, "ok\n").await;
    sleep(Duration::from_millis(100)).await;
    served.tell_to_stop();
    assert_eq!(read_all(&mut idle).await, "");
    sleep(Duration::from_millis(200)).await;
    stream.write_all(b"def").await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    served.ended().await;
    assert!(tokio::net::TcpStream::connect(served.address).await.is_err());
    // What was acknowledged is there after the next start.
    let (server, key) = Server::open(config(served.folder.path())).await.unwrap();
    assert!(key.is_none());
    let actor = server.engine().authenticate(served.key.reveal()).await.unwrap();
    let path = "/a.txt".parse().unwrap();
    let node = server.engine().node_at(&actor, workspace.parse().unwrap(), path).await.unwrap();
    assert_eq!(node.size, 6);
    server.close().await;
}

#[tokio::test]
async fn who_waits_for_a_lock_is_told_to_come_again() {
    let mut served = Served::start().await;
    let workspace = served.workspace().await;
    let close = "connection: close\r\n";
    let made = served.ask(&format!("PUT /v1/workspaces/{workspace}/files/a"), close, b"").await;
    let made: serde_json::Value = serde_json::from_str(made.split_once("\r\n\r\n").unwrap().1).unwrap();
    let lock = format!("POST /v1/files/{}/lock", made["id"].as_str().unwrap());
    assert!(served.ask(&lock, close, b"").await.starts_with("HTTP/1.1 201"));
    let mut waiting = served.connect().await;
    let body = r#"{"wait_seconds":50}"#;
    let head = served.head(&lock, &format!("content-length: {}\r\n", body.len()));
    waiting.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    // Once it waits, others see that somebody is ahead of them.
    while !served.ask(&lock, close, b"").await.contains(r#""position":2"#) {
        sleep(Duration::from_millis(10)).await;
    }
    served.tell_to_stop();
    let answer = read_all(&mut waiting).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains(r#""code":"shutting_down""#) && answer.contains(r#""ticket":"lw_"#), "{answer}");
    // Nobody was broken off.
    served.ended().await;
}

#[tokio::test]
async fn an_upload_that_never_ends_is_broken_off_after_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.server.shutdown_grace_seconds = 0;
    let (server, key) = Server::open(config).await.unwrap();
    let key = key.unwrap();
    let bound = server.bind().await.unwrap();
    let address = bound.local_addr();
    let client = async {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v1/files/root/files?name=a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-length: 6\r\n\r\nabc",
            key.reveal()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(200)).await;
        stream
    };
    let (told, tell) = tokio::sync::oneshot::channel();
    let serving = bound.serve(async {
        tell.await.ok();
    });
    let (ended, _stream) = tokio::join!(serving, async {
        let stream = client.await;
        told.send(()).unwrap();
        stream
    });
    assert!(ended.unwrap_err().to_string().contains("1 connections were broken off"));
}

#[tokio::test]
async fn two_servers_never_share_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (first, key) = Server::open(config(folder.path())).await.unwrap();
    assert!(key.is_some());
    let data = folder.path().join("data");
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    let error = Server::open(config(folder.path())).await.err().unwrap().to_string();
    let canonical = data.canonicalize().unwrap();
    assert_eq!(error, format!("another server uses the data folder {}", canonical.display()));
    first.close().await;
    let (second, key) = Server::open(config(folder.path())).await.unwrap();
    assert!(key.is_none(), "there is one first key");
    second.close().await;
}

#[tokio::test]
async fn a_store_in_a_place_of_its_own_is_for_its_user_alone_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    let blobs = folder.path().join("disk/blobs");
    config.store.dir = Some(blobs.clone());
    let (server, _) = Server::open(config).await.unwrap();
    assert_eq!(std::fs::metadata(&blobs).unwrap().permissions().mode() & 0o777, 0o700);
    server.close().await;
}
