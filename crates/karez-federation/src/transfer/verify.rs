//! Checking what came, while it comes.
//!
//! With a map every chunk is unpacked and hashed as soon as its bytes are complete, in whatever order. A
//! reconstruction has no chunk hashes: each run is unpacked from its beginning, the hashes are written down,
//! and at the end they must give the file hash. Plain bytes wait for the sha256.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use karez_formats::file_map::MapChunk;
use karez_formats::xet::{CHUNK_BYTES_MAX, Chunk, FRAME_HEADER_BYTES, FileHasher, chunk_hash, decode_chunks};
use karez_types::{ByteRange, ChunkHash};

use super::content::{Chunked, Content, Decoded, Table};
use super::journal::Journal;
use super::runs::Run;

/// Bytes that are read from the journal at once.
const READ_BYTES: u64 = 1 << 20;

/// Tables of runs in memory: of 8,192 chunks with 48 bytes each at most, so 3 MiB.
const TABLES_MAX: usize = 8;

/// Bytes that are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadBytes {
    /// Where they are.
    pub(super) range: ByteRange,
    /// What they are, if they are a chunk at all.
    pub(super) actual: Option<ChunkHash>,
    /// What is wrong, to be read after a name.
    pub(super) what: String,
}

/// The chunks of a run and where each ends on the wire.
struct RunTable {
    number: u32,
    chunks: Vec<MapChunk>,
    ends: Vec<u64>,
}

/// Checks the bytes of one transfer. Blocking.
pub(super) struct Verifier {
    content: Arc<Content>,
    journal: Arc<Journal>,
    tables: VecDeque<Arc<RunTable>>,
    buffer: Vec<u8>,
    raw: Vec<u8>,
}

impl Verifier {
    pub(super) fn new(content: Arc<Content>, journal: Arc<Journal>) -> Verifier {
        Verifier { content, journal, tables: VecDeque::new(), buffer: Vec::new(), raw: Vec::new() }
    }

    /// Checks all chunks that touch these bytes and are complete; good ones are marked in the journal.
    ///
    /// # Errors
    /// When the journal or the map cannot be read.
    pub(super) fn check(&mut self, range: ByteRange) -> io::Result<Vec<BadBytes>> {
        let content = self.content.clone();
        let Content::Chunked(chunked) = &*content else { return Ok(Vec::new()) };
        let mut bad = Vec::new();
        for number in chunked.runs.on_wire(range.start, range.end) {
            let run = &chunked.runs.runs[*number as usize];
            match &chunked.table {
                Table::Mapped(_) => self.check_run(chunked, *number, run, range, &mut bad)?,
                Table::Decoded(decoded) => bad.extend(self.decode_run(decoded, *number as usize, run)?),
            }
        }
        Ok(bad)
    }

    fn table(&mut self, chunked: &Chunked, number: u32, run: &Run) -> io::Result<Arc<RunTable>> {
        if let Some(table) = self.tables.iter().find(|table| table.number == number) {
            return Ok(table.clone());
        }
        let chunks = chunked.chunks(run, run.chunk_start..run.chunk_end)?;
        let mut at = run.wire_at;
        let mut ends = Vec::with_capacity(chunks.len());
        for chunk in &chunks {
            at += u64::from(chunk.frame_bytes);
            ends.push(at);
        }
        let table = Arc::new(RunTable { number, chunks, ends });
        self.tables.truncate(TABLES_MAX - 1);
        self.tables.push_front(table.clone());
        Ok(table)
    }

    fn check_run(
        &mut self,
        chunked: &Chunked,
        number: u32,
        run: &Run,
        range: ByteRange,
        bad: &mut Vec<BadBytes>,
    ) -> io::Result<()> {
        let table = self.table(chunked, number, run)?;
        let mut next = table.ends.partition_point(|end| *end <= range.start);
        let start_of = |chunk: usize| chunk.checked_sub(1).map_or(run.wire_at, |before| table.ends[before]);
        while next < table.chunks.len() && start_of(next) < range.end {
            // As many whole chunks as fit one read.
            let start = start_of(next);
            let mut end = next;
            while end < table.chunks.len()
                && start_of(end) < range.end
                && table.ends[end] - start <= READ_BYTES
                && self.is_due(ByteRange { start: start_of(end), end: table.ends[end] })
            {
                end += 1;
            }
            if end == next {
                next += 1;
                continue;
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            self.journal.read(ByteRange { start, end: table.ends[end - 1] }, &mut buffer)?;
            for chunk in next..end {
                let frame = ByteRange { start: start_of(chunk), end: table.ends[chunk] };
                let bytes = &buffer[(frame.start - start) as usize..(frame.end - start) as usize];
                match self.check_frame(bytes, &table.chunks[chunk]) {
                    Ok(()) => self.journal.mark_verified(frame),
                    Err((actual, what)) => bad.push(BadBytes { range: frame, actual, what }),
                }
            }
            self.buffer = buffer;
            next = end;
        }
        Ok(())
    }

    fn is_due(&self, frame: ByteRange) -> bool {
        self.journal.has(frame) && !self.journal.is_verified(frame)
    }

    fn check_frame(&mut self, frame: &[u8], chunk: &MapChunk) -> Result<(), (Option<ChunkHash>, String)> {
        unpack_frame(frame, &mut self.raw).map_err(|what| (None, what))?;
        let actual = chunk_hash(&self.raw);
        if actual == chunk.hash && self.raw.len() == chunk.raw_bytes as usize {
            return Ok(());
        }
        Err((Some(actual), format!("sent bytes of chunk {actual} where chunk {} belongs", chunk.hash)))
    }

    /// Unpacks what a run of a reconstruction has from where it is.
    fn decode_run(&mut self, decoded: &Decoded, number: usize, run: &Run) -> io::Result<Option<BadBytes>> {
        loop {
            let (done, mut at) = decoded.progress(number);
            let mut left = run.chunk_end - run.chunk_start - done;
            let reach = self.journal.reach(at).min(run.wire_end());
            if left == 0 {
                return Ok(None);
            }
            let end = reach.min(at + READ_BYTES);
            if at == end && at < run.wire_end() {
                return Ok(None);
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            self.journal.read(ByteRange { start: at, end }, &mut buffer)?;
            let mut chunks = Vec::new();
            let mut rest = &buffer[..];
            let mut bad = None;
            while left > 0 {
                let Some(frame_bytes) = frame_bytes(rest) else { break };
                let frame_end = at + frame_bytes as u64;
                if frame_end > run.wire_end() || left == 1 && frame_end != run.wire_end() {
                    let range = ByteRange { start: at, end: run.wire_end().min(frame_end) };
                    let what = "sent a run of chunks that ends elsewhere than it should".to_owned();
                    bad = Some(BadBytes { range, actual: None, what });
                    break;
                }
                let Some((frame, after)) = rest.split_at_checked(frame_bytes) else { break };
                match unpack_frame(frame, &mut self.raw) {
                    Ok(()) => {
                        let (hash, raw_bytes) = (chunk_hash(&self.raw), self.raw.len() as u32);
                        chunks.push(MapChunk { hash, frame_bytes: frame_bytes as u32, raw_bytes });
                    }
                    Err(what) => {
                        bad = Some(BadBytes { range: ByteRange { start: at, end: frame_end }, actual: None, what });
                        break;
                    }
                }
                (rest, at, left) = (after, frame_end, left - 1);
            }
            let is_stuck = chunks.is_empty();
            decoded.push(number, run, &chunks)?;
            let is_all = reach == run.wire_end();
            self.buffer = buffer;
            if bad.is_some() {
                return Ok(bad);
            }
            if is_stuck {
                if is_all && left > 0 {
                    let range = ByteRange { start: at.min(run.wire_end() - 1), end: run.wire_end() };
                    let what = "sent a run of chunks that ends too soon".to_owned();
                    return Ok(Some(BadBytes { range, actual: None, what }));
                }
                return Ok(None);
            }
        }
    }

    /// Checks that the chunks of a reconstruction make the file. Blocking, over all chunks.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub(super) fn finish(&self) -> io::Result<Result<(), String>> {
        let Content::Chunked(chunked) = &*self.content else { return Ok(Ok(())) };
        if self.content.is_mapped() {
            return Ok(Ok(()));
        }
        let mut hasher = FileHasher::new();
        for term in &chunked.runs.terms {
            let mut raw_bytes = 0u64;
            for chunk in chunked.chunks_of_xorb(term.xorb, term.chunk_start..term.chunk_end)? {
                raw_bytes += u64::from(chunk.raw_bytes);
                hasher.push(Chunk { hash: chunk.hash, raw_bytes: chunk.raw_bytes });
            }
            if raw_bytes != term.raw_bytes {
                return Ok(Err("sent chunks of other lengths than the recipe says".to_owned()));
            }
        }
        let actual = hasher.finish();
        Ok(if actual == chunked.hash {
            Ok(())
        } else {
            Err(format!("sent the chunks of file {actual} instead of {}", chunked.hash))
        })
    }
}

/// Returns the length of the frame that begins here, once its header is whole.
fn frame_bytes(bytes: &[u8]) -> Option<usize> {
    let header: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk()?;
    // Byte 0 is the version; then three bytes of stored length (Xet spec, "Xorb format").
    Some(FRAME_HEADER_BYTES + u32::from_le_bytes([header[1], header[2], header[3], 0]) as usize)
}

/// Unpacks exactly one frame.
pub(super) fn unpack_frame(frame: &[u8], raw: &mut Vec<u8>) -> Result<(), String> {
    if frame_bytes(frame) != Some(frame.len()) {
        return Err("sent bytes that are not a chunk".to_owned());
    }
    raw.clear();
    decode_chunks(frame, raw).map_err(|error| format!("sent bytes that are not a chunk: {error}"))?;
    debug_assert!((1..=CHUNK_BYTES_MAX).contains(&raw.len()));
    Ok(())
}
