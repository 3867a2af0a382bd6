//! Xorbs to store.

use bytes::Bytes;
use karez_formats::xet::{BuiltXorb, XorbBuilder, chunk_hash};
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
