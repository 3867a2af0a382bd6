//! One repository on its way to one node: the real scheduler, and the spans that travel.

use karez_types::ByteRange;

use super::node::Urgency;
use crate::policy::rules::Keep;
use crate::transfer::{Extents, Layout, Piece, Place, Schedule, ScheduleParams, SourceId, SpanId};

/// Spans that a transfer is cut into, about: bounds the number of events. Real spans are 256 KiB to 8 MiB.
const SPANS_EACH: u64 = 16;

/// Somebody who may be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) node: u16,
    /// The line of the receiving node that leads there.
    pub(super) line: usize,
    /// Whether the schedule knows of it now.
    pub(super) is_active: bool,
}

/// A span that travels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) span: SpanId,
    pub(super) wire_start: u64,
    pub(super) source: usize,
    pub(super) line: usize,
    pub(super) is_small: bool,
    pub(super) bytes: u64,
    pub(super) received_bytes: u64,
    /// When its first and its last byte arrive, if nothing happens.
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    /// When it is looked at: its end, or the end of the line's window.
    pub(super) due_ms: u64,
}

impl Flight {
    /// Returns the bytes that have arrived by now.
    pub(super) fn arrived_bytes(&self, now_ms: u64) -> u64 {
        if now_ms >= self.end_ms {
            return self.bytes;
        }
        let elapsed_ms = now_ms.saturating_sub(self.start_ms);
        let arrived = u128::from(self.bytes) * u128::from(elapsed_ms) / u128::from(self.end_ms - self.start_ms);
        u64::try_from(arrived).unwrap_or(0).max(self.received_bytes)
    }
}

/// One repository on its way.
#[derive(Debug)]
pub(super) struct Transfer {
    /// Tells it from others that had its place before.
    pub(super) serial: u64,
    pub(super) node: usize,
    pub(super) repo: u32,
    pub(super) version: u32,
    pub(super) keep: Keep,
    pub(super) is_pinned: bool,
    pub(super) urgency: Urgency,
    /// What travels, and how much of it, from its beginning, is what a loader reads first.
    pub(super) wire_bytes: u64,
    pub(super) small_bytes: u64,
    pub(super) span_bytes_max: u64,
    pub(super) schedule: Schedule,
    pub(super) sources: Vec<Source>,
    pub(super) flights: Vec<Flight>,
    /// What has arrived: kept apart from the schedule, to check it.
    pub(super) audit: Extents,
    pub(super) has_slot: bool,
    pub(super) is_usable: bool,
    /// When people began to wait for it.
    pub(super) asked_ms: Vec<u64>,
    pub(super) wake_ms: u64,
    pub(super) ticked_ms: u64,
}

/// What is to be fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub(super) node: usize,
    pub(super) repo: u32,
    pub(super) version: u32,
    pub(super) keep: Keep,
    pub(super) is_pinned: bool,
    pub(super) urgency: Urgency,
    pub(super) wire_bytes: u64,
    pub(super) small_bytes: u64,
}

impl Transfer {
    pub(super) fn new(want: Want, serial: u64) -> Transfer {
        let wire_bytes = want.wire_bytes.max(1);
        let small_bytes = want.small_bytes.clamp(1, wire_bytes);
        let piece = |at, bytes| Piece { at, bytes, place: Place::File { start: at } };
        let mut pieces = vec![piece(0, small_bytes)];
        if small_bytes < wire_bytes {
            pieces.push(piece(small_bytes, wire_bytes - small_bytes));
        }
        let real = ScheduleParams::default();
        let span_bytes_max = (wire_bytes / SPANS_EACH).max(real.span_bytes_max);
        let params = ScheduleParams {
            span_bytes_max,
            span_bytes_min: span_bytes_max / (real.span_bytes_max / real.span_bytes_min),
            span_ms: u64::MAX / 1024,
            tail_ms: u64::MAX / 1024,
            // A long span says nothing between its beginning and its end that a judge of silence or of
            // speed could hear: outages are told to the schedule as they are noticed.
            silence_ms: u64::MAX / 1024,
            drip_bytes_per_sec: 0,
            // A promise of this simulation is that no byte comes twice, so nothing is asked for twice.
            repeat_share: 0,
            ..real
        };
        let missing = Extents::of(ByteRange { start: 0, end: wire_bytes });
        Transfer {
            serial,
            node: want.node,
            repo: want.repo,
            version: want.version,
            keep: want.keep,
            is_pinned: want.is_pinned,
            urgency: want.urgency,
            wire_bytes,
            small_bytes,
            span_bytes_max,
            schedule: Schedule::new(&Layout { pieces, wire_bytes }, missing, params),
            sources: Vec::new(),
            flights: Vec::new(),
            audit: Extents::new(),
            has_slot: false,
            is_usable: false,
            asked_ms: Vec::new(),
            wake_ms: u64::MAX,
            ticked_ms: 0,
        }
    }

    pub(super) fn source_id(source: usize) -> SourceId {
        SourceId(source as u32)
    }

    /// Whether all of what a loader reads first is here.
    pub(super) fn has_small(&self) -> bool {
        self.audit.contains(ByteRange { start: 0, end: self.small_bytes })
    }

    /// Whether some of what a loader reads first was not even asked for.
    pub(super) fn wants_small(&self) -> bool {
        let asked: u64 = self
            .flights
            .iter()
            .filter(|flight| flight.is_small)
            .map(|flight| flight.bytes - flight.received_bytes)
            .sum();
        let here: u64 =
            self.audit.within(ByteRange { start: 0, end: self.small_bytes }).map(ByteRange::byte_count).sum();
        here + asked < self.small_bytes
    }

    pub(super) fn is_finished(&self) -> bool {
        self.schedule.is_finished()
    }
}
