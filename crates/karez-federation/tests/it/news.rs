//! The news of a peer's log: one question tells it all, and whoever lies in the answer is named.

use karez_catalog::{NewRemote, RemoteKind};
use karez_federation::PeerSettings;
use karez_federation::peer::Polled;
use karez_formats::log_news::{LogNews, NewsTags, entries_pack};
use karez_governance::{Checkpoint, ForkEvidence, Frontier, Note, SigningKey, TreeHash};
use karez_testkit::{Link, TestNode};

use crate::liar::{Liar, Reply, Then};
use crate::peers::{befriend_at, incidents, node, person, poll, publish};

/// Paths that went over a line since this was last asked.
struct Asked<'a> {
    link: &'a Link,
    before: usize,
}

impl Asked<'_> {
    fn since(&mut self) -> Vec<String> {
        let all = self.link.requests();
        let new = all[self.before..].iter().map(|line| line.trim_start_matches("GET ").to_owned()).collect();
        self.before = all.len();
        new
    }
}

#[tokio::test]
async fn a_question_in_vain_and_news_are_one_request_each() {
    let (a, b) = (node(1).await, node(2).await);
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    let link = Link::to(a.url(), 1).await;
    befriend_at(&b, &link.url(), "a").await;
    let mut asked = Asked { link: &link, before: 0 };
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Grew { from: 0, to: 2 });
    assert!(asked.since().iter().all(|path| !path.starts_with("/log/")), "the first entries came along, too");

    let before = link.counts().down_bytes;
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Same);
    assert_eq!(asked.since(), ["/federation/v1/news?size=2"]);
    let vain_bytes = link.counts().down_bytes - before;
    assert!(vain_bytes < 200, "{vain_bytes} bytes for nothing");

    publish(&a, &amina, "amina/more").await;
    publish(&a, &amina, "amina/most").await;
    let before = link.counts().down_bytes;
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Grew { from: 2, to: 6 });
    assert_eq!(asked.since(), ["/federation/v1/news?size=2"]);
    let news_bytes = link.counts().down_bytes - before;
    assert!(news_bytes < 800, "{news_bytes} bytes for 4 entries");
    assert_eq!(b.hub.catalog().feed_search("", 10).await.unwrap().len(), 3);
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Same);
    assert_eq!(asked.since(), ["/federation/v1/news?size=6"]);

    // Who is far behind reads bundles, and goes on with news.
    for number in 0..300 {
        let address = "/api/models/amina/base/tag/main";
        amina.post(address, &serde_json::json!({ "tag": format!("v{number}") })).await.expect(200);
    }
    a.hub.log_advance().await.unwrap();
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Grew { from: 6, to: 306 });
    let bundles = ["/federation/v1/news?size=6", "/log/tile/entries/000", "/log/tile/entries/001.p/50"];
    assert_eq!(asked.since(), bundles);
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Same);
    assert_eq!(asked.since(), ["/federation/v1/news?size=306"]);
    assert_eq!(incidents(&b).await, []);
}

#[tokio::test]
async fn what_else_is_new_is_told_and_then_asked_for() {
    let (a, b, c) = (node(1).await, node(2).await, node(3).await);
    publish(&c, &person(&c, "zebo").await, "zebo/one").await;
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    let link = Link::to(a.url(), 1).await;
    befriend_at(&b, &link.url(), "a").await;
    let mut asked = Asked { link: &link, before: 0 };
    poll(&b, "a").await.unwrap();
    let first = [
        "/.well-known/karez",
        "/.well-known/karez",
        "/federation/v1/news?size=0",
        "/federation/v1/checkpoints",
        "/federation/v1/nodes",
        "/federation/v1/have",
    ];
    assert_eq!(asked.since(), first, "the operator's look, and then everything once");

    // A peer more on this side: what is said of it was passed over before, and is asked for again.
    befriend_at(&b, c.url(), "c").await;
    poll(&b, "a").await.unwrap();
    assert_eq!(asked.since(), ["/federation/v1/news?size=2", "/federation/v1/have"], "gossip has its own rhythm");
    poll(&b, "a").await.unwrap();
    assert_eq!(asked.since(), ["/federation/v1/news?size=2"]);
}

#[tokio::test]
async fn what_others_saw_lately_costs_no_proof_and_a_fork_in_it_is_found() {
    let (a1, a2, b) = (node(7).await, node(7).await, node(2).await);
    let (amina, other) = (person(&a1, "amina").await, person(&a2, "amina").await);
    let link = Link::to(a1.url(), 1).await;
    befriend_at(&b, &link.url(), "a").await;
    publish(&a1, &amina, "amina/one").await;
    let shown = a1.hub.log_checkpoint().await.unwrap().unwrap();
    for id in ["amina/two", "amina/three"] {
        publish(&a1, &amina, id).await;
    }
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Grew { from: 0, to: 6 });
    let mut asked = Asked { link: &link, before: link.requests().len() };
    let (catalog, federation, now) = (b.hub.catalog(), b.federation(), b.hub.clock().now());
    let compare = async |note: String| {
        karez_federation::peer::compare(catalog, &federation.table(), &[note], "c", now).await.unwrap()
    };
    assert_eq!(compare(shown).await, []);
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Same);
    assert_eq!(asked.since(), ["/federation/v1/news?size=6"], "no tile was needed");

    // The other history, at a size that was passed: now tiles are read, for the evidence.
    publish(&a2, &other, "amina/another").await;
    assert_eq!(compare(a2.hub.log_checkpoint().await.unwrap().unwrap()).await, [], "not of the same size");
    let error = poll(&b, "a").await.unwrap_err();
    assert_eq!(error.incident(), Some("fork"), "{error}");
    let forks = catalog.fork_list().await.unwrap();
    let fork = ForkEvidence::parse(forks[0].evidence.as_bytes()).unwrap();
    let fork = fork.verify(a1.hub.log_keys().log_key()).unwrap();
    assert_eq!((fork.first.size(), fork.second.size()), (2, 6));
}

#[tokio::test]
async fn who_merely_follows_a_log_shows_what_it_saw() {
    let (a1, a2, b, c) = (node(7).await, node(7).await, node(2).await, node(3).await);
    publish(&a1, &person(&a1, "amina").await, "amina/one").await;
    publish(&a2, &person(&a2, "amina").await, "amina/two").await;
    befriend_at(&b, a1.url(), "a").await;
    befriend_at(&c, a2.url(), "a").await;
    poll(&b, "a").await.unwrap();
    poll(&c, "a").await.unwrap();
    // Nobody has asked anybody to cosign.
    befriend_at(&b, c.url(), "c").await;
    poll(&b, "c").await.unwrap();
    assert_eq!(incidents(&b).await, [("a".to_owned(), "fork".to_owned())]);
}

/// News that somebody with a key has signed.
fn news_of(key: &SigningKey, from: u64, size: u64, root: TreeHash, entries: &[Vec<u8>]) -> LogNews {
    let origin = key.verifier().name().to_owned();
    let mut note = Note::new(Checkpoint { origin, size, root, extensions: Vec::new() }.text()).unwrap();
    note.sign(key, 0);
    let signature = note.signatures()[0].bytes.as_slice().try_into().unwrap();
    LogNews { size, root: root.0, signature, tags: NewsTags::default(), from, entries: entries.to_vec() }
}

fn entries(name: &str) -> Vec<Vec<u8>> {
    (0..2).map(|at| format!(r#"{{"v":1,"k":"publish","r":"models/{name}/r{at}","t":7,"b":0}}"#).into_bytes()).collect()
}

fn root_over(entries: &[Vec<u8>]) -> TreeHash {
    let mut edge = Frontier::default();
    entries.iter().for_each(|entry| edge.append(TreeHash::of_entry(entry)).unwrap());
    edge.root()
}

/// Makes a server a peer whose log has this key.
async fn trust(here: &TestNode, liar: &Liar, key: &SigningKey) {
    let settings = PeerSettings { allow_private: true, ..PeerSettings::default() };
    let new = NewRemote {
        name: "liar".to_owned(),
        kind: RemoteKind::Peer,
        url: liar.url(),
        log_key: Some(key.verifier().to_string()),
        witness_key: None,
        token: None,
        line: "default".to_owned(),
        settings: settings.to_value(),
    };
    here.hub.catalog().remote_insert(&new, here.hub.clock().now()).await.unwrap();
}

/// Answers news with these bytes, and everything else with 404.
async fn teller(reply: Reply) -> Liar {
    Liar::start(move |asked| match asked.target.starts_with("/federation/v1/news?") {
        true => reply.clone(),
        false => Reply::new(404, &[], b""),
    })
    .await
}

#[tokio::test]
async fn news_that_lie_are_named_and_nothing_is_kept() {
    let (key, stranger) = (SigningKey::of_log(&[9; 32]), SigningKey::of_log(&[8; 32]));
    let (right, wrong) = (entries("right"), entries("wrong"));
    let root = root_over(&right);
    let good = news_of(&key, 0, 2, root, &right);
    let bytes = good.encode().unwrap();
    let packed = entries_pack(&right).unwrap();
    let body = |bytes: Vec<u8>| Reply::new(200, &[], &bytes);
    let cases = [
        ("other entries", body(news_of(&key, 0, 2, root, &wrong).encode().unwrap()), "wrong-log"),
        ("cut off", body(bytes[..bytes.len() - 1].to_vec()), "wrong-answer"),
        ("something after", body([&bytes[..], b"x"].concat()), "wrong-answer"),
        ("without an end", Reply::unsized_(200, &[], &bytes).then(Then::Flood), "wrong-answer"),
        ("too few by its count", body(good.encode_with(1, &packed)), "wrong-answer"),
        ("too many by its count", body(good.encode_with(3, &packed)), "wrong-answer"),
        ("all by its count", body(news_of(&key, 0, 3, root, &[]).encode_with(3, &packed)), "wrong-answer"),
        ("from elsewhere", body(news_of(&key, 7, 9, root, &right).encode().unwrap()), "wrong-answer"),
        ("of somebody else", body(news_of(&stranger, 0, 2, root, &right).encode().unwrap()), "wrong-log"),
        (
            "signed for another size",
            body(LogNews { size: 3, from: 1, ..good.clone() }.encode().unwrap()),
            "wrong-answer",
        ),
        ("beyond every size", body(news_of(&key, 0, u64::MAX, root, &[]).encode().unwrap()), "wrong-log"),
        ("packed twice", Reply::new(200, &[("content-encoding", "gzip")], &bytes), "wrong-answer"),
    ];
    for (what, reply, expected) in cases {
        let b = node(2).await;
        let liar = teller(reply).await;
        trust(&b, &liar, &key).await;
        let error = poll(&b, "liar").await.unwrap_err();
        assert_eq!(error.incident(), Some(expected), "{what}: {error}");
        assert_eq!(incidents(&b).await, [("liar".to_owned(), expected.to_owned())], "{what}");
        assert!(b.hub.catalog().feed_search("", 9).await.unwrap().is_empty(), "{what}");
        assert!(b.hub.catalog().fork_list().await.unwrap().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn news_that_contradict_what_was_read_stop_the_feed() {
    let key = SigningKey::of_log(&[9; 32]);
    let (right, wrong) = (entries("right"), entries("wrong"));
    let good = news_of(&key, 0, 2, root_over(&right), &right);
    let cases = [
        (news_of(&key, 2, 1, root_over(&right[..1]), &[]), "replay"),
        (news_of(&key, 2, 0, TreeHash::EMPTY, &[]), "replay"),
        (news_of(&key, 2, 2, root_over(&wrong), &[]), "fork"),
    ];
    for (then, expected) in cases {
        let b = node(2).await;
        let (first, then) = (good.encode().unwrap(), then.encode().unwrap());
        let liar = Liar::start(move |asked| match asked.target.as_str() {
            "/federation/v1/news?size=0" => Reply::new(200, &[], &first),
            "/federation/v1/news?size=2" => Reply::new(200, &[], &then),
            _ => Reply::new(404, &[], b""),
        });
        let liar = liar.await;
        trust(&b, &liar, &key).await;
        assert_eq!(poll(&b, "liar").await.unwrap(), Polled::Grew { from: 0, to: 2 });
        let before = b.hub.catalog().feed_list().await.unwrap()[0].tree.clone();
        let error = poll(&b, "liar").await.unwrap_err();
        assert_eq!(error.incident(), Some(expected), "{error}");
        let feed = b.hub.catalog().feed_list().await.unwrap().remove(0);
        assert_eq!(feed.tree, before);
        let found = b.hub.catalog().feed_search("", 9).await.unwrap();
        assert!(found.len() == 2 && found.iter().all(|one| one.repo.id().starts_with("right/")), "{found:?}");
        let forks = b.hub.catalog().fork_list().await.unwrap();
        assert_eq!(forks.len(), usize::from(expected == "fork"));
        for fork in forks {
            ForkEvidence::parse(fork.evidence.as_bytes()).unwrap().verify(key.verifier()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_node_that_tells_no_news_is_read_in_tiles() {
    let key = SigningKey::of_log(&[9; 32]);
    let right = entries("right");
    let mut note = Note::new(
        Checkpoint {
            origin: key.verifier().name().to_owned(),
            size: 2,
            root: root_over(&right),
            extensions: Vec::new(),
        }
        .text(),
    )
    .unwrap();
    note.sign(&key, 0);
    let newer = [&[2][..], &news_of(&key, 0, 2, root_over(&right), &right).encode().unwrap()[1..]].concat();
    for news in [Reply::new(404, &[], b""), Reply::new(403, &[], b""), Reply::new(200, &[], &newer)] {
        let (b, note) = (node(2).await, note.to_string());
        let bundle = karez_governance::EntryBundle::encode(right.iter().map(Vec::as_slice)).unwrap();
        let liar = Liar::start(move |asked| match asked.target.as_str() {
            "/log/checkpoint" if asked.header("if-none-match") == "\"one\"" => Reply::new(304, &[], b""),
            "/log/checkpoint" => Reply::new(200, &[("etag", "\"one\"")], note.as_bytes()),
            "/log/tile/entries/000.p/2" => Reply::new(200, &[], &bundle),
            target if target.starts_with("/federation/v1/news") => news.clone(),
            _ => Reply::new(404, &[], b""),
        });
        let liar = liar.await;
        trust(&b, &liar, &key).await;
        assert_eq!(poll(&b, "liar").await.unwrap(), Polled::Grew { from: 0, to: 2 });
        assert_eq!(poll(&b, "liar").await.unwrap(), Polled::Same);
        let asked = |wanted: &str| liar.asked().iter().filter(|one| one.target.starts_with(wanted)).count();
        assert_eq!((asked("/federation/v1/news"), asked("/log/checkpoint")), (1, 2), "it is not asked in vain again");
        assert_eq!(incidents(&b).await, []);
    }
}
