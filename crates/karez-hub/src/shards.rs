//! Shards: what registers files. Nothing that a shard says is believed.
//!
//! Of every file: each xorb that it names must be stored and known to the caller's zones; each range
//! of chunks must lie inside its xorb, have the stated length, and its verification hash must come out
//! of the stored chunk hashes (the proof that the sender has the chunks and not only their xorb's
//! name); the Merkle root over all chunks must be the file's name; and the file, read through once,
//! must have the sha256 that the shard states. Only then all files are registered, in one transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use karez_catalog::{Brought, FileRow, FilesInserted, NewFile};
use karez_formats::xet::{
    FileHasher, IndexedChunk, Shard, ShardError, ShardFile, ShardLimits, ShardTerm, ShardXorb, Term, XorbIndex,
    range_hash,
};
use karez_types::{ByteRange, ChunkHash, FileHash, Sha256, XorbHash};
use sha2::Digest;
use tokio::task::JoinHandle;

use crate::file_read::{index_of, terms_stream};
use crate::xorbs::{BATCH_BYTES, task_lost};
use crate::{Hub, HubError, HubResult, XetGrant};

/// Files whose sha256 is computed at the same time: one per core of a small machine, and the reads of
/// one overlap the hashing of another.
const FILES_AT_ONCE: usize = 3;

/// Files up to this many bytes are hashed on the runtime's thread: it takes less than a hop.
const INLINE_BYTES_MAX: u64 = 128 << 10;

/// How far the registration of a shard has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardProgress {
    /// Bytes of the files are being read and hashed.
    Validating {
        /// Bytes done.
        verified: u64,
        /// Bytes to do.
        total: u64,
    },
    /// The rows are being written.
    Committing,
}

impl From<ShardError> for HubError {
    fn from(error: ShardError) -> HubError {
        HubError::Invalid(error.to_string())
    }
}

impl Hub {
    /// Takes a shard. Returns false when all of its files were known to the owner's zone already.
    ///
    /// `progress` is called often while the files are read.
    ///
    /// # Errors
    /// [`HubError::Invalid`] or [`HubError::XorbMissing`] with the first thing that is wrong; then no file of it is
    /// registered.
    pub async fn shard_put(
        &self,
        grant: &XetGrant,
        bytes: Bytes,
        progress: &(dyn Fn(ShardProgress) + Send + Sync),
    ) -> HubResult<bool> {
        let limits = ShardLimits {
            shard_bytes_max: self.limits.shard_bytes_max,
            files_max: self.limits.shard_files_max,
            file_terms_max: self.limits.file_terms_max,
            xorb_chunks_max: self.limits.xorb_chunks_max,
        };
        let parsed = tokio::task::spawn_blocking(move || Shard::parse(&bytes, &limits)).await.map_err(task_lost)?;
        let Shard { mut files, xorbs } = parsed?;
        let mut seen = HashSet::new();
        files.retain(|file| seen.insert((file.hash, file.sha256)));

        self.xorbs_check(grant, &files).await?;
        let mut stated: HashMap<XorbHash, ShardXorb> = xorbs.into_iter().map(|xorb| (xorb.hash, xorb)).collect();
        let mut checked = Vec::with_capacity(files.len());
        for file in files {
            checked.push(self.file_check(file, &mut stated).await?);
        }

        let known = self.known_files(&checked).await?;
        let total = checked.iter().filter(|file| !known.contains_key(&file.hash)).map(|file| file.file_bytes).sum();
        let verified = AtomicU64::new(0);
        let report = |bytes: u64| {
            let verified = verified.fetch_add(bytes, Ordering::Relaxed) + bytes;
            progress(ShardProgress::Validating { verified, total });
        };
        report(0);
        let hashing = checked.into_iter().map(|file| self.file_hash_check(file, &known, &report));
        let new_files: Vec<NewFile> =
            futures::stream::iter(hashing).buffer_unordered(FILES_AT_ONCE).try_collect().await?;

        progress(ShardProgress::Committing);
        let sha256s: Vec<Sha256> = new_files.iter().map(|file| file.row.sha256).collect();
        let mine = self.catalog.files_in_zones(&sha256s, &[grant.zone()]).await?;
        let was_new = mine.len() < sha256s.iter().collect::<HashSet<_>>().len();
        let (zone, now) = (grant.zone(), self.clock.now());
        match self.catalog.files_insert(&new_files, zone, Brought::ByClient, now).await? {
            FilesInserted::Registered => Ok(was_new),
            FilesInserted::XorbMissing(xorb) => Err(HubError::XorbMissing(xorb)),
        }
    }

    /// Checks that the caller may refer to every xorb that the files name. They stay while the files are read.
    async fn xorbs_check(&self, grant: &XetGrant, files: &[ShardFile]) -> HubResult<()> {
        let named: HashSet<XorbHash> = files.iter().flat_map(|file| &file.terms).map(|term| term.xorb).collect();
        let named: Vec<XorbHash> = named.into_iter().collect();
        let known: HashSet<XorbHash> =
            self.catalog.xorbs_in_zones(&named, &grant.known_zones()).await?.into_iter().collect();
        match named.iter().find(|xorb| !known.contains(xorb)) {
            None => Ok(self.catalog.xorbs_touch(&named, self.clock.now()).await?),
            Some(xorb) => Err(HubError::XorbMissing(*xorb)),
        }
    }

    /// Checks everything about a file that the indexes of its xorbs can tell.
    async fn file_check(&self, file: ShardFile, stated: &mut HashMap<XorbHash, ShardXorb>) -> HubResult<CheckedFile> {
        let ShardFile { hash, sha256, terms } = file;
        let mut sum = RecipeSum::default();
        for (position, term) in terms.iter().enumerate() {
            let index = index_of(&self.store, term.xorb).await?;
            if let Some(xorb) = stated.remove(&term.xorb) {
                xorb_check(&xorb, &index)?;
            }
            let chunks = term_check(hash, position, term, &index)?;
            sum.push(term.xorb, term.chunk_start..term.chunk_end, chunks);
            // A term has thousands of chunks to hash; let others have the thread in between.
            tokio::task::yield_now().await;
        }
        self.recipe_finish(sum, Some(hash), sha256)
    }

    /// Checks that the terms of a file make the file that is named.
    pub(crate) fn recipe_finish(
        &self,
        sum: RecipeSum,
        hash: Option<FileHash>,
        sha256: Option<Sha256>,
    ) -> HubResult<CheckedFile> {
        let RecipeSum { hasher, file_bytes, terms, dedup_keys } = sum;
        let actual = hasher.finish();
        if let Some(hash) = hash.filter(|hash| *hash != actual) {
            return Err(HubError::Invalid(format!(
                "the terms of file {hash} make up file {actual}; send the recipe of the file that is named"
            )));
        }
        if file_bytes > self.limits.file_bytes_max {
            let limit = format!("{} bytes", self.limits.file_bytes_max);
            return Err(HubError::TooLarge { what: "the file", limit, setting: "file_bytes_max" });
        }
        Ok(CheckedFile { hash: actual, sha256, file_bytes, terms: terms.into(), dedup_keys })
    }

    /// Returns the sha256 of those files that are registered already, in whatever zone: which sha256
    /// belongs to a Merkle root is a fact that does not depend on who found it out.
    pub(crate) async fn known_files(&self, files: &[CheckedFile]) -> HubResult<HashMap<FileHash, Sha256>> {
        let stated: Vec<Sha256> = files.iter().filter_map(|file| file.sha256).collect();
        let briefs = self.catalog.files_by_sha256(&stated).await?;
        Ok(briefs.into_iter().map(|brief| (brief.hash, brief.sha256)).collect())
    }

    /// Sees to it that the file has the sha256 that the shard states; reads it through unless that is known.
    pub(crate) async fn file_hash_check(
        &self,
        file: CheckedFile,
        known: &HashMap<FileHash, Sha256>,
        report: &(impl Fn(u64) + Sync),
    ) -> HubResult<NewFile> {
        let actual = match known.get(&file.hash) {
            Some(sha256) => *sha256,
            None => self.sha256_of_terms(&file.terms, file.file_bytes, report).await?,
        };
        if let Some(stated) = file.sha256.filter(|stated| *stated != actual) {
            return Err(HubError::Invalid(format!(
                "file {} has sha256 {actual}, not {stated} as the shard states; did it change during the upload?",
                file.hash
            )));
        }
        let row = FileRow { hash: file.hash, sha256: actual, file_bytes: file.file_bytes, terms: file.terms.to_vec() };
        Ok(NewFile { row, dedup_keys: file.dedup_keys })
    }

    async fn sha256_of_terms(
        &self,
        terms: &[Term],
        file_bytes: u64,
        report: &(impl Fn(u64) + Sync),
    ) -> HubResult<Sha256> {
        let mut stream = terms_stream(self.store.clone(), terms, ByteRange { start: 0, end: file_bytes });
        if file_bytes <= INLINE_BYTES_MAX {
            let mut hasher = sha2::Sha256::new();
            while let Some(piece) = stream.try_next().await? {
                hasher.update(&piece);
            }
            report(file_bytes);
            return Ok(Sha256(hasher.finalize().into()));
        }
        // One batch is hashed while the next is read and unpacked.
        let mut hashing = hash_batch(sha2::Sha256::new(), Vec::new());
        let (mut batch, mut batch_bytes) = (Vec::new(), 0);
        while let Some(piece) = stream.try_next().await? {
            batch_bytes += piece.len();
            batch.push(piece);
            if batch_bytes >= BATCH_BYTES {
                hashing = hash_batch(hashing.await.map_err(task_lost)?, std::mem::take(&mut batch));
                report(batch_bytes as u64);
                batch_bytes = 0;
            }
        }
        let hasher = hash_batch(hashing.await.map_err(task_lost)?, batch).await.map_err(task_lost)?;
        report(batch_bytes as u64);
        Ok(Sha256(hasher.finalize().into()))
    }
}

fn hash_batch(mut hasher: sha2::Sha256, batch: Vec<Bytes>) -> JoinHandle<sha2::Sha256> {
    tokio::task::spawn_blocking(move || {
        batch.iter().for_each(|piece| hasher.update(piece));
        hasher
    })
}

/// What the terms of a file add up to, by the indexes of their xorbs.
#[derive(Default)]
pub(crate) struct RecipeSum {
    hasher: FileHasher,
    file_bytes: u64,
    terms: Vec<Term>,
    dedup_keys: Vec<(ChunkHash, XorbHash)>,
}

impl RecipeSum {
    /// Adds a term with its chunks.
    pub(crate) fn push(&mut self, xorb: XorbHash, range: std::ops::Range<u32>, chunks: &[IndexedChunk]) {
        let mut raw_bytes = 0;
        for chunk in chunks {
            self.hasher.push((*chunk).into());
            if self.file_bytes == 0 || chunk.hash.is_dedup_key() {
                self.dedup_keys.push((chunk.hash, xorb));
            }
            self.file_bytes += u64::from(chunk.raw_bytes);
            raw_bytes += chunk.raw_bytes;
        }
        push_term(&mut self.terms, xorb, range, raw_bytes);
    }
}

/// A file whose recipe is right; its sha256 is not checked yet.
pub(crate) struct CheckedFile {
    pub(crate) hash: FileHash,
    sha256: Option<Sha256>,
    pub(crate) file_bytes: u64,
    terms: Arc<[Term]>,
    dedup_keys: Vec<(ChunkHash, XorbHash)>,
}

/// Checks a term against the index of its xorb and returns its chunks.
fn term_check<'a>(
    file: FileHash,
    position: usize,
    term: &ShardTerm,
    index: &'a XorbIndex,
) -> HubResult<&'a [IndexedChunk]> {
    let wrong = |what: String| HubError::Invalid(format!("term {position} of file {file} {what}"));
    let (start, end) = (term.chunk_start, term.chunk_end);
    let chunks = index.slice(start..end).ok_or_else(|| {
        wrong(format!("names chunks {start} to {end} of xorb {}, which has {} chunks", term.xorb, index.chunk_count()))
    })?;
    let raw_bytes: u64 = chunks.iter().map(|chunk| u64::from(chunk.raw_bytes)).sum();
    if raw_bytes != u64::from(term.raw_bytes) {
        return Err(wrong(format!("states {} bytes; its chunks have {raw_bytes}", term.raw_bytes)));
    }
    match term.range_hash {
        None => Err(wrong("has no verification hash; send one for every term".to_owned())),
        Some(stated) if stated != range_hash(chunks.iter().map(|chunk| &chunk.hash)) => {
            Err(wrong("has a wrong verification hash; it is computed over the hashes of the term's chunks".to_owned()))
        }
        Some(_) => Ok(chunks),
    }
}

/// Checks what the shard says of a xorb against what was found when the xorb came in.
fn xorb_check(stated: &ShardXorb, index: &XorbIndex) -> HubResult<()> {
    let found = index.chunks.iter().map(|chunk| (chunk.hash, chunk.raw_bytes));
    if stated.chunks.iter().map(|chunk| (chunk.hash, chunk.raw_bytes)).eq(found) {
        return Ok(());
    }
    let message = format!("the shard lists other chunks for xorb {} than the xorb has", stated.hash);
    Err(HubError::Invalid(message))
}

/// Appends a term to a recipe, as one with the term before it when it goes on where that ended.
pub(crate) fn push_term(recipe: &mut Vec<Term>, xorb: XorbHash, chunks: std::ops::Range<u32>, raw_bytes: u32) {
    if let Some(last) = recipe.last_mut()
        && last.xorb == xorb
        && last.chunk_end == chunks.start
        && let Some(sum) = last.raw_bytes.checked_add(raw_bytes)
    {
        last.chunk_end = chunks.end;
        last.raw_bytes = sum;
        return;
    }
    recipe.push(Term { xorb, chunk_start: chunks.start, chunk_end: chunks.end, raw_bytes });
}
