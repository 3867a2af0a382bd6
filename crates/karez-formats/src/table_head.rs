//! The columns of a table, from its first bytes: CSV and TSV with a header line, JSON lines.

use serde_json::Value;

/// Columns of one table that are told.
pub const COLUMNS_MAX: usize = 200;
/// Longest name of a column, in bytes; a table with a longer one has no header that means anything.
pub const COLUMN_BYTES_MAX: usize = 200;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Float,
    /// Yes or no.
    Boolean,
    /// Days.
    Date,
    /// Moments.
    DateTime,
    /// Lists, structures, bytes.
    Other,
}

/// Returns the names in the header line of a CSV file (RFC 4180: quotes may hold the delimiter and line ends).
/// Nothing when the line does not end within the bytes, is not UTF-8, or has empty or equal names.
pub fn csv_columns(head: &[u8], delimiter: u8) -> Option<Vec<String>> {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let (mut names, mut name, mut is_quoted) = (Vec::new(), Vec::new(), false);
    let mut bytes = head.iter().copied().peekable();
    loop {
        let byte = bytes.next()?;
        match byte {
            b'"' if is_quoted && bytes.peek() == Some(&b'"') => {
                bytes.next();
                name.push(b'"');
            }
            b'"' if is_quoted || name.is_empty() => is_quoted = !is_quoted,
            byte if !is_quoted && (byte == delimiter || byte == b'\n') => {
                if byte == b'\n' && name.last() == Some(&b'\r') {
                    name.pop();
                }
                names.push(String::from_utf8(std::mem::take(&mut name)).ok()?);
                if byte == b'\n' {
                    return plain(names);
                }
            }
            byte => name.push(byte),
        }
        if names.len() > COLUMNS_MAX || name.len() > COLUMN_BYTES_MAX {
            return None;
        }
    }
}

/// Returns the keys of the first line of a file of JSON lines whose values are plain: texts, numbers, yes or no.
/// Nothing when the line is no object.
pub fn json_line_columns(head: &[u8]) -> Option<Vec<String>> {
    let line = head.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty())?;
    let Value::Object(first) = serde_json::from_slice(line).ok()? else { return None };
    let is_plain = |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
    let names = first.iter().filter(|(_, value)| is_plain(value)).map(|(name, _)| name.clone()).collect();
    plain(names)
}

/// Returns names that can name columns.
pub(crate) fn plain(names: Vec<String>) -> Option<Vec<String>> {
    let is_name = |name: &String| {
        !name.is_empty() && name.len() <= COLUMN_BYTES_MAX && !name.contains(|c: char| c.is_control() || c == '/')
    };
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    (!names.is_empty() && names.len() <= COLUMNS_MAX && sorted.len() == names.len() && names.iter().all(is_name))
        .then_some(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn header_lines_are_read_as_spreadsheets_write_them() {
        assert_eq!(csv_columns(b"a,b\n1,2\n", b',').unwrap(), ["a", "b"]);
        assert_eq!(csv_columns(b"\xEF\xBB\xBFa;\"b;\"\"c\"\r\nx", b';').unwrap(), ["a", "b;\"c"]);
        for odd in ["", "a,b", "a,,b\n", "a,a\n", "\"a\nb\n", "a/b,c\n"] {
            assert_eq!(csv_columns(odd.as_bytes(), b','), None, "{odd:?}");
        }
        assert_eq!(csv_columns(&[0xff, b'\n'], b','), None);
    }

    #[test]
    fn plain_values_of_the_first_line_are_columns() {
        assert_eq!(json_line_columns(b"\n{\"t\":\"x\",\"n\":1,\"l\":[1],\"z\":null}\n{").unwrap(), ["n", "t"]);
        for odd in ["", "[1]\n", "{\"a\":", "{}\n"] {
            assert_eq!(json_line_columns(odd.as_bytes()), None, "{odd:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_columns_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            for names in [csv_columns(&bytes, b','), json_line_columns(&bytes)].into_iter().flatten() {
                prop_assert!(!names.is_empty() && names.len() <= COLUMNS_MAX);
            }
        }
    }
}
