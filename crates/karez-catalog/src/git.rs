//! Git objects and refs.

use karez_formats::git::GitKind;
use karez_formats::lfs::LfsPointer;
use karez_types::{GitOid, RefName, RepoId, Sha256, Timestamp, Visibility};

use crate::change::repo_changed;
use crate::engine::{Tx, args, transact};
use crate::list::rows_in_list;
use crate::log_append::{RefMove, log_ref};
use crate::model::{GitObject, NewObject, ObjectStat, RefOutcome};
use crate::row::{Row, valid};
use crate::value::Value;
use crate::{Catalog, CatalogError};

const TABLE: &str = "git_object";

fn kind_of(word: &str) -> Option<GitKind> {
    [GitKind::Blob, GitKind::Tree, GitKind::Commit, GitKind::Tag].into_iter().find(|kind| kind.as_str() == word)
}

/// Reads `kind, content` at this place.
pub(crate) fn object_at(row: &Row, at: usize) -> Result<GitObject, CatalogError> {
    Ok(GitObject { kind: row.word(TABLE, at, kind_of)?, content: row.blob(at + 1)? })
}

/// Reads `lfs_sha256, lfs_bytes` at this place.
pub(crate) fn pointer_at(row: &Row, at: usize) -> Result<Option<LfsPointer>, CatalogError> {
    let Some(sha256) = row.opt_blob(at)? else { return Ok(None) };
    let sha256 = valid(TABLE, "a hash of the wrong length", Sha256::from_slice(&sha256))?;
    Ok(Some(LfsPointer { sha256, file_bytes: row.count(TABLE, at + 1)? }))
}

pub(crate) fn oid_at(table: &'static str, row: &Row, at: usize) -> Result<GitOid, CatalogError> {
    row.hash(table, at, GitOid::from_slice)
}

fn ref_name_at(row: &Row, at: usize) -> Result<RefName, CatalogError> {
    row.word("git_ref", at, |text| text.parse().ok())
}

impl Catalog {
    /// Returns an object of any repository. Whether the caller may see it is for the hub to say.
    pub async fn object_get(&self, oid: GitOid) -> Result<Option<GitObject>, CatalogError> {
        let row = self.pool.row("SELECT kind, content FROM git_object WHERE oid = $1", args![&oid]).await?;
        row.map(|row| object_at(&row, 0)).transpose()
    }

    /// Returns those of the objects that are stored, in any order.
    pub async fn objects_get(&self, oids: &[GitOid]) -> Result<Vec<(GitOid, GitObject)>, CatalogError> {
        let list: Vec<Value> = oids.iter().map(Value::from).collect();
        let sql = "SELECT oid, kind, content FROM git_object WHERE oid IN ({list})";
        let rows = rows_in_list(&self.pool, sql, &[], &list).await?;
        rows.iter().map(|row| Ok((oid_at(TABLE, row, 0)?, object_at(row, 1)?))).collect()
    }

    /// Returns what listings need about those of the objects that are stored, in any order.
    pub async fn object_stats(&self, oids: &[GitOid]) -> Result<Vec<ObjectStat>, CatalogError> {
        let list: Vec<Value> = oids.iter().map(Value::from).collect();
        let sql = "SELECT oid, kind, content_bytes, lfs_sha256, lfs_bytes FROM git_object WHERE oid IN ({list})";
        let rows = rows_in_list(&self.pool, sql, &[], &list).await?;
        let stat = |row: &Row| {
            Ok(ObjectStat {
                oid: oid_at(TABLE, row, 0)?,
                kind: row.word(TABLE, 1, kind_of)?,
                bytes: row.count(TABLE, 2)?,
                lfs: pointer_at(row, 3)?,
            })
        };
        rows.iter().map(stat).collect()
    }

    /// Tells whether a commit or tag was ever pushed to this repository.
    pub async fn repo_commit_contains(&self, repo: RepoId, oid: GitOid) -> Result<bool, CatalogError> {
        let sql = "SELECT 1 FROM repo_commit WHERE repo_id = $1 AND oid = $2";
        Ok(self.pool.quick_row(sql, args![repo, &oid]).await?.is_some())
    }

    /// Returns the commits and tags of this repository whose ids begin with these hexadecimal digits:
    /// at most two, as more than one is as good as none. Nothing when the digits are none, or more
    /// than an id has.
    pub async fn oid_by_prefix(&self, repo: RepoId, digits: &str) -> Result<Vec<GitOid>, CatalogError> {
        let bound = |fill: &str| format!("{digits}{}", fill.repeat(40usize.saturating_sub(digits.len()))).parse().ok();
        let (Some(low), Some(high), false) = (bound("0"), bound("f"), digits.is_empty()) else { return Ok(Vec::new()) };
        let (low, high): (GitOid, GitOid) = (low, high);
        let rows = self
            .pool
            .rows(
                "SELECT oid FROM repo_commit WHERE repo_id = $1 AND oid >= $2 AND oid <= $3 ORDER BY oid LIMIT 2",
                args![repo, &low, &high],
            )
            .await?;
        rows.iter().map(|row| oid_at("repo_commit", row, 0)).collect()
    }

    /// Returns what a ref points at. One query.
    pub async fn ref_get(&self, repo: RepoId, name: &RefName) -> Result<Option<GitOid>, CatalogError> {
        let sql = "SELECT target FROM git_ref WHERE repo_id = $1 AND name = $2";
        let row = self.pool.quick_row(sql, args![repo, name]).await?;
        row.map(|row| oid_at("git_ref", &row, 0)).transpose()
    }

    /// Lists the refs of a repository by name.
    pub async fn ref_list(&self, repo: RepoId) -> Result<Vec<(RefName, GitOid)>, CatalogError> {
        let sql = "SELECT name, target FROM git_ref WHERE repo_id = $1 ORDER BY name";
        let rows = self.pool.rows(sql, args![repo]).await?;
        rows.iter().map(|row| Ok((ref_name_at(row, 0)?, oid_at("git_ref", row, 1)?))).collect()
    }

    /// Creates a ref that must not exist. The target must be stored.
    pub async fn ref_create(
        &self,
        repo: RepoId,
        name: &RefName,
        target: GitOid,
        now: Timestamp,
    ) -> Result<RefOutcome, CatalogError> {
        self.ref_change(repo, name, None, Some(target), now).await
    }

    /// Moves a ref that must point at `expected`. The target must be stored.
    pub async fn ref_set(
        &self,
        repo: RepoId,
        name: &RefName,
        expected: GitOid,
        target: GitOid,
        now: Timestamp,
    ) -> Result<RefOutcome, CatalogError> {
        self.ref_change(repo, name, Some(expected), Some(target), now).await
    }

    /// Deletes a ref that must point at `expected`.
    pub async fn ref_delete(
        &self,
        repo: RepoId,
        name: &RefName,
        expected: GitOid,
        now: Timestamp,
    ) -> Result<RefOutcome, CatalogError> {
        self.ref_change(repo, name, Some(expected), None, now).await
    }

    async fn ref_change(
        &self,
        repo: RepoId,
        name: &RefName,
        expected: Option<GitOid>,
        target: Option<GitOid>,
        now: Timestamp,
    ) -> Result<RefOutcome, CatalogError> {
        transact!(self, |tx| {
            let Some(may_be_logged) = repo_hold(tx, repo, None).await? else {
                return tx.give_up(RefOutcome::RepoMissing);
            };
            let current = ref_target(tx, repo, name).await?;
            if current != expected {
                return tx.give_up(RefOutcome::Conflict { current });
            }
            match target {
                Some(target) => ref_swap(tx, repo, name, expected, target).await?,
                None => {
                    tx.execute("DELETE FROM git_ref WHERE repo_id = $1 AND name = $2", args![repo, name]).await?;
                }
            }
            if may_be_logged {
                log_ref(tx, repo, &RefMove { name, from: expected, to: target }, now).await?;
            }
            Ok(RefOutcome::Applied)
        })
    }
}

/// Holds the repository until the transaction ends: all changes of its refs come one after another.
/// Sets when it was last modified, if given, and notes the change. Tells whether the repository exists.
pub(crate) async fn repo_lock(tx: &mut Tx, repo: RepoId, modified: Option<Timestamp>) -> Result<bool, CatalogError> {
    Ok(repo_hold(tx, repo, modified).await?.is_some())
}

/// As [`repo_lock`]; tells of a repository whether its acts may belong in the node's log, which costs no
/// query of its own: private ones never do.
pub(crate) async fn repo_hold(
    tx: &mut Tx,
    repo: RepoId,
    modified: Option<Timestamp>,
) -> Result<Option<bool>, CatalogError> {
    let sql = "UPDATE repo SET modified = COALESCE($2, modified) WHERE id = $1 RETURNING visibility";
    let row = tx.row(sql, args![repo, modified]).await?;
    let Some(row) = row else { return Ok(None) };
    repo_changed(tx, repo).await?;
    Ok(Some(row.text(0)? == Visibility::Public.as_str()))
}

pub(crate) async fn ref_target(tx: &mut Tx, repo: RepoId, name: &RefName) -> Result<Option<GitOid>, CatalogError> {
    let sql = "SELECT target FROM git_ref WHERE repo_id = $1 AND name = $2";
    let row = tx.row(sql, args![repo, name]).await?;
    row.map(|row| oid_at("git_ref", &row, 0)).transpose()
}

/// Points the ref at the target. The caller holds the repository and has compared; the statement
/// compares once more, so that a mistake there ends in an error and not in a lost commit.
pub(crate) async fn ref_swap(
    tx: &mut Tx,
    repo: RepoId,
    name: &RefName,
    expected: Option<GitOid>,
    target: GitOid,
) -> Result<(), CatalogError> {
    let changed = match expected {
        None => {
            let sql = "INSERT INTO git_ref (repo_id, name, target) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            tx.execute(sql, args![repo, name, &target]).await?
        }
        Some(expected) => {
            let sql = "UPDATE git_ref SET target = $3 WHERE repo_id = $1 AND name = $2 AND target = $4";
            tx.execute(sql, args![repo, name, &target, &expected]).await?
        }
    };
    valid("git_ref", "a ref changed while its repository was held", (changed == 1).then_some(()))
}

/// Stores those of the objects that are not stored yet.
pub(crate) async fn objects_insert(tx: &mut Tx, objects: &[NewObject]) -> Result<(), CatalogError> {
    // In one order everywhere: two transactions that bring the same objects wait instead of deadlocking.
    let mut ordered: Vec<&NewObject> = objects.iter().collect();
    ordered.sort_unstable_by_key(|object| object.oid);
    ordered.dedup_by_key(|object| object.oid);
    let values: Vec<Value> = ordered
        .iter()
        .flat_map(|object| {
            [
                (&object.oid).into(),
                object.kind.as_str().into(),
                (object.content.len() as u64).into(),
                object.lfs.as_ref().map(|lfs| &lfs.sha256).into(),
                object.lfs.map(|lfs| lfs.file_bytes).into(),
                (&object.content).into(),
            ]
        })
        .collect();
    let head = "INSERT INTO git_object (oid, kind, content_bytes, lfs_sha256, lfs_bytes, content)";
    tx.insert_rows(head, 6, "ON CONFLICT DO NOTHING", &values).await?;
    Ok(())
}
