//! Browsers that are signed in. A session is a row, so that signing out ends it for whoever copied the cookie.

use karez_catalog::{Account, AccountKind, NewAccount, NewSession, SessionRow, SignInWay};
use karez_types::{OwnerName, Timestamp, TokenRole, alphanumeric};

use crate::accounts::new_user;
use crate::{Actor, Hub, HubError, HubResult, SignedIn, token_hash};

/// For how long somebody stays signed in, in seconds: a week.
pub const SESSION_SECS: i64 = 7 * 86_400;
/// Letters and digits of a session's secret: 238 bits.
const SECRET_LETTERS: usize = 40;
/// Longest full name that a provider may give, in characters.
const FULLNAME_CHARS_MAX: usize = 200;

impl From<SessionRow> for Actor {
    fn from(row: SessionRow) -> Actor {
        Actor::User(Box::new(SignedIn {
            account: row.user,
            token_role: row.role,
            is_by_token: row.way == SignInWay::TOKEN,
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
        self.sign_in_check(new.user).await?;
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

    /// Finds whom a provider's identity belongs to.
    ///
    /// # Errors
    /// When the catalog does not answer.
    pub async fn identity_find(&self, issuer: &str, subject: &str) -> HubResult<Option<Account>> {
        Ok(self.catalog.identity_find(issuer, subject).await?)
    }

    /// Ties a provider's identity to a person. Only who administers the node may.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; [`HubError::Missing`]; [`HubError::Exists`] when it belongs to somebody.
    pub async fn identity_add(&self, actor: &Actor, user: &str, issuer: &str, subject: &str) -> HubResult<()> {
        self.node_admin_check(actor)?;
        let user = self.account_of_kind(user, AccountKind::User).await?;
        if !self.catalog.identity_add(issuer, subject, user.id).await? {
            return Err(HubError::Exists(format!("the identity {subject} at {issuer} belongs to somebody already")));
        }
        Ok(())
    }

    /// Makes an account for somebody whom the provider that the operator chose has just let in. Never finds
    /// one by its name: names at a provider are chosen there.
    ///
    /// # Errors
    /// [`HubError::Exists`] when the name is taken, or the identity has an account.
    pub async fn newcomer_create(
        &self,
        name: OwnerName,
        fullname: &str,
        issuer: &str,
        subject: &str,
    ) -> HubResult<Account> {
        let fullname: String = fullname.chars().filter(|c| !c.is_control()).take(FULLNAME_CHARS_MAX).collect();
        let new = NewAccount { fullname, ..new_user(name, false) };
        let user = self.account_create(&Actor::Operator, new).await?;
        if let Err(error) = self.identity_add(&Actor::Operator, user.name.as_str(), issuer, subject).await {
            // The form was sent twice: one account is enough.
            self.account_delete(&Actor::Operator, user.name.as_str()).await?;
            return Err(error);
        }
        Ok(user)
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
