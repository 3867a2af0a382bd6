//! Seeded randomness and samples.

/// A generator: the same seed gives the same numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        stirred(self.0)
    }

    /// Returns a number below `count`; the bias of one in 2^32 does not matter here.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (((self.next_u64() >> 32) * count as u64) >> 32) as usize
    }

    /// Returns a number from 0 up to 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a wait of this mean, as between events that know nothing of each other.
    pub(super) fn wait_ms(&mut self, mean_ms: f64) -> u64 {
        (-(1.0 - self.unit()).ln() * mean_ms) as u64 + 1
    }
}

fn stirred(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// Returns a number that depends on both words and looks like chance: what is true of a repository for
/// the whole simulation.
pub(super) fn mixed(seed: u64, about: u64) -> u64 {
    stirred(stirred(seed ^ 0x5851_F42D_4C95_7F2D).wrapping_add(about.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
}

/// Counts of durations: buckets are an eighth of a doubling wide, so a percentile is right to about 9 %.
#[derive(Debug, Clone)]
pub(super) struct Durations {
    buckets: Vec<u64>,
    count: u64,
}

impl Durations {
    pub(super) fn new() -> Durations {
        Durations { buckets: vec![0; 8 * 50], count: 0 }
    }

    pub(super) fn add(&mut self, ms: u64, times: u64) {
        let bucket = if ms < 8 {
            ms as usize
        } else {
            let doublings = 63 - ms.leading_zeros();
            (doublings as usize - 2) * 8 + (ms >> (doublings - 3)) as usize % 8
        };
        let last = self.buckets.len() - 1;
        self.buckets[bucket.min(last)] += times;
        self.count += times;
    }

    /// Returns the duration that this share (of a hundred) of all does not exceed, in milliseconds.
    pub(super) fn percentile(&self, percent: u64) -> u64 {
        let mut before = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            before += count;
            if before * 100 >= self.count * percent && before > 0 {
                return match bucket {
                    0..8 => bucket as u64,
                    _ => ((8 + bucket as u64 % 8) << (bucket / 8 - 1)) + (1 << (bucket / 8 - 1)) - 1,
                };
            }
        }
        0
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_near_the_truth() {
        let mut durations = Durations::new();
        for ms in 1..=100_000 {
            durations.add(ms, 1);
        }
        for percent in [1, 50, 99] {
            let (truth, said) = (percent * 1000, durations.percentile(percent));
            assert!(said >= truth && said <= truth + truth / 8 + 1, "{percent}: {said}");
        }
        assert_eq!(durations.count(), 100_000);
        assert_eq!(Durations::new().percentile(99), 0);
    }

    #[test]
    fn chance_is_even() {
        let mut random = Random::new(1);
        let mean = (0..10_000).map(|_| random.wait_ms(1000.0)).sum::<u64>() / 10_000;
        assert!((950..1050).contains(&mean), "{mean}");
        let low = (0..10_000).filter(|_| random.below(10) < 3).count();
        assert!((2800..3200).contains(&low), "{low}");
    }
}
