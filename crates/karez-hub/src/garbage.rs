//! What nothing refers to any more leaves the store, in rounds.
//!
//! A round condemns what nothing refers to, deletes the rows of what was condemned for long enough, and removes their
//! bytes, also those that an earlier round left behind. Each step may end anywhere, and run in several processes at
//! once; what it did not do the next round does. The rules, and why nothing that is referred to can go, are in the
//! catalog (`garbage.rs`, `garbage_delete.rs`) and in docs/decisions/0018-garbage.md.
//!
//! A xorb that a file still uses in part stays whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use karez_catalog::{Brought, GarbageTotals, XorbInserted, XorbRow};
use karez_formats::xet::XorbIndex;
use karez_store::StagedXorb;
use karez_types::{Sha256, XorbHash, Zone};
use serde::{Deserialize, Serialize};

use crate::dedup::KEY_SECS;
use crate::lfs::UPLOAD_SECS;
use crate::{Actor, Hub, HubError, HubResult};

/// Xorbs that are listed in one go while their bytes are removed.
const LEAVING_PAGE: u64 = 200;

/// Xorbs whose bytes cannot be removed before a round gives up: one bad file must not keep the others here, and a
/// storage that does not answer must not keep writers waiting.
const FAILURES_MAX: usize = 8;

/// How often, and how long between, it is looked whether the bytes of a xorb that is brought anew are gone. Removing
/// them takes milliseconds; object storage that does not answer takes longer, and then the sender tries again.
const GONE_LOOKS: usize = 50;
const GONE_PAUSE: Duration = Duration::from_millis(100);

/// When bytes that nothing refers to leave the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GarbageSettings {
    /// Seconds between the moment when bytes are condemned and the moment when they go. Longer than answers about
    /// stored chunks hold (24 hours), tokens and signed addresses.
    pub grace_secs: u64,
    /// Seconds for which what a client brought or was told of is not condemned: clients remember it for three weeks.
    pub upload_grace_secs: u64,
    /// Seconds between rounds.
    pub round_secs: u64,
}

impl Default for GarbageSettings {
    fn default() -> GarbageSettings {
        const HOUR_SECS: u64 = 3_600;
        GarbageSettings {
            // A day for the answers, half a day for an upload that began with the last of them.
            grace_secs: 36 * HOUR_SECS,
            // hf_xet: shard cache, three weeks; and a day.
            upload_grace_secs: 22 * 24 * HOUR_SECS,
            round_secs: HOUR_SECS,
        }
    }
}

impl GarbageSettings {
    /// Checks that nothing goes that a client was promised; `promised_secs` is the longest life of a token or address.
    ///
    /// # Errors
    /// With what to write instead.
    pub fn check(&self, promised_secs: u64) -> Result<(), String> {
        let grace_secs_min = promised_secs.max(KEY_SECS.unsigned_abs());
        if self.grace_secs < grace_secs_min {
            return Err(format!(
                "the setting garbage.grace_secs must be at least {grace_secs_min}: for so long clients may count on \
                 bytes that they were told of"
            ));
        }
        let upload_secs_min = UPLOAD_SECS.unsigned_abs();
        if self.upload_grace_secs < upload_secs_min {
            return Err(format!(
                "the setting garbage.upload_grace_secs must be at least {upload_secs_min}: an upload may take so long"
            ));
        }
        if !(60..=86_400).contains(&self.round_secs) {
            return Err("the setting garbage.round_secs must be between 60 and 86400".to_owned());
        }
        Ok(())
    }
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GarbageRound {
    /// Large files that it condemned.
    pub files_condemned: u64,
    /// Xorbs that it condemned.
    pub xorbs_condemned: u64,
    /// Their stored bytes.
    pub condemned_bytes: u64,
    /// Large files whose rows it deleted.
    pub files_deleted: u64,
    /// Xorbs whose bytes it removed.
    pub xorbs_freed: u64,
    /// Their stored bytes.
    pub freed_bytes: u64,
    /// What still waits.
    pub waiting: GarbageTotals,
}

/// The generation of garbage that the caches of this process know of.
#[derive(Debug, Default)]
pub(crate) struct Seen(AtomicU64);

impl Hub {
    /// Does one round, whoever else does. Only who administers the node may.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; when catalog or store fail. What was done until then stays done.
    pub async fn garbage_round(&self, actor: &Actor, settings: &GarbageSettings) -> HubResult<GarbageRound> {
        self.node_admin_check(actor)?;
        let mut round = GarbageRound::default();
        self.garbage_condemn(settings, &mut round).await?;
        self.garbage_rows_delete(settings, &mut round).await?;
        self.garbage_follow().await?;
        self.garbage_bytes_remove(&mut round).await?;
        self.garbage_follow().await?;
        round.waiting = self.catalog.garbage_totals().await?;
        Ok(round)
    }

    /// Does a round if none began within `settings.round_secs`, in whatever process; tells what it did.
    ///
    /// # Errors
    /// As [`Hub::garbage_round`].
    pub async fn garbage_round_due(&self, settings: &GarbageSettings) -> HubResult<Option<GarbageRound>> {
        if !self.catalog.garbage_round_begin(secs(settings.round_secs), self.clock.now()).await? {
            return Ok(None);
        }
        self.garbage_round(&Actor::Operator, settings).await.map(Some)
    }

    /// Step: condemns what nothing refers to. First files, then the xorbs that only those use.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn garbage_condemn(&self, settings: &GarbageSettings, round: &mut GarbageRound) -> HubResult<()> {
        let now = self.clock.now();
        let uploaded_before = now.plus_secs(-secs(settings.upload_grace_secs));
        let mut after = None;
        loop {
            let page = self.catalog.garbage_files_mark(after.as_ref(), uploaded_before, now).await?;
            round.files_condemned += page.count;
            after = page.last;
            if after.is_none() {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = self.catalog.garbage_xorbs_mark(after.as_ref(), uploaded_before, now).await?;
            round.xorbs_condemned += page.count;
            round.condemned_bytes += page.bytes;
            after = page.last;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Step: deletes the rows of what was condemned for long enough.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn garbage_rows_delete(&self, settings: &GarbageSettings, round: &mut GarbageRound) -> HubResult<()> {
        let condemned_before = self.clock.now().plus_secs(-secs(settings.grace_secs));
        let mut after = None;
        loop {
            let page = self.catalog.garbage_files_delete(after.as_ref(), condemned_before).await?;
            round.files_deleted += page.count;
            after = page.last;
            if after.is_none() {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = self.catalog.garbage_xorbs_delete(after.as_ref(), condemned_before).await?;
            after = page.last;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Step: removes the bytes of xorbs whose rows are gone.
    ///
    /// # Errors
    /// When the catalog fails; when the store does, after the others were tried too. What is left goes with the next
    /// round.
    pub async fn garbage_bytes_remove(&self, round: &mut GarbageRound) -> HubResult<()> {
        let mut after = None;
        let mut failures = Vec::new();
        loop {
            let page = self.catalog.xorbs_leaving(after.as_ref(), LEAVING_PAGE).await?;
            let Some((last, _)) = page.last() else { return failures.pop().map_or(Ok(()), Err) };
            after = Some(*last);
            for (xorb, stored_bytes) in page {
                match self.catalog.xorb_leave(xorb, self.store.xorb_delete(xorb)).await? {
                    Ok(true) => {
                        round.xorbs_freed += 1;
                        round.freed_bytes += stored_bytes;
                    }
                    Ok(false) => {}
                    Err(error) if failures.len() < FAILURES_MAX => failures.push(error.into()),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    /// Forgets what this process remembers of files and xorbs when something was condemned or deleted since. What
    /// serves for long asks every minute: far more often than any grace is long.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn garbage_follow(&self) -> HubResult<()> {
        let generation = self.catalog.garbage_generation().await?;
        if self.garbage.0.swap(generation, Ordering::Relaxed) != generation {
            self.objects.large_files_forget();
            self.mapped_files.forget();
            self.store.indexes_forget();
        }
        Ok(())
    }

    /// Returns those of these files that the zones have; clients may count on them from now on.
    pub(crate) async fn files_promised(&self, files: &[Sha256], zones: &[Zone]) -> HubResult<Vec<Sha256>> {
        let known = self.catalog.files_in_zones(files, zones).await?;
        if !self.catalog.files_touch(&known, self.clock.now()).await? {
            return Ok(known);
        }
        // What was deleted between the two questions is not promised.
        Ok(self.catalog.files_in_zones(&known, zones).await?)
    }

    /// Makes a verified xorb durable and registers it.
    ///
    /// # Errors
    /// [`HubError::Busy`] when an earlier one of its name is being deleted just now; nothing is registered.
    pub(crate) async fn xorb_publish(
        &self,
        stage: StagedXorb,
        hash: XorbHash,
        index: &XorbIndex,
        zone: Zone,
        brought: Brought,
    ) -> HubResult<()> {
        self.xorb_await_gone(hash).await?;
        stage.publish(hash, index).await?;
        // What was here already may have the same chunks in other frames, and stays.
        let index = self.store.xorb_index(hash).await?.ok_or(HubError::Busy)?;
        let row = XorbRow {
            hash,
            stored_bytes: index.stored_bytes(),
            raw_bytes: index.raw_bytes(),
            chunk_count: index.chunk_count(),
        };
        let is_stored = || async {
            let found = self.store.xorb_stored_bytes(hash).await;
            found.is_ok_and(|stored_bytes| stored_bytes == Some(row.stored_bytes))
        };
        match self.catalog.xorb_insert(&row, zone, brought, self.clock.now(), is_stored).await? {
            XorbInserted::Registered => Ok(()),
            XorbInserted::Leaving | XorbInserted::Lost => Err(HubError::Busy),
        }
    }

    /// Waits until bytes of this name that are being deleted are gone, and sees to it that no others are.
    async fn xorb_await_gone(&self, hash: XorbHash) -> HubResult<()> {
        self.catalog.xorbs_revive(&[hash]).await?;
        for _ in 0..GONE_LOOKS {
            if !self.catalog.xorb_is_leaving(hash).await? {
                return Ok(());
            }
            // Whoever began it may be gone.
            if !self.catalog.xorb_leave(hash, self.store.xorb_delete(hash)).await?? {
                tokio::time::sleep(GONE_PAUSE).await;
            }
        }
        Err(HubError::Busy)
    }
}

fn secs(secs: u64) -> i64 {
    i64::try_from(secs).unwrap_or(i64::MAX / 1_000)
}
