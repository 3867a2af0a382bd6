//! Checks everything that is stored, against itself: ids, sizes, references, and with
//! [`FsckDepth::Bytes`] every byte.
//!
//! The walk goes from what people see down to what holds it: refs -> commits, tags and trees ->
//! blobs -> files -> terms -> xorb rows -> xorbs and their indexes. Nothing is changed, except that
//! the store may rebuild an index that it finds damaged.
//!
//! It may run beside a node that works: whatever is written meanwhile is written bottom up, so what
//! the walk comes across is whole. What it misses is looked for once more: it may have been deleted since
//! its row was read, as what nothing refers to is. Only a repository that is deleted during its own walk may be
//! reported; run the check again then.

use std::collections::{HashMap, HashSet};
use std::fmt;

use futures::TryStreamExt;
use karez_catalog::{FileRow, RefRow, Repo, XorbRow};
use karez_formats::git::{GitKind, TreeMode, object_id, parse_commit, parse_tag, parse_tree};
use karez_formats::lfs::LfsPointer;
use karez_formats::xet::FileHasher;
use karez_store::StoreError;
use karez_types::{ByteRange, FileHash, GitOid, RefName, RepoId, Sha256, XorbHash};
use sha2::Digest;

use crate::{Actor, Hub, HubError, HubResult};

/// Rows fetched at once.
const PAGE_ROWS: u64 = 500;
/// Objects fetched at once on the way down from a ref.
const BATCH_OBJECTS: usize = 200;
/// Problems kept with their words; more are only counted.
const PROBLEMS_MAX: usize = 1_000;

/// How thorough a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsckDepth {
    /// Rows, git objects, sizes of xorbs, and their indexes.
    Rows,
    /// Also all bytes: every chunk is hashed, every file put together and its SHA-256 computed.
    Bytes,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsckProblem {
    /// What is concerned: "ref refs/heads/main of alice/model", "xorb 0123…".
    pub subject: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for FsckProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)
    }
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FsckCounts {
    /// Repositories.
    pub repos: u64,
    /// Refs of all repositories.
    pub refs: u64,
    /// Git objects.
    pub objects: u64,
    /// Large files.
    pub files: u64,
    /// Xorbs that have a row.
    pub xorbs: u64,
    /// Their length together.
    pub stored_bytes: u64,
    /// Xorbs without a row: left from uploads that did not end. Harmless.
    pub orphans: u64,
    /// Bytes of xorbs that nothing refers to and that wait to be removed.
    pub waiting_bytes: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct FsckReport {
    /// How much was looked at.
    pub counts: FsckCounts,
    /// What is wrong; at most 1,000.
    pub problems: Vec<FsckProblem>,
    /// How many problems more there are.
    pub problems_not_shown: u64,
}

impl FsckReport {
    /// Tells whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns how many problems there are.
    pub fn problem_count(&self) -> u64 {
        self.problems.len() as u64 + self.problems_not_shown
    }

    fn add(&mut self, subject: impl fmt::Display, what: impl fmt::Display) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(FsckProblem { subject: subject.to_string(), what: what.to_string() });
        } else {
            self.problems_not_shown += 1;
        }
    }
}

impl Hub {
    /// Checks everything that is stored. Only who administers the node may.
    ///
    /// # Errors
    /// [`HubError::Forbidden`], or when catalog or store do not answer. Damage is no error: it is
    /// in the report.
    pub async fn fsck(&self, actor: &Actor, depth: FsckDepth) -> HubResult<FsckReport> {
        self.node_admin_check(actor)?;
        let mut check = Check { hub: self, depth, report: FsckReport::default() };
        check.objects().await?;
        check.repos().await?;
        check.files().await?;
        check.xorbs().await?;
        let waiting = self.catalog.garbage_totals().await?;
        check.report.counts.waiting_bytes = waiting.stored_bytes + waiting.leaving_bytes;
        Ok(check.report)
    }
}

struct Check<'a> {
    hub: &'a Hub,
    depth: FsckDepth,
    report: FsckReport,
}

/// The large files that one repository names, with the length that each pointer claims.
type NamedFiles = HashMap<Sha256, u64>;

impl Check<'_> {
    /// Every git object: is its id that of its content, and does the catalog know pointers as such?
    async fn objects(&mut self) -> HubResult<()> {
        let mut last = None;
        loop {
            let page = self.hub.catalog.objects_scan(last.as_ref(), PAGE_ROWS).await?;
            let Some(end) = page.last() else { return Ok(()) };
            last = Some(end.oid);
            for row in page {
                self.report.counts.objects += 1;
                let subject = format!("git object {}", row.oid);
                let computed = object_id(row.object.kind, &row.object.content);
                if computed != row.oid {
                    self.report.add(&subject, format!("its content has the id {computed}"));
                }
                let parsed = match row.object.kind {
                    GitKind::Commit => parse_commit(&row.object.content).map(drop),
                    GitKind::Tree => parse_tree(&row.object.content).map(drop),
                    GitKind::Tag => parse_tag(&row.object.content).map(drop),
                    GitKind::Blob => Ok(()),
                };
                if let Err(error) = parsed {
                    self.report.add(&subject, error);
                }
                if let Some(known) = row.lfs
                    && LfsPointer::parse(&row.object.content) != Some(known)
                {
                    self.report.add(&subject, "the catalog believes that it points at another file than it does");
                }
            }
        }
    }

    /// Every ref of every repository, and all that can be reached from it.
    async fn repos(&mut self) -> HubResult<()> {
        let mut refs = self.refs().await?;
        let mut last = RepoId(0);
        loop {
            let page = self.hub.catalog.repos_scan(last, PAGE_ROWS).await?;
            let Some(end) = page.last() else { break };
            last = end.id;
            for repo in page {
                self.report.counts.repos += 1;
                let refs = refs.remove(&repo.id).unwrap_or_default();
                let address = repo.address().to_string();
                // A mirror's history may end, and its large files come when they are asked for.
                let ends = self.hub.history_ends(&repo).await?;
                let named = self.reachable(&address, &refs, &ends).await?;
                self.named_files(&address, &repo, &named).await?;
            }
        }
        Ok(())
    }

    async fn refs(&mut self) -> HubResult<HashMap<RepoId, Vec<RefRow>>> {
        let mut by_repo: HashMap<RepoId, Vec<RefRow>> = HashMap::new();
        let mut last: Option<(RepoId, RefName)> = None;
        loop {
            let after = last.as_ref().map(|(repo, name)| (*repo, name));
            let page = self.hub.catalog.refs_scan(after, PAGE_ROWS).await?;
            let Some(end) = page.last() else { return Ok(by_repo) };
            last = Some((end.repo_id, end.name.clone()));
            for row in page {
                self.report.counts.refs += 1;
                by_repo.entry(row.repo_id).or_default().push(row);
            }
        }
    }

    /// Walks down from the refs; returns the large files that the trees name.
    async fn reachable(&mut self, address: &str, refs: &[RefRow], ends: &HashSet<GitOid>) -> HubResult<NamedFiles> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for row in refs {
            wanted.push(Wanted { oid: row.target, kind: None, named_by: format!("ref {} of {address}", row.name) });
        }
        let mut seen: HashSet<GitOid> = HashSet::new();
        let mut files = NamedFiles::new();
        while !wanted.is_empty() {
            let batch: Vec<Wanted> = wanted.split_off(wanted.len().saturating_sub(BATCH_OBJECTS));
            let batch: Vec<Wanted> = batch.into_iter().filter(|wanted| seen.insert(wanted.oid)).collect();
            let (blobs, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(|it| it.kind == Some(GitKind::Blob));
            self.blobs(&blobs, &mut files).await?;
            self.inner_objects(&others, ends, &mut wanted).await?;
        }
        Ok(files)
    }

    /// Blobs: are they there, and which point at large files?
    async fn blobs(&mut self, blobs: &[Wanted], files: &mut NamedFiles) -> HubResult<()> {
        let oids: Vec<GitOid> = blobs.iter().map(|wanted| wanted.oid).collect();
        let stats = self.hub.catalog.object_stats(&oids).await?;
        let stats: HashMap<GitOid, _> = stats.into_iter().map(|stat| (stat.oid, stat)).collect();
        for wanted in blobs {
            match stats.get(&wanted.oid) {
                None => self.report.add(&wanted.named_by, format!("the blob {} is missing", wanted.oid)),
                Some(stat) if stat.kind != GitKind::Blob => {
                    self.report.add(&wanted.named_by, format!("{} is not a blob", wanted.oid));
                }
                Some(stat) => files.extend(stat.lfs.map(|pointer| (pointer.sha256, pointer.file_bytes))),
            }
        }
        Ok(())
    }

    /// Commits, trees and tags: are they there, and what do they name?
    async fn inner_objects(
        &mut self,
        batch: &[Wanted],
        ends: &HashSet<GitOid>,
        wanted: &mut Vec<Wanted>,
    ) -> HubResult<()> {
        let oids: Vec<GitOid> = batch.iter().map(|wanted| wanted.oid).collect();
        let found: HashMap<GitOid, _> = self.hub.catalog.objects_get(&oids).await?.into_iter().collect();
        for Wanted { oid, kind, named_by } in batch {
            let Some(object) = found.get(oid) else {
                self.report.add(named_by, format!("the object {oid} is missing"));
                continue;
            };
            if kind.is_some_and(|kind| kind != object.kind) {
                self.report.add(named_by, format!("{oid} is a {}", object.kind.as_str()));
                continue;
            }
            // What cannot be read was reported when all objects were looked at.
            let by = format!("{} {oid}", object.kind.as_str());
            let mut push = |oid, kind| wanted.push(Wanted { oid, kind, named_by: by.clone() });
            match object.kind {
                GitKind::Commit => {
                    if let Ok(commit) = parse_commit(&object.content) {
                        push(commit.tree, Some(GitKind::Tree));
                        if !ends.contains(oid) {
                            commit.parents.into_iter().for_each(|parent| push(parent, Some(GitKind::Commit)));
                        }
                    }
                }
                GitKind::Tree => {
                    for entry in parse_tree(&object.content).unwrap_or_default() {
                        match entry.mode {
                            TreeMode::Folder => push(entry.oid, Some(GitKind::Tree)),
                            // A commit of another repository: not ours to have.
                            TreeMode::Submodule => {}
                            _ => push(entry.oid, Some(GitKind::Blob)),
                        }
                    }
                }
                GitKind::Tag => {
                    if let Ok(tag) = parse_tag(&object.content) {
                        push(tag.target, None);
                    }
                }
                GitKind::Blob => {}
            }
        }
        Ok(())
    }

    /// Large files that a repository names: are they stored, as long as the pointer says, and served? Of a
    /// mirror only those that it serves are looked at.
    async fn named_files(&mut self, address: &str, repo: &Repo, named: &NamedFiles) -> HubResult<()> {
        let hashes: Vec<Sha256> = named.keys().copied().collect();
        for group in hashes.chunks(BATCH_OBJECTS) {
            let stored = self.hub.catalog.files_by_sha256(group).await?;
            let stored: HashMap<Sha256, u64> = stored.into_iter().map(|file| (file.sha256, file.file_bytes)).collect();
            let served: HashSet<Sha256> =
                self.hub.catalog.repo_files_among(repo.id, group).await?.into_iter().collect();
            for sha256 in group {
                if repo.mirror.is_some() && !served.contains(sha256) {
                    continue;
                }
                let subject = format!("file {sha256} of {address}");
                match stored.get(sha256) {
                    None if repo.mirror.is_some() && self.came_or_went(repo.id, *sha256).await? => {}
                    None => self.report.add(&subject, "it is not stored"),
                    Some(bytes) if *bytes != named[sha256] => {
                        let claimed = named[sha256];
                        self.report.add(&subject, format!("its pointer says {claimed} bytes, {bytes} are stored"));
                    }
                    Some(_) if !served.contains(sha256) => {
                        self.report.add(&subject, "the repository may not serve it");
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Whether a file of a mirror was evicted or came back since it was looked at.
    async fn came_or_went(&self, repo: RepoId, sha256: Sha256) -> HubResult<bool> {
        let catalog = &self.hub.catalog;
        Ok(!catalog.files_by_sha256(&[sha256]).await?.is_empty() || !catalog.repo_file_has(repo, &sha256).await?)
    }

    /// Whether a file was deleted since its row was read.
    async fn is_gone(&self, file: &FileRow) -> HubResult<bool> {
        Ok(!self.hub.catalog.file_is_registered(&file.hash).await?)
    }

    /// Every file: do its terms name stored chunks, and do those make its hash and length?
    async fn files(&mut self) -> HubResult<()> {
        let mut last: Option<FileHash> = None;
        loop {
            let page = self.hub.catalog.files_scan(last.as_ref(), PAGE_ROWS).await?;
            let Some(end) = page.last() else { return Ok(()) };
            last = Some(end.hash);
            for file in page {
                self.report.counts.files += 1;
                if self.terms(&file).await? && self.depth == FsckDepth::Bytes {
                    self.file_bytes(&file).await?;
                }
            }
        }
    }

    /// Returns whether the file can be put together.
    async fn terms(&mut self, file: &FileRow) -> HubResult<bool> {
        let subject = format!("file {} ({})", file.sha256, file.hash);
        let mut hasher = FileHasher::new();
        let mut raw_bytes = 0u64;
        for term in &file.terms {
            let range = term.chunk_start..term.chunk_end;
            let index = match self.hub.store.xorb_index(term.xorb).await {
                Ok(Some(index)) => index,
                Ok(None) if self.is_gone(file).await? => return Ok(false),
                Ok(None) => {
                    self.report.add(&subject, format!("its xorb {} is missing", term.xorb));
                    return Ok(false);
                }
                Err(StoreError::Corrupt { name, what }) => {
                    self.report.add(&subject, format!("its xorb is damaged: {name}: {what}"));
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            };
            let Some(chunks) = index.slice(range.clone()) else {
                self.report.add(&subject, format!("its xorb {} has no chunks {range:?}", term.xorb));
                return Ok(false);
            };
            if index.raw_bytes_of(range.clone()) != Some(u64::from(term.raw_bytes)) {
                self.report
                    .add(&subject, format!("chunks {range:?} of {} are not {} bytes", term.xorb, term.raw_bytes));
                return Ok(false);
            }
            chunks.iter().for_each(|chunk| hasher.push((*chunk).into()));
            raw_bytes += u64::from(term.raw_bytes);
        }
        if raw_bytes != file.file_bytes {
            self.report.add(&subject, format!("its terms make {raw_bytes} bytes instead of {}", file.file_bytes));
            return Ok(false);
        }
        let hash = hasher.finish();
        if hash != file.hash {
            self.report.add(&subject, format!("its chunks make the file {hash}"));
            return Ok(false);
        }
        Ok(true)
    }

    /// Reads a file to its end and computes its SHA-256.
    async fn file_bytes(&mut self, file: &FileRow) -> HubResult<()> {
        let subject = format!("file {} ({})", file.sha256, file.hash);
        let mut digest = sha2::Sha256::new();
        let mut stream = self.hub.file_stream(file, ByteRange { start: 0, end: file.file_bytes });
        loop {
            match stream.try_next().await {
                Ok(Some(bytes)) => digest.update(&bytes),
                Ok(None) => break,
                Err(HubError::Damaged(_) | HubError::Store(StoreError::Missing { .. }))
                    if self.is_gone(file).await? =>
                {
                    return Ok(());
                }
                Err(HubError::Damaged(what)) => {
                    self.report.add(&subject, what);
                    return Ok(());
                }
                Err(HubError::Store(error @ (StoreError::Corrupt { .. } | StoreError::Missing { .. }))) => {
                    self.report.add(&subject, error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        let computed = Sha256(digest.finalize().into());
        if computed != file.sha256 {
            self.report.add(&subject, format!("its bytes have the SHA-256 {computed}"));
        }
        Ok(())
    }

    /// Every xorb: is it there, as long as its row says, with an index that agrees?
    async fn xorbs(&mut self) -> HubResult<()> {
        let mut known: HashSet<XorbHash> = HashSet::new();
        let mut last: Option<XorbHash> = None;
        loop {
            let page = self.hub.catalog.xorbs_scan(last.as_ref(), PAGE_ROWS).await?;
            let Some(end) = page.last() else { break };
            last = Some(end.hash);
            for row in page {
                known.insert(row.hash);
                self.report.counts.xorbs += 1;
                self.report.counts.stored_bytes += row.stored_bytes;
                self.xorb(&row).await?;
            }
        }
        let mut listed = self.hub.store.xorb_list();
        while let Some((hash, _)) = listed.try_next().await? {
            // One that was pushed since the rows were read is no orphan, but counts as one here.
            let is_orphan = !known.contains(&hash) && !self.hub.catalog.xorb_is_leaving(hash).await?;
            self.report.counts.orphans += u64::from(is_orphan);
        }
        Ok(())
    }

    /// Whether a xorb was deleted since its row was read.
    async fn is_deleted(&self, row: &XorbRow) -> HubResult<bool> {
        Ok(self.hub.catalog.xorbs_get(&[row.hash]).await?.is_empty())
    }

    async fn xorb(&mut self, row: &XorbRow) -> HubResult<()> {
        let subject = format!("xorb {}", row.hash);
        let store = &self.hub.store;
        let index = match self.depth {
            FsckDepth::Rows => store.xorb_index(row.hash).await.map(|index| index.map(|index| (*index).clone())),
            FsckDepth::Bytes => store.xorb_verify(row.hash).await,
        };
        let index = match index {
            Ok(Some(index)) => index,
            Ok(None) if self.is_deleted(row).await? => return Ok(()),
            Ok(None) => {
                self.report.add(&subject, "it is missing");
                return Ok(());
            }
            Err(StoreError::Corrupt { name, what }) => {
                self.report.add(&subject, format!("{name}: {what}"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        // The index may come from memory: look at the xorb itself too.
        let stored_bytes = store.xorb_stored_bytes(row.hash).await?;
        if stored_bytes != Some(row.stored_bytes) && !self.is_deleted(row).await? {
            self.report.add(&subject, format!("it is not {} bytes long", row.stored_bytes));
        }
        if (index.stored_bytes(), index.raw_bytes(), index.chunk_count())
            != (row.stored_bytes, row.raw_bytes, row.chunk_count)
        {
            self.report.add(&subject, "its row and its index do not agree on lengths or chunks");
        }
        Ok(())
    }
}

/// A git object that something names.
struct Wanted {
    oid: GitOid,
    /// What it must be; anything, when unset.
    kind: Option<GitKind>,
    named_by: String,
}
