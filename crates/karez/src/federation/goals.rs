//! `karez goals`

use std::process::ExitCode;

use karez_federation::Federation;
use karez_federation::follow::shortages;
use karez_federation::policy::units::show_bytes;

use crate::config::Settings;
use crate::{node, print};

/// Lists what too few nodes are known to hold.
pub async fn run(settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let table = Federation::new(super::parts(&hub, settings)).refresh().await?;
    let short = shortages(hub.catalog(), &table, hub.log_keys().origin()).await?;
    let cells: Vec<Vec<String>> = short
        .iter()
        .map(|one| vec![one.repo.clone(), format!("{} of {}", one.copies, one.goal), show_bytes(one.file_bytes)])
        .collect();
    let when_empty = "Everything that a rule names is held by as many nodes as it asks for.";
    print::table(as_json, &serde_json::to_value(&short)?, &["REPOSITORY", "COPIES", "BYTES"], &cells, when_empty);
    hub.catalog().close().await;
    Ok(ExitCode::SUCCESS)
}
