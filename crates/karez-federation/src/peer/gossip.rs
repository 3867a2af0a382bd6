//! What nodes tell each other about third ones: the newest checkpoint that each has seen of every log, and
//! the newest description of every node. A log that shows different trees to different people is found
//! out when any two of them meet; a node that moved is found again by its key.

use karez_catalog::Catalog;
use karez_governance::note::NOTE_BYTES_MAX;
use karez_governance::{Checkpoint, ForkEvidence, Note, VerifiedCheckpoint};
use karez_types::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::table::{Memory, Peer, Table};
use super::{Milestone, PeerError, Wire, WireError, described, described_keep, fork_store};

/// Longest list of checkpoints or descriptions that is read, in bytes: a thousand nodes with many witnesses.
const LIST_BYTES_MAX: u64 = 4 << 20;
/// Most notes of one list that are looked at.
const NOTES_MAX: usize = 2_000;
/// Most checkpoints of one log that wait to be compared, and that are remembered as compared.
const MILESTONES_MAX: usize = 32;
const COMPARED_MAX: usize = 1_024;

/// Where a node gives out the checkpoints that it has seen.
const SEEN_PATH: &str = "/federation/v1/checkpoints";
/// Where a node gives out the descriptions that it has seen.
const NODES_PATH: &str = "/federation/v1/nodes";

/// What a peer has told of third ones.
#[derive(Debug, Clone, Default)]
pub struct GossipHeard {
    /// When, and what its news said about all of it then; unset where it tells no news.
    pub heard: Option<(Instant, Option<GossipTags>)>,
    /// Tag of the checkpoints that it has seen.
    seen_etag: Option<String>,
    /// Tag of the descriptions that it has seen.
    nodes_etag: Option<String>,
}

/// When these are the same, everything that could be heard was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GossipTags {
    /// Of the checkpoints that the peer has seen.
    pub seen: u32,
    /// Of the descriptions that it knows.
    pub nodes: u32,
    /// Peers of this node: what is said of others is passed over.
    pub peers: usize,
}

/// A checkpoint that somebody has seen; only the note counts, which says everything itself.
#[derive(Deserialize)]
struct Seen {
    note: String,
}

/// Returns the checkpoints that a peer has seen; `None` when they are the same as last time.
pub async fn seen_by(wire: &Wire, heard: &mut GossipHeard) -> Result<Option<Vec<String>>, PeerError> {
    let seen: Option<Vec<Seen>> = list(wire, SEEN_PATH, &mut heard.seen_etag).await?;
    Ok(seen.map(|seen| seen.into_iter().map(|one| one.note).collect()))
}

/// Returns the checkpoint of one log that a node has seen.
pub async fn seen_of(wire: &Wire, origin: &str) -> Result<Option<String>, PeerError> {
    let answer = wire.get(SEEN_PATH, None, LIST_BYTES_MAX).await?;
    let seen: Vec<Seen> = parsed(SEEN_PATH, &answer.body)?;
    Ok(seen.into_iter().map(|one| one.note).find(|note| note.lines().next() == Some(origin)))
}

/// Returns the descriptions that a peer has seen; `None` when they are the same as last time.
pub async fn nodes_seen_by(wire: &Wire, heard: &mut GossipHeard) -> Result<Option<Vec<String>>, PeerError> {
    list(wire, NODES_PATH, &mut heard.nodes_etag).await
}

async fn list<T: DeserializeOwned>(
    wire: &Wire,
    path: &str,
    etag: &mut Option<String>,
) -> Result<Option<Vec<T>>, PeerError> {
    let answer = match wire.get(path, etag.as_deref(), LIST_BYTES_MAX).await {
        // An older or other program that does not gossip.
        Err(WireError::Status { status: 404, .. }) => return Ok(None),
        answer => answer?,
    };
    if answer.status == 304 {
        return Ok(None);
    }
    let notes = parsed(path, &answer.body)?;
    *etag = answer.etag;
    Ok(Some(notes))
}

fn parsed<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<Vec<T>, PeerError> {
    let wrong = |what: &str| WireError::Wrong { path: path.to_owned(), what: what.to_owned() };
    let notes: Vec<T> = serde_json::from_slice(body).map_err(|_| wrong("it is not a list of signed notes"))?;
    if notes.len() > NOTES_MAX { Err(wrong("the list is too long").into()) } else { Ok(notes) }
}

/// A log that showed two histories, found by comparing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Name of the peer whose log it is.
    pub peer: String,
    /// What it did.
    pub what: String,
}

/// Compares checkpoints that somebody showed with what is known of the logs that this node follows. What
/// cannot be compared at once waits until the log is read next.
pub async fn compare(
    catalog: &Catalog,
    table: &Table,
    notes: &[String],
    shown_by: &str,
    now: Timestamp,
) -> Result<Vec<Found>, PeerError> {
    let mut found = Vec::new();
    for text in notes.iter().filter(|text| text.len() <= NOTE_BYTES_MAX) {
        let Ok(note) = Note::parse(text.as_bytes()) else { continue };
        let Ok(claim) = Checkpoint::parse(note.text()) else { continue };
        let Some(peer) = table.by_origin(&claim.origin) else { continue };
        let Ok(shown) = VerifiedCheckpoint::open(&note, &peer.key, &[]) else { continue };
        let known = match catalog.feed_get(peer.remote.id).await? {
            Some(feed) => VerifiedCheckpoint::parse(feed.tree.note.as_bytes(), &peer.key, &[]).ok(),
            None => None,
        };
        if let Some(known) = known.filter(|known| known.size() == shown.size()) {
            if let Some(evidence) = ForkEvidence::of_same_size(&known, &shown) {
                fork_store(catalog, known.origin(), &evidence, now).await?;
                let what =
                    format!("two different trees of {} entries; the other was shown by {shown_by}", known.size());
                found.push(Found { peer: peer.remote.name.clone(), what });
            }
            continue;
        }
        remember(peer, Milestone { checkpoint: shown, shown_by: shown_by.to_owned() }).await;
    }
    Ok(found)
}

/// Remembers a checkpoint until the log is read next. Who talks to the peer at the moment does not see
/// it; it will be shown again.
async fn remember(peer: &Peer, stone: Milestone) {
    let Ok(mut memory) = peer.memory.try_lock() else { return };
    let hash = stone_hash(&stone);
    if memory.milestones.len() < MILESTONES_MAX
        && !memory.compared.contains(&hash)
        && !memory.milestones.iter().any(|other| stone_hash(other) == hash)
    {
        memory.milestones.push(stone);
    }
}

/// Forgets the checkpoints that were compared when the log had this many entries.
pub fn compared(memory: &mut Memory, size: u64) {
    if memory.compared.len() > COMPARED_MAX {
        memory.compared.clear();
    }
    let (done, open): (Vec<_>, Vec<_>) =
        std::mem::take(&mut memory.milestones).into_iter().partition(|stone| stone.checkpoint.size() <= size);
    memory.compared.extend(done.iter().map(stone_hash));
    memory.milestones = open;
}

/// The text, without signatures: cosignatures come and go.
fn stone_hash(stone: &Milestone) -> [u8; 32] {
    Sha256::digest(stone.checkpoint.note().text().as_bytes()).into()
}

/// Keeps what descriptions say of nodes that are known by their keys. Tells whether anything was new.
pub async fn descriptions_learn(catalog: &Catalog, table: &Table, notes: &[String]) -> Result<bool, PeerError> {
    let mut learned = false;
    for text in notes {
        let Ok(described) = described(text.as_bytes()) else { continue };
        let Some(peer) = table.by_origin(described.descriptor.log_key.name()) else { continue };
        // The same one is no news, and an old one is refused where it is kept.
        if described.descriptor.sequence <= peer.settings.sequence {
            continue;
        }
        learned |= described_keep(catalog, &peer.remote, &described, None).await.is_ok_and(|kept| kept.is_some());
    }
    Ok(learned)
}
