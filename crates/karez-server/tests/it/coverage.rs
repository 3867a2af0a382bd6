//! Every route, by walking the table: who is turned away, what is too large, and whose addresses
//! answers hold.
//!
//! A route that is added needs no line here, unless it has a parameter or a body of its own: then a
//! test fails and says which line is missing.

use std::collections::BTreeSet;

use karez_server::{BodyBound, Guard, Verb, route_table};
use karez_testkit::reqwest::Method;
use karez_testkit::{Answer, NodeOptions, TestClient, TestNode};
use karez_types::{Limits, RepoKind, TokenRole};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One address of one route.
struct Case {
    verb: Verb,
    template: &'static str,
    address: String,
    kind: RepoKind,
    guard: Guard,
    body: BodyBound,
}

/// Returns every address of every route.
fn cases() -> Vec<Case> {
    let of_route = |route: &karez_server::Route| {
        let (verb, template, guard, body) = (route.verb, route.template, route.guard, route.body);
        let of_address = move |(address, kind): (String, Option<RepoKind>)| Case {
            verb,
            template,
            address,
            kind: kind.unwrap_or(RepoKind::Model),
            guard,
            body,
        };
        route.addresses().into_iter().map(of_address).collect::<Vec<_>>()
    };
    route_table().iter().flat_map(of_route).collect()
}

impl Case {
    fn name(&self) -> String {
        format!("{} {}", self.verb.as_str(), self.address)
    }

    /// Returns the path for a repository, with a value for every other parameter.
    fn path(&self, owner: &str, repo: &str) -> String {
        let hash = "0".repeat(64);
        let mut path = self.address.replace("{owner}", owner).replace("{name}", repo);
        for (parameter, value) in [
            ("{rev}", "main"),
            ("{*path}", if self.template.contains("/tree/") { "folder" } else { "folder/notes.txt" }),
            ("{id}", "gpt2"),
            ("{user}", "alice"),
            ("{org}", "acme"),
            ("{list}", "likes"),
            ("{*origin}", "0123456789abcdef0123456789abcdef.karez/log"),
            ("{*topic}", "examples/run"),
            ("{prefix}", "default"),
            ("{hash}", &hash),
            ("{origin_hash}", &hash),
            ("{sha256}", &hash),
            ("{xorb}", &hash),
            ("{sealed}", "AAAA.BBBB"),
            ("{part}", "1"),
            ("{number}", "1"),
            ("{status}", "pending"),
            ("{event}", "000000000001000000000001"),
            ("{tag}", "latest"),
            ("{style}", "style.css"),
            ("{namespace}", "alice"),
            ("{slug}", "none-000000000000000000000000"),
            ("{item}", "1"),
            ("{digest}", &format!("sha256:{hash}")),
        ] {
            path = path.replace(parameter, value);
        }
        assert!(!path.contains('{'), "{}: give its parameter a value in coverage.rs", self.name());
        match self.template {
            template if template.ends_with("/info/refs") => format!("{path}?service=git-upload-pack"),
            _ => path,
        }
    }

    /// Returns a body that gets past the parser, so that the answer is about who asks.
    fn body(&self, owner: &str, repo: &str) -> Vec<u8> {
        let kind = self.kind.as_str();
        let sha256 = "0".repeat(64);
        let body = match (self.body, self.template.rsplit('/').find(|part| !part.contains('{')).unwrap_or("")) {
            (BodyBound::Empty, _) => return Vec::new(),
            (BodyBound::Commit, _) => {
                return b"{\"key\":\"header\",\"value\":{\"summary\":\"s\",\"description\":\"\"}}\n".to_vec();
            }
            (BodyBound::Xorb | BodyBound::Shard | BodyBound::File | BodyBound::Sink, _) => return b"bytes".to_vec(),
            (BodyBound::Git, _) => return b"0000".to_vec(),
            // A form without a proof gets nobody past: `forms.rs` has what is in them.
            (BodyBound::Form | BodyBound::Upload, _) => return b"proof=none&token=none".to_vec(),
            (BodyBound::Json, "collections") if self.verb == Verb::Post => {
                json!({ "title": "Good ones", "namespace": owner })
            }
            (BodyBound::Json, "items") if self.verb == Verb::Post => {
                json!({ "item": { "id": "alice/open", "type": kind } })
            }
            (BodyBound::Json, "collections" | "items") => json!({ "position": 1 }),
            (BodyBound::Json, "oai") => return b"verb=Identify".to_vec(),
            (BodyBound::Json, "create") => json!({ "name": "new", "type": kind, "sdk": "static" }),
            (BodyBound::Json, "delete") => json!({ "name": repo, "organization": owner, "type": kind }),
            (BodyBound::Json, "move") => {
                json!({ "fromRepo": format!("{owner}/{repo}"), "toRepo": format!("{owner}/moved"), "type": kind })
            }
            (BodyBound::Json, "settings") => json!({ "gated": "auto" }),
            (BodyBound::Json, "validate-yaml") => json!({ "content": "# Hi", "repoType": kind }),
            (BodyBound::Json, "preupload") => json!({ "files": [{ "path": "a", "sample": "", "size": 1 }] }),
            (BodyBound::Json, "paths-info") => json!({ "paths": ["folder/notes.txt"], "expand": true }),
            (BodyBound::Json, "branch") => json!({}),
            (BodyBound::Json, "tag") => json!({ "tag": "v1" }),
            (BodyBound::Json, "super-squash") => json!({ "message": "m" }),
            (BodyBound::Json, "batch") => {
                let objects = json!([{ "oid": sha256, "size": 1 }]);
                let operation = if self.guard == Guard::RepoWrite { "upload" } else { "download" };
                json!({ "operation": operation, "transfers": ["basic"], "objects": objects, "hash_algo": "sha256" })
            }
            (BodyBound::Json, "verify") if self.template.contains("locks") => json!({}),
            (BodyBound::Json, "verify") => json!({ "oid": sha256, "size": 1 }),
            (BodyBound::Json, "duplicate") if !self.template.contains("lfs-files") => {
                json!({ "repository": format!("{owner}/copy") })
            }
            (BodyBound::Json, "duplicate") => json!({ "target": { "type": kind, "name": "alice/open" }, "files": [] }),
            (BodyBound::Json, "discussions") => json!({ "title": "t", "description": "d" }),
            (BodyBound::Json, "handle") => json!({ "user": "bob", "status": "accepted" }),
            (BodyBound::Json, "grant") => json!({ "user": "bob" }),
            (BodyBound::Json, "comment") => json!({ "comment": "c" }),
            (BodyBound::Json, "title") => json!({ "title": "t" }),
            (BodyBound::Json, "status") => json!({ "status": "closed" }),
            (BodyBound::Json, "merge") => json!({}),
            (BodyBound::Json, "edit") => json!({ "content": "c" }),
            (BodyBound::Json, "add-checkpoint") => return b"old 0\n\nno checkpoint\n".to_vec(),
            (BodyBound::Json, "xorb-grants" | "reconstructions" | "upload") => json!({}),
            (BodyBound::Json, other) => {
                panic!("{}: give a body for `{other}` in coverage.rs", self.name())
            }
        };
        serde_json::to_vec(&body).unwrap()
    }

    /// Sends the request about a repository.
    async fn ask(&self, client: &TestClient, owner: &str, repo: &str) -> Answer {
        let method: Method = self.verb.as_str().parse().unwrap();
        let mut request = client.request(method, &self.path(owner, repo));
        let body = self.body(owner, repo);
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body);
        }
        client.send(request).await
    }

    fn is_about_repo(&self) -> bool {
        matches!(self.guard, Guard::RepoRead | Guard::RepoPropose | Guard::RepoWrite | Guard::RepoAdmin)
    }
}

/// Every kind of repository, three times: `alice/shut` is private, `alice/open` and `acme/open` are not.
async fn fill(node: &TestNode) {
    let alice = node.client("alice");
    for kind in RepoKind::ALL {
        for (id, visibility) in [("alice/shut", "private"), ("alice/open", "public"), ("acme/open", "public")] {
            alice.repo_create(kind.as_str(), id, visibility).await;
            let repo = format!("{}/{id}", kind.plural());
            alice.commit(&repo, "main", &[("folder/notes.txt", b"notes")]).await.expect(200);
        }
    }
}

#[tokio::test]
async fn strangers_are_turned_away() {
    let node = TestNode::start().await;
    fill(&node).await;
    for case in cases() {
        let name = case.name();
        let anonymous = case.ask(&node.anonymous(), "alice", "shut").await;
        assert!(anonymous.status < 500, "{name}: {}", anonymous.text());
        match case.guard {
            Guard::Anyone => assert_ne!(anonymous.status, 403, "{name}"),
            Guard::SignedIn => assert_eq!(anonymous.status, 401, "{name}: {}", anonymous.text()),
            Guard::NodeAdmin => {
                assert_eq!(anonymous.status, 401, "{name}: {}", anonymous.text());
                let person = case.ask(&node.client("alice"), "alice", "shut").await;
                assert_eq!(person.status, 403, "{name}: {}", person.text());
                case.ask(&node.client("nora"), "alice", "shut").await.expect(200);
            }
            Guard::RepoRead | Guard::RepoPropose | Guard::RepoWrite | Guard::RepoAdmin => {
                assert_eq!(anonymous.status, 401, "{name}: {}", anonymous.text());
                assert_eq!(anonymous.header("x-error-code"), "RepoNotFound", "{name}");
                let stranger = case.ask(&node.client("bob"), "alice", "shut").await;
                let missing = case.ask(&node.client("bob"), "alice", "none").await;
                assert_eq!(stranger.status, 404, "{name}: {}", stranger.text());
                assert_eq!(stranger.header("x-error-code"), "RepoNotFound", "{name}");
                // Word for word the answer for what does not exist.
                let unnamed = |answer: &Answer| answer.text().replace("shut", "?").replace("none", "?");
                assert_eq!((missing.status, unnamed(&missing)), (stranger.status, unnamed(&stranger)), "{name}");
            }
            Guard::XetRead | Guard::XetWrite => {
                assert_eq!(anonymous.status, 401, "{name}: {}", anonymous.text());
                // A token of the hub is not a token for bytes.
                let owner = case.ask(&node.client("alice"), "alice", "shut").await;
                assert_eq!(owner.status, 401, "{name}: {}", owner.text());
            }
            Guard::SignedUrl => {
                let owner = case.ask(&node.client("alice"), "alice", "shut").await;
                for answer in [anonymous, owner] {
                    assert!(matches!(answer.status, 400 | 401 | 403), "{name}: {}", answer.text());
                }
            }
        }
    }
}

/// What everybody who sees a repository knows of it, although its files are given on request.
const KNOWN_OF: &[&str] = &[
    "/{repo}",
    "/{repo}/tree/{rev}",
    "/{repo}/tree/{rev}/{*path}",
    "/{repo}/commits/{rev}",
    "/{repo}/refs",
    "/{repo}/discussions",
    "/{repo}/discussions/{number}",
    "/{repo}/collect",
    // Nothing is pushed over git, whoever asks.
    "/{repo}/git-receive-pack",
    "/api/{kinds}/{owner}/{name}",
    "/api/{kinds}/{owner}/{name}/revision/{rev}",
    "/api/{kinds}/{owner}/{name}/tree/{rev}",
    "/api/{kinds}/{owner}/{name}/tree/{rev}/{*path}",
    "/api/{kinds}/{owner}/{name}/paths-info/{rev}",
    "/api/{kinds}/{owner}/{name}/commits/{rev}",
    "/api/{kinds}/{owner}/{name}/refs",
    "/api/{kinds}/{owner}/{name}/like",
    "/api/{kinds}/{owner}/{name}/likers",
    "/api/{kinds}/{owner}/{name}/ask-access",
    "/api/{kinds}/{owner}/{name}/discussions",
    "/api/{kinds}/{owner}/{name}/discussions/{number}",
    "/api/{kinds}/{owner}/{name}/discussions/{number}/comment",
    "/api/{kinds}/{owner}/{name}/discussions/{number}/comment/{event}/edit",
    "/api/{kinds}/{owner}/{name}/discussions/{number}/comment/{event}/hide",
    "/api/{kinds}/{owner}/{name}/discussions/{number}/status",
    "/api/{kinds}/{owner}/{name}/discussions/{number}/title",
];

#[tokio::test]
async fn what_is_given_on_request_is_shut_at_every_door() {
    let node = TestNode::start().await;
    fill(&node).await;
    for kind in RepoKind::ALL {
        let settings = format!("/api/{}/alice/open/settings", kind.plural());
        node.client("alice").put(&settings, &json!({ "gated": "manual" })).await.expect(200);
    }
    let mut wrong = Vec::new();
    for case in cases().iter().filter(|case| matches!(case.guard, Guard::RepoRead | Guard::RepoPropose)) {
        let known = KNOWN_OF.contains(&case.template);
        for (client, refused) in [(node.anonymous(), 401), (node.client("bob"), 403)] {
            let answer = case.ask(&client, "alice", "open").await;
            let is_shut = (answer.status, answer.header("x-error-code")) == (refused, "GatedRepo");
            // Asking without an account is refused for that.
            let is_nobody = refused == 401 && case.guard == Guard::RepoPropose;
            // Only datasets are described out of their data.
            let is_no_dataset = answer.status == 404 && case.kind != RepoKind::Dataset;
            if is_shut == known && !is_nobody && !is_no_dataset {
                wrong.push(format!("{} {} {}", case.name(), case.template, answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn readers_cannot_write() {
    let node = TestNode::start().await;
    fill(&node).await;
    for case in cases() {
        let name = case.name();
        let strong_token = [node.client("bob"), node.client("erin")];
        let mut weak = vec![node.reader("alice")];
        match case.guard {
            Guard::RepoPropose => {}
            Guard::RepoWrite => weak.extend(strong_token),
            Guard::RepoAdmin => weak.extend(strong_token.into_iter().chain([node.client("carol")])),
            Guard::Anyone | Guard::SignedIn | Guard::NodeAdmin | Guard::RepoRead => continue,
            Guard::XetRead | Guard::XetWrite | Guard::SignedUrl => continue,
        }
        let anonymous = case.ask(&node.anonymous(), "acme", "open").await;
        assert_eq!(anonymous.status, 401, "{name}: {}", anonymous.text());
        for client in weak {
            let answer = case.ask(&client, "acme", "open").await;
            assert_eq!(answer.status, 403, "{name}: {}", answer.text());
        }
    }
}

/// Returns every address of another node in a text.
fn foreign(text: &str, own: &str) -> BTreeSet<String> {
    let starts = text
        .match_indices("://")
        .map(|(at, _)| text[..at].rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |before| before + 1));
    let end = |c: char| c.is_whitespace() || "\"'<>,;)\\".contains(c);
    let addresses = starts.map(|start| text[start..].split(end).next().unwrap_or_default().to_owned());
    let is_web = |address: &String| address.starts_with("http://") || address.starts_with("https://");
    addresses.filter(is_web).filter(|address| !address.starts_with(own)).collect()
}

/// Names of vocabularies that look like addresses; whoever reads them asks nobody.
const VOCABULARIES: [&str; 10] = [
    "http://mlcommons.org/croissant/",
    "http://publications.europa.eu/resource/authority/",
    "http://purl.org/dc/",
    "http://spdx.org/rdf/terms#",
    "http://www.openarchives.org/OAI/2.0",
    "http://www.sitemaps.org/schemas/",
    "http://www.w3.org/",
    "http://xmlns.com/foaf/",
    "https://schema.org/",
    "https://www.iana.org/assignments/media-types/",
];

fn assert_own(answer: &Answer, own: &str) {
    for (name, value) in &answer.headers {
        let found = foreign(&String::from_utf8_lossy(value.as_bytes()), own);
        assert!(found.is_empty(), "{}: header {name} holds {found:?}", answer.asked);
    }
    let mut found = foreign(&answer.text(), own);
    found.retain(|address| !VOCABULARIES.iter().any(|name| address.starts_with(name)));
    assert!(found.is_empty(), "{}: the body holds {found:?}", answer.asked);
}

#[tokio::test]
async fn every_address_in_every_answer_is_the_nodes_own() {
    const PUBLIC_URL: &str = "https://commons.example:8443/";
    let own = PUBLIC_URL.trim_end_matches('/');
    let node =
        TestNode::start_with(NodeOptions { public_url: Some(PUBLIC_URL.into()), ..NodeOptions::default() }).await;
    fill(&node).await;
    let mut cases = cases();
    // What reads comes first, what deletes last.
    cases.sort_by_key(|case| (case.verb == Verb::Delete || case.template.ends_with("/move"), case.verb));
    for case in cases {
        for (client, repo) in [(node.anonymous(), "shut"), (node.client("bob"), "open"), (node.client("alice"), "open")]
        {
            let answer = case.ask(&client, "alice", repo).await;
            assert!(answer.status < 500, "{}: {}", case.name(), answer.text());
            // What nodes ask each other all the time goes without, as long as it goes well.
            let is_lean = ["/federation/v1/", "/log/", "/witness/", "/.well-known/karez"]
                .iter()
                .any(|prefix| case.address.starts_with(prefix));
            let is_named = !answer.header("x-request-id").is_empty();
            assert_eq!(is_named, !is_lean || answer.status >= 400, "{}", case.name());
            assert_own(&answer, own);
        }
    }
    // Pages, redirects and conflicts hold addresses too.
    let alice = node.client("alice");
    alice.repo_create("model", "alice/one", "public").await;
    alice.repo_create("model", "alice/two", "public").await;
    for answer in [
        alice.get("/api/models?limit=1").await,
        alice.post("/api/repos/create", &json!({ "name": "one" })).await.expect(409),
        alice.post("/api/repos/move", &json!({ "fromRepo": "alice/one", "toRepo": "alice/three" })).await.expect(200),
        alice.get("/api/models/alice/one").await.expect(307),
        alice.get("/nowhere/at/all").await.expect(404),
    ] {
        assert_own(&answer, own);
    }
    assert!(alice.get("/api/models?limit=1").await.next_page().unwrap().starts_with(own));
}

#[test]
fn foreign_addresses_are_found() {
    let own = "http://node:1";
    assert!(foreign("<http://node:1/api?x=1>; rel=\"next\"", own).is_empty());
    assert_eq!(foreign("{\"url\":\"https://elsewhere.example/a\"}", own).len(), 1);
    assert!(foreign("s3://bucket", own).is_empty());
}

/// Sends a request that announces a body, and as much of the body as `sent_bytes`; returns the status.
async fn announce(node: &TestNode, case: &Case, announced_bytes: u64, sent_bytes: usize) -> (TcpStream, u16) {
    let host = node.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.unwrap();
    // Without this word the node reads what was announced before it answers, so that senders who do
    // not listen while they send still hear why.
    let expect = if sent_bytes == 0 { "Expect: 100-continue\r\n" } else { "" };
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n{expect}Content-Length: {announced_bytes}\r\n\r\n",
        case.verb.as_str(),
        case.path("alice", "open"),
        node.token("alice", TokenRole::Write),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; sent_bytes]).await.unwrap();
    let status = read_status(&mut stream, case.verb).await;
    (stream, status)
}

/// Reads one answer with a Content-Length, up to its end; one to HEAD announces a body that does not come.
async fn read_status(stream: &mut TcpStream, verb: Verb) -> u16 {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("the node answers before it closes"));
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    if let (Some(length), true) = (length, verb != Verb::Head) {
        stream.read_exact(&mut vec![0; length]).await.expect("the whole answer comes");
    }
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_comes() {
    let limits = Limits { json_body_bytes_max: 4 << 10, ..Limits::default() };
    let node = TestNode::start_with(NodeOptions { limits, ..NodeOptions::default() }).await;
    fill(&node).await;
    for case in cases() {
        let too_many = case.body.bytes_max(node.hub.limits()) + 1;
        let (stream, status) = announce(&node, &case, too_many, 0).await;
        assert_eq!(status, 413, "{}", case.name());
        drop(stream);
    }
    node.anonymous().get("/healthz").await.expect(200);
}

#[tokio::test]
async fn a_connection_outlives_a_body_that_was_too_large() {
    let limits = Limits { json_body_bytes_max: 4 << 10, ..Limits::default() };
    let node = TestNode::start_with(NodeOptions { limits, ..NodeOptions::default() }).await;
    fill(&node).await;
    let case = cases().into_iter().find(|case| case.template == "/api/repos/create").unwrap();
    let (mut stream, status) = announce(&node, &case, (4 << 10) + 1, (4 << 10) + 1).await;
    assert_eq!(status, 413);
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n").await.unwrap();
    assert_eq!(read_status(&mut stream, Verb::Get).await, 200);
    // A body that does not say how long it is.
    let alice = node.client("alice");
    let pieces = (0..100).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 10]));
    let body = karez_testkit::reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    let request = alice.request(Method::POST, "/api/repos/create").body(body);
    let answer = alice.send(request).await.expect(413);
    let said: Value = answer.json();
    assert!(said["error"].as_str().unwrap().contains("limits.json_body_bytes_max"), "{said}");
}

#[test]
fn every_guard_is_walked() {
    let cases = cases();
    assert!(cases.len() > 100, "the table has {} addresses", cases.len());
    assert!(cases.iter().any(Case::is_about_repo));
    for guard in
        [Guard::XetRead, Guard::XetWrite, Guard::SignedUrl, Guard::SignedIn, Guard::NodeAdmin, Guard::RepoAdmin]
    {
        assert!(cases.iter().any(|case| case.guard == guard), "{guard:?}");
    }
}

/// The walk above meets bytes that are not there. This follows the addresses of a file that is.
#[tokio::test]
async fn every_address_of_bytes_is_the_nodes_own() {
    let own = "https://commons.example:8443";
    let node = TestNode::start_with(NodeOptions { public_url: Some(own.into()), ..NodeOptions::default() }).await;
    let here = |address: &str| address.replace(own, node.url());
    let alice = node.client("alice");
    alice.repo_create("model", "alice/big", "private").await;
    alice.commit("models/alice/big", "main", &[("big.bin", &[7; 3 << 20])]).await.expect(200);

    let head = alice.head("/alice/big/resolve/main/big.bin").await.expect(200);
    let (hash, sha256) =
        (head.header("x-xet-hash").to_owned(), head.header("x-linked-etag").trim_matches('"').to_owned());
    assert_eq!((hash.len(), sha256.len()), (64, 64), "{:?}", head.headers);
    assert!(head.header("link").contains(own), "{:?}", head.headers);
    assert_own(&head, own);

    for right in ["read", "write"] {
        let token = alice.get(&format!("/api/models/alice/big/xet-{right}-token/main")).await.expect(200);
        assert_own(&token, own);
        let cas = token.json()["casUrl"].as_str().unwrap().to_owned();
        assert!(cas.starts_with(own) && token.header("x-xet-cas-url") == cas, "{cas}");
        let bytes = TestClient::new(&here(&cas), token.json()["accessToken"].as_str());
        for version in ["v1", "v2"] {
            let answer = bytes.get(&format!("/{version}/reconstructions/{hash}")).await.expect(200);
            assert!(answer.text().contains(own), "{}", answer.text());
            assert_own(&answer, own);
            let text = answer.text();
            let address = text.split('"').find(|part| part.starts_with(own)).unwrap();
            // The address needs no token, and gives only what it was made for.
            let signed = node.anonymous().get(&here(address)).await;
            assert!(matches!(signed.status, 200 | 206 | 403 | 416), "{}", signed.text());
        }
    }

    for (operation, oid) in [("download", sha256), ("upload", "1".repeat(64))] {
        for transfer in ["basic", "multipart", "xet"] {
            let body = json!({
                "operation": operation,
                "transfers": [transfer],
                "objects": [{ "oid": oid, "size": 3 << 20 }],
                "hash_algo": "sha256",
            });
            let answer = alice.post("/alice/big.git/info/lfs/objects/batch", &body).await.expect(200);
            assert!(answer.text().contains(own), "{operation} {transfer}: {}", answer.text());
            assert_own(&answer, own);
        }
    }
}
