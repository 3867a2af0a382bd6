//! The folder of a node: made for its owner only, locked while the node runs, and home of the keys.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use karez_governance::TreeHash;
use karez_hub::{HighWater, HighWaterMark};
use karez_types::Entropy;
use rustix::fs::{FlockOperation, flock};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const LOCK_FILE: &str = "serve.lock";
const KEYS: &str = "keys";
const MARK_FILE: &str = "keys/log.size";

/// Held while the node runs; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct ServeLock {
    _file: File,
}

/// Makes the folder, for its owner only.
pub fn make(folder: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
    made.with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Sees to it that only one process serves from this folder.
///
/// # Errors
/// With the number of the process that does already.
pub fn lock(folder: &Path) -> anyhow::Result<ServeLock> {
    let path = folder.join(LOCK_FILE);
    let context = || format!("cannot lock {}", path.display());
    let mut options = File::options();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(&path)
        .with_context(context)?;
    if let Err(errno) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if errno != rustix::io::Errno::WOULDBLOCK {
            return Err(io::Error::from(errno)).with_context(context);
        }
        let mut holder = String::new();
        let _ = (&mut file).take(32).read_to_string(&mut holder);
        let holder = match holder.trim() {
            "" => String::new(),
            pid => format!(" (process {pid})"),
        };
        bail!(
            "another karez serve{holder} uses the folder {} already. Stop it first, or choose another folder with --data-dir",
            folder.display()
        );
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).with_context(context)?;
    Ok(ServeLock { _file: file })
}

/// The keys of a node, each 32 bytes in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFile {
    /// Signs tokens and addresses.
    Signing,
    /// Signs the log: the identity of the node.
    Log,
    /// Cosigns the logs of others.
    Witness,
}

impl KeyFile {
    fn name(self) -> &'static str {
        match self {
            KeyFile::Signing => "signing.key",
            KeyFile::Log => "log.key",
            KeyFile::Witness => "witness.key",
        }
    }
}

/// Returns a key of the folder, making it on first use.
///
/// Of several processes that make it at once, one wins and all read the same.
///
/// # Errors
/// When the file cannot be read or written, or is not a key.
pub fn key(folder: &Path, file: KeyFile, entropy: &dyn Entropy) -> anyhow::Result<[u8; 32]> {
    let keys = folder.join(KEYS);
    let path = keys.join(file.name());
    let context = || format!("cannot use the key {}", path.display());
    if let Some(key) = key_read(&path).with_context(context)? {
        return Ok(key);
    }
    make(&keys)?;
    let mut key = [0; 32];
    entropy.fill(&mut key);
    key_write(&keys, &path, &key).with_context(context)?;
    key_read(&path).with_context(context)?.context("the key is gone again")
}

fn key_read(path: &Path) -> anyhow::Result<Option<[u8; 32]>> {
    match fs::read(path) {
        Ok(bytes) => match bytes.try_into() {
            Ok(key) => Ok(Some(key)),
            Err(_) => bail!("it must have 32 bytes; bring it back from a copy, or remove it to make a new one"),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes the whole key, then gives it its name: never half a key under the name.
fn key_write(keys: &Path, path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let new = keys.join(format!(".new-{}", std::process::id()));
    let _ = fs::remove_file(&new);
    let mut file = File::options().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
    file.write_all(key)?;
    file.sync_all()?;
    // Unlike a rename, a link fails when somebody else was faster.
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(keys)?.sync_all(),
    }
}

/// The file that says how far the log was signed: origin, size and root on one line. It lies beside the
/// keys and not in the database, because it must not travel back in time with it.
pub struct LogSizeFile {
    path: PathBuf,
}

impl LogSizeFile {
    /// Returns the file of a folder; it appears when something is signed.
    pub fn of(folder: &Path) -> LogSizeFile {
        LogSizeFile { path: folder.join(MARK_FILE) }
    }
}

impl HighWater for LogSizeFile {
    fn get(&self, origin: &str) -> io::Result<Option<HighWaterMark>> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let broken = || {
            let words =
                format!("{} must hold an origin, a size and a hash; bring it back from a copy", self.path.display());
            io::Error::new(io::ErrorKind::InvalidData, words)
        };
        let mut words = text.split_whitespace();
        let (Some(of), Some(size), Some(root), None) = (words.next(), words.next(), words.next(), words.next()) else {
            return Err(broken());
        };
        let size = size.parse().map_err(|_| broken())?;
        let root = TreeHash::parse(root).ok_or_else(broken)?;
        // Another key has another log.
        Ok((of == origin).then_some(HighWaterMark { size, root }))
    }

    fn set(&self, origin: &str, mark: HighWaterMark) -> io::Result<()> {
        let folder = self.path.parent().expect("the file is in a folder");
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        let new = folder.join(format!(".size-{}", std::process::id()));
        let _ = fs::remove_file(&new);
        let mut file = File::options().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
        writeln!(file, "{origin} {} {}", mark.size, mark.root)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(folder)?.sync_all()
    }
}

/// Returns the folder as people can find it again.
pub fn shown(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_types::SeededEntropy;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let key = |file, seed| key(folder.path(), file, &SeededEntropy::new(seed));
        let first = key(KeyFile::Signing, 1).unwrap();
        let second = key(KeyFile::Signing, 2).unwrap();
        assert_eq!(first, second);
        let path = folder.path().join("keys/signing.key");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
        fs::write(&path, b"short").unwrap();
        assert!(format!("{:#}", key(KeyFile::Signing, 1).unwrap_err()).contains("32 bytes"));
        assert_ne!(key(KeyFile::Log, 3).unwrap(), key(KeyFile::Witness, 4).unwrap());
        assert_eq!(folder.path().join("keys/log.key").metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn how_far_the_log_was_signed_is_remembered_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = LogSizeFile::of(folder.path());
        assert_eq!(file.get("a.karez/log").unwrap(), None);
        for size in [3, 70_000] {
            let mark = HighWaterMark { size, root: TreeHash([size as u8; 32]) };
            file.set("a.karez/log", mark).unwrap();
            assert_eq!(file.get("a.karez/log").unwrap(), Some(mark));
            assert_eq!(file.get("b.karez/log").unwrap(), None);
        }
        let path = folder.path().join(MARK_FILE);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
        for broken in ["", "a.karez/log", "a.karez/log x y", "a.karez/log 3 AAAA", "a.karez/log 3"] {
            fs::write(&path, broken).unwrap();
            assert!(file.get("a.karez/log").is_err(), "{broken}");
        }
    }

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let refused = lock(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(held);
        lock(folder.path()).unwrap();
    }
}
