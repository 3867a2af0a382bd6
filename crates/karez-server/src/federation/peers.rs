//! What peers ask about third nodes: what this node holds of their logs, and where they are.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use karez_hub::HubError;

use crate::AppState;
use crate::changing::changing_packed;
use crate::error::ApiResult;
use crate::extract::Params;

/// Peers ask once a minute; a cache in between may answer most of them.
const WHILE: HeaderValue = HeaderValue::from_static("public, max-age=30");
/// Whoever asks for tags has heard that there are new ones.
const MOMENT: HeaderValue = HeaderValue::from_static("public, max-age=2");

/// A bit for each entry of the log: set when the revision that it names is here whole.
pub(super) async fn have(State(state): State<AppState>, params: Params, asked: HeaderMap) -> ApiResult<Response> {
    let missing = || HubError::Missing("this node does not follow that log".to_owned());
    let federation = state.federation.as_ref().ok_or_else(missing)?;
    let bitmap = federation.have_bitmap(params.text("origin")).await;
    let bitmap = bitmap.map_err(|error| HubError::Damaged(format!("what is held: {error}")))?.ok_or_else(missing)?;
    Ok(changing_packed(&asked, bitmap.into(), HeaderValue::from_static("application/octet-stream"), WHILE))
}

/// Of which logs something is here, each with a tag that changes with the bits.
pub(super) async fn haves(State(state): State<AppState>, asked: HeaderMap) -> ApiResult<Response> {
    let told = crate::log::told(&state).await?;
    let body = serde_json::to_vec(&told.haves).map_err(|error| HubError::Damaged(error.to_string()))?;
    Ok(changing_packed(&asked, body.into(), HeaderValue::from_static("application/json"), MOMENT))
}

/// The newest descriptions of the peers, each signed by the node that it is about.
pub(super) async fn nodes(State(state): State<AppState>, asked: HeaderMap) -> ApiResult<Response> {
    let notes = state.federation.as_ref().map(|federation| federation.descriptions()).unwrap_or_default();
    let body = serde_json::Value::from(notes).to_string().into();
    Ok(changing_packed(&asked, body, HeaderValue::from_static("application/json"), WHILE))
}
