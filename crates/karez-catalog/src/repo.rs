//! Repositories: creation, address, settings. Listings are in `repo_list`.

use karez_types::{
    AccountId, GitOid, OwnerName, RemoteId, RepoAddress, RepoId, RepoKind, RepoName, Timestamp, Visibility, Zone,
    fold_name,
};

use crate::change::repo_changed;
use crate::commit::{CommitPlan, write_commit};
use crate::engine::{Tx, args, transact};
use crate::git::repo_lock;
use crate::list::rows_in_list;
use crate::log_append::log_change;
use crate::model::{
    AccountKind, CommitContent, CommitOutcome, Found, MirrorMark, NewRepo, Owner, Repo, RepoCreated, RepoFacts,
    RepoMoved, RepoPatch,
};
use crate::quota::{quota_after, quota_before};
use crate::row::{Row, valid};
use crate::trend::Trend;
use crate::value::Value;
use crate::zone::{repo_files_join_zone, repo_files_leave_public};
use crate::{Catalog, CatalogError};

const TABLE: &str = "repo";

/// Columns and joins of a repository, in the order in which [`repo_at`] reads them. `r` is the
/// repository; more joins, `WHERE` and the rest may follow.
macro_rules! select_repo {
    ($rest:expr) => {
        concat!(
            "SELECT r.id, r.kind, r.owner_id, a.name, a.kind, r.name, r.visibility, r.gated, r.sdk, r.created,
                    r.modified, r.downloads, r.likes, r.tags, r.pipeline_tag, r.library_name, h.target,
                    m.remote_id, m.is_restricted, m.withdrawn, m.is_hidden, r.trend
             FROM repo r JOIN account a ON a.id = r.owner_id
             LEFT JOIN git_ref h ON h.repo_id = r.id AND h.name = 'refs/heads/main'
             LEFT JOIN mirror m ON m.repo_id = r.id ",
            $rest
        )
    };
}
pub(crate) use select_repo;

pub(crate) fn repo_at(row: &Row) -> Result<Repo, CatalogError> {
    let tags = row.text(13)?;
    let head = row.opt_blob(16)?;
    Ok(Repo {
        id: RepoId(row.int(0)?),
        kind: row.word(TABLE, 1, RepoKind::from_word)?,
        owner: Owner {
            id: AccountId(row.int(2)?),
            name: row.word("account", 3, |text| text.parse().ok())?,
            kind: row.word("account", 4, AccountKind::from_word)?,
        },
        name: row.word(TABLE, 5, |text| text.parse().ok())?,
        visibility: row.word(TABLE, 6, Visibility::from_word)?,
        gated: row.text(7)?,
        sdk: row.opt_text(8)?,
        created: row.moment(9)?,
        modified: row.moment(10)?,
        downloads: row.count(TABLE, 11)?,
        likes: row.count(TABLE, 12)?,
        tags: valid(TABLE, "tags are not a JSON list of texts", serde_json::from_str(&tags).ok())?,
        pipeline_tag: row.opt_text(14)?,
        library_name: row.opt_text(15)?,
        head: head
            .map(|bytes| valid("git_ref", "a hash of the wrong length", GitOid::from_slice(&bytes)))
            .transpose()?,
        mirror: mark_at(row, 17)?,
        trend: Trend(row.int(21)?),
    })
}

/// Reads what a left join found of a mirror.
fn mark_at(row: &Row, at: usize) -> Result<Option<MirrorMark>, CatalogError> {
    let Some(remote) = row.opt_int(at)? else { return Ok(None) };
    Ok(Some(MirrorMark {
        remote: RemoteId(remote),
        is_restricted: row.flag(at + 1)?,
        withdrawn: row.opt_int(at + 2)?.map(Timestamp),
        is_hidden: row.flag(at + 3)?,
    }))
}

/// Returns `owner/name` in lower case: two addresses that differ only in case are the same.
pub(crate) fn id_folded(owner: &OwnerName, name: &RepoName) -> String {
    fold_name(&format!("{owner}/{name}"))
}

pub(crate) async fn repo_in(tx: &mut Tx, id: RepoId) -> Result<Option<Repo>, CatalogError> {
    let row = tx.row(select_repo!("WHERE r.id = $1"), args![id]).await?;
    row.as_ref().map(repo_at).transpose()
}

pub(crate) async fn repo_at_address(
    tx: &mut Tx,
    kind: RepoKind,
    id_folded: &str,
) -> Result<Option<Repo>, CatalogError> {
    let row = tx.row(select_repo!("WHERE r.kind = $1 AND r.id_folded = $2"), args![kind.as_str(), id_folded]).await?;
    row.as_ref().map(repo_at).transpose()
}

async fn owner_name(tx: &mut Tx, owner: AccountId) -> Result<Option<OwnerName>, CatalogError> {
    let row = tx.row("SELECT name FROM account WHERE id = $1", args![owner]).await?;
    row.map(|row| row.word("account", 0, |text| text.parse().ok())).transpose()
}

/// Ends the redirect from an address that a repository takes.
pub(crate) async fn redirect_end(tx: &mut Tx, kind: RepoKind, id_folded: &str) -> Result<(), CatalogError> {
    let args = args![kind.as_str(), id_folded];
    tx.execute("DELETE FROM repo_redirect WHERE kind = $1 AND id_folded = $2", args).await?;
    Ok(())
}

impl Catalog {
    /// Creates a repository with its first commit on `main`, or gives the one that has the name.
    pub async fn repo_create(
        &self,
        new: &NewRepo,
        initial: &CommitContent,
        now: Timestamp,
    ) -> Result<RepoCreated, CatalogError> {
        transact!(self, |tx| {
            let Some(owner) = owner_name(tx, new.owner).await? else { return Ok(RepoCreated::OwnerMissing) };
            let folded = id_folded(&owner, &new.name);
            let row = tx
                .row(
                    "INSERT INTO repo (kind, owner_id, name, id_folded, visibility, gated, sdk, created, modified,
                                       downloads, likes, tags, pull_requests)
                     VALUES ($1, $2, $3, $4, $5, 'false', $6, $7, $7, 0, 0, '[]', 0)
                     ON CONFLICT (kind, id_folded) DO NOTHING RETURNING id",
                    args![
                        new.kind.as_str(),
                        new.owner,
                        &new.name,
                        &folded,
                        new.visibility.as_str(),
                        new.sdk.as_deref(),
                        now
                    ],
                )
                .await?;
            let Some(row) = row else {
                let taken = repo_at_address(tx, new.kind, &folded).await?;
                return Ok(RepoCreated::Taken(valid(TABLE, "a repository vanished while it was looked at", taken)?));
            };
            let id = RepoId(row.int(0)?);
            redirect_end(tx, new.kind, &folded).await?;
            repo_changed(tx, id).await?;
            let main = "refs/heads/main".parse().expect("the name of the main branch is valid");
            let plan = CommitPlan { repo_id: id, ref_name: &main, expected: None, content: initial, is_logged: false };
            let written = write_commit(tx, &plan, self.owner_bytes_max, now).await?;
            if let CommitOutcome::OverQuota(over) = written {
                return tx.give_up(RepoCreated::OverQuota(over));
            }
            assert!(written == CommitOutcome::Applied, "a new repository has no ref to conflict with: {written:?}");
            let repo = valid(TABLE, "a new repository is not there", repo_in(tx, id).await?)?;
            log_change(tx, None, Some(&repo), now).await?;
            Ok(RepoCreated::Created(repo))
        })
    }

    /// Finds a repository by its address, without regard to case, also by one from before a move. One
    /// query unless the address is an old one or there is none.
    pub async fn repo_find(&self, address: &RepoAddress) -> Result<Option<Found>, CatalogError> {
        let folded = id_folded(&address.owner, &address.name);
        let kind = address.kind.as_str();
        let row =
            self.pool.quick_row(select_repo!("WHERE r.kind = $1 AND r.id_folded = $2"), args![kind, &folded]).await?;
        if let Some(row) = row {
            return Ok(Some(Found { repo: repo_at(&row)?, redirected: false }));
        }
        let row = self
            .pool
            .row(
                select_repo!("JOIN repo_redirect d ON d.repo_id = r.id WHERE d.kind = $1 AND d.id_folded = $2"),
                args![kind, &folded],
            )
            .await?;
        row.map(|row| Ok(Found { repo: repo_at(&row)?, redirected: true })).transpose()
    }

    /// Finds a repository by id.
    pub async fn repo_by_id(&self, id: RepoId) -> Result<Option<Repo>, CatalogError> {
        let row = self.pool.quick_row(select_repo!("WHERE r.id = $1"), args![id]).await?;
        row.as_ref().map(repo_at).transpose()
    }

    /// Returns the front matter of the README on `main`, as JSON; `Null` when there is none.
    pub async fn repo_card(&self, id: RepoId) -> Result<serde_json::Value, CatalogError> {
        Ok(self.repo_cards(&[id]).await?.pop().map_or(serde_json::Value::Null, |(_, card)| card))
    }

    /// Returns the cards of several repositories; those without one are left out.
    pub async fn repo_cards(&self, ids: &[RepoId]) -> Result<Vec<(RepoId, serde_json::Value)>, CatalogError> {
        let list: Vec<Value> = ids.iter().map(|&id| id.into()).collect();
        let sql = "SELECT repo_id, card FROM repo_card WHERE repo_id IN ({list})";
        let rows = rows_in_list(&self.pool, sql, &[], &list).await?;
        let card = |row: &Row| {
            let card = serde_json::from_str(&row.text(1)?).ok();
            Ok((RepoId(row.int(0)?), valid("repo_card", "the card is not JSON", card)?))
        };
        rows.iter().map(card).collect()
    }

    /// Deletes a repository with its refs, requests, uploads and redirects. Its objects, files and
    /// xorbs stay until they are collected. Tells whether there was one.
    pub async fn repo_delete(&self, id: RepoId, now: Timestamp) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            repo_lock(tx, id, None).await?;
            let repo = repo_in(tx, id).await?;
            let deleted = tx.execute("DELETE FROM repo WHERE id = $1", args![id]).await?;
            log_change(tx, repo.as_ref(), None, now).await?;
            Ok(deleted == 1)
        })
    }

    /// Moves a repository to another owner or name. The old address redirects from now on; its files
    /// become members of the new owner's zone.
    pub async fn repo_move(
        &self,
        id: RepoId,
        owner: AccountId,
        name: &RepoName,
        now: Timestamp,
    ) -> Result<RepoMoved, CatalogError> {
        transact!(self, |tx| {
            repo_lock(tx, id, None).await?;
            let (Some(repo), Some(owner_name)) = (repo_in(tx, id).await?, owner_name(tx, owner).await?) else {
                return Ok(RepoMoved::Missing);
            };
            let from = id_folded(&repo.owner.name, &repo.name);
            let to = id_folded(&owner_name, name);
            if let Some(taken) = repo_at_address(tx, repo.kind, &to).await?
                && taken.id != id
            {
                return Ok(RepoMoved::Taken(taken));
            }
            let is_given = repo.owner.id != owner;
            let before = if is_given { quota_before(tx, self.owner_bytes_max, owner).await? } else { None };
            let moved = tx
                .execute(
                    "UPDATE repo SET owner_id = $2, name = $3, id_folded = $4 WHERE id = $1 AND id_folded = $5",
                    args![id, owner, name, &to, &from],
                )
                .await?;
            if moved == 0 {
                return Ok(RepoMoved::Missing);
            }
            if let Some(over) = quota_after(tx, owner, before).await? {
                return tx.give_up(RepoMoved::OverQuota(over));
            }
            redirect_end(tx, repo.kind, &to).await?;
            if from != to {
                tx.execute(
                    "INSERT INTO repo_redirect (kind, id_folded, repo_id) VALUES ($1, $2, $3)
                     ON CONFLICT (kind, id_folded) DO UPDATE SET repo_id = excluded.repo_id",
                    args![repo.kind.as_str(), &from, id],
                )
                .await?;
            }
            if is_given {
                repo_files_join_zone(tx, id, Zone::of_owner(owner)).await?;
            }
            let moved = valid(TABLE, "a repository vanished while it moved", repo_in(tx, id).await?)?;
            log_change(tx, Some(&repo), Some(&moved), now).await?;
            Ok(RepoMoved::Moved(moved))
        })
    }

    /// Changes what the patch names; gives the repository as it is then.
    pub async fn repo_update(
        &self,
        id: RepoId,
        patch: &RepoPatch,
        now: Timestamp,
    ) -> Result<Option<Repo>, CatalogError> {
        transact!(self, |tx| {
            repo_lock(tx, id, None).await?;
            let before = repo_in(tx, id).await?;
            let changed = tx
                .execute(
                    "UPDATE repo SET visibility = COALESCE($2, visibility), gated = COALESCE($3, gated),
                            sdk = COALESCE($4, sdk)
                     WHERE id = $1",
                    args![id, patch.visibility.map(Visibility::as_str), patch.gated.as_deref(), patch.sdk.as_deref()],
                )
                .await?;
            let after = repo_in(tx, id).await?;
            if changed == 1 && after.as_ref().is_some_and(Repo::is_open) {
                repo_files_join_zone(tx, id, Zone::PUBLIC).await?;
            } else if after.as_ref().is_some_and(Repo::is_on_request) {
                // Its lists of files can still be read, and who knows the hash of a public file may name it.
                repo_files_leave_public(tx, id).await?;
            }
            log_change(tx, before.as_ref(), after.as_ref(), now).await?;
            Ok(after)
        })
    }

    /// Replaces what is derived from the main branch.
    pub async fn repo_facts_set(&self, id: RepoId, facts: &RepoFacts) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            repo_changed(tx, id).await?;
            write_facts(tx, id, facts).await
        })
    }

    /// Counts downloads; callers gather them, as each call is a durable write.
    pub async fn repo_downloads_add(&self, id: RepoId, count: u64, now: Timestamp) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            repo_changed(tx, id).await?;
            let sql = "UPDATE repo SET downloads = downloads + $2 WHERE id = $1 RETURNING trend";
            if let Some(row) = tx.row(sql, args![id, count]).await? {
                let trend = Trend(row.int(0)?).plus(count as f64, now);
                tx.execute("UPDATE repo SET trend = $2 WHERE id = $1", args![id, trend.0]).await?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// Writes what is derived from the main branch: columns, card and tags.
pub(crate) async fn write_facts(tx: &mut Tx, id: RepoId, facts: &RepoFacts) -> Result<(), CatalogError> {
    let tags = serde_json::to_string(&facts.tags).expect("a list of texts is always JSON");
    tx.execute(
        "UPDATE repo SET tags = $2, pipeline_tag = $3, library_name = $4 WHERE id = $1",
        args![id, &tags, facts.pipeline_tag.as_deref(), facts.library_name.as_deref()],
    )
    .await?;
    if facts.card.is_null() {
        tx.execute("DELETE FROM repo_card WHERE repo_id = $1", args![id]).await?;
    } else {
        tx.execute(
            "INSERT INTO repo_card (repo_id, card) VALUES ($1, $2)
             ON CONFLICT (repo_id) DO UPDATE SET card = excluded.card",
            args![id, &facts.card.to_string()],
        )
        .await?;
    }
    tx.execute("DELETE FROM repo_tag WHERE repo_id = $1", args![id]).await?;
    let values: Vec<Value> = facts.tags.iter().flat_map(|tag| [id.into(), tag.into()]).collect();
    tx.insert_rows("INSERT INTO repo_tag (repo_id, tag)", 2, "ON CONFLICT DO NOTHING", &values).await?;
    Ok(())
}
