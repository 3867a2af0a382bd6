//! The git program against a node.

use std::path::Path;
use std::process::Command;

use karez_testkit::TestNode;
use karez_types::{Limits, TokenRole};
use serde_json::json;
use tempfile::TempDir;

/// What git did.
#[derive(Debug)]
pub struct Outcome {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Runs git outside of the runtime, without any configuration of the machine.
pub async fn try_git(folder: &Path, protocol: u32, args: &[&str]) -> Outcome {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            &format!("protocol.version={protocol}"),
            "-c",
            "init.defaultBranch=main",
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
        ])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0");
    let output = tokio::task::spawn_blocking(move || command.output().expect("git is installed")).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Outcome { ok: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub async fn git(folder: &Path, protocol: u32, args: &[&str]) -> String {
    let outcome = try_git(folder, protocol, args).await;
    assert!(outcome.ok, "git {args:?}, version {protocol}: {}", outcome.stderr);
    outcome.stdout.trim().to_owned()
}

/// A node with `alice/m`: three commits, two branches, an annotated and a plain tag.
async fn node_with_history() -> TestNode {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    for (path, text) in [("a.txt", "one"), ("d/b.txt", "two"), ("d/e/c.txt", "three")] {
        alice.commit("models/alice/m", "main", &[(path, text.as_bytes())]).await.expect(200);
    }
    alice.post("/api/models/alice/m/tag/main", &json!({ "tag": "v1", "message": "first" })).await.expect(200);
    alice.post("/api/models/alice/m/tag/main", &json!({ "tag": "plain" })).await.expect(200);
    alice.post("/api/models/alice/m/branch/side", &json!({})).await.expect(200);
    alice.commit("models/alice/m", "side", &[("side.txt", b"side")]).await.expect(200);
    node
}

async fn head_of(node: &TestNode, revision: &str) -> String {
    let info = node.anonymous().get(&format!("/api/models/alice/m/revision/{revision}")).await.expect(200);
    info.json()["sha"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_whole_and_sound() {
    let node = node_with_history().await;
    for (protocol, suffix) in [(2, ""), (2, ".git"), (0, ""), (1, ".git")] {
        let folder = TempDir::new().unwrap();
        git(folder.path(), protocol, &["clone", &format!("{}/alice/m{suffix}", node.url()), "c"]).await;
        let clone = folder.path().join("c");
        assert_eq!(git(&clone, protocol, &["fsck", "--strict", "--full"]).await, "");
        assert_eq!(git(&clone, protocol, &["rev-parse", "HEAD"]).await, head_of(&node, "main").await);
        assert_eq!(git(&clone, protocol, &["rev-parse", "origin/side"]).await, head_of(&node, "side").await);
        assert_eq!(git(&clone, protocol, &["rev-parse", "v1^{commit}"]).await, head_of(&node, "main").await);
        assert_eq!(git(&clone, protocol, &["cat-file", "-t", "v1"]).await, "tag");
        assert_eq!(git(&clone, protocol, &["rev-list", "--count", "HEAD"]).await, "4");
        assert_eq!(std::fs::read(clone.join("d/e/c.txt")).unwrap(), b"three");
        assert_eq!(git(&clone, protocol, &["status", "--porcelain"]).await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_brings_only_what_is_new() {
    let node = node_with_history().await;
    for protocol in [2, 0] {
        let folder = TempDir::new().unwrap();
        git(folder.path(), protocol, &["clone", &format!("{}/alice/m", node.url()), "c"]).await;
        let clone = folder.path().join("c");
        // Commits that the node does not know make the request long enough to be compressed.
        for number in 0..60 {
            git(&clone, protocol, &["commit", "--quiet", "--allow-empty", "-m", &format!("own {number}")]).await;
        }
        let name = format!("new-{protocol}.txt");
        node.client("alice").commit("models/alice/m", "main", &[(&name, name.as_bytes())]).await.expect(200);
        git(&clone, protocol, &["-c", "fetch.unpackLimit=1", "fetch"]).await;
        assert_eq!(git(&clone, protocol, &["rev-parse", "origin/main"]).await, head_of(&node, "main").await);
        assert_eq!(git(&clone, protocol, &["fsck", "--strict", "--full"]).await, "");
        let packs = std::fs::read_dir(clone.join(".git/objects/pack")).unwrap();
        let mut counts = Vec::new();
        for pack in
            packs.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "idx"))
        {
            let listed = git(&clone, protocol, &["verify-pack", "-v", pack.to_str().unwrap()]).await;
            counts.push(listed.lines().filter(|line| line.len() > 40 && line.as_bytes()[40] == b' ').count());
        }
        counts.sort_unstable();
        // A commit, its root folder, a file.
        assert_eq!(counts[0], 3, "{counts:?}");
        // Nothing new: nothing is asked.
        git(&clone, protocol, &["fetch"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_are_cut_and_deepened() {
    let node = node_with_history().await;
    for protocol in [2, 0] {
        let folder = TempDir::new().unwrap();
        let url = format!("{}/alice/m", node.url());
        git(folder.path(), protocol, &["clone", "--depth", "1", &url, "c"]).await;
        let clone = folder.path().join("c");
        let count = async || git(&clone, protocol, &["rev-list", "--count", "origin/main"]).await;
        assert_eq!(count().await, "1");
        assert_eq!(git(&clone, protocol, &["fsck", "--strict", "--full"]).await, "");
        assert_eq!(std::fs::read(clone.join("a.txt")).unwrap(), b"one");
        // A new commit on top of a cut history.
        let before =
            node.client("alice").commit("models/alice/m", "main", &[("n.txt", format!("{protocol}").as_bytes())]).await;
        before.expect(200);
        git(&clone, protocol, &["fetch"]).await;
        assert_eq!(count().await, "2");
        git(&clone, protocol, &["fetch", "--deepen", "1"]).await;
        assert_eq!(count().await, "3");
        git(&clone, protocol, &["fetch", "--depth", "1"]).await;
        assert_eq!(count().await, "1");
        git(&clone, protocol, &["fetch", "--depth", "2"]).await;
        assert_eq!(count().await, "2");
        git(&clone, protocol, &["fetch", "--unshallow"]).await;
        assert_eq!(count().await, if protocol == 2 { "5" } else { "6" });
        assert_eq!(git(&clone, protocol, &["fsck", "--strict", "--full"]).await, "");
        let outcome = try_git(&clone, protocol, &["fetch", "--shallow-since=2020-01-01"]).await;
        assert!(!outcome.ok, "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_commit_may_be_fetched_by_its_id() {
    let node = node_with_history().await;
    let folder = TempDir::new().unwrap();
    git(folder.path(), 2, &["init", "--quiet", "c"]).await;
    let clone = folder.path().join("c");
    let url = format!("{}/alice/m", node.url());
    let list = node.anonymous().get("/api/models/alice/m/commits/main").await.expect(200).json();
    let old = list[1]["id"].as_str().unwrap();
    git(&clone, 2, &["fetch", "--depth", "1", &url, old]).await;
    assert_eq!(git(&clone, 2, &["rev-parse", "FETCH_HEAD"]).await, old);
    let unknown = "0123456789012345678901234567890123456789";
    let outcome = try_git(&clone, 2, &["fetch", &url, unknown]).await;
    assert!(!outcome.ok && outcome.stderr.contains("not our ref"), "{}", outcome.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn private_repositories_ask_who_is_there() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("dataset", "alice/p", "private").await;
    alice.commit("datasets/alice/p", "main", &[("a.txt", b"x")]).await.expect(200);
    let folder = TempDir::new().unwrap();
    let plain = format!("{}/datasets/alice/p", node.url());
    let with = |token: &str| plain.replacen("http://", &format!("http://user:{token}@"), 1);
    git(folder.path(), 2, &["clone", &with(node.token("alice", TokenRole::Read)), "mine"]).await;
    assert!(folder.path().join("mine/a.txt").exists());
    for url in [plain.clone(), with(node.token("bob", TokenRole::Write)), with("hf_wrong")] {
        let outcome = try_git(folder.path(), 2, &["clone", &url, "theirs"]).await;
        assert!(!outcome.ok && !folder.path().join("theirs").exists(), "{url}");
    }
    let anonymous = node.anonymous().get("/datasets/alice/p/info/refs?service=git-upload-pack").await.expect(401);
    assert!(anonymous.header("www-authenticate").starts_with("Basic"));
    // An object of a private repository is not to be had through a public one.
    alice.repo_create("model", "alice/open", "public").await;
    let sha = git(&folder.path().join("mine"), 2, &["rev-parse", "HEAD"]).await;
    let want = format!("0011command=fetch0001{:04x}want {sha}\n0009done\n0000", 4 + 5 + 40 + 1);
    let request = node.anonymous().request(karez_testkit::reqwest::Method::POST, "/alice/open/git-upload-pack");
    let answer = node.anonymous().send(request.header("git-protocol", "version=2").body(want)).await.expect(200);
    assert!(answer.text().contains("ERR upload-pack: not our ref"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_refused_with_words() {
    let node = node_with_history().await;
    let folder = TempDir::new().unwrap();
    let url = format!("{}/alice/m", node.url()).replacen(
        "http://",
        &format!("http://u:{}@", node.token("alice", TokenRole::Write)),
        1,
    );
    git(folder.path(), 2, &["clone", &url, "c"]).await;
    let clone = folder.path().join("c");
    git(&clone, 2, &["commit", "--quiet", "--allow-empty", "-m", "x"]).await;
    let outcome = try_git(&clone, 2, &["push"]).await;
    assert!(!outcome.ok && outcome.stderr.contains("hf upload"), "{}", outcome.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_words_and_limits_hold() {
    let limits = Limits { git_request_bytes_max: 4096, git_pack_objects_max: 5, ..Limits::default() };
    let node = TestNode::start_with(karez_testkit::NodeOptions { limits, ..Default::default() }).await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    for number in 0..3 {
        alice.commit("models/alice/m", "main", &[(&format!("{number}.txt"), b"x")]).await.expect(200);
    }
    let anonymous = node.anonymous();
    let post = async |body: Vec<u8>, encoding: Option<&str>| {
        let mut request = anonymous.request(karez_testkit::reqwest::Method::POST, "/alice/m/git-upload-pack");
        request = request.header("git-protocol", "version=2").body(body);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        anonymous.send(request).await
    };
    assert_eq!(post(b"0000".to_vec(), None).await.expect(200).text(), "");
    for body in [&b"zzzz"[..], b"0011command=push0001", b"0010command=fetch", b"ffff", b"\xff\xff"] {
        assert!(post(body.to_vec(), None).await.expect(200).text().contains("ERR "), "{body:?}");
    }
    post(vec![b'0'; 5000], None).await.expect(413);
    post(b"nonsense".to_vec(), Some("gzip")).await.expect(400);
    post(b"nonsense".to_vec(), Some("br")).await.expect(400);
    // Four megabytes of zeros.
    post(zeros_in_gzip(), Some("gzip")).await.expect(413);
    let folder = TempDir::new().unwrap();
    let outcome = try_git(folder.path(), 2, &["clone", &format!("{}/alice/m", node.url()), "c"]).await;
    assert!(!outcome.ok && outcome.stderr.contains("--depth 1"), "{}", outcome.stderr);
    for (path, status) in [
        ("/alice/m/info/refs", 403),
        ("/alice/m/info/refs?service=git-receive-pack", 403),
        ("/alice/none/info/refs?service=git-upload-pack", 401),
    ] {
        anonymous.get(path).await.expect(status);
    }
    node.client("bob").get("/alice/none/info/refs?service=git-upload-pack").await.expect(404);
}

/// Four megabytes of zeros, packed.
fn zeros_in_gzip() -> Vec<u8> {
    let output = Command::new("sh").args(["-c", "head -c 4000000 /dev/zero | gzip -9"]).output().unwrap();
    assert!(output.status.success() && output.stdout.len() <= 4096);
    output.stdout
}
