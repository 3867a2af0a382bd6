//! Whole files from doors that know nothing of chunks: LFS, commit bodies.
//!
//! The bytes are cut, hashed and packed while they stream in, so that a file is stored the same way
//! whatever door it came through, and a later push through Xet finds its chunks. Xorbs are written
//! while they are built: a few MiB are in memory, however large the file.
//!
//! Chunks that are stored already are not stored again: where a chunk is one that Xet clients would
//! ask for, the catalog is asked, and what follows it in the stored xorbs is compared chunk by chunk.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use karez_catalog::{Brought, Catalog, FileBrief, FileRow, FilesInserted, NewFile};
use karez_formats::xet::{BuiltXorb, Chunk, Chunker, FileHasher, Term, XorbBuilder, XorbIndex, chunk_hash};
use karez_store::{StagedXorb, Store};
use karez_types::{AccountId, ChunkHash, Sha256, XorbHash, Zone};
use sha2::Digest;
use tokio::runtime::Handle;

use crate::shards::push_term;
use crate::xorbs::{BATCH_BYTES, task_lost};
use crate::{Hub, HubError, HubResult};

/// Chunks of stored xorbs that are remembered while a file comes in: about 6 MiB.
const KNOWN_CHUNKS_MAX: usize = 1 << 16;

/// Xorbs that one question brings: as many as [`KNOWN_CHUNKS_MAX`] has room for when they are full.
const KNOWN_XORBS_MAX: u64 = 48;

/// A run of stored chunks may begin when the run before it has this many: a recipe of very short runs
/// would save little and read slowly (the reference client's rule has the same number).
const RUN_CHUNKS_MIN: u32 = 8;

/// What the sender said about a file; checked before the file is registered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// SHA-256 of the whole file.
    pub sha256: Option<Sha256>,
    /// Length of the whole file.
    pub file_bytes: Option<u64>,
}

impl Hub {
    /// Stores a whole file for an owner and registers it in the owner's zone.
    ///
    /// # Errors
    /// [`HubError::Invalid`] when the bytes are not what was expected, [`HubError::TooLarge`] above
    /// `limits.file_bytes_max`, whatever the body fails with. The file is then not registered.
    pub async fn ingest(
        &self,
        owner: AccountId,
        expected: Expected,
        body: impl Stream<Item = HubResult<Bytes>> + Send,
    ) -> HubResult<FileBrief> {
        self.ingest_from(owner, Brought::ByClient, expected, body).await
    }

    /// As [`Hub::ingest`], from whomever it comes.
    pub(crate) async fn ingest_from(
        &self,
        owner: AccountId,
        brought: Brought,
        expected: Expected,
        body: impl Stream<Item = HubResult<Bytes>> + Send,
    ) -> HubResult<FileBrief> {
        let zone = Zone::of_owner(owner);
        let mut body = pin!(body);
        let _place = self.uploads.acquire().await.expect("the semaphore is never closed");
        let lookup = Lookup {
            catalog: self.catalog.clone(),
            store: self.store.clone(),
            zones: [Zone::PUBLIC, zone],
            runtime: Handle::current(),
        };
        let bytes_max = expected.file_bytes.unwrap_or(u64::MAX).min(self.limits.file_bytes_max);
        let mut cutting = Cutting { chunker: Chunker::new(), packing: Packing::new(lookup) };
        let mut writing = Writing { zone, brought, stage: None, names: Vec::new() };
        let mut received_bytes = 0u64;
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        while let Some(piece) = body.next().await {
            let piece = piece?;
            received_bytes += piece.len() as u64;
            if received_bytes > bytes_max {
                return Err(self.file_too_long(expected));
            }
            batch_bytes += piece.len();
            batch.push(piece);
            if batch_bytes >= BATCH_BYTES {
                cutting = self.cut(cutting, std::mem::take(&mut batch), &mut writing).await?;
                batch_bytes = 0;
            }
        }
        cutting = self.cut(cutting, batch, &mut writing).await?;
        if expected.file_bytes.is_some_and(|bytes| bytes != received_bytes) {
            let message = format!("the file has {received_bytes} bytes, not the announced number; send it whole");
            return Err(HubError::Invalid(message));
        }
        self.ingest_finish(cutting, expected, writing).await
    }

    fn file_too_long(&self, expected: Expected) -> HubError {
        match expected.file_bytes {
            Some(bytes) if bytes <= self.limits.file_bytes_max => {
                HubError::Invalid(format!("more bytes came than the {bytes} that were announced"))
            }
            _ => {
                let limit = format!("{} bytes", self.limits.file_bytes_max);
                HubError::TooLarge { what: "the file", limit, setting: "file_bytes_max" }
            }
        }
    }

    /// Cuts and packs a batch off the runtime's threads, then writes what came out.
    async fn cut(&self, mut cutting: Cutting, batch: Vec<Bytes>, writing: &mut Writing) -> HubResult<Cutting> {
        if batch.is_empty() {
            return Ok(cutting);
        }
        let work = move || {
            cutting.push(&batch)?;
            cutting.packing.hand_out();
            HubResult::Ok(cutting)
        };
        cutting = tokio::task::spawn_blocking(work).await.map_err(task_lost)??;
        for packed in std::mem::take(&mut cutting.packing.out) {
            self.write_packed(packed, writing).await?;
        }
        Ok(cutting)
    }

    async fn write_packed(&self, packed: Packed, writing: &mut Writing) -> HubResult<()> {
        let stage = match &mut writing.stage {
            Some(stage) => stage,
            None => writing.stage.insert(self.store.xorb_stage().await?),
        };
        match packed {
            Packed::Frames(bytes) => stage.write(bytes).await?,
            Packed::End(BuiltXorb { hash, bytes, index }) => {
                stage.write(bytes.into()).await?;
                if let Some(stage) = writing.stage.take() {
                    self.xorb_publish(stage, hash, &index, writing.zone, writing.brought).await?;
                }
                writing.names.push(hash);
            }
        }
        Ok(())
    }

    async fn ingest_finish(&self, cutting: Cutting, expected: Expected, mut writing: Writing) -> HubResult<FileBrief> {
        let finished = tokio::task::spawn_blocking(move || cutting.finish()).await.map_err(task_lost)??;
        let Packing { sha256, out, hasher, recipe, dedup_keys, file_bytes, .. } = finished;
        let sha256 = Sha256(sha256.finalize().into());
        // Before the last xorb is published: of a small file with wrong bytes nothing stays.
        if let Some(stated) = expected.sha256.filter(|stated| *stated != sha256) {
            let message = format!("the bytes have sha256 {sha256}, not {stated}; send the file again");
            return Err(HubError::Invalid(message));
        }
        for packed in out {
            self.write_packed(packed, &mut writing).await?;
        }
        let name = |source: Source| match source {
            Source::Own(number) => writing.names[number],
            Source::Stored(hash) => hash,
        };
        let mut terms: Vec<Term> = Vec::with_capacity(recipe.len());
        for run in recipe {
            push_term(&mut terms, name(run.source), run.chunk_start..run.chunk_end, run.raw_bytes);
        }
        let dedup_keys = dedup_keys.into_iter().map(|(chunk, source)| (chunk, name(source))).collect();
        let brief = FileBrief { hash: hasher.finish(), sha256, file_bytes };
        let row = FileRow { hash: brief.hash, sha256, file_bytes, terms };
        let file = NewFile { row, dedup_keys };
        match self.catalog.file_insert(&file, writing.zone, writing.brought, self.clock.now()).await? {
            FilesInserted::Registered => Ok(brief),
            // One that held the same chunks when the file began to come is gone. The next try will not find it.
            FilesInserted::XorbMissing(_) => Err(HubError::Busy),
        }
    }
}

/// Xorbs on their way into the store.
struct Writing {
    zone: Zone,
    brought: Brought,
    /// The xorb that is being built; dropping it leaves nothing behind.
    stage: Option<StagedXorb>,
    /// Names of those that are published, by their number.
    names: Vec<XorbHash>,
}

/// What packing gives out, in order.
enum Packed {
    /// The next frames of a xorb.
    Frames(Bytes),
    /// The last frames of a xorb, and its name.
    End(BuiltXorb),
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// In the xorb of this number among those that this file fills.
    Own(usize),
    /// In a xorb that was there before.
    Stored(XorbHash),
}

/// A run of chunks of the file.
#[derive(Debug, Clone, Copy)]
struct Run {
    source: Source,
    chunk_start: u32,
    chunk_end: u32,
    raw_bytes: u32,
}

/// A file on its way into xorbs.
struct Cutting {
    chunker: Chunker,
    packing: Packing,
}

impl Cutting {
    fn push(&mut self, pieces: &[Bytes]) -> HubResult<()> {
        let Cutting { chunker, packing } = self;
        for piece in pieces {
            packing.sha256.update(piece);
            chunker.push(piece, &mut |raw| packing.take(raw));
        }
        packing.failure.take().map_or(Ok(()), Err)
    }

    fn finish(self) -> HubResult<Packing> {
        let Cutting { mut chunker, mut packing } = self;
        chunker.finish(&mut |raw| packing.take(raw));
        packing.close_xorb();
        match packing.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(packing),
        }
    }
}

struct Packing {
    sha256: sha2::Sha256,
    hasher: FileHasher,
    builder: XorbBuilder,
    /// What is packed and not written yet.
    out: Vec<Packed>,
    /// Number of the xorb that is being built.
    number: usize,
    recipe: Vec<Run>,
    dedup_keys: Vec<(ChunkHash, Source)>,
    file_bytes: u64,
    known: Known,
    /// What a question to the catalog failed with; ends the ingest after the batch.
    failure: Option<HubError>,
}

impl Packing {
    fn new(lookup: Lookup) -> Packing {
        Packing {
            sha256: sha2::Sha256::new(),
            hasher: FileHasher::new(),
            builder: XorbBuilder::new(),
            out: Vec::new(),
            number: 0,
            recipe: Vec::new(),
            dedup_keys: Vec::new(),
            file_bytes: 0,
            known: Known { lookup, chunks: HashMap::new(), xorbs: Vec::new() },
            failure: None,
        }
    }

    fn take(&mut self, raw: &[u8]) {
        let hash = chunk_hash(raw);
        let raw_bytes = u32::try_from(raw.len()).expect("a chunk has at most 128 KiB");
        self.hasher.push(Chunk { hash, raw_bytes });
        let is_key = self.file_bytes == 0 || hash.is_dedup_key();
        if is_key && let Err(error) = self.known.ask(hash) {
            self.failure.get_or_insert(error);
        }
        let (source, position) = match self.known.place(hash, self.recipe.last()) {
            Some((xorb, position)) => (Source::Stored(xorb), position),
            None => self.pack(raw, hash),
        };
        if is_key {
            self.dedup_keys.push((hash, source));
        }
        self.file_bytes += u64::from(raw_bytes);
        match self.recipe.last_mut() {
            Some(last) if last.source == source && last.chunk_end == position => {
                last.chunk_end += 1;
                last.raw_bytes += raw_bytes;
            }
            _ => self.recipe.push(Run { source, chunk_start: position, chunk_end: position + 1, raw_bytes }),
        }
    }

    fn pack(&mut self, raw: &[u8], hash: ChunkHash) -> (Source, u32) {
        if !self.builder.fits(raw.len()) {
            self.close_xorb();
        }
        let position = self.builder.chunk_count();
        self.builder.push(raw, hash);
        (Source::Own(self.number), position)
    }

    fn close_xorb(&mut self) {
        if !self.builder.is_empty() {
            self.out.push(Packed::End(std::mem::take(&mut self.builder).finish()));
            self.number += 1;
        }
    }

    /// Gives out the frames of the xorb that is being built.
    fn hand_out(&mut self) {
        let frames = self.builder.take_bytes();
        if !frames.is_empty() {
            self.out.push(Packed::Frames(frames.into()));
        }
    }
}

/// The catalog and store, asked from a thread that may wait.
struct Lookup {
    catalog: Catalog,
    store: Store,
    zones: [Zone; 2],
    runtime: Handle,
}

/// Stored chunks that this file may use.
struct Known {
    lookup: Lookup,
    chunks: HashMap<ChunkHash, (XorbHash, u32)>,
    xorbs: Vec<(XorbHash, Arc<XorbIndex>)>,
}

impl Known {
    /// Asks the catalog for a chunk and remembers the chunks of the xorbs that it leads to.
    fn ask(&mut self, hash: ChunkHash) -> HubResult<()> {
        if self.chunks.contains_key(&hash) {
            return Ok(());
        }
        let Lookup { catalog, store, zones, runtime } = &self.lookup;
        let Some(hit) = runtime.block_on(catalog.dedup_lookup(&hash, zones, KNOWN_XORBS_MAX))? else { return Ok(()) };
        for xorb in hit.xorbs {
            if self.xorbs.iter().any(|(known, _)| *known == xorb) {
                continue;
            }
            let Some(index) = runtime.block_on(store.xorb_index(xorb))? else { continue };
            if self.chunks.len() + index.chunks.len() > KNOWN_CHUNKS_MAX {
                self.chunks.clear();
                self.xorbs.clear();
            }
            for (chunk, position) in index.chunks.iter().zip(0..) {
                self.chunks.entry(chunk.hash).or_insert((xorb, position));
            }
            self.xorbs.push((xorb, index));
        }
        Ok(())
    }

    /// Returns where the chunk is stored, when it goes on with the last run or may begin a new one.
    fn place(&self, hash: ChunkHash, last: Option<&Run>) -> Option<(XorbHash, u32)> {
        if let Some(Run { source: Source::Stored(xorb), chunk_end, .. }) = last
            && let Some((_, index)) = self.xorbs.iter().find(|(known, _)| known == xorb)
            && index.chunks.get(*chunk_end as usize).is_some_and(|next| next.hash == hash)
        {
            return Some((*xorb, *chunk_end));
        }
        let long_enough = last.is_none_or(|run| run.chunk_end - run.chunk_start >= RUN_CHUNKS_MIN);
        self.chunks.get(&hash).copied().filter(|_| long_enough)
    }
}
