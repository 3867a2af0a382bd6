//! Addresses that clients visit on their own: answered shortly, and nothing is kept.

use axum::extract::State;
use axum::http::StatusCode;
use karez_hub::{HubError, Right};
use serde_json::{Value, json};

use super::repos::values_of;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Caller, QueryOf, Target, json};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/api/telemetry/{*topic}", G::Anyone, B::Sink, telemetry),
        Route::new(V::Get, "/api/agent-harnesses", G::Anyone, B::Empty, agent_harnesses),
        Route::new(V::Get, "/api/models-tags-by-type", G::Anyone, B::Empty, tags_by_type),
        Route::new(V::Get, "/api/datasets-tags-by-type", G::Anyone, B::Empty, tags_by_type),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/discussions", G::RepoRead, B::Empty, discussion_list),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/likers", G::RepoRead, B::Empty, nobody_yet),
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

/// Lists pull requests; there are no other discussions here yet.
async fn discussion_list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<axum::Json<Value>> {
    let first = |name: &str| values_of(&query, name).into_iter().next();
    let page = first("p").and_then(|page| page.parse().ok()).unwrap_or(0);
    let found = state.hub.pull_request_list(&caller, &address, page).await?;
    // All pull requests are open here: nobody can merge or close them yet.
    let is_other = first("type").as_deref() == Some("discussion") || first("status").as_deref() == Some("closed");
    if is_other {
        return Ok(json(json!({ "discussions": [], "count": 0, "start": 0 })));
    }
    let repo = json!({ "name": found.repo.address().id(), "type": found.repo.kind.as_str() });
    let items: Vec<Value> = found
        .items
        .iter()
        .map(|item| {
            json!({
                "num": item.number,
                "title": item.title,
                "author": { "name": item.author.as_ref().map_or("deleted", |name| name.as_str()) },
                "createdAt": item.created,
                "status": "open",
                "isPullRequest": true,
                "repo": repo,
            })
        })
        .collect();
    Ok(json(json!({ "discussions": items, "count": found.count, "start": found.start })))
}

/// People cannot like repositories here yet.
async fn nobody_yet(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
) -> ApiResult<axum::Json<Value>> {
    state.hub.auth_check(&caller, &address, Right::Read).await?;
    Ok(json(json!([])))
}
