//! Browsers that are signed in. A session is a row, so that signing out ends it for whoever copied the cookie.

use karez_catalog::{Account, NewSession, SessionRow, SignInWay};
use karez_types::{Timestamp, TokenRole, alphanumeric};

use crate::{Actor, Hub, HubError, HubResult, SignedIn, token_hash};

/// For how long somebody stays signed in, in seconds: a week.
pub const SESSION_SECS: i64 = 7 * 86_400;
/// Letters and digits of a session's secret: 238 bits.
const SECRET_LETTERS: usize = 40;

impl From<SessionRow> for Actor {
    fn from(row: SessionRow) -> Actor {
        Actor::User(Box::new(SignedIn {
            account: row.user,
            token_role: row.role,
            token_name: row.way,
            memberships: row.memberships,
        }))
    }
}

impl Hub {
    /// Begins a session with a token, which the session ends with and is as strong as. Returns the secret.
    ///
    /// # Errors
    /// [`HubError::TokenInvalid`].
    pub async fn session_begin_with_token(&self, token: &str) -> HubResult<String> {
        let now = self.clock.now();
        let row = self.catalog.token_lookup(&token_hash(token)).await?.ok_or(HubError::TokenInvalid)?;
        let is_over = |expires: Timestamp| expires <= now;
        if row.expires.is_some_and(is_over) {
            return Err(HubError::TokenInvalid);
        }
        let week = now.plus_secs(SESSION_SECS);
        let expires = row.expires.map_or(week, |expires| Timestamp(expires.0.min(week.0)));
        let new = NewSession { user: row.user.id, way: SignInWay::Token(row.id), role: row.role, expires };
        self.session_begin(new).await
    }

    /// Begins a session of somebody who has proven who they are. Returns the secret.
    ///
    /// # Errors
    /// When the catalog does not answer.
    pub async fn session_begin_as(&self, user: &Account, way: SignInWay) -> HubResult<String> {
        let expires = self.clock.now().plus_secs(SESSION_SECS);
        self.session_begin(NewSession { user: user.id, way, role: TokenRole::Write, expires }).await
    }

    async fn session_begin(&self, new: NewSession) -> HubResult<String> {
        let secret = alphanumeric(&*self.entropy, SECRET_LETTERS);
        self.catalog.session_create(&token_hash(&secret), new, self.clock.now()).await?;
        Ok(secret)
    }

    /// Returns who a browser is; nobody when the session is over or never was.
    ///
    /// # Errors
    /// When the catalog does not answer.
    pub async fn session_actor(&self, secret: &str) -> HubResult<Actor> {
        if secret.len() != SECRET_LETTERS {
            return Ok(Actor::Anonymous);
        }
        let row = self.catalog.session_lookup(&token_hash(secret)).await?;
        Ok(row.filter(|row| row.expires > self.clock.now()).map_or(Actor::Anonymous, Actor::from))
    }

    /// Ends a session; one that is over is fine.
    ///
    /// # Errors
    /// When the catalog does not answer.
    pub async fn session_end(&self, secret: &str) -> HubResult<()> {
        self.catalog.session_end(&token_hash(secret)).await?;
        Ok(())
    }

    /// Ends all other sessions of the caller; returns how many.
    ///
    /// # Errors
    /// [`HubError::SignInNeeded`].
    pub async fn session_end_others(&self, actor: &Actor, secret: &str) -> HubResult<u64> {
        let user = self.signed_in(actor)?.account.id;
        Ok(self.catalog.session_end_others(user, &token_hash(secret)).await?)
    }

    /// Counts the sessions of the caller.
    ///
    /// # Errors
    /// [`HubError::SignInNeeded`].
    pub async fn session_count(&self, actor: &Actor) -> HubResult<u64> {
        let user = self.signed_in(actor)?.account.id;
        Ok(self.catalog.session_count(user, self.clock.now()).await?)
    }

    /// Forgets sessions and invitations whose time is over.
    ///
    /// # Errors
    /// When the catalog does not answer.
    pub async fn sessions_sweep(&self) -> HubResult<u64> {
        Ok(self.catalog.sessions_sweep(self.clock.now()).await?)
    }
}
