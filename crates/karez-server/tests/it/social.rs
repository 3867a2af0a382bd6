//! Likes and collections over HTTP, and their pages.

use karez_testkit::reqwest::Method;
use karez_testkit::{TestClient, TestNode};
use karez_types::TokenRole;
use serde_json::{Value, json};

async fn page(client: &TestClient, path: &str) -> String {
    client.send(client.request(Method::GET, path).header("accept", "text/html")).await.expect(200).text()
}

#[tokio::test]
async fn who_sees_it_may_like_it_once() {
    let node = TestNode::start().await;
    let (alice, bob) = (node.client("alice"), node.client("bob"));
    alice.repo_create("model", "alice/m", "public").await;
    alice.repo_create("model", "alice/other", "public").await;
    alice.repo_create("model", "alice/secret", "private").await;
    for _ in 0..3 {
        bob.post("/api/models/alice/m/like", &json!({})).await.expect(200);
    }
    assert_eq!(alice.get("/api/models/alice/m").await.json()["likes"], 1);
    assert_eq!(alice.get("/api/models/alice/m/likers").await.json()[0]["user"], "bob");
    let liked = alice.get("/api/users/bob/likes").await.json();
    assert_eq!(liked[0]["repo"], json!({ "name": "alice/m", "type": "model" }));
    // The order of what is used now, through the catalog and through the index.
    for query in ["sort=trendingScore", "sort=trendingScore&search=alice", "sort=likes&search=alice"] {
        let list = node.anonymous().get(&format!("/api/models?{query}")).await.expect(200).json();
        assert_eq!(list[0]["id"], "alice/m", "{query}: {list}");
    }
    bob.post("/api/models/alice/secret/like", &json!({})).await.expect(404);
    node.anonymous().post("/api/models/alice/m/like", &json!({})).await.expect(401);
    let reader = TestClient::new(node.url(), Some(node.token("bob", TokenRole::Read)));
    reader.post("/api/models/alice/m/like", &json!({})).await.expect(403);
    // What is liked and made private is not told any more.
    alice.post("/api/models/alice/secret/like", &json!({})).await.expect(200);
    assert_eq!(bob.get("/api/users/alice/likes").await.json(), json!([]));
    let shown = page(&node.anonymous(), "/models?sort=likes").await;
    assert!(shown.contains("1 like"), "{shown}");
    bob.send(bob.request(Method::DELETE, "/api/models/alice/m/like")).await.expect(200);
    assert_eq!(alice.get("/api/models/alice/m").await.json()["likes"], 0);
}

#[tokio::test]
async fn a_collection_shows_what_its_reader_may_see() {
    let node = TestNode::start().await;
    let (alice, bob) = (node.client("alice"), node.client("bob"));
    for (id, visibility) in [("alice/m", "public"), ("alice/secret", "private")] {
        alice.repo_create("model", id, visibility).await;
    }
    let new = json!({ "title": "Good <ones>", "namespace": "acme", "description": "<b>For</b> clinics" });
    let made = alice.post("/api/collections", &new).await.expect(200).json();
    let slug = made["slug"].as_str().unwrap().to_owned();
    assert!(slug.starts_with("acme/good-ones-") && slug.len() == "acme/good-ones-".len() + 24, "{slug}");
    let again = alice.post("/api/collections", &new).await.expect(409).json();
    assert_eq!(again["slug"].as_str(), Some(slug.as_str()));
    let items = format!("/api/collections/{slug}/items");
    for id in ["alice/m", "alice/secret"] {
        let item = json!({ "item": { "id": id, "type": "model" }, "note": "<i>read me</i>" });
        alice.post(&items, &item).await.expect(200);
        alice.post(&items, &item).await.expect(409);
    }
    let of = |body: Value| body["items"].as_array().unwrap().len();
    assert_eq!(of(alice.get(&format!("/api/collections/{slug}")).await.json()), 2);
    assert_eq!(of(node.anonymous().get(&format!("/api/collections/{slug}")).await.json()), 1);
    // Members may write, others may not, and what is not theirs to see they cannot add.
    bob.post(&items, &json!({ "item": { "id": "alice/m", "type": "model" } })).await.expect(403);
    alice.post(&items, &json!({ "item": { "id": "bob/none", "type": "model" } })).await.expect(404);
    alice.post(&items, &json!({ "item": { "id": "2401.1", "type": "paper" } })).await.expect(400);
    alice
        .send(alice.request(Method::PATCH, &format!("/api/collections/{slug}")).json(&json!({ "theme": "mud" })))
        .await
        .expect(400);
    let text = page(&node.anonymous(), &format!("/collections/{slug}")).await;
    assert!(
        text.contains("Good &lt;ones&gt;") && text.contains("&lt;i&gt;read me") && !text.contains("secret"),
        "{text}"
    );
    for path in ["/collections", "/collections?owner=acme", "/acme"] {
        assert!(page(&node.anonymous(), path).await.contains(&format!("href=\"/collections/{slug}\"")), "{path}");
    }
    let hide = alice.request(Method::PATCH, &format!("/api/collections/{slug}")).json(&json!({ "private": true }));
    alice.send(hide).await.expect(200);
    node.anonymous().get(&format!("/api/collections/{slug}")).await.expect(404);
    bob.send(bob.request(Method::DELETE, &format!("/api/collections/{slug}"))).await.expect(404);
    assert!(!page(&node.anonymous(), "/collections").await.contains("Good &lt;ones&gt;"));
    assert!(page(&alice, "/collections").await.contains("Good &lt;ones&gt;"));
    alice.send(alice.request(Method::DELETE, &format!("/api/collections/{slug}"))).await.expect(200);
    alice.get(&format!("/api/collections/{slug}")).await.expect(404);
}
