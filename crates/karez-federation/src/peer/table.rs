//! The peers of this node as they are at the moment, with what is remembered of each between questions.

use std::collections::HashSet;
use std::sync::Arc;

use karez_catalog::{Catalog, Remote, RemoteKind};
use karez_governance::VerifierKey;
use karez_types::RemoteId;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::{GossipHeard, HaveHeard, LogAsked, Milestone, PeerError, Trail, Wire, log_key, witness_key};
use crate::PeerSettings;
use crate::net::{HttpClient, HttpOptions, Reach};

/// One peer.
pub struct Peer {
    /// Its row.
    pub remote: Remote,
    /// Its row's settings.
    pub settings: PeerSettings,
    /// The key of its log: what it is.
    pub key: VerifierKey,
    /// The key under which it cosigns, if it is known.
    pub witness: Option<VerifierKey>,
    /// How to ask it.
    pub wire: Arc<Wire>,
    /// What is remembered.
    pub memory: Arc<Mutex<Memory>>,
}

/// What is remembered of a peer between two questions, in this process. Whoever holds it talks to the
/// peer; there is one conversation at a time.
#[derive(Default)]
pub struct Memory {
    /// How its log was asked for.
    pub log: LogAsked,
    /// Roots that its log had lately.
    pub trail: Trail,
    /// What it has told of third ones.
    pub gossip: GossipHeard,
    /// What it has told that it holds.
    pub have: HaveHeard,
    /// Checkpoints of its log that others showed, not yet compared.
    pub milestones: Vec<Milestone>,
    /// Hashes of those that were compared.
    pub compared: HashSet<[u8; 32]>,
    /// Size of this node's log that it has cosigned last, as far as is known.
    pub cosigned: Option<u64>,
    /// Whether it has said since the start what it has seen of this node's log.
    pub is_heard: bool,
    /// When it was last asked what it is.
    pub described: Option<Instant>,
    /// Sequence number of a description of which its news told then.
    pub described_for: Option<u64>,
    /// When it is asked next.
    pub due: Option<Instant>,
    /// Failures one after another.
    pub failures: u32,
}

/// The peers, by name.
#[derive(Default, Clone)]
pub struct Table {
    peers: Vec<Arc<Peer>>,
}

impl Table {
    /// Reads the peers from the catalog; what is remembered of those that stay is kept. A peer that
    /// cannot be asked (no key, no address) is left out and warned about.
    pub async fn load(catalog: &Catalog, before: &Table, http: &HttpOptions) -> Result<Table, PeerError> {
        let mut peers = Vec::new();
        for remote in catalog.remote_list().await? {
            let settings = PeerSettings::of(&remote);
            if remote.kind != RemoteKind::Peer || remote.is_removed() {
                continue;
            }
            let old = before.by_id(remote.id);
            if let Some(old) = old.filter(|old| old.remote == remote) {
                peers.push(Arc::clone(old));
                continue;
            }
            match peer_of(remote, settings, old, http) {
                Ok(peer) => peers.push(Arc::new(peer)),
                Err((name, error)) => tracing::warn!(peer = name, %error, "a peer cannot be asked"),
            }
        }
        Ok(Table { peers })
    }

    /// Returns all peers.
    pub fn all(&self) -> &[Arc<Peer>] {
        &self.peers
    }

    /// Finds a peer by its row.
    pub fn by_id(&self, id: RemoteId) -> Option<&Arc<Peer>> {
        self.peers.iter().find(|peer| peer.remote.id == id)
    }

    /// Finds a peer by its name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Peer>> {
        self.peers.iter().find(|peer| peer.remote.name == name)
    }

    /// Finds a peer by the name of its log.
    pub fn by_origin(&self, origin: &str) -> Option<&Arc<Peer>> {
        self.peers.iter().find(|peer| peer.key.name() == origin)
    }
}

fn peer_of(
    remote: Remote,
    settings: PeerSettings,
    old: Option<&Arc<Peer>>,
    http: &HttpOptions,
) -> Result<Peer, (String, PeerError)> {
    let failed = |error| (remote.name.clone(), error);
    let key = log_key(&remote).map_err(failed)?;
    let same_way =
        |old: &&Arc<Peer>| old.remote.url == remote.url && old.settings.allow_private == settings.allow_private;
    let wire = match old.filter(same_way) {
        Some(old) => Arc::clone(&old.wire),
        None => Arc::new(wire_to(&remote.url, settings.allow_private, http).map_err(failed)?),
    };
    let memory = old.map(|old| Arc::clone(&old.memory)).unwrap_or_default();
    Ok(Peer { key, witness: witness_key(&remote), remote, settings, wire, memory })
}

/// Returns a way to ask what is at an address.
pub fn wire_to(url: &str, allow_private: bool, http: &HttpOptions) -> Result<Wire, PeerError> {
    let parsed = Url::parse(url).map_err(|error| PeerError::Setup(format!("{url} is no address: {error}")))?;
    let options = HttpOptions { reach: Reach::of(&parsed, allow_private), ..http.clone() };
    let client = HttpClient::new(options).map_err(|error| PeerError::Setup(error.to_string()))?;
    Ok(Wire::new(client, url))
}
