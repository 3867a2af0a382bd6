//! Failed previews: a file that costs a child its memory or its time costs that once in a while, not for every request.
//!
//! What is remembered goes by what the files hold, not by the commit: a commit that leaves them alone changes nothing,
//! and a new version of one is tried at once. Failures that say nothing of the files (bytes that cannot be had now, a
//! node that is busy) are not remembered.

use karez_preview::{DataFile, Format, PreviewError, Question, ReaderOptions, Trouble};
use karez_types::{Clock, GitOid, RepoId, Timestamp};
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::objects::{ByHeldBytes, ENTRY_BYTES, Held};

/// Memory of all failures.
const FAILURES_BYTES: u64 = 1 << 20;
/// Failures that are remembered at most: as many as fit with their words.
const FAILURES_MAX: usize = 3_000;
/// How long it is remembered that a child ran out of time or memory. A busy machine may have had its part in that.
const SPENT_SECS: i64 = 10 * 60;
/// How long it is remembered what readers found wrong. The same bytes give the same words until the program is another.
const FOUND_SECS: i64 = 60 * 60;

/// A question about files, whatever they are called elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key([u8; 32]);

#[derive(Clone)]
struct Failure {
    error: PreviewError,
    until: Timestamp,
}

impl Held for Failure {
    fn held_bytes(&self) -> u64 {
        ENTRY_BYTES + self.error.words.len() as u64
    }
}

/// How a preview failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// A reader says why.
    Found,
    /// The child ran out of memory or time.
    Spent,
}

/// What is asked, as failures are remembered by it.
pub(super) struct Asked {
    question: Key,
    files: Key,
}

impl Asked {
    /// Returns the key of a question about files, each with what names its content. Files without such a name are not
    /// remembered: there is no telling when they change.
    pub(super) fn of(
        repo: RepoId,
        (format, options): (Format, &ReaderOptions),
        files: &[DataFile],
        oids: &[Option<GitOid>],
        question: &Question,
    ) -> Option<Asked> {
        let mut hasher = Sha256::new();
        hasher.update(format!("{repo:?} {format:?} {options:?} {}\n", files.len()));
        for (file, oid) in files.iter().zip(oids) {
            hasher.update(format!("{} {}\n", (*oid)?, file.path.len()));
            hasher.update(&file.path);
        }
        let files = Key(hasher.clone().finalize().into());
        hasher.update(serde_json::to_vec(question).ok()?);
        Some(Asked { question: Key(hasher.finalize().into()), files })
    }
}

/// Failures, bounded in number and time.
pub(super) struct Failures(Cache<Key, Failure, ByHeldBytes>);

impl Default for Failures {
    fn default() -> Failures {
        Failures(Cache::with_weighter(FAILURES_MAX, FAILURES_BYTES, ByHeldBytes))
    }
}

impl Failures {
    /// Returns the error that this question met before.
    pub(super) fn get(&self, asked: &Asked, clock: &dyn Clock) -> Option<PreviewError> {
        let now = clock.now();
        let found = |key| self.0.get(key).filter(|failure| failure.until > now);
        found(&asked.question).or_else(|| found(&asked.files)).map(|failure| failure.error)
    }

    /// Remembers an error, if it will be the same the next time.
    pub(super) fn remember(&self, asked: &Asked, clock: &dyn Clock, failed: Failed, error: &PreviewError) {
        if error.trouble == Trouble::Unreadable {
            return;
        }
        let key = if error.is_of_all { asked.files } else { asked.question };
        let secs = match failed {
            Failed::Found => FOUND_SECS,
            Failed::Spent => SPENT_SECS,
        };
        self.0.insert(key, Failure { error: error.clone(), until: clock.now().plus_secs(secs) });
    }
}
