//! What a node does by itself while it runs: sign its log, keep the search index in step, write down counts, throw away abandoned uploads, what was passed on, and bytes that nothing refers to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use karez_federation::Federation;
use karez_federation::upstream::Upstreams;
use karez_hub::{GarbageSettings, Hub, IndexPlace, SearchProgress};
use tokio::task::JoinHandle;

/// How often. A crash loses the counts of at most this long, nothing else.
const EVERY: Duration = Duration::from_secs(60);
/// How often new entries of the log are signed: an act is under a checkpoint after at most this long. When
/// there is nothing new it costs one query.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// How often the search index looks for what changed. When nothing did it costs one query.
const SEARCH_EVERY: Duration = Duration::from_millis(400);
/// How long it waits after trouble, such as a full disk.
const SEARCH_AGAIN: Duration = Duration::from_secs(10);
/// How often it says how far it is while it is built.
const SEARCH_REPORT_EVERY: Duration = Duration::from_secs(10);

/// The chores of a node; they run until they are finished.
pub struct Chores {
    counts: JoinHandle<()>,
    log: JoinHandle<()>,
    search: JoinHandle<()>,
    garbage: JoinHandle<()>,
}

/// Starts the chores.
pub fn start(
    hub: Arc<Hub>,
    upstreams: Arc<Upstreams>,
    federation: Arc<Federation>,
    index: PathBuf,
    garbage: GarbageSettings,
) -> Chores {
    Chores {
        garbage: garbage_start(Arc::clone(&hub), garbage),
        search: search_start(Arc::clone(&hub), index),
        counts: counts_start(Arc::clone(&hub), upstreams),
        log: log_start(hub, federation),
    }
}

fn log_start(hub: Arc<Hub>, federation: Arc<Federation>) -> JoinHandle<()> {
    tokio::spawn(async move {
        federation.own_log_known().await;
        // The same trouble every second is one line in the log, not eighty thousand a day.
        let mut told = None;
        loop {
            match hub.log_advance().await {
                Ok(_) => told = None,
                Err(error) => {
                    let words = error.to_string();
                    if told.as_ref() != Some(&words) {
                        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                        tracing::error!(error = words, source, "could not sign the node's log");
                        told = Some(words);
                    }
                }
            }
            tokio::time::sleep(LOG_EVERY).await;
        }
    })
}

/// Keeps the search index in step, also with what other processes write. Whatever is wrong with it, the node
/// runs: names are searched, and the next step tries again.
fn search_start(hub: Arc<Hub>, index: PathBuf) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut told = None;
        let mut is_open = false;
        let mut reported = Instant::now();
        loop {
            let step = match is_open {
                true => hub.search_step().await.map(Some),
                false => hub.search_open(IndexPlace::Folder(index.clone())).await.map(|()| None),
            };
            let mut pause = SEARCH_EVERY;
            match step {
                Ok(progress) => {
                    (told, is_open) = (None, true);
                    if let Some(SearchProgress::Building(repos)) = progress {
                        pause = Duration::ZERO;
                        if reported.elapsed() >= SEARCH_REPORT_EVERY {
                            reported = Instant::now();
                            tracing::info!(search.repos = repos, "building the search index");
                        }
                    }
                }
                Err(error) => {
                    let words = error.to_string();
                    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    if told.as_ref() != Some(&words) {
                        tracing::error!(
                            error = words,
                            source,
                            "the search index cannot follow; it will be tried again"
                        );
                        told = Some(words);
                    }
                    pause = SEARCH_AGAIN;
                }
            }
            tokio::time::sleep(pause).await;
        }
    })
}

fn counts_start(hub: Arc<Hub>, upstreams: Arc<Upstreams>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            counts_write(&hub, &upstreams).await;
            if let Err(error) = hub.uploads_sweep().await {
                tracing::warn!(%error, "could not throw away abandoned uploads");
            }
            if let Err(error) = hub.sessions_sweep().await {
                tracing::warn!(%error, "could not forget sessions that are over");
            }
            if let Err(error) = upstreams.ways().transfers.sweep().await {
                tracing::warn!(%error, "could not throw away what was passed on before the last start");
            }
        }
    })
}

/// Of all processes of the node one begins a round when it is time; the others hear of what went.
fn garbage_start(hub: Arc<Hub>, settings: GarbageSettings) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = hub.garbage_follow().await {
                tracing::warn!(%error, "could not look whether another process removed bytes");
            }
            match hub.garbage_round_due(&settings).await {
                Ok(Some(round)) if round.xorbs_freed > 0 => tracing::info!(
                    freed_bytes = round.freed_bytes,
                    xorbs = round.xorbs_freed,
                    waiting_bytes = round.waiting.stored_bytes,
                    "bytes that nothing referred to any more left the store"
                ),
                Ok(_) => {}
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(%error, source, "could not remove all bytes that nothing refers to; the next round goes on");
                }
            }
        }
    })
}

/// Ends the chores and writes down what was counted since.
pub async fn finish(chores: Chores, hub: &Hub, upstreams: &Upstreams) {
    chores.counts.abort();
    chores.log.abort();
    chores.search.abort();
    chores.garbage.abort();
    counts_write(hub, upstreams).await;
}

async fn counts_write(hub: &Hub, upstreams: &Upstreams) {
    if let Err(error) = hub.downloads_flush().await {
        tracing::warn!(%error, "could not write down how often files were downloaded; the next try will");
    }
    if let Err(error) = upstreams.uses_flush().await {
        tracing::warn!(%error, "could not write down how often files of mirrors were used; the next try will");
    }
}
