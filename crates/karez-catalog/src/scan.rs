//! Walks over whole tables, for checking. Each call gives one page, after a place, in order.

use karez_types::{FileHash, GitOid, RefName, RepoId, Sha256, XorbHash};

use crate::engine::args;
use crate::git::{object_at, oid_at, pointer_at};
use crate::model::{FileRow, ObjectRow, RefRow, Repo, XorbRow};
use crate::repo::{repo_at, select_repo};
use crate::xet::{file_at, xorb_at};
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Returns a page of all repositories of all kinds, by id.
    pub async fn repos_scan(&self, after: RepoId, limit: u64) -> Result<Vec<Repo>, CatalogError> {
        let sql = select_repo!("WHERE r.id > $1 ORDER BY r.id LIMIT $2");
        let rows = self.pool.rows(sql, args![after, limit]).await?;
        rows.iter().map(repo_at).collect()
    }

    /// Returns a page of all refs, by repository and name.
    pub async fn refs_scan(&self, after: Option<(RepoId, &RefName)>, limit: u64) -> Result<Vec<RefRow>, CatalogError> {
        let (repo, name) = after.map_or((RepoId(0), ""), |(repo, name)| (repo, name.as_str()));
        let sql = "SELECT repo_id, name, target FROM git_ref WHERE (repo_id, name) > ($1, $2)
                   ORDER BY repo_id, name LIMIT $3";
        let rows = self.pool.rows(sql, args![repo, name, limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(RefRow {
                    repo_id: RepoId(row.int(0)?),
                    name: row.word("git_ref", 1, |text| text.parse().ok())?,
                    target: oid_at("git_ref", row, 2)?,
                })
            })
            .collect()
    }

    /// Returns a page of all git objects, by id.
    pub async fn objects_scan(&self, after: Option<&GitOid>, limit: u64) -> Result<Vec<ObjectRow>, CatalogError> {
        let after = after.map_or(&[][..], |after| after.as_bytes());
        let sql =
            "SELECT oid, kind, content, lfs_sha256, lfs_bytes FROM git_object WHERE oid > $1 ORDER BY oid LIMIT $2";
        let rows = self.pool.rows(sql, args![after, limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(ObjectRow {
                    oid: oid_at("git_object", row, 0)?,
                    object: object_at(row, 1)?,
                    lfs: pointer_at(row, 3)?,
                })
            })
            .collect()
    }

    /// Returns a page of all ways of putting files together, by xet hash.
    pub async fn files_scan(&self, after: Option<&FileHash>, limit: u64) -> Result<Vec<FileRow>, CatalogError> {
        let after = after.map_or(&[][..], |after| after.as_bytes());
        let sql = "SELECT hash, sha256, file_bytes, terms FROM xet_file WHERE hash > $1 ORDER BY hash LIMIT $2";
        let rows = self.pool.rows(sql, args![after, limit]).await?;
        rows.iter().map(file_at).collect()
    }

    /// Tells whether a way of putting a file together is registered, condemned or not.
    pub async fn file_is_registered(&self, hash: &FileHash) -> Result<bool, CatalogError> {
        Ok(self.pool.row("SELECT 1 FROM xet_file WHERE hash = $1", args![hash]).await?.is_some())
    }

    /// Returns a page of all xorbs, by hash.
    pub async fn xorbs_scan(&self, after: Option<&XorbHash>, limit: u64) -> Result<Vec<XorbRow>, CatalogError> {
        let after = after.map_or(&[][..], |after| after.as_bytes());
        let sql = "SELECT hash, stored_bytes, raw_bytes, chunk_count FROM xorb WHERE hash > $1 ORDER BY hash LIMIT $2";
        let rows = self.pool.rows(sql, args![after, limit]).await?;
        rows.iter().map(xorb_at).collect()
    }

    /// Returns a page of all permissions of repositories to serve files, by repository and SHA-256.
    pub async fn repo_files_scan(
        &self,
        after: Option<(RepoId, &Sha256)>,
        limit: u64,
    ) -> Result<Vec<(RepoId, Sha256)>, CatalogError> {
        let (repo, sha256) = after.map_or((RepoId(0), &[][..]), |(repo, sha256)| (repo, sha256.as_bytes()));
        let sql = "SELECT repo_id, sha256 FROM repo_file WHERE (repo_id, sha256) > ($1, $2)
                   ORDER BY repo_id, sha256 LIMIT $3";
        let rows = self.pool.rows(sql, args![repo, sha256, limit]).await?;
        rows.iter().map(|row| Ok((RepoId(row.int(0)?), row.hash("repo_file", 1, Sha256::from_slice)?))).collect()
    }
}
