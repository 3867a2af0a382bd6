//! The check of a README's metadata.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::extract::{JsonBody, json};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Verb::Post, "/api/validate-yaml", Guard::Anyone, BodyBound::Json, yaml_validate)]
}

#[derive(Debug, Deserialize)]
struct YamlBody {
    content: String,
}

/// Answers JSON whatever the outcome: the uploading client parses the body before it looks at the
/// status. Only who asks for plain text (`RepoCard.validate`) gets lines to show.
async fn yaml_validate(
    State(state): State<AppState>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<YamlBody>,
) -> Response {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        state.hub.card_check(&body.content).into_iter().partition(karez_hub::Finding::is_error);
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    if headers.get(header::ACCEPT).is_some_and(|accept| accept == "text/plain") {
        let errors = errors.iter().map(|text| format!("- Error: {text}\n"));
        let warnings = warnings.iter().map(|text| format!("- Warning: {text}\n"));
        return (status, errors.chain(warnings).collect::<String>()).into_response();
    }
    let messages = |found: &[karez_hub::Finding]| {
        found.iter().map(|finding| json!({ "message": finding.to_string() })).collect::<Value>()
    };
    let mut answer = json!({ "errors": messages(&errors), "warnings": messages(&warnings) });
    if !errors.is_empty() {
        answer["error"] = "Invalid metadata in README.md".into();
    }
    (status, json(answer)).into_response()
}
