//! What can be asked of a split, and what is answered: plain values that travel between the node and its child.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::PreviewError;
use crate::folder::Folder;
use crate::format::Format;
use crate::options::ReaderOptions;
use crate::table::{Column, Hint};

/// Rows of one page (dataset viewer).
pub const PAGE_ROWS_MAX: u64 = 100;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Columns, and how many rows.
    Describe,
    /// A page of rows.
    Rows {
        /// The first.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// A page of the rows that hold all these words.
    Search {
        /// The words.
        query: String,
        /// The first of them.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// A page of the rows that fulfil a condition.
    Filter {
        /// The condition; empty for all.
        condition: String,
        /// The order; empty for that of the rows.
        order_by: String,
        /// The first of them.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// Figures of every column.
    Statistics,
    /// The bytes of one cell.
    Cell {
        /// The row.
        row: u64,
        /// The column.
        column: String,
    },
}

/// A file of the split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileBrief {
    /// Path in the repository.
    pub path: String,
    /// Length, in bytes.
    pub file_bytes: u64,
    /// Whether its bytes are on another node, so that each costs the line.
    pub is_far: bool,
    /// What is remembered of it.
    pub hint: Hint,
}

/// A question about a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked.
    pub question: Question,
    /// The format of all files.
    pub format: Format,
    /// How files are read.
    pub options: ReaderOptions,
    /// The files, in order.
    pub files: Vec<FileBrief>,
    /// How files become rows, where they are pictures or sounds. A file that describes them is then the last.
    pub folder: Option<Folder>,
    /// Milliseconds after which what was found so far is the answer.
    pub soft_millis: u64,
    /// Bytes of all cells of an answer.
    pub answer_bytes_max: usize,
}

/// A row of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its number in the split.
    pub row: u64,
    /// A value for each column.
    pub cells: Vec<Value>,
    /// Columns whose value is cut.
    pub cut: Vec<usize>,
}

/// What is odd about a file, though something of it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Path in the repository.
    pub path: String,
    /// What it is.
    pub kind: NoteKind,
}

/// What may be odd about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoteKind {
    /// Some of its bytes are not UTF-8.
    NotUtf8,
    /// It is UTF-16, which the `datasets` library reads only when it is told so.
    Utf16,
    /// A row has more values than there are columns.
    Ragged {
        /// The first such row.
        row: u64,
    },
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// How many rows there are: of the split, or of what was searched for.
    pub rows_total: u64,
    /// Whether not all rows were looked at.
    pub is_partial: bool,
    /// How many rows were looked at for that, or were found to be there.
    pub rows_seen: u64,
    /// Whether the types of the columns are those of all values, and those that the `datasets` library takes.
    pub are_types_sure: bool,
    /// What is odd about files.
    pub notes: Vec<Note>,
    /// Bytes that the rows take in memory, as far as that is known.
    pub memory_bytes: u64,
    /// Figures, as `/statistics` has them.
    pub statistics: Value,
    /// The bytes of a cell, as base64.
    pub cell: Option<String>,
    /// What to remember, by number of the file.
    pub hints: Vec<(usize, Hint)>,
}

/// What comes back from a child.
pub type Outcome = Result<Answer, PreviewError>;
