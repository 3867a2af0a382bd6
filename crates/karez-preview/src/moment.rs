//! Days and moments as text, as ISO 8601 writes them.

use std::fmt::Write as _;

const DAY_MICROS: i64 = 86_400_000_000;

/// Returns year, month and day of a day counted from 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Returns a day as text. The parameter counts from 1970-01-01.
pub fn day(days: i64) -> String {
    // Further away there is no calendar, and the arithmetic above would overflow.
    if days.abs() > 400_000_000 {
        return format!("{days} days");
    }
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Returns a moment as text. The parameter counts microseconds from 1970-01-01T00:00:00.
pub fn moment(micros: i64) -> String {
    let mut text = day(micros.div_euclid(DAY_MICROS));
    text.push('T');
    text.push_str(&clock(micros.rem_euclid(DAY_MICROS)));
    text
}

/// Returns a time of day as text, from microseconds since midnight.
pub fn clock(micros: i64) -> String {
    let secs = micros / 1_000_000;
    let mut text = format!("{:02}:{:02}:{:02}", secs / 3_600, secs / 60 % 60, secs % 60);
    if micros % 1_000_000 != 0 {
        write!(text, ".{:06}", micros % 1_000_000).expect("a String grows");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_python_writes_them() {
        assert_eq!(moment(0), "1970-01-01T00:00:00");
        assert_eq!(moment(951_782_400_000_000), "2000-02-29T00:00:00");
        assert_eq!(moment(-1), "1969-12-31T23:59:59.999999");
        assert_eq!(day(-719_162), "0001-01-01");
        assert_eq!(day(i64::MIN / 2), format!("{} days", i64::MIN / 2));
        moment(i64::MIN);
        moment(i64::MAX);
    }
}
