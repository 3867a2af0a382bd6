//! A full disk: a small file system in memory is mounted, filled and written to.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use karez_store::{Store, StoreError, StoreLocation, UploadId};

use crate::sample;

/// A mounted tmpfs; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(bytes: u64) -> SmallDisk {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "karez-test"])
            .arg(folder.path())
            .output()
            .expect("the mount command is there");
        let said = String::from_utf8_lossy(&mounted.stderr);
        assert!(mounted.status.success(), "this test mounts a tmpfs of {bytes} bytes and needs to run as root: {said}");
        SmallDisk(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a file may still be open in a task that has not ended.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the tmpfs is unmounted");
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_harms_nothing() {
    let disk = SmallDisk::mount(4 << 20);
    let store = Store::open(StoreLocation::Folder(disk.path().join("objects")), 1 << 20).await.unwrap();
    let small = sample::xorb(1, 10);
    store.xorb_put(small.hash, small.bytes.clone(), &small.index).await.unwrap();

    // About 6 MB into the 4 MiB.
    let large = sample::xorb(2, 100);
    assert!(large.bytes.len() > 5 << 20);
    let full = store.xorb_put(large.hash, large.bytes.clone(), &large.index).await;
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
    let mut staged = store.xorb_stage().await.unwrap();
    let mut streamed = Ok(());
    for piece in sample::pieces(&large.bytes, 100_000) {
        streamed = staged.write(piece).await;
        if streamed.is_err() {
            break;
        }
    }
    assert!(matches!(streamed, Err(StoreError::Full { .. })), "{streamed:?}");
    drop(staged);
    let upload = UploadId::new("u").unwrap();
    let body = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(large.bytes.clone()))]);
    let part = store.part_put(&upload, 1, body).await;
    assert!(matches!(part, Err(StoreError::Full { .. })), "{part:?}");

    assert_eq!(store.xorb_stored_bytes(large.hash).await.unwrap(), None, "nothing of it is visible");
    assert_eq!(store.xorb_verify(small.hash).await.unwrap().unwrap(), small.index, "the rest is readable");
    store.healthy().await.unwrap();
    // What did not fit is gone from the disk too, so something of the same length as the rest fits.
    let again = sample::xorb(3, 30);
    store.xorb_put(again.hash, again.bytes, &again.index).await.unwrap();
}
