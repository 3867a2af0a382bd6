//! The suite over a folder, and what lies on the disk afterwards.

use std::path::{Path, PathBuf};

use karez_store::{Store, StoreError, StoreLocation};
use karez_types::XorbHash;

use crate::sample;

async fn open(path: &Path) -> Store {
    Store::open(StoreLocation::Folder(path.to_path_buf()), 1 << 20).await.unwrap()
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

fn path_of(root: &Path, hash: XorbHash, suffix: &str) -> PathBuf {
    let text = hash.to_string();
    root.join("xorbs").join(&text[..2]).join(&text[2..4]).join(format!("{text}{suffix}"))
}

/// Lets files that a drop removes on the blocking pool go: each round goes through that pool.
async fn until_tmp_is_empty(root: &Path) {
    for _ in 0..10_000 {
        if files_of(&root.join("tmp")).is_empty() {
            return;
        }
        tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
    }
    panic!("left in tmp: {:?}", files_of(&root.join("tmp")));
}

#[tokio::test]
async fn folder_conforms() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await;
    crate::conformance::all(&store).await;
    until_tmp_is_empty(root.path()).await;
    assert_eq!(files_of(root.path()), Vec::<PathBuf>::new(), "every case cleans up");
}

#[tokio::test]
async fn only_the_owner_may_read() {
    use std::os::unix::fs::MetadataExt;
    let root = tempfile::tempdir().unwrap();
    let store = open(&root.path().join("objects")).await;
    let built = sample::xorb(1, 1);
    store.xorb_put(built.hash, built.bytes, &built.index).await.unwrap();
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    assert_eq!(mode(&root.path().join("objects")), 0o700);
    assert_eq!(mode(&path_of(&root.path().join("objects"), built.hash, "")), 0o600);
}

#[tokio::test]
async fn what_a_crash_left_is_removed_at_open_unless_another_process_writes() {
    let root = tempfile::tempdir().unwrap();
    let left = root.path().join("tmp/4711-0");
    let first = open(root.path()).await;
    std::fs::write(&left, b"half a xorb").unwrap();
    let second = open(root.path()).await;
    assert!(left.exists(), "the first store may be writing it");
    drop((first, second));
    let _third = open(root.path()).await;
    assert!(!left.exists());
}

#[tokio::test]
async fn a_missing_or_damaged_index_is_rebuilt() {
    let root = tempfile::tempdir().unwrap();
    let (built, other) = (sample::xorb(1, 50), sample::xorb(2, 50));
    let store = open(root.path()).await;
    store.xorb_put(built.hash, built.bytes.clone(), &built.index).await.unwrap();
    let path = path_of(root.path(), built.hash, ".idx");
    let good = std::fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    let of_another_xorb = other.index.encode();
    let damages: [Option<&[u8]>; 5] = [None, Some(b""), Some(&good[..99]), Some(&flipped), Some(&of_another_xorb)];
    for damage in damages {
        match damage {
            None => std::fs::remove_file(&path).unwrap(),
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
        }
        let fresh = open(root.path()).await;
        assert_eq!(*fresh.xorb_index(built.hash).await.unwrap().unwrap(), built.index);
        assert_eq!(std::fs::read(&path).unwrap(), good, "it is on the disk again");
    }
}

#[tokio::test]
async fn damaged_bytes_are_found() {
    let root = tempfile::tempdir().unwrap();
    let built = sample::xorb(1, 50);
    let store = open(root.path()).await;
    store.xorb_put(built.hash, built.bytes.clone(), &built.index).await.unwrap();
    let path = path_of(root.path(), built.hash, "");
    let mut flipped = built.bytes.clone();
    flipped[1_000_000] ^= 1;
    for damage in [&flipped[..], &built.bytes[..1_000_000], b""] {
        std::fs::write(&path, damage).unwrap();
        let found = store.xorb_verify(built.hash).await;
        assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{found:?}");
    }
    // An index of a xorb with other bytes is not handed out.
    let fresh = open(root.path()).await;
    assert!(fresh.xorb_index(built.hash).await.is_err());
    // The same upload again repairs a xorb of the wrong length.
    assert!(store.xorb_put(built.hash, built.bytes.clone(), &built.index).await.unwrap());
    assert_eq!(store.xorb_verify(built.hash).await.unwrap().unwrap(), built.index);
}

#[tokio::test]
async fn a_stream_survives_removal_of_its_xorb() {
    use futures::TryStreamExt;
    let root = tempfile::tempdir().unwrap();
    let built = sample::xorb(1, 50);
    let store = open(root.path()).await;
    store.xorb_put(built.hash, built.bytes.clone(), &built.index).await.unwrap();
    let range = karez_types::ByteRange { start: 0, end: built.bytes.len() as u64 };
    let mut stream = store.xorb_stream(built.hash, range);
    let mut read = stream.try_next().await.unwrap().unwrap().to_vec();
    store.xorb_delete(built.hash).await.unwrap();
    while let Some(piece) = stream.try_next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert!(read == built.bytes);
}

#[tokio::test]
async fn names_that_are_not_xorbs_are_passed_over() {
    use futures::TryStreamExt;
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await;
    let folder = root.path().join("xorbs/aa/bb");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("lost+found"), b"").unwrap();
    std::fs::write(folder.join("0".repeat(64)), b"in the wrong folder").unwrap();
    let listed: Vec<_> = store.xorb_list().try_collect().await.unwrap();
    assert_eq!(listed, []);
}

#[tokio::test]
async fn windows_know_the_file_behind_them() {
    use futures::TryStreamExt;
    use std::io::Read;
    let root = tempfile::tempdir().unwrap();
    // Longer than one window.
    let built = sample::xorb(1, 90);
    let store = open(root.path()).await;
    store.xorb_put(built.hash, built.bytes.clone(), &built.index).await.unwrap();
    let range = karez_types::ByteRange { start: 70_001, end: built.bytes.len() as u64 - 3 };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let receiver = std::thread::spawn(move || {
        let mut received = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
        received
    });
    let mut stream = store.xorb_stream(built.hash, range);
    let mut window_count = 0;
    while let Some(bytes) = stream.try_next().await.unwrap() {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match karez_store::file_behind(rest) {
                Some(behind) => rest = &rest[behind.send(&sender).unwrap()..],
                // A short end is copied, not mapped.
                None => rest = &rest[std::io::Write::write(&mut sender, rest).unwrap()..],
            }
        }
        window_count += 1;
    }
    assert!(window_count > 1);
    drop(sender);
    assert!(receiver.join().unwrap() == built.bytes[70_001..built.bytes.len() - 3]);
    assert!(karez_store::file_behind(&built.bytes).is_none(), "other memory has no file behind it");
}
