//! Routes that clients ask before they upload or copy.

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use karez_hub::{UploadAdvice, UploadMode, UploadPlan};
use karez_types::{RepoAddress, RepoKind, Sha256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::repos::says_yes;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Caller, JsonBody, Params, QueryOf, Target, json as json_body};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/preupload/{rev}", G::RepoWrite, B::Json, preupload),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/lfs-files/duplicate", G::RepoRead, B::Json, files_duplicate),
    ]
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PreuploadBody {
    files: Vec<PreuploadFile>,
    git_ignore: Option<String>,
}

#[derive(Deserialize)]
struct PreuploadFile {
    path: String,
    #[serde(default)]
    sample: String,
    size: u64,
}

async fn preupload(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
    JsonBody(body): JsonBody<PreuploadBody>,
) -> ApiResult<axum::Json<Value>> {
    let proposes = says_yes(&query, "create_pr");
    let plans = body.files.into_iter().map(plan_of).collect::<ApiResult<Vec<_>>>()?;
    let advice =
        state.hub.upload_advise(&caller, &address, &params.revision()?, proposes, plans, body.git_ignore).await?;
    Ok(json_body(json!({ "files": advice.iter().map(advice_json).collect::<Vec<_>>() })))
}

fn plan_of(file: PreuploadFile) -> ApiResult<UploadPlan> {
    let bad_sample = |_| ApiError::invalid("sample must be the first bytes of the file in base64");
    let sample = STANDARD.decode(file.sample.as_bytes()).map_err(bad_sample)?;
    Ok(UploadPlan { path: file.path.parse()?, file_bytes: file.size, sample })
}

fn advice_json(advice: &UploadAdvice) -> Value {
    let mode = match advice.mode {
        UploadMode::Regular => "regular",
        UploadMode::Large => "lfs",
    };
    let mut body = json!({ "path": advice.path, "uploadMode": mode, "shouldIgnore": advice.is_ignored });
    if let Some(present) = &advice.present {
        body["oid"] = present.as_str().into();
    }
    body
}

#[derive(Deserialize)]
struct DuplicateBody {
    target: DuplicateTarget,
    files: Vec<DuplicateFile>,
}

#[derive(Deserialize)]
struct DuplicateTarget {
    #[serde(rename = "type")]
    kind: String,
    name: String,
}

#[derive(Deserialize)]
struct DuplicateFile {
    sha256: Sha256,
}

async fn files_duplicate(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(source): Target,
    JsonBody(body): JsonBody<DuplicateBody>,
) -> ApiResult<axum::Json<Value>> {
    let kind = body.target.kind.parse::<RepoKind>();
    let kind = kind.map_err(|error| ApiError::invalid(format!("target.type: {error}")))?;
    let target = RepoAddress::parse(kind, &body.target.name)?;
    let files: Vec<Sha256> = body.files.iter().map(|file| file.sha256).collect();
    let missing = state.hub.files_duplicate(&caller, &source, &target, &files).await?;
    let failed = |sha256: &Sha256| json!({ "sha256": sha256, "error": format!("{source} has no such file") });
    Ok(json_body(json!({ "failed": missing.iter().map(failed).collect::<Vec<_>>() })))
}
