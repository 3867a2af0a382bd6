//! Xorbs on their way in: verified while they arrive, durable before the answer.

use std::pin::pin;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use karez_catalog::Brought;
use karez_formats::xet::{XorbError, XorbVerifier};
use karez_types::{XorbHash, Zone};
use tokio::task::JoinHandle;

use crate::{Hub, HubError, HubResult, XetGrant};

/// Bytes that are verified in one go off the runtime's threads: about half a millisecond of work, so
/// that the hop costs nothing beside it.
pub(crate) const BATCH_BYTES: usize = 1 << 20;

impl From<XorbError> for HubError {
    fn from(error: XorbError) -> HubError {
        HubError::Invalid(error.to_string())
    }
}

impl Hub {
    /// Tells whether the caller's zones have this xorb, so that it need not be sent; the caller may count on it.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn xorb_known(&self, grant: &XetGrant, hash: XorbHash) -> HubResult<bool> {
        if self.catalog.xorbs_offered(&[hash], &grant.known_zones()).await?.is_empty() {
            return Ok(false);
        }
        self.catalog.xorbs_touch(&[hash], self.clock.now()).await?;
        Ok(true)
    }

    /// Returns the stored length of a xorb that the caller's zones have.
    ///
    /// # Errors
    /// [`HubError::Missing`] when they do not have it.
    pub async fn xorb_stored_bytes(&self, grant: &XetGrant, hash: XorbHash) -> HubResult<u64> {
        let missing = || HubError::Missing(format!("xorb {hash} is not stored here"));
        if !self.xorb_known(grant, hash).await? {
            return Err(missing());
        }
        self.store.xorb_stored_bytes(hash).await?.ok_or_else(missing)
    }

    /// Takes a xorb. Returns false when the caller's zones had it already.
    ///
    /// When another zone has the same bytes, they are received and verified all the same: a faster or
    /// different answer would tell what strangers keep.
    ///
    /// # Errors
    /// [`HubError::Invalid`] when the bytes are not this xorb; nothing of them is kept.
    pub async fn xorb_put(
        &self,
        grant: &XetGrant,
        hash: XorbHash,
        body: impl Stream<Item = HubResult<Bytes>> + Send,
    ) -> HubResult<bool> {
        if self.xorb_known(grant, hash).await? {
            return Ok(false);
        }
        self.xorb_receive(grant.zone(), Brought::ByClient, hash, body).await.map(|()| true)
    }

    /// Takes a xorb into a zone; nothing of it is kept unless its bytes are this xorb.
    pub(crate) async fn xorb_receive(
        &self,
        zone: Zone,
        brought: Brought,
        hash: XorbHash,
        body: impl Stream<Item = HubResult<Bytes>> + Send,
    ) -> HubResult<()> {
        let mut body = pin!(body);
        let _place = self.uploads.acquire().await.expect("the semaphore is never closed");
        let mut stage = self.store.xorb_stage().await?;
        let mut verifying = Verifying::new(XorbVerifier::new(self.limits.xorb_bytes_max, self.limits.xorb_chunks_max));
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        while let Some(piece) = body.next().await {
            let piece = piece?;
            batch_bytes += piece.len();
            // Verifier and file share the pieces as they came from the socket; nothing is copied.
            stage.write(piece.clone()).await?;
            batch.push(piece);
            if batch_bytes >= BATCH_BYTES {
                verifying.push(std::mem::take(&mut batch)).await?;
                batch_bytes = 0;
            }
        }
        verifying.push(batch).await?;
        let index = verifying.finish().await?.finish(hash)?;
        self.xorb_publish(stage, hash, &index, zone, brought).await
    }
}

/// A verifier that works on one batch while the next one arrives.
struct Verifying {
    running: JoinHandle<Result<XorbVerifier, XorbError>>,
}

impl Verifying {
    fn new(verifier: XorbVerifier) -> Verifying {
        Verifying { running: tokio::task::spawn_blocking(move || Ok(verifier)) }
    }

    async fn finish(self) -> HubResult<XorbVerifier> {
        Ok(self.running.await.map_err(task_lost)??)
    }

    async fn push(&mut self, batch: Vec<Bytes>) -> HubResult<()> {
        let mut verifier = (&mut self.running).await.map_err(task_lost)??;
        self.running = tokio::task::spawn_blocking(move || {
            for piece in batch {
                verifier.push(&piece)?;
            }
            Ok(verifier)
        });
        Ok(())
    }
}

/// The runtime is stopping, or the work panicked, which is our own mistake.
pub(crate) fn task_lost(error: tokio::task::JoinError) -> HubError {
    tracing::error!(%error, "a task was lost");
    HubError::Busy
}
