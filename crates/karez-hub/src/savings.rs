//! What the node saves: a sum over all open repositories, which everybody may see, and which is not made anew for
//! each of them.

use karez_catalog::OpenBytes;
use karez_types::Timestamp;
use tokio::sync::Mutex;

use crate::{Hub, HubResult};

/// For how long the sums are told again, in seconds.
const KEPT_SECS: i64 = 60;

/// The sums, and when they were made. Who asks while they are made waits for them.
#[derive(Default)]
pub(crate) struct SavingsDesk(Mutex<Option<(Timestamp, OpenBytes)>>);

impl Hub {
    /// Returns what open repositories hold, and what of that is stored and did not travel; a minute old at most.
    ///
    /// # Errors
    /// When the catalog does not answer.
    pub async fn open_bytes(&self) -> HubResult<OpenBytes> {
        let mut known = self.savings.0.lock().await;
        let now = self.clock.now();
        if let Some((made, bytes)) = *known
            && (made..made.plus_secs(KEPT_SECS)).contains(&now)
        {
            return Ok(bytes);
        }
        let bytes = self.catalog.open_bytes().await?;
        *known = Some((now, bytes));
        Ok(bytes)
    }
}
