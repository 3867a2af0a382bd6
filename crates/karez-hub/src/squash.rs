//! Super-squash: one commit in the place of a branch's history.

use karez_catalog::{CommitContent, CommitOutcome, CommitWrite};
use karez_formats::git::{Commit, GitKind, encode_commit};
use karez_types::{GitOid, RefName, RepoAddress};

use crate::commit_tree::add_object;
use crate::first_commit::signature_of;
use crate::quota::over_quota;
use crate::{Actor, Hub, HubError, HubResult, Right};

impl Hub {
    /// Replaces the history of a branch by one commit with the same files. The old commits can still
    /// be asked for by id, until they are collected.
    ///
    /// # Errors
    /// [`HubError::RevisionMissing`] when there is no such branch, [`HubError::BranchMoved`] when
    /// somebody pushed meanwhile.
    pub async fn branch_squash(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        branch: &str,
        message: Option<&str>,
    ) -> HubResult<GitOid> {
        let repo = self.repo_open(actor, address, Right::Write).await?;
        let missing = || HubError::RevisionMissing { revision: branch.escape_debug().to_string() };
        let name = RefName::branch(branch).map_err(|_| missing())?;
        let tip = self.catalog.ref_get(repo.id, &name).await?.ok_or_else(missing)?;
        let signature = signature_of(actor.author(&repo), self.clock.now());
        let message = message.filter(|message| !message.is_empty());
        let commit = Commit {
            tree: self.commit_read(tip).await?.tree,
            parents: Vec::new(),
            author: signature.clone(),
            committer: signature,
            extra_headers: Vec::new(),
            message: message.map_or_else(|| format!("Super-squash branch '{branch}'"), str::to_owned),
        };
        let mut objects = Vec::new();
        let target = add_object(GitKind::Commit, encode_commit(&commit), &mut objects);
        let content = CommitContent { objects, ..CommitContent::only_target(target) };
        let write = CommitWrite { repo_id: repo.id, ref_name: name, expected: Some(tip), content, proposal: None };
        match self.catalog.commit_apply(&write, self.clock.now()).await? {
            CommitOutcome::Applied => Ok(target),
            CommitOutcome::Conflict { .. } => Err(HubError::BranchMoved),
            CommitOutcome::OverQuota(over) => Err(over_quota(&repo.owner.name, over)),
            CommitOutcome::RepoMissing | CommitOutcome::NotOpen | CommitOutcome::FileMissing(_) => Err(missing()),
        }
    }
}
