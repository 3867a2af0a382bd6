//! What changed since when.

use karez_types::RepoId;

/// A repository that changed, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The repository.
    pub repo: RepoId,
    /// Grows with time; of one repository only the newest is kept.
    pub change: i64,
}

/// One page of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Oldest first.
    pub list: Vec<Change>,
    /// From where to read when all pages of this reading are read: what lies before is settled.
    pub settled: i64,
}
