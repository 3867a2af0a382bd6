//! What people and programs see of other nodes: the same at the command line and over HTTP.

use std::collections::HashMap;

use karez_catalog::{Catalog, CatalogError, Feed, Incident, Remote, RemoteKind, TransferRow, TransferState};
use karez_types::Timestamp;
use serde_json::{Value, json};

use crate::PeerSettings;
use crate::peer::log_key;

/// Returns the peers with how far their logs are read, in the order of the catalog.
pub async fn peers(catalog: &Catalog) -> Result<Vec<(Remote, Option<Feed>)>, CatalogError> {
    let mut feeds: HashMap<_, _> = catalog.feed_list().await?.into_iter().map(|feed| (feed.remote, feed)).collect();
    let remotes = catalog.remote_list().await?.into_iter().filter(|remote| remote.kind == RemoteKind::Peer);
    let with_feed = |remote: Remote| {
        let feed = feeds.remove(&remote.id);
        (remote, feed)
    };
    Ok(remotes.map(with_feed).collect())
}

/// Says how a peer is, in a word or a sentence.
pub fn peer_state(remote: &Remote, feed: Option<&Feed>) -> String {
    match feed {
        _ if remote.is_removed() => "removed".to_owned(),
        None => "new".to_owned(),
        Some(Feed { trouble: Some(trouble), .. }) => trouble.clone(),
        Some(_) => "fine".to_owned(),
    }
}

/// Returns a peer for programs.
pub fn peer_json(remote: &Remote, feed: Option<&Feed>) -> Value {
    let settings = PeerSettings::of(remote);
    json!({
        "name": remote.name, "url": remote.url, "line": remote.line, "own_name": settings.own_name,
        "fingerprint": log_key(remote).ok().map(|key| key.fingerprint()), "urls": settings.urls,
        "allow_private": settings.allow_private, "refused_owners": settings.refused_owners, "added": remote.added,
        "entries": feed.map_or(0, |feed| feed.tree.size), "asked": feed.map(|feed| feed.polled),
        "grew": feed.map(|feed| feed.changed), "state": peer_state(remote, feed),
    })
}

/// Seconds until all of a file is here at the present rate.
pub fn transfer_secs_left(row: &TransferRow) -> Option<u64> {
    let left = row.wire_bytes.saturating_sub(row.done_bytes);
    let runs = row.state == TransferState::Running && row.rate_bytes_per_sec > 0;
    runs.then(|| left.div_ceil(row.rate_bytes_per_sec))
}

/// When that will be.
pub fn transfer_until(row: &TransferRow, now: Timestamp) -> Option<Timestamp> {
    transfer_secs_left(row).map(|secs| now.plus_secs(i64::try_from(secs).unwrap_or(i64::MAX)))
}

/// Returns a transfer for programs.
pub fn transfer_json(row: &TransferRow, now: Timestamp) -> Value {
    json!({
        "sha256": row.sha256, "repo": row.repo, "path": row.path, "remote": row.remote, "state": row.state.as_str(),
        "file_bytes": row.file_bytes, "wire_bytes": row.wire_bytes, "done_bytes": row.done_bytes,
        "rate_bytes_per_sec": row.rate_bytes_per_sec, "remaining_secs": transfer_secs_left(row),
        "until": transfer_until(row, now), "started": row.started, "updated": row.updated, "trouble": row.trouble,
    })
}

/// Returns an incident for programs.
pub fn incident_json(incident: &Incident) -> Value {
    json!({
        "id": incident.id, "at": incident.at, "remote": incident.remote, "kind": incident.kind, "what": incident.what,
    })
}
