//! Multipart uploads under way.

use karez_types::{AccountId, RepoId, Sha256, Timestamp};

use crate::engine::{args, transact};
use crate::model::UploadRow;
use crate::row::Row;
use crate::{Catalog, CatalogError};

const TABLE: &str = "upload";

impl Catalog {
    /// Stores a new upload under its random name.
    pub async fn upload_create(&self, upload: &UploadRow, now: Timestamp) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            tx.execute(
                "INSERT INTO upload (id, repo_id, sha256, file_bytes, part_bytes, user_id, created, expires)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                args![
                    &upload.id,
                    upload.repo_id,
                    &upload.sha256,
                    upload.file_bytes,
                    upload.part_bytes,
                    upload.user,
                    now,
                    upload.expires
                ],
            )
            .await
        })?;
        Ok(())
    }

    /// Finds an upload.
    pub async fn upload_get(&self, id: &str) -> Result<Option<UploadRow>, CatalogError> {
        let sql = "SELECT id, repo_id, sha256, file_bytes, part_bytes, user_id, expires FROM upload WHERE id = $1";
        let row = self.pool.row(sql, args![id]).await?;
        row.as_ref().map(upload_at).transpose()
    }

    /// Forgets an upload; tells whether there was one. Of several callers one hears yes.
    pub async fn upload_delete(&self, id: &str) -> Result<bool, CatalogError> {
        let deleted = transact!(self, |tx| { tx.execute("DELETE FROM upload WHERE id = $1", args![id]).await })?;
        Ok(deleted == 1)
    }

    /// Lists uploads that have expired, oldest first.
    pub async fn uploads_expired(&self, now: Timestamp, limit: u64) -> Result<Vec<UploadRow>, CatalogError> {
        let sql = "SELECT id, repo_id, sha256, file_bytes, part_bytes, user_id, expires FROM upload
                   WHERE expires <= $1 ORDER BY expires LIMIT $2";
        let rows = self.pool.rows(sql, args![now, limit]).await?;
        rows.iter().map(upload_at).collect()
    }
}

fn upload_at(row: &Row) -> Result<UploadRow, CatalogError> {
    Ok(UploadRow {
        id: row.text(0)?,
        repo_id: RepoId(row.int(1)?),
        sha256: row.hash(TABLE, 2, Sha256::from_slice)?,
        file_bytes: row.count(TABLE, 3)?,
        part_bytes: row.count(TABLE, 4)?,
        user: AccountId(row.int(5)?),
        expires: row.moment(6)?,
    })
}
