//! Xorbs and large files.

use std::collections::{BTreeSet, HashSet};

use karez_formats::xet::{Term, decode_terms, encode_terms};
use karez_types::{ChunkHash, FileHash, RepoId, Sha256, Timestamp, XorbHash, Zone};

use crate::engine::{Tx, args, transact};
use crate::garbage::{files_hold, files_note, files_revive, xorbs_hold, xorbs_note};
use crate::list::rows_in_list;
use crate::model::{Brought, FileBrief, FileRow, FilesInserted, NewFile, XorbInserted, XorbRow};
use crate::row::{Row, valid};
use crate::value::Value;
use crate::{Catalog, CatalogError};

const TABLE: &str = "xet_file";

/// Reads `hash, sha256, file_bytes, terms`.
pub(crate) fn file_at(row: &Row) -> Result<FileRow, CatalogError> {
    let FileBrief { hash, sha256, file_bytes } = brief_at(row)?;
    let terms = decode_terms(&row.blob(3)?)
        .map_err(|error| CatalogError::Broken { table: TABLE, what: format!("file {hash}: {error}") })?;
    let sum: u64 = terms.iter().map(|term| u64::from(term.raw_bytes)).sum();
    valid(TABLE, "the terms of a file do not add up to its length", (sum == file_bytes).then_some(()))?;
    Ok(FileRow { hash, sha256, file_bytes, terms })
}

fn brief_at(row: &Row) -> Result<FileBrief, CatalogError> {
    Ok(FileBrief {
        hash: row.hash(TABLE, 0, FileHash::from_slice)?,
        sha256: row.hash(TABLE, 1, Sha256::from_slice)?,
        file_bytes: row.count(TABLE, 2)?,
    })
}

pub(crate) fn xorb_at(row: &Row) -> Result<XorbRow, CatalogError> {
    Ok(XorbRow {
        hash: row.hash("xorb", 0, XorbHash::from_slice)?,
        stored_bytes: row.count("xorb", 1)?,
        raw_bytes: row.count("xorb", 2)?,
        chunk_count: valid("xorb", "a count of chunks out of range", u32::try_from(row.int(3)?).ok())?,
    })
}

impl Catalog {
    /// Registers a xorb whose bytes are durable, as a member of a zone. Does so once only. A condemned one is revived.
    ///
    /// `is_stored` looks whether the bytes are in the store: they may have been deleted since they were put there,
    /// but not any more once it is asked. It must not ask the catalog, and is asked only about what is new.
    pub async fn xorb_insert<Looks: Future<Output = bool> + Send>(
        &self,
        xorb: &XorbRow,
        zone: Zone,
        brought: Brought,
        now: Timestamp,
        is_stored: impl Fn() -> Looks + Send,
    ) -> Result<XorbInserted, CatalogError> {
        transact!(self, |tx| {
            // Waits for whoever deletes the row of this name, so that what they wrote is seen below.
            let inserted = tx
                .execute(
                    "INSERT INTO xorb (hash, stored_bytes, raw_bytes, chunk_count, created) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT DO NOTHING",
                    args![&xorb.hash, xorb.stored_bytes, xorb.raw_bytes, xorb.chunk_count, now],
                )
                .await?;
            let held = xorbs_hold(tx, args![&xorb.hash], brought.into()).await?;
            let leaving = tx.row("SELECT 1 FROM xorb_leaving WHERE hash = $1", args![&xorb.hash]).await?;
            if held.is_empty() || leaving.is_some() {
                return tx.give_up(XorbInserted::Leaving);
            }
            if inserted == 1 && !is_stored().await {
                return tx.give_up(XorbInserted::Lost);
            }
            xorbs_note(tx, args![&xorb.hash], brought, now).await?;
            let sql = "INSERT INTO zone_xorb (hash, zone) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            tx.execute(sql, args![&xorb.hash, zone]).await?;
            Ok(XorbInserted::Registered)
        })
    }

    /// Returns those of the xorbs that are registered, in any order, whatever their zone.
    pub async fn xorbs_get(&self, xorbs: &[XorbHash]) -> Result<Vec<XorbRow>, CatalogError> {
        let list: Vec<Value> = xorbs.iter().map(Value::from).collect();
        let sql = "SELECT hash, stored_bytes, raw_bytes, chunk_count FROM xorb WHERE hash IN ({list})";
        rows_in_list(&self.pool, sql, &[], &list).await?.iter().map(xorb_at).collect()
    }

    /// Registers one file; see [`Catalog::files_insert`].
    pub async fn file_insert(
        &self,
        file: &NewFile,
        zone: Zone,
        brought: Brought,
        now: Timestamp,
    ) -> Result<FilesInserted, CatalogError> {
        self.files_insert(std::slice::from_ref(file), zone, brought, now).await
    }

    /// Registers verified files as members of a zone, all or none: none when a xorb that one of them names is not
    /// registered. A file whose SHA-256 is known keeps the way of putting it together that came first; the new way
    /// can be found by its own hash. What is condemned of them is revived.
    pub async fn files_insert(
        &self,
        files: &[NewFile],
        zone: Zone,
        brought: Brought,
        now: Timestamp,
    ) -> Result<FilesInserted, CatalogError> {
        for NewFile { row, .. } in files {
            let sum: u64 = row.terms.iter().map(|term| u64::from(term.raw_bytes)).sum();
            assert_eq!(sum, row.file_bytes, "file {}: the terms must add up to the length", row.hash);
        }
        // In one order everywhere: two transactions that bring the same files wait instead of deadlocking.
        let mut ordered: Vec<&NewFile> = files.iter().collect();
        ordered.sort_unstable_by_key(|file| (file.row.sha256, file.row.hash));
        ordered.dedup_by_key(|file| (file.row.sha256, file.row.hash));
        let keys = dedup_keys(&ordered);
        let sha256s: BTreeSet<Sha256> = ordered.iter().map(|file| file.row.sha256).collect();
        let sha256s: Vec<Value> = sha256s.iter().map(Value::from).collect();
        let xorbs: BTreeSet<XorbHash> = ordered
            .iter()
            .flat_map(|file| &file.row.terms)
            .map(|term| term.xorb)
            .chain(keys.iter().map(|key| key.1))
            .collect();
        let xorb_list: Vec<Value> = xorbs.iter().map(Value::from).collect();
        // Before they are stored: a filter that knows too much costs a query, one that knows too little lies.
        self.dedup_filter.add(keys.iter().map(|(chunk, _)| chunk));
        transact!(self, |tx| {
            files_hold(tx, &sha256s, brought.into()).await?;
            let held = xorbs_hold(tx, &xorb_list, brought.into()).await?;
            if let Some(missing) = xorbs.iter().find(|xorb| !held.contains(xorb.as_bytes().as_slice())) {
                return tx.give_up(FilesInserted::XorbMissing(*missing));
            }
            write_files(tx, &ordered, zone, now).await?;
            let values: Vec<Value> = keys.iter().flat_map(|(chunk, xorb)| [chunk.into(), xorb.into()]).collect();
            tx.insert_rows("INSERT INTO dedup_chunk (chunk, xorb)", 2, "ON CONFLICT DO NOTHING", &values).await?;
            if brought == Brought::ByClient {
                files_note(tx, &sha256s, now).await?;
            }
            xorbs_note(tx, &xorb_list, brought, now).await?;
            files_revive(tx, &sha256s).await?;
            Ok(FilesInserted::Registered)
        })
    }

    /// Finds a file by its SHA-256.
    pub async fn file_by_sha256(&self, sha256: &Sha256) -> Result<Option<FileRow>, CatalogError> {
        let row = self
            .pool
            .row(
                "SELECT f.hash, f.sha256, f.file_bytes, f.terms FROM lfs_file l JOIN xet_file f ON f.hash = l.hash
                 WHERE l.sha256 = $1",
                args![sha256],
            )
            .await?;
        row.as_ref().map(file_at).transpose()
    }

    /// Returns those of the files that are stored and not condemned, in any order, without their terms.
    pub async fn files_by_sha256(&self, files: &[Sha256]) -> Result<Vec<FileBrief>, CatalogError> {
        let list: Vec<Value> = files.iter().map(Value::from).collect();
        let sql = "SELECT f.hash, f.sha256, f.file_bytes FROM lfs_file l JOIN xet_file f ON f.hash = l.hash
                   WHERE NOT EXISTS (SELECT 1 FROM file_condemned c WHERE c.sha256 = l.sha256)
                       AND l.sha256 IN ({list})";
        rows_in_list(&self.pool, sql, &[], &list).await?.iter().map(brief_at).collect()
    }

    /// Finds a file that is not condemned by its xet hash, whichever way of putting it together that names.
    pub async fn file_by_hash(&self, hash: &FileHash) -> Result<Option<FileRow>, CatalogError> {
        let sql = "SELECT hash, sha256, file_bytes, terms FROM xet_file f WHERE hash = $1
                       AND NOT EXISTS (SELECT 1 FROM file_condemned c WHERE c.sha256 = f.sha256)";
        let row = self.pool.row(sql, args![hash]).await?;
        row.as_ref().map(file_at).transpose()
    }

    /// Finds a file by its xet hash, if this repository may serve it.
    pub async fn repo_file_contains(&self, repo: RepoId, hash: &FileHash) -> Result<Option<FileRow>, CatalogError> {
        let row = self
            .pool
            .row(
                "SELECT f.hash, f.sha256, f.file_bytes, f.terms
                 FROM xet_file f JOIN repo_file r ON r.sha256 = f.sha256 AND r.repo_id = $1
                 WHERE f.hash = $2",
                args![repo, hash],
            )
            .await?;
        row.as_ref().map(file_at).transpose()
    }

    /// Tells whether this repository may serve the file with this SHA-256.
    pub async fn repo_file_has(&self, repo: RepoId, sha256: &Sha256) -> Result<bool, CatalogError> {
        let sql = "SELECT 1 FROM repo_file WHERE repo_id = $1 AND sha256 = $2";
        Ok(self.pool.quick_row(sql, args![repo, sha256]).await?.is_some())
    }

    /// Lists the files that a repository may serve by SHA-256: at most `limit` after `after`.
    pub async fn repo_files(
        &self,
        repo: RepoId,
        after: Option<&Sha256>,
        limit: u64,
    ) -> Result<Vec<FileBrief>, CatalogError> {
        let after = after.map_or(&[][..], |after| after.as_bytes());
        let rows = self
            .pool
            .rows(
                "SELECT f.hash, f.sha256, f.file_bytes
                 FROM repo_file r JOIN lfs_file l ON l.sha256 = r.sha256 JOIN xet_file f ON f.hash = l.hash
                 WHERE r.repo_id = $1 AND r.sha256 > $2 ORDER BY r.sha256 LIMIT $3",
                args![repo, after, limit],
            )
            .await?;
        rows.iter().map(brief_at).collect()
    }
}

/// Collects the deduplication keys of the files, each once, in order.
fn dedup_keys(files: &[&NewFile]) -> Vec<(ChunkHash, XorbHash)> {
    let mut keys: Vec<_> = files.iter().flat_map(|file| file.dedup_keys.iter().copied()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

async fn write_files(tx: &mut Tx, files: &[&NewFile], zone: Zone, now: Timestamp) -> Result<(), CatalogError> {
    // A way that is there already keeps its terms, so it must not use the xorbs of others with the same chunks.
    let hashes: Vec<Value> = files.iter().map(|file| Value::from(&file.row.hash)).collect();
    let known = rows_in_list(&mut *tx, "SELECT hash FROM xet_file WHERE hash IN ({list})", &[], &hashes).await?;
    let known: HashSet<Vec<u8>> = known.iter().map(|row| row.blob(0)).collect::<Result<_, _>>()?;
    let terms: Vec<Vec<u8>> = files.iter().map(|file| encode_terms(&file.row.terms)).collect();
    let xorbs: Vec<Vec<XorbHash>> = files.iter().map(|file| distinct_xorbs(&file.row.terms)).collect();
    let mut ways = Vec::with_capacity(files.len() * 5);
    let (mut first_ways, mut members, mut uses) = (Vec::new(), Vec::new(), Vec::new());
    for ((NewFile { row, .. }, terms), xorbs) in files.iter().zip(&terms).zip(&xorbs) {
        ways.extend_from_slice(args![&row.hash, &row.sha256, row.file_bytes, now, terms]);
        first_ways.extend_from_slice(args![&row.sha256, &row.hash]);
        members.extend_from_slice(args![&row.sha256, zone]);
        let is_known = known.contains(row.hash.as_bytes().as_slice());
        for (place, xorb) in xorbs.iter().enumerate().filter(|_| !is_known) {
            uses.extend_from_slice(args![&row.hash, place as u64, xorb]);
        }
    }
    let quiet = "ON CONFLICT DO NOTHING";
    tx.insert_rows("INSERT INTO xet_file (hash, sha256, file_bytes, created, terms)", 5, quiet, &ways).await?;
    tx.insert_rows("INSERT INTO lfs_file (sha256, hash)", 2, quiet, &first_ways).await?;
    tx.insert_rows("INSERT INTO zone_file (sha256, zone)", 2, quiet, &members).await?;
    tx.insert_rows("INSERT INTO file_xorb (file, place, xorb)", 3, quiet, &uses).await?;
    Ok(())
}

/// Returns the xorbs of a file, each once, in order of first use.
fn distinct_xorbs(terms: &[Term]) -> Vec<XorbHash> {
    let mut seen = HashSet::new();
    terms.iter().map(|term| term.xorb).filter(|xorb| seen.insert(*xorb)).collect()
}
