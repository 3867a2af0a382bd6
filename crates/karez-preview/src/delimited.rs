//! CSV and TSV as pandas reads them with its defaults, which is what the `datasets` library does: the first record
//! names the columns, and what all values of a column look like is its type. Types are taken from the first records.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde_json::Value;

use crate::error::{PreviewError, PreviewResult};
use crate::format::Packing;
use crate::records::{Feed, Records};
use crate::source::Source;
use crate::table::Column;
use crate::unpack::unpacked;

/// Columns of one file.
const COLUMNS_MAX: usize = 20_000;
/// Bytes of one record that are kept. A cell that is longer is cut, and those behind it are empty.
const RECORD_BYTES_MAX: usize = 8 << 20;
/// Records that types are taken from, and their bytes.
const SAMPLE_RECORDS: usize = 2_000;
const SAMPLE_BYTES: u64 = 2 << 20;
/// Texts that stand for nothing (pandas 2.2, `STR_NA_VALUES`).
const NOTHING: [&str; 18] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan",
];

/// What all values of a column look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Int,
    Float,
    Bool,
    Text,
}

impl Look {
    fn of(text: &str) -> Look {
        if text.parse::<i64>().is_ok() {
            Look::Int
        } else if text.trim().parse::<f64>().is_ok() {
            Look::Float
        } else if as_bool(text).is_some() {
            Look::Bool
        } else {
            Look::Text
        }
    }

    fn with(self, other: Look) -> Look {
        match (self, other) {
            (one, other) if one == other => one,
            (Look::Int | Look::Float, Look::Int | Look::Float) => Look::Float,
            _ => Look::Text,
        }
    }
}

fn as_bool(text: &str) -> Option<bool> {
    match text {
        "True" | "TRUE" | "true" => Some(true),
        "False" | "FALSE" | "false" => Some(false),
        _ => None,
    }
}

fn is_nothing(text: &str) -> bool {
    text.len() <= 8 && (NOTHING.contains(&text) || text == "null")
}

/// The records of a CSV or TSV file.
pub struct Delimited {
    separator: u8,
    reader: Box<Reader>,
    columns: Vec<Column>,
    looks: Vec<Look>,
    skips_header: bool,
    /// The values of the record that was read last, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Delimited {
    /// Reads the header and the first records of a file.
    ///
    /// # Errors
    /// When it cannot be read, or has no columns or too many.
    pub fn open(source: &Source, packing: Packing, separator: u8) -> PreviewResult<Delimited> {
        let mut records = Delimited {
            separator,
            reader: Box::new(ReaderBuilder::new().delimiter(separator).build()),
            columns: Vec::new(),
            looks: Vec::new(),
            skips_header: false,
            text: Vec::new(),
            ends: Vec::new(),
        };
        let mut feed = Feed::new(unpacked(source, packing)?, 0);
        if !records.record(&mut feed)? {
            return Err(PreviewError::malformed("the file is empty"));
        }
        let names = records.names();
        let mut seen: Vec<Option<Look>> = vec![None; names.len()];
        let mut has_nothing = vec![false; names.len()];
        let mut count = 0;
        while count < SAMPLE_RECORDS && feed.position() < SAMPLE_BYTES && records.record(&mut feed)? {
            for column in 0..names.len() {
                let text = records.field(column);
                match &*text {
                    text if is_nothing(text) => has_nothing[column] = true,
                    text => {
                        let look = Look::of(text);
                        seen[column] = Some(seen[column].map_or(look, |seen| seen.with(look)));
                    }
                }
            }
            count += 1;
        }
        for ((name, look), has_nothing) in names.into_iter().zip(seen).zip(has_nothing) {
            // As pandas: a whole number cannot be missing, and what is always missing is not a number.
            let look = match look {
                Some(Look::Int) if has_nothing => Look::Float,
                Some(Look::Bool) if has_nothing => Look::Text,
                Some(look) => look,
                None if has_nothing => Look::Float,
                None => Look::Text,
            };
            let dtype = match look {
                Look::Int => "int64",
                Look::Float => "float64",
                Look::Bool => "bool",
                Look::Text => "string",
            };
            records.columns.push(Column::value(name, dtype));
            records.looks.push(look);
        }
        Ok(records)
    }

    /// Reads one record into `text` and `ends`; returns whether there was one.
    fn record(&mut self, feed: &mut Feed) -> PreviewResult<bool> {
        self.text.clear();
        self.ends.clear();
        let mut scratch = [0u8; 16 << 10];
        let mut ends = [0usize; 256];
        loop {
            let window = feed.peek()?;
            let (result, read, written, ended) = self.reader.read_record(window, &mut scratch, &mut ends);
            feed.take(read);
            let room = RECORD_BYTES_MAX.saturating_sub(self.text.len());
            self.text.extend_from_slice(&scratch[..written.min(room)]);
            self.ends.extend_from_slice(&ends[..ended]);
            if self.ends.len() > COLUMNS_MAX {
                return Err(PreviewError::too_large(format!("a record has more than {COLUMNS_MAX} values")));
            }
            match result {
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {}
            }
        }
    }

    /// Returns a value of the record that was read last.
    fn field(&self, column: usize) -> std::borrow::Cow<'_, str> {
        let Some(&end) = self.ends.get(column) else { return "".into() };
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        let (start, end) = (start.min(self.text.len()), end.min(self.text.len()));
        String::from_utf8_lossy(&self.text[start.min(end)..end])
    }

    /// Returns the record that was read last as names of columns, each once (pandas: `a`, `a.1`; `Unnamed: 0`).
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::with_capacity(self.ends.len());
        let mut seen = std::collections::HashMap::new();
        for column in 0..self.ends.len() {
            let mut name = self.field(column).into_owned();
            if name.is_empty() {
                name = format!("Unnamed: {column}");
            }
            let count: &mut usize = seen.entry(name.clone()).or_default();
            if *count > 0 {
                name = format!("{name}.{count}");
            }
            *count += 1;
            names.push(name);
        }
        names
    }

    fn value(&self, column: usize) -> Value {
        let text = self.field(column);
        if is_nothing(&text) {
            return Value::Null;
        }
        let typed = match self.looks[column] {
            Look::Int => text.parse::<i64>().ok().map(Value::from),
            Look::Float => text.trim().parse::<f64>().ok().map(Value::from),
            Look::Bool => as_bool(&text).map(Value::from),
            Look::Text => None,
        };
        // A value further down that is not like the first ones is shown as it stands.
        typed.unwrap_or_else(|| text.into_owned().into())
    }
}

impl Records for Delimited {
    fn next(&mut self, feed: &mut Feed) -> PreviewResult<Option<Vec<Value>>> {
        if std::mem::take(&mut self.skips_header) {
            self.record(feed)?;
        }
        if !self.record(feed)? {
            return Ok(None);
        }
        Ok(Some((0..self.columns.len()).map(|column| self.value(column)).collect()))
    }

    fn restart(&mut self, is_front: bool) {
        *self.reader = ReaderBuilder::new().delimiter(self.separator).build();
        self.skips_header = is_front;
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }
}
