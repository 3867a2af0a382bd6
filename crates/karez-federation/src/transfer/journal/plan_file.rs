//! The file `plan`: what the wire bytes of a journal are.
//!
//! Little-endian: magic, generation (u64), digest of the recipe (32), count of pieces (u64), per piece its
//! length (u64), kind (u8: 0 xorb, 1 file), xorb (32), start (u64); then CRC-64/NVME of all before.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use karez_formats::xet::Crc64Nvme;
use karez_types::XorbHash;
use sha2::Digest;

use super::write_renamed;
use crate::transfer::{Layout, Piece, Place, Recipe};

pub(super) const NAME: &str = "plan";
const MAGIC: &[u8; 8] = b"KRZPLAN\x01";
const HEADER_BYTES: usize = 56;
const PIECE_BYTES: usize = 49;

pub(super) struct PlanFile {
    pub(super) generation: u64,
    pub(super) digest: [u8; 32],
    pub(super) layout: Layout,
}

/// Returns what verified marks depend on: which chunk is where.
pub(super) fn digest(recipe: &Recipe) -> [u8; 32] {
    let mut hasher = sha2::Sha256::new();
    match recipe {
        Recipe::Mapped(map) => {
            hasher.update(b"mapped");
            hasher.update(map.file_hash().0);
            for term in map.terms() {
                hasher.update(term.xorb.0);
                for word in [term.chunk_start, term.chunk_end, term.byte_start] {
                    hasher.update(word.to_le_bytes());
                }
            }
        }
        Recipe::Reconstructed { hash, terms } => {
            hasher.update(b"reconstructed");
            hasher.update(hash.0);
            for term in terms {
                hasher.update(term.xorb.0);
                let run = [term.run_chunk_start, term.run_chunk_end, term.run_byte_start, term.run_byte_end];
                for word in [term.chunk_start, term.chunk_end, term.raw_bytes].into_iter().chain(run) {
                    hasher.update(word.to_le_bytes());
                }
            }
        }
        Recipe::Plain => hasher.update(b"plain"),
    }
    hasher.finalize().into()
}

impl PlanFile {
    /// Reads the file of a folder; a damaged one counts as none.
    pub(super) fn read(folder: &Path) -> io::Result<Option<PlanFile>> {
        match fs::read(folder.join(NAME)) {
            Ok(bytes) => Ok(PlanFile::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        write_renamed(folder, NAME, &self.encode()).map(drop)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.layout.pieces.len() * PIECE_BYTES + 8);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.digest);
        bytes.extend_from_slice(&(self.layout.pieces.len() as u64).to_le_bytes());
        for piece in &self.layout.pieces {
            let (kind, xorb, start) = match piece.place {
                Place::Xorb { xorb, start } => (0, xorb.0, start),
                Place::File { start } => (1, [0; 32], start),
            };
            bytes.extend_from_slice(&piece.bytes.to_le_bytes());
            bytes.push(kind);
            bytes.extend_from_slice(&xorb);
            bytes.extend_from_slice(&start.to_le_bytes());
        }
        let check = Crc64Nvme::of(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<PlanFile> {
        let (body, check) = bytes.split_last_chunk::<8>()?;
        if u64::from_le_bytes(*check) != Crc64Nvme::of(body) || !body.starts_with(MAGIC) {
            return None;
        }
        let (header, rest) = body.split_at_checked(HEADER_BYTES)?;
        let word = |bytes: &[u8]| bytes.first_chunk().map(|word| u64::from_le_bytes(*word));
        let mut layout = Layout::default();
        for entry in rest.as_chunks::<PIECE_BYTES>().0 {
            let bytes = word(entry)?;
            let start = word(&entry[41..])?;
            let place = match entry[8] {
                0 => Place::Xorb { xorb: XorbHash::from_slice(&entry[9..41])?, start },
                _ => Place::File { start },
            };
            layout.pieces.push(Piece { at: layout.wire_bytes, bytes, place });
            layout.wire_bytes = layout.wire_bytes.checked_add(bytes)?;
        }
        let is_whole = word(&header[48..])? == layout.pieces.len() as u64 && layout.is_sound();
        let digest = *header[16..].first_chunk()?;
        is_whole.then_some(PlanFile { generation: word(&header[8..])?, digest, layout })
    }
}

/// Returns what two layouts have in common: old place, new place, length.
pub(super) fn common(old: &Layout, new: &Layout) -> Vec<(u64, u64, u64)> {
    let object = |place: &Place| match *place {
        Place::Xorb { xorb, start } => (Some(xorb), start),
        Place::File { start } => (None, start),
    };
    let mut of_object: HashMap<Option<XorbHash>, Vec<&Piece>> = HashMap::new();
    for piece in &old.pieces {
        of_object.entry(object(&piece.place).0).or_default().push(piece);
    }
    let mut found = Vec::new();
    for piece in &new.pieces {
        let (name, start) = object(&piece.place);
        for earlier in of_object.get(&name).into_iter().flatten() {
            let (_, earlier_start) = object(&earlier.place);
            let from = start.max(earlier_start);
            let to = (start + piece.bytes).min(earlier_start + earlier.bytes);
            if from < to {
                found.push((earlier.at + (from - earlier_start), piece.at + (from - start), to - from));
            }
        }
    }
    found
}
