//! `karez gc`: lets bytes leave the store that nothing refers to any more.

use std::process::ExitCode;

use karez_hub::{Actor, GarbageRound};
use karez_types::Timestamp;
use karez_types::units::show_bytes;
use serde_json::json;

use crate::config::Settings;
use crate::{node, print};

/// Does one round. May be interrupted: the next one goes on.
pub async fn run(settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let round = hub.garbage_round(&Actor::Operator, &settings.garbage).await?;
    hub.catalog().close().await;
    let next = next_of(&round, settings);
    let GarbageRound { files_condemned, xorbs_condemned, condemned_bytes, files_deleted, xorbs_freed, .. } = round;
    let waiting = round.waiting;
    let json = json!({
        "files_condemned": files_condemned, "xorbs_condemned": xorbs_condemned, "condemned_bytes": condemned_bytes,
        "files_deleted": files_deleted, "xorbs_freed": xorbs_freed, "freed_bytes": round.freed_bytes,
        "files_waiting": waiting.files, "xorbs_waiting": waiting.xorbs + waiting.leaving_xorbs,
        "waiting_bytes": waiting.stored_bytes + waiting.leaving_bytes,
        "next": next,
    });
    print::either(as_json, &json, &words(&round, next).join("\n"));
    Ok(ExitCode::SUCCESS)
}

/// Returns when the oldest of what waits may go.
fn next_of(round: &GarbageRound, settings: &Settings) -> Option<Timestamp> {
    let grace_secs = i64::try_from(settings.garbage.grace_secs).unwrap_or(i64::MAX);
    round.waiting.oldest.map(|since| since.plus_secs(grace_secs))
}

fn words(round: &GarbageRound, next: Option<Timestamp>) -> Vec<String> {
    let mut lines = Vec::new();
    if round.files_condemned + round.xorbs_condemned > 0 {
        lines.push(format!(
            "Found {} large files that nothing names any more, and {} xorbs ({}) that only such files use. They wait.",
            round.files_condemned,
            round.xorbs_condemned,
            show_bytes(round.condemned_bytes)
        ));
    }
    lines.push(match round.xorbs_freed + round.files_deleted {
        0 => "Freed nothing: nothing has waited for long enough.".to_owned(),
        _ => format!(
            "Freed {}: {} xorbs, and the recipes of {} files.",
            show_bytes(round.freed_bytes),
            round.xorbs_freed,
            round.files_deleted
        ),
    });
    match next {
        Some(next) => lines.push(format!(
            "{} wait to be freed ({} xorbs), the first from {next} on.",
            show_bytes(round.waiting.stored_bytes),
            round.waiting.xorbs
        )),
        None if round.waiting.files == 0 => lines.push("Nothing waits.".to_owned()),
        None => {}
    }
    if round.waiting.leaving_xorbs > 0 {
        lines.push(format!("{} are being removed by another process.", show_bytes(round.waiting.leaving_bytes)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_catalog::GarbageTotals;

    #[test]
    fn it_says_what_it_did_and_when_the_rest_goes() {
        let said = |round: &GarbageRound| words(round, next_of(round, &Settings::default())).join("\n");
        let nothing = GarbageRound::default();
        assert_eq!(said(&nothing), "Freed nothing: nothing has waited for long enough.\nNothing waits.");
        let waiting = GarbageTotals {
            files: 1,
            xorbs: 2,
            stored_bytes: 3_000_000,
            oldest: Some(Timestamp(0)),
            ..GarbageTotals::default()
        };
        let some = GarbageRound {
            files_condemned: 1,
            xorbs_condemned: 2,
            condemned_bytes: 3_000_000,
            xorbs_freed: 4,
            freed_bytes: 5_000_000,
            files_deleted: 1,
            waiting,
        };
        assert_eq!(
            said(&some),
            "Found 1 large files that nothing names any more, and 2 xorbs (3 MB) that only such files use. They wait.\n\
             Freed 5 MB: 4 xorbs, and the recipes of 1 files.\n\
             3 MB wait to be freed (2 xorbs), the first from 1970-01-02T12:00:00.000Z on."
        );
    }
}
