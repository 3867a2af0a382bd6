//! Whom to ask first: by the cost of a byte, then by what each source was seen to deliver.
//!
//! A dearer source is asked only when no cheaper one has the file and may be used. Within a class the
//! expected goodput decides: a moving average of bytes a second, less the share of requests that failed.
//! A source that fails waits, twice as long each time, and is tried again: nobody is banned for being down.

use karez_types::Timestamp;

use super::line::CostClass;

/// Goodput that is assumed of a source that was never used: high, so that it is tried once.
const FRESH_BYTES_PER_SEC: u64 = 4 << 20;
/// Weight of a new observation, in sixteenths.
const NEW_SIXTEENTHS: u64 = 4;
/// First wait after a failure, in milliseconds.
const RETRY_MS: i64 = 2_000;
/// Longest wait after failures, in milliseconds: a line that comes back is noticed within this.
const RETRY_MS_MAX: i64 = 10 * 60 * 1000;
/// One, for shares: parts in ten thousand.
const ONE: u64 = 10_000;

/// What a source was seen to deliver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceRecord {
    /// Moving average of bytes a second; unset: never delivered.
    pub goodput: Option<u64>,
    /// Moving average of failed requests, parts in ten thousand.
    pub loss: u64,
    /// Failures since the last success.
    pub failures: u32,
    /// Not asked before this moment, unless nobody else is left.
    pub retry_at: Option<Timestamp>,
}

fn averaged(old: u64, new: u64) -> u64 {
    let sum = u128::from(old) * u128::from(16 - NEW_SIXTEENTHS) + u128::from(new) * u128::from(NEW_SIXTEENTHS);
    u64::try_from(sum / 16).unwrap_or(u64::MAX)
}

impl SourceRecord {
    /// Counts bytes that came in so many milliseconds.
    pub fn delivered(&mut self, bytes: u64, elapsed_ms: u64) {
        let rate = u128::from(bytes) * 1000 / u128::from(elapsed_ms.max(1));
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        self.goodput = Some(self.goodput.map_or(rate, |old| averaged(old, rate)));
        self.loss = averaged(self.loss, 0);
        self.failures = 0;
        self.retry_at = None;
    }

    /// Counts a request that failed, and lets the source rest.
    pub fn failed(&mut self, now: Timestamp) {
        self.loss = averaged(self.loss, ONE);
        let wait_ms = RETRY_MS << self.failures.min(20);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(Timestamp(now.0.saturating_add(wait_ms.min(RETRY_MS_MAX))));
    }

    /// Returns the bytes a second that a request may expect.
    pub fn expected_bytes_per_sec(&self) -> u64 {
        let goodput = u128::from(self.goodput.unwrap_or(FRESH_BYTES_PER_SEC));
        u64::try_from(goodput * u128::from(ONE - self.loss.min(ONE)) / u128::from(ONE)).unwrap_or(u64::MAX)
    }

    /// Tells whether the source rests after a failure. A rest that would last longer than any (the clock
    /// was set back) is over.
    pub fn is_resting(&self, now: Timestamp) -> bool {
        self.retry_at.is_some_and(|at| at > now && at.0.saturating_sub(now.0) <= RETRY_MS_MAX)
    }
}

/// A source that has what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<K> {
    /// Names it.
    pub key: K,
    /// What its bytes cost.
    pub cost: CostClass,
    /// Whether its line may be used now.
    pub may_start: bool,
    /// What it was seen to deliver.
    pub record: SourceRecord,
}

/// Returns the sources whose line may be used, best first: those that do not rest, cheapest class,
/// greatest expected goodput, first key. Resting ones follow in the same order.
pub fn ranked<K: Ord + Copy>(choices: &[Choice<K>], now: Timestamp) -> Vec<K> {
    let mut open: Vec<_> = choices
        .iter()
        .filter(|choice| choice.may_start)
        .map(|choice| {
            let goodput = std::cmp::Reverse(choice.record.expected_bytes_per_sec());
            (choice.record.is_resting(now), choice.cost, goodput, choice.key)
        })
        .collect();
    open.sort();
    open.into_iter().map(|(_, _, _, key)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_478_400_000);

    fn source(key: char, cost: CostClass, goodput: u64) -> Choice<char> {
        let record = SourceRecord { goodput: Some(goodput), ..SourceRecord::default() };
        Choice { key, cost, may_start: true, record }
    }

    #[test]
    fn cost_comes_before_speed_and_a_closed_line_is_not_asked() {
        let sources = [
            source('m', CostClass::Metered, 90_000_000),
            source('n', CostClass::Night, 9_000_000),
            source('s', CostClass::OnNet, 1_000),
            source('f', CostClass::OnNet, 2_000),
            Choice { may_start: false, ..source('l', CostClass::Lan, 1) },
        ];
        assert_eq!(ranked(&sources, NOW), ['f', 's', 'n', 'm']);
    }

    #[test]
    fn failures_cost_trust_and_rest_ends() {
        let mut flaky = source('a', CostClass::OnNet, 3_000_000);
        let steady = source('b', CostClass::OnNet, 2_000_000);
        assert_eq!(ranked(&[flaky, steady], NOW), ['a', 'b']);
        flaky.record.failed(NOW);
        assert!(flaky.record.is_resting(NOW) && !flaky.record.is_resting(NOW.plus_secs(2)));
        flaky.record.failed(NOW);
        // Resting it comes last; rested, a third of its requests is taken for lost.
        assert_eq!(ranked(&[flaky, steady], NOW), ['b', 'a']);
        assert_eq!(ranked(&[flaky, steady], NOW.plus_secs(60)), ['b', 'a']);
        for _ in 0..8 {
            flaky.record.delivered(3_000_000, 1000);
        }
        assert_eq!(ranked(&[flaky, steady], NOW), ['a', 'b']);
        for _ in 0..100 {
            flaky.record.failed(NOW);
        }
        assert!(!flaky.record.is_resting(NOW.plus_secs(600)), "ten minutes at most");
        assert!(!flaky.record.is_resting(NOW.plus_secs(-10 * 365 * 24 * 3600)), "whatever the clock does");
        let far_dearer = source('m', CostClass::Metered, 1);
        assert_eq!(ranked(&[flaky, far_dearer], NOW), ['m', 'a'], "a source that is down does not block");
    }

    #[test]
    fn a_new_source_is_tried_and_numbers_stay_in_range() {
        let fresh = Choice { record: SourceRecord::default(), ..source('x', CostClass::OnNet, 0) };
        assert_eq!(ranked(&[source('a', CostClass::OnNet, 1_000_000), fresh], NOW), ['x', 'a']);
        let mut record = SourceRecord::default();
        record.delivered(u64::MAX, 0);
        record.delivered(u64::MAX, 0);
        assert_eq!(record.expected_bytes_per_sec(), u64::MAX);
    }
}
