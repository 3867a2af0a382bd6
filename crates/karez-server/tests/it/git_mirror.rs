//! The git program against a mirror whose history is not all here.

use karez_hub::MirrorUpdate;
use karez_testkit::{Origin, TestNode};
use karez_types::{RefName, TokenRole};
use tempfile::TempDir;

use crate::git::{git, try_git};

#[tokio::test(flavor = "multi_thread")]
async fn a_shallow_mirror_is_cloned_shallow() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let mut origin = Origin::default();
    let first = origin.commit(&[("a", b"1")], &[]);
    let oldest = std::mem::take(&mut origin.objects);
    let second = origin.commit(&[("a", b"1"), ("b", b"2")], &[first]);
    let third = origin.commit(&[("a", b"3"), ("b", b"2")], &[second]);
    let fourth = origin.commit(&[("a", b"4"), ("b", b"2")], &[third]);
    let tag = origin.tag("v1", third, karez_formats::git::GitKind::Commit);
    let refs = [(Origin::main(), fourth), (RefName::tag("v1").unwrap(), tag)];
    let update = MirrorUpdate { shallow: vec![second], ..origin.take(&refs) };
    node.hub.mirror_apply(&repo, update).await.unwrap();
    let url = format!("{}/far/m", node.url());
    let mut clones = Vec::new();
    for protocol in [2, 0, 1] {
        let folder = TempDir::new().unwrap();
        git(folder.path(), protocol, &["clone", &url, "c"]).await;
        let clone = folder.path().join("c");
        let count = async || git(&clone, protocol, &["rev-list", "--count", "origin/main"]).await;
        assert_eq!(count().await, "3", "{protocol}");
        assert_eq!(git(&clone, protocol, &["fsck", "--strict", "--full"]).await, "");
        assert_eq!(git(&clone, protocol, &["rev-parse", "--is-shallow-repository"]).await, "true");
        assert_eq!(git(&clone, protocol, &["rev-parse", "v1^{commit}"]).await, third.to_string());
        assert_eq!(std::fs::read(clone.join("a")).unwrap(), b"4");
        git(&clone, protocol, &["fetch", "--depth", "1"]).await;
        assert_eq!(count().await, "1");
        git(&clone, protocol, &["fetch", "--depth", "2"]).await;
        assert_eq!(count().await, "2");
        // As deep as the node itself goes.
        git(&clone, protocol, &["fetch", "--depth", "100"]).await;
        assert_eq!(count().await, "3");
        assert_eq!(git(&clone, protocol, &["fsck", "--strict", "--full"]).await, "");
        clones.push((protocol, folder));
    }
    // The origin moves on, and later the rest of the history comes.
    let mut origin = Origin::default();
    let fifth = origin.commit(&[("a", b"5"), ("b", b"2")], &[fourth]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), fifth)])).await.unwrap();
    for (protocol, folder) in &clones {
        let clone = folder.path().join("c");
        git(&clone, *protocol, &["fetch"]).await;
        assert_eq!(git(&clone, *protocol, &["rev-list", "--count", "origin/main"]).await, "4");
        assert_eq!(git(&clone, *protocol, &["fsck", "--strict", "--full"]).await, "");
    }
    let rest = Origin { objects: oldest }.take(&[]);
    let rest = MirrorUpdate { commits: vec![first], is_whole_history: true, ..rest };
    node.hub.mirror_apply(&repo, rest).await.unwrap();
    for (protocol, folder) in &clones {
        let clone = folder.path().join("c");
        git(&clone, *protocol, &["fetch", "--unshallow"]).await;
        assert_eq!(git(&clone, *protocol, &["rev-list", "--count", "origin/main"]).await, "5");
        assert_eq!(git(&clone, *protocol, &["rev-parse", "--is-shallow-repository"]).await, "false");
        assert_eq!(git(&clone, *protocol, &["fsck", "--strict", "--full"]).await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_a_mirror_is_told_where_it_belongs() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let mut origin = Origin::default();
    let commit = origin.commit(&[("a", b"1")], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    let folder = TempDir::new().unwrap();
    let token = node.token("alice", TokenRole::Write);
    let url = format!("{}/far/m", node.url()).replacen("http://", &format!("http://u:{token}@"), 1);
    git(folder.path(), 2, &["clone", &url, "c"]).await;
    let clone = folder.path().join("c");
    git(&clone, 2, &["commit", "--quiet", "--allow-empty", "-m", "x"]).await;
    let outcome = try_git(&clone, 2, &["push"]).await;
    assert!(!outcome.ok && outcome.stderr.contains("comes from the remote hub"), "{}", outcome.stderr);
}
