//! Is the node able to do its work?

use crate::{Hub, HubResult};

impl Hub {
    /// Asks the catalog and the store whether they answer.
    ///
    /// # Errors
    /// What the one that does not answer says.
    pub async fn ready(&self) -> HubResult<()> {
        self.catalog.healthy().await?;
        self.store.healthy().await?;
        Ok(())
    }
}
