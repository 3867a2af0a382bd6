//! `karez user`

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Context as _;
use karez_catalog::AccountKind;
use karez_hub::{Actor, new_user};
use serde_json::{Value, json};

use super::{account_json, accounts, quota};
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
            let users = quota::with_room(&hub, users).await?;
            let json = Value::Array(users.iter().map(quota::json).collect());
            let row = |(user, owner_room): &(karez_catalog::Account, karez_catalog::OwnerRoom)| {
                let room = quota::room_words(owner_room);
                let role = if user.is_admin { "administrator" } else { "" };
                vec![user.name.to_string(), role.to_owned(), user.fullname.clone(), room, user.created.to_string()]
            };
            let rows: Vec<_> = users.iter().map(row).collect();
            let heads = ["NAME", "ROLE", "FULL NAME", "LARGE FILES", "CREATED"];
            print::table(as_json, &json, &heads, &rows, "There are no users.");
        }
        User::Password { name } => {
            let password = first_line(std::io::stdin())?;
            hub.password_set(&actor, name.as_str(), &password).await?;
            let sentence = format!("{name} signs in with this password from now on.");
            print::either(as_json, &json!({ "user": name, "password": "set" }), &sentence);
        }
        User::Invite { name } => {
            let code = hub.invitation_create(&actor, name.as_str()).await?;
            let base = settings.public_url.as_deref().unwrap_or_default().trim_end_matches('/');
            let address = format!("{base}/-/invited?code={code}");
            let hint = if base.is_empty() { "\nPut the address of this node before it." } else { "" };
            let sentence = format!(
                "Give this address to {name}. It works once, for three days, and is not shown again.\n  {address}{hint}"
            );
            print::either(as_json, &json!({ "user": name, "address": address }), &sentence);
        }
        User::Identity { name, subject } => {
            let issuer = settings.sign_in.issuer.as_deref();
            let issuer = issuer.context("the settings name no provider: set sign_in.issuer in karez.toml first")?;
            hub.identity_add(&actor, name.as_str(), issuer, &subject).await?;
            let sentence = format!("{name} may sign in through {issuer}, as {subject}.");
            print::either(as_json, &json!({ "user": name, "issuer": issuer, "subject": subject }), &sentence);
        }
        User::Block { name } => {
            hub.user_block(&actor, name.as_str()).await?;
            let sentence =
                format!("{name} is blocked: sessions and tokens have ended. To undo: karez user unblock {name}");
            print::either(as_json, &json!({ "user": name, "blocked": true }), &sentence);
        }
        User::Unblock { name } => {
            hub.user_unblock(&actor, name.as_str()).await?;
            print::either(as_json, &json!({ "user": name, "blocked": false }), &format!("{name} may sign in again."));
        }
        User::SignOut { name } => {
            let ended = hub.user_sign_out(&actor, name.as_str()).await?;
            let sentence = format!("All sessions and tokens of {name} have ended: {ended}.");
            print::either(as_json, &json!({ "user": name, "ended": ended }), &sentence);
        }
        User::Admin { name, off: false } => {
            hub.user_admin_make(&actor, name.as_str()).await?;
            print::either(
                as_json,
                &json!({ "user": name, "is_admin": true }),
                &format!("{name} administers this node."),
            );
        }
        User::Admin { name, off: true } => {
            hub.user_admin_unmake(&actor, name.as_str()).await?;
            let sentence = format!("{name} does not administer this node any more.");
            print::either(as_json, &json!({ "user": name, "is_admin": false }), &sentence);
        }
        User::Quota { name, amount } => {
            quota::run(&hub, &name, AccountKind::User, amount.as_deref(), as_json).await?;
        }
        User::Delete { name } => {
            hub.account_delete(&actor, name.as_str()).await?;
            print::either(as_json, &json!({ "deleted": name }), &format!("Deleted the user {name}."));
        }
    }
    hub.catalog().close().await;
    Ok(ExitCode::SUCCESS)
}

/// Longest line that is read, in bytes.
const LINE_BYTES_MAX: u64 = 4_096;

/// Reads a password: a line, without its end.
fn first_line(input: impl std::io::Read) -> anyhow::Result<String> {
    let mut text = String::new();
    input.take(LINE_BYTES_MAX).read_to_string(&mut text).context("cannot read a password from standard input")?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
