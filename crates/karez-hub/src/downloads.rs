//! Counting downloads without a write for each: numbers gather in memory and are added to the
//! catalog from time to time. What a crash loses is a few counts.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use karez_types::RepoId;

use crate::{Hub, HubResult};

/// Downloads that the catalog does not know of yet.
#[derive(Default)]
pub(crate) struct Downloads(Mutex<HashMap<RepoId, u64>>);

impl Downloads {
    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<RepoId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Counts one download of a file of this repository.
    pub fn download_count(&self, repo: RepoId) {
        *self.downloads.counts().entry(repo).or_default() += 1;
    }

    /// Adds what was counted to the catalog. Meant to be called every minute and at the end.
    ///
    /// # Errors
    /// When the catalog fails; what was not added is kept for the next time.
    pub async fn downloads_flush(&self) -> HubResult<()> {
        let counts = std::mem::take(&mut *self.downloads.counts());
        let mut failed = Ok(());
        for (repo, count) in counts {
            let added = match failed {
                Ok(()) => self.catalog.repo_downloads_add(repo, count).await,
                Err(_) => Ok(()),
            };
            if failed.is_err() || added.is_err() {
                *self.downloads.counts().entry(repo).or_default() += count;
            }
            failed = failed.and(added);
        }
        Ok(failed?)
    }
}
