//! What is new in a node's log, as one small answer: how far the log is signed, the entries after those
//! that the asker has, and short tags that say whether anything else of the node is worth a question.
//!
//! The names and keys in it are those that the asker knows already, so they do not travel: with the key of
//! the log, size, root and signature are the checkpoint again, to the byte. Entries are JSON that looks
//! alike everywhere; they are deflated against a dictionary that both sides have.
//!
//! Nothing here is believed: whoever reads verifies the signature, appends the entries to the tree that it
//! has, and compares roots.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Most entries of one answer; who is further behind reads whole bundles, which caches keep.
pub const NEWS_ENTRIES_MAX: usize = 256;
/// Longest entries of one answer together, in bytes, each with its length before it: 256 of the usual 340
/// bytes, with room.
pub const NEWS_ENTRY_BYTES_MAX: usize = 128 << 10;
/// Longest answer, in bytes: what does not compress grows by a few bytes in each 16 KiB.
pub const NEWS_BYTES_MAX: usize = HEAD_BYTES + NEWS_ENTRY_BYTES_MAX + (1 << 10);

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 135;
/// Bytes that unpacking begins with; it grows as the input pays for it.
const UNPACK_BYTES_MIN: usize = 4 << 10;

/// Text that entries are likely to repeat, the likeliest last. It is part of the format: never changed.
pub const NEWS_DICTIONARY: &[u8] = include_bytes!("log_news.dict");

/// Short tags of what else a node tells. Another tag means that the answer there is another one now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct NewsTags {
    /// Sequence number of the newest description of the node.
    pub sequence: u64,
    /// Checkpoints that it has seen of other logs.
    pub seen: u32,
    /// Descriptions that it knows of other nodes.
    pub nodes: u32,
    /// What it holds of other logs.
    pub have: u32,
}

/// What is new in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogNews {
    /// Entries under the newest checkpoint.
    pub size: u64,
    /// Root of the tree over them.
    pub root: [u8; 32],
    /// Ed25519 signature of the log's key over the text of the checkpoint.
    pub signature: [u8; 64],
    /// What else may have changed.
    pub tags: NewsTags,
    /// Index of the first entry here; the size that the asker named.
    pub from: u64,
    /// All entries from there to `size`, or none when they are too many for one answer.
    pub entries: Vec<Vec<u8>>,
}

/// Why bytes are not news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogNewsError {
    /// A newer form, which is not known here.
    #[error("news in the unknown form {0}")]
    Version(u8),
    /// Cut off, or longer than it says, or with counts that do not fit.
    #[error("the news do not have the length that they say")]
    Length,
    /// More or longer entries than one answer may have.
    #[error("the news have more than {NEWS_ENTRIES_MAX} entries or {NEWS_ENTRY_BYTES_MAX} bytes of them")]
    TooLarge,
    /// The entries cannot be unpacked.
    #[error("the entries of the news are not packed as they should be")]
    Packed,
}

/// Packs entries for [`LogNews::encode_with`]; `None` when they are too many or too long for one answer.
pub fn entries_pack(entries: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    for entry in entries {
        plain.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        plain.extend_from_slice(entry);
    }
    if entries.len() > NEWS_ENTRIES_MAX || plain.len() > NEWS_ENTRY_BYTES_MAX {
        return None;
    }
    if entries.is_empty() {
        return Some(Vec::new());
    }
    let mut packer = Compress::new(Compression::best(), false);
    packer.set_dictionary(NEWS_DICTIONARY).expect("a new packer takes a dictionary");
    let mut packed = Vec::with_capacity(plain.len() + (1 << 10));
    let status = packer.compress_vec(&plain, &mut packed, FlushCompress::Finish);
    assert!(status.is_ok_and(|status| status == Status::StreamEnd), "there is room for what does not compress");
    Some(packed)
}

impl LogNews {
    /// Writes the news; `None` when the entries are too many or too long for one answer.
    pub fn encode(&self) -> Option<Vec<u8>> {
        Some(self.encode_with(self.entries.len(), &entries_pack(&self.entries)?))
    }

    /// Writes the news with entries that are packed already: `count` of them.
    pub fn encode_with(&self, count: usize, packed: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + packed.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&self.root);
        bytes.extend_from_slice(&self.signature);
        bytes.extend_from_slice(&self.tags.sequence.to_le_bytes());
        for tag in [self.tags.seen, self.tags.nodes, self.tags.have] {
            bytes.extend_from_slice(&tag.to_le_bytes());
        }
        bytes.extend_from_slice(&self.from.to_le_bytes());
        let count = u16::try_from(count).expect("entries were counted when they were packed");
        bytes.extend_from_slice(&count.to_le_bytes());
        debug_assert_eq!(bytes.len(), HEAD_BYTES);
        bytes.extend_from_slice(packed);
        bytes
    }

    /// Reads news. Memory is bounded by [`NEWS_ENTRY_BYTES_MAX`], and grows with what is unpacked.
    ///
    /// # Errors
    /// For whatever [`LogNews::encode`] would not write, apart from other ways to pack the same entries.
    pub fn parse(bytes: &[u8]) -> Result<LogNews, LogNewsError> {
        let (&version, rest) = bytes.split_first().ok_or(LogNewsError::Length)?;
        if version != VERSION {
            return Err(LogNewsError::Version(version));
        }
        let mut head = Head(rest);
        let (size, root, signature) = (head.u64()?, head.take()?, head.take()?);
        let tags = NewsTags { sequence: head.u64()?, seen: head.u32()?, nodes: head.u32()?, have: head.u32()? };
        let (from, count) = (head.u64()?, usize::from(u16::from_le_bytes(head.take()?)));
        if count > NEWS_ENTRIES_MAX {
            return Err(LogNewsError::TooLarge);
        }
        if count > 0 && size.checked_sub(from) != Some(count as u64) {
            return Err(LogNewsError::Length);
        }
        let entries = match (count, head.0.is_empty()) {
            (0, true) => Vec::new(),
            (0, false) => return Err(LogNewsError::Length),
            _ => entries_of(&unpack(head.0)?, count)?,
        };
        Ok(LogNews { size, root, signature, tags, from, entries })
    }
}

/// What is left of a head.
struct Head<'a>(&'a [u8]);

impl Head<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], LogNewsError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(LogNewsError::Length)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u64(&mut self) -> Result<u64, LogNewsError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn u32(&mut self) -> Result<u32, LogNewsError> {
        Ok(u32::from_le_bytes(self.take()?))
    }
}

/// Inflates all of the input, which must be one stream and nothing after it.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, LogNewsError> {
    let mut unpacker = Decompress::new(false);
    unpacker.set_dictionary(NEWS_DICTIONARY).map_err(|_| LogNewsError::Packed)?;
    let mut plain = Vec::with_capacity(UNPACK_BYTES_MIN);
    loop {
        let done = usize::try_from(unpacker.total_in()).unwrap_or(usize::MAX);
        let input = packed.get(done..).ok_or(LogNewsError::Packed)?;
        let before = (unpacker.total_in(), plain.len());
        let status = unpacker.decompress_vec(input, &mut plain, FlushDecompress::None);
        if plain.len() > NEWS_ENTRY_BYTES_MAX {
            return Err(LogNewsError::TooLarge);
        }
        match status.map_err(|_| LogNewsError::Packed)? {
            Status::StreamEnd if unpacker.total_in() == packed.len() as u64 => return Ok(plain),
            Status::StreamEnd => return Err(LogNewsError::Length),
            // Neither read nor written with room to write: the input is cut off.
            _ if before == (unpacker.total_in(), plain.len()) && plain.len() < plain.capacity() => {
                return Err(LogNewsError::Length);
            }
            _ if plain.len() == plain.capacity() => plain.reserve(plain.len()),
            _ => {}
        }
    }
}

/// Cuts unpacked entries apart: each behind its length in two bytes, big-endian, as bundles have them.
fn entries_of(mut plain: &[u8], count: usize) -> Result<Vec<Vec<u8>>, LogNewsError> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = plain.split_first_chunk::<2>() {
        let entry = rest.get(..usize::from(u16::from_be_bytes(*length))).ok_or(LogNewsError::Length)?;
        if entries.len() >= count {
            return Err(LogNewsError::Length);
        }
        entries.push(entry.to_vec());
        plain = &rest[entry.len()..];
    }
    if plain.is_empty() && entries.len() == count { Ok(entries) } else { Err(LogNewsError::Length) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn news(entries: Vec<Vec<u8>>) -> LogNews {
        let tags = NewsTags { sequence: 3, seen: 0x0102_0304, nodes: 5, have: 6 };
        let size = 1000 + entries.len() as u64;
        LogNews { size, root: [7; 32], signature: [8; 64], tags, from: 1000, entries }
    }

    /// An entry as nodes write them, different from the others where they are.
    fn usual(number: u64) -> Vec<u8> {
        let rev = blake3::hash(&number.to_le_bytes()).to_hex();
        let text = format!(
            "{{\"v\":1,\"k\":\"ref\",\"r\":\"models/univ-{number}/river-7B\",\"ref\":\"refs/heads/main\",\"rev\":\"{}\",\
             \"t\":1795513372,\"b\":14483464192,\"tags\":[\"tajik\",\"speech\"],\"lic\":\"mit\",\"task\":\"translation\"}}",
            &rev[..40]
        );
        text.into_bytes()
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let bytes = news(Vec::new()).encode().unwrap();
        assert_eq!(bytes.len(), HEAD_BYTES);
        assert_eq!((bytes[0], &bytes[1..9], &bytes[9..41]), (1, &1000u64.to_le_bytes()[..], &[7; 32][..]));
        assert_eq!((&bytes[41..105], &bytes[105..113]), (&[8; 64][..], &3u64.to_le_bytes()[..]));
        assert_eq!(bytes[113..125], [4, 3, 2, 1, 5, 0, 0, 0, 6, 0, 0, 0]);
        assert_eq!((&bytes[125..133], &bytes[133..]), (&1000u64.to_le_bytes()[..], &[0, 0][..]));
        let document = include_str!("../../../docs/federation.md");
        let dictionary = std::str::from_utf8(NEWS_DICTIONARY).unwrap();
        for line in dictionary.lines() {
            assert!(document.contains(&format!("\n    {line}\n")), "the document lacks {line}");
        }
        assert_eq!(dictionary.lines().count(), 15);
    }

    /// Written by Python's `struct` and `zlib` 1.2.13, from the words of the document.
    #[test]
    fn what_another_program_wrote_is_read() {
        let news = LogNews::parse(include_bytes!("../../../fuzz/seeds/log_news/two")).unwrap();
        let tags = NewsTags { sequence: 3, seen: 4, nodes: 5, have: 6 };
        assert_eq!((news.size, news.root, news.signature, news.tags, news.from), (9, [7; 32], [8; 64], tags, 7));
        let main = "0123456789".repeat(4);
        assert_eq!(
            news.entries,
            [
                br#"{"v":1,"k":"publish","r":"models/amina/base","t":1795513372,"b":0}"#.to_vec(),
                format!(
                    r#"{{"v":1,"k":"ref","r":"models/amina/base","ref":"refs/heads/main","rev":"{main}","t":1795513373,"b":0,"lic":"mit"}}"#
                )
                .into_bytes(),
            ]
        );
    }

    #[test]
    fn a_few_entries_travel_in_a_few_hundred_bytes() {
        let entries: Vec<_> = (0..4).map(usual).collect();
        let plain: usize = entries.iter().map(Vec::len).sum();
        let packed = entries_pack(&entries).unwrap();
        assert!(packed.len() * 4 < plain, "{} of {plain}", packed.len());
        assert!(packed.len() + 40 < crate::gzip::pack(&entries.concat()).len(), "the dictionary is worth its place");
    }

    #[test]
    fn too_much_is_refused_on_both_sides() {
        assert!(entries_pack(&vec![vec![1]; NEWS_ENTRIES_MAX]).is_some());
        assert_eq!(entries_pack(&vec![vec![1]; NEWS_ENTRIES_MAX + 1]), None);
        assert_eq!(entries_pack(&vec![vec![1; 60_000]; 3]), None);
        assert_eq!(entries_pack(&[vec![1; 65_536]]), None);
        // Within the packed bounds, and far beyond them when unpacked.
        let mut packer = Compress::new(Compression::best(), false);
        packer.set_dictionary(NEWS_DICTIONARY).unwrap();
        let mut bomb = Vec::with_capacity(1 << 16);
        packer.compress_vec(&vec![0; 16 << 20], &mut bomb, FlushCompress::Finish).unwrap();
        let bytes = news(vec![Vec::new()]).encode_with(1, &bomb);
        assert_eq!(LogNews::parse(&bytes), Err(LogNewsError::TooLarge));
        let many = LogNews { size: 1257, ..news(Vec::new()) }.encode_with(257, &bomb);
        assert_eq!(LogNews::parse(&many), Err(LogNewsError::TooLarge));
    }

    #[test]
    fn counts_and_ends_that_lie_are_refused() {
        let good = news((0..4).map(usual).collect());
        let bytes = good.encode().unwrap();
        assert_eq!(LogNews::parse(&bytes), Ok(good.clone()));
        for cut in 0..bytes.len() {
            assert!(LogNews::parse(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert_eq!(LogNews::parse(&[&bytes[..], b"x"].concat()), Err(LogNewsError::Length));
        assert_eq!(LogNews::parse(&[&[2], &bytes[1..]].concat()), Err(LogNewsError::Version(2)));
        let packed = entries_pack(&good.entries).unwrap();
        for count in [0, 1, 3, 5, 256] {
            assert_eq!(LogNews::parse(&good.encode_with(count, &packed)), Err(LogNewsError::Length), "{count}");
            // The size says the same lie.
            let size = good.from + count as u64;
            let lie = LogNews { size, ..good.clone() }.encode_with(count, &packed);
            assert_eq!(LogNews::parse(&lie), Err(LogNewsError::Length), "{count} of {size}");
        }
        for (size, from) in [(0, u64::MAX), (3, 1000), (u64::MAX, 0)] {
            let lie = LogNews { size, from, ..good.clone() };
            assert_eq!(LogNews::parse(&lie.encode_with(4, &packed)), Err(LogNewsError::Length));
        }
        // A log that is ahead by more than fits says so without entries.
        let ahead = LogNews { size: u64::MAX, entries: Vec::new(), ..good };
        assert_eq!(LogNews::parse(&ahead.encode().unwrap()), Ok(ahead));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            from in 0u64..u64::MAX / 2,
            tags in any::<(u64, u32, u32, u32)>(),
            entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..20),
        ) {
            let size = from + entries.len() as u64;
            let tags = NewsTags { sequence: tags.0, seen: tags.1, nodes: tags.2, have: tags.3 };
            let news = LogNews { size, root: [1; 32], signature: [2; 64], tags, from, entries };
            prop_assert_eq!(LogNews::parse(&news.encode().unwrap()), Ok(news));
        }

        #[test]
        fn any_bytes_give_news_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), wide in any::<bool>()) {
            if let (true, Some(first)) = (wide, bytes.first_mut()) {
                *first = VERSION;
            }
            if let Ok(news) = LogNews::parse(&bytes) {
                prop_assert_eq!(LogNews::parse(&news.encode().unwrap()), Ok(news));
            }
        }
    }
}
