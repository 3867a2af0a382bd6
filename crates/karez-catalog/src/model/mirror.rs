//! Repositories whose history is made elsewhere.

use karez_types::{GitOid, RefName, RemoteId, RepoAddress, RepoId, Timestamp};

use super::{NewObject, Repo, RepoFacts};

/// How much of a mirror is kept here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Keep {
    /// History and small files.
    Metadata,
    /// Also the large files that somebody asked for.
    Demand,
    /// Everything.
    Whole,
}

impl Keep {
    /// Every value, least first.
    pub const ALL: [Keep; 3] = [Keep::Metadata, Keep::Demand, Keep::Whole];

    /// Returns the word used in the API, in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Keep::Metadata => "metadata",
            Keep::Demand => "demand",
            Keep::Whole => "whole",
        }
    }

    /// Returns the value that this word names.
    pub fn from_word(word: &str) -> Option<Keep> {
        Keep::ALL.into_iter().find(|keep| keep.as_str() == word)
    }
}

/// What every request must know of a mirror; read along with its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MirrorMark {
    /// Where its history is made.
    pub remote: RemoteId,
    /// Private or gated at the origin: readers need a grant.
    pub is_restricted: bool,
    /// When the origin withdrew it.
    pub withdrawn: Option<Timestamp>,
    /// Withdrawn, and to be answered as missing.
    pub is_hidden: bool,
}

/// A repository whose history is made elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The repository here.
    pub repo_id: RepoId,
    /// Where its history is made.
    pub remote: RemoteId,
    /// What it is called over there.
    pub remote_repo: RepoAddress,
    /// How much of it is kept.
    pub keep: Keep,
    /// Private or gated at the origin: readers need a grant.
    pub is_restricted: bool,
    /// Whether all ancestors of its commits are here.
    pub is_whole_history: bool,
    /// When it was first taken.
    pub held_since: Timestamp,
    /// When the origin last said that it is as it is here.
    pub checked: Timestamp,
    /// How it was verified, in a word.
    pub verified_by: String,
    /// When the origin withdrew it.
    pub withdrawn: Option<Timestamp>,
    /// What the operator decided about the withdrawal: `keep` or `hide`.
    pub local_override: Option<String>,
    /// Whether it is never evicted.
    pub is_pinned: bool,
}

/// A mirror to create.
#[derive(Debug, Clone)]
pub struct NewMirror {
    /// What it is called here.
    pub address: RepoAddress,
    /// Where its history is made.
    pub remote: RemoteId,
    /// What it is called over there.
    pub remote_repo: RepoAddress,
    /// How much of it is kept.
    pub keep: Keep,
    /// Private or gated at the origin.
    pub is_restricted: bool,
    /// How it was verified, in a word.
    pub verified_by: String,
    /// The origin's setting `gated`, if it is gated.
    pub gated: Option<String>,
}

/// How `mirror_create` ended.
#[derive(Debug, Clone, PartialEq)]
pub enum MirrorCreated {
    /// There is a new mirror, without a commit.
    Created(Box<(Repo, Mirror)>),
    /// It was there already.
    Exists(Box<(Repo, Mirror)>),
    /// The owner's name belongs to somebody else; see [`super::OwnerBound`].
    NameClash(super::OwnerBound),
    /// A repository with another origin has the address.
    Taken(Box<Repo>),
}

/// What `mirror_update` changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct MirrorPatch {
    /// What it is called over there.
    pub remote_repo: Option<RepoAddress>,
    /// How much of it is kept.
    pub keep: Option<Keep>,
    /// Private or gated at the origin. Decides who sees it here.
    pub is_restricted: Option<bool>,
    /// The origin's setting `gated`: `false`, `auto` or `manual`.
    pub gated: Option<String>,
    /// When the origin last said that it is as it is here.
    pub checked: Option<Timestamp>,
    /// How it was verified.
    pub verified_by: Option<String>,
    /// When the origin withdrew it; `Some(None)`: not any more.
    pub withdrawn: Option<Option<Timestamp>>,
    /// What the operator decided: `keep` or `hide`; `Some(None)`: nothing.
    pub local_override: Option<Option<String>>,
    /// Whether it is never evicted.
    pub is_pinned: Option<bool>,
}

impl MirrorPatch {
    /// Tells whether this changes what others see of the mirror, and not only that it was looked at.
    pub(crate) fn is_news(&self) -> bool {
        let MirrorPatch { remote_repo, keep, is_restricted, gated, withdrawn, local_override, .. } = self;
        let visible = is_restricted.is_some() || gated.is_some() || withdrawn.is_some() || local_override.is_some();
        visible || remote_repo.is_some() || keep.is_some()
    }
}

/// What came from the origin of a mirror, verified: one transaction.
#[derive(Debug, Clone)]
pub struct MirrorWrite {
    /// Which mirror.
    pub repo_id: RepoId,
    /// Objects that may be new.
    pub objects: Vec<NewObject>,
    /// Where refs point from now on; `None` deletes one.
    pub refs: Vec<(RefName, Option<GitOid>)>,
    /// Commits and tags that may be asked for by id.
    pub commits: Vec<GitOid>,
    /// Commits whose parents are not held.
    pub shallow: Vec<GitOid>,
    /// Commits whose parents are held from now on.
    pub unshallow: Vec<GitOid>,
    /// Whether all ancestors are here.
    pub is_whole_history: bool,
    /// What the main branch now says; `None` leaves it.
    pub facts: Option<RepoFacts>,
    /// When the main branch was last changed over there; `None` leaves it.
    pub modified: Option<Timestamp>,
    /// How it was verified.
    pub verified_by: String,
}

/// One answer of an origin to the question whether a person may read a restricted mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MirrorGrant {
    /// What the origin said.
    pub is_allowed: bool,
    /// When it said so.
    pub checked: Timestamp,
}
