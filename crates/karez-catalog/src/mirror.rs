//! Repositories whose history is made elsewhere: their rows, and who may read the restricted ones.
//! What comes from the origin is written in `mirror_write`.

use karez_types::{AccountId, RemoteId, RepoAddress, RepoId, RepoKind, Timestamp, Visibility, Zone, fold_name};

use crate::change::repo_changed;
use crate::engine::{Tx, args, transact};
use crate::list::rows_in_list;
use crate::model::{Keep, Mirror, MirrorCreated, MirrorGrant, MirrorPatch, NewMirror, OwnerBound, Remote, Repo};
use crate::owner_origin::origin_bind;
use crate::remote::remote_in;
use crate::repo::{id_folded, redirect_end, repo_at, repo_at_address, repo_in, select_repo};
use crate::row::{Row, valid};
use crate::value::Value;
use crate::zone::repo_files_join_zone;
use crate::{Catalog, CatalogError};

const TABLE: &str = "mirror";

/// Columns of a mirror, in the order in which [`mirror_at`] reads them.
macro_rules! select_mirror {
    ($rest:literal) => {
        concat!(
            "SELECT repo_id, remote_id, remote_repo, keep, is_restricted, is_whole_history, held_since, checked,
                    verified_by, withdrawn, local_override, is_pinned FROM mirror ",
            $rest
        )
    };
}

fn mirror_at(row: &Row) -> Result<Mirror, CatalogError> {
    Ok(Mirror {
        repo_id: RepoId(row.int(0)?),
        remote: RemoteId(row.int(1)?),
        remote_repo: row.word(TABLE, 2, address_from)?,
        keep: row.word(TABLE, 3, Keep::from_word)?,
        is_restricted: row.flag(4)?,
        is_whole_history: row.flag(5)?,
        held_since: row.moment(6)?,
        checked: row.moment(7)?,
        verified_by: row.text(8)?,
        withdrawn: row.opt_int(9)?.map(Timestamp),
        local_override: row.opt_text(10)?,
        is_pinned: row.flag(11)?,
    })
}

/// Writes an address as `models/owner/name`.
fn address_text(address: &RepoAddress) -> String {
    format!("{}/{}", address.kind.plural(), address.id())
}

fn address_from(text: &str) -> Option<RepoAddress> {
    let (plural, id) = text.split_once('/')?;
    let kind = RepoKind::ALL.iter().copied().find(|kind| kind.plural() == plural)?;
    RepoAddress::parse(kind, id).ok()
}

async fn mirror_in(tx: &mut Tx, id: RepoId) -> Result<Option<Mirror>, CatalogError> {
    let row = tx.row(select_mirror!("WHERE repo_id = $1"), args![id]).await?;
    row.as_ref().map(mirror_at).transpose()
}

fn visibility_of(is_restricted: bool) -> Visibility {
    if is_restricted { Visibility::Private } else { Visibility::Public }
}

impl Catalog {
    /// Creates a mirror, its repository without a commit and, when needed, its owner's account and
    /// the binding of the owner's name, all or none.
    pub async fn mirror_create(&self, new: &NewMirror, now: Timestamp) -> Result<MirrorCreated, CatalogError> {
        let folded = id_folded(&new.address.owner, &new.address.name);
        let kind = new.address.kind;
        transact!(self, |tx| {
            let (owner, remote_owner) = (&new.address.owner, &new.remote_repo.owner);
            let origin = match origin_bind(tx, owner, new.remote, remote_owner, now).await? {
                OwnerBound::Bound(origin) => origin,
                clash => return tx.give_up(MirrorCreated::NameClash(clash)),
            };
            let row = tx
                .row(
                    "INSERT INTO repo (kind, owner_id, name, id_folded, visibility, gated, created, modified,
                                       downloads, likes, tags, pull_requests)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 0, 0, '[]', 0)
                     ON CONFLICT (kind, id_folded) DO NOTHING RETURNING id",
                    args![
                        kind.as_str(),
                        origin.account,
                        &new.address.name,
                        &folded,
                        visibility_of(new.is_restricted).as_str(),
                        new.gated.as_deref().unwrap_or("false"),
                        now
                    ],
                )
                .await?;
            let Some(row) = row else {
                let taken = repo_at_address(tx, kind, &folded).await?;
                let taken = valid("repo", "a repository vanished while it was looked at", taken)?;
                let same = mirror_in(tx, taken.id).await?.filter(|mirror| {
                    mirror.remote == new.remote
                        && fold_name(&address_text(&mirror.remote_repo)) == fold_name(&address_text(&new.remote_repo))
                });
                return tx.give_up(match same {
                    Some(mirror) => MirrorCreated::Exists(Box::new((taken, mirror))),
                    None => MirrorCreated::Taken(Box::new(taken)),
                });
            };
            let id = RepoId(row.int(0)?);
            repo_changed(tx, id).await?;
            redirect_end(tx, kind, &folded).await?;
            let remote_repo = address_text(&new.remote_repo);
            tx.execute(
                "INSERT INTO mirror (repo_id, remote_id, remote_repo, remote_folded, keep, is_restricted,
                                     is_whole_history, held_since, checked, verified_by, is_hidden, is_pinned)
                 VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $7, $8, 0, 0)",
                args![
                    id,
                    new.remote,
                    &remote_repo,
                    &fold_name(&remote_repo),
                    new.keep.as_str(),
                    new.is_restricted,
                    now,
                    &new.verified_by
                ],
            )
            .await?;
            let made = (repo_in(tx, id).await?, mirror_in(tx, id).await?);
            let (Some(repo), Some(mirror)) = made else {
                return valid(TABLE, "a new mirror is not there", None);
            };
            Ok(MirrorCreated::Created(Box::new((repo, mirror))))
        })
    }

    /// Finds a mirror by its address here, also by one from before a move.
    pub async fn mirror_find(&self, address: &RepoAddress) -> Result<Option<(Repo, Mirror)>, CatalogError> {
        let Some(found) = self.repo_find(address).await?.filter(|found| found.repo.mirror.is_some()) else {
            return Ok(None);
        };
        Ok(self.mirror_by_repo(found.repo.id).await?.map(|mirror| (found.repo, mirror)))
    }

    /// Finds a mirror by its repository here.
    pub async fn mirror_by_repo(&self, id: RepoId) -> Result<Option<Mirror>, CatalogError> {
        let row = self.pool.quick_row(select_mirror!("WHERE repo_id = $1"), args![id]).await?;
        row.as_ref().map(mirror_at).transpose()
    }

    /// Returns the mirrors among these repositories, in any order.
    pub async fn mirrors_by_repos(&self, ids: &[RepoId]) -> Result<Vec<Mirror>, CatalogError> {
        let list: Vec<Value> = ids.iter().map(|&id| id.into()).collect();
        let rows = rows_in_list(&self.pool, select_mirror!("WHERE repo_id IN ({list})"), &[], &list).await?;
        rows.iter().map(mirror_at).collect()
    }

    /// Finds the mirrors of a remote's repository by its address over there.
    pub async fn mirrors_of(&self, remote: RemoteId, address: &RepoAddress) -> Result<Vec<Mirror>, CatalogError> {
        let folded = fold_name(&address_text(address));
        let sql = select_mirror!("WHERE remote_id = $1 AND remote_folded = $2 ORDER BY repo_id");
        let rows = self.pool.rows(sql, args![remote, &folded]).await?;
        rows.iter().map(mirror_at).collect()
    }

    /// Lists mirrors, of one remote or of all, by repository: at most `limit` after `after`.
    pub async fn mirror_list(
        &self,
        remote: Option<RemoteId>,
        after: Option<RepoId>,
        limit: u64,
    ) -> Result<Vec<(Repo, Mirror)>, CatalogError> {
        let after = after.unwrap_or(RepoId(0));
        let rows = match remote {
            Some(remote) => {
                let sql = select_mirror!("WHERE repo_id > $1 AND remote_id = $2 ORDER BY repo_id LIMIT $3");
                self.pool.rows(sql, args![after, remote, limit]).await?
            }
            None => {
                let sql = select_mirror!("WHERE repo_id > $1 ORDER BY repo_id LIMIT $2");
                self.pool.rows(sql, args![after, limit]).await?
            }
        };
        let mirrors: Vec<Mirror> = rows.iter().map(mirror_at).collect::<Result<_, _>>()?;
        let list: Vec<Value> = mirrors.iter().map(|mirror| mirror.repo_id.into()).collect();
        let rows = rows_in_list(&self.pool, select_repo!("WHERE r.id IN ({list})"), &[], &list).await?;
        let repos = rows.iter().map(|row| repo_at(row).map(|repo| (repo.id, repo)));
        let mut repos: std::collections::HashMap<RepoId, Repo> = repos.collect::<Result<_, _>>()?;
        Ok(mirrors.into_iter().filter_map(|mirror| Some((repos.remove(&mirror.repo_id)?, mirror))).collect())
    }

    /// Changes what the patch names; gives the mirror as it is then.
    pub async fn mirror_update(&self, id: RepoId, patch: &MirrorPatch) -> Result<Option<Mirror>, CatalogError> {
        let remote_repo = patch.remote_repo.as_ref().map(address_text);
        let remote_folded = remote_repo.as_deref().map(fold_name);
        let local_override = patch.local_override.as_ref().and_then(|word| word.as_deref());
        transact!(self, |tx| {
            let changed = tx
                .execute(
                    "UPDATE mirror SET remote_repo = COALESCE($2, remote_repo),
                            remote_folded = COALESCE($3, remote_folded), keep = COALESCE($4, keep),
                            is_restricted = COALESCE($5, is_restricted), checked = COALESCE($6, checked),
                            verified_by = COALESCE($7, verified_by), is_pinned = COALESCE($8, is_pinned),
                            withdrawn = CASE WHEN $9 = 1 THEN $10 ELSE withdrawn END,
                            local_override = CASE WHEN $11 = 1 THEN $12 ELSE local_override END
                     WHERE repo_id = $1",
                    args![
                        id,
                        remote_repo.as_deref(),
                        remote_folded.as_deref(),
                        patch.keep.map(Keep::as_str),
                        patch.is_restricted,
                        patch.checked,
                        patch.verified_by.as_deref(),
                        patch.is_pinned,
                        i64::from(patch.withdrawn.is_some()),
                        patch.withdrawn.flatten(),
                        i64::from(patch.local_override.is_some()),
                        local_override
                    ],
                )
                .await?;
            let Some(mirror) = mirror_in(tx, id).await?.filter(|_| changed == 1) else { return Ok(None) };
            if patch.is_news() {
                repo_changed(tx, id).await?;
            }
            if patch.withdrawn.is_some() || patch.local_override.is_some() {
                let remote = remote_in(tx, mirror.remote).await?;
                hidden_settle(tx, &valid("remote", "the remote of a mirror is gone", remote)?, Some(id)).await?;
            }
            let visibility = patch.is_restricted.map(|restricted| visibility_of(restricted).as_str());
            tx.execute(
                "UPDATE repo SET visibility = COALESCE($2, visibility), gated = COALESCE($3, gated) WHERE id = $1",
                args![id, visibility, patch.gated.as_deref()],
            )
            .await?;
            if patch.is_restricted == Some(false) {
                repo_files_join_zone(tx, id, Zone::PUBLIC).await?;
            }
            Ok(Some(mirror))
        })
    }

    /// Keeps what the origin of a restricted mirror said about a person.
    pub async fn mirror_grant_set(
        &self,
        repo: RepoId,
        user: AccountId,
        is_allowed: bool,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            tx.execute(
                "INSERT INTO mirror_grant (repo_id, user_id, is_allowed, checked) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (repo_id, user_id) DO UPDATE SET is_allowed = excluded.is_allowed,
                    checked = excluded.checked",
                args![repo, user, is_allowed, now],
            )
            .await
        })?;
        Ok(())
    }

    /// Returns the restricted mirrors that their origins open to a person, as they said after `since`: at most
    /// `limit`, those of whom they said so last.
    pub async fn mirror_grants_of(
        &self,
        user: AccountId,
        since: Timestamp,
        limit: u64,
    ) -> Result<Vec<RepoId>, CatalogError> {
        let sql = "SELECT repo_id FROM mirror_grant WHERE user_id = $1 AND is_allowed = 1 AND checked > $2
                   ORDER BY checked DESC, repo_id LIMIT $3";
        let rows = self.pool.quick_rows(sql, args![user, since, limit]).await?;
        rows.iter().map(|row| Ok(RepoId(row.int(0)?))).collect()
    }

    /// Returns what the origin of a restricted mirror last said about a person.
    pub async fn mirror_grant_get(&self, repo: RepoId, user: AccountId) -> Result<Option<MirrorGrant>, CatalogError> {
        let sql = "SELECT is_allowed, checked FROM mirror_grant WHERE repo_id = $1 AND user_id = $2";
        let row = self.pool.quick_row(sql, args![repo, user]).await?;
        row.map(|row| Ok(MirrorGrant { is_allowed: row.flag(0)?, checked: row.moment(1)? })).transpose()
    }
}

/// Decides anew which withdrawn mirrors of a remote are hidden: the operator's word about the one
/// repository, or else the remote's setting.
pub(crate) async fn hidden_settle(tx: &mut Tx, remote: &Remote, only: Option<RepoId>) -> Result<(), CatalogError> {
    let policy = if remote.hides_withdrawn() { "hide" } else { "keep" };
    tx.execute(
        "UPDATE mirror SET is_hidden =
            CASE WHEN withdrawn IS NOT NULL AND COALESCE(local_override, $2) = 'hide' THEN 1 ELSE 0 END
         WHERE remote_id = $1 AND repo_id = COALESCE($3, repo_id)",
        args![remote.id, policy, only.map(|id| id.0)],
    )
    .await?;
    Ok(())
}
