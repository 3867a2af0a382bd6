//! Branches, tags and the refs of pull requests.

use karez_catalog::{CommitContent, CommitOutcome, CommitWrite, NewObject, RefOutcome, Repo};
use karez_formats::git::{GitKind, Tag, encode_tag, object_id};
use karez_types::{GitOid, RefName, RepoAddress, Revision};

use crate::first_commit::signature_of;
use crate::quota::over_quota;
use crate::revision::main_ref;
use crate::{Actor, Hub, HubError, HubResult, Right};

/// A ref and the commit that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefInfo {
    /// Full name.
    pub name: RefName,
    /// The commit, behind annotated tags.
    pub commit: GitOid,
}

/// All refs of a repository.
#[derive(Debug, Clone, Default)]
pub struct RefLists {
    /// Branches.
    pub branches: Vec<RefInfo>,
    /// Converted copies, such as `refs/convert/parquet`.
    pub converts: Vec<RefInfo>,
    /// Tags.
    pub tags: Vec<RefInfo>,
    /// Pull requests.
    pub pull_requests: Vec<RefInfo>,
}

/// Where a new branch starts.
#[derive(Debug, Clone, Default)]
pub struct BranchStart {
    /// The revision; the main branch when unset.
    pub revision: Option<Revision>,
    /// Whether a branch of that name may be moved there.
    pub overwrite: bool,
}

/// A tag to set.
#[derive(Debug, Clone)]
pub struct NewTag {
    /// Name of the tag.
    pub name: String,
    /// When given, the tag is annotated: an object of its own, with author and date.
    pub message: Option<String>,
}

impl Hub {
    /// Lists the refs of a repository.
    ///
    /// # Errors
    /// As [`Hub::repo_open`].
    pub async fn ref_list(&self, actor: &Actor, address: &RepoAddress) -> HubResult<RefLists> {
        let repo = self.repo_open(actor, address, Right::See).await?;
        let mut lists = RefLists::default();
        for (name, target) in self.catalog.ref_list(repo.id).await? {
            // Only tags may point at something other than a commit.
            let commit = if name.is_tag() { self.peel(target).await? } else { target };
            let list = if name.is_branch() {
                &mut lists.branches
            } else if name.is_tag() {
                &mut lists.tags
            } else if name.pull_request_number().is_some() {
                &mut lists.pull_requests
            } else {
                &mut lists.converts
            };
            list.push(RefInfo { name, commit });
        }
        Ok(lists)
    }

    /// Creates a branch.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for a name that cannot be a branch, [`HubError::Exists`],
    /// [`HubError::RevisionMissing`] for where it starts.
    pub async fn branch_create(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        branch: &str,
        start: &BranchStart,
    ) -> HubResult<RefInfo> {
        let repo = self.repo_open(actor, address, Right::Write).await?;
        let invalid = |_| HubError::Invalid(format!("Invalid reference for a branch: {}", branch.escape_debug()));
        let name = RefName::branch(branch).map_err(invalid)?;
        let main = Revision::main();
        let commit = self.revision_resolve(&repo, start.revision.as_ref().unwrap_or(&main)).await?;
        let mut expected = None;
        if start.overwrite {
            expected = self.catalog.ref_get(repo.id, &name).await?;
        }
        self.ref_write(&repo, name, expected, CommitContent::only_target(commit), commit).await
    }

    /// Deletes a branch. The main branch stays.
    ///
    /// # Errors
    /// [`HubError::RevisionMissing`] when there is no such branch.
    pub async fn branch_delete(&self, actor: &Actor, address: &RepoAddress, branch: &str) -> HubResult<()> {
        let repo = self.repo_open(actor, address, Right::Write).await?;
        if branch == "main" {
            return Err(HubError::Invalid(format!("Cannot delete {}", main_ref())));
        }
        self.ref_remove(&repo, branch, RefName::branch(branch).ok()).await
    }

    /// Sets a tag on a revision.
    ///
    /// # Errors
    /// As [`Hub::branch_create`].
    pub async fn tag_create(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
        tag: &NewTag,
    ) -> HubResult<RefInfo> {
        let repo = self.repo_open(actor, address, Right::Write).await?;
        let invalid = |_| HubError::Invalid(format!("Invalid reference for a tag: {}", tag.name.escape_debug()));
        let name = RefName::tag(&tag.name).map_err(invalid)?;
        let commit = self.revision_resolve(&repo, revision).await?;
        let content = match tag.message.as_deref().filter(|message| !message.is_empty()) {
            None => CommitContent::only_target(commit),
            Some(message) => {
                let tagger = signature_of(actor.author(&repo), self.clock.now());
                let object = tag_object(commit, &tag.name, tagger, message);
                CommitContent { objects: vec![object.clone()], ..CommitContent::only_target(object.oid) }
            }
        };
        self.ref_write(&repo, name, None, content, commit).await
    }

    /// Deletes a tag.
    ///
    /// # Errors
    /// [`HubError::RevisionMissing`] when there is no such tag.
    pub async fn tag_delete(&self, actor: &Actor, address: &RepoAddress, tag: &str) -> HubResult<()> {
        let repo = self.repo_open(actor, address, Right::Write).await?;
        self.ref_remove(&repo, tag, RefName::tag(tag).ok()).await
    }

    async fn ref_write(
        &self,
        repo: &Repo,
        name: RefName,
        expected: Option<GitOid>,
        content: CommitContent,
        commit: GitOid,
    ) -> HubResult<RefInfo> {
        let mut content = content;
        match expected {
            None => self.refs_check(repo, &name).await?,
            Some(before) if name == main_ref() => {
                let (before, after) = (self.commit_read(before).await?.tree, self.commit_read(commit).await?.tree);
                content.facts = self.facts_if_changed(repo, Some(before), after, &[]).await?;
            }
            Some(_) => {}
        }
        let write = CommitWrite { repo_id: repo.id, ref_name: name.clone(), expected, content, proposal: None };
        match self.catalog.commit_apply(&write, self.clock.now()).await? {
            CommitOutcome::Applied => Ok(RefInfo { name, commit }),
            CommitOutcome::Conflict { .. } if expected.is_none() => {
                Err(HubError::Exists(format!("Reference {name} already exists")))
            }
            CommitOutcome::Conflict { .. } => Err(HubError::BranchMoved),
            CommitOutcome::OverQuota(over) => Err(over_quota(&repo.owner.name, over)),
            CommitOutcome::RepoMissing | CommitOutcome::NotOpen | CommitOutcome::FileMissing(_) => {
                Err(HubError::RepoMissing { address: repo.address().to_string(), anonymous: false })
            }
        }
    }

    async fn ref_remove(&self, repo: &Repo, text: &str, name: Option<RefName>) -> HubResult<()> {
        let missing = || HubError::RevisionMissing { revision: text.escape_debug().to_string() };
        let name = name.ok_or_else(missing)?;
        let target = self.catalog.ref_get(repo.id, &name).await?.ok_or_else(missing)?;
        match self.catalog.ref_delete(repo.id, &name, target, self.clock.now()).await? {
            RefOutcome::Applied => Ok(()),
            RefOutcome::Conflict { current: Some(_) } => Err(HubError::BranchMoved),
            RefOutcome::Conflict { current: None } | RefOutcome::RepoMissing => Err(missing()),
        }
    }

    /// Checks that the repository may have one more ref of this sort. Pull requests are counted apart:
    /// strangers who open many must not keep the owner from branching.
    pub(crate) async fn refs_check(&self, repo: &Repo, new: &RefName) -> HubResult<()> {
        let limit = self.limits.repo_refs_max;
        let is_proposal = |name: &RefName| name.as_str().starts_with("refs/pr/");
        let refs = self.catalog.ref_list(repo.id).await?;
        let count = refs.iter().filter(|(name, _)| is_proposal(name) == is_proposal(new)).count();
        if count as u64 >= limit {
            let limit = format!("{limit} branches and tags, and as many pull requests");
            return Err(HubError::TooLarge { what: "the list of refs", limit, setting: "repo_refs_max" });
        }
        Ok(())
    }
}

fn tag_object(commit: GitOid, name: &str, tagger: karez_formats::git::Signature, message: &str) -> NewObject {
    let tag = Tag {
        target: commit,
        target_kind: GitKind::Commit,
        name: name.to_owned(),
        tagger: Some(tagger),
        message: format!("{}\n", message.trim_end()),
    };
    let content = encode_tag(&tag);
    NewObject { oid: object_id(GitKind::Tag, &content), kind: GitKind::Tag, content, lfs: None }
}
