//! Is the node able to do its work?

use std::sync::atomic::{AtomicI64, Ordering};

use crate::{Hub, HubResult};

/// How long a good answer holds. The check writes an object: everyone may ask, so not every question
/// may cost a write.
const HOLDS_MS: i64 = 1_000;

/// When the node was last found well.
#[derive(Debug)]
pub(crate) struct Readiness(AtomicI64);

impl Default for Readiness {
    fn default() -> Readiness {
        Readiness(AtomicI64::new(i64::MIN))
    }
}

impl Hub {
    /// Asks the catalog and the store whether they answer.
    ///
    /// # Errors
    /// What the one that does not answer says.
    pub async fn ready(&self) -> HubResult<()> {
        let now = self.clock.now().0;
        let found_well = self.readiness.0.load(Ordering::Relaxed);
        if found_well <= now && now < found_well.saturating_add(HOLDS_MS) {
            return Ok(());
        }
        self.catalog.healthy().await?;
        self.store.healthy().await?;
        self.readiness.0.store(now, Ordering::Relaxed);
        Ok(())
    }
}
