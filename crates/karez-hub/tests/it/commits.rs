//! Commits: what they change, what they refuse, and who wins.

use karez_testkit::TestNode;
use karez_types::Sha256;
use serde_json::{Value, json};
use sha2::Digest;

const REPO: &str = "models/alice/m";

async fn node_with_repo() -> TestNode {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    node
}

fn delete(path: &str) -> Value {
    json!({ "key": "deletedFile", "value": { "path": path } })
}

fn large(path: &str, sha256: &str) -> Value {
    json!({ "key": "lfsFile", "value": { "path": path, "algo": "sha256", "oid": sha256 } })
}

fn sha256(content: &[u8]) -> String {
    Sha256(sha2::Sha256::digest(content).into()).to_string()
}

async fn paths(node: &TestNode, revision: &str) -> Vec<String> {
    let answer = node.client("alice").get(&format!("/api/{REPO}/tree/{revision}?recursive=true")).await.expect(200);
    answer.json().as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn deleting_what_is_not_there_is_an_entry_not_found() {
    let node = node_with_repo().await;
    let alice = node.client("alice");
    for line in [delete("nope.txt"), json!({ "key": "deletedFolder", "value": { "path": "nope/" } }), delete("a/b/c")] {
        let answer = alice.commit_lines(REPO, "main", vec![line]).await.expect(404);
        assert_eq!(answer.header("x-error-code"), "EntryNotFound");
        assert!(answer.text().contains("A file with this name doesn't exist"));
    }
    alice.commit(REPO, "main", &[("d/e/f.txt", b"1"), ("d/g.txt", b"2"), ("h.txt", b"3")]).await.expect(200);
    let folder = json!({ "key": "deletedFolder", "value": { "path": "d/" } });
    alice.commit_lines(REPO, "main", vec![folder]).await.expect(200);
    assert_eq!(paths(&node, "main").await, [".gitattributes", "h.txt"]);
}

#[tokio::test]
async fn the_parent_decides_who_wins() {
    let node = node_with_repo().await;
    let alice = node.client("alice");
    let first = alice.commit(REPO, "main", &[("a", b"1")]).await.expect(200).json();
    alice.commit(REPO, "main", &[("b", b"2")]).await.expect(200);
    let line = |parent: &Value| {
        format!(
            "{}\n{}\n",
            json!({ "key": "header", "value": { "summary": "s", "parentCommit": parent } }),
            json!({ "key": "file", "value": { "path": "c", "content": "eA==", "encoding": "base64" } })
        )
    };
    let post = async |query: &str, body: String| {
        let path = format!("/api/{REPO}/commit/main{query}");
        alice.send(alice.request(karez_testkit::reqwest::Method::POST, &path).body(body)).await
    };
    let late = post("", line(&first["commitOid"])).await.expect(412);
    assert!(late.text().contains("The branch was updated since you opened this page"));
    let short = json!(&first["commitOid"].as_str().unwrap()[..7]);
    post("", line(&short)).await.expect(412);
    post("", line(&json!("xyz"))).await.expect(400);
    post("?create_pr=1", line(&json!("0000000"))).await.expect(404);
    let pull = post("?create_pr=1", line(&short)).await.expect(200).json();
    assert!(pull["pullRequestUrl"].as_str().unwrap().ends_with("/discussions/1"));
    assert_eq!(paths(&node, "refs%2Fpr%2F1").await, [".gitattributes", "a", "c"]);
    // More commits go to the same pull request.
    alice.commit(REPO, "refs%2Fpr%2F1", &[("d", b"4")]).await.expect(200);
    assert_eq!(paths(&node, "refs%2Fpr%2F1").await, [".gitattributes", "a", "c", "d"]);
    assert_eq!(paths(&node, "main").await, [".gitattributes", "a", "b"]);
}

#[tokio::test]
async fn pushes_at_once_all_arrive_when_nobody_names_a_parent() {
    let node = node_with_repo().await;
    let alice = node.client("alice");
    let push = |number: usize| {
        let alice = alice.clone();
        async move {
            let path = format!("f{number:02}");
            alice.commit(REPO, "main", &[(&path, path.as_bytes())]).await.expect(200);
        }
    };
    futures::future::join_all((0..20).map(push)).await;
    assert_eq!(paths(&node, "main").await.len(), 21);
    let history = alice.get(&format!("/api/{REPO}/commits/main")).await.expect(200).json();
    assert_eq!(history.as_array().unwrap().len(), 21);
}

#[tokio::test]
async fn a_commit_that_changes_nothing_makes_no_commit() {
    let node = node_with_repo().await;
    let alice = node.client("alice");
    let first = alice.commit(REPO, "main", &[("a", b"1")]).await.expect(200).json();
    let again = alice.commit(REPO, "main", &[("a", b"1")]).await.expect(200).json();
    assert_eq!(first["commitOid"], again["commitOid"]);
}

#[tokio::test]
async fn a_large_file_is_named_only_where_its_bytes_may_be_known() {
    let node = node_with_repo().await;
    let (alice, bob) = (node.client("alice"), node.client("bob"));
    let secret = b"only alice has this".as_slice();
    alice.repo_create("model", "alice/private", "private").await;
    alice.commit("models/alice/private", "main", &[("w.bin", secret)]).await.expect(200);
    bob.repo_create("model", "bob/m", "public").await;
    // Neither as an operation nor as a pointer sent as a file.
    let named = bob.commit_lines("models/bob/m", "main", vec![large("w.bin", &sha256(secret))]).await.expect(422);
    assert!(named.text().contains("upload its bytes first"), "{}", named.text());
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n", sha256(secret), secret.len());
    bob.commit("models/bob/m", "main", &[("w.bin", pointer.as_bytes())]).await.expect(422);
    // Its owner may name it anywhere, without sending bytes or size.
    let copy = alice.commit_lines(REPO, "main", vec![large("copy.gguf", &sha256(secret))]).await;
    copy.expect(200);
    assert_eq!(alice.get("/alice/m/resolve/main/copy.gguf").await.expect(200).body, secret);
    let rules = alice.get("/alice/m/resolve/main/.gitattributes").await.expect(200).text();
    assert!(rules.ends_with("\n/copy.gguf filter=lfs diff=lfs merge=lfs -text\n"), "{rules}");
    // Now that a public repository has it, everyone may.
    bob.commit_lines("models/bob/m", "main", vec![large("w.bin", &sha256(secret))]).await.expect(200);
    assert_eq!(node.anonymous().get("/bob/m/resolve/main/w.bin").await.expect(200).body, secret);
    let lying =
        json!({ "key": "lfsFile", "value": { "path": "x.bin", "algo": "sha256", "oid": sha256(secret), "size": 1 } });
    alice.commit_lines(REPO, "main", vec![lying]).await.expect(422);
}

#[tokio::test]
async fn paths_that_escape_are_refused_and_nothing_changes() {
    let node = node_with_repo().await;
    let alice = node.client("alice");
    let too_deep = "a/".repeat(200) + "b";
    for path in ["../x", "/x", "a\\..\\b", "a\0b", ".git/config", "a//b", "x\u{202E}y", &too_deep] {
        alice.commit(REPO, "main", &[(path, b"x")]).await.expect(422);
    }
    alice.commit(REPO, "main", &[("f", b"1"), ("f/g", b"2")]).await.expect(422);
    alice.commit(REPO, "main", &[("d/g", b"2"), ("d", b"1")]).await.expect(422);
    for (revision, status) in
        [("nope", 404), ("refs%2Ftags%2Fv1", 400), ("0000000000000000000000000000000000000000", 400)]
    {
        alice.commit(REPO, revision, &[("x", b"1")]).await.expect(status);
    }
    assert_eq!(paths(&node, "main").await, [".gitattributes"]);
}

#[tokio::test]
async fn strangers_do_not_push() {
    let node = node_with_repo().await;
    node.client("bob").commit(REPO, "main", &[("x", b"1")]).await.expect(403);
    node.client("bob").commit(REPO, "main?create_pr=1", &[("x", b"1")]).await.expect(403);
    node.reader("alice").commit(REPO, "main", &[("x", b"1")]).await.expect(403);
    node.anonymous().commit(REPO, "main", &[("x", b"1")]).await.expect(401);
    node.client("alice").repo_create("model", "alice/p", "private").await;
    node.client("bob").commit("models/alice/p", "main", &[("x", b"1")]).await.expect(404);
}

#[tokio::test]
async fn the_card_becomes_tags_when_the_readme_changes() {
    let node = node_with_repo().await;
    let alice = node.client("alice");
    let card = b"---\nlicense: mit\npipeline_tag: text-generation\nlibrary_name: transformers\n---\n# x\n";
    alice.commit(REPO, "main", &[("README.md", card), ("w.safetensors", b"x")]).await.expect(200);
    let info = alice.get(&format!("/api/{REPO}")).await.expect(200).json();
    let tags: Vec<&str> = info["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(tags.contains(&"license:mit") && tags.contains(&"safetensors"), "{tags:?}");
    assert_eq!(info["pipeline_tag"], "text-generation");
    alice.commit_lines(REPO, "main", vec![delete("README.md")]).await.expect(200);
    let info = alice.get(&format!("/api/{REPO}")).await.expect(200).json();
    assert_eq!(info["pipeline_tag"], Value::Null);
}

#[tokio::test]
async fn squashing_leaves_one_commit_with_the_same_files() {
    let node = node_with_repo().await;
    let alice = node.client("alice");
    alice.commit(REPO, "main", &[("a", b"1")]).await.expect(200);
    let before = alice.get(&format!("/api/{REPO}/tree/main")).await.expect(200).json();
    alice.post(&format!("/api/{REPO}/super-squash/main"), &json!({ "message": "one" })).await.expect(200);
    let history = alice.get(&format!("/api/{REPO}/commits/main?expand[]=formatted")).await.expect(200).json();
    assert_eq!(history.as_array().unwrap().len(), 1);
    assert_eq!((&history[0]["title"], &history[0]["formatted"]["title"]), (&json!("one"), &json!("one")));
    assert_eq!(history[0]["authors"][0]["user"], "alice");
    assert_eq!(alice.get(&format!("/api/{REPO}/tree/main")).await.expect(200).json(), before);
    alice.post(&format!("/api/{REPO}/super-squash/nope"), &json!({})).await.expect(404);
}
