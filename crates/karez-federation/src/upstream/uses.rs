//! How often files of mirrors are asked for: what decides later which of them stay.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use karez_catalog::Repo;
use karez_hub::{Hub, HubResult};
use karez_types::Sha256;

use super::Upstreams;

/// Files that are counted between two flushes; more are not, until then.
const FILES_MAX: usize = 100_000;

/// Counts that are not written down yet: each would be a durable write.
#[derive(Default)]
pub(crate) struct Uses(Mutex<HashMap<Sha256, Count>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    requests: u64,
    saved_bytes: u64,
}

impl Uses {
    fn add(&self, sha256: Sha256, more: Count) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < FILES_MAX || counts.contains_key(&sha256) {
            let count = counts.entry(sha256).or_default();
            count.requests += more.requests;
            count.saved_bytes += more.saved_bytes;
        }
    }

    /// Returns how many requests for a file are counted and not written down.
    pub(super) fn pending(&self, sha256: &Sha256) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(sha256).map_or(0, |count| count.requests)
    }

    /// Writes down what was counted; what is not written because the catalog fails is counted on.
    pub(crate) async fn flush(&self, hub: &Hub) -> HubResult<()> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut counts = counts.into_iter();
        while let Some((sha256, count)) = counts.next() {
            let now = hub.clock().now();
            if let Err(error) = hub.catalog().file_use_add(&sha256, count.requests, count.saved_bytes, now).await {
                self.add(sha256, count);
                counts.for_each(|(sha256, count)| self.add(sha256, count));
                return Err(error.into());
            }
        }
        Ok(())
    }
}

impl Upstreams {
    /// Counts that somebody downloads a file; its bytes need not travel when they are here.
    pub fn file_used(&self, repo: &Repo, sha256: Sha256, saved_bytes: u64) {
        if repo.mirror.is_some() {
            self.ways.uses.add(sha256, Count { requests: 1, saved_bytes });
        }
    }

    /// Writes down what was counted.
    ///
    /// # Errors
    /// When the catalog fails; what is not written then is counted on.
    pub async fn uses_flush(&self) -> HubResult<()> {
        self.ways.gates.charge_all().await;
        self.ways.uses.flush(&self.hub).await
    }
}
