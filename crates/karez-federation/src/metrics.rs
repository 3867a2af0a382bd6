//! Figures for a monitoring system, in the text form of Prometheus.

use std::fmt::Write as _;

use karez_catalog::CatalogError;
use karez_governance::{Checkpoint, Note};
use karez_hub::Hub;
use karez_types::Timestamp;

use crate::follow::{line_allowance, line_read};

/// One figure: its name, what it is, whether it only grows, and its values with their labels.
struct Figure {
    name: &'static str,
    help: &'static str,
    grows: bool,
    values: Vec<(String, f64)>,
}

impl Figure {
    fn new(name: &'static str, help: &'static str, grows: bool) -> Figure {
        Figure { name, help, grows, values: Vec::new() }
    }

    fn one(name: &'static str, help: &'static str, grows: bool, value: f64) -> Figure {
        Figure { name, help, grows, values: vec![(String::new(), value)] }
    }

    fn add(&mut self, label: &str, of: &str, value: f64) {
        self.values.push((format!("{{{label}=\"{}\"}}", escaped(of)), value));
    }
}

/// Writes a label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn written(figures: &[Figure]) -> String {
    let mut text = String::new();
    for figure in figures.iter().filter(|figure| !figure.values.is_empty()) {
        let kind = if figure.grows { "counter" } else { "gauge" };
        let _ = writeln!(text, "# HELP {} {}\n# TYPE {} {kind}", figure.name, figure.help, figure.name);
        for (labels, value) in &figure.values {
            let _ = writeln!(text, "{}{labels} {value}", figure.name);
        }
    }
    text
}

/// Returns all figures of a node.
pub async fn metrics(hub: &Hub) -> Result<String, CatalogError> {
    let (catalog, now) = (hub.catalog(), hub.clock().now());
    let remotes = catalog.remote_list().await?;
    let name = |id| remotes.iter().find(|remote| remote.id == id).map_or("gone", |remote| remote.name.as_str());

    let mut transfers = Figure::new("karez_transfers", "Large files on their way here, by state.", false);
    for (state, count) in catalog.transfer_counts().await? {
        transfers.add("state", state.as_str(), count as f64);
    }
    let garbage = catalog.garbage_totals().await?;
    let mut waiting =
        Figure::new("karez_garbage_bytes", "Stored bytes that nothing refers to, by how far they are.", false);
    waiting.add("state", "condemned", garbage.stored_bytes as f64);
    waiting.add("state", "leaving", garbage.leaving_bytes as f64);
    let mut entries = Figure::new("karez_feed_entries", "Entries of a peer's log that were read.", true);
    let mut asked = Figure::new("karez_feed_asked_seconds", "Seconds since a peer was asked with success.", false);
    let mut trouble = Figure::new("karez_feed_trouble", "1 while the log of a peer cannot be followed.", false);
    for feed in catalog.feed_list().await? {
        let peer = name(feed.remote);
        entries.add("peer", peer, feed.tree.size as f64);
        asked.add("peer", peer, secs_between(feed.polled, now));
        trouble.add("peer", peer, f64::from(u8::from(feed.trouble.is_some())));
    }
    let mut received = Figure::new("karez_line_received_bytes_total", "Bytes that came over a line.", true);
    for (line, bytes) in catalog.line_use_totals().await? {
        received.add("line", &line, bytes as f64);
    }
    let mut open = Figure::new("karez_line_open", "1 while a line may be used.", false);
    let mut left = Figure::new("karez_line_budget_left_bytes", "Bytes left of a line's budget this month.", false);
    for row in catalog.line_list().await? {
        let line = line_read(&row.name, &row.settings);
        let allowance = line_allowance(catalog, &line, now).await?;
        open.add("line", &line.name, f64::from(u8::from(allowance.may_start)));
        if let Some(bytes) = allowance.bytes_left {
            left.add("line", &line.name, bytes as f64);
        }
    }
    let mut incidents = Figure::new("karez_incidents", "What remotes did wrong, by kind; the newest 10,000.", false);
    for (kind, count) in catalog.incident_counts().await? {
        incidents.add("kind", &kind, count as f64);
    }
    let (size, cosignatures) = own_log(hub).await;
    let held = catalog.held_bytes().await? as f64;
    let mut figures = vec![
        transfers,
        entries,
        asked,
        trouble,
        received,
        open,
        left,
        incidents,
        waiting,
        Figure::one("karez_log_entries", "Entries of this node's log under its newest checkpoint.", true, size as f64),
        Figure::one(
            "karez_log_cosignatures",
            "Peers that have cosigned the newest checkpoint.",
            false,
            cosignatures as f64,
        ),
        Figure::one("karez_mirror_held_bytes", "Bytes of large files that are here for mirrors.", false, held),
    ];
    figures.extend(process());
    Ok(written(&figures))
}

fn secs_between(earlier: Timestamp, later: Timestamp) -> f64 {
    (later.0.saturating_sub(earlier.0).max(0)) as f64 / 1000.0
}

/// Returns the size of this node's signed log, and by how many others it is signed.
async fn own_log(hub: &Hub) -> (u64, usize) {
    let Ok(Some(text)) = hub.log_checkpoint().await else { return (0, 0) };
    let Ok(note) = Note::parse(text.as_bytes()) else { return (0, 0) };
    let size = Checkpoint::parse(note.text()).map_or(0, |checkpoint| checkpoint.size);
    (size, note.signatures().len().saturating_sub(1))
}

/// Returns what the kernel says of this process; nothing where it says nothing.
fn process() -> Vec<Figure> {
    let mut figures = Vec::new();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok());
    let page_bytes = rustix::param::page_size() as f64;
    if let Some(pages) = resident {
        let help = "Memory of this process that is in RAM.";
        figures.push(Figure::one("process_resident_memory_bytes", help, false, pages * page_bytes));
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        figures.push(Figure::one("process_open_fds", "Open files and connections.", false, files.count() as f64));
    }
    // Fields after the name in parentheses, which may have blanks: 11 and 12 are ticks in user and kernel mode.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok());
    if let (Some(user), Some(system)) = (ticks(11), ticks(12)) {
        let per_sec = rustix::param::clock_ticks_per_second() as f64;
        let secs = (user + system) / per_sec;
        figures.push(Figure::one("process_cpu_seconds_total", "Processor time of this process.", true, secs));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_prometheus_reads_them() {
        let mut lines = Figure::new("karez_line_open", "1 while a line may be used.", false);
        lines.add("line", "a \"b\"\\\n", 1.0);
        let total = Figure::one("x_total", "X.", true, 12_345_678_901.0);
        let empty = Figure::new("nothing", "Nothing.", false);
        assert_eq!(
            written(&[lines, empty, total]),
            "# HELP karez_line_open 1 while a line may be used.\n# TYPE karez_line_open gauge\n\
             karez_line_open{line=\"a \\\"b\\\"\\\\\\n\"} 1\n\
             # HELP x_total X.\n# TYPE x_total counter\nx_total 12345678901\n"
        );
    }

    #[test]
    fn the_kernel_says_how_the_process_is() {
        let names: Vec<_> = process().iter().map(|figure| figure.name).collect();
        assert_eq!(names, ["process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"]);
    }
}
