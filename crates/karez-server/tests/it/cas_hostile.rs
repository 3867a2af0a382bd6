//! Xorbs and shards that are not what they say: refused with a sentence, nothing kept.

use axum::http::Method;
use karez_formats::xet::{Shard, ShardFile, file_hash};
use karez_testkit::{Answer, NodeOptions, TestNode};
use karez_types::{Limits, XorbHash};

use crate::xet_client::{Packed, Xet, node_with_repo, noise, pack, sha256};

#[track_caller]
fn refused(answer: Answer, words: &str) {
    let answer = answer.expect(400);
    assert!(answer.text().contains(words), "expected `{words}` in {}", answer.text());
    assert!(!answer.header("x-error-message").is_empty());
}

#[tokio::test]
async fn hostile_xorbs_leave_nothing() {
    let (node, xet) = node_with_repo("public").await;
    let packed = pack(&noise(1, 400_000));
    let (hash, good) = (packed.xorb.hash, packed.xorb.bytes.clone());
    let first_stored = packed.xorb.index.chunks[0].end_bytes as usize;
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut bomb = vec![0, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF];
    bomb.extend_from_slice(&good[8..]);
    let mut footer = good.clone();
    footer.extend_from_slice(b"XETBLOB\x01and more of a footer");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "empty"),
        ("one flipped byte", with(good.len() - 1, !good[good.len() - 1]), "make up xorb"),
        ("truncated", good[..good.len() - 1].to_vec(), "ends inside"),
        ("only a header", good[..8].to_vec(), "ends inside"),
        ("a chunk less", good[..first_stored].to_vec(), "make up xorb"),
        ("trailing bytes", [good.clone(), vec![7; 20]].concat(), "version"),
        ("footer", footer, "footer"),
        ("scheme 99", with(4, 99), "scheme 99"),
        ("scheme 3", with(4, 3), "scheme 3"),
        ("version 1", with(0, 1), "version 1"),
        ("bomb", bomb, "raw bytes"),
        ("text", b"this is not a xorb at all".to_vec(), "version"),
    ];
    for (name, bytes, words) in cases {
        let answer = xet.xorb_send(hash, bytes).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        refused(answer, words);
        assert_eq!(xet.grant(hash).await, 404, "{name}: nothing was registered");
        assert_eq!(node.hub.store().xorb_stored_bytes(hash).await.unwrap(), None, "{name}: nothing was kept");
    }
    let wrong: XorbHash = "ab".repeat(32).parse().unwrap();
    refused(xet.xorb_send(wrong, good.clone()).await, "make up xorb");
    xet.send(Method::POST, "/v1/xorbs/default/xyz", good.clone()).await.expect(400);
    // The connection and the node are fine after all that.
    xet.xorb_send(hash, good.clone()).await.expect(200);
    assert_eq!(xet.xorb_send(hash, good).await.expect(200).text(), "{\"was_inserted\":false}");
    node.stop().await;
}

#[tokio::test]
async fn limits_of_xorbs_and_shards_are_settings() {
    let limits = Limits { xorb_bytes_max: 100_000, shard_bytes_max: 1_000, xorb_chunks_max: 2, ..Limits::default() };
    let node = TestNode::start_with(NodeOptions { limits, ..NodeOptions::default() }).await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    let xet = Xet::open(&node.client("alice"), "models/alice/m", "write").await;
    let packed = pack(&noise(1, 400_000));
    let answer = xet.xorb_send(packed.xorb.hash, packed.xorb.bytes.clone()).await.expect(413);
    assert!(answer.text().contains("limits.xorb_bytes_max"), "{}", answer.text());
    let tiny: Vec<u8> = (0..3u8).flat_map(|n| [0, 1, 0, 0, 0, 1, 0, 0, n]).collect();
    refused(xet.xorb_send(packed.xorb.hash, tiny).await, "more than 2 chunks");
    let answer = xet.send(Method::POST, "/v1/shards", vec![0; 1_001]).await.expect(413);
    assert!(answer.text().contains("limits.shard_bytes_max"), "{}", answer.text());
    node.stop().await;
}

/// A sender that is refused before its body was read still gets the answer, not a closed connection.
#[tokio::test]
async fn refused_senders_read_why() {
    let limits = Limits { xorb_bytes_max: 1_000_000, ..Limits::default() };
    let node = TestNode::start_with(NodeOptions { limits, ..NodeOptions::default() }).await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    let writer = Xet::open(&node.client("alice"), "models/alice/m", "write").await;
    let reader = Xet::open(&node.client("alice"), "models/alice/m", "read").await;
    let hash: XorbHash = "ab".repeat(32).parse().unwrap();
    let large = noise(1, 40_000_000);
    writer.xorb_send(hash, large.clone()).await.expect(413);
    reader.xorb_send(hash, large[..900_000].to_vec()).await.expect(403);
    node.advance_secs(3_600);
    for _ in 0..5 {
        writer.xorb_send(hash, large[..900_000].to_vec()).await.expect(401);
    }
    node.stop().await;
}

/// A stored xorb and a shard about it that the case then spoils.
async fn spoil(xet: &Xet, packed: &Packed, words: &str, spoil: impl Fn(&mut ShardFile, &mut Shard)) {
    let mut shard = packed.shard();
    let mut file = shard.files.remove(0);
    spoil(&mut file, &mut shard);
    shard.files.push(file);
    for path in ["/v1/shards", "/v2/shards"] {
        refused(xet.send(Method::POST, path, shard.encode()).await, words);
    }
}

#[tokio::test]
async fn shards_are_not_believed() {
    let (node, xet) = node_with_repo("public").await;
    let data = noise(2, 600_000);
    let packed = pack(&data);
    refused(xet.shard_send(&packed.shard()).await, "not stored here");
    xet.xorb_send(packed.xorb.hash, packed.xorb.bytes.clone()).await.expect(200);
    let chunk_count = packed.xorb.index.chunk_count();

    spoil(&xet, &packed, "verification hash", |file, _| file.terms[0].range_hash = None).await;
    spoil(&xet, &packed, "verification hash", |file, _| file.terms[0].range_hash.as_mut().unwrap().0[0] ^= 1).await;
    spoil(&xet, &packed, "which has", |file, _| file.terms[0].chunk_end += 1).await;
    spoil(&xet, &packed, "which has", |file, _| file.terms[0].chunk_end = u32::MAX).await;
    spoil(&xet, &packed, "its chunks have", |file, _| file.terms[0].raw_bytes -= 1).await;
    spoil(&xet, &packed, "its chunks have", |file, _| file.terms[0].chunk_start += 1).await;
    spoil(&xet, &packed, "make up file", |file, _| file.hash.0[0] ^= 1).await;
    spoil(&xet, &packed, "make up file", |file, _| {
        let again = file.terms[0];
        file.terms.push(again);
    })
    .await;
    spoil(&xet, &packed, "sha256", |file, _| file.sha256 = Some(sha256(b"something else"))).await;
    spoil(&xet, &packed, "other chunks", |_, shard| shard.xorbs[0].chunks[1].raw_bytes -= 1).await;
    spoil(&xet, &packed, "other chunks", |_, shard| shard.xorbs[0].chunks.truncate(1)).await;
    spoil(&xet, &packed, "not stored here", |file, _| file.terms[0].xorb.0[5] ^= 1).await;

    // A file made of two good halves and named rightly, with one wrong half's proof.
    let half = chunk_count / 2;
    spoil(&xet, &packed, "verification hash", |file, _| {
        let mut second = file.terms[0];
        file.terms[0].chunk_end = half;
        let index = &packed.xorb.index;
        file.terms[0].raw_bytes = index.raw_bytes_of(0..half).unwrap() as u32;
        second.chunk_start = half;
        second.raw_bytes = index.raw_bytes_of(half..chunk_count).unwrap() as u32;
        file.terms.push(second);
    })
    .await;

    // Not even a shard.
    for bytes in [Vec::new(), vec![0; 47], vec![0xFF; 4096], packed.shard().encode()[..200].to_vec()] {
        xet.send(Method::POST, "/v2/shards", bytes).await.expect(400);
    }
    let mut absurd = packed.shard().encode();
    absurd[48 + 36..48 + 40].copy_from_slice(&u32::MAX.to_le_bytes());
    xet.send(Method::POST, "/v2/shards", absurd).await.expect(400);

    // Nothing of it was registered; the good shard is.
    let sha = sha256(&data);
    assert!(node.hub.catalog().file_by_sha256(&sha).await.unwrap().is_none());
    let first = xet.send(Method::POST, "/v1/shards", packed.shard().encode()).await.expect(200);
    assert_eq!(first.text(), "{\"result\":1}");
    let again = xet.send(Method::POST, "/v1/shards", packed.shard().encode()).await.expect(200);
    assert_eq!(again.text(), "{\"result\":0}");
    assert_eq!(node.hub.catalog().file_by_sha256(&sha).await.unwrap().unwrap().hash, packed.file.hash);
    node.stop().await;
}

#[tokio::test]
async fn one_bad_file_keeps_all_files_of_its_shard_out() {
    let (node, xet) = node_with_repo("public").await;
    let (good, bad) = (pack(&noise(3, 100_000)), pack(&noise(4, 100_000)));
    for packed in [&good, &bad] {
        xet.xorb_send(packed.xorb.hash, packed.xorb.bytes.clone()).await.expect(200);
    }
    let mut shard = good.shard();
    shard.files.push(bad.file.clone());
    shard.files[1].sha256 = Some(sha256(b"wrong"));
    refused(xet.shard_send(&shard).await, "did it change during the upload");
    assert!(node.hub.catalog().file_by_sha256(&good.file.sha256.unwrap()).await.unwrap().is_none());
    node.stop().await;
}

#[tokio::test]
async fn files_without_a_sha256_get_theirs() {
    let (node, xet) = node_with_repo("public").await;
    let data = noise(5, 300_000);
    let packed = pack(&data);
    xet.xorb_send(packed.xorb.hash, packed.xorb.bytes.clone()).await.expect(200);
    let mut shard = packed.shard();
    shard.files[0].sha256 = None;
    xet.shard_send(&shard).await.expect(200);
    let found = node.hub.catalog().file_by_sha256(&sha256(&data)).await.unwrap().unwrap();
    assert_eq!(found.hash, packed.file.hash);
    assert_eq!(file_hash(&packed.xorb.index.chunks.iter().map(|c| (*c).into()).collect::<Vec<_>>()), found.hash);
    node.stop().await;
}
