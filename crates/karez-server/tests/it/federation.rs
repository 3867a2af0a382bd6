//! What nodes ask of each other: maps and mapped bytes, to whom they are given and to whom not.

use axum::http::Method;
use karez_formats::file_map::{FileMap, FileMapLimits};
use karez_formats::xet::{XorbBuilder, chunk_hash, decode_chunks};
use karez_hub::Actor;
use karez_testkit::{Answer, NodeOptions, NodeStore, TestClient, TestNode};
use karez_types::{Limits, RepoAddress, RepoKind, Sha256, XorbHash};
use serde_json::json;

use crate::xet_client::{Packed, Xet, commit_large, noise, pack, sha256};

const PUBLIC: &str = "public, max-age=31536000, immutable";

/// A node with a file of several chunks in `models/alice/m`, and that file.
async fn node_with_file(visibility: &str) -> (TestNode, Vec<u8>, Packed) {
    let node = TestNode::start_with(NodeOptions { store: NodeStore::Folder, ..NodeOptions::default() }).await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", visibility).await;
    let data = noise(1, 2_000_000);
    let packed = pack(&data);
    Xet::open(&alice, "models/alice/m", "write").await.push(&packed).await;
    commit_large(&alice, "models/alice/m", "m.bin", &data).await.expect(200);
    (node, data, packed)
}

fn map_path(sha256: Sha256) -> String {
    format!("/federation/v1/map/models/alice/m/{sha256}")
}

fn xorb_path(sha256: Sha256, xorb: XorbHash) -> String {
    format!("/federation/v1/xorb/models/alice/m/{sha256}/{xorb}")
}

async fn range(client: &TestClient, path: &str, range: &str) -> Answer {
    client.send(client.request(Method::GET, path).header("range", range)).await
}

async fn map(client: &TestClient, sha256: Sha256) -> FileMap {
    let answer = client.get(&map_path(sha256)).await.expect(200);
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    FileMap::parse(&answer.body, FileMapLimits::from(&Limits::default())).unwrap()
}

/// Fetches a file chunk by chunk, as a follower does.
async fn fetch(client: &TestClient, map: &FileMap) -> Vec<u8> {
    let mut raw = Vec::new();
    let mut chunks = map.chunks.iter();
    for term in &map.terms {
        let mine: Vec<_> = chunks.by_ref().take(term.chunk_count() as usize).collect();
        let bytes: u64 = mine.iter().map(|chunk| u64::from(chunk.frame_bytes)).sum();
        let (first, last) = (u64::from(term.byte_start), u64::from(term.byte_start) + bytes - 1);
        let answer = range(client, &xorb_path(map.sha256, term.xorb), &format!("bytes={first}-{last}")).await;
        assert_eq!(answer.status, 206, "{}", answer.text());
        let mut at = 0;
        for chunk in mine {
            let start = raw.len();
            decode_chunks(&answer.body[at..at + chunk.frame_bytes as usize], &mut raw).unwrap();
            assert_eq!(chunk_hash(&raw[start..]), chunk.hash);
            at += chunk.frame_bytes as usize;
        }
    }
    raw
}

#[tokio::test]
async fn a_file_comes_chunk_by_chunk_whatever_its_door() {
    let (node, data, packed) = node_with_file("public").await;
    let anonymous = node.anonymous();
    let by_xet = map(&anonymous, sha256(&data)).await;
    assert_eq!((by_xet.hash, by_xet.terms.len(), by_xet.file_bytes), (packed.file.hash, 1, 2_000_000));
    assert!(fetch(&anonymous, &by_xet).await == data);
    // Through a plain commit, with terms over the earlier xorb and a new one; and a file without bytes.
    let edited = [&data[..1_000_000], &noise(2, 300_000), &data[1_000_000..]].concat();
    for (number, content) in [edited, vec![5; 100_000_000], vec![]].into_iter().enumerate() {
        let alice = node.client("alice");
        let oid = sha256(&content);
        let body = json!({
            "operation": "upload", "transfers": ["basic"], "hash_algo": "sha256",
            "objects": [{ "oid": oid, "size": content.len() }],
        });
        let plan = alice.post("/alice/m.git/info/lfs/objects/batch", &body).await.expect(200).json();
        if let Some(href) = plan["objects"][0]["actions"]["upload"]["href"].as_str() {
            alice.send(alice.request(Method::PUT, href).body(content.clone())).await.expect(200);
        }
        commit_large(&alice, "models/alice/m", &format!("{number}.bin"), &content).await.expect(200);
        let map = map(&anonymous, oid).await;
        assert!(fetch(&anonymous, &map).await == content, "file {number}");
    }
    node.stop().await;
}

#[tokio::test]
async fn answers_can_be_kept_by_caches_and_resumed() {
    let (node, data, packed) = node_with_file("public").await;
    let (anonymous, path) = (node.anonymous(), map_path(sha256(&data)));
    let whole = anonymous.get(&path).await.expect(200);
    assert_eq!(whole.header("cache-control"), PUBLIC);
    let etag = whole.header("etag").to_owned();
    let total = whole.body.len();
    for (asked, start, end) in [("bytes=0-0", 0, 1), ("bytes=91-200", 91, 201), ("bytes=500-", 500, total)] {
        let request = anonymous.request(Method::GET, &path).header("range", asked).header("if-range", &etag);
        let part = anonymous.send(request).await.expect(206);
        assert_eq!(part.header("content-range"), format!("bytes {start}-{}/{total}", end - 1));
        assert_eq!((part.header("etag"), part.header("cache-control")), (&*etag, PUBLIC));
        assert!(part.body == whole.body[start..end], "{asked}");
    }
    range(&anonymous, &path, &format!("bytes={total}-")).await.expect(416);
    let other = anonymous.request(Method::GET, &path).header("range", "bytes=5-").header("if-range", "\"other\"");
    assert_eq!(anonymous.send(other).await.expect(200).body, whole.body);
    let known = anonymous.request(Method::GET, &path).header("if-none-match", &etag);
    assert!(anonymous.send(known).await.expect(304).body.is_empty());

    let answer = range(&anonymous, &xorb_path(sha256(&data), packed.xorb.hash), "bytes=10-99").await.expect(206);
    assert_eq!(answer.header("content-range"), "bytes 10-99/*");
    assert_eq!(answer.header("etag"), format!("\"{}\"", packed.xorb.hash));
    assert_eq!((answer.header("cache-control"), answer.header("content-length")), (PUBLIC, "90"));
    assert!(answer.body == packed.xorb.bytes[10..100]);
    node.stop().await;
}

#[tokio::test]
async fn only_the_bytes_of_the_file_are_given() {
    let (node, data, packed) = node_with_file("public").await;
    let alice = node.client("alice");
    // One xorb with a stranger's chunks between those of the file.
    let mut builder = XorbBuilder::new();
    for seed in 10..13 {
        let raw = noise(seed, 50_000);
        builder.push(&raw, chunk_hash(&raw));
    }
    let mixed = builder.finish();
    let xet = Xet::open(&alice, "models/alice/m", "write").await;
    xet.xorb_send(mixed.hash, mixed.bytes.clone()).await.expect(200);
    let own = [noise(10, 50_000), noise(12, 50_000)].concat();
    let mut shard = pack(&own).shard();
    let chunks: Vec<_> = mixed.index.chunks.iter().map(|chunk| karez_formats::xet::Chunk::from(*chunk)).collect();
    let kept = [chunks[0], chunks[2]];
    let term = |at: u32| karez_formats::xet::ShardTerm {
        xorb: mixed.hash,
        chunk_start: at,
        chunk_end: at + 1,
        raw_bytes: 50_000,
        range_hash: Some(karez_formats::xet::range_hash([&chunks[at as usize].hash])),
    };
    shard.files[0].hash = karez_formats::xet::file_hash(&kept);
    shard.files[0].terms = vec![term(0), term(2)];
    shard.xorbs = vec![karez_formats::xet::ShardXorb { hash: mixed.hash, chunks }];
    xet.shard_send(&shard).await.expect(200);
    commit_large(&alice, "models/alice/m", "own.bin", &own).await.expect(200);
    let anonymous = node.anonymous();
    let map = map(&anonymous, sha256(&own)).await;
    assert!(fetch(&anonymous, &map).await == own);
    let path = xorb_path(sha256(&own), mixed.hash);
    let end = |chunk: usize| mixed.index.chunks[chunk].end_bytes;
    for (first, last, status) in [
        (0, end(0) - 1, 206),
        (5, 5, 206),
        (end(1), end(2) - 1, 206),
        (0, end(0), 404),
        (end(0), end(1) - 1, 404),
        (end(1) - 1, end(2) - 1, 404),
        (end(1), end(2), 404),
        (0, end(2) - 1, 404),
    ] {
        range(&anonymous, &path, &format!("bytes={first}-{last}")).await.expect(status);
    }
    // Another file's xorb is as missing as one that nobody has.
    let foreign = range(&anonymous, &xorb_path(sha256(&own), packed.xorb.hash), "bytes=0-9").await.expect(404);
    let nobodys = range(&anonymous, &xorb_path(sha256(&own), XorbHash([9; 32])), "bytes=0-9").await.expect(404);
    let unnamed = |answer: &Answer, xorb: XorbHash| answer.text().replace(&xorb.to_string(), "?");
    assert_eq!(unnamed(&foreign, packed.xorb.hash), unnamed(&nobodys, XorbHash([9; 32])));
    range(&anonymous, &xorb_path(Sha256([9; 32]), packed.xorb.hash), "bytes=0-9").await.expect(404);
    anonymous.get(&map_path(Sha256([9; 32]))).await.expect(404);
    // A range that is none, is several, or has no end.
    let path = xorb_path(sha256(&data), packed.xorb.hash);
    anonymous.get(&path).await.expect(400);
    for asked in ["bytes=", "bytes=9-1", "chunks=0-1", "bytes=0-1,5-6", "bytes=-0"] {
        range(&anonymous, &path, asked).await.expect(400);
    }
    for asked in ["bytes=0-", "bytes=-5", "bytes=0-99999999999"] {
        range(&anonymous, &path, asked).await.expect(404);
    }
    anonymous.get("/federation/v1/map/models/alice/m/xyz").await.expect(400);
    node.stop().await;
}

#[tokio::test]
async fn private_files_are_for_those_who_may_read_them() {
    let (node, data, packed) = node_with_file("private").await;
    let (map, xorb) = (map_path(sha256(&data)), xorb_path(sha256(&data), packed.xorb.hash));
    for (client, status) in [(node.anonymous(), 401), (node.client("bob"), 404)] {
        assert_eq!(client.get(&map).await.expect(status).header("x-error-code"), "RepoNotFound");
        range(&client, &xorb, "bytes=0-9").await.expect(status);
    }
    let alice = node.reader("alice");
    assert_eq!(alice.get(&map).await.expect(200).header("cache-control"), "private");
    assert_eq!(range(&alice, &xorb, "bytes=0-9").await.expect(206).header("cache-control"), "private");
    node.stop().await;
}

#[tokio::test]
async fn a_file_that_is_withdrawn_is_gone_at_once() {
    let (node, data, packed) = node_with_file("public").await;
    let (anonymous, alice) = (node.anonymous(), node.client("alice"));
    let xorb = xorb_path(sha256(&data), packed.xorb.hash);
    range(&anonymous, &xorb, "bytes=0-9").await.expect(206);
    alice.put("/api/models/alice/m/settings", &json!({ "visibility": "private" })).await.expect(200);
    range(&anonymous, &xorb, "bytes=0-9").await.expect(401);
    alice.put("/api/models/alice/m/settings", &json!({ "visibility": "public" })).await.expect(200);
    range(&anonymous, &xorb, "bytes=0-9").await.expect(206);
    let moved = json!({ "fromRepo": "alice/m", "toRepo": "alice/moved" });
    alice.post("/api/repos/move", &moved).await.expect(200);
    let answer = range(&anonymous, &xorb, "bytes=0-9").await.expect(307);
    assert!(answer.header("location").starts_with("/federation/v1/xorb/models/alice/moved/"), "{:?}", answer.headers);
    range(&anonymous, answer.header("location"), "bytes=0-9").await.expect(206);
    node.stop().await;
}

/// No query is asked for a range of a public file: it is given although the catalog says otherwise, until
/// the answer is ten seconds old.
#[tokio::test]
async fn ranges_ask_nothing_of_the_catalog() {
    let (node, data, packed) = node_with_file("public").await;
    let anonymous = node.anonymous();
    let xorb = xorb_path(sha256(&data), packed.xorb.hash);
    range(&anonymous, &xorb, "bytes=0-9").await.expect(206);
    let address = RepoAddress::parse(RepoKind::Model, "alice/m").unwrap();
    let repo = node.hub.repo_open(&Actor::Operator, &address, karez_hub::Right::Read).await.unwrap();
    node.hub.catalog().repo_delete(repo.id, TestNode::START).await.unwrap();
    node.advance_secs(9);
    range(&anonymous, &xorb, "bytes=0-9").await.expect(206);
    range(&node.client("alice"), &xorb, "bytes=0-9").await.expect(404);
    node.advance_secs(2);
    range(&anonymous, &xorb, "bytes=0-9").await.expect(401);
    node.stop().await;
}
