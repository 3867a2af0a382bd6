//! `karez cost`

use std::process::ExitCode;

use karez_federation::follow::{Cost, SourceCost, journal_folder};
use karez_federation::policy::units::show_bytes;
use karez_federation::{Federation, FederationParts, FileWays};
use karez_types::Revision;
use serde_json::{Value, json};

use super::cli::Cost as Command;
use crate::config::Settings;
use crate::{admin, federation, node, print};

/// Says what a repository would cost.
pub async fn run(command: &Command, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let (repo, revision) = command.repo.split_once('@').unwrap_or((&command.repo, "main"));
    let (address, revision): (_, Revision) = (admin::repo::address(repo)?, revision.parse()?);
    let hub = node::open_existing(settings).await?;
    let parts = federation::parts(&hub, settings);
    let ways = FileWays::new(&hub, &parts.entropy, &journal_folder(&settings.data_dir));
    let federation = Federation::new(FederationParts { ways: Some(ways), ..parts });
    let cost = federation.cost(&address, &revision).await?;
    print::either(as_json, &json_of(&cost, &revision), &words_of(&cost, &revision));
    hub.catalog().close().await;
    Ok(ExitCode::SUCCESS)
}

fn json_of(cost: &Cost, revision: &Revision) -> Value {
    let files = cost.files.iter().map(|file| {
        json!({
            "path": file.path.as_str(), "bytes": file.file_bytes, "would_travel_bytes": file.wire_bytes,
            "note": file.note,
        })
    });
    let sources = cost.sources.iter().map(|source| {
        json!({
            "remote": source.remote, "kind": source.kind.as_str(), "line": source.line,
            "would_travel_bytes": source.wire_bytes, "seconds": source.secs(),
            "rate_bytes_per_sec": source.rate_bytes_per_sec, "line_state": source.line_state,
            "month_bytes_max": source.month_bytes_max, "month_bytes_left": source.month_bytes_left,
            "also_at": source.also_at,
        })
    });
    json!({
        "repo": cost.repo.to_string(), "kind": cost.repo.kind.as_str(), "revision": revision.as_str(),
        "commit": cost.commit.map(|commit| commit.to_string()), "metadata_came_now": cost.is_new,
        "bytes": cost.file_bytes(), "would_travel_bytes": cost.wire_bytes(),
        "files": files.collect::<Vec<_>>(), "sources": sources.collect::<Vec<_>>(), "warning": cost.warning,
    })
}

fn words_of(cost: &Cost, revision: &Revision) -> String {
    let repo = &cost.repo;
    let Some(commit) = cost.commit else {
        return format!("{repo} is this node's own: nothing would travel.");
    };
    let count = match cost.files.len() {
        1 => "1 large file".to_owned(),
        count => format!("{count} large files"),
    };
    let mut lines = vec![format!("{repo} at {revision} ({commit}): {count}, {}.", show_bytes(cost.file_bytes()))];
    if cost.is_new {
        lines.push("Its commits and small files were not here; they came now, and stay.".to_owned());
    }
    for file in &cost.files {
        if let Some(note) = file.note.as_ref().filter(|note| *note != "here") {
            lines.push(format!("{}, {}: {note}.", file.path, show_bytes(file.file_bytes)));
        }
    }
    lines.extend(cost.warning.iter().map(|warning| format!("{warning}.")));
    match cost.sources.is_empty() {
        true => lines.push("Nothing would travel.".to_owned()),
        false => lines.extend(cost.sources.iter().map(source_words)),
    }
    lines.join("\n")
}

fn source_words(source: &SourceCost) -> String {
    let (bytes, line) = (show_bytes(source.wire_bytes), &source.line);
    let mut words = vec![format!("{bytes} would travel from {} over the line {line}", source.remote)];
    if let Some(left) = source.month_bytes_left {
        words.push(match (u128::from(source.wire_bytes) * 100).checked_div(u128::from(left)) {
            Some(percent @ 0..=100) => format!("{percent} % of the {} that are left this month", show_bytes(left)),
            _ => format!("more than the {} that are left this month", show_bytes(left)),
        });
    }
    words.push(match source.secs() {
        Some(secs) => format!("{} at its rate", duration(secs)),
        None => "for a time that nobody can say, since the line has no rate".to_owned(),
    });
    let also = match source.also_at.is_empty() {
        true => String::new(),
        false => format!(" It is also at {}.", source.also_at.join(", ")),
    };
    format!("{}. The line is {}.{also}", words.join(", "), source.line_state)
}

/// Returns a time as people say it, in its two largest units.
fn duration(secs: u64) -> String {
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, _) => format!("{minutes} min {} s", secs % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use karez_catalog::RemoteKind;
    use karez_federation::follow::FileCost;
    use karez_types::{GitOid, RepoAddress, RepoKind};

    use super::*;

    fn source() -> SourceCost {
        SourceCost {
            remote: "dushanbe".into(),
            kind: RemoteKind::Peer,
            wire_bytes: 4_000_000_000,
            line: "sat".into(),
            month_bytes_max: Some(20_000_000_000),
            month_bytes_left: Some(16_000_000_000),
            rate_bytes_per_sec: Some(125_000),
            line_state: "open until 06:00".into(),
            also_at: vec!["lagos".into()],
        }
    }

    #[test]
    fn a_person_reads_what_it_costs() {
        let file = |path: &str, note: Option<&str>| FileCost {
            path: path.parse().unwrap(),
            file_bytes: 4_000_000_000,
            wire_bytes: 0,
            note: note.map(str::to_owned),
        };
        let commit: GitOid = "0123456789012345678901234567890123456789".parse().unwrap();
        let cost = Cost {
            repo: RepoAddress::parse(RepoKind::Model, "amina/base").unwrap(),
            commit: Some(commit),
            is_new: true,
            files: vec![file("a.bin", Some("here")), file("b.bin", Some("counted whole: it is gone"))],
            sources: vec![source()],
            warning: None,
        };
        let main = Revision::main();
        let words = words_of(&cost, &main);
        let expected = format!(
            "amina/base at main ({commit}): 2 large files, 8 GB.\n\
             Its commits and small files were not here; they came now, and stay.\n\
             b.bin, 4 GB: counted whole: it is gone.\n\
             4 GB would travel from dushanbe over the line sat, 25 % of the 16 GB that are left this month, \
             8 h 53 min at its rate. The line is open until 06:00. It is also at lagos."
        );
        assert_eq!(words, expected);
        assert_eq!(json_of(&cost, &main)["sources"][0]["seconds"], 32_000);
        let spent = SourceCost { month_bytes_left: Some(0), rate_bytes_per_sec: None, ..source() };
        assert!(source_words(&spent).contains("more than the 0 B that are left this month, for a time that nobody"));
        let none = words_of(&Cost { sources: Vec::new(), is_new: false, ..cost.clone() }, &main);
        assert!(none.ends_with("Nothing would travel."), "{none}");
        let own = words_of(&Cost { commit: None, ..cost }, &main);
        assert_eq!(own, "amina/base is this node's own: nothing would travel.");
    }

    #[test]
    fn times_have_two_units() {
        let said: Vec<String> = [5, 65, 3_660, 90_000, 864_000].map(duration).into();
        assert_eq!(said, ["5 s", "1 min 5 s", "1 h 1 min", "1 d 1 h", "10 d 0 h"]);
    }
}
