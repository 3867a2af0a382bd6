//! The index of a xorb: where its chunks are, kept beside it so that reads never parse the xorb.
//!
//! Encoding, all integers little-endian:
//! `"KRZXIDX\x01"`, chunk count (u32), zero (u32), then per chunk its hash (32 bytes), the end of its
//! frame in the xorb (u32) and its raw length (u32), and at last CRC-64/NVME of all before (u64).
//! The index is derived: it can be rebuilt from the xorb, so a damaged one is an error and no loss.

use std::ops::Range;

use karez_types::{ByteRange, ChunkHash, XorbHash};

use super::merkle::Tree;
use super::xorb::XorbError;
use super::{CHUNK_BYTES_MAX, Chunk, Crc64Nvme, FRAME_HEADER_BYTES};

const MAGIC: &[u8; 8] = b"KRZXIDX\x01";
const HEADER_BYTES: usize = 16;
const ENTRY_BYTES: usize = 40;
const CHECKSUM_BYTES: usize = 8;

/// One chunk in a xorb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedChunk {
    /// Keyed BLAKE3 of the raw bytes.
    pub hash: ChunkHash,
    /// Where its frame ends in the xorb; it starts where the one before it ends.
    pub end_bytes: u32,
    /// Length of the raw bytes.
    pub raw_bytes: u32,
}

impl From<IndexedChunk> for Chunk {
    fn from(chunk: IndexedChunk) -> Chunk {
        Chunk { hash: chunk.hash, raw_bytes: chunk.raw_bytes }
    }
}

/// The chunks of a xorb, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct XorbIndex {
    /// The chunks, in order.
    pub chunks: Vec<IndexedChunk>,
}

impl XorbIndex {
    /// Returns how many chunks the xorb has.
    pub fn chunk_count(&self) -> u32 {
        u32::try_from(self.chunks.len()).expect("a xorb is under 4 GiB and a frame over one byte")
    }

    /// Returns the length of the xorb as stored.
    pub fn stored_bytes(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| u64::from(chunk.end_bytes))
    }

    /// Returns the length of all chunks, unpacked.
    pub fn raw_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.raw_bytes)).sum()
    }

    /// Returns which bytes of the xorb hold these chunks; `None` when the range is empty, backwards
    /// or beyond the last chunk.
    pub fn stored_range(&self, chunks: Range<u32>) -> Option<ByteRange> {
        let inside = self.slice(chunks.clone())?;
        let start = match chunks.start.checked_sub(1) {
            None => 0,
            Some(before) => u64::from(self.chunks[before as usize].end_bytes),
        };
        ByteRange::new(start, u64::from(inside.last()?.end_bytes))
    }

    /// Returns the length of these chunks, unpacked; `None` as for [`XorbIndex::stored_range`].
    pub fn raw_bytes_of(&self, chunks: Range<u32>) -> Option<u64> {
        Some(self.slice(chunks)?.iter().map(|chunk| u64::from(chunk.raw_bytes)).sum())
    }

    /// Returns these chunks; `None` as for [`XorbIndex::stored_range`].
    pub fn slice(&self, chunks: Range<u32>) -> Option<&[IndexedChunk]> {
        self.chunks.get(chunks.start as usize..chunks.end as usize).filter(|inside| !inside.is_empty())
    }

    /// Returns the name of the xorb: the Merkle root over its chunks.
    pub fn xorb_hash(&self) -> XorbHash {
        let mut tree = Tree::default();
        self.chunks.iter().for_each(|chunk| tree.push((*chunk).into()));
        XorbHash(tree.finish().unwrap_or([0; 32]))
    }

    /// Returns the stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.chunks.len() * ENTRY_BYTES + CHECKSUM_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.chunk_count().to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        for chunk in &self.chunks {
            bytes.extend_from_slice(&chunk.hash.0);
            bytes.extend_from_slice(&chunk.end_bytes.to_le_bytes());
            bytes.extend_from_slice(&chunk.raw_bytes.to_le_bytes());
        }
        let checksum = Crc64Nvme::of(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`XorbError::BrokenIndex`] unless these are exactly the bytes that [`XorbIndex::encode`] gave.
    pub fn decode(bytes: &[u8]) -> Result<XorbIndex, XorbError> {
        let broken = |reason| XorbError::BrokenIndex { reason };
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(broken("it is too short"))?;
        if u64::from_le_bytes(*checksum) != Crc64Nvme::of(body) {
            return Err(broken("its checksum is wrong"));
        }
        let (header, entries) = body.split_first_chunk::<HEADER_BYTES>().ok_or(broken("it is too short"))?;
        if !header.starts_with(MAGIC) {
            return Err(broken("it is not an index of a version that this program knows"));
        }
        let count = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
        if entries.len() as u64 != u64::from(count) || !rest.is_empty() {
            return Err(broken("its length does not match its chunk count"));
        }
        let mut chunks = Vec::with_capacity(entries.len());
        let mut previous_end = 0u32;
        for entry in entries {
            let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
            let hash = ChunkHash::from_slice(&entry[..32]).expect("32 bytes");
            let (end_bytes, raw_bytes) = (word(32), word(36));
            let frame_bytes = end_bytes.checked_sub(previous_end).ok_or(broken("its offsets run backwards"))?;
            if frame_bytes as usize <= FRAME_HEADER_BYTES || !(1..=CHUNK_BYTES_MAX).contains(&(raw_bytes as usize)) {
                return Err(broken("it has a chunk of an impossible length"));
            }
            previous_end = end_bytes;
            chunks.push(IndexedChunk { hash, end_bytes, raw_bytes });
        }
        Ok(XorbIndex { chunks })
    }
}
