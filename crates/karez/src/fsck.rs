//! `karez fsck`: says what the hub's check found.

use std::process::ExitCode;

use karez_hub::{Actor, FsckDepth};
use serde_json::json;

use crate::cli::Fsck;
use crate::config::Settings;
use crate::{node, print};

/// Checks the node. The exit code is 1 when something is wrong.
pub async fn run(command: &Fsck, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let depth = if command.deep { FsckDepth::Bytes } else { FsckDepth::Rows };
    let report = hub.fsck(&Actor::Operator, depth).await?;
    hub.catalog().close().await;
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let counts = report.counts;
    let json = json!({
        "clean": report.is_clean(),
        "deep": command.deep,
        "repos": counts.repos, "refs": counts.refs, "objects": counts.objects, "files": counts.files,
        "xorbs": counts.xorbs, "stored_bytes": counts.stored_bytes, "orphans": counts.orphans,
        "problems": problems, "problems_not_shown": report.problems_not_shown,
    });
    let mut lines = problems;
    if report.problems_not_shown > 0 {
        lines.push(format!("and {} more problems", report.problems_not_shown));
    }
    lines.push(format!(
        "Checked {} repositories, {} refs, {} git objects, {} large files, {} xorbs ({} bytes).",
        counts.repos, counts.refs, counts.objects, counts.files, counts.xorbs, counts.stored_bytes
    ));
    if counts.orphans > 0 {
        lines.push(format!("{} xorbs belong to no upload that ended. They are harmless.", counts.orphans));
    }
    lines.push(match report.is_clean() {
        true => "Everything is in order.".to_owned(),
        false => format!("{} problems.", report.problem_count()),
    });
    if !command.deep {
        lines.push("Stored bytes were not read. To check them too: karez fsck --deep".to_owned());
    }
    print::either(as_json, &json, &lines.join("\n"));
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
