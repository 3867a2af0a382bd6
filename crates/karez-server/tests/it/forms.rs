//! Pages on which people do things, as a browser without scripts uses them; and what others make of that.

use std::collections::BTreeMap;

use karez_hub::Actor;
use karez_server::{BodyBound, Verb, route_table};
use karez_testkit::reqwest::Method;
use karez_testkit::{Answer, NodeOptions, TestClient, TestNode};
use karez_types::{Limits, TokenRole};
use serde_json::json;

const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const PASSWORD: &str = "three quiet rivers";

/// Encodes a value of a form.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A browser with its cookies.
pub struct Browser {
    client: TestClient,
    pub cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn of(node: &TestNode) -> Browser {
        Browser { client: node.anonymous(), cookies: BTreeMap::new() }
    }

    /// Returns a browser in which somebody signed in with their token.
    pub async fn signed_in(node: &TestNode, person: &'static str, role: TokenRole) -> Browser {
        let mut browser = Browser::of(node);
        let token = node.token(person, role);
        browser.submit("/-/sign-in", "/-/sign-in", &[("token", token)]).await.expect(303);
        browser
    }

    /// Returns a browser in which somebody signed in with a password, which they have from now on.
    pub async fn with_password(node: &TestNode, person: &str) -> Browser {
        node.hub.password_set(&Actor::Operator, person, PASSWORD).await.unwrap();
        let mut browser = Browser::of(node);
        let fields = [("name", person), ("password", PASSWORD)];
        browser.submit("/-/sign-in", "/-/sign-in", &fields).await.expect(303);
        browser
    }

    fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
        more: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.client.request(method, path).header("accept", ACCEPT);
        if !self.cookies.is_empty() {
            request = request.header("cookie", self.cookie_header());
        }
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let answer = self.client.send(request).await;
        for set in answer.headers.get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, &[]).await
    }

    /// Returns a proof out of a page.
    pub async fn proof(&mut self, page: &str) -> String {
        let text = self.get(page).await.expect(200).text();
        let after =
            text.split("name=\"proof\" value=\"").nth(1).unwrap_or_else(|| panic!("{page} has no form: {text}"));
        after.split('"').next().unwrap().to_owned()
    }

    pub async fn post(&mut self, action: &str, fields: &[(&str, &str)], more: &[(&str, &str)]) -> Answer {
        let body =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
        self.ask(Method::POST, action, Some(("application/x-www-form-urlencoded", body.into_bytes())), more).await
    }

    /// Sends a form of a page that was looked at.
    pub async fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let proof = self.proof(page).await;
        let mut all = vec![("proof", proof.as_str())];
        all.extend_from_slice(fields);
        self.post(action, &all, &[]).await
    }

    /// Sends a form with files.
    pub async fn upload(
        &mut self,
        page: &str,
        action: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &[u8])],
    ) -> Answer {
        let proof = self.proof(page).await;
        let mut all = vec![("proof", proof.as_str())];
        all.extend_from_slice(fields);
        let body = multipart(&all, files);
        self.ask(Method::POST, action, Some(("multipart/form-data; boundary=XX", body)), &[]).await
    }
}

fn multipart(fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
        );
    }
    for (name, content) in files {
        let head = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/plain\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    body
}

#[tokio::test]
async fn somebody_signs_in_with_a_password() {
    let node = TestNode::start().await;
    node.hub.password_set(&Actor::Operator, "alice", PASSWORD).await.unwrap();
    let mut browser = Browser::of(&node);
    // Whoever planted a session gains nothing: signing in makes a new one.
    browser.cookies.insert("karez_session".to_owned(), "a".repeat(40));
    for (name, password) in
        [("alice", "three quiet river"), ("nobody", PASSWORD), ("bob", PASSWORD), ("", PASSWORD), ("acme", PASSWORD)]
    {
        let wrong =
            browser.submit("/-/sign-in", "/-/sign-in", &[("name", name), ("password", password)]).await.expect(422);
        assert!(wrong.text().contains("Name or password is not right"), "{name}");
        assert_eq!(browser.cookies["karez_session"], "a".repeat(40));
    }
    let fields = [("name", "Alice"), ("password", PASSWORD), ("next", "//evil.example/x")];
    let inside = browser.submit("/-/sign-in", "/-/sign-in", &fields).await.expect(303);
    assert_eq!(inside.header("location"), "/");
    let first = browser.cookies["karez_session"].clone();
    assert!(first.len() == 40 && first != "a".repeat(40));
    let page = browser.get("/-/account").await.expect(200);
    assert!(page.text().contains("You are signed in as") && page.header("cache-control") == "no-store");
    // Signing in once more ends the session before.
    browser.submit("/-/sign-in", "/-/sign-out", &[]).await.expect(303);
    browser.submit("/-/sign-in", "/-/sign-in", &[("name", "alice"), ("password", PASSWORD)]).await.expect(303);
    let second = browser.cookies["karez_session"].clone();
    assert_ne!(first, second);
    browser.cookies.insert("karez_session".to_owned(), first);
    browser.get("/-/account").await.expect(401);
}

#[tokio::test]
async fn guessing_a_password_ends_wherever_it_comes_from() {
    let node = TestNode::start().await;
    node.hub.password_set(&Actor::Operator, "alice", PASSWORD).await.unwrap();
    let mut browser = Browser::of(&node);
    let proof = browser.proof("/-/sign-in").await;
    for n in 0..10 {
        let wrong = [("proof", proof.as_str()), ("name", "alice"), ("password", &format!("wrong number {n}"))];
        browser.post("/-/sign-in", &wrong, &[]).await.expect(422);
    }
    let right = [("proof", proof.as_str()), ("name", "ALICE"), ("password", PASSWORD)];
    let over = browser.post("/-/sign-in", &right, &[]).await.expect(429);
    assert_eq!(over.header("retry-after"), "60");
    // A token still works; and so does the password, after a while.
    let token = node.token("alice", TokenRole::Read);
    browser.post("/-/sign-in", &[("proof", &proof), ("token", token)], &[]).await.expect(303);
    node.advance_secs(601);
    let mut later = Browser::of(&node);
    later.submit("/-/sign-in", "/-/sign-in", &right[1..]).await.expect(303);
}

#[tokio::test]
async fn an_administrator_invites_somebody_once() {
    let node = TestNode::start().await;
    let mut admin = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    admin.submit("/-/admin", "/-/admin", &[("do", "create"), ("name", "amina"), ("kind", "user")]).await.expect(200);
    let taken =
        admin.submit("/-/admin", "/-/admin", &[("do", "create"), ("name", "Amina"), ("kind", "org")]).await.expect(422);
    assert!(taken.text().contains("the name Amina is taken"), "{}", taken.text());
    let made = admin.submit("/-/admin", "/-/admin", &[("do", "invite"), ("user", "amina")]).await.expect(200).text();
    let url = made.split("<code>").find(|rest| rest.starts_with("http")).unwrap().split('<').next().unwrap();
    let path = url.strip_prefix(node.url()).unwrap().to_owned();
    let code = path.split("code=").nth(1).unwrap().to_owned();
    let mut amina = Browser::of(&node);
    let differ = [("code", code.as_str()), ("password", PASSWORD), ("again", "three quiet lakes")];
    amina.submit(&path, "/-/invited", &differ).await.expect(422);
    let weak = amina
        .submit(&path, "/-/invited", &[("code", &code), ("password", "short"), ("again", "short")])
        .await
        .expect(422);
    assert!(weak.text().contains("at least 10 characters"), "{}", weak.text());
    amina
        .submit(&path, "/-/invited", &[("code", &code), ("password", PASSWORD), ("again", PASSWORD)])
        .await
        .expect(303);
    assert!(amina.get("/-/account").await.expect(200).text().contains("amina"));
    // Once, and not by guessing.
    Browser::of(&node).get(&path).await.expect(404);
    Browser::of(&node).get("/-/invited?code=").await.expect(404);
    // Whoever is no administrator sees nothing of this.
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    alice.get("/-/admin").await.expect(403);
    let proof = alice.proof("/-/account").await;
    for fields in [[("do", "invite"), ("user", "nora")], [("do", "create"), ("name", "mallory")]] {
        let mut all = vec![("proof", proof.as_str())];
        all.extend(fields);
        alice.post("/-/admin", &all, &[]).await.expect(403);
    }
    Browser::signed_in(&node, "nora", TokenRole::Read).await.get("/-/admin").await.expect(403);
    // An invitation ends with its time.
    let late = node.hub.invitation_create(&Actor::Operator, "bob").await.unwrap();
    node.advance_secs(3 * 86_400 + 1);
    Browser::of(&node).get(&format!("/-/invited?code={late}")).await.expect(404);
}

#[tokio::test]
async fn tokens_are_shown_once_and_revoked() {
    let node = TestNode::start().await;
    let mut alice = Browser::with_password(&node, "alice").await;
    let fields = [("token_name", "<b>laptop"), ("role", "read"), ("days", "30")];
    let made = alice.submit("/-/account", "/-/account/token", &fields).await.expect(200).text();
    let token =
        made.split("<code>").find(|rest| rest.starts_with("hf_")).unwrap().split('<').next().unwrap().to_owned();
    let tool = TestClient::new(node.url(), Some(&token));
    assert_eq!(tool.get("/api/whoami-v2").await.expect(200).json()["auth"]["accessToken"]["role"], "read");
    let page = alice.get("/-/account").await.expect(200).text();
    assert!(page.contains("&lt;b&gt;laptop") && !page.contains(&token), "{page}");
    let ids = node.hub.token_list(&Actor::Operator, "alice").await.unwrap();
    let id = ids.iter().find(|token| token.name == "<b>laptop").unwrap().id.to_string();
    // Nobody revokes what is another's.
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    bob.submit("/-/account", "/-/account/revoke", &[("id", &id)]).await.expect(422);
    tool.get("/api/whoami-v2").await.expect(200);
    alice.submit("/-/account", "/-/account/revoke", &[("id", &id)]).await.expect(200);
    tool.get("/api/whoami-v2").await.expect(401);
    for days in ["0", "99999", "x", ""] {
        alice.submit("/-/account", "/-/account/token", &[("token_name", "x"), ("days", days)]).await.expect(422);
    }
    // A session that may only read makes no token that may write, and does not even see the form.
    let mut reader = Browser::signed_in(&node, "alice", TokenRole::Read).await;
    assert!(!reader.get("/-/account").await.expect(200).text().contains("/-/account/token"));
    let fields = [("token_name", "x"), ("role", "write"), ("days", "9")];
    reader.submit("/-/account", "/-/account/token", &fields).await.expect(422);
    reader
        .submit("/-/account", "/-/account/password", &[("password", PASSWORD), ("again", PASSWORD)])
        .await
        .expect(422);
}

/// A token of a day that somebody lost must not become the account for ever.
#[tokio::test]
async fn a_session_by_token_makes_nothing_that_outlives_the_token() {
    let node = TestNode::start().await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let page = alice.get("/-/account").await.expect(200).text();
    assert!(page.contains("You signed in with a token.") && !page.contains("/-/account/token"), "{page}");
    assert!(!page.contains("/-/account/password"), "{page}");
    let token = [("token_name", "for ever"), ("role", "write"), ("days", "3650")];
    let refused = alice.submit("/-/account", "/-/account/token", &token).await.expect(422).text();
    assert!(refused.contains("a token makes no token"), "{refused}");
    let password = [("password", PASSWORD), ("again", PASSWORD)];
    alice.submit("/-/account", "/-/account/password", &password).await.expect(422);
    assert!(node.hub.token_list(&Actor::Operator, "alice").await.unwrap().iter().all(|it| it.name != "for ever"));
    assert!(node.hub.password_verify("alice", PASSWORD).await.unwrap().is_none());
    // Nor by an invitation of one's own making.
    let mut nora = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    nora.submit("/-/admin", "/-/admin", &[("do", "invite"), ("user", "nora")]).await.expect(422);
    nora.submit("/-/admin", "/-/admin", &[("do", "invite"), ("user", "bob")]).await.expect(200);
    // Who knows the password may change it, whatever they signed in with.
    node.hub.password_set(&Actor::Operator, "alice", PASSWORD).await.unwrap();
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let next = "four loud mountains";
    let fields = [("old", PASSWORD), ("password", next), ("again", next)];
    alice.submit("/-/account", "/-/account/password", &fields).await.expect(303);
    // That session is one by password.
    alice.submit("/-/account", "/-/account/token", &token).await.expect(200);
}

#[tokio::test]
async fn a_new_password_signs_out_all_other_browsers() {
    let node = TestNode::start().await;
    let mut here = Browser::with_password(&node, "alice").await;
    let mut there = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    here.submit("/-/account", "/-/account/others", &[]).await.expect(200);
    there.get("/-/account").await.expect(401);
    let mut there = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let (page, action) = ("/-/account", "/-/account/password");
    here.submit(page, action, &[("old", PASSWORD), ("password", PASSWORD), ("again", PASSWORD)]).await.expect(303);
    here.get("/-/account").await.expect(200);
    there.get("/-/account").await.expect(401);
    // The present one must be known, and guessing at it is counted.
    let next = "four loud mountains";
    let wrong =
        here.submit(page, action, &[("old", "not this one"), ("password", next), ("again", next)]).await.expect(422);
    assert!(wrong.text().contains("the present password is not right"), "{}", wrong.text());
    for _ in 0..9 {
        here.submit(page, action, &[("old", "not this one"), ("password", next), ("again", next)]).await.expect(422);
    }
    here.submit(page, action, &[("old", PASSWORD), ("password", next), ("again", next)]).await.expect(429);
    node.advance_secs(601);
    here.submit(page, action, &[("old", PASSWORD), ("password", next), ("again", next)]).await.expect(303);
}

#[tokio::test]
async fn a_repository_is_made_changed_moved_and_deleted() {
    let node = TestNode::start().await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let new = |owner, name| [("kind", "dataset"), ("owner", owner), ("name", name), ("visibility", "private")];
    let made = alice.submit("/-/new", "/-/new", &new("acme", "rice")).await.expect(303);
    assert_eq!(made.header("location"), "/datasets/acme/rice");
    assert!(alice.get("/datasets/acme/rice").await.expect(200).text().contains("/datasets/acme/rice/settings"));
    for (owner, name, said) in
        [("acme", "rice", "already created"), ("bob", "x", "have the rights"), ("acme", "a b", "name")]
    {
        let refused = alice.submit("/-/new", "/-/new", &new(owner, name)).await.expect(422);
        assert!(refused.text().contains(said), "{owner}/{name}: {}", refused.text());
    }
    let settings = "/datasets/acme/rice/settings";
    // Who may not see it is told what is told of nothing; who may not change it, so.
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    bob.get(settings).await.expect(404);
    let mut carol = Browser::signed_in(&node, "carol", TokenRole::Write).await;
    carol.get(settings).await.expect(403);
    let page = carol.get("/datasets/acme/rice").await.expect(200).text();
    assert!(page.contains("/upload/main") && !page.contains("/settings\""), "{page}");
    let deletes = [("do", "delete"), ("confirm", "acme/rice")];
    for (browser, status) in [(&mut bob, 404), (&mut carol, 403)] {
        let proof = browser.proof("/-/account").await;
        let mut all = vec![("proof", proof.as_str())];
        all.extend(deletes);
        browser.post(settings, &all, &[]).await.expect(status);
    }
    let reader = async |path: &str| node.anonymous().get(path).await.status;
    assert_eq!(reader("/api/datasets/acme/rice").await, 401);
    alice.submit(settings, settings, &[("do", "visibility"), ("visibility", "public")]).await.expect(200);
    assert_eq!(reader("/api/datasets/acme/rice").await, 200);
    alice.submit(settings, settings, &[("do", "gated"), ("gated", "auto")]).await.expect(200);
    alice.submit(settings, settings, &[("do", "gated"), ("gated", "perhaps")]).await.expect(422);
    alice.submit(settings, settings, &[("do", "nothing")]).await.expect(422);
    let moved = alice.submit(settings, settings, &[("do", "move"), ("to", "alice/rice-2")]).await.expect(303);
    assert_eq!(moved.header("location"), "/datasets/alice/rice-2");
    let settings = "/datasets/alice/rice-2/settings";
    let differs = alice.submit(settings, settings, &[("do", "delete"), ("confirm", "alice/rice")]).await.expect(422);
    assert!(differs.text().contains("Nothing was deleted"), "{}", differs.text());
    assert_eq!(reader("/api/datasets/alice/rice-2").await, 200);
    alice.submit(settings, settings, &[("do", "delete"), ("confirm", "alice/rice-2")]).await.expect(303);
    assert_eq!(reader("/api/datasets/alice/rice-2").await, 401);
}

#[tokio::test]
async fn files_are_uploaded_and_the_card_is_edited() {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let page = alice.get("/alice/m/upload/main").await.expect(200);
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("script-src 'self'")
            && policy.contains("connect-src 'self'")
            && policy.contains("frame-ancestors 'none'")
    );
    let script = page.text().split("src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let script = alice.get(&script).await.expect(200);
    assert!(
        script.header("content-type").starts_with("text/javascript")
            && script.header("cache-control").contains("immutable")
    );
    let (page, action) = ("/alice/m/upload/main?folder=data", "/alice/m/upload/main");
    let files: [(&str, &[u8]); 2] = [("a.txt", b"one\n"), ("big.bin", &[7; 3 << 20])];
    let done = alice.upload(page, action, &[("folder", "data"), ("message", "two files")], &files).await.expect(303);
    assert_eq!(done.header("location"), "/alice/m/tree/main/data");
    assert_eq!(node.anonymous().get("/alice/m/resolve/main/data/a.txt").await.expect(200).text(), "one\n");
    assert_eq!(node.anonymous().get("/alice/m/resolve/main/data/big.bin").await.expect(200).body.len(), 3 << 20);
    for (folder, file) in [("..", "x"), (".git", "config"), ("a/../../b", "x")] {
        alice.upload(page, action, &[("folder", folder)], &[(file, b"x")]).await.expect(422);
    }
    alice.upload(page, action, &[("folder", "")], &[]).await.expect(422);
    // Without a right, and with the proof of no page, nothing of the files is kept. (Who may read and not write
    // proposes: `social.rs`.)
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Read).await;
    bob.get(action).await.expect(403);
    bob.upload("/-/account", action, &[("folder", "")], &[("x.txt", b"x")]).await.expect(403);
    let unproven = multipart(&[("proof", "none")], &files);
    alice.ask(Method::POST, action, Some(("multipart/form-data; boundary=XX", unproven)), &[]).await.expect(400);
    let late = multipart(&[("folder", "x"), ("proof", &alice.proof(action).await)], &files);
    alice.ask(Method::POST, action, Some(("multipart/form-data; boundary=XX", late)), &[]).await.expect(400);

    let edit = "/alice/m/edit/main/README.md";
    let text = alice.get(edit).await.expect(200).text();
    assert!(text.contains("license: \n") && text.contains("Advice on the card"), "{text}");
    let parent =
        |text: &str| text.split("name=\"parent\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let seen = parent(&text);
    let card = "---\r\nlicence: mit\r\n---\r\n# Hi <script>alert(1)</script>\r\n";
    let checked =
        alice.submit(edit, edit, &[("text", card), ("parent", &seen), ("do", "check")]).await.expect(200).text();
    for expected in ["is not known. Is it <bdi dir=\"ltr\">license</bdi>?", "Preview", "<h2>Hi"] {
        assert!(checked.contains(expected), "{expected} in {checked}");
    }
    assert!(!checked.contains("<script"), "{checked}");
    node.anonymous().get("/alice/m/resolve/main/README.md").await.expect(404);
    let wrong = "---\nlicense: &x mit\nlicense_name: *x\n---\n# Hi\n";
    let refused =
        alice.submit(edit, edit, &[("text", wrong), ("parent", &seen), ("do", "save")]).await.expect(422).text();
    assert!(refused.contains("Values are named with &amp;"), "{refused}");
    let right = card.replace("licence", "license");
    let saved = alice.submit(edit, edit, &[("text", &right), ("parent", &seen), ("do", "save")]).await.expect(303);
    assert_eq!(saved.header("location"), "/alice/m");
    let stored = node.anonymous().get("/alice/m/resolve/main/README.md").await.expect(200).text();
    assert_eq!(stored, right.replace("\r\n", "\n"));
    // Whoever edits what another has changed meanwhile keeps their text, and overwrites nothing.
    let stale =
        alice.submit(edit, edit, &[("text", "# Other\n"), ("parent", &seen), ("do", "save")]).await.expect(422).text();
    assert!(stale.contains("Somebody changed this file while you wrote") && stale.contains("# Other"), "{stale}");
    // What they changed is shown, and saving once more is a decision.
    assert!(stale.contains("<ins>license: mit</ins>") && stale.contains("Save over it"), "{stale}");
    let now = parent(&stale);
    assert_ne!(now, seen);
    alice.submit(edit, edit, &[("text", "# Other\n"), ("parent", &now), ("do", "save")]).await.expect(303);
    assert_eq!(node.anonymous().get("/alice/m/resolve/main/README.md").await.expect(200).text(), "# Other\n");
    // Another file is no conflict.
    let seen = parent(&alice.get(edit).await.expect(200).text());
    node.client("alice").commit("models/alice/m", "main", &[("elsewhere.txt", b"x")]).await.expect(200);
    alice.submit(edit, edit, &[("text", "# Mine\n"), ("parent", &seen), ("do", "save")]).await.expect(303);
    assert_eq!(node.anonymous().get("/alice/m/resolve/main/README.md").await.expect(200).text(), "# Mine\n");
    node.anonymous().get("/alice/m/resolve/main/elsewhere.txt").await.expect(200);
    bob.get(edit).await.expect(403);
    bob.submit("/-/account", edit, &[("text", "x"), ("do", "save")]).await.expect(403);
    // A large file is no text.
    let large = alice.get("/alice/m/edit/main/data/big.bin").await.expect(303);
    assert_eq!(large.header("location"), "/alice/m/blob/main/data/big.bin");
}

/// What a form does not take is not silently left out.
#[tokio::test]
async fn more_than_a_form_takes_is_refused_before_anything_is_kept() {
    let limits = Limits { form_upload_bytes_max: 2_000_000, ..Limits::default() };
    let node = TestNode::start_with(NodeOptions { limits, ..NodeOptions::default() }).await;
    node.client("alice").repo_create("dataset", "alice/photos", "public").await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let page = "/datasets/alice/photos/upload/main";
    let names: Vec<String> = (0..101).map(|n| format!("p{n:03}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let fields = [("folder", "holidays"), ("message", "")];
    let refused = alice.upload(page, page, &fields, &files).await.expect(413).text();
    assert!(refused.contains("takes 100 files at once") && refused.contains("Nothing was kept"), "{refused}");
    assert!(refused.contains("value=\"holidays\"") && refused.contains("data-files=\"100\""), "{refused}");
    let tree = "/api/datasets/alice/photos/tree/main?recursive=true";
    let count = async || {
        let found = node.anonymous().get(tree).await.expect(200).json();
        found.as_array().unwrap().iter().filter(|it| it["path"].as_str().unwrap().ends_with(".txt")).count()
    };
    assert_eq!(count().await, 0);
    alice.upload(page, page, &fields, &files[..100]).await.expect(303);
    assert_eq!(count().await, 100);
    // Too many bytes: the page is there again, in the reader's words, with what was typed.
    let large = vec![b'x'; 3_000_000];
    let refused = alice.upload(page, page, &fields, &[("large.bin", &large)]).await.expect(413).text();
    assert!(refused.contains("takes <bdi>2 MB</bdi> at once") && refused.contains("value=\"holidays\""), "{refused}");
    let table = [("owner", "alice"), ("name", "rice"), ("title", "Prices of rice"), ("about", "By country.")];
    let refused = alice.upload("/-/publish", "/-/publish", &table, &[("a.csv", &large)]).await.expect(413).text();
    assert!(refused.contains("value=\"Prices of rice\"") && refused.contains("By country."), "{refused}");
    assert!(!refused.contains("limits.") && refused.contains("href=\"/-/new\""), "{refused}");
    // Programs are told as before.
    let program = node.client("alice");
    let request = program.request(Method::POST, page).header("content-type", "multipart/form-data; boundary=XX");
    program.send(request.body(large)).await.expect(413);
    // Fields beyond those that any form has are no form.
    let many: Vec<(&str, &str)> = (0..100).map(|_| ("x", "1")).collect();
    alice.submit(page, "/-/account/others", &many).await.expect(400);
}

/// Whoever writes for an hour does not lose what they wrote.
#[tokio::test]
async fn what_was_typed_outlives_the_proof_and_the_session() {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let edit = "/alice/m/edit/main/README.md";
    let hidden = |text: &str, name: &str| {
        let after = text.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("{name}: {text}"));
        after.split('"').next().unwrap().to_owned()
    };
    let typed = "---\nlicense: mit\n---\n# An hour's work <b>\n";
    let page = alice.get(edit).await.expect(200).text();
    let (old, parent) = (hidden(&page, "proof"), hidden(&page, "parent"));
    node.advance_secs(3_601);
    let fields = [("text", typed), ("parent", &parent), ("message", "Long thought"), ("do", "save")];
    let mut all = vec![("proof", old.as_str())];
    all.extend(fields);
    let french = [("accept-language", "fr")];
    let again = alice.post(edit, &all, &french).await.expect(400);
    assert_eq!(again.header("cache-control"), "no-store");
    let again = again.text();
    assert!(again.contains("An hour's work &lt;b&gt;") && again.contains("value=\"Long thought\""), "{again}");
    assert!(again.contains("ouverte depuis plus d’une heure") && again.contains("/-/account"), "{again}");
    assert!(again.contains(&format!("action=\"{edit}\"")) && hidden(&again, "parent") == parent, "{again}");
    let fresh = hidden(&again, "proof");
    assert_ne!(fresh, old);
    let mut all = vec![("proof", fresh.as_str())];
    all.extend(fields);
    alice.post(edit, &all, &[]).await.expect(303);
    assert_eq!(node.anonymous().get("/alice/m/resolve/main/README.md").await.expect(200).text(), typed);
    // The session ended meanwhile: the same, and how to go on.
    let comment = [("text", "A long thought"), ("title", "On dialects")];
    let proof = alice.proof("/alice/m/discussions").await;
    alice.submit("/-/account", "/-/sign-out", &[]).await.expect(303);
    let mut all = vec![("proof", proof.as_str())];
    all.extend(comment);
    // Without a word of the browser or a proof, this might be another site's.
    let blank = alice.post("/alice/m/discussions", &all, &[]).await.expect(400).text();
    assert!(!blank.contains("A long thought") && blank.contains("The form was not taken"), "{blank}");
    let own = node.url().to_owned();
    let shown = alice.post("/alice/m/discussions", &all, &[("origin", &own)]).await.expect(400).text();
    assert!(shown.contains("A long thought") && shown.contains("You are signed out"), "{shown}");
    for foreign in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let text = alice.post("/alice/m/discussions", &all, &[foreign]).await.expect(400).text();
        assert!(!text.contains("A long thought"), "{text}");
    }
    // No password is ever written back.
    let mut secret = vec![("proof", proof.as_str())];
    secret.extend([("old", PASSWORD), ("password", PASSWORD), ("text", "x")]);
    let text = alice.post("/-/account/password", &secret, &[("origin", &own)]).await.expect(400).text();
    assert!(!text.contains(PASSWORD), "{text}");
    // A session that the node ended, of which the browser does not know.
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let proof = alice.proof("/alice/m/discussions").await;
    node.hub.password_set(&Actor::Operator, "alice", PASSWORD).await.unwrap();
    let mut all = vec![("proof", proof.as_str())];
    all.extend(comment);
    let shown = alice.post("/alice/m/discussions", &all, &[]).await.expect(400).text();
    assert!(shown.contains("A long thought") && shown.contains("You are signed out"), "{shown}");
}

/// What a form was answered with cannot be read again by its address.
#[tokio::test]
async fn answers_to_forms_offer_no_language_that_would_lose_them() {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let edit = "/alice/m/edit/main/README.md";
    assert!(alice.get(edit).await.expect(200).text().contains("?lang=fr"));
    let checked = alice.submit(edit, edit, &[("text", "# Long"), ("do", "check")]).await.expect(200).text();
    assert!(checked.contains("# Long") && !checked.contains("lang=fr"), "{checked}");
    let code = node.hub.invitation_create(&Actor::Operator, "bob").await.unwrap();
    let page = format!("/-/invited?code={code}");
    let mut bob = Browser::of(&node);
    let weak = [("code", code.as_str()), ("password", "short"), ("again", "short")];
    let again = bob.submit(&page, "/-/invited", &weak).await.expect(422).text();
    assert!(!again.contains("lang=fr"), "{again}");
    let saved = alice.submit("/-/account", "/-/account/others", &[]).await.expect(200).text();
    assert!(saved.contains("href=\"/-/account?lang=fr\""), "{saved}");
}

#[tokio::test]
async fn who_may_only_read_is_offered_nothing_to_fill() {
    let node = TestNode::start().await;
    let mut reader = Browser::signed_in(&node, "alice", TokenRole::Read).await;
    let home = reader.get("/").await.expect(200).text();
    assert!(!home.contains("/-/publish") && !home.contains("/-/new"), "{home}");
    for page in ["/-/new", "/-/publish"] {
        reader.get(page).await.expect(403);
    }
    let home = Browser::signed_in(&node, "alice", TokenRole::Write).await.get("/").await.expect(200).text();
    assert!(home.contains("/-/publish") && home.contains("/-/new"), "{home}");
}

#[tokio::test]
async fn a_large_file_travels_in_parts() {
    use sha2::Digest as _;
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "private").await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let page = "/alice/m/upload/main";
    let content: Vec<u8> = (0..(5u32 << 18)).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let (sha256, size) =
        (karez_types::Sha256(sha2::Sha256::digest(&content).into()).to_string(), content.len().to_string());
    let begin = [("sha256", sha256.as_str()), ("size", size.as_str())];
    let plan = alice.submit(page, "/alice/m/upload-begin", &begin).await.expect(200).json();
    let (address, part_bytes) = (plan["address"].as_str().unwrap().to_owned(), plan["part_bytes"].as_u64().unwrap());
    assert!(address.starts_with("/-/lfs/upload/") && part_bytes == 1 << 20, "{plan}");
    let end = [("sha256", sha256.as_str()), ("size", size.as_str()), ("file", "w.bin"), ("folder", "a")];
    alice.submit(page, "/alice/m/upload-end/main", &end).await.expect(422);
    let mut parts = Vec::new();
    for (n, part) in content.chunks(1 << 20).enumerate() {
        let put = |bytes: Vec<u8>| node.anonymous().request(Method::PUT, &format!("{address}/{}", n + 1)).body(bytes);
        // A line that broke: half of a part is no part, and it is sent again.
        node.anonymous().send(put(part[..part.len() / 2].to_vec())).await.expect(400);
        let etag = node.anonymous().send(put(part.to_vec())).await.expect(200).header("etag").to_owned();
        parts.push(json!({ "partNumber": n + 1, "etag": etag }));
    }
    node.anonymous().post(&address, &json!({ "oid": sha256, "parts": parts })).await.expect(200);
    let done = alice.submit(page, "/alice/m/upload-end/main", &end).await.expect(200).json();
    assert_eq!(done["url"], "/alice/m/tree/main/a");
    assert_eq!(node.client("alice").get("/alice/m/resolve/main/a/w.bin").await.expect(200).body, content);
    // What is stored is not sent twice.
    assert_eq!(alice.submit(page, "/alice/m/upload-begin", &begin).await.expect(200).json(), json!({}));
    // Strangers get no address, and cannot name bytes that they do not have.
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    bob.submit("/-/account", "/alice/m/upload-begin", &begin).await.expect(404);
    node.client("bob").repo_create("model", "bob/m", "public").await;
    bob.submit("/-/account", "/bob/m/upload-end/main", &end).await.expect(422);
    for (sha256, size) in
        [("", "1"), ("x", "1"), (sha256.as_str(), "0"), (sha256.as_str(), "-1"), (sha256.as_str(), "99999999999999")]
    {
        let answer = alice.submit(page, "/alice/m/upload-begin", &[("sha256", sha256), ("size", size)]).await;
        assert!(
            answer.status == 400 || answer.status == 413 || answer.text() == "{}",
            "{sha256} {size}: {}",
            answer.text()
        );
    }
}

/// Files of a form are held in memory: for whom the node knows, and all together only so many.
#[tokio::test]
async fn files_of_strangers_are_not_held() {
    let node = TestNode::start().await;
    node.client("alice").repo_create("model", "alice/m", "public").await;
    let mut nobody = Browser::of(&node);
    let proof = nobody.proof("/-/sign-in").await;
    let body = multipart(&[("proof", &proof)], &[("x.bin", &vec![7; 1 << 20])]);
    let kind = "multipart/form-data; boundary=XX";
    for action in ["/alice/m/upload/main", "/-/publish"] {
        nobody.ask(Method::POST, action, Some((kind, body.clone())), &[]).await.expect(401);
    }
    let long = multipart(&[("proof", &"x".repeat(1 << 20))], &[]);
    nobody.ask(Method::POST, "/-/publish", Some((kind, long)), &[]).await.expect(400);
    // Forms that begin and do not end hold what they sent, until there is no room; it comes back when they go.
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let action = "/alice/m/upload/main";
    let proof = alice.proof(action).await;
    let session = alice.cookie_header();
    let whole = multipart(&[("proof", proof.as_str()), ("folder", "f")], &[("x.bin", &vec![7; 15 << 20])]);
    let begun = bytes::Bytes::from(whole[..whole.len() - 8].to_vec());
    let hold = || {
        use futures::StreamExt as _;
        let pieces = futures::stream::iter([Ok::<_, std::io::Error>(begun.clone())]).chain(futures::stream::pending());
        let request = node.anonymous().request(Method::POST, action).header("accept", ACCEPT);
        let request = request.header("content-type", kind).header("cookie", session.as_str());
        let (client, body) = (node.anonymous(), karez_testkit::reqwest::Body::wrap_stream(pieces));
        tokio::spawn(async move { client.send(request.body(body)).await })
    };
    let mut held: Vec<_> = (0..7).map(|_| hold()).collect();
    let mut answers = Vec::new();
    while answers.last() != Some(&503) {
        // Eight fill the room: the next one that comes is refused, be it this or the one that is asked for below.
        held.push(hold());
        assert!(answers.len() < 60, "there is always room: {answers:?}");
        answers.push(alice.ask(Method::POST, action, Some((kind, whole.clone())), &[]).await.status);
    }
    held.into_iter().for_each(|held| held.abort());
    while answers.last() != Some(&303) {
        assert!(answers.len() < 400, "the room does not come back: {answers:?}");
        answers.push(alice.ask(Method::POST, action, Some((kind, whole.clone())), &[]).await.status);
    }
}

#[tokio::test]
async fn a_table_is_published_without_a_command_line() {
    let node = TestNode::start().await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let (page, finish) = ("/-/publish", "/-/publish/finish");
    let table = "country,price\n\"Kiribati, Tarawa\",12\n<script>,7\n".as_bytes();
    let fields = [
        ("owner", "alice"),
        ("name", "rice"),
        ("title", "Rice: \"prices\""),
        ("about", "Weekly prices of rice."),
        ("license", "cc-by-4.0"),
        ("language", "en"),
    ];
    for bad in [&b"\x89PNG\r\n\x1a\n\0"[..], b"", b"one column\nonly\n"] {
        let refused = alice.upload(page, page, &fields, &[("x.csv", bad)]).await.expect(422).text();
        assert!(refused.contains("not a table") && refused.contains("Rice: &quot;prices&quot;"), "{refused}");
    }
    alice.upload(page, page, &fields, &[]).await.expect(422);
    let mut nameless = fields;
    nameless[1] = ("name", "a b");
    alice.upload(page, page, &nameless, &[("x.csv", table)]).await.expect(422);
    let made = alice.upload(page, page, &fields, &[("prix du riz.csv", table)]).await.expect(303);
    assert_eq!(made.header("location"), "/-/publish?repo=alice/rice");
    let look = alice.get(made.header("location")).await.expect(200).text();
    for expected in [
        "Kiribati, Tarawa",
        "&lt;script&gt;",
        "/datasets/alice/rice/viewer",
        "/datasets/alice/rice/edit/main/README.md",
    ] {
        assert!(look.contains(expected), "{expected} in {look}");
    }
    // Nobody else sees it before the last step.
    node.anonymous().get("/api/datasets/alice/rice").await.expect(401);
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    bob.get("/-/publish?repo=alice/rice").await.expect(404);
    let which = [("owner", "alice"), ("name", "rice")];
    bob.submit("/-/account", finish, &which).await.expect(404);
    let done = alice.submit("/-/publish?repo=alice/rice", finish, &which).await.expect(303);
    assert_eq!(done.header("location"), "/datasets/alice/rice");
    let info = node.anonymous().get("/api/datasets/alice/rice").await.expect(200).json();
    assert_eq!(info["cardData"]["pretty_name"], "Rice: \"prices\"");
    assert_eq!(node.anonymous().get("/datasets/alice/rice/resolve/main/prix-du-riz.csv").await.expect(200).body, table);
    // A name that is taken says so, and what is there stays.
    alice.upload(page, page, &fields, &[("y.csv", table)]).await.expect(422);
    node.anonymous().get("/datasets/alice/rice/resolve/main/prix-du-riz.csv").await.expect(200);
}

#[tokio::test]
async fn members_are_changed_by_who_administers() {
    let node = TestNode::start().await;
    let mut alice = Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let page = "/-/org/acme";
    alice.submit(page, page, &[("do", "set"), ("user", "bob"), ("role", "read")]).await.expect(200);
    assert!(alice.get(page).await.expect(200).text().contains("/bob\""));
    alice.submit(page, page, &[("do", "set"), ("user", "nobody"), ("role", "read")]).await.expect(422);
    alice.submit(page, page, &[("do", "set"), ("user", "bob"), ("role", "king")]).await.expect(422);
    alice.submit(page, page, &[("do", "remove"), ("user", "bob")]).await.expect(200);
    assert!(!alice.get(page).await.expect(200).text().contains("/bob\""));
    let mut carol = Browser::signed_in(&node, "carol", TokenRole::Write).await;
    assert!(!carol.get(page).await.expect(200).text().contains("name=\"role\""));
    carol.submit("/-/account", page, &[("do", "set"), ("user", "carol"), ("role", "admin")]).await.expect(422);
    let members = node.hub.org_members(&Actor::Operator, "acme").await.unwrap();
    assert!(members.iter().any(|(who, role)| who.name.as_str() == "carol" && role.as_str() == "write"));
    // Somebody stays who can let others in: the last one is not offered to go, and does not go.
    let shown = alice.get(page).await.expect(200).text();
    assert!(!shown.contains("Remove: alice") && shown.contains("Remove: carol"), "{shown}");
    for fields in [vec![("do", "remove")], vec![("do", "set"), ("role", "read")]] {
        let mut all = vec![("user", "alice")];
        all.extend(fields);
        let refused = alice.submit(page, page, &all).await.expect(422).text();
        assert!(refused.contains("at least one administrator"), "{refused}");
    }
    alice.submit(page, page, &[("do", "set"), ("user", "carol"), ("role", "admin")]).await.expect(200);
    let gone = alice.submit(page, page, &[("do", "remove"), ("user", "Alice")]).await.expect(303);
    assert_eq!(gone.header("location"), page);
    assert!(!alice.get(page).await.expect(200).text().contains("name=\"role\""));
    let carol_alone = carol.submit(page, page, &[("do", "remove"), ("user", "carol")]).await.expect(422).text();
    assert!(carol_alone.contains("at least one administrator"), "{carol_alone}");
}

#[tokio::test]
async fn administrators_say_who_signs_in_and_who_administers() {
    let node = TestNode::start().await;
    node.hub.password_set(&Actor::Operator, "bob", PASSWORD).await.unwrap();
    node.client("bob").repo_create("model", "bob/m", "public").await;
    let mut nora = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    let page = "/-/admin/people/bob";
    assert!(nora.get("/-/admin").await.expect(200).text().contains(page));
    let shown = nora.get(page).await.expect(200).text();
    assert!(shown.contains("1 session in a browser") && !shown.contains("<span class=\"tag\">"), "{shown}");
    // Others do not, with whatever proof.
    bob.get(page).await.expect(403);
    for what in ["block", "make", "sign-out", "unmake"] {
        bob.submit("/-/account", "/-/admin/people/nora", &[("do", what)]).await.expect(403);
    }
    // Sessions and tokens end, and no others.
    nora.submit(page, page, &[("do", "sign-out")]).await.expect(200);
    node.client("bob").get("/api/whoami-v2").await.expect(401);
    bob.get("/-/account").await.expect(401);
    node.client("alice").get("/api/whoami-v2").await.expect(200);
    // With the password bob comes back, until blocked; then not even that opens anything. What bob owns stays.
    let mut again = Browser::of(&node);
    let password = [("name", "bob"), ("password", PASSWORD)];
    again.submit("/-/sign-in", "/-/sign-in", &password).await.expect(303);
    let token =
        again.submit("/-/account", "/-/account/token", &[("token_name", "t"), ("role", "write"), ("days", "9")]);
    let token = token.await.expect(200).text();
    let token = token.split("hf_").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let of_bob = TestClient::new(node.url(), Some(&format!("hf_{token}")));
    of_bob.get("/api/whoami-v2").await.expect(200);
    assert!(nora.submit(page, page, &[("do", "block")]).await.expect(200).text().contains("blocked"));
    of_bob.get("/api/whoami-v2").await.expect(401);
    again.get("/-/account").await.expect(401);
    let refused = again.submit("/-/sign-in", "/-/sign-in", &password).await;
    assert!(refused.status == 403 && refused.text().contains("blocked"), "{}", refused.text());
    nora.submit("/-/admin", "/-/admin", &[("do", "invite"), ("user", "bob")]).await.expect(422);
    node.anonymous().get("/api/models/bob/m").await.expect(200);
    nora.submit(page, page, &[("do", "unblock")]).await.expect(200);
    again.submit("/-/sign-in", "/-/sign-in", &password).await.expect(303);
    // Administration is given and taken; the last who has it keeps it, and nobody blocks themselves.
    let own = "/-/admin/people/nora";
    for what in ["unmake", "block"] {
        nora.submit(own, own, &[("do", what)]).await.expect(422);
    }
    nora.submit(page, page, &[("do", "make")]).await.expect(200);
    again.get("/-/admin").await.expect(200);
    again.submit(own, own, &[("do", "unmake")]).await.expect(200);
    nora.get("/-/admin").await.expect(403);
    let gone = again.submit(page, page, &[("do", "unmake")]).await.expect(422);
    assert!(gone.text().contains("last who administers"), "{}", gone.text());
    assert!(node.hub.account_delete(&Actor::Operator, "bob").await.is_err());
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_the_readers_language() {
    let node = TestNode::start().await;
    node.hub.password_set(&Actor::Operator, "alice", PASSWORD).await.unwrap();
    node.client("alice").repo_create("model", "alice/m", "public").await;
    let mut alice = Browser::of(&node);
    let signed_in = [("name", "alice"), ("password", PASSWORD)];
    alice.submit("/-/sign-in", "/-/sign-in", &signed_in).await.expect(303);
    let french = [("accept-language", "fr")];
    // Each with the exact words beside it, as English.
    for (action, fields, said, words) in [
        (
            "/-/new",
            vec![("name", "bad name ü!"), ("owner", "alice"), ("kind", "model")],
            "Un nom",
            "`bad name ü!` is not a valid repository name",
        ),
        (
            "/-/new",
            vec![("name", "m"), ("owner", "alice"), ("kind", "model")],
            "Ce nom est déjà pris",
            "You already created",
        ),
        (
            "/-/account/password",
            vec![("old", "wrong wrong wrong"), ("password", "four quiet rivers"), ("again", "four quiet rivers")],
            "Le mot de passe actuel n’est pas juste",
            "the present password is not right",
        ),
        (
            "/-/account/password",
            vec![("old", PASSWORD), ("password", "alice alice alice"), ("again", "alice alice alice")],
            "sans votre nom",
            "without your name in it",
        ),
        (
            "/alice/m/settings",
            vec![("do", "grant"), ("user", "zzzz")],
            "Il n’y a rien de ce nom ici",
            "there is no user or organisation named zzzz",
        ),
    ] {
        let proof = alice.proof("/-/account").await;
        let mut all = vec![("proof", proof.as_str())];
        all.extend(fields);
        let told = alice.post(action, &all, &french).await.expect(422).text();
        assert!(told.contains(said), "{action}: {told}");
        let beside = told.split("role=\"alert\"").nth(1).unwrap();
        assert!(beside.contains("lang=\"en\"") && beside.contains(words), "{action}: {beside}");
    }
    // What is not saved says so.
    let editor = "/alice/m/edit/main/README.md";
    let parent = alice.get(editor).await.expect(200).text();
    let parent = parent.split("name=\"parent\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("do", "save"), ("parent", parent.as_str()), ("text", "---\nlicense: mti\n---\n# Hi\n")];
    assert!(alice.submit(editor, editor, &fields).await.expect(422).text().contains("Not saved."));
    // Pages of errors.
    let code = node.hub.invitation_create(&Actor::Operator, "bob").await.unwrap();
    node.hub.invitation_use(&code, "four quiet rivers").await.unwrap();
    let used = alice.ask(Method::GET, &format!("/-/invited?code={code}"), None, &french).await.expect(404).text();
    assert!(used.contains("Cette invitation a servi ou a expiré") && !used.contains("il est privé"), "{used}");
    node.client("alice").put("/api/models/alice/m/settings", &json!({ "gated": "manual" })).await.expect(200);
    let mut bob = Browser::signed_in(&node, "bob", TokenRole::Write).await;
    let shut = bob.ask(Method::GET, "/alice/m/blob/main/.gitattributes", None, &french).await.expect(403).text();
    assert!(shut.contains("Le propriétaire donne ces fichiers sur demande"), "{shut}");
    // Who is nobody yet learns how to become somebody, and that tables can be published.
    let mut nobody = Browser::of(&node);
    assert!(nobody.get("/-/sign-in").await.expect(200).text().contains("No account yet?"));
    assert!(nobody.get("/").await.expect(200).text().contains("/-/sign-in?next=%2F-%2Fpublish"));
}

#[tokio::test]
async fn the_newest_come_first_on_the_first_page() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    for id in ["alice/older", "alice/newer"] {
        alice.repo_create("model", id, "public").await;
        node.advance_secs(60);
    }
    alice.commit("models/alice/older", "main", &[("README.md", b"# Changed\n")]).await.expect(200);
    let shown = Browser::of(&node).get("/").await.expect(200).text();
    assert!(shown.find("alice/newer").unwrap() < shown.find("alice/older").unwrap(), "{shown}");
}

/// Every form of the table, as others would have somebody's browser send it.
#[tokio::test]
async fn no_form_is_taken_from_elsewhere() {
    let node = TestNode::start().await;
    node.client("nora").repo_create("model", "nora/m", "public").await;
    let mut nora = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    let good = nora.proof("/-/account").await;
    let mut other = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    let of_other = other.proof("/-/account").await;
    let of_nobody = Browser::of(&node).proof("/-/sign-in").await;
    let fields = [
        ("do", "delete"),
        ("confirm", "nora/m"),
        ("user", "bob"),
        ("role", "admin"),
        ("name", "mallory"),
        ("owner", "nora"),
        ("kind", "model"),
        ("password", PASSWORD),
        ("again", PASSWORD),
        ("token_name", "stolen"),
        ("days", "9"),
        ("text", "x"),
    ];
    let mut seen = 0;
    for route in route_table().iter().filter(|route| matches!(route.body, BodyBound::Form | BodyBound::Upload)) {
        assert_eq!(route.verb, Verb::Post, "{}", route.template);
        seen += 1;
        let action = route
            .template
            .replace("{repo}", "nora/m")
            .replace("{rev}", "main")
            .replace("{*path}", "README.md")
            .replace("{org}", "acme")
            .replace("{user}", "bob");
        let own = node.url().to_owned();
        for (proof, more) in [
            ("", vec![]),
            ("forged", vec![]),
            (of_other.as_str(), vec![]),
            (of_nobody.as_str(), vec![]),
            (good.as_str(), vec![("origin", "https://evil.example")]),
            (good.as_str(), vec![("origin", "null")]),
            (good.as_str(), vec![("origin", own.as_str()), ("sec-fetch-site", "cross-site")]),
            (good.as_str(), vec![("sec-fetch-site", "same-site")]),
        ] {
            let mut all = vec![("proof", proof)];
            all.extend(fields);
            let refused = nora.post(&action, &all, &more).await;
            assert_eq!(refused.status, 400, "{action} with {proof:.10} {more:?}: {}", refused.text());
            assert_eq!(refused.header("x-frame-options"), "DENY", "{action}");
        }
        // A token is for programs: it is no proof, and does not stand in for the session.
        let client = node.client("nora");
        let request =
            client.request(Method::POST, &action).header("accept", ACCEPT).body(format!("proof={good}&do=delete"));
        client.send(request).await.expect(400);
    }
    assert!(seen > 10, "{seen}");
    node.anonymous().get("/api/models/nora/m").await.expect(200);
    assert!(
        node.hub
            .account_list(&Actor::Operator, None, 100)
            .await
            .unwrap()
            .iter()
            .all(|it| it.name.as_str() != "mallory")
    );
    // A proof of the time before signing in is none afterwards: whoever could plant cookies cannot bring it along.
    let mut planted = Browser::of(&node);
    let before = planted.proof("/-/sign-in").await;
    let token = node.token("nora", TokenRole::Write);
    planted.post("/-/sign-in", &[("proof", &before), ("token", token)], &[]).await.expect(303);
    planted.post("/-/account/others", &[("proof", &before)], &[]).await.expect(400);
    // And one that is too old is none.
    node.advance_secs(3_601);
    nora.post("/-/account/others", &[("proof", &good)], &[]).await.expect(400);
}

#[tokio::test]
async fn pages_that_do_things_are_whole_in_every_language() {
    let node = TestNode::start().await;
    node.client("nora").repo_create("model", "nora/m", "public").await;
    node.client("nora").commit("models/nora/m", "main", &[("README.md", b"# Hi\n")]).await.expect(200);
    node.client("nora").repo_create("dataset", "nora/d", "private").await;
    node.client("nora").commit("datasets/nora/d", "main", &[("a.csv", b"a,b\n1,2\n")]).await.expect(200);
    let mut nora = Browser::signed_in(&node, "nora", TokenRole::Write).await;
    let upstream =
        [("do", "add"), ("name", "hub"), ("url", "https://hub.example.org"), ("deny", "a/*"), ("passed_on", "b/*")];
    nora.submit("/-/admin/upstreams", "/-/admin/upstreams", &upstream).await.expect(200);
    let invitation = node.hub.invitation_create(&Actor::Operator, "bob").await.unwrap();
    let invited = format!("/-/invited?code={invitation}");
    for path in [
        "/-/account",
        "/-/new",
        "/-/publish",
        "/-/publish?repo=nora/d",
        "/-/org/acme",
        "/-/admin",
        "/-/admin/upstreams",
        "/-/admin/people/bob",
        "/nora/m/settings",
        "/nora/m/collect",
        "/collections",
        "/nora/m/upload/main",
        "/nora/m/edit/main/README.md",
        "/-/sign-in",
        &invited,
    ] {
        for (language, direction) in
            [("en", "ltr"), ("fr", "ltr"), ("es", "ltr"), ("ru", "ltr"), ("zh", "ltr"), ("ar", "rtl")]
        {
            let headers = [("accept-language", language), ("accept-encoding", "gzip")];
            let packed = nora.ask(Method::GET, path, None, &headers).await.expect(200);
            assert!(packed.body.len() < 14 << 10, "{path} in {language} weighs {}", packed.body.len());
            let answer = nora.ask(Method::GET, path, None, &headers[..1]).await.expect(200);
            let text = answer.text();
            assert!(text.contains(&format!("<html lang=\"{language}\" dir=\"{direction}\">")), "{path}");
            assert!(!text.contains("<span lang=\"en\" dir=\"ltr\">"), "{path} has English words in {language}");
            assert_eq!(
                (answer.header("cache-control"), answer.header("x-frame-options")),
                ("no-store", "DENY"),
                "{path}"
            );
            // One page has a script, and none in it.
            assert_eq!(text.matches("<script").count(), usize::from(path.contains("/upload/")), "{path}");
            assert!(!text.contains("style=\"") && !text.contains("onclick") && !text.contains("src=\"http"), "{path}");
            let may_run = answer.header("content-security-policy").contains("script-src");
            assert_eq!(may_run, path.contains("/upload/"), "{path}");
        }
    }
    // Who is not signed in is told so.
    for path in ["/-/account", "/-/new", "/-/publish", "/-/org/acme", "/-/admin", "/-/admin/upstreams"] {
        let told = Browser::of(&node).get(path).await.expect(401).text();
        assert!(told.contains("Sign in first") && told.contains("/-/sign-in?next=%2F-%2F"), "{path}: {told}");
    }
}
