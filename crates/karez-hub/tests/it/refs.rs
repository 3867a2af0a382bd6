//! Branches and tags, in the words that clients match on.

use karez_testkit::TestNode;
use karez_testkit::reqwest::Method;
use serde_json::{Value, json};

const REPO: &str = "/api/models/alice/m";

async fn node_with_repo() -> TestNode {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    node
}

fn names(refs: &Value) -> Vec<&str> {
    refs.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn branches_are_made_once_and_main_stays() {
    let node = node_with_repo().await;
    let alice = node.client("alice");
    let branch = |name: &str| format!("{REPO}/branch/{name}");
    alice.post(&branch("dev%2Fx"), &json!({})).await.expect(200);
    let twice = alice.post(&branch("dev%2Fx"), &json!({})).await.expect(409);
    assert!(twice.text().contains("Reference refs/heads/dev/x already exists"));
    for name in ["refs%2Fpr%2F5", "refs%2Fsomething", "HEAD", "a..b", "a%20b"] {
        let answer = alice.post(&branch(name), &json!({})).await.expect(400);
        assert!(answer.text().contains("Invalid reference for a branch"), "{name}: {}", answer.text());
    }
    alice.post(&branch("y"), &json!({ "startingPoint": "nope" })).await.expect(404);
    let main = alice.delete(&branch("main"), &json!({})).await.expect(400);
    assert!(main.text().contains("Cannot delete refs/heads/main"));
    let missing = alice.delete(&branch("nope"), &json!({})).await.expect(404);
    assert!(missing.text().contains("Invalid rev id"));
    alice.delete(&branch("dev%2Fx"), &json!({})).await.expect(200);
    // Without a body, as some clients send it.
    alice.send(alice.request(Method::POST, &branch("bare"))).await.expect(200);
    let refs = alice.get(&format!("{REPO}/refs")).await.expect(200).json();
    assert_eq!(names(&refs["branches"]), ["bare", "main"]);
    assert_eq!((&refs["tags"], &refs["converts"]), (&json!([]), &json!([])));
    assert_eq!(refs.get("pullRequests"), None);
}

#[tokio::test]
async fn tags_stay_where_they_were_set() {
    let node = node_with_repo().await;
    let alice = node.client("alice");
    let before = alice.get(&format!("{REPO}/revision/main")).await.expect(200).json()["sha"].clone();
    alice.post(&format!("{REPO}/tag/main"), &json!({ "tag": "v1", "message": "one" })).await.expect(200);
    alice.post(&format!("{REPO}/tag/main"), &json!({ "tag": "v2" })).await.expect(200);
    alice.post(&format!("{REPO}/tag/main"), &json!({ "tag": "v1" })).await.expect(409);
    alice.post(&format!("{REPO}/tag/nope"), &json!({ "tag": "v3" })).await.expect(404);
    alice.commit("models/alice/m", "main", &[("a", b"1")]).await.expect(200);
    for tag in ["v1", "v2"] {
        let info = alice.get(&format!("{REPO}/revision/{tag}")).await.expect(200).json();
        assert_eq!(info["sha"], before, "{tag}");
    }
    let refs = alice.get(&format!("{REPO}/refs?include_prs=1")).await.expect(200).json();
    assert_eq!(names(&refs["tags"]), ["v1", "v2"]);
    assert_eq!(refs["tags"][0]["targetCommit"], before, "an annotated tag leads to its commit");
    assert_eq!(refs["pullRequests"], json!([]));
    alice.delete(&format!("{REPO}/branch/v1"), &json!({})).await.expect(404);
    alice.delete(&format!("{REPO}/tag/v1"), &json!({})).await.expect(200);
    alice.delete(&format!("{REPO}/tag/v1"), &json!({})).await.expect(404);
}

#[tokio::test]
async fn a_commit_id_opens_only_the_repository_that_has_it() {
    let node = node_with_repo().await;
    let (alice, bob) = (node.client("alice"), node.client("bob"));
    alice.repo_create("model", "alice/private", "private").await;
    let made = alice.commit("models/alice/private", "main", &[("secret.txt", b"s")]).await.expect(200).json();
    let sha = made["commitOid"].as_str().unwrap();
    bob.repo_create("model", "bob/m", "public").await;
    for revision in [sha, &sha[..8]] {
        alice.get(&format!("/alice/private/resolve/{revision}/secret.txt")).await.expect(200);
        let foreign = bob.get(&format!("/bob/m/resolve/{revision}/secret.txt")).await.expect(404);
        assert_eq!(foreign.header("x-error-code"), "RevisionNotFound");
        bob.get(&format!("/api/models/bob/m/tree/{revision}")).await.expect(404);
        let start = json!({ "startingPoint": revision });
        bob.post("/api/models/bob/m/branch/steal", &start).await.expect(404);
    }
    let hidden = bob.get(&format!("/alice/private/resolve/{sha}/secret.txt")).await.expect(404);
    assert_eq!(hidden.header("x-error-code"), "RepoNotFound");
    node.anonymous().get(&format!("/alice/private/resolve/{sha}/secret.txt")).await.expect(401);
}
