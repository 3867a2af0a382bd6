//! Reading files: from terms to bytes, in constant memory.
//!
//! Chunk hashes are not computed again on each read: they were checked when the xorb came in, and are
//! checked by fsck. Lengths are, so a damaged xorb ends the answer early instead of shifting bytes.

use std::sync::{Arc, Mutex, PoisonError};
use std::vec;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt, try_unfold};
use karez_catalog::FileRow;
use karez_formats::xet::{CHUNK_BYTES_MAX, FrameDecoder, Term, XorbIndex};
use karez_store::{Store, StoreError};
use karez_types::{ByteRange, XorbHash};

use crate::{Hub, HubError, HubResult};

impl Hub {
    /// Streams a range of a file. The caller has checked that the reader may have it and that the
    /// range lies inside the file.
    ///
    /// The stream holds one buffer of stored bytes and one of unpacked ones, whatever the file's size.
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
            self.current = Some(Unpacking::start(&self.store, piece, index)?);
        }
    }
}

/// Returns the index of a xorb that a stored file refers to.
pub(crate) async fn index_of(store: &Store, xorb: XorbHash) -> HubResult<Arc<XorbIndex>> {
    store.xorb_index(xorb).await?.ok_or_else(|| HubError::Damaged(format!("xorb {xorb} is missing")))
}

/// Raw bytes that are unpacked in one go, at least: small enough to be in the processor's cache still
/// when the socket takes them, large enough that a system call costs nothing beside the copy.
const GROUP_RAW_BYTES: u32 = 256 << 10;

/// The chunks of one piece on their way out, in groups.
struct Unpacking {
    xorb: XorbHash,
    index: Arc<XorbIndex>,
    stored: BoxStream<'static, Result<Bytes, StoreError>>,
    /// Stored bytes that came and are not unpacked yet.
    window: Bytes,
    decoder: FrameDecoder,
    /// Next chunk to unpack.
    next: u32,
    /// One past the last chunk that is wanted.
    last: u32,
    /// Where the next stored byte is in the xorb.
    position: u64,
    /// Raw bytes before the first that is wanted.
    skip_bytes: u64,
    /// Raw bytes still wanted.
    take_bytes: u64,
}

impl Unpacking {
    fn start(store: &Store, piece: Piece, index: Arc<XorbIndex>) -> HubResult<Unpacking> {
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
        let (mut last, mut covered) = (first, 0u64);
        for raw_bytes in wanted {
            last += 1;
            covered += raw_bytes;
            if covered >= skip_bytes + take_bytes {
                break;
            }
        }
        let range = index.stored_range(first..last).ok_or_else(damaged)?;
        Ok(Unpacking {
            xorb: term.xorb,
            stored: store.xorb_stream(term.xorb, range),
            window: Bytes::new(),
            decoder: FrameDecoder::new(),
            next: first,
            last,
            position: range.start,
            skip_bytes,
            take_bytes,
            index,
        })
    }

    async fn next(&mut self) -> HubResult<Option<Bytes>> {
        if self.take_bytes == 0 {
            return Ok(None);
        }
        let (stored_end, raw_bytes) = self.group();
        let mut raw = RawBuffer::take();
        while self.position < stored_end {
            if self.window.is_empty() {
                let window = self.stored.next().await;
                self.window = window.ok_or_else(|| self.damaged(&"it ends before its last chunk"))??;
            }
            let fits = usize::try_from(stored_end - self.position).unwrap_or(usize::MAX);
            let part = self.window.split_to(fits.min(self.window.len()));
            self.position += part.len() as u64;
            // A group unpacks in a tenth of a millisecond, less than a hop to another thread costs in
            // lost cache; so this runs on the runtime's thread.
            self.decoder.push_into(&part, &mut raw.0).map_err(|error| self.damaged(&error))?;
        }
        if raw.0.len() as u64 != raw_bytes {
            return Err(self.damaged(&"its chunks have other lengths than its index says"));
        }
        let from = self.skip_bytes;
        let to = raw_bytes.min(from + self.take_bytes);
        self.skip_bytes = 0;
        self.take_bytes -= to - from;
        Ok(Some(Bytes::from_owner(raw).slice(from as usize..to as usize)))
    }

    /// Moves on to the next group of chunks. Returns where it ends in the xorb, and its raw length:
    /// known before anything is unpacked, so that no compressed bytes can ask for more memory.
    fn group(&mut self) -> (u64, u64) {
        let mut raw_bytes = 0;
        let mut stored_end = self.position;
        while self.next < self.last && raw_bytes < GROUP_RAW_BYTES {
            let chunk = self.index.chunks[self.next as usize];
            raw_bytes += chunk.raw_bytes;
            stored_end = u64::from(chunk.end_bytes);
            self.next += 1;
        }
        (stored_end, u64::from(raw_bytes))
    }

    fn damaged(&self, reason: &dyn std::fmt::Display) -> HubError {
        HubError::Damaged(format!("xorb {}: {reason}", self.xorb))
    }
}

/// Buffers that wait to be used again, at most [`IDLE_BUFFERS_MAX`]. New memory costs a page fault for
/// every 4 KiB, which was more than all the rest of a read.
static IDLE_BUFFERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Bounds the memory of a node that reads nothing any more to 6 MiB.
const IDLE_BUFFERS_MAX: usize = 16;

/// A buffer for a group of unpacked chunks; goes back to the idle ones when the socket has taken it.
struct RawBuffer(Vec<u8>);

impl RawBuffer {
    fn take() -> RawBuffer {
        let idle = IDLE_BUFFERS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // The last chunk of a group may begin just before its end.
        RawBuffer(idle.unwrap_or_else(|| Vec::with_capacity(GROUP_RAW_BYTES as usize + CHUNK_BYTES_MAX)))
    }
}

impl AsRef<[u8]> for RawBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for RawBuffer {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        buffer.clear();
        let mut idle = IDLE_BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_BUFFERS_MAX {
            idle.push(buffer);
        }
    }
}
