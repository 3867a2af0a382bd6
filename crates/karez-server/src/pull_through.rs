//! What stands before every route that reads a repository: if it is not here, it is looked for where it may be.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use karez_federation::upstream::{Asking, Purpose, Upstreams, VIA_HEADER, Via};

use karez_hub::Actor;
use karez_types::{RepoAddress, Revision};

use crate::error::{ApiError, header_text};
use crate::extract::{Caller, Params, Target};
use crate::hub_api::revision_in;
use crate::{AppState, Guard, Route, pages};

/// Clients log what stands here once for each topic, which is what comes before the semicolon
/// (huggingface_hub, `_warn_on_warning_headers`).
const WARNING: HeaderName = HeaderName::from_static("x-hf-warning");

/// What the layer of one route knows.
#[derive(Clone)]
struct Before {
    state: AppState,
    upstreams: Arc<Upstreams>,
    purpose: Purpose,
    in_plain_words: bool,
    is_page: bool,
}

/// Puts the pull-through before a route that reads a repository.
pub(crate) fn before(row: MethodRouter<AppState>, route: &Route, state: &AppState) -> MethodRouter<AppState> {
    let template = route.template;
    // Other nodes ask these for what is here, and git is told at once that it cannot push.
    let is_other = template.starts_with("/federation/") || template.ends_with("/git-receive-pack");
    let Some(upstreams) = state.upstreams.clone().filter(|_| route.guard == Guard::RepoRead && !is_other) else {
        return row;
    };
    let is_git = template.ends_with("/info/refs") || template.ends_with("/git-upload-pack");
    let purpose = match template {
        _ if is_git || template.contains("/commits/") => Purpose::History,
        _ if template.ends_with("/refs") => Purpose::Refs,
        _ => Purpose::Metadata,
    };
    let is_page = pages::is_page(template);
    let before = Before { state: state.clone(), upstreams, purpose, in_plain_words: is_git, is_page };
    row.layer(from_fn_with_state(before, look))
}

async fn look(State(before): State<Before>, request: Request, next: Next) -> Response {
    // Who takes no HTML is answered as if there were no pages, and nothing is looked for.
    if before.is_page && !pages::takes_page(request.headers()) {
        return next.run(request).await;
    }
    // A catalog that fails fails for the handler too, which says so.
    if !before.upstreams.has_remotes().await.unwrap_or(false) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    match wanted(&before, &mut parts).await {
        Ok(warning) => {
            let mut response = next.run(Request::from_parts(parts, body)).await;
            if let Some(warning) = warning {
                response.headers_mut().insert(WARNING, warning);
            }
            response
        }
        Err(error) if before.in_plain_words => crate::git::in_plain_words(error),
        Err(error) => error.into_response(),
    }
}

/// Looks for a repository that a query names, as the layer does for one that the path names.
///
/// # Errors
/// When its origin has a word against it.
pub(crate) async fn look_for(
    state: &AppState,
    caller: &Actor,
    headers: &HeaderMap,
    address: &RepoAddress,
    revision: &Revision,
) -> Result<(), ApiError> {
    let Some(upstreams) = &state.upstreams else { return Ok(()) };
    // A catalog that fails fails for the handler too, which says so.
    if !upstreams.has_remotes().await.unwrap_or(false) {
        return Ok(());
    }
    let via = headers.get(VIA_HEADER).and_then(|value| value.to_str().ok());
    let asking = Asking { caller, via: Via::of_header(via) };
    upstreams.repo_wanted(&asking, address, Some(revision), Purpose::Metadata).await?;
    Ok(())
}

async fn wanted(before: &Before, parts: &mut Parts) -> Result<Option<HeaderValue>, ApiError> {
    let Before { state, upstreams, purpose, .. } = before;
    // What the address or the token lacks is for the handler to say.
    let Ok(Target(address)) = Target::from_request_parts(parts, state).await else { return Ok(None) };
    let Ok(Caller(caller)) = Caller::from_request_parts(parts, state).await else { return Ok(None) };
    let params = Params::from_request_parts(parts, state).await?;
    let Ok(revision) = revision_in(&params) else { return Ok(None) };
    let via = parts.headers.get(VIA_HEADER).and_then(|value| value.to_str().ok());
    let asking = Asking { caller: &caller, via: Via::of_header(via) };
    let warning = upstreams.repo_wanted(&asking, &address, revision.as_ref(), *purpose).await?;
    // So that the token is looked up once.
    parts.extensions.insert(Caller(caller));
    Ok(warning.map(|words| header_text(&format!("origin; {words}"))))
}
