//! Large files of mirrors, from wherever their bytes come: verified, then readable.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use futures::Stream;
use karez_catalog::{Brought, FileBrief, FilesInserted, Repo};
use karez_formats::xet::Term;
use karez_types::{FileHash, GitOid, RepoPath, Sha256, XorbHash};

use super::{zones_joined, zones_used};
use crate::file_read::index_of;
use crate::shards::RecipeSum;
use crate::{Expected, Hub, HubError, HubResult, SiblingDetail};

/// A large file of a commit of a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorFile {
    /// Where it is.
    pub path: RepoPath,
    /// SHA-256 of the whole file.
    pub sha256: Sha256,
    /// Length in bytes.
    pub file_bytes: u64,
    /// Whether its bytes are here and readable through the mirror.
    pub is_held: bool,
}

/// How a file is said to be put together from xorbs that are stored here.
#[derive(Debug, Clone)]
pub struct FileClaim {
    /// The file's xet id, if it is known.
    pub hash: Option<FileHash>,
    /// SHA-256 of the whole file.
    pub sha256: Sha256,
    /// Length in bytes.
    pub file_bytes: u64,
    /// The ranges of chunks that make the file, in order.
    pub terms: Vec<Term>,
}

impl Hub {
    /// Lists the large files of a commit of a mirror, in the order of git.
    ///
    /// # Errors
    /// [`HubError::RevisionMissing`] when the commit is not the mirror's, [`HubError::TooLarge`] when it
    /// has more files than `limits.git_pack_objects_max`.
    pub async fn mirror_files(&self, repo: &Repo, commit: GitOid) -> HubResult<Vec<MirrorFile>> {
        if !self.is_own_commit(repo, commit).await? {
            return Err(HubError::RevisionMissing { revision: commit.to_string() });
        }
        let commit = self.peel(commit).await?;
        let most = usize::try_from(self.limits.git_pack_objects_max).unwrap_or(usize::MAX);
        let siblings = self.siblings_at_most(commit, SiblingDetail::Blob, most).await?;
        if siblings.len() >= most {
            let limit = format!("{most} files");
            return Err(HubError::TooLarge { what: "the commit", limit, setting: "git_pack_objects_max" });
        }
        let mut files = Vec::new();
        for sibling in siblings {
            let Some(pointer) = sibling.blob.and_then(|blob| blob.pointer) else { continue };
            // A name that git allows and the node does not serve is not worth its bytes.
            let Ok(path) = sibling.path.parse() else { continue };
            let (sha256, file_bytes) = (pointer.sha256, pointer.file_bytes);
            files.push(MirrorFile { path, sha256, file_bytes, is_held: false });
        }
        let named: Vec<Sha256> = files.iter().map(|file| file.sha256).collect();
        let held: HashSet<Sha256> = self.catalog.repo_files_among(repo.id, &named).await?.into_iter().collect();
        for file in &mut files {
            file.is_held = held.contains(&file.sha256);
        }
        Ok(files)
    }

    /// Returns those of these files that are stored already where a mirror may use them: they need not travel.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn mirror_files_stored(&self, repo: &Repo, files: &[Sha256]) -> HubResult<Vec<Sha256>> {
        Ok(self.catalog.files_in_zones(files, &zones_used(repo)).await?)
    }

    /// Makes a file readable through a mirror that is stored already, publicly or for the mirror's owner;
    /// tells whether it is.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn mirror_file_attach(&self, repo: &Repo, sha256: Sha256) -> HubResult<bool> {
        if self.catalog.files_in_zones(&[sha256], &zones_used(repo)).await?.is_empty() {
            return Ok(false);
        }
        self.attach(repo, sha256).await.map(|()| true)
    }

    /// Takes a whole xorb for a mirror, unless the mirror may use it already: then the body is not read.
    ///
    /// # Errors
    /// [`HubError::Invalid`] when the bytes are not this xorb; nothing of them is kept.
    pub async fn mirror_xorb_put(
        &self,
        repo: &Repo,
        xorb: XorbHash,
        body: impl Stream<Item = HubResult<Bytes>> + Send,
    ) -> HubResult<()> {
        if !self.catalog.xorbs_offered(&[xorb], &zones_used(repo)).await?.is_empty() {
            return Ok(());
        }
        self.xorb_receive(repo.zone(), Brought::FromAfar, xorb, body).await
    }

    /// Registers a file of a mirror that stored xorbs make. Its xet id is computed from the chunks, and it is
    /// read through once for its sha256, unless that is known of this xet id; it is readable only after.
    ///
    /// # Errors
    /// [`HubError::Invalid`] when the terms do not make this file, [`HubError::XorbMissing`] when a xorb is not (any
    /// more) stored for this mirror. Nothing is registered then.
    pub async fn mirror_file_put(&self, repo: &Repo, claim: FileClaim) -> HubResult<FileBrief> {
        let FileClaim { hash, sha256, file_bytes, terms } = claim;
        let wrong = |what: String| HubError::Invalid(format!("the recipe of the file with sha256 {sha256} {what}"));
        if terms.len() as u64 > self.limits.file_terms_max {
            let limit = format!("{} terms", self.limits.file_terms_max);
            return Err(HubError::TooLarge { what: "the recipe of a file", limit, setting: "file_terms_max" });
        }
        let named: HashSet<XorbHash> = terms.iter().map(|term| term.xorb).collect();
        let named: Vec<XorbHash> = named.into_iter().collect();
        let usable: HashSet<XorbHash> =
            self.catalog.xorbs_in_zones(&named, &zones_used(repo)).await?.into_iter().collect();
        if let Some(xorb) = named.iter().find(|xorb| !usable.contains(xorb)) {
            return Err(HubError::XorbMissing(*xorb));
        }
        // They stay while the file is read.
        self.catalog.xorbs_revive(&named).await?;
        let mut sum = RecipeSum::default();
        for term in &terms {
            let range = term.chunk_start..term.chunk_end;
            let index = index_of(&self.store, term.xorb).await?;
            let chunks = index.slice(range.clone()).filter(|chunks| !chunks.is_empty());
            let chunks = chunks.ok_or_else(|| wrong(format!("names chunks that xorb {} does not have", term.xorb)))?;
            if index.raw_bytes_of(range.clone()) != Some(u64::from(term.raw_bytes)) {
                return Err(wrong(format!("states another length for chunks of xorb {} than they have", term.xorb)));
            }
            sum.push(term.xorb, range, chunks);
            // A term has thousands of chunks to hash; let others have the thread in between.
            tokio::task::yield_now().await;
        }
        let checked = self.recipe_finish(sum, hash, Some(sha256))?;
        if checked.file_bytes != file_bytes {
            return Err(wrong(format!("makes {} bytes; the file has {file_bytes}", checked.file_bytes)));
        }
        let known: HashMap<FileHash, Sha256> = self.known_files(std::slice::from_ref(&checked)).await?;
        let file = self.file_hash_check(checked, &known, &|_| ()).await?;
        let brief = FileBrief { hash: file.row.hash, sha256, file_bytes };
        match self.catalog.files_insert(&[file], repo.zone(), Brought::FromAfar, self.clock.now()).await? {
            FilesInserted::Registered => {}
            FilesInserted::XorbMissing(xorb) => return Err(HubError::XorbMissing(xorb)),
        }
        self.attach(repo, sha256).await?;
        Ok(brief)
    }

    /// Takes a whole file of a mirror as plain bytes, which are cut into chunks here.
    ///
    /// # Errors
    /// As [`Hub::ingest`]; the file is then not registered.
    pub async fn mirror_file_ingest(
        &self,
        repo: &Repo,
        sha256: Sha256,
        file_bytes: u64,
        body: impl Stream<Item = HubResult<Bytes>> + Send,
    ) -> HubResult<FileBrief> {
        let expected = Expected { sha256: Some(sha256), file_bytes: Some(file_bytes) };
        let brief = self.ingest_from(repo.owner.id, Brought::FromAfar, expected, body).await?;
        self.attach(repo, sha256).await?;
        Ok(brief)
    }

    async fn attach(&self, repo: &Repo, sha256: Sha256) -> HubResult<()> {
        let stored = self.catalog.mirror_files_add(repo.id, &[sha256], &zones_joined(repo)).await?;
        if stored == 0 {
            return Err(HubError::RepoMissing { address: repo.address().to_string(), anonymous: false });
        }
        Ok(())
    }
}
