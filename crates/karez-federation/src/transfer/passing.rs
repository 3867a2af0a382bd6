//! Files that are passed on to those who read them and not kept.
//!
//! Such a transfer is like any other until its bytes are here and their sha256 is right. Then it gives nothing to the
//! hub, but stays for its readers, and a while longer for who comes back for the rest or comes late; then its journal
//! goes. When all readers leave before the end, it ends in the same way: nobody would read what comes. Whoever joins
//! and wants the file kept makes it an ordinary transfer, at any moment before that.
//!
//! A program that ends meanwhile leaves the journal, with a mark in its folder: when it starts again, what is marked
//! and nobody works at is removed ([`sweep`]).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use futures::stream::StreamExt;
use karez_types::{ByteRange, Sha256};
use tokio::time::{Instant, sleep, timeout};

use super::content::Content;
use super::handle::{Transfer, TransferError};
use super::journal::remove_if_there;
use super::lease::{self, Lease};
use super::registry::Services;

/// How long a passing transfer waits for the next reader: longer than clients wait before they ask again for what
/// was cut, short enough that the disk is free soon.
pub(super) const LINGER: Duration = Duration::from_secs(60);

/// Name of the mark in a transfer's folder.
const MARK: &str = "passing";

/// How long a lease is waited for whose owner is dead: longer than to take it over takes.
const LEASE_WAIT: Duration = Duration::from_secs(6);

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
    /// Whether the folder has the mark, as far as is known.
    is_marked: Option<bool>,
    /// The sha256 over all bytes that are here is right.
    pub(super) is_right: bool,
}

impl Readers {
    pub(super) fn new(stay: Stay) -> Readers {
        Readers { stay, reading: 0, touched: Instant::now(), is_over: false, is_marked: None, is_right: false }
    }

    /// Notes that somebody wants the file; false when it is too late to join.
    pub(super) fn join(&mut self, stay: Stay) -> bool {
        if stay == Stay::Kept {
            self.stay = Stay::Kept;
        }
        self.touched = Instant::now();
        !self.is_over
    }

    pub(super) fn is_kept(&self) -> bool {
        self.stay == Stay::Kept
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
            let mut inner = transfer.inner();
            if inner.has_lost_chunks {
                return Err(TransferError::Retracted);
            }
            let readers = &mut inner.readers_now;
            if readers.stay == Stay::Kept {
                break;
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
    mark(transfer);
    Ok(())
}

/// Keeps the mark in the folder of a transfer true: it says that nobody wants the file kept. A tiny write, so it is
/// done on the spot; that it fails costs room or bytes later, and nothing else.
pub(super) fn mark(transfer: &Transfer) {
    let folder = transfer.services.folder.join(transfer.wanted.sha256.to_string());
    let mut inner = transfer.inner();
    let wants = inner.readers_now.stay == Stay::Passing;
    if inner.readers_now.is_marked == Some(wants) {
        return;
    }
    inner.readers_now.is_marked = Some(wants);
    drop(inner);
    let path = folder.join(MARK);
    let done = if wants { fs::write(&path, b"") } else { remove_if_there(&path) };
    if let Err(error) = done {
        tracing::warn!(path = %path.display(), %error, "cannot note whether what comes is kept");
    }
}

/// Tells whether the folder of a transfer is there and its file is to be kept.
pub(super) fn is_waiting(folder: &Path) -> bool {
    folder.exists() && !folder.join(MARK).exists()
}

/// Removes the folders of transfers that were passed on when a program ended and that nobody works at. Returns how
/// many.
///
/// # Errors
/// When the folder of all transfers cannot be read.
pub(super) async fn sweep(services: &Services, is_running: impl Fn(&Sha256) -> bool) -> io::Result<u64> {
    let mut count = 0;
    let mut entries = tokio::fs::read_dir(&services.folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let folder = entry.path();
        let name = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(sha256) = name.filter(|sha256| !is_running(sha256)) else { continue };
        if !folder.join(MARK).exists() {
            continue;
        }
        // Whoever is at work keeps the lease for longer.
        let lease = Lease::acquire(&folder, services.entropy.clone(), services.boot);
        let Ok(Ok(lease)) = timeout(LEASE_WAIT, lease).await else { continue };
        // Meanwhile somebody may have wanted it after all.
        if is_running(&sha256) || !folder.join(MARK).exists() {
            continue;
        }
        let files = folder.clone();
        let removed = tokio::task::spawn_blocking(move || remove_files(&files)).await.map_err(io::Error::other)?;
        drop(lease);
        match removed.and_then(|()| fs::remove_dir(&folder)) {
            Ok(()) => count += 1,
            Err(error) => tracing::warn!(folder = %folder.display(), %error, "cannot remove what was passed on"),
        }
    }
    Ok(count)
}

/// Removes everything but the lease; the mark last, so that half of this is done again.
fn remove_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() != lease::NAME && entry.file_name() != MARK {
            fs::remove_file(entry.path())?;
        }
    }
    remove_if_there(&folder.join(MARK))
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
