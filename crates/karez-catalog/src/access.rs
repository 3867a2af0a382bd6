//! Requests to read the files of repositories that give them on request.

use karez_types::{AccountId, RepoId, Timestamp};

use crate::account::{ACCOUNT_COLUMNS, account_at, account_columns};
use crate::engine::{args, transact};
use crate::model::{AccessRequest, AccessStatus};
use crate::{Catalog, CatalogError};

const TABLE: &str = "repo_access";

impl Catalog {
    /// Returns what became of a person's request. This runs on each reading of such a repository by a stranger.
    pub async fn access_get(&self, repo: RepoId, user: AccountId) -> Result<Option<AccessStatus>, CatalogError> {
        let sql = "SELECT status FROM repo_access WHERE repo_id = $1 AND user_id = $2";
        let row = self.pool.quick_row(sql, args![repo, user]).await?;
        row.map(|row| row.word(TABLE, 0, AccessStatus::from_word)).transpose()
    }

    /// Notes a request, unless there is one; returns what is then the case.
    pub async fn access_ask(
        &self,
        repo: RepoId,
        user: AccountId,
        status: AccessStatus,
        now: Timestamp,
    ) -> Result<AccessStatus, CatalogError> {
        let is_new = transact!(self, |tx| {
            let sql = "INSERT INTO repo_access (repo_id, user_id, status, changed, reason)
                       VALUES ($1, $2, $3, $4, '') ON CONFLICT DO NOTHING";
            tx.execute(sql, args![repo, user, status.as_str(), now]).await
        })? == 1;
        if is_new { Ok(status) } else { Ok(self.access_get(repo, user).await?.unwrap_or(status)) }
    }

    /// Sets what became of a person's request, whether there was one or not.
    pub async fn access_set(
        &self,
        repo: RepoId,
        user: AccountId,
        status: AccessStatus,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            let sql = "INSERT INTO repo_access (repo_id, user_id, status, changed, reason) VALUES ($1, $2, $3, $4, $5)
                       ON CONFLICT (repo_id, user_id)
                       DO UPDATE SET status = excluded.status, changed = excluded.changed, reason = excluded.reason";
            tx.execute(sql, args![repo, user, status.as_str(), now, reason]).await
        })?;
        Ok(())
    }

    /// Lists the requests of this status, the latest first.
    pub async fn access_list(
        &self,
        repo: RepoId,
        status: AccessStatus,
        limit: u64,
    ) -> Result<Vec<AccessRequest>, CatalogError> {
        let sql = concat!(
            "SELECT ",
            account_columns!("a"),
            ", r.status, r.changed, r.reason FROM repo_access r JOIN account a ON a.id = r.user_id
             WHERE r.repo_id = $1 AND r.status = $2 ORDER BY r.changed DESC, a.id DESC LIMIT $3"
        );
        let rows = self.pool.rows(sql, args![repo, status.as_str(), limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(AccessRequest {
                    user: account_at(row, 0)?,
                    status: row.word(TABLE, ACCOUNT_COLUMNS, AccessStatus::from_word)?,
                    changed: row.moment(ACCOUNT_COLUMNS + 1)?,
                    reason: row.text(ACCOUNT_COLUMNS + 2)?,
                })
            })
            .collect()
    }
}
