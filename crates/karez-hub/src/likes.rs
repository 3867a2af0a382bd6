//! Likes. Everybody with an account may like what they can see, also mirrors; who likes what is public, as far
//! as one may see what is liked.

use karez_catalog::{Account, Repo};
use karez_types::{RepoAddress, Timestamp};

use crate::{Actor, Hub, HubError, HubResult, Right, SignedIn};

/// People and repositories that a list of likes reaches back to.
const LIKES_MAX: u64 = 1_000;

impl Hub {
    /// Returns who is signed in with a token that may change things.
    pub(crate) fn writer<'a>(&self, actor: &'a Actor, what: &str) -> HubResult<&'a SignedIn> {
        let user = actor.user().ok_or_else(|| {
            HubError::SignInNeeded(format!("{what} needs a token; sign in with `hf auth login` or set HF_TOKEN"))
        })?;
        if !actor.token_allows(Right::Write) {
            let words = format!("this token may only read; {what} needs a token with the role `write`");
            return Err(HubError::Forbidden(words));
        }
        Ok(user)
    }

    /// Notes whether the caller likes a repository.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for reading; [`HubError::SignInNeeded`] and [`HubError::Forbidden`] without a token
    /// that may write.
    pub async fn like(&self, actor: &Actor, address: &RepoAddress, likes: Liking) -> HubResult<()> {
        let repo = self.repo_open(actor, address, Right::See).await?;
        let user = self.writer(actor, "liking a repository")?.account.id;
        match likes {
            Liking::Yes => self.catalog.like_set(repo.id, user, self.clock.now()).await?,
            Liking::No => self.catalog.like_unset(repo.id, user).await?,
        };
        Ok(())
    }

    /// Tells whether the caller likes a repository that they opened.
    ///
    /// # Errors
    /// When the catalog does not answer.
    pub async fn likes_it(&self, actor: &Actor, repo: &Repo) -> HubResult<bool> {
        match actor.user() {
            Some(user) => Ok(self.catalog.like_has(repo.id, user.account.id).await?),
            None => Ok(false),
        }
    }

    /// Lists who likes a repository, the latest first.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for reading.
    pub async fn likers(&self, actor: &Actor, address: &RepoAddress) -> HubResult<Vec<Account>> {
        let repo = self.repo_open(actor, address, Right::See).await?;
        Ok(self.catalog.likers(repo.id, LIKES_MAX).await?)
    }

    /// Lists what somebody likes, as far as the caller may see it, the latest first.
    ///
    /// # Errors
    /// [`HubError::Missing`] when there is nobody of this name.
    pub async fn liked_by(&self, actor: &Actor, name: &str) -> HubResult<Vec<(Repo, Timestamp)>> {
        let account = self.user_overview(actor, name).await?.account;
        Ok(self.catalog.liked_by(account.id, &self.viewer(actor), LIKES_MAX).await?)
    }
}

/// Whether somebody likes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liking {
    /// From now on.
    Yes,
    /// Not any more.
    No,
}
