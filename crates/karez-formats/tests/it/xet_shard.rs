//! Shards and deduplication answers: round trips, and what must be refused.

use karez_formats::xet::{
    Chunk, DedupAnswer, Shard, ShardError, ShardFile, ShardLimits, ShardTerm, ShardXorb, chunk_hash,
    encode_dedup_answer, keyed_chunk_hash,
};
use karez_types::{ChunkHash, FileHash, RangeHash, Sha256, XorbHash};
use proptest::prelude::*;

const LIMITS: ShardLimits =
    ShardLimits { shard_bytes_max: 1 << 20, files_max: 100, file_terms_max: 1000, xorb_chunks_max: 8192 };

fn parse(bytes: &[u8]) -> Result<Shard, ShardError> {
    Shard::parse(bytes, &LIMITS)
}

fn term(range_hash: Option<RangeHash>) -> ShardTerm {
    ShardTerm { xorb: XorbHash([3; 32]), chunk_start: 1, chunk_end: 4, raw_bytes: 200_000, range_hash }
}

fn sample() -> Shard {
    let chunks = (0..5u32).map(|n| Chunk { hash: chunk_hash(&n.to_le_bytes()), raw_bytes: 60_000 + n }).collect();
    Shard {
        files: vec![
            ShardFile {
                hash: FileHash([1; 32]),
                sha256: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".parse().unwrap()),
                terms: vec![term(Some(RangeHash([4; 32]))), term(Some(RangeHash([5; 32])))],
            },
            ShardFile { hash: FileHash([2; 32]), sha256: None, terms: vec![term(None)] },
            ShardFile { hash: FileHash([0; 32]), sha256: Some(Sha256([7; 32])), terms: vec![] },
        ],
        xorbs: vec![ShardXorb { hash: XorbHash([3; 32]), chunks }],
    }
}

#[test]
fn a_shard_survives_the_round_trip() {
    let shard = sample();
    let bytes = shard.encode();
    // Header, 1+2+2+1 and 1+1 and 1+1 records of files, bookend, 1+5 records of the xorb, bookend.
    // An empty file has, vacuously, all its verification hashes.
    assert_eq!(bytes.len(), 48 * (1 + 6 + 2 + 2 + 1 + 6 + 1));
    assert_eq!(parse(&bytes).unwrap(), shard);
    assert_eq!(parse(&Shard::default().encode()).unwrap(), Shard::default());
}

#[test]
fn sha256_is_stored_in_reversed_words() {
    let bytes = sample().encode();
    let record = &bytes[48 * 6..48 * 6 + 32];
    assert_eq!(record[..8], [0x65, 0x7d, 0x4c, 0x88, 0x81, 0xd0, 0x86, 0x9f]);
}

/// What `@huggingface/hub` uploads: a footer whose lookup tables are all zero.
#[test]
fn an_upload_may_have_a_footer() {
    let shard = sample();
    let mut bytes = shard.encode();
    bytes[40..48].copy_from_slice(&200u64.to_le_bytes());
    let footer_start = bytes.len() as u64;
    let mut footer = [0u64; 25];
    footer[..3].copy_from_slice(&[1, 48, 48 * 12]);
    footer[13] = 1_900_000_000;
    footer[24] = footer_start;
    bytes.extend(footer.iter().flat_map(|word| word.to_le_bytes()));
    assert_eq!(parse(&bytes).unwrap(), shard);
    assert!(parse(&bytes[..bytes.len() - 8]).is_err());
    assert!(parse(&[&bytes[..], &[0; 8]].concat()).is_err());
}

#[test]
fn hostile_shards_are_refused() {
    let good = sample().encode();
    let word = |at: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    const FILE: usize = 48;
    const TERM: usize = 96;
    const XORB: usize = 48 * 12;
    type Check = fn(&ShardError) -> bool;
    let cases: Vec<(&str, Vec<u8>, Check)> = vec![
        ("nothing", vec![], |e| *e == ShardError::NotAShard),
        ("text", b"HFRepoMetaData but not really, only the beginning".to_vec(), |e| *e == ShardError::NotAShard),
        ("header version 3", word(32, 3), |e| matches!(e, ShardError::UnknownVersion { what: "header", version: 3 })),
        ("another footer length", word(40, 199), |e| matches!(e, ShardError::BrokenFooter { .. })),
        ("an announced footer that is missing", word(40, 200), |e| matches!(e, ShardError::Truncated { .. })),
        ("the header alone", good[..48].to_vec(), |e| matches!(e, ShardError::Truncated { .. })),
        ("no xorb section", good[..XORB].to_vec(), |e| matches!(e, ShardError::Truncated { .. })),
        ("no last bookend", good[..good.len() - 48].to_vec(), |e| matches!(e, ShardError::Truncated { .. })),
        ("half a bookend", good[..good.len() - 1].to_vec(), |e| matches!(e, ShardError::Truncated { .. })),
        ("a byte too many", [&good[..], &[0]].concat(), |e| *e == ShardError::TrailingBytes { extra_bytes: 1 }),
        ("twice", [&good[..], &good[..]].concat(), |e| matches!(e, ShardError::TrailingBytes { .. })),
        ("the most terms", word(FILE + 36, u32::MAX), |e| matches!(e, ShardError::TooMany { .. })),
        ("more terms than bytes", word(FILE + 36, 999), |e| matches!(e, ShardError::Truncated { .. })),
        ("unknown file flags", word(FILE + 32, 0xE000_0000), |e| matches!(e, ShardError::UnknownFlags { .. })),
        ("a reversed term", word(TERM + 40, 9), |e| {
            matches!(e, ShardError::EmptyTerm { chunk_start: 9, chunk_end: 4, .. })
        }),
        ("an empty term", word(TERM + 40, 4), |e| matches!(e, ShardError::EmptyTerm { .. })),
        ("a term without bytes", word(TERM + 36, 0), |e| matches!(e, ShardError::EmptyTerm { raw_bytes: 0, .. })),
        ("the most chunks", word(XORB + 36, u32::MAX), |e| matches!(e, ShardError::TooMany { .. })),
        ("more chunks than bytes", word(XORB + 36, 8000), |e| matches!(e, ShardError::Truncated { .. })),
        ("a xorb without chunks", word(XORB + 36, 0), |e| matches!(e, ShardError::BrokenXorb { .. })),
        ("a chunk of 4 GiB", word(XORB + 48 + 36, u32::MAX), |e| matches!(e, ShardError::BrokenXorb { .. })),
        ("a chunk of nothing", word(XORB + 48 + 36, 0), |e| matches!(e, ShardError::BrokenXorb { .. })),
    ];
    for (name, bytes, is_expected) in cases {
        let error = parse(&bytes).expect_err(name);
        assert!(is_expected(&error), "{name}: {error:?}");
    }
}

#[test]
fn limits_hold() {
    let bytes = sample().encode();
    let narrow = |change: fn(&mut ShardLimits)| {
        let mut limits = LIMITS;
        change(&mut limits);
        Shard::parse(&bytes, &limits).unwrap_err()
    };
    assert!(matches!(narrow(|l| l.shard_bytes_max = 100), ShardError::TooLarge { bytes_max: 100 }));
    assert!(matches!(narrow(|l| l.files_max = 2), ShardError::TooMany { what: "files", .. }));
    assert!(matches!(narrow(|l| l.file_terms_max = 1), ShardError::TooMany { .. }));
    assert!(matches!(narrow(|l| l.xorb_chunks_max = 4), ShardError::TooMany { .. }));
}

#[test]
fn dedup_answers_show_chunks_only_to_who_has_them() {
    let xorbs = sample().xorbs;
    let key = [8; 32];
    let bytes = encode_dedup_answer(&xorbs, &key, 2_000, 1_000);
    assert_eq!(bytes.len() as u64, 48 + 48 + DedupAnswer::xorb_bytes(5) + 48 + 200);
    let answer = DedupAnswer::parse(&bytes, &LIMITS).unwrap();
    assert_eq!((answer.key, answer.created_secs, answer.expires_secs), (key, 1_000, 2_000));
    assert_eq!(answer.xorbs[0].hash, xorbs[0].hash);
    for (shown, real) in answer.xorbs[0].chunks.iter().zip(&xorbs[0].chunks) {
        assert_ne!(shown.hash, real.hash);
        assert_eq!(shown.hash, keyed_chunk_hash(&key, &real.hash));
        assert_eq!(shown.raw_bytes, real.raw_bytes);
    }
    assert!(matches!(parse(&bytes), Err(ShardError::BrokenFooter { .. })), "an answer is no upload");
    assert!(DedupAnswer::parse(&sample().encode(), &LIMITS).is_err(), "an upload is no answer");

    let plain = encode_dedup_answer(&xorbs, &[0; 32], 2_000, 1_000);
    assert_eq!(parse(&plain).unwrap().xorbs, xorbs, "the zero key means no key");
    for position in [0, 8, 16, 192] {
        let mut broken = plain.clone();
        let at = plain.len() - 200 + position;
        broken[at] ^= 1;
        assert!(parse(&broken).is_err(), "footer byte {position}");
    }
}

fn any_hash() -> impl Strategy<Value = [u8; 32]> {
    // All ones mark the end of a section; no real hash is all ones.
    any::<[u8; 32]>().prop_filter("a bookend", |hash| *hash != [0xFF; 32])
}

prop_compose! {
    fn any_term(is_verified: bool)(
        xorb in any_hash(),
        chunk_start in 0u32..8000,
        count in 1u32..100,
        raw_bytes in 1u32..,
        range_hash in any::<[u8; 32]>(),
    ) -> ShardTerm {
        let range_hash = is_verified.then_some(RangeHash(range_hash));
        ShardTerm { xorb: XorbHash(xorb), chunk_start, chunk_end: chunk_start + count, raw_bytes, range_hash }
    }
}

fn any_file() -> impl Strategy<Value = ShardFile> {
    (any_hash(), any::<Option<[u8; 32]>>(), any::<bool>()).prop_flat_map(|(hash, sha256, is_verified)| {
        prop::collection::vec(any_term(is_verified), 0..8).prop_map(move |terms| ShardFile {
            hash: FileHash(hash),
            sha256: sha256.map(Sha256),
            terms,
        })
    })
}

fn any_xorb() -> impl Strategy<Value = ShardXorb> {
    let chunk =
        (any::<[u8; 32]>(), 1u32..=131_072).prop_map(|(hash, raw_bytes)| Chunk { hash: ChunkHash(hash), raw_bytes });
    (any_hash(), prop::collection::vec(chunk, 1..20))
        .prop_map(|(hash, chunks)| ShardXorb { hash: XorbHash(hash), chunks })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_shard_survives_the_round_trip(
        files in prop::collection::vec(any_file(), 0..6),
        xorbs in prop::collection::vec(any_xorb(), 0..4),
    ) {
        let shard = Shard { files, xorbs };
        prop_assert_eq!(parse(&shard.encode()).unwrap(), shard);
    }

    #[test]
    fn a_changed_shard_gets_an_answer(at in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<prop::sample::Index>()) {
        let mut bytes = sample().encode();
        let position = at.index(bytes.len());
        bytes[position] ^= flip;
        if let Ok(shard) = parse(&bytes) {
            prop_assert_eq!(parse(&shard.encode()).unwrap(), shard);
        }
        let _ = parse(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn any_records_get_an_answer(records in prop::collection::vec(any::<[u8; 32]>(), 0..40)) {
        let mut bytes = Shard::default().encode()[..48].to_vec();
        bytes.extend(records.concat());
        let _ = parse(&bytes);
        let _ = DedupAnswer::parse(&bytes, &LIMITS);
    }
}
