//! Routes for likes.

use axum::extract::State;
use axum::http::StatusCode;
use karez_hub::Liking;
use serde_json::Value;

use super::people::user_json;
use crate::error::ApiResult;
use crate::extract::{Caller, Target, json};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    let like = "/api/{kinds}/{owner}/{name}/like";
    vec![
        // The Python client can only take a like back; pages of the Hub give it by POST.
        Route::new(V::Post, like, G::RepoPropose, B::Empty, repo_like),
        Route::new(V::Delete, like, G::RepoPropose, B::Empty, repo_unlike),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/likers", G::RepoRead, B::Empty, repo_likers),
    ]
}

async fn repo_like(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
) -> ApiResult<StatusCode> {
    state.hub.like(&caller, &address, Liking::Yes).await?;
    Ok(StatusCode::OK)
}

async fn repo_unlike(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
) -> ApiResult<StatusCode> {
    state.hub.like(&caller, &address, Liking::No).await?;
    Ok(StatusCode::OK)
}

async fn repo_likers(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
) -> ApiResult<axum::Json<Value>> {
    let likers = state.hub.likers(&caller, &address).await?;
    Ok(json(likers.iter().map(user_json).collect()))
}
