//! Which bytes are asked for next, and from whom: a state machine without I/O or clock.
//!
//! The engine and the simulator drive it the same way: they ask [`Schedule::next`] for spans until there
//! are none, tell it what arrives ([`Schedule::received`], [`Schedule::ended`]), and carry out the orders
//! of [`Schedule::tick`]. All moments are milliseconds of any clock that does not run backwards.
//!
//! Rules:
//! - Every byte is assigned to one span at a time. A span is what a connection brings in a few seconds.
//! - At the end, what a slow connection has still to bring is shared with one that is free (`tail`), and one
//!   span may be doubled. What travels in vain for that is at most [`ScheduleParams::repeat_share`].
//! - A span never crosses a cut (the end of a piece).
//! - A dearer source is asked only for what no cheaper one that answers can give. Among equals a source
//!   gets work unless another would finish it sooner.
//! - What readers wait for comes first, then the rest from front to back.
//! - No byte from a source on any connection for max(2 s, 6 round trips): its connections are dead. They
//!   are dropped, and the source is probed until it answers.
//! - One connection that stands still, or a source that only drips while there is another, loses its span.
//! - A source that broke the protocol or gave wrong bytes is banned: it gets nothing more of this object.

mod orders;
mod source;
mod tail;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use karez_types::ByteRange;

use super::extents::Extents;
use super::{CostClass, Layout, SourceId};
pub use orders::Order;
use source::{SourceState, Standing};

/// Bounds of a schedule. Defaults are those of the measured reference (network.md, section 4).
#[derive(Debug, Clone, Copy)]
pub struct ScheduleParams {
    /// Smallest span, in bytes: below, a request costs more than it brings. A connection that needs longer than
    /// [`ScheduleParams::tail_ms`] for that gets less.
    pub span_bytes_min: u64,
    /// Largest span, in bytes: bounds what a slow connection can hold up.
    pub span_bytes_max: u64,
    /// How long a connection should be busy with a span, in milliseconds.
    pub span_ms: u64,
    /// How long the last connection may work after the others are through, in milliseconds, about.
    pub tail_ms: u64,
    /// Fewest connections of a source.
    pub connections_min: usize,
    /// Connections of a source at the beginning.
    pub connections_start: usize,
    /// Most connections of a source.
    pub connections_max: usize,
    /// Silence after which connections are dead, in milliseconds; and in round trips, whichever is longer.
    pub silence_ms: u64,
    /// See `silence_ms`.
    pub silence_rtts: u64,
    /// A source that gives fewer bytes a second is dropped while there is another.
    pub drip_bytes_per_sec: u64,
    /// Of a thousand bytes, how many may be asked for twice at the end.
    pub repeat_share: u64,
}

impl Default for ScheduleParams {
    fn default() -> ScheduleParams {
        ScheduleParams {
            span_bytes_min: 256 << 10,
            span_bytes_max: 8 << 20,
            span_ms: 6_000,
            tail_ms: 2_000,
            connections_min: 2,
            connections_start: 4,
            connections_max: 16,
            silence_ms: 2_000,
            silence_rtts: 6,
            drip_bytes_per_sec: 1_024,
            repeat_share: 4,
        }
    }
}

/// Number of a span within one schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub u64);

/// Bytes that one source is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its number.
    pub id: SpanId,
    /// Who is asked.
    pub source: SourceId,
    /// Wire bytes, within one piece.
    pub range: ByteRange,
    /// Bytes of an unfinished answer must not be kept: one source has to give the whole.
    pub is_whole: bool,
    /// Whether another source is asked for the same bytes already.
    pub is_repeat: bool,
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All bytes came.
    Complete,
    /// The connection broke, or there was none.
    Broken,
    /// The source said no; it is asked again later.
    Refused,
    /// The source does not have the piece.
    Gone,
    /// The source broke the protocol.
    Wrong,
    /// The source's addresses have expired; it waits for [`Schedule::renewed`].
    Expired,
    /// We ended it; says nothing about the source.
    Cancelled,
}

/// A span on its way.
#[derive(Debug, Clone, Copy)]
struct Flight {
    span: Span,
    received_bytes: u64,
    /// Received, or in the hands of the worker.
    claimed_bytes: u64,
    opened_ms: u64,
    last_byte_ms: u64,
    /// Since when its speed says something about its sender, and what was received then.
    since_ms: u64,
    since_bytes: u64,
}

impl Flight {
    /// What has not come.
    fn rest(&self) -> ByteRange {
        ByteRange { start: self.span.range.start + self.received_bytes, end: self.span.range.end }
    }

    /// Its silence and its slowness until then are our own.
    fn excuse(&mut self, until_ms: u64) {
        self.last_byte_ms = self.last_byte_ms.max(until_ms);
        self.since_ms = self.since_ms.max(until_ms);
        self.since_bytes = self.received_bytes;
    }

    /// What nobody has in hands.
    fn unclaimed(&self) -> ByteRange {
        ByteRange { start: self.span.range.start + self.claimed_bytes, end: self.span.range.end }
    }

    /// Milliseconds until its end at the speed it had so far; `None` when nothing came yet.
    fn rest_ms(&self, now_ms: u64) -> Option<u64> {
        let elapsed_ms = now_ms.saturating_sub(self.opened_ms).max(1);
        (self.received_bytes > 0)
            .then(|| (u128::from(self.rest().byte_count()) * u128::from(elapsed_ms)) / u128::from(self.received_bytes))
            .map(|ms| u64::try_from(ms).unwrap_or(u64::MAX))
    }
}

/// How long bytes take at a rate. Bounded, so that a source that gave nearly nothing for hours, whose rate is
/// nearly nothing, makes no number that overflows.
fn travel_ms(bytes: u64, bytes_per_sec: f64) -> u64 {
    const TRAVEL_MS_MAX: u64 = 1 << 48;
    ((bytes as f64 * 1000.0 / bytes_per_sec) as u64).min(TRAVEL_MS_MAX)
}

/// How many bytes come in some time.
fn bytes_in(ms: u64, bytes_per_sec: f64) -> u64 {
    (bytes_per_sec * ms as f64 / 1000.0) as u64
}

/// A wish of so many bytes or fewer is that of a reader which has nothing yet: it comes in so many spans.
const FIRST_BYTES_MAX: u64 = 512 << 10;
const FIRST_SPANS: u64 = 3;

/// Smallest span for a slow connection, in bytes: below, the head of the answer is more than a fiftieth.
const TAIL_BYTES_MIN: u64 = 32 << 10;

/// Round trip that is assumed before one was measured: a satellite hop.
const RTT_MS_ASSUMED: u64 = 300;

/// The state machine. See the module.
#[derive(Debug, Clone)]
pub struct Schedule {
    params: ScheduleParams,
    /// Starts of the pieces, sorted, and the end of the last.
    cuts: Vec<u64>,
    /// Neither received nor assigned.
    missing: Extents,
    /// Received.
    got: Extents,
    /// What has to be received in the end, of all wire bytes.
    needed: Extents,
    flights: BTreeMap<SpanId, Flight>,
    sources: BTreeMap<SourceId, SourceState>,
    /// What readers wait for, by reader.
    wanted: BTreeMap<u64, ByteRange>,
    /// Whether nothing else is asked for while some of that is not here.
    is_hurried: bool,
    /// Whether what no reader waits for is asked for.
    asks_ahead: bool,
    /// Ranges that one source has to give alone: start to end.
    whole: BTreeMap<u64, u64>,
    /// The one source that may give bytes, to find out whether it lies.
    only: Option<SourceId>,
    next_span: u64,
    repeated_bytes: u64,
}

impl Schedule {
    /// Returns a schedule of the bytes `missing`, cut at the pieces of a layout.
    pub fn new(layout: &Layout, missing: Extents, params: ScheduleParams) -> Schedule {
        let mut cuts: Vec<u64> = layout.pieces.iter().map(|piece| piece.at).collect();
        cuts.push(layout.wire_bytes);
        Schedule {
            params,
            cuts,
            needed: missing.clone(),
            missing,
            got: Extents::new(),
            flights: BTreeMap::new(),
            sources: BTreeMap::new(),
            wanted: BTreeMap::new(),
            is_hurried: false,
            asks_ahead: true,
            whole: BTreeMap::new(),
            only: None,
            next_span: 0,
            repeated_bytes: 0,
        }
    }

    /// Adds a source, or brings one back that was removed. One that is there keeps its state.
    pub fn source_add(&mut self, source: SourceId, cost: CostClass, now_ms: u64) {
        let fresh = || SourceState::new(cost, &self.params, now_ms);
        self.sources.entry(source).or_insert_with(fresh).cost = cost;
    }

    /// Says that one connection to a source fills a line: it begins with few.
    pub fn few_suffice(&mut self, source: SourceId) {
        if let Some(state) = self.sources.get_mut(&source) {
            state.goodput.few_suffice();
        }
    }

    /// Says that a source does not have these bytes.
    pub fn lacks(&mut self, source: SourceId, ranges: &[ByteRange]) {
        if let Some(state) = self.sources.get_mut(&source) {
            state.lacks.extend(ranges.iter().copied());
        }
    }

    /// Removes a source. Its spans are given to others; the engine stops them.
    pub fn source_remove(&mut self, source: SourceId) {
        self.drop_flights(source);
        self.sources.remove(&source);
        self.only = self.only.filter(|only| *only != source);
    }

    /// Bans a source: it gave wrong bytes. Returns whether it was not banned before.
    pub fn ban(&mut self, source: SourceId) -> bool {
        self.drop_flights(source);
        self.only = self.only.filter(|only| *only != source);
        let state = self.sources.get_mut(&source);
        state.is_some_and(|state| std::mem::replace(&mut state.standing, Standing::Banned) != Standing::Banned)
    }

    /// Takes a ban back: somebody else was to blame.
    pub fn pardon(&mut self, source: SourceId) {
        if let Some(state) = self.sources.get_mut(&source) {
            state.standing = Standing::Ready;
        }
    }

    /// Tells whether a source is banned.
    pub fn is_banned(&self, source: SourceId) -> bool {
        self.sources.get(&source).is_some_and(|state| state.standing == Standing::Banned)
    }

    /// Tells whether some source may still give bytes: not all are banned or without the rest.
    pub fn has_hope(&self) -> bool {
        let able = |state: &SourceState| {
            state.standing != Standing::Banned
                && (self.missing.is_empty() || self.missing.iter().any(|part| !state.lacks.contains(part)))
        };
        self.is_finished() || !self.flights.is_empty() || self.sources.values().any(able)
    }

    /// Lets only this source give bytes, or every one again.
    pub fn only(&mut self, source: Option<SourceId>) {
        self.only = source;
    }

    /// Takes note of bytes that are here, however they came.
    pub fn have(&mut self, range: ByteRange) {
        let needed: Vec<ByteRange> = self.needed.within(range).collect();
        self.got.extend(needed);
        self.missing.remove(range);
    }

    /// Returns what was received.
    pub fn got(&self) -> &Extents {
        &self.got
    }

    /// A source is held back on our own account until then: its silence says nothing.
    pub fn hold(&mut self, source: SourceId, until_ms: u64) {
        if let Some(state) = self.sources.get_mut(&source) {
            state.last_sign_ms = state.last_sign_ms.max(until_ms);
            state.drip_since_ms = state.drip_since_ms.max(until_ms);
            state.drip_bytes = 0;
            state.goodput.not_full();
        }
        let own = self.flights.values_mut().filter(|flight| flight.span.source == source);
        own.for_each(|flight| flight.excuse(until_ms));
    }

    /// Says that a reader waits for these wire bytes; replaces what it waited for before.
    pub fn want_first(&mut self, reader: u64, range: ByteRange) {
        self.wanted.insert(reader, range);
    }

    /// Says whether a reader has nothing yet: then nothing takes a share of the line from what it waits for.
    pub fn hurry(&mut self, is_hurried: bool) {
        self.is_hurried = is_hurried;
    }

    /// Says whether what no reader waits for is asked for: at first it is.
    pub fn ask_ahead(&mut self, asks_ahead: bool) {
        self.asks_ahead = asks_ahead;
    }

    /// Tells whether readers have said what they wait for.
    pub fn is_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Says that a reader is gone.
    pub fn want_no_more(&mut self, reader: u64) {
        self.wanted.remove(&reader);
    }

    /// Takes back what was received: its bytes were wrong. With `is_whole`, one source has to give all of
    /// it next time, so that a liar among several is found.
    pub fn lost(&mut self, range: ByteRange, is_whole: bool) {
        let needed: Vec<ByteRange> = self.needed.within(range).collect();
        for part in needed {
            self.got.remove(part);
            self.release(part);
        }
        if is_whole {
            self.whole.insert(range.start, range.end);
        }
    }

    /// Tells whether every byte is here.
    pub fn is_finished(&self) -> bool {
        self.got.byte_count() == self.needed.byte_count()
    }

    /// Returns how many bytes have not come.
    pub fn rest_bytes(&self) -> u64 {
        self.needed.byte_count() - self.got.byte_count()
    }

    /// Returns how many spans a source has on their way.
    pub fn flights_of(&self, source: SourceId) -> usize {
        self.flights.values().filter(|flight| flight.span.source == source).count()
    }

    /// Returns how many connections a source should have.
    pub fn connections(&self, source: SourceId) -> usize {
        self.sources.get(&source).map_or(0, |state| state.goodput.connections())
    }

    /// Returns bytes a second of a source, once measured.
    pub fn bytes_per_sec(&self, source: SourceId, now_ms: u64) -> Option<f64> {
        self.sources.get(&source)?.goodput.bytes_per_sec(now_ms)
    }

    /// Returns the next span for a source, or nothing: it is busy enough, or should not be asked now.
    pub fn next(&mut self, source: SourceId, now_ms: u64) -> Option<Span> {
        let state = self.sources.get(&source)?;
        let is_excluded = self.only.is_some_and(|only| only != source);
        if is_excluded || !state.may_be_asked(now_ms) || !self.has_free_connection(source, now_ms) {
            return None;
        }
        let (range, is_whole, is_repeat) = match self.choose(source, now_ms) {
            Some((range, is_whole)) => (range, is_whole, false),
            None => match self.split(source, now_ms) {
                Some(range) => (range, false, false),
                None => (self.choose_repeat(source, now_ms)?, false, true),
            },
        };
        let span = Span { id: SpanId(self.next_span), source, range, is_whole, is_repeat };
        self.next_span += 1;
        if is_repeat {
            self.repeated_bytes += range.byte_count();
        } else {
            self.missing.remove(range);
        }
        if self.flights_of(source) == 0
            && let Some(state) = self.sources.get_mut(&source)
        {
            state.last_sign_ms = now_ms;
            state.goodput.restart(now_ms);
        }
        let flight = Flight {
            span,
            received_bytes: 0,
            claimed_bytes: 0,
            opened_ms: now_ms,
            last_byte_ms: now_ms,
            since_ms: now_ms,
            since_bytes: 0,
        };
        self.flights.insert(span.id, flight);
        Some(span)
    }

    fn may_take(&self, id: SourceId, state: &SourceState, now_ms: u64) -> bool {
        state.may_be_asked(now_ms) && self.only.is_none_or(|only| only == id)
    }

    /// A connection that is about to end does not count: the next request travels while it does. But twice
    /// the number is the bound.
    fn has_free_connection(&self, source: SourceId, now_ms: u64) -> bool {
        let Some(state) = self.sources.get(&source) else { return false };
        let (mut open, mut ending) = (0, 0);
        for flight in self.flights.values().filter(|flight| flight.span.source == source) {
            open += 1;
            ending += usize::from(flight.rest_ms(now_ms).is_some_and(|ms| ms <= 2 * state.rtt_or_assumed_ms()));
        }
        open - ending < state.goodput.connections() && open < 2 * state.goodput.connections()
    }

    /// Chooses missing bytes for a source.
    fn choose(&self, source: SourceId, now_ms: u64) -> Option<(ByteRange, bool)> {
        let state = self.sources.get(&source)?;
        let cheaper: Vec<&SourceState> = self
            .sources
            .iter()
            .filter(|(id, other)| other.cost < state.cost && self.may_take(**id, other, now_ms))
            .map(|(_, other)| other)
            .collect();
        if cheaper.iter().any(|other| other.lacks.is_empty()) {
            return None;
        }
        let everything = ByteRange { start: 0, end: u64::MAX };
        let wanted = self.wanted.values().map(|range| (*range, range.byte_count()));
        let is_waiting = |range: &ByteRange| self.needed.within(*range).any(|part| !self.got.contains(part));
        let is_hurried = self.is_hurried && self.wanted.values().any(is_waiting);
        let rest = (self.asks_ahead && !is_hurried).then(|| (everything, self.missing.byte_count()));
        for (within, waiting_bytes) in wanted.chain(rest) {
            let allowed = |part| allowed_part(state, &cheaper, part);
            let Some(part) = self.missing.within(within).find_map(allowed) else { continue };
            let (part, is_whole) = self.cut(part);
            let bytes = if is_whole { part.byte_count() } else { self.span_bytes(state, part, waiting_bytes, now_ms) };
            if self.should_take(source, part.start, bytes, waiting_bytes, now_ms) {
                return Some((ByteRange { start: part.start, end: part.start + bytes }, is_whole));
            }
        }
        None
    }

    /// Ends a range at the next cut, and before or after bytes that one source has to give alone.
    fn cut(&self, part: ByteRange) -> (ByteRange, bool) {
        let after = self.cuts.partition_point(|cut| *cut <= part.start);
        let mut end = self.cuts.get(after).copied().unwrap_or(part.end).min(part.end);
        if let Some((_, &whole_end)) = self.whole.range(..=part.start).next_back().filter(|(_, end)| **end > part.start)
        {
            return (ByteRange { start: part.start, end: end.min(whole_end) }, true);
        }
        if let Some((&whole_start, _)) = self.whole.range(part.start..end).next() {
            end = end.min(whole_start);
        }
        (ByteRange { start: part.start, end }, false)
    }

    /// How much of a part one span takes: less towards the end, so that all connections end together.
    fn span_bytes(&self, state: &SourceState, part: ByteRange, waiting_bytes: u64, now_ms: u64) -> u64 {
        let ScheduleParams { span_bytes_min, span_bytes_max, span_ms, tail_ms, .. } = self.params;
        if self.is_hurried && waiting_bytes <= FIRST_BYTES_MAX {
            // New connections begin slowly: several bring a little sooner than one.
            return part.byte_count().min(waiting_bytes.div_ceil(FIRST_SPANS).max(TAIL_BYTES_MIN));
        }
        let (least, bytes) = match state.connection_bytes_per_sec(now_ms) {
            Some(rate) => {
                let able = self.sources.values().filter(|state| state.may_be_asked(now_ms));
                let together: f64 = able.filter_map(|state| state.goodput.bytes_per_sec(now_ms)).sum();
                let ms = span_ms.min(travel_ms(self.rest_bytes(), together.max(rate)) / 2);
                let least = bytes_in(tail_ms / 2, rate).clamp(TAIL_BYTES_MIN, span_bytes_min);
                (least, bytes_in(ms, rate).clamp(least, span_bytes_max))
            }
            // A source that was not measured gets little at first.
            None => {
                let connections: usize = self.sources.values().map(|state| state.goodput.connections()).sum();
                let share = waiting_bytes / (2 * connections.max(1) as u64);
                (span_bytes_min, share.clamp(span_bytes_min, 4 * span_bytes_min))
            }
        };
        let whole = part.byte_count();
        // No crumbs.
        if whole <= bytes + least / 2 { whole } else { bytes }
    }

    /// Among sources of one cost: whether this one should take the bytes, rather than leave them to one
    /// that would be through with them sooner.
    fn should_take(&self, source: SourceId, at: u64, bytes: u64, waiting_bytes: u64, now_ms: u64) -> bool {
        let Some(state) = self.sources.get(&source) else { return false };
        let Some(own_ms) = self.finish_ms(source, state, bytes, now_ms) else { return true };
        let (mut is_best, mut others_rate, mut others_bytes) = (true, 0.0, waiting_bytes);
        for (id, other) in &self.sources {
            let is_equal = *id != source && other.cost == state.cost && self.may_take(*id, other, now_ms);
            if !is_equal || other.lacks.contains(ByteRange { start: at, end: at + 1 }) {
                continue;
            }
            if let Some(other_ms) = self.finish_ms(*id, other, bytes, now_ms) {
                is_best &= (own_ms, source) <= (other_ms, *id);
                others_rate += other.goodput.bytes_per_sec(now_ms).unwrap_or(0.0);
                others_bytes += self.bytes_in_flight(*id);
            }
        }
        // Not the best, but through before the others would be with everything: then it helps.
        is_best || others_rate <= 0.0 || (own_ms as f64) < others_bytes as f64 * 1000.0 / others_rate
    }

    /// When a source would be through with what it has and these bytes; `None` when it was not measured.
    fn finish_ms(&self, id: SourceId, state: &SourceState, bytes: u64, now_ms: u64) -> Option<u64> {
        let rate = state.goodput.bytes_per_sec(now_ms).filter(|rate| *rate > 0.0)?;
        let queue = self.bytes_in_flight(id) + bytes;
        Some(state.rtt_or_assumed_ms() + travel_ms(queue, rate))
    }

    fn bytes_in_flight(&self, source: SourceId) -> u64 {
        let own = self.flights.values().filter(|flight| flight.span.source == source);
        own.map(|flight| flight.rest().byte_count()).sum()
    }

    /// Takes bytes into the hands of a span's worker, before they are written down: returns how many of them
    /// are its own, and whether those are its last. The rest is somebody else's.
    pub fn claim(&mut self, span: SpanId, bytes: u64) -> (u64, bool) {
        let Some(flight) = self.flights.get_mut(&span) else { return (0, true) };
        let bytes = bytes.min(flight.unclaimed().byte_count());
        flight.claimed_bytes += bytes;
        (bytes, flight.unclaimed().is_empty())
    }

    /// Takes note of received bytes, which follow those that the span received before. Returns the part
    /// that was not here yet.
    pub fn received(&mut self, span: SpanId, bytes: u64, now_ms: u64) -> u64 {
        let Some(flight) = self.flights.get_mut(&span) else { return 0 };
        let bytes = bytes.min(flight.rest().byte_count());
        let start = flight.rest().start;
        let is_first = flight.received_bytes == 0 && bytes > 0;
        flight.received_bytes += bytes;
        flight.claimed_bytes = flight.claimed_bytes.max(flight.received_bytes);
        flight.last_byte_ms = now_ms;
        let (source, opened_ms, is_whole) = (flight.span.source, flight.opened_ms, flight.span.is_whole);
        if let Some(state) = self.sources.get_mut(&source) {
            state.received(bytes, now_ms);
            if is_first {
                state.rtt_sample(now_ms.saturating_sub(opened_ms));
            }
        }
        // Whole or not at all: counted when the span ends.
        if is_whole { 0 } else { self.got.insert(ByteRange { start, end: start + bytes }) }
    }

    /// Takes note of the end of a span. What did not come is missing again.
    pub fn ended(&mut self, span: SpanId, outcome: Outcome, now_ms: u64) {
        let Some(flight) = self.flights.remove(&span) else { return };
        let is_short = !flight.rest().is_empty();
        if flight.span.is_whole {
            if is_short {
                self.release(flight.span.range);
            } else {
                self.got.insert(flight.span.range);
                self.whole.remove(&flight.span.range.start);
            }
        } else {
            self.release(flight.rest());
        }
        let others = self.flights_of(flight.span.source);
        let piece = self.piece_of(flight.span.range.start);
        let Some(state) = self.sources.get_mut(&flight.span.source) else { return };
        match outcome {
            Outcome::Complete if is_short => state.broke(flight.received_bytes > 0, others, now_ms),
            Outcome::Complete | Outcome::Cancelled => {}
            Outcome::Broken => state.broke(flight.received_bytes > 0, others, now_ms),
            Outcome::Refused => state.refused(now_ms),
            Outcome::Gone => {
                state.lacks.insert(piece);
            }
            Outcome::Wrong => {
                self.ban(flight.span.source);
            }
            Outcome::Expired => state.standing = Standing::Expired,
        }
    }

    fn piece_of(&self, at: u64) -> ByteRange {
        let after = self.cuts.partition_point(|cut| *cut <= at);
        let end = self.cuts.get(after).copied().unwrap_or(at + 1);
        ByteRange { start: after.checked_sub(1).map_or(0, |before| self.cuts[before]), end }
    }

    /// Makes bytes missing again that nobody else is bringing.
    fn release(&mut self, range: ByteRange) {
        let needed: Vec<ByteRange> = self.needed.within(range).collect();
        for part in needed {
            for gap in self.got.gaps(part) {
                self.missing.insert(gap);
            }
        }
        for flight in self.flights.values() {
            let brought = if flight.span.is_whole { flight.span.range } else { flight.rest() };
            self.missing.remove(brought);
        }
    }

    /// Forgets the spans of a source and makes their bytes missing again. Returns them.
    fn drop_flights(&mut self, source: SourceId) -> Vec<SpanId> {
        let own = self.flights.values().filter(|flight| flight.span.source == source).map(|flight| flight.span.id);
        let dropped: Vec<SpanId> = own.collect();
        dropped.iter().for_each(|span| self.drop_flight(*span));
        dropped
    }

    fn drop_flight(&mut self, span: SpanId) {
        if let Some(flight) = self.flights.remove(&span) {
            self.release(if flight.span.is_whole { flight.span.range } else { flight.rest() });
        }
    }
}

/// Returns the first stretch of missing bytes that a source has and no cheaper one can give.
fn allowed_part(state: &SourceState, cheaper: &[&SourceState], part: ByteRange) -> Option<ByteRange> {
    state.lacks.gaps(part).into_iter().find_map(|mut free| {
        while !free.is_empty() {
            let reaches = cheaper.iter().map(|other| other.lacks.reach(free.start));
            let end = reaches.min().unwrap_or(free.end).min(free.end);
            if end > free.start {
                return Some(ByteRange { start: free.start, end });
            }
            // Some cheaper source has the first byte: on to the next that one of those does not have.
            let next = |other: &&SourceState| {
                let reach = other.lacks.reach(free.start);
                if reach > free.start { Some(free.start) } else { other.lacks.within(free).next().map(|l| l.start) }
            };
            let starts: Option<Vec<u64>> = cheaper.iter().map(next).collect();
            free.start = starts?.into_iter().max()?;
        }
        None
    })
}
