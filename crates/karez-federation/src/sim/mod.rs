//! A whole federation in one thread: 193 nodes, their lines, users and outages, for a month.
//!
//! # Purpose
//! What a policy does to a federation cannot be seen on one node. The simulator runs the policy code and
//! the transfer scheduler that the program runs, with a world around them: who asks for what, how fast
//! lines are, when they are cut. It says how many bytes went over which kind of line, how often a request
//! was answered at once, how long people waited, how old the catalogue was, and whether a promise was
//! broken (a budget, a window, a byte fetched twice).
//!
//! # How
//! Discrete events in order of time, then of creation; one seed; no threads, sockets or clock. The same
//! seed gives the same report. A line is a queue that serves bytes at its rate, so that no more bytes pass
//! than fit; what is small goes before what waits. `docs/simulator.md` lists what is modelled.

mod catalogue;
mod delivery;
mod feeds;
mod hub;
mod node;
mod random;
mod report;
mod transfer;
mod world;

pub use report::{ClassReport, Report};

use karez_types::Timestamp;

/// What to simulate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// All chance comes from it.
    pub seed: u64,
    /// Days to simulate.
    pub days: u64,
    /// Repositories in the catalogue.
    pub repos: usize,
    /// Exponent of the demand: 1.0 is what hubs see.
    pub zipf_exponent: f64,
    /// New revisions a day, all nodes together.
    pub revisions_per_day: u64,
    /// Minutes between two polls of a node.
    pub poll_minutes: u64,
    /// Popular repositories a day that lose their place in the demand to others.
    pub drift_per_day: usize,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            seed: 1,
            days: 30,
            repos: 2_000_000,
            zipf_exponent: 1.0,
            revisions_per_day: 20_000,
            poll_minutes: 60,
            drift_per_day: 100,
        }
    }
}

/// The simulation begins on 20 January 2026, so that thirty days see a month end.
const START: Timestamp = Timestamp(1_768_867_200_000);
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Returns the moment of a simulated millisecond.
fn moment(now_ms: u64) -> Timestamp {
    Timestamp(START.0 + now_ms as i64)
}

/// Runs a simulation to its end.
pub fn run(params: &Params) -> Report {
    hub::World::new(*params).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(seed: u64, days: u64) -> Params {
        Params { seed, days, repos: 300_000, ..Params::default() }
    }

    /// Returns the CPU seconds of this thread, for a machine that does other things too.
    fn cpu_secs() -> f64 {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanos = stat.split(' ').next().and_then(|first| first.parse::<u64>().ok());
        nanos.unwrap_or(0) as f64 / 1e9
    }

    #[test]
    fn the_same_seed_gives_the_same_report() {
        let (first, second) = (run(&small(7, 2)), run(&small(7, 2)));
        assert_eq!(first, second);
        assert_ne!(first.events, run(&small(8, 2)).events, "and another seed another");
    }

    #[test]
    fn promises_hold_for_three_seeds() {
        for seed in 1..=3 {
            let report = run(&small(seed, 3));
            assert_eq!(report.broken_promises(), Vec::<String>::new(), "seed {seed}");
            assert!(report.cut_spans > 100 && report.outages > 100, "there was something to survive: {report}");
            // The target: lag p99 at most two poll periods, at most 10 MB a day.
            assert!(report.staleness_ms_p99 <= 2 * 60 * MINUTE_MS, "seed {seed}: {report}");
            assert!(report.catalogue_bytes_per_node_day < 10_000_000, "seed {seed}: {report}");
            assert!(report.below_goal_at_end < report.below_goal_at_first, "seed {seed}: {report}");
        }
    }

    #[test]
    fn without_change_a_cache_hits_as_often_as_the_closed_form_says() {
        let still = Params { revisions_per_day: 0, drift_per_day: 0, days: 3, ..Params::default() };
        let report = run(&still);
        let custodians = &report.classes[0];
        // 196 TB of the most asked (mean 14 GB) and a tenth of everything else, which is theirs to keep.
        let top = catalogue::Zipf::new(still.repos, 1.0).share_of_top(196_000 / 14);
        let ideal = top + (1.0 - top) / 10.0;
        let seen = custodians.hits_per_10000 as f64 / 10_000.0;
        assert!((seen - ideal).abs() < 0.04, "{seen:.3} seen, {ideal:.3} in the ideal");
    }

    #[test]
    fn thirty_days_of_193_nodes() {
        let before = cpu_secs();
        let report = run(&Params::default());
        println!("{report}\n{:.1} CPU seconds", cpu_secs() - before);
        assert_eq!((report.nodes, report.broken_promises()), (193, Vec::new()));
        assert!(report.staleness_ms_p99 <= 2 * 60 * MINUTE_MS, "{report}");
        assert!(report.evicted > 0 && report.below_goal_at_end * 4 < report.below_goal_at_first, "{report}");
    }
}
