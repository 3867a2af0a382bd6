//! The folder of a node: made for its owner only, locked while the node runs, and home of the signing key.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use karez_types::Entropy;
use rustix::fs::{FlockOperation, flock};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const LOCK_FILE: &str = "serve.lock";
const KEY_FILE: &str = "keys/signing.key";

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

/// Returns the signing key of the folder, making it on first use.
///
/// Of several processes that make it at once, one wins and all read the same.
///
/// # Errors
/// When the file cannot be read or written, or is not a key.
pub fn signing_key(folder: &Path, entropy: &dyn Entropy) -> anyhow::Result<[u8; 32]> {
    let path = folder.join(KEY_FILE);
    let context = || format!("cannot use the signing key {}", path.display());
    if let Some(key) = key_read(&path).with_context(context)? {
        return Ok(key);
    }
    let keys = path.parent().expect("the key is in a folder");
    make(keys)?;
    let mut key = [0; 32];
    entropy.fill(&mut key);
    key_write(keys, &path, &key).with_context(context)?;
    key_read(&path).with_context(context)?.context("the signing key is gone again")
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
        let first = signing_key(folder.path(), &SeededEntropy::new(1)).unwrap();
        let second = signing_key(folder.path(), &SeededEntropy::new(2)).unwrap();
        assert_eq!(first, second);
        let path = folder.path().join(KEY_FILE);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
        fs::write(&path, b"short").unwrap();
        assert!(format!("{:#}", signing_key(folder.path(), &SeededEntropy::new(1)).unwrap_err()).contains("32 bytes"));
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
