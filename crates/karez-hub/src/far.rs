//! Large files of mirrors whose bytes are not on this node: where reads go on.
//!
//! The hub knows only that somebody may bring the bytes. Who does so is set once, when the node starts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, TryStreamExt};
use karez_catalog::Repo;
use karez_formats::git::TreeMode;
use karez_types::{ByteRange, GitOid, RepoPath, Revision, Sha256};

use crate::resolve::Resolved;
use crate::{Actor, Hub, HubError, HubResult};

/// A large file that a commit of a mirror names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarFile {
    /// The commit.
    pub commit: GitOid,
    /// Where in the commit.
    pub path: RepoPath,
    /// What the file hashes to.
    pub sha256: Sha256,
    /// Its length, in bytes.
    pub file_bytes: u64,
}

/// A stream of bytes of a file.
pub type FileStream = BoxStream<'static, HubResult<Bytes>>;

/// Brings bytes of large files from where their repositories come from.
pub trait FarFiles: Send + Sync {
    /// Streams a range of a file for a caller who may read the repository. Everything in the stream is
    /// verified; the file is kept when it is whole. [`Actor::Operator`] stands for the holder of a sealed
    /// address, who was checked when it was made.
    fn file_stream<'a>(
        &'a self,
        actor: &'a Actor,
        repo: &'a Repo,
        file: FarFile,
        range: ByteRange,
    ) -> BoxFuture<'a, HubResult<FileStream>>;

    /// Reads a range of a file for a caller who may read the repository, and has nothing else of it brought. The file is
    /// not kept. Where its origin tells no hashes of chunks, what comes is not verified: it is for looking at.
    fn part_read<'a>(
        &'a self,
        actor: &'a Actor,
        repo: &'a Repo,
        file: FarFile,
        range: ByteRange,
    ) -> BoxFuture<'a, HubResult<Bytes>>;
}

/// Who brings bytes; nobody on a node without remotes.
#[derive(Default)]
pub(crate) struct Bringer(OnceLock<Weak<dyn FarFiles>>);

impl Hub {
    /// Sets who brings bytes from afar. The first word counts; it does not keep the bringer alive.
    pub fn far_files_set(&self, far: &Arc<impl FarFiles + 'static>) {
        let far: Arc<dyn FarFiles> = Arc::clone(far) as Arc<dyn FarFiles>;
        let _ = self.far.0.set(Arc::downgrade(&far));
    }

    /// Streams a range of a large file that is not readable through its repository yet.
    ///
    /// # Errors
    /// [`HubError::Missing`] when the repository is the node's own, or nobody brings bytes.
    pub(crate) async fn far_stream(
        &self,
        actor: &Actor,
        repo: &Repo,
        file: FarFile,
        range: ByteRange,
    ) -> HubResult<FileStream> {
        // Stored already, publicly or for this owner: then git's word for it is enough.
        if repo.mirror.is_some()
            && self.mirror_file_attach(repo, file.sha256).await?
            && let Some(row) = self.catalog.file_by_sha256(&file.sha256).await?
            && row.file_bytes == file.file_bytes
        {
            return Ok(self.file_stream(&row, range));
        }
        let far = self.far.0.get().and_then(Weak::upgrade).filter(|_| repo.mirror.is_some());
        match far {
            Some(far) => far.file_stream(actor, repo, file, range).await,
            None => Err(HubError::Missing(format!("the bytes of {} are not on this node", file.path))),
        }
    }
}

impl Hub {
    /// Reads a range of a large file that is not readable through its repository yet, without bringing the rest.
    ///
    /// # Errors
    /// [`HubError::Missing`] when the repository is the node's own, or nobody brings bytes.
    pub(crate) async fn far_part_read(
        &self,
        actor: &Actor,
        repo: &Repo,
        file: FarFile,
        range: ByteRange,
    ) -> HubResult<Bytes> {
        if self.mirror_file_attach(repo, file.sha256).await?
            && let Some(row) = self.catalog.file_by_sha256(&file.sha256).await?
            && row.file_bytes == file.file_bytes
        {
            let parts: Vec<Bytes> = self.file_stream(&row, range).try_collect().await?;
            return Ok(parts.concat().into());
        }
        match self.far.0.get().and_then(Weak::upgrade).filter(|_| repo.mirror.is_some()) {
            Some(far) => far.part_read(actor, repo, file, range).await,
            None => Err(crate::resolve::not_here(&file.path)),
        }
    }
}

/// Commits of a mirror that are searched for a large file that is named without its commit.
const COMMITS_SEARCHED_MAX: usize = 64;

impl Hub {
    /// Returns the large files that the refs of a mirror name, and the commits before `main`: LFS clients
    /// name a file by its hash alone.
    pub(crate) async fn far_named(&self, repo: &Repo) -> HubResult<HashMap<Sha256, FarFile>> {
        let mut commits = Vec::new();
        for (_, target) in self.catalog.ref_list(repo.id).await? {
            commits.push(self.peel(target).await?);
        }
        let ends = self.history_ends(repo).await?;
        let mut next = repo.head;
        while let Some(commit) = next.filter(|_| commits.len() < COMMITS_SEARCHED_MAX) {
            commits.push(commit);
            // What is behind the end of history is not here, or is somebody else's.
            next = match ends.contains(&commit) {
                true => None,
                false => self.commit_read(commit).await?.parents.first().copied(),
            };
        }
        let mut seen = HashSet::new();
        let mut files = HashMap::new();
        for commit in commits.into_iter().take(COMMITS_SEARCHED_MAX) {
            let mut waiting = vec![(self.commit_read(commit).await?.tree, String::new())];
            while let Some((tree, before)) = waiting.pop() {
                // Most folders are the same in the next commit.
                if !seen.insert(tree) {
                    continue;
                }
                self.far_in_folder(commit, tree, &before, &mut waiting, &mut files).await?;
            }
        }
        Ok(files)
    }

    /// Adds the large files of one folder, and the folders in it to those that wait.
    async fn far_in_folder(
        &self,
        commit: GitOid,
        tree: GitOid,
        before: &str,
        waiting: &mut Vec<(GitOid, String)>,
        files: &mut HashMap<Sha256, FarFile>,
    ) -> HubResult<()> {
        let folder = self.folder_read(tree).await?;
        let mut blobs = Vec::new();
        for entry in folder.entries() {
            match entry.mode {
                TreeMode::Folder => waiting.push((entry.oid, format!("{before}{}/", entry.name))),
                mode if mode.is_blob() => blobs.push(entry),
                _ => {}
            }
        }
        let oids: Vec<GitOid> = blobs.iter().map(|entry| entry.oid).collect();
        let stats = self.blob_stats(&oids).await?;
        for entry in blobs {
            let Some(pointer) = stats.get(&entry.oid).and_then(|stat| stat.pointer) else { continue };
            // A path that a client could not ask for is not offered either.
            let Ok(path) = format!("{before}{}", entry.name).parse() else { continue };
            let file = FarFile { commit, path, sha256: pointer.sha256, file_bytes: pointer.file_bytes };
            files.entry(pointer.sha256).or_insert(file);
        }
        Ok(())
    }
}

impl Hub {
    /// Returns the commit that a revision names in a repository, if it is here. Whoever asks has checked who
    /// wants to know.
    ///
    /// # Errors
    /// When the catalog fails, or the revision is ambiguous.
    pub async fn revision_held(&self, repo: &Repo, revision: &Revision) -> HubResult<Option<GitOid>> {
        match self.revision_resolve(repo, revision).await {
            Ok(commit) => Ok(Some(commit)),
            Err(HubError::RevisionMissing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Resolved {
    /// Returns the file as it is asked for elsewhere, if it is a large one.
    pub(crate) fn far(&self) -> Option<FarFile> {
        let large = self.large?;
        let (commit, path) = (self.commit, self.path.clone());
        Some(FarFile { commit, path, sha256: large.sha256, file_bytes: large.file_bytes })
    }
}
