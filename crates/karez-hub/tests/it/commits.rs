//! Commits: what they change, what they refuse, and who wins.

use std::collections::BTreeMap;

use karez_formats::git::{GitKind, object_id};
use karez_testkit::reqwest::Method;
use karez_testkit::{NodeOptions, TestNode};
use karez_types::{Limits, SeededEntropy, Sha256};
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
        alice.send(alice.request(Method::POST, &path).body(body)).await
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
async fn strangers_propose_but_do_not_push() {
    let node = node_with_repo().await;
    let bob = node.client("bob");
    bob.commit(REPO, "main", &[("x", b"1")]).await.expect(403);
    node.reader("bob").commit(REPO, "main?create_pr=1", &[("x", b"1")]).await.expect(403);
    node.reader("alice").commit(REPO, "main", &[("x", b"1")]).await.expect(403);
    node.anonymous().commit(REPO, "main", &[("x", b"1")]).await.expect(401);
    bob.commit(REPO, "main?create_pr=1", &[("x", b"1"), ("w.bin", b"2")]).await.expect(200);
    bob.commit(REPO, "refs%2Fpr%2F1", &[("y", b"1")]).await.expect(200);
    assert_eq!(paths(&node, "refs%2Fpr%2F1").await, [".gitattributes", "w.bin", "x", "y"]);
    node.client("erin").commit(REPO, "refs%2Fpr%2F1", &[("z", b"1")]).await.expect(403);
    assert_eq!(paths(&node, "main").await, [".gitattributes"]);
    node.client("alice").repo_create("model", "alice/p", "private").await;
    bob.commit("models/alice/p", "main", &[("x", b"1")]).await.expect(404);
    bob.commit("models/alice/p", "main?create_pr=1", &[("x", b"1")]).await.expect(404);
}

#[tokio::test]
async fn malformed_bodies_say_what_to_change_and_change_nothing() {
    let limits = Limits {
        commit_body_bytes_max: 4_000,
        commit_operations_max: 3,
        commit_inline_file_bytes_max: 1_000,
        ..Limits::default()
    };
    let node = TestNode::start_with(NodeOptions { limits, ..NodeOptions::default() }).await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    let header = r#"{"key":"header","value":{"summary":"s"}}"#;
    let file = r#"{"key":"file","value":{"path":"a","content":"eA==","encoding":"base64"}}"#;
    let bodies = [
        (400, String::new(), "header"),
        (400, file.to_owned(), "header"),
        (400, format!("{header}\n{header}"), "one `header`"),
        (400, format!("{header}\nnot json"), "line 2"),
        (400, format!("{header}\n{}", file.replace("eA==", "%")), "base64"),
        (400, format!("{header}\n{}", file.replace("file", "fil")), "`fil` is unknown"),
        (400, format!("{header}\n{}", file.replace("path", "pat")), "`path`"),
        (413, format!("{header}\n{}", [file; 4].join("\n")), "commit_operations_max"),
        (413, format!("{header}\n{}", file.replace("eA==", &"eHh4".repeat(400))), "commit_inline_file_bytes_max"),
        (413, format!("{header}\n{}", " ".repeat(4_000)), "commit_body_bytes_max"),
    ];
    for (status, body, words) in bodies {
        let request = alice.request(Method::POST, &format!("/api/{REPO}/commit/main")).body(body.clone());
        let answer = alice.send(request).await.expect(status);
        assert!(answer.text().contains(words), "{body}: {}", answer.text());
    }
    assert_eq!(paths(&node, "main").await, [".gitattributes"]);
}

/// What a repository holds after random changes is what a plain map holds after the same changes.
#[tokio::test]
async fn random_changes_leave_what_a_map_would_hold() {
    let node = node_with_repo().await;
    let alice = node.client("alice");
    let random = SeededEntropy::new(20);
    let pick = |count: u64| random.next_u64() % count;
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..60 {
        let depth = 1 + pick(3);
        let path = (0..depth).map(|_| ["a", "b", "a.b", "a0"][pick(4) as usize]).collect::<Vec<_>>().join("/");
        let is_folder = expected.keys().any(|file| file.starts_with(&format!("{path}/")));
        let is_below_file = expected.keys().any(|file| path.starts_with(&format!("{file}/")));
        let (line, status) = match pick(4) {
            0 => (delete(&path), if expected.remove(&path).is_some() { 200 } else { 404 }),
            1 => {
                expected.retain(|file, _| !file.starts_with(&format!("{path}/")));
                let line = json!({ "key": "deletedFolder", "value": { "path": path } });
                (line, if is_folder { 200 } else { 404 })
            }
            _ => {
                let content = pick(3).to_string();
                let value = json!({ "path": path, "content": content, "encoding": "utf-8" });
                let fits = !is_folder && !is_below_file;
                if fits {
                    expected.insert(path.clone(), content);
                }
                (json!({ "key": "file", "value": value }), if fits { 200 } else { 422 })
            }
        };
        alice.commit_lines(REPO, "main", vec![line]).await.expect(status);
    }
    let items = alice.get(&format!("/api/{REPO}/tree/main?recursive=true")).await.expect(200).json();
    let files = items.as_array().unwrap().iter().filter(|item| item["type"] == "file");
    let found: BTreeMap<String, String> = files
        .map(|file| (file["path"].as_str().unwrap().to_owned(), file["oid"].as_str().unwrap().to_owned()))
        .collect();
    let blob = |content: &String| object_id(GitKind::Blob, content.as_bytes()).to_string();
    let mut expected: BTreeMap<String, String> =
        expected.iter().map(|(path, content)| (path.clone(), blob(content))).collect();
    expected.insert(".gitattributes".to_owned(), found[".gitattributes"].clone());
    assert_eq!(found, expected);
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

#[tokio::test]
async fn a_commit_says_what_it_changed() {
    use karez_hub::{Actor, ChangesWanted};
    let node = node_with_repo().await;
    let alice = node.client("alice");
    alice.commit(REPO, "main", &[("a/b/c.txt", b"one"), ("a/gone.txt", b"x"), ("same.txt", b"s")]).await.expect(200);
    let put = |path: &str, content: &str| {
        use base64::Engine as _;
        let content = base64::engine::general_purpose::STANDARD.encode(content);
        json!({ "key": "file", "value": { "path": path, "content": content, "encoding": "base64" } })
    };
    let lines = vec![put("a/b/c.txt", "two"), put("new.txt", "n"), delete("a/gone.txt")];
    alice.commit_lines(REPO, "main", lines).await.expect(200);
    let address = karez_types::RepoAddress::parse(karez_types::RepoKind::Model, "alice/m").unwrap();
    let ask = async |changes_max, content_bytes_max| {
        let wanted = ChangesWanted { skipped: 0, changes_max, contents_max: 10, content_bytes_max };
        node.hub.commit_changes(&Actor::Anonymous, &address, &karez_types::Revision::main(), wanted).await.unwrap()
    };
    let all = ask(10, 100).await;
    let found: Vec<_> = all
        .changes
        .iter()
        .map(|change| {
            let content = |side: &Option<karez_hub::ChangeSide>| {
                side.as_ref()
                    .and_then(|side| side.content.clone())
                    .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
            };
            (change.path.as_str(), content(&change.before), content(&change.after))
        })
        .collect();
    let text = |text: &str| Some(text.to_owned());
    let expected =
        [("new.txt", None, text("n")), ("a/gone.txt", text("x"), None), ("a/b/c.txt", text("one"), text("two"))];
    assert_eq!(found, expected);
    assert!(!all.has_more && all.commit.title == "a test commits");
    let few = ask(2, 0).await;
    assert!(few.has_more && few.changes.len() == 2 && few.changes[0].after.as_ref().unwrap().content.is_none());
}
