//! Repositories and listings of them.

use std::fmt;
use std::str::FromStr;

use crate::trend::Trend;
use karez_types::{AccountId, GitOid, OwnerName, RepoAddress, RepoId, RepoKind, RepoName, Timestamp, Visibility, Zone};

use super::{AccountKind, MirrorMark, OverQuota};

/// The owner of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Id of the account.
    pub id: AccountId,
    /// Name of the account.
    pub name: OwnerName,
    /// User or organization.
    pub kind: AccountKind,
}

/// A repository, without its card (see `repo_card`), which can be large.
#[derive(Debug, Clone, PartialEq)]
pub struct Repo {
    /// Stays the same when the repository moves; never used again after deletion.
    pub id: RepoId,
    /// Model, dataset, space or kernel.
    pub kind: RepoKind,
    /// Whose it is.
    pub owner: Owner,
    /// Name within the owner, as written at creation.
    pub name: RepoName,
    /// Who may see it.
    pub visibility: Visibility,
    /// `false`, `auto` or `manual`.
    pub gated: String,
    /// What a space runs on.
    pub sdk: Option<String>,
    /// When it was created.
    pub created: Timestamp,
    /// When a branch last moved.
    pub modified: Timestamp,
    /// How often files were downloaded.
    pub downloads: u64,
    /// How many people like it.
    pub likes: u64,
    /// How much it is used now.
    pub trend: Trend,
    /// Tags of the card, in its order.
    pub tags: Vec<String>,
    /// Task of a model.
    pub pipeline_tag: Option<String>,
    /// Library that loads a model.
    pub library_name: Option<String>,
    /// What `refs/heads/main` points at.
    pub head: Option<GitOid>,
    /// Set when its history is made elsewhere.
    pub mirror: Option<MirrorMark>,
}

impl Repo {
    /// Returns where the repository is.
    pub fn address(&self) -> RepoAddress {
        RepoAddress { kind: self.kind, owner: self.owner.name.clone(), name: self.name.clone() }
    }

    /// Tells whether everybody may read its files: it is public, and gives them without being asked. Where the
    /// history is made elsewhere, the visibility says it alone.
    pub fn is_open(&self) -> bool {
        self.visibility == Visibility::Public && !self.is_on_request()
    }

    /// Tells whether its files are for those only who asked and were let in.
    pub fn is_on_request(&self) -> bool {
        self.gated != "false" && self.mirror.is_none()
    }

    /// Returns the zone of the owner.
    pub fn zone(&self) -> Zone {
        Zone::of_owner(self.owner.id)
    }
}

/// A repository to create.
#[derive(Debug, Clone)]
pub struct NewRepo {
    /// Model, dataset, space or kernel.
    pub kind: RepoKind,
    /// Whose it will be; the account must exist.
    pub owner: AccountId,
    /// Name within the owner; unique per kind and owner without regard to case.
    pub name: RepoName,
    /// Who may see it.
    pub visibility: Visibility,
    /// What a space runs on.
    pub sdk: Option<String>,
}

/// How `repo_create` ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RepoCreated {
    /// There is a new repository with its first commit.
    Created(Repo),
    /// This repository has the name already.
    Taken(Repo),
    /// The owner's account is gone.
    OwnerMissing,
    /// With the files of the first commit the owner would have more than allowed; nothing was created.
    OverQuota(OverQuota),
}

/// A repository found by its address.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The repository.
    pub repo: Repo,
    /// Whether the address is an old one, from before a move.
    pub redirected: bool,
}

/// How `repo_move` ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RepoMoved {
    /// The repository is at its new address; the old one redirects.
    Moved(Repo),
    /// This repository has the new address already; nothing was changed.
    Taken(Repo),
    /// The repository or the new owner is gone.
    Missing,
    /// The new owner would have more than allowed; nothing was changed.
    OverQuota(OverQuota),
}

/// What `repo_update` changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct RepoPatch {
    /// Who may see it. Becoming open to everybody adds the repository's files to the public zone.
    pub visibility: Option<Visibility>,
    /// `false`, `auto` or `manual`. What was open and is given on request leaves the public zone, unless an open
    /// repository has it too.
    pub gated: Option<String>,
    /// What a space runs on.
    pub sdk: Option<String>,
}

/// What is derived from the main branch of a repository, for listings and search.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RepoFacts {
    /// Front matter of the README, as JSON; `Null` when there is none.
    pub card: serde_json::Value,
    /// Tags by which listings filter.
    pub tags: Vec<String>,
    /// Task of a model.
    pub pipeline_tag: Option<String>,
    /// Library that loads a model.
    pub library_name: Option<String>,
}

/// Whose eyes a listing is for. The one rule of visibility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// No token: sees what is public.
    Anyone,
    /// A user: sees also what belongs to the user and to the user's organizations.
    User {
        /// The user.
        id: AccountId,
        /// The user's organizations.
        orgs: Vec<AccountId>,
        /// Grants for restricted mirrors count when they are newer than this.
        granted_since: Timestamp,
    },
    /// The node itself, or its administrator: sees everything.
    All,
}

impl Viewer {
    /// Tells whether this viewer may know that the repository exists; a grant for a restricted mirror
    /// (see `mirror_grant_get`) opens that one besides.
    pub fn may_see(&self, repo: &Repo) -> bool {
        match self {
            Viewer::All => true,
            _ if repo.mirror.is_some_and(|mirror| mirror.is_hidden || mirror.is_restricted) => false,
            _ if repo.visibility == Visibility::Public => true,
            Viewer::Anyone => false,
            Viewer::User { id, orgs, .. } => repo.owner.id == *id || orgs.contains(&repo.owner.id),
        }
    }
}

/// What a listing is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepoSort {
    /// When a branch last moved.
    Modified,
    /// When the repository was created.
    Created,
    /// How often files were downloaded.
    Downloads,
    /// How many people like it.
    Likes,
    /// How much it is used now.
    Trending,
}

/// Which end of the order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Largest or newest first.
    Descending,
    /// Smallest or oldest first.
    Ascending,
}

/// The place after an item of a listing. Its text form is opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepoCursor {
    /// The value that the listing is ordered by.
    pub value: i64,
    /// Decides among equal values.
    pub id: RepoId,
}

impl RepoCursor {
    /// Returns the place after this repository in a listing with this order.
    pub fn after(repo: &Repo, sort: RepoSort) -> RepoCursor {
        let value = match sort {
            RepoSort::Modified => repo.modified.0,
            RepoSort::Created => repo.created.0,
            RepoSort::Downloads => i64::try_from(repo.downloads).unwrap_or(i64::MAX),
            RepoSort::Likes => i64::try_from(repo.likes).unwrap_or(i64::MAX),
            RepoSort::Trending => repo.trend.0,
        };
        RepoCursor { value, id: repo.id }
    }
}

impl fmt::Display for RepoCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.value, self.id)
    }
}

/// A text that should have been a cursor was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that this node gave out; start again without it")]
pub struct CursorError;

impl FromStr for RepoCursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (value, id) = text.split_once('_').ok_or(CursorError)?;
        let number = |text: &str| text.parse().map_err(|_| CursorError);
        Ok(RepoCursor { value: number(value)?, id: RepoId(number(id)?) })
    }
}

/// A listing of repositories of one kind.
#[derive(Debug, Clone)]
pub struct RepoQuery {
    /// Model, dataset, space or kernel.
    pub kind: RepoKind,
    /// For whose eyes.
    pub visible_to: Viewer,
    /// Part of `owner/name`, without regard to case. Several words must all occur.
    pub search: Option<String>,
    /// Name of the owner, without regard to case.
    pub owner: Option<String>,
    /// Tags that must all be there.
    pub tags: Vec<String>,
    /// Task of a model.
    pub pipeline_tag: Option<String>,
    /// Library that loads a model.
    pub library_name: Option<String>,
    /// `Some(true)` for gated repositories only, `Some(false)` for the others.
    pub gated: Option<bool>,
    /// What to order by.
    pub sort: RepoSort,
    /// Which end comes first.
    pub direction: Direction,
    /// At most this many.
    pub limit: u64,
    /// Start after this place.
    pub after: Option<RepoCursor>,
}

impl RepoQuery {
    /// Returns the listing of everything of this kind that the viewer may see, newest change first.
    pub fn all(kind: RepoKind, visible_to: Viewer, limit: u64) -> RepoQuery {
        RepoQuery {
            kind,
            visible_to,
            search: None,
            owner: None,
            tags: Vec::new(),
            pipeline_tag: None,
            library_name: None,
            gated: None,
            sort: RepoSort::Modified,
            direction: Direction::Descending,
            limit,
            after: None,
        }
    }
}
