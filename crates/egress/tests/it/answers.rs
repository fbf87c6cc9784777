//! Peers that answer too much, too slowly, or not HTTP.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use longshore_egress::{Error, ErrorKind, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use longshore_egress::testing::{Peer, local_guard};

async fn ask(peer: &Peer, set: impl FnOnce(&mut Request)) -> Result<Response, Error> {
    let guard = local_guard();
    let mut request = Request::post(guard.check_url(&peer.url("/hook")).unwrap(), "{}");
    set(&mut request);
    guard.send(request).await
}

async fn read(mut response: Response) -> Result<usize, Error> {
    let mut count = 0;
    while let Some(piece) = response.body.next().await {
        count += piece?.len();
    }
    Ok(count)
}

/// Sends a head and then bytes for ever, until the guest hangs up.
async fn flood(head: &'static str) -> Peer {
    Peer::start(move |mut stream, _| async move {
        stream.write_all(head.as_bytes()).await?;
        loop {
            stream.write_all(&[b'x'; 64 * 1024]).await?;
        }
    })
    .await
}

#[tokio::test]
async fn a_request_carries_what_was_set_and_no_more() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nok").await;
    let guard = local_guard();
    let target = guard.check_url(&peer.url("/a%20b?c=d#e")).unwrap();
    let request =
        Request::post(target, "{\"a\":1}").header("content-type", "application/json").header("X-One", "1");
    let response = guard.send(request).await.unwrap();
    assert_eq!((response.status, response.headers.get("Retry-After")), (200, Some("7")));
    assert_eq!(read(response).await, Ok(2));
    let expected = format!(
        "POST /a%20b?c=d HTTP/1.1\r\ncontent-type: application/json\r\nx-one: 1\r\nhost: {}\r\nconnection: close\r\n\
         content-length: 7\r\n\r\n{{\"a\":1}}",
        peer.address
    );
    assert_eq!(peer.requests(), [expected]);
}

#[tokio::test]
async fn an_answer_of_10_mb_is_cut_at_the_limit() {
    for head in ["HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
        let peer = flood(head).await;
        // Its status counts, whatever else it sends.
        let response = ask(&peer, |_| {}).await.unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(read(response).await.unwrap_err().kind(), ErrorKind::TooLarge);
        let response = ask(&peer, |_| {}).await.unwrap();
        drop(response);
    }
    let peer =
        Peer::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: 65536\r\n\r\n{}", "x".repeat(65536)))
            .await;
    assert_eq!(read(ask(&peer, |_| {}).await.unwrap()).await, Ok(65536));
}

#[tokio::test]
async fn a_chunked_answer_is_cut_at_the_limit() {
    let chunks = "400\r\n".to_owned() + &"y".repeat(1024) + "\r\n";
    let answer =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", chunks.repeat(3));
    let peer = Peer::answering(answer).await;
    assert_eq!(read(ask(&peer, |it| it.limits.body = 3072).await.unwrap()).await, Ok(3072));
    let error = read(ask(&peer, |it| it.limits.body = 3071).await.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_head_without_end_is_cut() {
    let peer = flood("HTTP/1.1 200 OK\r\nx-fill: ").await;
    assert_eq!(ask(&peer, |_| {}).await.unwrap_err().kind(), ErrorKind::Protocol);
    let many = "HTTP/1.1 200 OK\r\n".to_owned() + &"a: b\r\n".repeat(1000) + "\r\n";
    let peer = Peer::answering(many).await;
    assert_eq!(ask(&peer, |_| {}).await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_slow_loris_holds_nobody_longer_than_the_limit() {
    async fn drip(mut stream: tokio::net::TcpStream, text: &'static str) -> io::Result<()> {
        for byte in text.bytes().chain(std::iter::repeat(b'z')) {
            stream.write_all(&[byte]).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
    // A head that never ends; each byte comes in time.
    let peer = Peer::start(|stream, _| drip(stream, "HTTP/1.1 200 OK\r\nx: ")).await;
    let error = ask(&peer, |it| it.limits.total = Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    // Content that never ends.
    let peer = Peer::start(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n").await?;
        drip(stream, "").await
    })
    .await;
    let response = ask(&peer, |it| it.limits.total = Duration::from_millis(300)).await.unwrap();
    assert_eq!(read(response).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_peer_that_says_nothing_or_hangs_up_is_told_apart() {
    let silent = Peer::start(|mut stream, _| async move { stream.read_u8().await.map(drop) }).await;
    let error = ask(&silent, |it| it.limits.total = Duration::from_millis(200)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Timeout && error.is_retryable(), "{error}");
    let rude = Peer::start(|stream, _| async move {
        drop(stream);
        Ok(())
    })
    .await;
    let error = ask(&rude, |_| {}).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Connect && error.is_retryable(), "{error}");
    let short = Peer::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc").await;
    let response = ask(&short, |_| {}).await.unwrap();
    assert_eq!(read(response).await.unwrap_err().kind(), ErrorKind::Connect);
    let nobody = { Peer::answering("").await.url("/") };
    let guard = local_guard();
    // The listener goes with its task, which ends at its next turn.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = guard.send(Request::get(guard.check_url(&nobody).unwrap())).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Connect && error.message().contains("refused"), "{error}");
}

#[tokio::test]
async fn what_is_not_http_is_refused_and_not_repeated_in_the_message() {
    for answer in
        ["SSH-2.0-OpenSSH_9.2 geheim\r\n\r\n", "HTTP/1.1 abc geheim\r\n\r\n", "\0\0\0geheim\r\n\r\n"]
    {
        let peer = Peer::answering(answer).await;
        let error = ask(&peer, |_| {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{answer:?}: {error}");
        assert!(!error.to_string().contains("geheim"));
    }
}

#[tokio::test]
async fn a_header_that_breaks_the_request_is_refused_before_anything_is_dialled() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\n\r\n").await;
    for (name, value) in [
        ("x\r\ny", "1"),
        ("x", "1\r\nhost: other"),
        ("", "1"),
        ("host", "other"),
        ("Content-Length", "0"),
        ("transfer-encoding", "chunked"),
        ("connection", "keep-alive"),
    ] {
        let error = ask(&peer, |it| it.headers.push((name.into(), value.into()))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable, "{name:?}: {value:?}");
        assert!(!error.is_retryable());
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn a_request_prints_neither_headers_nor_content() {
    let guard = local_guard();
    let target = guard.check_url("http://127.0.0.1/geheim").unwrap();
    let request = Request::post(target, "geheim").header("authorization", "geheim");
    assert!(!format!("{request:?}").contains("geheim"), "{request:?}");
}
