//! Reading a file while it arrives.
//!
//! Who reads the whole file gets its last item only after the sha256 over all that was given is right,
//! whatever is known of chunks. Of other ranges, chunks are verified by their hash; without chunk hashes the
//! end of the range waits until the file is held.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use karez_formats::xet::chunk_hash;
use karez_types::{ByteRange, FileHash, Sha256};
use sha2::Digest;
use tokio::sync::watch;

use super::content::{Chunked, Content, Table};
use super::first_bytes::FIRST_BYTES;
use super::handle::{Transfer, TransferError, Work};
use super::sink::SinkError;
use super::verify::unpack_frame;

/// Longest item of a plain stream.
const ITEM_BYTES: u64 = 256 << 10;

/// What is held back until the whole is verified, where chunk hashes are not known.
const HELD_BACK_BYTES: u64 = 64 << 10;

/// How far ahead of a reader bytes are wanted first.
const AHEAD_BYTES: u64 = 16 << 20;

/// Most chunks in which a reader's first bytes lie: chunks are 8 KiB at least, but for the last of a file.
const FIRST_CHUNKS: u32 = 18;

/// A reader that has moved less than this says nothing new.
const WISH_STEP_BYTES: u64 = 2 << 20;

/// Streams a range of a file.
pub(super) fn stream(transfer: Arc<Transfer>, range: ByteRange) -> BoxStream<'static, Result<Bytes, TransferError>> {
    let reader = Reader::new(transfer, range);
    try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|bytes| (bytes, reader))) }).boxed()
}

/// Streams a range of a file, also what can only be verified with the whole of it.
pub(super) fn stream_unverified(
    transfer: Arc<Transfer>,
    range: ByteRange,
) -> BoxStream<'static, Result<Bytes, TransferError>> {
    let mut reader = Reader::new(transfer, range);
    reader.holds_back = false;
    try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|bytes| (bytes, reader))) }).boxed()
}

struct Reader {
    transfer: Arc<Transfer>,
    number: u64,
    changes: watch::Receiver<u64>,
    at: u64,
    end: u64,
    /// Where it has something.
    first_end: u64,
    is_inside: bool,
    /// Whether its last bytes wait for the whole, where chunk hashes are not known.
    holds_back: bool,
    /// Of a reader of the whole file: hash of what was given.
    hasher: Option<sha2::Sha256>,
    /// What bytes were read from, once some were given.
    given: Option<Given>,
    /// What `cursor` and `wished` are about.
    work: Option<Arc<Work>>,
    wished: Option<(usize, u64)>,
    cursor: Option<Cursor>,
    raw: Vec<u8>,
}

/// What a reader's bytes depend on.
#[derive(Clone, PartialEq)]
struct Given {
    /// Of bytes whose chunks were verified: of which file they are. Of others: how often such were taken back.
    by: Result<FileHash, u64>,
}

/// Where a reader is: a chunk of a term.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    term: usize,
    chunk: u32,
    /// Where the chunk's raw bytes begin in the file.
    raw_at: u64,
    /// Where its frame begins on the wire, and the run that this is true in.
    wire: Option<(usize, u64)>,
}

/// What a reader can have now.
enum Now {
    Bytes(Bytes),
    /// Not here yet; these wire bytes are wanted first.
    Wait(Option<ByteRange>),
}

impl Reader {
    fn new(transfer: Arc<Transfer>, range: ByteRange) -> Reader {
        let number = {
            let mut inner = transfer.inner();
            inner.readers += 1;
            inner.readers_now.come();
            let number = inner.readers;
            inner.first_bytes.wait(number);
            if inner.work.is_none() && inner.asks_ahead {
                transfer.services.uses.plans(transfer.number, inner.priority);
            }
            number
        };
        Reader {
            number,
            changes: transfer.changes.subscribe(),
            at: range.start,
            end: range.end,
            first_end: range.end.min(range.start.saturating_add(FIRST_BYTES)),
            is_inside: range.end <= transfer.wanted.file_bytes,
            hasher: (range.start == 0 && range.end == transfer.wanted.file_bytes).then(sha2::Sha256::new),
            holds_back: true,
            given: None,
            work: None,
            wished: None,
            cursor: None,
            raw: Vec::new(),
            transfer,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, TransferError> {
        if !self.is_inside {
            return Err(TransferError::RangeOutside);
        }
        while self.at < self.end {
            self.changes.mark_unchanged();
            let outcome = self.transfer.outcome.borrow().clone();
            if let Some(Err(error)) = &outcome {
                return Err(error.clone());
            }
            let (work, retractions, is_right) = {
                let inner = self.transfer.inner();
                (inner.work.clone(), inner.retractions, inner.readers_now.is_right)
            };
            if let Some(work) = work {
                let source = Given { by: work.content.verified_file().ok_or(retractions) };
                if self.given.as_ref().is_some_and(|given| *given != source) {
                    return Err(TransferError::Retracted);
                }
                if !self.work.as_ref().is_some_and(|known| Arc::ptr_eq(known, &work)) {
                    (self.cursor, self.wished, self.work) = (None, None, Some(work.clone()));
                }
                let is_done = outcome.is_some() || is_right;
                match self.now(&work, is_done).await? {
                    Now::Bytes(bytes) => {
                        self.give(&bytes)?;
                        self.given = Some(source);
                        return Ok(Some(bytes));
                    }
                    Now::Wait(Some(wanted)) => {
                        work.schedule().want_first(self.number, wanted);
                        self.transfer.wake.notify_one();
                    }
                    Now::Wait(None) => {}
                }
            }
            if let Some(why) = self.transfer.closed() {
                return Err(TransferError::Closed(why));
            }
            // Its other end is in the transfer, which this reader holds.
            if self.changes.changed().await.is_err() {
                return Err(TransferError::Stopped);
            }
        }
        Ok(None)
    }

    /// Takes note of bytes that are about to be given, and judges the whole file before its last.
    fn give(&mut self, bytes: &Bytes) -> Result<(), TransferError> {
        let had_nothing = self.at < self.first_end;
        self.at += bytes.len() as u64;
        if had_nothing && self.at >= self.first_end {
            self.transfer.inner().first_bytes.over(self.number);
            self.transfer.wake.notify_one();
        }
        let Some(hasher) = &mut self.hasher else { return Ok(()) };
        hasher.update(bytes);
        let is_last = self.at == self.end;
        let is_wrong = is_last && Sha256(hasher.finalize_reset().into()) != self.transfer.wanted.sha256;
        if is_wrong { Err(TransferError::Retracted) } else { Ok(()) }
    }

    async fn now(&mut self, work: &Arc<Work>, is_done: bool) -> Result<Now, TransferError> {
        match &*work.content {
            Content::Plain => self.plain(work, is_done).await,
            Content::Chunked(chunked) => self.chunked(work, chunked, is_done).await,
        }
    }

    /// How far unverified bytes may be given.
    fn limit(&self, is_done: bool) -> u64 {
        if is_done || self.hasher.is_some() || !self.holds_back {
            self.end
        } else {
            self.end - 1.max(HELD_BACK_BYTES.min(self.end - self.at))
        }
    }

    async fn plain(&mut self, work: &Arc<Work>, is_done: bool) -> Result<Now, TransferError> {
        let reach = work.journal.reach(self.at).min(self.limit(is_done)).min(self.at + ITEM_BYTES);
        if reach <= self.at {
            let end = if self.at < self.first_end { self.first_end } else { self.end.min(self.at + AHEAD_BYTES) };
            return Ok(Now::Wait(Some(ByteRange { start: self.at, end })));
        }
        let range = ByteRange { start: self.at, end: reach };
        read(work, range).await.map(|bytes| Now::Bytes(bytes.into()))
    }

    async fn chunked(&mut self, work: &Arc<Work>, chunked: &Chunked, is_done: bool) -> Result<Now, TransferError> {
        let outside = || TransferError::Failed("the recipe of the file has no chunk for a byte of it".to_owned());
        let mut cursor = match self.cursor {
            Some(cursor) => cursor,
            None => {
                let (term, place) = chunked.term_at(self.at).ok_or_else(outside)?;
                Cursor { term, chunk: place.chunk_start, raw_at: place.raw_at, wire: None }
            }
        };
        loop {
            let term = *chunked.runs.terms.get(cursor.term).ok_or_else(outside)?;
            if cursor.chunk >= term.chunk_end {
                let next = chunked.runs.terms.get(cursor.term + 1).ok_or_else(outside)?;
                cursor = Cursor { term: cursor.term + 1, chunk: next.chunk_start, raw_at: next.raw_at, wire: None };
                continue;
            }
            let run = *chunked.runs.of_chunk(term.xorb, cursor.chunk).ok_or_else(outside)?;
            let number = chunked.number_of(&run);
            let is_known = match &chunked.table {
                Table::Mapped(_) => true,
                Table::Decoded(decoded) => cursor.chunk - run.chunk_start < decoded.progress(number).0,
            };
            self.cursor = Some(cursor);
            if !is_known {
                return Ok(self.wish(number, run.wire_at, run.wire_end()));
            }
            let at = match cursor.wire {
                Some((of_run, at)) if of_run == number => at,
                _ => {
                    let before = chunked.chunks(&run, run.chunk_start..cursor.chunk).map_err(failed)?;
                    run.wire_at + before.iter().map(|chunk| u64::from(chunk.frame_bytes)).sum::<u64>()
                }
            };
            let chunk =
                *chunked.chunks(&run, cursor.chunk..cursor.chunk + 1).map_err(failed)?.first().ok_or_else(outside)?;
            let frame = ByteRange { start: at, end: at + u64::from(chunk.frame_bytes) };
            let raw_end = cursor.raw_at + u64::from(chunk.raw_bytes);
            let next = Cursor { chunk: cursor.chunk + 1, raw_at: raw_end, wire: Some((number, frame.end)), ..cursor };
            if raw_end <= self.at {
                cursor = next;
                continue;
            }
            let is_mapped = matches!(chunked.table, Table::Mapped(_));
            let end = if is_mapped { self.end } else { self.limit(is_done) };
            if end <= self.at {
                return Ok(Now::Wait(None));
            }
            let raw = if let Some(placed) = chunked.held.find(term.xorb, cursor.chunk) {
                let chunks = placed.here_start..placed.here_start + 1;
                let item = self.transfer.services.sink.chunks_read(placed.here, chunks).next().await;
                let raw = match item.ok_or_else(outside)? {
                    Ok(raw) => raw,
                    Err(SinkError::Gone(_)) => {
                        // They are fetched now, and whoever asks again gets them.
                        self.transfer.inner().has_lost_chunks = true;
                        self.transfer.wake.notify_one();
                        return Err(TransferError::Retracted);
                    }
                    Err(error) => return Err(TransferError::Failed(error.to_string())),
                };
                self.raw.clear();
                self.raw.extend_from_slice(&raw);
                &self.raw
            } else {
                if is_mapped && !work.journal.is_verified(frame) {
                    let end = if self.at < self.first_end {
                        let chunks = cursor.chunk..term.chunk_end.min(cursor.chunk + FIRST_CHUNKS);
                        let mut reach = (cursor.raw_at, frame.start);
                        for chunk in chunked.chunks(&run, chunks).map_err(failed)? {
                            if reach.0 >= self.first_end {
                                break;
                            }
                            reach = (reach.0 + u64::from(chunk.raw_bytes), reach.1 + u64::from(chunk.frame_bytes));
                        }
                        reach.1
                    } else {
                        run.wire_end()
                    };
                    return Ok(self.wish(number, frame.start, end));
                }
                let bytes = read(work, frame).await?;
                unpack_frame(&bytes, &mut self.raw).map_err(|_| changed())?;
                &self.raw
            };
            // Once more: the disk is not believed either, and a map may name the same bytes twice.
            if chunk_hash(raw) != chunk.hash {
                return Err(changed());
            }
            let from = (self.at - cursor.raw_at) as usize;
            let to = (end.min(raw_end) - cursor.raw_at) as usize;
            let bytes = Bytes::copy_from_slice(&raw[from..to]);
            self.cursor = Some(if end >= raw_end { next } else { cursor });
            return Ok(Now::Bytes(bytes));
        }
    }

    /// Says which wire bytes are wanted, unless that was said a moment ago.
    fn wish(&mut self, run: usize, start: u64, end: u64) -> Now {
        let step = if self.at < self.first_end { 1 } else { WISH_STEP_BYTES };
        let is_old = self.wished.is_some_and(|(of_run, at)| of_run == run && start < at + step && at <= start);
        if is_old {
            return Now::Wait(None);
        }
        self.wished = Some((run, start));
        Now::Wait(Some(ByteRange { start, end: end.min(start + AHEAD_BYTES) }))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inner = self.transfer.inner();
        inner.readers_now.leave();
        inner.first_bytes.over(self.number);
        if let Some(work) = &inner.work {
            work.schedule().want_no_more(self.number);
        }
    }
}

fn failed(error: io::Error) -> TransferError {
    TransferError::Failed(format!("the file map cannot be read: {error}"))
}

fn changed() -> TransferError {
    TransferError::Failed("received bytes have changed on the disk".to_owned())
}

async fn read(work: &Arc<Work>, range: ByteRange) -> Result<Vec<u8>, TransferError> {
    let journal = work.journal.clone();
    let read = move || {
        let mut buffer = Vec::new();
        journal.read(range, &mut buffer).map(|()| buffer)
    };
    let outcome = tokio::task::spawn_blocking(read).await.map_err(io::Error::other).flatten();
    outcome.map_err(|error| TransferError::Failed(format!("received bytes cannot be read: {error}")))
}
