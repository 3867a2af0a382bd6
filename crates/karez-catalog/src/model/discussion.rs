//! Discussions and pull requests.

use karez_types::{AccountId, GitOid, OwnerName, RefName, Timestamp};

/// Where a discussion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscussionStatus {
    /// A pull request that its author still works at.
    Draft,
    /// Open.
    Open,
    /// Closed; it can be opened again.
    Closed,
    /// A pull request that was merged; that is for good.
    Merged,
}

impl DiscussionStatus {
    /// Every status.
    pub const ALL: [DiscussionStatus; 4] =
        [DiscussionStatus::Draft, DiscussionStatus::Open, DiscussionStatus::Closed, DiscussionStatus::Merged];

    /// Returns the word for it, as in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            DiscussionStatus::Draft => "draft",
            DiscussionStatus::Open => "open",
            DiscussionStatus::Closed => "closed",
            DiscussionStatus::Merged => "merged",
        }
    }

    /// Returns the status that a word names.
    pub fn from_word(word: &str) -> Option<DiscussionStatus> {
        DiscussionStatus::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Tells whether nothing is expected of it any more.
    pub fn is_over(self) -> bool {
        matches!(self, DiscussionStatus::Closed | DiscussionStatus::Merged)
    }
}

/// A discussion to open.
#[derive(Debug, Clone)]
pub struct NewDiscussion {
    /// Its title.
    pub title: String,
    /// Its first comment; empty: none.
    pub description: String,
    /// Who opens it.
    pub author: AccountId,
}

/// A pull request to open; its ref is `refs/pr/{number}`.
#[derive(Debug, Clone)]
pub struct NewPullRequest {
    /// From `discussion_number_next`.
    pub number: u64,
    /// Title and first comment: of the commit that opens it, its first line and the rest.
    pub discussion: NewDiscussion,
    /// The branch it is meant for.
    pub base: RefName,
    /// Whether it is a draft.
    pub is_draft: bool,
}

/// A pull request that a commit merges.
#[derive(Debug, Clone)]
pub struct Merge {
    /// Which.
    pub number: u64,
    /// Who merges it.
    pub by: Option<AccountId>,
    /// What they say to that; empty: nothing.
    pub comment: String,
}

/// What a commit is to a pull request.
#[derive(Debug, Clone)]
pub enum Proposal {
    /// It opens one.
    Opens(NewPullRequest),
    /// It merges one.
    Merges(Merge),
}

/// A stored discussion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discussion {
    /// Counts from 1 within the repository, discussions and pull requests together.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Name of who opened it; `None` when the account is gone.
    pub author: Option<OwnerName>,
    /// Where it is.
    pub status: DiscussionStatus,
    /// Of a pull request, the branch it is meant for.
    pub base: Option<RefName>,
    /// Of a merged one, the commit that did it.
    pub merge_commit: Option<GitOid>,
    /// When it was opened.
    pub created: Timestamp,
    /// How much happened in it.
    pub events: u64,
}

/// Which discussions of a repository are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiscussionFilter<'a> {
    /// Only pull requests, or only others.
    pub is_pull_request: Option<bool>,
    /// Only those that are closed or merged, or only others.
    pub is_over: Option<bool>,
    /// Only those of an account of this name; empty: of all.
    pub author: &'a str,
}

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Somebody said something.
    Comment,
    /// The status changed.
    Status,
    /// The title changed.
    Title,
}

impl EventKind {
    /// Returns the word for it, as in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Comment => "comment",
            EventKind::Status => "status-change",
            EventKind::Title => "title-change",
        }
    }

    /// Returns the kind that a word names.
    pub fn from_word(word: &str) -> Option<EventKind> {
        [EventKind::Comment, EventKind::Status, EventKind::Title].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What a comment said before it was edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscussionEdit {
    /// Who had written it; `None` when the account is gone.
    pub author: Option<OwnerName>,
    /// When.
    pub created: Timestamp,
    /// What it said.
    pub content: String,
}

/// Something that happened in a discussion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscussionEvent {
    /// Counts from 1 within the discussion.
    pub seq: u64,
    /// What it is.
    pub kind: EventKind,
    /// Who did it; `None` when the account is gone.
    pub author: Option<OwnerName>,
    /// When.
    pub created: Timestamp,
    /// The comment as it is now, or the new status or title.
    pub content: String,
    /// Of a title, the one before.
    pub was: Option<String>,
    /// Whether a comment was hidden: then nobody gets its content any more.
    pub is_hidden: bool,
    /// When a comment was last edited, and by whom.
    pub edited: Option<(Timestamp, Option<OwnerName>)>,
    /// What a comment said before, the oldest first.
    pub history: Vec<DiscussionEdit>,
}

/// Something to add to a discussion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewEvent {
    /// A comment.
    Comment(String),
    /// Another status.
    Status(DiscussionStatus),
    /// Another title.
    Title(String),
}

/// How a change of a discussion ended. Everything but `Done` has changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscussionOutcome {
    /// Done and durable.
    Done(DiscussionEvent),
    /// There is no such discussion or comment.
    Missing,
    /// It is so already, or was merged.
    Unchanged,
    /// It has as much as it may have.
    Full,
}
