//! The two engines behind one face.
//!
//! Everything above this file speaks of text, arguments and rows; everything below is sqlx. One SQL
//! text serves both engines: `$1` placeholders, `ON CONFLICT`, `RETURNING` and row values are
//! understood by both. Lists of any length are the exception, see `list`.
//!
//! SQLite has one connection that writes and several that read (write-ahead log: readers never wait
//! for the writer). A write transaction begins with `BEGIN IMMEDIATE`, so it waits at its start, up to
//! the busy timeout, for a writer in another process, and never fails half way for a lock. On
//! PostgreSQL transactions run at read committed; what must not be lost is decided by conditional
//! updates and their row counts, and the loser of a deadlock runs again.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool, Postgres, SqlSafeStr, SqlStr, Sqlite, SqlitePool, Transaction};

use crate::CatalogError;
use crate::error::is_broken_connection;
use crate::list::{INSERT_ROWS, insert_text};
use crate::quick::QuickReaders;
use crate::readers::Readers;
use crate::row::Row;
use crate::value::{Value, arguments};

/// How long a writer waits for another one, and a caller for a connection.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Statements kept prepared per connection. The crate has about a hundred; lists come in few lengths.
const STATEMENTS_MAX: usize = 256;
/// How often the loser of a deadlock runs again before its caller hears of it.
pub(crate) const RETRIES_MAX: u32 = 8;
/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Connections to one database.
#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite { write: SqlitePool, read: Arc<Readers>, quick: Arc<QuickReaders> },
    Postgres(PgPool),
}

/// A transaction that writes; dropped without `finish`, it has changed nothing.
pub(crate) struct Tx {
    inner: Inner,
    given_up: bool,
}

enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Makes the list of arguments of a statement.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::value::Value::from($value)),*] };
}
pub(crate) use args;

/// Runs the block as one transaction, again when the engine chose it as the loser of a deadlock.
/// `?` inside leaves the transaction; the value of the block is kept when it is `Ok`.
macro_rules! transact {
    ($catalog:expr, |$tx:ident| $body:block) => {{
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut transaction = $catalog.pool.begin().await?;
            let outcome: Result<_, $crate::CatalogError> = {
                let $tx = &mut transaction;
                async { $body }.await
            };
            let outcome = match outcome {
                Ok(value) => transaction.finish().await.map(|()| value),
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) if error.is_retryable() && attempt < $crate::engine::RETRIES_MAX => continue,
                outcome => break outcome,
            }
        }
    }};
}
pub(crate) use transact;

impl Pool {
    pub(crate) async fn open_sqlite(path: &Path, readers: u32) -> Result<Pool, CatalogError> {
        create_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS_MAX)
            // The log shrinks back to this many bytes after a large transaction.
            .pragma("journal_size_limit", "67108864")
            .disable_statement_logging();
        // The writer opens first: it turns on the write-ahead log.
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options.clone())
            .await?;
        let read = Readers::open(options.pragma("query_only", "ON"), readers).await?;
        let quick = QuickReaders::new(path.to_owned());
        Ok(Pool::Sqlite { write, read: Arc::new(read), quick: Arc::new(quick) })
    }

    pub(crate) async fn open_postgres(url: &str, connections: u32) -> Result<Pool, CatalogError> {
        let options: PgConnectOptions =
            url.parse().map_err(|error: sqlx::Error| CatalogError::Address(error.to_string()))?;
        let options =
            options.application_name("karez").statement_cache_capacity(STATEMENTS_MAX).disable_statement_logging();
        // A connection is tested when it is given back; testing it again before use would add a round
        // trip to every query.
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(2))
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        Ok(Pool::Postgres(pool))
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Pool::Sqlite { .. } => Engine::Sqlite,
            Pool::Postgres(_) => Engine::Postgres,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Pool::Sqlite { write, read, quick } => {
                quick.close();
                read.close().await;
                write.close().await;
            }
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    /// Begins a transaction that may write.
    pub(crate) async fn begin(&self) -> Result<Tx, CatalogError> {
        let inner = match self {
            Pool::Sqlite { write, .. } => Inner::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Pool::Postgres(pool) => Inner::Postgres(past_broken_connections(pool, || pool.begin()).await?),
        };
        Ok(Tx { inner, given_up: false })
    }

    /// Runs one statement that only reads.
    pub(crate) async fn rows(&self, sql: impl SqlSafeStr, args: &[Value<'_>]) -> Result<Vec<Row>, CatalogError> {
        self.run(sql.into_sql_str(), args).await
    }

    /// Runs one statement that only reads and gives at most one row.
    pub(crate) async fn row(&self, sql: impl SqlSafeStr, args: &[Value<'_>]) -> Result<Option<Row>, CatalogError> {
        Ok(self.run(sql.into_sql_str(), args).await?.into_iter().next())
    }

    /// Runs one statement that only reads a few rows by their keys, and that runs on every request. Its
    /// arguments `$1`, `$2`, ... appear in this order.
    pub(crate) async fn quick_rows(&self, sql: &'static str, args: &[Value<'_>]) -> Result<Vec<Row>, CatalogError> {
        if let Pool::Sqlite { quick, .. } = self
            && let Ok(rows) = quick.rows(sql, args)
        {
            return Ok(rows);
        }
        self.run(sql.into_sql_str(), args).await
    }

    /// As [`Pool::quick_rows`], for at most one row.
    pub(crate) async fn quick_row(&self, sql: &'static str, args: &[Value<'_>]) -> Result<Option<Row>, CatalogError> {
        Ok(self.quick_rows(sql, args).await?.into_iter().next())
    }

    pub(crate) async fn run(&self, sql: SqlStr, args: &[Value<'_>]) -> Result<Vec<Row>, CatalogError> {
        match self {
            Pool::Sqlite { read, .. } => {
                let rows = read.fetch_all(sql, arguments::<SqliteArguments>(args)?).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Pool::Postgres(pool) => {
                let arguments = arguments::<PgArguments>(args)?;
                let fetch = || sqlx::query_with(sql.clone(), arguments.clone()).fetch_all(pool);
                let rows = past_broken_connections(pool, fetch).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }
}

/// Tries something that changes nothing until it meets a living connection. After a restart of the
/// server every idle connection is dead, and each is found out by using it.
async fn past_broken_connections<T, F>(pool: &PgPool, mut attempt: impl FnMut() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut left = pool.options().get_max_connections();
    loop {
        match attempt().await {
            Err(error) if left > 0 && is_broken_connection(&error) => left -= 1,
            outcome => return outcome,
        }
    }
}

/// Creates the file for its owner only; SQLite gives its side files the same mode.
fn create_private(path: &Path) -> Result<(), CatalogError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let opened = options.open(path);
    opened.map(drop).map_err(|error| CatalogError::Address(format!("{}: {error}", path.display())))
}

impl Tx {
    /// Runs one statement that gives at most one row.
    pub(crate) async fn row(&mut self, sql: impl SqlSafeStr, args: &[Value<'_>]) -> Result<Option<Row>, CatalogError> {
        Ok(self.run(sql.into_sql_str(), args).await?.into_iter().next())
    }

    /// Runs one statement and tells how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: impl SqlSafeStr, args: &[Value<'_>]) -> Result<u64, CatalogError> {
        self.change(sql.into_sql_str(), args).await
    }

    /// Runs several statements without arguments.
    pub(crate) async fn script(&mut self, sql: String) -> Result<(), CatalogError> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql));
        match &mut self.inner {
            Inner::Sqlite(tx) => script.execute(&mut **tx).await.map(|_| ())?,
            Inner::Postgres(tx) => script.execute(&mut **tx).await.map(|_| ())?,
        }
        Ok(())
    }

    /// Inserts many rows: `head` is `INSERT INTO t (a, b)`, `tail` what follows the values, and
    /// `values` the rows one after another, `width` values each.
    pub(crate) async fn insert_rows(
        &mut self,
        head: &str,
        width: usize,
        tail: &str,
        mut values: &[Value<'_>],
    ) -> Result<u64, CatalogError> {
        assert!(values.len().is_multiple_of(width), "values come in whole rows");
        let mut changed = 0;
        for rows in INSERT_ROWS {
            let sql = AssertSqlSafe(insert_text(self.engine(), head, width, tail, rows)).into_sql_str();
            while values.len() >= rows * width {
                let (group, rest) = values.split_at(rows * width);
                changed += self.change(sql.clone(), group).await?;
                values = rest;
            }
        }
        Ok(changed)
    }

    /// Marks the transaction as one that must change nothing, and gives back what it found.
    pub(crate) fn give_up<T>(&mut self, found: T) -> Result<T, CatalogError> {
        self.given_up = true;
        Ok(found)
    }

    /// Makes the changes durable, unless the transaction gave up.
    pub(crate) async fn finish(self) -> Result<(), CatalogError> {
        match (self.inner, self.given_up) {
            (Inner::Sqlite(tx), false) => tx.commit().await?,
            (Inner::Postgres(tx), false) => tx.commit().await?,
            (Inner::Sqlite(tx), true) => tx.rollback().await?,
            (Inner::Postgres(tx), true) => tx.rollback().await?,
        }
        Ok(())
    }

    pub(crate) fn engine(&self) -> Engine {
        match self.inner {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    pub(crate) async fn run(&mut self, sql: SqlStr, args: &[Value<'_>]) -> Result<Vec<Row>, CatalogError> {
        match &mut self.inner {
            Inner::Sqlite(tx) => {
                let rows = sqlx::query_with(sql, arguments::<SqliteArguments>(args)?).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Inner::Postgres(tx) => {
                let rows = sqlx::query_with(sql, arguments::<PgArguments>(args)?).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    async fn change(&mut self, sql: SqlStr, args: &[Value<'_>]) -> Result<u64, CatalogError> {
        Ok(match &mut self.inner {
            Inner::Sqlite(tx) => {
                sqlx::query_with(sql, arguments::<SqliteArguments>(args)?).execute(&mut **tx).await?.rows_affected()
            }
            Inner::Postgres(tx) => {
                sqlx::query_with(sql, arguments::<PgArguments>(args)?).execute(&mut **tx).await?.rows_affected()
            }
        })
    }
}
