//! How far the log was signed, noted outside of the database.

use std::io;

use karez_governance::TreeHash;

/// A tree that was signed: nothing smaller may be signed after it, and nothing that it is not part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HighWaterMark {
    /// How many entries it has.
    pub size: u64,
    /// Its root.
    pub root: TreeHash,
}

/// A place outside of the database that remembers the newest signed tree of a log. It is asked and told
/// before a checkpoint can be seen by anyone, and may wait for a disk.
pub trait HighWater: Send + Sync {
    /// Returns the mark of the log with this origin; `None` when nothing was signed.
    fn get(&self, origin: &str) -> io::Result<Option<HighWaterMark>>;
    /// Sets the mark, durably.
    fn set(&self, origin: &str, mark: HighWaterMark) -> io::Result<()>;
}

/// For nodes that have no place outside of the database: then only witnesses notice an old backup.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHighWater;

impl HighWater for NoHighWater {
    fn get(&self, _: &str) -> io::Result<Option<HighWaterMark>> {
        Ok(None)
    }

    fn set(&self, _: &str, _: HighWaterMark) -> io::Result<()> {
        Ok(())
    }
}
