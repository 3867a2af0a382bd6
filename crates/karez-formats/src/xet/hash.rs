//! The keyed BLAKE3 hashes of the Xet specification.

use karez_types::{ChunkHash, RangeHash};

/// Key of chunk hashes (Xet spec, "Chunk hashes").
const DATA_KEY: [u8; 32] = [
    102, 151, 245, 119, 91, 149, 80, 222, 49, 53, 203, 172, 165, 151, 24, 28, 157, 228, 33, 16, 155, 235, 43, 88, 180,
    208, 176, 75, 147, 173, 242, 41,
];

/// Key of the inner nodes of the Merkle tree (Xet spec, "Xorb hashes").
pub(super) const NODE_KEY: [u8; 32] = [
    1, 126, 197, 199, 165, 71, 41, 150, 253, 148, 102, 102, 180, 138, 2, 230, 93, 221, 83, 111, 55, 199, 109, 210, 248,
    99, 82, 230, 74, 83, 113, 63,
];

/// Key of the verification hash of a term (Xet spec, "Term verification hashes").
const VERIFICATION_KEY: [u8; 32] = [
    127, 24, 87, 214, 206, 86, 237, 102, 18, 127, 249, 19, 231, 165, 195, 243, 164, 205, 38, 213, 181, 219, 73, 230,
    65, 36, 152, 127, 40, 251, 148, 195,
];

/// Returns the hash that names a chunk.
pub fn chunk_hash(raw: &[u8]) -> ChunkHash {
    ChunkHash(*blake3::keyed_hash(&DATA_KEY, raw).as_bytes())
}

/// Returns the verification hash of a run of chunks, the proof that its author knows them all:
/// the hash of a xorb alone does not reveal it.
pub fn range_hash<'a>(chunks: impl IntoIterator<Item = &'a ChunkHash>) -> RangeHash {
    let mut hasher = blake3::Hasher::new_keyed(&VERIFICATION_KEY);
    // Hashes are gathered into blocks: one `update` per 32 bytes would cost twice as much.
    let mut block = [0u8; 1024];
    let mut filled = 0;
    for chunk in chunks {
        block[filled..filled + 32].copy_from_slice(&chunk.0);
        filled += 32;
        if filled == block.len() {
            hasher.update(&block);
            filled = 0;
        }
    }
    hasher.update(&block[..filled]);
    RangeHash(*hasher.finalize().as_bytes())
}

/// Returns the form that a chunk hash takes in a deduplication answer: only who has the chunk can
/// recognise it. The zero key means "no key" and leaves the hash as it is.
pub fn keyed_chunk_hash(key: &[u8; 32], hash: &ChunkHash) -> ChunkHash {
    if *key == [0; 32] {
        return *hash;
    }
    ChunkHash(*blake3::keyed_hash(key, hash.as_bytes()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_hash_is_one_hash_over_all_bytes() {
        for count in [0usize, 1, 31, 32, 33, 100] {
            let hashes: Vec<ChunkHash> = (0..count).map(|n| chunk_hash(&n.to_le_bytes())).collect();
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
            let expected = *blake3::keyed_hash(&VERIFICATION_KEY, &bytes).as_bytes();
            assert_eq!(range_hash(&hashes).0, expected, "{count}");
        }
    }
}
