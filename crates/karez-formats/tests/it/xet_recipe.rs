//! The compact form of a file's terms.

use karez_formats::xet::{Term, decode_terms, encode_terms};
use karez_types::XorbHash;
use proptest::prelude::*;

fn any_term() -> impl Strategy<Value = Term> {
    (0u8..4, 0u32..u32::MAX, 1u32.., 1u32..).prop_map(|(xorb, chunk_start, count, raw_bytes)| Term {
        xorb: XorbHash([xorb; 32]),
        chunk_start,
        chunk_end: chunk_start.saturating_add(count),
        raw_bytes,
    })
}

proptest! {
    #[test]
    fn terms_survive_the_round_trip(terms in prop::collection::vec(any_term(), 0..50), cut in any::<prop::sample::Index>()) {
        let bytes = encode_terms(&terms);
        prop_assert_eq!(decode_terms(&bytes).unwrap(), terms);
        prop_assert!(decode_terms(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert!(decode_terms(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(terms) = decode_terms(&bytes) {
            prop_assert_eq!(decode_terms(&encode_terms(&terms)).unwrap(), terms);
        }
    }
}

#[test]
fn absurd_counts_reserve_nothing() {
    for bytes in [&[1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F][..], &[1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], &[1, 0, 1, 0, 0, 1, 1]]
    {
        assert!(decode_terms(bytes).is_err());
    }
}

#[test]
fn a_typical_file_is_small() {
    let terms: Vec<Term> = (0..100)
        .map(|n| Term { xorb: XorbHash([n / 20; 32]), chunk_start: 300, chunk_end: 350, raw_bytes: 3_000_000 })
        .collect();
    assert!(encode_terms(&terms).len() < 100 * 9 + 5 * 32);
}
