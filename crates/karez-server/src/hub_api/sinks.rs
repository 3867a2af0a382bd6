//! Addresses that clients visit on their own: answered shortly, and nothing is kept.

use axum::http::StatusCode;
use karez_hub::HubError;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::extract::json;
use crate::{BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/api/telemetry/{*topic}", G::Anyone, B::Sink, telemetry),
        Route::new(V::Get, "/api/agent-harnesses", G::Anyone, B::Empty, agent_harnesses),
        Route::new(V::Get, "/api/models-tags-by-type", G::Anyone, B::Empty, tags_by_type),
        Route::new(V::Get, "/api/datasets-tags-by-type", G::Anyone, B::Empty, tags_by_type),
    ]
}

/// Clients report which library runs; that is nobody's business here. Also answers HEAD.
async fn telemetry() -> StatusCode {
    StatusCode::OK
}

async fn agent_harnesses() -> ApiError {
    ApiError(HubError::Missing("this node keeps no list of agent harnesses".to_owned()))
}

async fn tags_by_type() -> axum::Json<Value> {
    json(json!({}))
}
