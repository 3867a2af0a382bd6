//! What is let onto the disk, and what leaves it when room is needed.
//!
//! Admission: a file that was asked for once may never be asked for again. While the disk is half empty
//! everything is let in; after that a file must be asked for twice, unless it is wanted whole or pinned.
//!
//! Eviction: the worth of a file is (requests x bytes that a request saves x cost of a byte) / bytes that
//! it takes. Requests age: each counts half after [`HALF_LIFE_SECS`]. The least worth leaves first. What
//! no other node is known to hold leaves only when the operator says so, and after everything else.
//!
//! All of it is integer arithmetic, so two machines decide alike.

use karez_types::Timestamp;

use super::line::CostClass;
use super::rules::Keep;

/// Seconds after which a request counts half: two weeks, so that a course's material outlives a holiday.
pub const HALF_LIFE_SECS: i64 = 14 * 24 * 3600;

/// How often a file was asked for, with old requests counting less. In thousandths of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Popularity {
    /// Requests in thousandths, as of `last_used`.
    pub milli_requests: u64,
    /// When it was last asked for.
    pub last_used: Timestamp,
}

impl Popularity {
    /// Returns a file's first request.
    pub fn first(now: Timestamp) -> Popularity {
        Popularity { milli_requests: 1000, last_used: now }
    }

    /// Counts one more request.
    #[must_use]
    pub fn hit(self, now: Timestamp) -> Popularity {
        Popularity { milli_requests: self.at(now).saturating_add(1000), last_used: now }
    }

    /// Returns the thousandths of requests that still count. A last use in the future (the clock was
    /// wrong) counts as now.
    pub fn at(self, now: Timestamp) -> u64 {
        let age_secs = now.unix_secs().saturating_sub(self.last_used.unix_secs()).max(0);
        let halvings = u32::try_from(age_secs / HALF_LIFE_SECS).unwrap_or(u32::MAX);
        let halved = self.milli_requests.checked_shr(halvings).unwrap_or(0);
        // Between two halvings the curve is a straight line.
        let part = u128::try_from(age_secs % HALF_LIFE_SECS).unwrap_or(0);
        let lost = u128::from(halved) * part / (2 * HALF_LIFE_SECS as u128);
        halved - u64::try_from(lost).unwrap_or(halved)
    }
}

/// How full the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that files take.
    pub used_bytes: u64,
    /// Bytes that they may take.
    pub limit_bytes: u64,
}

/// Tells whether a file that arrives is kept. `milli_requests` counts the present request too.
pub fn admits(disk: Disk, file_bytes: u64, milli_requests: u64, keep: Keep, is_pinned: bool) -> bool {
    if file_bytes > disk.limit_bytes {
        return false;
    }
    // Slightly less than two: the first request has aged by the time of the second.
    const SECOND_REQUEST: u64 = 1001;
    match keep {
        Keep::Metadata => is_pinned,
        Keep::Whole => true,
        Keep::Demand => is_pinned || disk.used_bytes < disk.limit_bytes / 2 || milli_requests >= SECOND_REQUEST,
    }
}

/// A file that could leave the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<K> {
    /// Names it.
    pub key: K,
    /// Bytes that its leaving frees.
    pub disk_bytes: u64,
    /// Bytes that would travel if it were fetched again.
    pub refetch_bytes: u64,
    /// The cheapest line that it could come over again.
    pub cost: CostClass,
    /// How often it was asked for.
    pub popularity: Popularity,
    /// Never leaves: pinned, or of a repository that is kept whole.
    pub is_pinned: bool,
    /// Other nodes that are known to hold it, the origin while it still publishes it among them.
    pub copies_elsewhere: u64,
}

impl<K> Candidate<K> {
    /// Returns what a byte of disk under this file is worth now.
    pub fn worth(&self, now: Timestamp) -> u128 {
        // At most 2^64 x 2^6 x 2^58: the shift keeps precision where refetch and disk bytes are alike.
        let saved = (u128::from(self.refetch_bytes.min(1 << 57)) * u128::from(self.cost.weight())) << 16;
        let per_byte = saved / u128::from(self.disk_bytes.max(1));
        u128::from(self.popularity.at(now)).saturating_mul(per_byte)
    }
}

/// What may happen to files that no other node is known to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LastCopies {
    /// They stay, and the plan says how much room they take.
    Stay,
    /// They leave after everything else, each with a warning.
    Leave,
}

/// One file that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Victim<K> {
    /// Names it.
    pub key: K,
    /// Bytes that become free.
    pub disk_bytes: u64,
    /// No other node is known to hold it: warn before it goes.
    pub is_last_copy: bool,
}

/// What leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<K> {
    /// In the order in which they leave.
    pub victims: Vec<Victim<K>>,
    /// Bytes that become free.
    pub freed_bytes: u64,
    /// Bytes that were asked for and cannot be had.
    pub short_bytes: u64,
    /// Bytes of files that stayed only because no other node is known to hold them.
    pub last_copy_bytes: u64,
}

/// Plans which files leave so that at least `need_bytes` become free. The same files in any order give
/// the same plan: ties go to the file that was unused longest, then the larger, then the first key.
pub fn plan<K: Ord + Clone>(
    candidates: &[Candidate<K>],
    need_bytes: u64,
    now: Timestamp,
    last_copies: LastCopies,
) -> Plan<K> {
    let mut plan = Plan { victims: Vec::new(), freed_bytes: 0, short_bytes: 0, last_copy_bytes: 0 };
    let mut ranked: Vec<_> = candidates
        .iter()
        .filter(|file| !file.is_pinned)
        .map(|file| (file.copies_elsewhere == 0, file.worth(now), file))
        .collect();
    ranked.sort_by(|(a_last, a_worth, a), (b_last, b_worth, b)| {
        (a_last, a_worth, a.popularity.last_used)
            .cmp(&(b_last, b_worth, b.popularity.last_used))
            .then_with(|| b.disk_bytes.cmp(&a.disk_bytes))
            .then_with(|| a.key.cmp(&b.key))
    });
    for (is_last_copy, _, file) in ranked {
        if is_last_copy && last_copies == LastCopies::Stay {
            plan.last_copy_bytes = plan.last_copy_bytes.saturating_add(file.disk_bytes);
        } else if plan.freed_bytes < need_bytes {
            plan.freed_bytes = plan.freed_bytes.saturating_add(file.disk_bytes);
            plan.victims.push(Victim { key: file.key.clone(), disk_bytes: file.disk_bytes, is_last_copy });
        }
    }
    plan.short_bytes = need_bytes.saturating_sub(plan.freed_bytes);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_478_400_000);

    fn file(key: &'static str, requests: u64) -> Candidate<&'static str> {
        let popularity = Popularity { milli_requests: requests * 1000, last_used: NOW };
        Candidate {
            key,
            disk_bytes: 100,
            refetch_bytes: 100,
            cost: CostClass::OnNet,
            popularity,
            is_pinned: false,
            copies_elsewhere: 2,
        }
    }

    fn leaving(files: &[Candidate<&'static str>], need: u64) -> Vec<&'static str> {
        let forward = plan(files, need, NOW, LastCopies::Stay);
        let reversed: Vec<_> = files.iter().rev().cloned().collect();
        assert_eq!(plan(&reversed, need, NOW, LastCopies::Stay), forward, "order does not matter");
        forward.victims.iter().map(|victim| victim.key).collect()
    }

    #[test]
    fn the_least_worth_leaves_first() {
        let often = file("often", 9);
        let once = file("once", 1);
        let dear = Candidate { cost: CostClass::Metered, ..file("dear", 1) };
        let shared = Candidate { refetch_bytes: 10, ..file("shared", 9) };
        let old = Candidate {
            popularity: Popularity { milli_requests: 9000, last_used: NOW.plus_secs(-4 * HALF_LIFE_SECS) },
            ..file("old", 9)
        };
        let pinned = Candidate { is_pinned: true, ..file("pinned", 0) };
        let files = [often, once, dear, shared, old, pinned];
        assert_eq!(leaving(&files, u64::MAX), ["old", "shared", "once", "dear", "often"]);
        assert_eq!(leaving(&files, 101), ["old", "shared"]);
        assert!(leaving(&files, 0).is_empty());
        assert_eq!(plan(&files, 1000, NOW, LastCopies::Stay).short_bytes, 500);
    }

    #[test]
    fn the_last_copy_stays_or_leaves_last_with_a_warning() {
        let files = [Candidate { copies_elsewhere: 0, ..file("only here", 0) }, file("elsewhere", 50)];
        let stay = plan(&files, 200, NOW, LastCopies::Stay);
        assert_eq!((stay.freed_bytes, stay.short_bytes, stay.last_copy_bytes), (100, 100, 100));
        let leave = plan(&files, 200, NOW, LastCopies::Leave);
        let said: Vec<_> = leave.victims.iter().map(|victim| (victim.key, victim.is_last_copy)).collect();
        assert_eq!(said, [("elsewhere", false), ("only here", true)]);
    }

    #[test]
    fn requests_age_and_wrong_clocks_do_no_harm() {
        let first = Popularity::first(NOW);
        assert_eq!(first.at(NOW.plus_secs(HALF_LIFE_SECS)), 500);
        assert_eq!(first.at(NOW.plus_secs(HALF_LIFE_SECS / 2)), 750);
        assert_eq!(first.at(NOW.plus_secs(i64::MAX / 1000)), 0);
        assert_eq!(first.at(NOW.plus_secs(-HALF_LIFE_SECS)), 1000, "used in the future is used now");
        let second = first.hit(NOW.plus_secs(HALF_LIFE_SECS));
        assert_eq!(second.milli_requests, 1500);
        let most = Popularity { milli_requests: u64::MAX, last_used: Timestamp(i64::MIN) };
        assert_eq!(most.hit(Timestamp(i64::MAX)).milli_requests, 1000);
        let huge = Candidate {
            disk_bytes: 0,
            refetch_bytes: u64::MAX,
            cost: CostClass::Metered,
            popularity: Popularity { milli_requests: u64::MAX, last_used: NOW },
            ..file("huge", 1)
        };
        assert!(huge.worth(NOW) > file("often", 9).worth(NOW));
    }

    #[test]
    fn the_second_request_opens_a_disk_that_is_half_full() {
        let (empty, full) = (Disk { used_bytes: 49, limit_bytes: 100 }, Disk { used_bytes: 50, limit_bytes: 100 });
        let first = Popularity::first(NOW);
        let second = first.hit(NOW.plus_secs(30 * 24 * 3600));
        assert!(admits(empty, 10, first.milli_requests, Keep::Demand, false));
        assert!(!admits(full, 10, first.milli_requests, Keep::Demand, false));
        assert!(admits(full, 10, second.milli_requests, Keep::Demand, false), "a month later still counts");
        assert!(admits(full, 10, 1000, Keep::Demand, true));
        assert!(admits(full, 10, 0, Keep::Whole, false));
        assert!(!admits(empty, 10, 9000, Keep::Metadata, false));
        assert!(!admits(empty, 101, 9000, Keep::Whole, true), "larger than the disk");
    }
}
