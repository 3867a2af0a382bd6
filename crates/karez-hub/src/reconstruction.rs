//! Reconstructions: how a client gets the bytes of a file out of xorbs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use karez_catalog::FileRow;
use karez_formats::xet::{Term, XorbIndex};
use karez_types::{ByteRange, FileHash, XorbHash};

use crate::file_read::index_of;
use crate::{Hub, HubError, HubResult, SignedRanges, XetGrant};

/// Most ranges under one signed address: keeps addresses under about 2 KiB.
const RANGES_PER_ADDRESS_MAX: usize = 64;

/// Files in one batch request.
pub const RECONSTRUCTION_FILES_MAX: usize = 256;

/// How to put a file, or a range of it, together.
#[derive(Debug, Clone)]
pub struct Reconstruction {
    /// Bytes of the first term that come before the range asked for.
    pub skip_bytes: u64,
    /// The terms, in order.
    pub terms: Vec<Term>,
    /// Where the chunks of the terms are; each term lies inside one range of its xorb.
    pub xorbs: Vec<XorbFetch>,
}

/// Ranges of a xorb to fetch from one signed address.
#[derive(Debug, Clone)]
pub struct XorbFetch {
    /// Which chunks are where, sorted, without overlap.
    pub ranges: Vec<ChunkPlace>,
    /// What the address says.
    pub signed: SignedRanges,
}

/// Chunks of a xorb and the bytes that hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkPlace {
    /// First chunk.
    pub chunk_start: u32,
    /// One past the last chunk.
    pub chunk_end: u32,
    /// The bytes.
    pub bytes: ByteRange,
}

impl Hub {
    /// Returns a file that the caller's repository holds.
    ///
    /// # Errors
    /// [`HubError::Missing`] when the repository does not hold it, whoever else does.
    pub async fn xet_file(&self, grant: &XetGrant, hash: FileHash) -> HubResult<FileRow> {
        let missing = || HubError::Missing(format!("file {hash} is not in this repository"));
        self.catalog.repo_file_contains(grant.repo_id, &hash).await?.ok_or_else(missing)
    }

    /// Says how to fetch a file, or the bytes `range.0..=range.1` of it; the end may lie beyond the file's.
    ///
    /// # Errors
    /// [`HubError::Missing`] when the caller's repository does not hold the file;
    /// [`HubError::RangeOutside`] when the range begins after its end.
    pub async fn reconstruction(
        &self,
        grant: &XetGrant,
        hash: FileHash,
        range: Option<(u64, u64)>,
    ) -> HubResult<Reconstruction> {
        let file = self.xet_file(grant, hash).await?;
        let total_bytes = file.file_bytes;
        let range = match range {
            None => ByteRange { start: 0, end: total_bytes },
            Some((first, last)) if first < total_bytes && first <= last => {
                ByteRange { start: first, end: last.saturating_add(1).min(total_bytes) }
            }
            Some(_) => return Err(HubError::RangeOutside { total_bytes }),
        };
        let mut indexes = HashMap::new();
        let (skip_bytes, terms) = self.terms_within(&file.terms, range, &mut indexes).await?;
        let xorbs = self.fetches(&terms, &indexes)?;
        Ok(Reconstruction { skip_bytes, terms, xorbs })
    }

    /// Says how to fetch several whole files. Files that the repository does not hold are left out.
    ///
    /// # Errors
    /// [`HubError::TooLarge`] above [`RECONSTRUCTION_FILES_MAX`] files.
    pub async fn reconstructions(
        &self,
        grant: &XetGrant,
        hashes: &[FileHash],
    ) -> HubResult<(Vec<(FileHash, Vec<Term>)>, Vec<XorbFetch>)> {
        let distinct: HashSet<FileHash> = hashes.iter().copied().collect();
        if distinct.len() > RECONSTRUCTION_FILES_MAX {
            let message = format!("ask for at most {RECONSTRUCTION_FILES_MAX} files in one request");
            return Err(HubError::Invalid(message));
        }
        let mut indexes = HashMap::new();
        let mut files = Vec::new();
        for hash in distinct {
            let Some(file) = self.catalog.repo_file_contains(grant.repo_id, &hash).await? else { continue };
            let whole = ByteRange { start: 0, end: file.file_bytes };
            files.push((hash, self.terms_within(&file.terms, whole, &mut indexes).await?.1));
        }
        let all: Vec<Term> = files.iter().flat_map(|(_, terms)| terms.iter().copied()).collect();
        let fetches = self.fetches(&all, &indexes)?;
        Ok((files, fetches))
    }

    /// Cuts a recipe to the chunks that a range of the file touches; loads the indexes that it needs.
    /// Returns also how many bytes of the first term lie before the range.
    async fn terms_within(
        &self,
        terms: &[Term],
        range: ByteRange,
        indexes: &mut HashMap<XorbHash, Arc<XorbIndex>>,
    ) -> HubResult<(u64, Vec<Term>)> {
        let (mut start, mut skip_bytes) = (0u64, 0);
        let mut cut = Vec::new();
        for term in terms {
            let end = start + u64::from(term.raw_bytes);
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let index = match indexes.get(&term.xorb) {
                    Some(index) => index,
                    None => indexes.entry(term.xorb).or_insert(index_of(&self.store, term.xorb).await?),
                };
                let (before, inside) = cut_term(term, from - start, to - start, index)?;
                if cut.is_empty() {
                    skip_bytes = before;
                }
                cut.push(inside);
            }
            if end >= range.end {
                break;
            }
            start = end;
        }
        Ok((skip_bytes, cut))
    }

    /// Returns where the chunks of the terms are: per xorb, touching and overlapping ranges as one.
    fn fetches(&self, terms: &[Term], indexes: &HashMap<XorbHash, Arc<XorbIndex>>) -> HubResult<Vec<XorbFetch>> {
        let mut wanted: BTreeMap<XorbHash, Vec<(u32, u32)>> = BTreeMap::new();
        for term in terms {
            wanted.entry(term.xorb).or_default().push((term.chunk_start, term.chunk_end));
        }
        let mut fetches = Vec::new();
        for (xorb, ranges) in wanted {
            let index = &indexes[&xorb];
            let mut places = Vec::new();
            for (chunk_start, chunk_end) in coalesce(ranges) {
                let bytes = index.stored_range(chunk_start..chunk_end);
                let bytes = bytes.ok_or_else(|| HubError::Damaged(format!("xorb {xorb} is shorter than a recipe")))?;
                places.push(ChunkPlace { chunk_start, chunk_end, bytes });
            }
            for ranges in places.chunks(RANGES_PER_ADDRESS_MAX) {
                let bytes = ranges.iter().map(|place| place.bytes).collect();
                fetches.push(XorbFetch { ranges: ranges.to_vec(), signed: self.sign_ranges(xorb, bytes) });
            }
        }
        Ok(fetches)
    }
}

/// Merges ranges that touch or overlap.
fn coalesce(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// Cuts a term to the chunks that its bytes `from..to` touch. Returns also how many bytes of them come before `from`.
fn cut_term(term: &Term, from: u64, to: u64, index: &XorbIndex) -> HubResult<(u64, Term)> {
    let damaged = || HubError::Damaged(format!("xorb {} is shorter than a recipe", term.xorb));
    let chunks = index.slice(term.chunk_start..term.chunk_end).ok_or_else(damaged)?;
    let mut inside: Option<Term> = None;
    let (mut start, mut before) = (0u64, 0);
    for (chunk, position) in chunks.iter().zip(term.chunk_start..) {
        let end = start + u64::from(chunk.raw_bytes);
        if end > from && start < to {
            let inside = inside.get_or_insert_with(|| {
                before = from - start;
                Term { xorb: term.xorb, chunk_start: position, chunk_end: position, raw_bytes: 0 }
            });
            inside.chunk_end = position + 1;
            inside.raw_bytes += chunk.raw_bytes;
        }
        start = end;
    }
    Ok((before, inside.ok_or_else(damaged)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_ranges_become_one() {
        assert_eq!(coalesce(vec![(5, 9), (0, 2), (2, 4), (7, 12)]), [(0, 4), (5, 12)]);
        assert_eq!(coalesce(vec![(0, 2), (0, 2)]), [(0, 2)]);
    }
}
