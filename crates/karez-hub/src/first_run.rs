//! The first start of a node: somebody must be able to sign in.

use karez_catalog::AccountCreated;
use karez_types::{OwnerName, TokenRole};

use crate::accounts::new_user;
use crate::{Hub, HubResult};

/// Name of the token that the first start shows.
const FIRST_TOKEN_NAME: &str = "first-run";

impl Hub {
    /// Creates the first administrator of an empty node and returns a token that may write, or
    /// `None` when the node has accounts already. Of several processes that start at once, one
    /// gets the token. After a crash between account and token, the operator makes a token with
    /// `karez token create`.
    ///
    /// # Errors
    /// When the catalog does not answer.
    pub async fn first_run(&self, name: &OwnerName) -> HubResult<Option<String>> {
        if !self.catalog.account_list(None, 1).await?.is_empty() {
            return Ok(None);
        }
        match self.catalog.account_create(&new_user(name.clone(), true), self.clock.now()).await? {
            AccountCreated::Created(account) => {
                let token = self.token_issue(&account, FIRST_TOKEN_NAME, TokenRole::Write, None).await?;
                Ok(Some(token))
            }
            AccountCreated::Taken(_) => Ok(None),
        }
    }
}
