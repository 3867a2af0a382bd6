//! What remotes did wrong, for people to read.

use karez_types::Timestamp;

use crate::engine::{args, transact};
use crate::model::Incident;
use crate::row::Row;
use crate::{Catalog, CatalogError};

/// Incidents that are kept: the newest. A remote that lies all day must not fill the disk.
const INCIDENTS_MAX: i64 = 10_000;

impl Catalog {
    /// Writes down an incident. The same sentence about the same remote is written once a day at most;
    /// tells whether it was written.
    pub async fn incident_insert(
        &self,
        remote: &str,
        kind: &str,
        what: &str,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            let sql = "SELECT id FROM incident WHERE at > $1 AND remote = $2 AND kind = $3 AND what = $4 LIMIT 1";
            if tx.row(sql, args![now.plus_secs(-86_400), remote, kind, what]).await?.is_some() {
                return Ok(false);
            }
            let sql = "INSERT INTO incident (at, remote, kind, what) VALUES ($1, $2, $3, $4) RETURNING id";
            if let Some(row) = tx.row(sql, args![now, remote, kind, what]).await? {
                tx.execute("DELETE FROM incident WHERE id <= $1", args![row.int(0)? - INCIDENTS_MAX]).await?;
            }
            Ok(true)
        })
    }

    /// Lists incidents, newest first.
    pub async fn incident_list(&self, limit: u64) -> Result<Vec<Incident>, CatalogError> {
        let sql = "SELECT id, at, remote, kind, what FROM incident ORDER BY id DESC LIMIT $1";
        let rows = self.pool.rows(sql, args![limit]).await?;
        rows.iter().map(incident_at).collect()
    }

    /// Counts incidents by kind.
    pub async fn incident_counts(&self) -> Result<Vec<(String, u64)>, CatalogError> {
        let rows = self.pool.rows("SELECT kind, COUNT(*) FROM incident GROUP BY kind ORDER BY kind", &[]).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.count("incident", 1)?))).collect()
    }
}

fn incident_at(row: &Row) -> Result<Incident, CatalogError> {
    Ok(Incident { id: row.int(0)?, at: row.moment(1)?, remote: row.text(2)?, kind: row.text(3)?, what: row.text(4)? })
}
