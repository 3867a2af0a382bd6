//! What a transfer tells the world: how far it is, and who did wrong.

use futures::future::BoxFuture;
use karez_types::{RepoAddress, RepoPath, Sha256, Timestamp};

/// What a remote did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncidentKind {
    /// Bytes that are not those of the chunk or file they were sent for.
    WrongBytes,
    /// Another range or size than was asked for, or an answer without end.
    WrongAnswer,
    /// A recipe that leads to another file.
    WrongRecipe,
}

impl IncidentKind {
    /// Returns the word for tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            IncidentKind::WrongBytes => "wrong_bytes",
            IncidentKind::WrongAnswer => "wrong_answer",
            IncidentKind::WrongRecipe => "wrong_recipe",
        }
    }
}

/// A remote did wrong: for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Name of the remote.
    pub remote: String,
    /// What it did.
    pub kind: IncidentKind,
    /// The same in a sentence, with the file.
    pub what: String,
}

/// State of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// Waits for a plan, for its lease, or for its turn.
    Waiting,
    /// Bytes arrive, or will as soon as a source can be reached.
    Running,
    /// All bytes are here and are being put together.
    Assembling,
    /// The file is held.
    Done,
    /// It cannot be fetched; `trouble` says why.
    Failed,
}

/// What one source gave to a transfer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SourceShare {
    /// Name of the remote.
    pub name: String,
    /// Bytes received from it, in this process.
    pub received_bytes: u64,
    /// Connections that are open.
    pub connections: usize,
    /// Whether it was banned for this object.
    pub is_banned: bool,
}

/// How far a transfer is.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Progress {
    /// The file.
    pub sha256: Sha256,
    /// The mirror here.
    #[serde(serialize_with = "as_text")]
    pub repo: RepoAddress,
    /// Where the file is in it.
    pub path: RepoPath,
    /// Name of the remote that planned it.
    pub remote: String,
    /// State.
    pub state: TransferState,
    /// Length of the file.
    pub file_bytes: u64,
    /// Bytes that must travel, without those that were held before; 0 until planned.
    pub wire_bytes: u64,
    /// Of those, how many are here.
    pub done_bytes: u64,
    /// Bytes a second, lately.
    pub rate_bytes_per_sec: u64,
    /// Seconds until the end at this rate; `None` when nothing arrives.
    pub remaining_secs: Option<u64>,
    /// When that will be.
    pub expected_end: Option<Timestamp>,
    /// When it began, in this process.
    pub started: Timestamp,
    /// Sources and their shares.
    pub sources: Vec<SourceShare>,
    /// What is in the way, in a sentence.
    pub trouble: Option<String>,
}

fn as_text<S: serde::Serializer>(repo: &RepoAddress, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(repo)
}

/// Where transfers report to: the catalog, in a node.
pub trait Notices: Send + Sync {
    /// A remote did wrong. Called once for each wrong.
    fn incident<'a>(&'a self, incident: &'a Incident) -> BoxFuture<'a, ()>;

    /// How far a transfer is: when its state changes, and every few seconds while it runs.
    fn progress<'a>(&'a self, progress: &'a Progress) -> BoxFuture<'a, ()>;
}
