//! Objects and their parts, under sealed addresses.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use karez_formats::http_range::{RangeRequest, parse};
use karez_hub::HubError;
use karez_types::{ByteRange, Sha256};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::AppState;
use crate::body::body_pieces;
use crate::error::{ApiError, ApiResult, header_text};
use crate::extract::{JsonBody, Params};

pub(super) async fn object_put(
    State(state): State<AppState>,
    params: Params,
    request: Request,
) -> ApiResult<Json<Value>> {
    state.hub.lfs_object_put(params.text("sealed"), body_pieces(request.into_body())).await?;
    Ok(Json(json!({})))
}

pub(super) async fn part_put(State(state): State<AppState>, params: Params, request: Request) -> ApiResult<Response> {
    let part = params.parse("part")?;
    let etag = state.hub.lfs_part_put(params.text("sealed"), part, body_pieces(request.into_body())).await?;
    Ok(([(header::ETAG, header_text(&etag))], Json(json!({}))).into_response())
}

#[derive(Deserialize)]
pub(super) struct CompleteBody {
    oid: Sha256,
    parts: Vec<PartBody>,
}

#[derive(Deserialize)]
struct PartBody {
    #[serde(rename = "partNumber")]
    part_number: u64,
    etag: String,
}

pub(super) async fn complete(
    State(state): State<AppState>,
    params: Params,
    JsonBody(body): JsonBody<CompleteBody>,
) -> ApiResult<Json<Value>> {
    let parts: Vec<(u64, String)> = body.parts.into_iter().map(|part| (part.part_number, part.etag)).collect();
    state.hub.lfs_complete(params.text("sealed"), body.oid, &parts).await?;
    Ok(Json(json!({})))
}

/// Gives an object, or one range of it: git-lfs goes on where a download stopped.
pub(super) async fn object_get(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let download = state.hub.lfs_download(params.text("sealed")).await?;
    let total_bytes = download.file_bytes;
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, range) = match asked.map_or(RangeRequest::Whole, |value| parse(value, total_bytes)) {
        RangeRequest::Whole => (StatusCode::OK, ByteRange { start: 0, end: total_bytes }),
        RangeRequest::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        RangeRequest::Unsatisfiable => return Err(ApiError(HubError::RangeOutside { total_bytes })),
    };
    let mut answer = HeaderMap::new();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    answer.insert(header::CONTENT_LENGTH, HeaderValue::from(range.byte_count()));
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer.insert(header::ETAG, header_text(&format!("\"{}\"", download.sha256)));
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{total_bytes}", range.start, range.end - 1);
        answer.insert(header::CONTENT_RANGE, header_text(&text));
    }
    Ok((status, answer, Body::from_stream(state.hub.lfs_stream(&download, range).await?)).into_response())
}
