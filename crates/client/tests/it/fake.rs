//! A server on this machine that remembers what it was asked and answers by script.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use longshore::core::{Algorithm, PrincipalId};
use longshore::{
    Builder, Client, Digest, JobId, Metadata, Node, NodeId, NodeKind, Path, RetryPolicy, Timeouts, Timestamp,
    VersionId, Workspace, WorkspaceId,
};
use longshore_flow::Tasks;
use tokio::net::TcpListener;

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_763_613_468_000_000);

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// The path and query, still encoded.
    pub(crate) target: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the body came to its end.
    pub(crate) whole: bool,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the bytes that are asked for, as our client asks for them.
    pub(crate) fn range(&self) -> Option<std::ops::Range<usize>> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some(first.parse().ok()?..last.parse::<usize>().ok()? + 1)
    }
}

/// What the server does about a request.
pub(crate) enum Reply {
    Answer(Response<Bytes>),
    /// Sends this much of a body of another announced length, then breaks the connection.
    Torn(Response<Bytes>, u64),
    /// Breaks the connection without an answer.
    Close,
    /// Never answers.
    Hang,
    /// Answers after a while.
    Later(Duration, Response<Bytes>),
}

type Script = dyn Fn(usize, &Seen) -> Reply + Send + Sync;

pub(crate) struct Fake {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Tasks,
}

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl Fake {
    /// Starts a server that answers the n-th request (from 0) with what `script` makes of it.
    pub(crate) async fn start(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let tasks = Tasks::new();
        tasks.spawn(accept(listener, shared.clone(), tasks.clone()));
        Self { address, shared, tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn builder(&self) -> Builder {
        let retry = RetryPolicy { base: Duration::from_millis(2), ..RetryPolicy::default() };
        Client::builder()
            .url(format!("http://{}", self.address))
            .api_key("lsk_test")
            .retry(retry)
            .timeouts(Timeouts { connect: Duration::from_secs(5), idle: Duration::from_secs(5) })
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Returns method and target of every request but the one that asks for the current workspace.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen()
            .iter()
            .filter(|seen| !seen.target.ends_with("/current"))
            .map(|seen| format!("{} {}", seen.method, seen.target))
            .collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Returns the most requests that ever ran at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: Tasks) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = shared.clone();
        tasks.spawn(async move {
            let service = service_fn(move |request| serve(shared.clone(), request));
            let _broken = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Answered = io::Result<Response<UnsyncBoxBody<Bytes, io::Error>>>;

async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Answered {
    let now = shared.running.fetch_add(1, Ordering::SeqCst) + 1;
    shared.most.fetch_max(now, Ordering::SeqCst);
    let answered = answer(&shared, request).await;
    shared.running.fetch_sub(1, Ordering::SeqCst);
    answered
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Answered {
    let (head, body) = request.into_parts();
    let body = body.collect().await;
    let seen = Seen {
        method: head.method,
        target: head.uri.to_string(),
        headers: head.headers,
        whole: body.is_ok(),
        body: body.map_or_else(|_| Bytes::new(), |body| body.to_bytes()),
    };
    let place = {
        let mut all = shared.seen.lock().unwrap();
        all.push(seen.clone());
        all.len() - 1
    };
    if seen.target == "/v1/workspaces/current" {
        return Ok(boxed(json(200, &workspace())));
    }
    match (shared.script)(place, &seen) {
        Reply::Answer(response) => Ok(boxed(response)),
        Reply::Close => Err(io::Error::other("closed on purpose")),
        Reply::Hang => std::future::pending().await,
        Reply::Later(pause, response) => {
            tokio::time::sleep(pause).await;
            Ok(boxed(response))
        }
        Reply::Torn(response, announced) => {
            let (mut head, body) = response.into_parts();
            head.headers.insert("content-length", announced.into());
            let torn = stream::once(async {
                // So that what comes before has left.
                tokio::time::sleep(Duration::from_millis(5)).await;
                Err(io::Error::other("torn"))
            });
            let frames = stream::iter([Ok(Frame::data(body))]).chain(torn);
            let body = StreamBody::new(frames).boxed_unsync();
            Ok(Response::from_parts(head, body))
        }
    }
}

fn boxed(response: Response<Bytes>) -> Response<UnsyncBoxBody<Bytes, io::Error>> {
    response.map(|body| Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync())
}

pub(crate) fn json(status: u16, body: &impl serde::Serialize) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(serde_json::to_vec(body).unwrap().into())
        .unwrap()
}

pub(crate) fn problem(status: u16, code: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    let body = serde_json::json!({
        "type": format!("urn:longshore:error:{code}"), "title": code, "status": status,
        "detail": format!("the detail of {code}"), "code": code, "request_id": "req-7",
    });
    let mut response = json(status, &body);
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Algorithm::Blake3, *blake3::hash(bytes).as_bytes())
}

/// Answers with content, as the server does.
pub(crate) fn content(bytes: impl Into<Bytes>) -> Response<Bytes> {
    let bytes = bytes.into();
    Response::builder()
        .header("content-digest", digest(&bytes).to_content_digest())
        .header("etag", format!("\"{}\"", version()))
        .body(bytes)
        .unwrap()
}

/// Content that is served as the server does: whole, by range, or as a head, of one version.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) bytes: Bytes,
    pub(crate) digest: Digest,
    pub(crate) version: VersionId,
}

impl Served {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { digest: digest(&bytes), bytes, version: version() }
    }

    /// Makes other content, of another version.
    pub(crate) fn next(bytes: impl Into<Bytes>) -> Self {
        Self { version: VersionId::new(NOW), ..Self::new(bytes) }
    }

    pub(crate) fn answer(&self, seen: &Seen) -> Response<Bytes> {
        let tag = format!("\"{}\"", self.version);
        let answer = Response::builder().header("etag", &tag).header("accept-ranges", "bytes");
        match seen.range().filter(|_| seen.header("if-range").is_none_or(|asked| asked == tag)) {
            Some(range) => {
                let stated = format!("bytes {}-{}/{}", range.start, range.end - 1, self.bytes.len());
                answer.status(206).header("content-range", stated).body(self.bytes.slice(range)).unwrap()
            }
            None => answer
                .header("content-digest", self.digest.to_content_digest())
                .body(self.bytes.clone())
                .unwrap(),
        }
    }

    pub(crate) fn reply(&self, seen: &Seen) -> Reply {
        Reply::Answer(self.answer(seen))
    }
}

/// The node that a file of this content is.
pub(crate) fn node(path: &str, bytes: &[u8]) -> Node {
    let path = Path::new(path).unwrap();
    let user: PrincipalId = "usr_01k9x3m7q2e8rj5v4n6t0p1s2d".parse().unwrap();
    Node {
        id: "nd_01k9x3m7q2e8rj5v4n6t0p1s2d".parse().unwrap(),
        workspace_id: workspace_id(),
        parent_id: None,
        kind: NodeKind::File,
        name: path.names().last().map(ToString::to_string).unwrap_or_default(),
        path,
        size: bytes.len() as u64,
        media_type: Some("text/plain".to_owned()),
        version_id: Some(version()),
        digest: Some(digest(bytes)),
        metadata: Metadata::new(),
        labels: longshore::Labels::new(),
        created_at: NOW,
        created_by: user,
        updated_at: NOW,
        updated_by: user,
        trashed_at: None,
        fence: 0,
        lock: None,
    }
}

/// Answers an upload as the server does: with the node it made, or with those of a batch.
pub(crate) fn stored(seen: &Seen) -> Reply {
    if seen.target.ends_with("/batch") {
        return Reply::Answer(crate::batches::stored_all(seen));
    }
    let node = node("/stored", &seen.body);
    Reply::Answer(if seen.target == "/v1/uploads" {
        begun("/v1/uploads/upl_1", seen.body.len(), Some(&node))
    } else {
        json(201, &node)
    })
}

/// Answers that an upload is begun, of which so much has come; and what it became.
pub(crate) fn begun(upload: &str, offset: usize, node: Option<&Node>) -> Response<Bytes> {
    let mut answer = node.map_or_else(|| json(201, &()), |node| shown(201, node));
    answer.headers_mut().insert("location", upload.parse().unwrap());
    answer.headers_mut().insert("upload-offset", offset.to_string().parse().unwrap());
    answer
}

/// Shows what an upload became.
pub(crate) fn shown(status: u16, node: &Node) -> Response<Bytes> {
    json(
        status,
        &serde_json::json!({
            "id": "upl_01k9x3m7q2e8rj5v4n6t0p1s2d", "state": "finished", "offset": node.size, "length": node.size,
            "expires_at": node.created_at, "metadata": {}, "node": node,
        }),
    )
}

pub(crate) fn job_id() -> JobId {
    "job_01k9x3m7q2e8rj5v4n6t0p1s2d".parse().unwrap()
}

pub(crate) fn node_id() -> NodeId {
    "nd_01k9x3m7q2e8rj5v4n6t0p1s2d".parse().unwrap()
}

pub(crate) fn version() -> VersionId {
    "ver_01k9x3m7q2e8rj5v4n6t0p1s2d".parse().unwrap()
}

pub(crate) fn workspace_id() -> WorkspaceId {
    "ws_01k9x3m7q2e8rj5v4n6t0p1s2d".parse().unwrap()
}

fn workspace() -> Workspace {
    Workspace {
        id: workspace_id(),
        name: "default".to_owned(),
        root_id: node_id(),
        seq: 0,
        created_at: NOW,
        created_by: "usr_01k9x3m7q2e8rj5v4n6t0p1s2d".parse().unwrap(),
        settings: longshore_core::wire::WorkspaceSettings::default(),
        quota: longshore_core::wire::Quota::default(),
        usage: longshore_core::wire::Usage::default(),
    }
}
