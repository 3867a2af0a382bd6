//! What this node has cosigned of other logs, and proofs that a log showed two histories.

use karez_types::Timestamp;

use crate::engine::{args, transact};
use crate::model::{ForkRow, NewFork, Witnessed};
use crate::row::{Row, valid};
use crate::{Catalog, CatalogError};

const TABLE: &str = "witnessed";

/// Proofs that are kept of one log. One is enough for everyone; whoever holds the log's key could make
/// more without end.
const FORKS_PER_LOG_MAX: u64 = 64;

fn witnessed_at(row: &Row) -> Result<Witnessed, CatalogError> {
    Ok(Witnessed {
        origin: row.text(0)?,
        size: row.count(TABLE, 1)?,
        root: valid(TABLE, "a hash of the wrong length", row.blob(2)?.try_into().ok())?,
        note: row.text(3)?,
        seen: row.moment(4)?,
    })
}

fn fork_at(row: &Row) -> Result<ForkRow, CatalogError> {
    Ok(ForkRow { origin: row.text(0)?, found: row.moment(1)?, evidence: row.text(2)? })
}

impl Catalog {
    /// Returns the newest checkpoint of a log that this node has cosigned.
    pub async fn witnessed_get(&self, origin: &str) -> Result<Option<Witnessed>, CatalogError> {
        let sql = "SELECT origin, size, root, note, seen FROM witnessed WHERE origin = $1";
        let row = self.pool.row(sql, args![origin]).await?;
        row.as_ref().map(witnessed_at).transpose()
    }

    /// Lists what this node has cosigned last of every log, by origin. One row for each peer.
    pub async fn witnessed_list(&self) -> Result<Vec<Witnessed>, CatalogError> {
        let sql = "SELECT origin, size, root, note, seen FROM witnessed ORDER BY origin";
        self.pool.rows(sql, args![]).await?.iter().map(witnessed_at).collect()
    }

    /// Puts a checkpoint in the place of the one that was cosigned last, if that has still this size
    /// (`None`: there is none). Check and change are one step: of two that race, one is refused.
    pub async fn witnessed_advance(&self, expected_size: Option<u64>, new: &Witnessed) -> Result<bool, CatalogError> {
        let (size, root, note) = (new.size, &new.root, &new.note);
        let changed = transact!(self, |tx| {
            match expected_size {
                Some(expected) => {
                    let sql = "UPDATE witnessed SET size = $1, root = $2, note = $3, seen = $4
                               WHERE origin = $5 AND size = $6 AND size <= $1";
                    tx.execute(sql, args![size, root, note, new.seen, &new.origin, expected]).await
                }
                None => {
                    let sql = "INSERT INTO witnessed (origin, size, root, note, seen) VALUES ($1, $2, $3, $4, $5)
                               ON CONFLICT (origin) DO NOTHING";
                    tx.execute(sql, args![&new.origin, size, root, note, new.seen]).await
                }
            }
        })?;
        Ok(changed == 1)
    }

    /// Keeps a proof that a log showed two histories. Tells whether it is new; of one log, only so many
    /// are kept.
    pub async fn fork_insert(&self, fork: &NewFork, now: Timestamp) -> Result<bool, CatalogError> {
        let inserted = transact!(self, |tx| {
            let row = tx.row("SELECT COUNT(*) FROM fork WHERE origin = $1", args![&fork.origin]).await?;
            if row.map_or(Ok(0), |row| row.count("fork", 0))? >= FORKS_PER_LOG_MAX {
                return Ok(0);
            }
            let sql = "INSERT INTO fork (origin, found, sha256, evidence) VALUES ($1, $2, $3, $4)
                       ON CONFLICT (sha256) DO NOTHING";
            tx.execute(sql, args![&fork.origin, now, &fork.sha256, &fork.evidence]).await
        })?;
        Ok(inserted == 1)
    }

    /// Lists the proofs that are kept, oldest first.
    pub async fn fork_list(&self) -> Result<Vec<ForkRow>, CatalogError> {
        let rows = self.pool.rows("SELECT origin, found, evidence FROM fork ORDER BY id", args![]).await?;
        rows.iter().map(fork_at).collect()
    }
}
