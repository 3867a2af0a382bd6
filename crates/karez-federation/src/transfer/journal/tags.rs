//! Who gave which bytes.

use std::collections::BTreeMap;

use karez_types::ByteRange;

use super::SourceTag;

/// Ranges with the source of each; neighbours of one source are one range.
#[derive(Debug, Default)]
pub(super) struct Tags(BTreeMap<u64, (u64, SourceTag)>);

impl Tags {
    pub(super) fn range_count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn insert(&mut self, range: ByteRange, tag: SourceTag) {
        if range.is_empty() {
            return;
        }
        self.remove(range);
        let ByteRange { mut start, mut end } = range;
        if let Some((&left, &(left_end, left_tag))) = self.0.range(..start).next_back()
            && left_end == start
            && left_tag == tag
        {
            start = left;
        }
        if let Some(&(right_end, right_tag)) = self.0.get(&end)
            && right_tag == tag
        {
            self.0.remove(&end);
            end = right_end;
        }
        self.0.insert(start, (end, tag));
    }

    pub(super) fn remove(&mut self, range: ByteRange) {
        if range.is_empty() {
            return;
        }
        if let Some((&left, &(left_end, tag))) = self.0.range(..range.start).next_back()
            && left_end > range.start
        {
            self.0.insert(left, (range.start, tag));
            if left_end > range.end {
                self.0.insert(range.end, (left_end, tag));
            }
        }
        while let Some((&next, &(next_end, tag))) = self.0.range(range.start..range.end).next() {
            self.0.remove(&next);
            if next_end > range.end {
                self.0.insert(range.end, (next_end, tag));
            }
        }
    }

    pub(super) fn within(&self, range: ByteRange) -> Vec<(ByteRange, SourceTag)> {
        let first = self.0.range(..=range.start).next_back().map_or(range.start, |(start, _)| *start);
        let touching = self.0.range(first..range.end.max(first));
        let clip = |(&start, &(end, tag)): (&u64, &(u64, SourceTag))| {
            let part = ByteRange::new(start.max(range.start), end.min(range.end))?;
            (!part.is_empty()).then_some((part, tag))
        };
        touching.filter_map(clip).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ByteRange, SourceTag)> + '_ {
        self.0.iter().map(|(&start, &(end, tag))| (ByteRange { start, end }, tag))
    }
}
