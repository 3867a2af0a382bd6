//! Access tokens: made here, shown once, kept only as a hash.

use karez_catalog::{Account, AccountKind, TokenBrief};
use karez_types::{Timestamp, TokenId, TokenRole, alphanumeric};

use crate::{Actor, Hub, HubError, HubResult, Right, token_hash};

/// What every token begins with. llama.cpp sends no token that begins otherwise.
const TOKEN_PREFIX: &str = "hf_";
/// Letters and digits after the prefix: 238 bits. llama.cpp wants at least 34.
const TOKEN_LETTERS: usize = 40;
/// Longest name of a token, in bytes.
const TOKEN_NAME_BYTES_MAX: usize = 100;

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The name that clients store it under.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// When it ends; never, when unset.
    pub expires: Option<Timestamp>,
}

impl Hub {
    /// Makes a token for a person and returns it. It cannot be shown again. Nobody makes one who has only a token
    /// to show: the new one would outlive its end and its revocation.
    ///
    /// # Errors
    /// [`HubError::Refused`] to a token; [`HubError::Forbidden`] unless the caller is that person, with a token that may write, or
    /// administers the node; [`HubError::Missing`]; [`HubError::Invalid`] for a bad name.
    pub async fn token_create(&self, actor: &Actor, user: &str, new: NewToken) -> HubResult<String> {
        let user = self.token_owner(actor, user).await?;
        actor.more_than_token_check()?;
        let name = new.name.trim();
        if name.is_empty() || name.len() > TOKEN_NAME_BYTES_MAX || name.contains(char::is_control) {
            return Err(HubError::Invalid(format!("give the token a name of 1 to {TOKEN_NAME_BYTES_MAX} bytes")));
        }
        self.token_issue(&user, name, new.role, new.expires).await
    }

    /// Lists the tokens of a person, without the tokens themselves.
    ///
    /// # Errors
    /// As [`Hub::token_create`].
    pub async fn token_list(&self, actor: &Actor, user: &str) -> HubResult<Vec<TokenBrief>> {
        let user = self.token_owner(actor, user).await?;
        Ok(self.catalog.token_list(user.id).await?)
    }

    /// Makes a token useless from now on.
    ///
    /// # Errors
    /// As [`Hub::token_create`]; [`HubError::Missing`] also when the person has no such token.
    pub async fn token_revoke(&self, actor: &Actor, user: &str, id: TokenId) -> HubResult<()> {
        let user = self.token_owner(actor, user).await?;
        let is_theirs = self.catalog.token_list(user.id).await?.iter().any(|token| token.id == id);
        if !is_theirs {
            return Err(HubError::Missing(format!("{} has no token with the id {id}", user.name)));
        }
        self.catalog.token_revoke(id).await?;
        Ok(())
    }

    /// Makes and stores a token, once its owner and the caller's right are known.
    pub(crate) async fn token_issue(
        &self,
        user: &Account,
        name: &str,
        role: TokenRole,
        expires: Option<Timestamp>,
    ) -> HubResult<String> {
        self.sign_in_check(user.id).await?;
        let token = format!("{TOKEN_PREFIX}{}", alphanumeric(&*self.entropy, TOKEN_LETTERS));
        self.catalog.token_create(user.id, &token_hash(&token), name, role, expires, self.clock.now()).await?;
        Ok(token)
    }

    async fn token_owner(&self, actor: &Actor, user: &str) -> HubResult<Account> {
        let user = self.account_of_kind(user, AccountKind::User).await?;
        self.right_check(actor, user.id, Right::Admin, &format!("the tokens of {}", user.name))?;
        Ok(user)
    }
}
