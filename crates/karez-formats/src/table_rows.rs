//! The columns of CSV and of JSON lines with what their values are, as far as rows were read.
//!
//! The kinds are those that readers of tables find (pandas 3: `read_csv`, `read_json(lines=True)`), since who takes
//! whole numbers for text reads nonsense. A table that such a reader would stop at is none: a row with a cell too
//! many, a line that is no object, text that is not UTF-8.

use serde_json::Value;

use crate::table_head::{COLUMNS_MAX, ColumnKind, csv_columns, plain};

/// What pandas takes for a missing value.
const MISSING: [&str; 19] = [
    "", " ", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "nan", "null",
];

/// Whether bytes are a file or its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it: the last line counts, with or without an end.
    Whole,
    /// Its beginning: what is cut off does not count.
    Beginning,
}

/// Returns the columns of CSV with at least one row; nothing when it cannot be read as a table.
pub fn csv_table(bytes: &[u8], delimiter: u8, extent: Extent) -> Option<Vec<(String, ColumnKind)>> {
    let names = csv_columns(bytes, delimiter)?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = utf8(bytes, extent)?;
    let mut rows = CsvRows { rest: text.as_bytes(), delimiter, extent };
    rows.next_row(&mut |_, _| {})?.ok()?;
    let mut seen = vec![Seen::default(); names.len()];
    let mut row_count = 0;
    loop {
        let mut place = 0;
        let row = rows.next_row(&mut |number, cell: &str| {
            place = number + 1;
            if let Some(seen) = seen.get_mut(number) {
                seen.text(cell);
            }
        });
        match row {
            None => break,
            Some(Err(_)) => return None,
            Some(Ok(())) if place > names.len() => return None,
            Some(Ok(())) => row_count += 1,
        }
    }
    let columns = names.into_iter().zip(seen).map(|(name, seen)| (name, seen.kind()));
    (row_count > 0).then(|| columns.collect())
}

/// Returns the plain columns of JSON lines: the keys of the first line, without those that hold lists or structures in
/// any line. Nothing when a line is no object.
pub fn json_lines_table(bytes: &[u8], extent: Extent) -> Option<Vec<(String, ColumnKind)>> {
    let text = utf8(bytes, extent)?;
    let mut columns: Vec<(String, Seen)> = Vec::new();
    let mut is_first = true;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let is_cut = lines.peek().is_none() && !line.ends_with('\n') && extent == Extent::Beginning;
        if is_cut || line.trim().is_empty() {
            continue;
        }
        let Value::Object(row) = serde_json::from_str(line).ok()? else { return None };
        if is_first {
            is_first = false;
            let is_plain = |value: &Value| !value.is_array() && !value.is_object();
            let names = row.iter().filter(|(_, value)| is_plain(value)).map(|(name, _)| name.clone()).collect();
            columns = plain(names)?.into_iter().map(|name| (name, Seen::default())).collect();
        }
        for (name, seen) in &mut columns {
            if let Some(value) = row.get(name.as_str()) {
                seen.value(value);
            }
        }
    }
    let kept = columns.into_iter().filter_map(|(name, seen)| Some((seen.json_kind(&name)?, name)));
    let kept: Vec<_> = kept.map(|(kind, name)| (name, kind)).take(COLUMNS_MAX).collect();
    (!kept.is_empty()).then_some(kept)
}

/// Returns bytes as text; of a beginning, without a character that is cut in two.
fn utf8(bytes: &[u8], extent: Extent) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if extent == Extent::Beginning && error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// A quote that nobody closes.
struct Unclosed;

struct CsvRows<'a> {
    rest: &'a [u8],
    delimiter: u8,
    extent: Extent,
}

impl CsvRows<'_> {
    /// Gives the cells of the next row that is not empty; nothing at the end.
    fn next_row(&mut self, cell: &mut dyn FnMut(usize, &str)) -> Option<Result<(), Unclosed>> {
        while let [b'\n', ..] | [b'\r', b'\n', ..] = self.rest {
            self.rest = &self.rest[if self.rest[0] == b'\n' { 1 } else { 2 }..];
        }
        if self.rest.is_empty() {
            return None;
        }
        let (mut number, mut value, mut is_quoted, mut place) = (0, Vec::new(), false, 0);
        let mut ended = false;
        let mut cells: Vec<Vec<u8>> = Vec::new();
        while let Some(&byte) = self.rest.get(place) {
            place += 1;
            match byte {
                b'"' if is_quoted && self.rest.get(place) == Some(&b'"') => {
                    place += 1;
                    value.push(b'"');
                }
                b'"' if is_quoted || value.is_empty() => is_quoted = !is_quoted,
                byte if !is_quoted && (byte == self.delimiter || byte == b'\n') => {
                    if byte == b'\n' && value.last() == Some(&b'\r') {
                        value.pop();
                    }
                    cells.push(std::mem::take(&mut value));
                    if byte == b'\n' {
                        ended = true;
                        break;
                    }
                    // A row of more cells than any table has: the caller counts, and stops.
                    if cells.len() > COLUMNS_MAX {
                        break;
                    }
                }
                byte => value.push(byte),
            }
        }
        self.rest = &self.rest[place..];
        if !ended && cells.len() <= COLUMNS_MAX {
            match self.extent {
                Extent::Beginning => return None,
                Extent::Whole if is_quoted => return Some(Err(Unclosed)),
                Extent::Whole => cells.push(value),
            }
        }
        for one in cells {
            cell(number, &String::from_utf8_lossy(&one));
            number += 1;
        }
        Some(Ok(()))
    }
}

/// What the values of a column were until now.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    has_value: bool,
    not_integer: bool,
    not_float: bool,
    not_boolean: bool,
    not_text: bool,
    /// A text that is no number, and one that is no day or moment.
    not_moment: bool,
    has_nested: bool,
}

impl Seen {
    fn text(&mut self, text: &str) {
        if MISSING.contains(&text) {
            return;
        }
        self.has_value = true;
        let number = text.trim();
        self.not_integer |= number.parse::<i64>().is_err() && number.parse::<u64>().is_err();
        let is_plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
        self.not_float |= !number.bytes().all(is_plain) || number.parse::<f64>().is_err();
        self.not_boolean |= !matches!(text, "True" | "TRUE" | "true" | "False" | "FALSE" | "false");
        self.not_moment |= !is_moment(text);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(_) => {
                self.has_value = true;
                (self.not_integer, self.not_float, self.not_text, self.not_moment) = (true, true, true, true);
            }
            Value::Number(number) => {
                self.has_value = true;
                self.not_integer |= !number.is_i64() && !number.is_u64();
                (self.not_boolean, self.not_text, self.not_moment) = (true, true, true);
            }
            Value::String(text) => {
                // The reader makes numbers of texts that all are some.
                let before = self.not_boolean;
                self.text(text);
                self.not_boolean = before || !MISSING.contains(&text.as_str());
            }
            Value::Array(_) | Value::Object(_) => self.has_nested = true,
        }
    }

    fn kind(self) -> ColumnKind {
        match self {
            Seen { has_value: false, .. } => ColumnKind::Text,
            Seen { not_integer: false, .. } => ColumnKind::Integer,
            Seen { not_float: false, .. } => ColumnKind::Float,
            Seen { not_boolean: false, .. } => ColumnKind::Boolean,
            _ => ColumnKind::Text,
        }
    }

    /// The same for JSON lines, whose reader makes moments of columns by their names; nothing for what cannot be told.
    fn json_kind(self, name: &str) -> Option<ColumnKind> {
        let name = name.to_lowercase();
        let is_time = name.ends_with("_at")
            || name.ends_with("_time")
            || name.starts_with("timestamp")
            || matches!(name.as_str(), "modified" | "date");
        match self {
            Seen { has_nested: true, .. } => None,
            Seen { has_value: true, not_moment: false, .. } if is_time => Some(ColumnKind::DateTime),
            _ if is_time => None,
            // Texts beside numbers or beside yes and no are neither.
            Seen { not_text: true, not_integer: true, not_float: true, not_boolean: true, .. } => None,
            _ => Some(self.kind()),
        }
    }
}

/// Tells whether a text begins like a day as ISO 8601 writes it.
fn is_moment(text: &str) -> bool {
    let day = text.as_bytes();
    day.len() >= 10
        && day[..10].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && matches!(&text[5..7], "01" | "02" | "03" | "04" | "05" | "06" | "07" | "08" | "09" | "10" | "11" | "12")
        && matches!(text[8..10].parse::<u8>(), Ok(1..=28))
        && (day.len() == 10 || matches!(day[10], b'T' | b' '))
        && (day.len() == 10 || day.len() >= 16)
}

#[cfg(test)]
mod tests {
    use ColumnKind::*;
    use Extent::*;
    use proptest::prelude::*;

    use super::*;

    fn kinds(columns: Option<Vec<(String, ColumnKind)>>) -> Vec<ColumnKind> {
        columns.unwrap().into_iter().map(|(_, kind)| kind).collect()
    }

    #[test]
    fn cells_say_what_a_column_is() {
        let table =
            "id,x,flag,word,none,mixed\n1,1.5,true,a,,1\n2,,False,\"b,\nc\",,x\n18446744073709551615,NA,,3,NULL,2";
        assert_eq!(kinds(csv_table(table.as_bytes(), b',', Whole)), [Integer, Float, Boolean, Text, Text, Text]);
        // The last row is cut: it does not count.
        assert_eq!(kinds(csv_table(b"a\n1\nx", b',', Beginning)), [Integer]);
        assert_eq!(kinds(csv_table(b"a\n1\nx", b',', Whole)), [Text]);
        assert_eq!(kinds(csv_table(b"\xEF\xBB\xBFa\tb\r\n\r\n1\t2\r\n", b'\t', Whole)), [Integer, Integer]);
        assert_eq!(kinds(csv_table("a,b\n1,é".as_bytes(), b',', Whole)), [Integer, Text]);
        assert_eq!(kinds(csv_table(b"a\n1\n\xC3", b',', Beginning)), [Integer]);
    }

    #[test]
    fn what_a_reader_stops_at_is_no_table() {
        for odd in ["a,b\n1,2,3\n", "a\n", "a,b\n1,\"2\n", "", "a,b\n\n\n"] {
            assert_eq!(csv_table(odd.as_bytes(), b',', Whole), None, "{odd:?}");
        }
        assert_eq!(csv_table(b"a\ncaf\xE9\n", b',', Whole), None);
        for odd in ["{\"a\":1}\n{\"a\":2\n", "[1]\n", "", "\u{FEFF}{\"a\":1}\n", "{\"a\":[1]}\n"] {
            assert_eq!(json_lines_table(odd.as_bytes(), Whole), None, "{odd:?}");
        }
        let wide = format!("a\n{}\n", ",".repeat(100_000));
        assert_eq!(csv_table(wide.as_bytes(), b',', Whole), None);
    }

    #[test]
    fn values_of_json_lines_say_what_a_column_is() {
        let lines = [
            r#"{"n":1,"x":1,"s":"a","digits":"07","b":true,"l":1,"created_at":"2024-01-02T03:04:05","some_time":3,"mix":1}"#,
            "",
            r#"{"n":null,"x":2.5,"s":"2","digits":"8","b":false,"l":[1],"created_at":"2024-02-03","some_time":4,"mix":true,"late":1}"#,
        ];
        let columns = json_lines_table(lines.join("\n").as_bytes(), Whole).unwrap();
        let seen: Vec<(&str, ColumnKind)> = columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        assert_eq!(
            seen,
            [("b", Boolean), ("created_at", DateTime), ("digits", Integer), ("n", Integer), ("s", Text), ("x", Float)]
        );
        assert_eq!(json_lines_table(b"{\"a\":1}\n{\"a", Beginning).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_table_or_none(text in "[a,\"\\n\\r1.]{0,60}") {
            for extent in [Whole, Beginning] {
                if let Some(columns) = csv_table(text.as_bytes(), b',', extent) {
                    prop_assert!(!columns.is_empty());
                }
                let _ = json_lines_table(text.as_bytes(), extent);
            }
        }
    }
}
