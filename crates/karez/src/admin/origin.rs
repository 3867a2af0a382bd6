//! `karez repo origin`, `pin` and `unpin`: where a repository comes from, and what is decided about it here.

use anyhow::{Context, bail};
use karez_catalog::{Keep, Mirror, MirrorPatch, Repo};
use karez_hub::Hub;
use karez_types::RepoAddress;
use serde_json::json;

use crate::print;

async fn find(hub: &Hub, address: &RepoAddress) -> anyhow::Result<(Repo, Option<Mirror>)> {
    let found = hub.catalog().repo_find(address).await?.with_context(|| format!("there is no repository {address}"))?;
    let mirror = hub.catalog().mirror_by_repo(found.repo.id).await?;
    Ok((found.repo, mirror))
}

/// Says where a repository comes from.
pub async fn show(hub: &Hub, address: &RepoAddress, as_json: bool) -> anyhow::Result<()> {
    let (repo, mirror) = find(hub, address).await?;
    let Some(mirror) = mirror else {
        let json = json!({ "repo": repo.address().to_string(), "origin": null });
        print::either(as_json, &json, &format!("{} is this node's own.", repo.address()));
        return Ok(());
    };
    let remote = hub.catalog().remote_get(mirror.remote).await?;
    let name = remote.as_ref().map_or("a remote that is gone", |remote| remote.name.as_str());
    let json = json!({
        "repo": repo.address().to_string(),
        "origin": { "remote": name, "url": remote.as_ref().map(|remote| &remote.url), "repo": mirror.remote_repo.to_string() },
        "keep": mirror.keep.as_str(),
        "held_since": mirror.held_since,
        "checked": mirror.checked,
        "verified_by": mirror.verified_by,
        "is_restricted": mirror.is_restricted,
        "is_whole_history": mirror.is_whole_history,
        "is_pinned": mirror.is_pinned,
        "withdrawn": mirror.withdrawn,
        "local_override": mirror.local_override,
    });
    print::either(as_json, &json, &sentences(&repo, &mirror, name).join("\n"));
    Ok(())
}

fn sentences(repo: &Repo, mirror: &Mirror, remote: &str) -> Vec<String> {
    let mut lines = vec![
        format!("{} comes from {remote}, where it is {}.", repo.address(), mirror.remote_repo),
        format!("Held since {}; last found as it is there {}.", mirror.held_since, mirror.checked),
        format!("Verified by {}; every large file by its sha256.", mirror.verified_by),
        match mirror.keep {
            Keep::Metadata => "Kept: history and small files.".to_owned(),
            Keep::Demand => "Kept: history, small files, and the large files that somebody asked for.".to_owned(),
            Keep::Whole => "Kept: everything.".to_owned(),
        },
    ];
    if mirror.is_restricted {
        lines.push("Private or gated there: read by people whom it allows, each with their own right.".to_owned());
    }
    if !mirror.is_whole_history {
        lines.push("Older commits are fetched when somebody asks for the history.".to_owned());
    }
    if mirror.is_pinned {
        lines.push("Pinned: its files are never removed to make room.".to_owned());
    }
    if let Some(withdrawn) = mirror.withdrawn {
        let decided = match mirror.local_override.as_deref() {
            Some("hide") => "here it is hidden, by the operator's word",
            Some(_) => "here it stays, by the operator's word",
            None => "what happens here is decided by the settings of the remote",
        };
        lines.push(format!("No longer public there since {withdrawn}; {decided}."));
    }
    lines
}

/// Pins a repository from elsewhere, or unpins it.
pub async fn pin(hub: &Hub, address: &RepoAddress, is_pinned: bool, as_json: bool) -> anyhow::Result<()> {
    let (repo, mirror) = find(hub, address).await?;
    if mirror.is_none() {
        bail!("{} is this node's own: its files are never removed to make room", repo.address());
    }
    let patch = MirrorPatch { is_pinned: Some(is_pinned), ..MirrorPatch::default() };
    hub.mirror_change(&repo, &patch).await?;
    let json = json!({ "repo": repo.address().to_string(), "is_pinned": is_pinned });
    let sentence = match is_pinned {
        true => format!("Pinned {}: its files are never removed to make room.", repo.address()),
        false => format!("Unpinned {}: its files may be removed when room is needed.", repo.address()),
    };
    print::either(as_json, &json, &sentence);
    Ok(())
}
