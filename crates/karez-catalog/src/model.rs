//! What the catalog takes and gives: plain values, no SQL, no engine.

use std::fmt;
use std::str::FromStr;

use karez_formats::git::GitKind;
use karez_formats::lfs::LfsPointer;
use karez_formats::xet::Term;
use karez_types::{
    AccountId, ChunkHash, FileHash, GitOid, OrgRole, OwnerName, RefName, RepoAddress, RepoId, RepoKind, RepoName,
    Sha256, Timestamp, TokenId, TokenRole, Visibility, XorbHash, Zone,
};

// ---- accounts and tokens ---------------------------------------------------------------------

/// A person or an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// Somebody who can hold tokens.
    User,
    /// A group that owns repositories; its members act for it.
    Organization,
}

impl AccountKind {
    /// Returns the word used in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            AccountKind::User => "user",
            AccountKind::Organization => "org",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<AccountKind> {
        match word {
            "user" => Some(AccountKind::User),
            "org" => Some(AccountKind::Organization),
            _ => None,
        }
    }
}

/// An account to create.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Unique among users and organizations together, without regard to case.
    pub name: OwnerName,
    /// User or organization.
    pub kind: AccountKind,
    /// The name to show; may be empty.
    pub fullname: String,
    /// Mail address, if one was given.
    pub email: Option<String>,
    /// Whether the account administers the node.
    pub is_admin: bool,
}

/// A stored account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Never given to another account, also after this one is gone: it is a trust zone.
    pub id: AccountId,
    /// Name as its owner writes it.
    pub name: OwnerName,
    /// User or organization.
    pub kind: AccountKind,
    /// The name to show; may be empty.
    pub fullname: String,
    /// Mail address, if one was given.
    pub email: Option<String>,
    /// Whether the account administers the node.
    pub is_admin: bool,
    /// When it was created.
    pub created: Timestamp,
}

/// What `account_update` changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountPatch {
    /// The name to show.
    pub fullname: Option<String>,
    /// Mail address; `Some(None)` removes it.
    pub email: Option<Option<String>>,
    /// Whether the account administers the node.
    pub is_admin: Option<bool>,
}

/// How `account_create` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountCreated {
    /// There is a new account.
    Created(Account),
    /// This account has the name already.
    Taken(Account),
}

/// How `account_delete` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountDeleted {
    /// The account, its tokens and its memberships are gone.
    Deleted,
    /// The account still owns this many repositories; nothing was changed.
    OwnsRepos(u64),
    /// There is no such account.
    Missing,
}

/// What a token says about the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The token's own id.
    pub id: TokenId,
    /// The name its user gave it.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// When it ends; the caller compares with its clock.
    pub expires: Option<Timestamp>,
    /// Whose token it is.
    pub user: Account,
    /// The organizations of that user.
    pub memberships: Vec<Membership>,
}

/// One organization of a user, and the user's role there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Id of the organization.
    pub org: AccountId,
    /// What the user may do there.
    pub role: OrgRole,
}

/// A token as listings show it; the token itself is nowhere stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBrief {
    /// The token's own id.
    pub id: TokenId,
    /// Whose token it is.
    pub user: AccountId,
    /// The name its user gave it.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// When it was created.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

// ---- repositories ----------------------------------------------------------------------------

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
    /// Tags of the card, in its order.
    pub tags: Vec<String>,
    /// Task of a model.
    pub pipeline_tag: Option<String>,
    /// Library that loads a model.
    pub library_name: Option<String>,
    /// What `refs/heads/main` points at.
    pub head: Option<GitOid>,
}

impl Repo {
    /// Returns where the repository is.
    pub fn address(&self) -> RepoAddress {
        RepoAddress { kind: self.kind, owner: self.owner.name.clone(), name: self.name.clone() }
    }

    /// Returns the zone of the owner.
    pub fn zone(&self) -> Zone {
        Zone::of_owner(self.owner.id)
    }

    /// Returns the zones whose bytes a writer to this repository may speak of.
    pub fn writer_zones(&self) -> [Zone; 2] {
        [Zone::PUBLIC, self.zone()]
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
}

/// What `repo_update` changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct RepoPatch {
    /// Who may see it. Becoming public adds the repository's files to the public zone.
    pub visibility: Option<Visibility>,
    /// `false`, `auto` or `manual`.
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
    },
    /// The node itself, or its administrator: sees everything.
    All,
}

impl Viewer {
    /// Tells whether this viewer may know that the repository exists.
    pub fn may_see(&self, repo: &Repo) -> bool {
        match self {
            Viewer::All => true,
            _ if repo.visibility == Visibility::Public => true,
            Viewer::Anyone => false,
            Viewer::User { id, orgs } => repo.owner.id == *id || orgs.contains(&repo.owner.id),
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

// ---- git and commits -------------------------------------------------------------------------

/// A git object with its content (without git's header).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitObject {
    /// Blob, tree, commit or tag.
    pub kind: GitKind,
    /// The bytes.
    pub content: Vec<u8>,
}

/// A git object to store. The caller has computed the id from the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    /// Id as git computes it.
    pub oid: GitOid,
    /// Blob, tree, commit or tag.
    pub kind: GitKind,
    /// The bytes, without git's header.
    pub content: Vec<u8>,
    /// What the blob points at, when it is an LFS pointer.
    pub lfs: Option<LfsPointer>,
}

/// What listings need to know about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectStat {
    /// Id of the object.
    pub oid: GitOid,
    /// Blob, tree, commit or tag.
    pub kind: GitKind,
    /// Length of the content.
    pub bytes: u64,
    /// What the blob points at, when it is an LFS pointer.
    pub lfs: Option<LfsPointer>,
}

/// What a commit brings, besides the ref that it moves.
#[derive(Debug, Clone)]
pub struct CommitContent {
    /// What the ref points at afterwards: a commit, or an annotated tag.
    pub target: GitOid,
    /// Objects that may be new. Those of kind commit and tag become known as the repository's own,
    /// so pass the target here also when it is stored already.
    pub objects: Vec<NewObject>,
    /// Large files that the repository may now serve. All must be stored.
    pub files: Vec<Sha256>,
    /// Zones that the files, and the xorbs that they are made of, become members of.
    pub zones: Vec<Zone>,
    /// What the main branch now says about the repository; `None` leaves it.
    pub facts: Option<RepoFacts>,
}

impl CommitContent {
    /// Returns content that only moves a ref to this commit.
    pub fn only_target(target: GitOid) -> CommitContent {
        CommitContent { target, objects: Vec::new(), files: Vec::new(), zones: Vec::new(), facts: None }
    }
}

/// A commit to apply: one transaction.
#[derive(Debug, Clone)]
pub struct CommitWrite {
    /// Which repository.
    pub repo_id: RepoId,
    /// Which ref moves.
    pub ref_name: RefName,
    /// What the ref must point at now; `None`: the ref must not exist.
    pub expected: Option<GitOid>,
    /// What the commit brings.
    pub content: CommitContent,
    /// The pull request that the commit opens.
    pub pull_request: Option<NewPullRequest>,
}

/// How `commit_apply` ended. Everything but `Applied` has changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The ref moved, and everything that the commit brings is durable.
    Applied,
    /// The ref points elsewhere.
    Conflict {
        /// What the ref points at.
        current: Option<GitOid>,
    },
    /// The repository is gone.
    RepoMissing,
    /// The commit names a file that is not stored.
    FileMissing(Sha256),
}

/// How a change of one ref ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefOutcome {
    /// Done and durable.
    Applied,
    /// The ref points elsewhere; `None`: it does not exist. Nothing was changed.
    Conflict {
        /// What the ref points at.
        current: Option<GitOid>,
    },
    /// The repository is gone.
    RepoMissing,
}

/// A pull request to open; its ref is `refs/pr/{number}`.
#[derive(Debug, Clone)]
pub struct NewPullRequest {
    /// From `pull_request_number_next`.
    pub number: u64,
    /// First line of the commit message.
    pub title: String,
    /// The rest.
    pub description: String,
    /// Who opens it.
    pub author: AccountId,
    /// The branch it is meant for.
    pub base: RefName,
}

/// A stored pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Counts from 1 within the repository.
    pub number: u64,
    /// First line of the commit message.
    pub title: String,
    /// The rest.
    pub description: String,
    /// Name of who opened it; `None` when the account is gone.
    pub author: Option<OwnerName>,
    /// The branch it is meant for.
    pub base: RefName,
    /// When it was opened.
    pub created: Timestamp,
}

// ---- stored bytes ----------------------------------------------------------------------------

/// A xorb that is durable in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XorbRow {
    /// Merkle root over its chunks.
    pub hash: XorbHash,
    /// Length as stored, in bytes.
    pub stored_bytes: u64,
    /// Length of its chunks unpacked, in bytes.
    pub raw_bytes: u64,
    /// How many chunks it holds.
    pub chunk_count: u32,
}

/// A large file and how it is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Xet id.
    pub hash: FileHash,
    /// SHA-256 of the whole file.
    pub sha256: Sha256,
    /// Length in bytes.
    pub file_bytes: u64,
    /// The ranges of chunks that make the file, in order.
    pub terms: Vec<Term>,
}

/// A large file, without how it is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileBrief {
    /// Xet id; the first when the same bytes were chunked in several ways.
    pub hash: FileHash,
    /// SHA-256 of the whole file.
    pub sha256: Sha256,
    /// Length in bytes.
    pub file_bytes: u64,
}

/// A file to register, whose xorbs are registered.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// The file.
    pub row: FileRow,
    /// Chunks by which other clients may find this file's xorbs, and where each is.
    pub dedup_keys: Vec<(ChunkHash, XorbHash)>,
}

/// What a chunk that somebody asked for leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupHit {
    /// The xorb that holds the chunk.
    pub xorb: XorbHash,
    /// The xorbs of a file that uses it, from this one on, then those before it; each once. Only
    /// members of the asked zones. The first is `xorb`.
    pub xorbs: Vec<XorbHash>,
}

/// A multipart LFS upload that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// Random text that names the upload.
    pub id: String,
    /// For which repository.
    pub repo_id: RepoId,
    /// What the whole file must hash to.
    pub sha256: Sha256,
    /// Length of the whole file.
    pub file_bytes: u64,
    /// Length of each part but the last.
    pub part_bytes: u64,
    /// Who uploads.
    pub user: AccountId,
    /// When the upload may be thrown away.
    pub expires: Timestamp,
}

// ---- scans -----------------------------------------------------------------------------------

/// One ref of one repository, as scans give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefRow {
    /// Which repository.
    pub repo_id: RepoId,
    /// Full name.
    pub name: RefName,
    /// What it points at.
    pub target: GitOid,
}

/// A git object with its id, as scans give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    /// Id under which the object is stored.
    pub oid: GitOid,
    /// The object.
    pub object: GitObject,
    /// What the catalog believes the blob points at.
    pub lfs: Option<LfsPointer>,
}
