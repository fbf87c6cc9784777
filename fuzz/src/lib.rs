//! A server in this process, for targets that send requests.
//!
//! No request may be a fault: whatever comes, the answer is no 5xx, and the process goes on.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use longshore_core::{NodeId, SystemClock, WorkspaceId};
use longshore_engine::{Database, Engine, Settings};
use longshore_server::config::{Proxies, ProxyHeader};
use longshore_server::{Entrance, Limits, Source};
use longshore_store::Store;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tower::ServiceExt;

const LIMITS: Limits = Limits {
    header_bytes: 16_384,
    json_bytes: 65_536,
    idle: Duration::from_millis(50),
    heartbeat: Duration::from_millis(50),
};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// How large a file may get here.
const LARGEST: u64 = 1_000_000;

/// A server over a store in memory, with a file.
pub struct World {
    runtime: Runtime,
    router: Router,
    key: String,
    pub workspace: WorkspaceId,
    pub file: NodeId,
    _folder: tempfile::TempDir,
}

/// Returns the one world of this process.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::new)
}

impl World {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let (engine, key, workspace) = runtime.block_on(async {
            let settings =
                Settings { largest_file: Some(LARGEST), open_uploads: 1_000_000, ..Settings::default() };
            let database = Database::Sqlite(folder.path().join("longshore.db"));
            let engine = Engine::open(settings, &database, Store::memory(), Arc::new(SystemClock)).await;
            let engine = engine.expect("an engine");
            let first = engine.initialise().await.expect("a database").expect("a first key");
            let owner = engine.authenticate(&first.secret).await.expect("a good key");
            let workspace = engine.current_workspace(&owner).await.expect("a workspace").id;
            (engine, first.secret, workspace)
        });
        // Whoever comes is a proxy, so that its word is read.
        let everybody = vec!["127.0.0.0/8".parse().expect("a network")];
        let proxies = Proxies { networks: everybody, header: ProxyHeader::Forwarded };
        let entrance = Entrance { proxies, ..Entrance::default() };
        let router = longshore_server::router_behind(engine, LIMITS, entrance);
        let mut world = Self { runtime, router, key, workspace, file: placeholder(), _folder: folder };
        let url = format!("/v1/workspaces/{workspace}/files/a.txt");
        let (status, body) = world.send(Method::PUT, &url, &[], b"0123456789".repeat(20).as_slice());
        assert_eq!(status, StatusCode::CREATED);
        let text = String::from_utf8(body).expect("JSON");
        let (_, rest) = text.split_once("\"id\":\"").expect("an id");
        world.file = rest.split('"').next().expect("an id").parse().expect("an id");
        world
    }

    /// Sends a request of whoever has the first key, and returns what the answer is.
    pub fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &[u8])],
        body: &[u8],
    ) -> (StatusCode, Vec<u8>) {
        let Ok(mut request) = Request::builder().method(method).uri(url).body(Body::from(body.to_vec()))
        else {
            // No server is given what is no URL.
            return (StatusCode::BAD_REQUEST, Vec::new());
        };
        let all = request.headers_mut();
        all.insert("host", HeaderValue::from_static("x"));
        all.insert("authorization", format!("Bearer {}", self.key).parse().expect("a header"));
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::from_bytes(value)) {
                all.append(name, value);
            }
        }
        request.extensions_mut().insert(Source(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let (status, body) = self.runtime.block_on(async {
            let asked = self.router.clone().oneshot(request);
            // Some answers wait for what never happens here, and some never end.
            let Ok(answer) = timeout(PATIENCE, asked).await else {
                return (StatusCode::ACCEPTED, Vec::new());
            };
            let answer = answer.expect("an answer");
            let status = answer.status();
            let body = timeout(PATIENCE, answer.into_body().collect()).await;
            // What breaks off within the body, the one who asked learns by its end.
            (status, body.ok().and_then(Result::ok).map(|body| body.to_bytes().to_vec()).unwrap_or_default())
        });
        assert!(!status.is_server_error(), "{status}: {}", String::from_utf8_lossy(&body));
        (status, body)
    }
}

fn placeholder() -> NodeId {
    NodeId::new(longshore_core::Timestamp::from_micros(0))
}

/// Reads headers: a line for each, whose first byte says which of the names it is.
pub fn headers<'a>(names: &[&'a str], text: &'a [u8]) -> Vec<(&'a str, &'a [u8])> {
    let lines = text.split(|byte| *byte == b'\n').take(8);
    let header = |line: &'a [u8]| {
        line.split_first().map(|(which, value)| (names[usize::from(*which) % names.len()], value))
    };
    lines.filter_map(header).collect()
}

/// Splits what comes at its first empty line: headers, and a body.
pub fn parts(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    end.map_or((data, &[]), |end| (&data[..end], &data[end + 2..]))
}
