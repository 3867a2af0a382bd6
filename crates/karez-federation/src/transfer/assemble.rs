//! From verified wire bytes to a file in the hub.
//!
//! Frames are stored as they came, neither unpacked nor packed again. A xorb that is here whole, from its
//! first chunk on and with the Merkle root that is its name, goes in under that name. Of other xorbs only
//! the chunks of this file are here: their frames, one after the other, make xorbs of our own. Chunks that
//! were held before are named where they are. What is here is asked of the hub again by name at the end:
//! nothing is visible before the file's sha256 was computed from stored bytes.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{StreamExt, TryStreamExt, iter, try_unfold};
use karez_catalog::FileBrief;
use karez_formats::xet::{Chunk, Term, XORB_BYTES_MAX, XORB_CHUNKS_MAX, xorb_hash};
use karez_types::ByteRange;

use super::FileWanted;
use super::content::{Chunked, Content, Placed, Places};
use super::extents::Extents;
use super::journal::Journal;
use super::runs::Run;
use super::sink::{Body, Sink, SinkError};

/// Bytes of one item of a body.
const READ_BYTES: u64 = 256 << 10;

fn broken(error: std::io::Error) -> SinkError {
    SinkError::Failed(format!("the journal of the transfer cannot be read: {error}"))
}

/// Puts the file together in the hub. May be called again after an error.
pub(super) async fn assemble(
    sink: &dyn Sink,
    file: &FileWanted,
    content: &Content,
    journal: &Arc<Journal>,
) -> Result<FileBrief, SinkError> {
    match content {
        Content::Plain => {
            let whole = ByteRange { start: 0, end: file.file_bytes };
            sink.file_ingest(file, body(journal.clone(), vec![whole])).await
        }
        Content::Chunked(chunked) => {
            let (places, open, used) = (chunked.held.clone(), OpenXorb::default(), used(chunked));
            let mut packing = Packing { sink, file, journal, chunked, places, open, used };
            packing.pack_all().await?;
            let terms = terms(chunked, &packing.places).map_err(broken)?;
            sink.file_put(file, chunked.hash, terms).await
        }
    }
}

/// A xorb that is being gathered: which frames, not their bytes.
#[derive(Default)]
struct OpenXorb {
    chunks: Vec<Chunk>,
    frames: Vec<ByteRange>,
    bytes: u64,
    /// Remote's xorb and chunks, and where they go in this one.
    parts: Vec<(u32, Range<u32>, u32)>,
}

impl OpenXorb {
    fn fits(&self, frame_bytes: u64) -> bool {
        self.chunks.len() < XORB_CHUNKS_MAX && self.bytes + frame_bytes <= XORB_BYTES_MAX as u64
    }

    fn push(&mut self, xorb: u32, position: u32, chunk: Chunk, frame: ByteRange) {
        let here = self.chunks.len() as u32;
        self.chunks.push(chunk);
        self.bytes += frame.byte_count();
        match self.frames.last_mut() {
            Some(last) if last.end == frame.start => last.end = frame.end,
            _ => self.frames.push(frame),
        }
        match self.parts.last_mut() {
            Some((last, chunks, start))
                if *last == xorb && chunks.end == position && *start + (chunks.end - chunks.start) == here =>
            {
                chunks.end += 1;
            }
            _ => self.parts.push((xorb, position..position + 1, here)),
        }
    }
}

struct Packing<'a> {
    sink: &'a dyn Sink,
    file: &'a FileWanted,
    journal: &'a Arc<Journal>,
    chunked: &'a Chunked,
    places: Places,
    open: OpenXorb,
    /// By the remote's xorb, the chunks that the file has; the others are not ours to keep.
    used: HashMap<u32, Extents>,
}

/// Returns which chunks a file has: the runs of a reconstruction may have more.
fn used(chunked: &Chunked) -> HashMap<u32, Extents> {
    let mut used: HashMap<u32, Extents> = HashMap::new();
    for term in &chunked.runs.terms {
        let chunks = ByteRange { start: term.chunk_start.into(), end: term.chunk_end.into() };
        used.entry(term.xorb).or_default().insert(chunks);
    }
    used
}

impl Packing<'_> {
    async fn pack_all(&mut self) -> Result<(), SinkError> {
        let runs = &self.chunked.runs.runs;
        for of_xorb in runs.chunk_by(|a, b| a.xorb == b.xorb) {
            match of_xorb {
                [run] if run.chunk_start == 0 && run.byte_start == 0 && self.pack_verbatim(run).await? => {}
                _ => {
                    for run in of_xorb {
                        self.pack(run).await?;
                    }
                }
            }
        }
        let last = std::mem::take(&mut self.open);
        self.put(last).await
    }

    /// Stores a run under the name of its xorb, if it is all of it.
    async fn pack_verbatim(&mut self, run: &Run) -> Result<bool, SinkError> {
        let all = run.chunk_start..run.chunk_end;
        if self.places.gap(run.xorb, all.clone()) != Some(all.clone()) {
            return Ok(false);
        }
        let chunks = self.chunked.chunks(run, all.clone()).map_err(broken)?;
        let chunks: Vec<Chunk> = chunks.into_iter().map(Chunk::from).collect();
        if xorb_hash(&chunks) != self.chunked.runs.xorbs[run.xorb as usize] {
            return Ok(false);
        }
        let frames = vec![ByteRange { start: run.wire_at, end: run.wire_end() }];
        let bytes = run.byte_end - run.byte_start;
        self.put(OpenXorb { chunks, frames, bytes, parts: vec![(run.xorb, all, 0)] }).await?;
        Ok(true)
    }

    /// Adds those chunks of a run that are not stored to the open xorb.
    async fn pack(&mut self, run: &Run) -> Result<(), SinkError> {
        let mut at = run.wire_at;
        let mut next = run.chunk_start;
        // Chunks that go into xorbs that are put meanwhile must not be looked at again.
        let before = self.places.clone_of(run);
        for chunk in self.chunked.chunks(run, run.chunk_start..run.chunk_end).map_err(broken)? {
            let frame = ByteRange { start: at, end: at + u64::from(chunk.frame_bytes) };
            let is_used = |used: &Extents| used.contains(ByteRange { start: next.into(), end: u64::from(next) + 1 });
            if before.find(run.xorb, next).is_none() && self.used.get(&run.xorb).is_some_and(is_used) {
                if !self.open.fits(frame.byte_count()) {
                    let full = std::mem::take(&mut self.open);
                    self.put(full).await?;
                }
                self.open.push(run.xorb, next, chunk.into(), frame);
            }
            (at, next) = (frame.end, next + 1);
        }
        Ok(())
    }

    async fn put(&mut self, xorb: OpenXorb) -> Result<(), SinkError> {
        if xorb.chunks.is_empty() {
            return Ok(());
        }
        let here = xorb_hash(&xorb.chunks);
        self.sink.xorb_put(self.file, here, body(self.journal.clone(), xorb.frames)).await?;
        for (xorb, chunks, here_start) in xorb.parts {
            self.places.add(Placed { xorb, chunk_start: chunks.start, chunk_end: chunks.end, here, here_start });
        }
        Ok(())
    }
}

/// Returns the file's terms over the xorbs here.
fn terms(chunked: &Chunked, places: &Places) -> std::io::Result<Vec<Term>> {
    let mut terms: Vec<Term> = Vec::with_capacity(chunked.runs.terms.len());
    for term in &chunked.runs.terms {
        let mut next = term.chunk_start;
        while next < term.chunk_end {
            let placed = places.find(term.xorb, next).ok_or(std::io::ErrorKind::NotFound)?;
            let end = placed.chunk_end.min(term.chunk_end);
            let raw_bytes = if next == term.chunk_start && end == term.chunk_end {
                term.raw_bytes
            } else {
                chunked.chunks_of_xorb(term.xorb, next..end)?.iter().map(|chunk| u64::from(chunk.raw_bytes)).sum()
            };
            let raw_bytes = u32::try_from(raw_bytes).map_err(std::io::Error::other)?;
            let (chunk_start, chunk_end) = (placed.here_start, placed.here_start + (end - next));
            match terms.last_mut() {
                Some(last)
                    if last.xorb == placed.here
                        && last.chunk_end == chunk_start
                        && last.raw_bytes.checked_add(raw_bytes).is_some() =>
                {
                    last.chunk_end = chunk_end;
                    last.raw_bytes += raw_bytes;
                }
                _ => terms.push(Term { xorb: placed.here, chunk_start, chunk_end, raw_bytes }),
            }
            next = end;
        }
    }
    Ok(terms)
}

/// Reads ranges of the journal, one after the other.
fn body(journal: Arc<Journal>, ranges: Vec<ByteRange>) -> Body {
    let ranges = iter(ranges.into_iter().map(Ok::<_, std::io::Error>));
    ranges
        .map_ok(move |range| {
            let journal = journal.clone();
            try_unfold(range.start, move |at| {
                let journal = journal.clone();
                async move {
                    let part = ByteRange { start: at, end: range.end.min(at + READ_BYTES) };
                    if part.is_empty() {
                        return Ok(None);
                    }
                    let read = move || {
                        let mut buffer = Vec::new();
                        journal.read(part, &mut buffer).map(|()| Bytes::from(buffer))
                    };
                    let bytes = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)??;
                    Ok(Some((bytes, part.end)))
                }
            })
        })
        .try_flatten()
        .boxed()
}
