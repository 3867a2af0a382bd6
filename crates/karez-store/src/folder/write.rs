//! Writing files: batches on the blocking pool while the next batch arrives.

use std::fs::{self, File};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{Folder, blocking, file_bytes, sync_folder};
use crate::StoreError;
use crate::error::task_lost;

/// Bytes collected before a write goes to the blocking pool.
const BATCH_BYTES: usize = 1 << 20;

/// Slices handed to one `writev`; the system takes 1,024 at most.
const SLICES_MAX: usize = 1024;

/// A file in `tmp/`. Removed when dropped, unless it was renamed.
pub(crate) struct TempFile {
    file: File,
    path: Option<PathBuf>,
    written_bytes: u64,
}

impl TempFile {
    pub(crate) fn new(file: File, path: PathBuf) -> TempFile {
        TempFile { file, path: Some(path), written_bytes: 0 }
    }

    /// Appends the pieces with as few system calls as possible.
    pub(crate) fn write_batch(&mut self, pieces: &[Bytes]) -> Result<(), StoreError> {
        for group in pieces.chunks(SLICES_MAX) {
            let mut slices: Vec<IoSlice<'_>> = group.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut rest = &mut slices[..];
            // Skips empty pieces at the front, which would look like "nothing written".
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                match self.file.write_vectored(rest) {
                    Ok(0) => return Err(StoreError::io("write a file", io::ErrorKind::WriteZero.into())),
                    Ok(count) => {
                        self.written_bytes += count as u64;
                        IoSlice::advance_slices(&mut rest, count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(StoreError::io("write a file", error)),
                }
            }
        }
        Ok(())
    }

    /// Puts the bytes on the disk.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| StoreError::io("sync a file", error))
    }

    fn rename(mut self, to: &Path) -> Result<(), StoreError> {
        let from = self.path.take().expect("a temp file is renamed once");
        fs::rename(&from, to).map_err(|error| {
            self.path = Some(from.clone());
            StoreError::io(format!("rename to {}", to.display()), error)
        })
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(path) = self.path.take()
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot remove a file of the store's tmp folder");
        }
    }
}

/// A file that is being written and has no name yet. Dropping it leaves nothing behind.
pub(crate) struct StagedFile {
    folder: Folder,
    /// Absent while the blocking pool has it, or after an error.
    temp: Option<TempFile>,
    writing: Option<JoinHandle<Result<TempFile, StoreError>>>,
    collected: Vec<Bytes>,
    collected_bytes: usize,
}

impl StagedFile {
    pub(crate) async fn new(folder: &Folder) -> Result<StagedFile, StoreError> {
        let shared = folder.clone();
        let (file, path) = blocking("make a file", move || shared.temp_create()).await?;
        let temp = Some(TempFile::new(file, path));
        Ok(StagedFile { folder: folder.clone(), temp, writing: None, collected: Vec::new(), collected_bytes: 0 })
    }

    /// Appends bytes. Waits only when two batches are full: one being written, one collected.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.collected_bytes += bytes.len();
        self.collected.push(bytes);
        if self.collected_bytes < BATCH_BYTES {
            return Ok(());
        }
        let mut temp = self.settle().await?;
        let batch = std::mem::take(&mut self.collected);
        self.collected_bytes = 0;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            temp.write_batch(&batch)?;
            Ok(temp)
        }));
        Ok(())
    }

    /// Waits for the batch under way and takes the file.
    async fn settle(&mut self) -> Result<TempFile, StoreError> {
        if let Some(writing) = self.writing.take() {
            return writing.await.unwrap_or_else(|lost| Err(task_lost("write a file", lost)));
        }
        self.temp.take().ok_or_else(|| StoreError::io("write a file that failed before", io::ErrorKind::Other.into()))
    }

    /// Makes the bytes durable and visible under `name`, with `sidecar` beside them.
    ///
    /// The sidecar is written and renamed first, so that the object never shows up without it. It
    /// must be something that can be rebuilt: only the object itself is synced.
    /// Returns false when an object of the same length was there already: names are content hashes.
    pub(crate) async fn publish(
        mut self,
        name: &str,
        sidecar: Option<(String, Vec<u8>)>,
        overwrite: Overwrite,
    ) -> Result<bool, StoreError> {
        let temp = self.settle().await?;
        let (collected, folder, target) =
            (std::mem::take(&mut self.collected), self.folder.clone(), self.folder.path(name));
        blocking("publish a file", move || {
            let mut temp = temp;
            temp.write_batch(&collected)?;
            publish_blocking(&folder, temp, &target, sidecar, overwrite)
        })
        .await
    }
}

impl Drop for StagedFile {
    /// Removing a large file takes time: off the runtime's threads.
    fn drop(&mut self) {
        if let (Some(temp), Ok(runtime)) = (self.temp.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(temp));
        }
    }
}

/// What to do when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// Names are content hashes: an object of the same length stays.
    Never,
    /// The newest bytes win.
    Always,
}

fn publish_blocking(
    folder: &Folder,
    temp: TempFile,
    target: &Path,
    sidecar: Option<(String, Vec<u8>)>,
    overwrite: Overwrite,
) -> Result<bool, StoreError> {
    let parent = target.parent().expect("objects live in folders");
    let failed = |source| StoreError::io(format!("sync {}", parent.display()), source);
    folder.folder_ensure(parent).map_err(failed)?;
    if overwrite == Overwrite::Never && file_bytes(target)? == Some(temp.written_bytes) {
        // The one who was faster may not have synced the folder yet, and we are about to promise.
        sync_folder(parent).map_err(failed)?;
        return Ok(false);
    }
    temp.sync()?;
    if let Some((name, bytes)) = sidecar {
        let (file, path) = folder.temp_create()?;
        let mut beside = TempFile::new(file, path);
        beside.write_batch(&[Bytes::from(bytes)])?;
        // Not synced: a sidecar carries its own checksum and can be rebuilt, so a power cut costs
        // some reading later, while syncing here would cost every upload a second disk flush.
        beside.rename(&folder.path(&name))?;
    }
    temp.rename(target)?;
    if let Err(error) = sync_folder(parent) {
        // Not known to be durable, so it must not look as if it were.
        let _ = fs::remove_file(target);
        return Err(failed(error));
    }
    Ok(true)
}
