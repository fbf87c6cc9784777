//! The database: every line of SQL of Longshore is below this module.
//!
//! One SQL text serves SQLite and PostgreSQL. Where the two truly differ, [`Session`] has a file for each.
//! A unit of work is a closure over a [`Tx`]; it may be run more than once (a PostgreSQL deadlock, a group
//! that failed), so it owns its input and has no effect but its statements.
//!
//! - On SQLite all writes go through one thread that commits whatever has queued up as one group: a savepoint
//!   each, one flush for all ([`sqlite`]).
//! - On PostgreSQL each write is a transaction of its own ([`postgres`]).
//!
//! A write's statements see the workspace as it is, because the first of them takes the workspace's row
//! ([`events::Log::open`]); reads see one snapshot.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod crossings;
pub(crate) mod deliveries;
pub(crate) mod events;
pub(crate) mod exports;
pub(crate) mod history;
pub(crate) mod hooks;
pub(crate) mod idempotency;
pub(crate) mod identities;
pub(crate) mod imports;
pub(crate) mod instance;
pub(crate) mod invitations;
pub(crate) mod jobs;
pub(crate) mod locks;
pub(crate) mod members;
mod migrate;
mod news;
pub(crate) mod nodes;
pub(crate) mod notes;
pub(crate) mod orphans;
pub(crate) mod passwords;
pub(crate) mod pieces;
mod postgres;
pub(crate) mod purge;
pub(crate) mod quotas;
pub(crate) mod sessions;
pub(crate) mod shares;
mod sqlite;
pub(crate) mod terms;
pub(crate) mod transfers;
pub(crate) mod uploads;

mod value;
pub(crate) mod versions;
pub(crate) mod waiters;
pub(crate) mod workspaces;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use longshore_core::{Clock, Code, Timestamp, WorkspaceId};
use tokio::sync::watch;

use crate::audit::Entry;
use crate::error::{Error, Result};
use crate::feed::Feeds;

use news::{Listeners, Mark, News};
pub(crate) use value::{Row, Value};

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file, made when it is not there. One process at a time may have it open.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by its connection string.
    Postgres {
        /// `postgres://user@host/database` or the key-value form.
        url: String,
        /// The most connections this process opens.
        connections: usize,
    },
}

/// One engine's way to run statements inside a transaction.
trait Session: Send {
    fn execute<'a>(&'a mut self, sql: &'static str, values: &'a [Value]) -> BoxFuture<'a, Result<u64>>;
    fn query<'a>(&'a mut self, sql: &'static str, values: &'a [Value]) -> BoxFuture<'a, Result<Vec<Row>>>;
    /// The statement that takes a workspace for writing: the two engines differ in where time comes from.
    fn take_workspace(&self) -> &'static str;
    /// The statement that reads the time which a write of a workspace would have.
    fn look_at_clock(&self) -> &'static str;
    /// The query that tells the time, where the database has a clock that all who write to it share.
    fn clock(&self) -> Option<&'static str>;
    /// The statements of the audit log: the two engines differ in what a place is.
    fn audit(&self) -> &'static audit::Statements;
    /// Runs many statements without values: migrations alone.
    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>>;
}

/// An open transaction.
pub(crate) struct Tx {
    session: Box<dyn Session>,
    /// What to tell once the transaction is committed.
    news: News,
}

impl Tx {
    fn new(session: impl Session + 'static) -> Self {
        Self { session: Box::new(session), news: News::default() }
    }

    /// Has this process's workers look for jobs as soon as the transaction is committed.
    pub(crate) fn wake_workers(&mut self) {
        self.news.enqueued();
    }

    /// Has those who follow a workspace's log told of it as soon as the transaction is committed.
    fn appended(&mut self, workspace: WorkspaceId, seq: u64) {
        self.news.appended(workspace, seq);
    }

    /// Says what the transaction did, or will have done once it is committed, for the audit log.
    pub(crate) fn note(&mut self, entry: Entry) {
        self.news.note(entry);
    }

    /// Ends a unit of work: what it did is written down in the transaction that does it, so that neither is without the other.
    async fn finish(&mut self) -> Result<()> {
        let entries = self.news.take_entries();
        if entries.is_empty() { Ok(()) } else { audit::insert_all(self, &entries).await }
    }

    /// Runs a statement and returns how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64> {
        self.session.execute(sql, values).await
    }

    /// Runs a query and returns all its rows: every query here is bounded by a key or a `LIMIT`.
    pub(crate) async fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>> {
        self.session.query(sql, values).await
    }

    fn take_workspace(&self) -> &'static str {
        self.session.take_workspace()
    }

    fn look_at_clock(&self) -> &'static str {
        self.session.look_at_clock()
    }

    /// The query of the database's own clock, where that stands in for the machine's, but not for a test's.
    fn shared_clock(&self, clock: &dyn Clock) -> Option<&'static str> {
        self.session.clock().filter(|_| clock.is_wall())
    }

    /// Returns the present time, as all processes that share the database have it.
    pub(crate) async fn now(&mut self, clock: &dyn Clock) -> Result<Timestamp> {
        let Some(sql) = self.shared_clock(clock) else { return Ok(clock.now()) };
        let row = self.query_opt(sql, &[]).await?;
        row.ok_or_else(|| Error::corrupt("a clock without a time"))?.time(0)
    }

    /// Begins a part of the transaction that may be taken back alone.
    pub(crate) async fn begin_part(&mut self) -> Result<Part> {
        self.execute("SAVEPOINT part", &[]).await?;
        Ok(Part(self.news.mark()))
    }

    /// Ends a part: what it did is the transaction's.
    pub(crate) async fn end_part(&mut self, _: Part) -> Result<()> {
        self.execute("RELEASE SAVEPOINT part", &[]).await.map(drop)
    }

    /// Takes a part back: it did nothing.
    pub(crate) async fn take_back(&mut self, part: Part) -> Result<()> {
        self.news.back_to(part.0);
        self.execute("ROLLBACK TO SAVEPOINT part", &[]).await?;
        self.end_part(part).await
    }

    /// Runs a query that has one row at most.
    pub(crate) async fn query_opt(&mut self, sql: &'static str, values: &[Value]) -> Result<Option<Row>> {
        Ok(self.session.query(sql, values).await?.into_iter().next())
    }
}

/// A part of a transaction that is under way. One has no other inside it.
#[must_use = "a part is ended or taken back"]
pub(crate) struct Part(Mark);

/// What a unit of work gives back while it runs.
pub(crate) type Working<'t, T> = BoxFuture<'t, Result<T>>;

#[derive(Clone, Debug)]
enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

/// The catalog: cloning it shares its connections.
#[derive(Clone, Debug)]
pub(crate) struct Db {
    engine: Engine,
    listeners: Listeners,
    /// The claim of a job that must hold for a write to commit.
    claim: Option<jobs::Claim>,
}

impl Db {
    /// Opens the database, brings its schema up to date, and tells which database it is, with its secret.
    /// `feeds` hears of every event once it is committed.
    pub(crate) async fn open(
        database: &Database,
        clock: &dyn Clock,
        feeds: Feeds,
    ) -> Result<(Self, instance::Instance)> {
        let listeners = Listeners::new(feeds);
        let told = listeners.clone();
        let engine = match database {
            Database::Sqlite(path) => Engine::Sqlite(sqlite::Sqlite::open(path.clone(), told).await?),
            Database::Postgres { url, connections } => {
                Engine::Postgres(postgres::Postgres::open(url, *connections, told).await?)
            }
        };
        let db = Self { engine, listeners, claim: None };
        let instance = migrate::run(&db, clock.now()).await?;
        Ok((db, instance))
    }

    /// Returns the engine's name: `sqlite` or `postgresql`.
    pub(crate) fn name(&self) -> &'static str {
        match &self.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgresql",
        }
    }

    /// Tells whether other processes may write to this database too.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Returns the same database, of which a write commits only while this claim of a job holds.
    pub(crate) fn under(&self, claim: jobs::Claim) -> Self {
        Self { claim: Some(claim), ..self.clone() }
    }

    /// Runs `work` in a transaction that writes; returns once its commit is durable.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T> + Send + 'static,
    {
        // In boxes: what awaits a write stays small, and is awaited deep down in every verb.
        match self.claim {
            None => Box::pin(self.commit(work)).await,
            Some(claim) => Box::pin(self.commit_under(claim, work)).await,
        }
    }

    async fn commit_under<T, F>(&self, claim: jobs::Claim, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T> + Send + 'static,
    {
        let work = Arc::new(Mutex::new(work));
        self.commit(move |tx| {
            let work = Arc::clone(&work);
            Box::pin(async move {
                let working = work.lock().unwrap_or_else(PoisonError::into_inner)(tx);
                let done = working.await?;
                // The job's row is taken last, after whatever `work` takes: the same order everywhere, so that
                // nobody waits in a circle.
                jobs::hold(tx, claim).await?.ok_or_else(jobs::taken_away)?;
                Ok(done)
            })
        })
        .await
    }

    async fn commit<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(work).await,
            Engine::Postgres(postgres) => postgres.write(work).await,
        }
    }

    /// Has this process's workers look for jobs now.
    pub(crate) fn wake_workers(&self) {
        self.listeners.wake_workers();
    }

    /// Returns what changes whenever there may be jobs to claim.
    pub(crate) fn jobs(&self) -> watch::Receiver<()> {
        self.listeners.jobs()
    }

    /// Runs `work` on one snapshot, without writing.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(work).await,
            Engine::Postgres(postgres) => postgres.read(work).await,
        }
    }

    /// Asks the database for a sign of life.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.read(|tx| {
            Box::pin(async move {
                tx.query("SELECT 1", &[]).await?;
                Ok(())
            })
        })
        .await
    }

    /// Finishes the writes under way and closes every connection.
    pub(crate) async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close(),
        }
    }
}

fn closed() -> Error {
    Error::new(Code::ShuttingDown, "the database is closed")
}
