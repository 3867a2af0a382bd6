//! Reconstructions as Xet servers write them, in both versions. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use karez_types::{ByteRange, XorbHash};
use serde::Deserialize;
use url::Url;

use crate::transfer::{SourceError, XetTerm};

/// Chunk positions end before `end`, byte positions at it (the protocol mixes both).
#[derive(Debug, Clone, Copy, Deserialize)]
struct Span {
    start: u64,
    end: u64,
}

#[derive(Debug, Deserialize)]
struct TermJson {
    hash: XorbHash,
    unpacked_length: u32,
    range: Span,
}

#[derive(Debug, Deserialize)]
struct FetchV1 {
    range: Span,
    url: String,
    url_range: Span,
}

#[derive(Debug, Deserialize)]
struct FetchV2 {
    url: String,
    ranges: Vec<PlaceV2>,
}

#[derive(Debug, Deserialize)]
struct PlaceV2 {
    chunks: Span,
    bytes: Span,
}

/// The answer to a question for a whole file.
#[derive(Debug, Deserialize)]
pub(super) struct Reconstruction {
    #[serde(default)]
    offset_into_first_range: u64,
    terms: Vec<TermJson>,
    /// Version 1.
    #[serde(default)]
    fetch_info: HashMap<XorbHash, Vec<FetchV1>>,
    /// Version 2.
    #[serde(default)]
    xorbs: HashMap<XorbHash, Vec<FetchV2>>,
}

/// A range of a xorb that can be fetched, and from where.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    pub(super) bytes: ByteRange,
    pub(super) url: Arc<Url>,
    chunk_start: u32,
    chunk_end: u32,
}

/// What can be fetched of each xorb, sorted. Ranges that overlap make no sense in a layout, so that the last
/// one that begins early enough is the one that is meant.
pub(super) type Fetches = HashMap<XorbHash, Vec<Fetch>>;

fn wrong(what: &str) -> SourceError {
    SourceError::Wrong(format!("sent a reconstruction that {what}"))
}

fn fetch(chunks: Span, url: &Arc<Url>, bytes: Span) -> Result<Fetch, SourceError> {
    let number = |number: u64| u32::try_from(number).map_err(|_| wrong("names a chunk that no xorb can have"));
    let (chunk_start, chunk_end) = (number(chunks.start)?, number(chunks.end)?);
    // Xorbs are far below 4 GiB; offsets in recipes have 32 bits.
    let end = bytes.end.checked_add(1).filter(|end| *end <= u64::from(u32::MAX));
    let range = end.and_then(|end| ByteRange::new(bytes.start, end)).filter(|range| !range.is_empty());
    let bytes = range.ok_or_else(|| wrong("names bytes that no xorb can have"))?;
    Ok(Fetch { bytes, url: Arc::clone(url), chunk_start, chunk_end })
}

fn address(text: &str) -> Result<Arc<Url>, SourceError> {
    Url::parse(text).map(Arc::new).map_err(|_| wrong("has an address that is none"))
}

impl Reconstruction {
    /// Returns the terms of a file of this length, each with the run that holds it, and what can be fetched.
    ///
    /// # Errors
    /// [`SourceError::Wrong`] when it contradicts itself or the length of the file.
    pub(super) fn read(self, file_bytes: u64) -> Result<(Vec<XetTerm>, Fetches), SourceError> {
        if self.offset_into_first_range != 0 {
            return Err(wrong("does not begin at the beginning"));
        }
        let mut fetches: Fetches = HashMap::with_capacity(self.fetch_info.len() + self.xorbs.len());
        for (xorb, list) in self.fetch_info {
            let places = fetches.entry(xorb).or_default();
            for FetchV1 { range, url, url_range } in list {
                places.push(fetch(range, &address(&url)?, url_range)?);
            }
        }
        for (xorb, list) in self.xorbs {
            let places = fetches.entry(xorb).or_default();
            for FetchV2 { url, ranges } in list {
                let url = address(&url)?;
                for PlaceV2 { chunks, bytes } in ranges {
                    places.push(fetch(chunks, &url, bytes)?);
                }
            }
        }
        let order = |place: &Fetch| (place.chunk_start, place.chunk_end, place.bytes);
        fetches.values_mut().for_each(|places| places.sort_unstable_by_key(order));
        let mut total = 0u64;
        let mut terms = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            total += u64::from(term.unpacked_length);
            terms.push(located(term, &fetches)?);
        }
        if total != file_bytes {
            return Err(wrong("makes a file of another length"));
        }
        Ok((terms, fetches))
    }
}

/// Finds the run that holds a term.
fn located(term: &TermJson, fetches: &Fetches) -> Result<XetTerm, SourceError> {
    let number = |number: u64| u32::try_from(number).map_err(|_| wrong("names a chunk that no xorb can have"));
    let (chunk_start, chunk_end) = (number(term.range.start)?, number(term.range.end)?);
    let places = fetches.get(&term.hash).map_or(&[][..], Vec::as_slice);
    let after = places.partition_point(|place| place.chunk_start <= chunk_start);
    let run = places[..after].last().filter(|run| chunk_end <= run.chunk_end);
    let run = run.ok_or_else(|| wrong("has a term that cannot be fetched"))?;
    // The bound of `fetch` makes both fit.
    let (run_byte_start, run_byte_end) = (run.bytes.start as u32, run.bytes.end as u32);
    Ok(XetTerm {
        xorb: term.hash,
        chunk_start,
        chunk_end,
        raw_bytes: term.unpacked_length,
        run_chunk_start: run.chunk_start,
        run_chunk_end: run.chunk_end,
        run_byte_start,
        run_byte_end,
    })
}

/// Finds the address for these bytes of a xorb.
pub(super) fn fetch_of(fetches: &Fetches, xorb: XorbHash, bytes: ByteRange) -> Option<&Fetch> {
    let places = fetches.get(&xorb)?;
    let after = places.partition_point(|place| place.bytes.start <= bytes.start);
    places[..after].last().filter(|place| place.bytes.contains(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value, file_bytes: u64) -> Result<(Vec<XetTerm>, Fetches), SourceError> {
        serde_json::from_value::<Reconstruction>(value).unwrap().read(file_bytes)
    }

    #[test]
    fn both_versions_say_the_same() {
        let (a, b) = (XorbHash([1; 32]), XorbHash([2; 32]));
        let terms = json!([
            { "hash": a, "unpacked_length": 100, "range": { "start": 2, "end": 4 } },
            { "hash": b, "unpacked_length": 50, "range": { "start": 0, "end": 1 } },
            { "hash": a, "unpacked_length": 60, "range": { "start": 3, "end": 5 } },
        ]);
        let one = json!({
            "offset_into_first_range": 0,
            "terms": terms,
            "fetch_info": {
                a.to_string(): [{ "range": { "start": 2, "end": 5 }, "url": "https://x/a?s=1", "url_range": { "start": 40, "end": 199 } }],
                b.to_string(): [{ "range": { "start": 0, "end": 1 }, "url": "https://x/b", "url_range": { "start": 0, "end": 59 } }],
            },
        });
        let two = json!({
            "terms": terms,
            "xorbs": {
                a.to_string(): [{ "url": "https://x/a?s=1", "ranges": [{ "chunks": { "start": 2, "end": 5 }, "bytes": { "start": 40, "end": 199 } }] }],
                b.to_string(): [{ "url": "https://x/b", "ranges": [{ "chunks": { "start": 0, "end": 1 }, "bytes": { "start": 0, "end": 59 } }] }],
            },
        });
        let (terms_one, fetches) = read(one, 210).unwrap();
        let (terms_two, _) = read(two, 210).unwrap();
        assert_eq!(terms_one, terms_two);
        let first = terms_one[0];
        assert_eq!(
            (first.run_chunk_start, first.run_chunk_end, first.run_byte_start, first.run_byte_end),
            (2, 5, 40, 200)
        );
        let range = |start, end| ByteRange { start, end };
        assert_eq!(fetch_of(&fetches, a, range(50, 200)).unwrap().url.as_str(), "https://x/a?s=1");
        assert!(fetch_of(&fetches, a, range(39, 50)).is_none());
        assert!(fetch_of(&fetches, XorbHash([3; 32]), range(0, 1)).is_none());
    }

    #[test]
    fn contradictions_are_wrong() {
        let a = XorbHash([1; 32]);
        let term = json!({ "hash": a, "unpacked_length": 100, "range": { "start": 0, "end": 4 } });
        let answer = |chunk_end: u64, byte_end: u64, url: &str| {
            json!({
                "terms": [term],
                "fetch_info": { a.to_string(): [{
                    "range": { "start": 0, "end": chunk_end }, "url": url, "url_range": { "start": 5, "end": byte_end },
                }] },
            })
        };
        read(answer(4, 99, "https://x/"), 100).unwrap();
        for (value, file_bytes) in [
            (answer(4, 99, "https://x/"), 101),
            (answer(3, 99, "https://x/"), 100),
            (answer(4, 3, "https://x/"), 100),
            (answer(4, u64::MAX, "https://x/"), 100),
            (answer(4, 1 << 40, "https://x/"), 100),
            (answer(1 << 40, 99, "https://x/"), 100),
            (answer(4, 99, "x"), 100),
            (json!({ "offset_into_first_range": 1, "terms": [] }), 0),
            (json!({ "terms": [term] }), 100),
        ] {
            assert!(matches!(read(value.clone(), file_bytes), Err(SourceError::Wrong(_))), "{value}");
        }
    }
}
