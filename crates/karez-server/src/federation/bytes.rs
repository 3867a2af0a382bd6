//! File maps, and the stored bytes that they name.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::{BoxStream, try_unfold};
use karez_formats::http_range::{RangeRequest, RangesRequest, parse_many};
use karez_hub::{HubError, HubResult, MappedFile};
use karez_types::{ByteRange, Sha256, XorbHash};

use crate::AppState;
use crate::cas::range_answer;
use crate::error::{ApiError, ApiResult, header_text};
use crate::extract::{Caller, Params, Target};
use crate::hub_api::{names_tag, wanted_range};

/// Bytes under these addresses never change; whether a shared cache may keep them is another question.
fn cache_control(file: &MappedFile) -> HeaderValue {
    HeaderValue::from_static(if file.is_public() { "public, max-age=31536000, immutable" } else { "private" })
}

/// Where a node says with which congestion control it sends: who reads from it then knows how many
/// connections it takes.
const CONGESTION_HEADER: HeaderName = HeaderName::from_static("karez-congestion");

fn say_congestion(state: &AppState, headers: &mut HeaderMap) {
    if let Some(name) = &state.congestion {
        headers.insert(CONGESTION_HEADER, name.clone());
    }
}

/// Gives the map of a file, whole or from where a download broke off.
pub(super) async fn file_map(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let sha256: Sha256 = params.parse("sha256")?;
    let file = state.hub.mapped_file(&caller, &address, sha256).await?;
    let etag = format!("\"{}\"", file.tag());
    let total_bytes = file.head().map_bytes().ok_or_else(|| HubError::Damaged(format!("the recipe of {sha256}")))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, header_text(&etag));
    headers.insert(header::CACHE_CONTROL, cache_control(&file));
    say_congestion(&state, &mut headers);
    if names_tag(&asked, header::IF_NONE_MATCH, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let (status, range) = match wanted_range(&asked, &etag, total_bytes) {
        RangeRequest::Unsatisfiable => return Err(HubError::RangeOutside { total_bytes }.into()),
        RangeRequest::Whole => (StatusCode::OK, ByteRange { start: 0, end: total_bytes }),
        RangeRequest::Part(range) => {
            let text = format!("bytes {}-{}/{total_bytes}", range.start, range.end - 1);
            headers.insert(header::CONTENT_RANGE, header_text(&text));
            (StatusCode::PARTIAL_CONTENT, range)
        }
    };
    headers.insert(header::CONTENT_LENGTH, range.byte_count().into());
    let body = Body::from_stream(cut(state.hub.file_map(&file), range));
    Ok((status, headers, body).into_response())
}

/// Cuts a stream to a range, and asks for nothing after it. What comes before is made and thrown away:
/// the checksum at the end needs it.
fn cut(
    stream: BoxStream<'static, HubResult<Bytes>>,
    range: ByteRange,
) -> impl futures::Stream<Item = HubResult<Bytes>> {
    try_unfold((stream, 0u64), move |(mut stream, mut at)| async move {
        while at < range.end {
            let Some(piece) = stream.try_next().await? else { break };
            let (start, end) = (at, at + piece.len() as u64);
            at = end;
            if end > range.start {
                // Both differences are at most the length of the piece.
                let (from, to) = (range.start.max(start) - start, range.end.min(end) - start);
                return Ok(Some((piece.slice(from as usize..to as usize), (stream, at))));
            }
        }
        Ok(None)
    })
}

/// Gives one range of a xorb, as stored.
pub(super) async fn xorb_range(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let (sha256, xorb): (Sha256, XorbHash) = (params.parse("sha256")?, params.parse("xorb")?);
    let file = state.hub.mapped_file(&caller, &address, sha256).await?;
    let range = one_range(&asked)?;
    let bytes = state.hub.mapped_range(&file, xorb, range).await?;
    let mut response = range_answer(bytes, range);
    let headers = response.headers_mut();
    headers.insert(header::ETAG, header_text(&format!("\"{xorb}\"")));
    headers.insert(header::CACHE_CONTROL, cache_control(&file));
    say_congestion(&state, headers);
    Ok(response)
}

/// Returns the range asked for. It must have both ends: nothing outside the file is given anyway.
fn one_range(asked: &HeaderMap) -> ApiResult<ByteRange> {
    let needed = || ApiError::invalid("send one range, as `Range: bytes=first-last`");
    let value = asked.get(header::RANGE).and_then(|value| value.to_str().ok()).ok_or_else(needed)?;
    match parse_many(value, u64::from(u32::MAX), 1) {
        RangesRequest::Parts(parts) => parts.first().copied().ok_or_else(needed),
        RangesRequest::Whole | RangesRequest::Unsatisfiable => Err(needed()),
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_cut_is_exact_whatever_the_pieces() {
        let whole: Vec<u8> = (0..100).collect();
        for piece_bytes in [1, 7, 50, 100] {
            for (start, end) in [(0, 100), (0, 1), (99, 100), (49, 51), (50, 100), (0, 50), (7, 14)] {
                let pieces = whole.chunks(piece_bytes).map(|piece| Ok(Bytes::copy_from_slice(piece)));
                // What comes after the range is not even asked for.
                let needed = (end as usize).div_ceil(piece_bytes);
                let then = std::iter::once_with(|| panic!("more was asked for than the range needs"));
                let pieces: Vec<HubResult<Bytes>> = pieces.take(needed).collect();
                let stream = futures::stream::iter(pieces.into_iter().chain(then)).boxed();
                let got: Vec<Bytes> = cut(stream, ByteRange { start, end }).try_collect().await.unwrap();
                assert_eq!(got.concat(), whole[start as usize..end as usize], "{start}..{end} by {piece_bytes}");
            }
        }
    }
}
