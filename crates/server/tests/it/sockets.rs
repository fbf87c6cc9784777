//! What only a socket shows: bodies that break off, slow and large headers, connections and their ends.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::wire::{SOON, Served, read_all, read_until};

async fn nothing_is_there(served: &Served, workspace: &str) {
    let answer =
        served.ask(&format!("GET /v1/workspaces/{workspace}/tree"), "connection: close\r\n", b"").await;
    assert!(answer.contains("{\"items\":[],"), "{answer}");
    // The server notices in its own time that a client is gone.
    let cleared = async {
        while !served.files_in("store").is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(SOON, cleared).await.is_err() {
        panic!("left behind: {:?}", served.files_in("store"));
    }
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing() {
    let served = Served::start().await;
    let workspace = served.workspace().await;
    let put = format!("PUT /v1/workspaces/{workspace}/files/a.bin");
    for headers in ["content-length: 1000000\r\n", "transfer-encoding: chunked\r\n"] {
        let mut stream = served.connect().await;
        stream.write_all(served.head(&put, headers).as_bytes()).await.unwrap();
        let body = vec![7; 300_000];
        if headers.starts_with("transfer") {
            stream.write_all(format!("{:x}\r\n", 500_000).as_bytes()).await.unwrap();
        }
        stream.write_all(&body).await.unwrap();
        // Long enough for the server to have begun a file.
        sleep(Duration::from_millis(200)).await;
        drop(stream);
        nothing_is_there(&served, &workspace).await;
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_told_so() {
    let served = Served::start().await;
    let workspace = served.workspace().await;
    let put = format!("PUT /v1/workspaces/{workspace}/files/a.bin");
    for sent in [10, 300_000] {
        let mut stream = served.connect().await;
        stream.write_all(served.head(&put, "content-length: 1000000\r\n").as_bytes()).await.unwrap();
        stream.write_all(&vec![7; sent]).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("\"code\":\"length_mismatch\""), "{answer}");
    }
    nothing_is_there(&served, &workspace).await;
}

#[tokio::test]
async fn a_body_that_goes_on_is_no_part_of_the_file() {
    let served = Served::start().await;
    let workspace = served.workspace().await;
    let put = format!("PUT /v1/workspaces/{workspace}/files/a.txt");
    let answer = served.ask(&put, "content-length: 3\r\n", b"abcdef\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    // What came after the announced bytes is a request that makes no sense.
    assert!(answer.contains("HTTP/1.1 400"), "{answer}");
    let get = format!("GET /v1/workspaces/{workspace}/files/a.txt?content=1");
    assert!(served.ask(&get, "connection: close\r\n", b"").await.ends_with("\r\n\r\nabc"));
}

#[tokio::test]
async fn a_body_that_stands_still_is_broken_off() {
    let served = Served::start().await;
    let workspace = served.workspace().await;
    let put = format!("PUT /v1/workspaces/{workspace}/files/a.bin");
    let answer = served.ask(&put, "content-length: 1000000\r\n", &vec![7; 300_000]).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
    nothing_is_there(&served, &workspace).await;
}

#[tokio::test]
async fn a_large_body_that_is_refused_still_hears_why() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    let (mut reading, mut writing) = stream.split();
    let head = "PUT /v1/workspaces/x/files/a HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n";
    writing.write_all(head.as_bytes()).await.unwrap();
    // A client that first writes as much as it can, and only then listens.
    for _ in 0..160 {
        writing.write_all(&vec![7; 65_536]).await.unwrap();
    }
    let answer = read_all(&mut reading).await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("key_missing"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_small_body_that_is_refused_keeps_the_connection() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    let head = "PUT /v1/workspaces/x/files/a HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
    for _ in 0..3 {
        stream.write_all(head.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(20)).await;
        stream.write_all(&vec![7; 100_000]).await.unwrap();
        let answer = read_until(&mut stream, "}").await;
        assert!(answer.starts_with("HTTP/1.1 401") && !answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_waits_to_be_asked_is_not_asked_for_in_vain() {
    let served = Served::start().await;
    let workspace = served.workspace().await;
    let put = format!("PUT /v1/workspaces/{workspace}/files/a.txt");
    let waits = "expect: 100-continue\r\ncontent-length: 3\r\n";
    let mut stream = served.connect().await;
    stream.write_all(served.head(&put, waits).as_bytes()).await.unwrap();
    let asked = read_until(&mut stream, "\r\n\r\n").await;
    assert!(asked.starts_with("HTTP/1.1 100"), "{asked}");
    stream.write_all(b"abc").await.unwrap();
    assert!(read_until(&mut stream, "}").await.starts_with("HTTP/1.1 201"));
    let refused = format!("{waits}if-match: bare\r\n");
    let answer = served.ask(&put, &refused, b"").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("invalid_header"), "{answer}");
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let served = Served::start().await;
    let made = served.ask(
        "POST /v1/keys",
        "connection: close\r\ncontent-length: 30\r\n",
        br#"{"name":"k", "role":"viewer"}  "#,
    );
    let made = made.await;
    let key = made.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
    let answer = served.ask(&format!("DELETE /v1/keys/{key}"), "connection: close\r\n", b"").await;
    assert!(answer.starts_with("HTTP/1.1 204") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(!answer.contains("content-length"), "{answer}");
    let mut stream = served.connect().await;
    for what in ["HEAD /v1/me", "HEAD /v1/nothing", "GET /healthz"] {
        stream.write_all(served.head(what, "").as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        assert!(answer.contains("content-length"), "{what}: {answer}");
        assert_eq!(answer.ends_with("\r\n\r\n"), what.starts_with("HEAD"), "{what}: {answer}");
    }
}

#[tokio::test]
async fn headers_that_are_too_slow_or_too_large() {
    let served = Served::start().await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-a").await.unwrap();
    let begun = Instant::now();
    let answer = read_all(&mut slow).await;
    assert!(!answer.contains("200"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let large = |bytes: usize| format!("connection: close\r\nx-large: {}\r\n", "x".repeat(bytes));
    let answer = served.ask("GET /healthz", &large(17_000), b"").await;
    assert!(answer.starts_with("HTTP/1.1 431") && answer.contains("header_too_large"), "{answer}");
    let answer = served.ask("GET /healthz", &large(40_000), b"").await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let served = Served::start().await;
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nhost:\r\n", "200"),
        ("GET /healthz HTTP/1.0\r\n", "200"),
    ] {
        let mut stream = served.connect().await;
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let answer = read_all(&mut stream).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
        assert_eq!(answer.contains("invalid_header"), status == "400", "{answer}");
    }
}

#[tokio::test]
async fn further_connections_wait_their_turn() {
    let served = Served::start_with(|config, _| config.server.max_connections = 1).await;
    let mut first = served.connect().await;
    first.write_all(served.head("GET /healthz", "").as_bytes()).await.unwrap();
    read_until(&mut first, "ok\n").await;
    let mut second = served.connect().await;
    second.write_all(served.head("GET /healthz", "connection: close\r\n").as_bytes()).await.unwrap();
    assert!(timeout(Duration::from_millis(200), read_until(&mut second, "ok\n")).await.is_err());
    drop(first);
    assert!(read_all(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_let_go() {
    let served = Served::start().await;
    let workspace = served.workspace().await;
    let path = format!("/v1/workspaces/{workspace}/files/a.bin");
    let body = vec![7; 32 * 1_024 * 1_024];
    let headers = format!("connection: close\r\ncontent-length: {}\r\n", body.len());
    assert!(served.ask(&format!("PUT {path}"), &headers, &body).await.starts_with("HTTP/1.1 201"));
    let mut stream = served.connect().await;
    let get = served.head(&format!("GET {path}?content=1"), "");
    stream.write_all(get.as_bytes()).await.unwrap();
    sleep(Duration::from_secs(4)).await;
    let mut all = Vec::new();
    let end = timeout(SOON, tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut all)).await.unwrap();
    assert!(end.is_err() || all.len() < body.len(), "all of it came");
}

#[tokio::test]
async fn tls_by_certificate_files() {
    let served = Served::start_with(|config, folder| {
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("the `openssl` program");
        assert!(made.status.success(), "{made:?}");
        (config.server.tls_certificate, config.server.tls_key) = (Some(certificate), Some(key));
    })
    .await;
    assert!(served.url.starts_with("https://127.0.0.1:"));
    let mut stream = crate::tls::connect(&served).await;
    stream.write_all(served.head("GET /v1/me", "connection: close\r\n").as_bytes()).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // One that does not speak TLS gets nothing, and harms nobody.
    let mut plain = served.connect().await;
    plain.write_all(served.head("GET /v1/me", "").as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut plain, &mut heard).await.ok();
    assert!(!heard.starts_with(b"HTTP"), "{heard:?}");
}
