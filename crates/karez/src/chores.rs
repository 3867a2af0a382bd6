//! What a node does by itself while it runs: write down counts, throw away abandoned uploads.

use std::sync::Arc;
use std::time::Duration;

use karez_hub::Hub;
use tokio::task::JoinHandle;

/// How often. A crash loses the counts of at most this long, nothing else.
const EVERY: Duration = Duration::from_secs(60);

/// Starts the chores; they run until the task is aborted.
pub fn start(hub: Arc<Hub>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            counts_write(&hub).await;
            if let Err(error) = hub.uploads_sweep().await {
                tracing::warn!(%error, "could not throw away abandoned uploads");
            }
        }
    })
}

/// Ends the chores and writes down what was counted since.
pub async fn finish(chores: JoinHandle<()>, hub: &Hub) {
    chores.abort();
    counts_write(hub).await;
}

async fn counts_write(hub: &Hub) {
    if let Err(error) = hub.downloads_flush().await {
        tracing::warn!(%error, "could not write down how often files were downloaded; the next try will");
    }
}
