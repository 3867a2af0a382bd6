//! People and organisations.

use karez_testkit::TestNode;
use karez_types::{TokenId, TokenRole};
use serde_json::{Value, json};

#[tokio::test]
async fn whoami_tells_name_orgs_and_role() {
    let node = TestNode::start().await;
    let me = node.reader("alice").get("/api/whoami-v2").await.expect(200).json();
    assert_eq!((&me["type"], &me["name"]), (&json!("user"), &json!("alice")));
    assert!(me["id"].is_string());
    assert_eq!(me["auth"]["accessToken"], json!({ "displayName": "alice-read", "role": "read" }));
    assert_eq!(me["orgs"][0]["name"], "acme");
    assert_eq!(me["orgs"][0]["roleInOrg"], "admin");
    let answer = node.anonymous().get("/api/whoami-v2").await.expect(401);
    assert_eq!(answer.header("x-error-code"), "");
}

#[tokio::test]
async fn overviews_count_what_the_caller_may_see() {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "acme/open", "public").await;
    node.client("alice").repo_create("model", "acme/shut", "private").await;
    let overview = "/api/organizations/acme/overview";
    assert_eq!(node.anonymous().get(overview).await.expect(200).json()["numModels"], 1);
    let inside = node.client("erin").get(overview).await.expect(200).json();
    assert_eq!((&inside["numModels"], &inside["numUsers"]), (&json!(2), &json!(3)));
    let members = node.anonymous().get("/api/organizations/acme/members").await.expect(200).json();
    let names: Vec<&Value> = members.as_array().unwrap().iter().map(|member| &member["user"]).collect();
    assert_eq!(names, ["alice", "carol", "erin"]);
    let alice = node.anonymous().get("/api/users/alice/overview").await.expect(200);
    assert_eq!(alice.json()["orgs"][0]["name"], "acme");
    assert!(!alice.text().contains("email"));
    for path in [
        "/api/users/acme/overview",
        "/api/organizations/alice/overview",
        "/api/users/nobody/overview",
        "/api/users/a%00b/overview",
    ] {
        node.anonymous().get(path).await.expect(404);
    }
    assert_eq!(node.anonymous().get("/api/users/alice/likes").await.expect(200).json(), json!([]));
}

#[tokio::test]
async fn owned_repositories_are_listed_with_their_weight() {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "private").await;
    node.client("alice").repo_create("dataset", "alice/d", "public").await;
    node.client("alice").repo_create("model", "acme/m", "private").await;
    let own = node.client("alice").get("/api/settings/repositories").await.expect(200).json();
    assert_eq!(own.as_array().unwrap().len(), 2);
    assert_eq!(
        own[0],
        json!({ "id": "alice/m", "type": "model", "visibility": "private", "storage": 0, "storagePercent": null, "updatedAt": "2026-11-01T00:00:00.000Z" })
    );
    node.client("alice").commit("models/alice/m", "main", &[("big.bin", &[7; 3 << 20])]).await.expect(200);
    let own = node.client("alice").get("/api/settings/repositories").await.expect(200).json();
    assert_eq!((&own[0]["storage"], &own[0]["storagePercent"]), (&json!(3 << 20), &json!(100.0)));
    let of_org = "/api/organizations/acme/settings/repositories";
    assert_eq!(node.client("erin").get(of_org).await.expect(200).json()[0]["id"], "acme/m");
    node.client("bob").get(of_org).await.expect(403);
    node.anonymous().get(of_org).await.expect(401);
    node.client("alice").get("/api/settings/repositories?cursor=x.y").await.expect(400);
}

#[tokio::test]
async fn tokens_end() {
    use karez_hub::{Actor, NewToken};
    let node = TestNode::start().await;
    let expires = Some(TestNode::START.plus_secs(60));
    let new = NewToken { name: "short".into(), role: TokenRole::Write, expires };
    let token = node.hub.token_create(&Actor::Operator, "alice", new).await.unwrap();
    assert!(
        token.starts_with("hf_") && token.len() == 43 && token[3..].bytes().all(|byte| byte.is_ascii_alphanumeric())
    );
    let client = karez_testkit::TestClient::new(node.url(), Some(&token));
    client.get("/api/whoami-v2").await.expect(200);
    node.advance_secs(60);
    client.get("/api/whoami-v2").await.expect(401);

    let tokens = node.hub.token_list(&Actor::Operator, "bob").await.unwrap();
    for token in &tokens {
        node.hub.token_revoke(&Actor::Operator, "bob", token.id).await.unwrap();
    }
    node.client("bob").get("/api/whoami-v2").await.expect(401);
    assert!(node.hub.token_revoke(&Actor::Operator, "bob", TokenId(999)).await.is_err());
}

#[tokio::test]
async fn only_the_right_people_administer() {
    use karez_hub::{Actor, new_user};
    use karez_types::OrgRole;
    let node = TestNode::start().await;
    let hub = &node.hub;
    let actor = async |person, role| hub.sign_in(Some(node.token(person, role))).await.unwrap();
    let name = || "zed".parse().unwrap();
    assert!(hub.account_create(&actor("alice", TokenRole::Write).await, new_user(name(), false)).await.is_err());
    assert!(hub.account_create(&actor("nora", TokenRole::Read).await, new_user(name(), false)).await.is_err());
    hub.account_create(&actor("nora", TokenRole::Write).await, new_user(name(), false)).await.unwrap();
    assert!(hub.account_create(&Actor::Operator, new_user("ACME".parse().unwrap(), false)).await.is_err());
    assert!(hub.member_set(&actor("carol", TokenRole::Write).await, "acme", "zed", OrgRole::Read).await.is_err());
    hub.member_set(&actor("alice", TokenRole::Write).await, "acme", "zed", OrgRole::Read).await.unwrap();
    assert!(hub.first_run(&"root1".parse().unwrap()).await.unwrap().is_none());
    let bob = actor("bob", TokenRole::Write).await;
    assert!(hub.token_list(&bob, "alice").await.is_err());
    assert!(hub.token_list(&bob, "bob").await.is_ok());
}
