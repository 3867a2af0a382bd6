//! A repository made from another one, without moving its bytes.

use std::collections::BTreeSet;

use karez_catalog::{CommitContent, NewObject, NewRepo, Repo, RepoCreated, RepoFacts};
use karez_formats::git::{Commit, GitKind, encode_commit, object_id};
use karez_types::{GitOid, RepoAddress, Sha256, Visibility, Zone};

use crate::first_commit::{first_commit, signature_of};
use crate::quota::over_quota;
use crate::repo_info::SIBLINGS_MAX;
use crate::{Actor, Hub, HubError, HubResult, Right, SiblingDetail};

/// Rows of files read at once.
const FILES_BATCH: u64 = 1_000;

impl Hub {
    /// Creates a repository of the same kind with what is on the main branch of another one: one new
    /// commit with the same files. Without a visibility it gets that of its source.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for the source, as [`Hub::repo_create`] for the new one;
    /// [`HubError::Refused`] for a mirror of which not all large files are here, and for a public copy of
    /// what its origin shows to some only; [`HubError::OverQuota`].
    pub async fn repo_duplicate(
        &self,
        actor: &Actor,
        from: &RepoAddress,
        to: &RepoAddress,
        visibility: Option<Visibility>,
    ) -> HubResult<Repo> {
        let source = self.repo_open(actor, from, Right::Read).await?;
        if actor.is_anonymous() {
            self.signed_in(actor)?;
        }
        let owner = self.owner_to_write(actor, to.kind, &to.owner).await?;
        let now = self.clock.now();
        let is_kept_back =
            source.is_on_request() && actor.right_over(source.owner.id).is_none_or(|has| has < Right::Admin);
        let visibility = visibility.unwrap_or(if is_kept_back { Visibility::Private } else { source.visibility });
        if is_kept_back && visibility == Visibility::Public {
            return Err(HubError::Refused(format!("the files of {from} are given on request; make the copy private")));
        }
        if source.mirror.is_some_and(|mirror| mirror.is_restricted) && visibility == Visibility::Public {
            return Err(HubError::Refused(format!("{from} is not public at its origin; make the copy private")));
        }
        let author = actor.user().map_or(&owner.name, |user| &user.account.name);
        let content = match source.head {
            None => first_commit(source.kind, author, now),
            Some(head) => {
                let commit = self.copied_commit(&source, head, signature_of(author, now)).await?;
                let mut zones = vec![Zone::of_owner(owner.id)];
                if visibility == Visibility::Public {
                    zones.push(Zone::PUBLIC);
                }
                CommitContent {
                    target: commit.oid,
                    objects: vec![commit],
                    files: self.files_on(&source, head).await?,
                    zones,
                    facts: Some(self.copied_facts(&source).await?),
                }
            }
        };
        let new =
            NewRepo { kind: source.kind, owner: owner.id, name: to.name.clone(), visibility, sdk: source.sdk.clone() };
        match self.catalog.repo_create(&new, &content, now).await? {
            RepoCreated::Created(repo) => Ok(repo),
            RepoCreated::Taken(repo) => Err(HubError::RepoExists(repo.address())),
            RepoCreated::OverQuota(over) => Err(over_quota(&owner.name, over)),
            RepoCreated::OwnerMissing => Err(HubError::Missing(format!("{} is gone", owner.name))),
        }
    }

    /// Returns a first commit with the files of another commit.
    async fn copied_commit(
        &self,
        source: &Repo,
        head: GitOid,
        signature: karez_formats::git::Signature,
    ) -> HubResult<NewObject> {
        let commit = Commit {
            tree: self.commit_read(head).await?.tree,
            parents: Vec::new(),
            author: signature.clone(),
            committer: signature,
            extra_headers: Vec::new(),
            message: format!("Duplicate from {}", source.address().id()),
        };
        let content = encode_commit(&commit);
        Ok(NewObject { oid: object_id(GitKind::Commit, &content), kind: GitKind::Commit, content, lfs: None })
    }

    /// Returns the large files of a commit that its repository may serve.
    async fn files_on(&self, source: &Repo, head: GitOid) -> HubResult<Vec<Sha256>> {
        let siblings = self.siblings(head, SiblingDetail::Blob).await?;
        if siblings.len() >= SIBLINGS_MAX {
            return Err(HubError::Refused(format!(
                "{} has too many files to duplicate in one step",
                source.address().id()
            )));
        }
        let named: BTreeSet<Sha256> =
            siblings.iter().filter_map(|sibling| Some(sibling.blob?.pointer?.sha256)).collect();
        let mut files = Vec::new();
        let mut after = None;
        while !named.is_empty() {
            let batch = self.catalog.repo_files(source.id, after.as_ref(), FILES_BATCH).await?;
            let Some(last) = batch.last() else { break };
            after = Some(last.sha256);
            files.extend(batch.iter().map(|file| file.sha256).filter(|sha256| named.contains(sha256)));
        }
        if source.mirror.is_some() && files.len() < named.len() {
            return Err(HubError::Refused(format!(
                "{} of the {} large files of {} are not on this node yet; download them through it first",
                named.len() - files.len(),
                named.len(),
                source.address().id()
            )));
        }
        Ok(files)
    }

    async fn copied_facts(&self, source: &Repo) -> HubResult<RepoFacts> {
        Ok(RepoFacts {
            card: self.catalog.repo_card(source.id).await?,
            tags: source.tags.clone(),
            pipeline_tag: source.pipeline_tag.clone(),
            library_name: source.library_name.clone(),
        })
    }
}
