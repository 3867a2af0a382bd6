//! Texts of one record after another (CSV, JSON, plain lines): read from front to back, or from a mark.
//!
//! A mark is a row whose first byte is known. They are noted on the way and remembered between questions, so that
//! a page far inside of a file costs what lies between it and the mark before it. Packed files have none.

use std::io::{self, Read};

use serde_json::Value;

use crate::encoding::Origin;
use crate::error::PreviewResult;
use crate::look::Look;
use crate::table::{Batch, Column, Ended, Flow, Hint, Table, Visit};

/// Marks that are kept of one file.
const MARKS_MAX: u64 = 2_048;
/// Bytes between marks, at least.
const MARK_BYTES: u64 = 256 << 10;
/// Rows of a batch, and bytes after which one is full.
const BATCH_ROWS: usize = 1_024;
const BATCH_BYTES: usize = 4 << 20;
/// Bytes that are read at once.
const WINDOW_BYTES: usize = 256 << 10;

/// Bytes as they come, with the place of each.
pub struct Feed {
    reader: Box<dyn Read>,
    window: Vec<u8>,
    used: usize,
    /// Place of the first unused byte.
    position: u64,
    is_over: bool,
}

impl Feed {
    /// Returns a feed over a reader whose first byte is at `position`.
    pub fn new(reader: Box<dyn Read>, position: u64) -> Feed {
        Feed { reader, window: Vec::new(), used: 0, position, is_over: false }
    }

    /// Returns what is there, reading more if nothing is; empty at the end.
    ///
    /// # Errors
    /// When reading fails.
    pub fn peek(&mut self) -> io::Result<&[u8]> {
        if self.used == self.window.len() && !self.is_over {
            self.window.resize(WINDOW_BYTES, 0);
            let count = loop {
                match self.reader.read(&mut self.window) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            self.window.truncate(count);
            self.used = 0;
            self.is_over = count == 0;
        }
        Ok(&self.window[self.used..])
    }

    /// Takes bytes that were seen.
    pub fn take(&mut self, count: usize) {
        self.used += count;
        self.position += count as u64;
    }

    /// Passes over the rest of a line.
    ///
    /// # Errors
    /// When reading fails.
    pub fn line_skip(&mut self) -> io::Result<()> {
        loop {
            let window = self.peek()?;
            if window.is_empty() {
                return Ok(());
            }
            let end = memchr::memchr(b'\n', window);
            let count = end.map_or(window.len(), |end| end + 1);
            self.take(count);
            if end.is_some() {
                return Ok(());
            }
        }
    }

    /// Returns the place of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }
}

/// A way of writing records.
pub trait Records {
    /// Takes the next record, which is the row of that number; nothing at the end. The values are those of all columns,
    /// in order. What is odd about it is noted.
    ///
    /// # Errors
    /// When there is something else than a record.
    fn next(&mut self, feed: &mut Feed, row: u64, hint: &mut Hint) -> PreviewResult<Option<Vec<Value>>>;
    /// Begins again at the start of a record.
    fn restart(&mut self, is_front: bool);
    /// Returns the columns.
    fn columns(&self) -> &[Column];
    /// Returns what values looked like so far, where nothing says their types.
    fn looks(&self) -> &[(String, Look)] {
        &[]
    }
    /// Takes types that hold more than those of this file.
    fn adopt(&mut self, _: &[(String, Look)]) {}
}

/// A file of records.
pub struct RecordFile<R> {
    origin: Origin,
    records: R,
    hint: Hint,
    mark_bytes: u64,
}

impl<R: Records> RecordFile<R> {
    /// Returns a file whose records are understood already.
    pub fn new(origin: Origin, records: R, hint: Hint) -> RecordFile<R> {
        let mark_bytes = MARK_BYTES.max(origin.file_bytes() / MARKS_MAX);
        RecordFile { origin, records, hint, mark_bytes }
    }

    fn feed_at(&self, place: u64) -> PreviewResult<Feed> {
        Ok(match place {
            0 => Feed::new(self.origin.reader()?, 0),
            place => Feed::new(self.origin.reader_at(place), place),
        })
    }

    fn mark(&mut self, row: u64, place: u64) {
        let last = self.hint.marks.last().copied().unwrap_or_default();
        if !self.origin.is_plain() || row <= last.0 || place < last.1 + self.mark_bytes {
            return;
        }
        self.hint.marks.push((row, place));
    }
}

impl<R: Records> Table for RecordFile<R> {
    fn columns(&self) -> &[Column] {
        self.records.columns()
    }

    fn rows_known(&self) -> Option<u64> {
        self.hint.rows
    }

    fn hint(&self) -> Hint {
        Hint { looks: self.records.looks().to_vec(), ..self.hint.clone() }
    }

    fn adopt(&mut self, types: &[(String, Look)]) {
        self.records.adopt(types);
    }

    fn read(&mut self, from: u64, rows_max: u64, columns: &[usize], visit: Visit<'_>) -> PreviewResult<Ended> {
        let at = self.hint.marks.partition_point(|(row, _)| *row <= from);
        let (mut row, place) = at.checked_sub(1).map_or((0, 0), |at| self.hint.marks[at]);
        let end = from.saturating_add(rows_max);
        let mut feed = self.feed_at(place)?;
        self.records.restart(place == 0);
        let (mut batch, mut batch_bytes, mut first) = (Vec::new(), 0usize, from);
        loop {
            if row >= end {
                if !batch.is_empty() && visit(first, Batch::Rows(batch))? == Flow::Stop {
                    return Ok(Ended::Stopped);
                }
                return Ok(Ended::End);
            }
            let place = feed.position();
            self.mark(row, place);
            let Some(record) = self.records.next(&mut feed, row, &mut self.hint)? else { break };
            if row == self.hint.rows_seen {
                self.hint.rows_seen = row + 1;
            }
            if row >= from {
                batch_bytes += usize::try_from(feed.position() - place).unwrap_or(usize::MAX);
                batch.push(columns.iter().map(|&column| record.get(column).cloned().unwrap_or_default()).collect());
            } else if row % 4_096 == 0 && visit(row, Batch::Rows(Vec::new()))? == Flow::Stop {
                // Nothing to show yet, but whoever waits may have had enough.
                return Ok(Ended::Stopped);
            }
            row += 1;
            if batch.len() >= BATCH_ROWS || batch_bytes >= BATCH_BYTES {
                let full = std::mem::take(&mut batch);
                if visit(first, Batch::Rows(full))? == Flow::Stop {
                    return Ok(Ended::Stopped);
                }
                (first, batch_bytes) = (row, 0);
            }
        }
        self.hint.rows = Some(row);
        if !batch.is_empty() && visit(first, Batch::Rows(batch))? == Flow::Stop {
            return Ok(Ended::Stopped);
        }
        Ok(Ended::End)
    }
}
