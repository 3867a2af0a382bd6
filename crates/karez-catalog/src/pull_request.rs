//! Pull requests: numbers and titles. Their commits are refs `refs/pr/N`.

use karez_types::RepoId;

use crate::engine::{args, transact};
use crate::model::PullRequest;
use crate::row::Row;
use crate::{Catalog, CatalogError};

const TABLE: &str = "pull_request";

impl Catalog {
    /// Takes the next number, which nobody else gets; `None` when the repository is gone.
    pub async fn pull_request_number_next(&self, repo: RepoId) -> Result<Option<u64>, CatalogError> {
        let row = transact!(self, |tx| {
            let sql = "UPDATE repo SET pull_requests = pull_requests + 1 WHERE id = $1 RETURNING pull_requests";
            tx.row(sql, args![repo]).await
        })?;
        row.map(|row| row.count("repo", 0)).transpose()
    }

    /// Returns one pull request.
    pub async fn pull_request_get(&self, repo: RepoId, number: u64) -> Result<Option<PullRequest>, CatalogError> {
        let row = self
            .pool
            .row(
                "SELECT p.number, p.title, p.description, a.name, p.base, p.created
                 FROM pull_request p LEFT JOIN account a ON a.id = p.author_id
                 WHERE p.repo_id = $1 AND p.number = $2",
                args![repo, number],
            )
            .await?;
        row.as_ref().map(pull_request_at).transpose()
    }

    /// Lists pull requests, newest first: at most `limit`, with numbers below `before` if given.
    pub async fn pull_request_list(
        &self,
        repo: RepoId,
        before: Option<u64>,
        limit: u64,
    ) -> Result<Vec<PullRequest>, CatalogError> {
        let rows = self
            .pool
            .rows(
                "SELECT p.number, p.title, p.description, a.name, p.base, p.created
                 FROM pull_request p LEFT JOIN account a ON a.id = p.author_id
                 WHERE p.repo_id = $1 AND p.number < $2 ORDER BY p.number DESC LIMIT $3",
                args![repo, before.unwrap_or(u64::MAX), limit],
            )
            .await?;
        rows.iter().map(pull_request_at).collect()
    }
}

fn pull_request_at(row: &Row) -> Result<PullRequest, CatalogError> {
    let author = match row.opt_text(3)? {
        None => None,
        Some(_) => Some(row.word("account", 3, |text| text.parse().ok())?),
    };
    Ok(PullRequest {
        number: row.count(TABLE, 0)?,
        title: row.text(1)?,
        description: row.text(2)?,
        author,
        base: row.word(TABLE, 4, |text| text.parse().ok())?,
        created: row.moment(5)?,
    })
}
