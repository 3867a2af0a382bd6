//! What walks over whole tables give.

use karez_formats::lfs::LfsPointer;
use karez_types::{GitOid, RefName, RepoId};

use super::GitObject;

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
