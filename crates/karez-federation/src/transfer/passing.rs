//! Files that are passed on to those who read them and not kept.
//!
//! Such a transfer is like any other until its bytes are here and their sha256 is right. Then it gives nothing to the
//! hub, but stays for its readers, and a while longer for who comes back for the rest or comes late; then its journal
//! goes. When all readers leave before the end, it ends in the same way: nobody would read what comes. Whoever joins
//! and wants the file kept makes it an ordinary transfer, at any moment before that.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt;
use karez_types::ByteRange;
use tokio::time::{Instant, sleep};

use super::content::Content;
use super::handle::{Transfer, TransferError};

/// How long a passing transfer waits for the next reader: longer than clients wait before they ask again for what
/// was cut, short enough that the disk is free soon.
pub(super) const LINGER: Duration = Duration::from_secs(60);

/// How often a passing transfer that is complete looks whether somebody reads it.
const LOOK: Duration = Duration::from_millis(100);

/// What becomes of a file that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// The hub has it.
    Kept,
    /// Nobody has it, once its readers have left.
    Passing,
}

/// Who reads a transfer, and whether it is kept.
pub(super) struct Readers {
    stay: Stay,
    /// How many read now.
    reading: u64,
    /// When somebody began or ended to read, or asked for the file.
    touched: Instant,
    /// Nobody may join any more.
    is_over: bool,
    /// The sha256 over all bytes that are here is right.
    pub(super) is_right: bool,
}

impl Readers {
    pub(super) fn new(stay: Stay) -> Readers {
        Readers { stay, reading: 0, touched: Instant::now(), is_over: false, is_right: false }
    }

    /// Notes that somebody wants the file; false when it is too late to join.
    pub(super) fn join(&mut self, stay: Stay) -> bool {
        if stay == Stay::Kept {
            self.stay = Stay::Kept;
        }
        self.touched = Instant::now();
        !self.is_over
    }

    pub(super) fn come(&mut self) {
        self.reading += 1;
    }

    pub(super) fn leave(&mut self) {
        self.reading = self.reading.saturating_sub(1);
        self.touched = Instant::now();
    }

    /// Tells whether everybody has left a file that is not kept, for good. From then on nobody joins.
    pub(super) fn are_gone(&mut self, linger: Duration) -> bool {
        self.is_over |= self.stay == Stay::Passing && self.reading == 0 && self.touched.elapsed() >= linger;
        self.is_over
    }
}

/// Serves readers of a complete transfer until it is wanted for good.
///
/// # Errors
/// [`TransferError::NotKept`] when its readers have left; [`TransferError::Retracted`] when the bytes are not those of
/// the file.
pub(super) async fn pass_on(transfer: &Arc<Transfer>) -> Result<(), TransferError> {
    loop {
        let is_right = {
            let readers = &mut transfer.inner().readers_now;
            if readers.stay == Stay::Kept {
                return Ok(());
            }
            if readers.are_gone(transfer.services.linger()) {
                return Err(TransferError::NotKept);
            }
            readers.is_right
        };
        if is_right {
            sleep(LOOK).await;
        } else {
            check(transfer).await?;
            transfer.inner().readers_now.is_right = true;
            transfer.changed();
        }
    }
}

/// Reads the whole file as somebody who hashes it. Of plain bytes that was done when they were complete.
async fn check(transfer: &Arc<Transfer>) -> Result<(), TransferError> {
    if transfer.inner().work.as_ref().is_some_and(|work| matches!(*work.content, Content::Plain)) {
        return Ok(());
    }
    let whole = ByteRange { start: 0, end: transfer.wanted.file_bytes };
    let mut stream = transfer.stream(whole);
    while let Some(bytes) = stream.next().await {
        bytes?;
    }
    Ok(())
}
