//! Git's smart HTTP protocol, for reading: `git clone` and `git fetch`, versions 2 and 0.
//!
//! Git shows the words of an answer only when they are plain text, so errors here are.

mod answer;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use karez_formats::git::upload_pack::{FetchRequest, UploadPackError, v0, v2, write_error};
use karez_formats::gzip;
use karez_hub::{Actor, HubError};
use karez_types::RepoAddress;

use crate::error::ApiError;
use crate::extract::{Caller, QueryOf, Target, whole_body};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/{repo}/info/refs", G::RepoRead, B::Empty, refs_list),
        Route::new(V::Post, "/{repo}/git-upload-pack", G::RepoRead, B::Git, pack_fetch),
        Route::new(V::Post, "/{repo}/git-receive-pack", G::RepoRead, B::Git, pack_receive),
    ]
}

/// What a push is told.
const PUSH_REFUSED: &str = "this node does not take `git push` yet; push with `hf upload` or huggingface_hub";
/// What git before 1.6.6, or a browser, is told.
const DUMB_REFUSED: &str = "this is a git repository for git 1.6.6 or newer; use `git clone` with this address";

const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";
const RESULT: &str = "application/x-git-upload-pack-result";

/// An error in the words and the form that git shows.
struct GitError(ApiError);

impl<E: Into<ApiError>> From<E> for GitError {
    fn from(error: E) -> GitError {
        GitError(error.into())
    }
}

impl IntoResponse for GitError {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        let words = response.headers().get("x-error-message").and_then(|words| words.to_str().ok());
        let words = format!("{}\n", words.unwrap_or("the node refused this"));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.remove(header::CONTENT_LENGTH);
        *response.body_mut() = words.into();
        response
    }
}

/// Answers with an error in the form that git shows.
pub(crate) fn in_plain_words(error: ApiError) -> Response {
    GitError(error).into_response()
}

type GitResult = Result<Response, GitError>;

/// Tells whether a client speaks version 2 (gitprotocol-v2(5): keys and values between colons).
fn speaks_v2(headers: &HeaderMap) -> bool {
    let value = headers.get("git-protocol").and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(':').any(|word| word == "version=2")
}

fn bytes_response(content_type: &'static str, bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], bytes).into_response()
}

fn refusal(words: &str) -> GitError {
    GitError(ApiError(HubError::Forbidden(words.to_owned())))
}

#[derive(serde::Deserialize)]
struct Service {
    service: Option<String>,
}

async fn refs_list(
    State(state): State<AppState>,
    caller: Result<Caller, ApiError>,
    target: Result<Target, ApiError>,
    QueryOf(Service { service }): QueryOf<Service>,
    headers: HeaderMap,
) -> GitResult {
    let (Caller(actor), Target(address)) = (caller?, target?);
    let shown = state.hub.git_refs(&actor, &address).await?;
    match service.as_deref() {
        Some("git-upload-pack") => {}
        Some("git-receive-pack") => return Err(push_refusal(&state, &actor, &address).await),
        _ => return Err(refusal(DUMB_REFUSED)),
    }
    let mut out = Vec::new();
    if speaks_v2(&headers) {
        v2::write_capabilities(&mut out);
    } else {
        v0::write_advertisement(&shown.refs, &shown.shallow, &mut out);
    }
    Ok(bytes_response(ADVERTISEMENT, out))
}

async fn pack_fetch(
    State(state): State<AppState>,
    caller: Result<Caller, ApiError>,
    target: Result<Target, ApiError>,
    request: Request,
) -> GitResult {
    let (Caller(actor), Target(address)) = (caller?, target?);
    let is_v2 = speaks_v2(request.headers());
    let body = request_bytes(&state, request).await?;
    let lines_max = usize::try_from(state.hub.limits().git_negotiation_lines_max).unwrap_or(usize::MAX);
    let parsed = if is_v2 { v2::parse(&body, lines_max) } else { v0::parse(&body, lines_max).map(as_v2) };
    match parsed {
        Ok(v2::Request::Nothing) => {
            // Git asks so whether it may ask: the answer must be that of the repository.
            state.hub.git_refs(&actor, &address).await?;
            Ok(bytes_response(RESULT, Vec::new()))
        }
        Ok(v2::Request::LsRefs(wish)) => {
            let shown = state.hub.git_refs(&actor, &address).await?;
            let mut out = Vec::new();
            v2::write_refs(&wish, &shown.refs, &shown.head_target, &mut out);
            Ok(bytes_response(RESULT, out))
        }
        Ok(v2::Request::Fetch(fetch)) => fetch_answer(&state, &actor, &address, is_v2, &fetch).await,
        Err(error @ UploadPackError::TooLong { .. }) => Ok(protocol_error(&error.to_string())),
        Err(error) => {
            state.hub.git_refs(&actor, &address).await?;
            Ok(protocol_error(&error.to_string()))
        }
    }
}

fn as_v2(request: Option<FetchRequest>) -> v2::Request {
    request.map_or(v2::Request::Nothing, v2::Request::Fetch)
}

/// Answers 200 with a line that git prints as `remote error` before it stops.
fn protocol_error(sentence: &str) -> Response {
    let mut out = Vec::new();
    write_error(sentence, &mut out);
    bytes_response(RESULT, out)
}

async fn fetch_answer(
    state: &AppState,
    actor: &Actor,
    address: &RepoAddress,
    is_v2: bool,
    request: &FetchRequest,
) -> GitResult {
    let planned = match state.hub.git_fetch(actor, address, request).await {
        Ok(planned) => planned,
        Err(error @ (HubError::Invalid(_) | HubError::TooLarge { .. })) => {
            return Ok(protocol_error(&error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    let start = if is_v2 { answer::start_v2(request, &planned) } else { answer::start_v0(request, &planned) };
    Ok(match planned.pack {
        None => bytes_response(RESULT, start),
        Some(plan) => {
            let body = answer::pack_body(start, state.hub.pack_stream(plan), request.side_band);
            ([(header::CONTENT_TYPE, RESULT), (header::CACHE_CONTROL, "no-cache")], body).into_response()
        }
    })
}

/// Reads a request, which git compresses when it is long.
async fn request_bytes(state: &AppState, request: Request) -> Result<Bytes, ApiError> {
    let encoding = request.headers().get(header::CONTENT_ENCODING).cloned();
    let body = whole_body(request, state).await?;
    let bytes_max = state.hub.limits().git_request_bytes_max;
    match encoding.as_ref().map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip" | b"x-gzip") => match gzip::unpack(&body, bytes_max) {
            Ok(bytes) => Ok(bytes.into()),
            Err(gzip::GzipError::Malformed) => Err(ApiError::invalid("the body is not valid gzip; send it again")),
            Err(gzip::GzipError::TooLarge { bytes_max }) => Err(ApiError(HubError::TooLarge {
                what: "the body, unpacked,",
                limit: format!("{bytes_max} bytes"),
                setting: BodyBound::Git.setting(),
            })),
        },
        Some(_) => Err(ApiError::invalid("the body's Content-Encoding is unknown; send gzip or none")),
    }
}

async fn pack_receive(
    State(state): State<AppState>,
    caller: Result<Caller, ApiError>,
    target: Result<Target, ApiError>,
) -> GitResult {
    let (Caller(actor), Target(address)) = (caller?, target?);
    Err(push_refusal(&state, &actor, &address).await)
}

/// Returns why a push is refused: the repository's own reason, if there is one.
async fn push_refusal(state: &AppState, actor: &Actor, address: &RepoAddress) -> GitError {
    match state.hub.origin_is_here(actor, address).await {
        Err(error) => error.into(),
        Ok(()) => refusal(PUSH_REFUSED),
    }
}
