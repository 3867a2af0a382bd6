//! Reading files: from terms to bytes, in constant memory.
//!
//! Chunk hashes are not computed again on each read: they were checked when the xorb came in, and are
//! checked by fsck. Lengths are, so a damaged xorb ends the answer early instead of shifting bytes.

use std::sync::Arc;
use std::vec;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt, try_unfold};
use karez_catalog::FileRow;
use karez_formats::xet::{FrameDecoder, Term, XorbIndex};
use karez_store::{Store, StoreError};
use karez_types::{ByteRange, XorbHash};

use crate::{Hub, HubError, HubResult};

impl Hub {
    /// Streams a range of a file. The caller has checked that the reader may have it and that the
    /// range lies inside the file.
    ///
    /// The stream holds one buffer of stored bytes and what it unpacks to, whatever the file's size.
    /// It fails with [`HubError::Damaged`] when the store does not have what the recipe promises.
    pub fn file_stream(&self, file: &FileRow, range: ByteRange) -> BoxStream<'static, HubResult<Bytes>> {
        terms_stream(self.store.clone(), &file.terms, range)
    }
}

/// Streams a range of the bytes that these terms make.
pub(crate) fn terms_stream(store: Store, terms: &[Term], range: ByteRange) -> BoxStream<'static, HubResult<Bytes>> {
    let mut pieces = Vec::new();
    let mut start = 0u64;
    for term in terms {
        let end = start + u64::from(term.raw_bytes);
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            pieces.push(Piece { term: *term, skip_bytes: from - start, take_bytes: to - from });
        }
        start = end;
    }
    let reader = Reader { store, pieces: pieces.into_iter(), current: None };
    let pieces = try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|bytes| (bytes, reader))) });
    // The answer has begun by then and can only be cut off, so this is the one place to say why.
    pieces.inspect_err(|error: &HubError| tracing::error!(%error, "a file could not be read to its end")).boxed()
}

/// What is wanted of one term.
#[derive(Debug, Clone, Copy)]
struct Piece {
    term: Term,
    skip_bytes: u64,
    take_bytes: u64,
}

struct Reader {
    store: Store,
    pieces: vec::IntoIter<Piece>,
    current: Option<Unpacking>,
}

impl Reader {
    async fn next(&mut self) -> HubResult<Option<Bytes>> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(bytes) = current.next().await? {
                    return Ok(Some(bytes));
                }
                self.current = None;
            }
            let Some(piece) = self.pieces.next() else { return Ok(None) };
            let index = index_of(&self.store, piece.term.xorb).await?;
            self.current = Some(Unpacking::start(&self.store, piece, &index)?);
        }
    }
}

/// Returns the index of a xorb that a stored file refers to.
pub(crate) async fn index_of(store: &Store, xorb: XorbHash) -> HubResult<Arc<XorbIndex>> {
    store.xorb_index(xorb).await?.ok_or_else(|| HubError::Damaged(format!("xorb {xorb} is missing")))
}

/// The chunks of one piece on their way out.
struct Unpacking {
    xorb: XorbHash,
    stored: BoxStream<'static, Result<Bytes, StoreError>>,
    decoder: FrameDecoder,
    /// Raw bytes that the frames still have to give.
    raw_left: u64,
    /// Raw bytes before the first that is wanted.
    skip_bytes: u64,
    /// Raw bytes still wanted.
    take_bytes: u64,
}

impl Unpacking {
    fn start(store: &Store, piece: Piece, index: &XorbIndex) -> HubResult<Unpacking> {
        let Piece { term, mut skip_bytes, take_bytes } = piece;
        let damaged = || HubError::Damaged(format!("xorb {} does not have the chunks of a file's term", term.xorb));
        let chunks = index.slice(term.chunk_start..term.chunk_end).ok_or_else(damaged)?;
        let total: u64 = chunks.iter().map(|chunk| u64::from(chunk.raw_bytes)).sum();
        if total != u64::from(term.raw_bytes) {
            return Err(damaged());
        }
        // Whole chunks before and after what is wanted are not even read.
        let mut first = term.chunk_start;
        let mut wanted = chunks.iter().map(|chunk| u64::from(chunk.raw_bytes)).peekable();
        while let Some(raw_bytes) = wanted.next_if(|raw_bytes| skip_bytes >= *raw_bytes) {
            skip_bytes -= raw_bytes;
            first += 1;
        }
        let (mut last, mut raw_left) = (first, 0u64);
        for raw_bytes in wanted {
            last += 1;
            raw_left += raw_bytes;
            if raw_left >= skip_bytes + take_bytes {
                break;
            }
        }
        let range = index.stored_range(first..last).ok_or_else(damaged)?;
        let stored = store.xorb_stream(term.xorb, range);
        Ok(Unpacking { xorb: term.xorb, stored, decoder: FrameDecoder::new(), raw_left, skip_bytes, take_bytes })
    }

    async fn next(&mut self) -> HubResult<Option<Bytes>> {
        let damaged = |reason: &dyn std::fmt::Display| HubError::Damaged(format!("xorb {}: {reason}", self.xorb));
        while self.take_bytes > 0 {
            let Some(stored) = self.stored.next().await else {
                return Err(damaged(&"it ends before its last chunk"));
            };
            let stored = stored?;
            // A buffer of stored bytes unpacks in a tenth of a millisecond, less than a hop to
            // another thread costs in lost cache; so this runs on the runtime's thread.
            let mut raw = Vec::with_capacity(stored.len() + stored.len() / 4);
            self.decoder.push_into(&stored, &mut raw).map_err(|error| damaged(&error))?;
            drop(stored);
            let Some(left) = self.raw_left.checked_sub(raw.len() as u64) else {
                return Err(damaged(&"its chunks are longer than its index says"));
            };
            self.raw_left = left;
            let skipped = self.skip_bytes.min(raw.len() as u64);
            self.skip_bytes -= skipped;
            let taken = self.take_bytes.min(raw.len() as u64 - skipped);
            if taken > 0 {
                self.take_bytes -= taken;
                let (from, to) = (skipped as usize, (skipped + taken) as usize);
                return Ok(Some(Bytes::from(raw).slice(from..to)));
            }
        }
        Ok(None)
    }
}
