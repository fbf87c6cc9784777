//! Redirects: refused, or checked at every hop.

use std::sync::Arc;

use longshore_egress::{ErrorKind, Guard, Redirects, Request, Settings};
use tokio::io::AsyncWriteExt;

use longshore_egress::testing::{Peer, Script, local, local_guard};

fn moved(status: u16, place: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n")
}

fn following(guard: &Guard, url: &str, most: u8) -> Request {
    let mut request = Request::get(guard.check_url(url).unwrap());
    request.redirects = Redirects::Follow(most);
    request
}

#[tokio::test]
async fn egress_guard_follows_no_redirect_unless_asked_to() {
    let peer = Peer::answering(moved(302, "http://127.0.0.1:1/")).await;
    let guard = local_guard();
    let response = guard.send(Request::post(guard.check_url(&peer.url("/")).unwrap(), "{}")).await.unwrap();
    assert_eq!((response.status, peer.connections()), (302, 1));
}

#[tokio::test]
async fn row_23_egress_guard_refuses_a_302_to_a_metadata_service() {
    for place in [
        "http://169.254.169.254/latest/meta-data/iam/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "//169.254.169.254/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://192.0.0.192/opc/v2/",
        "http://metadata.test/",
    ] {
        let peer = Peer::answering(moved(302, place)).await;
        let names = Script::new(&[&["169.254.169.254"]]);
        let guard = Guard::with_resolver(local(), names).unwrap();
        let error = guard.send(following(&guard, &peer.url("/"), 3)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BlockedAddress, "{place}: {error}");
        // The place is the peer's text.
        assert!(!error.message().contains("169"), "{error}");
    }
}

#[tokio::test]
async fn egress_guard_refuses_redirects_to_other_schemes_ports_and_users() {
    for place in
        ["file:///etc/passwd", "gopher://127.0.0.1/", "http://user@127.0.0.1/", "http://127.0.0.1:2/x"]
    {
        let peer = Peer::answering(moved(307, place)).await;
        let ports = vec![peer.address.port().into()];
        let guard = Guard::new(Settings { ports, ..local() }).unwrap();
        let error = guard.send(following(&guard, &peer.url("/"), 3)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BlockedUrl, "{place}: {error}");
    }
    let peer = Peer::answering(moved(302, "http://[")).await;
    let guard = local_guard();
    let error = guard.send(following(&guard, &peer.url("/"), 3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn a_name_that_changes_between_hops_is_checked_at_each() {
    let peer =
        Peer::start(|mut stream, _| async move { stream.write_all(moved(302, "/next").as_bytes()).await });
    let peer = peer.await;
    let script = Script::new(&[&["127.0.0.1"], &["127.0.0.1"], &["10.0.0.1"]]);
    let guard = Guard::with_resolver(local(), Arc::clone(&script) as _).unwrap();
    let url = format!("http://hop.test:{}/", peer.address.port());
    let error = guard.send(following(&guard, &url, 5)).await.unwrap_err();
    assert_eq!((error.kind(), peer.connections(), script.looks()), (ErrorKind::BlockedAddress, 2, 3));
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let peer = Peer::answering(moved(302, "/again")).await;
    let guard = local_guard();
    let error = guard.send(following(&guard, &peer.url("/"), 3)).await.unwrap_err();
    assert_eq!((error.kind(), peer.connections()), (ErrorKind::Protocol, 4));
}

#[tokio::test]
async fn another_origin_gets_no_header_that_tells_who_asks() {
    let end = Peer::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let place = end.url("/end");
    let start = Peer::start(move |mut stream, request| {
        let place = if request.starts_with("GET /here") { place.clone() } else { "/here".to_owned() };
        async move { stream.write_all(moved(302, &place).as_bytes()).await }
    })
    .await;
    let guard = local_guard();
    let mut request = Request::post(guard.check_url(&start.url("/")).unwrap(), "content");
    request.redirects = Redirects::Follow(3);
    let request = request
        .header("Authorization", "Bearer geheim")
        .header("Cookie", "session=geheim")
        .header("X-Api-Key", "geheim")
        .header("Accept", "text/plain");
    let response = guard.send(request).await.unwrap();
    assert_eq!((response.status, response.target.as_str()), (200, &*end.url("/end")));
    let (here, there) = (start.requests(), end.requests());
    // The same origin keeps them, and a 302 takes the content away.
    assert!(here[0].starts_with("POST / ") && here[0].ends_with("content"), "{}", here[0]);
    assert!(here[1].starts_with("GET /here ") && here[1].contains("Bearer geheim"), "{}", here[1]);
    assert!(!here[1].contains("content-length"), "{}", here[1]);
    assert!(there[0].contains("accept: text/plain") && !there[0].contains("geheim"), "{}", there[0]);
}

#[tokio::test]
async fn a_307_keeps_method_and_content() {
    let end = Peer::answering("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    let start = Peer::answering(moved(307, &end.url("/end"))).await;
    let guard = local_guard();
    let mut request = Request::post(guard.check_url(&start.url("/")).unwrap(), "content");
    request.redirects = Redirects::Follow(1);
    assert_eq!(guard.send(request).await.unwrap().status, 201);
    assert!(end.requests()[0].starts_with("POST /end ") && end.requests()[0].ends_with("content"));
}
