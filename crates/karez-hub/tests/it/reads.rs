//! What clients read: files, trees, advice before uploads.

use base64::Engine as _;
use karez_testkit::reqwest::Method;
use karez_testkit::{Answer, NodeOptions, TestClient, TestNode};
use karez_types::Limits;
use serde_json::{Value, json};

const REPO: &str = "models/alice/m";

async fn node_with(limits: Limits) -> TestNode {
    let node = TestNode::start_with(NodeOptions { limits, ..NodeOptions::default() }).await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    node
}

async fn get_with(client: &TestClient, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request =
        headers.iter().fold(client.request(method, path), |request, (name, value)| request.header(*name, *value));
    client.send(request).await
}

#[tokio::test]
async fn head_says_all_that_a_download_needs() {
    let node = node_with(Limits::default()).await;
    let alice = node.client("alice");
    let weights: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    let files: [(&str, &[u8]); 2] = [("config.json", b"{\"a\": 1}\n"), ("model.safetensors", &weights)];
    let made = alice.commit(REPO, "main", &files).await.expect(200).json();
    let commit = made["commitOid"].as_str().unwrap();
    for path in ["/alice/m/resolve/main/config.json", "/api/models/alice/m/resolve/main/config.json"] {
        let small = node.anonymous().head(path).await.expect(200);
        assert_eq!(small.header("x-repo-commit"), commit);
        assert_eq!(small.header("etag"), format!("\"{}\"", blob_id(b"{\"a\": 1}\n")));
        assert_eq!((small.header("content-length"), small.header("accept-ranges")), ("9", "bytes"));
        assert_eq!(small.header("x-xet-hash"), "");
        assert_eq!(small.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(small.header("x-content-type-options"), "nosniff");
    }
    let large = node.anonymous().head("/alice/m/resolve/main/model.safetensors").await.expect(200);
    assert_eq!((large.header("content-length"), large.header("x-linked-size")), ("400000", "400000"));
    assert_eq!(large.header("etag"), large.header("x-linked-etag"));
    assert_eq!(large.header("etag").len(), 66);
    assert_eq!(large.header("x-xet-hash").len(), 64);
    let link = format!("<{}/api/models/alice/m/xet-read-token/{commit}>; rel=\"xet-auth\"", node.url());
    assert_eq!(large.header("link"), link);
    assert_eq!(alice.get("/alice/m/resolve/main/model.safetensors").await.expect(200).body, weights);
    let missing = node.anonymous().head("/alice/m/resolve/main/nope.json").await.expect(404);
    assert_eq!((missing.header("x-error-code"), missing.header("x-repo-commit")), ("EntryNotFound", commit));
    node.anonymous().head("/alice/m/resolve/main/..%2Fx").await.expect(422);
}

fn blob_id(content: &[u8]) -> String {
    karez_formats::git::object_id(karez_formats::git::GitKind::Blob, content).to_string()
}

#[tokio::test]
async fn any_single_range_is_served() {
    let node = node_with(Limits::default()).await;
    let alice = node.client("alice");
    let content: Vec<u8> = (0..300_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    alice.commit(REPO, "main", &[("large.bin", &content), ("small.txt", &content[..1000])]).await.expect(200);
    for (path, total) in [("/alice/m/resolve/main/large.bin", content.len()), ("/alice/m/resolve/main/small.txt", 1000)]
    {
        let whole = &content[..total];
        for (range, start, end) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=10-19".to_owned(), 10, 20),
            ("bytes=-7".to_owned(), total - 7, total),
            (format!("bytes={}-", total - 3), total - 3, total),
            (format!("bytes=500-{}", total * 2), 500, total),
        ] {
            let answer = get_with(&alice, Method::GET, path, &[("range", &range)]).await.expect(206);
            assert_eq!(answer.body, &whole[start..end], "{path} {range}");
            assert_eq!(answer.header("content-range"), format!("bytes {start}-{}/{total}", end - 1));
        }
        let beyond = get_with(&alice, Method::GET, path, &[("range", &format!("bytes={total}-"))]).await.expect(416);
        assert_eq!(beyond.header("content-range"), format!("bytes */{total}"));
        let etag = alice.head(path).await.header("etag").to_owned();
        let same = get_with(&alice, Method::GET, path, &[("if-none-match", &etag)]).await.expect(304);
        assert_eq!((same.body.len(), same.header("etag")), (0, etag.as_str()));
        get_with(&alice, Method::GET, path, &[("if-range", &etag), ("range", "bytes=1-2")]).await.expect(206);
        get_with(&alice, Method::GET, path, &[("if-range", "\"other\""), ("range", "bytes=1-2")]).await.expect(200);
        // A range on HEAD changes nothing: clients ask for the length.
        let head = get_with(&alice, Method::HEAD, path, &[("range", "bytes=1-2")]).await.expect(200);
        assert_eq!(head.header("content-length"), total.to_string());
    }
}

async fn tree(client: &TestClient, path: &str) -> (Vec<Value>, Option<String>) {
    let answer = client.get(path).await.expect(200);
    let items = answer.json().as_array().unwrap().clone();
    (items, answer.next_page())
}

fn paths(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn trees_are_listed_flat_deep_and_by_page() {
    let node = node_with(Limits { tree_page_entries: 4, ..Limits::default() }).await;
    let alice = node.client("alice");
    let files: [(&str, &[u8]); 6] =
        [("a/b/c.txt", b"1"), ("a/d.txt", b"22"), ("a.txt", b"3"), ("e.bin", b"large"), ("z/y.txt", b"4"), ("f", b"")];
    alice.commit(REPO, "main", &files).await.expect(200);
    let (all, next) = tree(&alice, &format!("/api/{REPO}/tree/main?recursive=true")).await;
    assert_eq!(paths(&all), [".gitattributes", "a.txt", "a", "a/b"]);
    let next = next.unwrap();
    assert!(next.starts_with(node.url()), "{next}");
    let (more, next) = tree(&alice, &next).await;
    assert_eq!(paths(&more), ["a/b/c.txt", "a/d.txt", "e.bin", "f"]);
    let (last, next) = tree(&alice, &next.unwrap()).await;
    assert_eq!((paths(&last), next), (vec!["z", "z/y.txt"], None));
    let large = &more[2];
    assert_eq!((&large["type"], &large["size"], &large["lfs"]["size"]), (&json!("file"), &json!(5), &json!(5)));
    assert_eq!(large["lfs"]["oid"].as_str().unwrap().len(), 64);
    assert_eq!(large["xetHash"].as_str().unwrap().len(), 64);
    assert_eq!(all[2]["type"], "directory");
    for folder in ["a%2Fb", "a/b"] {
        let (inner, _) = tree(&alice, &format!("/api/{REPO}/tree/main/{folder}")).await;
        assert_eq!(paths(&inner), ["a/b/c.txt"]);
    }
    for missing in ["nope", "a.txt", "a/nope"] {
        let answer = alice.get(&format!("/api/{REPO}/tree/main/{missing}")).await.expect(404);
        assert_eq!(answer.header("x-error-code"), "EntryNotFound", "{missing}");
    }
    alice.get(&format!("/api/{REPO}/tree/main?cursor=not%2Fhere")).await.expect(400);
    let unknown = alice.get(&format!("/api/{REPO}/tree/nope")).await.expect(404);
    assert_eq!(unknown.header("x-error-code"), "RevisionNotFound");
}

#[tokio::test]
async fn expanded_items_name_their_last_commit() {
    let node = node_with(Limits::default()).await;
    let alice = node.client("alice");
    let mut commits = Vec::new();
    for (path, content) in [("a/x", "1"), ("a/y", "1"), ("b", "1"), ("a/x", "2")] {
        node.advance_secs(60);
        let made = alice.commit(REPO, "main", &[(path, content.as_bytes())]).await.expect(200).json();
        commits.push(made["commitOid"].clone());
    }
    let (items, _) = tree(&alice, &format!("/api/{REPO}/tree/main?recursive=1&expand=1")).await;
    let last = |path: &str| {
        let item = items.iter().find(|item| item["path"] == path).unwrap();
        item["lastCommit"]["id"].clone()
    };
    assert_eq!(last("a"), commits[3]);
    assert_eq!(last("a/x"), commits[3]);
    assert_eq!(last("a/y"), commits[1]);
    assert_eq!(last("b"), commits[2]);
    assert!(items.iter().all(|item| item["lastCommit"]["date"].as_str().unwrap().ends_with("Z")));
    // A page has at most as many as asked for.
    let (page, next) = tree(&alice, &format!("/api/{REPO}/tree/main?recursive=1&expand=1&limit=2")).await;
    assert_eq!((page.len(), next.is_some()), (2, true));
}

#[tokio::test]
async fn paths_are_described_from_forms_and_json() {
    let node = node_with(Limits::default()).await;
    let alice = node.client("alice");
    alice.commit(REPO, "main", &[("a/x.txt", b"1"), ("b.txt", b"2")]).await.expect(200);
    let route = format!("/api/{REPO}/paths-info/main");
    let form = alice.request(Method::POST, &route).body("paths=a%2Fx.txt&paths=a&paths=nope&paths=..%2Fb&expand=True");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let items = alice.send(form).await.expect(200).json();
    assert_eq!(paths(items.as_array().unwrap()), ["a/x.txt", "a"]);
    assert!(items[0]["lastCommit"]["id"].is_string());
    let items = alice.post(&route, &json!({ "paths": ["b.txt"], "expand": false })).await.expect(200).json();
    assert_eq!(paths(items.as_array().unwrap()), ["b.txt"]);
    assert_eq!(items[0]["oid"], blob_id(b"2"));
}

#[tokio::test]
async fn advice_before_an_upload() {
    let node = node_with(Limits::default()).await;
    let alice = node.client("alice");
    alice
        .commit(REPO, "main", &[(".gitignore", b"*.log\n"), ("here.txt", b"same"), ("w.bin", b"large")])
        .await
        .expect(200);
    let sample = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let files = json!([
        { "path": "here.txt", "size": 4, "sample": sample(b"same") },
        { "path": "w.bin", "size": 5, "sample": sample(b"large") },
        { "path": "new.safetensors", "size": 10, "sample": "" },
        { "path": "empty.bin", "size": 0, "sample": "" },
        { "path": "huge.txt", "size": 100_000_000, "sample": sample(b"text") },
        { "path": "picture.xyz", "size": 10, "sample": sample(b"a\0b") },
        { "path": "debug.log", "size": 3, "sample": sample(b"log") },
    ]);
    let route = format!("/api/{REPO}/preupload/main");
    let answer = alice.post(&route, &json!({ "files": files })).await.expect(200).json();
    let modes: Vec<&str> =
        answer["files"].as_array().unwrap().iter().map(|file| file["uploadMode"].as_str().unwrap()).collect();
    assert_eq!(modes, ["regular", "lfs", "lfs", "regular", "lfs", "lfs", "regular"]);
    assert_eq!(answer["files"][0]["oid"], blob_id(b"same"));
    assert_eq!(answer["files"][1]["oid"].as_str().unwrap().len(), 64);
    assert_eq!(answer["files"][2].get("oid"), None);
    let ignored = |answer: &Value| -> Vec<bool> {
        answer["files"].as_array().unwrap().iter().map(|file| file["shouldIgnore"].as_bool().unwrap()).collect()
    };
    assert_eq!(ignored(&answer), [false, false, false, false, false, false, true]);
    let answer = alice.post(&route, &json!({ "files": files, "gitIgnore": "*.txt" })).await.expect(200).json();
    assert_eq!(ignored(&answer), [true, false, false, false, true, false, false]);
    alice.post(&route, &json!({ "files": [{ "path": "../x", "size": 1 }] })).await.expect(422);
    node.client("bob").post(&route, &json!({ "files": [] })).await.expect(403);
    // Rules changed by a commit hold from then on.
    alice.commit(REPO, "main", &[(".gitattributes", b"*.txt filter=lfs\n")]).await.expect(200);
    let one = json!({ "files": [{ "path": "a.txt", "size": 3, "sample": "YWJj" }] });
    assert_eq!(alice.post(&route, &one).await.expect(200).json()["files"][0]["uploadMode"], "lfs");
}

#[tokio::test]
async fn files_are_copied_to_other_owners_without_bytes() {
    let node = node_with(Limits::default()).await;
    let (alice, carol) = (node.client("alice"), node.client("carol"));
    alice.repo_create("dataset", "acme/private", "private").await;
    alice.commit("datasets/acme/private", "main", &[("d.bin", b"data of acme")]).await.expect(200);
    let (items, _) = tree(&alice, "/api/datasets/acme/private/tree/main").await;
    let source = items.iter().find(|item| item["path"] == "d.bin").unwrap();
    let (sha256, hash) = (source["lfs"]["oid"].clone(), source["xetHash"].clone());
    carol.repo_create("model", "carol/m", "private").await;
    let line = json!({ "key": "lfsFile", "value": { "path": "d.bin", "algo": "sha256", "oid": sha256 } });
    carol.commit_lines("models/carol/m", "main", vec![line.clone()]).await.expect(422);
    let unknown = "0".repeat(64);
    let body = json!({
        "target": { "type": "model", "name": "carol/m" },
        "files": [
            { "xetHash": hash, "sha256": sha256, "filename": "d.bin" },
            { "xetHash": hash, "sha256": unknown, "filename": "x.bin" },
        ],
    });
    let route = "/api/datasets/acme/private/lfs-files/duplicate";
    node.client("bob").post(route, &body).await.expect(404);
    let answer = carol.post(route, &body).await.expect(200).json();
    assert_eq!(answer["failed"].as_array().unwrap().len(), 1);
    assert_eq!(answer["failed"][0]["sha256"], unknown);
    carol.commit_lines("models/carol/m", "main", vec![line]).await.expect(200);
    assert_eq!(carol.get("/carol/m/resolve/main/d.bin").await.expect(200).body, "data of acme");
}

#[tokio::test]
async fn downloads_are_counted_once_and_flushed() {
    let node = node_with(Limits::default()).await;
    let alice = node.client("alice");
    alice.commit(REPO, "main", &[("a.txt", b"1"), ("w.bin", b"2")]).await.expect(200);
    alice.get("/alice/m/resolve/main/a.txt").await.expect(200);
    alice.head("/alice/m/resolve/main/a.txt").await.expect(200);
    let counter = [("x-hf-download-counter", "1")];
    get_with(&alice, Method::HEAD, "/alice/m/resolve/main/w.bin", &counter).await.expect(200);
    get_with(&alice, Method::GET, "/alice/m/resolve/main/w.bin", &counter).await.expect(200);
    node.hub.downloads_flush().await.unwrap();
    let info = alice.get(&format!("/api/{REPO}")).await.expect(200).json();
    // Two files and two ways, and one reader.
    assert_eq!(info["downloads"], 1);
    let again = async |name: &'static str, headers: &[(&'static str, &'static str)]| {
        for _ in 0..50 {
            get_with(&node.client(name), Method::GET, "/alice/m/resolve/main/a.txt", headers).await.expect(200);
        }
        node.hub.downloads_flush().await.unwrap();
        alice.get(&format!("/api/{REPO}")).await.expect(200).json()["downloads"].as_u64().unwrap()
    };
    // Polling raises nothing; nor do other nodes, which count their own readers.
    assert_eq!(again("alice", &[]).await, 1);
    assert_eq!(again("bob", &[("user-agent", "karez/0.1.0")]).await, 1);
    assert_eq!(again("bob", &[("x-karez-via", "somebody")]).await, 1);
    assert_eq!(again("bob", &[]).await, 2);
    node.advance_secs(2 * 3_600);
    assert_eq!(again("bob", &[]).await, 3);
}
