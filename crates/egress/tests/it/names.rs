//! Names: where they lead is looked up once, checked in whole, and dialled as it was checked.

use std::sync::Arc;
use std::time::Duration;

use longshore_egress::{ErrorKind, Guard, Request, Settings};

use longshore_egress::testing::{Peer, Script, local};

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// This machine, as a name server would have it look: public by the settings of the test, and on this port.
fn settings() -> Settings {
    // 127.0.0.2 plays the public address; 127.0.0.1 stays what it is.
    Settings { networks: vec!["127.0.0.2/32".parse().unwrap()], ..local() }
}

#[tokio::test]
async fn row_23_egress_guard_dials_the_address_it_checked_though_the_name_changes() {
    let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let public = Peer::start_at(listener, |mut stream, _| async move {
        tokio::io::AsyncWriteExt::write_all(&mut stream, OK.as_bytes()).await
    });
    let port = public.address.port();
    let inner = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let inner = Peer::start_at(inner, |_, _| async { Ok(()) });
    let script = Script::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let guard = Guard::with_resolver(settings(), Arc::clone(&script) as _).unwrap();
    let target = guard.check_url(&format!("http://rebind.test:{port}/hook")).unwrap();

    // One look, one dial: the second answer of the name server is never asked for.
    let response = guard.send(Request::post(target.clone(), "{}")).await.unwrap();
    assert_eq!((response.status, script.looks()), (204, 1));
    assert!(
        public.requests()[0].contains(&format!("host: rebind.test:{port}\r\n")),
        "{:?}",
        public.requests()
    );

    // The next attempt looks anew, and is refused.
    let error = guard.send(Request::post(target, "{}")).await.unwrap_err();
    assert_eq!((error.kind(), script.looks()), (ErrorKind::BlockedAddress, 2));
    assert_eq!((public.connections(), inner.connections()), (1, 0));
}

#[tokio::test]
async fn egress_guard_refuses_a_name_one_of_whose_addresses_is_private() {
    let peer = Peer::answering(OK).await;
    for list in [
        &["127.0.0.2", "127.0.0.1"][..],
        &["127.0.0.1", "127.0.0.2"],
        &["127.0.0.2", "::1"],
        &["127.0.0.2", "127.0.0.2", "127.0.0.2", "::ffff:10.0.0.1"],
        &["93.184.216.34", "169.254.169.254"],
        &["64:ff9b::a9fe:a9fe"],
        &["2002:7f00:1::"],
        &["::ffff:127.0.0.1"],
    ] {
        let guard = Guard::with_resolver(settings(), Script::new(&[list])).unwrap();
        let url = format!("http://mixed.test:{}/", peer.address.port());
        let target = guard.check_url(&url).unwrap();
        let error = guard.send(Request::get(target)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BlockedAddress, "{list:?}: {error}");
        // What the name leads to is nobody's business.
        assert!(!list.iter().any(|address| error.message().contains(address)), "{error}");
        assert_eq!(guard.check(&url).await.unwrap_err().kind(), ErrorKind::BlockedAddress, "{list:?}");
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn egress_guard_refuses_an_address_past_the_most_it_would_dial() {
    let mut list = vec!["127.0.0.2"; 40];
    list.push("10.0.0.1");
    let guard = Guard::with_resolver(settings(), Script::new(&[&list])).unwrap();
    let target = guard.check_url("http://many.test:9/").unwrap();
    let error = guard.send(Request::get(target)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BlockedAddress);
}

#[tokio::test]
async fn egress_guard_checks_a_literal_at_every_attempt() {
    let peer = Peer::answering(OK).await;
    let open = Guard::new(local()).unwrap();
    let target = open.check_url(&peer.url("/")).unwrap();
    assert_eq!(open.send(Request::get(target.clone())).await.unwrap().status, 204);
    // The operator takes the permission back: what passed once passes no more.
    let shut = Guard::new(Settings { networks: Vec::new(), ..local() }).unwrap();
    assert_eq!(shut.send(Request::get(target.clone())).await.unwrap_err().kind(), ErrorKind::BlockedAddress);
    let shut = Guard::new(Settings { ports: Vec::new(), ..local() }).unwrap();
    assert_eq!(shut.send(Request::get(target)).await.unwrap_err().kind(), ErrorKind::BlockedUrl);
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let peer = Peer::answering(OK).await;
    // Nobody listens on that port there.
    let guard = Guard::with_resolver(local(), Script::new(&[&["127.0.0.9", "127.0.0.1"]])).unwrap();
    let target = guard.check_url(&format!("http://two.test:{}/", peer.address.port())).unwrap();
    assert_eq!(guard.send(Request::get(target)).await.unwrap().status, 204);
}

#[tokio::test]
async fn a_mapped_address_is_dialled_as_the_ipv4_it_is() {
    let peer = Peer::answering(OK).await;
    let guard = Guard::with_resolver(local(), Script::new(&[&["::ffff:127.0.0.1"]])).unwrap();
    let target = guard.check_url(&format!("http://mapped.test:{}/", peer.address.port())).unwrap();
    assert_eq!(guard.send(Request::get(target)).await.unwrap().status, 204);
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_told_and_may_be_set_all_the_same() {
    let guard = Guard::with_resolver(local(), Script::new(&[])).unwrap();
    let target = guard.check("https://nowhere.test/").await.unwrap();
    let error = guard.send(Request::get(target)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Resolve);
    assert!(error.is_retryable());
    let empty = Guard::with_resolver(local(), Script::new(&[&[]])).unwrap();
    let target = empty.check_url("https://empty.test/").unwrap();
    assert_eq!(empty.send(Request::get(target)).await.unwrap_err().kind(), ErrorKind::Resolve);
}

#[tokio::test]
async fn a_name_server_that_hangs_holds_nobody_longer_than_the_limit() {
    let mut script = Script::new(&[&["127.0.0.1"]]);
    Arc::get_mut(&mut script).unwrap().pause = Duration::from_secs(3600);
    let guard = Guard::with_resolver(local(), script).unwrap();
    let mut request = Request::get(guard.check_url("https://slow.test/").unwrap());
    request.limits.connect = Duration::from_millis(100);
    assert_eq!(guard.send(request).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn the_systems_own_resolver_is_asked_and_its_answer_checked() {
    let guard = Guard::new(Settings { networks: Vec::new(), ..local() }).unwrap();
    for host in ["localhost", "LOCALHOST"] {
        let target = guard.check_url(&format!("https://{host}/")).unwrap();
        let error = guard.send(Request::get(target)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BlockedAddress, "{host}: {error}");
    }
}
