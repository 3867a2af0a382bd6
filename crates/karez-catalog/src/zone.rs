//! Trust zones: who may be told that bytes are stored (see [`Zone`]).
//!
//! A file that joins a zone takes its xorbs along, those of the way of putting it together that is
//! used for its SHA-256.

use karez_types::{RepoId, Sha256, XorbHash, Zone};

use crate::engine::{Tx, args, transact};
use crate::list::rows_in_list;
use crate::value::Value;
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Returns those of the xorbs that are members of one of the zones, in any order.
    pub async fn xorbs_in_zones(&self, xorbs: &[XorbHash], zones: &[Zone]) -> Result<Vec<XorbHash>, CatalogError> {
        let mut found = Vec::new();
        let list: Vec<Value> = xorbs.iter().map(Value::from).collect();
        for zone in zones {
            let sql = "SELECT hash FROM zone_xorb WHERE zone = $1 AND hash IN ({list})";
            for row in rows_in_list(&self.pool, sql, args![*zone], &list).await? {
                found.push(row.hash("zone_xorb", 0, XorbHash::from_slice)?);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Returns those of the files that are members of one of the zones, in any order.
    pub async fn files_in_zones(&self, files: &[Sha256], zones: &[Zone]) -> Result<Vec<Sha256>, CatalogError> {
        let mut found = Vec::new();
        let list: Vec<Value> = files.iter().map(Value::from).collect();
        for zone in zones {
            let sql = "SELECT sha256 FROM zone_file WHERE zone = $1 AND sha256 IN ({list})";
            for row in rows_in_list(&self.pool, sql, args![*zone], &list).await? {
                found.push(row.hash("zone_file", 0, Sha256::from_slice)?);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Makes stored files, and the xorbs that they are made of, members of a zone. Files that are not
    /// stored are passed over.
    pub async fn file_zone_add(&self, files: &[Sha256], zone: Zone) -> Result<(), CatalogError> {
        transact!(self, |tx| { files_join_zone(tx, files, zone).await })
    }
}

pub(crate) async fn files_join_zone(tx: &mut Tx, files: &[Sha256], zone: Zone) -> Result<(), CatalogError> {
    let mut ordered = files.to_vec();
    ordered.sort_unstable();
    ordered.dedup();
    let list: Vec<Value> = ordered.iter().map(Value::from).collect();
    for sql in [
        "INSERT INTO zone_file (sha256, zone)
         SELECT l.sha256, CAST($1 AS BIGINT) FROM lfs_file l WHERE l.sha256 IN ({list}) ORDER BY l.sha256
         ON CONFLICT DO NOTHING",
        "INSERT INTO zone_xorb (hash, zone)
         SELECT DISTINCT x.xorb, CAST($1 AS BIGINT) FROM lfs_file l JOIN file_xorb x ON x.file = l.hash
         WHERE l.sha256 IN ({list}) ORDER BY x.xorb
         ON CONFLICT DO NOTHING",
    ] {
        rows_in_list(&mut *tx, sql, args![zone], &list).await?;
    }
    Ok(())
}

/// Takes the files of a repository out of the public zone, but for those that an open repository has as well, and
/// the xorbs that no file of that zone needs.
pub(crate) async fn repo_files_leave_public(tx: &mut Tx, repo: RepoId) -> Result<(), CatalogError> {
    for sql in [
        "DELETE FROM zone_file WHERE zone = $1 AND sha256 IN (SELECT f.sha256 FROM repo_file f WHERE f.repo_id = $2)
           AND NOT EXISTS (
               SELECT 1 FROM repo_file f JOIN repo r ON r.id = f.repo_id
               WHERE f.sha256 = zone_file.sha256 AND r.visibility = 'public'
                 AND (r.gated = 'false' OR r.id IN (SELECT m.repo_id FROM mirror m)))",
        "DELETE FROM zone_xorb WHERE zone = $1 AND hash IN (
               SELECT x.xorb FROM repo_file f JOIN lfs_file l ON l.sha256 = f.sha256 JOIN file_xorb x ON x.file = l.hash
               WHERE f.repo_id = $2)
           AND NOT EXISTS (
               SELECT 1 FROM file_xorb x JOIN lfs_file l ON l.hash = x.file JOIN zone_file z ON z.sha256 = l.sha256
               WHERE x.xorb = zone_xorb.hash AND z.zone = zone_xorb.zone)",
    ] {
        tx.execute(sql, args![Zone::PUBLIC, repo]).await?;
    }
    Ok(())
}

/// Makes all files of a repository members of a zone: it became public, or has a new owner.
pub(crate) async fn repo_files_join_zone(tx: &mut Tx, repo: RepoId, zone: Zone) -> Result<(), CatalogError> {
    for sql in [
        "INSERT INTO zone_file (sha256, zone)
         SELECT f.sha256, CAST($1 AS BIGINT) FROM repo_file f WHERE f.repo_id = $2 ORDER BY f.sha256
         ON CONFLICT DO NOTHING",
        "INSERT INTO zone_xorb (hash, zone)
         SELECT DISTINCT x.xorb, CAST($1 AS BIGINT)
         FROM repo_file f JOIN lfs_file l ON l.sha256 = f.sha256 JOIN file_xorb x ON x.file = l.hash
         WHERE f.repo_id = $2 ORDER BY x.xorb
         ON CONFLICT DO NOTHING",
    ] {
        tx.execute(sql, args![zone, repo]).await?;
    }
    Ok(())
}
