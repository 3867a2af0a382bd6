//! What a node does with others, one per process: it knows the peers, asks them in turn, and starts what
//! follows from their answers.
//!
//! Every step is a method of its own that ends: the loop in [`running`](crate::running) only decides when.
//! Tests call the steps.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use karez_catalog::Keep;
use karez_hub::Hub;
use karez_types::{Entropy, RepoId, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::FederationSettings;
use crate::file_ways::FileWays;
use crate::follow::Gates;
use crate::net::HttpOptions;
use crate::peer::{self, Asked, Peer, PeerError, Polled, Table};
use crate::tells::Tells;

/// Poll periods that a peer rests at most after failures.
const REST_PERIODS_MAX: u32 = 16;

/// What a federation is made of.
pub struct FederationParts {
    /// The application.
    pub hub: Arc<Hub>,
    /// What the operator set.
    pub settings: FederationSettings,
    /// How remotes are dialled; how far is each remote's own matter.
    pub http: HttpOptions,
    /// Where randomness comes from: for the turns of peers.
    pub entropy: Arc<dyn Entropy>,
    /// How large files come; unset: none is fetched.
    pub ways: Option<FileWays>,
}

/// The federation of a node. Shared by all behind an [`Arc`].
pub struct Federation {
    pub(crate) hub: Arc<Hub>,
    pub(crate) settings: FederationSettings,
    pub(crate) http: HttpOptions,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) gates: Arc<Gates>,
    /// How large files come.
    pub(crate) ways: Option<FileWays>,
    /// Files that could not be fetched, until when they rest.
    resting: Mutex<HashMap<Sha256, Instant>>,
    /// Files of whose beginning enough came, and the rest did not.
    heads: Mutex<HashSet<Sha256>>,
    /// Mirrors whose history is here up to an entry of their origin's log, as far as is kept of them: it is not
    /// asked for again while their files come.
    histories: Mutex<HashMap<RepoId, (u64, Keep)>>,
    table: RwLock<Arc<Table>>,
    /// Whether there may be something new to follow.
    follow_wanted: AtomicBool,
    /// Whether the peers have said what they know of this node's log.
    pub(crate) own_log_known: watch::Sender<bool>,
    pub(crate) tells: Tells,
}

impl Federation {
    /// Puts a federation together. Nothing is dialled before a step is called.
    pub fn new(parts: FederationParts) -> Federation {
        let FederationParts { hub, settings, http, entropy, ways } = parts;
        let gates = ways.as_ref().map_or_else(Arc::default, |ways| Arc::clone(&ways.gates));
        Federation {
            hub,
            settings,
            http,
            entropy,
            gates,
            ways,
            resting: Mutex::default(),
            heads: Mutex::default(),
            histories: Mutex::default(),
            table: RwLock::default(),
            follow_wanted: AtomicBool::new(true),
            own_log_known: watch::Sender::new(false),
            tells: Tells::default(),
        }
    }

    /// Waits after the start until the peers have said what they have seen of this node's log, or could not be
    /// asked for a while. Before that nothing new should be signed: a database from a backup, brought back with
    /// all that lies beside it, learns only from them that it is old.
    pub async fn own_log_known(&self) {
        let mut known = self.own_log_known.subscribe();
        // The sender is part of this federation.
        let _ = known.wait_for(|known| *known).await;
    }

    pub(crate) fn resting(&self) -> MutexGuard<'_, HashMap<Sha256, Instant>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn heads(&self) -> MutexGuard<'_, HashSet<Sha256>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn histories(&self) -> MutexGuard<'_, HashMap<RepoId, (u64, Keep)>> {
        self.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that there may be something new to follow.
    pub(crate) fn want_follow(&self) {
        self.follow_wanted.store(true, Ordering::Relaxed);
    }

    /// Returns the peers as they were when they were last looked at.
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what the operator set.
    pub fn settings(&self) -> &FederationSettings {
        &self.settings
    }

    /// Looks at the peers in the catalog: the operator may have added one, at the command line.
    pub async fn refresh(&self) -> Result<Arc<Table>, PeerError> {
        let table = Arc::new(Table::load(self.hub.catalog(), &self.table(), &self.http).await?);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&table);
        Ok(table)
    }

    /// Talks to one peer: what it is, how its log has grown, what it has seen of others, what it holds.
    /// What goes wrong is written down where people look.
    pub async fn poll_peer(&self, peer: &Peer) -> Result<Polled, PeerError> {
        let mut memory = peer.memory.lock().await;
        let polled = self.conversation(peer, &mut memory).await;
        self.charge(peer).await;
        memory.failures = if polled.is_ok() { 0 } else { memory.failures.saturating_add(1) };
        memory.due = Some(Instant::now() + self.rest(memory.failures));
        drop(memory);
        match &polled {
            Ok(Polled::Grew { .. }) => self.want_follow(),
            Ok(_) => {}
            Err(error) => self.complain(peer, error).await,
        }
        polled
    }

    /// Talks to all peers at once, each in its own time.
    pub async fn poll_all(&self) -> Vec<(String, Result<Polled, PeerError>)> {
        let table = self.table();
        let polls = table.all().iter().map(|peer| async { (peer.remote.name.clone(), self.poll_peer(peer).await) });
        futures::future::join_all(polls).await
    }

    /// Shows the newest checkpoint of this node's log to all peers at once, and takes in their cosignatures.
    pub async fn witness_all(&self) -> Vec<(String, Result<Asked, PeerError>)> {
        let table = self.table();
        let asks = table.all().iter().map(|peer| async { (peer.remote.name.clone(), self.witness_one(peer).await) });
        futures::future::join_all(asks).await
    }

    /// Shows the newest checkpoint to one peer.
    pub async fn witness_one(&self, peer: &Peer) -> Result<Asked, PeerError> {
        let mut memory = peer.memory.lock().await;
        let asked = peer::witness_ask(&self.hub, peer, &mut memory).await;
        drop(memory);
        self.charge(peer).await;
        match &asked {
            Ok(Asked::Behind { seen }) => {
                let what = format!(
                    "it has seen {seen} entries of this node's log, and not all of them are here: this database is an \
                     old one. Nothing is signed until the newer one is back"
                );
                self.incident(&peer.remote.name, "old-database", &what).await;
            }
            Ok(_) => {}
            Err(error) => self.complain(peer, error).await,
        }
        asked
    }

    /// Tells whether there may be something new to follow, once.
    pub(crate) fn take_follow_wanted(&self) -> bool {
        self.follow_wanted.swap(false, Ordering::Relaxed)
    }

    /// Returns how long a peer rests after a conversation: the period with up to a fifth more or less, so
    /// that a thousand followers do not come at the same second; longer after failures.
    fn rest(&self, failures: u32) -> Duration {
        let mut bytes = [0u8; 8];
        self.entropy.fill(&mut bytes);
        let period_ms = self.settings.poll_secs.saturating_mul(1000).max(1);
        let jitter_ms = u64::from_le_bytes(bytes) % (period_ms * 2 / 5 + 1);
        let periods = 1u32.checked_shl(failures.min(8)).unwrap_or(1).min(REST_PERIODS_MAX);
        Duration::from_millis((period_ms * 4 / 5 + jitter_ms).saturating_mul(u64::from(periods)))
    }

    /// Charges what came from a peer to its line.
    async fn charge(&self, peer: &Peer) {
        let gate = self.gates.of(&self.hub, &peer.remote.line);
        gate.count(peer.wire.take_received());
        gate.charge().await;
    }

    /// Writes down what is wrong with a peer.
    pub(crate) async fn complain(&self, peer: &Peer, error: &PeerError) {
        let (name, text) = (&peer.remote.name, error.to_string());
        tracing::warn!(peer = name, error = text, "a peer is in trouble");
        if let Err(error) = self.hub.catalog().feed_trouble_set(peer.remote.id, Some(&text)).await {
            tracing::warn!(peer = name, %error, "could not write down what is wrong with a peer");
        }
        if let Some(kind) = error.incident() {
            self.incident(name, kind, &text).await;
        }
    }

    /// Writes an incident for people to read.
    pub(crate) async fn incident(&self, remote: &str, kind: &str, what: &str) {
        let now = self.hub.clock().now();
        match self.hub.catalog().incident_insert(remote, kind, what, now).await {
            Ok(true) => tracing::error!(remote, kind, what, "a remote did wrong"),
            Ok(false) => {}
            Err(error) => tracing::warn!(remote, kind, what, %error, "could not write down an incident"),
        }
    }

    /// Returns the bitmap of what this node holds of a log, and `None` for a log that it does not follow.
    pub async fn have_bitmap(&self, origin: &str) -> Result<Option<Vec<u8>>, PeerError> {
        let table = self.table();
        let Some(peer) = table.by_origin(origin) else { return Ok(None) };
        peer::have_bitmap(self.hub.catalog(), &peer.remote).await.map(Some)
    }

    /// Returns the newest descriptions of the peers, as they wrote them.
    pub fn descriptions(&self) -> Vec<String> {
        let table = self.table();
        table.all().iter().map(|peer| peer.settings.note.clone()).filter(|note| !note.is_empty()).collect()
    }
}
