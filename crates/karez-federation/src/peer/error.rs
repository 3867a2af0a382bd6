//! What can go wrong with a peer.

use karez_catalog::CatalogError;
use karez_governance::{CheckpointError, DescriptorError};

use super::WireError;

/// Why something with a peer did not work. Its text follows the peer's name in a sentence.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No usable answer; tried again later.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// What it says of itself is not to be believed.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// Its checkpoint is not to be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It showed two histories: the evidence is kept.
    #[error("showed two histories of its log: {0}")]
    Fork(String),
    /// It showed two histories earlier, and the operator has not said to go on.
    #[error("showed two histories of its log earlier; the proof is kept, and its log is not followed any more")]
    Stopped,
    /// It showed an old state of its log.
    #[error(
        "shows an old state of its log: {found} entries, and {known} were there already. Was it restored from a backup?"
    )]
    Replayed {
        /// Entries now.
        found: u64,
        /// Entries before.
        known: u64,
    },
    /// Its log does not add up, without evidence that it was meant.
    #[error("serves a log that does not add up: {0}")]
    Unsound(String),
    /// The operator's row for it lacks something.
    #[error("is not set up here: {0}")]
    Setup(String),
    /// It did not do what it was asked, and says why.
    #[error("{0}")]
    Refused(String),
    /// Something failed on this node: not the peer's fault.
    #[error("could not be dealt with here: {0}")]
    Here(String),
    /// The catalog failed: not the peer's fault.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl PeerError {
    /// Returns the word of the incident that this is; `None` for what happens on poor lines every day.
    pub fn incident(&self) -> Option<&'static str> {
        match self {
            PeerError::Fork(_) => Some("fork"),
            PeerError::Replayed { .. } => Some("replay"),
            PeerError::Unsound(_) | PeerError::Checkpoint(_) => Some("wrong-log"),
            PeerError::Descriptor(DescriptorError::OtherNode { .. }) => Some("other-node"),
            PeerError::Descriptor(DescriptorError::Replayed { .. }) => Some("replay"),
            PeerError::Wire(WireError::Wrong { .. }) => Some("wrong-answer"),
            PeerError::Refused(_) => Some("refused"),
            PeerError::Stopped
            | PeerError::Descriptor(_)
            | PeerError::Wire(_)
            | PeerError::Setup(_)
            | PeerError::Here(_)
            | PeerError::Catalog(_) => None,
        }
    }
}
