//! The records of `extents`: 40 bytes each, with a check; what follows a broken one is not there.
//!
//! Little-endian: kind (u32), zero (u32), start (u64), end (u64), tag (u64), CRC-64/NVME of all before.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use karez_formats::xet::Crc64Nvme;
use karez_types::{ByteRange, Timestamp};

use super::tags::Tags;
use super::{Boot, SourceTag};
use crate::transfer::extents::Extents;

pub(super) const RECORD_BYTES: u64 = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// A process began to write here.
    Opened(Boot),
    /// Bytes came from a source.
    Got(ByteRange, SourceTag),
    /// Bytes were wrong.
    Lost(ByteRange),
    /// Bytes were verified; they are on the disk.
    Verified(ByteRange),
    /// A source is banned, since this moment.
    Banned(SourceTag, Timestamp),
    /// The bytes of the first so many records are on the disk.
    Synced(u64),
}

impl Record {
    pub(super) fn encode(&self) -> [u8; RECORD_BYTES as usize] {
        let (kind, start, end, tag) = match *self {
            Record::Opened(boot) => (1u32, 0, 0, boot.0),
            Record::Got(range, tag) => (2, range.start, range.end, tag.0),
            Record::Lost(range) => (3, range.start, range.end, 0),
            Record::Verified(range) => (4, range.start, range.end, 0),
            Record::Banned(tag, since) => (5, since.0 as u64, 0, tag.0),
            Record::Synced(count) => (6, count, 0, 0),
        };
        let mut bytes = [0; RECORD_BYTES as usize];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        for (place, word) in [(8, start), (16, end), (24, tag)] {
            bytes[place..place + 8].copy_from_slice(&u64::to_le_bytes(word));
        }
        let check = Crc64Nvme::of(&bytes[..32]);
        bytes[32..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; RECORD_BYTES as usize]) -> Option<Record> {
        let word = |place: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[place..place + 8]);
            u64::from_le_bytes(word)
        };
        if word(32) != Crc64Nvme::of(&bytes[..32]) {
            return None;
        }
        let range = || ByteRange::new(word(8), word(16));
        Some(match word(0) {
            1 => Record::Opened(Boot(word(24))),
            2 => Record::Got(range()?, SourceTag(word(24))),
            3 => Record::Lost(range()?),
            4 => Record::Verified(range()?),
            5 => Record::Banned(SourceTag(word(24)), Timestamp(word(8) as i64)),
            6 => Record::Synced(word(8)),
            _ => return None,
        })
    }
}

/// What the records say.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) have: Extents,
    pub(super) tags: Tags,
    pub(super) verified: Extents,
    pub(super) banned: BTreeMap<SourceTag, Timestamp>,
    /// Length of the records up to the first broken one.
    pub(super) whole_bytes: u64,
}

/// Reads the records; believes those that were synced, and of the others those that this life of the
/// machine's memory wrote.
pub(super) fn load(file: &File, boot: Boot, wire_bytes: u64) -> io::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut pending: Vec<(u64, ByteRange, SourceTag)> = Vec::new();
    let mut writer: Option<Boot> = None;
    let length = file.metadata()?.len();
    let mut buffer = vec![0u8; RECORD_BYTES as usize * 1024];
    let mut count = 0u64;
    'files: while loaded.whole_bytes + RECORD_BYTES <= length {
        let rest = (length - loaded.whole_bytes) / RECORD_BYTES * RECORD_BYTES;
        let part =
            &mut buffer[..usize::try_from(rest).map_or(usize::MAX, |rest| rest).min(RECORD_BYTES as usize * 1024)];
        file.read_exact_at(part, loaded.whole_bytes)?;
        for bytes in part.as_chunks::<{ RECORD_BYTES as usize }>().0 {
            let Some(record) = Record::decode(bytes) else { break 'files };
            match record {
                Record::Opened(by) => {
                    if writer.is_some_and(|before| before != by) {
                        pending.clear();
                    }
                    writer = Some(by);
                }
                Record::Got(range, tag) => pending.push((count, range, tag)),
                Record::Synced(upto) => {
                    let is_settled = |(number, ..): &(u64, ByteRange, SourceTag)| *number < upto;
                    loaded.take(pending.iter().filter(|got| is_settled(got)));
                    pending.retain(|got| !is_settled(got));
                }
                Record::Lost(range) => {
                    loaded.have.remove(range);
                    loaded.tags.remove(range);
                    loaded.verified.remove(range);
                    pending.retain(|(_, got, _)| got.end <= range.start || range.end <= got.start);
                }
                Record::Verified(range) => {
                    loaded.verified.insert(range);
                }
                Record::Banned(tag, since) => {
                    loaded.banned.insert(tag, since);
                }
            }
            count += 1;
            loaded.whole_bytes += RECORD_BYTES;
        }
    }
    if writer == Some(boot) {
        loaded.take(pending.iter());
    }
    // A file that is shorter than its records say was not written by us; and nothing unhad is verified.
    let beyond = ByteRange { start: wire_bytes, end: u64::MAX };
    loaded.have.remove(beyond);
    loaded.tags.remove(beyond);
    let verified = loaded.have.iter().flat_map(|range| loaded.verified.within(range).collect::<Vec<_>>());
    let mut kept = Extents::new();
    kept.extend(verified);
    loaded.verified = kept;
    Ok(loaded)
}

impl Loaded {
    fn take<'a>(&mut self, got: impl Iterator<Item = &'a (u64, ByteRange, SourceTag)>) {
        for (_, range, tag) in got {
            self.have.insert(*range);
            self.tags.insert(*range, *tag);
        }
    }
}
