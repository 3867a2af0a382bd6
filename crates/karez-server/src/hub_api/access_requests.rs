//! Routes for repositories that give their files on request: who asked, and who is let in.

use axum::extract::State;
use karez_hub::{AccessRequest, AccessStatus};
use serde::Deserialize;
use serde_json::{Value, json};

use super::people::user_json;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Caller, JsonBody, Params, Target, json};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    let at = "/api/{kinds}/{owner}/{name}/user-access-request/{status}";
    vec![
        Route::new(V::Get, at, G::RepoAdmin, B::Empty, requests_list),
        Route::new(
            V::Post,
            "/api/{kinds}/{owner}/{name}/user-access-request/handle",
            G::RepoAdmin,
            B::Json,
            request_handle,
        ),
        Route::new(
            V::Post,
            "/api/{kinds}/{owner}/{name}/user-access-request/grant",
            G::RepoAdmin,
            B::Json,
            access_grant,
        ),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/ask-access", G::RepoPropose, B::Empty, access_ask),
    ]
}

fn request_json(request: &AccessRequest) -> Value {
    json!({
        // People are known by their names here; their mail is not told.
        "requestId": request.user.name,
        "user": user_json(&request.user),
        "status": request.status.as_str(),
        "timestamp": request.changed.to_string(),
        "fields": {},
    })
}

fn status_of(word: &str) -> Result<AccessStatus, ApiError> {
    AccessStatus::from_word(word).ok_or_else(|| ApiError::invalid("status must be pending, accepted or rejected"))
}

async fn requests_list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    let status = AccessStatus::from_word(params.text("status"));
    // Who may not know the repository learns nothing from a status that is none.
    let found = state.hub.access_list(&caller, &address, status.unwrap_or(AccessStatus::Pending)).await?;
    status_of(params.text("status"))?;
    Ok(json(found.iter().map(request_json).collect()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HandleBody {
    user: Option<String>,
    request_id: Option<String>,
    status: String,
    rejection_reason: Option<String>,
}

async fn request_handle(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    JsonBody(body): JsonBody<HandleBody>,
) -> ApiResult<axum::Json<Value>> {
    let user =
        body.user.or(body.request_id).ok_or_else(|| ApiError::invalid("say whose request: user or requestId"))?;
    let (status, reason) = (status_of(&body.status)?, body.rejection_reason.unwrap_or_default());
    state.hub.access_answer(&caller, &address, &user, status, &reason).await?;
    Ok(json(json!({})))
}

#[derive(Debug, Deserialize)]
struct GrantBody {
    user: String,
}

async fn access_grant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    JsonBody(body): JsonBody<GrantBody>,
) -> ApiResult<axum::Json<Value>> {
    state.hub.access_grant(&caller, &address, &body.user).await?;
    // The client reads an answer here (huggingface_hub, grant_access).
    Ok(json(json!({})))
}

async fn access_ask(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
) -> ApiResult<axum::Json<Value>> {
    let standing = state.hub.access_ask(&caller, &address).await?;
    Ok(json(json!({ "standing": standing_word(standing) })))
}

fn standing_word(standing: karez_hub::Standing) -> &'static str {
    use karez_hub::Standing as S;
    match standing {
        S::Reads => "accepted",
        S::Waits => "pending",
        S::Rejected => "rejected",
        S::MayAsk => "none",
    }
}
