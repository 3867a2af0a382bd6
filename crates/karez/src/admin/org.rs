//! `karez org`

use std::process::ExitCode;

use karez_catalog::AccountKind;
use karez_hub::{Actor, new_organization};
use serde_json::{Value, json};

use super::{account_json, accounts, quota};
use crate::cli::Org;
use crate::config::Settings;
use crate::{node, print};

/// Runs one command.
pub async fn run(command: Org, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let actor = Actor::Operator;
    match command {
        Org::Create { name, fullname } => {
            let mut new = new_organization(name);
            new.fullname = fullname;
            let account = hub.account_create(&actor, new).await?;
            let name = &account.name;
            let sentence = format!("Added the organisation {name}. To add a person: karez org add {name} PERSON");
            print::either(as_json, &account_json(&account), &sentence);
        }
        Org::List => {
            let orgs = accounts(&hub, AccountKind::Organization).await?;
            let orgs = quota::with_room(&hub, orgs).await?;
            let json = Value::Array(orgs.iter().map(quota::json).collect());
            let row = |(org, owner_room): &(karez_catalog::Account, karez_catalog::OwnerRoom)| {
                let room = quota::room_words(owner_room);
                vec![org.name.to_string(), org.fullname.clone(), room, org.created.to_string()]
            };
            let rows: Vec<_> = orgs.iter().map(row).collect();
            let heads = ["NAME", "FULL NAME", "LARGE FILES", "CREATED"];
            print::table(as_json, &json, &heads, &rows, "There are no organisations.");
        }
        Org::Quota { name, amount } => {
            quota::run(&hub, &name, AccountKind::Organization, amount.as_deref(), as_json).await?;
        }
        Org::Delete { name } => {
            hub.account_delete(&actor, name.as_str()).await?;
            print::either(as_json, &json!({ "deleted": name }), &format!("Deleted the organisation {name}."));
        }
        Org::Add { org, user, role } => {
            hub.member_set(&actor, org.as_str(), user.as_str(), role).await?;
            let json = json!({ "org": org, "user": user, "role": role.as_str() });
            print::either(as_json, &json, &format!("{user} is now a member of {org}, with the role {role}."));
        }
        Org::Remove { org, user } => {
            hub.member_remove(&actor, org.as_str(), user.as_str()).await?;
            let json = json!({ "org": org, "removed": user });
            print::either(as_json, &json, &format!("{user} is not a member of {org}."));
        }
        Org::Members { org } => {
            let members = hub.org_members(&actor, org.as_str()).await?;
            let member_json = |(user, role): &(karez_catalog::Account, karez_types::OrgRole)| json!({ "name": user.name, "role": role.as_str() });
            let json = Value::Array(members.iter().map(member_json).collect());
            let rows: Vec<_> =
                members.iter().map(|(user, role)| vec![user.name.to_string(), role.to_string()]).collect();
            print::table(as_json, &json, &["NAME", "ROLE"], &rows, &format!("{org} has no members."));
        }
    }
    hub.catalog().close().await;
    Ok(ExitCode::SUCCESS)
}
