//! Xorbs: round trips, streaming, and what must be refused.

use std::io::Write;

use karez_formats::xet::{
    BuiltXorb, CHUNK_BYTES_MAX, Chunk, Chunker, FrameDecoder, XorbBuilder, XorbError, XorbIndex, XorbVerifier,
    chunk_hash, decode_chunks, xorb_hash,
};
use karez_types::{ByteRange, XorbHash};
use proptest::prelude::*;

use crate::generated::{bf16, random, text};

const BYTES_MAX: u64 = 64 << 20;
const CHUNKS_MAX: u64 = 8192;

pub fn build(data: &[u8]) -> BuiltXorb {
    let mut builder = XorbBuilder::new();
    let mut chunker = Chunker::new();
    let mut take = |raw: &[u8]| builder.push(raw, chunk_hash(raw));
    chunker.push(data, &mut take);
    chunker.finish(&mut take);
    builder.finish()
}

fn verify(bytes: &[u8], hash: XorbHash) -> Result<XorbIndex, XorbError> {
    verify_parts(bytes, bytes.len().max(1), hash)
}

fn verify_parts(bytes: &[u8], part_bytes: usize, hash: XorbHash) -> Result<XorbIndex, XorbError> {
    let mut verifier = XorbVerifier::new(BYTES_MAX, CHUNKS_MAX);
    for part in bytes.chunks(part_bytes) {
        verifier.push(part)?;
    }
    verifier.finish(hash)
}

fn frame(scheme: u8, raw_bytes: usize, stored: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&(stored.len() as u32).to_le_bytes()[..3]);
    bytes.push(scheme);
    bytes.extend_from_slice(&(raw_bytes as u32).to_le_bytes()[..3]);
    bytes.extend_from_slice(stored);
    bytes
}

fn lz4(raw: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(raw).unwrap();
    encoder.finish().unwrap()
}

fn grouped(raw: &[u8]) -> Vec<u8> {
    (0..4).flat_map(|plane| raw.iter().skip(plane).step_by(4).copied()).collect()
}

fn hash_of(chunks: &[&[u8]]) -> XorbHash {
    let chunks: Vec<Chunk> =
        chunks.iter().map(|raw| Chunk { hash: chunk_hash(raw), raw_bytes: raw.len() as u32 }).collect();
    xorb_hash(&chunks)
}

#[test]
fn what_is_built_verifies_and_decodes() {
    for data in [random(1, 1), random(2, 3_000_000), bf16(3, 2_000_000), text(4, 3_000_000), vec![0; 1_000_000]] {
        let built = build(&data);
        assert_eq!(verify(&built.bytes, built.hash).unwrap(), built.index);
        assert_eq!(built.index.stored_bytes(), built.bytes.len() as u64);
        assert_eq!(built.index.raw_bytes(), data.len() as u64);
        assert_eq!(built.index.xorb_hash(), built.hash);
        let mut raw = Vec::new();
        decode_chunks(&built.bytes, &mut raw).unwrap();
        assert!(raw == data);
        assert_eq!(XorbIndex::decode(&built.index.encode()).unwrap(), built.index);
    }
    assert!(build(&text(4, 3_000_000)).bytes.len() < 2_000_000, "text compresses");
}

#[test]
fn all_schemes_of_clients_verify() {
    let chunks = [bf16(5, 65_536), text(6, 100_001), random(7, 8192), vec![9; CHUNK_BYTES_MAX]];
    let bytes = [
        frame(2, 65_536, &lz4(&grouped(&chunks[0]))),
        frame(1, 100_001, &lz4(&chunks[1])),
        frame(0, 8192, &chunks[2]),
        frame(2, CHUNK_BYTES_MAX, &lz4(&grouped(&chunks[3]))),
    ]
    .concat();
    let hash = hash_of(&chunks.each_ref().map(Vec::as_slice));
    let index = verify(&bytes, hash).unwrap();
    assert_eq!(index.chunk_count(), 4);
    for part_bytes in [1, 7, 8, 9, 4096, 70_000] {
        assert_eq!(verify_parts(&bytes, part_bytes, hash).unwrap(), index, "parts of {part_bytes}");
    }
    let mut raw = Vec::new();
    let mut decoder = FrameDecoder::new();
    for part in bytes.chunks(1000) {
        decoder.push(part, &mut |chunk| raw.extend_from_slice(chunk)).unwrap();
    }
    decoder.finish().unwrap();
    assert!(raw == chunks.concat());

    let range = index.stored_range(1..3).unwrap();
    let mut middle = Vec::new();
    decode_chunks(&bytes[range.start as usize..range.end as usize], &mut middle).unwrap();
    assert!(middle == chunks[1..3].concat());
    assert_eq!(index.raw_bytes_of(1..3), Some(middle.len() as u64));
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "reversed ranges must be refused")]
fn ranges_outside_the_xorb_are_none() {
    let index = build(&random(8, 500_000)).index;
    let count = index.chunk_count();
    assert_eq!(index.stored_range(0..count), ByteRange::new(0, index.stored_bytes()));
    for range in [0..0, 3..3, 3..2, 0..count + 1, count..count + 1, u32::MAX..0, 0..u32::MAX, count..count] {
        assert_eq!(index.stored_range(range.clone()), None, "{range:?}");
        assert_eq!(index.raw_bytes_of(range.clone()), None, "{range:?}");
    }
}

#[test]
fn hostile_xorbs_are_refused() {
    let chunk = text(9, 20_000);
    let packed = lz4(&chunk);
    let hash = hash_of(&[&chunk]);
    let good = frame(1, chunk.len(), &packed);
    verify(&good, hash).unwrap();
    let bomb = lz4(&vec![0; 4 << 20]);
    let over = |bytes: &[u8], at: usize, value: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = value;
        bytes
    };
    type Check = fn(&XorbError) -> bool;
    let cases: Vec<(&str, Vec<u8>, Check)> = vec![
        ("nothing", vec![], |e| *e == XorbError::Empty),
        ("half a header", good[..5].to_vec(), |e| *e == XorbError::Truncated { chunk: 0 }),
        ("cut in the data", good[..good.len() - 1].to_vec(), |e| *e == XorbError::Truncated { chunk: 0 }),
        ("a zero after the end", [&good[..], &[0]].concat(), |e| *e == XorbError::Truncated { chunk: 1 }),
        ("text after the end", [&good[..], b"trailing bytes"].concat(), |e| {
            matches!(e, XorbError::UnknownVersion { chunk: 1, .. })
        }),
        ("a footer", [&good[..], b"XETBLOB\x01and more"].concat(), |e| *e == XorbError::FooterPresent),
        ("zeros after the end", [&good[..], &[0; 64]].concat(), |e| matches!(e, XorbError::RawLength { chunk: 1, .. })),
        ("version 1", over(&good, 0, 1), |e| matches!(e, XorbError::UnknownVersion { version: 1, .. })),
        ("scheme 99", over(&good, 4, 99), |e| *e == XorbError::UnknownScheme { chunk: 0, scheme: 99 }),
        ("scheme 3", over(&good, 4, 3), |e| *e == XorbError::UnknownScheme { chunk: 0, scheme: 3 }),
        ("no raw bytes", frame(1, 0, &lz4(b"")), |e| matches!(e, XorbError::RawLength { raw_bytes: 0, .. })),
        ("a raw length over a chunk", frame(1, CHUNK_BYTES_MAX + 1, &packed), |e| {
            matches!(e, XorbError::RawLength { .. })
        }),
        ("the greatest raw length", frame(1, 0xFF_FFFF, &packed), |e| matches!(e, XorbError::RawLength { .. })),
        ("a stored length over all bounds", over(&good, 3, 0xFF), |e| matches!(e, XorbError::StoredLength { .. })),
        ("no stored bytes", frame(1, 10, b""), |e| matches!(e, XorbError::StoredLength { stored_bytes: 0, .. })),
        ("plain with another raw length", frame(0, 11, b"0123456789"), |e| matches!(e, XorbError::StoredLength { .. })),
        ("not LZ4", frame(1, 30, b"this is surely not an LZ4 frame"), |e| {
            matches!(e, XorbError::Decompression { chunk: 0, .. })
        }),
        ("a decompression bomb", frame(1, CHUNK_BYTES_MAX, &bomb), |e| {
            matches!(e, XorbError::Decompression { chunk: 0, .. })
        }),
        ("a grouped decompression bomb", frame(2, CHUNK_BYTES_MAX, &bomb), |e| {
            matches!(e, XorbError::Decompression { chunk: 0, .. })
        }),
        ("fewer raw bytes than declared", frame(1, chunk.len() + 1, &packed), |e| {
            matches!(e, XorbError::Decompression { .. })
        }),
        ("more raw bytes than declared", frame(1, chunk.len() - 1, &packed), |e| {
            matches!(e, XorbError::Decompression { .. })
        }),
        ("two LZ4 frames in one chunk", frame(1, chunk.len(), &[&packed[..], &packed[..]].concat()), |e| {
            matches!(e, XorbError::Decompression { .. })
        }),
        ("an LZ4 frame without its end", frame(1, chunk.len(), &packed[..packed.len() - 4]), |e| {
            matches!(e, XorbError::Decompression { .. })
        }),
        ("the legacy LZ4 format", frame(1, 30, &[&0x184C_2102u32.to_le_bytes()[..], &[0; 30]].concat()), |e| {
            matches!(e, XorbError::Decompression { .. })
        }),
        ("another scheme for the same bytes", over(&good, 4, 2), |e| matches!(e, XorbError::WrongHash { .. })),
        ("the chunk twice", [&good[..], &good[..]].concat(), |e| matches!(e, XorbError::WrongHash { .. })),
        ("other bytes", frame(0, 5, b"other"), |e| matches!(e, XorbError::WrongHash { .. })),
    ];
    for (name, bytes, is_expected) in cases {
        for part_bytes in [1, 13, 1 << 20] {
            let error = verify_parts(&bytes, part_bytes, hash).expect_err(name);
            assert!(is_expected(&error), "{name} in parts of {part_bytes}: {error:?}");
        }
    }
}

#[test]
fn limits_hold_while_bytes_arrive() {
    let tiny = frame(0, 1, b"x");
    let mut verifier = XorbVerifier::new(BYTES_MAX, 10);
    assert_eq!(verifier.push(&tiny.repeat(11)), Err(XorbError::TooManyChunks { chunks_max: 10 }));
    let mut verifier = XorbVerifier::new(100, CHUNKS_MAX);
    verifier.push(&tiny.repeat(11)).unwrap();
    assert_eq!(verifier.push(&tiny), Err(XorbError::TooLarge { bytes_max: 100 }));
}

#[test]
fn a_full_builder_says_so() {
    let mut builder = XorbBuilder::new();
    let chunk = random(10, CHUNK_BYTES_MAX);
    let hash = chunk_hash(&chunk);
    while builder.fits(chunk.len()) {
        builder.push(&chunk, hash);
    }
    let built = builder.finish();
    assert_eq!(built.index.chunk_count(), 511);
    verify(&built.bytes, built.hash).unwrap();

    let mut builder = XorbBuilder::new();
    while builder.fits(1) {
        builder.push(b"x", chunk_hash(b"x"));
    }
    assert_eq!(builder.chunk_count(), 8192);
}

#[test]
fn bytes_can_be_taken_while_a_xorb_grows() {
    let data = text(12, 2_000_000);
    let whole = build(&data);
    let mut builder = XorbBuilder::new();
    let mut bytes = Vec::new();
    let mut chunker = Chunker::new();
    let mut take = |raw: &[u8]| {
        builder.push(raw, chunk_hash(raw));
        if builder.chunk_count().is_multiple_of(3) {
            bytes.extend(builder.take_bytes());
        }
    };
    chunker.push(&data, &mut take);
    chunker.finish(&mut take);
    let built = builder.finish();
    bytes.extend(built.bytes);
    assert!(bytes == whole.bytes);
    assert_eq!((built.hash, built.index), (whole.hash, whole.index));
}

#[test]
fn a_damaged_index_is_an_error() {
    let index = build(&random(11, 300_000)).index;
    let bytes = index.encode();
    for position in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[position] ^= 1 << (position % 8);
        assert!(XorbIndex::decode(&broken).is_err(), "byte {position}");
        assert!(XorbIndex::decode(&bytes[..position]).is_err(), "cut at {position}");
    }
    assert!(XorbIndex::decode(&[&bytes[..], &[0]].concat()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = verify(&bytes, XorbHash([0; 32]));
        let _ = XorbIndex::decode(&bytes);
        let mut raw = Vec::new();
        let _ = decode_chunks(&bytes, &mut raw);
    }

    #[test]
    fn a_changed_xorb_is_refused_or_says_the_same(
        seed in any::<u64>(),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        part_bytes in 1usize..5000,
    ) {
        let data = text(seed, 30_000);
        let built = build(&data);
        let mut bytes = built.bytes.clone();
        let position = at.index(bytes.len());
        bytes[position] ^= flip;
        let streamed = verify_parts(&bytes, part_bytes, built.hash);
        prop_assert_eq!(&streamed, &verify(&bytes, built.hash));
        // LZ4 can say the same in several ways; what counts is the raw bytes.
        if streamed.is_ok() {
            let mut raw = Vec::new();
            decode_chunks(&bytes, &mut raw).unwrap();
            prop_assert!(raw == data);
        }
    }
}
