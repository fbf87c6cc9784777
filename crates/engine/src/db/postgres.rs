//! PostgreSQL: a pool of connections, a transaction for each write.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::future::BoxFuture;
use longshore_core::Code;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Config, NoTls};

use super::audit::{self, Statements};
use super::quotas::tally_columns;
use super::{Listeners, Row, Session, Tx, Value, Working, closed};
use crate::error::{Error, Result};

/// How long a transaction may wait for its own process (15 s, in PostgreSQL's words). A process that was stopped in the
/// middle of one holds rows that all others wait for; after this time the database ends its transaction.
const IDLE_LIMIT: &str = "SET idle_in_transaction_session_timeout = 15000";

/// How often a write is begun anew after the database broke a deadlock.
const ATTEMPTS: u32 = 5;

#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool,
    listeners: Listeners,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres")
    }
}

impl Postgres {
    pub(super) async fn open(url: &str, connections: usize, listeners: Listeners) -> Result<Self> {
        let mut config: Config = url
            .parse()
            .map_err(|error| Error::caused(Code::Internal, "the database's address is malformed", error))?;
        if config.get_application_name().is_none() {
            config.application_name("longshore");
        }
        // `Clean` would cost a round trip per use; a connection with a broken transaction never comes back here.
        let manager =
            Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(connections.max(1))
            .post_create(Hook::async_fn(|connection, _| {
                Box::pin(
                    async move { connection.batch_execute(IDLE_LIMIT).await.map_err(HookError::Backend) },
                )
            }))
            .build()
            .map_err(|error| Error::caused(Code::Internal, "no pool for the database", error))?;
        let postgres = Self { pool, listeners };
        drop(postgres.connection().await?);
        Ok(postgres)
    }

    async fn connection(&self) -> Result<Object> {
        self.pool.get().await.map_err(|error| {
            if self.pool.is_closed() {
                closed()
            } else {
                Error::caused(
                    Code::StorageUnavailable,
                    format!("the database does not answer: {error}"),
                    error,
                )
            }
        })
    }

    pub(super) async fn write<T, F>(&self, mut work: F) -> Result<T>
    where
        F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T>,
    {
        let mut attempt = 1;
        loop {
            match self.transact("BEGIN", &mut work).await {
                Err(error) if attempt < ATTEMPTS && is_deadlock(&error) => attempt += 1,
                result => return result,
            }
        }
    }

    pub(super) async fn read<T, F>(&self, mut work: F) -> Result<T>
    where
        F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T>,
    {
        self.transact("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", &mut work).await
    }

    async fn transact<T, F>(&self, begin: &str, work: &mut F) -> Result<T>
    where
        F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T>,
    {
        let lease = Lease(Some(Arc::new(self.connection().await?)));
        let mut tx = Tx::new(PostgresSession(lease.connection()?));
        tx.session.batch(begin).await?;
        let result = match work(&mut tx).await {
            Ok(done) => tx.finish().await.map(|()| done),
            Err(refused) => Err(refused),
        };
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = tx.session.batch(end).await;
        if result.is_ok() && ended.is_ok() {
            self.listeners.tell(&tx.news);
        }
        drop(tx);
        if ended.is_ok() {
            lease.give_back();
        }
        // Where the connection broke instead of an answer, nobody knows whether the server took the commit.
        let ended = ended.map_err(|error| match error.code() {
            Code::StorageUnavailable if result.is_ok() => error.with_code(Code::OutcomeUnknown),
            _ => error,
        });
        // A work's own error says more than that of the rollback after it.
        let result = result?;
        ended.map(|()| result)
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// A connection that is taken out of the pool for good unless it is given back: where a caller goes away or
/// the connection breaks, a transaction may still be open, and no other caller must ever find itself in it.
struct Lease(Option<Arc<Object>>);

impl Lease {
    fn connection(&self) -> Result<Arc<Object>> {
        self.0.clone().ok_or_else(closed)
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take().and_then(Arc::into_inner) {
            drop(Object::take(connection));
        }
    }
}

/// The time of a write in microseconds: the caller's where it gave one (`$2`), else the server's; a clock that
/// stepped back by less than an hour is not believed, and a mark that far ahead is not either.
macro_rules! later_of_clock_and_now {
    () => {
        concat!(
            "CASE WHEN clock > ",
            server_time!(),
            " + 3600000000 THEN ",
            server_time!(),
            " ELSE GREATEST(clock, ",
            server_time!(),
            ") END"
        )
    };
}

macro_rules! server_time {
    () => {
        concat!("COALESCE($2, ", clock_time!(), ")")
    };
}

macro_rules! clock_time {
    () => {
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
    };
}

struct PostgresSession(Arc<Object>);

impl Session for PostgresSession {
    fn execute<'a>(&'a mut self, sql: &'static str, values: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let connection = &self.0;
            let statement = connection.prepare_cached(sql).await.map_err(failed)?;
            connection.execute_raw(&statement, values).await.map_err(failed)
        })
    }

    fn query<'a>(&'a mut self, sql: &'static str, values: &'a [Value]) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            let connection = &self.0;
            let statement = connection.prepare_cached(sql).await.map_err(failed)?;
            let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
            let rows = connection.query(&statement, &parameters).await.map_err(failed)?;
            rows.iter().map(read).collect()
        })
    }

    // `RETURNING` is worked out once the row is ours, so its clock is read after any wait for another write;
    // `now()` would be the time at which the transaction began, and would let a late write through.
    fn take_workspace(&self) -> &'static str {
        concat!(
            "UPDATE workspaces SET seq = seq + 1, clock = ",
            later_of_clock_and_now!(),
            " WHERE id = $1 RETURNING seq, ",
            later_of_clock_and_now!(),
            ", locked_until, settings, hooks, ",
            tally_columns!()
        )
    }

    fn look_at_clock(&self) -> &'static str {
        concat!("SELECT ", later_of_clock_and_now!(), " FROM workspaces WHERE id = $1")
    }

    fn clock(&self) -> Option<&'static str> {
        Some(concat!("SELECT ", clock_time!()))
    }

    fn audit(&self) -> &'static Statements {
        &audit::POSTGRES
    }

    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let place = "tid BIGINT, seq BIGINT GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tid, seq)";
            let sql = sql.replace("{bytes}", "BYTEA").replace("{binary}", "\"C\"").replace("{place}", place);
            self.0.batch_execute(&sql).await.map_err(failed)
        })
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => match *ty {
                Type::INT2 => i16::try_from(*value)?.to_sql(ty, out),
                Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
                _ => value.to_sql(ty, out),
            },
            Self::Text(value) => value.to_sql(ty, out),
            Self::Bytes(value) => value.as_ref().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8 | Type::TEXT | Type::VARCHAR | Type::BYTEA)
    }

    to_sql_checked!();
}

fn read(row: &tokio_postgres::Row) -> Result<Row> {
    let values = row.columns().iter().enumerate().map(|(place, column)| {
        let value = match *column.type_() {
            Type::INT2 => row.try_get::<_, Option<i16>>(place).map(|value| value.map(i64::from).into()),
            Type::INT4 => row.try_get::<_, Option<i32>>(place).map(|value| value.map(i64::from).into()),
            Type::INT8 => row.try_get::<_, Option<i64>>(place).map(Value::from),
            Type::BYTEA => {
                row.try_get::<_, Option<&[u8]>>(place).map(|value| value.map(Bytes::copy_from_slice).into())
            }
            _ => row.try_get::<_, Option<&str>>(place).map(Value::from),
        };
        value.map_err(failed)
    });
    values.collect::<Result<_>>().map(Row)
}

fn state(error: &Error) -> Option<&SqlState> {
    StdError::source(error)?.downcast_ref::<tokio_postgres::Error>()?.code()
}

fn is_deadlock(error: &Error) -> bool {
    state(error).is_some_and(|state| {
        *state == SqlState::T_R_DEADLOCK_DETECTED || *state == SqlState::T_R_SERIALIZATION_FAILURE
    })
}

fn failed(error: tokio_postgres::Error) -> Error {
    let code = match error.code() {
        Some(&SqlState::DISK_FULL) => Code::StorageFull,
        Some(&SqlState::UNIQUE_VIOLATION) => Code::NameTaken,
        // No state: the connection broke. Class 57: the server is going down or coming up.
        None => Code::StorageUnavailable,
        // 25P03: the transaction waited too long for its own process, and was ended.
        Some(state) if ["57", "08", "25P03"].iter().any(|class| state.code().starts_with(class)) => {
            Code::StorageUnavailable
        }
        Some(_) => Code::Internal,
    };
    Error::caused(code, format!("the database: {error}"), error)
}
