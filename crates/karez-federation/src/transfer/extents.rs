//! A set of bytes, as ranges that do not touch.

use std::collections::BTreeMap;

use karez_types::ByteRange;

/// A set of bytes. Memory and time go with the number of separate ranges, not with bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extents {
    /// Start to end; ranges neither overlap nor touch.
    ranges: BTreeMap<u64, u64>,
    byte_count: u64,
}

impl Extents {
    /// Returns the empty set.
    pub fn new() -> Extents {
        Extents::default()
    }

    /// Returns the set of one range.
    pub fn of(range: ByteRange) -> Extents {
        let mut extents = Extents::new();
        extents.insert(range);
        extents
    }

    /// Returns how many bytes are in the set.
    pub fn byte_count(&self) -> u64 {
        self.byte_count
    }

    /// Returns how many separate ranges there are.
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }

    /// Tells whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Adds a range. Returns how many of its bytes were not there before.
    pub fn insert(&mut self, range: ByteRange) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let before = self.byte_count;
        let ByteRange { mut start, mut end } = range;
        if let Some((&left, &left_end)) = self.ranges.range(..start).next_back()
            && left_end >= start
        {
            start = left;
            end = end.max(left_end);
        }
        while let Some((&next, &next_end)) = self.ranges.range(start..=end).next() {
            self.ranges.remove(&next);
            self.byte_count -= next_end - next;
            end = end.max(next_end);
        }
        self.ranges.insert(start, end);
        self.byte_count += end - start;
        self.byte_count - before
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: ByteRange) {
        if range.is_empty() {
            return;
        }
        if let Some((&left, &left_end)) = self.ranges.range(..range.start).next_back()
            && left_end > range.start
        {
            self.ranges.insert(left, range.start);
            self.byte_count -= left_end - range.start;
            if left_end > range.end {
                self.ranges.insert(range.end, left_end);
                self.byte_count += left_end - range.end;
            }
        }
        while let Some((&next, &next_end)) = self.ranges.range(range.start..range.end).next() {
            self.ranges.remove(&next);
            self.byte_count -= next_end - next;
            if next_end > range.end {
                self.ranges.insert(range.end, next_end);
                self.byte_count += next_end - range.end;
            }
        }
    }

    /// Tells whether the whole range is in the set.
    pub fn contains(&self, range: ByteRange) -> bool {
        range.is_empty() || self.ranges.range(..=range.start).next_back().is_some_and(|(_, &end)| end >= range.end)
    }

    /// Returns the parts of a range that are in the set, in order.
    pub fn within(&self, range: ByteRange) -> impl Iterator<Item = ByteRange> + '_ {
        let left = self.ranges.range(..range.start).next_back();
        left.into_iter().chain(self.ranges.range(range.start..range.end.max(range.start))).filter_map(
            move |(&start, &end)| {
                let part = ByteRange::new(start.max(range.start), end.min(range.end))?;
                (!part.is_empty()).then_some(part)
            },
        )
    }

    /// Returns the parts of a range that are not in the set, in order.
    pub fn gaps(&self, range: ByteRange) -> Vec<ByteRange> {
        let mut at = range.start;
        let mut gaps = Vec::new();
        for part in self.within(range) {
            if at < part.start {
                gaps.push(ByteRange { start: at, end: part.start });
            }
            at = part.end;
        }
        if at < range.end {
            gaps.push(ByteRange { start: at, end: range.end });
        }
        gaps
    }

    /// Returns how far the set goes on from here without a gap.
    pub fn reach(&self, from: u64) -> u64 {
        self.ranges.range(..=from).next_back().map_or(from, |(_, &end)| end.max(from))
    }

    /// Returns the first range.
    pub fn first(&self) -> Option<ByteRange> {
        self.ranges.first_key_value().map(|(&start, &end)| ByteRange { start, end })
    }

    /// Returns all ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = ByteRange> + '_ {
        self.ranges.iter().map(|(&start, &end)| ByteRange { start, end })
    }
}

impl Extend<ByteRange> for Extents {
    fn extend<T: IntoIterator<Item = ByteRange>>(&mut self, ranges: T) {
        for range in ranges {
            self.insert(range);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: usize = 64;

    fn range() -> impl Strategy<Value = ByteRange> {
        (0..ROOM as u64, 0..ROOM as u64).prop_map(|(a, b)| ByteRange { start: a.min(b), end: a.max(b) })
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_bytes(steps in prop::collection::vec((any::<bool>(), range()), 1..60), probe in range()) {
            let mut extents = Extents::new();
            let mut naive = [false; ROOM];
            for (is_insert, step) in steps {
                let inside = &mut naive[step.start as usize..step.end as usize];
                if is_insert {
                    let fresh = inside.iter().filter(|there| !**there).count() as u64;
                    prop_assert_eq!(extents.insert(step), fresh);
                } else {
                    extents.remove(step);
                }
                inside.fill(is_insert);
            }
            prop_assert_eq!(extents.byte_count(), naive.iter().filter(|there| **there).count() as u64);
            let ranges: Vec<ByteRange> = extents.iter().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "separate: {ranges:?}");
            let asked = &naive[probe.start as usize..probe.end as usize];
            prop_assert_eq!(extents.contains(probe), asked.iter().all(|there| *there));
            let mut seen = [false; ROOM];
            for part in extents.within(probe) {
                seen[part.start as usize..part.end as usize].fill(true);
            }
            for gap in extents.gaps(probe) {
                prop_assert!(seen[gap.start as usize..gap.end as usize].iter().all(|there| !there));
                prop_assert!(naive[gap.start as usize..gap.end as usize].iter().all(|there| !there));
            }
            prop_assert_eq!(&seen[probe.start as usize..probe.end as usize], asked);
            let run = naive[probe.start as usize..].iter().take_while(|there| **there).count() as u64;
            prop_assert_eq!(extents.reach(probe.start), probe.start + run);
        }
    }
}
