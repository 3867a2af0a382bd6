//! What administrators of the node see of other nodes, and figures for their monitoring.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use karez_federation::{follow, views};
use karez_hub::{Actor, HubError};
use serde_json::Value;

use crate::AppState;
use crate::error::ApiResult;
use crate::extract::Caller;

/// Rows of one answer.
const ROWS_MAX: u64 = 1_000;

/// Lets administrators of the node through.
fn admin(actor: &Actor) -> ApiResult<()> {
    if actor.is_anonymous() {
        return Err(HubError::SignInNeeded("sign in as an administrator of this node".to_owned()).into());
    }
    if !actor.is_node_admin() {
        return Err(HubError::Forbidden("only administrators of this node may see this".to_owned()).into());
    }
    Ok(())
}

pub(super) async fn metrics(State(state): State<AppState>, Caller(actor): Caller) -> ApiResult<Response> {
    admin(&actor)?;
    let text = karez_federation::metrics(&state.hub).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

pub(super) async fn peers(State(state): State<AppState>, Caller(actor): Caller) -> ApiResult<Json<Value>> {
    admin(&actor)?;
    let peers = views::peers(state.hub.catalog()).await?;
    Ok(Json(peers.iter().map(|(remote, feed)| views::peer_json(remote, feed.as_ref())).collect()))
}

pub(super) async fn transfers(State(state): State<AppState>, Caller(actor): Caller) -> ApiResult<Json<Value>> {
    admin(&actor)?;
    let rows = state.hub.catalog().transfer_list(ROWS_MAX).await?;
    let now = state.hub.clock().now();
    Ok(Json(rows.iter().map(|row| views::transfer_json(row, now)).collect()))
}

pub(super) async fn names(State(state): State<AppState>, Caller(actor): Caller) -> ApiResult<Json<Value>> {
    admin(&actor)?;
    let names = follow::names(state.hub.catalog()).await?;
    Ok(Json(serde_json::to_value(names).unwrap_or_default()))
}

pub(super) async fn incidents(State(state): State<AppState>, Caller(actor): Caller) -> ApiResult<Json<Value>> {
    admin(&actor)?;
    let incidents = state.hub.catalog().incident_list(ROWS_MAX).await?;
    Ok(Json(incidents.iter().map(views::incident_json).collect()))
}

pub(super) async fn goals(State(state): State<AppState>, Caller(actor): Caller) -> ApiResult<Json<Value>> {
    admin(&actor)?;
    let Some(federation) = &state.federation else { return Ok(Json(Value::Array(Vec::new()))) };
    let own = state.hub.log_keys().origin();
    let short = follow::shortages(state.hub.catalog(), &federation.table(), own).await?;
    Ok(Json(serde_json::to_value(short).unwrap_or_default()))
}
