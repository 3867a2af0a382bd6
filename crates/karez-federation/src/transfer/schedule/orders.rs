//! What has to be done as time goes by: drop what is dead, probe, measure.

use super::source::{DRIP_REST_MS, Standing};
use super::{Flight, Schedule, SpanId};
use crate::transfer::SourceId;

/// A connection that stands still while others of its source do not is dropped after so many times the
/// silence of an outage: TCP repairs most of them itself.
const LONE_SILENCE_FACTOR: u64 = 4;

/// Time over which a drip is measured.
const DRIP_WINDOW_MS: u64 = 10_000;

/// Time between two probes of a source that cannot be reached. Short: it is what is lost after an outage.
const PROBE_MS: u64 = 500;

/// What the engine has to do. The schedule has taken note already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Stop asking for a span; whatever still comes of it is thrown away.
    Drop(SpanId),
    /// The source is silent: its connections are dead. Forget them, then probe it, and say how that went
    /// with [`Schedule::reached`] or [`Schedule::not_reached`].
    Probe(SourceId),
}

impl Schedule {
    /// Judges silence and speed. To be called a few times a second.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Order> {
        let mut orders = Vec::new();
        let sources: Vec<SourceId> = self.sources.keys().copied().collect();
        for source in &sources {
            self.tick_silence(*source, now_ms, &mut orders);
            self.tick_drip(*source, now_ms, &mut orders);
        }
        self.tick_lone_silence(now_ms, &mut orders);
        self.trim_crawlers(now_ms);
        self.tick_done(&mut orders);
        for source in sources {
            let has_enough = self.flights_of(source) >= self.connections(source);
            let Some(state) = self.sources.get_mut(&source) else { continue };
            if !has_enough {
                state.goodput.not_full();
            }
            state.goodput.tick(state.rtt_ms.unwrap_or(0), now_ms);
            match &mut state.standing {
                Standing::Out { probe_ms, is_probing } if !*is_probing && now_ms >= *probe_ms => {
                    *is_probing = true;
                    orders.push(Order::Probe(source));
                }
                Standing::Resting { until_ms } if now_ms >= *until_ms => state.standing = Standing::Ready,
                _ => {}
            }
        }
        orders
    }

    /// Returns the sources that wait to be planned again, and then for [`Schedule::renewed`].
    pub fn expired(&self) -> Vec<SourceId> {
        let expired = self.sources.iter().filter(|(_, state)| state.standing == Standing::Expired);
        expired.map(|(id, _)| *id).collect()
    }

    /// A probe was answered: the source is asked again.
    pub fn reached(&mut self, source: SourceId, rtt_ms: u64, now_ms: u64) {
        let Some(state) = self.sources.get_mut(&source) else { return };
        if matches!(state.standing, Standing::Out { .. }) {
            state.standing = Standing::Ready;
            state.last_sign_ms = now_ms;
            state.goodput.restart(now_ms);
        }
        if rtt_ms > 0 {
            state.rtt_sample(rtt_ms);
        }
    }

    /// A probe was not answered: another follows soon.
    pub fn not_reached(&mut self, source: SourceId, now_ms: u64) {
        let Some(state) = self.sources.get_mut(&source) else { return };
        if let Standing::Out { probe_ms, is_probing } = &mut state.standing {
            *probe_ms = now_ms + PROBE_MS;
            *is_probing = false;
        }
    }

    /// A source has new addresses.
    pub fn renewed(&mut self, source: SourceId) {
        if let Some(state) = self.sources.get_mut(&source)
            && state.standing == Standing::Expired
        {
            state.standing = Standing::Ready;
        }
    }

    /// No time has passed, for the judge of silence: nothing could be read here, on our own account.
    pub fn excuse_silence(&mut self, now_ms: u64) {
        for state in self.sources.values_mut() {
            state.last_sign_ms = now_ms;
            state.drip_since_ms = now_ms;
            state.drip_bytes = 0;
            state.goodput.not_full();
        }
        self.flights.values_mut().for_each(|flight| flight.excuse(now_ms));
    }

    fn tick_silence(&mut self, source: SourceId, now_ms: u64, orders: &mut Vec<Order>) {
        let Some(state) = self.sources.get(&source) else { return };
        let silent_ms = now_ms.saturating_sub(state.last_sign_ms);
        if self.flights_of(source) == 0 || silent_ms < state.silence_ms_max(&self.params) {
            return;
        }
        orders.extend(self.drop_flights(source).into_iter().map(Order::Drop));
        if let Some(state) = self.sources.get_mut(&source) {
            state.silences += 1;
            if state.standing == Standing::Ready {
                state.standing = Standing::Out { probe_ms: now_ms, is_probing: false };
            }
        }
    }

    fn tick_lone_silence(&mut self, now_ms: u64, orders: &mut Vec<Order>) {
        let is_still = |flight: &Flight| {
            let Some(state) = self.sources.get(&flight.span.source) else { return true };
            let silent_ms = now_ms.saturating_sub(flight.last_byte_ms);
            silent_ms >= LONE_SILENCE_FACTOR * state.silence_ms_max(&self.params)
        };
        let still: Vec<SpanId> = self.flights.values().filter(|f| is_still(f)).map(|f| f.span.id).collect();
        for span in still {
            self.drop_flight(span);
            orders.push(Order::Drop(span));
        }
    }

    fn tick_drip(&mut self, source: SourceId, now_ms: u64, orders: &mut Vec<Order>) {
        let own: Vec<&Flight> = self.flights.values().filter(|flight| flight.span.source == source).collect();
        let has_flights = !own.is_empty();
        let has_other = self.sources.iter().any(|(id, other)| {
            let has_any = || own.iter().any(|flight| !other.lacks.contains(flight.rest()));
            *id != source && other.may_be_asked(now_ms) && has_any()
        });
        let floor = self.params.drip_bytes_per_sec;
        let Some(state) = self.sources.get_mut(&source) else { return };
        let elapsed_ms = now_ms.saturating_sub(state.drip_since_ms);
        if !has_flights {
            (state.drip_since_ms, state.drip_bytes) = (now_ms, 0);
        } else if elapsed_ms >= DRIP_WINDOW_MS {
            let is_drip = state.drip_bytes * 1000 < floor * elapsed_ms;
            (state.drip_since_ms, state.drip_bytes) = (now_ms, 0);
            if is_drip && has_other && state.standing == Standing::Ready {
                state.standing = Standing::Resting { until_ms: now_ms + DRIP_REST_MS };
                orders.extend(self.drop_flights(source).into_iter().map(Order::Drop));
            }
        }
    }

    /// Spans whose bytes have all come another way.
    fn tick_done(&mut self, orders: &mut Vec<Order>) {
        let is_done = |flight: &&Flight| !flight.span.is_whole && self.got.contains(flight.rest());
        let done: Vec<SpanId> = self.flights.values().filter(is_done).map(|flight| flight.span.id).collect();
        for span in done {
            // A span that ended by itself is not dropped: its end is on its way to us.
            if self.flights.get(&span).is_some_and(|flight| !flight.rest().is_empty()) {
                self.drop_flight(span);
                orders.push(Order::Drop(span));
            }
        }
    }
}
