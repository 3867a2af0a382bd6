//! The node's log and witness over HTTP (C2SP tlog-tiles and tlog-witness), and what the node says of itself.
//!
//! What a thousand followers ask again and again is cheap: the newest checkpoint is answered from memory
//! or with 304, and what is full never changes, so that any cache may keep it.

mod cache;
mod news;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use karez_governance::TilePath;
use karez_hub::{HubError, NodeWords};

pub(crate) use cache::LogCache;
pub(crate) use news::{NewsCache, told};

use crate::changing::{changing, changing_packed, takes_gzip};
use crate::error::ApiResult;
use crate::extract::{Params, whole_body};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/.well-known/karez", G::Anyone, B::Empty, description),
        Route::new(V::Get, "/log/checkpoint", G::Anyone, B::Empty, checkpoint),
        Route::new(V::Get, "/log/tile/{*path}", G::Anyone, B::Empty, tile),
        Route::new(V::Post, "/witness/add-checkpoint", G::Anyone, B::Json, checkpoint_add),
        Route::new(V::Get, "/witness/{origin_hash}/checkpoint", G::Anyone, B::Empty, checkpoint_witnessed),
        Route::new(V::Get, "/federation/v1/checkpoints", G::Anyone, B::Empty, checkpoints_seen),
        Route::new(V::Get, "/federation/v1/news", G::Anyone, B::Empty, news::news),
    ]
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// A checkpoint is new every second at most; a cache in between may spare the node the rest.
const MOMENT: HeaderValue = HeaderValue::from_static("public, max-age=2");
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Tiles that grow keep what they have; a later one of the same place has another address.
const WHILE_IT_GROWS: HeaderValue = HeaderValue::from_static("public, max-age=3600");
/// A description is signed anew once a day.
const HOUR: HeaderValue = HeaderValue::from_static("public, max-age=300");

async fn checkpoint(State(state): State<AppState>, asked: HeaderMap) -> ApiResult<Response> {
    let note = state.hub.log_checkpoint().await?;
    let note = note.ok_or_else(|| HubError::Missing("this node has not signed its log yet".to_owned()))?;
    Ok(changing(&asked, note.into(), TEXT, MOMENT))
}

async fn tile(State(state): State<AppState>, params: Params, asked: HeaderMap) -> ApiResult<Response> {
    let missing = || HubError::Missing("there is no such tile in the signed log".to_owned());
    let path = TilePath::parse(params.text("path")).map_err(|_| missing())?;
    let entry = match state.log.get(&path) {
        Some(entry) => entry,
        None => {
            let bytes = state.hub.log_tile(&path).await?.ok_or_else(missing)?;
            state.log.put(path, bytes)
        }
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, if path.is_full() { FOREVER } else { WHILE_IT_GROWS });
    let Some(packed) = &entry.packed else { return Ok((headers, entry.plain.clone()).into_response()) };
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !takes_gzip(&asked) {
        return Ok((headers, entry.plain.clone()).into_response());
    }
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok((headers, packed.clone()).into_response())
}

/// Answers as tlog-witness says, in its words and not in the hub's.
async fn checkpoint_add(State(state): State<AppState>, request: Request) -> ApiResult<Response> {
    let body = whole_body(request, &state).await?;
    let answer = state.hub.witness_add_checkpoint(&body).await?;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = if answer.status == 409 { HeaderValue::from_static("text/x.tlog.size") } else { TEXT };
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((status, headers, answer.body).into_response())
}

async fn checkpoint_witnessed(State(state): State<AppState>, params: Params, asked: HeaderMap) -> ApiResult<Response> {
    let note = state.hub.witnessed_by_hash(params.text("origin_hash")).await?;
    let note = note.ok_or_else(|| HubError::Missing("this node has not cosigned that log".to_owned()))?;
    Ok(changing(&asked, note.into(), TEXT, MOMENT))
}

async fn checkpoints_seen(State(state): State<AppState>, asked: HeaderMap) -> ApiResult<Response> {
    let seen = state.hub.log_checkpoints_seen().await?;
    let body = serde_json::to_vec(&seen).map_err(|error| HubError::Damaged(error.to_string()))?;
    Ok(changing_packed(&asked, body.into(), HeaderValue::from_static("application/json"), MOMENT))
}

/// Says which node this is. Addresses are told only when the operator has set one: what a caller writes
/// into `Host` must not come out signed.
async fn description(State(state): State<AppState>, asked: HeaderMap) -> ApiResult<Response> {
    let note = state.hub.node_describe(&node_words(&state)).await?;
    Ok(changing(&asked, note.into(), TEXT, HOUR))
}

pub(crate) fn node_words(state: &AppState) -> NodeWords {
    let url = state.public_url.as_deref();
    let host = url.and_then(|url| url.split("://").nth(1)?.split('/').next());
    let of_host = || host.map_or_else(|| format!("karez-{}", &state.hub.log_keys().origin()[..8]), str::to_owned);
    let name = Some(state.node.name.clone()).filter(|name| !name.is_empty()).unwrap_or_else(of_host);
    let urls = url.map(str::to_owned).into_iter().collect();
    NodeWords { name, urls, software: concat!("karez/", env!("CARGO_PKG_VERSION")).to_owned() }
}
