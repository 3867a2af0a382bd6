//! The file map: which chunks make a file, and where each of them lies. It comes before the bytes, so
//! that every chunk can be checked when it arrives and whoever lies is known by name.
//!
//! Encoding, all integers little-endian:
//!
//! | part | fields |
//! |---|---|
//! | head, 92 bytes | `"KRZFMAP\x01"`, file hash (32), sha256 (32), length of the file (u64), term count (u32), chunk count (u64) |
//! | per term, 44 bytes | xorb (32), first chunk (u32), one past the last chunk (u32), where the frame of the first chunk starts in the xorb (u32) |
//! | per chunk in the order of the file, 40 bytes | hash (32), length of its frame (u32), raw length (u32) |
//! | end, 8 bytes | CRC-64/NVME of all before (u64) |
//!
//! Trust: the file hash is the Merkle root over hashes and lengths of the chunks, so a map that was read
//! to its end ([`FileMapVerifier`], [`FileMap::parse`]) is the map of that file hash and of no other
//! content. That this file also has that sha256 shows only when the bytes are here. Places are a claim
//! of who made the map: wrong ones lead to bytes whose chunk hash differs.
//!
//! Memory: a file of 500 GB has 8 million chunks and a map of 320 MB. [`FileMapVerifier`] keeps 8 bytes a
//! term, [`FileMapReader`] one page of terms and one of chunks; [`FileMap`] is for files of ordinary size.

mod encoder;
mod reader;
mod verifier;

pub use encoder::FileMapEncoder;
pub use reader::{FileMapReadError, FileMapReader};
pub use verifier::FileMapVerifier;

use karez_types::{ChunkHash, FileHash, Limits, Sha256, XorbHash};

use crate::xet::Chunk;

const MAGIC: &[u8; 8] = b"KRZFMAP\x01";
const HEAD_BYTES: usize = 92;
const TERM_BYTES: usize = 44;
const CHUNK_BYTES: usize = 40;
const END_BYTES: usize = 8;

/// Why bytes are not a file map that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileMapError {
    /// Does not start like one of this version.
    #[error("the bytes are not a file map of a version that this program knows")]
    NotAMap,
    /// Ends before what its head announces.
    #[error("the file map ends too soon, at byte {at}")]
    Truncated {
        /// How many bytes there were.
        at: u64,
    },
    /// Goes on after its end.
    #[error("the file map has bytes after its end")]
    TrailingBytes,
    /// More of something than allowed.
    #[error("the file map has more than {count_max} {what}")]
    TooMany {
        /// "terms" or "bytes of the file".
        what: &'static str,
        /// The limit.
        count_max: u64,
    },
    /// Contradicts itself or names what cannot be.
    #[error("the file map is wrong: {reason}")]
    Wrong {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Its chunks are those of another file.
    #[error("the file map says file {claimed}, but its chunks are those of {actual}")]
    WrongHash {
        /// What the head says.
        claimed: FileHash,
        /// What the chunks say.
        actual: FileHash,
    },
    /// Damaged on its way or on the disk.
    #[error("the checksum of the file map is wrong")]
    WrongChecksum,
}

/// Bounds on a map that comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMapLimits {
    /// Length of the file, in bytes.
    pub file_bytes_max: u64,
    /// Terms of the file.
    pub terms_max: u64,
}

impl From<&Limits> for FileMapLimits {
    fn from(limits: &Limits) -> FileMapLimits {
        FileMapLimits { file_bytes_max: limits.file_bytes_max, terms_max: limits.file_terms_max }
    }
}

/// What a map begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMapHead {
    /// Merkle root over the chunks.
    pub hash: FileHash,
    /// SHA-256 of the file, claimed.
    pub sha256: Sha256,
    /// Length of the file.
    pub file_bytes: u64,
    /// How many terms follow.
    pub term_count: u32,
    /// How many chunks follow.
    pub chunk_count: u64,
}

impl FileMapHead {
    /// Returns the length of the whole map; `None` when no map can be that long.
    pub fn map_bytes(&self) -> Option<u64> {
        let fixed = (HEAD_BYTES + END_BYTES) as u64 + u64::from(self.term_count) * TERM_BYTES as u64;
        self.chunk_count.checked_mul(CHUNK_BYTES as u64)?.checked_add(fixed)
    }

    fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..40].copy_from_slice(&self.hash.0);
        bytes[40..72].copy_from_slice(&self.sha256.0);
        bytes[72..80].copy_from_slice(&self.file_bytes.to_le_bytes());
        bytes[80..84].copy_from_slice(&self.term_count.to_le_bytes());
        bytes[84..].copy_from_slice(&self.chunk_count.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEAD_BYTES]) -> Result<FileMapHead, FileMapError> {
        if !bytes.starts_with(MAGIC) {
            return Err(FileMapError::NotAMap);
        }
        let head = FileMapHead {
            hash: FileHash(array(&bytes[8..])),
            sha256: Sha256(array(&bytes[40..])),
            file_bytes: u64::from_le_bytes(array(&bytes[72..])),
            term_count: u32::from_le_bytes(array(&bytes[80..])),
            chunk_count: u64::from_le_bytes(array(&bytes[84..])),
        };
        // Every term has a chunk and every chunk a byte: counts beyond that announce what cannot come.
        if u64::from(head.term_count) > head.chunk_count || head.chunk_count > head.file_bytes {
            return Err(FileMapError::Wrong { reason: "its counts do not fit the length of the file" });
        }
        if head.map_bytes().is_none() || (head.term_count == 0) != (head.file_bytes == 0) {
            return Err(FileMapError::Wrong { reason: "its counts cannot be" });
        }
        Ok(head)
    }
}

/// Returns the first `N` bytes.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("records have fixed lengths")
}

/// A run of chunks of one xorb, in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MapTerm {
    /// The xorb.
    pub xorb: XorbHash,
    /// First chunk.
    pub chunk_start: u32,
    /// One past the last chunk.
    pub chunk_end: u32,
    /// Where the frame of the first chunk starts in the xorb.
    pub byte_start: u32,
}

impl MapTerm {
    /// Returns how many chunks the term has.
    pub fn chunk_count(&self) -> u32 {
        self.chunk_end - self.chunk_start
    }

    fn encode(&self) -> [u8; TERM_BYTES] {
        let mut bytes = [0; TERM_BYTES];
        bytes[..32].copy_from_slice(&self.xorb.0);
        bytes[32..36].copy_from_slice(&self.chunk_start.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.chunk_end.to_le_bytes());
        bytes[40..].copy_from_slice(&self.byte_start.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; TERM_BYTES]) -> Result<MapTerm, FileMapError> {
        let word = |at: usize| u32::from_le_bytes(array(&bytes[at..]));
        let (chunk_start, chunk_end, byte_start) = (word(32), word(36), word(40));
        if chunk_start >= chunk_end {
            return Err(FileMapError::Wrong { reason: "a term covers no chunk" });
        }
        if (chunk_start == 0) != (byte_start == 0) || byte_start < chunk_start {
            return Err(FileMapError::Wrong { reason: "a term starts at an impossible place" });
        }
        Ok(MapTerm { xorb: XorbHash(array(bytes)), chunk_start, chunk_end, byte_start })
    }
}

/// One chunk of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MapChunk {
    /// Keyed BLAKE3 of the raw bytes.
    pub hash: ChunkHash,
    /// Length of its frame in the xorb, header included.
    pub frame_bytes: u32,
    /// Length of the raw bytes.
    pub raw_bytes: u32,
}

impl MapChunk {
    fn encode(&self) -> [u8; CHUNK_BYTES] {
        let mut bytes = [0; CHUNK_BYTES];
        bytes[..32].copy_from_slice(&self.hash.0);
        bytes[32..36].copy_from_slice(&self.frame_bytes.to_le_bytes());
        bytes[36..].copy_from_slice(&self.raw_bytes.to_le_bytes());
        bytes
    }

    /// Reads a chunk; whether its lengths can be is for the verifier.
    fn decode(bytes: &[u8; CHUNK_BYTES]) -> MapChunk {
        MapChunk {
            hash: ChunkHash(array(bytes)),
            frame_bytes: u32::from_le_bytes(array(&bytes[32..])),
            raw_bytes: u32::from_le_bytes(array(&bytes[36..])),
        }
    }
}

impl From<MapChunk> for Chunk {
    fn from(chunk: MapChunk) -> Chunk {
        Chunk { hash: chunk.hash, raw_bytes: chunk.raw_bytes }
    }
}

/// A whole map in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMap {
    /// Merkle root over the chunks.
    pub hash: FileHash,
    /// SHA-256 of the file, claimed.
    pub sha256: Sha256,
    /// Length of the file.
    pub file_bytes: u64,
    /// The terms, in order.
    pub terms: Vec<MapTerm>,
    /// The chunks of all terms, in order.
    pub chunks: Vec<MapChunk>,
}

impl FileMap {
    /// Returns what the encoded form begins with.
    ///
    /// # Panics
    /// With more terms than [`u32::MAX`]: recipes are bounded far below.
    pub fn head(&self) -> FileMapHead {
        FileMapHead {
            hash: self.hash,
            sha256: self.sha256,
            file_bytes: self.file_bytes,
            term_count: u32::try_from(self.terms.len()).expect("terms are bounded by limits.file_terms_max"),
            chunk_count: self.chunks.len() as u64,
        }
    }

    /// Returns the encoded form.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(
            HEAD_BYTES + self.terms.len() * TERM_BYTES + self.chunks.len() * CHUNK_BYTES + END_BYTES,
        );
        let mut encoder = FileMapEncoder::new(&self.head(), &mut bytes);
        self.terms.iter().for_each(|term| encoder.term(term, &mut bytes));
        self.chunks.iter().for_each(|chunk| encoder.chunk(chunk, &mut bytes));
        encoder.finish(&mut bytes);
        bytes
    }

    /// Reads the encoded form and checks all of it.
    ///
    /// # Errors
    /// When these are not exactly the bytes of a map that agrees with itself, or it is over a limit.
    pub fn parse(bytes: &[u8], limits: FileMapLimits) -> Result<FileMap, FileMapError> {
        let mut verifier = FileMapVerifier::new(limits);
        verifier.push(bytes)?;
        let head = verifier.finish()?;
        let terms_end = HEAD_BYTES + head.term_count as usize * TERM_BYTES;
        let (terms, _) = bytes[HEAD_BYTES..terms_end].as_chunks::<TERM_BYTES>();
        let (chunks, _) = bytes[terms_end..bytes.len() - END_BYTES].as_chunks::<CHUNK_BYTES>();
        Ok(FileMap {
            hash: head.hash,
            sha256: head.sha256,
            file_bytes: head.file_bytes,
            terms: terms.iter().map(MapTerm::decode).collect::<Result<_, _>>()?,
            chunks: chunks.iter().map(MapChunk::decode).collect(),
        })
    }
}
