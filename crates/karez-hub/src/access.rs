//! Authorisation: the one place where a caller meets a repository.

use karez_catalog::{Repo, Viewer};
use karez_types::{AccountId, RepoAddress, Timestamp};
use sha2::{Digest, Sha256};

use crate::{Actor, Hub, HubError, HubResult, Right, Standing};

/// How long an origin's "this person may read it" opens a restricted mirror, in seconds: long enough that
/// a download of many files asks once, short enough that a right that ended over there ends here.
pub const GRANT_SECS: i64 = 300;

/// Returns what the catalog keeps of a token: its SHA-256, never the token.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Hub {
    /// Finds out who shows this token; no token is [`Actor::Anonymous`].
    ///
    /// # Errors
    /// [`HubError::TokenInvalid`] when the token is unknown, revoked or expired.
    pub async fn sign_in(&self, token: Option<&str>) -> HubResult<Actor> {
        let Some(token) = token else {
            return Ok(Actor::Anonymous);
        };
        let row = self.catalog.token_lookup(&token_hash(token)).await?.ok_or(HubError::TokenInvalid)?;
        if row.expires.is_some_and(|expires| expires <= self.clock.now()) {
            return Err(HubError::TokenInvalid);
        }
        Ok(row.into())
    }

    /// Opens a repository for a caller who wants to do this with it.
    ///
    /// # Errors
    /// [`HubError::RepoMissing`] when it is not there or must answer as if it were not,
    /// [`HubError::RepoMoved`] when it has another address now, [`HubError::SignInNeeded`] or
    /// [`HubError::Forbidden`] when the caller sees it but may not do this, or nobody may because it comes
    /// from a remote; [`HubError::OnRequest`] when its files are given on request and the caller was not let in.
    pub async fn repo_open(&self, actor: &Actor, address: &RepoAddress, right: Right) -> HubResult<Repo> {
        let missing = || HubError::RepoMissing { address: address.to_string(), anonymous: actor.is_anonymous() };
        let found = self.catalog.repo_find(address).await?.ok_or_else(missing)?;
        if !self.may_see(actor, &found.repo).await? {
            return Err(missing());
        }
        if found.redirected {
            return Err(HubError::RepoMoved { from: address.clone(), to: found.repo.address() });
        }
        if right == Right::Read {
            self.request_check(actor, &found.repo).await?;
        }
        if right > Right::Read && !actor.is_anonymous() {
            self.origin_check(&found.repo).await?;
        }
        self.right_check(actor, found.repo.owner.id, right, &address.id())?;
        Ok(found.repo)
    }

    /// Checks that the history of a repository that the caller may see is made here, for doors that refuse
    /// before they know who is there.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for reading; [`HubError::Forbidden`] for what comes from a remote.
    pub async fn origin_is_here(&self, actor: &Actor, address: &RepoAddress) -> HubResult<()> {
        let repo = self.repo_open(actor, address, Right::See).await?;
        self.origin_check(&repo).await
    }

    /// Checks that the history of a repository is made here. What comes from a remote is only read here,
    /// whoever asks.
    pub(crate) async fn origin_check(&self, repo: &Repo) -> HubResult<()> {
        let Some(mirror) = repo.mirror else { return Ok(()) };
        let remote = self.remote_name(mirror.remote).await?;
        Err(HubError::Forbidden(format!(
            "this repository comes from {remote}; push it there, or duplicate it under a name of your own"
        )))
    }

    /// Checks that the caller may read the files of a repository that they see: it is not one that gives them on
    /// request, or they belong to its owner, or were let in. What comes from a remote is decided there.
    async fn request_check(&self, actor: &Actor, repo: &Repo) -> HubResult<()> {
        match self.standing(actor, repo).await? {
            Standing::Reads => Ok(()),
            _ => Err(HubError::OnRequest {
                address: format!("{} {}", repo.kind, repo.address().id()),
                anonymous: actor.is_anonymous(),
            }),
        }
    }

    /// Tells whether the caller may know that this repository exists.
    async fn may_see(&self, actor: &Actor, repo: &Repo) -> HubResult<bool> {
        if actor.can_see(repo) {
            return Ok(true);
        }
        // What is restricted at its origin is for those of whom the origin said so, not long ago.
        let is_restricted = repo.mirror.is_some_and(|mirror| mirror.is_restricted && !mirror.is_hidden);
        if let Actor::Guest(guest) = actor {
            return Ok(is_restricted && guest.may_read(repo.id, self.clock.now()));
        }
        let Some(user) = actor.user().filter(|_| is_restricted) else { return Ok(false) };
        let grant = self.catalog.mirror_grant_get(repo.id, user.account.id).await?;
        Ok(grant.is_some_and(|grant| grant.is_allowed && grant.checked > self.granted_since()))
    }

    /// Returns since when grants count.
    fn granted_since(&self) -> Timestamp {
        Timestamp(self.clock.now().0.saturating_sub(GRANT_SECS * 1_000))
    }

    /// Checks that the caller may do this to what belongs to `owner`. Reading is not checked here:
    /// visibility decides that before.
    pub(crate) fn right_check(&self, actor: &Actor, owner: AccountId, right: Right, what: &str) -> HubResult<()> {
        if right <= Right::Read {
            return Ok(());
        }
        if actor.is_anonymous() {
            return Err(HubError::SignInNeeded(format!(
                "changing {what} needs a token; sign in with `hf auth login` or set HF_TOKEN"
            )));
        }
        if !actor.token_allows(right) {
            return Err(HubError::Forbidden(format!(
                "this token may only read; changing {what} needs a token with the role `write`"
            )));
        }
        if actor.right_over(owner).is_none_or(|has| has < right) {
            return Err(HubError::Forbidden(format!(
                "you don't have the rights to change {what}; ask its owner for them"
            )));
        }
        Ok(())
    }

    /// Returns what this caller may see, for the filter below every listing.
    pub(crate) fn viewer(&self, actor: &Actor) -> Viewer {
        match actor {
            Actor::Anonymous | Actor::Guest(_) => Viewer::Anyone,
            Actor::Operator => Viewer::All,
            Actor::User(user) if user.account.is_admin => Viewer::All,
            Actor::User(user) => Viewer::User {
                id: user.account.id,
                orgs: user.memberships.iter().map(|membership| membership.org).collect(),
                granted_since: self.granted_since(),
            },
        }
    }
}
