//! Several nodes in one process: they read each other's logs, sign for each other, and find out who lies.

use crate::liar::{Liar, Reply, Then};
use futures::FutureExt;
use karez_catalog::{FeedState, Keep, NewFollow, NewRemote, Remote, RemoteAdded, RemoteKind, RemotePatch};
use karez_federation::net::{HttpOptions, Reach};
use karez_federation::peer::{Asked, PeerError, Polled, describe, wire_to};
use karez_federation::{FederationSettings, PeerSettings, follow, metrics};
use karez_governance::{Checkpoint, ForkEvidence, Note, SigningKey, TreeHash};
use karez_hub::{Actor, NewToken, RepoSettings, new_user};
use karez_testkit::{NodeOptions, TestClient, TestNode};
use karez_types::{RepoAddress, RepoKind, Timestamp, TokenRole, Visibility};

/// Ten years, in seconds.
const TEN_YEARS_SECS: i64 = 10 * 365 * 86_400;

pub async fn node(seed: u64) -> TestNode {
    let federation = Some(FederationSettings::default());
    let node = TestNode::start_with(NodeOptions { seed, federation, ..NodeOptions::default() }).await;
    // As a node does when it starts: also the empty log is signed.
    node.hub.log_advance().await.unwrap();
    node
}

pub fn model(id: &str) -> RepoAddress {
    RepoAddress::parse(RepoKind::Model, id).unwrap()
}

/// Makes a person whom the other nodes do not have.
pub async fn person(node: &TestNode, name: &str) -> TestClient {
    let operator = Actor::Operator;
    node.hub.account_create(&operator, new_user(name.parse().unwrap(), false)).await.unwrap();
    let new = NewToken { name: "test".to_owned(), role: TokenRole::Write, expires: None };
    let token = node.hub.token_create(&operator, name, new).await.unwrap();
    TestClient::new(node.url(), Some(&token))
}

/// Creates a public repository with a small file, and signs the log.
pub async fn publish(node: &TestNode, client: &TestClient, id: &str) {
    client.repo_create("model", id, "public").await;
    let card = b"---\nlicense: mit\ntags: [tajik]\n---\n# Hi\n";
    client.commit(&format!("models/{id}"), "main", &[("README.md", card)]).await.expect(200);
    node.hub.log_advance().await.unwrap();
}

/// Makes `other` a peer of `here`, as the operator does at the command line.
async fn befriend(here: &TestNode, other: &TestNode, name: &str) -> Remote {
    befriend_at(here, other.url(), name).await
}

/// Makes the node at an address a peer of `here`.
pub async fn befriend_at(here: &TestNode, url: &str, name: &str) -> Remote {
    let wire = wire_to(url, true, &HttpOptions::new(Reach::Public)).unwrap();
    let described = describe(&wire).await.unwrap();
    let settings = PeerSettings { allow_private: true, ..PeerSettings::default() };
    let new = NewRemote {
        name: name.to_owned(),
        kind: RemoteKind::Peer,
        url: url.to_owned(),
        log_key: Some(described.descriptor.log_key.to_string()),
        witness_key: Some(described.descriptor.witness_key.to_string()),
        token: None,
        line: "default".to_owned(),
        settings: settings.to_value(),
    };
    let added = here.hub.catalog().remote_insert(&new, here.hub.clock().now()).await.unwrap();
    let RemoteAdded::Added(remote) = added else { panic!("{added:?}") };
    here.federation().refresh().await.unwrap();
    remote
}

pub async fn poll(here: &TestNode, name: &str) -> Result<Polled, PeerError> {
    let table = here.federation().refresh().await.unwrap();
    here.federation().poll_peer(table.by_name(name).unwrap()).await
}

/// The peer answers somewhere else from now on, without saying so.
async fn readdress(here: &TestNode, remote: &Remote, other: &TestNode) {
    let patch = RemotePatch { url: Some(other.url().to_owned()), ..RemotePatch::default() };
    here.hub.catalog().remote_update(remote.id, &patch).await.unwrap().unwrap();
}

pub async fn rule(here: &TestNode, rule: &str, keep: Keep, copies: Option<u64>) {
    let new = NewFollow { remote: None, rule: rule.to_owned(), keep, copies };
    here.hub.catalog().follow_insert(&new, here.hub.clock().now()).await.unwrap();
}

pub async fn incidents(here: &TestNode) -> Vec<(String, String)> {
    let all = here.hub.catalog().incident_list(100).await.unwrap();
    all.into_iter().map(|incident| (incident.remote, incident.kind)).collect()
}

#[tokio::test]
async fn three_nodes_follow_and_sign_for_each_other() {
    let (a, b, c) = (node(1).await, node(2).await, node(3).await);
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    amina.repo_create("model", "amina/secret", "private").await;
    amina.commit("models/amina/secret", "main", &[("plan.txt", b"hush")]).await.expect(200);
    a.hub.log_advance().await.unwrap();
    for (here, other, name) in [(&a, &b, "b"), (&a, &c, "c"), (&b, &a, "a"), (&c, &a, "a")] {
        befriend(here, other, name).await;
    }

    // The log is read; what is private is not in it.
    let Polled::Grew { from: 0, to } = poll(&b, "a").await.unwrap() else { panic!("nothing was read") };
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Same);
    let found = b.hub.catalog().feed_search("", 10).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].repo.clone(), found[0].facts.license.as_deref()), (model("amina/base"), Some("mit")));
    assert!(to >= 2, "publication and commit are entries, {to}");

    // Both cosign, and the next growth too.
    for round in 0..2 {
        for (name, asked) in a.federation().witness_all().await {
            assert_eq!(asked.unwrap(), Asked::Cosigned(1), "{name}");
        }
        let note = Note::parse(a.hub.log_checkpoint().await.unwrap().unwrap().as_bytes()).unwrap();
        assert_eq!(note.signatures().len(), 3);
        assert!(a.federation().witness_all().await.into_iter().all(|(_, asked)| asked.unwrap() == Asked::Nothing));
        amina.commit("models/amina/base", "main", &[("a.txt", round.to_string().as_bytes())]).await.expect(200);
        publish(&a, &amina, &format!("amina/more-{round}")).await;
    }
    // Whoever has not been added is not cosigned for.
    befriend(&b, &c, "c").await;
    let table = b.federation().table();
    let asked = b.federation().witness_one(table.by_name("c").unwrap()).await;
    assert!(matches!(asked, Ok(Asked::NotFollowed | Asked::Nothing)), "{asked:?}");

    // A rule brings history and small files, and people read them under the origin's name.
    rule(&b, r#"{"owners":["amina"]}"#, Keep::Metadata, Some(3)).await;
    assert!(matches!(poll(&b, "a").await.unwrap(), Polled::Grew { .. }));
    let pass = b.federation().follow_pass().await.unwrap();
    assert_eq!(pass.troubles, Vec::<String>::new());
    assert!(pass.mirrored >= 2 && pass.done == pass.looked_at, "{pass:?}");
    let there = a.anonymous().get("/amina/base/resolve/main/README.md").await.expect(200);
    let here = b.anonymous().get("/amina/base/resolve/main/README.md").await.expect(200);
    assert_eq!((here.body.clone(), here.header("x-repo-commit")), (there.body.clone(), there.header("x-repo-commit")));
    b.anonymous().get("/api/models/amina/secret").await.expect(401);
    assert_eq!(b.federation().follow_pass().await.unwrap().looked_at, 0, "nothing is left to do");

    // Only the origin is known to hold a whole copy.
    let own = b.hub.log_keys().origin().to_owned();
    let short = follow::shortages(b.hub.catalog(), &b.federation().table(), &own).await.unwrap();
    assert_eq!((short[0].copies, short[0].goal), (1, 3), "{short:?}");
    let text = metrics(&b.hub).await.unwrap();
    assert!(text.contains("karez_feed_entries{peer=\"a\"}") && text.contains("process_open_fds"), "{text}");
    assert_eq!(incidents(&b).await, []);
}

#[tokio::test]
async fn two_histories_are_found_when_those_who_saw_them_meet() {
    let (a1, a2, b, c) = (node(7).await, node(7).await, node(2).await, node(3).await);
    publish(&a1, &person(&a1, "amina").await, "amina/one").await;
    publish(&a2, &person(&a2, "amina").await, "amina/two").await;
    befriend(&b, &a1, "a").await;
    befriend(&c, &a2, "a").await;
    befriend(&a2, &c, "c").await;
    assert!(matches!(poll(&b, "a").await.unwrap(), Polled::Grew { .. }));
    assert!(matches!(poll(&c, "a").await.unwrap(), Polled::Grew { .. }));
    assert!(a2.federation().witness_all().await.into_iter().all(|(_, asked)| asked.is_ok()));

    befriend(&b, &c, "c").await;
    poll(&b, "c").await.unwrap();
    let forks = b.hub.catalog().fork_list().await.unwrap();
    assert_eq!(forks.len(), 1);
    let evidence = ForkEvidence::parse(forks[0].evidence.as_bytes()).unwrap();
    let fork = evidence.verify(a1.hub.log_keys().log_key()).unwrap();
    assert!(fork.first.size() == fork.second.size() && fork.first.root() != fork.second.root());
    assert!(evidence.verify(b.hub.log_keys().log_key()).is_err(), "it says nothing about another log");
    assert_eq!(incidents(&b).await, [("a".to_owned(), "fork".to_owned())]);

    // The log is not followed any more, until the operator says so.
    assert!(matches!(poll(&b, "a").await, Err(PeerError::Stopped)));
    let a = b.hub.catalog().remote_get_by_name("a").await.unwrap().unwrap();
    let settings = PeerSettings { forks_forgiven: 1, ..PeerSettings::of(&a) };
    let patch = RemotePatch { settings: Some(settings.to_value()), ..RemotePatch::default() };
    b.hub.catalog().remote_update(a.id, &patch).await.unwrap();
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Same);
}

#[tokio::test]
async fn a_log_that_does_not_continue_is_a_fork_and_changes_nothing() {
    let (a1, a2, b) = (node(7).await, node(7).await, node(2).await);
    publish(&a1, &person(&a1, "amina").await, "amina/one").await;
    let other = person(&a2, "amina").await;
    for id in ["amina/two", "amina/three", "amina/four"] {
        publish(&a2, &other, id).await;
    }
    let a = befriend(&b, &a1, "a").await;
    poll(&b, "a").await.unwrap();
    let before = b.hub.catalog().feed_get(a.id).await.unwrap().unwrap();
    readdress(&b, &a, &a2).await;
    let error = poll(&b, "a").await.unwrap_err();
    assert!(matches!(error, PeerError::Fork(_)), "{error}");
    let forks = b.hub.catalog().fork_list().await.unwrap();
    let evidence = ForkEvidence::parse(forks[0].evidence.as_bytes()).unwrap();
    let fork = evidence.verify(a1.hub.log_keys().log_key()).unwrap();
    assert!(fork.first.size() < fork.second.size());
    let after = b.hub.catalog().feed_get(a.id).await.unwrap().unwrap();
    assert_eq!(after.tree, before.tree);
    assert!(after.trouble.unwrap().contains("two histories"));
    assert_eq!(b.hub.catalog().feed_search("", 10).await.unwrap().len(), 1, "nothing of the other history is here");
}

#[tokio::test]
async fn an_old_state_is_refused_and_another_node_is_named() {
    let (a1, a2, b, stranger) = (node(7).await, node(7).await, node(2).await, node(9).await);
    let amina = person(&a1, "amina").await;
    publish(&a1, &amina, "amina/one").await;
    publish(&a1, &amina, "amina/two").await;
    a2.hub.log_advance().await.unwrap();
    let a = befriend(&b, &a1, "a").await;
    poll(&b, "a").await.unwrap();
    readdress(&b, &a, &a2).await;
    let error = poll(&b, "a").await.unwrap_err();
    assert!(matches!(error, PeerError::Replayed { .. }), "{error}");
    assert_eq!(incidents(&b).await, [("a".to_owned(), "replay".to_owned())]);

    // At the old address somebody else answers.
    stranger.hub.log_advance().await.unwrap();
    readdress(&b, &a, &stranger).await;
    let error = poll(&b, "a").await.unwrap_err();
    assert!(error.to_string().contains(&stranger.hub.log_keys().log_key().fingerprint()), "{error}");
    assert!(incidents(&b).await.contains(&("a".to_owned(), "other-node".to_owned())));
    // And when the right node is back, everything goes on.
    readdress(&b, &a, &a1).await;
    assert_eq!(poll(&b, "a").await.unwrap(), Polled::Same);
}

#[tokio::test]
async fn withdrawals_and_moves_reach_followers_and_delete_nothing() {
    let (a, b) = (node(1).await, node(2).await);
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    publish(&a, &amina, "amina/old").await;
    befriend(&b, &a, "a").await;
    rule(&b, "{}", Keep::Metadata, None).await;
    poll(&b, "a").await.unwrap();
    assert_eq!(b.federation().follow_pass().await.unwrap().mirrored, 2);

    let set = |visibility| RepoSettings { visibility: Some(visibility), ..RepoSettings::default() };
    a.hub.repo_settings_change(&Actor::Operator, &model("amina/base"), set(Visibility::Private)).await.unwrap();
    a.hub.repo_move(&Actor::Operator, &model("amina/old"), &model("amina/new")).await.unwrap();
    a.hub.log_advance().await.unwrap();
    poll(&b, "a").await.unwrap();
    let pass = b.federation().follow_pass().await.unwrap();
    assert_eq!((pass.withdrawn, pass.troubles), (1, Vec::new()));
    let (_, mirror) = b.hub.mirror_find(&model("amina/base")).await.unwrap().unwrap();
    assert!(mirror.withdrawn.is_some());
    // This node's policy decides; without one, people go on reading.
    b.anonymous().get("/amina/base/resolve/main/README.md").await.expect(200);
    let (_, mirror) = b.hub.mirror_find(&model("amina/old")).await.unwrap().unwrap();
    assert_eq!(mirror.remote_repo, model("amina/new"), "what moved is followed where it is");

    a.hub.repo_settings_change(&Actor::Operator, &model("amina/base"), set(Visibility::Public)).await.unwrap();
    a.hub.repo_delete(&Actor::Operator, &model("amina/new")).await.unwrap();
    a.hub.log_advance().await.unwrap();
    poll(&b, "a").await.unwrap();
    b.federation().follow_pass().await.unwrap();
    let (_, mirror) = b.hub.mirror_find(&model("amina/base")).await.unwrap().unwrap();
    assert_eq!(mirror.withdrawn, None);
    let (_, mirror) = b.hub.mirror_find(&model("amina/old")).await.unwrap().unwrap();
    assert!(mirror.withdrawn.is_some());
    b.anonymous().get("/amina/old/resolve/main/README.md").await.expect(200);
}

#[tokio::test]
async fn owner_names_that_clash_are_told_and_wait_for_the_operator() {
    let (a, b, c) = (node(1).await, node(2).await, node(3).await);
    // Every test node has an alice; zebo is on two of the three.
    publish(&a, &a.client("alice"), "alice/base").await;
    publish(&a, &person(&a, "zebo").await, "zebo/one").await;
    publish(&c, &person(&c, "zebo").await, "zebo/two").await;
    let remote = befriend(&b, &a, "a").await;
    befriend(&b, &c, "c").await;
    rule(&b, "{}", Keep::Metadata, None).await;
    poll(&b, "a").await.unwrap();
    poll(&b, "c").await.unwrap();
    let pass = b.federation().follow_pass().await.unwrap();
    assert_eq!((pass.clashes, pass.mirrored), (3, 0));
    assert!(incidents(&b).await.iter().all(|(_, kind)| kind == "name-clash"));
    let states: Vec<_> = follow::names(b.hub.catalog()).await.unwrap();
    assert!(states.len() == 3 && states.iter().all(|name| name.state == "clash"), "{states:?}");

    // An alias for one ends the clash for the other, too.
    let now = b.hub.clock().now();
    let (alias, zebo) = ("zebo-a".parse().unwrap(), "zebo".parse().unwrap());
    b.hub.catalog().owner_origin_bind(&alias, remote.id, &zebo, now).await.unwrap();
    b.hub.catalog().feed_look_again(None).await.unwrap();
    let pass = b.federation().follow_pass().await.unwrap();
    assert_eq!((pass.clashes, pass.mirrored), (1, 2), "{pass:?}");
    b.anonymous().get("/zebo-a/one/resolve/main/README.md").await.expect(200);
    b.anonymous().get("/zebo/two/resolve/main/README.md").await.expect(200);
    b.anonymous().get("/zebo/one/resolve/main/README.md").await.expect(401);
}

#[tokio::test]
async fn clocks_that_are_wrong_by_ten_years_change_nothing() {
    for wrong_by in [TEN_YEARS_SECS, -TEN_YEARS_SECS] {
        let (a, b) = (node(1).await, node(2).await);
        b.advance_secs(wrong_by);
        publish(&a, &person(&a, "amina").await, "amina/base").await;
        befriend(&b, &a, "a").await;
        befriend(&a, &b, "b").await;
        assert!(matches!(poll(&b, "a").await.unwrap(), Polled::Grew { .. }));
        let asked = a.federation().witness_all().await.remove(0).1.unwrap();
        assert_eq!(asked, Asked::Cosigned(1));
        rule(&b, "{}", Keep::Metadata, None).await;
        assert_eq!(b.federation().follow_pass().await.unwrap().mirrored, 1);
        assert_eq!(incidents(&b).await, []);
    }
}

#[tokio::test]
async fn a_peer_that_is_removed_takes_nothing_with_it() {
    let (a, b) = (node(1).await, node(2).await);
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    let remote = befriend(&b, &a, "a").await;
    rule(&b, "{}", Keep::Metadata, None).await;
    poll(&b, "a").await.unwrap();
    b.federation().follow_pass().await.unwrap();
    // As `karez peer remove` does for a peer that mirrors come from.
    let settings = PeerSettings { removed_secs: Some(1), ..PeerSettings::of(&remote) };
    let patch = RemotePatch { settings: Some(settings.to_value()), ..RemotePatch::default() };
    b.hub.catalog().remote_update(remote.id, &patch).await.unwrap();
    assert!(b.federation().refresh().await.unwrap().all().is_empty());
    assert!(b.federation().poll_all().await.is_empty(), "nothing dials");
    let keys = b.hub.peer_log_keys().await.unwrap().len() + b.hub.peer_witness_keys().await.unwrap().len();
    assert_eq!(keys, 0, "nothing is cosigned for it, and its cosignatures count no more");
    b.anonymous().get("/amina/base/resolve/main/README.md").await.expect(200);
    let feed = b.hub.catalog().feed_repo(remote.id, &model("amina/base")).await.unwrap().unwrap();
    assert_eq!(feed.state, FeedState::Public);
    assert!(feed.at > Timestamp(0));
}

#[tokio::test]
async fn large_files_come_over_a_line_as_it_allows() {
    let (a, b) = (node(1).await, node(2).await);
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    let big: Vec<u8> = (0..3_000_000u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    amina.commit("models/amina/base", "main", &[("model.safetensors", &big[..3 << 20])]).await.expect(200);
    a.hub.log_advance().await.unwrap();
    let remote = befriend(&b, &a, "a").await;
    rule(&b, "{}", Keep::Whole, Some(2)).await;
    poll(&b, "a").await.unwrap();
    let federation = b.federation();

    // The line is closed: its month is spent. Nothing is begun.
    let catalog = b.hub.catalog();
    let spent = r#"{"name":"default","cost":"metered","month_bytes_max":1}"#;
    catalog.line_set("default", spent).await.unwrap();
    b.advance_secs(60);
    let pass = federation.follow_pass().await.unwrap();
    assert!(pass.mirrored == 0 && pass.troubles[0].contains("budget"), "{pass:?}");

    // It opens, and the file comes. What came is charged.
    let open = r#"{"name":"default","cost":"metered","month_bytes_max":"1 GB"}"#;
    catalog.line_set("default", open).await.unwrap();
    // The gate believes an answer for ten seconds; going back in time makes it ask again.
    b.advance_secs(-30);
    let pass = federation.follow_pass().await.unwrap();
    assert_eq!((pass.mirrored, pass.waiting, pass.troubles), (1, 1, Vec::new()));
    let transfers = federation.transfers().unwrap();
    let sha256 = transfers.list().first().map(|progress| progress.sha256);
    if let Some(transfer) = sha256.and_then(|sha256| transfers.find(sha256)) {
        transfer.done().await.unwrap();
    }
    let pass = federation.follow_pass().await.unwrap();
    assert_eq!((pass.done, pass.waiting), (1, 0), "{pass:?}");
    let here = b.anonymous().get("/amina/base/resolve/main/model.safetensors").await.expect(200);
    assert_eq!(here.body, big[..3 << 20]);
    let month = catalog.line_use_rows("default").await.unwrap();
    assert!(month.iter().map(|(_, bytes)| bytes).sum::<u64>() > 1000, "{month:?}");

    // It holds all of it, says so, and the goal is met.
    assert_eq!(catalog.held_whole(remote.id).await.unwrap().len(), 1);
    let origin = a.hub.log_keys().origin();
    let bitmap = b.anonymous().get(&format!("/federation/v1/have/{origin}")).await.expect(200);
    assert_eq!(karez_federation::peer::bitmap_ranges(&bitmap.body).unwrap().len(), 1);
    b.anonymous().get("/federation/v1/have/0123.karez/log").await.expect(404);
    befriend(&a, &b, "b").await;
    rule(&a, "{}", Keep::Metadata, Some(2)).await;
    poll(&a, "b").await.unwrap();
    for node in [&a, &b] {
        let (table, origin) = (node.federation().table(), node.hub.log_keys().origin());
        assert_eq!(follow::shortages(node.hub.catalog(), &table, origin).await.unwrap(), []);
    }
}

#[tokio::test]
async fn peers_that_lie_about_sizes_are_named_and_nothing_is_kept() {
    let key = SigningKey::of_log(&[9; 32]);
    let checkpoint = |size: u64| {
        let origin = key.verifier().name().to_owned();
        let text = Checkpoint { origin, size, root: TreeHash([1; 32]), extensions: Vec::new() }.text();
        let mut note = Note::new(text).unwrap();
        note.sign(&key, 0);
        note.to_string().into_bytes()
    };
    let few = karez_governance::EntryBundle::encode([b"{}".as_slice()]).unwrap();
    let cases: [(Vec<u8>, Reply); 5] = [
        (b"x".to_vec(), Reply::new(404, &[], b"")),
        (checkpoint(1 << 62), Reply::unsized_(200, &[], &[0; 100]).then(Then::Flood)),
        (checkpoint(1000), Reply::new(200, &[], &few)),
        (checkpoint(1), Reply::new(200, &[], &few)),
        (checkpoint(1), Reply::new(200, &[], &[0xff, 0xff, 1])),
    ];
    for (at, (note, bundle)) in cases.into_iter().enumerate() {
        let b = node(2).await;
        let liar = Liar::start(move |asked| match asked.target.as_str() {
            "/log/checkpoint" => Reply::new(200, &[], &note),
            target if target.starts_with("/log/tile/entries/") => bundle.clone(),
            _ => Reply::new(404, &[], b""),
        });
        let liar = liar.await;
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
        b.hub.catalog().remote_insert(&new, b.hub.clock().now()).await.unwrap();
        let error = poll(&b, "liar").await.unwrap_err();
        let expected = ["wrong-log", "wrong-answer", "wrong-answer", "wrong-log", "wrong-answer"][at];
        assert_eq!(error.incident(), Some(expected), "{at}: {error}");
        assert_eq!(incidents(&b).await, [("liar".to_owned(), expected.to_owned())]);
        assert!(b.hub.catalog().feed_search("", 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_restored_node_hears_of_it_before_it_signs() {
    let (lost, restored, witness) = (node(7).await, node(7).await, node(2).await);
    let amina = person(&lost, "amina").await;
    publish(&lost, &amina, "amina/one").await;
    befriend(&lost, &witness, "witness").await;
    befriend(&witness, &lost, "a").await;
    let asked = lost.federation().witness_all().await;
    assert!(matches!(asked[..], [(_, Ok(Asked::Cosigned(1)))]), "{asked:?}");

    befriend(&restored, &witness, "witness").await;
    let federation = std::sync::Arc::clone(restored.federation());
    assert_eq!(federation.own_log_known().now_or_never(), None, "nobody was asked yet");
    let running = federation.start();
    federation.own_log_known().await;
    let refused = restored.hub.log_advance().await;
    assert!(matches!(refused, Err(karez_hub::HubError::LogBehind { .. })), "{refused:?}");
    running.stop().await;

    // Who has no peers has nobody to wait for.
    let alone = node(93).await;
    let running = alone.federation().start();
    alone.federation().own_log_known().await;
    running.stop().await;
}
