//! Xet: content-defined chunks, their Merkle hashes, xorbs, shards and deduplication answers.
//!
//! A file is cut into *chunks* of about 64 KiB where its content says so ([`Chunker`]), so that an
//! edit changes only the chunks that it touches. Chunks travel and rest in *xorbs*: up to 64 MiB of
//! framed, possibly compressed chunks, named by the Merkle root over the chunk hashes. A *shard*
//! says which ranges of chunks of which xorbs make up which file.
//!
//! The formats are those of the public Xet specification (v1.1.0) and, where it is silent, of the
//! reference client 1.8.0; `tests/upstream` checks that both agree with this code byte for byte.
//!
//! Trust: nothing here believes a length, a count, an offset or a hash that came from outside.
//! [`XorbVerifier`] hashes each chunk while it arrives, decompression stops at the declared raw
//! length, and shard counts are compared with the bytes that are really there before memory is
//! reserved for them.
//!
//! Performance: the verifier and the builder reuse their buffers, so their cost per chunk is
//! decompression plus BLAKE3. `examples/xet_floor.rs` prints the CPU seconds per gigabyte.

mod bg4;
mod chunker;
mod crc;
mod dedup;
mod frame;
mod hash;
mod index;
mod lz4;
mod merkle;
mod shard;
mod term;
mod xorb;

pub use chunker::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNK_BYTES_TARGET, Chunker};
pub use crc::Crc64Nvme;
pub use dedup::{DedupAnswer, encode_dedup_answer};
pub use frame::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameDecoder, decode_chunks};
pub use hash::{chunk_hash, keyed_chunk_hash, range_hash};
pub use index::{IndexedChunk, XorbIndex};
pub use merkle::{FileHasher, file_hash, xorb_hash};
pub use shard::{Shard, ShardError, ShardFile, ShardLimits, ShardTerm, ShardXorb};
pub use term::{Term, TermError, decode_terms, encode_terms};
pub use xorb::{BuiltXorb, XORB_BYTES_MAX, XORB_CHUNKS_MAX, XorbBuilder, XorbError, XorbVerifier};

use karez_types::ChunkHash;

/// One chunk of a file or of a xorb, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chunk {
    /// Keyed BLAKE3 of the raw bytes.
    pub hash: ChunkHash,
    /// Length of the raw bytes.
    pub raw_bytes: u32,
}
