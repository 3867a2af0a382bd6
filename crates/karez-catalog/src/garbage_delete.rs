//! What was condemned for long enough is deleted: rows first, then bytes.
//!
//! The row of a xorb goes in one transaction in which a row of `xorb_leaving` comes. The bytes go while that row is
//! held, and it goes when they are gone: a crash in between leaves it for the next round. Until then the xorb is not
//! registered anew (`Catalog::xorb_insert`), so the bytes that somebody brings are never those that are deleted.

use karez_types::{Sha256, Timestamp, XorbHash};

use crate::engine::{Engine, args, transact};
use crate::garbage::{Hold, files_hold, grow, sum, xorbs_hold};
use crate::list::rows_in_list;
use crate::model::GarbagePage;
use crate::row::Row;
use crate::value::Value;
use crate::{Catalog, CatalogError};

/// Files whose rows one transaction deletes: each takes a row for every xorb of it along, 8,000 for 500 GB.
const FILES_DELETED_MAX: u64 = 16;
/// Xorbs whose rows one transaction deletes, with what says which chunks they hold for whom.
const XORBS_DELETED_MAX: u64 = 64;

impl Catalog {
    /// Deletes files of one page, those after `after` by SHA-256, that were condemned before this moment. What a
    /// repository names all the same stays.
    pub async fn garbage_files_delete(
        &self,
        after: Option<&Sha256>,
        condemned_before: Timestamp,
    ) -> Result<GarbagePage<Sha256>, CatalogError> {
        let after = after.map_or(&[][..], |after| after.as_bytes());
        let sql = "SELECT sha256 FROM file_condemned WHERE sha256 > $1 AND since <= $2 ORDER BY sha256 LIMIT $3";
        let rows = self.pool.rows(sql, args![after, condemned_before, FILES_DELETED_MAX]).await?;
        let due = hashes(&rows, |row| row.hash("file_condemned", 0, Sha256::from_slice))?;
        let Some(last) = due.last().copied() else { return Ok(GarbagePage { last: None, count: 0, bytes: 0 }) };
        let list: Vec<Value> = due.iter().map(Value::from).collect();
        let (count, bytes) = transact!(self, |tx| {
            files_hold(tx, &list, Hold::ForItself).await?;
            let still = "SELECT l.sha256, f.file_bytes FROM lfs_file l JOIN xet_file f ON f.hash = l.hash
                             JOIN file_condemned c ON c.sha256 = l.sha256
                         WHERE c.since <= $1 AND NOT EXISTS (SELECT 1 FROM repo_file r WHERE r.sha256 = l.sha256)
                             AND NOT EXISTS (SELECT 1 FROM upload u WHERE u.sha256 = l.sha256)
                             AND l.sha256 IN ({list})";
            let rows = rows_in_list(&mut *tx, still, args![condemned_before], &list).await?;
            let bytes = sum(&rows, "xet_file")?;
            let dead = hashes(&rows, |row| row.hash("lfs_file", 0, Sha256::from_slice))?;
            let dead: Vec<Value> = dead.iter().map(Value::from).collect();
            for sql in
                ["DELETE FROM lfs_file WHERE sha256 IN ({list})", "DELETE FROM xet_file WHERE sha256 IN ({list})"]
            {
                rows_in_list(&mut *tx, sql, &[], &dead).await?;
            }
            grow(tx, dead.len()).await?;
            Ok((dead.len() as u64, bytes))
        })?;
        Ok(GarbagePage { last: Some(last), count, bytes })
    }

    /// Deletes the rows of xorbs of one page, those after `after`, that were condemned before this moment and that
    /// no file uses. Their bytes are then leaving.
    pub async fn garbage_xorbs_delete(
        &self,
        after: Option<&XorbHash>,
        condemned_before: Timestamp,
    ) -> Result<GarbagePage<XorbHash>, CatalogError> {
        let after = after.map_or(&[][..], |after| after.as_bytes());
        let sql = "SELECT hash FROM xorb_condemned WHERE hash > $1 AND since <= $2 ORDER BY hash LIMIT $3";
        let rows = self.pool.rows(sql, args![after, condemned_before, XORBS_DELETED_MAX]).await?;
        let due = hashes(&rows, |row| row.hash("xorb_condemned", 0, XorbHash::from_slice))?;
        let Some(last) = due.last().copied() else { return Ok(GarbagePage { last: None, count: 0, bytes: 0 }) };
        let list: Vec<Value> = due.iter().map(Value::from).collect();
        let (count, bytes) = transact!(self, |tx| {
            xorbs_hold(tx, &list, Hold::ForItself).await?;
            let still = "SELECT x.hash, x.stored_bytes FROM xorb x JOIN xorb_condemned c ON c.hash = x.hash
                         WHERE c.since <= $1 AND NOT EXISTS (SELECT 1 FROM file_xorb u WHERE u.xorb = x.hash)
                             AND x.hash IN ({list})";
            let rows = rows_in_list(&mut *tx, still, args![condemned_before], &list).await?;
            let bytes = sum(&rows, "xorb")?;
            let dead = hashes(&rows, |row| row.hash("xorb", 0, XorbHash::from_slice))?;
            let dead: Vec<Value> = dead.iter().map(Value::from).collect();
            for sql in [
                "INSERT INTO xorb_leaving (hash, stored_bytes)
                     SELECT x.hash, x.stored_bytes FROM xorb x WHERE x.hash IN ({list})",
                "DELETE FROM xorb WHERE hash IN ({list})",
            ] {
                rows_in_list(&mut *tx, sql, &[], &dead).await?;
            }
            grow(tx, dead.len()).await?;
            Ok((dead.len() as u64, bytes))
        })?;
        Ok(GarbagePage { last: Some(last), count, bytes })
    }

    /// Lists xorbs whose bytes are leaving, with their stored bytes: at most `limit` after `after`.
    pub async fn xorbs_leaving(
        &self,
        after: Option<&XorbHash>,
        limit: u64,
    ) -> Result<Vec<(XorbHash, u64)>, CatalogError> {
        let after = after.map_or(&[][..], |after| after.as_bytes());
        let sql = "SELECT hash, stored_bytes FROM xorb_leaving WHERE hash > $1 ORDER BY hash LIMIT $2";
        let rows = self.pool.rows(sql, args![after, limit]).await?;
        rows.iter()
            .map(|row| Ok((row.hash("xorb_leaving", 0, XorbHash::from_slice)?, row.count("xorb_leaving", 1)?)))
            .collect()
    }

    /// Tells whether the bytes of a xorb are leaving.
    pub async fn xorb_is_leaving(&self, xorb: XorbHash) -> Result<bool, CatalogError> {
        let row = self.pool.row("SELECT 1 FROM xorb_leaving WHERE hash = $1", args![&xorb]).await?;
        Ok(row.is_some())
    }

    /// Runs what removes the bytes of a xorb that is leaving, and then forgets that it was. Nobody else does so
    /// meanwhile, in whatever process; tells whether it was done. `remove` must not ask the catalog: on SQLite
    /// nobody can write until it has ended.
    ///
    /// # Errors
    /// Within, what `remove` failed with; then the xorb is still leaving.
    pub async fn xorb_leave<E>(
        &self,
        xorb: XorbHash,
        remove: impl Future<Output = Result<(), E>> + Send,
    ) -> Result<Result<bool, E>, CatalogError> {
        const HOLD: &str = "SELECT 1 FROM xorb_leaving WHERE hash = $1 FOR UPDATE SKIP LOCKED";
        const READ: &str = "SELECT 1 FROM xorb_leaving WHERE hash = $1";
        let mut tx = self.pool.begin().await?;
        let sql = if tx.engine() == Engine::Sqlite { READ } else { HOLD };
        if tx.row(sql, args![&xorb]).await?.is_none() {
            return Ok(Ok(false));
        }
        if let Err(error) = remove.await {
            return Ok(Err(error));
        }
        tx.execute("DELETE FROM xorb_leaving WHERE hash = $1", args![&xorb]).await?;
        tx.finish().await?;
        Ok(Ok(true))
    }
}

fn hashes<K>(rows: &[Row], key: impl Fn(&Row) -> Result<K, CatalogError>) -> Result<Vec<K>, CatalogError> {
    rows.iter().map(key).collect()
}
