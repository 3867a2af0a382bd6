//! How far a transfer is, for people.

use std::collections::{BTreeMap, VecDeque};

use super::handle::Transfer;
use super::{Progress, SourceShare, TransferState};

/// Time over which the rate is measured.
const RATE_MS: u64 = 10_000;

/// Counts what comes.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Bytes received, by remote, with connections open and whether it is banned.
    pub(super) shares: BTreeMap<String, SourceShare>,
    received_bytes: u64,
    /// Moments and what was received until then, oldest first; about one a second.
    marks: VecDeque<(u64, u64)>,
    /// Bytes that must travel.
    pub(super) wire_bytes: u64,
    /// Of those, what was here when the work began.
    pub(super) done_bytes: u64,
}

impl Meter {
    pub(super) fn share(&mut self, name: &str) -> &mut SourceShare {
        self.shares.entry(name.to_owned()).or_insert_with(|| SourceShare {
            name: name.to_owned(),
            received_bytes: 0,
            connections: 0,
            is_banned: false,
        })
    }

    pub(super) fn received(&mut self, name: &str, bytes: u64, now_ms: u64) {
        self.share(name).received_bytes += bytes;
        if self.marks.back().is_none_or(|(at_ms, _)| now_ms >= at_ms + 1000) {
            self.marks.push_back((now_ms, self.received_bytes));
        }
        self.received_bytes += bytes;
        while self.marks.front().is_some_and(|(at_ms, _)| at_ms + RATE_MS < now_ms) && self.marks.len() > 1 {
            self.marks.pop_front();
        }
    }

    fn bytes_per_sec(&self, now_ms: u64) -> u64 {
        let Some((at_ms, bytes)) = self.marks.iter().find(|(at_ms, _)| at_ms + RATE_MS >= now_ms) else { return 0 };
        let elapsed_ms = now_ms.saturating_sub(*at_ms).max(1000);
        (self.received_bytes - bytes) * 1000 / elapsed_ms
    }
}

/// Returns how far a transfer is.
pub(super) fn of(transfer: &Transfer) -> Progress {
    let now_ms = transfer.now_ms();
    let inner = transfer.inner();
    let meter = &inner.meter;
    let rate = if inner.state == TransferState::Running { meter.bytes_per_sec(now_ms) } else { 0 };
    let rest_bytes = meter.wire_bytes.saturating_sub(meter.done_bytes);
    let remaining_secs = (rate > 0).then(|| rest_bytes.div_ceil(rate));
    let now = transfer.services.clock.now();
    let expected_end = remaining_secs.map(|secs| now.plus_secs(i64::try_from(secs).unwrap_or(i64::MAX)));
    Progress {
        sha256: transfer.wanted.sha256,
        repo: transfer.wanted.repo.address(),
        path: transfer.wanted.path.clone(),
        remote: inner.planners.front().map(|planner| planner.name().to_owned()).unwrap_or_default(),
        state: inner.state,
        file_bytes: transfer.wanted.file_bytes,
        wire_bytes: meter.wire_bytes,
        done_bytes: meter.done_bytes,
        rate_bytes_per_sec: rate,
        remaining_secs,
        expected_end,
        started: transfer.started,
        sources: meter.shares.values().cloned().collect(),
        trouble: inner.trouble.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut meter = Meter::default();
        for second in 0..60 {
            let bytes = if second < 30 { 1_000_000 } else { 1_000 };
            meter.received("origin", bytes, second * 1000);
        }
        let rate = meter.bytes_per_sec(60_000);
        assert!((900..1_200).contains(&rate), "{rate}");
        assert_eq!(meter.bytes_per_sec(200_000), 0, "nothing came for long");
        assert_eq!(meter.shares["origin"].received_bytes, 30_030_000);
        assert!(meter.marks.len() <= 12);
    }
}
