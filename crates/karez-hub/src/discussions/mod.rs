//! Discussions and pull requests, as people read them.
//!
//! Everybody who sees a repository sees what is said about it, and says something with an account and a token that
//! writes. Whoever opened a discussion and whoever may write to the repository rename, close and open it; a comment
//! is edited by who wrote it, and hidden by those too who may write to the repository. What comes from a remote is
//! talked about at its origin.

mod merge;
mod write;

use karez_catalog::{Discussion, DiscussionEvent, DiscussionFilter, Repo};
use karez_types::{GitOid, RefName, RepoAddress};

use crate::commits::describe;
use crate::{Actor, ChangesWanted, CommitInfo, FileChange, Hub, HubError, HubResult, Right};
pub use write::DiscussionWish;

/// Discussions on one page.
const PAGE_ITEMS: u64 = 50;
/// Commits of a pull request that are shown, the newest.
const COMMITS_MAX: usize = 100;

/// One page of the discussions of a repository.
#[derive(Debug, Clone)]
pub struct DiscussionPage {
    /// The repository.
    pub repo: Repo,
    /// The page, newest first.
    pub items: Vec<Discussion>,
    /// How many there are before this page.
    pub start: u64,
    /// How many there are in all.
    pub count: u64,
}

/// A discussion with all that happened in it.
#[derive(Debug, Clone)]
pub struct DiscussionDetails {
    /// The repository.
    pub repo: Repo,
    /// The discussion.
    pub discussion: Discussion,
    /// What was said and done, in order.
    pub events: Vec<DiscussionEvent>,
    /// Of a pull request: what it proposes.
    pub proposal: Option<ProposalInfo>,
}

/// What a pull request proposes.
#[derive(Debug, Clone)]
pub struct ProposalInfo {
    /// Its commits that the branch does not have, the oldest first; the newest hundred of them.
    pub commits: Vec<CommitInfo>,
    /// Paths that were changed on the branch in another way.
    pub conflicts: Vec<String>,
    /// The files that it changes, when they were asked for.
    pub changes: Vec<FileChange>,
    /// Whether it changes more than is listed.
    pub has_more: bool,
}

/// Something that was said or done in a discussion.
#[derive(Debug, Clone)]
pub struct DiscussionChange {
    /// The repository.
    pub repo: Repo,
    /// What was said or done, as it is now.
    pub event: DiscussionEvent,
}

impl Hub {
    /// Lists the discussions of a repository, newest first; pages count from 0.
    ///
    /// # Errors
    /// As [`Hub::repo_open`].
    pub async fn discussion_list(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        filter: &DiscussionFilter<'_>,
        page: u64,
    ) -> HubResult<DiscussionPage> {
        let repo = self.repo_open(actor, address, Right::See).await?;
        let start = page.saturating_mul(PAGE_ITEMS);
        let (items, count) = self.catalog.discussion_list(repo.id, filter, start, PAGE_ITEMS).await?;
        Ok(DiscussionPage { repo, items, start: start.min(count), count })
    }

    /// Returns a discussion with what happened in it, and of a pull request what it would change.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for seeing, of a pull request for reading; [`HubError::Missing`] when there is no such
    /// discussion.
    pub async fn discussion_open(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        number: u64,
        wanted: ChangesWanted,
    ) -> HubResult<DiscussionDetails> {
        let repo = self.repo_open(actor, address, Right::See).await?;
        let discussion = self.discussion_find(&repo, number).await?;
        let events = self.catalog.discussion_events(repo.id, number).await?;
        let proposal = match &discussion.base {
            None => None,
            Some(base) => {
                // What a proposal changes is what files say.
                self.repo_open(actor, address, Right::Read).await?;
                Some(self.proposal_of(&repo, &discussion, base, wanted).await?)
            }
        };
        Ok(DiscussionDetails { repo, discussion, events, proposal })
    }

    async fn discussion_find(&self, repo: &Repo, number: u64) -> HubResult<Discussion> {
        let found = self.catalog.discussion_get(repo.id, number).await?;
        found.ok_or_else(|| HubError::Missing(format!("there is no discussion {number} about {}", repo.address().id())))
    }

    async fn proposal_of(
        &self,
        repo: &Repo,
        discussion: &Discussion,
        base: &RefName,
        wanted: ChangesWanted,
    ) -> HubResult<ProposalInfo> {
        let nothing = ProposalInfo { commits: vec![], conflicts: vec![], changes: vec![], has_more: false };
        let Some(head) = self.catalog.ref_get(repo.id, &RefName::pull_request(discussion.number)).await? else {
            return Ok(nothing);
        };
        // What was merged is compared with the branch as it was.
        let tip = match discussion.merge_commit {
            Some(merged) => self.commit_read(merged).await?.parents.first().copied(),
            None => self.catalog.ref_get(repo.id, base).await?,
        };
        let Some(tip) = tip else { return Ok(nothing) };
        let Some(fork) = self.merge_base(tip, head).await? else { return Ok(nothing) };
        let conflicts = match discussion.status.is_over() {
            true => Vec::new(),
            false => self.merge_conflicts(fork, tip, head).await?,
        };
        let (before, after) = (self.commit_read(fork).await?.tree, self.commit_read(head).await?.tree);
        let (changes, has_more) = self.changes_between(Some(before), after, wanted).await?;
        Ok(ProposalInfo { commits: self.commits_since(fork, head).await?, conflicts, changes, has_more })
    }

    /// Returns the commits from `head` back to `fork`, by first parents, the oldest first.
    async fn commits_since(&self, fork: GitOid, head: GitOid) -> HubResult<Vec<CommitInfo>> {
        let mut commits = Vec::new();
        let mut at = Some(head);
        while let Some(oid) = at.filter(|oid| *oid != fork && commits.len() < COMMITS_MAX) {
            let commit = self.commit_read(oid).await?;
            commits.push(describe(oid, &commit));
            at = commit.parents.first().copied();
        }
        commits.reverse();
        Ok(commits)
    }
}
