//! Statements over lists: many values to look up, many rows to insert.

use std::future::Future;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::CatalogError;
use crate::engine::{Engine, Pool, Tx};
use crate::row::Row;
use crate::value::Value;

/// Values per statement with a list. Longer lists take several statements: SQLite finds a named
/// parameter by walking through all, so a statement's cost grows with the square of their number.
const LIST_VALUES_MAX: usize = 128;
/// Rows per inserting statement. Whole groups come first, the rest in these smaller ones, so that
/// only four texts per table are ever prepared.
pub(crate) const INSERT_ROWS: [usize; 4] = [64, 16, 4, 1];

/// Writes `head VALUES (..), (..) tail`. SQLite gets plain `?`, which it numbers for nothing.
pub(crate) fn insert_text(engine: Engine, head: &str, width: usize, tail: &str, rows: usize) -> String {
    let mut sql = format!("{head} VALUES ");
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..width {
            sql.push_str(if column == 0 { "" } else { ", " });
            match engine {
                Engine::Sqlite => sql.push('?'),
                Engine::Postgres => sql.push_str(&format!("${}", row * width + column + 1)),
            }
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(tail);
    sql
}

/// Something that runs statements: the pool for reading, a transaction for both.
pub(crate) trait Runner: Send {
    fn run_rows(
        &mut self,
        sql: SqlStr,
        args: &[Value<'_>],
    ) -> impl Future<Output = Result<Vec<Row>, CatalogError>> + Send;
}

impl Runner for &Pool {
    async fn run_rows(&mut self, sql: SqlStr, args: &[Value<'_>]) -> Result<Vec<Row>, CatalogError> {
        self.run(sql, args).await
    }
}

impl Runner for &mut Tx {
    async fn run_rows(&mut self, sql: SqlStr, args: &[Value<'_>]) -> Result<Vec<Row>, CatalogError> {
        self.run(sql, args).await
    }
}

/// Runs a statement whose text has `{list}` where a list of values goes; its other arguments come
/// first. Long lists take several statements, so order and limits apply to each group alone.
pub(crate) async fn rows_in_list(
    mut runner: impl Runner,
    template: &'static str,
    scalars: &[Value<'_>],
    list: &[Value<'_>],
) -> Result<Vec<Row>, CatalogError> {
    let mut found = Vec::new();
    for group in list.chunks(LIST_VALUES_MAX) {
        // Few lengths, so few prepared statements: the last value fills the places that are left over.
        let padded = [1, 4, 16, 64, LIST_VALUES_MAX].into_iter().find(|&size| size >= group.len());
        let padded = padded.expect("a group is no longer than the largest size");
        let last = *group.last().expect("chunks are not empty");
        let mut args = Vec::with_capacity(scalars.len() + padded);
        args.extend_from_slice(scalars);
        args.extend_from_slice(group);
        args.resize(scalars.len() + padded, last);
        let sql = template.replace("{list}", &placeholders(scalars.len() + 1, padded));
        found.append(&mut runner.run_rows(AssertSqlSafe(sql).into_sql_str(), &args).await?);
    }
    Ok(found)
}

/// Returns `$first, $first+1, ...`.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    let mut text = String::with_capacity(count * 5);
    for number in first..first + count {
        text.push_str(if number == first { "$" } else { ", $" });
        text.push_str(&number.to_string());
    }
    text
}
