//! Any text as a Range header: never a panic, and what is asked for lies inside.
#![no_main]

use karez_formats::http_range::{RangeRequest, RangesRequest, parse, parse_many};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &str)| {
    let (total_bytes, header) = input;
    if let RangeRequest::Part(part) = parse(header, total_bytes) {
        assert!(part.start < part.end && part.end <= total_bytes);
        assert_eq!(parse_many(header, total_bytes, 8), RangesRequest::Parts(vec![part]));
    }
    if let RangesRequest::Parts(parts) = parse_many(header, total_bytes, 8) {
        assert!((1..=8).contains(&parts.len()));
        assert!(parts.iter().all(|part| part.start < part.end && part.end <= total_bytes));
    }
});
