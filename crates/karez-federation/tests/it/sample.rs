//! A file, its xorbs and its map.

use std::collections::HashMap;
use std::sync::Arc;

use karez_federation::transfer::{ChunkMap, Layout, Place, Recipe, XetTerm};
use karez_formats::file_map::{FileMap, MapChunk, MapTerm};
use karez_formats::xet::{Chunk, Chunker, FileHasher, XorbBuilder, XorbIndex, chunk_hash};
use karez_types::{ChunkHash, Entropy, SeededEntropy, Sha256, XorbHash};
use sha2::Digest;

pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut data = vec![0; bytes];
    SeededEntropy::new(seed).fill(&mut data);
    data
}

pub fn sha256(data: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(data).into())
}

/// Where bytes of a place come from.
#[derive(Clone, Default)]
pub struct Objects {
    pub xorbs: HashMap<XorbHash, Arc<Vec<u8>>>,
    pub file: Arc<Vec<u8>>,
}

impl Objects {
    pub fn read(&self, place: &Place, start: u64, end: u64) -> Option<Vec<u8>> {
        let (object, at) = match place {
            Place::Xorb { xorb, start } => (self.xorbs.get(xorb)?, *start),
            Place::File { start } => (&self.file, *start),
        };
        object.get((at + start) as usize..(at + end) as usize).map(<[u8]>::to_vec)
    }
}

#[derive(Clone)]
pub struct Sample {
    pub data: Vec<u8>,
    pub sha256: Sha256,
    pub objects: Objects,
    pub indexes: HashMap<XorbHash, XorbIndex>,
    pub map: Arc<FileMap>,
}

pub fn chunks_of(data: &[u8]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let mut take = |raw: &[u8]| chunks.push(raw.to_vec());
    let mut chunker = Chunker::new();
    chunker.push(data, &mut take);
    chunker.finish(&mut take);
    chunks
}

impl Sample {
    /// A file whose chunks are in xorbs of about `xorb_chunks`; in every third of those, other chunks lie
    /// before, between and after them. Three chunks come twice.
    pub fn new(seed: u64, bytes: usize, xorb_chunks: usize) -> Sample {
        let data = noise(seed, bytes);
        let mut chunks = chunks_of(&data);
        if chunks.len() > 6 {
            // A file with a repeated run.
            let again: Vec<Vec<u8>> = chunks[1..4].to_vec();
            chunks.extend(again);
        }
        let data = chunks.concat();
        let mut sample = Sample {
            sha256: sha256(&data),
            objects: Objects { xorbs: HashMap::new(), file: Arc::new(data.clone()) },
            data,
            indexes: HashMap::new(),
            map: Arc::new(FileMap {
                hash: FileHasher::new().finish(),
                sha256: Sha256([0; 32]),
                file_bytes: 0,
                terms: Vec::new(),
                chunks: Vec::new(),
            }),
        };
        let (mut terms, mut places) = (Vec::new(), HashMap::<ChunkHash, (XorbHash, u32)>::new());
        for (number, group) in chunks.chunks(xorb_chunks).enumerate() {
            let mut builder = XorbBuilder::new();
            let is_partial = number % 3 == 1;
            if is_partial {
                let other = noise(seed + 1000 + number as u64, 50_000);
                builder.push(&other, chunk_hash(&other));
            }
            let mut placed = Vec::new();
            for (position, raw) in group.iter().enumerate() {
                if is_partial && position == group.len() / 2 {
                    let other = noise(seed + 3000 + number as u64, 50_000);
                    builder.push(&other, chunk_hash(&other));
                }
                let hash = chunk_hash(raw);
                if places.contains_key(&hash) {
                    placed.push((hash, None));
                } else {
                    placed.push((hash, Some(builder.chunk_count())));
                    builder.push(raw, hash);
                }
            }
            if is_partial {
                let other = noise(seed + 2000 + number as u64, 50_000);
                builder.push(&other, chunk_hash(&other));
            }
            if builder.is_empty() {
                builder.push(b"filler", chunk_hash(b"filler"));
            }
            let built = builder.finish();
            for (hash, position) in placed {
                let place = match position {
                    Some(position) => *places.entry(hash).or_insert((built.hash, position)),
                    None => places[&hash],
                };
                terms.push(place);
            }
            sample.objects.xorbs.insert(built.hash, Arc::new(built.bytes));
            sample.indexes.insert(built.hash, built.index);
        }
        sample.map = Arc::new(sample.map_of(&terms));
        sample
    }

    fn map_of(&self, chunks: &[(XorbHash, u32)]) -> FileMap {
        let (mut terms, mut found): (Vec<MapTerm>, Vec<MapChunk>) = (Vec::new(), Vec::new());
        let mut hasher = FileHasher::new();
        for (xorb, position) in chunks {
            let index = &self.indexes[xorb];
            let range = index.stored_range(*position..*position + 1).unwrap();
            let entry = index.chunks[*position as usize];
            hasher.push(Chunk { hash: entry.hash, raw_bytes: entry.raw_bytes });
            found.push(MapChunk {
                hash: entry.hash,
                frame_bytes: range.byte_count() as u32,
                raw_bytes: entry.raw_bytes,
            });
            match terms.last_mut() {
                Some(last) if last.xorb == *xorb && last.chunk_end == *position => last.chunk_end += 1,
                _ => terms.push(MapTerm {
                    xorb: *xorb,
                    chunk_start: *position,
                    chunk_end: position + 1,
                    byte_start: range.start as u32,
                }),
            }
        }
        let file_bytes = found.iter().map(|chunk| u64::from(chunk.raw_bytes)).sum();
        FileMap { hash: hasher.finish(), sha256: self.sha256, file_bytes, terms, chunks: found }
    }

    pub fn mapped(&self) -> (Layout, Recipe) {
        let map: Arc<dyn ChunkMap> = self.map.clone();
        (Layout::of_map(&*map).unwrap(), Recipe::Mapped(map))
    }

    pub fn plain(&self) -> (Layout, Recipe) {
        (Layout::plain(self.data.len() as u64), Recipe::Plain)
    }

    /// As a hub's reconstruction says: terms, and for each xorb one run that covers what the file uses.
    pub fn reconstructed(&self) -> (Layout, Recipe) {
        let mut runs: HashMap<XorbHash, (u32, u32)> = HashMap::new();
        for term in &self.map.terms {
            let run = runs.entry(term.xorb).or_insert((term.chunk_start, term.chunk_end));
            *run = (run.0.min(term.chunk_start), run.1.max(term.chunk_end));
        }
        let terms: Vec<XetTerm> = self
            .map
            .terms
            .iter()
            .map(|term| {
                let (run_chunk_start, run_chunk_end) = runs[&term.xorb];
                let index = &self.indexes[&term.xorb];
                let bytes = index.stored_range(run_chunk_start..run_chunk_end).unwrap();
                XetTerm {
                    xorb: term.xorb,
                    chunk_start: term.chunk_start,
                    chunk_end: term.chunk_end,
                    raw_bytes: index.raw_bytes_of(term.chunk_start..term.chunk_end).unwrap() as u32,
                    run_chunk_start,
                    run_chunk_end,
                    run_byte_start: bytes.start as u32,
                    run_byte_end: bytes.end as u32,
                }
            })
            .collect();
        (Layout::of_terms(&terms).unwrap(), Recipe::Reconstructed { hash: self.map.hash, terms })
    }
}
