//! All that a node knows, in SQL: accounts, tokens, repositories, git objects and refs, files and
//! xorbs, uploads, keys.
//!
//! [`Catalog`] has one method per question or change, grouped in one file per family of tables with
//! the SQL text beside the function that runs it. Callers see values of [`karez_types`] and of this
//! crate; no SQL and no engine leaves it. The same text runs on SQLite and on PostgreSQL, and one
//! suite of tests runs over both.
//!
//! Invariants:
//! - What a method has answered is durable: SQLite runs with `synchronous = FULL`, PostgreSQL must not
//!   be told `synchronous_commit = off`.
//! - A ref points at a stored object, a repository serves only stored files, and a file names only
//!   registered xorbs: foreign keys say so, beside the code. (The bytes of a xorb are durable before
//!   [`Catalog::xorb_insert`] is called; that is the caller's part.)
//! - A ref moves only from the target that its mover expected. All changes of a repository's refs hold
//!   the repository, so of two that race one is applied and the other hears of the conflict.
//! - Names are unique without regard to case: accounts in one space, repositories per kind and owner.
//!   A redirect from before a move gives way to a repository that takes its address.
//! - Every act on a public repository of this node writes an entry of the node's log in its own
//!   transaction; indices have no gaps.
//! - What is deleted was condemned before, for a grace, and nothing refers to it when it goes; who refers to it meanwhile
//!   revives it (`garbage.rs`). A xorb is not registered while bytes of its name are being deleted.
//! - Nobody comes to own more bytes than allowed: who adds to what an owner has holds the owner.
//! - Ids of accounts, repositories and tokens are never given twice: an account's id is a trust zone.
//! - Listings show what [`Viewer::may_see`] allows, by one condition in one place. Methods that take an
//!   id or a hash answer without asking who wants to know: that is the hub's part.
//! - "Not found", "taken" and "conflict" are answers. An error means that the engine failed, or that a
//!   row is not one that this crate writes ([`CatalogError::Broken`]).
//! - Time comes in as a parameter; there is no randomness.

#![forbid(unsafe_code)]

mod access;
mod account;
mod account_state;
mod change;
mod collection;
mod commit;
mod dedup;
mod discussion;
mod discussion_event;
mod engine;
mod error;
mod feed;
mod feed_apply;
mod file_use;
mod follow;
mod garbage;
mod garbage_delete;
mod git;
mod have;
mod incident;
mod like;
mod line;
mod list;
mod log;
mod log_append;
mod mirror;
mod mirror_write;
mod model;
mod owner_origin;
mod publication;
mod quick;
mod quota;
mod readers;
mod remote;
mod repo;
mod repo_list;
mod row;
mod scan;
mod schema;
mod secret;
mod sign_in;
mod token;
mod totals;
mod transfer;
mod trend;
mod upload;
mod value;
mod witness;
mod xet;
mod zone;

use std::path::Path;

use karez_types::Timestamp;

pub use discussion_event::{DISCUSSION_EVENTS_MAX, DISCUSSION_TEXT_BYTES_MAX};
pub use error::CatalogError;
pub use model::*;
pub use totals::OpenBytes;
pub use trend::Trend;

/// The catalog. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Catalog {
    pool: engine::Pool,
    dedup_filter: dedup::DedupFilter,
    /// What each owner may own, in bytes, of whom nothing else was decided.
    owner_bytes_max: Option<u64>,
}

/// How to open a catalog.
#[derive(Debug, Clone)]
pub struct CatalogOptions {
    /// `sqlite:path` or `postgres://user:password@host:port/database`.
    pub url: String,
    /// Connections: to PostgreSQL in all; to SQLite for reading, beside the one that writes.
    pub connections: u32,
}

impl CatalogOptions {
    /// Connections to PostgreSQL unless set: each is a process there, and a node waits on few at once.
    pub const POSTGRES_CONNECTIONS: u32 = 16;
    /// Reading connections to SQLite unless set: each is a thread here.
    pub const SQLITE_CONNECTIONS: u32 = 4;

    /// Returns the usual options for this address.
    pub fn new(url: impl Into<String>) -> CatalogOptions {
        let url = url.into();
        let connections =
            if url.starts_with("sqlite:") { Self::SQLITE_CONNECTIONS } else { Self::POSTGRES_CONNECTIONS };
        CatalogOptions { url, connections }
    }
}

impl Catalog {
    /// Opens the database at this address with the usual options; see [`Catalog::open_with`].
    pub async fn open(url: &str, now: Timestamp) -> Result<Catalog, CatalogError> {
        Catalog::open_with(&CatalogOptions::new(url), now).await
    }

    /// Opens a database, creating or migrating its tables. `now` is noted beside each migration.
    ///
    /// The folder of an SQLite file must exist; the file is created for its owner only.
    ///
    /// # Errors
    /// [`CatalogError::NewerSchema`] when a newer program has migrated the database.
    pub async fn open_with(options: &CatalogOptions, now: Timestamp) -> Result<Catalog, CatalogError> {
        let pool = match options.url.split_once(':') {
            Some(("sqlite", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                engine::Pool::open_sqlite(Path::new(path), options.connections).await?
            }
            Some(("postgres" | "postgresql", _)) => {
                engine::Pool::open_postgres(&options.url, options.connections).await?
            }
            _ => {
                let what = "write it as sqlite:path/to/file or postgres://user:password@host/database".to_owned();
                return Err(CatalogError::Address(what));
            }
        };
        schema::migrate(&pool, schema::MIGRATIONS, now).await?;
        Ok(Catalog { pool, dedup_filter: dedup::DedupFilter::default(), owner_bytes_max: None })
    }

    /// Asks the database for a sign of life.
    pub async fn healthy(&self) -> Result<(), CatalogError> {
        self.pool.row("SELECT MAX(version) FROM schema_version", &[]).await.map(drop)
    }

    /// Closes all connections; every later call fails.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
