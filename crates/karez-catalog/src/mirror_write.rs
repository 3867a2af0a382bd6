//! The transaction that makes true what came from the origin of a mirror.
//!
//! Nothing here becomes an entry of the node's own log: the history is somebody else's.

use karez_types::{GitOid, RepoId, Sha256, Timestamp, Zone};

use crate::engine::{Tx, args, transact};
use crate::garbage::{Hold, files_hold, files_revive};
use crate::git::{objects_insert, oid_at, repo_lock};
use crate::list::rows_in_list;
use crate::model::MirrorWrite;
use crate::repo::write_facts;
use crate::value::Value;
use crate::zone::files_join_zone;
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Applies what came from the origin: objects, refs, commits, where history ends and what listings
    /// show become true and durable together. Tells whether the mirror is there.
    pub async fn mirror_apply(&self, write: &MirrorWrite, now: Timestamp) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            let repo = write.repo_id;
            if !repo_lock(tx, repo, write.modified).await? {
                return tx.give_up(false);
            }
            let marked = tx
                .execute(
                    "UPDATE mirror SET is_whole_history = $2, checked = $3, verified_by = $4 WHERE repo_id = $1",
                    args![repo, write.is_whole_history, now, &write.verified_by],
                )
                .await?;
            if marked == 0 {
                return tx.give_up(false);
            }
            objects_insert(tx, &write.objects).await?;
            oids_insert(tx, "INSERT INTO repo_commit (repo_id, oid)", repo, &write.commits).await?;
            oids_insert(tx, "INSERT INTO mirror_shallow (repo_id, oid)", repo, &write.shallow).await?;
            let whole: Vec<Value> = write.unshallow.iter().map(Value::from).collect();
            let sql = "DELETE FROM mirror_shallow WHERE repo_id = $1 AND oid IN ({list})";
            rows_in_list(&mut *tx, sql, args![repo], &whole).await?;
            if write.is_whole_history {
                tx.execute("DELETE FROM mirror_shallow WHERE repo_id = $1", args![repo]).await?;
            }
            for (name, target) in &write.refs {
                match target {
                    Some(target) => {
                        let sql = "INSERT INTO git_ref (repo_id, name, target) VALUES ($1, $2, $3)
                                   ON CONFLICT (repo_id, name) DO UPDATE SET target = excluded.target";
                        tx.execute(sql, args![repo, name, target]).await?
                    }
                    None => {
                        tx.execute("DELETE FROM git_ref WHERE repo_id = $1 AND name = $2", args![repo, name]).await?
                    }
                };
            }
            if let Some(facts) = &write.facts {
                write_facts(tx, repo, facts).await?;
            }
            Ok(true)
        })
    }

    /// Lists the commits of a mirror whose parents are not held.
    pub async fn mirror_shallow(&self, repo: RepoId) -> Result<Vec<GitOid>, CatalogError> {
        let sql = "SELECT oid FROM mirror_shallow WHERE repo_id = $1 ORDER BY oid";
        let rows = self.pool.rows(sql, args![repo]).await?;
        rows.iter().map(|row| oid_at("mirror_shallow", row, 0)).collect()
    }

    /// Tells whether history ends at this commit in any mirror.
    pub async fn is_shallow_anywhere(&self, oid: GitOid) -> Result<bool, CatalogError> {
        let row = self.pool.row("SELECT 1 FROM mirror_shallow WHERE oid = $1 LIMIT 1", args![&oid]).await?;
        Ok(row.is_some())
    }

    /// Returns those of these commits and tags that belong to a repository, in any order.
    pub async fn repo_commits_among(&self, repo: RepoId, oids: &[GitOid]) -> Result<Vec<GitOid>, CatalogError> {
        let list: Vec<Value> = oids.iter().map(Value::from).collect();
        let sql = "SELECT oid FROM repo_commit WHERE repo_id = $1 AND oid IN ({list})";
        let rows = rows_in_list(&self.pool, sql, args![repo], &list).await?;
        rows.iter().map(|row| oid_at("repo_commit", row, 0)).collect()
    }

    /// Lets a repository serve those of these files that are stored, and makes them members of the
    /// zones. What is condemned of them is revived. Returns how many are stored.
    pub async fn mirror_files_add(&self, repo: RepoId, files: &[Sha256], zones: &[Zone]) -> Result<u64, CatalogError> {
        let mut ordered = files.to_vec();
        ordered.sort_unstable();
        ordered.dedup();
        let list: Vec<Value> = ordered.iter().map(Value::from).collect();
        transact!(self, |tx| {
            if !repo_lock(tx, repo, None).await? {
                return tx.give_up(0);
            }
            let stored = files_hold(tx, &list, Hold::Shared).await?;
            let sql = "INSERT INTO repo_file (repo_id, sha256)
                       SELECT CAST($1 AS BIGINT), l.sha256 FROM lfs_file l WHERE l.sha256 IN ({list}) ORDER BY l.sha256
                       ON CONFLICT DO NOTHING";
            rows_in_list(&mut *tx, sql, args![repo], &list).await?;
            files_revive(tx, &list).await?;
            for &zone in zones {
                files_join_zone(tx, &ordered, zone).await?;
            }
            Ok(stored.len() as u64)
        })
    }

    /// Ends a repository's permission to serve these files. Their bytes leave when nothing refers to them any more (see `garbage.rs`).
    pub async fn mirror_files_remove(&self, repo: RepoId, files: &[Sha256]) -> Result<(), CatalogError> {
        let list: Vec<Value> = files.iter().map(Value::from).collect();
        transact!(self, |tx| {
            // How much of it is here has changed.
            if repo_lock(tx, repo, None).await? {
                let sql = "DELETE FROM repo_file WHERE repo_id = $1 AND sha256 IN ({list})";
                rows_in_list(&mut *tx, sql, args![repo], &list).await?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Returns those of these files that a repository may serve, in any order.
    pub async fn repo_files_among(&self, repo: RepoId, files: &[Sha256]) -> Result<Vec<Sha256>, CatalogError> {
        let list: Vec<Value> = files.iter().map(Value::from).collect();
        let sql = "SELECT sha256 FROM repo_file WHERE repo_id = $1 AND sha256 IN ({list})";
        let rows = rows_in_list(&self.pool, sql, args![repo], &list).await?;
        rows.iter().map(|row| row.hash("repo_file", 0, Sha256::from_slice)).collect()
    }
}

async fn oids_insert(tx: &mut Tx, head: &str, repo: RepoId, oids: &[GitOid]) -> Result<(), CatalogError> {
    let values: Vec<Value> = oids.iter().flat_map(|oid| [repo.into(), oid.into()]).collect();
    tx.insert_rows(head, 2, "ON CONFLICT DO NOTHING", &values).await?;
    Ok(())
}
