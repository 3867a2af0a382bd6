//! What a simulation found, for programs (JSON) and for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::policy::units::show_bytes;

/// What the nodes of one class saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// Name of the class.
    pub class: String,
    /// Nodes of it.
    pub nodes: u64,
    /// Requests of its users.
    pub requests: u64,
    /// Answered from the disk, in hundredths of a percent of those that the rules let through.
    pub hits_per_10000: u64,
    /// The same in bytes.
    pub byte_hits_per_10000: u64,
    /// Requests for repositories of which the rules keep metadata only.
    pub metadata_only: u64,
    /// Bytes received by its nodes, by cost class of the line.
    pub received_bytes: BTreeMap<String, u64>,
    /// Milliseconds until configuration, tokenizer and headers were there, of requests that had to wait.
    pub first_usable_ms_p50: u64,
    /// The same, which 99 of 100 did not exceed.
    pub first_usable_ms_p99: u64,
    /// Milliseconds until everything was there, of requests that had to wait and whose wait ended.
    pub whole_ms_p50: u64,
    /// The same, which 99 of 100 did not exceed.
    pub whole_ms_p99: u64,
    /// Requests whose bytes were still on their way at the end.
    pub unfinished: u64,
    /// Bytes of the catalogue for one node and day.
    pub catalogue_bytes_per_node_day: u64,
}

/// What a simulation found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Days simulated.
    pub days: u64,
    /// Nodes.
    pub nodes: u64,
    /// Repositories.
    pub repos: u64,
    /// Events handled.
    pub events: u64,
    /// Transfers that ended with everything here.
    pub transfers: u64,
    /// Outages.
    pub outages: u64,
    /// Spans that an outage or the end of a window cut.
    pub cut_spans: u64,
    /// Requests of all users.
    pub requests: u64,
    /// Answered from the disk, in hundredths of a percent of those that the rules let through.
    pub hits_per_10000: u64,
    /// The same in bytes.
    pub byte_hits_per_10000: u64,
    /// Bytes received by all nodes, by cost class of the line.
    pub received_bytes: BTreeMap<String, u64>,
    /// Bytes that came over a line to the receiver's own region.
    pub region_bytes: u64,
    /// By class of node.
    pub classes: Vec<ClassReport>,
    /// Entries of the catalogue published.
    pub entries: u64,
    /// Milliseconds from publication until a node knew, of all pairs of entry and node.
    pub staleness_ms_p50: u64,
    /// The same, which 99 of 100 did not exceed.
    pub staleness_ms_p99: u64,
    /// Bytes of the catalogue for one node and day.
    pub catalogue_bytes_per_node_day: u64,
    /// Files evicted, in repositories.
    pub evicted: u64,
    /// Repositories with a goal for copies.
    pub goals: u64,
    /// Of them, below the goal after the first day.
    pub below_goal_at_first: u64,
    /// Of them, below the goal at the end.
    pub below_goal_at_end: u64,
    /// Months of lines that received more than their budget. Must be 0.
    pub budget_violations: u64,
    /// Bytes of large files that came over a line that was closed. Must be 0.
    pub window_violation_bytes: u64,
    /// Bytes that were here already. Must be 0.
    pub refetched_bytes: u64,
}

impl Report {
    /// Returns the promises that were broken, in words. Empty is good.
    pub fn broken_promises(&self) -> Vec<String> {
        let promises = [
            (self.budget_violations, "monthly budgets were exceeded"),
            (self.window_violation_bytes, "bytes came outside of windows"),
            (self.refetched_bytes, "bytes were fetched twice"),
        ];
        let broken = promises.iter().filter(|(count, _)| *count > 0);
        broken.map(|(count, what)| format!("{count} {what}")).collect()
    }
}

/// Returns a share in hundredths of a percent.
pub(super) fn per_10000(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 10_000 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

fn percent(per_10000: u64) -> String {
    format!("{}.{} %", per_10000 / 100, per_10000 % 100 / 10)
}

/// Shows a duration in its two largest units at most.
fn duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..100_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        100_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} nodes, {} repositories, {} days, seed {}", self.nodes, self.repos, self.days, self.seed)?;
        writeln!(
            f,
            "{} requests: {} answered at once ({} of bytes), not counting metadata-only",
            self.requests,
            percent(self.hits_per_10000),
            percent(self.byte_hits_per_10000)
        )?;
        writeln!(
            f,
            "{} transfers, {} outages, {} spans cut, {} repositories evicted, {} events",
            self.transfers, self.outages, self.cut_spans, self.evicted, self.events
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<10} {:>5} {:>8} {:>7} {:>8} {:>9} {:>17} {:>17} {:>8} {:>10}",
            "class",
            "nodes",
            "requests",
            "hits",
            "of bytes",
            "metadata",
            "usable p50/p99",
            "whole p50/p99",
            "waiting",
            "catalogue"
        )?;
        for class in &self.classes {
            writeln!(
                f,
                "{:<10} {:>5} {:>8} {:>7} {:>8} {:>9} {:>17} {:>17} {:>8} {:>10}",
                class.class,
                class.nodes,
                class.requests,
                percent(class.hits_per_10000),
                percent(class.byte_hits_per_10000),
                class.metadata_only,
                format!("{}/{}", duration(class.first_usable_ms_p50), duration(class.first_usable_ms_p99)),
                format!("{}/{}", duration(class.whole_ms_p50), duration(class.whole_ms_p99)),
                class.unfinished,
                format!("{}/d", show_bytes(class.catalogue_bytes_per_node_day)),
            )?;
        }
        writeln!(f)?;
        writeln!(f, "{:<10} {:>10} {:>10} {:>10} {:>10}", "received", "lan", "on-net", "night", "metered")?;
        let all = ("all", &self.received_bytes);
        let rows = self.classes.iter().map(|class| (class.class.as_str(), &class.received_bytes));
        for (name, bytes) in rows.chain([all]) {
            let of = |cost: &str| show_bytes(bytes.get(cost).copied().unwrap_or(0));
            writeln!(f, "{name:<10} {:>10} {:>10} {:>10} {:>10}", of("lan"), of("on-net"), of("night"), of("metered"))?;
        }
        writeln!(f, "from the own region: {}", show_bytes(self.region_bytes))?;
        writeln!(f)?;
        writeln!(
            f,
            "catalogue: {} entries; a node knew after {} (p50), {} (p99); {} for a node and day",
            self.entries,
            duration(self.staleness_ms_p50),
            duration(self.staleness_ms_p99),
            show_bytes(self.catalogue_bytes_per_node_day)
        )?;
        writeln!(
            f,
            "copies: {} repositories with a goal, {} below it after the first day, {} at the end",
            self.goals, self.below_goal_at_first, self.below_goal_at_end
        )?;
        let broken = self.broken_promises();
        if broken.is_empty() {
            writeln!(f, "promises: no budget exceeded, no byte outside of windows, no byte fetched twice")
        } else {
            writeln!(f, "BROKEN PROMISES: {}", broken.join("; "))
        }
    }
}
