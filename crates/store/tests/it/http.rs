//! A service that does wrong, one answer at a time: S3 over a server of a few lines.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_store::{ErrorKind, ReadOptions, RetryPolicy, S3Credentials, S3Options, Store, WriteOptions};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Answers each request, a connection each, with what a function makes of it; keeps what was asked.
pub(crate) struct Service {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes who waits for the next connection.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

/// A body of no more bytes than this comes with the head.
const SMALL: usize = 4096;

/// Gives the bytes of an answer to the head of the request and a small body, which comes after so many others. Where they do not say that the
/// connection is closed after them, silence follows.
type Answer = fn(&str, usize) -> Vec<u8>;

impl Service {
    pub(crate) fn start(answer: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let (kept, is_ended) = (Arc::clone(&asked), Arc::clone(&ended));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_ended.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, kept, answer) = (stream.unwrap(), Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Self { port, asked, ended }
    }

    pub(crate) fn options(&self) -> S3Options {
        S3Options {
            bucket: "b".to_owned(),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            allow_http: true,
            credentials: S3Credentials::keys("access", "hunter2"),
            part_size: 5 << 20,
            conditional_writes: Some(true),
            ..S3Options::default()
        }
    }

    pub(crate) fn store(&self) -> Store {
        Store::s3(self.options()).unwrap()
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Returns method and address of each request.
    pub(crate) fn lines(&self) -> Vec<String> {
        let first = |head: &String| head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        self.asked().iter().map(first).collect()
    }
}

fn serve(
    mut stream: TcpStream,
    asked: &Mutex<Vec<String>>,
    answer: &(impl Fn(&str, usize) -> Vec<u8> + ?Sized),
) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 65_536]);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    };
    let mut head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut left = length.unwrap_or(0_usize).saturating_sub(bytes.len() - end);
    while left > 0 {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => {
                left = left.saturating_sub(count);
                if bytes.len() < end + SMALL {
                    bytes.extend_from_slice(&buffer[..count]);
                }
            }
            _ => return,
        }
    }
    if bytes.len() <= end + SMALL {
        head.push_str(&String::from_utf8_lossy(&bytes[end..]));
    }
    let before = {
        let mut asked = asked.lock().unwrap();
        asked.push(head.clone());
        asked.len() - 1
    };
    let answer = answer(&head, before);
    stream.write_all(&answer).ok();
    if !answer.windows(17).any(|part| part == b"connection: close") {
        // Stays silent until the other side goes.
        while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
    }
}

pub(crate) fn say(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
        .into()
}

const SOON: RetryPolicy = RetryPolicy {
    base: Duration::from_millis(1),
    cap: Duration::from_millis(1),
    max_attempts: 3,
    retry_after_cap: Duration::from_millis(1),
};

crate::trials! {
    "http":
    a_pause_that_was_asked_for_is_told,
    what_failed_once_is_read_again,
    a_body_that_was_cut_goes_on_where_it_was,
    a_body_of_other_content_is_not_gone_on_with,
    a_write_that_was_turned_away_is_sent_again,
    a_creation_that_may_be_done_is_not_sent_again,
    a_conflict_is_settled_by_looking,
    an_error_after_a_success_is_an_error,
    silence_ends,
    nobody_there_is_unavailable,
    a_claim_of_who_is_gone_holds_up_nobody,
    who_has_another_certificate_is_not_spoken_to,
}

async fn a_pause_that_was_asked_for_is_told() {
    let service = Service::start(|head, _| {
        let form = if head.contains("/seconds") {
            "retry-after: 7\r\n"
        } else {
            "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:50:07 GMT\r\n"
        };
        say("429 Too Many Requests", form, "<Error><Code>SlowDown</Code></Error>")
    });
    for (path, pause) in [("seconds", 7), ("date", 30)] {
        let error = service.store().read(path, ReadOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(pause)));
    }
    assert_eq!(service.asked().len(), 2, "nothing is tried again unasked");
}

async fn what_failed_once_is_read_again() {
    let service = Service::start(|_, before| match before {
        0 => say("500 Internal Server Error", "", ""),
        1 => say("503 Service Unavailable", "retry-after: 9\r\n", ""),
        _ => say("200 OK", "etag: \"e\"\r\n", "content"),
    });
    let store = service.store().with_retry(SOON);
    assert_eq!(&store.read_bytes("file").await.unwrap()[..], b"content");
    assert_eq!(service.lines(), ["GET /b/file"; 3]);
}

fn cut(head: &str, before: usize) -> Vec<u8> {
    match before {
        0 => {
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\netag: \"e\"\r\n\r\n01234".to_vec()
        }
        _ if head.contains("if-match: \"e\"") && head.contains("range: bytes=5-9") => {
            say("206 Partial Content", "content-range: bytes 5-9/10\r\netag: \"e\"\r\n", "56789")
        }
        _ => say("400 Bad Request", "", ""),
    }
}

async fn a_body_that_was_cut_goes_on_where_it_was() {
    let service = Service::start(cut);
    let store = service.store().with_retry(SOON);
    assert_eq!(&store.read_bytes("file").await.unwrap()[..], b"0123456789");
    let service = Service::start(cut);
    let error = service.store().read_bytes("file").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

async fn a_body_of_other_content_is_not_gone_on_with() {
    // This one does not heed the condition either.
    let service = Service::start(|head, before| match before {
        0 => cut(head, 0),
        _ => say("206 Partial Content", "content-range: bytes 5-9/10\r\netag: \"other\"\r\n", "56789"),
    });
    let error = service.store().with_retry(SOON).read_bytes("file").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
}

async fn a_write_that_was_turned_away_is_sent_again() {
    for overwrite in [true, false] {
        let service = Service::start(|_, before| match before {
            0 => say("503 Service Unavailable", "retry-after: 0\r\n", "<Error><Code>SlowDown</Code></Error>"),
            _ => say("200 OK", "etag: \"e\"\r\n", ""),
        });
        let options = WriteOptions { overwrite, ..WriteOptions::default() };
        let made = service.store().write("file", "content", options).await.unwrap();
        assert_eq!(made.etag.as_deref(), Some("e"));
        assert_eq!(service.lines(), ["PUT /b/file"; 2]);
    }
}

async fn a_creation_that_may_be_done_is_not_sent_again() {
    let failures: [Answer; 2] =
        [|_, _| say("500 Internal Server Error", "", ""), |_, _| b"HTTP/1.1 2connection: close".to_vec()];
    for failure in failures {
        let service = Service::start(failure);
        let error = service.store().write("file", "content", WriteOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(service.asked().len(), 1);
        assert!(service.asked()[0].contains("if-none-match: *"));
    }
}

async fn a_conflict_is_settled_by_looking() {
    let lost = Service::start(|head, _| {
        if head.starts_with("HEAD") {
            return say("200 OK", "etag: \"e\"\r\n", "");
        }
        say("409 Conflict", "", "<Error><Code>ConditionalRequestConflict</Code></Error>")
    });
    let error = lost.store().write("file", "content", WriteOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(lost.lines(), ["PUT /b/file", "HEAD /b/file"]);
    let won = Service::start(|_, before| match before {
        0 => say("409 Conflict", "", "<Error><Code>ConditionalRequestConflict</Code></Error>"),
        1 => say("404 Not Found", "", ""),
        _ => say("200 OK", "etag: \"e\"\r\n", ""),
    });
    won.store().write("file", "content", WriteOptions::default()).await.unwrap();
    assert_eq!(won.lines(), ["PUT /b/file", "HEAD /b/file", "PUT /b/file"]);
}

async fn an_error_after_a_success_is_an_error() {
    let service = Service::start(|head, _| match head.split_once(' ') {
        Some(("POST", rest)) if rest.starts_with("/b/file?uploads=") => say(
            "200 OK",
            "",
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        ),
        Some(("PUT", _)) => say("200 OK", "etag: \"p\"\r\n", ""),
        Some(("POST", _)) => {
            say("200 OK", "", "<Error><Code>AccessDenied</Code><Message>m</Message></Error>")
        }
        _ => say("204 No Content", "", ""),
    });
    let store = service.store();
    let content = vec![1; (5 << 20) + 1];
    let error = store.write("file", content, WriteOptions::OVERWRITE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    store.close().await.unwrap();
    let mut lines = service.lines();
    lines.sort();
    let wanted = [
        "DELETE /b/file?uploadId=u",
        "POST /b/file?uploadId=u",
        "POST /b/file?uploads=",
        "PUT /b/file?partNumber=1&uploadId=u",
        "PUT /b/file?partNumber=2&uploadId=u",
    ];
    assert_eq!(lines, wanted);
}

async fn silence_ends() {
    let silences: [Answer; 2] =
        [|_, _| Vec::new(), |_, _| b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n0".to_vec()];
    for silence in silences {
        let service = Service::start(silence);
        let options = S3Options { idle_timeout: Duration::from_millis(50), ..service.options() };
        let error = Store::s3(options).unwrap().read_bytes("file").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

async fn nobody_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service =
        Service { port: listener.local_addr().unwrap().port(), asked: Arc::default(), ended: Arc::default() };
    drop(listener);
    let store = service.store();
    let failed = [
        store.read("file", ReadOptions::default()).await.map(drop),
        store.write("file", "x", WriteOptions::OVERWRITE).await.map(drop),
        store.ping().await,
    ];
    for result in failed {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

async fn a_claim_of_who_is_gone_holds_up_nobody() {
    // What stands below the names of claims.
    let claims = Mutex::new(BTreeMap::new());
    let service = Service::start(move |head, _| {
        let (method, rest) = head.split_once(' ').unwrap();
        let name = rest.split(' ').next().unwrap();
        let mut claims = claims.lock().unwrap();
        if name.starts_with("/b/.longshore-tmp/claim-") {
            if claims.is_empty() {
                claims.insert(name.to_owned(), "theirs".to_owned());
            }
            let old =
                "date: Sun, 06 Nov 1994 08:59:37 GMT\r\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
            return match (method, claims.get(name)) {
                ("PUT", Some(_)) => say("412 Precondition Failed", "", ""),
                ("PUT", None) => {
                    let (_, body) = head.split_once("\r\n\r\n").unwrap();
                    claims.insert(name.to_owned(), body.to_owned());
                    say("200 OK", "etag: \"c\"\r\n", "")
                }
                ("GET", Some(content)) => say("200 OK", old, content),
                ("DELETE", _) => {
                    claims.remove(name);
                    // Not empty: theirs does not come again.
                    claims.insert(String::new(), String::new());
                    say("204 No Content", "", "")
                }
                _ => say("404 Not Found", "", ""),
            };
        }
        match method {
            "HEAD" => say("404 Not Found", "", ""),
            "POST" if rest.contains("uploads=") => say("200 OK", "", "<R><UploadId>u</UploadId></R>"),
            "POST" => say("200 OK", "", "<R><ETag>\"e\"</ETag></R>"),
            _ => say("200 OK", "etag: \"p\"\r\n", ""),
        }
    });
    let content = vec![1; (5 << 20) + 1];
    let made = service.store().write("file", content, WriteOptions::default()).await.unwrap();
    assert_eq!(made.etag.as_deref(), Some("e"));
    let claims = service.lines().into_iter().filter(|line| line.contains("claim-"));
    let methods: Vec<_> = claims.map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    // Who takes it away claims that first, and looks again.
    let taken_away = ["PUT", "GET", "PUT", "GET", "DELETE", "GET", "DELETE"];
    assert_eq!(methods[..7], taken_away);
    assert_eq!(methods[7..], ["PUT", "GET", "GET", "DELETE"]);
    let condition = |head: &&String| head.starts_with("POST /b/file?uploadId=");
    assert!(service.asked().iter().find(condition).unwrap().contains("if-none-match: *"));
}

/// Answers each connection over TLS, with a certificate that only `tests/it/tls/ca.pem` knows.
async fn serve_tls(listener: tokio::net::TcpListener) {
    let pem = |name: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name);
    let certificate = CertificateDer::from_pem_file(pem("ca.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(pem("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        // One that does not trust us goes away in the middle.
        let Ok(mut stream) = acceptor.accept(tcp).await else { continue };
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..count].starts_with(b"GET /b/file HTTP/1.1\r\n"));
        stream.write_all(&say("200 OK", "etag: \"e\"\r\n", "content")).await.unwrap();
        stream.shutdown().await.ok();
    }
}

async fn who_has_another_certificate_is_not_spoken_to() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = S3Options {
        bucket: "b".to_owned(),
        endpoint: Some(format!("https://{}", listener.local_addr().unwrap())),
        credentials: S3Credentials::Anonymous,
        ca_file: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/ca.pem").into()),
        ..S3Options::default()
    };
    let trial = async {
        let trusting = Store::s3(options.clone()).unwrap();
        assert_eq!(&trusting.read_bytes("file").await.unwrap()[..], b"content");
        let doubting = Store::s3(S3Options { ca_file: None, ..options }).unwrap();
        let error = doubting.read_bytes("file").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    };
    tokio::select! {
        () = trial => {}
        () = serve_tls(listener) => {}
    }
}
