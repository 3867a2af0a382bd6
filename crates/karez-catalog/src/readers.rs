//! The connections that read from SQLite.
//!
//! sqlx's own pool asks each connection for a sign of life whenever it comes back, which costs about
//! as much as a short query. A connection to a file in the same process needs no such question: it
//! never holds a transaction here, and a query whose caller went away is reset by the next one.

use std::sync::{Mutex, PoisonError};

use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions, Connection, SqlStr};
use tokio::sync::Semaphore;

/// At most a fixed number of connections, opened when first needed.
pub(crate) struct Readers {
    options: SqliteConnectOptions,
    places: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    /// Opens the first connection, so that a database that cannot be read is known at once.
    pub(crate) async fn open(options: SqliteConnectOptions, count: u32) -> Result<Readers, sqlx::Error> {
        let first = options.connect().await?;
        let places = Semaphore::new(count.max(1) as usize);
        Ok(Readers { options, places, idle: Mutex::new(vec![first]) })
    }

    /// Runs one statement and collects its rows.
    pub(crate) async fn fetch_all(&self, sql: SqlStr, args: SqliteArguments) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let _place = self.places.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let mut lent = Lent { readers: self, connection: Some(connection) };
        let connection = lent.connection.as_mut().expect("lent until it is dropped");
        let outcome = sqlx::query_with(sql, args).fetch_all(connection).await;
        if matches!(outcome, Err(sqlx::Error::WorkerCrashed | sqlx::Error::Io(_))) {
            lent.connection = None;
        }
        outcome
    }

    /// Closes all connections; queries fail from now on.
    pub(crate) async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            // Reading leaves nothing to save; there is nothing to do about a failure.
            let _ = connection.close().await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use; goes back when dropped, also when the caller goes away half way.
struct Lent<'a> {
    readers: &'a Readers,
    connection: Option<SqliteConnection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.readers.places.is_closed()
        {
            self.readers.idle().push(connection);
        }
    }
}
