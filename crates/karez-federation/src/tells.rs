//! What this node tells others beside its own log, as short tags: who has heard it all need not ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use karez_formats::log_news::NewsTags;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Federation;
use crate::peer::PeerError;

/// For how long tags are answered from memory: finding them out costs a query for each peer.
const TELLS_FOR: Duration = Duration::from_secs(10);

/// What this node told lately.
#[derive(Default)]
pub(crate) struct Tells(Mutex<Option<(Instant, Arc<Told>)>>);

/// Tags of what a node tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Of all of it; the sequence number is that of no description.
    pub tags: NewsTags,
    /// Of each log of which something is held, by origin.
    pub haves: BTreeMap<String, u32>,
}

/// Returns a tag of these parts. The length of each is part of it.
fn tag_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

impl Federation {
    /// Returns the tags of what this node tells, at most a few seconds old. A thousand who ask at once are
    /// one look.
    pub async fn tells(&self) -> Result<Arc<Told>, PeerError> {
        let mut lately = self.tells.0.lock().await;
        if let Some((_, told)) = lately.as_ref().filter(|(when, _)| when.elapsed() < TELLS_FOR) {
            return Ok(Arc::clone(told));
        }
        let told = Arc::new(self.tells_now().await?);
        *lately = Some((Instant::now(), Arc::clone(&told)));
        Ok(told)
    }

    async fn tells_now(&self) -> Result<Told, PeerError> {
        let mut table = self.table();
        // Just started: what is told now is believed until somebody asks again, which may be in an hour.
        if table.all().is_empty() {
            table = self.refresh().await?;
        }
        // Without the own log, whose news these are, and without cosignatures, which change nothing of a tree.
        let seen = self.hub.log_checkpoints_seen().await.map_err(|error| PeerError::Here(error.to_string()))?;
        let own = self.hub.log_keys().origin();
        let texts = seen.iter().filter(|seen| seen.origin != own).filter_map(|seen| seen.note.split("\n\n").next());
        let seen = tag_of(texts.map(str::as_bytes));
        // Descriptions are signed anew every day; only those with another number say anything new.
        let mut nodes: Vec<String> =
            table.all().iter().map(|peer| format!("{} {}", peer.key.name(), peer.settings.sequence)).collect();
        nodes.sort_unstable();
        let nodes = tag_of(nodes.iter().map(String::as_bytes));
        let mut haves = BTreeMap::new();
        for peer in table.all() {
            let bitmap = crate::peer::have_bitmap(self.hub.catalog(), &peer.remote).await?;
            if !bitmap.is_empty() {
                haves.insert(peer.key.name().to_owned(), tag_of([bitmap.as_slice()]));
            }
        }
        let each: Vec<String> = haves.iter().map(|(origin, tag)| format!("{origin} {tag}")).collect();
        let have = tag_of(each.iter().map(String::as_bytes));
        Ok(Told { tags: NewsTags { sequence: 0, seen, nodes, have }, haves })
    }
}
