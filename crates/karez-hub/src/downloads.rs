//! Counting downloads without a write for each: numbers gather in memory and are added to the
//! catalog from time to time. What a crash loses is a few counts.
//!
//! What is counted is people, not requests: whoever fetches of a repository counts once in [`WINDOW_SECS`],
//! however many files they take and however often they ask. So nobody raises a number by polling; who wants to
//! must come from many addresses or accounts.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::sync::PoisonError;

use karez_types::{RepoId, Timestamp};

use crate::{Hub, HubResult};

/// For how long somebody who fetched of a repository is not counted again, in seconds.
const WINDOW_SECS: i64 = 3_600;
/// Pairs of reader and repository that are remembered in one window, 16 bytes each; beyond, nobody is counted
/// until it ends: a flood must not raise numbers.
const SEEN_MAX: usize = 200_000;

/// Downloads that the catalog does not know of yet.
#[derive(Default)]
pub(crate) struct Downloads {
    counts: Mutex<HashMap<RepoId, u64>>,
    seen: Mutex<Seen>,
}

/// Who fetched of what in the present window and in the one before.
#[derive(Default)]
struct Seen {
    window: i64,
    now: HashSet<u64>,
    before: HashSet<u64>,
}

impl Seen {
    /// Notes a reader; tells whether they count.
    fn note(&mut self, pair: u64, at: Timestamp) -> bool {
        let window = at.unix_secs().div_euclid(WINDOW_SECS);
        if window != self.window {
            let last = std::mem::take(&mut self.now);
            self.before = if window == self.window + 1 { last } else { HashSet::new() };
            self.window = window;
        }
        // Whoever goes on is one reader, also over the end of a window.
        let was_seen = self.before.contains(&pair) || self.now.contains(&pair);
        if self.now.len() >= SEEN_MAX {
            return false;
        }
        self.now.insert(pair);
        !was_seen
    }
}

impl Downloads {
    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<RepoId, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Notes that somebody fetches a file of this repository. `reader` says who: an account, or an address
    /// of the network.
    pub fn download_count(&self, repo: RepoId, reader: &str) {
        let mut hasher = DefaultHasher::new();
        (repo, reader).hash(&mut hasher);
        let counts = {
            let mut seen = self.downloads.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.note(hasher.finish(), self.clock.now())
        };
        if counts {
            *self.downloads.counts().entry(repo).or_default() += 1;
        }
    }

    /// Adds what was counted to the catalog. Meant to be called every minute and at the end.
    ///
    /// # Errors
    /// When the catalog fails; what was not added is kept for the next time.
    pub async fn downloads_flush(&self) -> HubResult<()> {
        let counts = std::mem::take(&mut *self.downloads.counts());
        let now = self.clock.now();
        let mut failed = Ok(());
        for (repo, count) in counts {
            let added = match failed {
                Ok(()) => self.catalog.repo_downloads_add(repo, count, now).await,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_counts_once_in_an_hour() {
        let (mut seen, hour) = (Seen::default(), |n: i64| Timestamp(n * WINDOW_SECS * 1_000));
        assert!(seen.note(1, hour(5)) && seen.note(2, hour(5)));
        assert!((0..1_000).all(|_| !seen.note(1, hour(5))));
        // Who polls across the end of an hour is still the same reader; who was away for one counts anew.
        assert!(!seen.note(1, hour(6)) && !seen.note(1, hour(7)));
        assert!(seen.note(2, hour(7)));
        assert!(seen.note(1, hour(20)));
    }

    #[test]
    fn a_flood_of_readers_counts_nobody() {
        let mut seen = Seen::default();
        assert!((0..SEEN_MAX as u64).all(|reader| seen.note(reader, Timestamp(0))));
        assert!(!seen.note(u64::MAX, Timestamp(0)));
    }
}
