//! The first rows of a table, for a look before it is published.

/// Rows that are shown, the head included.
const ROWS_MAX: usize = 11;
/// Columns that are shown.
const COLUMNS_MAX: usize = 30;
/// Characters of a cell that are shown.
const CELL_CHARS_MAX: usize = 80;

/// Returns what separates the columns of a first line: whichever of the usual ones is there most.
fn separator(text: &str) -> char {
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: char| first.matches(separator).count();
    [',', '\t', ';'].into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(',')
}

/// Tells whether bytes are a table: text in UTF-8 with two lines and two columns at least.
pub(super) fn is_table(bytes: &[u8]) -> bool {
    if bytes.contains(&0) || std::str::from_utf8(bytes).is_err() {
        return false;
    }
    let rows = rows(bytes);
    rows.len() >= 2 && rows[0].len() >= 2
}

/// Returns the first rows of a table, the last of which may be cut. What is no text has none.
pub(super) fn rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let Some(text) = super::files::as_text(bytes) else { return Vec::new() };
    let text = text.trim_start_matches('\u{FEFF}');
    let separator = separator(text);
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    // A cell may be in quotes, with quotes doubled (RFC 4180).
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if cell.is_empty() => is_quoted = true,
            c if c == separator && !is_quoted => end_cell(&mut row, &mut cell),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                end_cell(&mut row, &mut cell);
                rows.push(std::mem::take(&mut row));
                if rows.len() >= ROWS_MAX {
                    return rows;
                }
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        end_cell(&mut row, &mut cell);
        rows.push(row);
    }
    rows
}

fn end_cell(row: &mut Vec<String>, cell: &mut String) {
    let text = std::mem::take(cell);
    if row.len() < COLUMNS_MAX {
        row.push(text.chars().take(CELL_CHARS_MAX).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let read = |text: &str| rows(text.as_bytes());
        assert_eq!(read("\u{FEFF}a,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n"), [vec!["a", "b"], vec!["1", "x, \"y\"\nz"]]);
        assert_eq!(read("a;b\n1,5;2"), [["a", "b"], ["1,5", "2"]]);
        assert_eq!(read("a\tb\n1\t2\n"), [["a", "b"], ["1", "2"]]);
        assert!(is_table(b"a,b\n1,2\n") && !is_table(b"a\nb\n") && !is_table(b"a,b\n") && !is_table(b"a,b\n\xff,2\n"));
        assert!(!is_table(b"") && !is_table(b"PK\x03\x04\0\0"));
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let wide = format!("{}\n", "x,".repeat(1_000)).repeat(1_000);
        let found = rows(wide.as_bytes());
        assert_eq!((found.len(), found[0].len()), (ROWS_MAX, COLUMNS_MAX));
        assert_eq!(rows(format!("a,{}", "y".repeat(10_000)).as_bytes())[0][1].len(), CELL_CHARS_MAX);
        assert_eq!(rows("\"never closed,".repeat(10).as_bytes()).len(), 1);
    }
}
