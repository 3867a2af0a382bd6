//! `karez transfers`

use std::process::ExitCode;
use std::time::Duration;

use karez_catalog::{TransferRow, TransferState};
use karez_federation::policy::units::{show_bytes, show_rate};
use karez_federation::views::{transfer_json, transfer_until};
use karez_types::Timestamp;
use serde_json::Value;

use super::cli::Transfers;
use crate::config::Settings;
use crate::{node, print};

/// How often `--watch` looks.
const EVERY: Duration = Duration::from_secs(2);

/// Shows the large files on their way here.
pub async fn run(command: &Transfers, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    loop {
        let rows = hub.catalog().transfer_list(command.limit).await?;
        let now = hub.clock().now();
        let json = Value::Array(rows.iter().map(|row| transfer_json(row, now)).collect());
        let cells: Vec<Vec<String>> = rows.iter().map(|row| row_cells(row, now)).collect();
        let heading = ["FILE", "FROM", "STATE", "DONE", "RATE", "LEFT", "AT THIS RATE UNTIL"];
        if command.watch && !as_json {
            // Home, and clear: one screen that changes, as people know it from `watch`.
            print::lines("\x1b[H\x1b[2J");
        }
        print::table(as_json, &json, &heading, &cells, "Nothing is on its way, and nothing came lately.");
        if !command.watch {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    hub.catalog().close().await;
    Ok(ExitCode::SUCCESS)
}

fn row_cells(row: &TransferRow, now: Timestamp) -> Vec<String> {
    let dash = || "-".to_owned();
    let percent = (u128::from(row.done_bytes) * 100).checked_div(u128::from(row.wire_bytes)).unwrap_or(0);
    let done = match row.state {
        TransferState::Done => format!("{} of {}", show_bytes(row.wire_bytes), show_bytes(row.file_bytes)),
        _ => format!("{percent} % of {}", show_bytes(row.wire_bytes)),
    };
    let runs = row.state == TransferState::Running;
    let state = match &row.trouble {
        Some(trouble) => format!("{}: {trouble}", row.state.as_str()),
        None => row.state.as_str().to_owned(),
    };
    vec![
        format!("{}/{}", row.repo, row.path),
        row.remote.clone(),
        state,
        done,
        if runs { show_rate(row.rate_bytes_per_sec) } else { dash() },
        if runs { show_bytes(row.wire_bytes.saturating_sub(row.done_bytes)) } else { dash() },
        transfer_until(row, now).map_or_else(dash, |moment| moment.to_string().chars().take(16).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use karez_types::Sha256;

    use super::*;

    #[test]
    fn a_person_reads_when_it_ends() {
        let row = TransferRow {
            sha256: Sha256([1; 32]),
            repo: "amina/base".into(),
            path: "model.safetensors".into(),
            remote: "dushanbe".into(),
            state: TransferState::Running,
            file_bytes: 2_000_000_000,
            wire_bytes: 1_000_000_000,
            done_bytes: 250_000_000,
            rate_bytes_per_sec: 250_000,
            started: Timestamp(0),
            updated: Timestamp(0),
            trouble: None,
        };
        let now = Timestamp(1_793_491_200_000);
        let cells = row_cells(&row, now);
        let expected = ["amina/base/model.safetensors", "dushanbe", "running", "25 % of 1 GB", "2 Mbit/s", "750 MB"];
        assert_eq!(cells[..6], expected);
        assert_eq!(cells[6], "2026-11-01T00:50");
        assert_eq!(transfer_json(&row, now)["remaining_secs"], 3000);
        let waiting = TransferRow { state: TransferState::Waiting, trouble: Some("closed until 22:00".into()), ..row };
        assert_eq!(row_cells(&waiting, now)[2], "waiting: closed until 22:00");
        assert_eq!(row_cells(&waiting, now)[6], "-");
        let nothing = TransferRow { wire_bytes: 0, rate_bytes_per_sec: 0, ..waiting };
        assert_eq!(row_cells(&nothing, now)[3], "0 % of 0 B");
    }
}
