//! The few queries that run on every request, on SQLite.
//!
//! Who sent this token, which repository is this, what does this ref point at: a few rows by key,
//! nearly always in memory already, ready in a few microseconds. Through sqlx each is handed to a
//! thread and back, which takes ten times as long as the query. Here they run where they are asked,
//! as a hash map would. Whatever does not work at once - the file is locked, a connection cannot be
//! opened - is an error without a reason, and the caller takes the usual way, which waits and explains.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};

use crate::row::Row;
use crate::value::Value;

/// Connections for queries that never wait: as many as threads ask at the same moment.
pub(crate) struct QuickReaders {
    path: PathBuf,
    /// `None` when closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

/// The query takes the usual way.
pub(crate) struct NotNow;

impl From<rusqlite::Error> for NotNow {
    fn from(_: rusqlite::Error) -> NotNow {
        NotNow
    }
}

impl QuickReaders {
    pub(crate) fn new(path: PathBuf) -> QuickReaders {
        QuickReaders { path, idle: Mutex::new(Some(Vec::new())) }
    }

    /// Runs one statement and collects its rows.
    pub(crate) fn rows(&self, sql: &'static str, args: &[Value<'_>]) -> Result<Vec<Row>, NotNow> {
        let idle = self.idle().as_mut().ok_or(NotNow)?.pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let rows = run(&connection, sql, args);
        // A connection that failed is not used again.
        if rows.is_ok()
            && let Some(idle) = self.idle().as_mut()
        {
            idle.push(connection);
        }
        rows
    }

    /// Closes all connections; every query from now on takes the usual way.
    pub(crate) fn close(&self) {
        self.idle().take();
    }

    fn open(&self) -> Result<Connection, NotNow> {
        // A connection is used by one thread at a time, so SQLite's own locks are not needed.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(std::time::Duration::ZERO)?;
        connection.pragma_update(None, "query_only", "ON")?;
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(connection: &Connection, sql: &'static str, args: &[Value<'_>]) -> Result<Vec<Row>, NotNow> {
    let mut statement = connection.prepare_cached(sql)?;
    for (position, arg) in args.iter().enumerate() {
        let name = statement.parameter_name(position + 1);
        debug_assert_eq!(name, Some(format!("${}", position + 1).as_str()), "arguments appear in order: {sql}");
        statement.raw_bind_parameter(position + 1, arg)?;
    }
    let columns = statement.column_count();
    let mut answer = statement.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = answer.next()? {
        let cell = |column| row.get_ref(column).map(Cell::from);
        rows.push(Row::Quick((0..columns).map(cell).collect::<Result<_, _>>()?));
    }
    Ok(rows)
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Int(Some(number)) => ValueRef::Integer(number),
            Value::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Value::Blob(Some(bytes)) => ValueRef::Blob(bytes),
            Value::Int(None) | Value::Text(None) | Value::Blob(None) => ValueRef::Null,
        }))
    }
}

/// One value of a row.
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Cell {
        match value {
            ValueRef::Integer(number) => Cell::Int(number),
            ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
            // No column holds fractions: tables are strict.
            ValueRef::Null | ValueRef::Real(_) => Cell::Null,
        }
    }
}

/// What a cell can be read as.
pub(crate) trait FromCell: Sized {
    fn from_cell(cell: &Cell) -> Option<Self>;
}

impl FromCell for i64 {
    fn from_cell(cell: &Cell) -> Option<i64> {
        if let Cell::Int(number) = cell { Some(*number) } else { None }
    }
}

impl FromCell for String {
    fn from_cell(cell: &Cell) -> Option<String> {
        if let Cell::Text(text) = cell { Some(text.clone()) } else { None }
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: &Cell) -> Option<Vec<u8>> {
        if let Cell::Blob(bytes) = cell { Some(bytes.clone()) } else { None }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: &Cell) -> Option<Option<T>> {
        if matches!(cell, Cell::Null) { Some(None) } else { T::from_cell(cell).map(Some) }
    }
}
