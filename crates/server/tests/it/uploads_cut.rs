//! What only a socket shows of uploads: connections that die, and those that only seem to live.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::wire::{SOON, Served, read_until};

const TUS: &str = "tus-resumable: 1.0.0\r\n";

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name}: {answer}"))
}

async fn begin(served: &Served, name: &str, length: usize) -> String {
    let workspace = served.workspace().await;
    let told = format!("filename {},workspace {}", STANDARD.encode(name), STANDARD.encode(workspace));
    let headers = format!(
        "{TUS}upload-length: {length}\r\nupload-metadata: {told}\r\ncontent-length: 0\r\nconnection: close\r\n"
    );
    let answer = served.ask("POST /v1/uploads", &headers, b"").await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    header(&answer, "location").to_owned()
}

/// Begins to send bytes from an offset to the upload's end, and leaves the connection as it is after some.
async fn send(served: &Served, url: &str, offset: usize, announced: usize, bytes: &[u8]) -> TcpStream {
    let mut stream = served.connect().await;
    let headers = format!(
        "{TUS}upload-offset: {offset}\r\ncontent-type: application/offset+octet-stream\r\ncontent-length: {announced}\r\n"
    );
    stream.write_all(served.head(&format!("PATCH {url}"), &headers).as_bytes()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

async fn offset(served: &Served, url: &str) -> usize {
    let headers = format!("{TUS}connection: close\r\n");
    let answer = served.ask(&format!("HEAD {url}"), &headers, b"").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    header(&answer, "upload-offset").parse().unwrap()
}

/// Waits until the server counts so many bytes: seen without a turn at the upload, which would end its requests.
async fn counted(served: &Served, url: &str, bytes: usize) {
    let there = async {
        let wanted = format!("\"offset\":{bytes},");
        while !served.ask(&format!("GET {url}"), "connection: close\r\n", b"").await.contains(&wanted) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, there).await.expect("the bytes are counted");
}

/// A server that waits longer for a body than any test does.
async fn patient() -> Served {
    Served::start_with(|config, _| config.server.idle_timeout_seconds = 60).await
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

async fn is_whole(served: &Served, name: &str, content: &[u8]) {
    let workspace = served.workspace().await;
    let mut client = reader(served, &workspace, name).await;
    let mut found = Vec::new();
    timeout(SOON, tokio::io::AsyncReadExt::read_to_end(&mut client, &mut found)).await.unwrap().unwrap();
    let body = found.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(&found[body..] == content, "{} bytes of {}", found.len() - body, content.len());
}

async fn reader(served: &Served, workspace: &str, name: &str) -> TcpStream {
    let mut stream = served.connect().await;
    let what = format!("GET /v1/workspaces/{workspace}/files/{name}?content=1");
    stream.write_all(served.head(&what, "connection: close\r\n").as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_connection_that_dies_costs_nothing_that_came() {
    let served = patient().await;
    let content = content(3_000_000);
    let url = begin(&served, "a.bin", content.len()).await;
    let mut at = 0;
    for step in [700_000, 800_000, 900_000] {
        let stream = send(&served, &url, at, content.len() - at, &content[at..at + step]).await;
        drop(stream);
        at += step;
        counted(&served, &url, at).await;
        assert_eq!(offset(&served, &url).await, at);
    }
    let mut last = send(&served, &url, at, content.len() - at, &content[at..]).await;
    let answer = read_until(&mut last, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    is_whole(&served, "a.bin", &content).await;
}

#[tokio::test]
async fn who_resumes_at_once_after_a_cut_ends_whole() {
    let served = patient().await;
    let content = content(2_000_000);
    let url = begin(&served, "a.bin", content.len()).await;
    for cut in [1_000, 300_000, 900_000] {
        let at = offset(&served, &url).await;
        drop(send(&served, &url, at, content.len() - at, &content[at..at.max(cut)]).await);
    }
    // A request of the dead ones may still wait to be read while the offset is told, and then move it: each can do so once.
    let mut answer = String::new();
    for _ in 0..=3 {
        let at = offset(&served, &url).await;
        let mut last = send(&served, &url, at, content.len() - at, &content[at..]).await;
        answer = read_until(&mut last, "\r\n\r\n").await;
        if !answer.starts_with("HTTP/1.1 409") {
            break;
        }
    }
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    is_whole(&served, "a.bin", &content).await;
}

#[tokio::test]
async fn a_connection_that_only_seems_to_live_holds_nobody_up() {
    let served = patient().await;
    let content = content(2_000_000);
    let url = begin(&served, "a.bin", content.len()).await;
    let mut dead = send(&served, &url, 0, content.len(), &content[..1_000_000]).await;
    // Long enough for its request to have begun.
    sleep(Duration::from_millis(300)).await;
    let at = offset(&served, &url).await;
    let answer = read_until(&mut dead, "upload_taken_over").await;
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    let mut last = send(&served, &url, at, content.len() - at, &content[at..]).await;
    let answer = read_until(&mut last, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    is_whole(&served, "a.bin", &content).await;
}

#[tokio::test]
async fn what_stands_still_is_kept() {
    let served = Served::start().await;
    let content = content(500_000);
    let url = begin(&served, "a.bin", content.len()).await;
    let mut still = send(&served, &url, 0, content.len(), &content[..300_000]).await;
    let answer = read_until(&mut still, "request_timeout").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(offset(&served, &url).await, 300_000);
}
