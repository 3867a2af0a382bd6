//! How many bytes of large files an owner has, and may have.
//!
//! What counts is the sum of the lengths of the distinct large files that the owner's repositories name,
//! mirrors left out. It is summed when it is asked for: a counter beside it would have to follow every
//! commit, move and deletion, and be right. Only who has a bound pays for the sum, and only when a
//! change names files that are new to them.

use std::collections::HashSet;

use karez_types::{AccountId, RepoId, Sha256};

use crate::engine::{Engine, Tx, args, transact};
use crate::list::{Runner, rows_in_list};
use crate::model::{OverQuota, OwnerRoom, Quota};
use crate::row::{Row, valid};
use crate::value::Value;
use crate::{Catalog, CatalogError};

const TABLE: &str = "account";

/// Stands for [`Quota::Unbounded`] in the database.
const UNBOUNDED: i64 = -1;

const OWNED: &str = "SELECT CAST(COALESCE(SUM(o.file_bytes), 0) AS BIGINT) FROM (
        SELECT DISTINCT f.sha256, x.file_bytes
        FROM repo r JOIN repo_file f ON f.repo_id = r.id
        JOIN lfs_file l ON l.sha256 = f.sha256 JOIN xet_file x ON x.hash = l.hash
        WHERE r.owner_id = $1 AND NOT EXISTS (SELECT 1 FROM mirror m WHERE m.repo_id = r.id)) o";

const HELD: &str = "SELECT DISTINCT f.sha256 FROM repo_file f JOIN repo r ON r.id = f.repo_id
        WHERE r.owner_id = $1 AND NOT EXISTS (SELECT 1 FROM mirror m WHERE m.repo_id = r.id) AND f.sha256 IN ({list})";

fn quota_at(row: &Row, at: usize) -> Result<Quota, CatalogError> {
    match row.opt_int(at)? {
        None => Ok(Quota::OfNode),
        Some(UNBOUNDED) => Ok(Quota::Unbounded),
        Some(bytes) => Ok(Quota::Bytes(valid(TABLE, "a quota of less than nothing", u64::try_from(bytes).ok())?)),
    }
}

fn sum_at(row: Option<Row>) -> Result<u64, CatalogError> {
    row.map_or(Ok(0), |row| row.count("repo_file", 0))
}

async fn held(runner: impl Runner, owner: AccountId, files: &[Sha256]) -> Result<HashSet<Sha256>, CatalogError> {
    let list: Vec<Value> = files.iter().map(Value::from).collect();
    let rows = rows_in_list(runner, HELD, args![owner], &list).await?;
    rows.iter().map(|row| row.hash("repo_file", 0, Sha256::from_slice)).collect()
}

impl Catalog {
    /// Returns the same catalog with how many bytes the node allows each owner of whom nothing else was
    /// decided; `None` is without a bound.
    #[must_use]
    pub fn with_owner_bytes_max(self, bytes_max: Option<u64>) -> Catalog {
        Catalog { owner_bytes_max: bytes_max, ..self }
    }

    /// Decides how much an account may own; tells whether there is such an account. What it has already stays.
    pub async fn quota_set(&self, account: AccountId, quota: Quota) -> Result<bool, CatalogError> {
        let stored = match quota {
            Quota::OfNode => None,
            Quota::Unbounded => Some(UNBOUNDED),
            Quota::Bytes(bytes) => Some(i64::try_from(bytes).unwrap_or(i64::MAX)),
        };
        let changed = transact!(self, |tx| {
            tx.execute("UPDATE account SET owned_bytes_max = $2 WHERE id = $1", args![account, stored]).await
        })?;
        Ok(changed == 1)
    }

    /// Returns what was decided for an account: nothing, where there is none.
    async fn quota_of(&self, account: AccountId) -> Result<Quota, CatalogError> {
        let row = self.pool.row("SELECT owned_bytes_max FROM account WHERE id = $1", args![account]).await?;
        row.map_or(Ok(Quota::OfNode), |row| quota_at(&row, 0))
    }

    /// Returns how many bytes an account may own; `None` is without a bound.
    pub async fn owner_bytes_max(&self, account: AccountId) -> Result<Option<u64>, CatalogError> {
        Ok(self.quota_of(account).await?.or_of_node(self.owner_bytes_max))
    }

    /// Returns what an account owns and may own.
    pub async fn owner_room(&self, account: AccountId) -> Result<OwnerRoom, CatalogError> {
        let quota = self.quota_of(account).await?;
        let owned_bytes = sum_at(self.pool.row(OWNED, args![account]).await?)?;
        Ok(OwnerRoom { owned_bytes, quota, bytes_max: quota.or_of_node(self.owner_bytes_max) })
    }

    /// Returns those of these files that a repository of the owner names already.
    pub async fn owner_files_among(&self, owner: AccountId, files: &[Sha256]) -> Result<HashSet<Sha256>, CatalogError> {
        held(&self.pool, owner, files).await
    }

    /// Returns those of these lengths that a large file of the owner has: a file of another length is new.
    pub async fn owner_lengths_among(
        &self,
        owner: AccountId,
        lengths_bytes: &[u64],
    ) -> Result<HashSet<u64>, CatalogError> {
        let list: Vec<Value> = lengths_bytes.iter().map(|&bytes| bytes.into()).collect();
        let sql = "SELECT DISTINCT x.file_bytes FROM repo r JOIN repo_file f ON f.repo_id = r.id
                   JOIN lfs_file l ON l.sha256 = f.sha256 JOIN xet_file x ON x.hash = l.hash
                   WHERE r.owner_id = $1 AND NOT EXISTS (SELECT 1 FROM mirror m WHERE m.repo_id = r.id)
                     AND x.file_bytes IN ({list})";
        let rows = rows_in_list(&self.pool, sql, args![owner], &list).await?;
        rows.iter().map(|row| row.count("xet_file", 0)).collect()
    }
}

/// Holds the owner until the transaction ends, so that nobody else adds to what they own meanwhile, and returns
/// how much that may be. Whose files are not bounded is not held.
///
/// The lock lets others refer to the account, as inserting a repository does; so nobody waits in a circle.
async fn bound_hold(tx: &mut Tx, node_max: Option<u64>, owner: AccountId) -> Result<Option<u64>, CatalogError> {
    const READ: &str = "SELECT owned_bytes_max FROM account WHERE id = $1";
    const HOLD: &str = "SELECT owned_bytes_max FROM account WHERE id = $1 FOR NO KEY UPDATE";
    let read = |row: Option<Row>| -> Result<Option<u64>, CatalogError> {
        Ok(row.map_or(Ok(Quota::OfNode), |row| quota_at(&row, 0))?.or_of_node(node_max))
    };
    let bytes_max = read(tx.row(READ, args![owner]).await?)?;
    // SQLite has one writer, and this is it.
    if bytes_max.is_none() || tx.engine() == Engine::Sqlite {
        return Ok(bytes_max);
    }
    read(tx.row(HOLD, args![owner]).await?)
}

/// Returns what is wrong when a repository that names these stored files too gives its owner more than allowed.
/// What brings nothing new passes, also where the owner has more than allowed since before.
pub(crate) async fn quota_check(
    tx: &mut Tx,
    node_max: Option<u64>,
    repo: RepoId,
    files: &[Sha256],
) -> Result<Option<OverQuota>, CatalogError> {
    const OWNER: &str = "SELECT r.owner_id FROM repo r
        WHERE r.id = $1 AND NOT EXISTS (SELECT 1 FROM mirror m WHERE m.repo_id = r.id)";
    if files.is_empty() {
        return Ok(None);
    }
    let Some(row) = tx.row(OWNER, args![repo]).await? else { return Ok(None) };
    let owner = AccountId(row.int(0)?);
    let Some(bytes_max) = bound_hold(tx, node_max, owner).await? else { return Ok(None) };
    let held = held(&mut *tx, owner, files).await?;
    let new: HashSet<&Sha256> = files.iter().filter(|file| !held.contains(file)).collect();
    if new.is_empty() {
        return Ok(None);
    }
    let list: Vec<Value> = new.into_iter().map(Value::from).collect();
    let lengths = "SELECT l.sha256, x.file_bytes FROM lfs_file l JOIN xet_file x ON x.hash = l.hash
                   WHERE l.sha256 IN ({list})";
    let mut new_bytes = 0u64;
    for row in rows_in_list(&mut *tx, lengths, &[], &list).await? {
        new_bytes = new_bytes.saturating_add(row.count("xet_file", 1)?);
    }
    let owned_bytes = sum_at(tx.row(OWNED, args![owner]).await?)?;
    let is_over = new_bytes > 0 && owned_bytes.saturating_add(new_bytes) > bytes_max;
    Ok(is_over.then_some(OverQuota { owned_bytes, new_bytes, bytes_max }))
}

/// What an owner had before a repository came to them.
pub(crate) struct Before {
    bytes_max: u64,
    owned_bytes: u64,
}

/// Notes what an owner has before a repository comes to them; `None` when that is not bounded.
pub(crate) async fn quota_before(
    tx: &mut Tx,
    node_max: Option<u64>,
    owner: AccountId,
) -> Result<Option<Before>, CatalogError> {
    let Some(bytes_max) = bound_hold(tx, node_max, owner).await? else { return Ok(None) };
    Ok(Some(Before { bytes_max, owned_bytes: sum_at(tx.row(OWNED, args![owner]).await?)? }))
}

/// Returns what is wrong when the owner has more than allowed now that the repository came.
pub(crate) async fn quota_after(
    tx: &mut Tx,
    owner: AccountId,
    before: Option<Before>,
) -> Result<Option<OverQuota>, CatalogError> {
    let Some(Before { bytes_max, owned_bytes }) = before else { return Ok(None) };
    let now_bytes = sum_at(tx.row(OWNED, args![owner]).await?)?;
    let new_bytes = now_bytes.saturating_sub(owned_bytes);
    let is_over = new_bytes > 0 && now_bytes > bytes_max;
    Ok(is_over.then_some(OverQuota { owned_bytes, new_bytes, bytes_max }))
}
