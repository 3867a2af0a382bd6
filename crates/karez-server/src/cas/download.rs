//! Bytes of xorbs on their way out.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use karez_formats::http_range::{RangesRequest, parse_many};
use karez_hub::{HubError, HubResult, SignedRanges};
use karez_types::{ByteRange, Timestamp, XorbHash};
use serde::Deserialize;

use super::XetReader;
use crate::AppState;
use crate::error::{ApiError, ApiResult, header_text};
use crate::extract::{Params, QueryOf};

/// Between the parts of an answer with several ranges. Fixed: what stands between two boundaries is
/// read by its length, not searched.
const BOUNDARY: &str = "karez-range-7f3a91c4";

/// Ranges in one request; as many as one address carries.
const RANGES_MAX: usize = 64;

/// The query of a signed address: ranges as in a Range header, expiry, proof.
#[derive(Deserialize)]
pub(super) struct Signed {
    r: String,
    e: i64,
    s: String,
}

impl Signed {
    fn ranges(&self) -> Option<Vec<ByteRange>> {
        let one = |text: &str| {
            let (first, last) = text.split_once('-')?;
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            ByteRange::new(first, last.checked_add(1)?)
        };
        self.r.split(',').take(RANGES_MAX + 1).map(one).collect()
    }
}

/// Gives ranges of a xorb to whoever has an address that was signed for them.
pub(super) async fn xorb_ranges(
    State(state): State<AppState>,
    params: Params,
    QueryOf(query): QueryOf<Signed>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let xorb: XorbHash = params.parse("hash")?;
    let ranges = query.ranges().ok_or_else(|| ApiError::invalid("the ranges in the address are malformed"))?;
    let expires = Timestamp(0).plus_secs(query.e);
    let signed = SignedRanges { xorb, ranges, expires, proof: query.s };
    let asked = asked(&headers, &signed)?;
    state.hub.signed_ranges_check(&signed, &asked)?;
    match asked[..] {
        [range] => one_range(&state, xorb, range).await,
        _ => many_ranges(&state, xorb, asked).await,
    }
}

/// Returns the ranges of the Range header. Without one, an address with a single range means that.
fn asked(headers: &HeaderMap, signed: &SignedRanges) -> ApiResult<Vec<ByteRange>> {
    let Some(value) = headers.get(header::RANGE) else {
        return match signed.ranges[..] {
            [range] => Ok(vec![range]),
            _ => Err(ApiError::invalid("send a Range header with the ranges of this address")),
        };
    };
    // Nothing outside the signed ranges is given, so their end stands for the end of the xorb.
    let end = signed.ranges.iter().map(|range| range.end).max().unwrap_or(0);
    match parse_many(value.to_str().unwrap_or(""), end, RANGES_MAX) {
        RangesRequest::Parts(parts) => Ok(parts),
        RangesRequest::Unsatisfiable => {
            let message = "the address does not cover the range asked for; ask for the reconstruction again";
            Err(ApiError(HubError::SignatureInvalid(message.to_owned())))
        }
        RangesRequest::Whole => Err(ApiError::invalid("send the Range header as bytes=first-last")),
    }
}

/// The total is not told: it says nothing to whoever may read only a part.
fn content_range(range: ByteRange) -> String {
    format!("bytes {}-{}/*", range.start, range.end - 1)
}

async fn one_range(state: &AppState, xorb: XorbHash, range: ByteRange) -> ApiResult<Response> {
    let mut response = range_answer(state.hub.xorb_range(xorb, range).await?, range);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    Ok(response)
}

/// Answers one range of a xorb.
pub(crate) fn range_answer(bytes: BoxStream<'static, HubResult<Bytes>>, range: ByteRange) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, HeaderValue::from(range.byte_count())),
        (header::CONTENT_RANGE, header_text(&content_range(range))),
    ];
    (StatusCode::PARTIAL_CONTENT, headers, Body::from_stream(bytes)).into_response()
}

async fn many_ranges(state: &AppState, xorb: XorbHash, ranges: Vec<ByteRange>) -> ApiResult<Response> {
    let mut pieces = Vec::with_capacity(ranges.len() * 2 + 1);
    let mut length = 0u64;
    let text = |text: String, length: &mut u64| {
        *length += text.len() as u64;
        stream::once(std::future::ready(HubResult::Ok(Bytes::from(text)))).boxed()
    };
    for (position, range) in ranges.iter().enumerate() {
        let line_end = if position == 0 { "" } else { "\r\n" };
        let head = format!(
            "{line_end}--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Range: {}\r\n\r\n",
            content_range(*range)
        );
        pieces.push(text(head, &mut length));
        length += range.byte_count();
        pieces.push(state.hub.xorb_range(xorb, *range).await?);
    }
    pieces.push(text(format!("\r\n--{BOUNDARY}--\r\n"), &mut length));
    let headers = [
        (header::CONTENT_TYPE, header_text(&format!("multipart/byteranges; boundary={BOUNDARY}"))),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private")),
    ];
    let body = Body::from_stream(stream::iter(pieces).flatten());
    Ok((StatusCode::PARTIAL_CONTENT, headers, body).into_response())
}

pub(super) async fn xorb_head(
    State(state): State<AppState>,
    XetReader(grant): XetReader,
    params: Params,
) -> ApiResult<Response> {
    let stored_bytes = state.hub.xorb_stored_bytes(&grant, params.parse("hash")?).await?;
    Ok([(header::CONTENT_LENGTH, HeaderValue::from(stored_bytes))].into_response())
}

pub(super) async fn file_head(
    State(state): State<AppState>,
    XetReader(grant): XetReader,
    params: Params,
) -> ApiResult<Response> {
    let file = state.hub.xet_file(&grant, params.parse("hash")?).await?;
    Ok([(header::CONTENT_LENGTH, HeaderValue::from(file.file_bytes))].into_response())
}
