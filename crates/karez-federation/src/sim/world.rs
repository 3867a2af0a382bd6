//! The nodes: five classes after the ITU's income groups, in eight regions.
//!
//! The figures are assumptions that fit published statistics: rates and round trips of each group,
//! lines of the kind that is sold there, outages from one in a month to one in four hours.

use crate::policy::line::Line;
use crate::policy::rules::Follow;

/// Regions; each has an hour of its own and a research network of its own.
pub(super) const REGION_OFFSETS: [&str; 8] =
    ["-06:00", "-03:00", "+00:00", "+01:00", "+03:00", "+05:30", "+08:00", "+11:00"];

/// Nodes of one kind.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) count: usize,
    pub(super) down_bits_per_sec: u64,
    pub(super) up_bits_per_sec: u64,
    pub(super) rtt_ms: u64,
    /// What its cache may take; custodians hold their share of everything besides.
    pub(super) disk_bytes: u64,
    pub(super) requests_per_day: f64,
    /// Mean time between outages, and how long one lasts.
    pub(super) outage_every_hours: f64,
    pub(super) outage_minutes: f64,
    /// Whether others may fetch from it.
    pub(super) is_reachable: bool,
    /// Whether it fetches at night what its region asks for most.
    pub(super) is_prefetching: bool,
    /// The line to its region's research network, if it has one, and the line to the rest of the world.
    pub(super) region_line: Option<&'static str>,
    pub(super) world_line: &'static str,
    /// What it follows.
    pub(super) follows: &'static str,
}

const TB: u64 = 1_000_000_000_000;

/// 193 nodes: as many as the ITU has member states.
pub(super) const CLASSES: [Class; 5] = [
    // High income, 40 PB of disk: two copies of everything are spread over these.
    Class {
        name: "custodian",
        count: 20,
        down_bits_per_sec: 10_000_000_000,
        up_bits_per_sec: 10_000_000_000,
        rtt_ms: 30,
        disk_bytes: 200 * TB,
        requests_per_day: 200.0,
        outage_every_hours: 720.0,
        outage_minutes: 30.0,
        is_reachable: true,
        is_prefetching: false,
        region_line: Some(r#"{"name":"nren","cost":"on-net"}"#),
        world_line: r#"{"name":"world","cost":"on-net"}"#,
        follows: r#"[{"keep":"demand"}]"#,
    },
    // High and upper-middle income: a national research network's own node.
    Class {
        name: "regional",
        count: 40,
        down_bits_per_sec: 1_000_000_000,
        up_bits_per_sec: 1_000_000_000,
        rtt_ms: 60,
        disk_bytes: 100 * TB,
        requests_per_day: 120.0,
        outage_every_hours: 240.0,
        outage_minutes: 30.0,
        is_reachable: true,
        is_prefetching: true,
        region_line: Some(r#"{"name":"nren","cost":"on-net"}"#),
        world_line: r#"{"name":"world","cost":"on-net"}"#,
        follows: r#"[{"rule":{"top":200,"bytes_max":"200 GB"},"keep":"whole"},
                     {"rule":{"owners":["curated"]},"keep":"demand","copies":3},{"keep":"demand"}]"#,
    },
    // Upper-middle income: a university; the world is slow by day.
    Class {
        name: "campus",
        count: 50,
        down_bits_per_sec: 100_000_000,
        up_bits_per_sec: 50_000_000,
        rtt_ms: 120,
        disk_bytes: 20 * TB,
        requests_per_day: 40.0,
        outage_every_hours: 72.0,
        outage_minutes: 40.0,
        is_reachable: true,
        is_prefetching: true,
        region_line: Some(r#"{"name":"nren","cost":"on-net"}"#),
        world_line: r#"{"name":"world","cost":"night","windows":[{"hours":"22:00-06:00"},
                        {"hours":"06:00-22:00","rate_bytes_per_sec_max":"10 Mbit/s"}]}"#,
        follows: r#"[{"rule":{"bytes_min":"200 GB"},"keep":"metadata"},
                     {"rule":{"top":50,"bytes_max":"50 GB"},"keep":"whole"},{"keep":"demand"}]"#,
    },
    // Lower-middle income: 10 Mbit/s, the world only at night and by the byte.
    Class {
        name: "edge",
        count: 50,
        down_bits_per_sec: 10_000_000,
        up_bits_per_sec: 2_000_000,
        rtt_ms: 200,
        disk_bytes: 2 * TB,
        requests_per_day: 8.0,
        outage_every_hours: 12.0,
        outage_minutes: 20.0,
        is_reachable: false,
        is_prefetching: false,
        region_line: Some(r#"{"name":"nren","cost":"on-net"}"#),
        world_line: r#"{"name":"world","cost":"metered","month_bytes_max":"150 GB",
                        "windows":[{"hours":"22:00-06:00"}]}"#,
        follows: r#"[{"rule":{"bytes_min":"20 GB"},"keep":"metadata"},{"keep":"demand"}]"#,
    },
    // Low income: a satellite or mobile line, every byte paid for, cut six times a day.
    Class {
        name: "remote",
        count: 33,
        down_bits_per_sec: 2_000_000,
        up_bits_per_sec: 500_000,
        rtt_ms: 600,
        disk_bytes: TB / 2,
        requests_per_day: 4.0,
        outage_every_hours: 4.0,
        outage_minutes: 10.0,
        is_reachable: false,
        is_prefetching: false,
        region_line: None,
        world_line: r#"{"name":"world","cost":"metered","month_bytes_max":"40 GB"}"#,
        follows: r#"[{"rule":{"bytes_min":"2 GB"},"keep":"metadata"},{"keep":"demand"}]"#,
    },
];

/// Which line of a node.
pub(super) const WORLD: usize = 0;
/// The line to the region's network; nodes without one have only the first.
pub(super) const REGION: usize = 1;

impl Class {
    /// Returns the lines of a node in a region, as an operator would write them in settings.
    pub(super) fn lines(&self, region: usize) -> Vec<Line> {
        let parse = |settings: &str| {
            let mut line: Line = serde_json::from_str(settings).expect("the settings of a class are right");
            let offset = crate::policy::units::parse_offset(REGION_OFFSETS[region]);
            line.utc_offset = offset.expect("the offset of a region is right");
            line
        };
        [Some(self.world_line), self.region_line].into_iter().flatten().map(parse).collect()
    }

    pub(super) fn follows(&self) -> Vec<Follow> {
        serde_json::from_str(self.follows).expect("the rules of a class are right")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_193_nodes_and_their_settings_are_right() {
        assert_eq!(CLASSES.iter().map(|class| class.count).sum::<usize>(), 193);
        for class in &CLASSES {
            for region in 0..REGION_OFFSETS.len() {
                assert!(class.lines(region).iter().all(|line| line.check().is_ok()), "{}", class.name);
            }
            assert!(!class.follows().is_empty());
        }
    }
}
