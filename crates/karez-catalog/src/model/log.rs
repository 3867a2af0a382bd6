//! The node's own log, and what it witnesses of others.

use karez_types::{Sha256, Timestamp};

/// The tree that was signed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTree {
    /// How many entries it is over.
    pub size: u64,
    /// Its right edge, as the notary encodes it.
    pub frontier: Vec<u8>,
    /// The signed note, as it is served.
    pub note: String,
}

/// A tile of the tree, as far as it has grown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTile {
    /// Level: 0 holds hashes of entries.
    pub level: u8,
    /// Which one of the level, from the left.
    pub index: u64,
    /// Up to 256 hashes of 32 bytes.
    pub hashes: Vec<u8>,
}

/// The newest checkpoint of a log that this node has cosigned as a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// Which log.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// Root of the tree over them.
    pub root: [u8; 32],
    /// The signed note, with this node's cosignature.
    pub note: String,
    /// When this was cosigned.
    pub seen: Timestamp,
}

/// Proof that a log showed two histories, to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFork {
    /// Which log.
    pub origin: String,
    /// The text that anyone can verify.
    pub evidence: String,
    /// SHA-256 of the text: the same evidence is kept once.
    pub sha256: Sha256,
}

/// Proof that a log showed two histories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkRow {
    /// Which log.
    pub origin: String,
    /// When this node learned of it.
    pub found: Timestamp,
    /// The text that anyone can verify.
    pub evidence: String,
}
