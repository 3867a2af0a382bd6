//! Any bytes as a shard, a deduplication answer or a recipe: never a panic, and what parses survives
//! the round trip.
#![no_main]

use karez_formats::xet::{DedupAnswer, Shard, ShardLimits, decode_terms, encode_terms};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = ShardLimits { shard_bytes_max: 1 << 20, files_max: 100, file_terms_max: 1000, xorb_chunks_max: 1000 };
    if let Ok(shard) = Shard::parse(bytes, &limits) {
        assert_eq!(Shard::parse(&shard.encode(), &limits).as_ref(), Ok(&shard));
    }
    let _ = DedupAnswer::parse(bytes, &limits);
    if let Ok(terms) = decode_terms(bytes) {
        assert_eq!(decode_terms(&encode_terms(&terms)).as_ref(), Ok(&terms));
    }
});
