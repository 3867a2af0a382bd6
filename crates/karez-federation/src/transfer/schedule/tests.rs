//! A small world of sources, driven step by step: whatever they do, the rules hold and the file comes.

use std::collections::BTreeMap;

use karez_types::{ByteRange, SeededEntropy, XorbHash};
use proptest::prelude::*;

use super::*;
use crate::transfer::Place;

const STEP_MS: u64 = 50;

fn layout(pieces: &[u64]) -> Layout {
    let mut layout = Layout::default();
    for (number, bytes) in pieces.iter().enumerate() {
        let place = Place::Xorb { xorb: XorbHash([number as u8; 32]), start: 0 };
        layout.pieces.push(crate::transfer::Piece { at: layout.wire_bytes, bytes: *bytes, place });
        layout.wire_bytes += bytes;
    }
    layout
}

fn all(layout: &Layout) -> Extents {
    Extents::of(ByteRange { start: 0, end: layout.wire_bytes })
}

/// What a source does.
#[derive(Debug, Clone)]
struct Behaviour {
    cost: CostClass,
    line_bytes_per_sec: u64,
    connection_bytes_per_sec: u64,
    latency_ms: u64,
    appears_ms: u64,
    dies_ms: u64,
    /// In each period, silent for the first part.
    silent: (u64, u64),
    /// Of a thousand steps of a connection, in how many it breaks.
    breaks: u64,
    lacks_every: u64,
    is_unfair: bool,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            cost: CostClass::OnNet,
            line_bytes_per_sec: 1_000_000,
            connection_bytes_per_sec: 500_000,
            latency_ms: 300,
            appears_ms: 0,
            dies_ms: u64::MAX,
            silent: (0, 1),
            breaks: 0,
            lacks_every: u64::MAX,
            is_unfair: false,
        }
    }
}

impl Behaviour {
    fn answers(&self, now_ms: u64) -> bool {
        (self.appears_ms..self.dies_ms).contains(&now_ms) && now_ms % self.silent.1 >= self.silent.0
    }
}

struct World {
    schedule: Schedule,
    layout: Layout,
    behaviours: Vec<Behaviour>,
    draw: SeededEntropy,
    now_ms: u64,
    open: BTreeMap<SpanId, (Span, u64, u64)>,
    got: Extents,
    received_bytes: u64,
    /// How long bytes come of a span that was given up.
    vain_ms: u64,
    /// What came in the step in which a shortened span ended: a connection that was slow until then may be fast
    /// in that moment, which nobody can foresee.
    surplus_bytes: u64,
    from: BTreeMap<SourceId, u64>,
}

impl World {
    fn new(layout: Layout, behaviours: Vec<Behaviour>, seed: u64) -> World {
        World {
            schedule: Schedule::new(&layout, all(&layout), ScheduleParams::default()),
            layout,
            behaviours,
            draw: SeededEntropy::new(seed),
            now_ms: 0,
            open: BTreeMap::new(),
            got: Extents::new(),
            received_bytes: 0,
            vain_ms: 0,
            surplus_bytes: 0,
            from: BTreeMap::new(),
        }
    }

    fn check(&self, span: &Span) {
        let piece = self.layout.piece_at(span.range.start).unwrap();
        assert!(piece.range().contains(span.range), "{span:?} crosses a cut");
        assert!(!span.range.is_empty());
        if !span.is_repeat {
            assert!(self.got.within(span.range).next().is_none(), "{span:?} is there already");
            for (other, done, _) in self.open.values() {
                // It may have been shared since.
                let end = self.schedule.flights.get(&other.id).map_or(0, |flight| flight.span.range.end);
                let rest = ByteRange { start: other.range.start + done, end };
                let apart = rest.end <= span.range.start || span.range.end <= rest.start;
                assert!(apart, "{span:?} is assigned twice, also to {other:?}");
            }
        }
    }

    fn step(&mut self) {
        self.now_ms += STEP_MS;
        let now_ms = self.now_ms;
        for (number, behaviour) in self.behaviours.iter().enumerate() {
            let id = SourceId(number as u32);
            if behaviour.appears_ms / STEP_MS == now_ms / STEP_MS || (now_ms == STEP_MS && behaviour.appears_ms == 0) {
                self.schedule.source_add(id, behaviour.cost, now_ms);
            }
            if behaviour.dies_ms / STEP_MS == now_ms / STEP_MS {
                self.schedule.source_remove(id);
                self.open.retain(|_, (span, ..)| span.source != id);
            }
        }
        for order in self.schedule.tick(now_ms) {
            match order {
                Order::Drop(span) => {
                    self.open.remove(&span);
                }
                Order::Probe(source) => {
                    let behaviour = &self.behaviours[source.0 as usize];
                    if behaviour.answers(now_ms) {
                        self.schedule.reached(source, behaviour.latency_ms / 2, now_ms);
                    } else {
                        self.schedule.not_reached(source, now_ms);
                    }
                }
            }
        }
        for number in 0..self.behaviours.len() {
            while let Some(span) = self.schedule.next(SourceId(number as u32), now_ms) {
                self.check(&span);
                let dearer_is_right = self.behaviours.iter().enumerate().all(|(other, behaviour)| {
                    let state = self.schedule.sources.get(&SourceId(other as u32));
                    let is_able =
                        state.is_some_and(|state| state.may_be_asked(now_ms) && !state.lacks.contains(span.range));
                    behaviour.cost >= self.behaviours[number].cost || !is_able
                });
                assert!(dearer_is_right || span.is_repeat, "{span:?} is cheaper elsewhere");
                self.open.insert(span.id, (span, 0, now_ms));
            }
        }
        self.deliver();
    }

    fn deliver(&mut self) {
        let now_ms = self.now_ms;
        for number in 0..self.behaviours.len() {
            let behaviour = self.behaviours[number].clone();
            let id = SourceId(number as u32);
            let ready: Vec<SpanId> = self
                .open
                .values()
                .filter(|(span, _, opened)| span.source == id && now_ms >= opened + behaviour.latency_ms)
                .map(|(span, ..)| span.id)
                .collect();
            let share = behaviour.line_bytes_per_sec / ready.len().max(1) as u64;
            for (place, span_id) in ready.into_iter().enumerate() {
                // Senders do not share a line fairly: every second gets a twentieth of what it should.
                let share = match behaviour.is_unfair {
                    true if place % 2 == 1 => share / 20,
                    true => share * 39 / 20,
                    false => share,
                };
                let (span, done, _) = self.open[&span_id];
                let piece = self.layout.pieces.partition_point(|piece| piece.at <= span.range.start) as u64;
                if piece.is_multiple_of(behaviour.lacks_every) {
                    self.end(span_id, Outcome::Gone);
                } else if !behaviour.answers(now_ms) {
                    // Silent, or gone without a word.
                } else if self.draw.next_u64() % 1000 < behaviour.breaks {
                    self.end(span_id, Outcome::Broken);
                } else {
                    let bytes = share.min(behaviour.connection_bytes_per_sec) * STEP_MS / 1000;
                    let bytes = bytes.max(1).min(span.range.byte_count() - done);
                    self.receive(span_id, bytes);
                }
            }
        }
    }

    fn receive(&mut self, span_id: SpanId, bytes: u64) {
        self.received_bytes += bytes;
        let (claimed, is_over) = self.schedule.claim(span_id, bytes);
        let (span, done, _) = self.open.get_mut(&span_id).unwrap();
        if claimed < bytes {
            // The span was shortened; what is on its way comes in vain.
            self.received_bytes += bytes * self.vain_ms / STEP_MS;
            self.surplus_bytes += bytes - claimed;
        }
        let bytes = claimed;
        let start = span.range.start + *done;
        *done += bytes;
        *self.from.entry(span.source).or_default() += bytes;
        let (range, is_whole) = (span.range, span.is_whole);
        let fresh = self.schedule.received(span_id, bytes, self.now_ms);
        if !is_whole {
            assert_eq!(fresh, self.got.insert(ByteRange { start, end: start + bytes }));
        } else if is_over {
            self.got.insert(range);
        }
        if is_over {
            self.end(span_id, Outcome::Complete);
        }
    }

    fn end(&mut self, span: SpanId, outcome: Outcome) {
        self.open.remove(&span);
        self.schedule.ended(span, outcome, self.now_ms);
    }

    /// Runs to the end; returns how many seconds that took.
    fn run(&mut self, secs_max: u64) -> f64 {
        while !self.schedule.is_finished() {
            self.step();
            assert!(self.now_ms <= secs_max * 1000, "{} bytes are missing", self.schedule.rest_bytes());
        }
        assert!(self.got.contains(ByteRange { start: 0, end: self.layout.wire_bytes }));
        let wasted = self.received_bytes - self.layout.wire_bytes;
        let foreseen = wasted - self.surplus_bytes.min(wasted);
        assert!(foreseen * 1000 <= self.layout.wire_bytes * 4, "{wasted} bytes came twice");
        assert!(self.surplus_bytes * 50 <= self.layout.wire_bytes, "{} bytes were surplus", self.surplus_bytes);
        self.now_ms as f64 / 1000.0
    }
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    let cost = prop::sample::select(vec![CostClass::Lan, CostClass::OnNet, CostClass::Night, CostClass::Metered]);
    let unfair = any::<bool>();
    let faults = (0..60_000u64, 5_000..120_000u64, 0..20u64, prop::sample::select(vec![2, 3, 5, u64::MAX]));
    let silent = prop::sample::select(vec![(0, 1), (20_000, 60_000), (3_000, 10_000), (15_000, 45_000)]);
    (cost, 200..5_000_000u64, 0..700u64, faults, silent, unfair).prop_map(
        |(cost, rate, latency_ms, faults, silent, is_unfair)| {
            let (appears_ms, lives_ms, breaks, lacks_every) = faults;
            Behaviour {
                cost,
                line_bytes_per_sec: rate,
                connection_bytes_per_sec: rate / 3 + 1,
                latency_ms,
                appears_ms,
                dies_ms: appears_ms + lives_ms,
                silent,
                breaks,
                lacks_every,
                is_unfair,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_file_comes_whatever_the_sources_do(
        seed: u64,
        others in prop::collection::vec(behaviour(), 0..5),
        pieces in prop::collection::vec(1..6_000_000u64, 1..12),
        cost in 0..4usize,
        last_breaks in 0..30u64,
    ) {
        // One that lives, slow and with cuts, so that there is an end.
        let cost = [CostClass::Lan, CostClass::OnNet, CostClass::Night, CostClass::Metered][cost];
        let lasting = Behaviour {
            cost, line_bytes_per_sec: 400_000, connection_bytes_per_sec: 150_000,
            silent: (15_000, 45_000), breaks: last_breaks, ..Behaviour::default()
        };
        let mut behaviours = others;
        behaviours.push(lasting);
        World::new(layout(&pieces), behaviours, seed).run(3_000);
    }

    #[test]
    fn wrong_bytes_are_asked_for_again_and_the_banned_get_nothing(seed: u64, at in 0..4_000_000u64) {
        let layout = layout(&[3_000_000, 2_000_000]);
        let mut world = World::new(layout, vec![Behaviour::default(), Behaviour::default()], seed);
        while world.schedule.rest_bytes() > 1_000_000 {
            world.step();
        }
        let bad = ByteRange { start: at, end: at + 65_536 };
        world.schedule.ban(SourceId(0));
        world.open.retain(|_, (span, ..)| span.source != SourceId(0));
        let before = world.from[&SourceId(0)];
        world.schedule.lost(bad, true);
        world.got.remove(bad);
        while !world.schedule.is_finished() {
            world.step();
            prop_assert!(world.now_ms < 100_000);
        }
        prop_assert_eq!(world.from[&SourceId(0)], before);
        prop_assert!(world.schedule.is_banned(SourceId(0)) && !world.schedule.is_banned(SourceId(1)));
    }
}

#[test]
fn the_line_is_full_and_the_end_is_not_slow() {
    // 10 Mbit/s, 300 ms: 64 MiB in 53.7 s.
    let behaviour =
        Behaviour { line_bytes_per_sec: 1_250_000, connection_bytes_per_sec: 600_000, ..Behaviour::default() };
    let secs = World::new(layout(&[64 << 20]), vec![behaviour], 1).run(100);
    assert!(secs < 53.7 * 1.05, "{secs}");
}

#[test]
fn connections_make_up_for_a_loss_based_sender() {
    // Each connection gets 0.6 Mbit/s of 10.
    let behaviour =
        Behaviour { line_bytes_per_sec: 1_250_000, connection_bytes_per_sec: 78_000, ..Behaviour::default() };
    let secs = World::new(layout(&[256 << 20]), vec![behaviour], 1).run(400);
    assert!(secs < 256.0 * 1.048576 / 1.25 * 1.15, "{secs}");
}

#[test]
fn an_outage_costs_little_more_than_itself() {
    // Silent from 0 to 20 s of each 100 s, so the first bytes come at 20 s, and 64 MiB by 74 s.
    let behaviour = Behaviour {
        line_bytes_per_sec: 1_250_000,
        connection_bytes_per_sec: 600_000,
        silent: (20_000, 100_000),
        ..Behaviour::default()
    };
    let secs = World::new(layout(&[64 << 20]), vec![behaviour], 1).run(100);
    assert!(secs < 20.0 + 53.7 * 1.06, "{secs}");
}

#[test]
fn two_equal_sources_are_twice_as_fast_as_one() {
    let behaviour =
        Behaviour { line_bytes_per_sec: 250_000, connection_bytes_per_sec: 250_000, ..Behaviour::default() };
    let one = World::new(layout(&[16 << 20]), vec![behaviour.clone()], 1).run(100);
    let two = World::new(layout(&[16 << 20]), vec![behaviour.clone(), behaviour], 1).run(100);
    assert!(one / two > 1.9, "{one} {two}");
}

/// Two lines of 2 Mbit/s on which connections are not equal: 16 MiB in 33.6 s.
#[test]
fn unequal_connections_end_together() {
    let behaviour = Behaviour {
        line_bytes_per_sec: 250_000,
        connection_bytes_per_sec: 250_000,
        is_unfair: true,
        ..Behaviour::default()
    };
    let mut world = World::new(layout(&[16 << 20]), vec![behaviour.clone(), behaviour], 1);
    world.vain_ms = 150;
    let secs = world.run(100);
    assert!(secs < 33.6 * 1.06, "{secs}");
}

#[test]
fn a_slow_source_does_not_hold_up_the_end() {
    let fast = Behaviour { line_bytes_per_sec: 5_000_000, connection_bytes_per_sec: 2_000_000, ..Behaviour::default() };
    let slow = Behaviour { line_bytes_per_sec: 20_000, connection_bytes_per_sec: 10_000, ..Behaviour::default() };
    let alone = World::new(layout(&[32 << 20]), vec![fast.clone()], 1).run(100);
    let both = World::new(layout(&[32 << 20]), vec![slow, fast], 1).run(100);
    assert!(both < alone + 4.0, "{both} {alone}");
}

#[test]
fn a_drip_loses_its_span_only_while_there_is_another() {
    let drip = Behaviour {
        cost: CostClass::Lan,
        line_bytes_per_sec: 100,
        connection_bytes_per_sec: 50,
        ..Behaviour::default()
    };
    let dear = Behaviour { cost: CostClass::Metered, ..Behaviour::default() };
    let secs = World::new(layout(&[4 << 20]), vec![drip.clone(), dear], 1).run(100);
    assert!(secs < 30.0, "{secs}");
    let mut alone = World::new(layout(&[100_000]), vec![drip], 1);
    alone.run(5_000);
}

#[test]
fn a_dear_source_rests_while_a_cheap_one_answers() {
    let cheap = Behaviour { cost: CostClass::Lan, ..Behaviour::default() };
    let dear = Behaviour { cost: CostClass::Metered, line_bytes_per_sec: 50_000_000, ..Behaviour::default() };
    let mut world = World::new(layout(&[8 << 20]), vec![dear.clone(), cheap], 1);
    world.run(100);
    assert_eq!(world.from.get(&SourceId(0)), None);
    // The cheap one lacks every second piece: those and only those come from the dear one.
    let partial = Behaviour { cost: CostClass::Lan, lacks_every: 2, ..Behaviour::default() };
    let mut world = World::new(layout(&[1 << 20; 8]), vec![dear, partial], 1);
    world.run(100);
    assert_eq!(world.from[&SourceId(0)], 4 << 20);
}

#[test]
fn what_a_reader_waits_for_comes_first() {
    let mut world = World::new(layout(&[64 << 20]), vec![Behaviour::default()], 1);
    // Until as many connections are at work as the line needs.
    for _ in 0..60 {
        world.step();
    }
    let wanted = ByteRange { start: 60 << 20, end: 61 << 20 };
    world.schedule.want_first(7, wanted);
    let since = world.now_ms;
    while !world.got.contains(wanted) {
        world.step();
    }
    assert!(world.now_ms - since < 8_000, "{}", world.now_ms - since);
    world.schedule.want_no_more(7);
    world.run(100);
}

#[test]
fn a_whole_chunk_comes_from_one_source_or_not_at_all() {
    let layout = layout(&[1 << 20]);
    let mut schedule = Schedule::new(&layout, Extents::new(), ScheduleParams::default());
    schedule.needed = all(&layout);
    schedule.got = all(&layout);
    let bad = ByteRange { start: 100_000, end: 150_000 };
    schedule.source_add(SourceId(0), CostClass::Lan, 0);
    schedule.lost(bad, true);
    let span = schedule.next(SourceId(0), 0).unwrap();
    assert!(span.is_whole && span.range == bad);
    assert_eq!(schedule.received(span.id, 20_000, 10), 0);
    schedule.ended(span.id, Outcome::Broken, 20);
    let again = schedule.next(SourceId(0), 30).unwrap();
    assert!(again.is_whole && again.range == bad);
    schedule.received(again.id, 50_000, 40);
    assert!(!schedule.is_finished());
    schedule.ended(again.id, Outcome::Complete, 40);
    assert!(schedule.is_finished());
}

#[test]
fn many_spans_cost_little() {
    // 500 GB in pieces of 64 KiB with holes: the worst that a dedupe leaves.
    let pieces = vec![65_536u64; 200_000];
    let layout = layout(&pieces);
    let mut missing = Extents::new();
    layout.pieces.iter().step_by(2).for_each(|piece| {
        missing.insert(piece.range());
    });
    let mut schedule = Schedule::new(&layout, missing, ScheduleParams::default());
    (0..8).for_each(|n| schedule.source_add(SourceId(n), CostClass::OnNet, 0));
    let (mut now_ms, mut spans) = (0, 0);
    while !schedule.is_finished() {
        now_ms += 1;
        for n in 0..8 {
            while let Some(span) = schedule.next(SourceId(n), now_ms) {
                schedule.received(span.id, span.range.byte_count(), now_ms);
                schedule.ended(span.id, Outcome::Complete, now_ms);
                spans += 1;
            }
        }
    }
    assert_eq!(spans, 100_000);
}

#[test]
fn a_source_that_gave_nothing_for_hours_overflows_nothing() {
    let layout = layout(&[1 << 30]);
    let params = ScheduleParams { silence_ms: 1 << 40, drip_bytes_per_sec: 0, ..ScheduleParams::default() };
    let mut schedule = Schedule::new(&layout, all(&layout), params);
    for source in [SourceId(0), SourceId(1)] {
        schedule.source_add(source, CostClass::OnNet, 0);
        while let Some(span) = schedule.next(source, 0) {
            schedule.received(span.id, 1, 1);
        }
    }
    for window in 1..2_000 {
        schedule.tick(window * 10_000);
        // Neither panics, nor is anything asked for that is not there.
        schedule.next(SourceId(0), window * 10_000);
        schedule.next(SourceId(1), window * 10_000);
    }
    assert!(schedule.bytes_per_sec(SourceId(0), 20_000_000).is_some_and(|rate| rate < 1e-9));
}
