//! Quantities as people write them: `1 Mbit/s`, `20 GB`, `22:00-06:00`, `sat,sun`, `+03:00`.
//!
//! Settings and the command line take the same words, and an error says what to write instead.

use std::fmt;

/// Why a text is not a quantity, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {what}: write {example}")]
pub struct UnitError {
    given: String,
    what: &'static str,
    example: &'static str,
}

fn wrong(given: &str, what: &'static str, example: &'static str) -> UnitError {
    let given = given.chars().take(60).filter(|c| !c.is_control()).collect();
    UnitError { given, what, example }
}

/// Digits that a number may have on each side of its point: more is a typing error.
const DIGITS_MAX: usize = 18;

/// Returns `number x scale`, rounded down; `None` when it is no plain decimal number or too large.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, part) = number.split_once(['.', ',']).unwrap_or((number, ""));
    let digits = |text: &str| text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || number.ends_with(['.', ',']) {
        return None;
    }
    let mut total = whole.parse::<u128>().ok()? * u128::from(scale);
    if !part.is_empty() {
        total += part.parse::<u128>().ok()? * u128::from(scale) / 10u128.pow(u32::try_from(part.len()).ok()?);
    }
    u64::try_from(total).ok()
}

fn number_and_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | ',')).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// Parses an amount of bytes: `20 GB`, `1.5 TB`, `512 MiB`, `1000`.
///
/// # Errors
/// Says which units there are.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    let not_bytes = || wrong(text, "an amount of bytes", "`20 GB`, `1.5 TB` or `512 MiB`");
    let (number, unit) = number_and_unit(text);
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1000 * 1000,
        "g" | "gb" => 1000 * 1000 * 1000,
        "t" | "tb" => 1000u64.pow(4),
        "p" | "pb" => 1000u64.pow(5),
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(not_bytes()),
    };
    // `20 Gb` would be gigabits to some: bits are only for rates, so it is not guessed.
    if unit.len() == 2 && unit.ends_with('b') && !unit.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(not_bytes());
    }
    scaled(number, scale).ok_or_else(not_bytes)
}

/// Parses a rate into bytes in a second: `1 Mbit/s`, `500 kbit/s`, `2 MB/s`.
///
/// # Errors
/// Says which units there are; a rate of nothing is an error, since it would never end.
pub fn parse_rate(text: &str) -> Result<u64, UnitError> {
    let not_rate = || wrong(text, "a rate", "`1 Mbit/s`, `500 kbit/s` or `2 MB/s`");
    let (number, unit) = number_and_unit(text);
    let unit = unit.to_ascii_lowercase();
    let (scale, divisor) = match unit.as_str() {
        "bit/s" | "bps" => (1, 8),
        "kbit/s" | "kbps" => (1000, 8),
        "mbit/s" | "mbps" => (1000 * 1000, 8),
        "gbit/s" | "gbps" => (1000 * 1000 * 1000, 8),
        "b/s" => (1, 1),
        "kb/s" => (1000, 1),
        "mb/s" => (1000 * 1000, 1),
        "gb/s" => (1000 * 1000 * 1000, 1),
        _ => return Err(not_rate()),
    };
    // `2 Mb/s` is megabits to a network engineer and megabytes to a browser: refused rather than guessed.
    let is_ambiguous = divisor == 1 && text.trim_end().ends_with("b/s") && !text.contains("B/s");
    let rate = scaled(number, scale).map(|amount| amount / divisor).filter(|&rate| rate > 0);
    rate.filter(|_| !is_ambiguous).ok_or_else(not_rate)
}

/// Returns bytes as people read them: `20 GB`, `1.5 TB`, `312 B`.
pub fn show_bytes(bytes: u64) -> String {
    shown(bytes, &["B", "kB", "MB", "GB", "TB", "PB"])
}

/// Returns a rate in bits a second as people read it: `1 Mbit/s`.
pub fn show_rate(bytes_per_sec: u64) -> String {
    shown(bytes_per_sec.saturating_mul(8), &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", "Pbit/s"])
}

fn shown(amount: u64, units: &[&str]) -> String {
    let mut scale = 1u64;
    let mut unit = 0;
    // 999,950 would round to `1000.0`: the next unit begins a little earlier.
    while unit + 1 < units.len() && u128::from(amount) * 20 >= u128::from(scale) * 19_999 {
        scale *= 1000;
        unit += 1;
    }
    let tenths = (u128::from(amount) * 10 + u128::from(scale) / 2) / u128::from(scale);
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, units[unit]),
        tenth => format!("{}.{tenth} {}", tenths / 10, units[unit]),
    }
}

/// Minutes in a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// Parses a time of day into minutes since midnight: `22:00`. `24:00` is the end of the day.
///
/// # Errors
/// Says how a time is written.
pub fn parse_time(text: &str) -> Result<u16, UnitError> {
    let not_time = || wrong(text, "a time of day", "`22:00`, from `00:00` to `24:00`");
    let (hours, minutes) = text.trim().split_once(':').ok_or_else(not_time)?;
    let number = |part: &str| {
        let plain = matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit());
        if plain { part.parse::<u16>().map_err(|_| not_time()) } else { Err(not_time()) }
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let total = hours * 60 + minutes;
    if minutes > 59 || total > DAY_MINUTES { Err(not_time()) } else { Ok(total) }
}

/// Parses `22:00-06:00` into minutes since midnight; the end may be on the next day.
///
/// # Errors
/// Says how hours are written; an empty span is an error.
pub fn parse_hours(text: &str) -> Result<(u16, u16), UnitError> {
    let not_hours = || wrong(text, "a span of hours", "`22:00-06:00`, or `00:00-24:00` for the whole day");
    let (from, to) = text.split_once('-').ok_or_else(not_hours)?;
    let (from, to) = (parse_time(from).map_err(|_| not_hours())?, parse_time(to).map_err(|_| not_hours())?);
    if from == to || from == DAY_MINUTES { Err(not_hours()) } else { Ok((from, to)) }
}

/// Returns minutes since midnight as `22:00`.
pub fn show_time(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Days(u8);

/// Monday first.
pub const DAY_NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const DAY_WORDS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Days {
    /// Every day.
    pub const ALL: Days = Days(0x7F);

    /// Tells whether this day is among them; Monday is 0.
    pub fn has(self, day: usize) -> bool {
        day < 7 && self.0 >> day & 1 == 1
    }

    /// Parses `sat,sun`, `mon-fri` or `daily`.
    ///
    /// # Errors
    /// Says how days are written.
    pub fn parse(text: &str) -> Result<Days, UnitError> {
        let not_days = || wrong(text, "a list of days", "`mon-fri`, `sat,sun` or `daily`");
        let day = |word: &str| {
            let word = word.trim().to_ascii_lowercase();
            let is_day = |&i: &usize| word == DAY_WORDS[i] || word == DAY_NAMES[i].to_ascii_lowercase();
            (0..7).find(is_day).ok_or_else(not_days)
        };
        if matches!(text.trim().to_ascii_lowercase().as_str(), "daily" | "all") {
            return Ok(Days::ALL);
        }
        let mut days = 0u8;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut at, last) = (day(first)?, day(last)?);
            days |= 1 << at;
            // `sat-mon` goes round the end of the week.
            while at != last {
                at = (at + 1) % 7;
                days |= 1 << at;
            }
        }
        Ok(Days(days))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Days::ALL {
            return f.write_str("daily");
        }
        let words: Vec<_> = (0..7).filter(|&day| self.has(day)).map(|day| DAY_WORDS[day]).collect();
        f.write_str(&words.join(","))
    }
}

/// Farthest offset of a place on Earth from UTC, in minutes (+14:00, Line Islands).
const OFFSET_MINUTES_MAX: i32 = 14 * 60;

/// Parses a fixed offset from UTC into minutes: `+03:00`, `-05:30`, `UTC`.
///
/// # Errors
/// Says how an offset is written.
pub fn parse_offset(text: &str) -> Result<i32, UnitError> {
    let not_offset = || wrong(text, "an offset from UTC", "`+03:00`, `-05:30` or `UTC`");
    let trimmed = text.trim();
    if matches!(trimmed.to_ascii_lowercase().as_str(), "utc" | "z") {
        return Ok(0);
    }
    let (sign, time) = match trimmed.split_at_checked(1) {
        Some(("+", time)) => (1, time),
        Some(("-", time)) => (-1, time),
        _ => return Err(not_offset()),
    };
    let minutes = i32::from(parse_time(time).map_err(|_| not_offset())?);
    if minutes > OFFSET_MINUTES_MAX { Err(not_offset()) } else { Ok(sign * minutes) }
}

/// Returns minutes as `+03:00`.
pub fn show_offset(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// A module for serde's `with`: the words above in JSON.
macro_rules! as_words {
    ($(#[$doc:meta])* $module:ident, $type:ty, $parse:expr, $show:expr) => {
        $(#[$doc])*
        pub mod $module {
            use serde::{Deserialize, Deserializer, Serializer};

            /// Reads the words.
            ///
            /// # Errors
            /// Says what to write.
            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                #[allow(clippy::redundant_closure_call)]
                $parse(&text).map_err(serde::de::Error::custom)
            }

            /// Writes the words.
            ///
            /// # Errors
            /// Only those of the serializer.
            pub fn serialize<S: Serializer>(value: &$type, serializer: S) -> Result<S::Ok, S::Error> {
                #[allow(clippy::redundant_closure_call)]
                serializer.serialize_str(&$show(value))
            }
        }
    };
}

as_words!(
    /// Days of the week.
    days, crate::units::Days, crate::units::Days::parse, |days: &crate::units::Days| days.to_string()
);
as_words!(
    /// A fixed offset from UTC in minutes.
    offset, i32, crate::units::parse_offset, |minutes: &i32| crate::units::show_offset(*minutes)
);

/// A number of something that JSON may hold as a number or as words.
macro_rules! number_or_words {
    ($(#[$doc:meta])* $module:ident, $parse:path) => {
        $(#[$doc])*
        pub mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            #[derive(Deserialize)]
            #[serde(untagged)]
            enum Given {
                Number(u64),
                Words(String),
            }

            /// Reads a number, the words, or nothing.
            ///
            /// # Errors
            /// Says what to write.
            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
                match Option::<Given>::deserialize(deserializer)? {
                    None => Ok(None),
                    Some(Given::Number(number)) => Ok(Some(number)),
                    Some(Given::Words(text)) => $parse(&text).map(Some).map_err(serde::de::Error::custom),
                }
            }

            /// Writes the number, so that nothing is rounded.
            ///
            /// # Errors
            /// Only those of the serializer.
            pub fn serialize<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
                value.serialize(serializer)
            }
        }
    };
}

number_or_words!(
    /// An amount of bytes.
    bytes_maybe, crate::units::parse_bytes
);
number_or_words!(
    /// A rate in bytes a second.
    rate_maybe, crate::units::parse_rate
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_and_shown() {
        for (text, bytes, shown) in [
            ("20 GB", 20_000_000_000, "20 GB"),
            ("1.5TB", 1_500_000_000_000, "1.5 TB"),
            ("512 MiB", 536_870_912, "536.9 MB"),
            ("1000", 1000, "1 kB"),
            ("0", 0, "0 B"),
            ("999950", 999_950, "1 MB"),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
            assert_eq!(show_bytes(bytes), shown);
        }
        for text in ["", "GB", "20 Gb", "20 GBit", "-1 GB", "1.", "1e9", "99999999 PB", "1 000 GB"] {
            let said = parse_bytes(text).expect_err(text).to_string();
            assert!(said.contains("write `20 GB`"), "{said}");
        }
    }

    #[test]
    fn rates_are_read_and_shown() {
        for (text, rate, shown) in [
            ("1 Mbit/s", 125_000, "1 Mbit/s"),
            ("500kbit/s", 62_500, "500 kbit/s"),
            ("2 MB/s", 2_000_000, "16 Mbit/s"),
            ("2.5 Gbps", 312_500_000, "2.5 Gbit/s"),
        ] {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
            assert_eq!(show_rate(rate), shown);
        }
        for text in ["1", "0 Mbit/s", "1 bit/s", "2 Mb/s", "fast", "1 Mbit"] {
            let said = parse_rate(text).expect_err(text).to_string();
            assert!(said.contains("write `1 Mbit/s`"), "{said}");
        }
    }

    #[test]
    fn hours_days_and_offsets() {
        assert_eq!(parse_hours("22:00-06:00"), Ok((1320, 360)));
        assert_eq!(parse_hours("00:00-24:00"), Ok((0, 1440)));
        for text in ["22-6", "22:00", "06:00-06:00", "25:00-06:00", "22:60-06:00", "24:00-06:00", "+1:00-06:00"] {
            assert!(parse_hours(text).is_err(), "{text}");
        }
        assert_eq!(Days::parse("sat,sun").map(|days| days.to_string()), Ok("sat,sun".to_owned()));
        assert_eq!(Days::parse("Mon-Fri").map(|days| days.to_string()), Ok("mon,tue,wed,thu,fri".to_owned()));
        assert_eq!(Days::parse("sat-mon").map(|days| days.to_string()), Ok("mon,sat,sun".to_owned()));
        assert_eq!(Days::parse("daily"), Ok(Days::ALL));
        assert!(Days::parse("weekend").is_err() && Days::parse("").is_err() && Days::parse("mon-").is_err());
        assert_eq!(parse_offset("+03:00"), Ok(180));
        assert_eq!(parse_offset("-05:30").map(show_offset), Ok("-05:30".to_owned()));
        assert!(parse_offset("+15:00").is_err() && parse_offset("3").is_err() && parse_offset("é").is_err());
    }
}
