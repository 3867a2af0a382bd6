//! What a node does by itself while it runs: sign its log, write down counts, throw away abandoned uploads and what was passed on.

use std::sync::Arc;
use std::time::Duration;

use karez_federation::Federation;
use karez_federation::upstream::Upstreams;
use karez_hub::Hub;
use tokio::task::JoinHandle;

/// How often. A crash loses the counts of at most this long, nothing else.
const EVERY: Duration = Duration::from_secs(60);
/// How often new entries of the log are signed: an act is under a checkpoint after at most this long. When
/// there is nothing new it costs one query.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// The chores of a node; they run until they are finished.
pub struct Chores {
    counts: JoinHandle<()>,
    log: JoinHandle<()>,
}

/// Starts the chores.
pub fn start(hub: Arc<Hub>, upstreams: Arc<Upstreams>, federation: Arc<Federation>) -> Chores {
    Chores { counts: counts_start(Arc::clone(&hub), upstreams), log: log_start(hub, federation) }
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

fn counts_start(hub: Arc<Hub>, upstreams: Arc<Upstreams>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            counts_write(&hub, &upstreams).await;
            if let Err(error) = hub.uploads_sweep().await {
                tracing::warn!(%error, "could not throw away abandoned uploads");
            }
            if let Err(error) = upstreams.ways().transfers.sweep().await {
                tracing::warn!(%error, "could not throw away what was passed on before the last start");
            }
        }
    })
}

/// Ends the chores and writes down what was counted since.
pub async fn finish(chores: Chores, hub: &Hub, upstreams: &Upstreams) {
    chores.counts.abort();
    chores.log.abort();
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
