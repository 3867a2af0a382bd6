//! One simulated node: its disk, its lines, what it has seen.

use std::collections::{BTreeMap, BTreeSet};

use super::moment;
use super::world::{CLASSES, Class};
use crate::policy::budget::{Ledger, Month};
use crate::policy::choose::SourceRecord;
use crate::policy::evict::Popularity;
use crate::policy::line::Line;
use crate::policy::rules::Follow;

/// A queue of bytes with a rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pipe {
    bytes_per_sec: u64,
    free_ms: u64,
}

impl Pipe {
    pub(super) fn of_bits(bits_per_sec: u64) -> Pipe {
        Pipe { bytes_per_sec: bits_per_sec / 8, free_ms: 0 }
    }

    fn takes_ms(&self, bytes: u64) -> u64 {
        bytes * 1000 / self.bytes_per_sec.max(1) + 1
    }

    /// Queues bytes; returns when the first and the last of them pass.
    pub(super) fn queue(&mut self, bytes: u64, now_ms: u64) -> (u64, u64) {
        let start_ms = self.free_ms.max(now_ms);
        self.free_ms = start_ms + self.takes_ms(bytes);
        (start_ms, self.free_ms)
    }

    /// Sends bytes before all that wait.
    pub(super) fn push_in(&mut self, bytes: u64, now_ms: u64) -> (u64, u64) {
        let takes_ms = self.takes_ms(bytes);
        self.free_ms = self.free_ms.max(now_ms) + takes_ms;
        (now_ms, now_ms + takes_ms)
    }

    /// Forgets what waits: the line was cut.
    pub(super) fn clear(&mut self, now_ms: u64) {
        self.free_ms = self.free_ms.min(now_ms);
    }
}

/// Bytes of a budget that large files leave for the catalogue and for small files: a month of both.
const RESERVE_BYTES: u64 = 1_000_000_000;

/// A line in use: the real [`Line`] and [`Ledger`], with their last answer kept until it ends.
#[derive(Debug)]
pub(super) struct LineState {
    pub(super) line: Line,
    ledger: Ledger,
    /// Bytes that were asked for and have not come.
    pub(super) in_flight_bytes: u64,
    may_start: bool,
    used_bytes: u64,
    ends_ms: u64,
    /// The rate cap of the present window.
    cap: Option<Pipe>,
    /// What came, by month: counted apart from the ledger, to check it.
    pub(super) audit: BTreeMap<Month, u64>,
}

impl LineState {
    pub(super) fn new(line: Line) -> LineState {
        LineState {
            line,
            ledger: Ledger::default(),
            in_flight_bytes: 0,
            may_start: false,
            used_bytes: 0,
            ends_ms: 0,
            cap: None,
            audit: BTreeMap::new(),
        }
    }

    /// Asks the line again when its last answer has ended.
    pub(super) fn refresh(&mut self, now_ms: u64) {
        if now_ms < self.ends_ms {
            return;
        }
        let now = moment(now_ms);
        let settled = self.ledger.settle(self.line.month(now));
        let allowance = self.line.allowance_in(now, settled.month, settled.used_bytes);
        self.used_bytes = settled.used_bytes;
        self.may_start = allowance.may_start;
        let until = allowance.until.map(|until| (until.0 - super::START.0) as u64);
        self.ends_ms = until.unwrap_or(u64::MAX).max(now_ms + 1);
        let same_cap = |cap: &Pipe| Some(cap.bytes_per_sec) == allowance.rate_cap;
        if !self.cap.as_ref().is_some_and(same_cap) {
            self.cap = allowance.rate_cap.map(|rate| Pipe { bytes_per_sec: rate, free_ms: now_ms });
        }
    }

    /// When the present answer ends.
    pub(super) fn ends_ms(&self) -> u64 {
        self.ends_ms
    }

    /// Whether large files may be asked for, with at most so many bytes in one request.
    pub(super) fn is_open_for_bulk(&self, bytes: u64) -> bool {
        self.may_start && self.has_room(bytes, RESERVE_BYTES)
    }

    /// Whether small files and the catalogue may be asked for: at any hour, within the budget.
    pub(super) fn is_open_for_small(&self, bytes: u64) -> bool {
        self.has_room(bytes, 0)
    }

    fn has_room(&self, bytes: u64, reserve_bytes: u64) -> bool {
        let needed = self.used_bytes.saturating_add(self.in_flight_bytes).saturating_add(bytes);
        self.line.month_bytes_max.is_none_or(|max| needed.saturating_add(reserve_bytes) <= max)
    }

    /// When the month ends, for those who wait for its budget.
    pub(super) fn month_ends_ms(&self, now_ms: u64) -> u64 {
        let ends = self.line.month(moment(now_ms)).next().begins(self.line.utc_offset);
        (ends.0 - super::START.0) as u64
    }

    pub(super) fn charge(&mut self, bytes: u64, now_ms: u64) {
        let month = self.line.month(moment(now_ms));
        self.used_bytes = self.ledger.charge(month, bytes).used_bytes;
        *self.audit.entry(month).or_insert(0) += bytes;
        if self.line.month_bytes_max.is_some_and(|max| self.used_bytes >= max) {
            self.ends_ms = now_ms;
        }
    }

    pub(super) fn cap(&mut self) -> Option<&mut Pipe> {
        self.cap.as_mut()
    }

    /// Whether a byte of a large file may arrive at this moment.
    pub(super) fn admits_bulk_at(&self, now_ms: u64) -> bool {
        self.line.allowance_in(moment(now_ms), self.line.month(moment(now_ms)), 0).may_start
    }
}

/// A repository on the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) version: u32,
    pub(super) is_pinned: bool,
}

/// Who comes first when slots are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    Asked,
    Wanted,
}

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) class: &'static Class,
    pub(super) class_index: usize,
    pub(super) region: usize,
    pub(super) follows: Vec<Follow>,
    pub(super) lines: Vec<LineState>,
    pub(super) down: Pipe,
    pub(super) up: Pipe,
    pub(super) is_up: bool,
    pub(super) held: BTreeMap<u32, Held>,
    pub(super) used_bytes: u64,
    pub(super) seen: BTreeMap<u32, Popularity>,
    pub(super) records: BTreeMap<u16, SourceRecord>,
    /// Transfers by repository.
    pub(super) transfers: BTreeMap<u32, usize>,
    /// Transfers that move large bytes now, and those whose turn has not come.
    pub(super) slots_used: usize,
    pub(super) waiting: BTreeSet<(Urgency, u64, usize)>,
}

impl Node {
    pub(super) fn new(class_index: usize, region: usize) -> Node {
        let class = &CLASSES[class_index];
        Node {
            class,
            class_index,
            region,
            follows: class.follows(),
            lines: class.lines(region).into_iter().map(LineState::new).collect(),
            down: Pipe::of_bits(class.down_bits_per_sec),
            up: Pipe::of_bits(class.up_bits_per_sec),
            is_up: true,
            held: BTreeMap::new(),
            used_bytes: 0,
            seen: BTreeMap::new(),
            records: BTreeMap::new(),
            transfers: BTreeMap::new(),
            slots_used: 0,
            waiting: BTreeSet::new(),
        }
    }

    /// Returns the line that leads to a node of that region.
    pub(super) fn line_to(&self, region: usize) -> usize {
        let has_region_line = self.lines.len() > super::world::REGION;
        if has_region_line && region == self.region { super::world::REGION } else { super::world::WORLD }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_passes_no_more_than_fits() {
        let mut pipe = Pipe::of_bits(8_000);
        assert_eq!(pipe.queue(1_000, 0), (0, 1_001));
        assert_eq!(pipe.queue(1_000, 500), (1_001, 2_002));
        assert_eq!(pipe.push_in(10, 600), (600, 611), "small things go first");
        assert_eq!(pipe.queue(1_000, 600).0, 2_013, "and what waits waits for them");
        pipe.clear(700);
        assert_eq!(pipe.queue(1_000, 800).0, 800);
    }

    #[test]
    fn a_line_keeps_a_reserve_for_small_things() {
        let settings = r#"{"name":"x","cost":"metered","month_bytes_max":"2 GB"}"#;
        let mut line = LineState::new(serde_json::from_str(settings).unwrap());
        line.refresh(0);
        assert!(line.is_open_for_bulk(1_000_000_000) && !line.is_open_for_bulk(1_000_000_001));
        line.charge(1_500_000_000, 0);
        line.in_flight_bytes = 300_000_000;
        assert!(!line.is_open_for_bulk(1) && line.is_open_for_small(200_000_000));
        line.charge(500_000_000, 0);
        line.refresh(0);
        assert!(!line.is_open_for_small(1));
        let next = line.month_ends_ms(0);
        line.in_flight_bytes = 0;
        line.refresh(next);
        assert!(line.is_open_for_bulk(1_000_000_000));
    }
}
