//! Who may read the files of a repository that gives them on request.

use karez_types::Timestamp;

use super::Account;

/// What became of somebody's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessStatus {
    /// Nobody has answered yet.
    Pending,
    /// They may read.
    Accepted,
    /// They may not.
    Rejected,
}

impl AccessStatus {
    /// Returns the word that is stored, and that clients use.
    pub fn as_str(self) -> &'static str {
        match self {
            AccessStatus::Pending => "pending",
            AccessStatus::Accepted => "accepted",
            AccessStatus::Rejected => "rejected",
        }
    }

    /// Returns the status of a word.
    pub fn from_word(word: &str) -> Option<AccessStatus> {
        let all = [AccessStatus::Pending, AccessStatus::Accepted, AccessStatus::Rejected];
        all.into_iter().find(|status| status.as_str() == word)
    }
}

/// Somebody's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    /// Whose it is.
    pub user: Account,
    /// What became of it.
    pub status: AccessStatus,
    /// When it last changed.
    pub changed: Timestamp,
    /// Why it was rejected, in the words of who did.
    pub reason: String,
}
