//! Checking a map while it arrives.

use std::mem;

use super::{
    CHUNK_BYTES, END_BYTES, FileMapError, FileMapHead, FileMapLimits, HEAD_BYTES, MapChunk, MapTerm, TERM_BYTES,
};
use crate::xet::{CHUNK_BYTES_MAX, Crc64Nvme, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FileHasher};

const OTHER_LENGTH: FileMapError = FileMapError::Wrong { reason: "its chunks have another length than the file" };

/// Checks a map from its bytes, in pieces of any length. Keeps 8 bytes a term and one record.
#[derive(Debug)]
pub struct FileMapVerifier {
    limits: FileMapLimits,
    state: State,
    /// The beginning of a record whose end has not arrived.
    held: Vec<u8>,
    seen_bytes: u64,
    checksum: Crc64Nvme,
    hasher: FileHasher,
    /// Of each term: chunks that it must still get, and where the next frame starts in its xorb.
    terms: Vec<(u32, u32)>,
    /// The term that the next chunk belongs to.
    term: usize,
    term_raw_bytes: u32,
    chunks_announced: u64,
    raw_bytes: u64,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum State {
    Head,
    Terms(FileMapHead, u32),
    Chunks(FileMapHead, u64),
    End(FileMapHead),
    Done(FileMapHead),
}

impl State {
    /// Steps over sections that have no record left.
    fn settled(self) -> State {
        match self {
            State::Terms(head, 0) => State::Chunks(head, head.chunk_count).settled(),
            State::Chunks(head, 0) => State::End(head),
            other => other,
        }
    }

    fn record_bytes(self) -> usize {
        match self {
            State::Head => HEAD_BYTES,
            State::Terms(..) => TERM_BYTES,
            State::Chunks(..) => CHUNK_BYTES,
            State::End(_) => END_BYTES,
            State::Done(_) => 0,
        }
    }
}

impl FileMapVerifier {
    /// Returns a verifier that has seen nothing.
    pub fn new(limits: FileMapLimits) -> FileMapVerifier {
        FileMapVerifier {
            limits,
            state: State::Head,
            held: Vec::new(),
            seen_bytes: 0,
            checksum: Crc64Nvme::new(),
            hasher: FileHasher::new(),
            terms: Vec::new(),
            term: 0,
            term_raw_bytes: 0,
            chunks_announced: 0,
            raw_bytes: 0,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// As soon as they show that this is no sound map. Nothing may be pushed after that.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FileMapError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let record_bytes = self.state.record_bytes();
            if record_bytes == 0 {
                return Err(FileMapError::TrailingBytes);
            }
            if self.held.is_empty() && rest.len() >= record_bytes {
                let (record, after) = rest.split_at(record_bytes);
                self.record(record)?;
                rest = after;
                continue;
            }
            let (taken, after) = rest.split_at(rest.len().min(record_bytes - self.held.len()));
            self.held.extend_from_slice(taken);
            rest = after;
            if self.held.len() == record_bytes {
                let record = mem::take(&mut self.held);
                self.record(&record)?;
                self.held = record;
                self.held.clear();
            }
        }
        Ok(())
    }

    /// Returns the head once it has arrived.
    pub fn head(&self) -> Option<&FileMapHead> {
        match &self.state {
            State::Head => None,
            State::Terms(head, _) | State::Chunks(head, _) | State::End(head) | State::Done(head) => Some(head),
        }
    }

    /// Says that all bytes were given.
    ///
    /// # Errors
    /// [`FileMapError::Truncated`] when some are missing.
    pub fn finish(self) -> Result<FileMapHead, FileMapError> {
        match self.state {
            State::Done(head) => Ok(head),
            _ => Err(FileMapError::Truncated { at: self.seen_bytes + self.held.len() as u64 }),
        }
    }

    /// Takes one whole record.
    fn record(&mut self, record: &[u8]) -> Result<(), FileMapError> {
        self.seen_bytes += record.len() as u64;
        if !matches!(self.state, State::End(_)) {
            self.checksum.push(record);
        }
        let whole = "the caller gives whole records";
        self.state = match self.state {
            State::Head => {
                let head = FileMapHead::decode(record.try_into().expect(whole))?;
                self.bound(&head)?;
                State::Terms(head, head.term_count)
            }
            State::Terms(head, left) => {
                self.term(&MapTerm::decode(record.try_into().expect(whole))?, &head)?;
                if left == 1 && self.chunks_announced != head.chunk_count {
                    return Err(FileMapError::Wrong { reason: "its terms have another number of chunks" });
                }
                State::Terms(head, left - 1)
            }
            State::Chunks(head, left) => {
                self.chunk(MapChunk::decode(record.try_into().expect(whole)), &head)?;
                State::Chunks(head, left - 1)
            }
            State::End(head) => {
                self.end(&head, u64::from_le_bytes(record.try_into().expect(whole)))?;
                State::Done(head)
            }
            State::Done(_) => return Err(FileMapError::TrailingBytes),
        }
        .settled();
        Ok(())
    }

    fn bound(&self, head: &FileMapHead) -> Result<(), FileMapError> {
        let FileMapLimits { file_bytes_max, terms_max } = self.limits;
        if head.file_bytes > file_bytes_max {
            return Err(FileMapError::TooMany { what: "bytes of the file", count_max: file_bytes_max });
        }
        if u64::from(head.term_count) > terms_max {
            return Err(FileMapError::TooMany { what: "terms", count_max: terms_max });
        }
        Ok(())
    }

    fn term(&mut self, term: &MapTerm, head: &FileMapHead) -> Result<(), FileMapError> {
        self.chunks_announced += u64::from(term.chunk_count());
        if self.chunks_announced > head.chunk_count {
            return Err(FileMapError::Wrong { reason: "its terms have another number of chunks" });
        }
        self.terms.push((term.chunk_count(), term.byte_start));
        Ok(())
    }

    fn chunk(&mut self, chunk: MapChunk, head: &FileMapHead) -> Result<(), FileMapError> {
        let (frame_bytes, raw_bytes) = (chunk.frame_bytes as usize, chunk.raw_bytes as usize);
        let is_frame = frame_bytes > FRAME_HEADER_BYTES && frame_bytes <= FRAME_BYTES_MAX;
        if !is_frame || !(1..=CHUNK_BYTES_MAX).contains(&raw_bytes) {
            return Err(FileMapError::Wrong { reason: "it has a chunk of an impossible length" });
        }
        let outside = FileMapError::Wrong { reason: "a term is longer than a xorb can be" };
        let (left, at) = &mut self.terms[self.term];
        *at = at.checked_add(chunk.frame_bytes).ok_or(outside.clone())?;
        self.term_raw_bytes = self.term_raw_bytes.checked_add(chunk.raw_bytes).ok_or(outside)?;
        *left -= 1;
        if *left == 0 {
            self.term += 1;
            self.term_raw_bytes = 0;
        }
        self.raw_bytes += u64::from(chunk.raw_bytes);
        if self.raw_bytes > head.file_bytes {
            return Err(OTHER_LENGTH);
        }
        self.hasher.push(chunk.into());
        Ok(())
    }

    fn end(&mut self, head: &FileMapHead, checksum: u64) -> Result<(), FileMapError> {
        if mem::take(&mut self.checksum).finish() != checksum {
            return Err(FileMapError::WrongChecksum);
        }
        if self.raw_bytes != head.file_bytes {
            return Err(OTHER_LENGTH);
        }
        let actual = mem::take(&mut self.hasher).finish();
        if actual != head.hash {
            return Err(FileMapError::WrongHash { claimed: head.hash, actual });
        }
        Ok(())
    }
}
