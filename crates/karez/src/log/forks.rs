//! `karez log forks`: the evidence that logs have signed two histories, for others to check without this node.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use karez_catalog::ForkRow;
use karez_hub::Hub;
use serde_json::{Value, json};

use super::cli::Forks;
use crate::print;

/// Lists the forks, and writes the evidence where it is wanted.
pub async fn list(hub: &Hub, command: &Forks, as_json: bool) -> anyhow::Result<ExitCode> {
    let forks = hub.catalog().fork_list().await?;
    let mut cells = Vec::new();
    let mut json = Vec::new();
    for (number, row) in (1..).zip(&forks) {
        let file = command.output.as_deref().map(|folder| write(folder, number, row)).transpose()?;
        let mut value = json!({ "origin": row.origin, "found": row.found, "evidence": row.evidence });
        value["file"] = json!(file);
        json.push(value);
        cells.push(vec![row.found.to_string(), row.origin.clone(), file.unwrap_or_else(|| "-".to_owned())]);
    }
    let when_empty = "No log was found to have signed two histories.";
    print::table(as_json, &Value::Array(json), &["FOUND", "LOG", "EVIDENCE"], &cells, when_empty);
    if !as_json && !forks.is_empty() {
        print::lines(match command.output {
            Some(_) => "Anyone who has the key of the log checks such a file: karez log verify FILE --key KEY",
            None => "To write the evidence into files: karez log forks --output FOLDER",
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the evidence of one fork; returns the name of the file.
fn write(folder: &Path, number: usize, row: &ForkRow) -> anyhow::Result<String> {
    // The name of a log is what a stranger chose.
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '-' };
    let log: String = row.origin.chars().map(plain).take(100).collect();
    let path = folder.join(format!("{number}-{log}.fork"));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    std::fs::write(&path, &row.evidence).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.display().to_string())
}
