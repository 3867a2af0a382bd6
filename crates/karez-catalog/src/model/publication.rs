//! What this node tells the world that it publishes.

use karez_types::{RepoAddress, RepoId, RepoKind, Timestamp};

/// The latest word of the log about an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The address, in lower case.
    pub address: RepoAddress,
    /// Index of the latest entry about it.
    pub index: u64,
    /// When that was written.
    pub changed: Timestamp,
    /// What is published there; nothing when it is gone.
    pub repo: Option<RepoId>,
}

/// Which publications to list.
#[derive(Debug, Clone, Default)]
pub struct PublicationQuery {
    /// Only of this kind.
    pub kind: Option<RepoKind>,
    /// Only what changed then or later.
    pub from: Option<Timestamp>,
    /// Only what changed then or earlier.
    pub until: Option<Timestamp>,
    /// Whether what is gone is listed too.
    pub with_gone: bool,
    /// Index and address of the last one of the page before.
    pub after: Option<(u64, String)>,
    /// At most so many.
    pub limit: u64,
}
