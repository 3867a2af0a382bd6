//! Packs, as a stream.
//!
//! We write whole objects, no deltas: large files are pointers in git, so what a pack holds is
//! small, and computing deltas would cost more than the bytes they save.

use flate2::{Compress, Compression, FlushCompress, Status};
use karez_types::GitOid;
use sha1::{Digest, Sha1};

use super::GitKind;

/// Writes a pack piece by piece: each call appends to `out`, which the caller sends on and clears.
pub struct PackWriter {
    hasher: Sha1,
    objects_left: u32,
    deflate: Compress,
}

impl PackWriter {
    /// Begins a pack of exactly this many objects.
    pub fn new(object_count: u32, out: &mut Vec<u8>) -> PackWriter {
        let start = out.len();
        out.extend_from_slice(b"PACK\0\0\0\x02");
        out.extend_from_slice(&object_count.to_be_bytes());
        let mut hasher = Sha1::new();
        hasher.update(&out[start..]);
        PackWriter { hasher, objects_left: object_count, deflate: Compress::new(Compression::new(1), true) }
    }

    /// Appends one object.
    ///
    /// # Panics
    /// When more objects are written than were announced.
    pub fn object(&mut self, kind: GitKind, content: &[u8], out: &mut Vec<u8>) {
        assert!(self.objects_left > 0, "a pack holds as many objects as its header says");
        self.objects_left -= 1;
        let start = out.len();
        write_entry_header(kind, content.len() as u64, out);
        self.deflate.reset();
        let mut rest = content;
        loop {
            out.reserve(rest.len() / 2 + 64);
            let before = self.deflate.total_in();
            let status =
                self.deflate.compress_vec(rest, out, FlushCompress::Finish).expect("memory to memory cannot fail");
            rest = &rest[(self.deflate.total_in() - before) as usize..];
            if status == Status::StreamEnd {
                break;
            }
        }
        self.hasher.update(&out[start..]);
    }

    /// Ends the pack and returns its checksum.
    ///
    /// # Panics
    /// When fewer objects were written than were announced.
    pub fn finish(self, out: &mut Vec<u8>) -> GitOid {
        assert_eq!(self.objects_left, 0, "a pack holds as many objects as its header says");
        let checksum = GitOid(self.hasher.finalize().into());
        out.extend_from_slice(checksum.as_bytes());
        checksum
    }
}

/// Writes kind and length: four bits of the length with the kind, then seven at a time.
fn write_entry_header(kind: GitKind, mut bytes: u64, out: &mut Vec<u8>) {
    let mut byte = kind.number() << 4 | (bytes & 15) as u8;
    bytes >>= 4;
    while bytes > 0 {
        out.push(byte | 0x80);
        byte = (bytes & 0x7F) as u8;
        bytes >>= 7;
    }
    out.push(byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_groups_of_seven_bits() {
        let header = |bytes| {
            let mut out = Vec::new();
            write_entry_header(GitKind::Blob, bytes, &mut out);
            out
        };
        assert_eq!(header(0), [0x30]);
        assert_eq!(header(15), [0x3F]);
        assert_eq!(header(16), [0xB0, 0x01]);
        assert_eq!(header(0x7FF), [0xBF, 0x7F]);
        assert_eq!(header(0x800), [0xB0, 0x80, 0x01]);
    }
}
