//! The front door: what this is, and is it well.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, Caller};
use crate::hub_api::{missing_without_owner, name_without_owner};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/", G::Anyone, B::Empty, index),
        Route::new(V::Get, "/healthz", G::Anyone, B::Empty, alive),
        Route::new(V::Get, "/readyz", G::Anyone, B::Empty, ready),
    ]
}

/// A plain page that says what this is; works without scripts and weighs under 2 KiB.
async fn index(Base(base): Base) -> Response {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Karez</title><body style=\"font:1rem/1.5 sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem\">\
         <h1>Karez</h1><p>This is a node of an AI commons: models and datasets, kept and shared by the people who run it. \
         The tools that you have work with it unchanged.</p>\
         <pre>export HF_ENDPOINT={base}\nhf download owner/name\nhf upload owner/name file</pre>\
         <p>Machine-readable lists: <a href=\"/api/models\">models</a>, <a href=\"/api/datasets\">datasets</a>, \
         <a href=\"/api/spaces\">spaces</a>.</p>"
    );
    Html(page).into_response()
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
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")], Json(json!({ "error": message }))).into_response()
}
