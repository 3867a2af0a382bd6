//! Discussions and pull requests over HTTP.

use karez_testkit::{Answer, TestClient, TestNode};
use karez_types::TokenRole;
use serde_json::{Value, json};

use crate::forms::Browser;

const BASE: &str = "/api/models/alice/m/discussions";

async fn node_with_repo() -> TestNode {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    node
}

async fn open(client: &TestClient, body: Value) -> u64 {
    client.post(BASE, &body).await.expect(200).json()["num"].as_u64().unwrap()
}

async fn details(node: &TestNode, number: u64) -> Value {
    node.anonymous().get(&format!("{BASE}/{number}?diff=1")).await.expect(200).json()
}

async fn post(client: &TestClient, rest: &str, body: Value) -> Answer {
    client.post(&format!("{BASE}/{rest}"), &body).await
}

/// What happened, in short.
fn story(details: &Value) -> Vec<String> {
    let events = details["events"].as_array().unwrap();
    let short = |event: &Value| {
        let data = &event["data"];
        let what = [&data["latest"]["raw"], &data["status"], &data["to"], &data["subject"]];
        let what = what.into_iter().find_map(Value::as_str).unwrap_or_default();
        format!("{} {}: {what}", event["author"]["name"].as_str().unwrap(), event["type"].as_str().unwrap())
    };
    events.iter().map(short).collect()
}

#[tokio::test]
async fn people_talk_about_a_repository() {
    let node = node_with_repo().await;
    let (alice, bob, carol) = (node.client("alice"), node.client("bob"), node.client("carol"));
    let number = open(&bob, json!({ "title": " Licence? ", "description": "Is it *free*?" })).await;
    assert_eq!(number, 1);
    let said = post(&alice, "1/comment", json!({ "comment": "It is." })).await.expect(200).json();
    let comment = said["newMessage"]["id"].as_str().unwrap().to_owned();
    assert_eq!((comment.len(), &said["newMessage"]["data"]["edited"]), (24, &json!(false)));
    post(&bob, "1/title", json!({ "title": "Licence" })).await.expect(200);
    post(&carol, "1/title", json!({ "title": "Mine" })).await.expect(403);
    post(&carol, "1/status", json!({ "status": "closed" })).await.expect(403);
    let closed = post(&alice, "1/status", json!({ "status": "closed", "comment": "Thanks" })).await.expect(200).json();
    assert_eq!(closed["newStatus"]["data"]["status"], "closed");
    post(&alice, "1/status", json!({ "status": "closed" })).await.expect(422);
    let found = details(&node, 1).await;
    assert_eq!(
        (&found["title"], &found["status"], &found["isPullRequest"]),
        (&json!("Licence"), &json!("closed"), &json!(false))
    );
    let story_so_far = [
        "bob comment: Is it *free*?",
        "alice comment: It is.",
        "bob title-change: Licence",
        "alice comment: Thanks",
        "alice status-change: closed",
    ];
    assert_eq!(story(&found), story_so_far);
    assert!(found["events"][0]["data"]["latest"]["html"].as_str().unwrap().contains("<em>free</em>"));

    // Only who wrote a comment edits it; who may write to the repository may hide it, for good.
    post(&bob, &format!("1/comment/{comment}/edit"), json!({ "content": "no" })).await.expect(403);
    let edited =
        post(&alice, &format!("1/comment/{comment}/edit"), json!({ "content": "It is MIT." })).await.expect(200);
    let edited = &edited.json()["updatedComment"]["data"];
    assert_eq!((&edited["edited"], &edited["history"][0]["raw"]), (&json!(true), &json!("It is.")));
    let first = found["events"][0]["id"].as_str().unwrap();
    post(&carol, &format!("1/comment/{first}/hide"), json!({})).await.expect(403);
    let hidden = post(&alice, &format!("1/comment/{first}/hide"), json!({})).await.expect(200).json();
    assert_eq!(
        (&hidden["updatedComment"]["data"]["hidden"], &hidden["updatedComment"]["data"]["latest"]["raw"]),
        (&json!(true), &json!(""))
    );
    assert!(!node.anonymous().get(&format!("{BASE}/1")).await.text().contains("free"));
    post(&bob, &format!("1/comment/{first}/edit"), json!({ "content": "back" })).await.expect(404);

    let counts =
        async |query: &str| node.anonymous().get(&format!("{BASE}?{query}")).await.expect(200).json()["count"].clone();
    assert_eq!((counts("status=open").await, counts("status=closed").await), (json!(0), json!(1)));
    assert_eq!((counts("author=BOB").await, counts("author=alice").await), (json!(1), json!(0)));
}

#[tokio::test]
async fn what_is_said_is_bounded_and_checked() {
    let node = node_with_repo().await;
    let bob = node.client("bob");
    for title in ["", "  ", "two\nlines", &"x".repeat(201)] {
        bob.post(BASE, &json!({ "title": title })).await.expect(400);
    }
    bob.post(BASE, &json!({ "title": "t", "description": "x".repeat(40_000) })).await.expect(400);
    let payload = "<script>alert(1)</script><img src=x onerror=alert(1)>";
    open(&bob, json!({ "title": payload, "description": payload })).await;
    let html = details(&node, 1).await["events"][0]["data"]["latest"]["html"].as_str().unwrap().to_owned();
    assert!(!html.contains("script") && !html.contains("onerror"), "{html}");
    for rest in ["0", "2", "x", "99999999999999999999"] {
        node.anonymous().get(&format!("{BASE}/{rest}")).await.expect(404);
        post(&bob, &format!("{rest}/comment"), json!({ "comment": "c" })).await.expect(404);
    }
    post(&bob, "1/comment", json!({ "comment": " " })).await.expect(400);
    post(&bob, "1/status", json!({ "status": "merged" })).await.expect(400);
    for event in ["x", "000000000002000000000001", "000000000001000000000009"] {
        post(&bob, &format!("1/comment/{event}/edit"), json!({ "content": "c" })).await.expect(404);
    }
    // What somebody may not see, they do not talk about.
    node.client("alice").put("/api/models/alice/m/settings", &json!({ "private": true })).await.expect(200);
    bob.get(&format!("{BASE}/1")).await.expect(404);
    post(&bob, "1/comment", json!({ "comment": "c" })).await.expect(404);
}

#[tokio::test]
async fn a_pull_request_is_merged() {
    let node = node_with_repo().await;
    let (alice, bob) = (node.client("alice"), node.client("bob"));
    let notes = b"one\ntwo\nthree\n";
    alice.commit("models/alice/m", "main", &[("notes.txt", notes), ("gone/a.txt", b"a")]).await.expect(200);
    // Opened without commits: a draft whose ref is where main is.
    assert_eq!(open(&bob, json!({ "title": "Better notes", "pullRequest": true })).await, 1);
    assert_eq!(details(&node, 1).await["status"], "draft");
    post(&alice, "1/merge", json!({})).await.expect(422);
    let large = vec![7u8; 11 << 20];
    let files: [(&str, &[u8]); 3] = [("notes.txt", b"one\n2\nthree\n"), ("new/b.txt", b"b"), ("m.bin", &large)];
    bob.commit("models/alice/m", "refs%2Fpr%2F1", &files).await.expect(200);
    post(&bob, "1/status", json!({ "status": "open" })).await.expect(200);
    // Meanwhile main goes on elsewhere.
    alice.commit("models/alice/m", "main", &[("other.txt", b"other")]).await.expect(200);

    let found = details(&node, 1).await;
    assert_eq!(found["changes"]["base"], "refs/heads/main");
    assert_eq!(found["filesWithConflicts"], json!([]));
    let diff = found["diff"].as_str().unwrap();
    for part in [
        "diff --git a/notes.txt b/notes.txt",
        "-two\n+2\n",
        "new file mode 100644\n--- /dev/null\n+++ b/new/b.txt",
        "Binary files",
    ] {
        assert!(diff.contains(part), "{part} in {diff}");
    }
    assert!(!diff.contains("other.txt"), "only what it proposes: {diff}");
    post(&bob, "1/merge", json!({})).await.expect(403);
    let merged = post(&alice, "1/merge", json!({ "comment": "Thank you" })).await.expect(200).json();
    let found = details(&node, 1).await;
    assert_eq!((&found["status"], &found["changes"]["mergeCommitId"]), (&json!("merged"), &merged["mergeCommitId"]));
    let told = story(&found);
    assert!(
        told.ends_with(&["alice comment: Thank you".to_owned(), "alice status-change: merged".to_owned()]),
        "{told:?}"
    );
    assert!(told.iter().any(|event| event.starts_with("bob commit: ")), "{told:?}");
    let raw = async |path: &str| node.anonymous().get(&format!("/alice/m/resolve/main/{path}")).await;
    assert_eq!(raw("notes.txt").await.expect(200).text(), "one\n2\nthree\n");
    assert_eq!(raw("other.txt").await.expect(200).text(), "other");
    assert_eq!(raw("gone/a.txt").await.expect(200).text(), "a");
    assert!(raw("m.bin").await.expect(200).body == large);
    // For good.
    post(&alice, "1/merge", json!({})).await.expect(422);
    post(&alice, "1/status", json!({ "status": "open" })).await.expect(422);
    let commits = node.anonymous().get("/api/models/alice/m/commits/main").await.expect(200).json();
    assert_eq!(commits[0]["title"], "Better notes (#1)");
    let report = node.hub.fsck(&karez_hub::Actor::Operator, karez_hub::FsckDepth::Bytes).await.unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[tokio::test]
async fn conflicts_are_named_and_nothing_is_merged() {
    let node = node_with_repo().await;
    let (alice, bob) = (node.client("alice"), node.client("bob"));
    let files: [(&str, &[u8]); 2] = [("a.txt", b"a"), ("same.txt", b"s")];
    alice.commit("models/alice/m", "main", &files).await.expect(200);
    let files: [(&str, &[u8]); 3] = [("a.txt", b"bob"), ("same.txt", b"equal"), ("folder/x.txt", b"x")];
    bob.commit("models/alice/m", "main?create_pr=1", &files).await.expect(200);
    let files: [(&str, &[u8]); 3] =
        [("a.txt", b"alice"), ("same.txt", b"equal"), ("folder", b"a file where the other has a folder")];
    alice.commit("models/alice/m", "main", &files).await.expect(200);
    let before = alice.get("/api/models/alice/m").await.expect(200).json()["sha"].clone();
    assert_eq!(details(&node, 1).await["filesWithConflicts"], json!(["a.txt"]));
    let refused = post(&alice, "1/merge", json!({})).await.expect(422);
    assert!(refused.text().contains("a.txt"), "{}", refused.text());
    // The other way round is refused as well, once that is settled.
    bob.commit("models/alice/m", "refs%2Fpr%2F1", &[("a.txt", b"alice")]).await.expect(200);
    let refused = post(&alice, "1/merge", json!({})).await.expect(422);
    assert!(refused.text().contains("folder"), "{}", refused.text());
    assert_eq!(alice.get("/api/models/alice/m").await.expect(200).json()["sha"], before);
    assert_eq!(details(&node, 1).await["status"], "open");
}

/// Of several who merge at once, one does.
#[tokio::test]
async fn a_pull_request_is_merged_once() {
    let node = node_with_repo().await;
    let (alice, bob) = (node.client("alice"), node.client("bob"));
    bob.commit("models/alice/m", "main?create_pr=1", &[("b.txt", b"b")]).await.expect(200);
    let clients: Vec<TestClient> = (0..8).map(|_| node.client("alice")).collect();
    let merges = clients.iter().map(|client| post(client, "1/merge", json!({})));
    let answers = futures::future::join_all(merges).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1]), (200, 422), "{statuses:?}");
    let commits = alice.get("/api/models/alice/m/commits/main").await.expect(200).json();
    let merged =
        commits.as_array().unwrap().iter().filter(|commit| commit["title"].as_str().unwrap().ends_with("(#1)"));
    assert_eq!(merged.count(), 1);
}

/// The same by forms, without a script.
#[tokio::test]
async fn a_browser_takes_part_and_merges() {
    let node = node_with_repo().await;
    let files: [(&str, &[u8]); 2] = [("b.txt", b"new\n"), ("<i>.txt", b"x")];
    node.client("bob").commit("models/alice/m", "main?create_pr=1", &files).await.expect(200);
    let list = "/alice/m/discussions";
    let mut stranger = Browser::of(&node);
    let read = stranger.get(list).await.expect(200).text();
    assert!(read.contains("/alice/m/discussions/1") && !read.contains("<textarea"), "{read}");
    assert!(
        !stranger
            .get("/alice/m/discussions/1")
            .await
            .expect(200)
            .text()
            .contains("<form method=\"post\" action=\"/alice")
    );

    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    let begun = bob.submit(list, list, &[("title", "What is <b>it</b>?"), ("text", "I *wonder*.")]).await.expect(303);
    assert_eq!(begun.header("location"), "/alice/m/discussions/2");
    let page = bob.get("/alice/m/discussions/2").await.expect(200).text();
    assert!(page.contains("<em>wonder</em>") && page.contains("What is &lt;b&gt;it&lt;/b&gt;?"), "{page}");
    let again = bob.submit(list, list, &[("title", " "), ("text", "x")]).await.expect(422).text();
    assert!(again.contains("needs a title"), "{again}");

    let one = "/alice/m/discussions/1";
    bob.submit(one, one, &[("do", "comment"), ("text", "Please")]).await.expect(303);
    let refused = bob.submit(one, one, &[("do", "merge")]).await;
    assert!(matches!(refused.status, 403 | 422), "{}", refused.text());
    let mut reader = Browser::signed_in(&node, "alice", TokenRole::Read).await;
    assert!(!reader.get(one).await.expect(200).text().contains("<textarea"), "a session of a token that reads");
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let page = alice.get(one).await.expect(200).text();
    assert!(
        page.contains("<ins>new</ins>") && page.contains("value=\"merge\"") && page.contains("&lt;i&gt;.txt"),
        "{page}"
    );
    alice.submit(one, one, &[("do", "title"), ("title", "Better")]).await.expect(303);
    alice.submit(one, one, &[("do", "close")]).await.expect(303);
    alice.submit(one, one, &[("do", "open")]).await.expect(303);
    alice.submit(one, one, &[("do", "merge")]).await.expect(303);
    let page = alice.get(one).await.expect(200).text();
    assert!(page.contains("Better") && !page.contains("value=\"merge\"") && !page.contains("value=\"open\""), "{page}");
    assert_eq!(node.anonymous().get("/alice/m/resolve/main/b.txt").await.expect(200).text(), "new\n");
}

/// A comment is edited and hidden by forms, which are open for one at a time and only for those who may.
#[tokio::test]
async fn comments_are_edited_and_hidden_in_a_browser() {
    let node = node_with_repo().await;
    let (bob, alice) = (node.client("bob"), node.client("alice"));
    open(&bob, json!({ "title": "Licence?", "description": "Is it *free*?" })).await;
    post(&alice, "1/comment", json!({ "comment": "It is </textarea><b>MIT</b>." })).await.expect(200);
    let one = "/alice/m/discussions/1";
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let mut carol = Browser::signed_in(&node, "carol", TokenRole::Write).await;
    let mut reader = Browser::signed_in(&node, "bob", TokenRole::Read).await;
    let ways = |page: &str| page.matches("?comment=").count();

    // One's own comment can be changed, and any by who may write to the repository.
    for (browser, count) in [(&mut bob, 1), (&mut alice, 2), (&mut carol, 0), (&mut reader, 0)] {
        assert_eq!(ways(&browser.get(one).await.expect(200).text()), count);
    }
    let (first, second) = ("/alice/m/discussions/1?comment=1", "/alice/m/discussions/1?comment=2");
    let opened = bob.get(first).await.expect(200).text();
    assert!(opened.contains("\nIs it *free*?</textarea>") && opened.contains("value=\"hide\""), "{opened}");
    let of_other = alice.get(first).await.expect(200).text();
    assert!(!of_other.contains("value=\"edit\"") && of_other.contains("value=\"hide\""), "{of_other}");
    let hostile = alice.get(second).await.expect(200).text();
    assert!(hostile.contains("\nIt is &lt;/textarea&gt;&lt;b&gt;MIT&lt;/b&gt;.</textarea>"), "{hostile}");
    for nothing in ["0", "3", "x", "-1", "99999999999999999999"] {
        let page = bob.get(&format!("{one}?comment={nothing}")).await.expect(200).text();
        assert!(!page.contains("value=\"edit\"") && !page.contains("value=\"hide\""), "{nothing}: {page}");
    }
    for browser in [&mut carol, &mut reader] {
        assert!(!browser.get(first).await.expect(200).text().contains("value=\"hide\""));
    }

    let edit = |comment, text| [("do", "edit"), ("comment", comment), ("text", text)];
    let edited = bob.submit(first, one, &edit("1", "Is it **open**?")).await.expect(303);
    assert_eq!(edited.header("location"), "/alice/m/discussions/1#comment-1");
    let page = bob.get(one).await.expect(200).text();
    assert!(page.contains("<strong>open</strong>") && page.contains("edited on"), "{page}");
    assert!(page.contains("id=\"comment-1\"") && !page.contains("free"), "{page}");
    let history = &details(&node, 1).await["events"][0]["data"]["history"];
    assert_eq!(history[0]["raw"], "Is it *free*?");
    // What cannot be is said, and what was typed stays in the editor.
    let long = format!("{}end of it", "x".repeat(33_000));
    let refused = bob.submit(first, one, &edit("1", &long)).await.expect(422).text();
    assert!(refused.contains("the comment has 33009 bytes") && refused.contains("end of it</textarea>"), "{refused}");
    let refused = bob.submit(first, one, &edit("1", " ")).await.expect(422).text();
    assert!(refused.contains("a comment needs some text"), "{refused}");
    for (browser, comment) in [(&mut bob, "2"), (&mut alice, "1"), (&mut carol, "1")] {
        let refused = browser.submit(one, one, &edit(comment, "Mine")).await.expect(422).text();
        assert!(refused.contains("only who wrote a comment may edit it"), "{refused}");
        assert!(!refused.contains("Mine"), "an editor is open for a comment of somebody else: {refused}");
    }

    let hide = |comment| [("do", "hide"), ("comment", comment)];
    let refused = carol.submit(one, one, &hide("1")).await.expect(422).text();
    assert!(refused.contains("may hide it"), "{refused}");
    for nothing in ["0", "3", "x", "18446744073709551615"] {
        let refused = alice.submit(one, one, &hide(nothing)).await.expect(422).text();
        assert!(refused.contains("there is no such comment"), "{nothing}: {refused}");
    }
    alice.submit(first, one, &hide("1")).await.expect(303);
    alice.submit(second, one, &hide("2")).await.expect(303);
    let page = alice.get(one).await.expect(200).text();
    assert!(!page.contains("open</strong>") && !page.contains("MIT") && ways(&page) == 0, "{page}");
    assert_eq!(page.matches("This comment was hidden.").count(), 2, "{page}");
    // For good.
    let refused = bob.submit(one, one, &edit("1", "back")).await.expect(422).text();
    assert!(refused.contains("there is no such comment"), "{refused}");
}
