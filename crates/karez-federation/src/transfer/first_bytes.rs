//! Readers that have nothing yet: their transfer goes before others, until they have something.
//!
//! A person who opens a model looks at its first bytes: a header, a vocabulary. On a line that is full of other
//! files these would take their share of an hour.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// Bytes after which a reader has something: the header of most safetensors files.
pub(super) const FIRST_BYTES: u64 = 128 << 10;

/// How long a reader may be ahead of others. Bytes that do not come in that time are held up by something else.
const AHEAD_MAX: Duration = Duration::from_secs(10);

/// The readers of a transfer that have nothing yet, and since when.
#[derive(Debug, Default)]
pub(super) struct FirstBytes(HashMap<u64, Instant>);

impl FirstBytes {
    /// A reader has come.
    pub(super) fn wait(&mut self, reader: u64) {
        self.0.insert(reader, Instant::now());
    }

    /// A reader has something, or is gone.
    pub(super) fn over(&mut self, reader: u64) {
        self.0.remove(&reader);
    }

    /// Whether a reader waits that may be ahead of others.
    pub(super) fn are_awaited(&self) -> bool {
        self.0.values().any(|since| since.elapsed() < AHEAD_MAX)
    }
}
