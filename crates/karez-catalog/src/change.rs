//! What changed since when, for those who keep something derived from repositories, such as an index.
//!
//! Whoever changes a repository notes it in the same transaction ([`repo_changed`]). A reader asks for
//! everything from its own place on and moves on to the *settled* place: what lies before it will not change
//! any more. On SQLite writers come one after another, so a counter does. On PostgreSQL transactions become
//! visible in another order than they began, and a counter would let a reader pass over one that ends late.
//! There a change is numbered by its transaction, and settled is the oldest transaction that still runs;
//! what lies beyond is given out again until it is settled, and the reader passes over what it knows.

use karez_types::{RemoteId, RepoId};

use crate::engine::{Engine, Tx, args, transact};
use crate::model::{Change, Changes};
use crate::{Catalog, CatalogError};

const NOTE_SQLITE: &str = "INSERT INTO repo_change (repo_id, change)
    SELECT $1, COALESCE(MAX(change), 0) + 1 FROM repo_change WHERE true
    ON CONFLICT (repo_id) DO UPDATE SET change = excluded.change";
const NOTE_POSTGRES: &str = "INSERT INTO repo_change (repo_id, change) VALUES ($1, pg_current_xact_id()::text::bigint)
    ON CONFLICT (repo_id) DO UPDATE SET change = excluded.change";

const NOTE_ALL_SQLITE: &str = "INSERT INTO repo_change (repo_id, change)
    SELECT m.repo_id, (SELECT COALESCE(MAX(change), 0) + 1 FROM repo_change) FROM mirror m WHERE m.remote_id = $1
    ON CONFLICT (repo_id) DO UPDATE SET change = excluded.change";
const NOTE_ALL_POSTGRES: &str = "INSERT INTO repo_change (repo_id, change)
    SELECT m.repo_id, pg_current_xact_id()::text::bigint FROM mirror m WHERE m.remote_id = $1 ORDER BY m.repo_id
    ON CONFLICT (repo_id) DO UPDATE SET change = excluded.change";

const SETTLED_SQLITE: &str = "SELECT COALESCE(MAX(change), 0) + 1 FROM repo_change";
const SETTLED_POSTGRES: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";

const READ_SQLITE: &str = "SELECT repo_id, change, (SELECT MAX(change) + 1 FROM repo_change) FROM repo_change
    WHERE (change, repo_id) > ($1, $2) ORDER BY change, repo_id LIMIT $3";
const READ_POSTGRES: &str =
    "SELECT repo_id, change, pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM repo_change
    WHERE (change, repo_id) > ($1, $2) ORDER BY change, repo_id LIMIT $3";

/// Notes that a repository changed, or is gone.
pub(crate) async fn repo_changed(tx: &mut Tx, repo: RepoId) -> Result<(), CatalogError> {
    let sql = if tx.engine() == Engine::Postgres { NOTE_POSTGRES } else { NOTE_SQLITE };
    tx.execute(sql, args![repo]).await?;
    Ok(())
}

/// Notes that all mirrors of a remote may have changed.
pub(crate) async fn mirrors_changed(tx: &mut Tx, remote: RemoteId) -> Result<(), CatalogError> {
    let sql = if tx.engine() == Engine::Postgres { NOTE_ALL_POSTGRES } else { NOTE_ALL_SQLITE };
    tx.execute(sql, args![remote]).await?;
    Ok(())
}

impl Catalog {
    /// Returns the place before which nothing will change any more. A reader that is beyond it has read in
    /// another database, for example one from before a restored backup.
    pub async fn changes_settled(&self) -> Result<i64, CatalogError> {
        let is_postgres = self.pool.engine() == Engine::Postgres;
        if is_postgres {
            // A restored dump brings numbers of transactions that this server has yet to come to.
            transact!(self, |tx| {
                let sql =
                    "DELETE FROM repo_change WHERE change >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
                tx.execute(sql, args![]).await
            })?;
        }
        let row = self.pool.row(if is_postgres { SETTLED_POSTGRES } else { SETTLED_SQLITE }, args![]).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// Returns changes from this place on, oldest first: at most `limit`, after `after` when a page of the
    /// same reading came before.
    pub async fn changes(&self, from: i64, after: Option<Change>, limit: u64) -> Result<Changes, CatalogError> {
        let (change, repo) = after.map_or((from - 1, i64::MAX), |after| (after.change, after.repo.0));
        let sql = if self.pool.engine() == Engine::Postgres { READ_POSTGRES } else { READ_SQLITE };
        let rows = self.pool.quick_rows(sql, args![change, repo, limit]).await?;
        let settled = rows.first().map(|row| row.int(2)).transpose()?;
        let list = rows.iter().map(|row| Ok(Change { repo: RepoId(row.int(0)?), change: row.int(1)? }));
        Ok(Changes {
            list: list.collect::<Result<_, CatalogError>>()?,
            settled: settled.map_or(from, |place| place.max(from)),
        })
    }
}
