//! The LZ4 frame format, over `lz4_flex`'s blocks.
//!
//! `lz4_flex` has a frame decoder of its own. It is not used because it reserves, and clears, as much
//! memory as a frame's header asks for (up to 8 MiB for each chunk of a hostile xorb), copies each
//! block twice, ignores bytes after the frame and takes a frame that stops in its middle. This one
//! decodes straight into the caller's buffer, which has the declared length and never grows.

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, decompress_into_with_dict, get_maximum_output_size,
};
use twox_hash::XxHash32;

const MAGIC: [u8; 4] = 0x184D_2204u32.to_le_bytes();
/// Version 1, independent blocks, no checksums.
const FLAGS_PLAIN: u8 = 0b0110_0000;
const FLAG_INDEPENDENT: u8 = 1 << 5;
const FLAG_BLOCK_CHECKSUMS: u8 = 1 << 4;
const FLAG_CONTENT_BYTES: u8 = 1 << 3;
const FLAG_CONTENT_CHECKSUM: u8 = 1 << 2;
const FLAG_RESERVED: u8 = 1 << 1;
const FLAG_DICTIONARY: u8 = 1;
/// Set in a block's length when the block is stored as it is.
const BLOCK_STORED: u32 = 1 << 31;
/// How far back a match may reach into earlier blocks.
const WINDOW_BYTES: usize = 64 << 10;

/// Why bytes are not the frame that was announced.
pub(super) type Fault = &'static str;

/// Decodes exactly one frame into exactly `raw`.
///
/// Checks whatever a client's decoder would check, so that what was verified once can be read later.
pub(super) fn decode(frame: &[u8], raw: &mut [u8]) -> Result<(), Fault> {
    let mut rest = Rest(frame);
    if rest.take(4)? != MAGIC {
        return Err("is not an LZ4 frame");
    }
    let descriptor_start = rest.0;
    let [flags, block_code] = rest.array()?;
    if flags >> 6 != 1 || flags & FLAG_RESERVED != 0 || block_code & 0b1000_1111 != 0 {
        return Err("has an LZ4 frame header of an unknown version");
    }
    if flags & FLAG_DICTIONARY != 0 {
        return Err("needs an LZ4 dictionary, which Xet does not have");
    }
    let block_bytes_max = match block_code >> 4 {
        code @ 4..=7 => 1usize << (8 + 2 * u32::from(code)),
        _ => return Err("has an LZ4 frame header with an invalid block size"),
    };
    if flags & FLAG_CONTENT_BYTES != 0 && u64::from_le_bytes(rest.array()?) != raw.len() as u64 {
        return Err("has an LZ4 frame whose content size is not the raw length");
    }
    let descriptor = &descriptor_start[..descriptor_start.len() - rest.0.len()];
    if rest.array::<1>()?[0] != (XxHash32::oneshot(0, descriptor) >> 8) as u8 {
        return Err("has an LZ4 frame header with a wrong checksum");
    }

    let mut filled = 0;
    loop {
        let length = u32::from_le_bytes(rest.array()?);
        if length == 0 {
            break;
        }
        let is_stored = length & BLOCK_STORED != 0;
        let length = (length & !BLOCK_STORED) as usize;
        if length > block_bytes_max {
            return Err("has an LZ4 block over the frame's block size");
        }
        let block = rest.take(length)?;
        let (earlier, room) = raw.split_at_mut(filled);
        let room_bytes = room.len().min(block_bytes_max);
        let room = &mut room[..room_bytes];
        filled += if is_stored {
            room.get_mut(..length).ok_or(TOO_LONG)?.copy_from_slice(block);
            length
        } else if flags & FLAG_INDEPENDENT != 0 || earlier.is_empty() {
            decompress_into(block, room).map_err(|_| "has an LZ4 block that does not decompress to the raw length")?
        } else {
            let window = &earlier[earlier.len().saturating_sub(WINDOW_BYTES)..];
            decompress_into_with_dict(block, room, window)
                .map_err(|_| "has an LZ4 block that does not decompress to the raw length")?
        };
        if flags & FLAG_BLOCK_CHECKSUMS != 0 && u32::from_le_bytes(rest.array()?) != XxHash32::oneshot(0, block) {
            return Err("has an LZ4 block with a wrong checksum");
        }
    }
    if filled != raw.len() {
        return Err("decompresses to fewer bytes than the raw length");
    }
    if flags & FLAG_CONTENT_CHECKSUM != 0 && u32::from_le_bytes(rest.array()?) != XxHash32::oneshot(0, raw) {
        return Err("has an LZ4 frame with a wrong content checksum");
    }
    if !rest.0.is_empty() {
        return Err("has bytes after its LZ4 frame");
    }
    Ok(())
}

const TOO_LONG: Fault = "decompresses to more bytes than the raw length";

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (head, tail) = self.0.split_at_checked(count).ok_or("has an LZ4 frame that ends too soon")?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        Ok(self.take(N)?.try_into().expect("N bytes were taken"))
    }
}

/// Encodes frames of one block, reusing its buffers.
pub(super) struct Encoder {
    table: CompressTable,
    block: Vec<u8>,
}

impl Encoder {
    pub(super) fn new() -> Encoder {
        Encoder { table: CompressTable::large(), block: Vec::new() }
    }

    /// Appends the frame of `raw` to `out` if it is shorter than `raw`; otherwise returns `false` and
    /// leaves `out` as it was. `raw` is at most 256 KiB.
    pub(super) fn append_if_shorter(&mut self, raw: &[u8], out: &mut Vec<u8>) -> bool {
        /// Magic, flags, block code, header checksum, block length, end mark.
        const OVERHEAD_BYTES: usize = 4 + 2 + 1 + 4 + 4;
        assert!(raw.len() <= 256 << 10, "one block holds the chunk");
        let block_bytes_max = get_maximum_output_size(raw.len());
        if self.block.len() < block_bytes_max {
            self.block.resize(block_bytes_max, 0);
        }
        let length = compress_into_with_table(raw, &mut self.block, &mut self.table)
            .expect("the block has room for the longest output");
        if length + OVERHEAD_BYTES >= raw.len() {
            return false;
        }
        // The smallest block size that holds the chunk: decoders reserve that much.
        let block_code: u8 = if raw.len() <= 64 << 10 { 4 << 4 } else { 5 << 4 };
        let descriptor = [FLAGS_PLAIN, block_code];
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&descriptor);
        out.push((XxHash32::oneshot(0, &descriptor) >> 8) as u8);
        out.extend_from_slice(&(length as u32).to_le_bytes());
        out.extend_from_slice(&self.block[..length]);
        out.extend_from_slice(&0u32.to_le_bytes());
        true
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

    use super::*;

    fn sample(len: usize) -> Vec<u8> {
        (0..len).map(|n| ((n / 5) % 97 + (n * n / 1000) % 11) as u8).collect()
    }

    fn reference_frame(raw: &[u8], info: FrameInfo) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(raw).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_kind_of_frame_decodes() {
        for len in [1, 100, 65_536, 65_537, 131_072] {
            let raw = sample(len);
            for mode in [BlockMode::Independent, BlockMode::Linked] {
                for size in [BlockSize::Auto, BlockSize::Max64KB, BlockSize::Max4MB] {
                    for checksums in [false, true] {
                        let info = FrameInfo::new()
                            .block_mode(mode)
                            .block_size(size)
                            .block_checksums(checksums)
                            .content_checksum(checksums)
                            .content_size(checksums.then_some(len as u64));
                        let frame = reference_frame(&raw, info);
                        let mut back = vec![0; len];
                        decode(&frame, &mut back).unwrap();
                        assert!(back == raw);
                    }
                }
            }
        }
    }

    #[test]
    fn our_frames_decode_elsewhere() {
        let mut encoder = Encoder::new();
        for len in [1000, 65_536, 65_537, 131_072] {
            let raw = sample(len);
            let mut frame = Vec::new();
            assert!(encoder.append_if_shorter(&raw, &mut frame));
            let mut back = Vec::new();
            FrameDecoder::new(&frame[..]).read_to_end(&mut back).unwrap();
            assert!(back == raw);
        }
        let mut frame = vec![7];
        assert!(!encoder.append_if_shorter(b"abc", &mut frame));
        assert_eq!(frame, [7]);
    }

    #[test]
    fn a_changed_bit_in_a_checked_frame_is_found() {
        let raw = sample(3000);
        let info = FrameInfo::new().block_checksums(true).content_checksum(true).content_size(Some(3000));
        let frame = reference_frame(&raw, info);
        let mut back = vec![0; raw.len()];
        for position in 0..frame.len() {
            let mut broken = frame.clone();
            broken[position] ^= 1 << (position % 8);
            assert!(decode(&broken, &mut back).is_err(), "byte {position}");
            assert!(decode(&frame[..position], &mut back).is_err(), "cut at {position}");
        }
        assert!(decode(&[&frame[..], b"x"].concat(), &mut back).is_err());
        assert!(decode(&frame, &mut back[1..]).is_err());
        back.push(0);
        assert!(decode(&frame, &mut back).is_err());
    }
}
