//! How often files of mirrors are asked for, and what of mirrors is here: what eviction decides by.

use karez_types::{RemoteId, RepoId, Sha256, Timestamp};

use crate::engine::{args, transact};
use crate::model::{HeldFile, Keep};
use crate::row::Row;
use crate::{Catalog, CatalogError};

const TABLE: &str = "file_use";

impl Catalog {
    /// Counts requests for a file, and the bytes that did not travel because it was here.
    pub async fn file_use_add(
        &self,
        sha256: &Sha256,
        requests: u64,
        saved_bytes: u64,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            let sql = "INSERT INTO file_use (sha256, requests, saved_bytes, last_used) VALUES ($1, $2, $3, $4)
                       ON CONFLICT (sha256) DO UPDATE SET requests = file_use.requests + excluded.requests,
                           saved_bytes = file_use.saved_bytes + excluded.saved_bytes, last_used = excluded.last_used";
            tx.execute(sql, args![sha256, requests, saved_bytes, now]).await.map(drop)
        })
    }

    /// Returns how many requests for a file were counted.
    pub async fn file_use_requests(&self, sha256: &Sha256) -> Result<u64, CatalogError> {
        let row = self.pool.row("SELECT requests FROM file_use WHERE sha256 = $1", args![sha256]).await?;
        row.map_or(Ok(0), |row| row.count(TABLE, 0))
    }

    /// Returns a page of the large files that are here for mirrors, by repository and SHA-256.
    pub async fn held_files(
        &self,
        after: Option<(RepoId, &Sha256)>,
        limit: u64,
    ) -> Result<Vec<HeldFile>, CatalogError> {
        let (repo, sha256) = after.map_or((RepoId(0), &[][..]), |(repo, sha256)| (repo, sha256.as_bytes()));
        let sql = "SELECT m.repo_id, m.remote_id, f.sha256, x.file_bytes, m.is_pinned, m.keep,
                       COALESCE(u.requests, 0), COALESCE(u.saved_bytes, 0), COALESCE(u.last_used, m.held_since)
                   FROM repo_file f JOIN mirror m ON m.repo_id = f.repo_id
                   JOIN lfs_file l ON l.sha256 = f.sha256 JOIN xet_file x ON x.hash = l.hash
                   LEFT JOIN file_use u ON u.sha256 = f.sha256
                   WHERE (f.repo_id, f.sha256) > ($1, $2) ORDER BY f.repo_id, f.sha256 LIMIT $3";
        let rows = self.pool.rows(sql, args![repo, sha256, limit]).await?;
        rows.iter().map(held_at).collect()
    }

    /// Returns the bytes of large files that are here for mirrors, each file once.
    pub async fn held_bytes(&self) -> Result<u64, CatalogError> {
        let sql = "SELECT CAST(COALESCE(SUM(x.file_bytes), 0) AS BIGINT)
                   FROM lfs_file l JOIN xet_file x ON x.hash = l.hash
                   WHERE EXISTS (SELECT 1 FROM repo_file f JOIN mirror m ON m.repo_id = f.repo_id
                                 WHERE f.sha256 = l.sha256)";
        let row = self.pool.row(sql, &[]).await?;
        row.map_or(Ok(0), |row| row.count("xet_file", 0))
    }
}

fn held_at(row: &Row) -> Result<HeldFile, CatalogError> {
    Ok(HeldFile {
        repo_id: RepoId(row.int(0)?),
        remote: RemoteId(row.int(1)?),
        sha256: row.hash("repo_file", 2, Sha256::from_slice)?,
        file_bytes: row.count("xet_file", 3)?,
        is_pinned: row.flag(4)?,
        keep: row.word("mirror", 5, Keep::from_word)?,
        requests: row.count(TABLE, 6)?,
        saved_bytes: row.count(TABLE, 7)?,
        last_used: row.moment(8)?,
    })
}
