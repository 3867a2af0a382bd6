//! What clients see of bytes that are condemned, and of bytes that are gone.

use karez_hub::{Actor, FsckDepth, GarbageRound, GarbageSettings};
use karez_testkit::TestNode;
use serde_json::json;

use crate::xet_client::{Xet, commit_large, node_with_repo, noise, pack, sha256};

const DAY_SECS: i64 = 86_400;

async fn round(node: &TestNode) -> GarbageRound {
    node.hub.garbage_round(&Actor::Operator, &GarbageSettings::default()).await.unwrap()
}

/// Two rounds with the grace between them.
async fn rounds(node: &TestNode) -> GarbageRound {
    round(node).await;
    node.advance_secs(GarbageSettings::default().grace_secs as i64);
    round(node).await
}

/// A client's token ends long before anything is condemned.
async fn open(node: &TestNode) -> Xet {
    Xet::open(&node.client("alice"), "models/alice/m", "write").await
}

async fn check(node: &TestNode) {
    let report = node.hub.fsck(&Actor::Operator, FsckDepth::Bytes).await.unwrap();
    assert!(report.is_clean() && report.counts.orphans == 0, "{:?}", report.problems);
}

#[tokio::test]
async fn what_a_client_sent_and_never_committed_waits_for_weeks_and_then_must_be_sent_again() {
    let (node, xet) = node_with_repo("public").await;
    let data = noise(1, 2_000_000);
    let packed = pack(&data);
    xet.push(&packed).await;
    node.advance_secs(21 * DAY_SECS);
    assert_eq!(round(&node).await.xorbs_condemned, 0, "a client may have it in its memory");
    let xet = open(&node).await;
    assert_eq!(xet.grant(packed.xorb.hash).await, 200);
    // To be told so counts like sending it.
    node.advance_secs(21 * DAY_SECS);
    assert_eq!((round(&node).await.files_condemned, round(&node).await.xorbs_condemned), (1, 0));
    node.advance_secs(2 * DAY_SECS);
    assert_eq!(round(&node).await.xorbs_condemned, 1);

    // Condemned: a client is told to send it, and one that names it all the same keeps it here.
    let xet = open(&node).await;
    assert_eq!(xet.grant(packed.xorb.hash).await, 404);
    let first = packed.xorb.index.chunks[0].hash;
    xet.get(&format!("/v1/chunks/default/{first}")).await.expect(404);
    xet.shard_send(&packed.shard()).await.expect(200);
    assert_eq!(xet.grant(packed.xorb.hash).await, 200);
    xet.get(&format!("/v1/chunks/default/{first}")).await.expect(200);
    commit_large(&node.client("alice"), "models/alice/m", "w.bin", &data).await.expect(200);
    node.advance_secs(100 * DAY_SECS);
    assert_eq!(rounds(&node).await.xorbs_freed, 0, "a commit names it");
    let reader = Xet::open(&node.client("alice"), "models/alice/m", "read").await;
    assert!(reader.fetch(packed.file.hash, None).await == data);

    // Gone: what names it is refused as a whole, in words that say what to do.
    let other = pack(&noise(2, 500_000));
    let xet = open(&node).await;
    node.client("alice")
        .delete("/api/repos/delete", &json!({ "name": "m", "organization": "alice" }))
        .await
        .expect(200);
    assert_eq!(rounds(&node).await.xorbs_freed, 1);
    check(&node).await;
    drop(xet);
    node.client("alice").repo_create("model", "alice/m", "public").await;
    let xet = open(&node).await;
    xet.xorb_send(other.xorb.hash, other.xorb.bytes.clone()).await.expect(200);
    let mut shard = packed.shard();
    shard.files.push(other.file.clone());
    let refused = xet.shard_send(&shard).await.expect(400);
    assert!(refused.text().contains("which is not stored here; upload the xorb first"), "{}", refused.text());
    let known = node.hub.catalog().files_by_sha256(&[sha256(&data), other.file.sha256.unwrap()]).await.unwrap();
    assert!(known.is_empty(), "nothing by half");
    commit_large(&node.client("alice"), "models/alice/m", "w.bin", &data).await.expect(422);
    xet.push(&packed).await;
    commit_large(&node.client("alice"), "models/alice/m", "w.bin", &data).await.expect(200);
    let reader = Xet::open(&node.client("alice"), "models/alice/m", "read").await;
    assert!(reader.fetch(packed.file.hash, None).await == data);
    check(&node).await;
}

#[tokio::test]
async fn a_file_that_a_batch_said_is_there_stays_until_it_is_committed() {
    let (node, xet) = node_with_repo("public").await;
    let alice = node.client("alice");
    let data = noise(3, 700_000);
    let packed = pack(&data);
    xet.push(&packed).await;
    node.advance_secs(23 * DAY_SECS);
    assert_eq!(round(&node).await.files_condemned, 1);
    node.advance_secs(GarbageSettings::default().grace_secs as i64);
    let batch = json!({ "operation": "upload", "transfers": ["basic"],
        "objects": [{ "oid": sha256(&data).to_string(), "size": data.len() }] });
    let answer = alice.post("/alice/m.git/info/lfs/objects/batch", &batch).await.expect(200).json();
    assert!(answer["objects"][0]["actions"].is_null(), "{answer}");
    for _ in 0..2 {
        node.advance_secs(7 * DAY_SECS);
        assert_eq!(rounds(&node).await.files_deleted, 0);
    }
    commit_large(&alice, "models/alice/m", "w.bin", &data).await.expect(200);
    node.advance_secs(100 * DAY_SECS);
    rounds(&node).await;
    assert!(alice.get("/alice/m/resolve/main/w.bin").await.expect(200).body == data);
    check(&node).await;
}
