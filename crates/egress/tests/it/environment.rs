//! Nothing of the environment changes where a request goes.

use std::process::Stdio;

use longshore_egress::Request;
use tokio::io::AsyncWriteExt;

use longshore_egress::testing::{Peer, local_guard};

const TARGET: &str = "LONGSHORE_TEST_TARGET";

/// What [`a_proxy_in_the_environment_is_ignored`] runs, in a process of its own: an environment is a process's.
#[tokio::test]
#[ignore = "the test below runs it with an environment of its own"]
async fn dials_with_this_environment() {
    #[expect(clippy::disallowed_methods, reason = "the test hands its target over like this")]
    let url = std::env::var(TARGET).unwrap();
    let guard = local_guard();
    let response = guard.send(Request::get(guard.check_url(&url).unwrap())).await.unwrap();
    assert_eq!(response.status, 204);
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_ignored() {
    let proxy =
        Peer::start(
            |mut stream, _| async move { stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await },
        );
    let proxy = proxy.await;
    let peer = Peer::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "environment::dials_with_this_environment"]);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        child.env(name, proxy.url("")).env(name.to_uppercase(), proxy.url(""));
    }
    child.env("NO_PROXY", "").env(TARGET, peer.url("/")).stdout(Stdio::null()).stderr(Stdio::null());
    let status = tokio::task::spawn_blocking(move || child.status().unwrap()).await.unwrap();
    assert!(status.success());
    assert_eq!((peer.requests().len(), proxy.connections()), (1, 0));
}
