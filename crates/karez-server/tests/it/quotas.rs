//! Owners who may own only so much: what they are told before they send, when they commit, and on the pages.

use axum::http::Method;
use karez_hub::{Actor, Quota};
use karez_testkit::{Answer, NodeOptions, TestClient, TestNode};
use karez_types::{Limits, TokenRole};
use serde_json::{Value, json};

use crate::forms::Browser;
use crate::xet_client::{commit_large, noise, sha256};

async fn node() -> TestNode {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    node
}

async fn allow(node: &TestNode, owner: &str, quota: Quota) {
    node.hub.quota_set(&Actor::Operator, owner, quota).await.unwrap();
}

async fn owned_bytes(node: &TestNode, owner: &str) -> u64 {
    node.hub.owner_room(&Actor::Operator, owner).await.unwrap().owned_bytes
}

async fn batch(client: &TestClient, id: &str, objects: &[(&str, usize)]) -> Answer {
    let objects: Vec<Value> = objects.iter().map(|(oid, size)| json!({ "oid": oid, "size": size })).collect();
    let body = json!({ "operation": "upload", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256" });
    client.post(&format!("/{id}.git/info/lfs/objects/batch"), &body).await
}

/// Sends bytes, and names them nowhere.
async fn send(node: &TestNode, client: &TestClient, id: &str, data: &[u8]) {
    let plan = batch(client, id, &[(&sha256(data).to_string(), data.len())]).await.expect(200).json();
    let href = plan["objects"][0]["actions"]["upload"]["href"].as_str().unwrap().to_owned();
    let plain = node.anonymous();
    plain.send(plain.request(Method::PUT, &href).body(data.to_vec())).await.expect(200);
}

/// Checks that somebody is told all that they must know.
#[track_caller]
fn says_why(answer: &Answer, words: &[&str]) {
    let told = answer.json();
    assert_eq!(told["message"], told["error"], "git-lfs reads one, the hub's client the other");
    let text = told["error"].as_str().unwrap();
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(answer.header("x-error-message"), text);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_it_is_sent() {
    let node = node().await;
    let alice = node.client("alice");
    allow(&node, "alice", Quota::Bytes(1_000_000)).await;
    let first = noise(1, 600_000);
    send(&node, &alice, "alice/m", &first).await;
    assert_eq!(owned_bytes(&node, "alice").await, 0, "what no repository names is nobody's");
    commit_large(&alice, "models/alice/m", "a.bin", &first).await.expect(200);
    let first = sha256(&first).to_string();
    let (other, third) = (sha256(b"other").to_string(), sha256(b"third").to_string());
    let refused = batch(&alice, "alice/m", &[(&other, 500_000)]).await.expect(413);
    says_why(&refused, &["alice may own 1 MB", "owns 600 kB", "would add 500 kB", "ask an administrator of this node"]);
    // Together they do not fit; what is there already, and a file that is asked for twice, is not new.
    batch(&alice, "alice/m", &[(&other, 300_000), (&third, 300_000)]).await.expect(413);
    batch(&alice, "alice/m", &[(&other, 400_000), (&other, 400_000), (&first, 600_000)]).await.expect(200);
    alice.repo_create("dataset", "alice/d", "private").await;
    batch(&alice, "datasets/alice/d", &[(&first, 600_000)]).await.expect(200);

    let advise = async |files: &[(&str, u64)]| {
        let files: Vec<Value> =
            files.iter().map(|(path, size)| json!({ "path": path, "sample": "", "size": size })).collect();
        alice.post("/api/models/alice/m/preupload/main", &json!({ "files": files })).await
    };
    says_why(&advise(&[("b.bin", 600_001)]).await.expect(413), &["owns 600 kB"]);
    advise(&[("b.bin", 200_000), ("c.bin", 200_001)]).await.expect(413);
    // Of this length there is one: it may be the same. Files of one length may be one file.
    advise(&[("b.bin", 600_000), ("c.bin", 300_000), ("d.bin", 300_000)]).await.expect(200);
    // What git keeps does not count.
    advise(&[("b.txt", 1_500_000)]).await.expect(200);
    // The bound of the node, for whom nothing else was decided.
    allow(&node, "alice", Quota::OfNode).await;
    batch(&alice, "alice/m", &[(&other, 500_000_000)]).await.expect(200);
    node.stop().await;
    let limits = Limits { owner_bytes_max: 1_000, ..Limits::default() };
    let node = TestNode::start_with(NodeOptions { limits, ..NodeOptions::default() }).await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    batch(&alice, "alice/m", &[(&other, 1_001)]).await.expect(413);
    batch(&alice, "alice/m", &[(&other, 1_000)]).await.expect(200);
    allow(&node, "alice", Quota::Unbounded).await;
    batch(&alice, "alice/m", &[(&other, 1_001)]).await.expect(200);
    node.stop().await;
}

#[tokio::test]
async fn a_commit_that_does_not_fit_leaves_nothing() {
    let node = node().await;
    let alice = node.client("alice");
    let data = noise(2, 600_000);
    send(&node, &alice, "alice/m", &data).await;
    allow(&node, "alice", Quota::Bytes(599_999)).await;
    let head = alice.get("/api/models/alice/m").await.expect(200).json()["sha"].clone();
    let refused = commit_large(&alice, "models/alice/m", "a.bin", &data).await.expect(413);
    says_why(&refused, &["alice may own 600 kB", "owns 0 B", "ask an administrator"]);
    // The same as a file inside of the commit, which goes into chunks for its name.
    alice.commit("models/alice/m", "main", &[("b.bin", &data)]).await.expect(413);
    assert_eq!(alice.get("/api/models/alice/m").await.expect(200).json()["sha"], head);
    alice.get("/alice/m/resolve/main/a.bin").await.expect(404);
    assert_eq!(owned_bytes(&node, "alice").await, 0);
    alice.commit("models/alice/m", "main", &[("a.txt", b"small")]).await.expect(200);
    allow(&node, "alice", Quota::Bytes(600_000)).await;
    commit_large(&alice, "models/alice/m", "a.bin", &data).await.expect(200);
    // Where it goes from there: a copy is nothing new to alice, and too much for the organisation.
    allow(&node, "acme", Quota::Bytes(1)).await;
    let copy = |to: &str| json!({ "repository": to });
    alice.post("/api/models/alice/m/duplicate", &copy("alice/again")).await.expect(200);
    says_why(&alice.post("/api/models/alice/m/duplicate", &copy("acme/m")).await.expect(413), &["acme may own 1 B"]);
    let to_acme = json!({ "fromRepo": "alice/m", "toRepo": "acme/m", "type": "model" });
    says_why(&alice.post("/api/repos/move", &to_acme).await.expect(413), &["acme may own 1 B", "would add 600 kB"]);
    alice.get("/api/models/acme/m").await.expect(404);
    alice.get("/api/models/alice/m").await.expect(200);
    // Branches and tags name nothing new.
    allow(&node, "alice", Quota::Bytes(0)).await;
    alice.post("/api/models/alice/m/branch/next", &json!({})).await.expect(200);
    node.stop().await;
}

#[tokio::test]
async fn commits_at_once_do_not_pass_together() {
    let node = node().await;
    let alice = node.client("alice");
    let mut all = Vec::new();
    for n in 0..6 {
        let id = format!("alice/r{n}");
        alice.repo_create("model", &id, "public").await;
        let data = noise(10 + n, 300_000);
        send(&node, &alice, &id, &data).await;
        all.push((id, data));
    }
    allow(&node, "alice", Quota::Bytes(1_000_000)).await;
    let commits = all.iter().map(|(id, data)| {
        let alice = &alice;
        async move { commit_large(alice, &format!("models/{id}"), "a.bin", data).await.status }
    });
    let mut statuses = futures::future::join_all(commits).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 413, 413, 413]);
    assert_eq!(owned_bytes(&node, "alice").await, 900_000);
    node.stop().await;
}

/// Who proposes to an owner is told that it is too much, and not what the owner has.
#[tokio::test]
async fn strangers_learn_nothing_of_what_an_owner_has() {
    let node = node().await;
    let (alice, bob) = (node.client("alice"), node.client("bob"));
    alice.repo_create("model", "alice/secret", "private").await;
    let hidden = noise(3, 600_000);
    send(&node, &alice, "alice/secret", &hidden).await;
    commit_large(&alice, "models/alice/secret", "a.bin", &hidden).await.expect(200);
    allow(&node, "alice", Quota::Bytes(1_000_000)).await;
    let hidden = sha256(&hidden).to_string();
    let unknown = sha256(b"never sent").to_string();
    let answers = [
        batch(&bob, "alice/m", &[(&hidden, 600_000)]).await.expect(413),
        batch(&bob, "alice/m", &[(&unknown, 600_000)]).await.expect(413),
    ];
    assert_eq!(answers[0].text(), answers[1].text());
    says_why(&answers[0], &["alice cannot take so many", "ask alice to make room"]);
    assert!(!answers[0].text().contains("600 kB") && !answers[0].text().contains("1 MB"), "{}", answers[0].text());
    batch(&bob, "alice/m", &[(&unknown, 400_000)]).await.expect(200);
    assert!(node.hub.owner_room(&Actor::Anonymous, "alice").await.is_err());
    node.stop().await;
}

#[tokio::test]
async fn a_quota_is_set_and_shown_on_pages() {
    let node = node().await;
    let mut nora = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let page = "/-/admin";
    let set = async |browser: &mut Browser, owner: &str, quota: &str| {
        browser.submit(page, page, &[("do", "quota"), ("owner", owner), ("quota", quota)]).await
    };
    set(&mut nora, "alice", "2 MB").await.expect(200);
    let shown = set(&mut nora, "Acme", "1.5 GB").await.expect(200).text();
    assert!(shown.contains("decided for this account alone") && shown.contains("1.5 GB"), "{shown}");
    for (owner, quota, said) in [
        ("nobody", "1 GB", "nobody"),
        ("alice", "much", "an amount of bytes"),
        ("alice", "20 Gb", "20 GB"),
        ("alice", "", "`none`"),
    ] {
        let refused = set(&mut nora, owner, quota).await.expect(422).text();
        assert!(refused.contains(said), "{owner} {quota}: {refused}");
    }
    let account = alice.get("/-/account").await.expect(200).text();
    assert!(
        account.contains("Room for large files") && account.contains("2 MB") && account.contains("1.5 GB"),
        "{account}"
    );
    // Who may not: who is no administrator, and an administrator whose session may only read.
    let proof = alice.proof("/-/account").await;
    let wish = [("proof", proof.as_str()), ("do", "quota"), ("owner", "alice"), ("quota", "none")];
    alice.post(page, &wish, &[]).await.expect(403);
    let mut reader = Browser::signed_in(&node, "nora", TokenRole::Read).await;
    let proof = reader.proof("/-/account").await;
    let wish = [("proof", proof.as_str()), ("do", "quota"), ("owner", "alice"), ("quota", "none")];
    reader.post(page, &wish, &[]).await.expect(403);
    assert_eq!(node.hub.owner_room(&Actor::Operator, "alice").await.unwrap().bytes_max, Some(2_000_000));

    // Forms with files say the same as tools are told, and leave nothing.
    let content = noise(4, 2_500_000);
    let upload = "/alice/m/upload/main";
    let refused = alice.upload(upload, upload, &[("folder", "")], &[("big.bin", &content)]).await.expect(422).text();
    assert!(
        refused.contains("alice may own 2 MB of large files") && refused.contains("ask an administrator"),
        "{refused}"
    );
    let (hash, size) = (sha256(&content).to_string(), content.len().to_string());
    let begin = [("sha256", hash.as_str()), ("size", size.as_str())];
    let refused = alice.submit(upload, "/alice/m/upload-begin", &begin).await.expect(413);
    assert!(refused.text().contains("alice may own 2 MB"), "{}", refused.text());
    let end = [begin[0], begin[1], ("file", "w.bin"), ("folder", "")];
    let refused = alice.submit(upload, "/alice/m/upload-end/main", &end).await.expect(413);
    assert!(refused.text().contains("alice may own 2 MB"), "{}", refused.text());
    let table: String = (0..400_000).map(|n| format!("{n},x\n")).collect();
    let fields = [
        ("owner", "alice"),
        ("name", "t"),
        ("title", "T"),
        ("about", "Numbers."),
        ("license", "mit"),
        ("language", "en"),
    ];
    let refused =
        alice.upload("/-/publish", "/-/publish", &fields, &[("t.csv", table.as_bytes())]).await.expect(422).text();
    assert!(refused.contains("alice may own 2 MB"), "{refused}");
    node.client("alice").get("/api/datasets/alice/t").await.expect(404);
    assert_eq!(owned_bytes(&node, "alice").await, 0);
    // `default` takes the decision back.
    set(&mut nora, "alice", "default").await.expect(200);
    alice.upload(upload, upload, &[("folder", "")], &[("big.bin", &content)]).await.expect(303);
    assert!(alice.get("/-/account").await.expect(200).text().contains("without a bound"));
    node.stop().await;
}
