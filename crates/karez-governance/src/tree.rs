//! The Merkle tree of a log (RFC 6962, section 2.1), and proofs about it.
//!
//! A tree is never held whole: [`Frontier`] is its right edge, which is enough to append and to know
//! the root, and proofs are made through a [`HashReader`], which usually reads tiles.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Largest tree: sizes fit the numbers of every database and of JSON's readers that know 64 bits.
pub const TREE_SIZE_MAX: u64 = i64::MAX as u64;
/// Most hashes of a proof about a tree of that size.
pub const PROOF_HASHES_MAX: usize = 63;

/// A hash of the tree: of an entry, or of two hashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreeHash(pub [u8; 32]);

impl TreeHash {
    /// The root of the tree without entries: the SHA-256 of nothing.
    pub const EMPTY: TreeHash = TreeHash([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// Returns the hash of an entry.
    pub fn of_entry(entry: &[u8]) -> TreeHash {
        TreeHash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
    }

    /// Returns the hash of two subtrees beside each other.
    pub fn of_two(left: TreeHash, right: TreeHash) -> TreeHash {
        TreeHash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// Reads the base64 of a hash.
    pub fn parse(text: &str) -> Option<TreeHash> {
        // Decoding what is far too long would only cost memory.
        if text.len() != 44 {
            return None;
        }
        STANDARD.decode(text).ok()?.try_into().ok().map(TreeHash)
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeHash({self})")
    }
}

/// Why something about a tree could not be said, or is not so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A size or index that no tree has, or in the wrong order.
    #[error("a size or an index that does not fit the tree")]
    Range,
    /// A hash that a proof needs is not there.
    #[error("a hash of the tree is missing: level {level}, index {index}")]
    Missing {
        /// Height of the subtree: 0 for entries.
        level: u8,
        /// Which one of that height, from the left.
        index: u64,
    },
    /// The proof does not lead to the root.
    #[error("the proof does not lead to the root hash")]
    Mismatch,
    /// Stored bytes are not a right edge.
    #[error("these bytes are not the right edge of a tree")]
    Edge,
}

/// The right edge of a tree: the roots of the complete subtrees that it consists of, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<TreeHash>,
}

impl Frontier {
    /// Returns how many entries the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends an entry by its hash.
    ///
    /// # Errors
    /// When the tree is as large as trees get.
    pub fn append(&mut self, leaf: TreeHash) -> Result<(), TreeError> {
        if self.size >= TREE_SIZE_MAX {
            return Err(TreeError::Range);
        }
        let mut hash = leaf;
        // Each low one of the size is a subtree as large as the one that has just become whole.
        for _ in 0..self.size.trailing_ones() {
            hash = TreeHash::of_two(self.peaks.pop().ok_or(TreeError::Edge)?, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
        Ok(())
    }

    /// Returns the root.
    pub fn root(&self) -> TreeHash {
        let mut peaks = self.peaks.iter().rev();
        let Some(&last) = peaks.next() else { return TreeHash::EMPTY };
        peaks.fold(last, |right, &left| TreeHash::of_two(left, right))
    }

    /// Returns the bytes to store: the size, big-endian, and the hashes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        self.peaks.iter().for_each(|peak| bytes.extend_from_slice(&peak.0));
        bytes
    }

    /// Reads stored bytes.
    pub fn decode(bytes: &[u8]) -> Result<Frontier, TreeError> {
        let (size, hashes) = bytes.split_first_chunk::<8>().ok_or(TreeError::Edge)?;
        let size = u64::from_be_bytes(*size);
        let (peaks, rest) = hashes.as_chunks::<32>();
        if size > TREE_SIZE_MAX || !rest.is_empty() || peaks.len() != size.count_ones() as usize {
            return Err(TreeError::Edge);
        }
        Ok(Frontier { size, peaks: peaks.iter().map(|&peak| TreeHash(peak)).collect() })
    }

    /// Returns the right edge of a tree of this size from its hashes.
    pub fn read(size: u64, reader: &impl HashReader) -> Result<Frontier, TreeError> {
        if size > TREE_SIZE_MAX {
            return Err(TreeError::Range);
        }
        let levels = (0..63u8).rev().filter(|level| size >> level & 1 == 1);
        let peak = |level: u8| reader.hash(level, (size >> level) - 1);
        Ok(Frontier { size, peaks: levels.map(peak).collect::<Result<_, _>>()? })
    }
}

/// Where the hashes of complete subtrees come from.
pub trait HashReader {
    /// Returns the root of the subtree of height `level` that is number `index` from the left.
    fn hash(&self, level: u8, index: u64) -> Result<TreeHash, TreeError>;
}

/// Returns the hash over the entries from `start` to before `end`, which is not before `start + 1`.
fn range_hash(reader: &impl HashReader, start: u64, end: u64) -> Result<TreeHash, TreeError> {
    let count = end - start;
    if count.is_power_of_two() && start.is_multiple_of(count) {
        return reader.hash(count.trailing_zeros() as u8, start / count);
    }
    let middle = start + split(count);
    Ok(TreeHash::of_two(range_hash(reader, start, middle)?, range_hash(reader, middle, end)?))
}

/// Returns the largest power of two below the count, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// Proves that entry `index` is in the tree of this size: hashes from the leaf's sibling to the root's child.
pub fn inclusion_proof(index: u64, size: u64, reader: &impl HashReader) -> Result<Vec<TreeHash>, TreeError> {
    if index >= size || size > TREE_SIZE_MAX {
        return Err(TreeError::Range);
    }
    let (mut start, mut end, mut proof) = (0, size, Vec::new());
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range_hash(reader, middle, end)?);
            end = middle;
        } else {
            proof.push(range_hash(reader, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Proves that the tree of size `old` is the beginning of the tree of size `new`. Empty when they are
/// equal or the old one is.
pub fn consistency_proof(old: u64, new: u64, reader: &impl HashReader) -> Result<Vec<TreeHash>, TreeError> {
    if old > new || new > TREE_SIZE_MAX {
        return Err(TreeError::Range);
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut start, mut end, mut proof) = (0, new, Vec::new());
    // Down to the subtree that ends where the old tree ends.
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range_hash(reader, middle, end)?);
            end = middle;
        } else {
            proof.push(range_hash(reader, start, middle)?);
            start = middle;
        }
    }
    // When it is the whole old tree, whoever verifies knows it already.
    if start != 0 {
        proof.push(range_hash(reader, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Verifies that the entry with this hash is at `index` in the tree of this size and root.
pub fn inclusion_verify(
    leaf: TreeHash,
    index: u64,
    size: u64,
    root: TreeHash,
    proof: &[TreeHash],
) -> Result<(), TreeError> {
    if index >= size || size > TREE_SIZE_MAX {
        return Err(TreeError::Range);
    }
    // RFC 9162, section 2.1.3.2.
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for &beside in proof {
        if last == 0 {
            return Err(TreeError::Mismatch);
        }
        if at & 1 == 1 || at == last {
            hash = TreeHash::of_two(beside, hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = TreeHash::of_two(hash, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && hash == root { Ok(()) } else { Err(TreeError::Mismatch) }
}

/// Verifies that the tree of size `old` is the beginning of the tree of size `new`.
pub fn consistency_verify(
    old: u64,
    old_root: TreeHash,
    new: u64,
    new_root: TreeHash,
    proof: &[TreeHash],
) -> Result<(), TreeError> {
    if old > new || new > TREE_SIZE_MAX {
        return Err(TreeError::Range);
    }
    if old == 0 || old == new {
        let root_fits = if old == 0 { old_root == TreeHash::EMPTY } else { old_root == new_root };
        let new_fits = new != 0 || new_root == TreeHash::EMPTY;
        return if proof.is_empty() && root_fits && new_fits { Ok(()) } else { Err(TreeError::Mismatch) };
    }
    let roots = consistency_roots(old, old_root, new, proof)?;
    if roots == (old_root, new_root) { Ok(()) } else { Err(TreeError::Mismatch) }
}

/// Returns the roots of both trees to which a proof leads, for `0 < old < new`. `old_root` is used
/// only when the old size is a power of two: then the proof does not repeat it.
pub fn consistency_roots(
    old: u64,
    old_root: TreeHash,
    new: u64,
    proof: &[TreeHash],
) -> Result<(TreeHash, TreeHash), TreeError> {
    if old == 0 || old >= new || new > TREE_SIZE_MAX {
        return Err(TreeError::Range);
    }
    // RFC 9162, section 2.1.4.2.
    let mut hashes = proof.iter().copied();
    let first = if old.is_power_of_two() { old_root } else { hashes.next().ok_or(TreeError::Mismatch)? };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for beside in hashes {
        if last == 0 {
            return Err(TreeError::Mismatch);
        }
        if at & 1 == 1 || at == last {
            old_hash = TreeHash::of_two(beside, old_hash);
            new_hash = TreeHash::of_two(beside, new_hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new_hash = TreeHash::of_two(new_hash, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 { Ok((old_hash, new_hash)) } else { Err(TreeError::Mismatch) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All entries in memory; hashes by the definition.
    pub(crate) struct Whole(pub Vec<TreeHash>);

    impl Whole {
        pub(crate) fn of(count: u64) -> Whole {
            Whole((0..count).map(|number| TreeHash::of_entry(format!("entry {number}").as_bytes())).collect())
        }

        pub(crate) fn root(&self, size: u64) -> TreeHash {
            definition(&self.0[..size as usize])
        }
    }

    /// MTH of RFC 6962, section 2.1, word by word.
    fn definition(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => TreeHash(Sha256::digest(b"").into()),
            [one] => *one,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                TreeHash::of_two(definition(&leaves[..k]), definition(&leaves[k..]))
            }
        }
    }

    impl HashReader for Whole {
        fn hash(&self, level: u8, index: u64) -> Result<TreeHash, TreeError> {
            let start = (index << level) as usize;
            let end = start + (1 << level);
            self.0.get(start..end).map(definition).ok_or(TreeError::Missing { level, index })
        }
    }

    #[test]
    fn the_frontier_gives_the_root_of_every_size() {
        let whole = Whole::of(300);
        let mut frontier = Frontier::default();
        for size in 0..=300 {
            assert_eq!((frontier.size(), frontier.root()), (size, whole.root(size)));
            assert_eq!(Frontier::decode(&frontier.encode()).unwrap(), frontier);
            assert_eq!(Frontier::read(size, &whole).unwrap(), frontier);
            if size < 300 {
                frontier.append(whole.0[size as usize]).unwrap();
            }
        }
    }

    #[test]
    fn every_proof_of_small_trees_verifies_and_no_other() {
        let whole = Whole::of(40);
        let wrong = TreeHash([1; 32]);
        for size in 1..=40 {
            let root = whole.root(size);
            for index in 0..size {
                let proof = inclusion_proof(index, size, &whole).unwrap();
                let leaf = whole.0[index as usize];
                inclusion_verify(leaf, index, size, root, &proof).unwrap();
                assert!(inclusion_verify(wrong, index, size, root, &proof).is_err());
                assert!(inclusion_verify(leaf, index, size, wrong, &proof).is_err());
                assert!(inclusion_verify(leaf, index + 1, size, root, &proof).is_err());
                every_change(&proof, |bad| assert!(inclusion_verify(leaf, index, size, root, bad).is_err()));
            }
            for old in 0..=size {
                let proof = consistency_proof(old, size, &whole).unwrap();
                let old_root = whole.root(old);
                consistency_verify(old, old_root, size, root, &proof).unwrap();
                assert!(consistency_verify(old, wrong, size, root, &proof).is_err());
                if old > 0 {
                    assert!(consistency_verify(old, old_root, size, wrong, &proof).is_err());
                }
                every_change(&proof, |bad| {
                    assert!(consistency_verify(old, old_root, size, root, bad).is_err(), "{old} {size}");
                });
            }
        }
    }

    fn every_change(proof: &[TreeHash], refused: impl Fn(&[TreeHash])) {
        for at in 0..proof.len() {
            let mut bad = proof.to_vec();
            bad[at].0[31] ^= 1;
            refused(&bad);
        }
        let mut longer = proof.to_vec();
        longer.push(TreeHash([2; 32]));
        refused(&longer);
        if !proof.is_empty() {
            refused(&proof[1..]);
            refused(&proof[..proof.len() - 1]);
        }
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        let whole = Whole::of(4);
        let hash = TreeHash([0; 32]);
        assert_eq!(inclusion_proof(4, 4, &whole), Err(TreeError::Range));
        assert_eq!(inclusion_verify(hash, 0, 0, hash, &[]), Err(TreeError::Range));
        assert_eq!(inclusion_verify(hash, 5, u64::MAX, hash, &[]), Err(TreeError::Range));
        assert_eq!(consistency_proof(5, 4, &whole), Err(TreeError::Range));
        assert_eq!(consistency_verify(5, hash, 4, hash, &[]), Err(TreeError::Range));
        assert_eq!(consistency_verify(1, hash, u64::MAX, hash, &[]), Err(TreeError::Range));
        assert_eq!(consistency_roots(3, hash, 3, &[]), Err(TreeError::Range));
        assert_eq!(consistency_roots(3, hash, 4, &[]), Err(TreeError::Mismatch));
        assert_eq!(inclusion_proof(0, 8, &whole), Err(TreeError::Missing { level: 2, index: 1 }));
        for bytes in [&[][..], &[0; 7], &[0; 9], &[0, 0, 0, 0, 0, 0, 0, 1], &[0xff; 8 + 64 * 32]] {
            assert_eq!(Frontier::decode(bytes), Err(TreeError::Edge));
        }
    }

    proptest! {
        #[test]
        fn random_proofs_never_verify(
            old in any::<u64>(), new in any::<u64>(), hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
        ) {
            let proof: Vec<TreeHash> = hashes.into_iter().map(TreeHash).collect();
            let root = TreeHash([3; 32]);
            prop_assert!(inclusion_verify(TreeHash([4; 32]), old, new, root, &proof).is_err());
            prop_assert!(old == 0 || consistency_verify(old, TreeHash([4; 32]), new, root, &proof).is_err());
        }

        #[test]
        fn any_bytes_are_an_edge_that_encodes_the_same_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(edge) = Frontier::decode(&bytes) {
                edge.root();
                prop_assert_eq!(edge.encode(), bytes);
            }
        }
    }
}
