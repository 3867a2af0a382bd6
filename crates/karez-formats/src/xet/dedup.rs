//! Answers to global deduplication queries: shards of xorbs whose chunk hashes are keyed, so that only
//! a client that has a chunk can recognise it in the answer.

use super::shard::{FOOTER_BYTES, Footer, encode_bookend, encode_footer, encode_header, encode_xorb, parse};
use super::{Shard, ShardError, ShardLimits, ShardXorb, keyed_chunk_hash};

/// A parsed answer, as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupAnswer {
    /// The xorbs, with keyed chunk hashes.
    pub xorbs: Vec<ShardXorb>,
    /// The key: a chunk is here if its [`keyed_chunk_hash`] under this key is.
    pub key: [u8; 32],
    /// When the answer was made, in seconds since 1970.
    pub created_secs: u64,
    /// Until when clients may refer to what it names, in seconds since 1970.
    pub expires_secs: u64,
}

impl DedupAnswer {
    /// Reads an answer.
    ///
    /// # Errors
    /// When the bytes are not exactly one shard with a footer within the limits.
    pub fn parse(bytes: &[u8], limits: &ShardLimits) -> Result<DedupAnswer, ShardError> {
        let parsed = parse(bytes, limits)?;
        let Footer { key, created_secs, expires_secs } =
            parsed.footer.ok_or(ShardError::BrokenFooter { reason: "it is missing" })?;
        let Shard { xorbs, .. } = parsed.shard;
        Ok(DedupAnswer { xorbs, key, created_secs, expires_secs })
    }

    /// Returns how many bytes a xorb of this many chunks adds to an answer.
    pub fn xorb_bytes(chunk_count: u32) -> u64 {
        48 * (1 + u64::from(chunk_count))
    }
}

/// Writes an answer: these xorbs with chunk hashes under `key`, usable until `expires`. Times are in
/// seconds since 1970.
pub fn encode_dedup_answer(xorbs: &[ShardXorb], key: &[u8; 32], expires: u64, created: u64) -> Vec<u8> {
    let mut bytes = encode_header(FOOTER_BYTES);
    encode_bookend(&mut bytes);
    let xorbs_start = bytes.len();
    let raw_bytes = xorbs
        .iter()
        .map(|xorb| encode_xorb(xorb, |hash| keyed_chunk_hash(key, &hash), &mut bytes))
        .fold(0, u64::saturating_add);
    encode_bookend(&mut bytes);
    let footer = Footer { key: *key, created_secs: created, expires_secs: expires };
    encode_footer(xorbs_start, raw_bytes, &footer, &mut bytes);
    bytes
}
