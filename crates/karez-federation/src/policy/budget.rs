//! Months and monthly budgets, safe against a clock that is wrong.
//!
//! Bytes are charged to months. A clock that jumps must neither give bytes for nothing (a jump of ten
//! years ahead would otherwise open a fresh month) nor close a line for ever (bytes charged to a month
//! ten years ahead would otherwise be waited for). [`settle`] decides from the months that have bytes:
//!
//! - Bytes of months that lie more than one month ahead are moved back into the present month.
//! - A month begins with nothing used only when the month before it, or the one before that, was seen.
//!   After a longer gap it begins with what the last seen month had used: a node that was off for a
//!   season waits at most until the next month.
//! - When the clock was in the next month already, the line stays there: its budget is not lived twice.
//!
//! So bytes move, but are never forgotten, and the wait ends at the latest two month ends later.

use std::collections::BTreeMap;

use karez_types::Timestamp;

/// A calendar month, counted from January 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Month(pub i64);

const NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAY_SECS: i64 = 24 * 60 * 60;

impl Month {
    /// Returns the month of this moment at a fixed offset from UTC.
    pub fn at(now: Timestamp, offset_minutes: i32) -> Month {
        let (year, month, _) = date(now, offset_minutes);
        Month((year - 1970) * 12 + month - 1)
    }

    /// Returns the moment at which the month begins at this offset.
    pub fn begins(self, offset_minutes: i32) -> Timestamp {
        let (year, month) = (1970 + self.0.div_euclid(12), self.0.rem_euclid(12) + 1);
        // What a timestamp can hold; a number from elsewhere must not overflow.
        let year = year.clamp(-300_000_000, 300_000_000);
        Timestamp(0).plus_secs(days_before(year, month) * DAY_SECS - i64::from(offset_minutes) * 60)
    }

    /// Returns the month after this one.
    pub fn next(self) -> Month {
        Month(self.0.saturating_add(1))
    }

    /// Returns its English name.
    pub fn name(self) -> &'static str {
        NAMES[usize::try_from(self.0.rem_euclid(12)).unwrap_or(0)]
    }
}

/// Returns year, month and day (from 1) of a moment at an offset: Howard Hinnant's `civil_from_days`.
pub fn date(now: Timestamp, offset_minutes: i32) -> (i64, i64, i64) {
    let days = (now.unix_secs() + i64::from(offset_minutes) * 60).div_euclid(DAY_SECS) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// Returns days from 1970-01-01 to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

/// Months without a row after which the next one no longer begins with nothing used.
const GAP_MONTHS_MAX: i64 = 2;

/// Which month bytes are charged to now, and what it has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The month to charge.
    pub month: Month,
    /// What it has used so far.
    pub used_bytes: u64,
    /// Rows to write before anything is charged: a new value, or `None` to take the row out.
    pub changes: Vec<(Month, Option<u64>)>,
}

/// Decides which month counts now. Call it when bytes are to be charged or an allowance is asked for,
/// and write the changes: a line that is looked at keeps its months without gaps.
pub fn settle(rows: &BTreeMap<Month, u64>, now: Month) -> Settled {
    let next = now.next();
    let month = if next > now && rows.contains_key(&next) { next } else { now };
    let mut changes = Vec::new();
    let mut used_bytes = rows.get(&month).copied();
    if used_bytes.is_none()
        && let Some((&last, &bytes)) = rows.range(..month).next_back()
        && month.0.saturating_sub(last.0) > GAP_MONTHS_MAX
    {
        changes.push((last, None));
        used_bytes = Some(bytes);
    }
    let mut used_bytes = used_bytes.unwrap_or(0);
    for (&ahead, &bytes) in rows.range(month..).filter(|(ahead, _)| **ahead != month) {
        changes.push((ahead, None));
        used_bytes = used_bytes.saturating_add(bytes);
    }
    if rows.get(&month) != Some(&used_bytes) {
        changes.push((month, Some(used_bytes)));
    }
    Settled { month, used_bytes, changes }
}

/// The months of one line in memory, for those who hold them there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger(BTreeMap<Month, u64>);

impl Ledger {
    /// Takes rows as they were stored.
    pub fn from_rows(rows: impl IntoIterator<Item = (Month, u64)>) -> Ledger {
        Ledger(rows.into_iter().collect())
    }

    /// Settles and applies the changes; returns what is to be stored.
    pub fn settle(&mut self, now: Month) -> Settled {
        let settled = settle(&self.0, now);
        for &(month, bytes) in &settled.changes {
            match bytes {
                Some(bytes) => self.0.insert(month, bytes),
                None => self.0.remove(&month),
            };
        }
        settled
    }

    /// Charges bytes to the month that counts now.
    pub fn charge(&mut self, now: Month, bytes: u64) -> Settled {
        let mut settled = self.settle(now);
        settled.used_bytes = settled.used_bytes.saturating_add(bytes);
        self.0.insert(settled.month, settled.used_bytes);
        settled
    }

    /// Returns the bytes of all months.
    pub fn total_bytes(&self) -> u64 {
        self.0.values().fold(0, |sum, &bytes| sum.saturating_add(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(year: i64, month: i64) -> Month {
        Month((year - 1970) * 12 + month - 1)
    }

    #[test]
    fn months_begin_where_calendars_say() {
        // 2026-11-30T23:30:00Z is already December at +01:00.
        let late = Timestamp(1_796_081_400_000);
        assert_eq!(late.to_string(), "2026-11-30T23:30:00.000Z");
        assert_eq!(Month::at(late, 0), month(2026, 11));
        assert_eq!(Month::at(late, 60), month(2026, 12));
        assert_eq!(month(2026, 12).begins(60).to_string(), "2026-11-30T23:00:00.000Z");
        assert_eq!(month(2024, 3).begins(0).to_string(), "2024-03-01T00:00:00.000Z");
        for months in -2000..2000 {
            let begins = Month(months).begins(-90);
            assert_eq!(Month::at(begins, -90), Month(months));
            assert_eq!(Month::at(Timestamp(begins.0 - 1), -90), Month(months - 1));
        }
        // No panic at the ends of time.
        for end in [i64::MIN, i64::MAX] {
            let _ = Month::at(Timestamp(end), 840).begins(-840);
        }
    }

    #[test]
    fn ordinary_months_begin_with_nothing_used() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.charge(month(2026, 11), 7).used_bytes, 7);
        assert_eq!(ledger.settle(month(2026, 12)).used_bytes, 0);
        // Off during one whole month.
        assert_eq!(ledger.settle(month(2027, 2)).used_bytes, 0);
        // Off for a season: what November used counts until the next month.
        let mut ledger = Ledger::from_rows([(month(2026, 11), 7)]);
        assert_eq!(ledger.settle(month(2027, 6)).used_bytes, 7);
        assert_eq!(ledger.settle(month(2027, 7)).used_bytes, 0);
    }

    /// Spends all it may under a clock, and returns what it spent.
    fn spend(ledger: &mut Ledger, now: Month, budget: u64) -> u64 {
        let left = budget.saturating_sub(ledger.settle(now).used_bytes);
        ledger.charge(now, left);
        left
    }

    #[test]
    fn a_jump_of_ten_years_gives_nothing_and_locks_nothing() {
        for years in [-10, 10] {
            let mut ledger = Ledger::from_rows([(month(2026, 10), 20), (month(2026, 11), 15)]);
            let wrong = month(2026 + years, 11);
            assert!(spend(&mut ledger, wrong, 20) <= 5, "{years}: at most what November had left");
            assert_eq!(spend(&mut ledger, wrong.next(), 20), 20, "the wrong clock goes on as clocks do");
            assert_eq!(spend(&mut ledger, month(2026, 11), 20), 0);
            // December may still be paying for it; January is free whatever happened.
            let december = ledger.settle(month(2026, 12)).used_bytes;
            assert!(december == 0 || december >= 20);
            assert_eq!(ledger.settle(month(2027, 1)).used_bytes, 0, "{years}");
        }
    }

    #[test]
    fn a_clock_that_swings_round_the_end_of_a_month_lives_no_budget_twice() {
        let (november, december) = (month(2026, 11), month(2026, 12));
        let mut ledger = Ledger::from_rows([(november, 18)]);
        let mut spent = 0;
        for _ in 0..10 {
            spent += spend(&mut ledger, december, 20);
            spent += spend(&mut ledger, november, 20);
        }
        assert_eq!(spent, 20, "December's budget, once");
        assert_eq!(ledger.settle(month(2027, 1)).used_bytes, 0);
    }

    #[test]
    fn bytes_move_but_are_never_forgotten() {
        let mut ledger = Ledger::default();
        let mut total = 0;
        for (step, now) in [24, 25, 150, 24, -96, 24, 25, 26, 27, 24, i64::MAX, 25, i64::MIN, 26].iter().enumerate() {
            let bytes = 1 << step;
            ledger.charge(Month(*now), bytes);
            total += bytes;
            assert_eq!(ledger.total_bytes(), total);
        }
    }
}
