//! What safetensors files say of themselves.

use axum::extract::State;
use serde_json::{Value, json};

use crate::error::ApiResult;
use crate::extract::{Caller, Params, Target, json};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    let template = "/api/{kinds}/{owner}/{name}/safetensors-metadata/{*path}";
    vec![Route::new(Verb::Get, template, Guard::RepoRead, BodyBound::Empty, safetensors_metadata)]
}

async fn safetensors_metadata(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    let found = state.hub.safetensors_headers(&caller, &address, &params.path()?).await?;
    let index = match found.index_metadata {
        Some(metadata) => json!({ "metadata": metadata }),
        None => json!({}),
    };
    Ok(json(json!({ "index": index, "headers": found.headers })))
}
