//! Questions about single chunks.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use karez_hub::HubError;

use super::XetReader;
use crate::AppState;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;

/// Answers with a shard of what surrounds the chunk, or 404.
pub(super) async fn chunk_find(
    State(state): State<AppState>,
    XetReader(grant): XetReader,
    params: Params,
) -> ApiResult<Response> {
    let hash = params.parse("hash")?;
    match state.hub.dedup_lookup(&grant, hash).await? {
        Some(shard) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], shard).into_response()),
        None => Err(ApiError(HubError::Missing(format!("chunk {hash} is not known")))),
    }
}
