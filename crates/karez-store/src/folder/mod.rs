//! The folder backend: objects as files, with everything synced before it counts.
//!
//! Not `object_store`'s file system: that one neither syncs files nor folders.
//!
//! - Writing: a new file in `tmp/` (`O_EXCL`), written in large batches, synced, renamed, folder synced.
//! - A folder's own entry is synced once per process before anything in it counts as durable.
//! - `tmp/` is emptied at open by whoever has the folder alone; everybody holds a shared lock on it.

mod mapped;
mod read;
mod write;

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use rustix::fs::{FlockOperation, flock};

use crate::StoreError;
use crate::error::task_lost;
use crate::pool::Pool;

pub use mapped::{FileBehind, file_behind};
pub(crate) use write::{Overwrite, StagedFile};

/// Only the account that runs the node may look into the store.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// An open folder. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Folder(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    root: PathBuf,
    tmp: PathBuf,
    temp_count: AtomicU64,
    /// Folders whose own entries are known to be on the disk.
    durable: Mutex<HashSet<PathBuf>>,
    pool: Arc<Pool>,
    /// Whether files may be read through mappings.
    can_map: bool,
    /// Holds the shared lock on `tmp/` while the store is open.
    _lock: File,
}

/// One file of a listing: its name inside the store and its length in bytes.
pub(crate) type Listed = (String, u64);

/// Runs file work on the blocking pool.
pub(crate) async fn blocking<T: Send + 'static>(
    action: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|lost| Err(task_lost(action, lost)))
}

impl Folder {
    pub(crate) async fn open(root: PathBuf) -> Result<Folder, StoreError> {
        blocking("open the store", move || Folder::open_blocking(root)).await
    }

    /// Returns how many bytes this account may still write where the store is.
    pub(crate) fn free_bytes(&self) -> Result<u64, StoreError> {
        let failed = |source| StoreError::io(format!("ask for room in {}", self.0.root.display()), source);
        let found = rustix::fs::statvfs(&self.0.root).map_err(|error| failed(error.into()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn open_blocking(root: PathBuf) -> Result<Folder, StoreError> {
        let failed = |source| StoreError::io(format!("open the store in {}", root.display()), source);
        let tmp = root.join("tmp");
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(FOLDER_MODE).create(&tmp).map_err(failed)?;
        let lock = File::open(&tmp).map_err(failed)?;
        // Alone? Then nobody is writing and what lies in tmp/ is left from a crash. Turning the
        // lock into a shared one is not atomic, which is fine: we have no files in tmp/ yet.
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            empty_folder(&tmp).map_err(failed)?;
        }
        flock(&lock, FlockOperation::LockShared).map_err(|errno| failed(errno.into()))?;
        sync_folder(&root).map_err(failed)?;
        if let Some(parent) = root.canonicalize().map_err(failed)?.parent() {
            sync_folder(parent).map_err(failed)?;
        }
        Ok(Folder(Arc::new(Opened {
            tmp,
            temp_count: AtomicU64::new(0),
            durable: Mutex::new(HashSet::from([root.clone()])),
            pool: Arc::new(Pool::default()),
            can_map: mapped::can_map(&lock),
            _lock: lock,
            root,
        })))
    }

    /// Returns the path of an object. Names are made by this crate only, so they cannot climb out.
    fn path(&self, name: &str) -> PathBuf {
        self.0.root.join(name)
    }

    /// Makes a new file in `tmp/`.
    fn temp_create(&self) -> Result<(File, PathBuf), StoreError> {
        let pid = std::process::id();
        loop {
            let count = self.0.temp_count.fetch_add(1, Ordering::Relaxed);
            let path = self.0.tmp.join(format!("{pid}-{count}"));
            match File::options().write(true).create_new(true).mode(FILE_MODE).open(&path) {
                Ok(file) => return Ok((file, path)),
                // Another process with our number, in another container on the same folder.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io("make a file in tmp", error)),
            }
        }
    }

    /// Makes the folder and those above it, and sees to it that their entries are on the disk.
    fn folder_ensure(&self, folder: &Path) -> io::Result<()> {
        let mut durable = self.0.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if durable.contains(folder) {
            return Ok(());
        }
        let above = folder.ancestors().take_while(|folder| !durable.contains(*folder));
        let missing: Vec<PathBuf> = above.map(Path::to_path_buf).collect();
        for folder in missing.into_iter().rev() {
            match DirBuilder::new().mode(FOLDER_MODE).create(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            sync_folder(folder.parent().expect("below the root"))?;
            durable.insert(folder);
        }
        Ok(())
    }

    /// Returns the length of an object, or `None` when there is none.
    pub(crate) async fn stored_bytes(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let path = self.path(name);
        blocking("look at a file", move || file_bytes(&path)).await
    }

    /// Reads a whole object of at most `bytes_max`; a longer one counts as damaged.
    pub(crate) async fn read_all(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let (path, name) = (self.path(name), name.to_owned());
        blocking("read a file", move || {
            match file_bytes(&path)? {
                None => return Ok(None),
                Some(bytes) if bytes > bytes_max => {
                    return Err(StoreError::Corrupt { name, what: format!("{bytes} bytes is too long") });
                }
                Some(_) => {}
            }
            match fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(StoreError::io(format!("read {name}"), error)),
            }
        })
        .await
    }

    /// Removes an object; fine when there is none.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), StoreError> {
        let (path, name) = (self.path(name), name.to_owned());
        blocking("remove a file", move || match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(format!("remove {name}"), error))
            }
            _ => Ok(()),
        })
        .await
    }

    /// Removes a folder of objects with everything in it; fine when there is none.
    pub(crate) async fn delete_folder(&self, name: &str) -> Result<(), StoreError> {
        let (folder, path, name) = (self.clone(), self.path(name), name.to_owned());
        blocking("remove a folder", move || {
            let mut durable = folder.0.durable.lock().unwrap_or_else(PoisonError::into_inner);
            durable.remove(&path);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(StoreError::io(format!("remove {name}"), error))
                }
                _ => Ok(()),
            }
        })
        .await
    }

    /// Lists all objects below a folder, one folder of the disk at a time.
    pub(crate) fn list(&self, name: &str) -> BoxStream<'static, Result<Listed, StoreError>> {
        let (root, first) = (self.0.root.clone(), self.path(name));
        futures::stream::try_unfold(vec![first], move |mut folders| {
            let root = root.clone();
            async move {
                let Some(folder) = folders.pop() else { return Ok(None) };
                let (files, below) = blocking("list a folder", move || list_folder(&root, &folder)).await?;
                folders.extend(below);
                Ok::<_, StoreError>(Some((futures::stream::iter(files.into_iter().map(Ok)), folders)))
            }
        })
        .try_flatten()
        .boxed()
    }

    /// Writes, syncs and removes a small file.
    pub(crate) async fn healthy(&self) -> Result<(), StoreError> {
        let folder = self.clone();
        blocking("check the store", move || {
            let (file, path) = folder.temp_create()?;
            let mut written = write::TempFile::new(file, path);
            written.write_batch(&[bytes::Bytes::from_static(&[0; 4096])])?;
            written.sync()
        })
        .await
    }
}

/// Returns the length of a file, or `None` when there is none.
fn file_bytes(path: &Path) -> Result<Option<u64>, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io(format!("look at {}", path.display()), error)),
    }
}

/// Puts a folder's entries on the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn empty_folder(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

/// Returns the files of one folder, in order, and the folders below it, last first.
fn list_folder(root: &Path, folder: &Path) -> Result<(Vec<Listed>, Vec<PathBuf>), StoreError> {
    let failed = |source| StoreError::io(format!("list {}", folder.display()), source);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        entries => entries.map_err(failed)?,
    };
    let (mut files, mut below) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => below.push(path),
            Ok(metadata) => {
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
                files.push((name, metadata.len()));
            }
            // Removed since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    files.sort_unstable();
    below.sort_unstable_by(|a, b| b.cmp(a));
    Ok((files, below))
}
