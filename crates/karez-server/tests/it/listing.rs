//! Lists and search.

use karez_testkit::{TestClient, TestNode};
use serde_json::Value;

fn ids(page: &Value) -> Vec<&str> {
    page.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

async fn list(client: &TestClient, query: &str) -> Vec<String> {
    let page = client.get(query).await.expect(200).json();
    ids(&page).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn lists_hold_what_the_caller_may_see() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/open", "public").await;
    node.advance_secs(1);
    alice.repo_create("model", "alice/shut", "private").await;
    node.advance_secs(1);
    alice.repo_create("model", "acme/inside", "private").await;
    alice.repo_create("dataset", "alice/data", "public").await;
    assert_eq!(list(&node.anonymous(), "/api/models").await, ["alice/open"]);
    assert_eq!(list(&node.client("bob"), "/api/models").await, ["alice/open"]);
    assert_eq!(list(&node.client("erin"), "/api/models").await, ["acme/inside", "alice/open"]);
    assert_eq!(list(&alice, "/api/models").await, ["acme/inside", "alice/shut", "alice/open"]);
    assert_eq!(list(&node.client("nora"), "/api/models?author=ALICE").await, ["alice/shut", "alice/open"]);
    assert_eq!(list(&node.anonymous(), "/api/datasets").await, ["alice/data"]);
    assert!(list(&node.anonymous(), "/api/spaces").await.is_empty());
}

#[tokio::test]
async fn pages_follow_one_another() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    for number in 0..5 {
        alice.repo_create("dataset", &format!("alice/d{number}"), "public").await;
        node.advance_secs(1);
    }
    for (order, expected) in [("-1", ["4", "3", "2", "1", "0"]), ("1", ["0", "1", "2", "3", "4"])] {
        let mut next = Some(format!("/api/datasets?sort=createdAt&direction={order}&limit=2&search=alice%2Fd"));
        let mut seen = Vec::new();
        while let Some(page) = next {
            let answer = node.anonymous().get(&page).await.expect(200);
            seen.extend(ids(&answer.json()).iter().map(|id| id.trim_start_matches("alice/d").to_owned()));
            next = answer.next_page();
            assert!(next.as_ref().is_none_or(|url| url.starts_with(node.url())), "{next:?}");
        }
        assert_eq!(seen, expected);
    }
    let first = node.anonymous().get("/api/datasets?limit=2").await.expect(200);
    let cursor = first.next_page().unwrap().split_once("cursor=").unwrap().1.to_owned();
    node.anonymous().get(&format!("/api/datasets?sort=likes&cursor={cursor}")).await.expect(400);
    node.anonymous().get("/api/datasets?cursor=AAAA.BBBB").await.expect(400);
    node.anonymous().get("/api/datasets?limit=0").await.expect(400);
}

#[tokio::test]
async fn search_and_filters_narrow() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    for (name, card) in [
        ("bert-fr", "license: mit\nlanguage: fr\nlibrary_name: transformers\npipeline_tag: fill-mask"),
        ("bert-en", "license: mit\nlanguage: en\nlibrary_name: transformers"),
        ("llama", "license: apache-2.0\nlanguage: [fr, en]\ntags: [gguf]"),
    ] {
        alice.repo_create("model", &format!("alice/{name}"), "public").await;
        let readme = format!("---\n{card}\n---\n");
        alice.commit(&format!("models/alice/{name}"), "main", &[("README.md", readme.as_bytes())]).await.expect(200);
        node.advance_secs(1);
    }
    let anonymous = node.anonymous();
    for (query, expected) in [
        ("search=bert", vec!["alice/bert-en", "alice/bert-fr"]),
        ("search=bert&search=FR", vec!["alice/bert-fr"]),
        ("search=%25", vec![]),
        ("filter=license:mit", vec!["alice/bert-en", "alice/bert-fr"]),
        ("filter=license:mit&filter=language:fr", vec!["alice/bert-fr"]),
        ("filter=gguf,fr", vec!["alice/llama"]),
        ("pipeline_tag=fill-mask", vec!["alice/bert-fr"]),
        ("library=transformers&sort=createdAt&direction=1", vec!["alice/bert-fr", "alice/bert-en"]),
        ("gated=true", vec![]),
        ("inference=warm", vec![]),
    ] {
        assert_eq!(list(&anonymous, &format!("/api/models?{query}")).await, expected, "{query}");
    }
    anonymous.get("/api/models?num_parameters=min:6B").await.expect(400);
    for hostile in ["search=a%00b", "author=%00", "filter=%00", "library=%00", "pipeline_tag=%0A"] {
        anonymous.get(&format!("/api/models?{hostile}")).await.expect(400);
    }
    anonymous.get(&format!("/api/models?search={}", "a".repeat(600))).await.expect(400);
    anonymous.get(&format!("/api/models?{}", "filter=a&".repeat(40))).await.expect(400);
    anonymous.get("/api/models?sort=beauty").await.expect(400);
    let unknown = anonymous.get("/api/spaces?expand=nope").await.expect(400);
    assert!(unknown.json()["error"].as_str().unwrap().contains("\"sdk\""));
    let full = anonymous.get("/api/models?full=True&search=llama").await.expect(200).json();
    assert_eq!(full[0]["cardData"]["license"], "apache-2.0");
    assert_eq!(full[0]["siblings"][1]["rfilename"], "README.md");
    let expanded = anonymous.get("/api/models?expand=cardData&search=llama").await.expect(200).json();
    assert_eq!(expanded[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["_id", "cardData", "id", "modelId"]);
}
