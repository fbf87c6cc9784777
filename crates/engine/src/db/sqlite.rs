//! SQLite: one writer thread that commits in groups, a few readers beside it.
//!
//! Why not a connection per call: a commit costs one flush of the log however many rows it holds, so writes
//! that arrive while a flush is under way are gathered and share the next one. A write is acknowledged only
//! after the commit of its group returned, under WAL and `synchronous=FULL`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use bytes::Bytes;
use futures_util::future::{self, BoxFuture};
use longshore_core::Code;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::audit::{self, Statements};
use super::quotas::tally_columns;
use super::{Listeners, News, Row, Session, Tx, Value, Working, closed};
use crate::error::{Error, Result};

/// The most writes one commit takes together: bounds how long the first of them waits.
const GROUP: usize = 256;
/// How many writes may wait for the writer; more make their callers wait.
const QUEUE: usize = 1_024;
const READERS: usize = 4;
/// The log is copied into the database file each time it reaches this many pages (of 4 KiB).
const CHECKPOINT_PAGES: u32 = 4_000;

/// The writer's queue; it goes away when the database is closed.
type Queue = mpsc::Sender<Box<dyn Job>>;

#[derive(Clone)]
pub(super) struct Sqlite {
    jobs: Arc<Mutex<Option<Queue>>>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
    readers: Arc<Readers>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sqlite")
    }
}

struct Readers {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Tx>>,
}

impl Sqlite {
    pub(super) async fn open(path: PathBuf, listeners: Listeners) -> Result<Self> {
        let opened = tokio::task::spawn_blocking(move || {
            let writer = connect(&path)?;
            let readers = (0..READERS).map(|_| connect(&path)).collect::<Result<Vec<_>>>()?;
            Ok::<_, Error>((writer, readers))
        });
        let (writer, readers) = opened.await.map_err(|_| closed())??;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("longshore-db".into())
            .spawn(move || write_groups(writer, queue, &listeners))
            .map_err(|error| Error::caused(Code::Internal, "no thread for the database", error))?;
        Ok(Self {
            jobs: Arc::new(Mutex::new(Some(jobs))),
            writer: Arc::new(Mutex::new(Some(thread))),
            readers: Arc::new(Readers {
                permits: Arc::new(Semaphore::new(READERS)),
                idle: Mutex::new(readers),
            }),
        })
    }

    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T> + Send + 'static,
    {
        let jobs = lock(&self.jobs).clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        jobs.send(Box::new(Write { work, result: None, reply })).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    pub(super) async fn read<T, F>(&self, mut work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        // The job keeps the permit, not this future: who is dropped while the job runs frees no connection.
        let permit = Arc::clone(&self.readers.permits).acquire_owned().await.map_err(|_| closed())?;
        let read = tokio::task::spawn_blocking(move || {
            let mut tx = lock(&readers.idle).pop().ok_or_else(closed)?;
            let result = now(tx.execute("BEGIN", &[])).and_then(|_| {
                let result = attempt(&mut work, &mut tx);
                now(tx.execute("COMMIT", &[])).and(result)
            });
            lock(&readers.idle).push(tx);
            drop(permit);
            result
        });
        read.await.map_err(|_| Error::new(Code::Internal, "a read was torn down"))?
    }

    pub(super) async fn close(&self) {
        self.readers.permits.close();
        drop(lock(&self.jobs).take());
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer {
            // The thread ends once the queue is drained; nothing is left to do if it panicked.
            drop(tokio::task::spawn_blocking(move || writer.join()).await);
        }
        lock(&self.readers.idle).clear();
    }
}

/// A poisoned lock only says that some other caller panicked; what it guards is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path) -> Result<Tx> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection
        .execute_batch(&format!(
            "PRAGMA busy_timeout = 10000;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};"
        ))
        .map_err(failed)?;
    Ok(Tx::new(SqliteSession(connection)))
}

/// A write that waits for its group.
trait Job: Send {
    /// Runs the work and keeps its result; returns why it did not do what it was asked.
    fn run(&mut self, tx: &mut Tx) -> Result<()>;
    /// Answers the caller: the work's own result, or why its group did not commit.
    fn answer(self: Box<Self>, group: &Result<()>);
    fn is_wanted(&self) -> bool;
}

struct Write<T, F> {
    work: F,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T> + Send,
{
    fn run(&mut self, tx: &mut Tx) -> Result<()> {
        let done = attempt(&mut self.work, tx).and_then(|done| now(tx.finish()).map(|()| done));
        let result = self.result.insert(done);
        result.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>, group: &Result<()>) {
        let result = match (self.result, group) {
            (Some(Err(refused)), _) => Err(refused),
            (_, Err(error)) => Err(error.clone()),
            (Some(result), Ok(())) => result,
            (None, Ok(())) => Err(closed()),
        };
        // The caller may have gone away; what was committed stays committed.
        drop(self.reply.send(result));
    }

    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }
}

/// Runs a unit of work to its end at once: on SQLite its statements never wait.
fn attempt<T, F>(work: &mut F, tx: &mut Tx) -> Result<T>
where
    F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T>,
{
    catch_unwind(AssertUnwindSafe(|| now(work(tx))))
        .unwrap_or_else(|_| Err(Error::new(Code::Internal, "a unit of work panicked; the log has the place")))
}

fn now<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => {
            Err(Error::new(Code::Internal, "a unit of work waited for something that is not the database"))
        }
    }
}

fn write_groups(mut tx: Tx, mut queue: mpsc::Receiver<Box<dyn Job>>, listeners: &Listeners) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = queue.blocking_recv() {
        group.push(first);
        while group.len() < GROUP
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        // A caller that went away before its turn wants nothing any more.
        group.retain(|job| job.is_wanted());
        let committed = commit_group(&mut tx, &mut group);
        if let Err(error) = &committed {
            tracing::error!(%error, writes = group.len(), "a group of writes did not commit");
        }
        if committed.is_ok() {
            listeners.tell(&tx.news);
        }
        tx.news = News::default();
        for job in group.drain(..) {
            job.answer(&committed);
        }
    }
}

fn commit_group(tx: &mut Tx, group: &mut [Box<dyn Job>]) -> Result<()> {
    if group.is_empty() {
        return Ok(());
    }
    now(tx.execute("BEGIN IMMEDIATE", &[]))?;
    let committed = run_group(tx, group).and_then(|()| now(tx.execute("COMMIT", &[])).map_err(commit_failed));
    if committed.is_err() {
        // SQLite may have rolled back by itself (a full disk): then this says so, and that is fine.
        drop(now(tx.execute("ROLLBACK", &[])));
    }
    committed.map(|_| ())
}

/// A commit that failed while the log was written or flushed may still be found in the log after a crash. One
/// that found the disk full has written no end of the transaction.
fn commit_failed(error: Error) -> Error {
    match error.code() {
        Code::StorageFull => error,
        _ => error.with_code(Code::OutcomeUnknown),
    }
}

fn run_group(tx: &mut Tx, group: &mut [Box<dyn Job>]) -> Result<()> {
    for job in group {
        now(tx.execute("SAVEPOINT write", &[]))?;
        let before = tx.news.mark();
        if let Err(refused) = job.run(tx) {
            tx.news.back_to(before);
            // Where SQLite has rolled back the whole group by itself (a full disk), no savepoint is left, and
            // what went wrong is what the work says, not that.
            now(tx.execute("ROLLBACK TO write", &[])).map_err(|_| refused)?;
        }
        now(tx.execute("RELEASE write", &[]))?;
    }
    Ok(())
}

/// The time of a write (`$2`): a clock that stepped back by less than an hour is not believed; a mark that far ahead is
/// not either.
macro_rules! later_of_clock_and_now {
    () => {
        "CASE WHEN clock > $2 + 3600000000 THEN $2 ELSE MAX(clock, $2) END"
    };
}

struct SqliteSession(Connection);

impl SqliteSession {
    fn execute_now(&self, sql: &str, values: &[Value]) -> rusqlite::Result<u64> {
        let mut statement = self.0.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        Ok(statement.raw_execute()? as u64)
    }

    fn query_now(&self, sql: &str, values: &[Value]) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.0.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(Row((0..columns)
                .map(|place| row.get_ref(place).map(read))
                .collect::<rusqlite::Result<_>>()?));
        }
        Ok(found)
    }
}

/// Binds `$1`, `$2`, … by their number: to SQLite they are names, numbered by first appearance.
fn bind(statement: &mut rusqlite::CachedStatement<'_>, values: &[Value]) -> rusqlite::Result<()> {
    for place in 1..=statement.parameter_count() {
        let number = statement
            .parameter_name(place)
            .and_then(|name| name.get(1..)?.parse::<usize>().ok())
            .and_then(|number| values.get(number.checked_sub(1)?));
        let Some(value) = number else {
            return Err(rusqlite::Error::InvalidParameterCount(values.len(), place));
        };
        statement.raw_bind_parameter(place, value)?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => Value::Int(value as i64),
        ValueRef::Text(value) => Value::Text(String::from_utf8_lossy(value).into_owned()),
        ValueRef::Blob(value) => Value::Bytes(Bytes::copy_from_slice(value)),
    }
}

impl Session for SqliteSession {
    fn execute<'a>(&'a mut self, sql: &'static str, values: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        Box::pin(future::ready(self.execute_now(sql, values).map_err(failed)))
    }

    fn query<'a>(&'a mut self, sql: &'static str, values: &'a [Value]) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(future::ready(self.query_now(sql, values).map_err(failed)))
    }

    fn take_workspace(&self) -> &'static str {
        concat!(
            "UPDATE workspaces SET seq = seq + 1, clock = ",
            later_of_clock_and_now!(),
            " WHERE id = $1 RETURNING seq, clock, locked_until, settings, hooks, ",
            tally_columns!()
        )
    }

    fn look_at_clock(&self) -> &'static str {
        concat!("SELECT ", later_of_clock_and_now!(), " FROM workspaces WHERE id = $1")
    }

    fn clock(&self) -> Option<&'static str> {
        None
    }

    fn audit(&self) -> &'static Statements {
        &audit::SQLITE
    }

    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        let place = "seq INTEGER PRIMARY KEY";
        let sql = sql.replace("{bytes}", "BLOB").replace("{binary}", "BINARY").replace("{place}", place);
        Box::pin(future::ready(self.0.execute_batch(&sql).map_err(failed)))
    }
}

fn is_unique_violation(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE))
}

fn failed(error: rusqlite::Error) -> Error {
    let code = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Code::StorageFull,
        _ if is_unique_violation(&error) => Code::NameTaken,
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly,
        ) => Code::StorageUnavailable,
        _ => Code::Internal,
    };
    Error::caused(code, format!("the database: {error}"), error)
}
