//! CSV and TSV as pandas reads them with its defaults, which is what the `datasets` library does: the first record
//! names the columns, and what all values of a column look like is its type. Types are taken from the first records
//! and widened by all that are read.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde_json::Value;

use crate::encoding::Origin;
use crate::error::{PreviewError, PreviewResult};
use crate::look::{Look, Plain, Said};
use crate::options::{Header, ReaderOptions};
use crate::records::{Feed, Records};
use crate::table::{Column, Hint};

/// Columns of one file.
const COLUMNS_MAX: usize = 20_000;
/// Bytes of one record that are kept. A cell that is longer is cut, and those behind it are empty.
const RECORD_BYTES_MAX: usize = 8 << 20;
/// Texts that stand for nothing (pandas 2.2, `STR_NA_VALUES`).
const NOTHING: [&str; 18] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan",
];

fn as_bool(text: &str) -> Option<bool> {
    match text {
        "True" | "TRUE" | "true" => Some(true),
        "False" | "FALSE" | "false" => Some(false),
        _ => None,
    }
}

fn reader(separator: u8, options: &ReaderOptions) -> Reader {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(separator).double_quote(options.is_quote_doubled).escape(options.escape);
    match options.quote {
        Some(quote) => builder.quote(quote),
        None => builder.quoting(false),
    };
    builder.build()
}

/// The records of a CSV or TSV file.
pub struct Delimited {
    separator: u8,
    options: ReaderOptions,
    reader: Box<Reader>,
    columns: Vec<Column>,
    /// The types of the columns.
    types: Vec<Plain>,
    /// What values looked like so far.
    looks: Vec<(String, Look)>,
    skips_front: bool,
    /// The values of the record that was read last, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    is_not_utf8: bool,
}

impl Delimited {
    /// Reads the header and the first records of a file, unless they are remembered. Returns what is known then.
    ///
    /// # Errors
    /// When it cannot be read, or has no columns or too many.
    pub fn open(
        origin: &Origin,
        separator: u8,
        options: &ReaderOptions,
        mut hint: Hint,
        sample_bytes: u64,
    ) -> PreviewResult<(Delimited, Hint)> {
        let separator = options.separator.unwrap_or(separator);
        let mut records = Delimited {
            separator,
            options: options.clone(),
            reader: Box::new(reader(separator, options)),
            columns: Vec::new(),
            types: Vec::new(),
            looks: std::mem::take(&mut hint.looks),
            skips_front: false,
            text: Vec::new(),
            ends: Vec::new(),
            is_not_utf8: hint.is_not_utf8,
        };
        hint.is_utf16 = origin.is_utf16;
        if records.looks.is_empty() {
            let mut feed = Feed::new(origin.reader()?, 0);
            let names = records.front(&mut feed)?;
            let is_header = names.is_some();
            let mut is_one = true;
            let names = match names {
                Some(names) => names,
                None => {
                    is_one = records.record(&mut feed)?;
                    if !is_one {
                        return Err(PreviewError::malformed("the file is empty"));
                    }
                    records.numbers()
                }
            };
            records.looks = names.into_iter().map(|name| (name, Look::default())).collect();
            let mut count = 0;
            loop {
                if is_header || count > 0 {
                    if feed.position() >= sample_bytes {
                        break;
                    }
                    is_one = records.record(&mut feed)?;
                }
                if !is_one {
                    hint.rows = Some(count);
                    break;
                }
                records.learn(count, &mut hint);
                count += 1;
            }
            hint.rows_seen = count;
        }
        let looks = records.looks.clone();
        records.adopt(&looks);
        hint.looks = looks;
        Ok((records, hint))
    }

    /// Passes over what stands before the first row; returns the names of the columns, unless only the first row says
    /// how many there are.
    fn front(&mut self, feed: &mut Feed) -> PreviewResult<Option<Vec<String>>> {
        for _ in 0..self.options.skip_lines {
            feed.line_skip()?;
        }
        let before = match (self.options.header, self.options.names.is_empty()) {
            (Header::Infer, true) => 1,
            (Header::Infer, false) | (Header::Without, _) => 0,
            (Header::Record(number), _) => u64::from(number) + 1,
        };
        for _ in 0..before {
            if !self.record(feed)? {
                return Err(PreviewError::malformed("the file is empty"));
            }
        }
        Ok(match (before, self.options.names.is_empty()) {
            (_, false) => Some(self.options.names.clone()),
            (0, true) => None,
            _ => Some(self.names()),
        })
    }

    /// Returns the names of columns that nobody named.
    fn numbers(&self) -> Vec<String> {
        (0..self.ends.len()).map(|number| number.to_string()).collect()
    }

    fn is_nothing(&self, text: &str) -> bool {
        let usual = || text.len() <= 8 && (NOTHING.contains(&text) || text == "null");
        (self.options.has_usual_nothing && usual()) || self.options.nothing.iter().any(|nothing| nothing == text)
    }

    fn said(&self, text: &str) -> Said {
        if self.is_nothing(text) {
            return Said::Nothing;
        }
        let trimmed = text.trim();
        if let Ok(number) = trimmed.parse::<i64>() {
            return Said::Int(number.into());
        }
        let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let most = if trimmed.starts_with('-') { i128::MIN } else { i128::MAX };
            return Said::Int(trimmed.parse().unwrap_or(most));
        }
        let number = match self.options.decimal {
            b'.' => trimmed.parse::<f64>().ok(),
            mark if trimmed.contains('.') => {
                debug_assert!(mark.is_ascii());
                None
            }
            mark => trimmed.replace(char::from(mark), ".").parse::<f64>().ok(),
        };
        match (number, as_bool(text)) {
            (Some(number), _) => Said::Float(number),
            (None, Some(is)) => Said::Bool(is),
            (None, None) => Said::Text,
        }
    }

    /// Notes what the record that was read last looks like.
    fn learn(&mut self, row: u64, hint: &mut Hint) {
        if self.ends.len() > self.looks.len() {
            hint.ragged_row = hint.ragged_row.or(Some(row));
        }
        if !self.is_not_utf8 && std::str::from_utf8(&self.text).is_err() {
            // A text that is cut at its bound may end within a character.
            self.is_not_utf8 = self.text.len() < RECORD_BYTES_MAX;
        }
        hint.is_not_utf8 = self.is_not_utf8;
        for column in 0..self.looks.len() {
            if self.looks[column].1.is_text() {
                continue;
            }
            let said = self.said(&self.field(column));
            self.looks[column].1.add_said(said);
        }
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
        let kind = self.types[column];
        if kind == Plain::Text {
            return if self.is_nothing(&text) { Value::Null } else { text.into_owned().into() };
        }
        let said = self.said(&text);
        match (kind, said) {
            (_, Said::Nothing) => Value::Null,
            (Plain::Float, Said::Int(number)) => (number as f64).into(),
            (Plain::Float, Said::Float(number)) => number.into(),
            (Plain::Int, Said::Int(number)) if i64::try_from(number).is_ok() => (number as i64).into(),
            (Plain::Unsigned, Said::Int(number)) if u64::try_from(number).is_ok() => (number as u64).into(),
            (Plain::Bool, Said::Bool(is)) => is.into(),
            // The type becomes another by this; until then it is shown as it stands.
            _ => text.into_owned().into(),
        }
    }
}

impl Records for Delimited {
    fn next(&mut self, feed: &mut Feed, row: u64, hint: &mut Hint) -> PreviewResult<Option<Vec<Value>>> {
        if std::mem::take(&mut self.skips_front) {
            self.front(feed)?;
        }
        if !self.record(feed)? {
            return Ok(None);
        }
        self.learn(row, hint);
        Ok(Some((0..self.columns.len()).map(|column| self.value(column)).collect()))
    }

    fn restart(&mut self, is_front: bool) {
        *self.reader = reader(self.separator, &self.options);
        self.skips_front = is_front;
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn looks(&self) -> &[(String, Look)] {
        &self.looks
    }

    fn adopt(&mut self, types: &[(String, Look)]) {
        let kind = |name: &String, own: &Look| {
            let wide = types.iter().find(|(other, _)| other == name).map(|(_, look)| look);
            wide.unwrap_or(own).plain()
        };
        // The columns of the first file are those of the split; usually they stand in the same places.
        self.types = self
            .looks
            .iter()
            .enumerate()
            .map(|(at, (name, look))| match types.get(at) {
                Some((other, wide)) if other == name => wide.plain(),
                _ => kind(name, look),
            })
            .collect();
        let column = |((name, _), kind): (&(String, Look), &Plain)| Column::value(name.clone(), kind.dtype());
        self.columns = self.looks.iter().zip(&self.types).map(column).collect();
    }
}
