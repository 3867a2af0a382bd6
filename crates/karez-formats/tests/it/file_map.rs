//! File maps: round trips, arrival in pieces, reading in pages, and what must be refused.

use std::io::Cursor;

use karez_formats::file_map::{
    FileMap, FileMapError, FileMapLimits, FileMapReadError, FileMapReader, FileMapVerifier, MapChunk, MapTerm,
};
use karez_formats::xet::{CHUNK_BYTES_MAX, Chunk, Crc64Nvme, FRAME_BYTES_MAX, chunk_hash, file_hash};
use karez_types::{FileHash, Sha256, XorbHash};
use proptest::prelude::*;

const LIMITS: FileMapLimits = FileMapLimits { file_bytes_max: 1 << 40, terms_max: 1000 };
const HEAD_BYTES: usize = 92;

/// A map of terms with these numbers of chunks.
fn map(terms: &[u32]) -> FileMap {
    let mut map = FileMap {
        hash: FileHash([0; 32]),
        sha256: Sha256([7; 32]),
        file_bytes: 0,
        terms: Vec::new(),
        chunks: Vec::new(),
    };
    for (number, chunk_count) in (0u32..).zip(terms) {
        let (chunk_start, byte_start) = if number % 2 == 0 { (0, 0) } else { (number, number * 70_000) };
        map.terms.push(MapTerm {
            xorb: XorbHash([number as u8 / 2; 32]),
            chunk_start,
            chunk_end: chunk_start + chunk_count,
            byte_start,
        });
        for _ in 0..*chunk_count {
            let position = map.chunks.len() as u32;
            map.chunks.push(MapChunk {
                hash: chunk_hash(&position.to_le_bytes()),
                frame_bytes: 9 + position % 70_000,
                raw_bytes: 1 + position * 13 % 131_072,
            });
        }
    }
    map.file_bytes = map.chunks.iter().map(|chunk| u64::from(chunk.raw_bytes)).sum();
    named(map)
}

/// The map with the hash that its chunks have.
fn named(mut map: FileMap) -> FileMap {
    let chunks: Vec<Chunk> = map.chunks.iter().map(|chunk| (*chunk).into()).collect();
    map.hash = file_hash(&chunks);
    map
}

fn in_parts(bytes: &[u8], part_bytes: usize, limits: FileMapLimits) -> Result<FileHash, FileMapError> {
    let mut verifier = FileMapVerifier::new(limits);
    for part in bytes.chunks(part_bytes) {
        verifier.push(part)?;
    }
    verifier.finish().map(|head| head.hash)
}

/// The bytes with a sound checksum again.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 8;
    let checksum = Crc64Nvme::of(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    bytes
}

#[test]
fn what_is_encoded_parses_however_it_arrives() {
    for terms in [&[][..], &[1], &[1, 1, 1], &[5, 300, 1, 2000], &[4000]] {
        let map = map(terms);
        let bytes = map.encode();
        assert_eq!(map.head().map_bytes(), Some(bytes.len() as u64));
        assert_eq!(FileMap::parse(&bytes, LIMITS).as_ref(), Ok(&map));
        for part_bytes in [1, 39, 40, 41, 92, 4096] {
            assert_eq!(in_parts(&bytes, part_bytes, LIMITS), Ok(map.hash), "parts of {part_bytes}");
        }
    }
}

#[test]
fn the_first_bytes_are_those_of_the_document() {
    let bytes = map(&[2]).encode();
    assert_eq!(&bytes[..8], b"KRZFMAP\x01");
    assert_eq!(bytes[40..72], [7; 32]);
    // Chunks of 1 and 14 bytes, one term, two chunks.
    assert_eq!(bytes[72..92], [15, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes.len(), 92 + 44 + 2 * 40 + 8);
    assert_eq!(bytes[92 + 32..92 + 44], [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[92 + 44 + 32..92 + 44 + 40], [9, 0, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn pages_say_the_same_in_any_order() {
    let map = map(&[5, 300, 1, 2000, 900]);
    let mut reader = FileMapReader::open(Cursor::new(map.encode())).unwrap();
    assert_eq!(*reader.head(), map.head());
    for position in (0..map.chunks.len()).chain([3000, 0, 1023, 1024, 2048]) {
        assert_eq!(reader.chunk(position as u64).unwrap(), Some(map.chunks[position]));
    }
    for (position, term) in map.terms.iter().enumerate().rev() {
        assert_eq!(reader.term(position as u32).unwrap(), Some(*term));
    }
    assert_eq!(reader.chunk(map.chunks.len() as u64).unwrap(), None);
    assert_eq!(reader.chunk(u64::MAX).unwrap(), None);
    assert_eq!(reader.term(5).unwrap(), None);
    reader.verify(LIMITS).unwrap();
}

#[test]
fn a_reader_refuses_what_is_cut_or_longer() {
    let bytes = map(&[3, 2]).encode();
    for length in 0..bytes.len() {
        let error = FileMapReader::open(Cursor::new(&bytes[..length])).unwrap_err();
        assert!(matches!(error, FileMapReadError::Map(FileMapError::Truncated { .. })), "{length}: {error}");
    }
    let longer = [&bytes[..], b"x"].concat();
    let error = FileMapReader::open(Cursor::new(longer)).unwrap_err();
    assert!(matches!(error, FileMapReadError::Map(FileMapError::TrailingBytes)), "{error}");
    let mut damaged = bytes.clone();
    damaged[bytes.len() - 20] ^= 1;
    let mut reader = FileMapReader::open(Cursor::new(damaged)).unwrap();
    assert!(matches!(reader.verify(LIMITS), Err(FileMapReadError::Map(FileMapError::WrongChecksum))));
}

#[test]
fn every_bit_counts() {
    let map = map(&[3, 2]);
    let bytes = map.encode();
    for position in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[position] ^= 1 << (position % 8);
        assert!(FileMap::parse(&broken, LIMITS).is_err(), "byte {position}");
        assert!(FileMap::parse(&bytes[..position], LIMITS).is_err(), "cut at {position}");
        // With a checksum that fits, only what no other field binds may change: sha256 and places.
        let is_free = (40..72).contains(&position) || (HEAD_BYTES..HEAD_BYTES + 2 * 44).contains(&position);
        let in_frame_length = position >= HEAD_BYTES + 2 * 44
            && (32..36).contains(&((position - HEAD_BYTES - 2 * 44) % 40))
            && position < bytes.len() - 8;
        if !is_free && !in_frame_length && position < bytes.len() - 8 {
            assert!(FileMap::parse(&sealed(broken), LIMITS).is_err(), "byte {position} under a new checksum");
        }
    }
    assert_eq!(FileMap::parse(&[&bytes[..], &[0]].concat(), LIMITS), Err(FileMapError::TrailingBytes));
}

#[test]
fn hostile_maps_are_refused() {
    let good = map(&[3, 2]);
    let wrong = |reason| FileMapError::Wrong { reason };
    let with = |change: &dyn Fn(&mut FileMap)| {
        let mut map = good.clone();
        change(&mut map);
        named(map).encode()
    };
    let head = |at: usize, bytes: &[u8]| {
        let mut whole = good.encode();
        whole[at..at + bytes.len()].copy_from_slice(bytes);
        sealed(whole)
    };
    let counts = "its counts do not fit the length of the file";
    let chunk_count = "its terms have another number of chunks";
    let place = "a term starts at an impossible place";
    let length = "it has a chunk of an impossible length";
    let file_bytes = "its chunks have another length than the file";
    let cases: Vec<(&str, Vec<u8>, FileMapError)> = vec![
        ("nothing", vec![], FileMapError::Truncated { at: 0 }),
        ("text", vec![b'x'; 200], FileMapError::NotAMap),
        ("a later version", head(7, &[2]), FileMapError::NotAMap),
        ("all ones", [b"KRZFMAP\x01".to_vec(), vec![0xFF; 200]].concat(), wrong("its counts cannot be")),
        (
            "a file over the limit",
            head(72, &(1u64 << 41).to_le_bytes()),
            FileMapError::TooMany { what: "bytes of the file", count_max: 1 << 40 },
        ),
        ("more terms than chunks", head(80, &6u32.to_le_bytes()), wrong(counts)),
        ("more chunks than bytes", head(84, &u64::MAX.to_le_bytes()), wrong(counts)),
        ("many chunks", head(84, &40u64.to_le_bytes()), wrong(chunk_count)),
        ("few chunks", head(84, &4u64.to_le_bytes()), wrong(chunk_count)),
        ("no terms", head(80, &0u32.to_le_bytes()), wrong("its counts cannot be")),
        ("a file without bytes", head(72, &[0; 20]), FileMapError::WrongChecksum),
        ("another length", head(72, &1000u64.to_le_bytes()), wrong(file_bytes)),
        ("a shorter length", head(72, &20u64.to_le_bytes()), wrong(file_bytes)),
        ("an empty term", with(&|map| map.terms[0].chunk_end = 0), wrong("a term covers no chunk")),
        ("a term with too much", with(&|map| map.terms[1].chunk_end = u32::MAX), wrong(chunk_count)),
        ("a first chunk that is not at the start", with(&|map| map.terms[0].byte_start = 5), wrong(place)),
        ("a later chunk at the start", with(&|map| map.terms[1].byte_start = 0), wrong(place)),
        ("a term at the end of all", with(&|map| map.terms[1].byte_start = u32::MAX), {
            wrong("a term is longer than a xorb can be")
        }),
        ("an empty frame", with(&|map| map.chunks[1].frame_bytes = 8), wrong(length)),
        ("a huge frame", with(&|map| map.chunks[1].frame_bytes = FRAME_BYTES_MAX as u32 + 1), wrong(length)),
        ("an empty chunk", with(&|map| map.chunks[1].raw_bytes = 0), wrong(length)),
        ("a huge chunk", with(&|map| map.chunks[1].raw_bytes = CHUNK_BYTES_MAX as u32 + 1), wrong(length)),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(FileMap::parse(&bytes, LIMITS), Err(expected), "{name}");
        assert!(in_parts(&bytes, 1, LIMITS).is_err(), "{name}");
    }
    let mut other = good.clone();
    other.hash = FileHash([1; 32]);
    let expected = FileMapError::WrongHash { claimed: other.hash, actual: good.hash };
    assert_eq!(FileMap::parse(&other.encode(), LIMITS), Err(expected));
    let few = FileMapLimits { terms_max: 1, ..LIMITS };
    assert_eq!(FileMap::parse(&good.encode(), few), Err(FileMapError::TooMany { what: "terms", count_max: 1 }));
    // A head that announces 2^40 chunks costs nothing before they come.
    let mut verifier = FileMapVerifier::new(LIMITS);
    let announced = [&head(72, &(1u64 << 40).to_le_bytes())[..84], &(1u64 << 40).to_le_bytes()].concat();
    verifier.push(&announced).unwrap();
    assert_eq!(verifier.head().unwrap().chunk_count, 1 << 40);
    assert_eq!(verifier.finish(), Err(FileMapError::Truncated { at: 92 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400), has_magic in any::<bool>()) {
        let mut bytes = bytes;
        if has_magic {
            bytes.splice(..8.min(bytes.len()), *b"KRZFMAP\x01");
        }
        let _ = FileMap::parse(&bytes, LIMITS);
        if let Ok(mut reader) = FileMapReader::open(Cursor::new(&bytes)) {
            let _ = (reader.term(0), reader.chunk(0), reader.verify(LIMITS));
        }
    }

    #[test]
    fn generated_maps_survive(terms in prop::collection::vec(1u32..40, 0..12), part_bytes in 1usize..500) {
        let map = map(&terms);
        let bytes = map.encode();
        prop_assert_eq!(FileMap::parse(&bytes, LIMITS).unwrap(), map.clone());
        prop_assert_eq!(in_parts(&bytes, part_bytes, LIMITS), Ok(map.hash));
    }

    #[test]
    fn changed_maps_parse_to_themselves_or_not_at_all(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = map(&[2, 3]).encode();
        let position = at.index(bytes.len());
        bytes[position] = byte;
        let bytes = sealed(bytes);
        if let Ok(map) = FileMap::parse(&bytes, LIMITS) {
            prop_assert_eq!(map.encode(), bytes);
        }
    }
}
