//! The Xet protocol: tokens under `/api`, all else under `/cas`, which tokens announce.
//!
//! Both versions of shards and reconstructions are served, because clients of one year differ: hf_xet
//! 1.8 asks for the newer first and remembers a 404. Chunk questions come under `default` and, from
//! clients that follow the specification's letter, under `default-merkledb`; any prefix is taken.

mod dedup;
mod download;
mod reconstruction;
mod tokens;
mod upload;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use karez_hub::{XetGrant, XetScope};

use crate::error::ApiError;
use crate::extract::token_of;
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(crate) use download::range_answer;
pub(crate) use tokens::{refresh_address, token_headers};

/// Where the Xet routes are below the node's public address.
pub(crate) const CAS_PATH: &str = "/cas";

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    let read_token = "/api/{kinds}/{owner}/{name}/xet-read-token/{rev}";
    let write_token = "/api/{kinds}/{owner}/{name}/xet-write-token/{rev}";
    vec![
        Route::new(V::Get, read_token, G::RepoRead, B::Empty, tokens::read_token),
        Route::new(V::Get, write_token, G::RepoWrite, B::Empty, tokens::write_token),
        Route::new(V::Post, "/cas/v1/xorb-grants/{prefix}/{hash}", G::XetWrite, B::Json, upload::xorb_grant),
        Route::new(V::Post, "/cas/v1/xorbs/{prefix}/{hash}", G::XetWrite, B::Xorb, upload::xorb_put),
        Route::new(V::Head, "/cas/v1/xorbs/{prefix}/{hash}", G::XetRead, B::Empty, download::xorb_head),
        Route::new(V::Head, "/cas/v1/files/{hash}", G::XetRead, B::Empty, download::file_head),
        Route::new(V::Post, "/cas/v1/shards", G::XetWrite, B::Shard, upload::shard_put),
        Route::new(V::Post, "/cas/v2/shards", G::XetWrite, B::Shard, upload::shard_put_with_progress),
        Route::new(V::Get, "/cas/v1/reconstructions/{hash}", G::XetRead, B::Empty, reconstruction::v1),
        Route::new(V::Get, "/cas/v2/reconstructions/{hash}", G::XetRead, B::Empty, reconstruction::v2),
        Route::new(V::Post, "/cas/v1/reconstructions", G::XetRead, B::Json, reconstruction::batch_by_body),
        Route::new(V::Get, "/cas/v1/reconstructions", G::XetRead, B::Empty, reconstruction::batch_by_query),
        Route::new(V::Get, "/cas/v1/chunks/{prefix}/{hash}", G::XetRead, B::Empty, dedup::chunk_find),
        Route::new(V::Post, "/cas/v1/telemetry", G::XetRead, B::Sink, upload::telemetry),
        Route::new(V::Get, "/cas/x/{hash}", G::SignedUrl, B::Empty, download::xorb_ranges),
    ]
}

/// A caller with a Xet token that reads.
pub(crate) struct XetReader(pub XetGrant);

/// A caller with a Xet token that writes.
pub(crate) struct XetWriter(pub XetGrant);

fn sign_in(parts: &Parts, state: &AppState, scope: XetScope) -> Result<XetGrant, ApiError> {
    Ok(state.hub.xet_sign_in(token_of(parts)?.as_deref(), scope)?)
}

impl FromRequestParts<AppState> for XetReader {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        sign_in(parts, state, XetScope::Read).map(XetReader)
    }
}

impl FromRequestParts<AppState> for XetWriter {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        sign_in(parts, state, XetScope::Write).map(XetWriter)
    }
}
