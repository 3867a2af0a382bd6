//! The Xet routes: what goes in comes out, and only to whom it may.

use axum::http::Method;
use karez_formats::xet::{DedupAnswer, ShardLimits, keyed_chunk_hash};
use karez_testkit::{NodeOptions, NodeStore, TestClient, TestNode};
use serde_json::json;

use crate::xet_client::{Xet, commit_large, node_with_repo, noise, pack};

#[tokio::test]
async fn tokens_come_in_body_and_headers() {
    let (node, _) = node_with_repo("public").await;
    for kind in ["read", "write"] {
        for revision in ["main", "None", "refs%2Fpr%2F1"] {
            let path = format!("/api/models/alice/m/xet-{kind}-token/{revision}");
            let answer = node.client("alice").get(&path).await.expect(200);
            let body = answer.json();
            assert_eq!(body["casUrl"], format!("{}/cas", node.url()));
            assert_eq!(answer.header("x-xet-cas-url"), body["casUrl"].as_str().unwrap());
            assert_eq!(answer.header("x-xet-access-token"), body["accessToken"].as_str().unwrap());
            assert_eq!(answer.header("x-xet-token-expiration"), body["exp"].to_string());
        }
    }
    node.anonymous().get("/api/models/alice/m/xet-read-token/main").await.expect(200);
    node.anonymous().get("/api/models/alice/m/xet-write-token/main").await.expect(401);
    node.client("bob").get("/api/models/alice/m/xet-write-token/main").await.expect(403);
    node.reader("alice").get("/api/models/alice/m/xet-write-token/main").await.expect(403);
    node.stop().await;
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out() {
    for store in [NodeStore::Memory, NodeStore::Folder] {
        let node = TestNode::start_with(NodeOptions { store, ..NodeOptions::default() }).await;
        let alice = node.client("alice");
        alice.repo_create("dataset", "alice/d", "private").await;
        let xet = Xet::open(&alice, "datasets/alice/d", "write").await;
        let data = noise(1, 3_000_000);
        let packed = pack(&data);
        assert_eq!(xet.grant(packed.xorb.hash).await, 404);
        xet.push(&packed).await;
        assert_eq!(xet.grant(packed.xorb.hash).await, 200);
        xet.get(&format!("/v2/reconstructions/{}", packed.file.hash)).await.expect(404);
        commit_large(&alice, "datasets/alice/d", "d.bin", &data).await.expect(200);

        let reader = Xet::open(&alice, "datasets/alice/d", "read").await;
        assert!(reader.fetch(packed.file.hash, None).await == data);
        for (first, last) in [(0, 0), (0, 10), (1_000_000, 2_000_000), (2_999_999, 2_999_999), (2_999_990, 5_000_000)] {
            let end = (last + 1).min(3_000_000) as usize;
            assert!(reader.fetch(packed.file.hash, Some((first, last))).await == data[first as usize..end]);
        }
        let request = reader.client.request(Method::GET, &format!("/v1/reconstructions/{}", packed.file.hash));
        let outside = reader.client.send(request.header("range", "bytes=3000000-3000001")).await.expect(416);
        assert_eq!(outside.header("content-range"), "bytes */3000000");
        let head = reader.client.head(&format!("/v1/files/{}", packed.file.hash)).await.expect(200);
        assert_eq!(head.header("content-length"), "3000000");
        node.stop().await;
    }
}

#[tokio::test]
async fn both_versions_and_batches_agree() {
    let (node, xet) = node_with_repo("public").await;
    let (one, two) = (noise(1, 400_000), noise(2, 500_000));
    for (path, data) in [("a.bin", &one), ("b.bin", &two)] {
        xet.push(&pack(data)).await;
        commit_large(&node.client("alice"), "models/alice/m", path, data).await.expect(200);
    }
    let (a, b) = (pack(&one).file.hash, pack(&two).file.hash);
    let v1 = xet.get(&format!("/v1/reconstructions/{a}")).await.expect(200).json();
    let v2 = xet.get(&format!("/v2/reconstructions/{a}")).await.expect(200).json();
    assert_eq!(v1["terms"], v2["terms"]);
    let xorb = v1["terms"][0]["hash"].as_str().unwrap();
    assert_eq!(v1["fetch_info"][xorb][0]["url_range"], v2["xorbs"][xorb][0]["ranges"][0]["bytes"]);
    assert_eq!(v1["fetch_info"][xorb][0]["range"], v2["xorbs"][xorb][0]["ranges"][0]["chunks"]);

    let unknown = "0".repeat(64);
    let keys = json!([{ "prefix": "default", "hash": a }, { "prefix": "default", "hash": b }]);
    let by_body = xet.client.post("/v1/reconstructions", &keys).await.expect(200).json();
    let path = format!("/v1/reconstructions?file_id={a}&file_id={b}&file_id={unknown}");
    let by_query = xet.get(&path).await.expect(200).json();
    assert_eq!(by_body, by_query);
    assert_eq!(by_body["files"][a.to_string()], v1["terms"]);
    assert_eq!(by_body["files"].as_object().unwrap().len(), 2);
    xet.get("/v1/reconstructions?file_id=xyz").await.expect(400);
    node.stop().await;
}

#[tokio::test]
async fn signed_addresses_give_their_ranges_only() {
    let (node, xet) = node_with_repo("public").await;
    let data = noise(3, 2_000_000);
    let packed = pack(&data);
    xet.push(&packed).await;
    commit_large(&node.client("alice"), "models/alice/m", "a.bin", &data).await.expect(200);
    let request = xet.client.request(Method::GET, &format!("/v2/reconstructions/{}", packed.file.hash));
    let answer = xet.client.send(request.header("range", "bytes=1000000-1200000")).await.expect(200).json();
    let fetch = &answer["xorbs"][packed.xorb.hash.to_string()][0];
    let url = fetch["url"].as_str().unwrap().to_owned();
    let bytes = &fetch["ranges"][0]["bytes"];
    let (first, last) = (bytes["start"].as_u64().unwrap(), bytes["end"].as_u64().unwrap());
    assert!(first > 0 && last < packed.xorb.bytes.len() as u64 - 1);

    let plain = node.anonymous();
    let ask = async |url: &str, range: &str| {
        plain.send(plain.request(Method::GET, url).header("range", range.to_owned())).await
    };
    let stored = &packed.xorb.bytes;
    let whole = ask(&url, &format!("bytes={first}-{last}")).await.expect(206);
    assert!(whole.body == stored[first as usize..=last as usize]);
    assert!(whole.header("etag").is_empty());
    let part = ask(&url, &format!("bytes={}-{}", first + 5, first + 9)).await.expect(206);
    assert_eq!(part.header("content-range"), format!("bytes {}-{}/*", first + 5, first + 9));
    let many = ask(&url, &format!("bytes={first}-{},{}-{last}", first + 1, last - 1)).await.expect(206);
    assert!(many.header("content-type").starts_with("multipart/byteranges; boundary="));
    assert_eq!(many.header("content-length"), many.body.len().to_string());
    let text = many.text();
    assert!(text.contains(&format!("Content-Range: bytes {first}-{}/*\r\n\r\n", first + 1)), "{text}");
    assert!(text.ends_with("--\r\n"));

    for range in [format!("bytes={}-{last}", first - 1), "bytes=0-0".into(), format!("bytes={}-{}", last + 1, last + 2)]
    {
        ask(&url, &range).await.expect(403);
    }
    ask(&url, "lines=1-2").await.expect(400);
    // Whoever changes the address has another address.
    let wider = url.replace(&format!("r={first}-"), "r=0-");
    assert_ne!(wider, url);
    ask(&wider, "bytes=0-0").await.expect(403);
    let other = url.replace(&packed.xorb.hash.to_string(), &"1".repeat(64));
    ask(&other, &format!("bytes={first}-{last}")).await.expect(403);
    for broken in ["?r=0-1&e=1", "?r=a-b&e=1&s=x", "?r=5-1&e=1&s=x", "?r=0-18446744073709551615&e=1&s=x"] {
        let address = format!("{}/x/{}{broken}", xet.cas, packed.xorb.hash);
        ask(&address, "bytes=0-0").await.expect(400);
    }
    node.advance_secs(3_601);
    ask(&url, &format!("bytes={first}-{last}")).await.expect(403);
    node.stop().await;
}

#[tokio::test]
async fn dedup_answers_hold_every_xorb_of_the_file() {
    let (node, xet) = node_with_repo("private").await;
    // Two xorbs, one file: as a client that closes a xorb early would send it.
    let (head, tail) = (noise(10, 900_000), noise(11, 900_000));
    let (a, b) = (pack(&head), pack(&tail));
    for packed in [&a, &b] {
        xet.xorb_send(packed.xorb.hash, packed.xorb.bytes.clone()).await.expect(200);
    }
    let whole = [head, tail].concat();
    let mut shard = a.shard();
    let chunks: Vec<_> = [&a, &b].iter().flat_map(|p| p.xorb.index.chunks.iter().map(|c| (*c).into())).collect();
    shard.files[0].hash = karez_formats::xet::file_hash(&chunks);
    shard.files[0].sha256 = Some(crate::xet_client::sha256(&whole));
    shard.files[0].terms.extend(b.file.terms.clone());
    xet.shard_send(&shard).await.expect(200);

    let first = a.xorb.index.chunks[0].hash;
    for prefix in ["default", "default-merkledb"] {
        let answer = xet.get(&format!("/v1/chunks/{prefix}/{first}")).await.expect(200);
        let answer = DedupAnswer::parse(&answer.body, &ShardLimits::default()).unwrap();
        let named: Vec<_> = answer.xorbs.iter().map(|xorb| xorb.hash).collect();
        assert_eq!(named, [a.xorb.hash, b.xorb.hash]);
        let last = b.xorb.index.chunks.last().unwrap().hash;
        assert_eq!(answer.xorbs[1].chunks.last().unwrap().hash, keyed_chunk_hash(&answer.key, &last));
        assert_ne!(answer.key, [0; 32]);
        assert!(answer.expires_secs > answer.created_secs);
    }
    // A chunk in the middle of a xorb is no key.
    let middle = a.xorb.index.chunks[3].hash;
    xet.get(&format!("/v1/chunks/default/{middle}")).await.expect(404);
    xet.get("/v1/chunks/default/xyz").await.expect(400);
    node.stop().await;
}

#[tokio::test]
async fn zones_do_not_leak() {
    let (node, alice) = node_with_repo("private").await;
    let data = noise(20, 700_000);
    let packed = pack(&data);
    alice.push(&packed).await;
    commit_large(&node.client("alice"), "models/alice/m", "a.bin", &data).await.expect(200);
    let chunk = format!("/v1/chunks/default/{}", packed.xorb.index.chunks[0].hash);
    alice.get(&chunk).await.expect(200);

    node.client("bob").repo_create("model", "bob/m", "public").await;
    let bob = Xet::open(&node.client("bob"), "models/bob/m", "write").await;
    assert_eq!(bob.grant(packed.xorb.hash).await, 404);
    bob.get(&chunk).await.expect(404);
    bob.client.head(&format!("/v1/xorbs/default/{}", packed.xorb.hash)).await.expect(404);
    bob.get(&format!("/v2/reconstructions/{}", packed.file.hash)).await.expect(404);
    bob.client.head(&format!("/v1/files/{}", packed.file.hash)).await.expect(404);
    // Knowing every hash of the file is not enough to claim it.
    let refused = bob.shard_send(&packed.shard()).await.expect(400);
    assert!(refused.text().contains("not stored here"), "{}", refused.text());
    let unknown = commit_large(&node.client("bob"), "models/bob/m", "a.bin", &data).await;
    assert!((400..500).contains(&unknown.status), "{}", unknown.text());

    // Who has the bytes may store them; the answer does not tell that they were there.
    let answer = bob.xorb_send(packed.xorb.hash, packed.xorb.bytes.clone()).await.expect(200);
    assert_eq!(answer.json(), json!({ "was_inserted": true }));
    bob.shard_send(&packed.shard()).await.expect(200);
    commit_large(&node.client("bob"), "models/bob/m", "a.bin", &data).await.expect(200);
    assert!(bob.fetch(packed.file.hash, None).await == data);
    // And then it is public: alice's other readers gain nothing, but dedup may speak of it.
    node.client("carol").repo_create("model", "carol/m", "private").await;
    let carol = Xet::open(&node.client("carol"), "models/carol/m", "write").await;
    carol.get(&chunk).await.expect(200);
    carol.get(&format!("/v2/reconstructions/{}", packed.file.hash)).await.expect(404);
    node.stop().await;
}

#[tokio::test]
async fn readers_of_one_file_learn_nothing_of_others() {
    let (node, alice) = node_with_repo("private").await;
    node.client("alice").repo_create("model", "alice/open", "public").await;
    let data = noise(30, 700_000);
    let packed = pack(&data);
    alice.push(&packed).await;
    commit_large(&node.client("alice"), "models/alice/m", "a.bin", &data).await.expect(200);
    // A stranger's read token for the owner's public repository.
    let reader = Xet::open(&node.anonymous(), "models/alice/open", "read").await;
    reader.get(&format!("/v1/chunks/default/{}", packed.xorb.index.chunks[0].hash)).await.expect(404);
    reader.client.head(&format!("/v1/xorbs/default/{}", packed.xorb.hash)).await.expect(404);
    reader.get(&format!("/v1/reconstructions/{}", packed.file.hash)).await.expect(404);
    node.stop().await;
}

#[tokio::test]
async fn tokens_are_checked() {
    let (node, writer) = node_with_repo("public").await;
    let packed = pack(&noise(40, 100_000));
    let reader = Xet::open(&node.anonymous(), "models/alice/m", "read").await;
    let refused = reader.xorb_send(packed.xorb.hash, packed.xorb.bytes.clone()).await.expect(403);
    assert!(refused.text().contains("xet-write-token"), "{}", refused.text());
    reader.shard_send(&packed.shard()).await.expect(403);
    assert_eq!(reader.grant(packed.xorb.hash).await, 403);
    let path = format!("/cas/v1/chunks/default/{}", packed.xorb.index.chunks[0].hash);
    node.anonymous().get(&path).await.expect(401);
    // A token of the hub is not a Xet token, and the other way round.
    node.client("alice").get(&path).await.expect(401);
    TestClient::new(node.url(), Some("x.y")).get(&path).await.expect(401);
    node.advance_secs(3_600);
    let expired = writer.get(&format!("/v1/chunks/default/{}", packed.xorb.index.chunks[0].hash)).await.expect(401);
    assert!(expired.text().contains("expired"), "{}", expired.text());
    node.stop().await;
}

#[tokio::test]
async fn telemetry_is_swallowed() {
    let (node, xet) = node_with_repo("public").await;
    xet.client.post("/v1/telemetry", &json!({ "events": [] })).await.expect(200);
    node.anonymous().post("/cas/v1/telemetry", &json!({})).await.expect(401);
    node.stop().await;
}
