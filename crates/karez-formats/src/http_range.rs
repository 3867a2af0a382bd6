//! The `Range` header (RFC 9110, section 14).
//!
//! A header that does not follow the grammar is ignored, as the RFC asks: the answer is the whole
//! file. `If-Range` is decided by the server before it comes here.

use karez_types::ByteRange;

/// What a request with at most one range asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeRequest {
    /// All of it: answer 200.
    Whole,
    /// These bytes, at least one: answer 206.
    Part(ByteRange),
    /// Nothing that exists: answer 416 with `Content-Range: bytes */total`.
    Unsatisfiable,
}

/// What a request that may have several ranges asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangesRequest {
    /// All of it: answer 200.
    Whole,
    /// These parts in the order asked for, at least one, each at least one byte; they may overlap.
    Parts(Vec<ByteRange>),
    /// Nothing that exists: answer 416.
    Unsatisfiable,
}

/// Longest header that is looked at, in bytes; 20 digits twice leave room for 1,000 ranges.
const HEADER_BYTES_MAX: usize = 48 << 10;

/// Reads a header that asks for one range of something `total_bytes` long. Several ranges are
/// answered with the whole, which the RFC allows.
pub fn parse(header: &str, total_bytes: u64) -> RangeRequest {
    match parse_many(header, total_bytes, 1) {
        RangesRequest::Whole => RangeRequest::Whole,
        RangesRequest::Parts(parts) => RangeRequest::Part(parts[0]),
        RangesRequest::Unsatisfiable => RangeRequest::Unsatisfiable,
    }
}

/// Reads a header that asks for at most `ranges_max` ranges of something `total_bytes` long.
/// More ranges are answered with the whole. Ranges that lie beyond the end are left out.
pub fn parse_many(header: &str, total_bytes: u64, ranges_max: usize) -> RangesRequest {
    let Some(set) = (header.len() <= HEADER_BYTES_MAX).then(|| strip_unit(header)).flatten() else {
        return RangesRequest::Whole;
    };
    let mut parts = Vec::new();
    let mut count = 0;
    // The grammar of lists allows empty elements.
    for text in set.split(',').map(|text| text.trim_matches([' ', '\t'])).filter(|text| !text.is_empty()) {
        count += 1;
        let Some(spec) = Spec::parse(text).filter(|_| count <= ranges_max) else { return RangesRequest::Whole };
        parts.extend(spec.within(total_bytes));
    }
    match (count, parts.is_empty()) {
        (0, _) => RangesRequest::Whole,
        (_, true) => RangesRequest::Unsatisfiable,
        (_, false) => RangesRequest::Parts(parts),
    }
}

fn strip_unit(header: &str) -> Option<&str> {
    let (unit, set) = header.trim_matches([' ', '\t']).split_once('=')?;
    unit.eq_ignore_ascii_case("bytes").then_some(set)
}

enum Spec {
    FromTo(u64, u64),
    From(u64),
    Last(u64),
}

impl Spec {
    fn parse(text: &str) -> Option<Spec> {
        match text.split_once('-')? {
            ("", last) => decimal(last).map(Spec::Last),
            (first, "") => decimal(first).map(Spec::From),
            (first, last) => {
                let (first, last) = (decimal(first)?, decimal(last)?);
                (first <= last).then_some(Spec::FromTo(first, last))
            }
        }
    }

    fn within(self, total_bytes: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            Spec::FromTo(first, last) => (first, last.saturating_add(1).min(total_bytes)),
            Spec::From(first) => (first, total_bytes),
            Spec::Last(bytes) => (total_bytes.saturating_sub(bytes), total_bytes),
        };
        ByteRange::new(start, end).filter(|range| !range.is_empty())
    }
}

/// Parses digits; a number too large for 64 bits is larger than any file.
fn decimal(digits: &str) -> Option<u64> {
    let only_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(start: u64, end: u64) -> RangeRequest {
        RangeRequest::Part(ByteRange { start, end })
    }

    #[test]
    fn single_ranges() {
        for (header, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-99", part(0, 100)),
            ("bytes=0-100", part(0, 100)),
            ("bytes=90-", part(90, 100)),
            ("bytes=-10", part(90, 100)),
            ("bytes=-1000", part(0, 100)),
            ("Bytes= 5-6 ", part(5, 7)),
            ("bytes=,5-6,", part(5, 7)),
            ("bytes=0-99999999999999999999999", part(0, 100)),
            ("bytes=0-18446744073709551615", part(0, 100)),
        ] {
            assert_eq!(parse(header, 100), expected, "{header}");
        }
    }

    #[test]
    fn beyond_the_end_is_unsatisfiable() {
        for (header, total) in
            [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-5", 0)]
        {
            assert_eq!(parse(header, total), RangeRequest::Unsatisfiable, "{header} of {total}");
        }
        assert_eq!(parse("bytes=99999999999999999999-", u64::MAX), RangeRequest::Unsatisfiable);
    }

    #[test]
    fn what_breaks_the_grammar_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=+1-2",
            "bytes=1--2",
            "items=0-1",
            "bytes=0 -1",
            "bytes=0-1;2",
            "bytes=１-２",
        ] {
            assert_eq!(parse(header, 100), RangeRequest::Whole, "{header}");
        }
    }

    #[test]
    fn several_ranges() {
        assert_eq!(parse("bytes=0-1,5-6", 100), RangeRequest::Whole);
        let parts = |ranges: &[(u64, u64)]| {
            RangesRequest::Parts(ranges.iter().map(|&(start, end)| ByteRange { start, end }).collect())
        };
        assert_eq!(parse_many("bytes=0-1, 5-6,200-,-1", 100, 4), parts(&[(0, 2), (5, 7), (99, 100)]));
        assert_eq!(parse_many("bytes=0-1,5-6,7-8", 100, 2), RangesRequest::Whole);
        assert_eq!(parse_many("bytes=200-,300-", 100, 2), RangesRequest::Unsatisfiable);
        assert_eq!(parse_many(&format!("bytes={}", "0-1,".repeat(20_000)), 100, usize::MAX), RangesRequest::Whole);
    }

    proptest! {
        #[test]
        fn parts_lie_within(header in "bytes=[0-9,\\- ]{0,30}", total in 0u64..1000) {
            if let RangesRequest::Parts(parts) = parse_many(&header, total, 100) {
                prop_assert!(!parts.is_empty());
                for part in parts {
                    prop_assert!(part.start < part.end && part.end <= total);
                }
            }
        }

        #[test]
        fn any_text_is_parsed_without_panic(header in "\\PC*", total in any::<u64>()) {
            let _ = parse_many(&header, total, 100);
        }
    }
}
