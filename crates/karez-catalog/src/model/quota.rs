//! How much an account may own.

/// What was decided for one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quota {
    /// Nothing: what the node allows everybody.
    #[default]
    OfNode,
    /// It may own as much as there is room for, whatever the node allows others.
    Unbounded,
    /// So many bytes, whatever the node allows others. None at all is a quota too.
    Bytes(u64),
}

impl Quota {
    /// Returns how many bytes an account with this quota may own where the node allows everybody so many;
    /// `None` is without a bound.
    pub fn or_of_node(self, node_bytes_max: Option<u64>) -> Option<u64> {
        match self {
            Quota::OfNode => node_bytes_max,
            Quota::Unbounded => None,
            Quota::Bytes(bytes) => Some(bytes),
        }
    }
}

/// What an account owns, and may own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerRoom {
    /// The lengths of the distinct large files that its repositories name, mirrors left out, in bytes.
    pub owned_bytes: u64,
    /// What was decided for the account.
    pub quota: Quota,
    /// What follows from it; `None` is without a bound.
    pub bytes_max: Option<u64>,
}

/// Why something was not done: its owner would have more than allowed. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverQuota {
    /// What the owner has, in bytes.
    pub owned_bytes: u64,
    /// What would have been new, in bytes.
    pub new_bytes: u64,
    /// What the owner may have, in bytes.
    pub bytes_max: u64,
}
