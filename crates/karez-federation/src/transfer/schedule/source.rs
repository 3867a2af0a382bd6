//! What the schedule knows of one source.

use karez_types::ByteRange;

use super::{RTT_MS_ASSUMED, ScheduleParams};
use crate::transfer::CostClass;
use crate::transfer::extents::Extents;
use crate::transfer::goodput::{ConnectionBounds, Goodput};

/// First and longest wait after a refusal; it doubles.
const REFUSED_MS: u64 = 1_000;
const REFUSED_MS_MAX: u64 = 60_000;

/// How long a dripping source is left alone.
pub(super) const DRIP_REST_MS: u64 = 60_000;

/// Whether a source may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Ready,
    /// It cannot be reached: probed from this moment on.
    Out {
        probe_ms: u64,
        is_probing: bool,
    },
    /// It said no, or drips.
    Resting {
        until_ms: u64,
    },
    Expired,
    Banned,
}

#[derive(Debug, Clone)]
pub(super) struct SourceState {
    pub(super) cost: CostClass,
    pub(super) standing: Standing,
    pub(super) goodput: Goodput,
    /// Bytes that it does not have.
    pub(super) lacks: Extents,
    pub(super) rtt_ms: Option<u64>,
    /// When it last gave a byte, or began to be asked.
    pub(super) last_sign_ms: u64,
    /// Silences in a row, without a byte between.
    pub(super) silences: u32,
    refusals: u32,
    /// Bytes since the drip window began.
    pub(super) drip_bytes: u64,
    pub(super) drip_since_ms: u64,
}

impl SourceState {
    pub(super) fn new(cost: CostClass, params: &ScheduleParams, now_ms: u64) -> SourceState {
        let bounds = ConnectionBounds {
            min: params.connections_min.max(1),
            start: params.connections_start.max(1),
            max: params.connections_max.max(params.connections_min.max(1)),
        };
        SourceState {
            cost,
            standing: Standing::Ready,
            goodput: Goodput::new(bounds, now_ms),
            lacks: Extents::new(),
            rtt_ms: None,
            last_sign_ms: now_ms,
            silences: 0,
            refusals: 0,
            drip_bytes: 0,
            drip_since_ms: now_ms,
        }
    }

    /// Whether it may be asked now; dearer sources wait as long as it may.
    pub(super) fn may_be_asked(&self, now_ms: u64) -> bool {
        match self.standing {
            Standing::Ready => true,
            Standing::Resting { until_ms } => now_ms >= until_ms,
            Standing::Out { .. } | Standing::Expired | Standing::Banned => false,
        }
    }

    /// Whether it has all of these bytes.
    pub(super) fn has_all(&self, range: ByteRange) -> bool {
        self.lacks.within(range).next().is_none()
    }

    pub(super) fn rtt_or_assumed_ms(&self) -> u64 {
        self.rtt_ms.unwrap_or(RTT_MS_ASSUMED)
    }

    /// Bytes a second of one of its connections, once measured.
    pub(super) fn connection_bytes_per_sec(&self, now_ms: u64) -> Option<f64> {
        let rate = self.goodput.bytes_per_sec(now_ms).filter(|rate| *rate > 0.0)?;
        Some(rate / self.goodput.connections().max(1) as f64)
    }

    /// How long its silence may last. Longer each time: it may be slow to begin, not cut off.
    pub(super) fn silence_ms_max(&self, params: &ScheduleParams) -> u64 {
        let once = params.silence_ms.max(params.silence_rtts * self.rtt_ms.unwrap_or(0));
        once << self.silences.min(4)
    }

    pub(super) fn received(&mut self, bytes: u64, now_ms: u64) {
        if bytes == 0 {
            return;
        }
        self.goodput.received(bytes);
        self.drip_bytes += bytes;
        self.last_sign_ms = now_ms;
        self.silences = 0;
        self.refusals = 0;
    }

    /// Falls at once, rises slowly: queues only make round trips longer.
    pub(super) fn rtt_sample(&mut self, sample_ms: u64) {
        self.rtt_ms = Some(match self.rtt_ms {
            Some(rtt_ms) if sample_ms > rtt_ms => rtt_ms + (sample_ms - rtt_ms) / 16,
            _ => sample_ms,
        });
    }

    /// A connection broke.
    pub(super) fn broke(&mut self, has_given: bool, others: usize, now_ms: u64) {
        if self.standing != Standing::Ready || has_given {
            return;
        }
        if others > 0 {
            // It serves the others: it has enough of us.
            self.goodput.no_more_than(others, now_ms);
        } else {
            self.standing = Standing::Out { probe_ms: now_ms, is_probing: false };
        }
    }

    pub(super) fn refused(&mut self, now_ms: u64) {
        if self.standing == Standing::Banned {
            return;
        }
        let wait_ms = (REFUSED_MS << self.refusals.min(6)).min(REFUSED_MS_MAX);
        self.refusals += 1;
        self.standing = Standing::Resting { until_ms: now_ms + wait_ms };
    }
}
