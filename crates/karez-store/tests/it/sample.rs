//! Xorbs to store.

use bytes::Bytes;
use karez_formats::xet::{BuiltXorb, XorbBuilder, XorbVerifier, chunk_hash};
use karez_types::{Entropy, SeededEntropy};

/// Returns a xorb of this many chunks of incompressible bytes; the same seed gives the same xorb.
pub fn xorb(seed: u64, chunk_count: usize) -> BuiltXorb {
    let entropy = SeededEntropy::new(seed);
    let mut builder = XorbBuilder::new();
    for number in 0..chunk_count {
        let mut raw = vec![0; 20_000 + number * 997 % 90_000];
        entropy.fill(&mut raw);
        builder.push(&raw, chunk_hash(&raw));
    }
    builder.finish()
}

/// Cuts bytes into pieces of about this length, as a network would.
pub fn pieces(bytes: &[u8], piece_bytes: usize) -> Vec<Bytes> {
    bytes.chunks(piece_bytes).map(Bytes::copy_from_slice).collect()
}

/// Returns the same two chunks in LZ4 frames, and in frames that are not compressed.
pub fn packed_and_plain() -> (BuiltXorb, BuiltXorb) {
    let (mut builder, mut plain) = (XorbBuilder::new(), Vec::new());
    for byte in [1, 2] {
        let raw = vec![byte; 30_000];
        builder.push(&raw, chunk_hash(&raw));
        // Version, length on the wire, scheme, length (xet.md, frames).
        let length = &30_000u32.to_le_bytes()[..3];
        plain.extend([&[0], length, &[0], length, &raw].concat());
    }
    let packed = builder.finish();
    let mut verifier = XorbVerifier::new(1 << 20, 10);
    verifier.push(&plain).unwrap();
    let index = verifier.finish(packed.hash).unwrap();
    let plain = BuiltXorb { hash: packed.hash, bytes: plain, index };
    (packed, plain)
}
