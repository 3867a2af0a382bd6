//! Routes for branches and tags.

use axum::extract::{Request, State};
use karez_hub::{BranchStart, NewTag, RefInfo};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::repos::says_yes;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Caller, JsonBody, Params, QueryOf, Target, json as json_body, whole_body};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/refs", G::RepoRead, B::Empty, ref_list),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/branch/{rev}", G::RepoWrite, B::Json, branch_create),
        Route::new(V::Delete, "/api/{kinds}/{owner}/{name}/branch/{rev}", G::RepoWrite, B::Empty, branch_delete),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/tag/{rev}", G::RepoWrite, B::Json, tag_create),
        Route::new(V::Delete, "/api/{kinds}/{owner}/{name}/tag/{rev}", G::RepoWrite, B::Empty, tag_delete),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/super-squash/{rev}", G::RepoWrite, B::Json, branch_squash),
    ]
}

fn ref_json(info: &RefInfo) -> Value {
    let full = info.name.as_str();
    let name = full.strip_prefix("refs/convert/").unwrap_or(info.name.short());
    json!({ "name": name, "ref": full, "targetCommit": info.commit })
}

async fn ref_list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<axum::Json<Value>> {
    let lists = state.hub.ref_list(&caller, &address).await?;
    let all = |refs: &[RefInfo]| refs.iter().map(ref_json).collect::<Vec<_>>();
    let mut body =
        json!({ "branches": all(&lists.branches), "converts": all(&lists.converts), "tags": all(&lists.tags) });
    if says_yes(&query, "include_prs") || says_yes(&query, "include_pull_requests") {
        body["pullRequests"] = json!(all(&lists.pull_requests));
    }
    Ok(json_body(body))
}

/// Reads a JSON body that may be absent.
pub(super) async fn optional_body<T: DeserializeOwned + Default>(request: Request, state: &AppState) -> ApiResult<T> {
    let bytes = whole_body(request, state).await?;
    if bytes.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::invalid(format!("the body is not the JSON that this address takes: {error}")))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct BranchBody {
    starting_point: Option<String>,
    #[serde(default)]
    overwrite: bool,
}

async fn branch_create(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    request: Request,
) -> ApiResult<axum::Json<Value>> {
    let body: BranchBody = optional_body(request, &state).await?;
    let missing = |text: &str| karez_hub::HubError::RevisionMissing { revision: text.escape_debug().to_string() };
    let revision = match body.starting_point.as_deref() {
        Some(text) => Some(text.parse().map_err(|_| missing(text))?),
        None => None,
    };
    let start = BranchStart { revision, overwrite: body.overwrite };
    let made = state.hub.branch_create(&caller, &address, params.text("rev"), &start).await?;
    Ok(json_body(ref_json(&made)))
}

async fn branch_delete(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    state.hub.branch_delete(&caller, &address, params.text("rev")).await?;
    Ok(json_body(json!({})))
}

#[derive(Deserialize)]
struct TagBody {
    tag: String,
    message: Option<String>,
}

async fn tag_create(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    JsonBody(body): JsonBody<TagBody>,
) -> ApiResult<axum::Json<Value>> {
    let tag = NewTag { name: body.tag, message: body.message };
    let made = state.hub.tag_create(&caller, &address, &params.revision()?, &tag).await?;
    Ok(json_body(ref_json(&made)))
}

async fn tag_delete(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    state.hub.tag_delete(&caller, &address, params.text("rev")).await?;
    Ok(json_body(json!({})))
}

#[derive(Deserialize, Default)]
struct SquashBody {
    message: Option<String>,
}

async fn branch_squash(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    request: Request,
) -> ApiResult<axum::Json<Value>> {
    let body: SquashBody = optional_body(request, &state).await?;
    let oid = state.hub.branch_squash(&caller, &address, params.text("rev"), body.message.as_deref()).await?;
    Ok(json_body(json!({ "commitOid": oid })))
}
