//! A router in process over a store in memory, with its users.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use longshore_core::wire::{CreateKey, CreateWorkspace, Node, Role, Workspace};
use longshore_core::{ManualClock, Timestamp, WorkspaceId};
use longshore_engine::{Actor, Database, Engine, PasswordCost, Settings};
use longshore_server::{Entrance, Limits};
use longshore_store::Store;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Anonymous,
    Viewer,
    Editor,
    Admin,
    /// An admin of another workspace alone.
    Foreign,
}

pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) engine: Engine,
    pub(crate) clock: ManualClock,
    pub(crate) owner: Actor,
    pub(crate) workspace: Workspace,
    viewer: String,
    editor: String,
    admin: String,
    foreign: String,
    store: Store,
    folder: tempfile::TempDir,
}

/// An answer that has come whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn read<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn node(&self) -> Node {
        self.read()
    }

    /// Returns the status and the problem's code, as `404 node_not_found`; the status alone for a success.
    pub(crate) fn outcome(&self) -> String {
        if self.status.as_u16() < 400 {
            return self.status.as_str().to_owned();
        }
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("urn:longshore:error:{code}"));
        format!("{} {code}", self.status.as_u16())
    }
}

/// How many uploads of one principal may be unfinished here.
pub(crate) const OPEN_UPLOADS: u32 = 40;

/// How many bytes a file may have here, where a test says nothing else.
const LARGEST_FILE: u64 = 1_000_000;

const LIMITS: Limits = Limits {
    header_bytes: 16_384,
    json_bytes: 65_536,
    idle: Duration::from_millis(300),
    heartbeat: Duration::from_millis(100),
};

async fn open(folder: &std::path::Path, store: Store, clock: &ManualClock, largest: u64) -> Engine {
    let database = Database::Sqlite(folder.join("longshore.db"));
    let settings = Settings {
        largest_file: Some(largest),
        open_uploads: OPEN_UPLOADS,
        password_cost: PasswordCost { memory_kib: 64, passes: 1 },
        ..Settings::default()
    };
    Engine::open(settings, &database, store, Arc::new(clock.clone())).await.unwrap()
}

/// A request, `"GET /v1/me"`, with a key or without.
pub(crate) fn request(key: Option<&str>, what: &str, headers: &[(&str, &str)]) -> Builder {
    let (method, url) = what.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(url).header("host", "x");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::over(Store::memory()).await
    }

    pub(crate) async fn over(store: Store) -> Self {
        Self::of(store, LARGEST_FILE).await
    }

    /// A world whose files may have up to `largest` bytes.
    pub(crate) async fn with_files_up_to(largest: u64) -> Self {
        Self::of(Store::memory(), largest).await
    }

    async fn of(store: Store, largest: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(Timestamp::from_micros(1_763_613_468_000_000));
        let engine = open(folder.path(), store.clone(), &clock, largest).await;
        let first = engine.initialise().await.unwrap().unwrap();
        let owner = engine.authenticate(&first.secret).await.unwrap();
        let workspace = engine.current_workspace(&owner).await.unwrap();
        // Ids made in one millisecond have no order, and lists follow it.
        clock.advance(Duration::from_millis(1));
        let other = CreateWorkspace { name: "other".parse().unwrap() };
        let other = engine.create_workspace(&owner, other.name, None).await.unwrap().id;
        let key = async |role, workspace| {
            let agent = Some(format!("{role:?}"));
            let wanted =
                CreateKey { workspace_id: workspace, agent, ..CreateKey::new(format!("{role:?}"), role) };
            clock.advance(Duration::from_millis(1));
            engine.create_key(&owner, wanted, None).await.unwrap().secret
        };
        Self {
            router: longshore_server::router(engine.clone(), LIMITS),
            viewer: key(Role::Viewer, None).await,
            editor: key(Role::Editor, None).await,
            admin: first.secret,
            foreign: key(Role::Admin, Some(other)).await,
            engine,
            clock,
            owner,
            workspace,
            store,
            folder,
        }
    }

    /// Closes all, and opens it again over the same database and store.
    pub(crate) async fn restart(&mut self) {
        self.engine.close().await;
        self.engine = open(self.folder.path(), self.store.clone(), &self.clock, LARGEST_FILE).await;
        self.router = longshore_server::router(self.engine.clone(), LIMITS);
    }

    /// Puts something in front of the routes.
    pub(crate) fn behind(mut self, entrance: Entrance) -> Self {
        self.put_behind(entrance);
        self
    }

    /// Puts something else in front of the routes, which know nothing of what was before.
    pub(crate) fn put_behind(&mut self, entrance: Entrance) {
        self.router = longshore_server::router_behind(self.engine.clone(), LIMITS, entrance);
    }

    pub(crate) fn id(&self) -> WorkspaceId {
        self.workspace.id
    }

    /// Returns the URL of a path in the workspace, which stands as it is given.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("/v1/workspaces/{}/files/{path}", self.id())
    }

    pub(crate) fn key(&self, user: User) -> Option<&str> {
        match user {
            User::Anonymous => None,
            User::Viewer => Some(&self.viewer),
            User::Editor => Some(&self.editor),
            User::Admin => Some(&self.admin),
            User::Foreign => Some(&self.foreign),
        }
    }

    /// Sends a request: `what` is a method and a URL with a space between.
    pub(crate) async fn call(
        &self,
        user: User,
        what: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        self.call_with(self.key(user), what, headers, body).await
    }

    /// The same with a key of one's own.
    pub(crate) async fn call_with(
        &self,
        key: Option<&str>,
        what: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        self.send(request(key, what, headers).body(body.into()).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Calls as the editor, without headers.
    pub(crate) async fn edit(&self, what: &str, body: impl Into<Body>) -> Answer {
        self.call(User::Editor, what, &[], body).await
    }

    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.call(User::Viewer, &format!("GET {url}"), &[], "").await
    }

    /// Writes a file and returns it.
    pub(crate) async fn put(&self, path: &str, content: impl Into<Body>) -> Node {
        let answer = self.edit(&format!("PUT {}", self.at(path)), content).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.node()
    }

    /// Returns the paths of all nodes.
    pub(crate) async fn paths(&self) -> Vec<String> {
        let answer = self.get(&format!("/v1/workspaces/{}/tree?depth=all", self.id())).await;
        let nodes = answer.json()["items"].as_array().unwrap().clone();
        nodes.iter().map(|node| node["path"].as_str().unwrap().to_owned()).collect()
    }
}
