//! What nothing refers to any more, on its way out.

use karez_types::{Timestamp, XorbHash};

/// Who brought bytes, or spoke of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// A client of this node, which may remember for weeks that this node has them.
    ByClient,
    /// A transfer from another node, which remembers nothing.
    FromAfar,
}

/// What became of the row of a xorb.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XorbInserted {
    /// It is registered.
    Registered,
    /// Nothing was done: an earlier one of its name is being deleted. Send its bytes again when it is gone.
    Leaving,
    /// Nothing was done: its bytes are not in the store. Send them again.
    Lost,
}

/// What became of files that were to be registered.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesInserted {
    /// They are registered.
    Registered,
    /// None is: this xorb, which one of them names, is not registered.
    XorbMissing(XorbHash),
}

/// How far a round came with one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GarbagePage<K> {
    /// What the next page begins after; nothing when this was the last.
    pub last: Option<K>,
    /// How many were condemned or deleted.
    pub count: u64,
    /// Their bytes: of files as they are read, of xorbs as they are stored.
    pub bytes: u64,
}

/// What waits to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GarbageTotals {
    /// Large files that are condemned.
    pub files: u64,
    /// Xorbs that are condemned.
    pub xorbs: u64,
    /// Their stored bytes.
    pub stored_bytes: u64,
    /// Of these, what no client brought or knows of.
    pub from_afar_bytes: u64,
    /// Since when the oldest of them is condemned.
    pub oldest: Option<Timestamp>,
    /// Xorbs whose rows are gone and whose bytes are not yet.
    pub leaving_xorbs: u64,
    /// Their stored bytes.
    pub leaving_bytes: u64,
}
