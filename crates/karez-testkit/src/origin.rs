//! Repositories that are made elsewhere, for tests of mirrors.

use karez_catalog::{NewRemote, Remote, RemoteAdded, RemoteKind};
use karez_formats::git::{
    Commit, GitKind, Signature, Tag, TreeEntry, TreeMode, encode_commit, encode_tag, encode_tree, object_id,
};
use karez_hub::{Keep, MirrorUpdate, NewMirror, Repo};
use karez_types::{GitOid, RefName, RepoAddress, RepoKind};
use serde_json::json;

use crate::TestNode;

/// Git objects of a history that is made elsewhere, as they would arrive.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Those that were not taken yet.
    pub objects: Vec<(GitKind, Vec<u8>)>,
}

impl Origin {
    /// Returns the main branch.
    pub fn main() -> RefName {
        RefName::branch("main").expect("a plain name")
    }

    /// Returns the address of a model.
    pub fn model(id: &str) -> RepoAddress {
        RepoAddress::parse(RepoKind::Model, id).expect("owner/name")
    }

    /// Returns a public model of a remote that has the same address here.
    pub fn mirror(remote: &Remote, id: &str) -> NewMirror {
        NewMirror {
            address: Origin::model(id),
            remote: remote.id,
            remote_repo: Origin::model(id),
            keep: Keep::Demand,
            is_restricted: false,
            verified_by: "upstream".to_owned(),
            gated: None,
        }
    }

    /// Adds an object.
    pub fn add(&mut self, kind: GitKind, content: Vec<u8>) -> GitOid {
        let oid = object_id(kind, &content);
        self.objects.push((kind, content));
        oid
    }

    /// Adds a folder of these files.
    pub fn tree(&mut self, files: &[(&str, &[u8])]) -> GitOid {
        let entry = |(name, content): &(&str, &[u8])| TreeEntry {
            mode: TreeMode::File,
            name: (*name).to_owned(),
            oid: self.add(GitKind::Blob, content.to_vec()),
        };
        let entries: Vec<TreeEntry> = files.iter().map(entry).collect();
        self.add(GitKind::Tree, encode_tree(&entries).expect("plain names"))
    }

    /// Adds a commit of a folder that is there.
    pub fn commit_of(&mut self, tree: GitOid, parents: &[GitOid]) -> GitOid {
        let signature =
            Signature { name: "far".to_owned(), email: "far@x".to_owned(), unix_secs: 1_000_000, offset_minutes: 0 };
        let commit = Commit {
            tree,
            parents: parents.to_vec(),
            author: signature.clone(),
            committer: signature,
            extra_headers: Vec::new(),
            message: format!("of {tree}"),
        };
        self.add(GitKind::Commit, encode_commit(&commit))
    }

    /// Adds a commit of these files.
    pub fn commit(&mut self, files: &[(&str, &[u8])], parents: &[GitOid]) -> GitOid {
        let tree = self.tree(files);
        self.commit_of(tree, parents)
    }

    /// Adds an annotated tag.
    pub fn tag(&mut self, name: &str, target: GitOid, target_kind: GitKind) -> GitOid {
        let tag = Tag { target, target_kind, name: name.to_owned(), tagger: None, message: "tag\n".to_owned() };
        self.add(GitKind::Tag, encode_tag(&tag))
    }

    /// Takes the objects that were not taken yet, for one update.
    pub fn take(&mut self, refs: &[(RefName, GitOid)]) -> MirrorUpdate {
        MirrorUpdate {
            objects: std::mem::take(&mut self.objects),
            refs: refs.iter().map(|(name, oid)| (name.clone(), Some(*oid))).collect(),
            verified_by: "upstream".to_owned(),
            ..MirrorUpdate::default()
        }
    }
}

impl TestNode {
    /// Returns the upstream of this name, added when it is not there.
    pub async fn remote(&self, name: &str) -> Remote {
        let new = NewRemote {
            name: name.to_owned(),
            kind: RemoteKind::Upstream,
            url: format!("https://{name}.example"),
            log_key: None,
            witness_key: None,
            token: None,
            line: "default".to_owned(),
            settings: json!({}),
        };
        match self.hub.catalog().remote_insert(&new, TestNode::START).await.expect("the database works") {
            RemoteAdded::Added(remote) | RemoteAdded::Taken(remote) => remote,
        }
    }

    /// Returns a new public mirror, without a commit, of a model of the upstream `hub`.
    pub async fn mirror(&self, id: &str) -> Repo {
        let hub = self.remote("hub").await;
        self.hub.mirror_create(&Origin::mirror(&hub, id)).await.expect("the name is free").0
    }
}
