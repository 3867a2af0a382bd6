//! How much something is used now, in one number that nobody has to refresh.
//!
//! Every use counts, and a use of a week ago counts half. Instead of letting old numbers shrink, new uses grow:
//! one at the time `t` is worth `weight * 2^(t / week)`, and the sum is kept as its logarithm. So numbers of
//! different times compare as they are, an index can order them, and no sweep touches them.

use karez_types::Timestamp;

/// How long it takes until a use counts half, in milliseconds.
const HALF_LIFE_MS: f64 = 7.0 * 86_400_000.0;
/// Steps of a stored number in one doubling.
const STEPS: f64 = 1_000_000.0;
/// What one like is worth against one download.
pub const LIKE_WEIGHT: f64 = 5.0;

/// A sum of uses, as it is stored: 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Trend(pub i64);

impl Trend {
    /// Returns the sum with uses of so much weight at this time.
    #[must_use]
    pub fn plus(self, weight: f64, at: Timestamp) -> Trend {
        let Some(added) = log_of(weight, at) else { return self };
        match self.0 {
            0 => stored(added),
            sum => {
                let (low, high) = (added.min(sum as f64 / STEPS), added.max(sum as f64 / STEPS));
                stored(high + (low - high).exp2().ln_1p() / std::f64::consts::LN_2)
            }
        }
    }

    /// Returns the sum without uses of so much weight at this time, which were counted before.
    #[must_use]
    pub fn minus(self, weight: f64, at: Timestamp) -> Trend {
        let (Some(taken), sum) = (log_of(weight, at), self.0 as f64 / STEPS) else { return self };
        let share = (taken - sum).exp2();
        // What is left of almost everything is noise of rounding.
        if self.0 == 0 || share > 0.9999 { Trend(0) } else { stored(sum + (1.0 - share).log2()) }
    }

    /// Returns the sum as it counts at this time.
    pub fn score(self, at: Timestamp) -> f64 {
        if self.0 == 0 { 0.0 } else { (self.0 as f64 / STEPS - at.0 as f64 / HALF_LIFE_MS).exp2() }
    }
}

fn log_of(weight: f64, at: Timestamp) -> Option<f64> {
    (weight > 0.0).then(|| at.0 as f64 / HALF_LIFE_MS + weight.log2())
}

/// No number is 0 but that of nothing.
fn stored(log: f64) -> Trend {
    Trend(((log * STEPS).round() as i64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn a_use_counts_half_after_a_week() {
        let trend = Trend::default().plus(8.0, NOW);
        assert!((trend.score(NOW) - 8.0).abs() < 0.001, "{}", trend.score(NOW));
        assert!((trend.score(NOW.plus_secs(7 * 86_400)) - 4.0).abs() < 0.001);
        // Three new uses are worth more than five of two weeks ago.
        let old = Trend::default().plus(5.0, NOW);
        assert!(Trend::default().plus(3.0, NOW.plus_secs(14 * 86_400)) > old);
        assert!(Trend::default() < old);
    }

    #[test]
    fn what_is_added_can_be_taken_away() {
        let both = Trend::default().plus(3.0, NOW).plus(LIKE_WEIGHT, NOW.plus_secs(60));
        assert!((both.score(NOW) - 8.0).abs() < 0.01);
        let one = both.minus(LIKE_WEIGHT, NOW.plus_secs(60));
        assert!((one.score(NOW) - 3.0).abs() < 0.01, "{}", one.score(NOW));
        assert_eq!(Trend::default().plus(LIKE_WEIGHT, NOW).minus(LIKE_WEIGHT, NOW), Trend::default());
        assert_eq!(Trend::default().minus(1.0, NOW), Trend::default());
    }
}
