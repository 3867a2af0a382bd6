//! Large files on their way here, for people to see. The bytes themselves are elsewhere.

use karez_types::{Sha256, Timestamp};

use crate::engine::{args, transact};
use crate::model::{TransferRow, TransferState};
use crate::row::Row;
use crate::{Catalog, CatalogError};

const TABLE: &str = "transfer";

impl Catalog {
    /// Writes how a transfer stands, over what was written of it before.
    pub async fn transfer_put(&self, transfer: &TransferRow) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            tx.execute(
                "INSERT INTO transfer (sha256, repo, path, remote, state, file_bytes, wire_bytes, done_bytes,
                     rate_bytes_per_sec, started, updated, trouble)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                 ON CONFLICT (sha256) DO UPDATE SET repo = excluded.repo, path = excluded.path,
                     remote = excluded.remote, state = excluded.state, file_bytes = excluded.file_bytes,
                     wire_bytes = excluded.wire_bytes, done_bytes = excluded.done_bytes,
                     rate_bytes_per_sec = excluded.rate_bytes_per_sec, started = excluded.started,
                     updated = excluded.updated, trouble = excluded.trouble",
                args![
                    &transfer.sha256,
                    &transfer.repo,
                    &transfer.path,
                    &transfer.remote,
                    transfer.state.as_str(),
                    transfer.file_bytes,
                    transfer.wire_bytes,
                    transfer.done_bytes,
                    transfer.rate_bytes_per_sec,
                    transfer.started,
                    transfer.updated,
                    transfer.trouble.as_deref(),
                ],
            )
            .await
            .map(drop)
        })
    }

    /// Lists transfers, those that run first, then those that wait, then the newest.
    pub async fn transfer_list(&self, limit: u64) -> Result<Vec<TransferRow>, CatalogError> {
        let sql = "SELECT sha256, repo, path, remote, state, file_bytes, wire_bytes, done_bytes, rate_bytes_per_sec,
                       started, updated, trouble
                   FROM transfer
                   ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'waiting' THEN 1 ELSE 2 END, updated DESC, sha256
                   LIMIT $1";
        let rows = self.pool.rows(sql, args![limit]).await?;
        rows.iter().map(transfer_at).collect()
    }

    /// Counts transfers by how they stand.
    pub async fn transfer_counts(&self) -> Result<Vec<(TransferState, u64)>, CatalogError> {
        let rows = self.pool.rows("SELECT state, COUNT(*) FROM transfer GROUP BY state ORDER BY state", &[]).await?;
        rows.iter().map(|row| Ok((row.word(TABLE, 0, TransferState::from_word)?, row.count(TABLE, 1)?))).collect()
    }

    /// Forgets transfers that ended before this moment; tells how many.
    pub async fn transfer_delete_old(&self, before: Timestamp) -> Result<u64, CatalogError> {
        transact!(self, |tx| {
            let sql = "DELETE FROM transfer WHERE state IN ('done', 'failed') AND updated < $1";
            tx.execute(sql, args![before]).await
        })
    }
}

fn transfer_at(row: &Row) -> Result<TransferRow, CatalogError> {
    Ok(TransferRow {
        sha256: row.hash(TABLE, 0, Sha256::from_slice)?,
        repo: row.text(1)?,
        path: row.text(2)?,
        remote: row.text(3)?,
        state: row.word(TABLE, 4, TransferState::from_word)?,
        file_bytes: row.count(TABLE, 5)?,
        wire_bytes: row.count(TABLE, 6)?,
        done_bytes: row.count(TABLE, 7)?,
        rate_bytes_per_sec: row.count(TABLE, 8)?,
        started: row.moment(9)?,
        updated: row.moment(10)?,
        trouble: row.opt_text(11)?,
    })
}
