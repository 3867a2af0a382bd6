//! Mirrors are read here and written at their origin; restricted ones are for whom the origin allows.

use karez_hub::{HubError, NameAlias, NewMirror};
use karez_testkit::reqwest::Method;
use karez_testkit::{Origin, TestNode};
use karez_types::RepoKind;
use serde_json::json;

use crate::mirrors::{body, noise, pointer, sha256};

#[tokio::test]
async fn nobody_writes_to_a_mirror() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let mut origin = Origin::default();
    let commit = origin.commit(&[("a", b"1")], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    for person in ["bob", "nora"] {
        let client = node.client(person);
        let mut answers = vec![
            client.commit("models/far/m", "main", &[("b", b"2")]).await,
            client.commit("models/far/m", "main?create_pr=1", &[("b", b"2")]).await,
        ];
        for (method, path, body) in [
            (Method::POST, "/api/models/far/m/branch/x", json!({})),
            (Method::DELETE, "/api/models/far/m/branch/x", json!({})),
            (Method::POST, "/api/models/far/m/tag/main", json!({"tag": "v1"})),
            (Method::POST, "/api/models/far/m/super-squash/main", json!({})),
            (Method::PUT, "/api/models/far/m/settings", json!({"private": true})),
            (Method::POST, "/api/repos/move", json!({"fromRepo": "far/m", "toRepo": "bob/m", "type": "model"})),
            (Method::POST, "/api/models/far/m/preupload/main", json!({"files": []})),
            (Method::GET, "/api/models/far/m/xet-write-token/main", json!({})),
            (
                Method::POST,
                "/far/m.git/info/lfs/objects/batch",
                json!({"operation": "upload", "transfers": ["basic"], "objects": []}),
            ),
        ] {
            let answer = client.send(client.request(method, path).json(&body)).await;
            answers.push(answer);
        }
        for (number, answer) in answers.into_iter().enumerate() {
            let answer = answer.expect(403);
            let said = answer.text();
            assert!(said.contains("comes from the remote hub; push it there, or duplicate it"), "{number}: {said}");
        }
    }
    let refs = node.hub.catalog().ref_list(repo.id).await.unwrap();
    assert_eq!(refs, [(Origin::main(), commit)]);
    // Without a token, a client is first asked for one.
    node.anonymous().commit("models/far/m", "main", &[("b", b"2")]).await.expect(401);
    // The copy is the node's to delete, by its administrators.
    let delete = json!({"type": "model", "organization": "far", "name": "m"});
    let client = node.client("bob");
    client.send(client.request(Method::DELETE, "/api/repos/delete").json(&delete)).await.expect(403);
    let reader = node.reader("nora");
    reader.send(reader.request(Method::DELETE, "/api/repos/delete").json(&delete)).await.expect(403);
    let client = node.client("nora");
    client.send(client.request(Method::DELETE, "/api/repos/delete").json(&delete)).await.expect(200);
    assert!(node.hub.mirror_find(&Origin::model("far/m")).await.unwrap().is_none());
}

#[tokio::test]
async fn names_that_belong_to_a_remote_take_no_repositories_of_this_node() {
    let node = TestNode::start_alone().await;
    node.mirror("far/m").await;
    for person in ["bob", "nora"] {
        let client = node.client(person);
        let wish = json!({"type": "model", "organization": "far", "name": "own"});
        let answer = client.send(client.request(Method::POST, "/api/repos/create").json(&wish)).await.expect(403);
        assert!(answer.text().contains("the owner name far belongs to the remote hub"), "{}", answer.text());
    }
    let nora = node.client("nora");
    nora.repo_create("model", "nora/m", "public").await;
    let to = json!({"fromRepo": "nora/m", "toRepo": "far/n", "type": "model"});
    let answer = nora.send(nora.request(Method::POST, "/api/repos/move").json(&to)).await.expect(403);
    assert!(answer.text().contains("belongs to the remote hub"), "{}", answer.text());
    // And the other way: a name of this node is not given to a remote.
    let hub = node.hub.catalog().remote_get_by_name("hub").await.unwrap().unwrap();
    for id in ["nora/far", "Alice/m", "acme/x"] {
        let clash = node.hub.mirror_create(&Origin::mirror(&hub, id)).await.unwrap_err();
        assert!(matches!(&clash, HubError::NameClash(what) if what.contains("this node itself")), "{clash}");
    }
    let well = node.remote("well").await;
    let clash = node.hub.mirror_create(&Origin::mirror(&well, "far/other")).await.unwrap_err();
    assert!(matches!(&clash, HubError::NameClash(what) if what.contains("far of the remote hub")), "{clash}");
    // An alias solves it.
    let name = |text: &str| text.parse().unwrap();
    let alias = NameAlias { owner: name("well-far"), remote: well.id, remote_owner: name("far") };
    node.hub.name_bind(&alias).await.unwrap();
    let new = NewMirror { remote_repo: Origin::model("far/other"), ..Origin::mirror(&well, "well-far/other") };
    let (repo, held) = node.hub.mirror_create(&new).await.unwrap();
    assert_eq!((repo.address().id(), held.remote_repo.id()), ("well-far/other".to_owned(), "far/other".to_owned()));
    assert_eq!(node.hub.mirror_create(&new).await.unwrap().0.id, repo.id, "once more is the same");
    assert_eq!(node.hub.name_bindings().await.unwrap().len(), 2);
    let bound = node.hub.name_unbind(&name("well-far")).await.unwrap_err();
    assert!(matches!(&bound, HubError::Refused(what) if what.contains("1 repositories")), "{bound}");
    node.hub.catalog().repo_delete(repo.id, karez_testkit::TestNode::START).await.unwrap();
    node.hub.name_unbind(&name("well-far")).await.unwrap();
    assert!(matches!(node.hub.name_unbind(&name("well-far")).await, Err(HubError::Missing(_))));
}

#[tokio::test]
async fn a_mirror_is_duplicated_once_its_files_are_here() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let weights = noise(5, 200_000);
    let mut origin = Origin::default();
    let commit = origin.commit(&[("a", b"1"), ("w.bin", &pointer(&weights))], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    let bob = node.client("bob");
    let duplicate = async || {
        let request = bob.request(Method::POST, "/api/models/far/m/duplicate");
        bob.send(request.json(&json!({"repository": "bob/copy"}))).await
    };
    let early = duplicate().await.expect(422);
    assert!(early.text().contains("1 of the 1 large files"), "{}", early.text());
    node.hub.mirror_file_ingest(&repo, sha256(&weights), 200_000, body(&weights)).await.unwrap();
    duplicate().await.expect(200);
    assert_eq!(bob.get("/bob/copy/resolve/main/w.bin").await.expect(200).body, weights);
    bob.commit("models/bob/copy", "main", &[("b", b"2")]).await.expect(200);
}

#[tokio::test]
async fn a_restricted_mirror_is_for_whom_the_origin_allows() {
    let node = TestNode::start_alone().await;
    let hub = node.remote("hub").await;
    let new = NewMirror { is_restricted: true, gated: Some("auto".to_owned()), ..Origin::mirror(&hub, "far/secret") };
    let (repo, _) = node.hub.mirror_create(&new).await.unwrap();
    let mut origin = Origin::default();
    let commit = origin.commit(&[("a", b"secret")], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    let path = "/far/secret/resolve/main/a";
    let account = async |name: &str| node.hub.catalog().account_by_name(name).await.unwrap().unwrap().id;
    let grant = async |name: &str, allowed: bool| {
        let now = node.hub.clock().now();
        node.hub.catalog().mirror_grant_set(repo.id, account(name).await, allowed, now).await.unwrap();
    };
    // Members of what holds the name here have no right over there either.
    node.hub.catalog().member_set(repo.owner.id, account("carol").await, karez_types::OrgRole::Admin).await.unwrap();
    let listed = async |person: &'static str| {
        let all = node.client(person).get("/api/models").await.expect(200).json();
        all.as_array().unwrap().iter().any(|item| item["id"] == "far/secret")
    };
    for person in ["alice", "bob", "carol"] {
        node.client(person).get(path).await.expect(404);
        assert!(!listed(person).await, "{person}");
    }
    node.anonymous().get(path).await.expect(401);
    grant("alice", true).await;
    grant("bob", false).await;
    assert_eq!(node.client("alice").get(path).await.expect(200).body.as_ref(), b"secret");
    assert!(listed("alice").await);
    // What the grant opens for the Xet client ends with it.
    let token = node.client("alice").get("/api/models/far/secret/xet-read-token/main").await.expect(200).json();
    assert_eq!(token["exp"], node.hub.clock().now().unix_secs() + karez_hub::GRANT_SECS);
    for person in ["bob", "carol"] {
        let missing = node.client(person).get(path).await.expect(404);
        assert_eq!(missing.header("x-error-code"), "RepoNotFound");
        node.client(person).get("/api/models/far/secret").await.expect(404);
        assert!(!listed(person).await, "{person}");
    }
    // What may be read may be copied, but not made public.
    let alice = node.client("alice");
    let copy = |private: bool| {
        let request = alice.request(Method::POST, "/api/models/far/secret/duplicate");
        request.json(&json!({"repository": "alice/copy", "private": private}))
    };
    alice.send(copy(false)).await.expect(422);
    alice.send(copy(true)).await.expect(200);
    node.client("bob").get("/alice/copy/resolve/main/a").await.expect(404);
    // It ends by itself, and at once when the origin says so.
    node.advance_secs(karez_hub::GRANT_SECS);
    node.client("alice").get(path).await.expect(404);
    assert!(!listed("alice").await);
    grant("alice", true).await;
    node.client("alice").get(path).await.expect(200);
    grant("alice", false).await;
    node.client("alice").get(path).await.expect(404);
    assert_eq!(node.client("nora").get(path).await.expect(200).body.as_ref(), b"secret", "the node's administrator");
    assert_eq!(repo.address(), karez_types::RepoAddress::parse(RepoKind::Model, "far/secret").unwrap());
}

#[tokio::test]
async fn where_a_repository_comes_from_is_in_the_answers() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    node.client("alice").repo_create("model", "alice/own", "public").await;
    let mut origin = Origin::default();
    let commit = origin.commit(&[("a", b"1")], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    let start = TestNode::START.to_string();
    let expected = json!({
        "remote": "hub",
        "repo": "far/m",
        "heldSince": start,
        "checked": start,
        "verifiedBy": "upstream",
        "withdrawn": null,
        "override": null,
        "keep": "demand",
    });
    let anonymous = node.anonymous();
    for path in ["", "/revision/main", "?expand=sha"] {
        let info = anonymous.get(&format!("/api/models/far/m{path}")).await.expect(200);
        assert_eq!((&info.json()["origin"], info.header("x-karez-withdrawn")), (&expected, ""));
    }
    assert!(anonymous.get("/api/models/alice/own").await.expect(200).json().get("origin").is_none());
    let listed = anonymous.get("/api/models?sort=createdAt&direction=1").await.expect(200).json();
    let origins: Vec<_> = listed.as_array().unwrap().iter().map(|item| item.get("origin").cloned()).collect();
    assert_eq!(origins, [Some(expected), None]);
}

#[tokio::test]
async fn what_its_origin_withdrew_is_marked_or_hidden() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let mut origin = Origin::default();
    let commit = origin.commit(&[("a", b"1")], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    node.advance_secs(60);
    let at = node.hub.clock().now();
    node.hub.mirror_withdraw(&repo, Some(at)).await.unwrap();
    let bob = node.client("bob");
    let (file, info) = ("/far/m/resolve/main/a", "/api/models/far/m");
    let readable = async || {
        for path in [file, info] {
            assert_eq!(bob.get(path).await.expect(200).header("x-karez-withdrawn"), at.to_string());
        }
        assert_eq!(bob.get(info).await.json()["origin"]["withdrawn"], at.to_string());
        assert_eq!(bob.get("/api/models").await.expect(200).json().as_array().unwrap().len(), 1);
    };
    let hidden = async || {
        let missing = bob.get(file).await.expect(404);
        assert_eq!(missing.header("x-error-code"), "RepoNotFound");
        bob.get(info).await.expect(404);
        node.anonymous().get(file).await.expect(401);
        assert!(bob.get("/api/models").await.expect(200).json().as_array().unwrap().is_empty());
        // The node's administrators still see it, and nothing is deleted.
        assert_eq!(node.client("nora").get(file).await.expect(200).body.as_ref(), b"1");
    };
    // Unless the operator says so, it stays.
    readable().await;
    node.hub.mirror_override(&repo, Some("hide")).await.unwrap();
    hidden().await;
    node.hub.mirror_override(&repo, None).await.unwrap();
    let hub = node.remote("hub").await;
    let settings = |word: &str| karez_catalog::RemotePatch {
        settings: Some(json!({ "withdrawn": word })),
        ..karez_catalog::RemotePatch::default()
    };
    node.hub.catalog().remote_update(hub.id, &settings("hide")).await.unwrap();
    hidden().await;
    node.hub.mirror_override(&repo, Some("keep")).await.unwrap();
    readable().await;
    assert_eq!(bob.get(info).await.json()["origin"]["override"], "keep");
    assert!(matches!(node.hub.mirror_override(&repo, Some("burn")).await, Err(HubError::Invalid(_))));
    // It comes back over there.
    node.hub.mirror_override(&repo, None).await.unwrap();
    node.hub.mirror_withdraw(&repo, None).await.unwrap();
    assert_eq!(bob.get(info).await.expect(200).header("x-karez-withdrawn"), "");
    node.client("alice").repo_create("model", "alice/own", "public").await;
    let own = node.hub.catalog().repo_find(&Origin::model("alice/own")).await.unwrap().unwrap().repo;
    assert!(matches!(node.hub.mirror_withdraw(&own, Some(at)).await, Err(HubError::Missing(_))));
}
