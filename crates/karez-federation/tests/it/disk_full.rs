//! A full disk under the journals: a small file system in memory is mounted and filled.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use karez_federation::transfer::{OpenLines, Priority};

use crate::sample::Sample;
use crate::source::{Behaviour, MemorySource};
use crate::world::{Fixed, World, finish, until, wanted};

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

#[tokio::test(start_paused = true)]
async fn a_full_disk_pauses_and_loses_nothing() {
    let disk = SmallDisk::mount(8 << 20);
    let sample = Sample::new(50, 6_000_000, 40);
    for plan in [sample.mapped(), sample.plain()] {
        let world = World::new();
        // Items of a TLS record: what is given to another connection while one is on its way is lost.
        let behaviour = Behaviour { item_bytes: 8 << 10, ..Behaviour::default() };
        let source = MemorySource::new("origin", &sample.objects, behaviour);
        let planner = Fixed::new("origin", plan, std::slice::from_ref(&source));
        let filler = disk.path().join("filler");
        std::fs::write(&filler, vec![1; 5 << 20]).unwrap();
        let transfers = world.transfers_in(disk.path().join("transfers"), world.sink.clone(), Arc::new(OpenLines));
        let transfer = transfers.start(wanted(&sample), planner.clone(), Priority::Normal);
        until(|| transfer.progress().trouble.is_some_and(|trouble| trouble.contains("no room"))).await;
        let sent = source.sent();
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert!(source.sent() < sent + (1 << 20), "it waits");
        assert!(transfer.progress().trouble.is_some());
        std::fs::remove_file(&filler).unwrap();
        finish(&transfer).await.unwrap();
        assert!(world.sink.files.lock().unwrap().pop().unwrap() == sample.data);
        let sent = source.sent();
        assert!(sent * 1000 <= planner.layout.wire_bytes * 1005, "{sent} bytes were sent");
        transfers.stop().await;
    }
}
