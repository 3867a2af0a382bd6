//! Administration at the command line. Works on the node's database directly, also while the node runs.

pub mod org;
pub mod origin;
pub mod quota;
pub mod repo;
pub mod token;
pub mod user;

use karez_catalog::{Account, AccountKind};
use karez_hub::{Actor, Hub};
use serde_json::{Value, json};

/// Accounts fetched at once.
const PAGE_ACCOUNTS: u64 = 1_000;

/// Returns all accounts of one kind, by name.
async fn accounts(hub: &Hub, kind: AccountKind) -> anyhow::Result<Vec<Account>> {
    let mut found: Vec<Account> = Vec::new();
    let mut last = None;
    loop {
        let page = hub.account_list(&Actor::Operator, last.as_ref(), PAGE_ACCOUNTS).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.name.clone());
        found.extend(page.into_iter().filter(|account| account.kind == kind));
    }
    Ok(found)
}

/// Returns an account for programs.
fn account_json(account: &Account) -> Value {
    json!({
        "name": account.name,
        "kind": account.kind.as_str(),
        "fullname": account.fullname,
        "email": account.email,
        "is_admin": account.is_admin,
        "created": account.created,
    })
}
