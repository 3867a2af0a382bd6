//! `karez names`

use std::process::ExitCode;

use anyhow::bail;
use karez_catalog::{OwnerBound, RemotePatch};
use karez_federation::{PeerSettings, follow};
use karez_types::fold_name;
use serde_json::json;

use super::cli::Names;
use crate::config::Settings;
use crate::{node, print};

/// Runs one command.
pub async fn run(command: Names, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let catalog = hub.catalog();
    match command {
        Names::List => {
            let names = follow::names(catalog).await?;
            let cells: Vec<Vec<String>> = names
                .iter()
                .map(|name| {
                    let local = name.local.clone().unwrap_or_else(|| "-".to_owned());
                    let state = match &name.why {
                        Some(why) => format!("{}: {why}", name.state),
                        None => name.state.to_owned(),
                    };
                    vec![local, name.remote.clone(), name.owner.clone(), name.repos.to_string(), state]
                })
                .collect();
            let heading = ["NAME HERE", "REMOTE", "OWNER THERE", "REPOSITORIES", "STATE"];
            print::table(as_json, &serde_json::to_value(&names)?, &heading, &cells, "No names of other nodes.");
            if let Some(clash) = names.iter().find(|name| name.state == "clash").filter(|_| !as_json) {
                let (remote, owner) = (&clash.remote, &clash.owner);
                println!(
                    "To take {owner} of {remote} under another name: karez names alias NAME-HERE {remote} {owner}"
                );
                println!("To take nothing of it: karez names refuse {remote} {owner}");
            }
        }
        Names::Alias { local, remote, owner } => {
            let Some(row) = catalog.remote_get_by_name(&remote).await? else {
                bail!("there is no remote {remote}. To see all: karez peer list");
            };
            match catalog.owner_origin_bind(&local, row.id, &owner, hub.clock().now()).await? {
                OwnerBound::Bound(_) => {}
                OwnerBound::Own => bail!("{local} is an account of this node. Choose another name"),
                OwnerBound::Elsewhere(origin) => {
                    bail!("{local} stands for the owner {} of another remote. Choose another name", origin.remote_owner)
                }
                OwnerBound::RemoteMissing => bail!("the remote {remote} is gone"),
            }
            refuse(catalog, &remote, owner.as_str(), false).await?;
            catalog.feed_look_again(Some(row.id)).await?;
            let json = json!({ "local": local, "remote": remote, "owner": owner });
            let sentence = format!(
                "{owner} of {remote} is called {local} here. What rules ask of it comes with the next look at {remote}."
            );
            print::either(as_json, &json, &sentence);
        }
        Names::Refuse { remote, owner, undo } => {
            super::peer(catalog, &remote).await?;
            refuse(catalog, &remote, owner.as_str(), !undo).await?;
            let json = json!({ "remote": remote, "owner": owner, "refused": !undo });
            let sentence = if undo {
                format!("{owner} of {remote} may be taken again.")
            } else {
                format!("{owner} of {remote} is not taken. What is here already stays.")
            };
            print::either(as_json, &json, &sentence);
        }
    }
    catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Notes that an owner of a peer is not taken, or that it is.
async fn refuse(catalog: &karez_catalog::Catalog, remote: &str, owner: &str, is_refused: bool) -> anyhow::Result<()> {
    let Some(row) = catalog.remote_get_by_name(remote).await? else { return Ok(()) };
    let mut settings = PeerSettings::of(&row);
    let folded = fold_name(owner);
    if settings.refuses(owner) == is_refused {
        return Ok(());
    }
    settings.refused_owners.retain(|name| *name != folded);
    if is_refused {
        settings.refused_owners.push(folded);
    }
    let patch = RemotePatch { settings: Some(settings.to_value()), ..RemotePatch::default() };
    catalog.remote_update(row.id, &patch).await?;
    catalog.feed_look_again(None).await?;
    Ok(())
}
