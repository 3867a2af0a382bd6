//! What another node needs to fetch a file chunk by chunk: its map, and the stored bytes that it names.
//!
//! Both are asked for by repository and sha256, and given to whoever may read that repository. Of a xorb
//! only those bytes are given that the file uses: its other chunks may belong to other people's files.
//!
//! A follower asks for thousands of ranges of one file. Who may read it is looked up once and remembered
//! for [`CHECKED_SECS`] for callers without a token, so that a range costs no query, as a signed address
//! does. What changes here who may read a repository forgets it at once; another process of the same node
//! gives bytes that it gave a moment ago for as long as that.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt, try_unfold};
use karez_catalog::FileRow;
use karez_formats::file_map::{FileMapEncoder, FileMapHead, MapChunk, MapTerm};
use karez_formats::xet::{Crc64Nvme, Term, XorbIndex, encode_terms};
use karez_store::Store;
use karez_types::{ByteRange, RepoAddress, Sha256, Timestamp, Visibility, XorbHash};
use quick_cache::sync::Cache;

use crate::file_read::index_of;
use crate::objects::{ByHeldBytes, ENTRY_BYTES, Held};
use crate::{Actor, Hub, HubError, HubResult, Right};

/// How long the answer that anybody may read a file is not asked again: far below the life of a signed address.
const CHECKED_SECS: i64 = 10;

/// Memory of remembered files; one of 500 GB takes 0.3 MB.
const CACHE_BYTES: u64 = 16 << 20;

/// Bytes of a map that are made in one go.
const PAGE_BYTES: usize = 64 << 10;

/// A file that the caller may read chunk by chunk.
#[derive(Debug)]
pub struct MappedFile {
    /// How it is put together.
    row: Arc<FileRow>,
    terms_checksum: u64,
    /// The chunks of each xorb that belong to it, sorted, touching runs as one.
    runs: Vec<(XorbHash, u32, u32)>,
    /// Whether everybody may read it, so that shared caches may keep it.
    is_public: bool,
    checked: Timestamp,
}

impl MappedFile {
    /// Tells whether everybody may read it, so that shared caches may keep it.
    pub fn is_public(&self) -> bool {
        self.is_public
    }

    /// Returns what the map begins with.
    pub fn head(&self) -> FileMapHead {
        let FileRow { hash, sha256, file_bytes, terms } = &*self.row;
        FileMapHead {
            hash: *hash,
            sha256: *sha256,
            file_bytes: *file_bytes,
            term_count: u32::try_from(terms.len()).expect("terms are bounded by limits.file_terms_max"),
            chunk_count: terms.iter().map(|term| u64::from(term.chunk_end - term.chunk_start)).sum(),
        }
    }

    /// Returns a name for the exact bytes of the map: the same file may be put together in another way one day.
    pub fn tag(&self) -> String {
        format!("{}-{:016x}", self.row.hash, self.terms_checksum)
    }

    /// Returns the chunks of a xorb that belong to the file.
    fn runs_of(&self, xorb: XorbHash) -> impl Iterator<Item = (u32, u32)> {
        let first = self.runs.partition_point(|(of, ..)| *of < xorb);
        self.runs[first..].iter().take_while(move |(of, ..)| *of == xorb).map(|(_, start, end)| (*start, *end))
    }
}

impl Held for Arc<MappedFile> {
    fn held_bytes(&self) -> u64 {
        let terms = self.row.terms.len() * size_of::<Term>();
        ENTRY_BYTES + (size_of::<MappedFile>() + terms + self.runs.len() * size_of::<(XorbHash, u32, u32)>()) as u64
    }
}

/// Returns which chunks of which xorbs the terms name, sorted, touching and overlapping runs as one.
fn runs(terms: &[Term]) -> Vec<(XorbHash, u32, u32)> {
    let mut named: Vec<_> = terms.iter().map(|term| (term.xorb, term.chunk_start, term.chunk_end)).collect();
    named.sort_unstable();
    named.dedup_by(|next, kept| {
        let joins = next.0 == kept.0 && next.1 <= kept.2;
        if joins {
            kept.2 = kept.2.max(next.2);
        }
        joins
    });
    named.shrink_to_fit();
    named
}

/// Files that were asked for a moment ago.
pub(crate) struct MappedFiles(Cache<(RepoAddress, Sha256), Arc<MappedFile>, ByHeldBytes>);

impl Default for MappedFiles {
    fn default() -> MappedFiles {
        MappedFiles(Cache::with_weighter(1024, CACHE_BYTES, ByHeldBytes))
    }
}

impl MappedFiles {
    /// Forgets who may read what.
    pub(crate) fn forget(&self) {
        self.0.clear();
    }
}

impl Hub {
    /// Finds a file by its repository and sha256 for somebody who wants to fetch it chunk by chunk.
    ///
    /// # Errors
    /// As [`Hub::repo_open`]; [`HubError::Missing`] when the repository does not hold it, whoever else does.
    pub async fn mapped_file(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        sha256: Sha256,
    ) -> HubResult<Arc<MappedFile>> {
        let key = (address.clone(), sha256);
        let now = self.clock.now();
        let known = self.mapped_files.0.get(&key);
        if let Some(file) = &known
            && actor.is_anonymous()
            && file.is_public
            && (file.checked..=file.checked.plus_secs(CHECKED_SECS)).contains(&now)
        {
            return Ok(Arc::clone(file));
        }
        let repo = self.repo_open(actor, address, Right::Read).await?;
        let missing = || HubError::Missing(format!("file {sha256} is not in this repository"));
        if !self.catalog.repo_file_has(repo.id, &sha256).await? {
            return Err(missing());
        }
        let is_public = repo.visibility == Visibility::Public && repo.gated == "false";
        let file = match known {
            Some(known) => MappedFile {
                row: Arc::clone(&known.row),
                terms_checksum: known.terms_checksum,
                runs: known.runs.clone(),
                is_public,
                checked: now,
            },
            None => {
                let brief = self.files_read(&[sha256]).await?.remove(&sha256).ok_or_else(missing)?;
                let row = self.file_row_read(brief.hash).await?.ok_or_else(missing)?;
                let terms_checksum = Crc64Nvme::of(&encode_terms(&row.terms));
                MappedFile { runs: runs(&row.terms), row, terms_checksum, is_public, checked: now }
            }
        };
        let file = Arc::new(file);
        self.mapped_files.0.insert(key, Arc::clone(&file));
        Ok(file)
    }

    /// Streams the map of a file that [`Hub::mapped_file`] found; its length is that of the head.
    ///
    /// Holds one page and the index of one xorb besides the terms, whatever the size of the file.
    pub fn file_map(&self, file: &MappedFile) -> BoxStream<'static, HubResult<Bytes>> {
        let mut page = Vec::with_capacity(PAGE_BYTES);
        let encoder = FileMapEncoder::new(&file.head(), &mut page);
        let writer = MapWriter {
            store: self.store.clone(),
            row: Arc::clone(&file.row),
            index: None,
            page,
            next: Next::Term(0),
            encoder: Some(encoder),
        };
        let pages = try_unfold(writer, |mut writer| async move { Ok(writer.page().await?.map(|page| (page, writer))) });
        pages.inspect_err(|error: &HubError| tracing::error!(%error, "a file map could not be made")).boxed()
    }

    /// Streams stored bytes of a xorb that belong to a file which [`Hub::mapped_file`] found.
    ///
    /// # Errors
    /// [`HubError::Missing`] when not all of the bytes do: whether the xorb has them is not told.
    pub async fn mapped_range(
        &self,
        file: &MappedFile,
        xorb: XorbHash,
        range: ByteRange,
    ) -> HubResult<BoxStream<'static, HubResult<Bytes>>> {
        let missing = || HubError::Missing(format!("the file has no such bytes in xorb {xorb}"));
        let mut runs = file.runs_of(xorb).peekable();
        if range.is_empty() || runs.peek().is_none() {
            return Err(missing());
        }
        let index = index_of(&self.store, xorb).await?;
        let is_inside = |(start, end)| index.stored_range(start..end).is_some_and(|bytes| bytes.contains(range));
        if !runs.any(is_inside) {
            return Err(missing());
        }
        self.xorb_range(xorb, range).await
    }
}

/// What of the map comes next.
#[derive(Debug, Clone, Copy)]
enum Next {
    Term(usize),
    ChunksOf(usize),
    End,
}

/// Makes a map page by page.
struct MapWriter {
    store: Store,
    row: Arc<FileRow>,
    /// The index that was used last: neighbouring terms often lie in one xorb.
    index: Option<(XorbHash, Arc<XorbIndex>)>,
    page: Vec<u8>,
    next: Next,
    encoder: Option<FileMapEncoder>,
}

impl MapWriter {
    async fn page(&mut self) -> HubResult<Option<Bytes>> {
        while self.page.len() < PAGE_BYTES {
            let Some(encoder) = &mut self.encoder else { break };
            match self.next {
                Next::Term(at) if at < self.row.terms.len() => {
                    let term = self.row.terms[at];
                    let index = index_kept(&self.store, &mut self.index, term.xorb).await?;
                    encoder.term(&map_term(&term, &index)?, &mut self.page);
                    self.next = Next::Term(at + 1);
                }
                Next::Term(_) => self.next = Next::ChunksOf(0),
                Next::ChunksOf(at) if at < self.row.terms.len() => {
                    let term = self.row.terms[at];
                    let index = index_kept(&self.store, &mut self.index, term.xorb).await?;
                    for chunk in map_chunks(&term, &index)? {
                        encoder.chunk(&chunk, &mut self.page);
                    }
                    self.next = Next::ChunksOf(at + 1);
                }
                Next::ChunksOf(_) => self.next = Next::End,
                Next::End => {
                    let whole = self.encoder.take().expect("the end comes once");
                    whole.finish(&mut self.page);
                }
            }
        }
        let page = std::mem::take(&mut self.page);
        Ok((!page.is_empty()).then(|| Bytes::from(page)))
    }
}

async fn index_kept(
    store: &Store,
    kept: &mut Option<(XorbHash, Arc<XorbIndex>)>,
    xorb: XorbHash,
) -> HubResult<Arc<XorbIndex>> {
    if let Some((of, index)) = kept
        && *of == xorb
    {
        return Ok(Arc::clone(index));
    }
    let index = index_of(store, xorb).await?;
    *kept = Some((xorb, Arc::clone(&index)));
    Ok(index)
}

fn damaged(term: &Term) -> HubError {
    HubError::Damaged(format!("xorb {} does not have the chunks of a file's term", term.xorb))
}

fn map_term(term: &Term, index: &XorbIndex) -> HubResult<MapTerm> {
    let Term { xorb, chunk_start, chunk_end, raw_bytes } = *term;
    if index.raw_bytes_of(chunk_start..chunk_end) != Some(u64::from(raw_bytes)) {
        return Err(damaged(term));
    }
    let stored = index.stored_range(chunk_start..chunk_end).ok_or_else(|| damaged(term))?;
    let byte_start = u32::try_from(stored.start).map_err(|_| damaged(term))?;
    Ok(MapTerm { xorb, chunk_start, chunk_end, byte_start })
}

fn map_chunks(term: &Term, index: &XorbIndex) -> HubResult<impl Iterator<Item = MapChunk>> {
    let mut start = map_term(term, index)?.byte_start;
    let chunks = index.slice(term.chunk_start..term.chunk_end).ok_or_else(|| damaged(term))?;
    Ok(chunks.iter().map(move |chunk| {
        let frame_bytes = chunk.end_bytes - start;
        start = chunk.end_bytes;
        MapChunk { hash: chunk.hash, frame_bytes, raw_bytes: chunk.raw_bytes }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_joined_per_xorb() {
        let term = |xorb: u8, chunk_start, chunk_end| Term {
            xorb: XorbHash([xorb; 32]),
            chunk_start,
            chunk_end,
            raw_bytes: 1,
        };
        let (a, b) = (XorbHash([1; 32]), XorbHash([2; 32]));
        let terms = [term(2, 5, 9), term(1, 0, 2), term(2, 0, 1), term(1, 2, 4), term(2, 6, 7), term(1, 7, 8)];
        assert_eq!(runs(&terms), [(a, 0, 4), (a, 7, 8), (b, 0, 1), (b, 5, 9)]);
        assert_eq!(runs(&[]), []);
    }
}
