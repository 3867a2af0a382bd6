//! Commits of the hub are read by git itself: same ids, and `git fsck` finds nothing.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use karez_testkit::TestNode;
use serde_json::json;

/// Runs git in a bare repository and returns what it prints.
fn git(folder: &Path, args: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("git")
        .arg("--git-dir")
        .arg(folder)
        .args(args)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git is installed");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {stderr}");
    assert!(!stderr.contains("warning") && !stderr.contains("error"), "git {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Writes all objects of the node into a repository of git, which computes their ids again.
async fn export(node: &TestNode, folder: &Path) {
    git(folder, &["init", "-q", "--bare", folder.to_str().unwrap()], b"");
    let mut rows = node.hub.catalog().objects_scan(None, 1_000).await.unwrap();
    // Git looks into `.gitattributes` when it takes a tree.
    rows.sort_by_key(|row| row.object.kind);
    for row in rows {
        let oid = git(folder, &["hash-object", "-t", row.object.kind.as_str(), "-w", "--stdin"], &row.object.content);
        assert_eq!(oid.trim(), row.oid.to_string());
    }
    for row in node.hub.catalog().refs_scan(None, 1_000).await.unwrap() {
        git(folder, &["update-ref", row.name.as_str(), &row.target.to_string()], b"");
    }
}

#[tokio::test]
async fn what_the_hub_writes_git_reads() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    let files: [(&str, &[u8]); 6] = [
        ("README.md", b"# hello\n"),
        ("a/b/c.txt", b"deep"),
        ("a.b", b"between"),
        ("a0", b"after"),
        ("empty", b""),
        ("weights with space.gguf", &[0, 1, 2, 3]),
    ];
    alice.commit("models/alice/m", "main", &files).await.expect(200);
    let lines = vec![
        json!({ "key": "deletedFile", "value": { "path": "a/b/c.txt" } }),
        json!({ "key": "file", "value": { "path": "big.bin", "content": "AAECAwQF", "encoding": "base64" } }),
        json!({ "key": "file", "value": { "path": "a/new.txt", "content": "bmV3", "encoding": "base64" } }),
    ];
    let made = alice.commit_lines("models/alice/m", "main", lines).await.expect(200).json();
    let tag = json!({ "tag": "v1", "message": "first release" });
    alice.post("/api/models/alice/m/tag/main", &tag).await.expect(200);
    let pull = alice.commit("models/alice/m", "main?create_pr=1", &[("pr.txt", b"x")]).await.expect(200).json();
    assert_eq!(pull["pullRequestUrl"], format!("{}/alice/m/discussions/1", node.url()));

    let folder = tempfile::tempdir().unwrap();
    export(&node, folder.path()).await;
    let main = git(folder.path(), &["rev-parse", "main"], b"");
    assert_eq!(main.trim(), made["commitOid"].as_str().unwrap());
    let listed = git(folder.path(), &["ls-tree", "-r", "--name-only", "main"], b"");
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        [".gitattributes", "README.md", "a.b", "a/new.txt", "a0", "big.bin", "empty", "weights with space.gguf"]
    );
    assert!(git(folder.path(), &["show", "main:big.bin"], b"").starts_with("version https://git-lfs"));
    assert_eq!(git(folder.path(), &["rev-list", "--count", "main"], b"").trim(), "3");
    assert_eq!(git(folder.path(), &["rev-list", "--count", "refs/pr/1"], b"").trim(), "4");
    assert!(git(folder.path(), &["cat-file", "tag", "v1"], b"").contains("first release"));
    assert_eq!(git(folder.path(), &["fsck", "--strict", "--full"], b""), "");
}
