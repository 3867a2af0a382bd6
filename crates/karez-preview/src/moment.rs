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

/// Returns a span of time as Python writes it: `1 day, 0:00:05`.
pub fn duration(micros: i128) -> String {
    let days = micros.div_euclid(i128::from(DAY_MICROS));
    let clock = clock(i64::try_from(micros.rem_euclid(i128::from(DAY_MICROS))).unwrap_or(0));
    let clock = clock.strip_prefix('0').map_or(clock.clone(), str::to_owned);
    match days {
        0 => clock,
        1 | -1 => format!("{days} day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

/// Returns how far a time zone that is written as an offset (`+03:00`) is ahead, in seconds. Zones with names are in
/// a table of the world that is not here.
pub fn offset_secs(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').or_else(|| rest.is_char_boundary(2).then(|| rest.split_at(2)))?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| (0..60).contains(number));
    Some(sign * (number(hours)? * 3_600 + number(minutes)? * 60))
}

/// Returns what stands behind a moment in a zone: its offset, or that of UTC, in which a zone with a name is shown.
pub fn offset_shown(zone: &str) -> String {
    match offset_secs(zone) {
        Some(secs) => {
            let sign = if secs < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", secs.abs() / 3_600, secs.abs() / 60 % 60)
        }
        None => "+00:00".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_zones_are_written_as_python_writes_them() {
        assert_eq!(duration(1_000_000), "0:00:01");
        assert_eq!(duration(90_061_500_000), "1 day, 1:01:01.500000");
        assert_eq!(duration(-1), "-1 day, 23:59:59.999999");
        assert_eq!((offset_secs("+05:45"), offset_secs("-0330")), (Some(20_700), Some(-12_600)));
        assert_eq!((offset_secs("Africa/Nairobi"), offset_secs("UTC"), offset_secs("+é")), (None, None, None));
        assert_eq!((offset_shown("-0330").as_str(), offset_shown("Asia/Tokyo").as_str()), ("-03:30", "+00:00"));
    }

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
