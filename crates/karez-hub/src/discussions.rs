//! Pull requests as clients list them. Discussions without a pull request do not exist here yet.

use karez_catalog::{PullRequest, Repo};
use karez_types::RepoAddress;

use crate::{Actor, Hub, HubResult, Right};

/// Pull requests that a list reaches back to.
const PULL_REQUESTS_MAX: u64 = 1_000;
/// Pull requests on one page.
const PAGE_ITEMS: usize = 50;

/// One page of the pull requests of a repository.
#[derive(Debug, Clone)]
pub struct PullRequestPage {
    /// The repository.
    pub repo: Repo,
    /// The page, newest first.
    pub items: Vec<PullRequest>,
    /// How many there are before this page.
    pub start: usize,
    /// How many there are in all.
    pub count: usize,
}

impl Hub {
    /// Lists the pull requests of a repository, newest first; pages count from 0.
    ///
    /// # Errors
    /// As [`Hub::repo_open`].
    pub async fn pull_request_list(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        page: u64,
    ) -> HubResult<PullRequestPage> {
        let repo = self.repo_open(actor, address, Right::Read).await?;
        let mut all = self.catalog.pull_request_list(repo.id, None, PULL_REQUESTS_MAX).await?;
        let count = all.len();
        let start = usize::try_from(page).unwrap_or(usize::MAX).saturating_mul(PAGE_ITEMS).min(count);
        all.drain(..start);
        all.truncate(PAGE_ITEMS);
        Ok(PullRequestPage { repo, items: all, start, count })
    }
}
