//! Repositories as a whole.

use karez_testkit::TestNode;
use serde_json::json;

#[tokio::test]
async fn a_new_repository_has_its_first_commit() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    let created =
        alice.post("/api/repos/create", &json!({ "name": "m", "organization": null })).await.expect(200).json();
    assert_eq!(created["url"], format!("{}/alice/m", node.url()));
    let info = node.anonymous().get("/api/models/alice/m").await.expect(200).json();
    assert_eq!(info["id"], "alice/m");
    assert_eq!(info["author"], "alice");
    assert_eq!(info["private"], false);
    assert_eq!(info["gated"], false);
    assert_eq!(info["createdAt"], "2026-11-01T00:00:00.000Z");
    assert_eq!(info["siblings"], json!([{ "rfilename": ".gitattributes" }]));
    assert_eq!(info["sha"].as_str().unwrap().len(), 40);
    let at_sha = format!("/api/models/alice/m/revision/{}", info["sha"].as_str().unwrap());
    assert_eq!(node.anonymous().get(&at_sha).await.expect(200).json()["sha"], info["sha"]);
    node.stop().await;
}

#[tokio::test]
async fn creating_twice_conflicts_and_says_where_it_is() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    let body = json!({ "name": "Data", "type": "dataset", "private": true });
    alice.post("/api/repos/create", &body).await.expect(200);
    // Another case of the same name is the same name.
    let again = alice.post("/api/repos/create", &json!({ "name": "data", "type": "dataset" })).await.expect(409);
    assert_eq!(again.json()["url"], format!("{}/datasets/alice/Data", node.url()));
    assert!(again.json()["error"].as_str().unwrap().starts_with("You already created this dataset repo"));
    alice.post("/api/repos/create", &json!({ "name": "data", "type": "model" })).await.expect(200);
}

#[tokio::test]
async fn who_may_create_where() {
    let node = TestNode::start().await;
    let in_acme = |name: &str| json!({ "name": name, "organization": "acme" });
    node.client("alice").post("/api/repos/create", &in_acme("a")).await.expect(200);
    node.client("carol").post("/api/repos/create", &in_acme("c")).await.expect(200);
    node.client("nora").post("/api/repos/create", &in_acme("n")).await.expect(200);
    node.client("erin").post("/api/repos/create", &in_acme("e")).await.expect(403);
    node.client("bob").post("/api/repos/create", &in_acme("b")).await.expect(403);
    node.reader("alice").post("/api/repos/create", &in_acme("r")).await.expect(403);
    node.anonymous().post("/api/repos/create", &in_acme("x")).await.expect(401);
    let nowhere = json!({ "name": "x", "organization": "nobody" });
    node.client("alice").post("/api/repos/create", &nowhere).await.expect(403);
}

#[tokio::test]
async fn bad_creations_say_what_to_change() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    for body in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "a--b" }),
        json!({ "name": "..", "organization": "alice" }),
        json!({ "name": "раypal" }),
        json!({ "name": "a\u{202E}b" }),
        json!({ "name": "x", "organization": "api" }),
        json!({ "name": "x", "type": "bucket" }),
        json!({ "name": "x", "type": "space" }),
        json!({ "name": "x", "type": "space", "sdk": "fortran" }),
        json!({ "name": "x", "visibility": "protected" }),
    ] {
        let answer = alice.post("/api/repos/create", &body).await.expect(400);
        assert!(answer.json()["error"].as_str().unwrap().len() > 10, "{body}");
    }
    let request = alice.request(karez_testkit::reqwest::Method::POST, "/api/repos/create").body("{");
    alice.send(request).await.expect(400);
    alice.post("/api/repos/create", &json!({ "name": "s", "type": "space", "sdk": "docker" })).await.expect(200);
    assert_eq!(node.anonymous().get("/api/spaces/alice/s").await.expect(200).json()["sdk"], "docker");
}

#[tokio::test]
async fn private_answers_as_missing() {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "acme/secret", "private").await;
    for path in ["/api/models/acme/secret", "/api/models/acme/nothing", "/api/models/gpt2"] {
        let anonymous = node.anonymous().get(path).await.expect(401);
        assert_eq!(anonymous.header("x-error-code"), "RepoNotFound", "{path}");
        let stranger = node.client("bob").get(path).await.expect(404);
        assert_eq!(stranger.header("x-error-code"), "RepoNotFound", "{path}");
    }
    for member in ["alice", "carol", "erin", "nora"] {
        node.reader(member).get("/api/models/acme/secret").await.expect(200);
    }
}

#[tokio::test]
async fn a_bad_token_is_not_a_missing_repository() {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    let client = karez_testkit::TestClient::new(node.url(), Some("hf_nonsense"));
    let answer = client.get("/api/models/alice/m").await.expect(401);
    assert_eq!(answer.header("x-error-message"), "Invalid credentials in Authorization header");
    assert_eq!(answer.header("x-error-code"), "");
    assert!(!answer.header("x-request-id").is_empty());
}

#[tokio::test]
async fn who_may_delete_what() {
    let node = TestNode::start().await;
    let body = json!({ "name": "m", "organization": "acme", "type": "model" });
    node.client("carol").repo_create("model", "acme/m", "public").await;
    node.anonymous().delete("/api/repos/delete", &body).await.expect(401);
    node.client("bob").delete("/api/repos/delete", &body).await.expect(403);
    node.client("carol").delete("/api/repos/delete", &body).await.expect(403);
    node.reader("alice").delete("/api/repos/delete", &body).await.expect(403);
    node.client("alice").delete("/api/repos/delete", &body).await.expect(200);
    let gone = node.client("alice").delete("/api/repos/delete", &body).await.expect(404);
    assert_eq!(gone.header("x-error-code"), "RepoNotFound");
    // The name is free again.
    node.client("carol").repo_create("model", "acme/m", "public").await;
}

#[tokio::test]
async fn a_moved_repository_redirects() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("dataset", "alice/old", "private").await;
    alice.repo_create("dataset", "alice/taken", "public").await;
    let step = |from: &str, to: &str| json!({ "fromRepo": from, "toRepo": to, "type": "dataset" });
    let taken = alice.post("/api/repos/move", &step("alice/old", "alice/taken")).await.expect(409);
    assert!(taken.json()["error"].as_str().unwrap().contains("A dataset repository called alice/taken already exists"));
    alice.post("/api/repos/move", &step("alice/old", "alice/old")).await.expect(409);
    alice.post("/api/repos/move", &step("alice/old", "bob/new")).await.expect(403);
    node.client("bob").post("/api/repos/move", &step("alice/old", "bob/new")).await.expect(404);
    alice.post("/api/repos/move", &step("alice/old", "acme/new")).await.expect(200);

    let moved = alice.get("/api/datasets/alice/old/revision/main?blobs=true").await.expect(307);
    assert_eq!(moved.header("location"), "/api/datasets/acme/new/revision/main?blobs=true");
    alice.get(moved.header("location")).await.expect(200);
    // Who may not see it does not learn where it went.
    node.client("bob").get("/api/datasets/alice/old").await.expect(404);
    // Deleting by the old address would be a surprise.
    let body = json!({ "name": "old", "organization": "alice", "type": "dataset" });
    alice.delete("/api/repos/delete", &body).await.expect(404);
}

#[tokio::test]
async fn a_duplicate_has_the_same_files_and_its_own_history() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "private").await;
    let card = b"---\nlicense: mit\n---\n";
    alice.commit("models/alice/m", "main", &[("README.md", card), ("big.bin", &[7; 3 << 20])]).await.expect(200);
    let copy = |to: &str| json!({ "repository": to });
    node.client("bob").post("/api/models/alice/m/duplicate", &copy("bob/m")).await.expect(404);
    alice.post("/api/models/alice/m/duplicate", &copy("bob/m")).await.expect(403);
    let answer = alice.post("/api/models/alice/m/duplicate", &copy("acme/m")).await.expect(200).json();
    assert_eq!(answer["url"], format!("{}/acme/m", node.url()));
    let again = alice.post("/api/models/alice/m/duplicate", &copy("acme/m")).await.expect(409).json();
    assert_eq!(again["url"], answer["url"]);
    // As private as its source, and readable by those of its new owner.
    node.anonymous().get("/api/models/acme/m").await.expect(401);
    let info = node.reader("erin").get("/api/models/acme/m?blobs=true").await.expect(200).json();
    assert_eq!(info["tags"], json!(["license:mit"]));
    let source = alice.get("/api/models/alice/m?blobs=true").await.expect(200).json();
    assert_eq!(info["siblings"], source["siblings"]);
    assert_ne!(info["sha"], source["sha"]);
    alice.delete("/api/repos/delete", &json!({ "name": "m", "organization": "alice" })).await.expect(200);
    let bytes = node.reader("erin").get("/acme/m/resolve/main/big.bin").await.expect(200);
    assert_eq!(bytes.body.len(), 3 << 20);
}

#[tokio::test]
async fn settings_change_who_may_see_it() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    let settings = "/api/models/alice/m/settings";
    node.client("bob").put(settings, &json!({ "private": true })).await.expect(403);
    alice.put(settings, &json!({ "visibility": "private" })).await.expect(200);
    node.anonymous().get("/api/models/alice/m").await.expect(401);
    alice.put(settings, &json!({ "private": false, "gated": "auto" })).await.expect(200);
    assert_eq!(node.anonymous().get("/api/models/alice/m").await.expect(200).json()["gated"], "auto");
    alice.put(settings, &json!({ "gated": false })).await.expect(200);
    assert_eq!(node.anonymous().get("/api/models/alice/m").await.expect(200).json()["gated"], false);
    for wrong in [json!({ "gated": true }), json!({ "gated": "perhaps" }), json!({ "visibility": "hidden" })] {
        alice.put(settings, &wrong).await.expect(400);
    }
}

#[tokio::test]
async fn info_tells_what_was_asked() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    let readme =
        "---\nlicense: mit\nlibrary_name: transformers\npipeline_tag: text-generation\nlanguage: fr\n---\n# Hi\n";
    let config = r#"{"architectures":["GPT2LMHeadModel"],"model_type":"gpt2","vocab_size":7}"#;
    alice
        .commit("models/alice/m", "main", &[("README.md", readme.as_bytes()), ("config.json", config.as_bytes())])
        .await
        .expect(200);
    let info = node.anonymous().get("/api/models/alice/m?blobs=true&securityStatus=True").await.expect(200).json();
    assert_eq!(info["cardData"]["license"], "mit");
    assert_eq!(info["library_name"], "transformers");
    assert_eq!(info["pipeline_tag"], "text-generation");
    assert_eq!(info["config"], json!({ "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2" }));
    let tags: Vec<&str> = info["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    assert!(tags.contains(&"fr") && tags.contains(&"license:mit"), "{tags:?}");
    let sibling = &info["siblings"][1];
    assert_eq!((&sibling["rfilename"], &sibling["size"]), (&json!("README.md"), &json!(readme.len())));
    assert_eq!(sibling["blobId"].as_str().unwrap().len(), 40);
    assert_eq!(info["securityRepoStatus"]["scansDone"], false);

    let few = node.anonymous().get("/api/models/alice/m?expand=sha&expand[]=tags").await.expect(200).json();
    let keys: Vec<&String> = few.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["_id", "id", "modelId", "sha", "tags"]);
    let unknown = node.anonymous().get("/api/models/alice/m?expand=nope").await.expect(400);
    assert!(unknown.json()["error"].as_str().unwrap().contains("\"safetensors\""));
    let missing = node.anonymous().get("/api/models/alice/m/revision/nope").await.expect(404);
    assert_eq!(missing.header("x-error-code"), "RevisionNotFound");
}

#[tokio::test]
async fn auth_check_answers_by_right() {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "acme/m", "public").await;
    for path in ["auth-check", "auth-check/read"] {
        node.anonymous().get(&format!("/api/models/acme/m/{path}")).await.expect(200);
    }
    let write = "/api/models/acme/m/auth-check/write";
    node.anonymous().get(write).await.expect(401);
    node.client("erin").get(write).await.expect(403);
    node.reader("carol").get(write).await.expect(403);
    node.client("carol").get(write).await.expect(200);
}

#[tokio::test]
async fn safetensors_headers_are_read_on_the_node() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    let header = r#"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
    let index = r#"{"metadata":{"total_size":16},"weight_map":{"w":"a.safetensors","v":"b.safetensors"}}"#;
    let files: [(&str, &[u8]); 5] = [
        ("a.safetensors", &file),
        ("b.safetensors", &file),
        ("model.safetensors.index.json", index.as_bytes()),
        ("broken.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("escape.json", br#"{"weight_map":{"w":"../../x"}}"#),
    ];
    alice.commit("models/alice/m", "main", &files).await.expect(200);
    let found = node.anonymous().get("/api/models/alice/m/safetensors-metadata/model.safetensors.index.json").await;
    let found = found.expect(200).json();
    assert_eq!(found["index"]["metadata"]["total_size"], 16);
    assert_eq!(found["headers"]["b.safetensors"]["w"]["shape"], json!([2]));
    let counts = node.anonymous().get("/api/models/alice/m?expand=safetensors").await.expect(200).json();
    assert_eq!(counts["safetensors"], json!({ "parameters": { "F32": 4 }, "total": 4 }));
    for path in ["broken.safetensors", "escape.json"] {
        node.anonymous().get(&format!("/api/models/alice/m/safetensors-metadata/{path}")).await.expect(400);
    }
    let absent = node.anonymous().get("/api/models/alice/m/safetensors-metadata/none.safetensors").await.expect(404);
    assert_eq!(absent.header("x-error-code"), "EntryNotFound");
}

#[tokio::test]
async fn pull_requests_are_listed_as_discussions() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    let list = "/api/models/alice/m/discussions";
    let none = node.anonymous().get(list).await.expect(200).json();
    assert_eq!(none, json!({ "discussions": [], "count": 0, "start": 0 }));
    alice.commit("models/alice/m", "main?create_pr=1", &[("a.txt", b"a")]).await.expect(200);
    let one = node.anonymous().get(&format!("{list}?p=0&type=pull_request")).await.expect(200).json();
    assert_eq!(one["count"], 1);
    let first = &one["discussions"][0];
    assert_eq!((&first["num"], &first["status"], &first["isPullRequest"]), (&json!(1), &json!("open"), &json!(true)));
    assert_eq!((&first["author"]["name"], &first["repo"]["name"]), (&json!("alice"), &json!("alice/m")));
    assert_eq!(node.anonymous().get(&format!("{list}?p=7")).await.expect(200).json()["discussions"], json!([]));
    assert_eq!(node.anonymous().get(&format!("{list}?type=discussion")).await.expect(200).json()["count"], 0);
}
