//! Git LFS: batch, parts, sealed addresses, and that its files are the same as those of Xet.

use axum::http::Method;
use karez_testkit::{Answer, NodeOptions, TestClient, TestNode};
use karez_types::Limits;
use serde_json::{Value, json};

use crate::xet_client::{Xet, commit_large, noise, pack, sha256};

const MIB: usize = 1 << 20;

async fn node() -> TestNode {
    let limits = Limits { lfs_part_bytes: MIB as u64, ..Limits::default() };
    let node = TestNode::start_with(NodeOptions { limits, ..NodeOptions::default() }).await;
    node.client("alice").repo_create("model", "alice/m", "private").await;
    node
}

fn object(data: &[u8]) -> Value {
    json!({ "oid": sha256(data), "size": data.len() })
}

async fn batch(client: &TestClient, operation: &str, transfers: &[&str], objects: &[Value]) -> Answer {
    let body = json!({ "operation": operation, "transfers": transfers, "objects": objects, "hash_algo": "sha256" });
    client.post("/alice/m.git/info/lfs/objects/batch", &body).await
}

async fn put(client: &TestClient, url: &Value, body: &[u8]) -> Answer {
    client.send(client.request(Method::PUT, url.as_str().unwrap()).body(body.to_vec())).await
}

#[tokio::test]
async fn an_object_goes_in_and_comes_out() {
    let node = node().await;
    let (alice, plain) = (node.client("alice"), node.anonymous());
    let data = noise(1, 900_000);
    let answer = batch(&alice, "upload", &["basic"], &[object(&data)]).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/vnd.git-lfs+json");
    let answer = answer.json();
    assert_eq!(answer["transfer"], "basic");
    let href = &answer["objects"][0]["actions"]["upload"]["href"];
    assert!(href.as_str().unwrap().starts_with(node.url()));
    put(&plain, href, &data).await.expect(200);
    // Stored: no actions any more, and verify says so.
    let again = batch(&alice, "upload", &["basic"], &[object(&data)]).await.expect(200).json();
    assert!(again["objects"][0].get("actions").is_none(), "{again}");
    alice.post("/alice/m/info/lfs/objects/verify", &object(&data)).await.expect(200);
    alice.post("/alice/m/info/lfs/objects/verify", &json!({ "oid": sha256(&data), "size": 1 })).await.expect(422);
    alice.post("/alice/m/info/lfs/objects/verify", &object(b"other")).await.expect(404);
    // Not in a commit yet: nothing to download.
    let early = batch(&alice, "download", &[], &[object(&data)]).await.expect(200).json();
    assert_eq!(early["objects"][0]["error"]["code"], 404);
    commit_large(&alice, "models/alice/m", "a.bin", &data).await.expect(200);
    let answer = batch(&alice, "download", &["basic", "xet"], &[object(&data), object(b"no")]).await.expect(200).json();
    assert_eq!(answer["transfer"], "basic");
    assert_eq!(answer["objects"][1]["error"]["code"], 404);
    let href = answer["objects"][0]["actions"]["download"]["href"].as_str().unwrap();
    let got = plain.get(href).await.expect(200);
    assert!(got.body == data);
    assert_eq!(got.header("etag"), format!("\"{}\"", sha256(&data)));
    let part = plain.send(plain.request(Method::GET, href).header("range", "bytes=500000-")).await.expect(206);
    assert!(part.body == data[500_000..]);
    assert_eq!(part.header("content-range"), "bytes 500000-899999/900000");
    plain.send(plain.request(Method::GET, href).header("range", "bytes=900000-")).await.expect(416);
    node.advance_secs(3_600);
    plain.get(href).await.expect(403);
    node.stop().await;
}

#[tokio::test]
async fn what_came_through_lfs_is_found_through_xet() {
    let node = node().await;
    let alice = node.client("alice");
    let data = noise(2, 900_000);
    let answer = batch(&alice, "upload", &["basic"], &[object(&data)]).await.expect(200).json();
    put(&node.anonymous(), &answer["objects"][0]["actions"]["upload"]["href"], &data).await.expect(200);
    let xet = Xet::open(&alice, "models/alice/m", "write").await;
    let packed = pack(&data);
    assert_eq!(xet.grant(packed.xorb.hash).await, 200, "the same bytes make the same xorb");
    xet.get(&format!("/v1/chunks/default/{}", packed.xorb.index.chunks[0].hash)).await.expect(200);
    let known = xet.send(Method::POST, "/v1/shards", packed.shard().encode()).await.expect(200);
    assert_eq!(known.text(), "{\"result\":0}");
    commit_large(&alice, "models/alice/m", "a.bin", &data).await.expect(200);
    assert!(xet.fetch(packed.file.hash, None).await == data);
    node.stop().await;
}

#[tokio::test]
async fn an_edited_file_reuses_stored_chunks() {
    let node = node().await;
    let alice = node.client("alice");
    let first = noise(3, 3_000_000);
    let mut second = first.clone();
    second[1_500_000..1_500_100].fill(0);
    for data in [&first, &second] {
        let answer = batch(&alice, "upload", &["basic"], &[object(data)]).await.expect(200).json();
        put(&node.anonymous(), &answer["objects"][0]["actions"]["upload"]["href"], data).await.expect(200);
        commit_large(&alice, "models/alice/m", "a.bin", data).await.expect(200);
    }
    let file = node.hub.catalog().file_by_sha256(&sha256(&second)).await.unwrap().unwrap();
    let old = pack(&first).xorb.hash;
    let reused: u64 = file.terms.iter().filter(|t| t.xorb == old).map(|t| u64::from(t.raw_bytes)).sum();
    assert!(reused > 2_000_000, "{reused} of 3,000,000 bytes were reused: {:?}", file.terms);
    let xet = Xet::open(&alice, "models/alice/m", "read").await;
    assert!(xet.fetch(file.hash, None).await == second);
    node.stop().await;
}

#[tokio::test]
async fn parts_make_a_file() {
    let node = node().await;
    let (alice, plain) = (node.client("alice"), node.anonymous());
    let data = noise(4, 2 * MIB + 12_345);
    let answer = batch(&alice, "upload", &["basic", "multipart"], &[object(&data)]).await.expect(200).json();
    assert_eq!(answer["transfer"], "multipart");
    let action = &answer["objects"][0]["actions"]["upload"];
    assert_eq!(action["header"]["chunk_size"], MIB.to_string());
    let parts: Vec<&[u8]> = data.chunks(MIB).collect();
    let href = |part: usize| &action["header"][format!("{part:05}")];
    assert!(href(4).is_null());
    let complete = async |etags: &[(u64, String)]| {
        let parts: Vec<Value> = etags.iter().map(|(part, etag)| json!({ "partNumber": part, "etag": etag })).collect();
        plain.post(action["href"].as_str().unwrap(), &json!({ "oid": sha256(&data), "parts": parts })).await
    };
    let mut etags = Vec::new();
    for number in [2usize, 1] {
        let answer = put(&plain, href(number), parts[number - 1]).await.expect(200);
        etags.insert(0, (number as u64, answer.header("etag").to_owned()));
    }
    // A part missing, of the wrong length, not there at all, wrong.
    complete(&etags).await.expect(400);
    etags.push((3, "\"0\"".to_owned()));
    assert!(complete(&etags).await.expect(400).text().contains("part 3 is missing"));
    put(&plain, href(3), parts[0]).await.expect(400);
    put(&plain, href(3), &parts[2][1..]).await.expect(400);
    put(&plain, &format!("{}/4", action["href"].as_str().unwrap()).into(), parts[2]).await.expect(400);
    put(&plain, &format!("{}/0", action["href"].as_str().unwrap()).into(), parts[2]).await.expect(400);
    put(&plain, &format!("{}/x", action["href"].as_str().unwrap()).into(), parts[2]).await.expect(400);
    let answer = put(&plain, href(3), parts[2]).await.expect(200);
    assert!(complete(&etags).await.expect(400).text().contains("part 3 is not the one"));
    etags[2].1 = answer.header("etag").to_owned();
    etags.swap(0, 1);
    complete(&etags).await.expect(400);
    etags.swap(0, 1);
    complete(&etags).await.expect(200);
    complete(&etags).await.expect(200);
    commit_large(&alice, "models/alice/m", "a.bin", &data).await.expect(200);
    let answer = batch(&alice, "download", &[], &[object(&data)]).await.expect(200).json();
    let got = plain.get(answer["objects"][0]["actions"]["download"]["href"].as_str().unwrap()).await.expect(200);
    assert!(got.body == data);
    node.stop().await;
}

#[tokio::test]
async fn parts_with_other_bytes_are_refused_as_a_whole() {
    let node = node().await;
    let plain = node.anonymous();
    let data = noise(5, MIB + 1);
    let answer = batch(&node.client("alice"), "upload", &["multipart"], &[object(&data)]).await.expect(200).json();
    let action = &answer["objects"][0]["actions"]["upload"];
    let mut parts = Vec::new();
    for (number, bytes) in [(1, noise(6, MIB)), (2, vec![0])] {
        let answer = put(&plain, &action["header"][format!("{number:05}")], &bytes).await.expect(200);
        parts.push(json!({ "partNumber": number, "etag": answer.header("etag") }));
    }
    let body = json!({ "oid": sha256(&data), "parts": parts });
    let answer = plain.post(action["href"].as_str().unwrap(), &body).await.expect(400);
    assert!(answer.text().contains("sha256"), "{}", answer.text());
    assert!(node.hub.catalog().file_by_sha256(&sha256(&data)).await.unwrap().is_none());
    // Given up: swept away when it expires.
    node.advance_secs(8 * 24 * 3600);
    assert_eq!(node.hub.uploads_sweep().await.unwrap(), 1);
    assert_eq!(node.hub.uploads_sweep().await.unwrap(), 0);
    node.stop().await;
}

#[tokio::test]
async fn wrong_bytes_are_refused() {
    let node = node().await;
    let plain = node.anonymous();
    let data = noise(7, 100_000);
    let answer = batch(&node.client("alice"), "upload", &["basic"], &[object(&data)]).await.expect(200).json();
    let href = &answer["objects"][0]["actions"]["upload"]["href"];
    for (bytes, words) in [
        (noise(8, 100_000), "sha256"),
        (data[..99_999].to_vec(), "not the announced number"),
        ([&data[..], b"x"].concat(), "more bytes"),
        (Vec::new(), "0 bytes"),
    ] {
        let answer = put(&plain, href, &bytes).await.expect(400);
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    assert!(node.hub.catalog().file_by_sha256(&sha256(&data)).await.unwrap().is_none());
    assert_eq!(node.hub.store().xorb_stored_bytes(pack(&data).xorb.hash).await.unwrap(), None);
    let forged = format!("{}x", href.as_str().unwrap());
    put(&plain, &forged.into(), &data).await.expect(403);
    plain.get(&href.as_str().unwrap().replace("/upload/", "/object/")).await.expect(403);
    node.advance_secs(7 * 24 * 3600);
    put(&plain, href, &data).await.expect(403);
    node.stop().await;
}

#[tokio::test]
async fn xet_is_negotiated() {
    let node = node().await;
    let alice = node.client("alice");
    let data = noise(9, 500_000);
    let body = json!({
        "operation": "upload", "transfers": ["basic", "multipart", "xet"], "objects": [object(&data)],
        "ref": { "name": "refs/heads/feature/x" },
    });
    let answer = alice.post("/alice/m.git/info/lfs/objects/batch", &body).await.expect(200).json();
    assert_eq!(answer["transfer"], "xet");
    let action = &answer["objects"][0]["actions"]["upload"];
    let href = format!("{}/api/models/alice/m/xet-write-token/feature%2Fx", node.url());
    assert_eq!(action["href"], href);
    let header = &action["header"];
    assert!(header["X-Xet-Token-Expiration"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    let token = json!({ "casUrl": header["X-Xet-Cas-Url"], "accessToken": header["X-Xet-Access-Token"] });
    Xet::from_token(&token).push(&pack(&data)).await;
    alice.get(&href).await.expect(200);
    let again = alice.post("/alice/m.git/info/lfs/objects/batch", &body).await.expect(200).json();
    assert!(again["objects"][0].get("actions").is_none());
    node.stop().await;
}

#[tokio::test]
async fn strangers_get_nothing() {
    let node = node().await;
    let data = noise(10, 200_000);
    let answer = batch(&node.client("alice"), "upload", &["basic"], &[object(&data)]).await.expect(200).json();
    put(&node.anonymous(), &answer["objects"][0]["actions"]["upload"]["href"], &data).await.expect(200);
    commit_large(&node.client("alice"), "models/alice/m", "a.bin", &data).await.expect(200);
    for operation in ["download", "upload"] {
        batch(&node.anonymous(), operation, &[], &[object(&data)]).await.expect(401);
        batch(&node.client("bob"), operation, &[], &[object(&data)]).await.expect(404);
    }
    // Who knows the hash is still asked for the bytes.
    node.client("bob").repo_create("model", "bob/m", "public").await;
    let body = json!({ "operation": "upload", "objects": [object(&data)] });
    let answer = node.client("bob").post("/bob/m.git/info/lfs/objects/batch", &body).await.expect(200).json();
    assert!(answer["objects"][0]["actions"]["upload"].is_object());
    node.client("bob").post("/bob/m/info/lfs/objects/verify", &object(&data)).await.expect(404);
    let body = json!({ "operation": "download", "objects": [object(&data)] });
    let answer = node.client("bob").post("/bob/m.git/info/lfs/objects/batch", &body).await.expect(200).json();
    assert_eq!(answer["objects"][0]["error"]["code"], 404);
    node.client("alice").post("/alice/m/info/lfs/locks/verify", &json!({})).await.expect(404);
    node.stop().await;
}

#[tokio::test]
async fn malformed_batches_are_refused() {
    let node = node().await;
    let alice = node.client("alice");
    let path = "/alice/m.git/info/lfs/objects/batch";
    for body in [
        json!({}),
        json!({ "operation": "steal", "objects": [] }),
        json!({ "operation": "upload", "objects": [{ "oid": "xyz", "size": 1 }] }),
        json!({ "operation": "upload", "objects": [{ "oid": sha256(b""), "size": -1 }] }),
        json!({ "operation": "upload", "objects": [], "hash_algo": "md5" }),
        json!([1, 2]),
    ] {
        let answer = alice.post(path, &body).await.expect(400);
        assert!(answer.json()["message"].is_string());
    }
    let many: Vec<Value> = (0..1_001).map(|n: u32| object(&n.to_le_bytes())).collect();
    alice.post(path, &json!({ "operation": "upload", "objects": many })).await.expect(413);
    let huge = json!({ "oid": sha256(b"huge"), "size": u64::MAX });
    let answer = alice.post(path, &json!({ "operation": "upload", "objects": [huge] })).await.expect(200).json();
    assert_eq!(answer["objects"][0]["error"]["code"], 422);
    node.stop().await;
}
