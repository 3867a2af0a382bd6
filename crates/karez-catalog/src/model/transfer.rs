//! Large files on their way here, and how often files of mirrors are asked for.

use karez_types::{RemoteId, RepoId, Sha256, Timestamp};

use super::Keep;

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferState {
    /// Its turn has not come, or its line is closed.
    Waiting,
    /// Bytes are coming.
    Running,
    /// The file is here.
    Done,
    /// It was given up; the trouble says why.
    Failed,
}

impl TransferState {
    /// Returns the word used in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            TransferState::Waiting => "waiting",
            TransferState::Running => "running",
            TransferState::Done => "done",
            TransferState::Failed => "failed",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<TransferState> {
        [TransferState::Waiting, TransferState::Running, TransferState::Done, TransferState::Failed]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// One large file on its way here, for people to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// The file.
    pub sha256: Sha256,
    /// Repository that it is for, as people write it.
    pub repo: String,
    /// Path in the repository.
    pub path: String,
    /// Names of the remotes it comes from.
    pub remote: String,
    /// How it stands.
    pub state: TransferState,
    /// Length of the file.
    pub file_bytes: u64,
    /// Bytes that have to travel in all.
    pub wire_bytes: u64,
    /// Bytes of these that are here.
    pub done_bytes: u64,
    /// How fast they come.
    pub rate_bytes_per_sec: u64,
    /// When it began.
    pub started: Timestamp,
    /// When this row was written.
    pub updated: Timestamp,
    /// What went wrong, for people.
    pub trouble: Option<String>,
}

/// A large file that is here for a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFile {
    /// The mirror.
    pub repo_id: RepoId,
    /// Its origin.
    pub remote: RemoteId,
    /// The file.
    pub sha256: Sha256,
    /// Its length.
    pub file_bytes: u64,
    /// Whether the mirror is to be kept whatever happens.
    pub is_pinned: bool,
    /// What is kept of the mirror.
    pub keep: Keep,
    /// How often it was asked for.
    pub requests: u64,
    /// Bytes that need not travel because it is here.
    pub saved_bytes: u64,
    /// When it was last asked for; the start of the mirror when never.
    pub last_used: Timestamp,
}
