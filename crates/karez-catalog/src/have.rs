//! Which entries of an origin's log other nodes say they hold whole.

use std::ops::Range;

use karez_types::RemoteId;

use crate::engine::{args, transact};
use crate::value::Value;
use crate::{Catalog, CatalogError};

/// Nodes that are named as holders of one thing.
const HOLDERS_MAX: u64 = 1_000;

impl Catalog {
    /// Replaces what a node says it holds of an origin's log. The ranges must not overlap.
    pub async fn have_replace(
        &self,
        remote: RemoteId,
        origin: &str,
        ranges: &[Range<u64>],
    ) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            tx.execute("DELETE FROM have WHERE remote_id = $1 AND origin = $2", args![remote, origin]).await?;
            let values: Vec<Value> =
                ranges.iter().flat_map(|range| *args![remote, origin, range.start, range.end]).collect();
            tx.insert_rows("INSERT INTO have (remote_id, origin, idx_start, idx_end)", 4, "", &values).await.map(drop)
        })
    }

    /// Returns the nodes that say they hold the revision of this entry whole.
    pub async fn have_holders(&self, origin: &str, idx: u64) -> Result<Vec<RemoteId>, CatalogError> {
        let sql = "SELECT DISTINCT remote_id FROM have WHERE origin = $1 AND idx_start <= $2 AND idx_end > $2
                   ORDER BY remote_id LIMIT $3";
        let rows = self.pool.rows(sql, args![origin, idx, HOLDERS_MAX]).await?;
        rows.iter().map(|row| Ok(RemoteId(row.int(0)?))).collect()
    }

    /// Returns the entries of a peer's log whose revision this node holds whole, in order: the heads of
    /// what is mirrored whole and done with.
    pub async fn held_whole(&self, remote: RemoteId) -> Result<Vec<u64>, CatalogError> {
        let sql = "SELECT f.head_idx FROM feed_repo f
                   JOIN mirror m ON m.remote_id = f.remote_id AND m.remote_folded = f.kind || 's/' || f.id_folded
                   WHERE f.remote_id = $1 AND f.state = 'public' AND f.head_idx IS NOT NULL
                     AND f.done_idx >= f.idx AND m.keep = 'whole' AND m.withdrawn IS NULL
                   ORDER BY f.head_idx";
        let rows = self.pool.rows(sql, args![remote]).await?;
        rows.iter().map(|row| row.count("feed_repo", 0)).collect()
    }

    /// Counts the entries of an origin's log that a node says it holds whole.
    pub async fn have_count(&self, remote: RemoteId, origin: &str) -> Result<u64, CatalogError> {
        let sql = "SELECT CAST(COALESCE(SUM(idx_end - idx_start), 0) AS BIGINT) FROM have
                   WHERE remote_id = $1 AND origin = $2";
        let row = self.pool.row(sql, args![remote, origin]).await?;
        row.map_or(Ok(0), |row| row.count("have", 0))
    }
}
