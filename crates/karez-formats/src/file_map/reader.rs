//! Reading a map page by page from where it is kept, with two pages of memory whatever its length.

use std::io::{self, Read, Seek, SeekFrom};

use super::{
    CHUNK_BYTES, END_BYTES, FileMapError, FileMapHead, FileMapLimits, FileMapVerifier, HEAD_BYTES, MapChunk, MapTerm,
    TERM_BYTES,
};

/// Records of one kind in memory: 45 and 40 KB.
const PAGE_RECORDS: u64 = 1024;

/// Why a kept map could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileMapReadError {
    /// Its bytes could not be read.
    #[error("the file map could not be read")]
    Io(#[from] io::Error),
    /// They are not those of a sound map.
    #[error(transparent)]
    Map(#[from] FileMapError),
}

/// Reads a map that was verified when it came. Its bytes are still not believed to be unchanged: a record
/// that cannot be is an error, and [`FileMapReader::verify`] reads all of it again.
#[derive(Debug)]
pub struct FileMapReader<R> {
    source: R,
    head: FileMapHead,
    terms: Page<TERM_BYTES>,
    chunks: Page<CHUNK_BYTES>,
}

/// Neighbouring records of one length.
#[derive(Debug)]
struct Page<const N: usize> {
    /// Where record 0 is in the map.
    at: u64,
    record_count: u64,
    first: u64,
    records: Vec<[u8; N]>,
}

impl<const N: usize> Page<N> {
    /// Returns a record, reading its page when another one is there; `None` beyond the last.
    fn record(&mut self, source: &mut (impl Read + Seek), number: u64) -> io::Result<Option<&[u8; N]>> {
        if number >= self.record_count {
            return Ok(None);
        }
        let is_here = number.checked_sub(self.first).is_some_and(|offset| offset < self.records.len() as u64);
        if !is_here {
            let first = number - number % PAGE_RECORDS;
            let count = PAGE_RECORDS.min(self.record_count - first);
            // Emptied first, so that a failed read leaves no page that says it is another one.
            self.records.clear();
            let mut records = vec![[0; N]; count as usize];
            source.seek(SeekFrom::Start(self.at + first * N as u64))?;
            source.read_exact(records.as_flattened_mut())?;
            (self.first, self.records) = (first, records);
        }
        Ok(Some(&self.records[(number - self.first) as usize]))
    }
}

impl<R: Read + Seek> FileMapReader<R> {
    /// Opens a map that was verified before: reads its head and compares the length.
    ///
    /// # Errors
    /// When it cannot be read, or cannot be the map of its head.
    pub fn open(mut source: R) -> Result<FileMapReader<R>, FileMapReadError> {
        let there_bytes = source.seek(SeekFrom::End(0))?;
        source.seek(SeekFrom::Start(0))?;
        if there_bytes < HEAD_BYTES as u64 {
            return Err(FileMapError::Truncated { at: there_bytes }.into());
        }
        let mut head = [0; HEAD_BYTES];
        source.read_exact(&mut head)?;
        let head = FileMapHead::decode(&head)?;
        match head.map_bytes() {
            Some(map_bytes) if map_bytes > there_bytes => {
                return Err(FileMapError::Truncated { at: there_bytes }.into());
            }
            Some(map_bytes) if map_bytes == there_bytes => {}
            _ => return Err(FileMapError::TrailingBytes.into()),
        }
        let terms_at = HEAD_BYTES as u64;
        let chunks_at = terms_at + u64::from(head.term_count) * TERM_BYTES as u64;
        debug_assert_eq!(chunks_at + head.chunk_count * CHUNK_BYTES as u64 + END_BYTES as u64, there_bytes);
        let terms = Page { at: terms_at, record_count: u64::from(head.term_count), first: 0, records: Vec::new() };
        let chunks = Page { at: chunks_at, record_count: head.chunk_count, first: 0, records: Vec::new() };
        Ok(FileMapReader { source, head, terms, chunks })
    }

    /// Returns what the map begins with.
    pub fn head(&self) -> &FileMapHead {
        &self.head
    }

    /// Returns a term by its number; `None` beyond the last. In order, most calls read nothing.
    ///
    /// # Errors
    /// When its page cannot be read, or it cannot be.
    pub fn term(&mut self, number: u32) -> Result<Option<MapTerm>, FileMapReadError> {
        let record = self.terms.record(&mut self.source, u64::from(number))?;
        Ok(record.map(MapTerm::decode).transpose()?)
    }

    /// Returns a chunk by its number in the file; `None` beyond the last. In order, most calls read nothing.
    ///
    /// # Errors
    /// When its page cannot be read.
    pub fn chunk(&mut self, number: u64) -> Result<Option<MapChunk>, FileMapReadError> {
        Ok(self.chunks.record(&mut self.source, number)?.map(MapChunk::decode))
    }

    /// Reads all of the map and checks it as [`FileMapVerifier`] does.
    ///
    /// # Errors
    /// When it cannot be read or is not sound.
    pub fn verify(&mut self, limits: FileMapLimits) -> Result<(), FileMapReadError> {
        self.source.seek(SeekFrom::Start(0))?;
        let mut verifier = FileMapVerifier::new(limits);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.source.read(&mut buffer)? {
                0 => break,
                count => verifier.push(&buffer[..count])?,
            }
        }
        verifier.finish()?;
        Ok(())
    }
}
