//! Bytes by range, as every reader here wants them.
//!
//! A [`Source`] is asked for few, large ranges: small reads are answered from blocks that were read before. The
//! block is as long as a chunk of the store is on average, since that much is unpacked for any byte of it.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

/// A file whose bytes can be had by range.
pub trait ReadAt: Send + Sync {
    /// Returns the length of the file, in bytes.
    fn file_bytes(&self) -> u64;
    /// Returns exactly these bytes, which lie inside the file.
    ///
    /// # Errors
    /// When they cannot be had.
    fn read_at(&self, start: u64, length_bytes: usize) -> io::Result<Bytes>;
}

impl ReadAt for Bytes {
    fn file_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, start: u64, length_bytes: usize) -> io::Result<Bytes> {
        let start = usize::try_from(start).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(length_bytes).filter(|end| *end <= self.len());
        Ok(self.slice(start..end.ok_or(io::ErrorKind::UnexpectedEof)?))
    }
}

/// Bytes of a block.
const BLOCK_BYTES: u64 = 64 << 10;
/// Blocks that are remembered for one file: 2 MiB.
const BLOCKS_MAX: usize = 32;
/// What is read at once by a reader that goes from front to back.
const AHEAD_BYTES: u64 = 1 << 20;
/// The longest single range that is asked for, in bytes: a page of a column is under 2 MB as writers make them,
/// and a column of a row group, which older writers make one page of, seldom over 64 MB.
pub const RANGE_BYTES_MAX: usize = 256 << 20;

/// A file with the blocks of it that were read last. Cheap to clone.
#[derive(Clone)]
pub struct Source {
    inner: Arc<Inner>,
}

struct Inner {
    file: Box<dyn ReadAt>,
    /// Blocks by number, the one used last at the end.
    blocks: Mutex<VecDeque<(u64, Bytes)>>,
}

impl Source {
    /// Returns a source over a file.
    pub fn new(file: impl ReadAt + 'static) -> Source {
        Source { inner: Arc::new(Inner { file: Box::new(file), blocks: Mutex::default() }) }
    }

    /// Returns the length of the file, in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.inner.file.file_bytes()
    }

    /// Returns bytes of the file.
    ///
    /// # Errors
    /// When they lie outside of it, are too many for one range, or cannot be had.
    pub fn bytes(&self, start: u64, length_bytes: usize) -> io::Result<Bytes> {
        let end = start.checked_add(length_bytes as u64).filter(|end| *end <= self.file_bytes());
        let end = end.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too early"))?;
        if length_bytes > RANGE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "a part of it is too long to be read at once"));
        }
        if length_bytes == 0 {
            return Ok(Bytes::new());
        }
        if start / BLOCK_BYTES == (end - 1) / BLOCK_BYTES {
            let from = usize::try_from(start % BLOCK_BYTES).expect("less than a block");
            return Ok(self.block(start / BLOCK_BYTES)?.slice(from..from + length_bytes));
        }
        self.inner.file.read_at(start, length_bytes)
    }

    /// Returns up to so many bytes from here on; fewer at the end of the file.
    ///
    /// # Errors
    /// When they cannot be had.
    pub fn front(&self, start: u64, length_bytes: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.file_bytes().saturating_sub(start)).unwrap_or(usize::MAX);
        self.bytes(start.min(self.file_bytes()), length_bytes.min(left))
    }

    fn block(&self, number: u64) -> io::Result<Bytes> {
        let mut blocks = self.inner.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = blocks.iter().position(|(other, _)| *other == number) {
            let found = blocks.remove(at).expect("it was just found");
            blocks.push_back(found.clone());
            return Ok(found.1);
        }
        let start = number * BLOCK_BYTES;
        let length = BLOCK_BYTES.min(self.file_bytes() - start);
        let bytes = self.inner.file.read_at(start, usize::try_from(length).expect("a block fits"))?;
        if blocks.len() >= BLOCKS_MAX {
            blocks.pop_front();
        }
        blocks.push_back((number, bytes.clone()));
        Ok(bytes)
    }

    /// Returns a reader from here to the end, which reads ahead.
    pub fn reader(&self, start: u64) -> Sequential {
        Sequential { source: self.clone(), position: start, window: Bytes::new(), ahead_bytes: AHEAD_BYTES }
    }
}

/// Reads a source from front to back.
pub struct Sequential {
    source: Source,
    position: u64,
    window: Bytes,
    ahead_bytes: u64,
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.window.is_empty() {
            let left = self.source.file_bytes().saturating_sub(self.position);
            // Up to the end of a block, so that whoever reads a few bytes reads one block.
            let to_edge = BLOCK_BYTES - self.position % BLOCK_BYTES;
            let wanted = if self.ahead_bytes > BLOCK_BYTES { self.ahead_bytes } else { to_edge }.min(left);
            if wanted == 0 {
                return Ok(0);
            }
            self.window = self.source.bytes(self.position, usize::try_from(wanted).expect("at most a megabyte"))?;
            self.position += wanted;
        }
        let count = buffer.len().min(self.window.len());
        buffer[..count].copy_from_slice(&self.window.split_to(count));
        Ok(count)
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.file_bytes()
    }
}

impl ChunkReader for Source {
    type T = Sequential;

    fn get_read(&self, start: u64) -> ParquetResult<Sequential> {
        // Headers of pages, a few bytes each.
        Ok(Sequential { ahead_bytes: BLOCK_BYTES, ..self.reader(start) })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.bytes(start, length).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_readers_give_the_same_bytes() {
        let all: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
        let source = Source::new(Bytes::from(all.clone()));
        for (start, length) in [(0, 0), (0, 10), (65_530, 20), (131_072, 1), (299_999, 1), (100, 200_000)] {
            assert_eq!(source.bytes(start, length).unwrap(), &all[start as usize..start as usize + length]);
        }
        assert!(source.bytes(299_999, 2).is_err() && source.bytes(u64::MAX, 1).is_err());
        let mut read = Vec::new();
        source.get_read(70_000).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, all[70_000..]);
        read.clear();
        source.reader(1).read_to_end(&mut read).unwrap();
        assert_eq!(read, all[1..]);
    }
}
