//! Keeping an answer within its bound: long cells are cut, the longest first.

use serde_json::Value;

use crate::error::{PreviewError, PreviewResult};
use crate::question::Row;

/// Bytes of a cell that are kept at first.
const CELL_BYTES_MAX: usize = 1 << 20;
/// Bytes of all rows that are held before cells are cut shorter.
const HELD_BYTES_MAX: usize = 32 << 20;
/// The shortest that a cell is cut to. An answer of such cells that is still too long has too many of them.
const CUT_BYTES_MIN: usize = 64;

/// Collects rows.
pub struct Cutter {
    rows: Vec<Row>,
    bytes: usize,
    bytes_max: usize,
    cell_bytes_max: usize,
}

impl Cutter {
    /// Returns one for an answer of so many bytes.
    pub fn new(bytes_max: usize) -> Cutter {
        Cutter { rows: Vec::new(), bytes: 0, bytes_max, cell_bytes_max: CELL_BYTES_MAX.min(bytes_max) }
    }

    /// Adds a row.
    pub fn add(&mut self, row: u64, cells: Vec<Value>) {
        let mut added = Row { row, cells, cut: Vec::new() };
        cut(&mut added, self.cell_bytes_max);
        self.bytes += length(&added);
        self.rows.push(added);
        if self.bytes > HELD_BYTES_MAX && self.cell_bytes_max > CUT_BYTES_MIN {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        self.cell_bytes_max = (self.cell_bytes_max / 4).max(CUT_BYTES_MIN);
        for row in &mut self.rows {
            cut(row, self.cell_bytes_max);
        }
        self.bytes = self.rows.iter().map(length).sum();
    }

    /// Returns the rows, cut so that they fit.
    ///
    /// # Errors
    /// When there are too many cells.
    pub fn finish(mut self) -> PreviewResult<Vec<Row>> {
        while self.bytes > self.bytes_max {
            if self.cell_bytes_max == CUT_BYTES_MIN {
                return Err(PreviewError::too_large("the rows are too long for one answer; ask for fewer of them"));
            }
            self.shorten();
        }
        self.rows.iter_mut().for_each(|row| row.cut.sort_unstable());
        Ok(self.rows)
    }
}

fn length(row: &Row) -> usize {
    row.cells.iter().map(|cell| cell_length(cell) + 8).sum()
}

/// Returns about how many bytes a value takes as JSON.
fn cell_length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| cell_length(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(name, value)| name.len() + 4 + cell_length(value)).sum::<usize>()
        }
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 12,
    }
}

/// Cuts cells that are too long; what is no text becomes the start of its JSON.
fn cut(row: &mut Row, bytes_max: usize) {
    for (place, cell) in row.cells.iter_mut().enumerate() {
        if cell_length(cell) <= bytes_max + 2 {
            continue;
        }
        let text = match &mut *cell {
            Value::String(text) => std::mem::take(text),
            other => other.to_string(),
        };
        let end = (0..=bytes_max.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        *cell = text[..end].into();
        if !row.cut.contains(&place) {
            row.cut.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_cells_are_cut_and_named() {
        let mut cutter = Cutter::new(10_000);
        for row in 0..10 {
            cutter.add(row, vec![row.into(), "é".repeat(5_000).into(), json!({ "a": vec![1; 3_000] })]);
        }
        let rows = cutter.finish().unwrap();
        assert_eq!(rows.len(), 10);
        assert!(rows.iter().map(length).sum::<usize>() <= 10_000);
        assert_eq!(rows[3].cut, [1, 2]);
        assert_eq!(rows[3].cells[0], 3);
        assert!(rows[3].cells[2].as_str().unwrap().starts_with("{\"a\":[1,1"));
        let mut cutter = Cutter::new(1_000);
        cutter.add(0, vec![Value::Null; 1_000]);
        assert!(cutter.finish().is_err());
    }
}
