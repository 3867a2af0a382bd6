//! `karez fsck`: says what the hub's checks found, of what it holds and of its log.

use std::process::ExitCode;

use karez_catalog::CatalogError;
use karez_hub::{Actor, FsckDepth, Hub, HubError};
use serde_json::json;

use crate::cli::Fsck;
use crate::config::Settings;
use crate::{node, print};

/// Checks the node. The exit code is 1 when something is wrong.
pub async fn run(command: &Fsck, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let depth = if command.deep { FsckDepth::Bytes } else { FsckDepth::Rows };
    let report = hub.fsck(&Actor::Operator, depth).await?;
    let log = Log::check(&hub).await?;
    hub.catalog().close().await;
    let mut problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    problems.extend(log.problems.iter().map(|problem| format!("log: {problem}")));
    let counts = report.counts;
    let problem_count = report.problem_count() + log.problems.len() as u64;
    let is_clean = problem_count == 0;
    let json = json!({
        "clean": is_clean,
        "deep": command.deep,
        "repos": counts.repos, "refs": counts.refs, "objects": counts.objects, "files": counts.files,
        "xorbs": counts.xorbs, "stored_bytes": counts.stored_bytes, "orphans": counts.orphans,
        "waiting_bytes": counts.waiting_bytes,
        "log_entries": log.entries, "log_unsigned": log.unsigned,
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
    if counts.waiting_bytes > 0 {
        lines.push(format!("{} of these bytes are used by nothing and wait to be removed.", counts.waiting_bytes));
    }
    lines.push(format!("Derived the log anew from its {} entries; {} wait to be signed.", log.entries, log.unsigned));
    lines.push(match is_clean {
        true => "Everything is in order.".to_owned(),
        false => format!("{problem_count} problems."),
    });
    if !command.deep {
        lines.push("Stored bytes were not read. To check them too: karez fsck --deep".to_owned());
    }
    print::either(as_json, &json, &lines.join("\n"));
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was found in the log of the node.
struct Log {
    /// Entries under the newest checkpoint.
    entries: u64,
    unsigned: u64,
    problems: Vec<String>,
}

impl Log {
    /// A log of which so much is wrong that nothing else can be said.
    fn broken(what: String) -> Log {
        Log { entries: 0, unsigned: 0, problems: vec![what] }
    }

    async fn check(hub: &Hub) -> anyhow::Result<Log> {
        match hub.log_verify().await {
            Ok(found) => Ok(Log { entries: found.entries, unsigned: found.unsigned, problems: found.problems }),
            // A node signs its log within a second of its first start; one that never came so far has nothing to check.
            Err(HubError::Missing(_)) => {
                Ok(Log { entries: 0, unsigned: hub.catalog().log_size().await?, problems: Vec::new() })
            }
            Err(HubError::Damaged(what)) => Ok(Log::broken(what)),
            Err(HubError::Catalog(error @ CatalogError::Broken { .. })) => Ok(Log::broken(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}
