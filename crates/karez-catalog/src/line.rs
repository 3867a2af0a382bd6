//! Lines to the world, and how many bytes came over each in each month.

use crate::engine::{args, transact};
use crate::model::LineRow;
use crate::{Catalog, CatalogError};

/// Lines that are read; a node has a few.
const LINES_MAX: u64 = 1_000;

/// Months of a line that are read: ten years.
const MONTHS_MAX: u64 = 120;

impl Catalog {
    /// Makes or changes a line.
    pub async fn line_set(&self, name: &str, settings: &str) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            let sql = "INSERT INTO line (name, settings) VALUES ($1, $2)
                       ON CONFLICT (name) DO UPDATE SET settings = excluded.settings";
            tx.execute(sql, args![name, settings]).await.map(drop)
        })
    }

    /// Returns the settings of a line.
    pub async fn line_get(&self, name: &str) -> Result<Option<String>, CatalogError> {
        let row = self.pool.row("SELECT settings FROM line WHERE name = $1", args![name]).await?;
        row.map(|row| row.text(0)).transpose()
    }

    /// Lists the lines by name.
    pub async fn line_list(&self) -> Result<Vec<LineRow>, CatalogError> {
        let rows = self.pool.rows("SELECT name, settings FROM line ORDER BY name LIMIT $1", args![LINES_MAX]).await?;
        rows.iter().map(|row| Ok(LineRow { name: row.text(0)?, settings: row.text(1)? })).collect()
    }

    /// Deletes a line; tells whether there was one. What was counted stays counted.
    pub async fn line_delete(&self, name: &str) -> Result<bool, CatalogError> {
        let deleted = transact!(self, |tx| { tx.execute("DELETE FROM line WHERE name = $1", args![name]).await })?;
        Ok(deleted == 1)
    }

    /// Counts bytes received over a line in a month; months count from 1970-01.
    pub async fn line_use_add(&self, line: &str, month: i64, received_bytes: u64) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            let sql = "INSERT INTO line_use (line, month, received_bytes) VALUES ($1, $2, $3)
                       ON CONFLICT (line, month) DO UPDATE
                       SET received_bytes = line_use.received_bytes + excluded.received_bytes";
            tx.execute(sql, args![line, month, received_bytes]).await.map(drop)
        })
    }

    /// Returns the bytes received over a line in a month.
    pub async fn line_use_get(&self, line: &str, month: i64) -> Result<u64, CatalogError> {
        let sql = "SELECT received_bytes FROM line_use WHERE line = $1 AND month = $2";
        let row = self.pool.row(sql, args![line, month]).await?;
        row.map_or(Ok(0), |row| row.count("line_use", 0))
    }

    /// Returns the months of a line that have bytes, oldest first.
    pub async fn line_use_rows(&self, line: &str) -> Result<Vec<(i64, u64)>, CatalogError> {
        let sql = "SELECT month, received_bytes FROM line_use WHERE line = $1 ORDER BY month DESC LIMIT $2";
        let rows = self.pool.rows(sql, args![line, MONTHS_MAX]).await?;
        rows.iter().rev().map(|row| Ok((row.int(0)?, row.count("line_use", 1)?))).collect()
    }

    /// Gives months of a line other values, or takes their rows out, and then counts bytes in one month.
    pub async fn line_use_settle(
        &self,
        line: &str,
        changes: &[(i64, Option<u64>)],
        month: i64,
        received_bytes: u64,
    ) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            for &(month, bytes) in changes {
                match bytes {
                    Some(bytes) => {
                        let sql = "INSERT INTO line_use (line, month, received_bytes) VALUES ($1, $2, $3)
                                   ON CONFLICT (line, month) DO UPDATE SET received_bytes = excluded.received_bytes";
                        tx.execute(sql, args![line, month, bytes]).await?;
                    }
                    None => {
                        let sql = "DELETE FROM line_use WHERE line = $1 AND month = $2";
                        tx.execute(sql, args![line, month]).await?;
                    }
                }
            }
            if received_bytes > 0 {
                let sql = "INSERT INTO line_use (line, month, received_bytes) VALUES ($1, $2, $3)
                           ON CONFLICT (line, month) DO UPDATE
                           SET received_bytes = line_use.received_bytes + excluded.received_bytes";
                tx.execute(sql, args![line, month, received_bytes]).await?;
            }
            Ok(())
        })
    }

    /// Returns the bytes received over each line in all months.
    pub async fn line_use_totals(&self) -> Result<Vec<(String, u64)>, CatalogError> {
        let sql = "SELECT line, CAST(SUM(received_bytes) AS BIGINT) FROM line_use GROUP BY line ORDER BY line LIMIT $1";
        let rows = self.pool.rows(sql, args![LINES_MAX]).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.count("line_use", 1)?))).collect()
    }
}
