//! Writing a map piece by piece, for files whose map is too long for memory.

use super::{FileMapHead, MapChunk, MapTerm};
use crate::xet::Crc64Nvme;

/// Writes a map: first all terms, then all chunks, then the end. The caller keeps the counts of the head.
#[derive(Debug)]
pub struct FileMapEncoder {
    checksum: Crc64Nvme,
    terms_left: u32,
    chunks_left: u64,
}

impl FileMapEncoder {
    /// Begins a map: appends its head.
    pub fn new(head: &FileMapHead, out: &mut Vec<u8>) -> FileMapEncoder {
        let mut encoder =
            FileMapEncoder { checksum: Crc64Nvme::new(), terms_left: head.term_count, chunks_left: head.chunk_count };
        encoder.put(&head.encode(), out);
        encoder
    }

    fn put(&mut self, record: &[u8], out: &mut Vec<u8>) {
        self.checksum.push(record);
        out.extend_from_slice(record);
    }

    /// Appends the next term.
    ///
    /// # Panics
    /// With more terms than the head says: a map that lies must not leave this program.
    pub fn term(&mut self, term: &MapTerm, out: &mut Vec<u8>) {
        self.terms_left = self.terms_left.checked_sub(1).expect("as many terms as the head says");
        self.put(&term.encode(), out);
    }

    /// Appends the next chunk.
    ///
    /// # Panics
    /// Before the last term, or with more chunks than the head says.
    pub fn chunk(&mut self, chunk: &MapChunk, out: &mut Vec<u8>) {
        assert!(self.terms_left == 0, "terms come before chunks");
        self.chunks_left = self.chunks_left.checked_sub(1).expect("as many chunks as the head says");
        self.put(&chunk.encode(), out);
    }

    /// Appends the end.
    ///
    /// # Panics
    /// With fewer terms or chunks than the head says.
    pub fn finish(self, out: &mut Vec<u8>) {
        assert!(self.terms_left == 0 && self.chunks_left == 0, "as many terms and chunks as the head says");
        out.extend_from_slice(&self.checksum.finish().to_le_bytes());
    }
}
