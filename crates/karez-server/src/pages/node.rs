//! The node itself.

use axum::extract::State;
use axum::response::Response;
use karez_federation::views;
use karez_pages::{NodePage, PeerRow, node_page};
use karez_types::RepoKind;

use super::answer::page;
use super::asked::Asked;
use super::lists::{Looking, find};
use crate::AppState;
use crate::error::ApiResult;

/// Repositories of a kind that are counted; beyond, the page says "at least".
const COUNTED_MAX: u64 = 500;
/// Nodes on the page.
const PEERS_MAX: usize = 200;

pub(super) async fn node(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    let mut held = Vec::new();
    for kind in RepoKind::ALL {
        let found = find(&state, &asked.caller, *kind, &Looking { items: COUNTED_MAX, ..Looking::default() }).await?;
        held.push((*kind, found.items.len() as u64, found.next.is_none()));
    }
    let peers = views::peers(state.hub.catalog()).await?;
    let peers = peers.iter().filter(|(remote, _)| !remote.is_removed()).take(PEERS_MAX).map(|(remote, feed)| PeerRow {
        name: remote.name.clone(),
        entries: feed.as_ref().map_or(0, |feed| feed.tree.size),
        asked: feed.as_ref().map(|feed| feed.polled),
        has_trouble: feed.as_ref().is_some_and(|feed| feed.trouble.is_some()),
    });
    let bytes = state.hub.open_bytes().await?;
    let node = NodePage {
        base: asked.base.clone(),
        software: crate::log::node_words(&state).software,
        log_origin: state.hub.log_keys().origin().to_owned(),
        log_entries: state.hub.log_head().await?.map(|head| head.size),
        name: state.node.name.clone(),
        operator: state.node.operator.clone(),
        contact: state.node.contact.clone(),
        kept_once_bytes: bytes.held_bytes.saturating_sub(bytes.stored_bytes),
        held_bytes: bytes.held_bytes,
        not_fetched_bytes: bytes.not_fetched_bytes,
        held,
        peers: peers.collect(),
        is_well: state.hub.ready().await.is_ok(),
    };
    Ok(page(&asked, node_page(&asked.frame, &node)))
}
