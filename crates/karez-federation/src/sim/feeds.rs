//! The catalogue on its way: each node has a log, each region a hub that tells of all logs.
//!
//! A node that publishes tells its hub (it has to: the hub is its witness), hubs ask each other every
//! quarter of a poll period, and a node asks its hub every period: one answer says which logs grew, and
//! their new entries come with it. What a node cannot reach it asks again at the next turn.

use super::random::Durations;

/// Entries of one publication: a push moves a few refs.
pub(super) const ENTRIES_EACH: u64 = 4;
/// Bytes of an entry in a compressed bundle (measured: 124), and its share of hashes.
const ENTRY_BYTES: u64 = 124 + 30;
/// Bytes of a changed checkpoint in a digest, and of a poll that brings nothing.
const CHECKPOINT_BYTES: u64 = 180;
const POLL_BYTES: u64 = 700;

/// All logs, and how much of each is known to whom.
#[derive(Debug)]
pub(super) struct Feeds {
    /// When each publication of a log was made.
    published_ms: Vec<Vec<u64>>,
    /// For each node and log: publications it knows.
    known: Vec<Vec<u32>>,
    pub(super) staleness: Durations,
}

impl Feeds {
    pub(super) fn new(nodes: usize) -> Feeds {
        Feeds { published_ms: vec![Vec::new(); nodes], known: vec![vec![0; nodes]; nodes], staleness: Durations::new() }
    }

    pub(super) fn publish(&mut self, node: usize, now_ms: u64) {
        self.published_ms[node].push(now_ms);
        self.known[node][node] += 1;
    }

    /// A node tells its hub how long its log is.
    pub(super) fn announce(&mut self, node: usize, hub: usize, now_ms: u64) {
        self.learn(hub, node, self.known[node][node], now_ms);
    }

    /// A node asks another for all that it knows. Returns the bytes of the answer.
    pub(super) fn poll(&mut self, asking: usize, asked: usize, now_ms: u64) -> u64 {
        let mut bytes = POLL_BYTES;
        for log in 0..self.known.len() {
            let known = self.known[asked][log];
            let new = u64::from(known.saturating_sub(self.known[asking][log]));
            if new > 0 {
                bytes += CHECKPOINT_BYTES + new * ENTRIES_EACH * ENTRY_BYTES;
                self.learn(asking, log, known, now_ms);
            }
        }
        bytes
    }

    fn learn(&mut self, node: usize, log: usize, known: u32, now_ms: u64) {
        let before = self.known[node][log].min(known);
        for &at_ms in &self.published_ms[log][before as usize..known as usize] {
            self.staleness.add(now_ms - at_ms, ENTRIES_EACH);
        }
        self.known[node][log] = self.known[node][log].max(known);
    }

    /// Counts what is still unknown and older than this as if it became known now, so that a node that was
    /// cut off to the end does not look up to date.
    pub(super) fn close(&mut self, now_ms: u64, older_ms: u64) {
        for node in 0..self.known.len() {
            for log in 0..self.known.len() {
                let unknown = &self.published_ms[log][self.known[node][log] as usize..];
                for &at_ms in unknown.iter().take_while(|&&at_ms| at_ms + older_ms < now_ms) {
                    self.staleness.add(now_ms - at_ms, ENTRIES_EACH);
                }
            }
        }
    }

    pub(super) fn entries(&self) -> u64 {
        self.published_ms.iter().map(|log| log.len() as u64).sum::<u64>() * ENTRIES_EACH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_travel_through_hubs() {
        let mut feeds = Feeds::new(4);
        feeds.publish(2, 1_000);
        feeds.announce(2, 0, 2_000);
        assert_eq!(feeds.poll(3, 1, 3_000), POLL_BYTES, "the other hub does not know yet");
        assert!(feeds.poll(1, 0, 4_000) > POLL_BYTES);
        assert_eq!(feeds.poll(3, 1, 61_000), POLL_BYTES + CHECKPOINT_BYTES + ENTRIES_EACH * ENTRY_BYTES);
        assert_eq!(feeds.staleness.count(), 3 * ENTRIES_EACH);
        assert!((60_000..67_500).contains(&feeds.staleness.percentile(100)));
        feeds.publish(0, 70_000);
        feeds.close(100_000, 50_000);
        assert_eq!(feeds.staleness.count(), 3 * ENTRIES_EACH, "too young to count");
        feeds.close(200_000, 50_000);
        assert_eq!(feeds.staleness.count(), 6 * ENTRIES_EACH);
    }
}
