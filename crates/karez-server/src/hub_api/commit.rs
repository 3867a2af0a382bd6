//! The route that takes commits.

use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use futures::StreamExt;
use serde_json::{Value, json};

use super::repos::says_yes;
use crate::body::broken_body;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, Caller, Params, QueryOf, Target, json as json_body};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(
        Verb::Post,
        "/api/{kinds}/{owner}/{name}/commit/{rev}",
        Guard::RepoWrite,
        BodyBound::Commit,
        commit_create,
    )]
}

/// Takes a commit piece by piece, so that its body is never in memory as a whole.
async fn commit_create(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    Target(address): Target,
    params: Params,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
    request: Request,
) -> ApiResult<axum::Json<Value>> {
    let opens_pull_request = says_yes(&query, "create_pr");
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let revision = params.revision()?;
    let mut draft = state.hub.commit_begin(&caller, &address, &revision, opens_pull_request, announced).await?;
    let mut body = request.into_body().into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| ApiError(broken_body(&error)))?;
        state.hub.commit_push(&mut draft, &piece).await?;
    }
    let made = state.hub.commit_finish(draft).await?;
    let repo_url = format!("{base}/{}", made.address.url_path());
    let mut answer = json!({
        "success": true,
        "commitOid": made.oid,
        "commitUrl": format!("{repo_url}/commit/{}", made.oid),
        "hookOutput": "",
    });
    if let Some(number) = made.pull_request {
        answer["pullRequestUrl"] = format!("{repo_url}/discussions/{number}").into();
    }
    Ok(json_body(answer))
}
