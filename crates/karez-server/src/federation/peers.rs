//! What peers ask about third nodes: what this node holds of their logs, and where they are.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use karez_hub::HubError;
use sha2::{Digest as _, Sha256};

use crate::AppState;
use crate::error::{ApiResult, header_text};
use crate::extract::Params;
use crate::hub_api::names_tag;

/// Peers ask once a minute; a cache in between may answer most of them.
const WHILE: HeaderValue = HeaderValue::from_static("public, max-age=30");

/// Answers bytes that change now and then: with 304 when the caller has them already.
fn changing(asked: &HeaderMap, body: Vec<u8>, content_type: &'static str) -> Response {
    let digest = Sha256::digest(&body);
    let etag: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{etag}\"");
    let headers = [(header::ETAG, header_text(&etag)), (header::CACHE_CONTROL, WHILE)];
    if names_tag(asked, header::IF_NONE_MATCH, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// A bit for each entry of the log: set when the revision that it names is here whole.
pub(super) async fn have(State(state): State<AppState>, params: Params, asked: HeaderMap) -> ApiResult<Response> {
    let missing = || HubError::Missing("this node does not follow that log".to_owned());
    let federation = state.federation.as_ref().ok_or_else(missing)?;
    let bitmap = federation.have_bitmap(params.text("origin")).await;
    let bitmap = bitmap.map_err(|error| HubError::Damaged(format!("what is held: {error}")))?.ok_or_else(missing)?;
    Ok(changing(&asked, bitmap, "application/octet-stream"))
}

/// The newest descriptions of the peers, each signed by the node that it is about.
pub(super) async fn nodes(State(state): State<AppState>, asked: HeaderMap) -> ApiResult<Response> {
    let notes = state.federation.as_ref().map(|federation| federation.descriptions()).unwrap_or_default();
    Ok(changing(&asked, serde_json::Value::from(notes).to_string().into_bytes(), "application/json"))
}
