//! Files that are given on request: who asks, and who is let in.
//!
//! Everybody who sees such a repository knows its card and what there is; its files are for who belongs to its
//! owner and for whom the owner let in, by whatever door (see [`Right::Read`]). With `auto`, whoever is signed in
//! is let in by asking: the owner learns who reads.

use karez_catalog::{AccessRequest, AccessStatus, AccountKind, Repo};
use karez_types::RepoAddress;

use crate::{Actor, Hub, HubError, HubResult, Right};

/// Requests that a list has.
const REQUESTS_MAX: u64 = 1_000;
/// Longest reason for a rejection, in characters.
const REASON_CHARS_MAX: usize = 500;

/// How somebody stands to the files of a repository that they see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They may read them.
    Reads,
    /// They may ask.
    MayAsk,
    /// They asked, and wait.
    Waits,
    /// They were not let in.
    Rejected,
}

impl Hub {
    /// Tells how the caller stands to the files of a repository that they see.
    ///
    /// # Errors
    /// When the catalog does not answer.
    pub async fn standing(&self, actor: &Actor, repo: &Repo) -> HubResult<Standing> {
        if !repo.is_on_request() || actor.right_over(repo.owner.id).is_some() {
            return Ok(Standing::Reads);
        }
        let Some(user) = actor.user() else { return Ok(Standing::MayAsk) };
        Ok(match self.catalog.access_get(repo.id, user.account.id).await? {
            Some(AccessStatus::Accepted) => Standing::Reads,
            Some(AccessStatus::Pending) => Standing::Waits,
            Some(AccessStatus::Rejected) => Standing::Rejected,
            None => Standing::MayAsk,
        })
    }

    /// Asks to read the files of a repository. Asking again changes nothing, and who was rejected stays so.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for seeing; [`HubError::SignInNeeded`] and [`HubError::Forbidden`] without a token that
    /// may write; [`HubError::Invalid`] when nobody needs to ask here.
    pub async fn access_ask(&self, actor: &Actor, address: &RepoAddress) -> HubResult<Standing> {
        let repo = self.repo_open(actor, address, Right::See).await?;
        let user = self.writer(actor, "asking for access")?.account.id;
        on_request(&repo)?;
        if self.standing(actor, &repo).await? == Standing::MayAsk {
            let status = if repo.gated == "auto" { AccessStatus::Accepted } else { AccessStatus::Pending };
            self.catalog.access_ask(repo.id, user, status, self.clock.now()).await?;
        }
        self.standing(actor, &repo).await
    }

    /// Lists the requests of this status, the latest first, for who administers the repository.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for administering.
    pub async fn access_list(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        status: AccessStatus,
    ) -> HubResult<Vec<AccessRequest>> {
        let repo = self.repo_open(actor, address, Right::Admin).await?;
        Ok(self.catalog.access_list(repo.id, status, REQUESTS_MAX).await?)
    }

    /// Answers a request, or changes the answer; back to pending takes it away until it is answered anew.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for administering; [`HubError::Missing`] when there is nobody of that name, or they did
    /// not ask, or their request is so already.
    pub async fn access_answer(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        user: &str,
        status: AccessStatus,
        reason: &str,
    ) -> HubResult<()> {
        let repo = self.repo_open(actor, address, Right::Admin).await?;
        let user = self.account_of_kind(user, AccountKind::User).await?;
        let (name, word) = (&user.name, status.as_str());
        match self.catalog.access_get(repo.id, user.id).await? {
            None => return Err(HubError::Missing(format!("{name} has not asked for access to {}", address.id()))),
            Some(now) if now == status => {
                return Err(HubError::Missing(format!("the request of {name} is {word} already")));
            }
            Some(_) => {}
        }
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        Ok(self.catalog.access_set(repo.id, user.id, status, &reason, self.clock.now()).await?)
    }

    /// Lets somebody in, whether they asked or not.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for administering; [`HubError::Missing`] when there is nobody of that name;
    /// [`HubError::Invalid`] when they may read already, or nobody needs to ask here.
    pub async fn access_grant(&self, actor: &Actor, address: &RepoAddress, user: &str) -> HubResult<()> {
        let repo = self.repo_open(actor, address, Right::Admin).await?;
        let user = self.account_of_kind(user, AccountKind::User).await?;
        on_request(&repo)?;
        if self.catalog.access_get(repo.id, user.id).await? == Some(AccessStatus::Accepted) {
            return Err(HubError::Invalid(format!("{} has access to {} already", user.name, address.id())));
        }
        Ok(self.catalog.access_set(repo.id, user.id, AccessStatus::Accepted, "", self.clock.now()).await?)
    }
}

fn on_request(repo: &Repo) -> HubResult<()> {
    if repo.is_on_request() {
        return Ok(());
    }
    Err(HubError::Invalid(format!(
        "the files of {} are not given on request; nobody needs to ask here",
        repo.address().id()
    )))
}
