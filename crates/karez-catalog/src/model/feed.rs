//! What peers publish: their logs as followed, and what this node does about it.

use karez_types::{GitOid, RemoteId, RepoAddress, Timestamp};

use super::Keep;

/// How far a peer's log was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The peer.
    pub remote: RemoteId,
    /// The part of its log that was verified and read.
    pub tree: FeedTree,
    /// When the peer was last asked with success.
    pub polled: Timestamp,
    /// When its log last grew.
    pub changed: Timestamp,
    /// Why following stopped, for people.
    pub trouble: Option<String>,
}

/// A verified beginning of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedTree {
    /// Entries read.
    pub size: u64,
    /// The right edge of the tree, as its owner writes it.
    pub frontier: Vec<u8>,
    /// The newest signed note of the log, whose tree begins with this one.
    pub note: String,
}

/// One entry of a peer's log that says something about a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedChange {
    /// Place of the entry in the log.
    pub idx: u64,
    /// The repository.
    pub repo: RepoAddress,
    /// When, by the peer's clock.
    pub at: Timestamp,
    /// What happened.
    pub act: FeedAct,
}

/// What happened to a repository at its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedAct {
    /// It is public from now on.
    Publish {
        /// Head of the main branch.
        head: Option<GitOid>,
        /// What it is.
        facts: FeedFacts,
    },
    /// The main branch was created, moved or deleted.
    Head {
        /// What it points at now.
        head: Option<GitOid>,
        /// What the repository is now; unset keeps what was known.
        facts: Option<FeedFacts>,
    },
    /// Another ref was created, moved or deleted.
    Ref,
    /// It is not public any more.
    Withdraw,
    /// It has another address from now on.
    Move {
        /// The new address.
        to: RepoAddress,
    },
    /// It is gone.
    Delete,
}

/// What a peer says of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedFacts {
    /// Sum of the bytes of its large files.
    pub file_bytes: u64,
    /// Tags of its card.
    pub tags: Vec<String>,
    /// Licence of its card.
    pub license: Option<String>,
    /// Task of a model.
    pub pipeline_tag: Option<String>,
    /// Library that loads a model.
    pub library_name: Option<String>,
}

/// How a repository stands at its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedState {
    /// Everyone may read it.
    Public,
    /// Made private.
    Withdrawn,
    /// Gone.
    Deleted,
    /// At another address.
    Moved,
}

impl FeedState {
    /// Returns the word used in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            FeedState::Public => "public",
            FeedState::Withdrawn => "withdrawn",
            FeedState::Deleted => "deleted",
            FeedState::Moved => "moved",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<FeedState> {
        [FeedState::Public, FeedState::Withdrawn, FeedState::Deleted, FeedState::Moved]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A repository as a peer's log describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRepo {
    /// The peer, which is the repository's origin.
    pub remote: RemoteId,
    /// Where it is at the peer.
    pub repo: RepoAddress,
    /// Head of its main branch.
    pub head: Option<GitOid>,
    /// When it last changed, by the peer's clock.
    pub at: Timestamp,
    /// Place of the newest entry about it.
    pub idx: u64,
    /// Place of the entry that names its head.
    pub head_idx: Option<u64>,
    /// Whether this node has acted on everything that is known of it.
    pub is_done: bool,
    /// How it stands.
    pub state: FeedState,
    /// Where it went, when it moved.
    pub moved_to: Option<RepoAddress>,
    /// What it is.
    pub facts: FeedFacts,
}

/// An owner name that a peer publishes under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedOwner {
    /// The peer.
    pub remote: RemoteId,
    /// The name as the peer writes it.
    pub owner: String,
    /// Public repositories under it.
    pub repos: u64,
}

/// A rule of what to follow, as it is kept; what it means is not the catalog's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowRow {
    /// Rules are tried in the order of their ids.
    pub id: i64,
    /// The peer it speaks of; unset: every peer.
    pub remote: Option<RemoteId>,
    /// The rule, as JSON.
    pub rule: String,
    /// What to keep of what it matches.
    pub keep: Keep,
    /// How many nodes should hold what it matches.
    pub copies: Option<u64>,
    /// When it was made.
    pub added: Timestamp,
}

/// A rule of what to follow, to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFollow {
    /// The peer it speaks of; unset: every peer.
    pub remote: Option<RemoteId>,
    /// The rule, as JSON.
    pub rule: String,
    /// What to keep.
    pub keep: Keep,
    /// How many nodes should hold what it matches.
    pub copies: Option<u64>,
}

/// A connection to the world, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRow {
    /// Its name.
    pub name: String,
    /// Cost class, rate, windows and budget, as JSON.
    pub settings: String,
}

/// Something that a remote did wrong, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Counts up.
    pub id: i64,
    /// When it was seen.
    pub at: Timestamp,
    /// Name of the remote.
    pub remote: String,
    /// One word, such as `fork` or `wrong-bytes`.
    pub kind: String,
    /// What happened, in a sentence.
    pub what: String,
}
