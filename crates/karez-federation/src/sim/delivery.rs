//! Bytes on their way: spans are opened, arrive, and are cut.

use std::collections::BTreeSet;

use karez_types::ByteRange;

use super::hub::{Event, World};
use super::moment;
use super::transfer::{Flight, Source, Transfer};
use crate::policy::choose::{Choice, ranked};
use crate::transfer::{Order, Outcome};

/// Sources that a transfer uses at once.
const SOURCES_MAX: usize = 4;
/// Window of one connection in bytes: what bounds a single TCP flow on a long line.
const WINDOW_BYTES: u64 = 4 << 20;
/// Silence after which an outage is noticed: the larger of two seconds and six round trips.
const SILENCE_MS: u64 = 2_000;
const SILENCE_RTTS: u64 = 6;
/// Time between two probes of a line that is cut.
const PROBE_MS: u64 = 500;
/// Shortest time between two looks of the schedule at what travels: the program looks as often.
const TICK_MS: u64 = 250;
/// A transfer that waits for nothing in particular is looked at again after this.
const LOOK_AGAIN_MS: u64 = 10 * super::MINUTE_MS;

impl World {
    fn taken(&mut self, place: usize) -> Option<Box<Transfer>> {
        self.transfers.get_mut(place)?.take()
    }

    /// A span has arrived, or its line has closed.
    pub(super) fn due(&mut self, place: usize, serial: u64, span: u64) {
        let Some(mut transfer) = self.taken(place) else { return };
        let found = transfer.flights.iter().position(|flight| flight.span.0 == span);
        if let Some(at) = found.filter(|_| transfer.serial == serial) {
            let is_whole = self.now_ms >= transfer.flights[at].end_ms;
            self.arrive(&mut transfer, false);
            let outcome = if is_whole { Outcome::Complete } else { Outcome::Cancelled };
            self.cut_spans += u64::from(!is_whole);
            self.end(&mut transfer, at, outcome);
        }
        self.carry_on(place, transfer);
    }

    pub(super) fn wake(&mut self, place: usize, serial: u64) {
        let Some(mut transfer) = self.taken(place) else { return };
        if transfer.serial == serial && transfer.wake_ms <= self.now_ms {
            transfer.wake_ms = u64::MAX;
            let node = transfer.node;
            if !transfer.has_slot {
                self.nodes[node].waiting.insert((transfer.urgency, transfer.serial, place));
            }
            // Others may have it by now, or it again.
            if transfer.flights.is_empty() {
                self.choose_sources(&mut transfer);
            }
            self.transfers[place] = Some(transfer);
            self.pump(place);
            self.give_slots(node);
            return;
        }
        self.transfers[place] = Some(transfer);
    }

    /// Puts a transfer back, and ends it when all is here.
    fn carry_on(&mut self, place: usize, transfer: Box<Transfer>) {
        if transfer.is_finished() && transfer.flights.is_empty() {
            self.finished(place, *transfer);
            return;
        }
        let node = transfer.node;
        self.transfers[place] = Some(transfer);
        self.pump(place);
        self.give_slots(node);
    }

    /// Tells the schedule what has arrived by now: of spans that are due, or of all.
    fn arrive(&mut self, transfer: &mut Transfer, is_all: bool) {
        for at in 0..transfer.flights.len() {
            let flight = transfer.flights[at];
            let new_bytes = flight.arrived_bytes(self.now_ms) - flight.received_bytes;
            let is_due = self.now_ms >= flight.due_ms;
            if new_bytes > 0 && (is_all || is_due) {
                self.deliver(transfer, at, new_bytes);
            }
        }
    }

    fn deliver(&mut self, transfer: &mut Transfer, at: usize, bytes: u64) {
        let flight = &mut transfer.flights[at];
        flight.received_bytes += bytes;
        let flight = *flight;
        transfer.schedule.received(flight.span, bytes, self.now_ms);
        let end = flight.wire_start + flight.received_bytes;
        let fresh_bytes = transfer.audit.insert(ByteRange { start: end - bytes, end });
        self.refetched_bytes += bytes - fresh_bytes;
        let node = transfer.node;
        let state = &mut self.nodes[node].lines[flight.line];
        state.in_flight_bytes -= bytes;
        // A span that began before a month's end and is charged after it would be free in neither.
        state.charge(bytes, self.now_ms);
        let cost = state.line.cost;
        if !flight.is_small && !state.line.windows.is_empty() && !state.admits_bulk_at(self.now_ms - 1) {
            self.window_violation_bytes += bytes;
        }
        self.tally_received(node, cost, bytes);
        let source = transfer.sources[flight.source];
        if self.nodes[usize::from(source.node)].region == self.nodes[node].region {
            self.region_bytes += bytes;
        }
    }

    /// Takes a span out of the air.
    fn end(&mut self, transfer: &mut Transfer, at: usize, outcome: Outcome) {
        let flight = transfer.flights.swap_remove(at);
        let node = transfer.node;
        self.nodes[node].lines[flight.line].in_flight_bytes -= flight.bytes - flight.received_bytes;
        transfer.schedule.ended(flight.span, outcome, self.now_ms);
        let source = transfer.sources[flight.source].node;
        let record = self.nodes[node].records.entry(source).or_default();
        match outcome {
            Outcome::Complete => record.delivered(flight.bytes, self.now_ms.saturating_sub(flight.start_ms)),
            Outcome::Broken => record.failed(moment(self.now_ms)),
            _ => {}
        }
        if !transfer.is_usable && transfer.has_small() {
            transfer.is_usable = true;
            self.became_usable(transfer);
        }
    }

    /// A node's line is cut: all that travels to it or from it stops where it is.
    pub(super) fn cut(&mut self, node: usize) {
        self.nodes[node].down.clear(self.now_ms);
        self.nodes[node].up.clear(self.now_ms);
        for place in 0..self.transfers.len() {
            let is_hit = |transfer: &Transfer, flight: &Flight| {
                transfer.node == node || usize::from(transfer.sources[flight.source].node) == node
            };
            let touched = self.transfers[place]
                .as_ref()
                .is_some_and(|transfer| transfer.flights.iter().any(|flight| is_hit(transfer, flight)));
            if !touched {
                continue;
            }
            let Some(mut transfer) = self.taken(place) else { continue };
            self.arrive(&mut transfer, true);
            for at in (0..transfer.flights.len()).rev() {
                if is_hit(&transfer, &transfer.flights[at]) {
                    self.cut_spans += 1;
                    self.end(&mut transfer, at, Outcome::Broken);
                }
            }
            // Nobody notices before the silence has lasted.
            let silence_ms = SILENCE_MS.max(SILENCE_RTTS * self.nodes[transfer.node].class.rtt_ms);
            self.wake_at(place, &mut transfer, self.now_ms + silence_ms);
            self.transfers[place] = Some(transfer);
        }
    }

    /// The line is back: its transfers are noticed at the next probe.
    pub(super) fn heal(&mut self, node: usize) {
        let places: BTreeSet<usize> = self.nodes[node].transfers.values().copied().collect();
        let noticed_ms = self.now_ms + PROBE_MS + self.nodes[node].class.rtt_ms;
        for place in places {
            if let Some(mut transfer) = self.taken(place) {
                self.wake_at(place, &mut transfer, noticed_ms);
                self.transfers[place] = Some(transfer);
            }
        }
    }

    fn wake_at(&mut self, place: usize, transfer: &mut Transfer, at_ms: u64) {
        if at_ms < transfer.wake_ms {
            transfer.wake_ms = at_ms;
            self.at(at_ms, Event::Wake { transfer: place, serial: transfer.serial });
        }
    }

    /// Finds who has the revision, and takes the best few by the real ranking.
    fn choose_sources(&mut self, transfer: &mut Transfer) {
        let (node, repo) = (&self.nodes[transfer.node], transfer.repo);
        let holders = self.holders.get(&repo).map_or(&[][..], Vec::as_slice);
        let is_able = |other: &u16| {
            let peer = &self.nodes[usize::from(*other)];
            let has = peer.held.get(&repo).is_some_and(|held| held.version >= transfer.version);
            has && peer.class.is_reachable && peer.is_up
        };
        let mut able: Vec<u16> = holders.iter().copied().filter(is_able).collect();
        able.extend(
            self.catalogue.custodians(repo, self.custodians).iter().filter(|&&n| self.nodes[usize::from(n)].is_up),
        );
        able.sort_unstable();
        able.dedup();
        let choices: Vec<Choice<u16>> = able
            .into_iter()
            .filter(|&other| usize::from(other) != transfer.node)
            .map(|other| {
                let line = node.line_to(self.nodes[usize::from(other)].region);
                let record = node.records.get(&other).copied().unwrap_or_default();
                Choice { key: other, cost: node.lines[line].line.cost, may_start: true, record }
            })
            .collect();
        for source in 0..transfer.sources.len() {
            transfer.schedule.source_remove(Transfer::source_id(source));
        }
        let best = ranked(&choices, moment(self.now_ms)).into_iter().take(SOURCES_MAX);
        let source = |other: u16| {
            let line = node.line_to(self.nodes[usize::from(other)].region);
            Source { node: other, line, is_active: false }
        };
        transfer.sources = best.map(source).collect();
    }

    /// Asks for as much as lines, slots and the schedule allow.
    pub(super) fn pump(&mut self, place: usize) {
        let Some(mut transfer) = self.taken(place) else { return };
        if self.nodes[transfer.node].is_up && !transfer.is_finished() {
            if transfer.sources.is_empty() {
                self.choose_sources(&mut transfer);
            }
            if self.now_ms >= transfer.ticked_ms + TICK_MS {
                // All of it, since the schedule measures, and may take spans back.
                transfer.ticked_ms = self.now_ms;
                self.arrive(&mut transfer, true);
                self.carry_out_orders(&mut transfer);
            }
            for source in 0..transfer.sources.len() {
                while self.open(place, &mut transfer, source) {}
            }
            if transfer.flights.is_empty() {
                self.rest(place, &mut transfer);
            }
        }
        self.transfers[place] = Some(transfer);
    }

    fn carry_out_orders(&mut self, transfer: &mut Transfer) {
        for order in transfer.schedule.tick(self.now_ms) {
            match order {
                Order::Drop(span) => {
                    if let Some(at) = transfer.flights.iter().position(|flight| flight.span == span) {
                        self.end(transfer, at, Outcome::Cancelled);
                    }
                }
                Order::Probe(source) => {
                    let peer = transfer.sources.get(source.0 as usize).map(|source| usize::from(source.node));
                    if peer.is_some_and(|peer| self.nodes[peer].is_up) {
                        transfer.schedule.reached(source, self.nodes[transfer.node].class.rtt_ms, self.now_ms);
                    } else {
                        transfer.schedule.not_reached(source, self.now_ms);
                    }
                }
            }
        }
    }

    /// Opens one more span from a source; false when there is none to open.
    fn open(&mut self, place: usize, transfer: &mut Transfer, at: usize) -> bool {
        let (node, now_ms) = (transfer.node, self.now_ms);
        let source = transfer.sources[at];
        let id = Transfer::source_id(at);
        let is_peer_up = self.nodes[usize::from(source.node)].is_up;
        let wants_small = transfer.wants_small();
        let state = &mut self.nodes[node].lines[source.line];
        state.refresh(now_ms);
        let is_open_for_bulk = transfer.has_slot && state.is_open_for_bulk(transfer.span_bytes_max * 2);
        let is_open_for_small = wants_small && state.is_open_for_small(transfer.small_bytes);
        let is_active = is_peer_up && (is_open_for_bulk || is_open_for_small);
        if is_active != source.is_active {
            transfer.sources[at].is_active = is_active;
            match is_active {
                true => transfer.schedule.source_add(id, state.line.cost, now_ms),
                // What travels already ends by itself.
                false if transfer.flights.iter().any(|flight| flight.source == at) => {
                    transfer.sources[at].is_active = true;
                    return false;
                }
                false => transfer.schedule.source_remove(id),
            }
        }
        if !is_active {
            return false;
        }
        let rtt_ms = self.nodes[node].class.rtt_ms;
        transfer.schedule.reached(id, rtt_ms, now_ms);
        let Some(span) = transfer.schedule.next(id, now_ms) else { return false };
        let is_small = span.range.start < transfer.small_bytes;
        let bytes = span.range.byte_count();
        if !is_small && !is_open_for_bulk {
            transfer.schedule.ended(span.id, Outcome::Cancelled, now_ms);
            return false;
        }
        let (start_ms, end_ms) = self.travel(node, source, bytes, is_small);
        let state = &mut self.nodes[node].lines[source.line];
        state.in_flight_bytes += bytes;
        let due_ms = if is_small { end_ms } else { end_ms.min(state.ends_ms()) };
        transfer.flights.push(Flight {
            span: span.id,
            wire_start: span.range.start,
            source: at,
            line: source.line,
            is_small,
            bytes,
            received_bytes: 0,
            start_ms,
            end_ms,
            due_ms,
        });
        self.at(due_ms, Event::Due { transfer: place, serial: transfer.serial, span: span.id.0 });
        true
    }

    /// Queues a span at all that it passes: the sender's line, the cap of the window, the receiver's line.
    fn travel(&mut self, node: usize, source: Source, bytes: u64, is_small: bool) -> (u64, u64) {
        let now_ms = self.now_ms;
        let rtt_ms = self.nodes[usize::from(source.node)].class.rtt_ms / 2 + self.nodes[node].class.rtt_ms;
        let through = |pipe: &mut super::node::Pipe| {
            if is_small { pipe.push_in(bytes, now_ms) } else { pipe.queue(bytes, now_ms) }
        };
        let mut passes = vec![through(&mut self.nodes[usize::from(source.node)].up)];
        passes.push(through(&mut self.nodes[node].down));
        if !is_small {
            passes.extend(self.nodes[node].lines[source.line].cap().map(through));
        }
        let start_ms = passes.iter().map(|pass| pass.0).max().unwrap_or(now_ms) + rtt_ms;
        let end_ms = passes.iter().map(|pass| pass.1).max().unwrap_or(now_ms) + rtt_ms;
        let one_flow_ms = bytes * rtt_ms / WINDOW_BYTES;
        (start_ms, end_ms.max(start_ms + one_flow_ms).max(start_ms + 1))
    }

    /// Nothing travels: lets others have the slot, and looks again when something may have changed.
    fn rest(&mut self, place: usize, transfer: &mut Transfer) {
        let node = transfer.node;
        if !transfer.has_slot && !transfer.wants_small() {
            if !self.nodes[node].waiting.contains(&(transfer.urgency, transfer.serial, place)) {
                self.wake_at(place, transfer, self.now_ms + LOOK_AGAIN_MS);
            }
            return;
        }
        if transfer.has_slot {
            transfer.has_slot = false;
            self.nodes[node].slots_used -= 1;
        }
        self.nodes[node].waiting.remove(&(transfer.urgency, transfer.serial, place));
        let wants_small = transfer.wants_small();
        let mut wake_ms = if transfer.sources.is_empty() { self.now_ms + LOOK_AGAIN_MS } else { u64::MAX };
        for source in &transfer.sources {
            let state = &self.nodes[node].lines[source.line];
            let is_open = state.is_open_for_bulk(transfer.span_bytes_max * 2)
                || wants_small && state.is_open_for_small(transfer.small_bytes);
            // With an open line it is the source that does not answer.
            let line_ms = state.ends_ms().min(state.month_ends_ms(self.now_ms));
            wake_ms = wake_ms.min(if is_open { self.now_ms + LOOK_AGAIN_MS } else { line_ms });
        }
        self.wake_at(place, transfer, wake_ms.max(self.now_ms + 1));
    }
}
