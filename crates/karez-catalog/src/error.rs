//! The crate's one error type. "Not found", "taken" and "conflict" are answers, not errors.

/// Why the catalog could not answer.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Others held the database for too long, or it was away; the same call may succeed a moment later.
    #[error("the database is busy; try again in a moment")]
    Busy(#[source] sqlx::Error),
    /// The disk under the database is full.
    #[error("the database has no room left on its disk")]
    Full(#[source] sqlx::Error),
    /// A stored value is not one that this program would have written.
    #[error("a row of table `{table}` is broken: {what}")]
    Broken {
        /// The table.
        table: &'static str,
        /// What is wrong with the row.
        what: String,
    },
    /// The database was written by a newer program.
    #[error(
        "the database has schema version {found}, and this program knows only up to version {known}: \
         start the newer program that wrote it, or restore a backup from before the upgrade"
    )]
    NewerSchema {
        /// Version in the database.
        found: i64,
        /// Newest version that this program knows.
        known: i64,
    },
    /// The address of the database is not one that this program can use.
    #[error("cannot use the database address: {0}")]
    Address(String),
    /// Anything else that the engine reports.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for CatalogError {
    fn from(error: sqlx::Error) -> CatalogError {
        match failure_of(&error) {
            Failure::Busy | Failure::Retry => CatalogError::Busy(error),
            Failure::Full => CatalogError::Full(error),
            Failure::Other => CatalogError::Database(error),
        }
    }
}

impl CatalogError {
    /// Tells whether running the same transaction again may succeed at once: the engine chose it
    /// as the loser of a deadlock, or could not order it among others.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self, CatalogError::Busy(source) if matches!(failure_of(source), Failure::Retry))
    }
}

/// Tells whether the error says that the connection is gone, and nothing about the statement.
pub(crate) fn is_broken_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P01" | "57P02")),
        _ => false,
    }
}

enum Failure {
    Busy,
    Retry,
    Full,
    Other,
}

fn failure_of(error: &sqlx::Error) -> Failure {
    // A connection that broke: the server restarts, or the network failed for a moment.
    if matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) {
        return Failure::Busy;
    }
    let Some(code) = error.as_database_error().and_then(|error| error.code()) else {
        return Failure::Other;
    };
    match code.as_ref() {
        // PostgreSQL: serialization_failure, deadlock_detected; lock_not_available,
        // too_many_connections, admin_shutdown, crash_shutdown, cannot_connect_now; disk_full.
        "40001" | "40P01" => Failure::Retry,
        "55P03" | "53300" | "57P01" | "57P02" | "57P03" => Failure::Busy,
        "53100" => Failure::Full,
        // SQLite: extended codes carry the primary code in their low byte. 5 BUSY, 6 LOCKED, 13 FULL.
        code => match code.parse::<i64>().map(|code| code & 0xff) {
            Ok(5 | 6) if code.len() < 5 => Failure::Busy,
            Ok(13) if code.len() < 5 => Failure::Full,
            _ => Failure::Other,
        },
    }
}
