//! Counts and sums that pages and overviews show.

use karez_types::{AccountId, RepoAddress, RepoId, RepoKind, Visibility, Zone};

use crate::engine::args;
use crate::row::Row;
use crate::{Catalog, CatalogError};

/// What open repositories hold, and what it costs to keep and to serve, in bytes of large files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenBytes {
    /// The lengths of the files of all open repositories together.
    pub held_bytes: u64,
    /// What of that is stored.
    pub stored_bytes: u64,
    /// What readers of mirrors got from here, and the line did not carry again.
    pub not_fetched_bytes: u64,
}

impl Catalog {
    /// Counts the repositories of an owner; with a visibility, only those that have it.
    pub async fn repo_count(
        &self,
        kind: RepoKind,
        owner: AccountId,
        visibility: Option<Visibility>,
    ) -> Result<u64, CatalogError> {
        // An empty text stands for any visibility: both engines then know the type of the value.
        let visibility = visibility.map_or("", Visibility::as_str);
        let row = self
            .pool
            .row(
                "SELECT COUNT(*) FROM repo WHERE kind = $1 AND owner_id = $2 AND ($3 = '' OR visibility = $3)",
                args![kind.as_str(), owner, visibility],
            )
            .await?;
        row.map_or(Ok(0), |row: Row| row.count("repo", 0))
    }

    /// Sums the lengths of the large files that a repository may serve.
    pub async fn repo_stored_bytes(&self, repo: RepoId) -> Result<u64, CatalogError> {
        let row = self
            .pool
            .row(
                "SELECT CAST(COALESCE(SUM(x.file_bytes), 0) AS BIGINT)
                 FROM repo_file f JOIN lfs_file l ON l.sha256 = f.sha256 JOIN xet_file x ON x.hash = l.hash
                 WHERE f.repo_id = $1",
                args![repo],
            )
            .await?;
        row.map_or(Ok(0), |row: Row| row.count("repo_file", 0))
    }

    /// Sums what open repositories hold, each counting all of its large files; what of that is stored, each chunk once;
    /// and what readers of mirrors got from here instead of over the line. What is not open is in none of them: a sum
    /// that everybody may see must not tell whether somebody stored something.
    pub async fn open_bytes(&self) -> Result<OpenBytes, CatalogError> {
        let sum = async |sql: &'static str| -> Result<u64, CatalogError> {
            let row = self.pool.row(sql, args![Zone::PUBLIC]).await?;
            row.map_or(Ok(0), |row: Row| row.count("zone_file", 0))
        };
        Ok(OpenBytes {
            held_bytes: sum("SELECT CAST(COALESCE(SUM(x.file_bytes), 0) AS BIGINT)
                 FROM zone_file z JOIN repo_file f ON f.sha256 = z.sha256 JOIN repo r ON r.id = f.repo_id
                 JOIN lfs_file l ON l.sha256 = f.sha256 JOIN xet_file x ON x.hash = l.hash
                 WHERE z.zone = $1 AND r.visibility = 'public'
                   AND (r.gated = 'false' OR r.id IN (SELECT m.repo_id FROM mirror m))")
            .await?,
            stored_bytes: sum("SELECT CAST(COALESCE(SUM(x.stored_bytes), 0) AS BIGINT)
                 FROM zone_xorb z JOIN xorb x ON x.hash = z.hash WHERE z.zone = $1")
            .await?,
            not_fetched_bytes: sum("SELECT CAST(COALESCE(SUM(u.saved_bytes), 0) AS BIGINT)
                 FROM zone_file z JOIN file_use u ON u.sha256 = z.sha256 WHERE z.zone = $1")
            .await?,
        })
    }

    /// Sums what is stored of large files, as it lies in the store.
    pub async fn stored_bytes(&self) -> Result<u64, CatalogError> {
        let row = self.pool.row("SELECT CAST(COALESCE(SUM(stored_bytes), 0) AS BIGINT) FROM xorb", args![]).await?;
        row.map_or(Ok(0), |row: Row| row.count("xorb", 0))
    }

    /// Lists the repositories whose large files are longest together, with that length.
    pub async fn repos_largest(&self, limit: u64) -> Result<Vec<(RepoAddress, u64)>, CatalogError> {
        let rows = self
            .pool
            .rows(
                "SELECT r.kind, a.name, r.name, CAST(SUM(x.file_bytes) AS BIGINT) AS bytes
                 FROM repo r JOIN account a ON a.id = r.owner_id JOIN repo_file f ON f.repo_id = r.id
                 JOIN lfs_file l ON l.sha256 = f.sha256 JOIN xet_file x ON x.hash = l.hash
                 GROUP BY r.id, r.kind, a.name, r.name ORDER BY bytes DESC, r.id LIMIT $1",
                args![limit],
            )
            .await?;
        let read = |row: &Row| {
            let kind: RepoKind = row.word("repo", 0, |word| word.parse().ok())?;
            let owner = row.word("account", 1, |name| name.parse().ok())?;
            let name = row.word("repo", 2, |name| name.parse().ok())?;
            Ok((RepoAddress { kind, owner, name }, row.count("xet_file", 3)?))
        };
        rows.iter().map(read).collect()
    }
}
