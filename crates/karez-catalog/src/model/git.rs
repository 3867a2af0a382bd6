//! Git objects, refs, commits, pull requests.

use karez_formats::git::GitKind;
use karez_formats::lfs::LfsPointer;
use karez_types::{GitOid, RefName, RepoId, Sha256, Zone};

use super::{OverQuota, Proposal, RepoFacts};

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
    /// The pull request that the commit opens or merges.
    pub proposal: Option<Proposal>,
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
    /// The pull request that it merges is not open.
    NotOpen,
    /// The repository is gone.
    RepoMissing,
    /// The commit names a file that is not stored.
    FileMissing(Sha256),
    /// The owner of the repository would have more than allowed.
    OverQuota(OverQuota),
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
