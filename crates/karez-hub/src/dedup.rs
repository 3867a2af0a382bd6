//! Answers to "do you have this chunk?".
//!
//! An answer lists the xorbs of a file that holds the chunk, with chunk hashes under a key, so that a
//! client recognises only chunks that it has itself. Clients ask at most once in 16 MiB; so an answer
//! with all xorbs of the file, not only the one that holds the chunk, is what makes a fresh client
//! send nothing again.

use karez_formats::xet::{Chunk, DedupAnswer, ShardXorb, encode_dedup_answer};
use karez_types::ChunkHash;

use crate::{Hub, HubResult, Purpose, XetGrant};

/// Seconds for which one key is used, and for which clients may refer to what an answer names.
pub(crate) const KEY_SECS: i64 = 24 * 3600;

/// Xorbs in one answer; those of a 5 GB file fill the bytes of one first.
pub(crate) const XORBS_MAX: u64 = 512;

impl Hub {
    /// Returns a shard of xorbs that hold this chunk and what surrounds it; `None` when none does that
    /// the caller may know of. An unknown chunk costs no disk access.
    ///
    /// # Errors
    /// When the catalog or the store fails.
    pub async fn dedup_lookup(&self, grant: &XetGrant, chunk: ChunkHash) -> HubResult<Option<Vec<u8>>> {
        let Some(hit) = self.catalog.dedup_lookup(&chunk, &grant.known_zones(), XORBS_MAX).await? else {
            return Ok(None);
        };
        let mut left_bytes = self.limits.dedup_answer_bytes_max;
        let mut xorbs = Vec::new();
        for hash in hit.xorbs {
            // A xorb that is gone from the store is a matter for fsck, not a reason to fail a question.
            let Some(index) = self.store.xorb_index(hash).await? else { continue };
            match left_bytes.checked_sub(DedupAnswer::xorb_bytes(index.chunk_count())) {
                Some(left) => left_bytes = left,
                None if xorbs.is_empty() => {}
                None => break,
            }
            xorbs.push(ShardXorb { hash, chunks: index.chunks.iter().map(|chunk| Chunk::from(*chunk)).collect() });
        }
        if xorbs.is_empty() {
            return Ok(None);
        }
        let now = self.clock.now().unix_secs();
        let day = now.div_euclid(KEY_SECS);
        let key = self.signer.derive(Purpose::DedupKey, &day.to_le_bytes());
        let (created, expires) = (now.max(0) as u64, now.saturating_add(KEY_SECS).max(0) as u64);
        let encode = move || encode_dedup_answer(&xorbs, &key, expires, created);
        Ok(Some(tokio::task::spawn_blocking(encode).await.map_err(crate::xorbs::task_lost)?))
    }
}
