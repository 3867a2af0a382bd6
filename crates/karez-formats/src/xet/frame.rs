//! Framed chunks: an 8-byte header and the possibly compressed bytes, one after the other.

use super::xorb::XorbError;
use super::{CHUNK_BYTES_MAX, bg4, lz4};

/// Length of the header before each chunk.
pub const FRAME_HEADER_BYTES: usize = 8;

/// Most stored bytes of one chunk. Compression that makes a chunk longer is legal but useless; the
/// reference client refuses more than this too.
const STORED_BYTES_MAX: usize = 2 * CHUNK_BYTES_MAX;
/// Longest frame, header included.
pub const FRAME_BYTES_MAX: usize = FRAME_HEADER_BYTES + STORED_BYTES_MAX;

/// First byte of a header. No later version exists.
const FRAME_VERSION: u8 = 0;

/// What some writers append after the chunks: a footer starts with this.
const FOOTER_IDENT: &[u8; 7] = b"XETBLOB";

/// How the bytes of a chunk are stored. The reference client's 99, "automatic", is never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Plain,
    Lz4,
    GroupedLz4,
}

/// The header of one chunk, checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameHeader {
    pub(super) scheme: Scheme,
    pub(super) stored_bytes: usize,
    pub(super) raw_bytes: usize,
}

impl FrameHeader {
    /// Reads and checks the header at the start of `bytes`; `chunk` is its position, for the error.
    fn parse(bytes: &[u8; FRAME_HEADER_BYTES], chunk: u64) -> Result<FrameHeader, XorbError> {
        if bytes.starts_with(FOOTER_IDENT) {
            return Err(XorbError::FooterPresent);
        }
        let [version, s0, s1, s2, scheme, r0, r1, r2] = *bytes;
        if version != FRAME_VERSION {
            return Err(XorbError::UnknownVersion { chunk, version });
        }
        let scheme = match scheme {
            0 => Scheme::Plain,
            1 => Scheme::Lz4,
            2 => Scheme::GroupedLz4,
            _ => return Err(XorbError::UnknownScheme { chunk, scheme }),
        };
        let stored_bytes = u32::from_le_bytes([s0, s1, s2, 0]) as usize;
        let raw_bytes = u32::from_le_bytes([r0, r1, r2, 0]) as usize;
        if !(1..=CHUNK_BYTES_MAX).contains(&raw_bytes) {
            return Err(XorbError::RawLength { chunk, raw_bytes });
        }
        let fits = match scheme {
            Scheme::Plain => stored_bytes == raw_bytes,
            _ => (1..=STORED_BYTES_MAX).contains(&stored_bytes),
        };
        if !fits {
            return Err(XorbError::StoredLength { chunk, stored_bytes });
        }
        Ok(FrameHeader { scheme, stored_bytes, raw_bytes })
    }

    /// Returns the header that announces such a chunk.
    pub(super) fn encode(self) -> [u8; FRAME_HEADER_BYTES] {
        debug_assert!(self.stored_bytes <= STORED_BYTES_MAX && self.raw_bytes <= CHUNK_BYTES_MAX);
        let [s0, s1, s2, _] = (self.stored_bytes as u32).to_le_bytes();
        let [r0, r1, r2, _] = (self.raw_bytes as u32).to_le_bytes();
        let scheme = match self.scheme {
            Scheme::Plain => 0,
            Scheme::Lz4 => 1,
            Scheme::GroupedLz4 => 2,
        };
        [FRAME_VERSION, s0, s1, s2, scheme, r0, r1, r2]
    }
}

/// What is done with each frame: gets the position of the chunk, its header and its payload.
type TakeFrame<'a> = dyn FnMut(u64, FrameHeader, &[u8]) -> Result<(), XorbError> + 'a;

/// Cuts a stream into frames; one that lies inside a pushed buffer is not copied.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame whose end has not arrived: at most a header and [`STORED_BYTES_MAX`].
    held: Vec<u8>,
    chunk: u64,
}

impl Frames {
    /// Takes the next bytes and hands each whole frame to `take`. After an error the stream is dead.
    pub(super) fn push(&mut self, data: &[u8], take: &mut TakeFrame<'_>) -> Result<(), XorbError> {
        let mut rest = data;
        while !rest.is_empty() {
            if self.held.is_empty()
                && let Some((bytes, payload)) = rest.split_first_chunk()
            {
                let header = FrameHeader::parse(bytes, self.chunk)?;
                if let Some((payload, next)) = payload.split_at_checked(header.stored_bytes) {
                    take(self.chunk, header, payload)?;
                    self.chunk += 1;
                    rest = next;
                    continue;
                }
            }
            if self.held.len() < FRAME_HEADER_BYTES {
                rest = self.hold(rest, FRAME_HEADER_BYTES);
            }
            // A header is judged as soon as it is whole, so errors do not depend on how bytes arrive.
            let Some(bytes) = self.held.first_chunk() else {
                return Ok(());
            };
            let header = FrameHeader::parse(bytes, self.chunk)?;
            let frame_bytes = FRAME_HEADER_BYTES + header.stored_bytes;
            rest = self.hold(rest, frame_bytes);
            if self.held.len() == frame_bytes {
                take(self.chunk, header, &self.held[FRAME_HEADER_BYTES..])?;
                self.chunk += 1;
                self.held.clear();
            }
        }
        Ok(())
    }

    /// Holds bytes until there are `target` of them; returns what was not needed.
    fn hold<'a>(&mut self, rest: &'a [u8], target: usize) -> &'a [u8] {
        let (head, tail) = rest.split_at(rest.len().min(target - self.held.len()));
        self.held.extend_from_slice(head);
        tail
    }

    /// Checks that the stream ended at the end of a frame.
    pub(super) fn finish(&self) -> Result<(), XorbError> {
        if self.held.is_empty() { Ok(()) } else { Err(XorbError::Truncated { chunk: self.chunk }) }
    }
}

/// Gives the raw bytes of frames, reusing its buffers.
#[derive(Debug, Default)]
pub(super) struct Unpacker {
    raw: Vec<u8>,
    grouped: Vec<u8>,
}

impl Unpacker {
    /// Returns the raw bytes of a chunk: the payload itself when it is stored plainly.
    pub(super) fn unpack<'a>(
        &'a mut self,
        chunk: u64,
        header: FrameHeader,
        payload: &'a [u8],
    ) -> Result<&'a [u8], XorbError> {
        if header.scheme == Scheme::Plain {
            return Ok(payload);
        }
        self.raw.resize(CHUNK_BYTES_MAX, 0);
        let raw = &mut self.raw[..header.raw_bytes];
        unpack_into(&mut self.grouped, chunk, header, payload, raw)?;
        Ok(raw)
    }

    /// Appends the raw bytes of a chunk to `out`.
    fn append(&mut self, chunk: u64, header: FrameHeader, payload: &[u8], out: &mut Vec<u8>) -> Result<(), XorbError> {
        if header.scheme == Scheme::Plain {
            out.extend_from_slice(payload);
            return Ok(());
        }
        let start = out.len();
        out.resize(start + header.raw_bytes, 0);
        unpack_into(&mut self.grouped, chunk, header, payload, &mut out[start..]).inspect_err(|_| out.truncate(start))
    }
}

fn unpack_into(
    grouped: &mut Vec<u8>,
    chunk: u64,
    header: FrameHeader,
    payload: &[u8],
    raw: &mut [u8],
) -> Result<(), XorbError> {
    let fault = |reason| XorbError::Decompression { chunk, reason };
    match header.scheme {
        Scheme::Plain => raw.copy_from_slice(payload),
        Scheme::Lz4 => lz4::decode(payload, raw).map_err(fault)?,
        Scheme::GroupedLz4 => {
            grouped.resize(CHUNK_BYTES_MAX, 0);
            let grouped = &mut grouped[..raw.len()];
            lz4::decode(payload, grouped).map_err(fault)?;
            bg4::regroup(grouped, raw);
        }
    }
    Ok(())
}

/// Unpacks a stream of consecutive frames while it is read. It does not verify hashes: what it reads
/// was verified when it was stored.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    frames: Frames,
    unpacker: Unpacker,
}

impl FrameDecoder {
    /// Returns a decoder at the beginning of a frame.
    pub fn new() -> FrameDecoder {
        FrameDecoder::default()
    }

    /// Takes the next stored bytes and hands the raw bytes of each chunk that they complete to `emit`.
    ///
    /// # Errors
    /// When a frame is malformed; the decoder must not be used any more.
    pub fn push(&mut self, stored: &[u8], emit: &mut dyn FnMut(&[u8])) -> Result<(), XorbError> {
        let unpacker = &mut self.unpacker;
        self.frames.push(stored, &mut |chunk, header, payload| {
            emit(unpacker.unpack(chunk, header, payload)?);
            Ok(())
        })
    }

    /// As [`FrameDecoder::push`], but appends to a buffer: saves a copy when the caller keeps the bytes.
    ///
    /// # Errors
    /// When a frame is malformed; the decoder must not be used any more.
    pub fn push_into(&mut self, stored: &[u8], raw_out: &mut Vec<u8>) -> Result<(), XorbError> {
        let unpacker = &mut self.unpacker;
        self.frames.push(stored, &mut |chunk, header, payload| unpacker.append(chunk, header, payload, raw_out))
    }

    /// Checks that the stream ended at the end of a frame.
    ///
    /// # Errors
    /// [`XorbError::Truncated`] when a frame was cut off.
    pub fn finish(self) -> Result<(), XorbError> {
        self.frames.finish()
    }
}

/// Appends the raw bytes of consecutive whole frames to `raw_out`.
///
/// # Errors
/// When a frame is malformed or cut off; `raw_out` then ends with the last whole chunk before it.
pub fn decode_chunks(stored: &[u8], raw_out: &mut Vec<u8>) -> Result<(), XorbError> {
    let mut decoder = FrameDecoder::new();
    decoder.push_into(stored, raw_out)?;
    decoder.finish()
}
