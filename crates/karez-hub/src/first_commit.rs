//! The commit that every new repository begins with.

use karez_catalog::{CommitContent, NewObject};
use karez_formats::attributes::{DATASET_GITATTRIBUTES, DEFAULT_GITATTRIBUTES};
use karez_formats::git::{Commit, GitKind, Signature, TreeEntry, TreeMode, encode_commit, encode_tree, object_id};
use karez_types::{OwnerName, RepoKind, Timestamp};

/// What the first commit is called, here and on the real hub.
const FIRST_COMMIT_MESSAGE: &str = "initial commit";

/// Returns a commit that holds `.gitattributes`, so that git-lfs and clients know from the start
/// which files are large.
pub(crate) fn first_commit(kind: RepoKind, author: &OwnerName, now: Timestamp) -> CommitContent {
    let attributes = match kind {
        RepoKind::Dataset => [DEFAULT_GITATTRIBUTES, DATASET_GITATTRIBUTES].concat(),
        RepoKind::Model | RepoKind::Space | RepoKind::Kernel => DEFAULT_GITATTRIBUTES.to_owned(),
    };
    let blob = object(GitKind::Blob, attributes.into_bytes());
    let entry = TreeEntry { mode: TreeMode::File, name: ".gitattributes".to_owned(), oid: blob.oid };
    let tree = encode_tree(&[entry]).expect("one entry with a plain name makes a tree");
    let tree = object(GitKind::Tree, tree);
    let signature = signature_of(author, now);
    let commit = Commit {
        tree: tree.oid,
        parents: Vec::new(),
        author: signature.clone(),
        committer: signature,
        extra_headers: Vec::new(),
        message: FIRST_COMMIT_MESSAGE.to_owned(),
    };
    let commit = object(GitKind::Commit, encode_commit(&commit));
    let target = commit.oid;
    CommitContent { objects: vec![blob, tree, commit], ..CommitContent::only_target(target) }
}

/// Returns how commits name a person. The address is not a mail address: mail is nobody's business.
pub(crate) fn signature_of(person: &OwnerName, now: Timestamp) -> Signature {
    Signature {
        name: person.to_string(),
        email: format!("{person}@users.noreply.karez"),
        unix_secs: now.unix_secs(),
        offset_minutes: 0,
    }
}

fn object(kind: GitKind, content: Vec<u8>) -> NewObject {
    NewObject { oid: object_id(kind, &content), kind, content, lfs: None }
}
