//! From repository, revision and path to a file: the busiest question that a node gets.
//!
//! After the queries for token, repository and ref everything comes from memory: what a path of a
//! commit leads to never changes.

use std::sync::Arc;

use bytes::Bytes;
use karez_catalog::Repo;
use karez_types::{ByteRange, GitOid, RepoAddress, RepoPath, Revision};

use crate::far::FileStream;
use crate::tree::LargeFile;
use crate::{Actor, Hub, HubError, HubResult};

/// The file that is a card.
const CARD: &str = "README.md";

/// A file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The commit that the revision names.
    pub commit: GitOid,
    /// Where the file is.
    pub path: RepoPath,
    /// Id of its blob, which for a large file is the pointer.
    pub oid: GitOid,
    /// Length of the file, in bytes.
    pub file_bytes: u64,
    /// How to get at it when it is kept in chunks.
    pub large: Option<LargeFile>,
}

impl Resolved {
    /// Returns the tag under which clients keep the file: sha256 for large files, blob id for small.
    pub fn etag(&self) -> String {
        match &self.large {
            Some(large) => large.sha256.to_string(),
            None => self.oid.to_string(),
        }
    }
}

impl Hub {
    /// Finds a file.
    ///
    /// # Errors
    /// [`HubError::EntryMissing`] with the commit when the revision has no such file.
    pub async fn file_resolve(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
        path: &RepoPath,
    ) -> HubResult<(Repo, Arc<Resolved>)> {
        let (repo, commit) = self.revision_open(actor, address, revision).await?;
        let resolved = self.resolve_in(&repo, commit, path).await?;
        Ok((repo, resolved))
    }

    /// Finds the card of a repository: the README of its main branch, which is for all who may know of it.
    ///
    /// # Errors
    /// As [`Hub::file_resolve`], but for what is given on request.
    pub async fn card_resolve(&self, actor: &Actor, address: &RepoAddress) -> HubResult<Arc<Resolved>> {
        let (repo, commit) = self.revision_see(actor, address, &Revision::main()).await?;
        self.resolve_in(&repo, commit, &CARD.parse()?).await
    }

    async fn resolve_in(&self, repo: &Repo, commit: GitOid, path: &RepoPath) -> HubResult<Arc<Resolved>> {
        let key = (commit, path.clone());
        let resolved = match self.objects.resolved.get(&key) {
            Some(resolved) => resolved,
            None => {
                let resolved = Arc::new(self.resolve_at(commit, path).await?);
                // A file whose bytes are not here yet may arrive; that is the one thing that can change.
                if resolved.large.is_none_or(|large| large.hash.is_some()) {
                    self.objects.resolved.insert(key, Arc::clone(&resolved));
                }
                resolved
            }
        };
        self.resolve_for(repo, resolved).await
    }

    /// Takes from a file of a mirror what is stored here for others: a remote may name what it likes.
    async fn resolve_for(&self, repo: &Repo, resolved: Arc<Resolved>) -> HubResult<Arc<Resolved>> {
        let Some(large) = resolved.large.filter(|large| large.hash.is_some() && repo.mirror.is_some()) else {
            return Ok(resolved);
        };
        if self.catalog.repo_file_has(repo.id, &large.sha256).await? {
            return Ok(resolved);
        }
        Ok(Arc::new(Resolved { large: Some(LargeFile { hash: None, ..large }), ..(*resolved).clone() }))
    }

    pub(crate) async fn resolve_at(&self, commit: GitOid, path: &RepoPath) -> HubResult<Resolved> {
        let missing = || HubError::EntryMissing { path: path.to_string(), commit: Some(commit) };
        let entry = self.entry_find(commit, path).await?.filter(|entry| entry.mode.is_blob()).ok_or_else(missing)?;
        let stat = self.blob_stat(entry.oid).await?;
        let large = match stat.pointer {
            None => None,
            Some(pointer) => {
                let file = self.files_read(&[pointer.sha256]).await?.remove(&pointer.sha256);
                // A remote may state another length than the file has that it names.
                let file = file.filter(|file| file.file_bytes == pointer.file_bytes);
                Some(LargeFile {
                    sha256: pointer.sha256,
                    file_bytes: pointer.file_bytes,
                    pointer_bytes: stat.blob_bytes,
                    hash: file.map(|file| file.hash),
                })
            }
        };
        let file_bytes = large.map_or(stat.blob_bytes, |large| large.file_bytes);
        Ok(Resolved { commit, path: path.clone(), oid: entry.oid, file_bytes, large })
    }

    /// Reads a range of a small file that [`Hub::file_resolve`] has found for the caller.
    ///
    /// # Errors
    /// [`HubError::RangeOutside`], or when the catalog fails.
    pub async fn small_file_read(&self, file: &Resolved, range: ByteRange) -> HubResult<Bytes> {
        let blob = self.blob_read(file.oid).await?;
        let outside = || HubError::RangeOutside { total_bytes: blob.len() as u64 };
        let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
        let (Ok(start), Ok(end)) = (start, end) else { return Err(outside()) };
        if end > blob.len() {
            return Err(outside());
        }
        Ok(blob.slice(start..end))
    }

    /// Streams a range of a large file that [`Hub::file_resolve`] has found for the caller. What is not
    /// here comes from where the repository comes from.
    ///
    /// # Errors
    /// [`HubError::Missing`] when its bytes are not on this node and nobody brings them.
    pub async fn large_file_stream(
        &self,
        actor: &Actor,
        repo: &Repo,
        file: &Resolved,
        range: ByteRange,
    ) -> HubResult<FileStream> {
        if let Some(hash) = file.large.and_then(|large| large.hash)
            && let Some(row) = self.file_row_read(hash).await?
        {
            return Ok(self.file_stream(&row, range));
        }
        let far = file.far().ok_or_else(|| not_here(&file.path))?;
        self.far_stream(actor, repo, far, range).await
    }
}

/// Returns what is said when a file of a mirror is asked for that is not held, and nobody fetches it.
pub(crate) fn not_here(path: &impl std::fmt::Display) -> HubError {
    HubError::Missing(format!(
        "the bytes of {path} are not on this node: it keeps a copy of the repository without them, and they could \
         not be fetched from the origin now"
    ))
}
