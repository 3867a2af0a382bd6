//! The node's own log: entries, tiles, and the tree that was signed last. Entries are written in
//! `log_append`.

use karez_types::GitOid;

use crate::engine::{args, transact};
use crate::model::{LogTile, LogTree};
use crate::row::valid;
use crate::value::Value;
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Returns how many entries there are, signed or not. One quick query.
    pub async fn log_size(&self) -> Result<u64, CatalogError> {
        let row = self.pool.quick_row("SELECT next FROM log_head WHERE one = 1", args![]).await?;
        valid("log_head", "the row that counts entries is gone", row)?.count("log_head", 0)
    }

    /// Returns entries from this index on, at most `limit`, without a gap.
    pub async fn log_entries(&self, from: u64, limit: u64) -> Result<Vec<Vec<u8>>, CatalogError> {
        let sql = "SELECT idx, content FROM log_entry WHERE idx >= $1 ORDER BY idx LIMIT $2";
        let rows = self.pool.rows(sql, args![from, limit]).await?;
        let entry = |(place, row): (usize, &crate::row::Row)| {
            let in_place = row.count("log_entry", 0)? == from + place as u64;
            valid("log_entry", "an index is missing", in_place.then_some(()))?;
            row.blob(1)
        };
        rows.iter().enumerate().map(entry).collect()
    }

    /// Returns the index of the newest entry that names this commit of a repository, whose address is
    /// written as `models/owner/name` in lower case.
    pub async fn log_entry_of(&self, repo: &str, commit: GitOid) -> Result<Option<u64>, CatalogError> {
        let sql = "SELECT MAX(idx) FROM log_entry WHERE repo = $1 AND oid = $2";
        let row = self.pool.row(sql, args![repo, &commit]).await?;
        let index = row.map(|row| row.opt_int(0)).transpose()?.flatten();
        index.map(|index| valid("log_entry", "a negative index", u64::try_from(index).ok())).transpose()
    }

    /// Returns the tree that was signed last; `None` before the first.
    pub async fn log_tree(&self) -> Result<Option<LogTree>, CatalogError> {
        let row = self.pool.quick_row("SELECT size, frontier, note FROM log_tree WHERE one = 1", args![]).await?;
        row.map(|row| Ok(LogTree { size: row.count("log_tree", 0)?, frontier: row.blob(1)?, note: row.text(2)? }))
            .transpose()
    }

    /// Puts a tree with its changed tiles in the place of the one that was signed last, if that has still
    /// the note that was read (`None`: there is none). Tells whether it had.
    pub async fn log_tree_advance(
        &self,
        expected_note: Option<&str>,
        tree: &LogTree,
        tiles: &[LogTile],
    ) -> Result<bool, CatalogError> {
        let rows: Vec<Value> = tiles
            .iter()
            .flat_map(|tile| [u32::from(tile.level).into(), tile.index.into(), (&tile.hashes).into()])
            .collect();
        transact!(self, |tx| {
            let set = args![tree.size, &tree.frontier, &tree.note, expected_note.unwrap_or_default()];
            let changed = match expected_note {
                Some(_) => {
                    let sql = "UPDATE log_tree SET size = $1, frontier = $2, note = $3 WHERE one = 1 AND note = $4";
                    tx.execute(sql, set).await?
                }
                None => {
                    let sql = "INSERT INTO log_tree (one, size, frontier, note) VALUES (1, $1, $2, $3)
                               ON CONFLICT (one) DO NOTHING";
                    tx.execute(sql, &set[..3]).await?
                }
            };
            if changed == 0 {
                return tx.give_up(false);
            }
            let tail = "ON CONFLICT (level, tile) DO UPDATE SET hashes = excluded.hashes";
            tx.insert_rows("INSERT INTO log_tile (level, tile, hashes)", 3, tail, &rows).await?;
            Ok(true)
        })
    }

    /// Replaces the signed note by one with more signatures, if it is still the one that was read. Tells
    /// whether it was.
    pub async fn log_note_set(&self, expected_note: &str, note: &str) -> Result<bool, CatalogError> {
        let sql = "UPDATE log_tree SET note = $1 WHERE one = 1 AND note = $2";
        let changed = transact!(self, |tx| { tx.execute(sql, args![note, expected_note]).await })?;
        Ok(changed == 1)
    }

    /// Returns the hashes of a tile, as far as it has grown.
    pub async fn log_tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, CatalogError> {
        let sql = "SELECT hashes FROM log_tile WHERE level = $1 AND tile = $2";
        let row = self.pool.row(sql, args![u32::from(level), index]).await?;
        row.map(|row| row.blob(0)).transpose()
    }

    /// Returns the size below which nothing of this log may be signed, as witnesses have told.
    pub async fn log_floor(&self, origin: &str) -> Result<u64, CatalogError> {
        let row = self.pool.quick_row("SELECT size FROM log_floor WHERE origin = $1", args![origin]).await?;
        row.map_or(Ok(0), |row| row.count("log_floor", 0))
    }

    /// Raises that size; it never falls.
    pub async fn log_floor_raise(&self, origin: &str, size: u64) -> Result<(), CatalogError> {
        let sql = "INSERT INTO log_floor (origin, size) VALUES ($1, $2)
                   ON CONFLICT (origin) DO UPDATE SET size = excluded.size WHERE log_floor.size < excluded.size";
        transact!(self, |tx| { tx.execute(sql, args![origin, size]).await })?;
        Ok(())
    }

    /// Returns the number of this description of the node: one more than the last when it says something
    /// else.
    pub async fn descriptor_sequence(&self, origin: &str, content: &str) -> Result<u64, CatalogError> {
        transact!(self, |tx| {
            let sql = "INSERT INTO descriptor (origin, sequence, content) VALUES ($1, 1, $2)
                       ON CONFLICT (origin) DO UPDATE SET sequence = descriptor.sequence + 1, content = excluded.content
                       WHERE descriptor.content <> excluded.content";
            tx.execute(sql, args![origin, content]).await?;
            let row = tx.row("SELECT sequence FROM descriptor WHERE origin = $1", args![origin]).await?;
            valid("descriptor", "a description vanished while it was written", row)?.count("descriptor", 0)
        })
    }
}
