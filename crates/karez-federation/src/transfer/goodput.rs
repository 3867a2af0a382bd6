//! How fast a source gives bytes, and how many connections that takes.
//!
//! One connection with a loss-based sender uses a tenth of a poor line, so more are tried while the total
//! grows; where the sender is better, one or two do, and more would only fill queues.

/// Shortest time over which a rate is measured; and at least [`WINDOW_RTTS`] round trips.
const WINDOW_MS: u64 = 2_000;
const WINDOW_RTTS: u64 = 8;

/// Weight of the newest window in the running mean.
const NEWEST_WEIGHT: f64 = 0.4;

/// Connections to a sender that fills a line with one: others, so that the line is busy while requests travel
/// and while one of them repairs a loss.
const FEW: usize = 3;

/// Round trip from which loss-based senders are slow enough for a start with twice as many.
const LONG_RTT_MS: u64 = 150;

/// More connections stay when the total grew by more than this.
const GROWTH_MIN: f64 = 1.10;

/// Fewer connections stay when the total shrank by less than this.
const SHRINK_MAX: f64 = 0.95;

/// When the running mean falls below this part of the rate that a number was chosen for, that rate was no measure: the
/// connections were still in the burst of their beginning, or the line is another now.
const FALLEN_MAX: f64 = 0.8;

/// How long a number that was found is left alone; doubles up to the second number.
const HOLD_MS: u64 = 15_000;
const HOLD_MS_MAX: u64 = 120_000;

/// How many connections a source may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionBounds {
    pub(super) min: usize,
    pub(super) start: usize,
    pub(super) max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Measures before anything is tried. Over a long way the first window does not count: slow start overshoots,
    /// and for a second or two a few connections fill a line that they will not fill again.
    First { settled: bool },
    /// Measures what a change did, against the rate before it and the number to go back to.
    Tried { back: usize, before: f64, settled: bool },
    /// Leaves the number alone while the running mean stays near what it was chosen for.
    Hold { until_ms: u64, chosen_for: f64 },
}

/// Measures one source.
#[derive(Debug, Clone)]
pub(super) struct Goodput {
    bounds: ConnectionBounds,
    connections: usize,
    phase: Phase,
    tries_fewer: bool,
    /// Whether every try so far brought more.
    is_growing: bool,
    /// Whether the source has said that few suffice.
    needs_few: bool,
    hold_ms: u64,
    window_start_ms: u64,
    window_bytes: u64,
    /// Whether the source had work for all its connections in the whole window.
    window_is_full: bool,
    mean: Option<f64>,
}

impl Goodput {
    pub(super) fn new(bounds: ConnectionBounds, now_ms: u64) -> Goodput {
        Goodput {
            bounds,
            connections: bounds.start.clamp(bounds.min, bounds.max),
            phase: Phase::First { settled: false },
            tries_fewer: false,
            is_growing: true,
            needs_few: false,
            hold_ms: HOLD_MS,
            window_start_ms: now_ms,
            window_bytes: 0,
            window_is_full: true,
            mean: None,
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Bytes a second: the running mean, or what the first window has so far.
    pub(super) fn bytes_per_sec(&self, now_ms: u64) -> Option<f64> {
        let elapsed_ms = now_ms.saturating_sub(self.window_start_ms);
        let so_far = (elapsed_ms >= WINDOW_MS / 4 && self.window_bytes > 0)
            .then(|| self.window_bytes as f64 * 1000.0 / elapsed_ms as f64);
        self.mean.or(so_far)
    }

    pub(super) fn received(&mut self, bytes: u64) {
        self.window_bytes += bytes;
    }

    /// Says that the source is not fully used at the moment, so what it gives now is not what it could.
    pub(super) fn not_full(&mut self) {
        self.window_is_full = false;
    }

    /// Begins a new measurement: after an outage, or when work begins.
    pub(super) fn restart(&mut self, now_ms: u64) {
        self.window_start_ms = now_ms;
        self.window_bytes = 0;
        self.window_is_full = true;
        if let Phase::Tried { settled, .. } = &mut self.phase {
            *settled = false;
        }
    }

    /// Says that one connection fills a line.
    pub(super) fn few_suffice(&mut self) {
        if !std::mem::replace(&mut self.needs_few, true) {
            self.connections = self.connections.min(FEW);
            // There is little to find out, and each try costs a line that is not full for a moment.
            self.hold_ms = HOLD_MS_MAX;
            self.phase = Phase::First { settled: false };
        }
    }

    /// Takes a refused connection as the bound that it is.
    pub(super) fn no_more_than(&mut self, connections: usize, now_ms: u64) {
        self.connections = connections.clamp(self.bounds.min, self.connections.max(self.bounds.min));
        let chosen_for = self.bytes_per_sec(now_ms).unwrap_or(0.0);
        self.phase = Phase::Hold { until_ms: now_ms + self.hold_ms, chosen_for };
    }

    /// Closes the window when it is over.
    pub(super) fn tick(&mut self, rtt_ms: u64, now_ms: u64) {
        let is_fresh = matches!(self.phase, Phase::First { .. }) && self.mean.is_none() && !self.needs_few;
        if is_fresh && rtt_ms >= LONG_RTT_MS && self.connections == self.bounds.start {
            self.connections = (2 * self.bounds.start).min(self.bounds.max);
        }
        let elapsed_ms = now_ms.saturating_sub(self.window_start_ms);
        if elapsed_ms < WINDOW_MS.max(WINDOW_RTTS * rtt_ms) {
            return;
        }
        let rate = self.window_bytes as f64 * 1000.0 / elapsed_ms as f64;
        let was_full = self.window_is_full;
        self.window_start_ms = now_ms;
        self.window_bytes = 0;
        self.window_is_full = true;
        if !was_full {
            return;
        }
        self.mean = Some(self.mean.map_or(rate, |mean| mean + NEWEST_WEIGHT * (rate - mean)));
        self.adapt(rate, rtt_ms, now_ms);
    }

    fn adapt(&mut self, rate: f64, rtt_ms: u64, now_ms: u64) {
        match self.phase {
            Phase::First { settled: false } if rtt_ms >= LONG_RTT_MS => self.phase = Phase::First { settled: true },
            Phase::First { .. } => self.try_other(rate, now_ms),
            Phase::Hold { until_ms, .. } if now_ms >= until_ms => self.try_other(rate, now_ms),
            Phase::Hold { chosen_for, .. } if self.has_fallen(chosen_for) => {
                self.tries_fewer = false;
                self.is_growing = true;
                self.try_other(rate, now_ms);
            }
            Phase::Hold { .. } => {}
            // The window of the change has both numbers in it.
            Phase::Tried { back, before, settled: false } => self.phase = Phase::Tried { back, before, settled: true },
            Phase::Tried { back, before, .. } if self.connections > back => {
                if rate > before * GROWTH_MIN {
                    self.try_other(rate, now_ms);
                } else {
                    self.go_back(back, before, now_ms);
                }
            }
            Phase::Tried { back, before, .. } => {
                if rate >= before * SHRINK_MAX {
                    // The rate before the first step stays the measure, or many small losses would add up.
                    self.try_other(before, now_ms);
                } else {
                    self.go_back(back, before, now_ms);
                }
            }
        }
    }

    /// Whether more connections may bring back what a number was chosen for.
    fn has_fallen(&self, chosen_for: f64) -> bool {
        let may_grow = !self.needs_few && self.connections < self.bounds.max;
        may_grow && self.mean.is_some_and(|mean| mean < chosen_for * FALLEN_MAX)
    }

    fn try_other(&mut self, before: f64, now_ms: u64) {
        let back = self.connections;
        // A loss-based sender gains with each, and one at a time would take minutes.
        let other = match self.tries_fewer {
            true => back - 1,
            false if self.is_growing && !self.needs_few => 2 * back,
            false => back + (back / 2).max(1),
        };
        self.connections = other.clamp(self.bounds.min, self.bounds.max);
        if self.connections == back {
            self.go_back(back, before, now_ms);
        } else {
            self.phase = Phase::Tried { back, before, settled: false };
        }
    }

    fn go_back(&mut self, back: usize, chosen_for: f64, now_ms: u64) {
        self.connections = back;
        self.is_growing = false;
        self.tries_fewer = !self.tries_fewer;
        self.phase = Phase::Hold { until_ms: now_ms + self.hold_ms, chosen_for };
        self.hold_ms = (self.hold_ms * 2).min(HOLD_MS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: ConnectionBounds = ConnectionBounds { min: 2, start: 4, max: 16 };

    /// Runs a source whose total depends on the number of connections; returns where it settles.
    fn settle(total: impl Fn(usize) -> f64) -> usize {
        let mut goodput = Goodput::new(BOUNDS, 0);
        let mut seen = Vec::new();
        for second in 1..600 {
            goodput.received(total(goodput.connections()) as u64);
            goodput.tick(300, second * 1000);
            assert!((2..=16).contains(&goodput.connections()));
            seen.push(goodput.connections());
        }
        seen.sort_unstable();
        seen[seen.len() / 2]
    }

    #[test]
    fn connections_follow_what_they_bring() {
        assert_eq!(settle(|connections| connections as f64 * 80_000.0), 16, "each adds its share");
        assert!(settle(|_| 1_250_000.0) <= 4, "one would do");
        let middle = settle(|connections| (connections as f64 * 200_000.0).min(1_250_000.0));
        assert!((6..=9).contains(&middle), "the line is full with seven: {middle}");
    }

    #[test]
    fn a_sender_that_fills_the_line_gets_few() {
        let mut goodput = Goodput::new(BOUNDS, 0);
        goodput.few_suffice();
        let mut most = 0;
        for second in 1..120 {
            goodput.few_suffice();
            goodput.received(1_250_000);
            goodput.tick(300, second * 1000);
            most = most.max(goodput.connections());
        }
        assert!((2..=3).contains(&goodput.connections()) && most <= 4, "{} {most}", goodput.connections());
        // A proxy between that does not is found out.
        let mut goodput = Goodput::new(BOUNDS, 0);
        goodput.few_suffice();
        for second in 1..120 {
            goodput.received(80_000 * goodput.connections() as u64);
            goodput.tick(300, second * 1000);
        }
        assert!(goodput.connections() >= 13, "{}", goodput.connections());
    }

    #[test]
    fn over_a_long_way_there_are_many_soon() {
        let mut goodput = Goodput::new(BOUNDS, 0);
        for second in 1..=8 {
            goodput.received(80_000 * goodput.connections() as u64);
            goodput.tick(300, second * 1000);
        }
        assert_eq!(goodput.connections(), 16);
    }

    /// Slow start overshoots: for a second or two a few connections fill a line that they will not fill again.
    #[test]
    fn a_burst_at_the_beginning_is_no_measure() {
        let mut goodput = Goodput::new(BOUNDS, 0);
        for second in 1..=20 {
            let share = if second <= 3 { 1_250_000 } else { 80_000 * goodput.connections() as u64 };
            goodput.received(share);
            goodput.tick(300, second * 1000);
        }
        assert_eq!(goodput.connections(), 16);
    }

    /// A burst that lasts as long as two numbers are compared says that eight do; the seconds after it say otherwise.
    #[test]
    fn a_number_that_was_chosen_in_a_burst_is_left_soon() {
        let mut goodput = Goodput::new(BOUNDS, 0);
        let mut chosen = Vec::new();
        for second in 1..=40 {
            let share = if second <= 14 { 1_250_000 } else { 80_000 * goodput.connections() as u64 };
            goodput.received(share);
            goodput.tick(300, second * 1000);
            chosen.push(goodput.connections());
        }
        assert!(chosen[13] == 8 && chosen[29] == 16, "{chosen:?}");
    }

    #[test]
    fn a_refused_connection_is_a_bound() {
        let mut goodput = Goodput::new(BOUNDS, 0);
        goodput.no_more_than(3, 0);
        assert_eq!(goodput.connections(), 3);
        goodput.no_more_than(0, 0);
        assert_eq!(goodput.connections(), 2);
    }
}
