//! Is the node well, and what is said where nothing is.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{ApiError, ApiResult};
use crate::extract::Caller;
use crate::hub_api::{missing_without_owner, name_without_owner};
use crate::pages::Told;
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/healthz", G::Anyone, B::Empty, alive),
        Route::new(V::Get, "/readyz", G::Anyone, B::Empty, ready),
    ]
}

async fn alive() -> &'static str {
    "ok\n"
}

/// Says whether the catalog and the store answer.
async fn ready(State(state): State<AppState>) -> ApiResult<&'static str> {
    state.hub.ready().await?;
    Ok("ok\n")
}

/// For addresses that no route knows.
pub(crate) async fn nothing_here(caller: Result<Caller, ApiError>, uri: Uri) -> Response {
    if let Some(name) = name_without_owner(uri.path()) {
        return caller
            .map_or_else(|error| error, |Caller(caller)| missing_without_owner(&caller, name))
            .into_response();
    }
    let path: String = uri.path().chars().take(200).collect();
    let message = format!("nothing is served at {path}; addresses begin with /api/, /cas/ or owner/name");
    tracing::debug!(path, "unknown address");
    let mut response =
        (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")], Json(json!({ "error": message })))
            .into_response();
    response.extensions_mut().insert(Told { words: String::new(), told: None, page_status: StatusCode::NOT_FOUND });
    response
}
