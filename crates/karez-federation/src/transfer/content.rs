//! What the wire bytes of a plan mean: chunks and their places, as far as they are known.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use karez_formats::file_map::MapChunk;
use karez_formats::xet::XorbIndex;
use karez_types::{ByteRange, ChunkHash, FileHash, XorbHash};

use super::extents::Extents;
use super::layout::{Layout, LayoutError};
use super::runs::{FileTerm, Run, Runs};
use super::sink::ChunksHeld;
use super::{ChunkMap, Recipe};

/// Chunks of a remote's xorb that are stored here, under another name or the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// Number of the remote's xorb.
    pub(super) xorb: u32,
    pub(super) chunk_start: u32,
    pub(super) chunk_end: u32,
    /// The xorb here, and the position of the first chunk in it.
    pub(super) here: XorbHash,
    pub(super) here_start: u32,
}

/// Where chunks are stored here; sorted by the remote's xorb and chunk.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Vec<Placed>);

impl Places {
    pub(super) fn add(&mut self, placed: Placed) {
        let at = self.0.partition_point(|other| (other.xorb, other.chunk_start) < (placed.xorb, placed.chunk_start));
        if let Some(before) = at.checked_sub(1).and_then(|before| self.0.get_mut(before))
            && before.xorb == placed.xorb
            && before.chunk_end == placed.chunk_start
            && before.here == placed.here
            && before.here_start + (before.chunk_end - before.chunk_start) == placed.here_start
        {
            before.chunk_end = placed.chunk_end;
        } else {
            self.0.insert(at, placed);
        }
    }

    /// Returns the places that touch a run.
    pub(super) fn clone_of(&self, run: &Run) -> Places {
        let of_run = |placed: &&Placed| placed.xorb == run.xorb;
        let from = self.0.partition_point(|placed| placed.xorb < run.xorb);
        Places(self.0[from..].iter().take_while(of_run).copied().collect())
    }

    /// Returns the place of a chunk, and how far it goes on from there.
    pub(super) fn find(&self, xorb: u32, chunk: u32) -> Option<Placed> {
        let after = self.0.partition_point(|placed| (placed.xorb, placed.chunk_start) <= (xorb, chunk));
        let placed = self.0[..after].last().filter(|placed| placed.xorb == xorb && chunk < placed.chunk_end)?;
        let here_start = placed.here_start + (chunk - placed.chunk_start);
        Some(Placed { chunk_start: chunk, here_start, ..*placed })
    }

    /// Returns the first chunk in a range that has no place yet, and where such chunks end.
    pub(super) fn gap(&self, xorb: u32, chunks: Range<u32>) -> Option<Range<u32>> {
        let mut start = chunks.start;
        while start < chunks.end {
            match self.find(xorb, start) {
                Some(placed) => start = placed.chunk_end,
                None => {
                    let next = self.0.partition_point(|placed| (placed.xorb, placed.chunk_start) < (xorb, start));
                    let end = self.0.get(next).filter(|placed| placed.xorb == xorb).map(|placed| placed.chunk_start);
                    return Some(start..end.unwrap_or(chunks.end).min(chunks.end));
                }
            }
        }
        None
    }
}

/// How far each run of a reconstruction is decoded, and what its chunks are.
pub(super) struct Decoded {
    table: File,
    /// Per run: chunks decoded, and the wire byte that comes next.
    runs: Mutex<Vec<(u32, u64)>>,
}

const CHUNK_RECORD_BYTES: u64 = 40;

/// What is known of the chunks.
pub(super) enum Table {
    /// All, from a map.
    Mapped(Arc<dyn ChunkMap>),
    /// What was decoded.
    Decoded(Decoded),
}

/// A file made of chunks.
pub(super) struct Chunked {
    pub(super) hash: FileHash,
    pub(super) runs: Runs,
    pub(super) table: Table,
    /// What was held before the transfer.
    pub(super) held: Places,
}

/// What the wire bytes mean.
pub(super) enum Content {
    /// The file itself.
    Plain,
    /// Frames of chunks.
    Chunked(Box<Chunked>),
}

impl Content {
    /// Resolves a plan. Blocking: a map is read once. `chunks_path` is where the table of decoded chunks goes.
    pub(super) fn of(
        layout: &Layout,
        recipe: &Recipe,
        file_bytes: u64,
        chunks_path: &Path,
    ) -> Result<Content, LayoutError> {
        if !layout.is_sound() {
            return Err(LayoutError::Broken("has a layout with gaps"));
        }
        let (hash, mut runs, table) = match recipe {
            Recipe::Plain => {
                return match layout.wire_bytes == file_bytes {
                    true => Ok(Content::Plain),
                    false => Err(LayoutError::Broken("has another length than the file")),
                };
            }
            Recipe::Mapped(map) => (map.file_hash(), Runs::of_map(&**map)?, Table::Mapped(map.clone())),
            Recipe::Reconstructed { hash, terms } => {
                let runs = Runs::of_terms(terms)?;
                let table = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(chunks_path)?;
                let decoded = Decoded { table, runs: Mutex::new(Vec::new()) };
                (*hash, runs, Table::Decoded(decoded))
            }
        };
        if runs.raw_bytes != file_bytes {
            return Err(LayoutError::Broken("has another length than the file"));
        }
        runs.place(layout)?;
        if let Table::Decoded(decoded) = &table {
            *decoded.lock() = runs.runs.iter().map(|run| (0, run.wire_at)).collect();
        }
        Ok(Content::Chunked(Box::new(Chunked { hash, runs, table, held: Places::default() })))
    }

    /// Returns the file whose chunks are checked when they come; nothing when they are not.
    pub(super) fn verified_file(&self) -> Option<FileHash> {
        match self {
            Content::Chunked(chunked) if self.is_mapped() => Some(chunked.hash),
            _ => None,
        }
    }

    /// Whether each chunk is checked against a hash when it comes.
    pub(super) fn is_mapped(&self) -> bool {
        matches!(self, Content::Chunked(chunked) if matches!(chunked.table, Table::Mapped(_)))
    }
}

impl Decoded {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u32, u64)>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many chunks of a run are decoded, and where the next one begins on the wire.
    pub(super) fn progress(&self, run: usize) -> (u32, u64) {
        self.lock()[run]
    }

    /// Adds chunks to those of a run.
    pub(super) fn push(&self, number: usize, run: &Run, chunks: &[MapChunk]) -> io::Result<()> {
        let (done, at) = self.progress(number);
        let mut bytes = Vec::with_capacity(chunks.len() * CHUNK_RECORD_BYTES as usize);
        let mut frame_bytes = 0;
        for chunk in chunks {
            bytes.extend_from_slice(&chunk.hash.0);
            bytes.extend_from_slice(&chunk.frame_bytes.to_le_bytes());
            bytes.extend_from_slice(&chunk.raw_bytes.to_le_bytes());
            frame_bytes += u64::from(chunk.frame_bytes);
        }
        self.table.write_all_at(&bytes, (run.first + u64::from(done)) * CHUNK_RECORD_BYTES)?;
        self.lock()[number] = (done + chunks.len() as u32, at + frame_bytes);
        Ok(())
    }

    /// Forgets what was decoded of a run.
    pub(super) fn reset(&self, number: usize, run: &Run) {
        self.lock()[number] = (0, run.wire_at);
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<MapChunk>> {
        let count = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let mut bytes = vec![0; count * CHUNK_RECORD_BYTES as usize];
        self.table.read_exact_at(&mut bytes, range.start * CHUNK_RECORD_BYTES)?;
        let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let records = bytes.as_chunks::<{ CHUNK_RECORD_BYTES as usize }>().0.iter();
        Ok(records
            .map(|record| MapChunk {
                hash: ChunkHash::from_slice(&record[..32]).unwrap_or(ChunkHash([0; 32])),
                frame_bytes: word(&record[32..]),
                raw_bytes: word(&record[36..]),
            })
            .collect())
    }
}

impl Chunked {
    /// Returns what is known of chunks of a run.
    ///
    /// # Errors
    /// When the table cannot be read; and for chunks of a reconstruction that were not decoded.
    pub(super) fn chunks(&self, run: &Run, chunks: Range<u32>) -> io::Result<Vec<MapChunk>> {
        let first = run.first + u64::from(chunks.start - run.chunk_start);
        let range = first..first + u64::from(chunks.end - chunks.start);
        match &self.table {
            Table::Mapped(map) => map.chunks(range),
            Table::Decoded(decoded) => decoded.read(range),
        }
    }

    /// Returns chunks of a xorb, over all its runs.
    pub(super) fn chunks_of_xorb(&self, xorb: u32, chunks: Range<u32>) -> io::Result<Vec<MapChunk>> {
        let mut found = Vec::new();
        let mut start = chunks.start;
        while start < chunks.end {
            let run = self.runs.of_chunk(xorb, start).ok_or(io::ErrorKind::UnexpectedEof)?;
            let end = run.chunk_end.min(chunks.end);
            found.extend(self.chunks(run, start..end)?);
            start = end;
        }
        Ok(found)
    }

    /// Returns the number of a run.
    pub(super) fn number_of(&self, run: &Run) -> usize {
        self.runs.runs.partition_point(|other| (other.xorb, other.chunk_start) < (run.xorb, run.chunk_start))
    }

    /// Takes note of chunks of a run that are held, which `answer` says; returns their wire bytes.
    pub(super) fn hold(&mut self, run: &Run, answer: &ChunksHeld) -> io::Result<Extents> {
        let mut wire = Extents::new();
        let mut at = run.wire_at;
        for (chunk, position) in self.chunks(run, run.chunk_start..run.chunk_end)?.iter().zip(run.chunk_start..) {
            let end = at + u64::from(chunk.frame_bytes);
            if let Some((here, here_start)) = answer.get(&chunk.hash).copied() {
                let (chunk_start, chunk_end) = (position, position + 1);
                self.held.add(Placed { xorb: run.xorb, chunk_start, chunk_end, here, here_start });
                wire.insert(ByteRange { start: at, end });
            }
            at = end;
        }
        Ok(wire)
    }

    /// Takes note that the xorb of a reconstruction's run is held; returns its wire bytes.
    pub(super) fn hold_xorb(&mut self, run: &Run, index: &XorbIndex) -> io::Result<Extents> {
        let Table::Decoded(decoded) = &self.table else { return Ok(Extents::new()) };
        let Some(chunks) = index.slice(run.chunk_start..run.chunk_end) else { return Ok(Extents::new()) };
        let start = index.stored_range(run.chunk_start..run.chunk_end).map_or(0, |range| range.start);
        let mut at = start;
        let mut known = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let end = u64::from(chunk.end_bytes);
            let frame_bytes = u32::try_from(end - at).map_err(io::Error::other)?;
            known.push(MapChunk { hash: chunk.hash, frame_bytes, raw_bytes: chunk.raw_bytes });
            at = end;
        }
        decoded.push(self.number_of(run), run, &known)?;
        let here = self.runs.xorbs[run.xorb as usize];
        let (chunk_start, chunk_end) = (run.chunk_start, run.chunk_end);
        self.held.add(Placed { xorb: run.xorb, chunk_start, chunk_end, here, here_start: chunk_start });
        Ok(Extents::of(ByteRange { start: run.wire_at, end: run.wire_end() }))
    }

    /// Returns the term that has this byte of the file.
    pub(super) fn term_at(&self, raw: u64) -> Option<(usize, &FileTerm)> {
        let after = self.runs.terms.partition_point(|term| term.raw_at <= raw);
        let number = after.checked_sub(1)?;
        let term = self.runs.terms.get(number)?;
        (raw < term.raw_at + term.raw_bytes).then_some((number, term))
    }
}
