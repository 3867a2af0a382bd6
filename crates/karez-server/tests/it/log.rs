//! The log over HTTP, as followers, witnesses and caches see it.

use karez_formats::gzip;
use karez_formats::log_entry::{LogAct, LogEntry};
use karez_formats::log_news::LogNews;
use karez_governance::tile::parse_tile;
use karez_governance::{
    AddCheckpoint, Descriptor, EntryBundle, Frontier, Note, SigningKey, TreeHash, VerifiedCheckpoint,
};
use karez_hub::{NewRemote, RemoteKind};
use karez_testkit::reqwest::Method;
use karez_testkit::{NodeOptions, TestNode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

#[tokio::test]
async fn a_follower_reads_the_log_and_nothing_private() {
    let node = TestNode::start().await;
    let (alice, anyone) = (node.client("alice"), node.anonymous());
    anyone.get("/log/checkpoint").await.expect(404);
    alice.repo_create("model", "alice/open", "public").await;
    alice.repo_create("model", "alice/shut", "private").await;
    for repo in ["models/alice/open", "models/alice/shut"] {
        alice.commit(repo, "main", &[("README.md", b"---\nlicense: mit\n---\n")]).await.expect(200);
    }
    node.hub.log_advance().await.unwrap();
    let answer = anyone.get("/log/checkpoint").await.expect(200);
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let log_key = node.hub.log_keys().log_key();
    let checkpoint = VerifiedCheckpoint::parse(&answer.body, log_key, &[]).unwrap();
    assert_eq!(checkpoint.size(), 2);
    // A second question costs next to nothing.
    let again = anyone.request(Method::GET, "/log/checkpoint").header("if-none-match", answer.header("etag"));
    let again = anyone.send(again).await.expect(304);
    assert!(again.body.is_empty());

    let bundle = anyone.get("/log/tile/entries/000.p/2").await.expect(200);
    let entries = EntryBundle::parse(&bundle.body, 2).unwrap().entries;
    let entries: Vec<LogEntry> = entries.iter().map(|entry| LogEntry::parse(entry).unwrap()).collect();
    let LogAct::Ref { facts: Some(facts), .. } = &entries[1].act else { panic!("{entries:?}") };
    assert_eq!(facts.license.as_deref(), Some("mit"));
    assert!(entries.iter().all(|entry| entry.repo.id() == "alice/open"));
    let tile = anyone.get("/log/tile/0/000.p/2").await.expect(200);
    assert_eq!(parse_tile(&tile.body, 2).unwrap()[1], TreeHash::of_entry(&entries[1].encode()));
    for path in ["0/000", "0/000.p/3", "0/000.p/0", "0/0", "entries/001", "entries/000.p/02", "x", "0/000.p/1/"] {
        anyone.get(&format!("/log/tile/{path}")).await.expect(404);
    }
}

#[tokio::test]
async fn bundles_are_packed_and_full_ones_kept() {
    let node = TestNode::start().await;
    let (alice, anyone) = (node.client("alice"), node.anonymous());
    alice.repo_create("model", "alice/open", "public").await;
    for number in 0..260 {
        let address = "/api/models/alice/open/tag/main";
        alice.post(address, &serde_json::json!({ "tag": format!("v{number}") })).await.expect(200);
    }
    node.hub.log_advance().await.unwrap();
    for (path, width, immutable) in [("000", 256, true), ("001.p/5", 5, false)] {
        let address = format!("/log/tile/entries/{path}");
        let plain = anyone.get(&address).await.expect(200);
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"));
        assert_eq!(plain.header("cache-control").contains("immutable"), immutable);
        let packed = anyone.request(Method::GET, &address).header("accept-encoding", "gzip");
        let packed = anyone.send(packed).await.expect(200);
        assert_eq!(packed.header("content-encoding"), "gzip");
        assert!(packed.body.len() * 2 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
        assert_eq!(gzip::unpack(&packed.body, 1 << 20).unwrap(), plain.body);
        assert_eq!(EntryBundle::parse(&plain.body, width).unwrap().entries.len(), width);
    }
    let tile = anyone.request(Method::GET, "/log/tile/0/000").header("accept-encoding", "gzip");
    let tile = anyone.send(tile).await.expect(200);
    assert_eq!((tile.body.len(), tile.header("content-encoding")), (8192, ""));
    assert!(tile.header("cache-control").contains("immutable"));
}

#[tokio::test]
async fn the_news_are_one_small_answer_and_nothing_private() {
    let node = TestNode::start().await;
    let (alice, anyone) = (node.client("alice"), node.anonymous());
    anyone.get("/federation/v1/news?size=0").await.expect(404);
    node.hub.log_advance().await.unwrap();
    let empty = anyone.get("/federation/v1/news?size=0").await.expect(200);
    assert_eq!(LogNews::parse(&empty.body).unwrap().size, 0);
    alice.repo_create("model", "alice/open", "public").await;
    alice.repo_create("model", "alice/shut", "private").await;
    for repo in ["models/alice/open", "models/alice/shut"] {
        alice.commit(repo, "main", &[("README.md", b"---\nlicense: mit\n---\n")]).await.expect(200);
    }
    node.hub.log_advance().await.unwrap();

    // The checkpoint is that of the log, and the entries lead to its root.
    let answer = anyone.get("/federation/v1/news?size=0").await.expect(200);
    let news = LogNews::parse(&answer.body).unwrap();
    let checkpoint = anyone.get("/log/checkpoint").await.expect(200);
    let checkpoint = VerifiedCheckpoint::parse(&checkpoint.body, node.hub.log_keys().log_key(), &[]).unwrap();
    let line = &checkpoint.note().note().signatures()[0];
    assert_eq!((news.size, news.root, &news.signature[..]), (2, checkpoint.root().0, &line.bytes[..]));
    let mut edge = Frontier::default();
    for entry in &news.entries {
        assert_eq!(LogEntry::parse(entry).unwrap().repo.id(), "alice/open");
        edge.append(TreeHash::of_entry(entry)).unwrap();
    }
    assert_eq!((edge.root(), news.entries.len(), news.tags.sequence), (checkpoint.root(), 2, 1));

    // The head holds what caches need and nothing else.
    let mut names: Vec<&str> = answer.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "content-length", "date", "etag"]);
    assert_ne!(answer.header("etag"), empty.header("etag"));
    let again = |size: u64| {
        let path = format!("/federation/v1/news?size={size}");
        anyone.send(anyone.request(Method::GET, &path).header("if-none-match", answer.header("etag")))
    };
    let nothing = again(2).await.expect(304);
    assert!(nothing.body.is_empty() && nothing.header("x-request-id").is_empty());
    assert_eq!(LogNews::parse(&again(1).await.expect(200).body).unwrap().entries, news.entries[1..]);
    // Whoever has more than there is hears how much there is.
    for size in [3, u64::MAX] {
        let told = LogNews::parse(&again(size).await.expect(200).body).unwrap();
        assert_eq!((told.size, told.from, told.entries.len()), (2, size, 0));
    }
    for query in ["", "?size=", "?size=-1", "?size=x", "?size=18446744073709551616", "?size=1&size=2"] {
        let refused = anyone.get(&format!("/federation/v1/news{query}")).await.expect(400);
        assert!(!refused.header("x-request-id").is_empty(), "{query}");
    }

    // Who is too far behind is told how far.
    for number in 0..260 {
        let address = "/api/models/alice/open/tag/main";
        alice.post(address, &serde_json::json!({ "tag": format!("v{number}") })).await.expect(200);
    }
    node.hub.log_advance().await.unwrap();
    for (size, entries) in [(5, 0), (6, 256), (261, 1)] {
        let told = anyone.get(&format!("/federation/v1/news?size={size}")).await.expect(200);
        assert!(told.body.len() < 16 << 10, "{} bytes", told.body.len());
        let told = LogNews::parse(&told.body).unwrap();
        assert_eq!((told.size, told.entries.len()), (262, entries), "from {size}");
    }
}

#[tokio::test]
async fn a_witness_answers_in_the_words_of_the_specification() {
    let node = TestNode::start_with(NodeOptions { seed: 1, ..NodeOptions::default() }).await;
    let peer = TestNode::start_with(NodeOptions { seed: 2, ..NodeOptions::default() }).await;
    let new = NewRemote {
        name: "node".into(),
        kind: RemoteKind::Peer,
        url: node.url().into(),
        log_key: Some(node.hub.log_keys().log_key().to_string()),
        witness_key: None,
        token: None,
        line: "default".into(),
        settings: serde_json::json!({}),
    };
    peer.hub.catalog().remote_insert(&new, TestNode::START).await.unwrap();
    let alice = node.client("alice");
    alice.repo_create("model", "alice/one", "public").await;
    node.hub.log_advance().await.unwrap();
    let request = async |old: u64| {
        let note = node.hub.log_checkpoint().await.unwrap().unwrap();
        let proof = node.hub.log_consistency(old, 1).await.unwrap_or_default();
        AddCheckpoint { old_size: old, proof, note: Note::parse(note.as_bytes()).unwrap() }
    };
    let ask = async |body: String| {
        let client = peer.anonymous();
        client.send(client.request(Method::POST, "/witness/add-checkpoint").body(body)).await
    };
    let good = request(0).await;
    assert_eq!(ask("nonsense".into()).await.status, 400);
    assert_eq!(ask(AddCheckpoint { old_size: 2, ..good.clone() }.to_string()).await.status, 400);
    let stranger = SigningKey::of_log(&[9; 32]);
    let mut unknown =
        Note::new(good.note.text().replace(node.hub.log_keys().origin(), stranger.verifier().name())).unwrap();
    unknown.sign(&stranger, 0);
    assert_eq!(ask(AddCheckpoint { note: unknown, ..good.clone() }.to_string()).await.status, 404);
    let mut foreign = Note::new(good.note.text().into()).unwrap();
    foreign.sign(&stranger, 0);
    assert_eq!(ask(AddCheckpoint { note: foreign, ..good.clone() }.to_string()).await.status, 403);
    let hash = hex(&Sha256::digest(node.hub.log_keys().origin()));
    let monitor = format!("/witness/{hash}/checkpoint");
    peer.anonymous().get(&monitor).await.expect(404);

    let answer = ask(good.to_string()).await.expect(200);
    let whole = format!("{}{}", good.note, answer.text());
    let witness = peer.hub.log_keys().witness_key().clone();
    let log_key = node.hub.log_keys().log_key();
    let cosigned = VerifiedCheckpoint::parse(whole.as_bytes(), log_key, std::slice::from_ref(&witness)).unwrap();
    assert_eq!(cosigned.note().signers().len(), 2);
    let conflict = ask(good.to_string()).await.expect(409);
    assert_eq!((conflict.text().as_str(), conflict.header("content-type")), ("1\n", "text/x.tlog.size"));
    let mut broken = request(1).await;
    broken.proof.push(TreeHash([1; 32]));
    assert_eq!(ask(broken.to_string()).await.status, 422);
    assert_eq!(ask(request(1).await.to_string()).await.status, 200);

    // Whoever wants to know what the witness has seen.
    let shown = peer.anonymous().get(&monitor).await.expect(200);
    assert!(VerifiedCheckpoint::parse(&shown.body, log_key, &[witness]).is_ok());
    peer.hub.log_advance().await.unwrap();
    let seen = peer.anonymous().get("/federation/v1/checkpoints").await.expect(200);
    let listed: Vec<Value> = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[1]["size"], listed[1]["note"].as_str().unwrap()), (&1.into(), shown.text().as_str()));
    let again = peer.anonymous();
    let request = again.request(Method::GET, "/federation/v1/checkpoints").header("if-none-match", seen.header("etag"));
    again.send(request).await.expect(304);
    // Nodes take it packed, under a tag of its own.
    let packed = || again.request(Method::GET, "/federation/v1/checkpoints").header("accept-encoding", "gzip");
    let answer = again.send(packed()).await.expect(200);
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), ("gzip", "accept-encoding"));
    assert_eq!(gzip::unpack(&answer.body, 1 << 20).unwrap(), seen.body);
    assert_ne!(answer.header("etag"), seen.header("etag"));
    again.send(packed().header("if-none-match", answer.header("etag"))).await.expect(304);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_node_says_who_it_is_and_lets_nobody_speak_for_it() {
    let node = TestNode::start().await;
    let client = node.anonymous();
    let request = client.request(Method::GET, "/.well-known/karez").header("host", "evil.example");
    let answer = client.send(request).await.expect(200);
    let described = Descriptor::open(&answer.body).unwrap();
    assert_eq!(&described.log_key, node.hub.log_keys().log_key());
    assert_eq!((described.urls.len(), answer.text().contains("evil")), (0, false));
    described.check(TestNode::START.unix_secs() as u64, None).unwrap();

    let public_url = Some("https://commons.example:8443/".to_owned());
    let node = TestNode::start_with(NodeOptions { public_url, ..NodeOptions::default() }).await;
    let described = Descriptor::open(&node.anonymous().get("/.well-known/karez").await.expect(200).body).unwrap();
    assert_eq!(described.urls, ["https://commons.example:8443"]);
    assert_eq!(described.name, "commons.example:8443");
}
