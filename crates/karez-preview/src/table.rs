//! What all formats have in common: columns, cells, and batches of rows.

use arrow_array::{Array as _, ArrayRef, RecordBatch};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arrow_cell;
use crate::error::PreviewResult;
use crate::look::Look;
use crate::media::{self, Media};

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds, as the `datasets` library writes features: `{"dtype": "int64", "_type": "Value"}`.
    pub feature: Value,
}

impl Column {
    /// Returns a column of plain values.
    pub fn value(name: impl Into<String>, dtype: &str) -> Column {
        Column { name: name.into(), feature: json!({ "dtype": dtype, "_type": "Value" }) }
    }

    /// Returns the type of plain values, such as `int64`.
    pub fn dtype(&self) -> Option<&str> {
        self.feature.get("dtype")?.as_str()
    }

    /// Tells whether it holds pictures or sounds.
    pub fn is_media(&self) -> bool {
        matches!(self.kind(), Some("Image" | "Audio"))
    }

    /// Returns the kind of feature, such as `Value`, `ClassLabel` or `Image`; structures have none.
    pub fn kind(&self) -> Option<&str> {
        self.feature.get("_type")?.as_str()
    }
}

/// One value, borrowed: what is compared, searched and counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number: of 64 bits, with a sign or without.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// A moment, in microseconds since 1970.
    Time(i64),
    /// A list of so many values.
    List(usize),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Something else, which is not looked into.
    Other,
}

impl Cell<'_> {
    /// Returns the cell of a JSON value.
    pub fn of_json(value: &Value) -> Cell<'_> {
        match value {
            Value::Null => Cell::Null,
            Value::Bool(is) => Cell::Bool(*is),
            Value::Number(number) => match number.as_i64().map(i128::from).or(number.as_u64().map(i128::from)) {
                Some(number) => Cell::Int(number),
                None => number.as_f64().map_or(Cell::Null, Cell::Float),
            },
            Value::String(text) => Cell::Text(text),
            Value::Array(list) => Cell::List(list.len()),
            Value::Object(_) => Cell::Other,
        }
    }
}

/// Some rows that follow one another, with the columns that were asked for, in that order.
pub enum Batch {
    /// Columns of Arrow.
    Arrow(RecordBatch),
    /// Rows of JSON values.
    Rows(Vec<Vec<Value>>),
}

impl Batch {
    /// Returns how many rows there are.
    pub fn rows(&self) -> usize {
        match self {
            Batch::Arrow(batch) => batch.num_rows(),
            Batch::Rows(rows) => rows.len(),
        }
    }

    /// Shows every cell of a column, from the first row to the last.
    pub fn visit(&self, column: usize, visit: &mut dyn FnMut(usize, Cell<'_>)) {
        match self {
            Batch::Arrow(batch) => arrow_cell::visit(batch.column(column).as_ref(), visit),
            Batch::Rows(rows) => {
                for (number, row) in rows.iter().enumerate() {
                    visit(number, row.get(column).map_or(Cell::Null, Cell::of_json));
                }
            }
        }
    }

    /// Returns a row as JSON; pictures and sounds as what their headers say. The columns are those of the batch.
    ///
    /// # Errors
    /// When a value is not one that its type allows.
    pub fn row(&self, row: usize, columns: &[&Column]) -> PreviewResult<Vec<Value>> {
        let Batch::Arrow(batch) = self else {
            let Batch::Rows(rows) = self else { unreachable!("there are two sorts of batches") };
            return Ok(rows[row].clone());
        };
        let cell = |(place, column): (usize, &ArrayRef)| {
            if columns.get(place).is_some_and(|column| column.is_media()) && batch.column(place).is_valid(row) {
                return Ok(self.media(place, row).map_or_else(|| json!({}), Media::to_json));
            }
            arrow_cell::to_json(column.as_ref(), row, 0)
        };
        batch.columns().iter().enumerate().map(cell).collect()
    }

    /// Returns what the header of a picture or sound says that stands in a cell.
    pub fn media(&self, column: usize, row: usize) -> Option<Media> {
        match self {
            Batch::Arrow(batch) => media::of_bytes(arrow_cell::bytes(batch.column(column).as_ref(), row)?),
            Batch::Rows(rows) => {
                let cell = rows.get(row)?.get(column)?;
                let number = |name: &str| cell.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
                if let (Some(width), Some(height)) = (number("width"), number("height")) {
                    return Some(Media::Picture { kind: "", width, height });
                }
                let secs = cell.get("duration").and_then(Value::as_f64);
                Some(Media::Sound { kind: "", rate_hz: number("sampling_rate")?, secs })
            }
        }
    }
}

/// Whether reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// More, please.
    On,
    /// Enough.
    Stop,
}

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There are no more rows.
    End,
    /// Whoever reads had enough.
    Stopped,
}

/// What is remembered of a file between one question and the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// How many rows it has, when that is known.
    pub rows: Option<u64>,
    /// Rows whose place is known: number and first byte, in order.
    pub marks: Vec<(u64, u64)>,
    /// What the values of its columns look like, where the file does not say their types.
    pub looks: Vec<(String, Look)>,
    /// How many rows that is known of, from the first on.
    pub rows_seen: u64,
    /// Whether bytes were seen that are not UTF-8.
    pub is_not_utf8: bool,
    /// Whether it is UTF-16 by its first bytes.
    pub is_utf16: bool,
    /// The first row that has more values than there are columns.
    pub ragged_row: Option<u64>,
}

impl Hint {
    /// Tells whether every row was looked at, so that types are those of all values.
    pub fn is_whole(&self) -> bool {
        self.rows == Some(self.rows_seen)
    }
}

/// Receives batches with the number of their first row.
pub type Visit<'a> = &'a mut dyn FnMut(u64, Batch) -> PreviewResult<Flow>;

/// One file with rows.
pub trait Table {
    /// Returns its columns.
    fn columns(&self) -> &[Column];
    /// Returns how many rows it has, if that is known without reading it.
    fn rows_known(&self) -> Option<u64>;
    /// Reads rows from a number on, at most so many, only these columns.
    ///
    /// # Errors
    /// When the file is damaged or asks for too much.
    fn read(&mut self, from: u64, rows_max: u64, columns: &[usize], visit: Visit<'_>) -> PreviewResult<Ended>;
    /// Returns what should be remembered.
    fn hint(&self) -> Hint {
        Hint { rows: self.rows_known(), ..Hint::default() }
    }
    /// Takes types that hold the values of all files of the split.
    fn adopt(&mut self, _: &[(String, Look)]) {}
    /// Returns bytes that the rows take in memory, as far as the file says so.
    fn memory_bytes(&self) -> Option<u64> {
        None
    }
}
