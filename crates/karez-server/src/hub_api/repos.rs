//! Routes about repositories as a whole.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use karez_hub::{Actor, HubError, HubResult, Repo, RepoSettings, RepoWish, Right, SiblingDetail};
use karez_types::{OwnerName, RepoAddress, RepoKind, Visibility};
use serde::Deserialize;
use serde_json::{Value, json};

use super::repo_json::{repo_json, withdrawn_header};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, Caller, JsonBody, Params, QueryOf, Target, json};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Post, "/api/repos/create", G::SignedIn, B::Json, repo_create),
        Route::new(V::Delete, "/api/repos/delete", G::SignedIn, B::Json, repo_delete),
        Route::new(V::Post, "/api/repos/move", G::SignedIn, B::Json, repo_move),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/duplicate", G::RepoRead, B::Json, repo_duplicate),
        Route::new(V::Put, "/api/{kinds}/{owner}/{name}/settings", G::RepoAdmin, B::Json, repo_settings_change),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}", G::RepoRead, B::Empty, repo_info),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/revision/{rev}", G::RepoRead, B::Empty, repo_info),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/auth-check", G::RepoRead, B::Empty, auth_check_read),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/auth-check/read", G::RepoRead, B::Empty, auth_check_read),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/auth-check/write", G::RepoWrite, B::Empty, auth_check_write),
        Route::new(V::Get, "/api/{kinds}/{id}", G::Anyone, B::Empty, repo_without_owner),
    ]
}

/// The forms in which clients of different ages say who may see a repository.
#[derive(Debug, Deserialize)]
struct VisibilityForms {
    visibility: Option<String>,
    private: Option<bool>,
}

impl VisibilityForms {
    fn chosen(&self) -> ApiResult<Option<Visibility>> {
        match (self.visibility.as_deref(), self.private) {
            (None, None) => Ok(None),
            (None, Some(true)) => Ok(Some(Visibility::Private)),
            (None, Some(false)) => Ok(Some(Visibility::Public)),
            (Some(word), _) => match Visibility::from_word(word) {
                Some(visibility) => Ok(Some(visibility)),
                None => Err(ApiError::invalid("visibility must be \"public\" or \"private\" on this node")),
            },
        }
    }
}

#[derive(Debug, Deserialize)]
struct CreateBody {
    name: String,
    organization: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    sdk: Option<String>,
    #[serde(flatten)]
    visibility: VisibilityForms,
}

/// Reads the names of a repository in a body: `name` with `organization`, or `owner/name`.
fn names(name: &str, organization: Option<&str>) -> ApiResult<(Option<OwnerName>, karez_types::RepoName)> {
    let (owner, name) = match (organization, name.split_once('/')) {
        (Some(organization), _) => (Some(organization), name),
        (None, Some((owner, name))) => (Some(owner), name),
        (None, None) => (None, name),
    };
    Ok((owner.map(str::parse).transpose()?, name.parse()?))
}

fn kind_of(word: Option<&str>) -> ApiResult<RepoKind> {
    let Some(word) = word else { return Ok(RepoKind::Model) };
    word.parse().map_err(|error: String| ApiError::invalid(format!("type: {error}")))
}

async fn repo_create(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    JsonBody(body): JsonBody<CreateBody>,
) -> ApiResult<Response> {
    let kind = kind_of(body.kind.as_deref())?;
    let (owner, name) = names(&body.name, body.organization.as_deref())?;
    let visibility = body.visibility.chosen()?.unwrap_or(Visibility::Public);
    let wish = RepoWish { kind, owner, name, visibility, sdk: body.sdk };
    created(state.hub.repo_create(&caller, wish).await, &base)
}

/// Answers for a repository that shall have been made. Clients with `exist_ok` read the address of
/// what is there from the refusal.
fn created(outcome: HubResult<Repo>, base: &str) -> ApiResult<Response> {
    match outcome {
        Ok(repo) => Ok(json(json!({
            "url": format!("{base}/{}", repo.address().url_path()),
            "name": repo.address().id(),
            "id": repo.id.to_string(),
            "private": repo.visibility == Visibility::Private,
        }))
        .into_response()),
        Err(HubError::RepoExists(address)) => {
            let body = json!({
                "url": format!("{base}/{}", address.url_path()),
                "name": address.id(),
                "error": HubError::RepoExists(address).to_string(),
            });
            Ok((StatusCode::CONFLICT, json(body)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, Deserialize)]
struct DuplicateBody {
    repository: String,
    #[serde(flatten)]
    visibility: VisibilityForms,
}

async fn repo_duplicate(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    Target(from): Target,
    JsonBody(body): JsonBody<DuplicateBody>,
) -> ApiResult<Response> {
    let to = RepoAddress::parse(from.kind, &body.repository)?;
    created(state.hub.repo_duplicate(&caller, &from, &to, body.visibility.chosen()?).await, &base)
}

#[derive(Debug, Deserialize)]
struct DeleteBody {
    name: String,
    organization: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

async fn repo_delete(
    State(state): State<AppState>,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<DeleteBody>,
) -> ApiResult<&'static str> {
    let kind = kind_of(body.kind.as_deref())?;
    let (owner, name) = names(&body.name, body.organization.as_deref())?;
    let owner = owner.or_else(|| caller.user().map(|user| user.account.name.clone())).ok_or_else(|| {
        ApiError(HubError::SignInNeeded("deleting a repository needs a token with the role `write`".to_owned()))
    })?;
    state.hub.repo_delete(&caller, &RepoAddress { kind, owner, name }).await?;
    Ok("OK")
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoveBody {
    from_repo: String,
    to_repo: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

async fn repo_move(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    JsonBody(body): JsonBody<MoveBody>,
) -> ApiResult<axum::Json<Value>> {
    let kind = kind_of(body.kind.as_deref())?;
    let from = RepoAddress::parse(kind, &body.from_repo)?;
    let to = RepoAddress::parse(kind, &body.to_repo)?;
    let repo = state.hub.repo_move(&caller, &from, &to).await?;
    Ok(json(json!({ "url": format!("{base}/{}", repo.address().url_path()) })))
}

#[derive(Debug, Deserialize)]
struct SettingsBody {
    gated: Option<Value>,
    #[serde(flatten)]
    visibility: VisibilityForms,
}

async fn repo_settings_change(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    JsonBody(body): JsonBody<SettingsBody>,
) -> ApiResult<axum::Json<Value>> {
    let gated = match body.gated {
        None => None,
        Some(Value::Bool(false)) => Some("false".to_owned()),
        Some(Value::String(word)) => Some(word),
        Some(_) => return Err(ApiError::invalid("gated must be \"auto\", \"manual\" or false")),
    };
    let settings = RepoSettings { visibility: body.visibility.chosen()?, gated };
    let repo = state.hub.repo_settings_change(&caller, &address, settings).await?;
    Ok(json(
        json!({ "private": repo.visibility == Visibility::Private, "gated": super::repo_json::gated_json(&repo.gated) }),
    ))
}

/// Returns every value that a query gives under a name, also written `name[]`.
pub(super) fn values_of(query: &[(String, String)], name: &str) -> Vec<String> {
    let is_named = |key: &str| key == name || key.strip_suffix("[]") == Some(name);
    query.iter().filter(|(key, value)| is_named(key) && !value.is_empty()).map(|(_, value)| value.clone()).collect()
}

/// Tells whether a query says yes to something, in the forms of Python, JavaScript and people.
pub(crate) fn says_yes(query: &[(String, String)], name: &str) -> bool {
    query.iter().any(|(key, value)| key == name && matches!(value.as_str(), "" | "1" | "true" | "True"))
}

async fn repo_info(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let expand = values_of(&query, "expand");
    let fields = match expand.is_empty() {
        true => karez_hub::RepoField::of_info(address.kind),
        false => karez_hub::RepoField::parse_all(address.kind, &expand)?,
    };
    let revision = (!params.text("rev").is_empty()).then(|| params.revision()).transpose()?;
    let detail = if says_yes(&query, "blobs") { SiblingDetail::Blob } else { SiblingDetail::Name };
    let info = state.hub.repo_info(&caller, &address, revision.as_ref(), &fields, detail).await?;
    let mut body = repo_json(&info, &fields);
    if says_yes(&query, "securityStatus") {
        // This node does not scan files yet, and says so.
        body["securityRepoStatus"] = json!({ "scansDone": false, "filesWithIssues": [] });
    }
    let headers: HeaderMap = withdrawn_header(&info.repo).into_iter().collect();
    Ok((headers, json(body)).into_response())
}

async fn auth_check_read(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
) -> ApiResult<axum::Json<Value>> {
    state.hub.auth_check(&caller, &address, Right::Read).await?;
    Ok(json(json!({})))
}

async fn auth_check_write(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
) -> ApiResult<axum::Json<Value>> {
    state.hub.auth_check(&caller, &address, Right::Write).await?;
    Ok(json(json!({})))
}

/// Old names such as `gpt2` have no owner; here every repository has one. Clients on plain http
/// understand that only with the error code of a missing repository.
async fn repo_without_owner(Caller(caller): Caller, params: Params) -> ApiError {
    missing_without_owner(&caller, params.text("id"))
}

/// Returns the answer for a repository that is named without an owner.
pub(crate) fn missing_without_owner(caller: &Actor, name: &str) -> ApiError {
    let address = name.chars().take(100).flat_map(char::escape_debug).collect();
    ApiError(HubError::RepoMissing { address, anonymous: caller.is_anonymous() })
}

/// Returns the name in an address that no route knows because it names a repository without an owner:
/// `/api/models/gpt2/revision/main`, `/gpt2/resolve/main/config.json`. As routes these would take
/// addresses from repositories that are called `revision` or `resolve`.
pub(crate) fn name_without_owner(path: &str) -> Option<&str> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let is_kind = |segment: &str| RepoKind::ALL.iter().any(|kind| kind.plural() == segment);
    match segments[..] {
        ["api", kinds, name, "revision" | "tree" | "refs" | "resolve" | "paths-info", ..] if is_kind(kinds) => {
            Some(name)
        }
        [kinds, name, "resolve", _, ..] if is_kind(kinds) => Some(name),
        [name, "resolve", _, ..] => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_are_recognised() {
        assert_eq!(name_without_owner("/api/models/gpt2/revision/main"), Some("gpt2"));
        assert_eq!(name_without_owner("/gpt2/resolve/main/config.json"), Some("gpt2"));
        assert_eq!(name_without_owner("/datasets/squad/resolve/main/a/b"), Some("squad"));
        for path in ["/", "/api/models", "/x/y", "/api/users/a/revision/b"] {
            assert_eq!(name_without_owner(path), None, "{path}");
        }
    }
}
