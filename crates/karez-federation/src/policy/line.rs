//! Lines: how a node is connected to the world, what that costs, and when it may be used.
//!
//! A line has a cost class, a rate cap, hours in which it may be used, and a budget of bytes for each
//! month. [`Line::allowance`] says whether a transfer may start now, how fast and how far it may go,
//! until when that holds, and why, in words for a person. Hours are at a fixed offset from UTC that the
//! operator gives: no time zone database has to be right on a node that is rarely updated.

use karez_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::budget::Month;
use super::units::{DAY_MINUTES, DAY_NAMES, Days, parse_hours, show_bytes, show_rate, show_time};

/// What a byte over a line costs, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostClass {
    /// The same building or campus.
    Lan,
    /// The same research or provider network: bytes are not counted.
    OnNet,
    /// Cheap at night only.
    Night,
    /// Every byte is paid for.
    Metered,
}

impl CostClass {
    /// Every class, cheapest first.
    pub const ALL: [CostClass; 4] = [CostClass::Lan, CostClass::OnNet, CostClass::Night, CostClass::Metered];

    /// Returns the word used in settings, reports and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            CostClass::Lan => "lan",
            CostClass::OnNet => "on-net",
            CostClass::Night => "night",
            CostClass::Metered => "metered",
        }
    }

    /// Returns what a byte weighs against a byte of another class when files compete for the disk.
    /// A metered byte is money, a night byte is a day of waiting, a byte from the LAN is nearly nothing.
    pub fn weight(self) -> u32 {
        match self {
            CostClass::Lan => 1,
            CostClass::OnNet => 4,
            CostClass::Night => 8,
            CostClass::Metered => 32,
        }
    }
}

impl std::fmt::Display for CostClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for CostClass {
    type Err = String;

    fn from_str(word: &str) -> Result<CostClass, String> {
        let found = CostClass::ALL.into_iter().find(|class| class.as_str() == word);
        found.ok_or_else(|| format!("`{}` is not a cost class: use lan, on-net, night or metered", word.escape_debug()))
    }
}

/// Hours of some days in which a line may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Days on which the window opens; it may reach into the next day.
    #[serde(with = "super::units::days", default = "all_days")]
    pub days: Days,
    /// From and to, as `22:00-06:00`.
    #[serde(with = "hours")]
    pub hours: (u16, u16),
    /// Rate cap within the window in bytes a second (or as `500 kbit/s`); unset: the line's.
    #[serde(with = "super::units::rate_maybe", default, skip_serializing_if = "Option::is_none")]
    pub rate_bytes_per_sec_max: Option<u64>,
}

fn all_days() -> Days {
    Days::ALL
}

mod hours {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(u16, u16), D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        super::parse_hours(&text).map_err(serde::de::Error::custom)
    }

    pub fn serialize<S: Serializer>(hours: &(u16, u16), serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}-{}", super::show_time(hours.0), super::show_time(hours.1)))
    }
}

const WEEK_MINUTES: i64 = 7 * DAY_MINUTES as i64;

impl Window {
    fn is_open(&self, week_minute: i64) -> bool {
        self.spans().any(|(start, minutes)| (week_minute - start).rem_euclid(WEEK_MINUTES) < minutes)
    }

    /// Yields start (minutes since Monday 00:00) and length of each opening.
    fn spans(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let (from, to) = (i64::from(self.hours.0), i64::from(self.hours.1));
        let day = i64::from(DAY_MINUTES);
        let minutes = if to > from { to - from } else { to + day - from };
        (0..7usize).filter(|&at| self.days.has(at)).map(move |at| (at as i64 * day + from, minutes))
    }
}

/// A line to the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What the operator calls it.
    pub name: String,
    /// What its bytes cost.
    pub cost: CostClass,
    /// Rate cap in bytes a second (or as `1 Mbit/s`); unset: as fast as it goes.
    #[serde(with = "super::units::rate_maybe", default, skip_serializing_if = "Option::is_none")]
    pub rate_bytes_per_sec_max: Option<u64>,
    /// When it may be used; none: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Bytes that it may receive in a month (or as `20 GB`); unset: no budget.
    #[serde(with = "super::units::bytes_maybe", default, skip_serializing_if = "Option::is_none")]
    pub month_bytes_max: Option<u64>,
    /// Offset of the windows and months from UTC, as `+03:00`.
    #[serde(with = "super::units::offset", default)]
    pub utc_offset: i32,
}

/// Most windows of a line: a week in hours would be 168; people write three.
pub const WINDOWS_MAX: usize = 32;

/// What a line allows at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Whether bytes may be asked for now.
    pub may_start: bool,
    /// Bytes a second at most; unset: no cap.
    pub rate_cap: Option<u64>,
    /// Bytes that are left of the month's budget; unset: no budget. Never ask for more than this.
    pub bytes_left: Option<u64>,
    /// When this answer ends: ask again then. Unset: it does not end by itself.
    pub until: Option<Timestamp>,
    /// The same in words: `closed until 22:00`.
    pub why: String,
}

impl Line {
    /// Returns a line that may always be used at any rate.
    pub fn open(name: &str, cost: CostClass) -> Line {
        let name = name.to_owned();
        Line { name, cost, rate_bytes_per_sec_max: None, windows: Vec::new(), month_bytes_max: None, utc_offset: 0 }
    }

    /// Checks what the form alone cannot: a name that can be typed, windows that can open.
    ///
    /// # Errors
    /// Says what to change.
    pub fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            return Err("the name of a line has 1 to 64 letters, digits, `-`, `_` or `.`".to_owned());
        }
        if self.windows.len() > WINDOWS_MAX {
            return Err(format!("a line has at most {WINDOWS_MAX} windows: join some of them"));
        }
        let rates = self.windows.iter().map(|window| window.rate_bytes_per_sec_max);
        if rates.chain([self.rate_bytes_per_sec_max]).any(|rate| rate == Some(0)) {
            return Err("a rate of 0 never ends: leave the rate out, or close the line by its windows".to_owned());
        }
        Ok(())
    }

    /// Returns the month that bytes at this moment are charged to, before [`settle`](super::budget::settle).
    pub fn month(&self, now: Timestamp) -> Month {
        Month::at(now, self.utc_offset)
    }

    /// Says what the line allows now, given what the settled month has used.
    pub fn allowance(&self, now: Timestamp, used_this_month: u64) -> Allowance {
        self.allowance_in(now, self.month(now), used_this_month)
    }

    /// Like [`Line::allowance`] with the month as [`settle`](super::budget::settle) found it.
    pub fn allowance_in(&self, now: Timestamp, month: Month, used_bytes: u64) -> Allowance {
        let bytes_left = self.month_bytes_max.map(|max| max.saturating_sub(used_bytes));
        if let (Some(max), Some(0)) = (self.month_bytes_max, bytes_left) {
            let again = month.next();
            let why = format!(
                "the budget of {} for {} is used up; it begins again on 1 {}",
                show_bytes(max),
                month.name(),
                again.name()
            );
            let until = Some(again.begins(self.utc_offset));
            return Allowance { may_start: false, rate_cap: None, bytes_left, until, why };
        }
        let week_minute = self.week_minute(now);
        let state = self.state(week_minute);
        let wait_minutes = self.minutes_to_change(week_minute, state);
        let until = wait_minutes.map(|minutes| {
            let into_minute = (now.unix_secs() + i64::from(self.utc_offset) * 60).rem_euclid(60);
            Timestamp(now.plus_secs(minutes * 60 - into_minute).0.saturating_sub(now.0.rem_euclid(1000)))
        });
        let when = wait_minutes.map(|minutes| said_minute(week_minute, minutes));
        let Some(rate_cap) = state else {
            let why = when.map_or("closed: no window opens".to_owned(), |when| format!("closed until {when}"));
            return Allowance { may_start: false, rate_cap: None, bytes_left, until, why };
        };
        let mut why = when.map_or("open".to_owned(), |when| format!("open until {when}"));
        if let Some(rate) = rate_cap {
            why += &format!(", at most {}", show_rate(rate));
        }
        if let (Some(max), Some(left)) = (self.month_bytes_max, bytes_left) {
            why += &format!(", {} of {} left for {}", show_bytes(left), show_bytes(max), month.name());
        }
        // The budget renews at the month's end, which may come before the window's.
        let renews = self.month_bytes_max.map(|_| month.next().begins(self.utc_offset));
        let until = [until, renews].into_iter().flatten().min();
        Allowance { may_start: true, rate_cap, bytes_left, until, why }
    }

    fn week_minute(&self, now: Timestamp) -> i64 {
        // 1970-01-01 was a Thursday.
        let minutes = now.unix_secs().div_euclid(60) + i64::from(self.utc_offset) + 3 * i64::from(DAY_MINUTES);
        minutes.rem_euclid(WEEK_MINUTES)
    }

    /// Returns `None` when closed, else the rate cap. Of several open windows the fastest counts, and
    /// never more than the line's own cap.
    fn state(&self, week_minute: i64) -> Option<Option<u64>> {
        if self.windows.is_empty() {
            return Some(self.rate_bytes_per_sec_max);
        }
        let open = self.windows.iter().filter(|window| window.is_open(week_minute));
        let fastest = open.map(|window| window.rate_bytes_per_sec_max.unwrap_or(u64::MAX)).max()?;
        let rate = fastest.min(self.rate_bytes_per_sec_max.unwrap_or(u64::MAX));
        Some((rate < u64::MAX).then_some(rate))
    }

    fn minutes_to_change(&self, week_minute: i64, state: Option<Option<u64>>) -> Option<i64> {
        let spans = self.windows.iter().flat_map(Window::spans);
        let edges = spans.flat_map(|(start, minutes)| [start, start + minutes]);
        let waits = edges.map(|edge| (edge - week_minute).rem_euclid(WEEK_MINUTES)).filter(|&wait| wait > 0);
        waits.filter(|wait| self.state((week_minute + wait).rem_euclid(WEEK_MINUTES)) != state).min()
    }
}

/// Says when, as people do: the time alone within the next 24 hours, else with the day.
fn said_minute(week_minute: i64, wait_minutes: i64) -> String {
    let at = (week_minute + wait_minutes).rem_euclid(WEEK_MINUTES);
    let day_minutes = i64::from(DAY_MINUTES);
    let time = show_time(u16::try_from(at % day_minutes).unwrap_or(0));
    if wait_minutes < day_minutes {
        return time;
    }
    let day = DAY_NAMES[usize::try_from(at / day_minutes).unwrap_or(0) % 7];
    format!("{day} {time}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 was a Tuesday.
    fn tuesday(hour: i64, minute: i64) -> Timestamp {
        let midnight = Timestamp(1_795_478_400_000);
        assert_eq!(midnight.to_string(), "2026-11-24T00:00:00.000Z");
        midnight.plus_secs(hour * 3600 + minute * 60)
    }

    fn parse(json: &str) -> Result<Line, serde_json::Error> {
        serde_json::from_str(json)
    }

    fn night_line() -> Line {
        parse(
            r#"{"name":"sat","cost":"night","rate_bytes_per_sec_max":"1 Mbit/s","month_bytes_max":"20 GB",
                "windows":[{"hours":"22:00-06:00"},{"days":"sat,sun","hours":"08:00-20:00","rate_bytes_per_sec_max":"500 kbit/s"}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_line_says_when_it_is_open_and_why_not() {
        let line = night_line();
        line.check().unwrap();
        let day = line.allowance(tuesday(12, 0), 0);
        assert_eq!((day.may_start, day.why.as_str()), (false, "closed until 22:00"));
        assert_eq!(day.until, Some(tuesday(22, 0)));
        let night = line.allowance(Timestamp(tuesday(23, 30).0 + 31_999), 16_500_000_000);
        assert_eq!(night.why, "open until 06:00, at most 1 Mbit/s, 3.5 GB of 20 GB left for November");
        assert_eq!((night.may_start, night.rate_cap, night.bytes_left), (true, Some(125_000), Some(3_500_000_000)));
        assert_eq!(night.until, Some(tuesday(30, 0)), "to the second, whatever the milliseconds");
        let weekend = line.allowance(tuesday(4 * 24 + 9, 0), 0);
        assert_eq!((weekend.rate_cap, weekend.until), (Some(62_500), Some(tuesday(4 * 24 + 20, 0))));
        let spent = line.allowance(tuesday(23, 0), 20_000_000_001);
        assert_eq!(spent.why, "the budget of 20 GB for November is used up; it begins again on 1 December");
        assert_eq!(spent.until.unwrap().to_string(), "2026-12-01T00:00:00.000Z");
        assert_eq!((spent.may_start, spent.bytes_left), (false, Some(0)));
    }

    #[test]
    fn offsets_days_and_long_waits() {
        let mut line = parse(
            r#"{"name":"x","cost":"metered","windows":[{"days":"mon","hours":"20:00-02:00"}],"utc_offset":"+03:00"}"#,
        )
        .unwrap();
        // Monday 20:00 at +03:00 is Monday 17:00 UTC; it reaches into Tuesday 02:00, 23:00 UTC on Monday.
        assert!(line.allowance(tuesday(-2, 59), 0).may_start, "22:59 UTC on Monday");
        assert!(!line.allowance(tuesday(-1, 0), 0).may_start);
        let wait = line.allowance(tuesday(0, 0), 0);
        assert_eq!((wait.why.as_str(), wait.until), ("closed until Monday 20:00", Some(tuesday(6 * 24 + 17, 0))));
        line.windows.clear();
        let open = line.allowance(tuesday(0, 0), 0);
        assert_eq!((open.may_start, open.until, open.why.as_str()), (true, None, "open"));
        line.windows = vec![Window { days: Days::ALL, hours: (0, 1440), rate_bytes_per_sec_max: None }];
        assert_eq!(line.allowance(tuesday(0, 0), 0).until, None, "a window that never ends");
    }

    #[test]
    fn settings_come_back_as_they_were_and_mistakes_are_named() {
        let line = night_line();
        let json = serde_json::to_string(&line).unwrap();
        assert_eq!(parse(&json).unwrap(), line, "{json}");
        assert!(json.contains(r#""hours":"22:00-06:00""#), "{json}");
        for (json, says) in [
            (r#"{"name":"x","cost":"cheap"}"#, "on-net"),
            (r#"{"name":"x","cost":"lan","month":"20 GB"}"#, "month_bytes_max"),
            (r#"{"name":"x","cost":"lan","month_bytes_max":"20 Gb"}"#, "write `20 GB`"),
            (r#"{"name":"x","cost":"lan","windows":[{"hours":"22-6"}]}"#, "22:00-06:00"),
            (r#"{"name":"x","cost":"lan","windows":[{"hours":"22:00-06:00","days":"weekend"}]}"#, "sat,sun"),
        ] {
            let said = parse(json).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        }
        assert!(parse(r#"{"name":"x y","cost":"lan"}"#).unwrap().check().is_err());
        assert!(parse(r#"{"name":"x","cost":"lan","rate_bytes_per_sec_max":0}"#).unwrap().check().is_err());
    }

    #[test]
    fn no_moment_panics() {
        for moment in [i64::MIN, -1, 0, i64::MAX] {
            let _ = night_line().allowance(Timestamp(moment), 1);
        }
    }

    #[test]
    fn the_answer_holds_until_it_says_and_not_longer() {
        let line = night_line();
        let mut now = tuesday(0, 0);
        for _ in 0..40 {
            let before = line.allowance(now, 0);
            let until = before.until.unwrap();
            let just_before = line.allowance(Timestamp(until.0 - 1), 0);
            let after = line.allowance(until, 0);
            assert_eq!((before.may_start, before.rate_cap), (just_before.may_start, just_before.rate_cap));
            let month_turned = line.month(until) != line.month(now);
            assert!(month_turned || (before.may_start, before.rate_cap) != (after.may_start, after.rate_cap));
            now = until;
        }
    }
}
