//! Who likes what. `repo.likes` counts the rows in the same transaction.

use karez_types::{AccountId, RepoId, Timestamp};

use crate::account::account_at;
use crate::change::repo_changed;
use crate::engine::{args, transact};
use crate::model::{Account, Repo, Viewer};
use crate::trend::{LIKE_WEIGHT, Trend};
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Notes that somebody likes a repository; tells whether that is new.
    pub async fn like_set(&self, repo: RepoId, user: AccountId, now: Timestamp) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            let sql = "UPDATE repo SET likes = likes WHERE id = $1 RETURNING trend";
            let Some(row) = tx.row(sql, args![repo]).await? else { return Ok(false) };
            let sql = "INSERT INTO repo_like (repo_id, user_id, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            let is_new = tx.execute(sql, args![repo, user, now]).await? == 1;
            if is_new {
                let trend = Trend(row.int(0)?).plus(LIKE_WEIGHT, now);
                tx.execute("UPDATE repo SET likes = likes + 1, trend = $2 WHERE id = $1", args![repo, trend.0]).await?;
                repo_changed(tx, repo).await?;
            }
            Ok(is_new)
        })
    }

    /// Notes that somebody does not like a repository any more; tells whether they did.
    pub async fn like_unset(&self, repo: RepoId, user: AccountId) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            let sql = "UPDATE repo SET likes = likes WHERE id = $1 RETURNING trend";
            let Some(row) = tx.row(sql, args![repo]).await? else { return Ok(false) };
            let sql = "DELETE FROM repo_like WHERE repo_id = $1 AND user_id = $2 RETURNING created";
            let Some(like) = tx.row(sql, args![repo, user]).await? else { return Ok(false) };
            let trend = Trend(row.int(0)?).minus(LIKE_WEIGHT, like.moment(0)?);
            tx.execute("UPDATE repo SET likes = likes - 1, trend = $2 WHERE id = $1", args![repo, trend.0]).await?;
            repo_changed(tx, repo).await?;
            Ok(true)
        })
    }

    /// Lists who likes a repository, the latest first.
    pub async fn likers(&self, repo: RepoId, limit: u64) -> Result<Vec<Account>, CatalogError> {
        let rows = self
            .pool
            .rows(
                "SELECT a.id, a.name, a.kind, a.fullname, a.email, a.is_admin, a.created
                 FROM repo_like l JOIN account a ON a.id = l.user_id
                 WHERE l.repo_id = $1 ORDER BY l.created DESC, a.id DESC LIMIT $2",
                args![repo, limit],
            )
            .await?;
        rows.iter().map(|row| account_at(row, 0)).collect()
    }

    /// Lists what somebody likes and the viewer may see, the latest first.
    pub async fn liked_by(
        &self,
        user: AccountId,
        viewer: &Viewer,
        limit: u64,
    ) -> Result<Vec<(Repo, Timestamp)>, CatalogError> {
        let sql = "SELECT repo_id, created FROM repo_like WHERE user_id = $1 ORDER BY created DESC, repo_id LIMIT $2";
        let rows = self.pool.rows(sql, args![user, limit]).await?;
        let liked = rows.iter().map(|row| Ok((RepoId(row.int(0)?), row.moment(1)?)));
        let liked: Vec<(RepoId, Timestamp)> = liked.collect::<Result<_, CatalogError>>()?;
        let ids: Vec<RepoId> = liked.iter().map(|(id, _)| *id).collect();
        let repos = self.repos_visible(&ids, viewer).await?;
        let find = |(id, at): &(RepoId, Timestamp)| Some((repos.iter().find(|repo| repo.id == *id)?.clone(), *at));
        Ok(liked.iter().filter_map(find).collect())
    }

    /// Tells whether somebody likes a repository.
    pub async fn like_has(&self, repo: RepoId, user: AccountId) -> Result<bool, CatalogError> {
        let sql = "SELECT 1 FROM repo_like WHERE repo_id = $1 AND user_id = $2";
        Ok(self.pool.row(sql, args![repo, user]).await?.is_some())
    }
}
