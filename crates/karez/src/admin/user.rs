//! `karez user`

use std::process::ExitCode;

use karez_catalog::AccountKind;
use karez_hub::{Actor, new_user};
use serde_json::{Value, json};

use super::{account_json, accounts};
use crate::cli::User;
use crate::config::Settings;
use crate::{node, print};

/// Runs one command.
pub async fn run(command: User, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let actor = Actor::Operator;
    match command {
        User::Create { name, admin, fullname, email } => {
            let mut new = new_user(name, admin);
            (new.fullname, new.email) = (fullname, email);
            let account = hub.account_create(&actor, new).await?;
            let name = &account.name;
            let sentence = format!("Added the user {name}. To make a token: karez token create {name}");
            print::either(as_json, &account_json(&account), &sentence);
        }
        User::List => {
            let users = accounts(&hub, AccountKind::User).await?;
            let json = Value::Array(users.iter().map(account_json).collect());
            let row = |user: &karez_catalog::Account| {
                let role = if user.is_admin { "administrator" } else { "" };
                vec![user.name.to_string(), role.to_owned(), user.fullname.clone(), user.created.to_string()]
            };
            let rows: Vec<_> = users.iter().map(row).collect();
            print::table(as_json, &json, &["NAME", "ROLE", "FULL NAME", "CREATED"], &rows, "There are no users.");
        }
        User::Delete { name } => {
            hub.account_delete(&actor, name.as_str()).await?;
            print::either(as_json, &json!({ "deleted": name }), &format!("Deleted the user {name}."));
        }
    }
    hub.catalog().close().await;
    Ok(ExitCode::SUCCESS)
}
