//! Shards: which chunks of which xorbs make up which files.
//!
//! All records have 48 bytes, integers are little-endian. A header is followed by the files (each a
//! record of its own, then one per term, then one per verification hash, then one for the sha256), a
//! bookend, the xorbs (each a record of its own, then one per chunk) and a bookend. Shards that are
//! uploaded end there. Others go on with lookup tables, which this code does not need, and a footer.

use karez_types::{ChunkHash, FileHash, Limits, RangeHash, Sha256, XorbHash};

use super::{CHUNK_BYTES_MAX, Chunk};

pub(super) const RECORD_BYTES: usize = 48;
pub(super) const FOOTER_BYTES: usize = 200;
/// "HFRepoMetaData", NUL, and 17 bytes that no text file has (reference client).
const TAG: [u8; 32] = *b"HFRepoMetaData\0UigEj{\x81W\x83\xa5\xbd\xd9\x5c\xcd\xd1J\xa9";
const HEADER_VERSION: u64 = 2;
const FOOTER_VERSION: u64 = 1;
const FILE_HAS_VERIFICATION: u32 = 1 << 31;
const FILE_HAS_SHA256: u32 = 1 << 30;
/// In the place of a hash: the section ends here.
const BOOKEND: [u8; 32] = [0xFF; 32];

/// Why bytes are not a shard that the node accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Longer than allowed.
    #[error("the shard is longer than {bytes_max} bytes; register fewer files at once")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// Does not start like a shard.
    #[error("the bytes are not a shard: the tag at the start is missing")]
    NotAShard,
    /// Of another version.
    #[error("the shard has {what} version {version}, which this node does not know")]
    UnknownVersion {
        /// "header" or "footer".
        what: &'static str,
        /// The version found.
        version: u64,
    },
    /// Ends before the second bookend, or before all announced records.
    #[error("the shard ends too soon: {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// Goes on after its end.
    #[error("the shard has {extra_bytes} bytes after its end")]
    TrailingBytes {
        /// How many.
        extra_bytes: usize,
    },
    /// A footer that does not fit the shard.
    #[error("the footer of the shard is wrong: {reason}")]
    BrokenFooter {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More of something than allowed.
    #[error("the shard has more than {count_max} {what}")]
    TooMany {
        /// "files", "terms in one file" or "chunks in one xorb".
        what: &'static str,
        /// The limit.
        count_max: u64,
    },
    /// A file record with flags that change the layout in unknown ways.
    #[error("file {file} in the shard has unknown flags {flags:#x}")]
    UnknownFlags {
        /// The file.
        file: FileHash,
        /// All flags found.
        flags: u32,
    },
    /// A term that covers nothing.
    #[error(
        "a term of file {file} covers chunks {chunk_start}..{chunk_end} with {raw_bytes} bytes; it must cover at least one"
    )]
    EmptyTerm {
        /// The file.
        file: FileHash,
        /// First chunk.
        chunk_start: u32,
        /// One past the last chunk.
        chunk_end: u32,
        /// Length, unpacked.
        raw_bytes: u32,
    },
    /// A xorb without chunks, or with a chunk of impossible length.
    #[error("xorb {xorb} in the shard {reason}")]
    BrokenXorb {
        /// The xorb.
        xorb: XorbHash,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Bounds on a shard that comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLimits {
    /// Whole shard, in bytes.
    pub shard_bytes_max: u64,
    /// Files in the shard.
    pub files_max: u64,
    /// Terms of one file.
    pub file_terms_max: u64,
    /// Chunks of one xorb.
    pub xorb_chunks_max: u64,
}

impl From<&Limits> for ShardLimits {
    fn from(limits: &Limits) -> ShardLimits {
        ShardLimits {
            shard_bytes_max: limits.shard_bytes_max,
            files_max: limits.shard_files_max,
            file_terms_max: limits.file_terms_max,
            xorb_chunks_max: limits.xorb_chunks_max,
        }
    }
}

impl Default for ShardLimits {
    fn default() -> ShardLimits {
        ShardLimits::from(&Limits::default())
    }
}

/// What a shard says. Nothing of it is verified against stored bytes: that is the hub's work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shard {
    /// Files, in order.
    pub files: Vec<ShardFile>,
    /// Xorbs that the uploader made, in order.
    pub xorbs: Vec<ShardXorb>,
}

/// One file of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFile {
    /// The file's Xet id.
    pub hash: FileHash,
    /// SHA-256 of the file as its uploader computed it.
    pub sha256: Option<Sha256>,
    /// Runs of chunks, which make up the file in this order.
    pub terms: Vec<ShardTerm>,
}

/// A run of chunks of one xorb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardTerm {
    /// The xorb.
    pub xorb: XorbHash,
    /// First chunk.
    pub chunk_start: u32,
    /// One past the last chunk; always after the first.
    pub chunk_end: u32,
    /// Length of these chunks, unpacked; never 0.
    pub raw_bytes: u32,
    /// Proof that the uploader knows the chunks.
    pub range_hash: Option<RangeHash>,
}

/// One xorb of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardXorb {
    /// Its name.
    pub hash: XorbHash,
    /// Its chunks, in order; never none.
    pub chunks: Vec<Chunk>,
}

/// A parsed shard with the part of its footer that means something.
pub(super) struct ParsedShard {
    pub(super) shard: Shard,
    pub(super) footer: Option<Footer>,
}

/// The meaningful part of a footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) key: [u8; 32],
    pub(super) created_secs: u64,
    pub(super) expires_secs: u64,
}

impl Shard {
    /// Reads a shard, with or without footer. Memory is reserved only for records that are there.
    ///
    /// # Errors
    /// When the bytes are not exactly one shard within the limits.
    pub fn parse(bytes: &[u8], limits: &ShardLimits) -> Result<Shard, ShardError> {
        let parsed = parse(bytes, limits)?;
        match parsed.footer {
            Some(footer) if footer.key != [0; 32] => {
                Err(ShardError::BrokenFooter { reason: "its chunk hashes are keyed; send plain ones" })
            }
            _ => Ok(parsed.shard),
        }
    }

    /// Returns the form in which shards are uploaded: without footer.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = encode_header(0);
        for file in &self.files {
            encode_file(file, &mut bytes);
        }
        encode_bookend(&mut bytes);
        for xorb in &self.xorbs {
            encode_xorb(xorb, |hash| hash, &mut bytes);
        }
        encode_bookend(&mut bytes);
        bytes
    }
}

/// The records that were not read yet.
struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    fn next(&mut self, what: &'static str) -> Result<Record<'a>, ShardError> {
        let (record, rest) = self.rest.split_first_chunk().ok_or(ShardError::Truncated { what })?;
        self.rest = rest;
        Ok(Record(record))
    }

    /// Checks that this many records are there, before anything is reserved for them.
    fn expect(&self, count: u64, what: &'static str) -> Result<(), ShardError> {
        if count > (self.rest.len() / RECORD_BYTES) as u64 { Err(ShardError::Truncated { what }) } else { Ok(()) }
    }
}

/// 32 bytes of hash and four words.
#[derive(Clone, Copy)]
struct Record<'a>(&'a [u8; RECORD_BYTES]);

impl Record<'_> {
    fn hash(self) -> [u8; 32] {
        *self.0.first_chunk().expect("48 bytes hold a hash")
    }

    fn word(self, position: usize) -> u32 {
        let at = 32 + 4 * position;
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    fn long(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    }
}

pub(super) fn parse(bytes: &[u8], limits: &ShardLimits) -> Result<ParsedShard, ShardError> {
    if bytes.len() as u64 > limits.shard_bytes_max {
        return Err(ShardError::TooLarge { bytes_max: limits.shard_bytes_max });
    }
    if !bytes.starts_with(&TAG) {
        return Err(ShardError::NotAShard);
    }
    let mut records = Records { rest: bytes };
    let header = records.next("header")?;
    let (version, footer_bytes) = (Record::long(header.0, 32), Record::long(header.0, 40));
    if version != HEADER_VERSION {
        return Err(ShardError::UnknownVersion { what: "header", version });
    }
    let mut shard = Shard::default();
    while let Some(file) = parse_file(&mut records, limits)? {
        if shard.files.len() as u64 >= limits.files_max {
            return Err(ShardError::TooMany { what: "files", count_max: limits.files_max });
        }
        shard.files.push(file);
    }
    let xorbs_start = bytes.len() - records.rest.len();
    while let Some(xorb) = parse_xorb(&mut records, limits)? {
        shard.xorbs.push(xorb);
    }
    let footer = match footer_bytes {
        0 if records.rest.is_empty() => None,
        0 => return Err(ShardError::TrailingBytes { extra_bytes: records.rest.len() }),
        200 => Some(parse_footer(bytes, xorbs_start, records.rest)?),
        _ => return Err(ShardError::BrokenFooter { reason: "the header announces a length other than 0 or 200" }),
    };
    Ok(ParsedShard { shard, footer })
}

/// Reads a file, or `None` at the bookend.
fn parse_file(records: &mut Records<'_>, limits: &ShardLimits) -> Result<Option<ShardFile>, ShardError> {
    let record = records.next("a file")?;
    if record.hash() == BOOKEND {
        return Ok(None);
    }
    let (hash, flags, count) = (FileHash(record.hash()), record.word(0), record.word(1));
    if flags & !(FILE_HAS_VERIFICATION | FILE_HAS_SHA256) != 0 {
        return Err(ShardError::UnknownFlags { file: hash, flags });
    }
    if u64::from(count) > limits.file_terms_max {
        return Err(ShardError::TooMany { what: "terms in one file", count_max: limits.file_terms_max });
    }
    let is_verified = flags & FILE_HAS_VERIFICATION != 0;
    let has_sha256 = flags & FILE_HAS_SHA256 != 0;
    records.expect(u64::from(count) * (1 + u64::from(is_verified)) + u64::from(has_sha256), "the terms of a file")?;

    let mut terms = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let record = records.next("a term")?;
        let (raw_bytes, chunk_start, chunk_end) = (record.word(1), record.word(2), record.word(3));
        if chunk_start >= chunk_end || raw_bytes == 0 {
            return Err(ShardError::EmptyTerm { file: hash, chunk_start, chunk_end, raw_bytes });
        }
        terms.push(ShardTerm { xorb: XorbHash(record.hash()), chunk_start, chunk_end, raw_bytes, range_hash: None });
    }
    if is_verified {
        for term in &mut terms {
            term.range_hash = Some(RangeHash(records.next("a verification hash")?.hash()));
        }
    }
    let sha256 = match has_sha256 {
        true => Some(Sha256(swap_groups(records.next("a sha256")?.hash()))),
        false => None,
    };
    Ok(Some(ShardFile { hash, sha256, terms }))
}

/// Reads a xorb, or `None` at the bookend.
fn parse_xorb(records: &mut Records<'_>, limits: &ShardLimits) -> Result<Option<ShardXorb>, ShardError> {
    let record = records.next("a xorb")?;
    if record.hash() == BOOKEND {
        return Ok(None);
    }
    let (hash, count) = (XorbHash(record.hash()), record.word(1));
    if u64::from(count) > limits.xorb_chunks_max {
        return Err(ShardError::TooMany { what: "chunks in one xorb", count_max: limits.xorb_chunks_max });
    }
    if count == 0 {
        return Err(ShardError::BrokenXorb { xorb: hash, reason: "has no chunks" });
    }
    records.expect(u64::from(count), "the chunks of a xorb")?;
    let mut chunks = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let record = records.next("a chunk")?;
        // Word 0, the offset of the chunk, and the flags follow from the rest or mean nothing here.
        let raw_bytes = record.word(1);
        if !(1..=CHUNK_BYTES_MAX).contains(&(raw_bytes as usize)) {
            return Err(ShardError::BrokenXorb { xorb: hash, reason: "has a chunk of an impossible length" });
        }
        chunks.push(Chunk { hash: ChunkHash(record.hash()), raw_bytes });
    }
    Ok(Some(ShardXorb { hash, chunks }))
}

/// Reads the footer at the end of `rest`, which is what follows the second bookend.
fn parse_footer(bytes: &[u8], xorbs_start: usize, rest: &[u8]) -> Result<Footer, ShardError> {
    let (_tables, footer) = rest.split_last_chunk::<FOOTER_BYTES>().ok_or(ShardError::Truncated { what: "footer" })?;
    let long = |position: usize| Record::long(footer, 8 * position);
    if long(0) != FOOTER_VERSION {
        return Err(ShardError::UnknownVersion { what: "footer", version: long(0) });
    }
    let starts = [(1, RECORD_BYTES), (2, xorbs_start), (24, bytes.len() - FOOTER_BYTES)];
    if starts.iter().any(|&(position, start)| long(position) != start as u64) {
        return Err(ShardError::BrokenFooter { reason: "its offsets are not those of the sections" });
    }
    let key = footer[72..104].try_into().expect("32 bytes");
    Ok(Footer { key, created_secs: long(13), expires_secs: long(14) })
}

/// Reverses each group of eight bytes: a sha256 is stored as four little-endian words.
fn swap_groups(mut bytes: [u8; 32]) -> [u8; 32] {
    bytes.chunks_exact_mut(8).for_each(<[u8]>::reverse);
    bytes
}

fn encode_record(hash: &[u8; 32], words: [u32; 4], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(hash);
    words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
}

pub(super) fn encode_header(footer_bytes: usize) -> Vec<u8> {
    let mut bytes = TAG.to_vec();
    bytes.extend_from_slice(&HEADER_VERSION.to_le_bytes());
    bytes.extend_from_slice(&(footer_bytes as u64).to_le_bytes());
    bytes
}

pub(super) fn encode_bookend(bytes: &mut Vec<u8>) {
    encode_record(&BOOKEND, [0; 4], bytes);
}

fn encode_file(file: &ShardFile, bytes: &mut Vec<u8>) {
    // The flag covers all terms of the file or none.
    let range_hashes: Option<Vec<RangeHash>> = file.terms.iter().map(|term| term.range_hash).collect();
    let mut flags = 0;
    if range_hashes.is_some() {
        flags |= FILE_HAS_VERIFICATION;
    }
    if file.sha256.is_some() {
        flags |= FILE_HAS_SHA256;
    }
    let count = u32::try_from(file.terms.len()).expect("limits keep terms far below 2^32");
    encode_record(&file.hash.0, [flags, count, 0, 0], bytes);
    for term in &file.terms {
        encode_record(&term.xorb.0, [0, term.raw_bytes, term.chunk_start, term.chunk_end], bytes);
    }
    for range_hash in range_hashes.iter().flatten() {
        encode_record(&range_hash.0, [0; 4], bytes);
    }
    if let Some(sha256) = file.sha256 {
        encode_record(&swap_groups(sha256.0), [0; 4], bytes);
    }
}

/// Writes a xorb; `shown` maps each chunk hash to what readers shall see. Returns its raw length.
pub(super) fn encode_xorb(xorb: &ShardXorb, shown: impl Fn(ChunkHash) -> ChunkHash, bytes: &mut Vec<u8>) -> u64 {
    let raw_bytes: u64 = xorb.chunks.iter().map(|chunk| u64::from(chunk.raw_bytes)).sum();
    let count = u32::try_from(xorb.chunks.len()).expect("limits keep chunks far below 2^32");
    // The last word, the length on disk, is 0 from the reference client too.
    encode_record(&xorb.hash.0, [0, count, raw_bytes as u32, 0], bytes);
    let mut start = 0u32;
    for chunk in &xorb.chunks {
        encode_record(&shown(chunk.hash).0, [start, chunk.raw_bytes, 0, 0], bytes);
        start = start.wrapping_add(chunk.raw_bytes);
    }
    raw_bytes
}

/// Writes the footer of a shard without lookup tables.
pub(super) fn encode_footer(xorbs_start: usize, raw_bytes: u64, footer: &Footer, bytes: &mut Vec<u8>) {
    let footer_start = bytes.len() as u64;
    let mut long = |value: u64| bytes.extend_from_slice(&value.to_le_bytes());
    long(FOOTER_VERSION);
    long(RECORD_BYTES as u64);
    long(xorbs_start as u64);
    for _table in ["files", "xorbs", "chunks"] {
        long(footer_start);
        long(0);
    }
    bytes.extend_from_slice(&footer.key);
    let mut long = |value: u64| bytes.extend_from_slice(&value.to_le_bytes());
    long(footer.created_secs);
    long(footer.expires_secs);
    (0..6).for_each(|_| long(0));
    // Totals: stored on disk (unknown), length of the files (none here), length of the xorbs.
    long(0);
    long(0);
    long(raw_bytes);
    long(footer_start);
}
