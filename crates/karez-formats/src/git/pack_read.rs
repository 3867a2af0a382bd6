//! Reading packs that others made, while they arrive.
//!
//! Nothing that a pack says about itself is believed before it is there: counts reserve nothing, each
//! object is unpacked within bounds, deltas are bounded in depth and in what they make, and the
//! checksum must fit. Deltas are put together as soon as their base is known; what is left at the end
//! may stand on objects that the receiver has (a thin pack), which a callback looks up.

use std::collections::{HashMap, HashSet};

use flate2::{Decompress, FlushDecompress, Status};
use karez_types::GitOid;
use sha1::{Digest, Sha1};

use super::delta::Delta;
use super::pack_entry::{Base, ENTRY_HEADER_BYTES_MAX, Entry, entry_of};
pub use super::pack_entry::{PackError, PackLimits};
use super::{GitKind, object_id};

/// An object out of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedObject {
    /// Id, computed from the content.
    pub oid: GitOid,
    /// Blob, tree, commit or tag.
    pub kind: GitKind,
    /// The bytes, without git's header.
    pub content: Vec<u8>,
}

/// Reads a pack piece by piece.
pub struct PackReader {
    limits: PackLimits,
    hasher: Sha1,
    place: Place,
    /// Start of a header, of an id or of the checksum that is not all there yet.
    held: Vec<u8>,
    objects_left: u64,
    /// Bytes of the pack that were taken.
    position: u64,
    inflate: Decompress,
    total_bytes: u64,
    objects: Vec<Found>,
    by_offset: HashMap<u64, usize>,
    by_oid: HashMap<GitOid, usize>,
    /// Deltas whose base is not known yet.
    waiting: Waiting,
}

struct Found {
    object: PackedObject,
    depth: u32,
}

#[derive(Default)]
struct Waiting {
    /// Where those are that came and wait.
    offsets: HashSet<u64>,
    by_offset: HashMap<u64, Vec<Unmade>>,
    by_oid: HashMap<GitOid, Vec<Unmade>>,
}

/// A delta, and where it is in the pack.
struct Unmade {
    offset: u64,
    delta: Vec<u8>,
}

enum Place {
    Header,
    EntryHeader,
    Inflating { offset: u64, entry: Entry, bytes: usize, content: Vec<u8> },
    Checksum,
    End,
}

/// Length of the header: magic, version, count.
const HEADER_BYTES: usize = 12;
/// Bytes that are unpacked in one go; memory grows with what comes, not with what is announced.
const INFLATE_BYTES: usize = 64 << 10;

impl PackReader {
    /// Begins a pack.
    pub fn new(limits: PackLimits) -> PackReader {
        PackReader {
            limits,
            hasher: Sha1::new(),
            place: Place::Header,
            held: Vec::new(),
            objects_left: 0,
            position: 0,
            inflate: Decompress::new(true),
            total_bytes: 0,
            objects: Vec::new(),
            by_offset: HashMap::new(),
            by_oid: HashMap::new(),
            waiting: Waiting::default(),
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// With what is wrong in them; the reader is of no use afterwards.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match &mut self.place {
                Place::Header => self.header(rest)?,
                Place::EntryHeader => self.entry_header(rest)?,
                Place::Inflating { .. } => self.inflating(rest)?,
                Place::Checksum => self.checksum(rest)?,
                Place::End => return Err(PackError::Malformed("there are bytes after its checksum")),
            };
            rest = &rest[taken..];
        }
        Ok(())
    }

    /// Tells whether the whole pack has come.
    pub fn is_whole(&self) -> bool {
        matches!(self.place, Place::End)
    }

    /// Ends the pack; returns its objects, each once. `lookup` is asked for objects that deltas of a thin
    /// pack stand on; it must give only what the sender may know of.
    ///
    /// # Errors
    /// [`PackError::Truncated`] when the pack has not come whole, [`PackError::BaseMissing`] when `lookup`
    /// does not know a base either.
    pub fn finish(
        mut self,
        lookup: &mut dyn FnMut(GitOid) -> Option<(GitKind, Vec<u8>)>,
    ) -> Result<Vec<PackedObject>, PackError> {
        if !self.is_whole() {
            return Err(PackError::Truncated);
        }
        let mut bases: Vec<GitOid> = self.waiting.by_oid.keys().copied().collect();
        bases.sort_unstable();
        for oid in bases {
            // What was made meanwhile may have been the base.
            if !self.waiting.by_oid.contains_key(&oid) {
                continue;
            }
            let (kind, content) = lookup(oid).ok_or(PackError::BaseMissing(oid))?;
            if object_id(kind, &content) != oid {
                return Err(PackError::BaseMissing(oid));
            }
            let unmade = self.waiting.by_oid.remove(&oid).unwrap_or_default();
            for Unmade { offset, delta } in unmade {
                let made = make(&self.limits, &mut self.total_bytes, kind, &content, &delta)?;
                self.found(offset, made, 1)?;
            }
        }
        // An offset must be that of an entry before, so nothing can wait for one that is not there.
        if !self.waiting.by_offset.is_empty() {
            return Err(PackError::Malformed("deltas stand on one another in a circle"));
        }
        Ok(self.objects.into_iter().map(|found| found.object).collect())
    }

    /// Collects bytes of something short; returns how many were taken and whether all are there.
    fn hold(&mut self, rest: &[u8], bytes: usize) -> (usize, bool) {
        let taken = bytes.saturating_sub(self.held.len()).min(rest.len());
        self.held.extend_from_slice(&rest[..taken]);
        (taken, self.held.len() >= bytes)
    }

    fn account(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
    }

    fn header(&mut self, rest: &[u8]) -> Result<usize, PackError> {
        let (taken, is_there) = self.hold(rest, HEADER_BYTES);
        if is_there {
            let header = std::mem::take(&mut self.held);
            if header[..4] != *b"PACK" {
                return Err(PackError::Malformed("it does not begin with PACK"));
            }
            if !matches!(header[4..8], [0, 0, 0, 2 | 3]) {
                return Err(PackError::Malformed("its version is neither 2 nor 3"));
            }
            self.objects_left = u64::from(u32::from_be_bytes([header[8], header[9], header[10], header[11]]));
            if self.objects_left > self.limits.objects_max {
                return Err(PackError::TooLarge { what: "objects", limit: self.limits.objects_max });
            }
            self.account(&header);
            self.next_entry();
        }
        Ok(taken)
    }

    fn next_entry(&mut self) {
        self.place = if self.objects_left == 0 { Place::Checksum } else { Place::EntryHeader };
    }

    fn entry_header(&mut self, rest: &[u8]) -> Result<usize, PackError> {
        // Byte by byte: its length shows only on the way.
        for (taken, &byte) in rest.iter().enumerate() {
            self.held.push(byte);
            let Some((entry, bytes)) = entry_of(&self.held, self.position)? else {
                if self.held.len() >= ENTRY_HEADER_BYTES_MAX {
                    return Err(PackError::Malformed("the header of an entry does not end"));
                }
                continue;
            };
            if bytes > self.limits.object_bytes_max {
                return Err(PackError::TooLarge { what: "an object", limit: self.limits.object_bytes_max });
            }
            let bytes = usize::try_from(bytes).map_err(|_| PackError::Malformed("a length is beyond all bounds"))?;
            let offset = self.position;
            if let Entry::Delta(Base::Offset(base)) = entry
                && !self.by_offset.contains_key(&base)
                && !self.waiting.offsets.contains(&base)
            {
                return Err(PackError::Malformed("a delta stands on what is not an entry"));
            }
            let header = std::mem::take(&mut self.held);
            self.account(&header);
            self.inflate.reset(true);
            self.place = Place::Inflating { offset, entry, bytes, content: Vec::new() };
            return Ok(taken + 1);
        }
        Ok(rest.len())
    }

    fn inflating(&mut self, rest: &[u8]) -> Result<usize, PackError> {
        let Place::Inflating { offset, entry, bytes, content } = &mut self.place else { return Ok(0) };
        let (offset, entry, bytes) = (*offset, *entry, *bytes);
        let before = (self.inflate.total_in(), content.len());
        // One byte more than announced shows that there are more.
        content.reserve(INFLATE_BYTES.min(bytes - content.len() + 1));
        let status = self
            .inflate
            .decompress_vec(rest, content, FlushDecompress::None)
            .map_err(|_| PackError::Malformed("an entry is not compressed as it must be"))?;
        let taken = usize::try_from(self.inflate.total_in() - before.0).unwrap_or(rest.len());
        let made = content.len() - before.1;
        if content.len() > bytes {
            return Err(PackError::Malformed("an entry is longer than it says"));
        }
        let is_over = status == Status::StreamEnd;
        if !is_over && taken == 0 && made == 0 {
            return Err(PackError::Malformed("an entry is not compressed as it must be"));
        }
        if is_over && content.len() < bytes {
            return Err(PackError::Malformed("an entry is shorter than it says"));
        }
        let content = if is_over { std::mem::take(content) } else { Vec::new() };
        self.total_bytes += made as u64;
        if self.total_bytes > self.limits.total_bytes_max {
            return Err(PackError::TooLarge { what: "all objects", limit: self.limits.total_bytes_max });
        }
        self.account(&rest[..taken]);
        if is_over {
            self.objects_left -= 1;
            self.next_entry();
            self.entry(offset, entry, content)?;
        }
        Ok(taken)
    }

    /// Takes an entry that has come whole.
    fn entry(&mut self, offset: u64, entry: Entry, content: Vec<u8>) -> Result<(), PackError> {
        let base = match entry {
            Entry::Whole(kind) => {
                let oid = object_id(kind, &content);
                return self.found(offset, PackedObject { oid, kind, content }, 0);
            }
            Entry::Delta(base) => base,
        };
        let known = match base {
            Base::Offset(offset) => self.by_offset.get(&offset),
            Base::Oid(oid) => self.by_oid.get(&oid),
        };
        if let Some(&known) = known {
            return self.stand_on(known, offset, &content);
        }
        let unmade = Unmade { offset, delta: content };
        self.waiting.offsets.insert(offset);
        match base {
            Base::Offset(base) => self.waiting.by_offset.entry(base).or_default().push(unmade),
            Base::Oid(oid) => self.waiting.by_oid.entry(oid).or_default().push(unmade),
        }
        Ok(())
    }

    fn stand_on(&mut self, base: usize, offset: u64, delta: &[u8]) -> Result<(), PackError> {
        let Found { object, depth } = &self.objects[base];
        let depth = depth + 1;
        let made = make(&self.limits, &mut self.total_bytes, object.kind, &object.content, delta)?;
        self.found(offset, made, depth)
    }

    /// Takes an object, and makes those that waited for it.
    fn found(&mut self, offset: u64, object: PackedObject, depth: u32) -> Result<(), PackError> {
        let mut ready = vec![(offset, object, depth)];
        while let Some((offset, object, depth)) = ready.pop() {
            if depth > self.limits.delta_depth_max {
                let limit = u64::from(self.limits.delta_depth_max);
                return Err(PackError::TooLarge { what: "deltas upon deltas", limit });
            }
            let oid = object.oid;
            let at = *self.by_oid.entry(oid).or_insert(self.objects.len());
            if at == self.objects.len() {
                self.objects.push(Found { object, depth });
            }
            self.by_offset.insert(offset, at);
            let waited = self.waiting.by_offset.remove(&offset).into_iter().chain(self.waiting.by_oid.remove(&oid));
            for Unmade { offset, delta } in waited.flatten() {
                let Found { object: base, depth } = &self.objects[at];
                let made = make(&self.limits, &mut self.total_bytes, base.kind, &base.content, &delta)?;
                ready.push((offset, made, depth + 1));
            }
        }
        Ok(())
    }

    fn checksum(&mut self, rest: &[u8]) -> Result<usize, PackError> {
        let (taken, is_there) = self.hold(rest, GitOid::LEN);
        if is_there {
            let actual: [u8; GitOid::LEN] = self.hasher.finalize_reset().into();
            if self.held != actual {
                return Err(PackError::Checksum);
            }
            self.place = Place::End;
        }
        Ok(taken)
    }
}

/// Makes an object of its base and a delta, within bounds.
fn make(
    limits: &PackLimits,
    total_bytes: &mut u64,
    kind: GitKind,
    base: &[u8],
    delta: &[u8],
) -> Result<PackedObject, PackError> {
    let delta = Delta::read(delta)?;
    if delta.result_bytes > limits.object_bytes_max {
        return Err(PackError::TooLarge { what: "an object", limit: limits.object_bytes_max });
    }
    *total_bytes += delta.result_bytes;
    if *total_bytes > limits.total_bytes_max {
        return Err(PackError::TooLarge { what: "all objects", limit: limits.total_bytes_max });
    }
    let content = delta.apply(base)?;
    Ok(PackedObject { oid: object_id(kind, &content), kind, content })
}
