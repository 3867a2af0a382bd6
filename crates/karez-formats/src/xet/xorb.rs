//! Verifying xorbs that come in and building our own.

use karez_types::{ChunkHash, XorbHash};

use super::frame::{FrameHeader, Frames, Scheme, Unpacker};
use super::{CHUNK_BYTES_MAX, FRAME_HEADER_BYTES, IndexedChunk, XorbIndex, chunk_hash, lz4};

/// Most bytes of a serialized xorb (Xet spec, "Xorbs": 64 MiB).
pub const XORB_BYTES_MAX: usize = 64 << 20;
/// Most chunks in a xorb (Xet spec, "Xorbs").
pub const XORB_CHUNKS_MAX: usize = 8192;

/// Why bytes are not the xorb that they claim to be, or not an index of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XorbError {
    /// Longer than allowed.
    #[error("the xorb is longer than {bytes_max} bytes; close a xorb before it gets that long")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// More chunks than allowed.
    #[error("the xorb has more than {chunks_max} chunks; close a xorb before it has that many")]
    TooManyChunks {
        /// The limit.
        chunks_max: u64,
    },
    /// No chunk at all.
    #[error("the xorb is empty; upload at least one chunk")]
    Empty,
    /// Followed by a footer.
    #[error("the xorb has a footer; upload the chunks only, the node derives the rest")]
    FooterPresent,
    /// Ends inside a chunk.
    #[error("the xorb ends inside chunk {chunk}; upload it again in full")]
    Truncated {
        /// Position of the chunk, from 0.
        chunk: u64,
    },
    /// A header of an unknown version: also what most trailing garbage looks like.
    #[error("chunk {chunk} of the xorb has a header of version {version}; only version 0 is known")]
    UnknownVersion {
        /// Position of the chunk, from 0.
        chunk: u64,
        /// The version found.
        version: u8,
    },
    /// An unknown compression scheme.
    #[error("chunk {chunk} of the xorb uses compression scheme {scheme}; use 0 (none), 1 (LZ4) or 2 (grouped LZ4)")]
    UnknownScheme {
        /// Position of the chunk, from 0.
        chunk: u64,
        /// The scheme found.
        scheme: u8,
    },
    /// An impossible raw length.
    #[error("chunk {chunk} of the xorb declares {raw_bytes} raw bytes; a chunk has 1 to {CHUNK_BYTES_MAX}")]
    RawLength {
        /// Position of the chunk, from 0.
        chunk: u64,
        /// The length found.
        raw_bytes: usize,
    },
    /// An impossible stored length.
    #[error("chunk {chunk} of the xorb declares {stored_bytes} stored bytes, which does not fit its raw length")]
    StoredLength {
        /// Position of the chunk, from 0.
        chunk: u64,
        /// The length found.
        stored_bytes: usize,
    },
    /// Compressed bytes that do not give exactly the declared raw bytes.
    #[error("chunk {chunk} of the xorb {reason}")]
    Decompression {
        /// Position of the chunk, from 0.
        chunk: u64,
        /// What is wrong with it, to be read after "chunk 7 of the xorb".
        reason: &'static str,
    },
    /// The chunks are sound but make another xorb.
    #[error("the chunks make up xorb {actual}, not {expected}; upload them under their own hash")]
    WrongHash {
        /// The hash that the caller gave.
        expected: XorbHash,
        /// The hash of the bytes.
        actual: XorbHash,
    },
    /// A damaged index in our own storage.
    #[error("the index of a xorb is damaged: {reason}")]
    BrokenIndex {
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Verifies a xorb while it arrives: each chunk is unpacked and hashed at once.
///
/// Memory: the index, one frame that is not whole yet, and one or two unpacked chunks.
#[derive(Debug)]
pub struct XorbVerifier {
    bytes_max: u64,
    chunks_max: u64,
    bytes_seen: u64,
    frames: Frames,
    unpacker: Unpacker,
    index: XorbIndex,
}

impl XorbVerifier {
    /// Returns a verifier that refuses xorbs over these limits, which cannot raise those of the format
    /// (4 GiB).
    pub fn new(bytes_max: u64, chunks_max: u64) -> XorbVerifier {
        XorbVerifier {
            bytes_max: bytes_max.min(u64::from(u32::MAX)),
            chunks_max,
            bytes_seen: 0,
            frames: Frames::default(),
            unpacker: Unpacker::default(),
            index: XorbIndex::default(),
        }
    }

    /// Takes the next bytes, however many.
    ///
    /// # Errors
    /// When the bytes cannot be a xorb; the verifier must not be used any more.
    pub fn push(&mut self, data: &[u8]) -> Result<(), XorbError> {
        self.bytes_seen = self.bytes_seen.saturating_add(data.len() as u64);
        if self.bytes_seen > self.bytes_max {
            return Err(XorbError::TooLarge { bytes_max: self.bytes_max });
        }
        let XorbVerifier { chunks_max, frames, unpacker, index, .. } = self;
        frames.push(data, &mut |chunk, header, payload| {
            if chunk >= *chunks_max {
                return Err(XorbError::TooManyChunks { chunks_max: *chunks_max });
            }
            let hash = chunk_hash(unpacker.unpack(chunk, header, payload)?);
            let end_bytes = index.stored_bytes() + (FRAME_HEADER_BYTES + header.stored_bytes) as u64;
            index.chunks.push(IndexedChunk {
                hash,
                end_bytes: u32::try_from(end_bytes).expect("the bytes seen are limited to 4 GiB"),
                raw_bytes: header.raw_bytes as u32,
            });
            Ok(())
        })
    }

    /// Ends the xorb, checks its name and returns its index.
    ///
    /// # Errors
    /// When the last chunk is cut off, there is none, or the chunks make up another xorb.
    pub fn finish(self, expected: XorbHash) -> Result<XorbIndex, XorbError> {
        self.frames.finish()?;
        if self.index.chunks.is_empty() {
            return Err(XorbError::Empty);
        }
        debug_assert_eq!(self.index.stored_bytes(), self.bytes_seen, "frames cover the xorb without gaps");
        let actual = self.index.xorb_hash();
        if actual != expected {
            return Err(XorbError::WrongHash { expected, actual });
        }
        Ok(self.index)
    }
}

/// A xorb made by [`XorbBuilder`].
#[derive(Debug, Clone)]
pub struct BuiltXorb {
    /// Its name.
    pub hash: XorbHash,
    /// Framed chunks, without footer: those that [`XorbBuilder::take_bytes`] did not give out before.
    pub bytes: Vec<u8>,
    /// Where its chunks are.
    pub index: XorbIndex,
}

/// Gathers chunks into a xorb, LZ4-compressed where that saves bytes.
#[derive(Debug)]
pub struct XorbBuilder {
    bytes: Vec<u8>,
    /// How many bytes were given out before `bytes`.
    taken_bytes: usize,
    index: XorbIndex,
    encoder: lz4::Encoder,
}

impl Default for XorbBuilder {
    fn default() -> XorbBuilder {
        XorbBuilder::new()
    }
}

impl XorbBuilder {
    /// Returns a builder without chunks.
    pub fn new() -> XorbBuilder {
        XorbBuilder { bytes: Vec::new(), taken_bytes: 0, index: XorbIndex::default(), encoder: lz4::Encoder::new() }
    }

    /// Tells whether a chunk of this length may still be pushed, whether it compresses or not.
    pub fn fits(&self, raw_bytes: usize) -> bool {
        let packed_bytes = self.taken_bytes + self.bytes.len();
        self.index.chunks.len() < XORB_CHUNKS_MAX && packed_bytes + FRAME_HEADER_BYTES + raw_bytes <= XORB_BYTES_MAX
    }

    /// Appends a chunk, whose hash the caller has computed.
    ///
    /// # Panics
    /// When the chunk is empty, over [`CHUNK_BYTES_MAX`], or does not fit ([`XorbBuilder::fits`]).
    pub fn push(&mut self, raw: &[u8], hash: ChunkHash) {
        assert!((1..=CHUNK_BYTES_MAX).contains(&raw.len()), "a chunk comes from the chunker");
        assert!(self.fits(raw.len()), "the caller asks first whether a chunk fits");
        debug_assert_eq!(hash, chunk_hash(raw), "the hash belongs to the chunk");
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        let scheme = if self.encoder.append_if_shorter(raw, &mut self.bytes) {
            Scheme::Lz4
        } else {
            self.bytes.extend_from_slice(raw);
            Scheme::Plain
        };
        let stored_bytes = self.bytes.len() - start - FRAME_HEADER_BYTES;
        let header = FrameHeader { scheme, stored_bytes, raw_bytes: raw.len() };
        self.bytes[start..start + FRAME_HEADER_BYTES].copy_from_slice(&header.encode());
        let end_bytes = (self.taken_bytes + self.bytes.len()) as u32;
        self.index.chunks.push(IndexedChunk { hash, end_bytes, raw_bytes: raw.len() as u32 });
    }

    /// Tells whether no chunk was pushed.
    pub fn is_empty(&self) -> bool {
        self.index.chunks.is_empty()
    }

    /// Returns how many chunks were pushed.
    pub fn chunk_count(&self) -> u32 {
        self.index.chunk_count()
    }

    /// Takes the frames that were packed since the last call, so that a xorb can be written while it is
    /// built and is never whole in memory.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.taken_bytes += self.bytes.len();
        // The next part will be about as long: growing to it step by step would copy it once more.
        let room = Vec::with_capacity(self.bytes.len());
        std::mem::replace(&mut self.bytes, room)
    }

    /// Returns the xorb.
    pub fn finish(self) -> BuiltXorb {
        BuiltXorb { hash: self.index.xorb_hash(), bytes: self.bytes, index: self.index }
    }
}
