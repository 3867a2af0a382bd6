//! Which chunks make up a file, as a remote says: checked against the bytes, and at last by the sha256.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use karez_formats::file_map::{FileMap, FileMapHead, FileMapReader, MapChunk, MapTerm};
use karez_types::FileHash;

/// A file map: terms, and the chunks that they cover, in file order. A map of a large file is on disk:
/// terms are in memory, chunks are read in parts.
pub trait ChunkMap: Send + Sync {
    /// Hash of the file, which the map's chunks give.
    fn file_hash(&self) -> FileHash;

    /// The terms, in file order.
    fn terms(&self) -> &[MapTerm];

    /// Reads chunks, counted over all terms in file order.
    ///
    /// # Errors
    /// When the map cannot be read, or has fewer chunks.
    fn chunks(&self, range: Range<u64>) -> io::Result<Vec<MapChunk>>;
}

impl ChunkMap for FileMap {
    fn file_hash(&self) -> FileHash {
        self.hash
    }

    fn terms(&self) -> &[MapTerm] {
        &self.terms
    }

    fn chunks(&self, range: Range<u64>) -> io::Result<Vec<MapChunk>> {
        let place = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let chunks = self.chunks.get(place(range.start)..place(range.end));
        chunks.map(<[MapChunk]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A map in a file, which was verified when it came: terms are in memory, chunks are read page by page.
pub struct MapOnDisk {
    head: FileMapHead,
    terms: Vec<MapTerm>,
    reader: Mutex<FileMapReader<File>>,
}

impl MapOnDisk {
    /// Opens a map.
    ///
    /// # Errors
    /// When it cannot be read, or is not a map any more.
    pub fn open(path: &Path) -> io::Result<MapOnDisk> {
        let mut reader = FileMapReader::open(File::open(path)?).map_err(io::Error::other)?;
        let head = *reader.head();
        let mut terms = Vec::new();
        for number in 0..head.term_count {
            terms.push(reader.term(number).map_err(io::Error::other)?.ok_or(io::ErrorKind::UnexpectedEof)?);
        }
        Ok(MapOnDisk { head, terms, reader: Mutex::new(reader) })
    }

    /// Returns what the map begins with.
    pub fn head(&self) -> &FileMapHead {
        &self.head
    }
}

impl ChunkMap for MapOnDisk {
    fn file_hash(&self) -> FileHash {
        self.head.hash
    }

    fn terms(&self) -> &[MapTerm] {
        &self.terms
    }

    fn chunks(&self, range: Range<u64>) -> io::Result<Vec<MapChunk>> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chunk = |number| {
            let found = reader.chunk(number).map_err(io::Error::other)?;
            found.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        };
        range.map(&mut chunk).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use karez_types::{ChunkHash, XorbHash};

    use super::*;

    /// Chunks of 10 raw bytes in frames of 18.
    pub(in crate::transfer) struct Sample {
        pub(in crate::transfer) terms: Vec<MapTerm>,
        chunk_count: u64,
    }

    pub(in crate::transfer) fn term(xorb: u8, chunk_start: u32, chunk_end: u32) -> MapTerm {
        MapTerm { xorb: XorbHash([xorb; 32]), chunk_start, chunk_end, byte_start: chunk_start * 18 }
    }

    impl Sample {
        pub(in crate::transfer) fn new(terms: &[(u8, u32, u32)]) -> Sample {
            let terms: Vec<MapTerm> = terms.iter().map(|(xorb, start, end)| term(*xorb, *start, *end)).collect();
            let chunk_count = terms.iter().map(|term| u64::from(term.chunk_end - term.chunk_start)).sum();
            Sample { terms, chunk_count }
        }
    }

    impl ChunkMap for Sample {
        fn file_hash(&self) -> FileHash {
            FileHash([0; 32])
        }

        fn terms(&self) -> &[MapTerm] {
            &self.terms
        }

        fn chunks(&self, range: Range<u64>) -> io::Result<Vec<MapChunk>> {
            if range.end > self.chunk_count {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(range.map(|n| MapChunk { hash: ChunkHash([n as u8; 32]), frame_bytes: 18, raw_bytes: 10 }).collect())
        }
    }
}
