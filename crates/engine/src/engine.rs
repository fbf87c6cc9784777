//! The engine itself: its settings, what it is made of, opening and closing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::wire::Status;
use longshore_core::{Clock, Code, DatabaseId, SteadyClock, Timestamp};
use longshore_egress::Guard;
use longshore_flow::Tasks;
use longshore_store::{Capability, Store, WriteOptions};
use tokio::sync::Semaphore;

use crate::audit::Refusals;
use crate::chunks::ChunkLists;
use crate::db;
use crate::db::instance::Instance;
use crate::db::jobs::Claim;
use crate::db::{Database, Db};
use crate::error::{Error, Result};
use crate::feed::Feeds;
use crate::jobs::JobsState;
use crate::key_cache::KeyCache;
use crate::last_uses::LastUses;
use crate::locks::Signals;
use crate::passwords::{PasswordCost, Passwords};
use crate::secret::Secret;
use crate::uploads::Appends;

/// What can be set about an engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Content of at most this many bytes lies in the database, beside its version (16 KiB).
    pub inline_limit: usize,
    /// The largest file in bytes that is taken; nothing for no limit.
    pub largest_file: Option<u64>,
    /// The most nodes of one copy (10,000): it is one transaction, and on SQLite no other write goes on beside it.
    pub copied_nodes: usize,
    /// How many nodes and versions one step of a long purge removes (1,000).
    pub purge_step: u64,
    /// How long a blob must have been noted as one without a version before the sweeper removes it (24 h).
    pub orphan_grace: Duration,
    /// How long a staged upload is kept after its last byte, or after it became a file or was refused (24 h).
    pub upload_kept: Duration,
    /// How many staged uploads of one principal may be unfinished at once (10,000).
    pub open_uploads: u32,
    /// How often orphans are looked for (1 h).
    pub sweep_interval: Duration,
    /// What may be dialled where a user named the address: https on port 443 of public addresses.
    pub egress: longshore_egress::Settings,
    /// How long a webhook's receiver may take for its answer (15 s).
    pub hook_timeout: Duration,
    /// A webhook with so many deliveries under way reads no further for now (10,000): the log keeps the rest.
    pub hook_backlog: u32,
    /// How many may follow workspaces' events or wait for jobs at once (1,024).
    pub followers: usize,
    /// How many of them one principal may have (256).
    pub followers_each: usize,
    /// How many events one reading looks at, however few of them its filter lets pass (10,000).
    pub events_looked_at: u32,
    /// How many entries of the audit log one reading looks at (10,000).
    pub audit_looked_at: u32,
    /// How long entries of the audit log are kept (400 days); nothing for ever.
    pub audit_kept: Option<Duration>,
    /// How many events one undo looks at (200,000): it is one transaction, as a copy is.
    pub undo_looks_at: u64,
    /// What a guess of a password costs.
    pub password_cost: PasswordCost,
    /// After how long without a request a session ends (14 days).
    pub session_idle: Duration,
    /// How long a session lasts at most (90 days).
    pub session_length: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inline_limit: 16 * 1_024,
            largest_file: None,
            copied_nodes: 10_000,
            purge_step: 1_000,
            orphan_grace: Duration::from_hours(24),
            upload_kept: Duration::from_hours(24),
            open_uploads: 10_000,
            sweep_interval: Duration::from_hours(1),
            egress: longshore_egress::Settings::default(),
            hook_timeout: Duration::from_secs(15),
            hook_backlog: 10_000,
            followers: 1_024,
            followers_each: 256,
            events_looked_at: 10_000,
            audit_looked_at: 10_000,
            audit_kept: Some(Duration::from_hours(400 * 24)),
            undo_looks_at: 200_000,
            password_cost: PasswordCost::default(),
            session_idle: Duration::from_hours(14 * 24),
            session_length: Duration::from_hours(90 * 24),
        }
    }
}

/// The product behind every front door. Cloning it is cheap and shares everything.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
    db: Db,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    store: Store,
    /// Which database this is: the store's mark names it.
    database: DatabaseId,
    clock: Arc<dyn Clock>,
    /// The machine's clock as it stands, be it set back.
    wall: Arc<dyn Clock>,
    keys: KeyCache,
    last_uses: LastUses,
    refusals: Refusals,
    passwords: Passwords,
    secret: Secret,
    feeds: Feeds,
    jobs: Arc<JobsState>,
    lock_signals: Signals,
    /// What takes waiters who are gone out of their queues.
    lock_tasks: Tasks,
    appends: Appends,
    chunk_lists: Arc<ChunkLists>,
    /// One export at a time reads metadata: it has a connection of the database for as long as that takes.
    exports: Semaphore,
    /// What ends exports that nobody reads any more.
    export_tasks: Tasks,
    guard: Guard,
    started_at: Timestamp,
}

impl Engine {
    /// Opens the database, brings its schema up to date and starts the engine over `store`.
    pub async fn open(
        settings: Settings,
        database: &Database,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let feeds = Feeds::new(settings.followers, settings.followers_each);
        let guard = Guard::new(settings.egress.clone())
            .map_err(|error| Error::caused(Code::Internal, format!("what may be dialled: {error}"), error))?;
        // What a lease's holder was told once must stay true, whatever becomes of the machine's clock.
        let wall = Arc::clone(&clock);
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::new(clock));
        let (db, Instance { id, secret }) = Db::open(database, clock.as_ref(), feeds.clone()).await?;
        claim(&store, id).await?;
        let passwords = Passwords::new(settings.password_cost)?;
        let started_at = clock.now();
        let jobs = Arc::default();
        Ok(Self {
            db,
            inner: Arc::new(Inner {
                settings,
                store,
                database: id,
                clock,
                wall,
                keys: KeyCache::default(),
                last_uses: LastUses::default(),
                refusals: Refusals::default(),
                passwords,
                secret,
                feeds,
                guard,
                jobs,
                lock_signals: Signals::default(),
                lock_tasks: Tasks::new(),
                appends: Appends::default(),
                chunk_lists: Arc::default(),
                exports: Semaphore::new(1),
                export_tasks: Tasks::new(),
                started_at,
            }),
        })
    }

    /// Ends what a process of before had under way, for who alone has the database, before it begins anything: who merely opens
    /// the database beside a server must not. Where several may have it this does nothing.
    pub async fn end_what_was_left(&self) {
        // On a full disk it ends by its time: that is no reason not to begin.
        if !self.db().is_shared()
            && let Err(error) = db::crossings::end_others(self.db()).await
        {
            tracing::warn!(%error, "exports and imports of before are kept for an hour");
        }
    }

    /// Tells what a person asks first of a server.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            database: self.db().name().to_owned(),
            store: self.store().name().to_owned(),
            started_at: self.inner.started_at,
        }
    }

    /// Fails when the database does not answer.
    pub async fn ping_database(&self) -> Result<()> {
        self.db().ping().await
    }

    /// Fails when the store does not answer.
    pub async fn ping_store(&self) -> Result<()> {
        self.store().ping().await.map_err(store_failed)
    }

    /// Finishes the writes under way, closes the database, and lets the store take back what was broken off.
    pub async fn close(&self) {
        self.inner.appends.close().await;
        self.inner.lock_tasks.close().await;
        self.inner.export_tasks.close().await;
        self.inner.last_uses.close().await;
        self.write_last_uses().await;
        self.end_refusals().await;
        self.db().close().await;
        match tokio::time::timeout(STORE_CLOSE, self.store().close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the store was not closed in order"),
            Err(_) => tracing::warn!(
                "the store was left after {STORE_CLOSE:?}: writes that were broken off may have left parts"
            ),
        }
    }

    /// Returns the largest file in bytes that is taken; nothing for no limit.
    #[must_use]
    pub fn largest_file(&self) -> Option<u64> {
        self.settings().largest_file
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) const fn db(&self) -> &Db {
        &self.db
    }

    /// Returns the engine as a job's handler has it: what it writes commits only while this claim of the job holds.
    pub(crate) fn under(&self, claim: Claim) -> Self {
        Self { db: self.db.under(claim), ..self.clone() }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Refuses what the store says belongs to another database. A sweep asks anew: a store that cannot create a file only where
    /// none is may have been taken by two, and its folder may have been exchanged under a running server.
    pub(crate) async fn check_store(&self) -> Result<()> {
        check_owner(self.store(), self.inner.database).await
    }

    pub(crate) fn keys(&self) -> &KeyCache {
        &self.inner.keys
    }

    pub(crate) fn last_uses(&self) -> &LastUses {
        &self.inner.last_uses
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.inner.refusals
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    /// Returns how much work was done on passwords since the engine was opened, in KiB filled: what a name that nobody has
    /// costs is seen by it.
    #[must_use]
    pub fn password_work(&self) -> u64 {
        self.passwords().work()
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.inner.secret
    }

    pub(crate) fn jobs(&self) -> Arc<JobsState> {
        Arc::clone(&self.inner.jobs)
    }

    pub(crate) fn lock_tasks(&self) -> &Tasks {
        &self.inner.lock_tasks
    }

    pub(crate) fn lock_signals(&self) -> &Signals {
        &self.inner.lock_signals
    }

    pub(crate) fn chunk_lists(&self) -> &Arc<ChunkLists> {
        &self.inner.chunk_lists
    }

    pub(crate) fn exports(&self) -> &Semaphore {
        &self.inner.exports
    }

    pub(crate) fn export_tasks(&self) -> &Tasks {
        &self.inner.export_tasks
    }

    pub(crate) fn appends(&self) -> &Appends {
        &self.inner.appends
    }

    /// Returns the guard that every request to an address of a user's choice goes through.
    pub(crate) fn guard(&self) -> &Guard {
        &self.inner.guard
    }

    pub(crate) fn feeds(&self) -> &Feeds {
        &self.inner.feeds
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// Returns the time that others compare with their own clocks.
    pub(crate) fn wall_time(&self) -> Timestamp {
        self.inner.wall.now()
    }

    /// Returns the time by the engine's clock, which a test can move.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}

/// How long a store may take, at the end, to take back what was broken off.
const STORE_CLOSE: Duration = Duration::from_secs(10);

/// Where a store says which database knows its blobs.
const OWNER: &str = "longshore.database";

/// Takes a new store for this database, or refuses one that belongs to another: to the wrong database every blob
/// looks like an orphan, and the sweeper would remove them all.
async fn claim(store: &Store, id: DatabaseId) -> Result<()> {
    let text = Bytes::from(format!("{id}\n"));
    match store.write(OWNER, text.clone(), WriteOptions::default()).await {
        Ok(_) if store.supports(Capability::AtomicCreate) => return Ok(()),
        // Another may have been replaced, or have come after: what counts is what stands there.
        Ok(_) => {}
        Err(error) if error.kind() == longshore_store::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(store_failed(error)),
    }
    check_owner(store, id).await
}

/// Refuses a store that belongs to another database, or that nobody has marked.
async fn check_owner(store: &Store, id: DatabaseId) -> Result<()> {
    let owner = store.read_bytes(OWNER).await.map_err(store_failed)?;
    if owner == format!("{id}\n") {
        return Ok(());
    }
    let owner = String::from_utf8_lossy(&owner);
    let detail = format!("the store belongs to the database {}, and this is {id}", owner.trim());
    Err(Error::new(Code::Internal, detail))
}

/// The one place where a store's error becomes ours.
pub(crate) fn store_failed(error: longshore_store::Error) -> Error {
    use longshore_store::ErrorKind;
    let code = match error.kind() {
        ErrorKind::StorageFull => Code::StorageFull,
        // A blob that a version names and the store lacks is a fault, not the caller's business.
        ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::InvalidPath => Code::Internal,
        _ => Code::StorageUnavailable,
    };
    Error::caused(code, format!("the blob store: {error}"), error)
}
