//! Who may bring bytes to a repository, and into whose zone they go.
//!
//! Who may write to a repository brings bytes into its owner's zone. Everybody else with an account may
//! propose a change to what they can see: their bytes join their own zone, so that "already stored"
//! never tells a stranger what the owner keeps, and no branch moves but the ref of the proposal.

use karez_catalog::Repo;
use karez_types::{AccountId, RefName, RepoAddress, Revision, Zone};

use crate::{Actor, Hub, HubError, HubResult, Right};

/// Where a push is going, as far as the request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushPlace<'a> {
    /// To a branch or the ref of a pull request.
    Revision(&'a Revision),
    /// It will open a pull request.
    NewPullRequest,
    /// The request does not say (LFS): bytes come first, the commit that names them later.
    Undecided,
}

/// How somebody changes a repository in a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeWay {
    /// By a commit to the branch.
    Commit,
    /// By a pull request, which who may write takes or leaves.
    Propose,
}

/// A repository opened for a push.
#[derive(Debug, Clone)]
pub(crate) struct Pushing {
    /// The repository.
    pub(crate) repo: Repo,
    /// Whose zone the bytes join.
    pub(crate) bringer: AccountId,
}

impl Pushing {
    /// Returns the zones whose bytes this push may speak of.
    pub(crate) fn zones(&self) -> [Zone; 2] {
        [Zone::PUBLIC, Zone::of_owner(self.bringer)]
    }
}

impl Hub {
    /// Opens a repository for a change of a revision by who may write to it, or may propose one.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for writing, when the caller may not even propose.
    pub async fn change_way(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
    ) -> HubResult<(Repo, ChangeWay)> {
        match self.push_open(actor, address, PushPlace::Revision(revision)).await {
            Ok(pushing) => Ok((pushing.repo, ChangeWay::Commit)),
            Err(HubError::Forbidden(_)) => {
                let pushing = self.push_open(actor, address, PushPlace::NewPullRequest).await?;
                Ok((pushing.repo, ChangeWay::Propose))
            }
            Err(other) => Err(other),
        }
    }

    /// Opens a repository for a push.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for writing, unless the caller proposes a change.
    pub(crate) async fn push_open(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        place: PushPlace<'_>,
    ) -> HubResult<Pushing> {
        let refused = match self.repo_open(actor, address, Right::Write).await {
            Ok(repo) => return Ok(Pushing { bringer: repo.owner.id, repo }),
            Err(refused @ HubError::Forbidden(_)) => refused,
            Err(other) => return Err(other),
        };
        let Some(user) = actor.user().filter(|_| actor.token_allows(Right::Write)) else {
            return Err(refused);
        };
        let repo = self.repo_open(actor, address, Right::Read).await?;
        let may_propose = match place {
            // What comes from a remote takes no proposals here.
            _ if repo.mirror.is_some() => false,
            PushPlace::NewPullRequest | PushPlace::Undecided => true,
            PushPlace::Revision(revision) => {
                let number = revision.as_str().parse::<RefName>().ok().and_then(|name| name.pull_request_number());
                match number {
                    Some(number) => {
                        let request = self.catalog.discussion_get(repo.id, number).await?;
                        request.and_then(|request| request.author).as_ref() == Some(&user.account.name)
                    }
                    None => false,
                }
            }
        };
        if may_propose { Ok(Pushing { bringer: user.account.id, repo }) } else { Err(refused) }
    }
}
