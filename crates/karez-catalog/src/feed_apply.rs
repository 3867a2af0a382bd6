//! What a verified piece of a peer's log changes here: one transaction, so that the place up to which
//! a log was read and what was read there never disagree.

use karez_formats::log_entry::address_text;
use karez_types::{RemoteId, RepoAddress, Timestamp, fold_name};

use crate::engine::{Tx, args, transact};
use crate::feed::feed_begin;
use crate::model::{FeedAct, FeedChange, FeedFacts, FeedTree};
use crate::value::Value;
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Moves a feed from `expected_size` entries on, with what the entries in between say. Tells whether
    /// it did: not when another process has moved it meanwhile, or the peer is gone.
    pub async fn feed_apply(
        &self,
        remote: RemoteId,
        expected_size: u64,
        tree: &FeedTree,
        changes: &[FeedChange],
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            if !feed_move(tx, remote, expected_size, tree, now).await? {
                return tx.give_up(false);
            }
            for change in changes {
                apply(tx, remote, change).await?;
            }
            Ok(true)
        })
    }
}

async fn feed_move(
    tx: &mut Tx,
    remote: RemoteId,
    expected_size: u64,
    tree: &FeedTree,
    now: Timestamp,
) -> Result<bool, CatalogError> {
    if expected_size == 0 {
        feed_begin(tx, remote).await?;
    }
    let sql = "UPDATE feed SET size = $3, frontier = $4, note = $5, polled = $6, changed = $6, trouble = NULL
               WHERE remote_id = $1 AND size = $2";
    let moved = tx.execute(sql, args![remote, expected_size, tree.size, &tree.frontier, &tree.note, now]).await?;
    Ok(moved == 1)
}

async fn apply(tx: &mut Tx, remote: RemoteId, change: &FeedChange) -> Result<(), CatalogError> {
    match &change.act {
        FeedAct::Publish { head, facts } => {
            let head_idx = head.is_some().then_some(change.idx);
            upsert(tx, remote, change, head.as_ref().map(|head| head.as_bytes().as_slice()), head_idx, facts).await
        }
        FeedAct::Head { head, facts } => {
            let head = head.as_ref().map(|head| head.as_bytes().as_slice());
            let head_idx = head.is_some().then_some(change.idx);
            match facts {
                Some(facts) if !is_known(tx, remote, &change.repo).await? => {
                    upsert(tx, remote, change, head, head_idx, facts).await
                }
                facts => {
                    let key = fold_name(&change.repo.id());
                    let sql = "UPDATE feed_repo SET head = $4, at = $5, idx = $6, head_idx = $7
                               WHERE remote_id = $1 AND kind = $2 AND id_folded = $3";
                    let args = args![
                        remote,
                        change.repo.kind.as_str(),
                        &key,
                        Value::Blob(head),
                        change.at,
                        change.idx,
                        head_idx
                    ];
                    tx.execute(sql, args).await?;
                    match facts {
                        Some(facts) => facts_update(tx, remote, &change.repo, facts).await,
                        None => Ok(()),
                    }
                }
            }
        }
        FeedAct::Ref => mark(tx, remote, change, None, None).await,
        FeedAct::Withdraw => mark(tx, remote, change, Some("withdrawn"), None).await,
        FeedAct::Delete => mark(tx, remote, change, Some("deleted"), None).await,
        FeedAct::Move { to } => {
            copy_to(tx, remote, change, to).await?;
            // A change of case alone is the same row under another spelling.
            if fold_name(&change.repo.id()) == fold_name(&to.id()) && change.repo.kind == to.kind {
                return Ok(());
            }
            mark(tx, remote, change, Some("moved"), Some(&address_text(to))).await
        }
    }
}

async fn is_known(tx: &mut Tx, remote: RemoteId, repo: &RepoAddress) -> Result<bool, CatalogError> {
    let sql = "SELECT 1 FROM feed_repo WHERE remote_id = $1 AND kind = $2 AND id_folded = $3";
    Ok(tx.row(sql, args![remote, repo.kind.as_str(), &fold_name(&repo.id())]).await?.is_some())
}

/// Writes a repository as public with all that is known of it.
async fn upsert(
    tx: &mut Tx,
    remote: RemoteId,
    change: &FeedChange,
    head: Option<&[u8]>,
    head_idx: Option<u64>,
    facts: &FeedFacts,
) -> Result<(), CatalogError> {
    let repo = &change.repo;
    let id = repo.id();
    let tags = tags_text(&facts.tags);
    tx.execute(
        "INSERT INTO feed_repo (remote_id, kind, id_folded, owner_folded, id, head, at, idx, head_idx, done_idx, state,
             moved_to, file_bytes, tags, license, pipeline_tag, library_name)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, -1, 'public', NULL, $10, $11, $12, $13, $14)
         ON CONFLICT (remote_id, kind, id_folded) DO UPDATE SET id = excluded.id, head = excluded.head,
             at = excluded.at, idx = excluded.idx, head_idx = excluded.head_idx, state = 'public', moved_to = NULL,
             file_bytes = excluded.file_bytes, tags = excluded.tags, license = excluded.license,
             pipeline_tag = excluded.pipeline_tag, library_name = excluded.library_name",
        args![
            remote,
            repo.kind.as_str(),
            &fold_name(&id),
            &fold_name(repo.owner.as_str()),
            &id,
            Value::Blob(head),
            change.at,
            change.idx,
            head_idx,
            facts.file_bytes,
            &tags,
            facts.license.as_deref(),
            facts.pipeline_tag.as_deref(),
            facts.library_name.as_deref(),
        ],
    )
    .await
    .map(drop)
}

async fn facts_update(
    tx: &mut Tx,
    remote: RemoteId,
    repo: &RepoAddress,
    facts: &FeedFacts,
) -> Result<(), CatalogError> {
    let tags = tags_text(&facts.tags);
    tx.execute(
        "UPDATE feed_repo SET file_bytes = $4, tags = $5, license = $6, pipeline_tag = $7, library_name = $8
         WHERE remote_id = $1 AND kind = $2 AND id_folded = $3",
        args![
            remote,
            repo.kind.as_str(),
            &fold_name(&repo.id()),
            facts.file_bytes,
            &tags,
            facts.license.as_deref(),
            facts.pipeline_tag.as_deref(),
            facts.library_name.as_deref(),
        ],
    )
    .await
    .map(drop)
}

/// Notes that something happened to a repository; a state that is not given stays.
async fn mark(
    tx: &mut Tx,
    remote: RemoteId,
    change: &FeedChange,
    state: Option<&str>,
    moved_to: Option<&str>,
) -> Result<(), CatalogError> {
    let sql = "UPDATE feed_repo SET at = $4, idx = $5, state = COALESCE($6, state), moved_to = COALESCE($7, moved_to)
               WHERE remote_id = $1 AND kind = $2 AND id_folded = $3";
    let key = fold_name(&change.repo.id());
    let args = args![remote, change.repo.kind.as_str(), &key, change.at, change.idx, state, moved_to];
    tx.execute(sql, args).await.map(drop)
}

/// Gives a new address all that is known of the old one.
async fn copy_to(tx: &mut Tx, remote: RemoteId, change: &FeedChange, to: &RepoAddress) -> Result<(), CatalogError> {
    let id = to.id();
    tx.execute(
        "INSERT INTO feed_repo (remote_id, kind, id_folded, owner_folded, id, head, at, idx, head_idx, done_idx, state,
             moved_to, file_bytes, tags, license, pipeline_tag, library_name)
         SELECT remote_id, CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS TEXT), head,
             CAST($8 AS BIGINT), CAST($9 AS BIGINT), head_idx, -1, state, NULL, file_bytes, tags, license, pipeline_tag,
             library_name
         FROM feed_repo WHERE remote_id = $1 AND kind = $2 AND id_folded = $3
         ON CONFLICT (remote_id, kind, id_folded) DO UPDATE SET id = excluded.id, head = excluded.head,
             at = excluded.at, idx = excluded.idx, head_idx = excluded.head_idx, state = excluded.state,
             moved_to = NULL, file_bytes = excluded.file_bytes, tags = excluded.tags, license = excluded.license,
             pipeline_tag = excluded.pipeline_tag, library_name = excluded.library_name",
        args![
            remote,
            change.repo.kind.as_str(),
            &fold_name(&change.repo.id()),
            to.kind.as_str(),
            &fold_name(&id),
            &fold_name(to.owner.as_str()),
            &id,
            change.at,
            change.idx,
        ],
    )
    .await
    .map(drop)
}

fn tags_text(tags: &[String]) -> String {
    serde_json::Value::from(tags.to_vec()).to_string()
}
