//! Texts of one record after another (CSV, JSON, plain lines): read from front to back, or from a mark.
//!
//! A mark is a row whose first byte is known. They are noted on the way and remembered between questions, so that
//! a page far inside of a file costs what lies between it and the mark before it. Packed files have none.

use std::io::{self, Read};

use serde_json::Value;

use crate::error::PreviewResult;
use crate::format::Packing;
use crate::source::Source;
use crate::table::{Batch, Column, Ended, Flow, Hint, Table, Visit};
use crate::unpack::unpacked;

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

    /// Returns the place of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }
}

/// A way of writing records.
pub trait Records {
    /// Takes the next record; nothing at the end. The values are those of all columns, in order.
    ///
    /// # Errors
    /// When there is something else than a record.
    fn next(&mut self, feed: &mut Feed) -> PreviewResult<Option<Vec<Value>>>;
    /// Begins again at the start of a record.
    fn restart(&mut self, is_front: bool);
    /// Returns the columns.
    fn columns(&self) -> &[Column];
}

/// A file of records.
pub struct RecordFile<R> {
    source: Source,
    packing: Packing,
    records: R,
    hint: Hint,
    mark_bytes: u64,
}

impl<R: Records> RecordFile<R> {
    /// Returns a file whose records are understood already.
    pub fn new(source: Source, packing: Packing, records: R, hint: Hint) -> RecordFile<R> {
        let mark_bytes = MARK_BYTES.max(source.file_bytes() / MARKS_MAX);
        RecordFile { source, packing, records, hint, mark_bytes }
    }

    fn feed_at(&self, place: u64) -> PreviewResult<Feed> {
        Ok(match place {
            0 => Feed::new(unpacked(&self.source, self.packing)?, 0),
            place => Feed::new(Box::new(self.source.reader(place)), place),
        })
    }

    fn mark(&mut self, row: u64, place: u64) {
        let last = self.hint.marks.last().copied().unwrap_or_default();
        if self.packing != Packing::Plain || row <= last.0 || place < last.1 + self.mark_bytes {
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
        self.hint.clone()
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
            let Some(record) = self.records.next(&mut feed)? else { break };
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
