//! `karez incidents`

use std::process::ExitCode;

use karez_federation::views::incident_json;
use serde_json::Value;

use super::cli::Incidents;
use crate::config::Settings;
use crate::{node, print};

/// Lists what remotes did wrong.
pub async fn run(command: &Incidents, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let incidents = hub.catalog().incident_list(command.limit).await?;
    let json = Value::Array(incidents.iter().map(incident_json).collect());
    let cells: Vec<Vec<String>> = incidents
        .iter()
        .map(|incident| {
            vec![incident.at.to_string(), incident.remote.clone(), incident.kind.clone(), incident.what.clone()]
        })
        .collect();
    print::table(as_json, &json, &["WHEN", "REMOTE", "KIND", "WHAT"], &cells, "Nobody did anything wrong.");
    hub.catalog().close().await;
    Ok(ExitCode::SUCCESS)
}
