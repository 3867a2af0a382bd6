//! What nothing refers to any more is condemned, and revived by whoever refers to it.
//!
//! A large file lives while a repository names it (`repo_file`) or an upload of it is under way; a xorb while a file
//! that is not condemned uses it. What a client brought or was told of lives on for as long as clients remember
//! (`uploaded`). What is condemned is offered to nobody; `garbage_delete.rs` deletes it after a grace.
//!
//! Who refers to a file or xorb holds its row (`FOR KEY SHARE` on PostgreSQL; SQLite has one writer) and then takes
//! the mark away; who condemns or deletes holds the row for itself and then looks, in a statement of its own, which
//! therefore sees all that was committed before. Rows are held in one order, files before xorbs, each by its hash.

use std::collections::HashSet;

use karez_types::{Sha256, Timestamp, XorbHash, Zone};

use crate::engine::{Engine, Tx, args, transact};
use crate::list::rows_in_list;
use crate::model::{Brought, GarbagePage, GarbageTotals};
use crate::row::Row;
use crate::value::Value;
use crate::{Catalog, CatalogError};

/// Rows that one page of marking looks at, and that one of its transactions changes at most.
const MARK_ROWS_MAX: u64 = 500;

/// Seconds for which the note of when a client was last told of something may be late: else every answer would
/// write. Far below every grace.
const UPLOADED_LATE_SECS: i64 = 3_600;

/// Conditions of a file `l` that may be condemned; `$2` is the moment before which clients have forgotten.
macro_rules! idle_file {
    () => {
        "(l.uploaded IS NULL OR l.uploaded <= $2)
         AND NOT EXISTS (SELECT 1 FROM repo_file r WHERE r.sha256 = l.sha256)
         AND NOT EXISTS (SELECT 1 FROM upload u WHERE u.sha256 = l.sha256)
         AND NOT EXISTS (SELECT 1 FROM file_condemned c WHERE c.sha256 = l.sha256)"
    };
}

/// Conditions of a xorb `x` that may be condemned; `$2` as for files.
macro_rules! idle_xorb {
    () => {
        "(x.uploaded IS NULL OR x.uploaded <= $2)
         AND NOT EXISTS (SELECT 1 FROM file_xorb u JOIN xet_file f ON f.hash = u.file
             WHERE u.xorb = x.hash AND NOT EXISTS (SELECT 1 FROM file_condemned c WHERE c.sha256 = f.sha256))
         AND NOT EXISTS (SELECT 1 FROM xorb_condemned c WHERE c.hash = x.hash)"
    };
}

impl Catalog {
    /// Lets one process begin a round, of all that ask within `every_secs`. Rounds of several at once do no harm.
    pub async fn garbage_round_begin(&self, every_secs: i64, now: Timestamp) -> Result<bool, CatalogError> {
        let changed = transact!(self, |tx| {
            // A moment in the future is from a clock that was wrong.
            let sql = "UPDATE garbage_round SET began = $1 WHERE one = 1 AND (began <= $2 OR began > $1)";
            tx.execute(sql, args![now, now.plus_secs(-every_secs)]).await
        })?;
        Ok(changed == 1)
    }

    /// Returns a number that has grown when something was condemned or deleted since.
    pub async fn garbage_generation(&self) -> Result<u64, CatalogError> {
        let row = self.pool.row("SELECT generation FROM garbage_round WHERE one = 1", &[]).await?;
        row.map_or(Ok(0), |row| row.count("garbage_round", 0))
    }

    /// Condemns files of one page, those after `after` by SHA-256, that no repository names and that no client
    /// brought or was told of since `uploaded_before`.
    pub async fn garbage_files_mark(
        &self,
        after: Option<&Sha256>,
        uploaded_before: Timestamp,
        now: Timestamp,
    ) -> Result<GarbagePage<Sha256>, CatalogError> {
        let after = after.map_or(&[][..], |after| after.as_bytes());
        let sql = concat!(
            "SELECT l.sha256, CASE WHEN ",
            idle_file!(),
            " THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END FROM lfs_file l WHERE l.sha256 > $1 ORDER BY l.sha256 LIMIT $3"
        );
        let rows = self.pool.rows(sql, args![after, uploaded_before, MARK_ROWS_MAX]).await?;
        let (last, idle) = page_of(&rows, |row| row.hash("lfs_file", 0, Sha256::from_slice))?;
        if idle.is_empty() {
            return Ok(GarbagePage { last, count: 0, bytes: 0 });
        }
        let list: Vec<Value> = idle.iter().map(Value::from).collect();
        let (count, bytes) = transact!(self, |tx| {
            files_hold(tx, &list, Hold::ForItself).await?;
            let insert = concat!(
                "INSERT INTO file_condemned (sha256, since)
                 SELECT l.sha256, CAST($1 AS BIGINT) FROM lfs_file l WHERE ",
                idle_file!(),
                " AND l.sha256 IN ({list}) ON CONFLICT DO NOTHING RETURNING sha256"
            );
            let marked = rows_in_list(&mut *tx, insert, args![now, uploaded_before], &list).await?;
            let marked: Vec<Vec<u8>> = marked.iter().map(|row| row.blob(0)).collect::<Result<_, _>>()?;
            let marked: Vec<Value> = marked.iter().map(Value::from).collect();
            let lengths = "SELECT l.sha256, f.file_bytes FROM lfs_file l JOIN xet_file f ON f.hash = l.hash
                           WHERE l.sha256 IN ({list})";
            let bytes = sum(&rows_in_list(&mut *tx, lengths, &[], &marked).await?, "xet_file")?;
            grow(tx, marked.len()).await?;
            Ok((marked.len() as u64, bytes))
        })?;
        Ok(GarbagePage { last, count, bytes })
    }

    /// As [`Catalog::garbage_files_mark`], of xorbs that no file uses, or only condemned ones.
    pub async fn garbage_xorbs_mark(
        &self,
        after: Option<&XorbHash>,
        uploaded_before: Timestamp,
        now: Timestamp,
    ) -> Result<GarbagePage<XorbHash>, CatalogError> {
        let after = after.map_or(&[][..], |after| after.as_bytes());
        let sql = concat!(
            "SELECT x.hash, CASE WHEN ",
            idle_xorb!(),
            " THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END FROM xorb x WHERE x.hash > $1 ORDER BY x.hash LIMIT $3"
        );
        let rows = self.pool.rows(sql, args![after, uploaded_before, MARK_ROWS_MAX]).await?;
        let (last, idle) = page_of(&rows, |row| row.hash("xorb", 0, XorbHash::from_slice))?;
        if idle.is_empty() {
            return Ok(GarbagePage { last, count: 0, bytes: 0 });
        }
        let list: Vec<Value> = idle.iter().map(Value::from).collect();
        let (count, bytes) = transact!(self, |tx| {
            xorbs_hold(tx, &list, Hold::ForItself).await?;
            let insert = concat!(
                "INSERT INTO xorb_condemned (hash, since)
                 SELECT x.hash, CAST($1 AS BIGINT) FROM xorb x WHERE ",
                idle_xorb!(),
                " AND x.hash IN ({list}) ON CONFLICT DO NOTHING RETURNING hash"
            );
            let marked = rows_in_list(&mut *tx, insert, args![now, uploaded_before], &list).await?;
            let marked: Vec<Vec<u8>> = marked.iter().map(|row| row.blob(0)).collect::<Result<_, _>>()?;
            let marked: Vec<Value> = marked.iter().map(Value::from).collect();
            let lengths = "SELECT x.hash, x.stored_bytes FROM xorb x WHERE x.hash IN ({list})";
            let bytes = sum(&rows_in_list(&mut *tx, lengths, &[], &marked).await?, "xorb")?;
            grow(tx, marked.len()).await?;
            Ok((marked.len() as u64, bytes))
        })?;
        Ok(GarbagePage { last, count, bytes })
    }

    /// Notes that a client was told of these files, or names them, and revives them and what they are made of. Tells
    /// whether anything had to be written for that.
    pub async fn files_touch(&self, files: &[Sha256], now: Timestamp) -> Result<bool, CatalogError> {
        let files = ordered(files);
        let list: Vec<Value> = files.iter().map(Value::from).collect();
        let stale = "SELECT l.sha256 FROM lfs_file l WHERE (l.uploaded IS NULL OR l.uploaded < $1
                         OR EXISTS (SELECT 1 FROM file_condemned c WHERE c.sha256 = l.sha256)) AND l.sha256 IN ({list})";
        let late = now.plus_secs(-UPLOADED_LATE_SECS);
        if rows_in_list(&self.pool, stale, args![late], &list).await?.is_empty() {
            return Ok(false);
        }
        transact!(self, |tx| {
            files_hold(tx, &list, Hold::ToNote).await?;
            files_note(tx, &list, now).await?;
            files_revive(tx, &list).await?;
            Ok(true)
        })
    }

    /// Notes that a client was told of these xorbs, or names them, and revives them.
    pub async fn xorbs_touch(&self, xorbs: &[XorbHash], now: Timestamp) -> Result<(), CatalogError> {
        let xorbs = ordered(xorbs);
        let list: Vec<Value> = xorbs.iter().map(Value::from).collect();
        let stale = "SELECT x.hash FROM xorb x WHERE (x.uploaded IS NULL OR x.uploaded < $1
                         OR EXISTS (SELECT 1 FROM xorb_condemned c WHERE c.hash = x.hash)) AND x.hash IN ({list})";
        let late = now.plus_secs(-UPLOADED_LATE_SECS);
        if rows_in_list(&self.pool, stale, args![late], &list).await?.is_empty() {
            return Ok(());
        }
        transact!(self, |tx| {
            xorbs_hold(tx, &list, Hold::ToNote).await?;
            xorbs_note(tx, &list, Brought::ByClient, now).await
        })
    }

    /// Revives xorbs that something which is on its way here will name.
    pub async fn xorbs_revive(&self, xorbs: &[XorbHash]) -> Result<(), CatalogError> {
        let xorbs = ordered(xorbs);
        let list: Vec<Value> = xorbs.iter().map(Value::from).collect();
        let marked = "SELECT hash FROM xorb_condemned WHERE hash IN ({list})";
        if rows_in_list(&self.pool, marked, &[], &list).await?.is_empty() {
            return Ok(());
        }
        transact!(self, |tx| {
            xorbs_hold(tx, &list, Hold::Shared).await?;
            xorbs_note(tx, &list, Brought::FromAfar, Timestamp(0)).await
        })
    }

    /// Returns those of the xorbs that are members of one of the zones and not condemned: what may be offered,
    /// in any order.
    pub async fn xorbs_offered(&self, xorbs: &[XorbHash], zones: &[Zone]) -> Result<Vec<XorbHash>, CatalogError> {
        let mut found = HashSet::new();
        let list: Vec<Value> = xorbs.iter().map(Value::from).collect();
        for zone in zones {
            let sql = "SELECT z.hash FROM zone_xorb z WHERE z.zone = $1
                           AND NOT EXISTS (SELECT 1 FROM xorb_condemned c WHERE c.hash = z.hash) AND z.hash IN ({list})";
            for row in rows_in_list(&self.pool, sql, args![*zone], &list).await? {
                found.insert(row.hash("zone_xorb", 0, XorbHash::from_slice)?);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Sums up what waits to go.
    pub async fn garbage_totals(&self) -> Result<GarbageTotals, CatalogError> {
        let sql = "SELECT (SELECT COUNT(*) FROM file_condemned), COUNT(*),
                       CAST(COALESCE(SUM(x.stored_bytes), 0) AS BIGINT),
                       CAST(COALESCE(SUM(CASE WHEN x.uploaded IS NULL THEN x.stored_bytes ELSE 0 END), 0) AS BIGINT),
                       MIN(c.since), (SELECT COUNT(*) FROM xorb_leaving),
                       (SELECT CAST(COALESCE(SUM(stored_bytes), 0) AS BIGINT) FROM xorb_leaving)
                   FROM xorb_condemned c JOIN xorb x ON x.hash = c.hash";
        let Some(row) = self.pool.row(sql, &[]).await? else { return Ok(GarbageTotals::default()) };
        let count = |column| row.count("xorb_condemned", column);
        Ok(GarbageTotals {
            files: count(0)?,
            xorbs: count(1)?,
            stored_bytes: count(2)?,
            from_afar_bytes: count(3)?,
            oldest: row.opt_int(4)?.map(Timestamp),
            leaving_xorbs: count(5)?,
            leaving_bytes: count(6)?,
        })
    }
}

/// How rows are held until the transaction ends.
#[derive(Clone, Copy)]
pub(crate) enum Hold {
    /// Nobody deletes or condemns them meanwhile; others may refer to them too.
    Shared,
    /// As `Shared`, and `uploaded` will be written.
    ToNote,
    /// Nobody refers to them meanwhile.
    ForItself,
}

impl From<Brought> for Hold {
    fn from(brought: Brought) -> Hold {
        match brought {
            Brought::ByClient => Hold::ToNote,
            Brought::FromAfar => Hold::Shared,
        }
    }
}

/// Holds those of these files that are there; returns them. The list is in order.
pub(crate) async fn files_hold(tx: &mut Tx, list: &[Value<'_>], hold: Hold) -> Result<HashSet<Vec<u8>>, CatalogError> {
    let sql = match (tx.engine(), hold) {
        (Engine::Sqlite, _) => "SELECT sha256 FROM lfs_file WHERE sha256 IN ({list})",
        (_, Hold::Shared) => "SELECT sha256 FROM lfs_file WHERE sha256 IN ({list}) ORDER BY sha256 FOR KEY SHARE",
        (_, Hold::ToNote) => "SELECT sha256 FROM lfs_file WHERE sha256 IN ({list}) ORDER BY sha256 FOR NO KEY UPDATE",
        (_, Hold::ForItself) => "SELECT sha256 FROM lfs_file WHERE sha256 IN ({list}) ORDER BY sha256 FOR UPDATE",
    };
    rows_in_list(&mut *tx, sql, &[], list).await?.iter().map(|row| row.blob(0)).collect()
}

/// As [`files_hold`], for xorbs.
pub(crate) async fn xorbs_hold(tx: &mut Tx, list: &[Value<'_>], hold: Hold) -> Result<HashSet<Vec<u8>>, CatalogError> {
    let sql = match (tx.engine(), hold) {
        (Engine::Sqlite, _) => "SELECT hash FROM xorb WHERE hash IN ({list})",
        (_, Hold::Shared) => "SELECT hash FROM xorb WHERE hash IN ({list}) ORDER BY hash FOR KEY SHARE",
        (_, Hold::ToNote) => "SELECT hash FROM xorb WHERE hash IN ({list}) ORDER BY hash FOR NO KEY UPDATE",
        (_, Hold::ForItself) => "SELECT hash FROM xorb WHERE hash IN ({list}) ORDER BY hash FOR UPDATE",
    };
    rows_in_list(&mut *tx, sql, &[], list).await?.iter().map(|row| row.blob(0)).collect()
}

/// Notes that a client brought these files or was told of them; they are held.
pub(crate) async fn files_note(tx: &mut Tx, list: &[Value<'_>], now: Timestamp) -> Result<(), CatalogError> {
    let sql = "UPDATE lfs_file SET uploaded = $1 WHERE (uploaded IS NULL OR uploaded < $2) AND sha256 IN ({list})";
    rows_in_list(&mut *tx, sql, args![now, now.plus_secs(-UPLOADED_LATE_SECS)], list).await.map(drop)
}

/// Revives xorbs that are held, and notes who speaks of them.
pub(crate) async fn xorbs_note(
    tx: &mut Tx,
    list: &[Value<'_>],
    brought: Brought,
    now: Timestamp,
) -> Result<(), CatalogError> {
    if brought == Brought::ByClient {
        let sql = "UPDATE xorb SET uploaded = $1 WHERE (uploaded IS NULL OR uploaded < $2) AND hash IN ({list})";
        rows_in_list(&mut *tx, sql, args![now, now.plus_secs(-UPLOADED_LATE_SECS)], list).await?;
    }
    rows_in_list(&mut *tx, "DELETE FROM xorb_condemned WHERE hash IN ({list})", &[], list).await.map(drop)
}

/// Revives files that are held, with the xorbs of all ways of putting them together.
pub(crate) async fn files_revive(tx: &mut Tx, list: &[Value<'_>]) -> Result<(), CatalogError> {
    let sql = "DELETE FROM file_condemned WHERE sha256 IN ({list}) RETURNING sha256";
    let revived = rows_in_list(&mut *tx, sql, &[], list).await?;
    let revived: Vec<Vec<u8>> = revived.iter().map(|row| row.blob(0)).collect::<Result<_, _>>()?;
    if revived.is_empty() {
        return Ok(());
    }
    let revived: Vec<Value> = revived.iter().map(Value::from).collect();
    let uses = "SELECT DISTINCT u.xorb FROM xet_file f JOIN file_xorb u ON u.file = f.hash WHERE f.sha256 IN ({list})";
    let xorbs = rows_in_list(&mut *tx, uses, &[], &revived).await?;
    let mut xorbs: Vec<Vec<u8>> = xorbs.iter().map(|row| row.blob(0)).collect::<Result<_, _>>()?;
    xorbs.sort_unstable();
    xorbs.dedup();
    let xorbs: Vec<Value> = xorbs.iter().map(Value::from).collect();
    xorbs_hold(tx, &xorbs, Hold::Shared).await?;
    xorbs_note(tx, &xorbs, Brought::FromAfar, Timestamp(0)).await
}

/// Tells other processes that something was condemned or deleted.
pub(crate) async fn grow(tx: &mut Tx, count: usize) -> Result<(), CatalogError> {
    if count > 0 {
        tx.execute("UPDATE garbage_round SET generation = generation + 1 WHERE one = 1", &[]).await?;
    }
    Ok(())
}

/// Returns hashes in order, each once.
pub(crate) fn ordered<T: Copy + Ord>(hashes: &[T]) -> Vec<T> {
    let mut ordered = hashes.to_vec();
    ordered.sort_unstable();
    ordered.dedup();
    ordered
}

/// Sums the second column.
pub(crate) fn sum(rows: &[Row], table: &'static str) -> Result<u64, CatalogError> {
    rows.iter().try_fold(0u64, |sum, row| Ok(sum.saturating_add(row.count(table, 1)?)))
}

type Page<K> = (Option<K>, Vec<K>);

/// Returns the last of a page, and those whose second column says that they are idle.
fn page_of<K: Copy>(rows: &[Row], key: impl Fn(&Row) -> Result<K, CatalogError>) -> Result<Page<K>, CatalogError> {
    let mut idle = Vec::new();
    let mut last = None;
    for row in rows {
        let found = key(row)?;
        last = Some(found);
        if row.flag(1)? {
            idle.push(found);
        }
    }
    Ok((last, idle))
}
