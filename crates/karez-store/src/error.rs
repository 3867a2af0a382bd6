//! What can go wrong with stored bytes.

use std::io;

/// A store operation failed. Nothing of it is visible; writing again is safe.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no room left: the disk is full, or a quota of the file system or bucket is used up.
    #[error("the store is full")]
    Full {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The object is not there.
    #[error("{name} is not in the store")]
    Missing {
        /// Name of the object inside the store.
        name: String,
    },
    /// The object is there, but its bytes are not what its name or its index promises.
    #[error("{name} is damaged: {what}")]
    Corrupt {
        /// Name of the object inside the store.
        name: String,
        /// What does not agree.
        what: String,
    },
    /// The sender of a part stopped or failed before the end.
    #[error("the sender stopped before the end")]
    Interrupted {
        /// What the sender said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file system failed.
    #[error("cannot {action}")]
    Io {
        /// What was tried: "read xorbs/…".
        action: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The object storage failed, after retries.
    #[error("the object storage failed: cannot {action}")]
    Backend {
        /// What was tried: "write xorbs/…".
        action: String,
        /// What the storage said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The `store` setting makes no sense.
    #[error("the store setting is wrong: {what}")]
    Location {
        /// What to change.
        what: String,
    },
}

impl StoreError {
    /// Tells whether the reason is that there is no room left.
    pub fn is_full(&self) -> bool {
        matches!(self, StoreError::Full { .. })
    }

    /// Sorts an error of the file system: full disk and used-up quota are their own kind.
    pub(crate) fn io(action: impl Into<String>, source: io::Error) -> StoreError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { source },
            _ => StoreError::Io { action: action.into(), source },
        }
    }
}

/// A blocking task that the runtime dropped or that panicked.
pub(crate) fn task_lost(action: &str, source: tokio::task::JoinError) -> StoreError {
    StoreError::Io { action: action.to_owned(), source: io::Error::other(source) }
}
