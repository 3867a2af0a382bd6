//! The history of a revision.

use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use karez_catalog::Repo;
use karez_formats::git::Commit;
use karez_types::{GitOid, RepoAddress, Revision, Timestamp};

use crate::{Actor, Hub, HubError, HubResult};

/// A commit, as histories show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Id of the commit.
    pub oid: GitOid,
    /// Name of who made it.
    pub author: String,
    /// When it was made.
    pub date: Timestamp,
    /// First line of the message.
    pub title: String,
    /// The rest of the message.
    pub message: String,
    /// The commits that it follows.
    pub parents: Vec<GitOid>,
}

/// A page of a history, newest commit first.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// The repository.
    pub repo: Repo,
    /// The commits.
    pub commits: Vec<CommitInfo>,
    /// Number of the next page, if there is one. Pages count from 0.
    pub next_page: Option<u64>,
}

/// How far back a history is listed. Pages beyond are refused.
const HISTORY_COMMITS_MAX: u64 = 100_000;

/// A commit that waits to be listed. The newest comes first, and of two of one second the one that
/// was found first, so a child always comes before its parent.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    unix_secs: i64,
    found: std::cmp::Reverse<u64>,
    oid: GitOid,
}

impl Hub {
    /// Lists the commits that lead to a revision.
    ///
    /// # Errors
    /// As [`Hub::revision_open`]; [`HubError::Invalid`] for a page too far back.
    pub async fn commit_list(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
        page: u64,
        limit: Option<u64>,
    ) -> HubResult<HistoryPage> {
        let (repo, tip) = self.revision_see(actor, address, revision).await?;
        let most = self.limits.commits_page_items.max(1);
        let page_items = limit.unwrap_or(most).clamp(1, most.max(1_000));
        let skip = page.saturating_mul(page_items);
        if skip > HISTORY_COMMITS_MAX {
            return Err(HubError::Invalid(format!(
                "histories are listed {HISTORY_COMMITS_MAX} commits back; ask from an older commit"
            )));
        }
        let mut walked = 0;
        let mut commits = Vec::new();
        let mut history = History { ends: self.history_ends(&repo).await?, ..History::default() };
        history.find(self, tip).await?;
        while let Some((oid, commit)) = history.next(self).await? {
            walked += 1;
            if walked <= skip {
                continue;
            }
            if commits.len() as u64 == page_items {
                return Ok(HistoryPage { repo, commits, next_page: Some(page + 1) });
            }
            commits.push(describe(oid, &commit));
        }
        Ok(HistoryPage { repo, commits, next_page: None })
    }
}

/// A walk from newest to oldest.
#[derive(Default)]
struct History {
    /// Commits whose parents are not held.
    ends: HashSet<GitOid>,
    waiting: BinaryHeap<Waiting>,
    seen: HashSet<GitOid>,
    found: u64,
}

impl History {
    async fn find(&mut self, hub: &Hub, oid: GitOid) -> HubResult<()> {
        if self.seen.insert(oid) {
            self.found += 1;
            let unix_secs = hub.commit_read(oid).await?.committer.unix_secs;
            self.waiting.push(Waiting { unix_secs, found: std::cmp::Reverse(self.found), oid });
        }
        Ok(())
    }

    async fn next(&mut self, hub: &Hub) -> HubResult<Option<(GitOid, Arc<Commit>)>> {
        let Some(Waiting { oid, .. }) = self.waiting.pop() else { return Ok(None) };
        let commit = hub.commit_read(oid).await?;
        if !self.ends.contains(&oid) {
            for &parent in &commit.parents {
                self.find(hub, parent).await?;
            }
        }
        Ok(Some((oid, commit)))
    }
}

pub(crate) fn describe(oid: GitOid, commit: &Commit) -> CommitInfo {
    CommitInfo {
        oid,
        author: commit.author.name.clone(),
        date: Timestamp(commit.committer.unix_secs.saturating_mul(1000)),
        title: commit.summary().to_owned(),
        message: commit.description().to_owned(),
        parents: commit.parents.clone(),
    }
}
