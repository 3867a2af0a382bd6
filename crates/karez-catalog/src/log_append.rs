//! Writing entries of the node's log, inside the transactions of the acts that they record.
//!
//! An entry takes the index that the one row of `log_head` holds, and whoever takes it holds the row
//! until the transaction ends: a transaction that fails leaves no gap. It is the last thing that a
//! transaction waits for, so writers do not deadlock over it.
//!
//! In the log is what this node is the origin of and everyone may read: public, not gated, no mirror.

use karez_formats::log_entry::{LogAct, LogEntry, LogFacts, address_text};
use karez_types::{GitOid, RefName, RepoAddress, RepoId, Timestamp, Visibility, fold_name};

use crate::CatalogError;
use crate::engine::{Tx, args};
use crate::model::Repo;
use crate::repo::repo_in;
use crate::row::valid;

/// A ref that was created (no `from`), moved, or deleted (no `to`).
pub(crate) struct RefMove<'a> {
    pub(crate) name: &'a RefName,
    pub(crate) from: Option<GitOid>,
    pub(crate) to: Option<GitOid>,
}

/// Records the move of a ref of a public repository.
pub(crate) async fn log_ref(
    tx: &mut Tx,
    repo: RepoId,
    moved: &RefMove<'_>,
    now: Timestamp,
) -> Result<(), CatalogError> {
    let Some(repo) = repo_in(tx, repo).await?.filter(is_in_log) else { return Ok(()) };
    let name = moved.name.clone();
    let act = match (moved.from, moved.to) {
        (previous, Some(target)) => {
            let facts = if name.as_str() == "refs/heads/main" { Some(facts_of(tx, &repo).await?) } else { None };
            LogAct::Ref { name, target, previous, facts }
        }
        (Some(previous), None) => LogAct::Unref { name, previous },
        (None, None) => return Ok(()),
    };
    append(tx, &repo, act, now).await
}

/// Records what a change of a repository means to the world: it appeared, vanished, or moved. Nothing of
/// each side stands for a repository that is not there.
pub(crate) async fn log_change(
    tx: &mut Tx,
    before: Option<&Repo>,
    after: Option<&Repo>,
    now: Timestamp,
) -> Result<(), CatalogError> {
    let (was, is) = (before.filter(|repo| is_in_log(repo)), after.filter(|repo| is_in_log(repo)));
    match (was, is) {
        (None, Some(new)) => {
            let act = LogAct::Publish { head: new.head, facts: facts_of(tx, new).await? };
            append(tx, new, act, now).await
        }
        (Some(old), None) => {
            let act = if after.is_some() { LogAct::Withdraw } else { LogAct::Delete };
            append(tx, old, act, now).await
        }
        (Some(old), Some(new)) if old.address() != new.address() => {
            append(tx, old, LogAct::Move { to: new.address() }, now).await
        }
        _ => Ok(()),
    }
}

fn is_in_log(repo: &Repo) -> bool {
    repo.visibility == Visibility::Public && repo.gated == "false" && repo.mirror.is_none()
}

async fn facts_of(tx: &mut Tx, repo: &Repo) -> Result<LogFacts, CatalogError> {
    let row = tx
        .row(
            "SELECT CAST(COALESCE(SUM(x.file_bytes), 0) AS BIGINT)
             FROM repo_file f JOIN lfs_file l ON l.sha256 = f.sha256 JOIN xet_file x ON x.hash = l.hash
             WHERE f.repo_id = $1",
            args![repo.id],
        )
        .await?;
    Ok(LogFacts {
        file_bytes: row.map_or(Ok(0), |row| row.count("repo_file", 0))?,
        tags: repo.tags.clone(),
        license: repo.tags.iter().find_map(|tag| tag.strip_prefix("license:")).map(str::to_owned),
        pipeline_tag: repo.pipeline_tag.clone(),
        library_name: repo.library_name.clone(),
    })
}

async fn append(tx: &mut Tx, repo: &Repo, act: LogAct, now: Timestamp) -> Result<(), CatalogError> {
    let oid = match &act {
        LogAct::Publish { head, .. } => *head,
        LogAct::Ref { target, .. } => Some(*target),
        LogAct::Unref { .. } | LogAct::Withdraw | LogAct::Move { .. } | LogAct::Delete => None,
    };
    let (gone, held) = match &act {
        LogAct::Publish { .. } | LogAct::Ref { .. } | LogAct::Unref { .. } => (None, Some(repo.address())),
        LogAct::Withdraw | LogAct::Delete => (Some(repo.address()), None),
        LogAct::Move { to } => (Some(repo.address()), Some(to.clone())),
    };
    let entry = LogEntry { repo: repo.address(), at_secs: now.unix_secs(), act };
    let folded = fold_name(&address_text(&entry.repo));
    let row = tx.row("UPDATE log_head SET next = next + 1 WHERE one = 1 RETURNING next - 1", args![]).await?;
    let index = valid("log_head", "the row that counts entries is gone", row)?.count("log_head", 0)?;
    tx.execute(
        "INSERT INTO log_entry (idx, at, repo, oid, content) VALUES ($1, $2, $3, $4, $5)",
        args![index, now, &folded, oid.as_ref().map(|oid| oid.as_bytes().as_slice()), &entry.encode()],
    )
    .await?;
    if let Some(address) = gone {
        publication_note(tx, &address, index, None, now).await?;
    }
    if let Some(address) = held {
        publication_note(tx, &address, index, Some(repo.id), now).await?;
    }
    Ok(())
}

/// Notes the latest entry about an address: what is published there, or that nothing is any more.
async fn publication_note(
    tx: &mut Tx,
    address: &RepoAddress,
    index: u64,
    repo: Option<RepoId>,
    now: Timestamp,
) -> Result<(), CatalogError> {
    let folded = fold_name(&address_text(address));
    tx.execute(
        "INSERT INTO publication (address, idx, changed, repo_id, is_gone) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (address) DO UPDATE SET idx = excluded.idx, changed = excluded.changed,
             repo_id = excluded.repo_id, is_gone = excluded.is_gone",
        args![&folded, index, now, repo.map(|repo| repo.0), repo.is_none()],
    )
    .await?;
    Ok(())
}
