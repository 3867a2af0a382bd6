//! The news of this node's log: what a follower asks again and again, answered with one small body.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use karez_federation::Told;
use karez_formats::log_news::{LogNews, NEWS_ENTRIES_MAX, NewsTags, entries_pack};
use karez_hub::{HubError, SignedHead};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{MOMENT, node_words};
use crate::AppState;
use crate::error::{ApiResult, header_text};
use crate::extract::QueryOf;
use crate::hub_api::names_tag;

/// Bytes of memory for packed entries: followers that come at the same rhythm ask for the same ones.
const CACHE_BYTES_MAX: u64 = 4 << 20;
/// Pieces in the cache, about.
const CACHE_ITEMS: usize = 1024;
/// Bytes of a tag. A chance of one in 2^48 that a change goes unseen until the next.
const TAG_BYTES: usize = 6;

/// What somebody asks: how many entries they have.
#[derive(Deserialize)]
pub(super) struct Asked {
    size: u64,
}

/// Tells how far the log is signed, with the entries that the caller does not have when they are few, and
/// whether anything else is new. Without types and names that say nothing to who knows the form: heads are
/// half of such an answer.
pub(super) async fn news(
    State(state): State<AppState>,
    QueryOf(Asked { size: from }): QueryOf<Asked>,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let head = state.hub.log_head().await?;
    let head = head.ok_or_else(|| HubError::Missing("this node has not signed its log yet".to_owned()))?;
    let told = told(&state).await?;
    let tags = NewsTags { sequence: state.hub.node_sequence(&node_words(&state)).await?, ..told.tags };
    let etag = etag_of(&head, tags);
    let headers = [(header::ETAG, header_text(&etag)), (header::CACHE_CONTROL, MOMENT)];
    // Who lacks entries gets them whatever it remembers.
    if from == head.size && names_tag(&asked, header::IF_NONE_MATCH, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let (count, packed) = entries(&state, from, head.size).await?;
    let news =
        LogNews { size: head.size, root: head.root.0, signature: head.signature, tags, from, entries: Vec::new() };
    // Bytes as such would be given a type.
    Ok((headers, Body::from(news.encode_with(count, &packed))).into_response())
}

/// Returns the tags of what this node tells beside its log.
pub(crate) async fn told(state: &AppState) -> ApiResult<Arc<Told>> {
    let Some(federation) = &state.federation else { return Ok(Arc::default()) };
    let told = federation.tells().await;
    Ok(told.map_err(|error| HubError::Damaged(format!("what this node tells: {error}")))?)
}

fn etag_of(head: &SignedHead, tags: NewsTags) -> String {
    let mut digest = Sha256::new();
    digest.update(head.size.to_le_bytes());
    digest.update(head.root.0);
    digest.update(tags.sequence.to_le_bytes());
    [tags.seen, tags.nodes, tags.have].iter().for_each(|tag| digest.update(tag.to_le_bytes()));
    let hex: String = digest.finalize()[..TAG_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// Returns how many entries there are, packed; none when they are too many for one answer.
async fn entries(state: &AppState, from: u64, size: u64) -> ApiResult<(usize, Bytes)> {
    let count = usize::try_from(size.saturating_sub(from)).unwrap_or(usize::MAX);
    if count == 0 || count > NEWS_ENTRIES_MAX {
        return Ok((0, Bytes::new()));
    }
    if let Some(packed) = state.news.0.get(&(from, size)) {
        return Ok((if packed.is_empty() { 0 } else { count }, packed));
    }
    let entries = state.hub.log_entries_between(from, size).await?;
    // Empty: too long together. Remembered too.
    let packed = entries_pack(&entries).map_or_else(Bytes::new, Bytes::from);
    state.news.0.insert((from, size), packed.clone());
    Ok((if packed.is_empty() { 0 } else { count }, packed))
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<(u64, u64), Bytes> for ByBytes {
    fn weight(&self, _: &(u64, u64), packed: &Bytes) -> u64 {
        (packed.len() + size_of::<(u64, u64, Bytes)>()) as u64
    }
}

/// Packed entries, by the size before and after them. A log never changes, so whatever is here is right.
pub(crate) struct NewsCache(Cache<(u64, u64), Bytes, ByBytes>);

impl Default for NewsCache {
    fn default() -> NewsCache {
        NewsCache(Cache::with_weighter(CACHE_ITEMS, CACHE_BYTES_MAX, ByBytes))
    }
}
