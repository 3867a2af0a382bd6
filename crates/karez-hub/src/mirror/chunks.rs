//! What of a file need not travel: chunks that are stored here already.

use std::collections::{HashMap, HashSet};

use karez_catalog::Repo;
use karez_types::{ChunkHash, XorbHash};

use super::zones_used;
use crate::{Hub, HubResult};

/// Xorbs that the answer to one sampled chunk leads to: those of a file that uses it, about 3 GiB on.
const XORBS_PER_QUESTION_MAX: u64 = 48;
/// Indexes that one call looks into; each is read from the store when it is not in memory.
const XORBS_MAX: usize = 4_096;

impl Hub {
    /// Finds those of these chunks that are stored where a mirror may use them: publicly, or for the
    /// mirror's owner. `xorbs` are looked into directly; of the chunks, the first and those that are keys of
    /// deduplication lead to more.
    ///
    /// # Errors
    /// When catalog or store fail.
    pub async fn chunks_held(
        &self,
        repo: &Repo,
        chunks: &[ChunkHash],
        xorbs: &[XorbHash],
    ) -> HubResult<HashMap<ChunkHash, (XorbHash, u32)>> {
        let zones = zones_used(repo);
        let mut search =
            Search { wanted: chunks.iter().copied().collect(), held: HashMap::new(), seen: HashSet::new() };
        for xorb in self.catalog.xorbs_offered(xorbs, &zones).await? {
            self.look_into(xorb, &mut search).await?;
        }
        for (position, chunk) in chunks.iter().enumerate() {
            if search.is_over() {
                break;
            }
            let is_key = position == 0 || chunk.is_dedup_key();
            if !is_key || search.held.contains_key(chunk) {
                continue;
            }
            let Some(hit) = self.catalog.dedup_lookup(chunk, &zones, XORBS_PER_QUESTION_MAX).await? else { continue };
            for xorb in hit.xorbs {
                self.look_into(xorb, &mut search).await?;
            }
        }
        Ok(search.held)
    }

    async fn look_into(&self, xorb: XorbHash, search: &mut Search) -> HubResult<()> {
        if search.is_over() || !search.seen.insert(xorb) {
            return Ok(());
        }
        let Some(index) = self.store.xorb_index(xorb).await? else { return Ok(()) };
        for (chunk, position) in index.chunks.iter().zip(0..) {
            if search.wanted.contains(&chunk.hash) {
                search.held.entry(chunk.hash).or_insert((xorb, position));
            }
        }
        Ok(())
    }
}

struct Search {
    wanted: HashSet<ChunkHash>,
    held: HashMap<ChunkHash, (XorbHash, u32)>,
    seen: HashSet<XorbHash>,
}

impl Search {
    fn is_over(&self) -> bool {
        self.held.len() == self.wanted.len() || self.seen.len() >= XORBS_MAX
    }
}
