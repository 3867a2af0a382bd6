//! What there is to know about one repository at one revision.

use std::sync::Arc;

use karez_catalog::Repo;
use karez_formats::git::TreeMode;
use karez_formats::lfs::LfsPointer;
use karez_types::{GitOid, RepoAddress, RepoPath, Revision, Timestamp};
use serde_json::Value;

use crate::mirror::RepoOrigin;
use crate::safetensors_metadata::ParameterCounts;
use crate::{Actor, Hub, HubResult, RepoField, Right};

/// Files listed for one repository. Whoever needs more asks for the tree, which has pages.
pub(crate) const SIBLINGS_MAX: usize = 100_000;
/// Folders below one another that a walk follows; git has no bound, real repositories have under 30.
const FOLDER_DEPTH_MAX: usize = 256;
/// Largest `config.json` that is looked into, in bytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// What of `config.json` is told.
const CONFIG_KEYS: [&str; 4] = ["architectures", "model_type", "quantization_config", "auto_map"];

/// A repository, with the properties that were asked for.
#[derive(Debug, Clone)]
pub struct RepoInfo {
    /// The catalog's row.
    pub repo: Repo,
    /// The commit that is described; none in a repository without commits.
    pub commit: Option<GitOid>,
    /// When the revision last changed.
    pub modified: Timestamp,
    /// The files, if asked for.
    pub siblings: Option<Vec<Sibling>>,
    /// Front matter of the README, if asked for and there.
    pub card: Option<Value>,
    /// The telling part of `config.json`, if asked for and there.
    pub config: Option<Value>,
    /// Parameters by type, if asked for and there.
    pub safetensors: Option<Arc<ParameterCounts>>,
    /// Bytes of all large files that the repository may serve, if asked for.
    pub stored_bytes: Option<u64>,
    /// Where it comes from, if its history is made elsewhere.
    pub origin: Option<RepoOrigin>,
}

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sibling {
    /// Path in the repository.
    pub path: String,
    /// Size and storage, if asked for.
    pub blob: Option<SiblingBlob>,
}

/// How a file is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiblingBlob {
    /// Id of the blob; of the pointer, when the file is large.
    pub oid: GitOid,
    /// Length of the blob.
    pub blob_bytes: u64,
    /// The large file.
    pub pointer: Option<LfsPointer>,
}

impl SiblingBlob {
    /// Returns the length of the file itself.
    pub fn file_bytes(&self) -> u64 {
        self.pointer.map_or(self.blob_bytes, |pointer| pointer.file_bytes)
    }
}

/// How much to tell of each file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiblingDetail {
    /// The path.
    Name,
    /// Also size, id and storage.
    Blob,
}

impl Hub {
    /// Describes a repository at a revision; the main branch when none is named.
    ///
    /// # Errors
    /// As [`Hub::revision_open`].
    pub async fn repo_info(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: Option<&Revision>,
        fields: &[RepoField],
        detail: SiblingDetail,
    ) -> HubResult<RepoInfo> {
        let repo = self.repo_open(actor, address, Right::See).await?;
        let origin = self.origins(std::iter::once(&repo)).await?.remove(&repo.id);
        let (commit, modified) = match revision {
            None => (repo.head, repo.modified),
            Some(revision) => {
                let commit = self.revision_resolve(&repo, revision).await?;
                let committed = self.commit_read(commit).await?.committer.unix_secs;
                (Some(commit), Timestamp(committed.saturating_mul(1000)))
            }
        };
        let info = self.info_gather(repo, commit, modified, fields, detail).await?;
        Ok(RepoInfo { origin, ..info })
    }

    /// Checks that the caller may do this to a repository, and nothing else.
    ///
    /// # Errors
    /// As [`Hub::repo_open`].
    pub async fn auth_check(&self, actor: &Actor, address: &RepoAddress, right: Right) -> HubResult<()> {
        self.repo_open(actor, address, right).await.map(|_| ())
    }

    /// Collects the properties of a repository that the caller may see, but for where it comes from.
    pub(crate) async fn info_gather(
        &self,
        repo: Repo,
        commit: Option<GitOid>,
        modified: Timestamp,
        fields: &[RepoField],
        detail: SiblingDetail,
    ) -> HubResult<RepoInfo> {
        use RepoField as F;
        let wants = |any: &[RepoField]| fields.iter().any(|field| any.contains(field));
        let mut info = RepoInfo {
            repo,
            commit,
            modified,
            siblings: None,
            card: None,
            config: None,
            safetensors: None,
            stored_bytes: None,
            origin: None,
        };
        if wants(&[F::CardData, F::ModelIndex, F::Datasets, F::Models, F::PaperswithcodeId]) {
            info.card = Some(self.catalog.repo_card(info.repo.id).await?).filter(|card| !card.is_null());
        }
        if wants(&[F::UsedStorage]) {
            info.stored_bytes = Some(self.catalog.repo_stored_bytes(info.repo.id).await?);
        }
        let Some(commit) = commit else { return Ok(info) };
        if wants(&[F::Siblings, F::MainSize]) {
            let needs_size = fields.contains(&F::MainSize);
            let detail = if needs_size { SiblingDetail::Blob } else { detail };
            info.siblings = Some(self.siblings(commit, detail).await?);
        }
        if wants(&[F::Config]) {
            info.config = self.model_config(commit).await?;
        }
        if wants(&[F::Safetensors]) {
            info.safetensors = self.safetensors_counts(&info.repo, commit).await?;
        }
        Ok(info)
    }

    /// Lists the files of a commit in the order of git.
    pub(crate) async fn siblings(&self, commit: GitOid, detail: SiblingDetail) -> HubResult<Vec<Sibling>> {
        self.siblings_at_most(commit, detail, SIBLINGS_MAX).await
    }

    /// Lists at most this many files of a commit in the order of git.
    pub(crate) async fn siblings_at_most(
        &self,
        commit: GitOid,
        detail: SiblingDetail,
        most: usize,
    ) -> HubResult<Vec<Sibling>> {
        let root = self.commit_read(commit).await?.tree;
        let mut files: Vec<(String, GitOid)> = Vec::new();
        let mut folders = vec![(String::new(), self.folder_read(root).await?, 0usize)];
        while let Some((prefix, folder, next)) = folders.pop() {
            let Some(entry) = folder.entries().get(next) else { continue };
            let path = format!("{prefix}{}", entry.name);
            let (mode, oid) = (entry.mode, entry.oid);
            folders.push((prefix, folder, next + 1));
            if mode.is_blob() {
                files.push((path, oid));
                if files.len() >= most {
                    break;
                }
            } else if mode == TreeMode::Folder && folders.len() < FOLDER_DEPTH_MAX {
                folders.push((format!("{path}/"), self.folder_read(oid).await?, 0));
            }
        }
        if detail == SiblingDetail::Name {
            return Ok(files.into_iter().map(|(path, _)| Sibling { path, blob: None }).collect());
        }
        let oids: Vec<GitOid> = files.iter().map(|(_, oid)| *oid).collect();
        let stats = self.blob_stats(&oids).await?;
        let with_blob = |(path, oid): (String, GitOid)| {
            let stat = stats.get(&oid);
            let blob = stat.map(|stat| SiblingBlob { oid, blob_bytes: stat.blob_bytes, pointer: stat.pointer });
            Sibling { path, blob }
        };
        Ok(files.into_iter().map(with_blob).collect())
    }

    /// Returns the telling part of `config.json`, or nothing when it is absent, large or broken.
    async fn model_config(&self, commit: GitOid) -> HubResult<Option<Value>> {
        let Some(text) = self.small_file(commit, "config.json", CONFIG_BYTES_MAX).await? else { return Ok(None) };
        let Ok(Value::Object(whole)) = serde_json::from_slice(&text) else { return Ok(None) };
        let told = whole.into_iter().filter(|(key, _)| CONFIG_KEYS.contains(&key.as_str())).collect();
        Ok(Some(Value::Object(told)))
    }

    /// Reads a file that is a plain blob of at most this many bytes; otherwise nothing.
    pub(crate) async fn small_file(
        &self,
        commit: GitOid,
        path: &str,
        bytes_max: u64,
    ) -> HubResult<Option<bytes::Bytes>> {
        let path: RepoPath = path.parse()?;
        let Some(entry) = self.entry_find(commit, &path).await? else { return Ok(None) };
        if !entry.mode.is_blob() {
            return Ok(None);
        }
        let stat = self.blob_stat(entry.oid).await?;
        if stat.pointer.is_some() || stat.blob_bytes > bytes_max {
            return Ok(None);
        }
        self.blob_read(entry.oid).await.map(Some)
    }
}
