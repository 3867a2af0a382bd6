//! Which chunks make up a file, as a remote says: checked against the bytes, and at last by the sha256.

use std::io;
use std::ops::Range;

use karez_types::{ChunkHash, FileHash, XorbHash};

/// One chunk of a file, as a map says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Hash of the raw bytes.
    pub hash: ChunkHash,
    /// Length of its frame in the xorb, with the header.
    pub frame_bytes: u32,
    /// Length of the raw bytes.
    pub raw_bytes: u32,
}

/// A run of chunks of one xorb, part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapTerm {
    /// The remote's xorb.
    pub xorb: XorbHash,
    /// First chunk.
    pub chunk_start: u32,
    /// One past the last chunk.
    pub chunk_end: u32,
    /// Where the frame of the first chunk begins in the xorb.
    pub byte_start: u32,
}

/// A file map: terms, and the chunks that they cover, in file order. A map of a large file is on disk:
/// terms are in memory, chunks are read in parts.
pub trait ChunkMap: Send + Sync {
    /// Hash of the file, which the map's chunks give.
    fn file_hash(&self) -> FileHash;

    /// The terms, in file order.
    fn terms(&self) -> &[MapTerm];

    /// Reads chunks, counted over all terms in file order.
    ///
    /// # Errors
    /// When the map cannot be read, or has fewer chunks.
    fn chunks(&self, range: Range<u64>) -> io::Result<Vec<ChunkInfo>>;
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Chunks of 10 raw bytes in frames of 18.
    pub(in crate::transfer) struct Sample {
        pub(in crate::transfer) terms: Vec<MapTerm>,
        chunk_count: u64,
    }

    pub(in crate::transfer) fn term(xorb: u8, chunk_start: u32, chunk_end: u32) -> MapTerm {
        MapTerm { xorb: XorbHash([xorb; 32]), chunk_start, chunk_end, byte_start: chunk_start * 18 }
    }

    impl Sample {
        pub(in crate::transfer) fn new(terms: &[(u8, u32, u32)]) -> Sample {
            let terms: Vec<MapTerm> = terms.iter().map(|(xorb, start, end)| term(*xorb, *start, *end)).collect();
            let chunk_count = terms.iter().map(|term| u64::from(term.chunk_end - term.chunk_start)).sum();
            Sample { terms, chunk_count }
        }
    }

    impl ChunkMap for Sample {
        fn file_hash(&self) -> FileHash {
            FileHash([0; 32])
        }

        fn terms(&self) -> &[MapTerm] {
            &self.terms
        }

        fn chunks(&self, range: Range<u64>) -> io::Result<Vec<ChunkInfo>> {
            if range.end > self.chunk_count {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(range.map(|n| ChunkInfo { hash: ChunkHash([n as u8; 32]), frame_bytes: 18, raw_bytes: 10 }).collect())
        }
    }
}
