//! Previews of data: what a dataset's files hold, read by ranges of bytes and never whole.
//!
//! [`layout`] says which files make which split, as the `datasets` library would; [`answer()`] answers a
//! [`Question`] about one split: its columns, a page of its rows, what words or conditions find, figures of its
//! columns. [`worker`] does that at the other end of a pipe, in a process that can do nothing else, because every
//! byte of a file is a stranger's.
//!
//! Invariants:
//! - Bytes come from [`ReadAt`] alone: nothing here opens a file or a connection.
//! - What is held at once is bounded by a constant with its reason, or by the memory limit of the process, whose end
//!   is one preview that failed.
//! - The same bytes give the same answer: no clock, no randomness. When time is up is the caller's word.

#![forbid(unsafe_code)]

mod answer;
mod arrow_cell;
mod cut;
mod delimited;
mod described;
mod encoding;
mod error;
pub mod folder;
pub mod format;
mod glob;
mod json_rows;
pub mod layout;
mod look;
mod media;
mod moment;
mod options;
mod parquet_file;
mod predicate;
mod question;
mod records;
mod source;
mod split;
mod statistics;
mod table;
mod text_rows;
mod unpack;
pub mod worker;

pub use answer::answer;
pub use error::{PreviewError, PreviewResult, Trouble};
pub use folder::{Folder, FolderRows};
pub use format::Format;
pub use layout::{Config, DataFile, Split, configs};
pub use look::Look;
pub use media::{Media, of_bytes as media_of_bytes};
pub use options::{Header, ReaderOptions};
pub use question::{Answer, FileBrief, Note, NoteKind, Outcome, PAGE_ROWS_MAX, Question, Request, Row};
pub use source::{ReadAt, Source};
pub use table::{Column, Hint};
