//! `karez repo`

use std::process::ExitCode;

use anyhow::bail;
use karez_catalog::Repo as Row;
use karez_hub::{Actor, Hub, RepoSearch, RepoSettings, RepoWish};
use karez_types::{OwnerName, RepoAddress, RepoKind, Visibility};
use serde_json::{Value, json};

use super::origin;
use crate::cli::Repo;
use crate::config::Settings;
use crate::{node, print};

/// Runs one command.
pub async fn run(command: Repo, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let actor = Actor::Operator;
    match command {
        Repo::Create { repo, private, sdk } => {
            let RepoAddress { kind, owner, name } = address(&repo)?;
            let visibility = if private { Visibility::Private } else { Visibility::Public };
            let wish = RepoWish { kind, owner: Some(owner), name, visibility, sdk };
            let row = hub.repo_create(&actor, wish).await?;
            let sentence = format!("Created the {} {} {}.", row.visibility, row.kind, row.address());
            print::either(as_json, &repo_json(&row), &sentence);
        }
        Repo::List { kind, owner } => {
            let rows = list(&hub, kind, owner.as_ref()).await?;
            let json = Value::Array(rows.iter().map(repo_json).collect());
            let cells =
                |row: &Row| vec![row.address().to_string(), row.visibility.to_string(), row.modified.to_string()];
            let cells: Vec<_> = rows.iter().map(cells).collect();
            let heading = ["REPOSITORY", "SEEN BY", "CHANGED"];
            print::table(as_json, &json, &heading, &cells, "There are no repositories.");
        }
        Repo::Delete { repo, yes } => {
            let address = address(&repo)?;
            if !yes {
                bail!("this deletes {address} for good. If you mean it, add --yes");
            }
            hub.repo_delete(&actor, &address).await?;
            print::either(as_json, &json!({ "deleted": address.to_string() }), &format!("Deleted {address}."));
        }
        Repo::Move { from, to } => {
            let from = address(&from)?;
            let to = target(from.kind, &to)?;
            let row = hub.repo_move(&actor, &from, &to).await?;
            let sentence = format!("{from} is now {}. The old address leads there.", row.address());
            print::either(as_json, &repo_json(&row), &sentence);
        }
        Repo::Origin { repo } => origin::show(&hub, &address(&repo)?, as_json).await?,
        Repo::Pin { repo } => origin::pin(&hub, &address(&repo)?, true, as_json).await?,
        Repo::Unpin { repo } => origin::pin(&hub, &address(&repo)?, false, as_json).await?,
        Repo::Visibility { repo, visibility } => {
            let address = address(&repo)?;
            let change = RepoSettings { visibility: Some(visibility), ..RepoSettings::default() };
            hub.repo_settings_change(&actor, &address, change).await?;
            let json = json!({ "repo": address.to_string(), "visibility": visibility.as_str() });
            print::either(as_json, &json, &format!("{address} is now {visibility}."));
        }
    }
    hub.catalog().close().await;
    Ok(ExitCode::SUCCESS)
}

/// Reads `owner/name` as a model, `datasets/owner/name` as a dataset, and so on.
pub fn address(text: &str) -> anyhow::Result<RepoAddress> {
    let of_kind = |kind: &&RepoKind| {
        let (prefix, plural) = (kind.url_prefix(), kind.plural());
        !prefix.is_empty() && text.starts_with(prefix)
            || text.strip_prefix(plural).is_some_and(|rest| rest.starts_with('/'))
    };
    let kind = RepoKind::ALL.iter().find(of_kind).copied();
    let id = match kind {
        Some(kind) => &text[kind.plural().len() + 1..],
        None => text,
    };
    Ok(RepoAddress::parse(kind.unwrap_or(RepoKind::Model), id)?)
}

/// Reads where a repository goes: the kind may be left out and must not change.
fn target(kind: RepoKind, text: &str) -> anyhow::Result<RepoAddress> {
    if let Ok(address) = RepoAddress::parse(kind, text) {
        return Ok(address);
    }
    let to = address(text)?;
    if to.kind != kind {
        bail!("a {kind} cannot become a {}", to.kind);
    }
    Ok(to)
}

async fn list(hub: &Hub, kind: Option<RepoKind>, owner: Option<&OwnerName>) -> anyhow::Result<Vec<Row>> {
    let kinds = kind.map_or(RepoKind::ALL.to_vec(), |kind| vec![kind]);
    let mut rows = Vec::new();
    for kind in kinds {
        let mut cursor = None;
        loop {
            let author = owner.map(ToString::to_string);
            let search = RepoSearch { author, cursor, fields: Vec::new(), ..RepoSearch::all(kind) };
            let page = hub.repo_list(&Actor::Operator, search).await?;
            rows.extend(page.items.into_iter().map(|info| info.repo));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(rows)
}

fn repo_json(row: &Row) -> Value {
    json!({
        "kind": row.kind.as_str(),
        "id": row.address().id(),
        "visibility": row.visibility.as_str(),
        "created": row.created,
        "modified": row.modified,
        "downloads": row.downloads,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_kind() {
        let read = |text: &str| address(text).unwrap().to_string();
        assert_eq!(read("a/b"), "a/b");
        assert_eq!(read("models/a/b"), "a/b");
        assert_eq!(read("datasets/a/b"), "datasets/a/b");
        assert_eq!(read("kernels/a/b"), "kernels/a/b");
        for text in ["a", "datasets/a", "datasets/a/b/c", "", "é/b"] {
            assert!(address(text).is_err(), "{text}");
        }
        assert_eq!(target(RepoKind::Dataset, "c/d").unwrap().to_string(), "datasets/c/d");
        assert!(target(RepoKind::Dataset, "spaces/c/d").is_err());
    }
}
