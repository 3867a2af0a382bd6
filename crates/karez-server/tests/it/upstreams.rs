//! The administration of upstream hubs, as a browser without scripts uses it; and what others make of that.

use karez_federation::upstream::{list, token_context};
use karez_hub::{Actor, Remote, new_organization};
use karez_testkit::{NodeOptions, TestNode};
use karez_types::{OrgRole, TokenRole};

use crate::forms::Browser;

const PAGE: &str = "/-/admin/upstreams";
const TOKEN: &str = "hf_secretsecretsecret";

async fn upstreams(node: &TestNode) -> Vec<Remote> {
    list(&node.hub, &Actor::Operator).await.unwrap()
}

/// A node with the public repository `hub/tiny`, for others to bring.
async fn upstream() -> TestNode {
    let up = TestNode::start_with(NodeOptions { seed: 2, ..NodeOptions::default() }).await;
    up.hub.account_create(&Actor::Operator, new_organization("hub".parse().unwrap())).await.unwrap();
    up.hub.member_set(&Actor::Operator, "hub", "alice", OrgRole::Admin).await.unwrap();
    up.client("alice").repo_create("model", "hub/tiny", "public").await;
    up.client("alice").commit("models/hub/tiny", "main", &[("README.md", b"# tiny\n")]).await.expect(200);
    up
}

#[tokio::test]
async fn an_administrator_adds_sees_and_removes_an_upstream() {
    let (up, node) = (upstream().await, TestNode::start().await);
    let mut nora = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    assert!(nora.get("/-/admin").await.expect(200).text().contains(PAGE));
    assert!(nora.get(PAGE).await.expect(200).text().contains("There is none yet."));
    let url = up.url().to_owned();
    let add = [
        ("do", "add"),
        ("name", "near"),
        ("url", url.as_str()),
        ("allow_private", "yes"),
        ("allow", "hub/*\r\ndatasets/hub/*"),
        ("deny", "hub/bad"),
        ("passed_on", "hub/huge"),
        ("file_max", "20 GB"),
        ("revalidate", "1 h"),
        ("token", TOKEN),
    ];
    let added = nora.submit(PAGE, PAGE, &add).await.expect(200).text();
    for part in ["It was added.", &url, "datasets/hub/*", "hub/bad", "hub/huge", "20 GB", "1 h", "One is kept, sealed."]
    {
        assert!(added.contains(part), "{part}: {added}");
    }
    assert!(added.contains("Nothing was asked of it") && !added.contains(TOKEN), "{added}");
    let [remote] = &upstreams(&node).await[..] else { panic!("there is one") };
    let sealed = remote.token.clone().unwrap();
    assert_eq!(node.hub.secret_open(&token_context(remote.id), &sealed).as_deref(), Some(TOKEN));
    assert_eq!(remote.line, "default");

    // The running node has taken it up at once; what was heard is on the page.
    node.anonymous().get("/api/models/hub/tiny").await.expect(200);
    let heard = nora.get(PAGE).await.expect(200).text();
    assert!(heard.contains("fine") && !heard.contains("Nothing was asked of it") && !heard.contains(TOKEN), "{heard}");
    let taken = nora.submit(PAGE, PAGE, &add).await.expect(422).text();
    assert!(taken.contains("the name near is taken by the upstream hub at"), "{taken}");

    // The token is none over there, which is what a question is for.
    let check = [("do", "check"), ("upstream", "near")];
    let checked = nora.submit(PAGE, PAGE, &check).await.expect(422).text();
    assert!(checked.contains("near does not answer as it should: it answered with status 401"), "{checked}");
    assert!(nora.get(PAGE).await.expect(200).text().contains("In trouble:"));

    // What is set stands in the form, and what is not touched stays.
    assert!(checked.contains("?edit=near#typed"));
    let form = nora.get(&format!("{PAGE}?edit=near")).await.expect(200).text();
    for part in ["value=\"20 GB\"", "hub/*\ndatasets/hub/*", "value=\"1 h\"", "value=\"set\""] {
        assert!(form.contains(part), "{part}: {form}");
    }
    assert!(!form.contains(TOKEN));
    nora.get(&format!("{PAGE}?edit=far")).await.expect(404);
    let set = [
        ("do", "set"),
        ("upstream", "near"),
        ("url", url.as_str()),
        ("allow_private", "yes"),
        ("allow", "hub/*"),
        ("deny", ""),
        ("file_max", "21 GB"),
        ("revalidate", "1 h"),
    ];
    let wrong = set.map(|(name, value)| (name, if name == "file_max" { "21 Gb" } else { value }));
    let refused = nora.submit(PAGE, PAGE, &wrong).await.expect(422).text();
    assert!(refused.contains("write `20 GB`") && refused.contains("value=\"21 Gb\""), "{refused}");
    let saved = nora.submit(PAGE, PAGE, &set).await.expect(200).text();
    assert!(saved.contains("Saved.") && saved.contains("21 GB") && !saved.contains("hub/bad"), "{saved}");
    assert_eq!(upstreams(&node).await[0].token.as_deref(), Some(&*sealed), "no token was typed");
    node.anonymous().get("/api/models/hub/tiny").await.expect(200);

    // It goes only with its name typed, and while nothing came from it or all of that goes with it.
    let remove = |confirm, repos| [("do", "remove"), ("upstream", "near"), ("confirm", confirm), ("repos", repos)];
    let differs = nora.submit(PAGE, PAGE, &remove("nearly", "delete")).await.expect(422).text();
    assert!(differs.contains("What you typed is another name. Nothing was deleted."), "{differs}");
    let kept = nora.submit(PAGE, PAGE, &remove("near", "")).await.expect(422).text();
    assert!(kept.contains("repositories that came from near are here: 1."), "{kept}");
    assert_eq!(upstreams(&node).await.len(), 1);
    let removed = nora.submit(PAGE, PAGE, &remove("near", "delete")).await.expect(200).text();
    assert!(removed.contains("It was removed.") && removed.contains("There is none yet."), "{removed}");
    assert!(upstreams(&node).await.is_empty());
    node.anonymous().get("/api/models/hub/tiny").await.expect(401);
    for (what, status) in [("remove", 422), ("check", 422), ("nothing", 422)] {
        let fields = [("do", what), ("upstream", "near"), ("confirm", "near")];
        nora.submit(PAGE, PAGE, &fields).await.expect(status);
    }
}

#[tokio::test]
async fn an_upstream_answers_or_says_why_not() {
    let (up, node) = (upstream().await, TestNode::start().await);
    let mut nora = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    let (url, check) = (up.url().to_owned(), [("do", "check"), ("upstream", "up")]);
    let add = [("do", "add"), ("name", "up"), ("url", url.as_str()), ("allow_private", "yes"), ("repo_max", "1 TB")];
    let added = nora.submit(PAGE, PAGE, &add).await.expect(200).text();
    assert!(added.contains("It is asked without one.") && added.contains("1 TB"), "{added}");
    assert!(nora.submit(PAGE, PAGE, &check).await.expect(200).text().contains("It answers."));
    up.stop().await;
    let silent = nora.submit(PAGE, PAGE, &check).await.expect(422).text();
    assert!(silent.contains("up does not answer as it should: cannot be reached"), "{silent}");
    assert!(silent.contains("In trouble:"), "{silent}");
}

#[tokio::test]
async fn a_wrong_wish_says_what_to_do_and_keeps_what_was_typed() {
    let node = TestNode::start().await;
    let mut nora = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    let good = [
        ("name", "near"),
        ("url", "https://hub.example.org"),
        ("allow", "hub/*"),
        ("deny", "*/<b>"),
        ("passed_on", "big/*"),
        ("file_max", "20 GB"),
        ("repo_max", "500 GB"),
        ("revalidate", "1 day"),
        ("token", TOKEN),
        ("pass_tokens", "yes"),
    ];
    let long = "x".repeat(2_100);
    for (field, value, said) in [
        ("url", "http://127.0.0.1:9", "this machine. If it is in your own network, allow private addresses for it"),
        ("url", "http://10.0.0.7", "an address of a private network"),
        ("url", "http://169.254.169.254", "an address where clouds keep secrets"),
        ("url", "http://localhost:80", "this machine"),
        ("url", "ftp://hub.example.org", "neither http nor https"),
        ("url", "https://a:b@hub.example.org", "has a user name or password in it"),
        ("url", "https://hub.example.org/?x=1", "leave out what stands after"),
        ("url", "hub", "is not an address: write https://hub.example.org"),
        ("url", &format!("https://{long}"), "longer than 2000 bytes"),
        ("name", "Near", "up to 40 small letters, digits and hyphens"),
        ("name", "", "up to 40 small letters"),
        ("allow", "[", "is not a pattern"),
        ("deny", "everything", "is not a pattern for repositories"),
        ("passed_on", "a/b/c/d", "is not a pattern for repositories"),
        ("file_max", "20 Gb", "write `20 GB`"),
        ("repo_max", "much", "write `20 GB`"),
        ("revalidate", "soon", "is not a length of time"),
        ("token", "two words", "characters that no token has"),
        ("line", &long, "the name of a line"),
    ] {
        let mut fields = vec![("do", "add"), (field, value)];
        fields.extend(good.iter().filter(|(name, _)| *name != field));
        let told = nora.submit(PAGE, PAGE, &fields).await.expect(422).text();
        assert!(told.contains(said), "{field}={value:.40}: {told}");
        assert!(!told.contains(TOKEN) && !told.contains("two words"), "{told}");
        for (kept, shown) in [
            ("name", "value=\"near\""),
            ("url", "value=\"https://hub.example.org\""),
            ("allow", "\nhub/*</textarea>"),
            ("deny", "\n*/&lt;b&gt;</textarea>"),
            ("passed_on", "\nbig/*</textarea>"),
            ("file_max", "value=\"20 GB\""),
            ("repo_max", "value=\"500 GB\""),
            ("revalidate", "value=\"1 day\""),
            ("pass_tokens", "name=\"pass_tokens\" value=\"yes\" checked"),
        ] {
            assert!(kept == field || told.contains(shown), "{kept} is lost after {field}={value:.40}: {told}");
        }
        assert!(!told.contains("name=\"allow_private\" value=\"yes\" checked"), "{told}");
    }
    assert!(upstreams(&node).await.is_empty());
}

#[tokio::test]
async fn upstreams_are_for_administrators_and_their_own_pages() {
    let node = TestNode::start().await;
    let fields = [("do", "add"), ("name", "theirs"), ("url", "https://hub.example.org")];
    let mut nora = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    nora.submit(PAGE, PAGE, &[("do", "add"), ("name", "ours"), ("url", "https://hub.example.org")]).await.expect(200);
    for (person, role) in [("alice", TokenRole::Write), ("nora", TokenRole::Read)] {
        let mut other = Browser::signed_in(&node, person, role).await;
        other.get(PAGE).await.expect(403);
        other.submit("/-/account", PAGE, &fields).await.expect(403);
        for (what, confirm) in [("remove", "ours"), ("remove", "x"), ("check", "")] {
            let fields = [("do", what), ("upstream", "ours"), ("confirm", confirm)];
            other.submit("/-/account", PAGE, &fields).await.expect(403);
        }
    }
    let mut nobody = Browser::of(&node);
    nobody.get(PAGE).await.expect(401);
    nobody.submit("/-/sign-in", PAGE, &fields).await.expect(401);
    // Another site sends the browser of an administrator with a form of its own.
    let proof = nora.proof(PAGE).await;
    let mut all = vec![("proof", proof.as_str())];
    all.extend(fields);
    for more in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        nora.post(PAGE, &all, &[more]).await.expect(400);
    }
    nora.post(PAGE, &fields, &[]).await.expect(400);
    let names: Vec<String> = upstreams(&node).await.into_iter().map(|remote| remote.name).collect();
    assert_eq!(names, ["ours"]);
}
