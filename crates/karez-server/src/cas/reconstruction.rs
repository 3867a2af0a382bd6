//! Reconstructions in the shapes of both versions.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use karez_hub::{HubError, SignedRanges, XetGrant, XorbFetch};
use karez_types::{ByteRange, FileHash, XorbHash};
use serde::{Deserialize, Serialize};

use super::{CAS_PATH, XetReader};
use crate::AppState;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, JsonBody, Params};

/// Chunk positions end before `end`, byte positions at it (the protocol mixes both).
#[derive(Serialize)]
struct Span {
    start: u64,
    end: u64,
}

impl Span {
    fn chunks(start: u32, end: u32) -> Span {
        Span { start: start.into(), end: end.into() }
    }

    fn bytes(range: ByteRange) -> Span {
        Span { start: range.start, end: range.end - 1 }
    }
}

#[derive(Serialize)]
struct TermJson {
    hash: XorbHash,
    unpacked_length: u32,
    range: Span,
}

impl TermJson {
    fn all(terms: &[karez_formats::xet::Term]) -> Vec<TermJson> {
        let one = |term: &karez_formats::xet::Term| TermJson {
            hash: term.xorb,
            unpacked_length: term.raw_bytes,
            range: Span::chunks(term.chunk_start, term.chunk_end),
        };
        terms.iter().map(one).collect()
    }
}

#[derive(Serialize)]
struct FetchV1 {
    range: Span,
    url: String,
    url_range: Span,
}

#[derive(Serialize)]
struct FetchV2 {
    url: String,
    ranges: Vec<PlaceV2>,
}

#[derive(Serialize)]
struct PlaceV2 {
    chunks: Span,
    bytes: Span,
}

#[derive(Serialize)]
struct AnswerV1 {
    offset_into_first_range: u64,
    terms: Vec<TermJson>,
    fetch_info: BTreeMap<XorbHash, Vec<FetchV1>>,
}

#[derive(Serialize)]
struct AnswerV2 {
    offset_into_first_range: u64,
    terms: Vec<TermJson>,
    xorbs: BTreeMap<XorbHash, Vec<FetchV2>>,
}

#[derive(Serialize)]
struct AnswerBatch {
    files: BTreeMap<FileHash, Vec<TermJson>>,
    fetch_info: BTreeMap<XorbHash, Vec<FetchV1>>,
}

fn fetches_v1(base: &str, fetches: &[XorbFetch]) -> BTreeMap<XorbHash, Vec<FetchV1>> {
    let mut by_xorb: BTreeMap<XorbHash, Vec<FetchV1>> = BTreeMap::new();
    for fetch in fetches {
        let url = range_address(base, &fetch.signed);
        let places = fetch.ranges.iter().map(|place| FetchV1 {
            range: Span::chunks(place.chunk_start, place.chunk_end),
            url: url.clone(),
            url_range: Span::bytes(place.bytes),
        });
        by_xorb.entry(fetch.signed.xorb).or_default().extend(places);
    }
    by_xorb
}

fn fetches_v2(base: &str, fetches: &[XorbFetch]) -> BTreeMap<XorbHash, Vec<FetchV2>> {
    let mut by_xorb: BTreeMap<XorbHash, Vec<FetchV2>> = BTreeMap::new();
    for fetch in fetches {
        let places = fetch.ranges.iter().map(|place| PlaceV2 {
            chunks: Span::chunks(place.chunk_start, place.chunk_end),
            bytes: Span::bytes(place.bytes),
        });
        let fetch_json = FetchV2 { url: range_address(base, &fetch.signed), ranges: places.collect() };
        by_xorb.entry(fetch.signed.xorb).or_default().push(fetch_json);
    }
    by_xorb
}

/// Returns the address under which a client without a token reads these ranges.
fn range_address(base: &str, signed: &SignedRanges) -> String {
    let mut address = format!("{base}{CAS_PATH}/x/{}?r=", signed.xorb);
    for (position, range) in signed.ranges.iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        write!(address, "{comma}{}-{}", range.start, range.end - 1).expect("writing to text");
    }
    write!(address, "&e={}&s={}", signed.expires.unix_secs(), signed.proof).expect("writing to text");
    address
}

pub(super) async fn v1(
    State(state): State<AppState>,
    XetReader(grant): XetReader,
    params: Params,
    Base(base): Base,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let found = state.hub.reconstruction(&grant, params.parse("hash")?, range_of(&headers)?).await?;
    Ok(answer(AnswerV1 {
        offset_into_first_range: found.skip_bytes,
        terms: TermJson::all(&found.terms),
        fetch_info: fetches_v1(&base, &found.xorbs),
    }))
}

pub(super) async fn v2(
    State(state): State<AppState>,
    XetReader(grant): XetReader,
    params: Params,
    Base(base): Base,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let found = state.hub.reconstruction(&grant, params.parse("hash")?, range_of(&headers)?).await?;
    Ok(answer(AnswerV2 {
        offset_into_first_range: found.skip_bytes,
        terms: TermJson::all(&found.terms),
        xorbs: fetches_v2(&base, &found.xorbs),
    }))
}

/// A file in a batch request, as the specification has it; the prefix says nothing.
#[derive(Deserialize)]
pub(super) struct FileKey {
    hash: FileHash,
}

pub(super) async fn batch_by_body(
    State(state): State<AppState>,
    XetReader(grant): XetReader,
    Base(base): Base,
    JsonBody(keys): JsonBody<Vec<FileKey>>,
) -> ApiResult<Response> {
    let hashes: Vec<FileHash> = keys.into_iter().map(|key| key.hash).collect();
    batch(&state, &grant, &base, &hashes).await
}

pub(super) async fn batch_by_query(
    State(state): State<AppState>,
    XetReader(grant): XetReader,
    Base(base): Base,
    RawQuery(query): RawQuery,
) -> ApiResult<Response> {
    let query = query.unwrap_or_default();
    let values = query.split('&').filter_map(|pair| pair.strip_prefix("file_id="));
    let wrong = |_| ApiError::invalid("file_id must be 64 hexadecimal digits");
    let hashes: Vec<FileHash> = values.map(|text| text.parse().map_err(wrong)).collect::<Result<_, _>>()?;
    batch(&state, &grant, &base, &hashes).await
}

async fn batch(state: &AppState, grant: &XetGrant, base: &str, hashes: &[FileHash]) -> ApiResult<Response> {
    let (files, fetches) = state.hub.reconstructions(grant, hashes).await?;
    Ok(answer(AnswerBatch {
        files: files.iter().map(|(hash, terms)| (*hash, TermJson::all(terms))).collect(),
        fetch_info: fetches_v1(base, &fetches),
    }))
}

/// Answers with addresses that end: caches must not keep them.
fn answer(body: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response()
}

/// Reads `bytes=a-b` or `bytes=a-`; the end may lie beyond the file's.
fn range_of(headers: &HeaderMap) -> ApiResult<Option<(u64, u64)>> {
    let Some(value) = headers.get(header::RANGE) else { return Ok(None) };
    let parse = || {
        let (first, last) = value.to_str().ok()?.trim().strip_prefix("bytes=")?.split_once('-')?;
        let first = first.trim().parse().ok()?;
        let last = match last.trim() {
            "" => u64::MAX,
            last => last.parse().ok()?,
        };
        (first <= last).then_some((first, last))
    };
    let wrong = || ApiError(HubError::Invalid("send the Range header as bytes=first-last".to_owned()));
    parse().map(Some).ok_or_else(wrong)
}
