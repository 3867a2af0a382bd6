//! Which of the large files that come are kept, and which are only passed on.
//!
//! What comes is kept: the next who asks finds it here. Three things are passed on instead: files of repositories that
//! the operator named so, those of repositories of which a rule keeps metadata only, and, where mirrors have a bound and
//! have used up half of it, what is asked for the first time. It is kept when it is asked for again. So a file that nobody
//! wants twice drives out none that many want.

use karez_catalog::{Keep, Mirror};
use karez_hub::{FarFile, HubResult};

use super::Upstreams;
use super::remotes::KnownRemote;
use crate::policy::evict::{Disk, admits};
use crate::policy::upstream::Verdict;
use crate::transfer::Stay;

impl Upstreams {
    /// Decides whether a file that somebody reads stays. The present request is counted already.
    pub(super) async fn stay_of(&self, remote: &KnownRemote, mirror: &Mirror, file: &FarFile) -> HubResult<Stay> {
        // A word about the one repository goes before one about many.
        if mirror.is_pinned || mirror.keep == Keep::Whole {
            return Ok(Stay::Kept);
        }
        let is_passed_on = remote.settings.policy.repo(&mirror.remote_repo) == Verdict::PassThrough;
        if is_passed_on || mirror.keep == Keep::Metadata {
            return Ok(Stay::Passing);
        }
        let limit_bytes = self.cache_bytes_max;
        if limit_bytes == 0 {
            return Ok(Stay::Kept);
        }
        let catalog = self.hub.catalog();
        let requests = catalog.file_use_requests(&file.sha256).await? + self.ways.uses.pending(&file.sha256);
        let is_let_in = |used_bytes| {
            let disk = Disk { used_bytes, limit_bytes };
            admits(disk, file.file_bytes, requests.saturating_mul(1_000), Keep::Demand, false)
        };
        // The sum over all that is held is asked for only where it decides.
        // What was evicted and is still on the disk takes its room until it is gone.
        let is_kept = is_let_in(limit_bytes)
            || is_let_in(0) && {
                let held_bytes = catalog.held_bytes().await?;
                is_let_in(held_bytes.saturating_add(catalog.garbage_totals().await?.from_afar_bytes))
            };
        Ok(if is_kept { Stay::Kept } else { Stay::Passing })
    }
}
