//! The transaction that makes a commit true.

use karez_formats::git::GitKind;
use karez_types::{GitOid, RefName, RepoId, Timestamp};

use crate::discussion::{pull_request_insert, pull_request_merge};
use crate::engine::{Tx, transact};
use crate::garbage::{Hold, files_hold, files_revive, ordered};
use crate::git::{objects_insert, ref_target, repo_hold};
use crate::log_append::{RefMove, log_ref};
use crate::model::{CommitContent, CommitOutcome, CommitWrite, Proposal};
use crate::quota::quota_check;
use crate::repo::write_facts;
use crate::value::Value;
use crate::zone::files_join_zone;
use crate::{Catalog, CatalogError};

/// A move of one ref with what it brings, inside a transaction.
pub(crate) struct CommitPlan<'a> {
    pub(crate) repo_id: RepoId,
    pub(crate) ref_name: &'a RefName,
    pub(crate) expected: Option<GitOid>,
    pub(crate) content: &'a CommitContent,
    /// Whether the move is an entry of the log; a creation writes an entry of its own.
    pub(crate) is_logged: bool,
}

impl Catalog {
    /// Applies a commit: objects, ref, the files that the repository may serve, their zones, what
    /// listings show and what becomes of a pull request become true and durable together, or nothing changes. Of
    /// several commits that expect the same target, exactly one is applied.
    pub async fn commit_apply(&self, write: &CommitWrite, now: Timestamp) -> Result<CommitOutcome, CatalogError> {
        transact!(self, |tx| {
            let CommitWrite { repo_id, ref_name, expected, content, proposal } = write;
            let plan = CommitPlan { repo_id: *repo_id, ref_name, expected: *expected, content, is_logged: true };
            let outcome = write_commit(tx, &plan, self.owner_bytes_max, now).await?;
            if outcome != CommitOutcome::Applied {
                return tx.give_up(outcome);
            }
            let is_open = match proposal {
                None => true,
                Some(Proposal::Opens(request)) => {
                    pull_request_insert(tx, *repo_id, request, now).await?;
                    true
                }
                Some(Proposal::Merges(merge)) => pull_request_merge(tx, *repo_id, merge, content.target, now).await?,
            };
            if !is_open {
                return tx.give_up(CommitOutcome::NotOpen);
            }
            Ok(outcome)
        })
    }
}

/// Writes a commit. When the outcome is not `Applied`, the transaction must be given up.
pub(crate) async fn write_commit(
    tx: &mut Tx,
    plan: &CommitPlan<'_>,
    owner_bytes_max: Option<u64>,
    now: Timestamp,
) -> Result<CommitOutcome, CatalogError> {
    let CommitPlan { repo_id, ref_name, expected, content, is_logged } = *plan;
    // The lock on the repository comes first, so everything that is checked below stays true.
    let Some(may_be_logged) = repo_hold(tx, repo_id, ref_name.is_branch().then_some(now)).await? else {
        return Ok(CommitOutcome::RepoMissing);
    };
    let current = ref_target(tx, repo_id, ref_name).await?;
    if current != expected {
        return Ok(CommitOutcome::Conflict { current });
    }
    let named = ordered(&content.files);
    let named: Vec<Value> = named.iter().map(Value::from).collect();
    let held = files_hold(tx, &named, Hold::Shared).await?;
    if let Some(missing) = content.files.iter().find(|file| !held.contains(file.as_bytes().as_slice())) {
        return Ok(CommitOutcome::FileMissing(*missing));
    }
    if let Some(over) = quota_check(tx, owner_bytes_max, repo_id, &content.files).await? {
        return Ok(CommitOutcome::OverQuota(over));
    }
    objects_insert(tx, &content.objects).await?;
    own_commits_insert(tx, repo_id, content).await?;
    let files: Vec<Value> = content.files.iter().flat_map(|file| [repo_id.into(), file.into()]).collect();
    tx.insert_rows("INSERT INTO repo_file (repo_id, sha256)", 2, "ON CONFLICT DO NOTHING", &files).await?;
    files_revive(tx, &named).await?;
    for &zone in &content.zones {
        files_join_zone(tx, &content.files, zone).await?;
    }
    if let Some(facts) = &content.facts {
        write_facts(tx, repo_id, facts).await?;
    }
    crate::git::ref_swap(tx, repo_id, ref_name, expected, content.target).await?;
    if is_logged && may_be_logged {
        log_ref(tx, repo_id, &RefMove { name: ref_name, from: expected, to: Some(content.target) }, now).await?;
    }
    Ok(CommitOutcome::Applied)
}

/// Makes the commits and tags among the objects known as the repository's own.
async fn own_commits_insert(tx: &mut Tx, repo_id: RepoId, content: &CommitContent) -> Result<(), CatalogError> {
    let objects = content.objects.iter().filter(|object| matches!(object.kind, GitKind::Commit | GitKind::Tag));
    let values: Vec<Value> = objects
        .map(|object| &object.oid)
        .chain([&content.target])
        .flat_map(|oid| [repo_id.into(), oid.into()])
        .collect();
    tx.insert_rows("INSERT INTO repo_commit (repo_id, oid)", 2, "ON CONFLICT DO NOTHING", &values).await?;
    Ok(())
}
