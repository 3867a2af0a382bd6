//! Rows of answers, read by the position of the column.

use karez_types::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::CatalogError;
use crate::quick::{Cell, FromCell};

/// One row of an answer; columns are read by position.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
    Quick(Vec<Cell>),
}

macro_rules! column_getter {
    ($name:ident, $type:ty) => {
        pub(crate) fn $name(&self, column: usize) -> Result<$type, CatalogError> {
            match self {
                Row::Sqlite(row) => row.try_get(column).map_err(CatalogError::Database),
                Row::Postgres(row) => row.try_get(column).map_err(CatalogError::Database),
                Row::Quick(cells) => {
                    let value = cells.get(column).and_then(<$type>::from_cell);
                    valid("of a request", "a value of another type", value)
                }
            }
        }
    };
}

impl Row {
    column_getter!(int, i64);
    column_getter!(opt_int, Option<i64>);
    column_getter!(text, String);
    column_getter!(opt_text, Option<String>);
    column_getter!(blob, Vec<u8>);
    column_getter!(opt_blob, Option<Vec<u8>>);

    pub(crate) fn flag(&self, column: usize) -> Result<bool, CatalogError> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn moment(&self, column: usize) -> Result<Timestamp, CatalogError> {
        Ok(Timestamp(self.int(column)?))
    }

    /// Reads a length or count, which is never negative.
    pub(crate) fn count(&self, table: &'static str, column: usize) -> Result<u64, CatalogError> {
        valid(table, "a negative length", u64::try_from(self.int(column)?).ok())
    }

    /// Reads a hash, an id or a word with the function that checks it.
    pub(crate) fn hash<T>(
        &self,
        table: &'static str,
        column: usize,
        from: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, CatalogError> {
        valid(table, "a hash of the wrong length", from(&self.blob(column)?))
    }

    /// Reads a text with the function that checks it.
    pub(crate) fn word<T>(
        &self,
        table: &'static str,
        column: usize,
        from: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, CatalogError> {
        let text = self.text(column)?;
        from(&text).ok_or_else(|| CatalogError::Broken { table, what: format!("unknown word {text:?}") })
    }
}

/// Returns the value, or says that the row is broken.
pub(crate) fn valid<T>(table: &'static str, what: &str, value: Option<T>) -> Result<T, CatalogError> {
    value.ok_or_else(|| CatalogError::Broken { table, what: what.to_owned() })
}
