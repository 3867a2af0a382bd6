//! Xet tokens. The answer is given twice: hf_xet reads the body, huggingface_hub the headers.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use karez_hub::{PushPlace, XetToken};
use karez_types::RepoAddress;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::CAS_PATH;
use crate::AppState;
use crate::error::{ApiResult, header_text};
use crate::extract::{Base, Caller, Params, QueryOf, Target};
use crate::hub_api::says_yes;

/// What a revision may keep in one segment of an address.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The revision in the address is not looked at: a token is for the whole repository.
pub(super) async fn read_token(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Target(address): Target,
    Base(base): Base,
) -> ApiResult<Response> {
    Ok(answer(&base, &state.hub.xet_read_token(&actor, &address).await?))
}

/// The revision only tells whether this is for a pull request: clients that are about to open one
/// literally send `None`.
pub(super) async fn write_token(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Target(address): Target,
    Base(base): Base,
    params: Params,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let revision = params.revision()?;
    let place = if says_yes(&query, "create_pr") { PushPlace::NewPullRequest } else { PushPlace::Revision(&revision) };
    Ok(answer(&base, &state.hub.xet_write_token(&actor, &address, place).await?))
}

fn answer(base: &str, token: &XetToken) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in token_headers(base, token) {
        headers.insert(HeaderName::from_static(name), header_text(&value));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let body = json!({
        "casUrl": format!("{base}{CAS_PATH}"),
        "exp": token.expires.unix_secs(),
        "accessToken": token.text,
    });
    (headers, Json(body)).into_response()
}

/// Returns what a token says, as headers: of an answer here, of an action in a batch of LFS.
pub(crate) fn token_headers(base: &str, token: &XetToken) -> [(&'static str, String); 3] {
    [
        ("x-xet-cas-url", format!("{base}{CAS_PATH}")),
        ("x-xet-access-token", token.text.clone()),
        ("x-xet-token-expiration", token.expires.unix_secs().to_string()),
    ]
}

/// Returns where a client gets a token for writing to this revision.
pub(crate) fn refresh_address(base: &str, address: &RepoAddress, revision: &str) -> String {
    let revision = utf8_percent_encode(revision, SEGMENT);
    format!("{base}/api/{}/{}/xet-write-token/{revision}", address.kind.plural(), address.id())
}
