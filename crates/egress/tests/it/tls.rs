//! TLS: the name that was asked for is the name that is proven. The certificates are those of the SDK's tests.

use std::sync::Arc;

use longshore_egress::{ErrorKind, Guard, Redirects, Request, Settings};
use longshore_flow::Tasks;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use longshore_egress::testing::{Peer, Script, local};

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../client/tests/it/tls/ca.pem");

fn acceptor() -> TlsAcceptor {
    let certificate = include_bytes!("../../../client/tests/it/tls/server.pem");
    let certificates = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().unwrap();
    let key =
        PrivateKeyDer::from_pem_slice(include_bytes!("../../../client/tests/it/tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Answers each connection with `answer`, over TLS; gives the port.
async fn serve(answer: String, tasks: &Tasks) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A guest that does not trust this server ends the handshake.
            let Ok(mut stream) = acceptor().accept(stream).await else { continue };
            let mut head = [0; 4096];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.ok();
        }
    });
    port
}

fn trusting() -> Settings {
    Settings { ca_file: Some(CA.into()), ..local() }
}

#[tokio::test]
async fn the_hosts_name_is_proven_though_its_address_is_dialled() {
    let tasks = Tasks::new();
    let port = serve("HTTP/1.1 204 No Content\r\n\r\n".into(), &tasks).await;
    let names = Script::new(&[&["127.0.0.1"]]);
    let guard = Guard::with_resolver(trusting(), names).unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let target = guard.check_url(&format!("https://{host}:{port}/")).unwrap();
        assert_eq!(guard.send(Request::get(target)).await.unwrap().status, 204, "{host}");
    }
    let target = guard.check_url(&format!("https://other.test:{port}/")).unwrap();
    let error = guard.send(Request::get(target)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Tls, "the host's certificate is for another name")
    );
    tasks.abort();
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_refused() {
    let tasks = Tasks::new();
    let port = serve("HTTP/1.1 204 No Content\r\n\r\n".into(), &tasks).await;
    let guard = Guard::new(local()).unwrap();
    let target = guard.check_url(&format!("https://127.0.0.1:{port}/")).unwrap();
    let error = guard.send(Request::get(target)).await.unwrap_err();
    // A machine without any authorities says so instead.
    assert!(matches!(error.kind(), ErrorKind::Tls | ErrorKind::Unusable), "{error}");
    assert!(!error.is_retryable());
    tasks.abort();
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_is_told() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\n\r\n").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tasks = Tasks::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream.read_u8().await.ok();
    });
    let guard = Guard::new(trusting()).unwrap();
    let target = guard.check_url(&format!("https://127.0.0.1:{port}/")).unwrap();
    assert_eq!(guard.send(Request::get(target)).await.unwrap_err().kind(), ErrorKind::Tls);
    drop(peer);
    tasks.abort();
}

#[tokio::test]
async fn from_https_no_redirect_leads_to_http() {
    let plain = Peer::answering("HTTP/1.1 200 OK\r\n\r\n").await;
    let tasks = Tasks::new();
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\n\r\n", plain.url("/"));
    let port = serve(answer, &tasks).await;
    let guard = Guard::new(trusting()).unwrap();
    let mut request = Request::get(guard.check_url(&format!("https://127.0.0.1:{port}/")).unwrap());
    request.redirects = Redirects::Follow(3);
    let error = guard.send(request).await.unwrap_err();
    assert_eq!((error.kind(), plain.connections()), (ErrorKind::BlockedUrl, 0), "{error}");
    tasks.abort();
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_told_at_the_start() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    for path in ["/no/such/file".into(), empty.path().to_owned()] {
        let settings = Settings { ca_file: Some(path.clone()), ..Settings::default() };
        let error = Guard::new(settings).unwrap_err();
        assert!(
            error.kind() == ErrorKind::Unusable && error.message().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
}
