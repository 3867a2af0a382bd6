//! Slow connections: what they have still to bring must not be what the end of a file waits for.

use karez_types::ByteRange;

use super::source::SourceState;
use super::{Flight, Schedule, SpanId, TAIL_BYTES_MIN, bytes_in, travel_ms};
use crate::transfer::SourceId;

/// A span says how fast its connection is after this time and as many round trips; before, it is as fast as
/// the others of its source.
const TELLING_MS: u64 = 2_000;
const TELLING_RTTS: u64 = 4;

/// A connection crawls when it is so many times slower than the others of its source, after so many times
/// what a span should take.
const CRAWL_FACTOR: f64 = 3.0;
const CRAWL_SPANS: u64 = 2;

/// Least time for which bytes come that are not wanted any more: they are in the buffers of both kernels.
const VAIN_MS_MIN: u64 = 100;

/// What is left to a span that is shared, in bytes: its next packet ends it, so that nobody waits for a
/// connection that has nothing to bring.
const LEFT_BYTES: u64 = 8 << 10;

impl Schedule {
    /// Takes from the span that would end last what a free connection of this source would bring sooner, and
    /// returns it. Both are then through at the same time.
    pub(super) fn split(&mut self, source: SourceId, now_ms: u64) -> Option<ByteRange> {
        let state = self.sources.get(&source)?;
        if !self.missing.is_empty() {
            return None;
        }
        let own_rate = state.connection_bytes_per_sec(now_ms)?;
        let begin_ms = state.rtt_or_assumed_ms();
        let (id, end_ms, rate) = self
            .flights
            .values()
            .filter(|flight| self.may_give(flight, source, state, now_ms))
            .map(|flight| {
                let rate = self.flight_bytes_per_sec(flight, now_ms);
                (flight.span.id, travel_ms(flight.unclaimed().byte_count(), rate.max(1.0)), rate)
            })
            .max_by_key(|(_, end_ms, _)| *end_ms)?;
        if end_ms < begin_ms + self.params.tail_ms {
            return None;
        }
        let vain_bytes = self.vain_bytes(rate, begin_ms)?;
        let flight = self.flights.get_mut(&id)?;
        let rest = flight.unclaimed();
        let share = own_rate / (own_rate + rate);
        let taken = (bytes_in(end_ms - begin_ms, rate) as f64 * share) as u64;
        let taken = taken.min(rest.byte_count().saturating_sub(LEFT_BYTES));
        if taken < TAIL_BYTES_MIN {
            return None;
        }
        self.repeated_bytes += vain_bytes;
        let taken = ByteRange { start: rest.end - taken, end: rest.end };
        flight.span.range.end = taken.start;
        Some(taken)
    }

    /// Takes from a connection that crawls what it will not bring soon, long before the end of the file. Senders on
    /// one line are not fair: some get next to nothing for as long as others send.
    pub(super) fn trim_crawlers(&mut self, now_ms: u64) {
        let crawls = |flight: &&Flight| {
            let state = self.sources.get(&flight.span.source);
            let usual = state.and_then(|state| state.connection_bytes_per_sec(now_ms));
            let elapsed_ms = now_ms.saturating_sub(flight.since_ms);
            !flight.span.is_whole
                && !flight.span.is_repeat
                && elapsed_ms >= CRAWL_SPANS * self.params.span_ms
                && flight.unclaimed().byte_count() >= TAIL_BYTES_MIN
                && usual.is_some_and(|usual| self.flight_bytes_per_sec(flight, now_ms) * CRAWL_FACTOR < usual)
        };
        let crawling: Vec<SpanId> = self.flights.values().filter(crawls).map(|flight| flight.span.id).collect();
        for span in crawling {
            let Some(flight) = self.flights.get(&span).copied() else { continue };
            let rtt_ms = self.sources.get(&flight.span.source).map_or(0, SourceState::rtt_or_assumed_ms);
            let Some(vain_bytes) = self.vain_bytes(self.flight_bytes_per_sec(&flight, now_ms), rtt_ms) else {
                continue;
            };
            let given = ByteRange { start: flight.unclaimed().start + LEFT_BYTES, end: flight.span.range.end };
            if let Some(flight) = self.flights.get_mut(&span) {
                flight.span.range.end = given.start;
            }
            self.repeated_bytes += vain_bytes;
            self.release(given);
        }
    }

    /// Returns what comes, about, of bytes that a connection shall not bring any more, until its sender notices: a
    /// full queue makes the way twice as long. `None` when that is too much to be spent in vain.
    fn vain_bytes(&self, rate: f64, rtt_ms: u64) -> Option<u64> {
        let vain_bytes = bytes_in(VAIN_MS_MIN.max(2 * rtt_ms), rate);
        self.repeat_bytes_left().filter(|left| vain_bytes <= *left).map(|_| vain_bytes)
    }

    /// Returns how many more bytes may travel in vain; `None` where none ever may.
    fn repeat_bytes_left(&self) -> Option<u64> {
        let most = self.needed.byte_count() * self.params.repeat_share / 1000;
        (most > 0).then(|| most.saturating_sub(self.repeated_bytes))
    }

    /// Whether a source may take over bytes of a span.
    fn may_give(&self, flight: &Flight, source: SourceId, state: &SourceState, now_ms: u64) -> bool {
        let cost = self.sources.get(&flight.span.source).map(|other| other.cost);
        let is_cheaper_elsewhere = self.sources.iter().any(|(id, other)| {
            other.cost < state.cost && self.may_take(*id, other, now_ms) && other.has_all(flight.rest())
        });
        let is_plain = !flight.span.is_whole && !flight.span.is_repeat;
        let has_it = state.has_all(flight.rest()) && self.only.is_none_or(|only| only == source);
        is_plain && has_it && !is_cheaper_elsewhere && cost.is_none_or(|cost| state.cost <= cost)
    }

    /// How fast a connection is.
    fn flight_bytes_per_sec(&self, flight: &Flight, now_ms: u64) -> f64 {
        let elapsed_ms = now_ms.saturating_sub(flight.since_ms);
        let state = self.sources.get(&flight.span.source);
        let rtt_ms = match flight.since_ms == flight.opened_ms {
            true => state.map_or(0, SourceState::rtt_or_assumed_ms),
            false => 0,
        };
        let of_source = state.and_then(|state| state.connection_bytes_per_sec(now_ms));
        match of_source {
            Some(rate) if elapsed_ms < TELLING_MS.max(TELLING_RTTS * rtt_ms) => rate,
            _ => {
                (flight.received_bytes - flight.since_bytes) as f64 * 1000.0
                    / elapsed_ms.saturating_sub(rtt_ms).max(1) as f64
            }
        }
    }

    /// Nothing is missing, but not all is here: doubles the span that would end last, if that pays.
    pub(super) fn choose_repeat(&self, source: SourceId, now_ms: u64) -> Option<ByteRange> {
        let state = self.sources.get(&source)?;
        if !self.missing.is_empty() || self.flights.values().any(|flight| flight.span.is_repeat) {
            return None;
        }
        let left = self.repeat_bytes_left()?;
        let connection_rate = state.connection_bytes_per_sec(now_ms)?;
        let slow = self.flights.values().filter(|flight| {
            let rest = flight.rest();
            let own_ms = state.rtt_or_assumed_ms() + travel_ms(rest.byte_count(), connection_rate);
            let waited_ms = now_ms.saturating_sub(flight.last_byte_ms);
            let rest_ms = flight.rest_ms(now_ms).unwrap_or(0).max(waited_ms);
            let cost = self.sources.get(&flight.span.source).map(|other| other.cost);
            let is_plain = !flight.span.is_whole && state.has_all(rest);
            is_plain && rest.byte_count() <= left && rest_ms > 2 * own_ms && cost.is_some_and(|cost| state.cost <= cost)
        });
        slow.max_by_key(|flight| flight.rest().byte_count()).map(Flight::rest).filter(|rest| !rest.is_empty())
    }
}
