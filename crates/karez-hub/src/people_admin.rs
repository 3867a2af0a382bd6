//! What administrators do about people: who may sign in, and who administers.

use karez_catalog::{Account, AccountKind, SignIns};

use crate::{Actor, Hub, HubError, HubResult};

impl Hub {
    /// Returns a person with what they are signed in with. Only who administers the node may ask.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; [`HubError::Missing`].
    pub async fn user_sign_ins(&self, actor: &Actor, user: &str) -> HubResult<(Account, SignIns)> {
        self.node_admin_check(actor)?;
        let user = self.account_of_kind(user, AccountKind::User).await?;
        let sign_ins = self.catalog.sign_ins(user.id, self.clock.now()).await?;
        Ok((user, sign_ins))
    }

    /// Blocks a person: their sessions, tokens and invitations end at once, and nobody signs in with the account any
    /// more. What they own stays. A token for bytes that Xet was given before ends within its hour; no commit can use it.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; [`HubError::Missing`]; [`HubError::Refused`] for oneself, and for the last administrator.
    pub async fn user_block(&self, actor: &Actor, user: &str) -> HubResult<()> {
        let (user, _) = self.user_sign_ins(actor, user).await?;
        not_oneself(actor, &user)?;
        match self.catalog.account_block(user.id, self.clock.now()).await? {
            true => Ok(()),
            false => Err(last_admin(&user)),
        }
    }

    /// Lets a person sign in again: with their password, or through the provider. Tokens do not come back.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; [`HubError::Missing`].
    pub async fn user_unblock(&self, actor: &Actor, user: &str) -> HubResult<()> {
        let (user, _) = self.user_sign_ins(actor, user).await?;
        Ok(self.catalog.account_unblock(user.id).await?)
    }

    /// Ends all sessions, tokens and invitations of a person; returns how many there were.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; [`HubError::Missing`].
    pub async fn user_sign_out(&self, actor: &Actor, user: &str) -> HubResult<u64> {
        let (user, _) = self.user_sign_ins(actor, user).await?;
        Ok(self.catalog.sign_ins_end(user.id).await?)
    }

    /// Makes a person an administrator of the node.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; [`HubError::Missing`].
    pub async fn user_admin_make(&self, actor: &Actor, user: &str) -> HubResult<()> {
        let (user, _) = self.user_sign_ins(actor, user).await?;
        self.catalog.account_admin_set(user.id, true).await?;
        Ok(())
    }

    /// Takes the administration of the node from a person.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; [`HubError::Missing`]; [`HubError::Refused`] for the last administrator.
    pub async fn user_admin_unmake(&self, actor: &Actor, user: &str) -> HubResult<()> {
        let (user, _) = self.user_sign_ins(actor, user).await?;
        match self.catalog.account_admin_set(user.id, false).await? {
            true => Ok(()),
            false => Err(last_admin(&user)),
        }
    }

    /// Checks that somebody may sign in.
    ///
    /// # Errors
    /// [`HubError::Blocked`].
    pub(crate) async fn sign_in_check(&self, user: karez_types::AccountId) -> HubResult<()> {
        match self.catalog.sign_ins(user, self.clock.now()).await?.blocked {
            None => Ok(()),
            Some(_) => Err(HubError::Blocked),
        }
    }
}

fn not_oneself(actor: &Actor, user: &Account) -> HubResult<()> {
    match actor.user().is_some_and(|own| own.account.id == user.id) {
        true => Err(HubError::Refused("nobody blocks themselves; another administrator does it".to_owned())),
        false => Ok(()),
    }
}

fn last_admin(user: &Account) -> HubError {
    HubError::Refused(format!(
        "{} is the last who administers this node; make somebody else an administrator first",
        user.name
    ))
}
