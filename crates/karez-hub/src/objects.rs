//! Cached reads of git objects by id.
//!
//! Objects never change under their id, so nothing here is ever invalidated; each cache is bounded
//! by the bytes that it holds. The object table is shared by all repositories: whoever asks here
//! has already found the id through a revision that the caller may read.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use karez_catalog::{FileBrief, FileRow};
use karez_formats::git::{Commit, GitKind, TreeEntry, TreeMode, parse_commit, parse_tree};
use karez_formats::lfs::LfsPointer;
use karez_formats::xet::Term;
use karez_types::{FileHash, GitOid, RepoId, RepoPath, Sha256};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::resolve::Resolved;
use crate::{Hub, HubError, HubResult};

/// A folder: its entries in the order of git.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    entries: Vec<TreeEntry>,
    /// Positions of the entries, sorted by name alone.
    by_name: Vec<u32>,
}

impl Folder {
    fn new(entries: Vec<TreeEntry>) -> Folder {
        let mut by_name: Vec<u32> = (0..u32::try_from(entries.len()).unwrap_or(u32::MAX)).collect();
        by_name.sort_by(|&a, &b| entries[a as usize].name.cmp(&entries[b as usize].name));
        Folder { entries, by_name }
    }

    /// Returns the entries in the order of git.
    pub(crate) fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    /// Returns where the entry of this name is among the entries.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        let found = self.by_name.binary_search_by(|&at| self.entries[at as usize].name.as_str().cmp(name));
        found.ok().map(|at| self.by_name[at] as usize)
    }

    /// Returns the entry of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&TreeEntry> {
        self.position(name).map(|at| &self.entries[at])
    }
}

/// What listings need to know of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlobStat {
    /// Length of the blob.
    pub blob_bytes: u64,
    /// The large file that it points at, if it is a pointer.
    pub pointer: Option<LfsPointer>,
}

/// What a value in a cache weighs.
pub(crate) trait Held {
    /// Returns about how many bytes of memory the value holds, with the bookkeeping around it.
    fn held_bytes(&self) -> u64;
}

/// Weighs cached values by the memory that they hold.
#[derive(Clone)]
pub(crate) struct ByHeldBytes;

impl<K, V: Held> Weighter<K, V> for ByHeldBytes {
    fn weight(&self, _key: &K, value: &V) -> u64 {
        value.held_bytes()
    }
}

/// Memory of one entry of a cache besides what its value points at.
pub(crate) const ENTRY_BYTES: u64 = 160;

impl Held for Arc<Folder> {
    fn held_bytes(&self) -> u64 {
        let of_entry = |entry: &TreeEntry| (size_of::<TreeEntry>() + size_of::<u32>() + entry.name.len()) as u64;
        ENTRY_BYTES + self.entries.iter().map(of_entry).sum::<u64>()
    }
}

impl Held for Arc<Commit> {
    fn held_bytes(&self) -> u64 {
        let extra: usize = self.extra_headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        ENTRY_BYTES + (size_of::<Commit>() + self.message.len() + extra) as u64
    }
}

impl Held for Bytes {
    fn held_bytes(&self) -> u64 {
        ENTRY_BYTES + self.len() as u64
    }
}

impl Held for Arc<Resolved> {
    fn held_bytes(&self) -> u64 {
        ENTRY_BYTES + (size_of::<Resolved>() + 2 * self.path.as_str().len()) as u64
    }
}

impl Held for Arc<FileRow> {
    fn held_bytes(&self) -> u64 {
        ENTRY_BYTES + (size_of::<FileRow>() + self.terms.len() * size_of::<Term>()) as u64
    }
}

macro_rules! held_flat {
    ($($value:ty),+) => {
        $(impl Held for $value {
            fn held_bytes(&self) -> u64 {
                ENTRY_BYTES
            }
        })+
    };
}
held_flat!(BlobStat, FileBrief, ());

type BoundedCache<K, V> = Cache<K, V, ByHeldBytes>;

/// Larger blobs are read from the catalog each time.
const CACHED_BLOB_BYTES_MAX: usize = 64 << 10;

/// Everything that is remembered about objects.
pub(crate) struct Objects {
    pub(crate) commits: BoundedCache<GitOid, Arc<Commit>>,
    folders: BoundedCache<GitOid, Arc<Folder>>,
    stats: BoundedCache<GitOid, BlobStat>,
    blobs: BoundedCache<GitOid, Bytes>,
    files: BoundedCache<Sha256, FileBrief>,
    /// Recipes of files that are read range by range.
    rows: BoundedCache<FileHash, Arc<FileRow>>,
    /// Commits that are known to belong to a repository. Absence means nothing.
    pub(crate) own_commits: BoundedCache<(RepoId, GitOid), ()>,
    pub(crate) resolved: BoundedCache<(GitOid, RepoPath), Arc<Resolved>>,
}

fn cache<K: Eq + Hash, V: Held + Clone>(bytes_max: u64, value_bytes_expected: u64) -> BoundedCache<K, V> {
    let items = usize::try_from(bytes_max / value_bytes_expected).unwrap_or(usize::MAX);
    Cache::with_weighter(items, bytes_max, ByHeldBytes)
}

impl Default for Objects {
    /// Returns empty caches of together at most 52 MiB.
    fn default() -> Objects {
        const MIB: u64 = 1 << 20;
        Objects {
            commits: cache(4 * MIB, 2_048),
            folders: cache(16 * MIB, 8_192),
            stats: cache(4 * MIB, 512),
            blobs: cache(8 * MIB, 8_192),
            files: cache(2 * MIB, 512),
            rows: cache(8 * MIB, 8_192),
            own_commits: cache(2 * MIB, 512),
            resolved: cache(8 * MIB, 1_024),
        }
    }
}

fn damaged(oid: GitOid, what: impl std::fmt::Display) -> HubError {
    HubError::Damaged(format!("git object {oid}: {what}"))
}

/// Objects asked of the catalog in one query.
const BATCH: usize = 500;

impl Objects {
    /// Forgets what large files are made of and called: what was deleted may come again in another way.
    pub(crate) fn large_files_forget(&self) {
        self.files.clear();
        self.rows.clear();
        self.resolved.clear();
    }
}

impl Hub {
    /// Reads an object that something stored points at, so it must be there.
    async fn object_read(&self, oid: GitOid, kind: GitKind) -> HubResult<Vec<u8>> {
        let object = self.catalog.object_get(oid).await?.ok_or_else(|| damaged(oid, "missing"))?;
        if object.kind != kind {
            return Err(damaged(oid, format_args!("is a {}, not a {kind}", object.kind)));
        }
        Ok(object.content)
    }

    /// Reads a commit.
    pub(crate) async fn commit_read(&self, oid: GitOid) -> HubResult<Arc<Commit>> {
        if let Some(commit) = self.objects.commits.get(&oid) {
            return Ok(commit);
        }
        let content = self.object_read(oid, GitKind::Commit).await?;
        let commit = Arc::new(parse_commit(&content).map_err(|error| damaged(oid, error))?);
        self.objects.commits.insert(oid, Arc::clone(&commit));
        Ok(commit)
    }

    /// Reads a folder.
    pub(crate) async fn folder_read(&self, oid: GitOid) -> HubResult<Arc<Folder>> {
        if let Some(folder) = self.objects.folders.get(&oid) {
            return Ok(folder);
        }
        let content = self.object_read(oid, GitKind::Tree).await?;
        let folder = Arc::new(Folder::new(parse_tree(&content).map_err(|error| damaged(oid, error))?));
        self.objects.folders.insert(oid, Arc::clone(&folder));
        Ok(folder)
    }

    /// Reads a blob. Small ones are remembered.
    pub(crate) async fn blob_read(&self, oid: GitOid) -> HubResult<Bytes> {
        if let Some(blob) = self.objects.blobs.get(&oid) {
            return Ok(blob);
        }
        let blob = Bytes::from(self.object_read(oid, GitKind::Blob).await?);
        if blob.len() <= CACHED_BLOB_BYTES_MAX {
            self.objects.blobs.insert(oid, blob.clone());
        }
        Ok(blob)
    }

    /// Returns length and pointer of each of these blobs.
    pub(crate) async fn blob_stats(&self, oids: &[GitOid]) -> HubResult<HashMap<GitOid, BlobStat>> {
        let mut stats = HashMap::with_capacity(oids.len());
        let mut unknown = Vec::new();
        for &oid in oids {
            match self.objects.stats.get(&oid) {
                Some(stat) => drop(stats.insert(oid, stat)),
                None => unknown.push(oid),
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        for batch in unknown.chunks(BATCH) {
            for stat in self.catalog.object_stats(batch).await? {
                let known = BlobStat { blob_bytes: stat.bytes, pointer: stat.lfs };
                self.objects.stats.insert(stat.oid, known);
                stats.insert(stat.oid, known);
            }
        }
        match oids.iter().find(|oid| !stats.contains_key(oid)) {
            Some(&missing) => Err(damaged(missing, "missing")),
            None => Ok(stats),
        }
    }

    /// Returns length and pointer of a blob.
    pub(crate) async fn blob_stat(&self, oid: GitOid) -> HubResult<BlobStat> {
        self.blob_stats(&[oid]).await?.remove(&oid).ok_or_else(|| damaged(oid, "missing"))
    }

    /// Returns those of these large files that are stored.
    pub(crate) async fn files_read(&self, hashes: &[Sha256]) -> HubResult<HashMap<Sha256, FileBrief>> {
        let mut files = HashMap::with_capacity(hashes.len());
        let mut unknown = Vec::new();
        for &sha256 in hashes {
            match self.objects.files.get(&sha256) {
                Some(file) => drop(files.insert(sha256, file)),
                None => unknown.push(sha256),
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        for batch in unknown.chunks(BATCH) {
            for file in self.catalog.files_by_sha256(batch).await? {
                self.objects.files.insert(file.sha256, file);
                files.insert(file.sha256, file);
            }
        }
        Ok(files)
    }

    /// Returns how a large file is put together.
    pub(crate) async fn file_row_read(&self, hash: FileHash) -> HubResult<Option<Arc<FileRow>>> {
        if let Some(row) = self.objects.rows.get(&hash) {
            return Ok(Some(row));
        }
        let Some(row) = self.catalog.file_by_hash(&hash).await?.map(Arc::new) else { return Ok(None) };
        self.objects.rows.insert(hash, Arc::clone(&row));
        Ok(Some(row))
    }

    /// Finds what is at a path of a commit, or `None`.
    pub(crate) async fn entry_find(&self, commit: GitOid, path: &RepoPath) -> HubResult<Option<TreeEntry>> {
        let mut folder = self.commit_read(commit).await?.tree;
        let mut parts = path.parts().peekable();
        while let Some(part) = parts.next() {
            let entries = self.folder_read(folder).await?;
            let Some(entry) = entries.get(part) else { return Ok(None) };
            if parts.peek().is_none() {
                return Ok(Some(entry.clone()));
            }
            if entry.mode != TreeMode::Folder {
                return Ok(None);
            }
            folder = entry.oid;
        }
        Ok(None)
    }
}
