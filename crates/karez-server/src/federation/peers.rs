//! What peers ask about third nodes: what this node holds of their logs, and where they are.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use karez_hub::HubError;

use crate::AppState;
use crate::changing::changing;
use crate::error::ApiResult;
use crate::extract::Params;

/// Peers ask once a minute; a cache in between may answer most of them.
const WHILE: HeaderValue = HeaderValue::from_static("public, max-age=30");

/// A bit for each entry of the log: set when the revision that it names is here whole.
pub(super) async fn have(State(state): State<AppState>, params: Params, asked: HeaderMap) -> ApiResult<Response> {
    let missing = || HubError::Missing("this node does not follow that log".to_owned());
    let federation = state.federation.as_ref().ok_or_else(missing)?;
    let bitmap = federation.have_bitmap(params.text("origin")).await;
    let bitmap = bitmap.map_err(|error| HubError::Damaged(format!("what is held: {error}")))?.ok_or_else(missing)?;
    Ok(changing(&asked, bitmap.into(), HeaderValue::from_static("application/octet-stream"), WHILE))
}

/// The newest descriptions of the peers, each signed by the node that it is about.
pub(super) async fn nodes(State(state): State<AppState>, asked: HeaderMap) -> ApiResult<Response> {
    let notes = state.federation.as_ref().map(|federation| federation.descriptions()).unwrap_or_default();
    let body = serde_json::Value::from(notes).to_string().into();
    Ok(changing(&asked, body, HeaderValue::from_static("application/json"), WHILE))
}
