//! The Merkle tree over chunks: names of xorbs and files.
//!
//! Each level is cut into groups of 2 to 9 nodes: a group ends after its third or a later node whose
//! hash is divisible by four, at nine nodes, or where the level ends (a last group of one is
//! allowed). Each group becomes one node of the next level; the tree ends where a level is a single
//! node. Groups depend only on what came before them, so the tree can be built while chunks arrive,
//! with at most nine open nodes per level.

use std::io::Write;

use karez_types::{FileHash, XorbHash};

use super::Chunk;
use super::hash::NODE_KEY;

/// Most nodes in a group: twice the mean branching factor of 4, plus one (reference client).
const GROUP_NODES_MAX: usize = 9;
/// Longest line of a node's text: 64 digits, " : ", 20 digits, newline.
const LINE_BYTES_MAX: usize = 64 + 3 + 20 + 1;

#[derive(Debug, Clone, Copy)]
struct Node {
    hash: [u8; 32],
    raw_bytes: u64,
}

impl Node {
    /// Tells whether a group may end after this node: last little-endian word divisible by four.
    fn ends_group(&self) -> bool {
        self.hash[24].is_multiple_of(4)
    }
}

/// The open group of one level.
#[derive(Debug, Clone)]
struct Level {
    open: [Node; GROUP_NODES_MAX],
    open_count: usize,
    /// Whether a group of this level was already closed.
    has_closed_group: bool,
}

impl Level {
    fn new() -> Level {
        Level { open: [Node { hash: [0; 32], raw_bytes: 0 }; GROUP_NODES_MAX], open_count: 0, has_closed_group: false }
    }

    /// Merges the open group into its parent node.
    fn close_group(&mut self) -> Node {
        let parent = merge(&self.open[..self.open_count]);
        self.open_count = 0;
        self.has_closed_group = true;
        parent
    }
}

/// Hashes a group: one line `hash : length` per node.
fn merge(nodes: &[Node]) -> Node {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0u8; LINE_BYTES_MAX * GROUP_NODES_MAX];
    let mut filled = 0;
    let mut raw_bytes = 0u64;
    for node in nodes {
        for group in node.hash.chunks_exact(8) {
            for byte in group.iter().rev() {
                text[filled] = DIGITS[usize::from(byte >> 4)];
                text[filled + 1] = DIGITS[usize::from(byte & 15)];
                filled += 2;
            }
        }
        let mut rest = &mut text[filled..];
        let space = rest.len();
        writeln!(rest, " : {}", node.raw_bytes).expect("the text has room for nine of the longest lines");
        filled += space - rest.len();
        raw_bytes = raw_bytes.saturating_add(node.raw_bytes);
    }
    Node { hash: *blake3::keyed_hash(&NODE_KEY, &text[..filled]).as_bytes(), raw_bytes }
}

/// The tree while it grows; memory is logarithmic in the number of chunks.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    levels: Vec<Level>,
}

impl Tree {
    pub(super) fn push(&mut self, chunk: Chunk) {
        self.push_node(0, Node { hash: chunk.hash.0, raw_bytes: u64::from(chunk.raw_bytes) });
    }

    fn push_node(&mut self, first_level: usize, first_node: Node) {
        let mut carried = first_node;
        for depth in first_level.. {
            if depth == self.levels.len() {
                self.levels.push(Level::new());
            }
            let level = &mut self.levels[depth];
            level.open[level.open_count] = carried;
            level.open_count += 1;
            let closes = level.open_count == GROUP_NODES_MAX || (level.open_count >= 3 && carried.ends_group());
            if !closes {
                return;
            }
            carried = level.close_group();
        }
    }

    /// Returns the root, or `None` of a tree without chunks.
    pub(super) fn finish(mut self) -> Option<[u8; 32]> {
        let mut depth = 0;
        while depth < self.levels.len() {
            let level = &mut self.levels[depth];
            if level.open_count == 1 && !level.has_closed_group {
                return Some(level.open[0].hash);
            }
            if level.open_count > 0 {
                let parent = level.close_group();
                self.push_node(depth + 1, parent);
            }
            depth += 1;
        }
        None
    }
}

/// Computes the hash of a file while its chunks pass by.
#[derive(Debug, Clone, Default)]
pub struct FileHasher {
    tree: Tree,
}

impl FileHasher {
    /// Returns a hasher that has seen nothing.
    pub fn new() -> FileHasher {
        FileHasher::default()
    }

    /// Takes the next chunk.
    pub fn push(&mut self, chunk: Chunk) {
        self.tree.push(chunk);
    }

    /// Returns the hash of the file; all zeros when it is empty.
    pub fn finish(self) -> FileHash {
        // The salt of public files is the zero key (reference client).
        let salt = [0; 32];
        self.tree.finish().map_or(FileHash([0; 32]), |root| FileHash(*blake3::keyed_hash(&salt, &root).as_bytes()))
    }
}

/// Returns the hash of the file that consists of these chunks.
pub fn file_hash(chunks: &[Chunk]) -> FileHash {
    let mut hasher = FileHasher::new();
    chunks.iter().for_each(|chunk| hasher.push(*chunk));
    hasher.finish()
}

/// Returns the hash of the xorb that consists of these chunks; all zeros when there are none.
pub fn xorb_hash(chunks: &[Chunk]) -> XorbHash {
    let mut tree = Tree::default();
    chunks.iter().for_each(|chunk| tree.push(*chunk));
    XorbHash(tree.finish().unwrap_or([0; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xet::chunk_hash;

    /// The definition, level by level over whole lists.
    fn naive(chunks: &[Chunk]) -> [u8; 32] {
        let mut level: Vec<Node> =
            chunks.iter().map(|c| Node { hash: c.hash.0, raw_bytes: u64::from(c.raw_bytes) }).collect();
        while level.len() > 1 {
            let mut rest = &level[..];
            let mut parents = Vec::new();
            while !rest.is_empty() {
                let cut = if rest.len() <= 2 {
                    rest.len()
                } else {
                    let end = rest.len().min(GROUP_NODES_MAX);
                    (2..end).find(|&n| rest[n].ends_group()).map_or(end, |n| n + 1)
                };
                parents.push(merge(&rest[..cut]));
                rest = &rest[cut..];
            }
            level = parents;
        }
        level.first().map_or([0; 32], |node| node.hash)
    }

    #[test]
    fn streaming_tree_equals_the_definition() {
        let chunks: Vec<Chunk> =
            (0..3000u32).map(|n| Chunk { hash: chunk_hash(&n.to_le_bytes()), raw_bytes: 8192 + n }).collect();
        for count in (0..200).chain([511, 512, 999, 2047, 3000]) {
            assert_eq!(xorb_hash(&chunks[..count]).0, naive(&chunks[..count]), "{count} chunks");
        }
    }

    #[test]
    fn runs_of_equal_chunks_hit_both_group_limits() {
        for seed in 0..16u8 {
            let chunk = Chunk { hash: chunk_hash(&[seed]), raw_bytes: 131_072 };
            for count in 1..120 {
                let chunks = vec![chunk; count];
                assert_eq!(xorb_hash(&chunks).0, naive(&chunks), "{count} of {seed}");
            }
        }
    }

    #[test]
    fn one_chunk_is_its_own_root_and_the_empty_file_is_zero() {
        let chunk = Chunk { hash: chunk_hash(b"a"), raw_bytes: 1 };
        assert_eq!(xorb_hash(&[chunk]).0, chunk.hash.0);
        assert_eq!(file_hash(&[]).0, [0; 32]);
        assert_ne!(file_hash(&[chunk]).0, chunk.hash.0);
    }
}
