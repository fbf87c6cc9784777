//! TLS, and servers that speak over their guest.
//!
//! The certificates in `tls/` are for `localhost` and 127.0.0.1, run for a hundred years, and protect nothing:
//! their authority's own key was thrown away.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore::{ErrorKind, Target, UploadOptions};
use longshore_flow::Tasks;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::fake::{Fake, Reply, json, node, node_id};

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/ca.pem");

fn acceptor() -> TlsAcceptor {
    let certificates =
        CertificateDer::pem_slice_iter(include_bytes!("tls/server.pem")).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Puts TLS in front of a server; gives the port.
async fn front(fake: &Fake, tasks: &Tasks) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (back, all) = (fake.address(), tasks.clone());
    tasks.spawn(async move {
        let acceptor = acceptor();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            all.spawn(async move {
                let joined: io::Result<_> = async {
                    let mut guest = acceptor.accept(stream).await?;
                    let mut host = tokio::net::TcpStream::connect(back).await?;
                    tokio::io::copy_bidirectional(&mut guest, &mut host).await
                }
                .await;
                drop(joined);
            });
        }
    });
    port
}

#[tokio::test]
async fn tls_is_spoken_and_a_file_of_authorities_trusted() {
    let fake = Fake::start(|_, _| Reply::Answer(json(200, &node("/a", b"")))).await;
    let tasks = Tasks::new();
    let port = front(&fake, &tasks).await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{port}");
        let client = fake.builder().url(&url).ca_file(CA).build().unwrap();
        client.files().get(node_id()).await.unwrap();
    }
    let url = format!("https://localhost:{port}");
    if let Ok(stranger) = fake.builder().url(url).build() {
        let error = stranger.files().get(node_id()).await.unwrap_err();
        assert!(error.is_network() && error.to_string().contains("certificate"), "{error}");
    }
    tasks.abort();
}

#[tokio::test]
async fn a_file_without_a_certificate_is_refused() {
    let builder = longshore::Client::builder().url("https://localhost");
    let error = builder.clone().ca_file("/no/such/file").build().unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("/no/such/file"), "{error}");
    let empty = tempfile::NamedTempFile::new().unwrap();
    assert!(builder.ca_file(empty.path()).build().is_err());
}

#[tokio::test]
async fn a_refusal_is_heard_before_the_content_has_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tasks = Tasks::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let count = stream.read(&mut head).await.unwrap();
            assert!(count > 0);
            let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            // Nothing more is read; closing at once would destroy the answer on its way.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let client = longshore::Client::builder().url(url).build().unwrap();
    let start = Instant::now();
    let error = client
        .files()
        .upload(vec![0; 64 * 1024 * 1024], Target::version(node_id()), &UploadOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
    tasks.abort();
}
