//! Byte ranges: half-open, never empty backwards.

/// The bytes `start..end` of something; `end` is exclusive and not before `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl ByteRange {
    /// Returns the range, or `None` when it would run backwards.
    pub fn new(start: u64, end: u64) -> Option<ByteRange> {
        (start <= end).then_some(ByteRange { start, end })
    }

    /// Returns how many bytes the range covers.
    pub fn byte_count(self) -> u64 {
        self.end - self.start
    }

    /// Tells whether the range covers nothing.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Tells whether `inner` lies wholly inside.
    pub fn contains(self, inner: ByteRange) -> bool {
        self.start <= inner.start && inner.end <= self.end
    }
}
