//! No room left: 507, and the node stays up and readable.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use axum::http::Method;
use karez_testkit::{NodeOptions, NodeStore, TestNode};
use serde_json::json;

use crate::xet_client::{Xet, commit_large, noise, pack, sha256};

/// A small file system over a folder; taken away when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn over(folder: &Path) -> SmallDisk {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "karez-test"]).arg(folder);
        assert!(mount.status().unwrap().success(), "this test mounts a tmpfs and needs to run as root");
        SmallDisk(folder.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a file may still be open in a task that has not ended.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the tmpfs is unmounted");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_keeps_serving() {
    let node = TestNode::start_with(NodeOptions { store: NodeStore::Folder, ..NodeOptions::default() }).await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    let xet = Xet::open(&alice, "models/alice/m", "write").await;
    let old = noise(1, 600_000);
    xet.push(&pack(&old)).await;
    commit_large(&alice, "models/alice/m", "old.bin", &old).await.expect(200);

    let new = noise(2, 6_000_000);
    let packed = pack(&new);
    {
        // Where unfinished bytes are written.
        let _small = SmallDisk::over(&node.folder().join("objects/tmp"));
        let answer = xet.xorb_send(packed.xorb.hash, packed.xorb.bytes.clone()).await.expect(507);
        assert!(answer.text().contains("no room left"), "{}", answer.text());
        assert_eq!(xet.grant(packed.xorb.hash).await, 404);
        let body = json!({ "operation": "upload", "objects": [{ "oid": sha256(&new), "size": new.len() }] });
        let plan = alice.post("/alice/m.git/info/lfs/objects/batch", &body).await.expect(200).json();
        let href = plan["objects"][0]["actions"]["upload"]["href"].as_str().unwrap().to_owned();
        let plain = node.anonymous();
        plain.send(plain.request(Method::PUT, &href).body(new.clone())).await.expect(507);
        assert!(plain.get("/alice/m/resolve/main/old.bin").await.expect(200).body == old);
        assert!(xet.fetch(pack(&old).file.hash, None).await == old);
        plain.get("/healthz").await.expect(200);
        // What was written of the refused uploads goes away in the background.
        let tmp = node.folder().join("objects/tmp");
        let emptied = async {
            while std::fs::read_dir(&tmp).unwrap().count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), emptied).await.expect("nothing of the refused uploads stays");
    }
    xet.push(&packed).await;
    commit_large(&alice, "models/alice/m", "new.bin", &new).await.expect(200);
    assert!(node.anonymous().get("/alice/m/resolve/main/new.bin").await.expect(200).body == new);
    node.stop().await;
}
