//! The loop: when which step of [`Federation`] is taken. It keeps no state that matters: after a crash
//! everything begins where the catalog says.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::Federation;
use crate::peer::Peer;

/// How often the loop looks whether something is due.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two looks at the catalog for new peers.
const REFRESH_TICKS: u64 = 5;
/// Ticks between two passes of following when no log grew: what failed is tried again, lines open.
const FOLLOW_TICKS: u64 = 60;
/// How long after the start peers that do not answer keep this node's log from being signed. Whatever is
/// published meanwhile is in the log, and gets its signature then.
const PEERS_HEARD_WAIT: Duration = Duration::from_secs(60);
/// Ticks between two looks whether mirrors hold more than they may: also what is stored already becomes theirs.
const EVICT_TICKS: u64 = 60;
/// Conversations at the same time.
const CONVERSATIONS_MAX: usize = 16;

/// A federation that runs.
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops it in peace: nothing new is begun, and what is under way is dropped where it may be. What was
    /// received is written down already.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the federation did not stop in peace");
        }
    }
}

impl Federation {
    /// Follows, and says in the log what did not work.
    async fn follow(self: &Arc<Self>) {
        match self.follow_pass().await {
            Ok(pass) => pass.troubles.iter().for_each(|trouble| tracing::info!(trouble, "could not follow")),
            Err(error) => tracing::warn!(%error, "could not look at what peers publish"),
        }
    }

    /// Makes room, and says in the log when that failed.
    async fn make_room(&self) {
        if let Err(error) = self.evict().await {
            tracing::warn!(%error, "could not look whether mirrors hold more than they may");
        }
    }

    /// Starts the loop.
    pub fn start(self: &Arc<Federation>) -> Running {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(Arc::clone(self), stopped));
        Running { stop, task }
    }
}

async fn run(federation: Arc<Federation>, mut stopped: watch::Receiver<bool>) {
    let mut conversations = JoinSet::new();
    let mut witnessing: Option<JoinHandle<()>> = None;
    let mut following: Option<JoinHandle<()>> = None;
    let mut evicting: Option<JoinHandle<()>> = None;
    let (mut last_evict, mut ended) = (0, 0);
    let mut shown = None;
    let mut last_follow = 0;
    let (began, mut are_peers_known) = (Instant::now(), false);
    for tick in 0u64.. {
        if tick.is_multiple_of(REFRESH_TICKS) {
            match federation.refresh().await {
                Ok(_) => are_peers_known = true,
                Err(error) => tracing::warn!(%error, "could not look at the peers"),
            }
        }
        federation.gates.refresh().await;
        let table = federation.table();
        if !*federation.own_log_known.borrow() {
            let is_heard = |peer: &Arc<Peer>| peer.memory.try_lock().is_ok_and(|memory| memory.is_heard);
            let are_heard = are_peers_known && table.all().iter().all(is_heard);
            if are_heard || began.elapsed() >= PEERS_HEARD_WAIT {
                federation.own_log_known.send_replace(true);
            }
        }
        for peer in table.all() {
            let is_due = peer.memory.try_lock().is_ok_and(|memory| memory.due.is_none_or(|due| due <= Instant::now()));
            if is_due && conversations.len() < CONVERSATIONS_MAX {
                let (federation, peer) = (Arc::clone(&federation), Arc::clone(peer));
                conversations.spawn(async move { drop(federation.poll_peer(&peer).await) });
            }
        }
        while conversations.try_join_next().is_some() {}
        if !table.all().is_empty() {
            let own = federation.hub.log_checkpoint().await.ok().flatten();
            // The first lines are the tree; cosignatures change nothing of it.
            let own = own.map(|note| note.lines().take(3).collect::<Vec<_>>().join("\n"));
            if own != shown && idle(&witnessing) {
                shown = own;
                let federation = Arc::clone(&federation);
                witnessing = Some(tokio::spawn(async move { drop(federation.witness_all().await) }));
            }
            if idle(&following) && (tick >= last_follow + FOLLOW_TICKS || federation.take_follow_wanted()) {
                last_follow = tick;
                let federation = Arc::clone(&federation);
                following = Some(tokio::spawn(async move { federation.follow().await }));
            }
        }
        let ended_now = federation.transfers().map_or(0, |transfers| transfers.ended());
        if idle(&evicting) && (tick >= last_evict + EVICT_TICKS || ended_now != ended) {
            (last_evict, ended) = (tick, ended_now);
            let federation = Arc::clone(&federation);
            evicting = Some(tokio::spawn(async move { federation.make_room().await }));
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            _ = stopped.changed() => break,
        }
    }
    conversations.shutdown().await;
    if let Some(transfers) = federation.transfers() {
        transfers.stop().await;
    }
    federation.gates.charge_all().await;
    for task in [witnessing, following, evicting].into_iter().flatten() {
        task.abort();
        let _ = task.await;
    }
}

fn idle(task: &Option<JoinHandle<()>>) -> bool {
    task.as_ref().is_none_or(JoinHandle::is_finished)
}
