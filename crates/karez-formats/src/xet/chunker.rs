//! Content-defined chunking with the Gear rolling hash.

/// Least bytes of a chunk, except a file's last (Xet spec, "Chunking": target / 8).
pub const CHUNK_BYTES_MIN: usize = 8 << 10;
/// Mean bytes of a chunk (Xet spec, "Chunking").
pub const CHUNK_BYTES_TARGET: usize = 64 << 10;
/// Most bytes of a chunk (Xet spec, "Chunking": target * 2).
pub const CHUNK_BYTES_MAX: usize = 128 << 10;

/// Bytes that influence the rolling hash: each byte is shifted out of the 64-bit word after 64 more.
const WINDOW_BYTES: usize = 64;
/// No boundary can lie in the first [`CHUNK_BYTES_MIN`] bytes, so hashing starts only one window
/// before. The one byte more is the reference client's, and part of the format.
const SKIP_BYTES: usize = CHUNK_BYTES_MIN - WINDOW_BYTES - 1;
/// A boundary is where these bits of the hash are all zero: 16 bits make the mean 64 KiB. The upper
/// bits, because the lower ones depend on few bytes only.
const BOUNDARY_MASK: u64 = 0xFFFF_0000_0000_0000;

const _: () = assert!(BOUNDARY_MASK.count_ones() == CHUNK_BYTES_TARGET.trailing_zeros());
const _: () = assert!(CHUNK_BYTES_MIN > WINDOW_BYTES + 1 && CHUNK_BYTES_MIN < CHUNK_BYTES_MAX);

/// Cuts a stream into chunks. Where it cuts depends on the bytes only, never on how they arrive.
///
/// Chunks that lie inside one pushed buffer are handed on without a copy; at most one chunk is held.
#[derive(Debug)]
pub struct Chunker {
    gear: gearhash::Hasher<'static>,
    /// The beginning of a chunk whose end has not arrived.
    held: Vec<u8>,
}

impl Default for Chunker {
    fn default() -> Chunker {
        Chunker::new()
    }
}

impl Chunker {
    /// Returns a chunker at the beginning of a stream.
    pub fn new() -> Chunker {
        Chunker { gear: gearhash::Hasher::default(), held: Vec::new() }
    }

    /// Takes the next bytes and hands each chunk that they complete to `emit`.
    pub fn push(&mut self, data: &[u8], emit: &mut dyn FnMut(&[u8])) {
        let mut rest = data;
        while !rest.is_empty() {
            let Some(cut) = self.next_boundary(rest) else {
                self.held.extend_from_slice(rest);
                return;
            };
            let (head, tail) = rest.split_at(cut);
            if self.held.is_empty() {
                emit(head);
            } else {
                self.held.extend_from_slice(head);
                emit(&self.held);
                self.held.clear();
            }
            rest = tail;
        }
    }

    /// Hands the last chunk to `emit`, if bytes are left, and stands at the beginning of a new stream.
    pub fn finish(&mut self, emit: &mut dyn FnMut(&[u8])) {
        if !self.held.is_empty() {
            emit(&self.held);
            self.held.clear();
        }
        self.gear.set_hash(0);
    }

    /// Returns where in `data`, which follows the held bytes, the current chunk ends.
    fn next_boundary(&mut self, data: &[u8]) -> Option<usize> {
        let held = self.held.len();
        debug_assert!(held < CHUNK_BYTES_MAX, "a full chunk is handed on at once");
        let end = data.len().min(CHUNK_BYTES_MAX - held);
        let mut position = SKIP_BYTES.saturating_sub(held).min(end);
        while let Some(matched) = self.gear.next_match(&data[position..end], BOUNDARY_MASK) {
            position += matched;
            // The hash can match before its window is full; that is not a boundary.
            if held + position >= CHUNK_BYTES_MIN {
                self.gear.set_hash(0);
                return Some(position);
            }
        }
        if held + end == CHUNK_BYTES_MAX {
            self.gear.set_hash(0);
            return Some(end);
        }
        None
    }
}
