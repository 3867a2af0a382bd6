//! The first bytes of a file before the rest of it: names, types and shapes of tensors.
//!
//! A model in thirty shards says in thirty headers what it is. They come before the weights, each by a transfer that
//! asks for nothing else and then rests: what came is in its journal, and the file goes on from there when its turn
//! is, or when somebody wants it.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use karez_types::ByteRange;

use super::first_bytes::FIRST_BYTES;
use super::{FileWanted, Planner, Priority, Stay, Transfer, TransferError, TransferState, Transfers};

/// Parts of one range that are waited for at once: over a long way, each takes as long as all of them.
const PARTS_AT_ONCE: usize = 8;

impl Transfers {
    /// Starts a transfer that asks for nothing but what is read of it, without hurry; or joins the one of this file
    /// that is running. To be followed by [`Transfers::head`].
    pub fn start_head(&self, wanted: FileWanted, planner: Arc<dyn Planner>) -> Arc<Transfer> {
        self.start_with(Stay::Kept, wanted, planner, Priority::Background, false)
    }

    /// Starts a transfer that asks for nothing but what is read of it and whose file is not kept; or joins the one of
    /// this file that is running. It ends a while after its last reader has left. What came of a file that is to be
    /// kept, and waits to go on, stays. To be followed by [`Transfers::part`].
    pub fn start_part(&self, wanted: FileWanted, planner: Arc<dyn Planner>) -> Arc<Transfer> {
        let waits = self.find(wanted.sha256).is_none() && self.has_waiting(wanted.sha256);
        let stay = if waits { Stay::Kept } else { Stay::Passing };
        self.start_with(stay, wanted, planner, Priority::High, false)
    }

    /// Reads a range in parts so small that nothing beyond it is asked for but the ends of chunks. What no chunk hashes
    /// are known of is given unverified.
    ///
    /// # Errors
    /// [`TransferError`] when it does not come.
    pub async fn part(&self, transfer: &Arc<Transfer>, range: ByteRange) -> Result<Vec<u8>, TransferError> {
        let starts = (range.start..range.end).step_by(FIRST_BYTES as usize);
        let parts = starts.map(|start| {
            let part = ByteRange { start, end: range.end.min(start + FIRST_BYTES) };
            super::stream::stream_unverified(Arc::clone(transfer), part).try_collect::<Vec<Bytes>>()
        });
        let parts: Result<Vec<Vec<Bytes>>, _> =
            futures::stream::iter(parts).buffered(PARTS_AT_ONCE).try_collect().await;
        if transfer.is_kept() && self.stop_resting(transfer).await {
            transfer.set_state(TransferState::Waiting).await;
        }
        Ok(parts?.into_iter().flatten().flatten().collect())
    }

    /// Reads the beginning of a file, and leaves the rest unless somebody wants it. `end_of` tells from the bytes so
    /// far where the head ends.
    ///
    /// # Errors
    /// [`TransferError`] when it does not come.
    pub async fn head(
        &self,
        transfer: &Arc<Transfer>,
        end_of: impl Fn(&[u8]) -> u64,
    ) -> Result<Vec<u8>, TransferError> {
        let read = read_head(transfer, end_of).await;
        if self.stop_resting(transfer).await {
            transfer.set_state(TransferState::Waiting).await;
        }
        read
    }
}

/// Reads part by part: a reader wishes exactly its first bytes, and more than it needs after those.
async fn read_head(transfer: &Arc<Transfer>, end_of: impl Fn(&[u8]) -> u64) -> Result<Vec<u8>, TransferError> {
    let file_bytes = transfer.wanted.file_bytes;
    let mut head = Vec::new();
    loop {
        let start = head.len() as u64;
        let end = if start == 0 { FIRST_BYTES } else { end_of(&head).min(start + FIRST_BYTES) }.min(file_bytes);
        if end <= start {
            return Ok(head);
        }
        let parts = transfer.stream(ByteRange { start, end });
        let part: Vec<Bytes> = parts.try_collect().await?;
        part.iter().for_each(|bytes| head.extend_from_slice(bytes));
    }
}
