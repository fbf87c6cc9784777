//! An engine with what surrounds it: a database, a store, a clock that the test moves, and its users.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use longshore_core::wire::{CreateKey, Event, Node, Role, Workspace};
use longshore_core::{Code, ManualClock, NodeId, Timestamp, WorkspaceId, WorkspacePath};
use longshore_engine::{
    Actor, Database, Depth, Engine, EventQuery, PageRequest, Result, Settings, Target, UploadOptions, Written,
};
use longshore_store::Store;

use crate::postgres;

/// How many uploads of one principal may be unfinished here: a thousand parts are joined, and few more.
pub(crate) const OPEN_UPLOADS: u32 = 1_005;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) clock: ManualClock,
    pub(crate) owner: Actor,
    pub(crate) first_key: String,
    pub(crate) workspace: Workspace,
    database: Database,
    folder: Option<tempfile::TempDir>,
}

impl World {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::Sqlite(folder.path().join("longshore.db"));
        Self::open(&database, Store::memory(), Some(folder)).await
    }

    pub(crate) async fn on_sqlite_with(store: Store) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::Sqlite(folder.path().join("longshore.db"));
        Self::open(&database, store, Some(folder)).await
    }

    pub(crate) async fn on_postgres(server: &postgres::Server) -> Self {
        Self::on_postgres_at(server.database()).await
    }

    /// Opens over the database of an address, which another engine may share.
    pub(crate) async fn on_postgres_at(url: String) -> Self {
        let database = Database::Postgres { url, connections: 8 };
        Self::open(&database, Store::memory(), None).await
    }

    async fn open(database: &Database, store: Store, folder: Option<tempfile::TempDir>) -> Self {
        let clock = ManualClock::new(Timestamp::from_micros(1_763_613_468_000_000));
        let settings = Settings {
            copied_nodes: 200,
            purge_step: 100,
            followers: 20,
            followers_each: 17,
            events_looked_at: 50,
            audit_looked_at: 70,
            undo_looks_at: 1_500,
            open_uploads: OPEN_UPLOADS,
            // Receivers of tests are on this machine.
            egress: longshore_egress::testing::local(),
            hook_timeout: Duration::from_millis(400),
            hook_backlog: 60,
            password_cost: longshore_engine::PasswordCost { memory_kib: 64, passes: 1 },
            ..Settings::default()
        };
        let engine = Engine::open(settings, database, store.clone(), Arc::new(clock.clone()));
        let engine = engine.await.expect("the engine opens");
        let first = engine.initialise().await.expect("the first start").expect("a first key");
        let owner = engine.authenticate(&first.secret).await.expect("the first key is good");
        let workspace = engine.current_workspace(&owner).await.expect("a workspace");
        Self {
            engine,
            store,
            clock,
            owner,
            first_key: first.secret,
            workspace,
            database: database.clone(),
            folder,
        }
    }

    /// Opens an engine over the same database: another node beside this one, where there may be two, or else the same one after
    /// it was closed.
    pub(crate) async fn another(&self) -> Engine {
        if let Database::Sqlite(_) = self.database {
            self.engine.close().await;
        }
        let (store, clock) = (self.store.clone(), Arc::new(self.clock.clone()));
        Engine::open(Settings::default(), &self.database, store, clock).await.expect("the engine opens")
    }

    /// Returns the numbers of the one row that a query of the tables themselves has.
    pub(crate) async fn numbers<const N: usize>(&self, sql: &str) -> [i64; N] {
        match &self.database {
            Database::Sqlite(file) => {
                let tables = rusqlite::Connection::open(file).expect("the tables");
                let row =
                    tables.query_row(sql, [], |row| Ok(std::array::from_fn(|place| row.get(place).unwrap())));
                row.expect("a row")
            }
            Database::Postgres { url, .. } => {
                let (client, connection) =
                    tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
                tokio::select! {
                    row = client.query_one(sql, &[]) => {
                        let row = row.expect("a row");
                        std::array::from_fn(|place| row.get(place))
                    }
                    end = connection => panic!("the connection ended: {end:?}"),
                }
            }
        }
    }

    /// Returns where the database is, on SQLite.
    pub(crate) fn database_file(&self) -> Option<std::path::PathBuf> {
        Some(self.folder.as_ref()?.path().join("longshore.db"))
    }

    pub(crate) fn id(&self) -> WorkspaceId {
        self.workspace.id
    }

    pub(crate) fn root(&self) -> NodeId {
        self.workspace.root_id
    }

    /// Makes a key of a role and returns who acts with it.
    pub(crate) async fn user(&self, role: Role, workspace: Option<WorkspaceId>) -> Actor {
        let wanted = CreateKey {
            workspace_id: workspace,
            agent: Some("agent".to_owned()),
            ..CreateKey::new(format!("{role:?}"), role)
        };
        let key = self.engine.create_key(&self.owner, wanted, None).await.expect("a key");
        self.engine.authenticate(&key.secret).await.expect("the key is good")
    }

    /// Makes a key of the owner's own and returns who acts with it.
    pub(crate) async fn own_key(&self, role: Role, workspace: Option<WorkspaceId>) -> Actor {
        let wanted = CreateKey { workspace_id: workspace, ..CreateKey::new(format!("{role:?}"), role) };
        let key = self.engine.create_key(&self.owner, wanted, None).await.expect("a key");
        self.engine.authenticate(&key.secret).await.expect("the key is good")
    }

    pub(crate) fn at(&self, text: &str) -> Target {
        Target::Path { workspace: self.id(), path: path(text) }
    }

    pub(crate) async fn put_as(
        &self,
        actor: &Actor,
        target: Target,
        content: &[u8],
        options: UploadOptions,
    ) -> Result<Written> {
        let mut upload = self.engine.begin_upload(actor, target, options).await?;
        for piece in content.chunks(10_000) {
            upload.write(Bytes::copy_from_slice(piece)).await?;
        }
        upload.finish().await
    }

    pub(crate) async fn put_with(
        &self,
        text: &str,
        content: &[u8],
        options: UploadOptions,
    ) -> Result<Written> {
        self.put_as(&self.owner, self.at(text), content, options).await
    }

    pub(crate) async fn put(&self, text: &str, content: &[u8]) -> Node {
        self.put_with(text, content, UploadOptions::default()).await.expect("the write is taken").node
    }

    pub(crate) async fn node_at(&self, text: &str) -> Result<Node> {
        self.engine.node_at(&self.owner, self.id(), path(text)).await
    }

    pub(crate) async fn read(&self, file: NodeId) -> Result<Vec<u8>> {
        let content = self.engine.open_content(&self.owner, file, None).await?;
        let size = content.version().size;
        collect(content.read(0..size).await?).await
    }

    /// Returns every path below the root, as the tree lists them.
    pub(crate) async fn paths(&self) -> Vec<String> {
        let page = PageRequest::new(Some(1_000), None);
        let page = self.engine.tree(&self.owner, self.root(), Depth::All, page).await.expect("the tree");
        page.items.iter().map(|node| node.path.to_string()).collect()
    }

    /// Returns the types of all events, having checked that their places have no gap.
    pub(crate) async fn event_types(&self) -> Vec<String> {
        let events = self.events(EventQuery::default()).await;
        for (place, event) in (1..).zip(&events) {
            assert_eq!(event.seq, place, "a gap in the log");
        }
        let seq = self.engine.workspace(&self.owner, self.id()).await.expect("the workspace").seq;
        assert_eq!(seq, events.len() as u64, "the counter ran ahead of the log");
        events.into_iter().map(|event| event.r#type).collect()
    }

    /// Returns how many events the log has.
    pub(crate) async fn event_count(&self) -> u64 {
        self.engine.workspace(&self.owner, self.id()).await.expect("the workspace").seq
    }

    /// Returns all the events after a place.
    pub(crate) async fn events_after(&self, seq: u64) -> Vec<Event> {
        self.events(EventQuery { after: Some(seq.into()), ..EventQuery::default() }).await
    }

    /// Returns all the events that a query wants, page by page.
    pub(crate) async fn events(&self, query: EventQuery) -> Vec<Event> {
        self.events_of(self.id(), query).await
    }

    /// Returns all the events of a workspace that a query wants.
    pub(crate) async fn events_of(&self, workspace: WorkspaceId, mut query: EventQuery) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let page = self.engine.events(&self.owner, workspace, query.clone()).await.expect("events");
            query.after = Some(page.reached().into());
            events.extend(page.items);
            if page.next_cursor.is_none() {
                return events;
            }
        }
    }

    /// Returns how many blobs the store has.
    pub(crate) async fn blobs(&self) -> usize {
        let listed = self.store.list_files("blobs", &longshore_store::List::ALL).expect("a listing");
        listed.try_fold(0, |count, _| async move { Ok(count + 1) }).await.expect("the list")
    }
}

pub(crate) async fn collect(mut stream: longshore_engine::ContentStream) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    while let Some(piece) = stream.try_next().await? {
        content.extend_from_slice(&piece);
    }
    Ok(content)
}

pub(crate) fn path(text: &str) -> WorkspacePath {
    text.parse().expect("a path")
}

pub(crate) fn name(text: &str) -> longshore_core::Name {
    text.parse().expect("a name")
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T>, code: Code) {
    match result {
        Ok(done) => panic!("done, but {code} was due: {done:?}"),
        Err(error) => assert_eq!(error.code(), code, "{error}"),
    }
}

/// Returns bytes that no compressor and no accident makes.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut content = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut content);
    content
}
