//! Files that are given on request: shut at every door, opened to who was let in. `coverage.rs` walks the routes.

use karez_testkit::TestNode;
use karez_testkit::reqwest::Method;
use karez_types::TokenRole;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::forms::Browser;

const RESOLVE: &str = "/datasets/alice/d/resolve/main/weights.safetensors";

fn weights() -> Vec<u8> {
    (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn sha256(content: &[u8]) -> String {
    karez_types::Sha256(Sha256::digest(content).into()).to_string()
}

/// A node with a dataset of alice, whose files are given on request.
async fn node(gated: &str) -> TestNode {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("dataset", "alice/d", "public").await;
    let files: [(&str, &[u8]); 3] =
        [("README.md", b"# For clinics\n"), ("a.csv", b"name,age\nAmina,7\n"), ("weights.safetensors", &weights())];
    alice.commit("datasets/alice/d", "main", &files).await.expect(200);
    node.anonymous().get(RESOLVE).await.expect(200);
    alice.put("/api/datasets/alice/d/settings", &json!({ "gated": gated })).await.expect(200);
    node
}

#[tokio::test]
async fn who_was_not_let_in_sees_and_does_not_read() {
    let node = node("manual").await;
    let bob = node.client("bob");
    for client in [node.anonymous(), node.client("bob")] {
        // What there is.
        let info = client.get("/api/datasets/alice/d").await.expect(200).json();
        assert_eq!(info["gated"], "manual");
        client.get("/api/datasets/alice/d/tree/main").await.expect(200);
        client.get("/api/datasets/alice/d/refs").await.expect(200);
        // And not what it says.
        for path in [RESOLVE, "/datasets/alice/d/resolve/main/a.csv", "/datasets/alice/d/raw/main/a.csv"] {
            let refused = client.get(path).await;
            assert!(matches!(refused.status, 401 | 403 | 404), "{path}: {}", refused.text());
            assert!(!refused.text().contains("Amina"), "{path}");
        }
        let refused = client.get(RESOLVE).await;
        assert_eq!(refused.header("x-error-code"), "GatedRepo");
        assert!(refused.text().contains("is restricted and you are not in the authorized list"), "{}", refused.text());
    }
    // Pages: the card, and a way to ask; no file, no row, no changed line.
    let mut browser = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    let page = browser.get("/datasets/alice/d").await.expect(200).text();
    assert!(page.contains("For clinics") && page.contains("Ask for access"), "{page}");
    for path in ["blob/main/a.csv", "viewer", "commit/main", "edit/main/a.csv"] {
        let refused = browser.get(&format!("/datasets/alice/d/{path}")).await.expect(403).text();
        assert!(!refused.contains("Amina"), "{path}");
    }
    // To know a hash, which the tree tells, is not enough: the file joins nobody else's repository.
    let data = weights();
    let sha256 = sha256(&data);
    bob.repo_create("model", "bob/m", "public").await;
    let object = json!({ "oid": sha256, "size": data.len() });
    let batch = json!({ "operation": "upload", "transfers": ["basic"], "objects": [object], "hash_algo": "sha256" });
    let plan = bob.post("/bob/m.git/info/lfs/objects/batch", &batch).await.expect(200).json();
    assert!(plan["objects"][0]["actions"]["upload"].is_object(), "{plan}");
    let named =
        json!({ "key": "lfsFile", "value": { "path": "w.bin", "algo": "sha256", "oid": sha256, "size": data.len() } });
    bob.commit_lines("models/bob/m", "main", vec![named]).await.expect(422);
    bob.post("/api/datasets/alice/d/duplicate", &json!({ "repository": "bob/copy" })).await.expect(403);
    // Who belongs to the owner reads as before, and so does the administrator.
    for person in ["alice", "nora"] {
        assert_eq!(node.client(person).get(RESOLVE).await.expect(200).body, data);
    }
    // Opened again, it is what it was.
    node.client("alice").put("/api/datasets/alice/d/settings", &json!({ "gated": false })).await.expect(200);
    node.anonymous().get(RESOLVE).await.expect(200);
    let plan = bob.post("/bob/m.git/info/lfs/objects/batch", &batch).await.expect(200).json();
    assert!(plan["objects"][0].get("actions").is_none(), "{plan}");
}

#[tokio::test]
async fn what_an_open_repository_has_as_well_stays_known() {
    let node = node("false").await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/open", "public").await;
    alice.commit("models/alice/open", "main", &[("w.bin", &weights())]).await.expect(200);
    alice.put("/api/datasets/alice/d/settings", &json!({ "gated": "auto" })).await.expect(200);
    let bob = node.client("bob");
    bob.get(RESOLVE).await.expect(403);
    bob.get("/alice/open/resolve/main/w.bin").await.expect(200);
    bob.repo_create("model", "bob/m", "public").await;
    let (oid, size) = (sha256(&weights()), weights().len());
    let named = json!({ "key": "lfsFile", "value": { "path": "w.bin", "algo": "sha256", "oid": oid, "size": size } });
    bob.commit_lines("models/bob/m", "main", vec![named]).await.expect(200);
}

#[tokio::test]
async fn the_owner_lets_people_in() {
    let node = node("manual").await;
    let (alice, bob) = (node.client("alice"), node.client("bob"));
    let api = "/api/datasets/alice/d/user-access-request";
    let waiting = async |status: &str| {
        let found = alice.get(&format!("{api}/{status}")).await.expect(200).json();
        found.as_array().unwrap().iter().map(|it| it["user"]["user"].clone()).collect::<Vec<Value>>()
    };
    // Only who administers it learns and decides who reads.
    bob.get(&format!("{api}/pending")).await.expect(403);
    bob.post(&format!("{api}/grant"), &json!({ "user": "bob" })).await.expect(403);
    alice.post(&format!("{api}/handle"), &json!({ "user": "bob", "status": "accepted" })).await.expect(404);
    // By asking in the browser.
    let mut browser = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    for _ in 0..2 {
        browser.submit("/datasets/alice/d", "/datasets/alice/d/ask-access", &[]).await.expect(303);
    }
    assert!(browser.get("/datasets/alice/d").await.text().contains("has not answered yet"));
    assert_eq!(waiting("pending").await, ["bob"]);
    bob.get(RESOLVE).await.expect(403);
    let mut owner = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let settings = "/datasets/alice/d/settings";
    assert!(owner.get(settings).await.text().contains("Who waits for an answer"));
    let accept = [("do", "access"), ("user", "bob"), ("status", "accepted")];
    owner.submit(settings, settings, &accept).await.expect(200);
    assert_eq!(bob.get(RESOLVE).await.expect(200).body, weights());
    bob.get("/api/datasets/alice/d/xet-read-token/main").await.expect(200);
    alice.post(&format!("{api}/handle"), &json!({ "user": "bob", "status": "accepted" })).await.expect(404);
    // Taken away, and not given by asking again.
    let reject = json!({ "user": "bob", "status": "rejected", "rejectionReason": "no contract" });
    alice.post(&format!("{api}/handle"), &reject).await.expect(200);
    bob.get(RESOLVE).await.expect(403);
    bob.post("/api/datasets/alice/d/ask-access", &json!({})).await.expect(200);
    bob.get(RESOLVE).await.expect(403);
    assert_eq!(waiting("rejected").await, ["bob"]);
    // By name, without a request.
    owner.submit(settings, settings, &[("do", "grant"), ("user", "carol")]).await.expect(200);
    owner.submit(settings, settings, &[("do", "grant"), ("user", "nobody")]).await.expect(422);
    node.client("carol").get(RESOLVE).await.expect(200);
    alice.post(&format!("{api}/grant"), &json!({ "user": "carol" })).await.expect(400);
    alice.post(&format!("{api}/grant"), &json!({ "user": "erin" })).await.expect(200);
    let mut accepted = waiting("accepted").await;
    accepted.sort_by_key(Value::to_string);
    assert_eq!(accepted, ["carol", "erin"]);
    // A copy by who was let in is not open to all.
    let carol = node.client("carol");
    let open = json!({ "repository": "carol/copy", "visibility": "public" });
    carol.post("/api/datasets/alice/d/duplicate", &open).await.expect(422);
    carol.post("/api/datasets/alice/d/duplicate", &json!({ "repository": "carol/copy" })).await.expect(200);
    node.anonymous().get("/api/datasets/carol/copy").await.expect(401);
    // Where nobody needs to ask, nobody is let in.
    alice.put("/api/datasets/alice/d/settings", &json!({ "gated": false })).await.expect(200);
    alice.post(&format!("{api}/grant"), &json!({ "user": "bob" })).await.expect(400);
    alice.put("/api/datasets/alice/d/settings", &json!({ "gated": "often" })).await.expect(400);
}

#[tokio::test]
async fn with_auto_whoever_is_signed_in_is_let_in_by_asking() {
    let node = node("auto").await;
    let bob = node.client("bob");
    bob.get(RESOLVE).await.expect(403);
    let ask = node.anonymous().request(Method::POST, "/api/datasets/alice/d/ask-access");
    node.anonymous().send(ask).await.expect(401);
    bob.post("/api/datasets/alice/d/ask-access", &json!({})).await.expect(200);
    bob.get(RESOLVE).await.expect(200);
    let names = node.client("alice").get("/api/datasets/alice/d/user-access-request/accepted").await.json();
    assert_eq!(names[0]["user"]["user"], "bob");
}
