//! What a client asks before it uploads: how to send each file, and whether at all.

use std::collections::{HashMap, HashSet};

use karez_catalog::Repo;
use karez_formats::attributes::Attributes;
use karez_formats::gitignore::Ignore;
use karez_types::{GitOid, RepoAddress, RepoPath, Revision, Sha256};

use crate::push_access::PushPlace;
use crate::{Actor, Hub, HubError, HubResult, Right};

/// A file that a client means to upload.
#[derive(Debug, Clone)]
pub struct UploadPlan {
    /// Where to.
    pub path: RepoPath,
    /// Length in bytes.
    pub file_bytes: u64,
    /// Its first bytes, up to 512.
    pub sample: Vec<u8>,
}

/// How a file is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadMode {
    /// Inside the commit.
    Regular,
    /// Through Xet or LFS.
    Large,
}

/// What to do with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadAdvice {
    /// Where to.
    pub path: RepoPath,
    /// How to send it.
    pub mode: UploadMode,
    /// Whether `.gitignore` says to leave it out.
    pub is_ignored: bool,
    /// What is at the path now: blob id of a small file, sha256 of a large one.
    pub present: Option<String>,
}

/// Name of the file that says which files are large.
pub(crate) const GITATTRIBUTES: &str = ".gitattributes";
const GITIGNORE: &str = ".gitignore";
/// Rules beyond this are not looked at, in bytes.
const RULES_BYTES_MAX: u64 = 1 << 20;

impl Hub {
    /// Advises how to upload files to a revision.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for writing, unless it is for a pull request; [`HubError::RevisionMissing`];
    /// [`HubError::OverQuota`] when a commit of them could not be made.
    pub async fn upload_advise(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
        opens_pull_request: bool,
        plans: Vec<UploadPlan>,
        gitignore: Option<String>,
    ) -> HubResult<Vec<UploadAdvice>> {
        let place = if opens_pull_request { PushPlace::NewPullRequest } else { PushPlace::Revision(revision) };
        let pushing = self.push_open(actor, address, place).await?;
        let repo = &pushing.repo;
        let limit = self.limits.preupload_files_max;
        if plans.len() as u64 > limit {
            let what = "the list of files";
            return Err(HubError::TooLarge { what, limit: format!("{limit} files"), setting: "preupload_files_max" });
        }
        let commit = self.revision_resolve(repo, revision).await?;
        let attributes = self.attributes_of(commit).await?;
        let ignore = match gitignore {
            Some(text) => Some(Ignore::parse(&text)),
            None => self.rules_text(commit, GITIGNORE).await?.map(|text| Ignore::parse(&text)),
        };
        let present = self.present_at(commit, &plans).await?;
        let mut large_lengths = HashSet::new();
        let mut advice = Vec::with_capacity(plans.len());
        for plan in plans {
            let mode = self.upload_mode(&plan, &attributes);
            let is_ignored = ignore.as_ref().is_some_and(|ignore| ignore.ignores(plan.path.as_str(), false));
            if mode == UploadMode::Large && !is_ignored {
                large_lengths.insert(plan.file_bytes);
            }
            advice.push(UploadAdvice { mode, is_ignored, present: present.get(&plan.path).cloned(), path: plan.path });
        }
        self.quota_foresee_lengths(&pushing, large_lengths).await?;
        Ok(advice)
    }

    fn upload_mode(&self, plan: &UploadPlan, attributes: &Attributes) -> UploadMode {
        if self.is_regular(&plan.path, plan.file_bytes, attributes) && !looks_binary(&plan.sample) {
            UploadMode::Regular
        } else {
            UploadMode::Large
        }
    }

    /// Tells whether a file may be kept as a git blob, as far as its path and length say.
    pub(crate) fn is_regular(&self, path: &RepoPath, file_bytes: u64, attributes: &Attributes) -> bool {
        // git-lfs leaves empty files alone, and git must be able to read its own rules.
        let always = file_bytes == 0 || path.file_name() == GITATTRIBUTES;
        file_bytes <= self.limits.regular_file_bytes_max && (always || !attributes.is_lfs(path.as_str()))
    }

    /// Returns which files of a commit are large by rule.
    pub(crate) async fn attributes_of(&self, commit: GitOid) -> HubResult<Attributes> {
        Ok(Attributes::parse(&self.rules_text(commit, GITATTRIBUTES).await?.unwrap_or_default()))
    }

    async fn rules_text(&self, commit: GitOid, path: &str) -> HubResult<Option<String>> {
        let bytes = self.small_file(commit, path, RULES_BYTES_MAX).await?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Returns the ids of what is at the paths of these plans now.
    async fn present_at(&self, commit: GitOid, plans: &[UploadPlan]) -> HubResult<HashMap<RepoPath, String>> {
        let mut found = Vec::new();
        for plan in plans {
            if let Some(entry) = self.entry_find(commit, &plan.path).await?
                && entry.mode.is_blob()
            {
                found.push((plan.path.clone(), entry.oid));
            }
        }
        let oids: Vec<GitOid> = found.iter().map(|(_, oid)| *oid).collect();
        let stats = self.blob_stats(&oids).await?;
        let id = |oid: GitOid| {
            let pointer = stats.get(&oid).and_then(|stat| stat.pointer);
            pointer.map_or_else(|| oid.to_string(), |pointer| pointer.sha256.to_string())
        };
        Ok(found.into_iter().map(|(path, oid)| (path, id(oid))).collect())
    }

    /// Lets another repository name large files of this one, so that a client can copy them without
    /// sending bytes. Returns those that this repository does not have.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for reading the source and writing the target.
    pub async fn files_duplicate(
        &self,
        actor: &Actor,
        source: &RepoAddress,
        target: &RepoAddress,
        files: &[Sha256],
    ) -> HubResult<Vec<Sha256>> {
        let source = self.repo_open(actor, source, Right::Read).await?;
        let target = self.repo_open(actor, target, Right::Write).await?;
        let own = self.files_of_repo(&source, files).await?;
        self.catalog.file_zone_add(&own, target.zone()).await?;
        let own = self.files_promised(&own, &[target.zone()]).await?;
        Ok(files.iter().filter(|file| !own.contains(file)).copied().collect())
    }

    async fn files_of_repo(&self, repo: &Repo, files: &[Sha256]) -> HubResult<Vec<Sha256>> {
        let mut own = Vec::new();
        for sha256 in files {
            if self.catalog.repo_file_has(repo.id, sha256).await? {
                own.push(*sha256);
            }
        }
        Ok(own)
    }
}

/// Tells whether these are the first bytes of something other than text: git's own rule.
fn looks_binary(sample: &[u8]) -> bool {
    sample.contains(&0)
}
