//! Likes and collections over HTTP, and their pages.

use karez_testkit::reqwest::Method;
use karez_testkit::{TestClient, TestNode};
use karez_types::TokenRole;
use serde_json::{Value, json};

use crate::forms::Browser;

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

#[tokio::test]
async fn somebody_likes_on_the_page() {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    let likes = async || node.anonymous().get("/api/models/alice/m").await.json()["likes"].clone();
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    assert!(bob.get("/alice/m").await.expect(200).text().contains(">Like</button>"));
    for _ in 0..2 {
        let done = bob.submit("/alice/m", "/alice/m/like", &[("do", "like")]).await.expect(303);
        assert_eq!(done.header("location"), "/alice/m");
    }
    assert_eq!(likes().await, 1);
    assert!(bob.get("/alice/m").await.expect(200).text().contains(">Do not like any more</button>"));
    bob.submit("/alice/m", "/alice/m/like", &[("do", "unlike")]).await.expect(303);
    assert_eq!(likes().await, 0);
    bob.submit("/alice/m", "/alice/m/like", &[("do", "adore")]).await.expect(400);
    // Who may only read, or is nobody, is offered nothing, and gets nothing.
    let mut reader = Browser::signed_in(&node, "bob", TokenRole::Read).await;
    assert!(!reader.get("/alice/m").await.expect(200).text().contains("/alice/m/like"));
    reader.submit("/-/account", "/alice/m/like", &[("do", "like")]).await.expect(403);
    assert!(!page(&node.anonymous(), "/alice/m").await.contains("/alice/m/like"));
    Browser::of(&node).submit("/-/sign-in", "/alice/m/like", &[("do", "like")]).await.expect(401);
    assert_eq!(likes().await, 0);
}

#[tokio::test]
async fn somebody_keeps_a_collection_on_pages() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    for id in ["alice/a", "alice/b", "alice/c"] {
        alice.repo_create("model", id, "public").await;
    }
    alice.repo_create("dataset", "alice/secret", "private").await;
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    bob.submit("/collections", "/collections", &[("title", " ")]).await.expect(422);
    let new = [("title", "For <clinics>"), ("description", "Small\r\nand good"), ("visibility", "private")];
    let made = bob.submit("/collections", "/collections", &new).await.expect(303);
    let url = made.header("location").to_owned();
    assert!(url.starts_with("/collections/bob/for-clinics-"), "{url}");
    // From the page of a repository, into that one, and into a new one of the same title.
    let slug = url.trim_start_matches("/collections/");
    let into = [("collection", slug), ("note", "Begin <here>")];
    assert_eq!(bob.submit("/alice/a/collect", "/alice/a/collect", &into).await.expect(303).header("location"), url);
    bob.submit("/alice/b/collect", "/alice/b/collect", &[("title", "For <clinics>")]).await.expect(303);
    bob.submit("/alice/b/collect", "/alice/b/collect", &[("note", "nowhere")]).await.expect(422);
    // By address; what is not there, and what bob may not see, look the same.
    bob.submit(&url, &url, &[("do", "add"), ("kind", "model"), ("repo", "alice/c")]).await.expect(303);
    for repo in ["alice/secret", "alice/none"] {
        let told = bob.submit(&url, &url, &[("do", "add"), ("kind", "dataset"), ("repo", repo)]).await.expect(422);
        assert!(told.text().contains("that you may see"), "{}", told.text());
    }
    let items = async || {
        let found = node.client("bob").get(&format!("/api/collections/{slug}")).await.expect(200).json();
        let items = found["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| (item["id"].as_str().unwrap().to_owned(), item["note"]["text"].as_str().map(str::to_owned)))
            .collect::<Vec<_>>()
    };
    let order = async || items().await.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(order().await, ["alice/a", "alice/b", "alice/c"]);
    // The forms of one item are open at a time.
    let shown = bob.get(&format!("{url}?item=2")).await.expect(200).text();
    assert_eq!(shown.matches("value=\"remove\"").count(), 1, "{shown}");
    assert!(shown.contains("Begin &lt;here&gt;") && !shown.contains("<here>"));
    for (what, item, then) in [
        ("up", "3", ["alice/a", "alice/c", "alice/b"]),
        ("up", "3", ["alice/c", "alice/a", "alice/b"]),
        ("up", "3", ["alice/c", "alice/a", "alice/b"]),
        ("down", "1", ["alice/c", "alice/b", "alice/a"]),
        ("down", "1", ["alice/c", "alice/b", "alice/a"]),
    ] {
        bob.submit(&url, &url, &[("do", what), ("item", item)]).await.expect(303);
        assert_eq!(order().await, then, "{what} {item}");
    }
    bob.submit(&url, &url, &[("do", "note"), ("item", "2"), ("note", "Then\r\nthis")]).await.expect(303);
    assert_eq!(items().await[1].1.as_deref(), Some("Then\nthis"));
    bob.submit(&url, &url, &[("do", "remove"), ("item", "3")]).await.expect(303);
    assert_eq!(order().await, ["alice/b", "alice/a"]);
    // Others see it when it is public, and change nothing.
    let mut carol = Browser::signed_in(&node, "carol", TokenRole::Write).await;
    carol.get(&url).await.expect(404);
    let about = [("do", "about"), ("title", "For all"), ("description", ""), ("visibility", "public")];
    let renamed = bob.submit(&url, &url, &about).await.expect(303).header("location").to_owned();
    assert!(renamed.starts_with("/collections/bob/for-all-"), "{renamed}");
    assert!(!carol.get(&renamed).await.expect(200).text().contains("name=\"proof\""));
    for what in ["about", "delete", "add", "note", "up", "down", "remove"] {
        let fields = [
            ("do", what),
            ("item", "2"),
            ("confirm", "For all"),
            ("title", "Mine"),
            ("kind", "model"),
            ("repo", "alice/a"),
        ];
        let refused = carol.submit("/-/account", &renamed, &fields).await;
        // The first stays first.
        assert!(matches!(refused.status, 303 | 403 | 422), "{what}: {}", refused.text());
    }
    assert_eq!(order().await, ["alice/b", "alice/a"]);
    bob.submit(&renamed, &renamed, &[("do", "delete"), ("confirm", "for all")]).await.expect(422);
    bob.submit(&renamed, &renamed, &[("do", "delete"), ("confirm", "For all")]).await.expect(303);
    bob.get(&renamed).await.expect(404);
    Browser::of(&node).get("/alice/a/collect").await.expect(401);
}

#[tokio::test]
async fn who_may_only_read_proposes_a_change_on_pages() {
    let node = TestNode::start().await;
    let alice_client = node.client("alice");
    alice_client.repo_create("model", "alice/m", "public").await;
    alice_client.commit("models/alice/m", "main", &[("README.md", b"# Old\n")]).await.expect(200);
    let main = async || node.anonymous().get("/alice/m/resolve/main/README.md").await.expect(200).text();
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    assert!(bob.get("/alice/m").await.expect(200).text().contains("Propose a change"));
    let editor = "/alice/m/edit/main/README.md";
    let form = bob.get(editor).await.expect(200).text();
    assert!(form.contains("becomes a pull request"), "{form}");
    let parent = form.split("name=\"parent\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let card = "---\nlicense: mit\n---\n# New\n";
    let fields = [("do", "save"), ("parent", parent.as_str()), ("text", card), ("message", "A better card")];
    let made = bob.submit(editor, editor, &fields).await.expect(303);
    assert_eq!(made.header("location"), "/alice/m/discussions/1");
    assert_eq!(main().await, "# Old\n");
    assert!(bob.get("/alice/m/discussions/1").await.expect(200).text().contains("A better card"));
    // Files, all in one pull request, and without the script, which would open one for each.
    let upload = "/alice/m/upload/main";
    let page = bob.get(upload).await.expect(200);
    assert!(!page.text().contains("<script") && !page.text().contains("id=\"upload\""));
    let files: [(&str, &[u8]); 2] = [("a.txt", b"a"), ("b.txt", b"b")];
    let made = bob.upload(upload, upload, &[("folder", "notes"), ("message", "Notes")], &files).await.expect(303);
    assert_eq!(made.header("location"), "/alice/m/discussions/2");
    node.anonymous().get("/alice/m/resolve/main/notes/a.txt").await.expect(404);
    // Who may write takes them.
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    for number in 1..=2 {
        let url = format!("/alice/m/discussions/{number}");
        alice.submit(&url, &url, &[("do", "merge")]).await.expect(303);
    }
    assert_eq!(main().await, card);
    assert_eq!(node.anonymous().get("/alice/m/resolve/main/notes/b.txt").await.expect(200).text(), "b");
    // Nobody else, and nowhere else: a token that may only read, nobody, what one may not see.
    let mut reader = Browser::signed_in(&node, "bob", TokenRole::Read).await;
    reader.get(editor).await.expect(403);
    assert!(!reader.get("/alice/m").await.expect(200).text().contains("Propose a change"));
    Browser::of(&node).get(editor).await.expect(401);
    alice_client.repo_create("model", "alice/shut", "private").await;
    bob.get("/alice/shut/edit/main/README.md").await.expect(404);
}
