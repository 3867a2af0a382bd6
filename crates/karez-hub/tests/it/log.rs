//! The node's log: signed, proved, verified, witnessed, and never forked by the node itself.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use karez_catalog::{Catalog, NewRemote, RemoteKind};
use karez_formats::log_entry::LogEntry;
use karez_governance::tree::consistency_verify;
use karez_governance::{
    AddCheckpoint, EntryBundle, ForkEvidence, LogProof, Note, TilePath, TreeHash, VerifiedCheckpoint, VerifierKey,
};
use karez_hub::{
    Actor, HighWater, HighWaterMark, Hub, HubError, HubParts, LogKeys, NoHighWater, NodeWords, RepoSettings, RepoWish,
    new_user,
};
use karez_store::{Store, StoreLocation};
use karez_testkit::{TestNode, log_keys};
use karez_types::{FixedClock, Limits, RepoAddress, RepoKind, Revision, SeededEntropy, Visibility};
use tempfile::TempDir;

/// Outlives the database, as a file beside it does.
#[derive(Default)]
struct Beside(Mutex<Option<(String, HighWaterMark)>>);

impl HighWater for Beside {
    fn get(&self, origin: &str) -> io::Result<Option<HighWaterMark>> {
        Ok(self.0.lock().unwrap().as_ref().filter(|(of, _)| of == origin).map(|(_, mark)| *mark))
    }

    fn set(&self, origin: &str, mark: HighWaterMark) -> io::Result<()> {
        *self.0.lock().unwrap() = Some((origin.to_owned(), mark));
        Ok(())
    }
}

/// A disk that fails.
struct Broken;

impl HighWater for Broken {
    fn get(&self, _: &str) -> io::Result<Option<HighWaterMark>> {
        Ok(None)
    }

    fn set(&self, _: &str, _: HighWaterMark) -> io::Result<()> {
        Err(io::Error::other("no disk"))
    }
}

async fn hub(database: &Path, keys: LogKeys, high_water: Arc<dyn HighWater>) -> Hub {
    let url = format!("sqlite:{}", database.display());
    Hub::new(HubParts {
        catalog: Catalog::open(&url, TestNode::START).await.unwrap(),
        store: Store::open(StoreLocation::Memory, 1 << 20).await.unwrap(),
        limits: Limits::default(),
        signing_key: [1; 32],
        log_keys: keys,
        high_water,
        clock: Arc::new(FixedClock::at(TestNode::START)),
        entropy: Arc::new(SeededEntropy::new(1)),
    })
}

async fn fresh(seed: u64) -> (TempDir, Hub) {
    let folder = TempDir::new().unwrap();
    let hub = hub(&folder.path().join("k.db"), log_keys(seed), Arc::new(NoHighWater)).await;
    hub.account_create(&Actor::Operator, new_user("ada".parse().unwrap(), true)).await.unwrap();
    (folder, hub)
}

async fn publish(hub: &Hub, name: &str) -> RepoAddress {
    let wish = RepoWish {
        kind: RepoKind::Model,
        owner: Some("ada".parse().unwrap()),
        name: name.parse().unwrap(),
        visibility: Visibility::Public,
        sdk: None,
    };
    hub.repo_create(&Actor::Operator, wish).await.unwrap().address()
}

async fn checkpoint(hub: &Hub) -> VerifiedCheckpoint {
    let note = hub.log_checkpoint().await.unwrap().unwrap();
    VerifiedCheckpoint::parse(note.as_bytes(), hub.log_keys().log_key(), &[]).unwrap()
}

/// Makes one node known to another as a peer.
async fn befriend(hub: &Hub, name: &str, keys: &LogKeys) {
    let new = NewRemote {
        name: name.into(),
        kind: RemoteKind::Peer,
        url: "https://peer.example".into(),
        log_key: Some(keys.log_key().to_string()),
        witness_key: Some(keys.witness_key().to_string()),
        token: None,
        line: "default".into(),
        settings: serde_json::json!({}),
    };
    hub.catalog().remote_insert(&new, TestNode::START).await.unwrap();
}

async fn request(hub: &Hub, old: u64) -> AddCheckpoint {
    let note = hub.log_checkpoint().await.unwrap().unwrap();
    let new = checkpoint(hub).await.size();
    let proof = hub.log_consistency(old, new).await.unwrap();
    AddCheckpoint { old_size: old, proof, note: Note::parse(note.as_bytes()).unwrap() }
}

#[tokio::test]
async fn entries_are_signed_and_proved() {
    let (_folder, hub) = fresh(1).await;
    assert_eq!(hub.log_checkpoint().await.unwrap(), None);
    hub.log_advance().await.unwrap();
    assert_eq!((checkpoint(&hub).await.size(), checkpoint(&hub).await.root()), (0, TreeHash::EMPTY));
    let first = publish(&hub, "first").await;
    // Not signed, not shown.
    let partial = |width: u16| TilePath { level: None, index: 0, width };
    assert_eq!(hub.log_tile(&partial(1)).await.unwrap(), None);
    assert!(matches!(hub.log_prove(&Actor::Operator, &first, &Revision::main()).await, Err(HubError::Missing(_))));
    assert_eq!(hub.log_advance().await.unwrap().added, 1);
    assert_eq!(hub.log_advance().await.unwrap().added, 0);
    let one = checkpoint(&hub).await;
    for number in 0..300 {
        publish(&hub, &format!("r{number}")).await;
    }
    assert_eq!(hub.log_advance().await.unwrap().signed, 301);
    let two = checkpoint(&hub).await;
    let proof = hub.log_consistency(1, 301).await.unwrap();
    consistency_verify(1, one.root(), 301, two.root(), &proof).unwrap();
    assert!(hub.log_consistency(2, 302).await.is_err());

    let text = hub.log_prove(&Actor::Operator, &first, &Revision::main()).await.unwrap();
    let proved = LogProof::parse(text.as_bytes()).unwrap().verify(hub.log_keys().log_key(), &[]).unwrap();
    assert_eq!(LogEntry::parse(&proved.entry).unwrap().repo, first);
    let none = RepoAddress::parse(RepoKind::Model, "ada/none").unwrap();
    assert!(hub.log_prove(&Actor::Operator, &none, &Revision::main()).await.is_err());

    // Tiles of every width that is signed, none beyond; the entries hash to the tile.
    for (path, there) in [
        ("0/000", true),
        ("0/001.p/45", true),
        ("0/001.p/44", true),
        ("0/001.p/46", false),
        ("0/001", false),
        ("1/000.p/1", true),
        ("1/000", false),
        ("2/000.p/1", false),
        ("63/000.p/1", false),
        ("entries/000", true),
        ("entries/001.p/45", true),
        ("entries/001.p/46", false),
        ("0/x999/x999/x999/x999/999", false),
    ] {
        let got = hub.log_tile(&TilePath::parse(path).unwrap()).await.unwrap();
        assert_eq!(got.is_some(), there, "{path}");
    }
    let tile = hub.log_tile(&TilePath::parse("0/001.p/45").unwrap()).await.unwrap().unwrap();
    let bundle = hub.log_tile(&TilePath::parse("entries/001.p/45").unwrap()).await.unwrap().unwrap();
    let hashes: Vec<u8> = EntryBundle::parse(&bundle.bytes, 45)
        .unwrap()
        .entries
        .iter()
        .flat_map(|entry| TreeHash::of_entry(entry).0)
        .collect();
    assert_eq!(tile.bytes, hashes);

    let verified = hub.log_verify().await.unwrap();
    assert_eq!((verified.entries, verified.tiles, verified.root), (301, 3, two.root()));
    assert_eq!((verified.problems, verified.unsigned), (Vec::<String>::new(), 0));
}

#[tokio::test]
async fn a_database_that_was_edited_is_found_out() {
    let (_folder, hub) = fresh(1).await;
    for number in 0..5 {
        publish(&hub, &format!("r{number}")).await;
    }
    hub.log_advance().await.unwrap();
    let note = hub.log_checkpoint().await.unwrap().unwrap();
    // The catalog's own methods are enough to lie with.
    let tree = hub.catalog().log_tree().await.unwrap().unwrap();
    let tile = karez_catalog::LogTile { level: 0, index: 0, hashes: vec![9; 5 * 32] };
    assert!(hub.catalog().log_tree_advance(Some(&note), &tree, &[tile]).await.unwrap());
    let verified = hub.log_verify().await.unwrap();
    assert!(verified.problems.iter().any(|problem| problem.contains("tile 0/0")), "{verified:?}");
    let forged = karez_catalog::LogTree { note: note.replace("\n5\n", "\n4\n"), size: 4, ..tree };
    assert!(hub.catalog().log_tree_advance(Some(&note), &forged, &[]).await.unwrap());
    assert!(hub.log_verify().await.unwrap().problems.len() >= 2);
    publish(&hub, "more").await;
    assert!(matches!(hub.log_advance().await, Err(HubError::Damaged(_))), "nothing is signed on top of it");
}

#[tokio::test]
async fn processes_on_one_database_sign_one_history() {
    let (folder, first) = fresh(1).await;
    let second = hub(&folder.path().join("k.db"), log_keys(1), Arc::new(NoHighWater)).await;
    for round in 0..20 {
        publish(&first, &format!("a{round}")).await;
        publish(&second, &format!("b{round}")).await;
        let (one, two) = tokio::join!(first.log_advance(), second.log_advance());
        assert_eq!((one.unwrap().signed, two.unwrap().signed), (2 * round + 2, 2 * round + 2));
    }
    assert_eq!(first.log_verify().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_withdrawn_leaves_its_entries() {
    let (_folder, hub) = fresh(1).await;
    let address = publish(&hub, "r").await;
    let settings = RepoSettings { visibility: Some(Visibility::Private), ..RepoSettings::default() };
    hub.repo_settings_change(&Actor::Operator, &address, settings).await.unwrap();
    assert_eq!(hub.log_advance().await.unwrap().signed, 2);
    // Strangers learn nothing from the proof of what they may not see.
    assert!(hub.log_prove(&Actor::Anonymous, &address, &Revision::main()).await.is_err());
    assert!(hub.log_prove(&Actor::Operator, &address, &Revision::main()).await.is_ok());
}

/// Threat 1 of the threat model: the usual honest cause of a fork.
#[tokio::test]
async fn a_node_from_an_old_backup_refuses_to_sign() {
    let folder = TempDir::new().unwrap();
    let (now, backup) = (folder.path().join("k.db"), folder.path().join("backup.db"));
    let beside = Arc::new(Beside::default());
    let node = hub(&now, log_keys(1), beside.clone()).await;
    node.account_create(&Actor::Operator, new_user("ada".parse().unwrap(), true)).await.unwrap();
    publish(&node, "one").await;
    node.log_advance().await.unwrap();
    node.catalog().close().await;
    std::fs::copy(&now, &backup).unwrap();
    let node = hub(&now, log_keys(1), beside.clone()).await;
    for number in 0..3 {
        publish(&node, &format!("lost{number}")).await;
    }
    node.log_advance().await.unwrap();
    node.catalog().close().await;
    std::fs::copy(&now, folder.path().join("newest.db")).unwrap();

    std::fs::copy(&backup, &now).unwrap();
    let node = hub(&now, log_keys(1), beside.clone()).await;
    let behind = |error: HubError| {
        let words = error.to_string();
        assert!(words.contains("older backup") && words.contains("keys/log.size"), "{words}");
        let HubError::LogBehind { signed, .. } = error else { panic!("{error:?}") };
        signed
    };
    assert_eq!(behind(node.log_advance().await.unwrap_err()), 4);
    // Nor when new acts have made it as large, or larger: they are others than those that were signed.
    for number in 0..5 {
        publish(&node, &format!("other{number}")).await;
        assert_eq!(behind(node.log_advance().await.unwrap_err()), 4);
    }
    // Reads go on.
    assert_eq!(checkpoint(&node).await.size(), 1);
    assert!(node.log_tile(&TilePath::parse("0/000.p/1").unwrap()).await.unwrap().is_some());
    node.catalog().close().await;
    // The newest database is found again.
    std::fs::copy(folder.path().join("newest.db"), &now).unwrap();
    let node = hub(&now, log_keys(1), beside.clone()).await;
    publish(&node, "again").await;
    assert_eq!(node.log_advance().await.unwrap().signed, 5);
    node.catalog().close().await;
    // It is lost for good: a new key begins a new log over what is there.
    std::fs::copy(&backup, &now).unwrap();
    let node = hub(&now, log_keys(2), beside).await;
    assert_eq!(node.log_advance().await.unwrap().signed, 1);
    assert_eq!(node.log_verify().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_witness_that_has_seen_more_stops_the_signing() {
    let (_folder, node) = fresh(1).await;
    let (_other, witness) = fresh(2).await;
    befriend(&witness, "node", node.log_keys()).await;
    publish(&node, "one").await;
    node.log_advance().await.unwrap();
    // The same key ran elsewhere, and got further.
    let (_twin_folder, twin) = fresh(1).await;
    for number in 0..3 {
        publish(&twin, &format!("r{number}")).await;
    }
    twin.log_advance().await.unwrap();
    assert_eq!(
        witness.witness_add_checkpoint(request(&twin, 0).await.to_string().as_bytes()).await.unwrap().status,
        200
    );

    let answer = witness.witness_add_checkpoint(request(&node, 0).await.to_string().as_bytes()).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (409, "3\n"));
    // The witness can show what it means; so can anyone who has the checkpoint.
    let seen = witness.log_checkpoints_seen().await.unwrap().pop().unwrap();
    assert!(!node.log_own_seen(seen.note.as_bytes()).await.unwrap());
    publish(&node, "two").await;
    assert!(matches!(node.log_advance().await, Err(HubError::LogBehind { signed: 3, here: 1 })));
    for number in 0..4 {
        publish(&node, &format!("more{number}")).await;
    }
    assert!(matches!(node.log_advance().await, Err(HubError::LogBehind { .. })));
    // What this node has not signed says nothing.
    assert!(twin.log_own_seen(&seen.note.replace("\n3\n", "\n9\n").into_bytes()).await.is_err());
    assert!(twin.log_own_seen(seen.note.as_bytes()).await.unwrap());
    publish(&twin, "more").await;
    assert_eq!(twin.log_advance().await.unwrap().signed, 4);
    // By the bare number too.
    twin.log_floor_raise(9).await.unwrap();
    assert!(matches!(twin.log_advance().await, Err(HubError::LogBehind { signed: 9, here: 4 })));
}

#[tokio::test]
async fn nothing_is_signed_that_could_not_be_noted() {
    let folder = TempDir::new().unwrap();
    let node = hub(&folder.path().join("k.db"), log_keys(1), Arc::new(Broken)).await;
    assert!(matches!(node.log_advance().await, Err(HubError::HighWater(_))));
    assert_eq!(node.log_checkpoint().await.unwrap(), None);
}

#[tokio::test]
async fn peers_cosign_and_the_signatures_travel_with_proofs() {
    let (_folder, node) = fresh(1).await;
    let (_other, peer) = fresh(2).await;
    befriend(&peer, "node", node.log_keys()).await;
    befriend(&node, "peer", peer.log_keys()).await;
    let address = publish(&node, "one").await;
    node.log_advance().await.unwrap();
    let ask = request(&node, 0).await.to_string();
    let answer = peer.witness_add_checkpoint(ask.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(node.log_cosignatures_add(&answer.body).await.unwrap(), 1);
    assert_eq!(node.log_cosignatures_add(&answer.body).await.unwrap(), 0);
    let own = node.log_keys().witness_key().clone();
    let witness = peer.log_keys().witness_key().clone();
    let proof = node.log_prove(&Actor::Operator, &address, &Revision::main()).await.unwrap();
    let proved = LogProof::parse(proof.as_bytes()).unwrap().verify(node.log_keys().log_key(), &[own, witness.clone()]);
    let signers = proved.unwrap().checkpoint.note().signers().to_vec();
    assert_eq!((signers.len(), &signers[1].key), (2, &witness));
    assert_eq!(signers[1].time_secs, Some(TestNode::START.unix_secs() as u64));
    assert_eq!(node.log_verify().await.unwrap().signers.len(), 2);
    // Lines of strangers, and over another checkpoint, add nothing.
    let (_third, stranger) = fresh(3).await;
    befriend(&stranger, "node", node.log_keys()).await;
    let foreign = stranger.witness_add_checkpoint(ask.as_bytes()).await.unwrap().body;
    assert_eq!(node.log_cosignatures_add(&foreign).await.unwrap(), 0);
    publish(&node, "two").await;
    node.log_advance().await.unwrap();
    assert_eq!(node.log_cosignatures_add(&answer.body).await.unwrap(), 0);
    assert!(node.log_cosignatures_add("nonsense\n").await.is_err());
    // The witness goes on from where it was, and shows what it has cosigned.
    let ask = request(&node, 1).await.to_string();
    assert_eq!(peer.witness_add_checkpoint(ask.as_bytes()).await.unwrap().status, 200);
    let seen = peer.log_checkpoints_seen().await.unwrap();
    let keys: [VerifierKey; 1] = [witness];
    let shown = VerifiedCheckpoint::parse(seen[0].note.as_bytes(), node.log_keys().log_key(), &keys).unwrap();
    assert_eq!((seen.len(), shown.size(), shown.note().signers().len()), (1, 2, 2));
}

/// Threats 2 and 21: two histories under one key.
#[tokio::test]
async fn two_histories_leave_evidence() {
    let (_one_folder, one) = fresh(1).await;
    let (_two_folder, two) = fresh(1).await;
    let (_folder, peer) = fresh(2).await;
    befriend(&peer, "node", one.log_keys()).await;
    for number in 0..3 {
        publish(&one, &format!("a{number}")).await;
        publish(&two, &format!("b{number}")).await;
    }
    one.log_advance().await.unwrap();
    two.log_advance().await.unwrap();
    let ask = async |hub: &Hub, old: u64| {
        peer.witness_add_checkpoint(request(hub, old).await.to_string().as_bytes()).await.unwrap()
    };
    assert_eq!(ask(&one, 0).await.status, 200);
    let key = one.log_keys().log_key();
    let answer = ask(&two, 3).await;
    assert_eq!(answer.status, 422);
    ForkEvidence::parse(answer.fork.unwrap().as_bytes()).unwrap().verify(key).unwrap();
    publish(&two, "b4").await;
    two.log_advance().await.unwrap();
    let answer = ask(&two, 3).await;
    assert_eq!(answer.status, 422);
    ForkEvidence::parse(answer.fork.unwrap().as_bytes()).unwrap().verify(key).unwrap();
    // Kept once each, for everyone to see; the honest history is not harmed.
    assert_eq!(ask(&two, 3).await.status, 422);
    assert_eq!(peer.catalog().fork_list().await.unwrap().len(), 2);
    publish(&one, "a4").await;
    one.log_advance().await.unwrap();
    assert_eq!(ask(&one, 3).await.status, 200);
    // Unknown logs, nonsense, a proof that leads nowhere.
    let (_stranger_folder, stranger) = fresh(3).await;
    stranger.log_advance().await.unwrap();
    assert_eq!(ask(&stranger, 0).await.status, 404);
    assert_eq!(peer.witness_add_checkpoint(b"nonsense").await.unwrap().status, 400);
    publish(&one, "a5").await;
    one.log_advance().await.unwrap();
    let mut bad = request(&one, 4).await;
    bad.proof[0].0[0] ^= 1;
    let answer = peer.witness_add_checkpoint(bad.to_string().as_bytes()).await.unwrap();
    assert_eq!((answer.status, answer.fork), (422, None));
}

#[tokio::test]
async fn of_requests_that_race_none_is_lost() {
    let (_one, node) = fresh(1).await;
    let (_folder, peer) = fresh(2).await;
    befriend(&peer, "node", node.log_keys()).await;
    node.log_advance().await.unwrap();
    let mut requests = Vec::new();
    for number in 0..6 {
        publish(&node, &format!("r{number}")).await;
        node.log_advance().await.unwrap();
        requests.push(request(&node, 0).await.to_string());
    }
    let answers =
        futures::future::join_all(requests.iter().map(|ask| peer.witness_add_checkpoint(ask.as_bytes()))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.as_ref().unwrap().status).collect();
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|&&status| status == 409).count(), 5, "{statuses:?}");
}

#[tokio::test]
async fn the_node_describes_itself() {
    let (_folder, node) = fresh(1).await;
    let words = |name: &str| NodeWords {
        name: name.into(),
        urls: vec!["https://hub.example".into()],
        software: "karez/0".into(),
    };
    let open = |note: String| karez_governance::Descriptor::open(note.as_bytes()).unwrap();
    let first = open(node.node_describe(&words("one")).await.unwrap());
    assert_eq!((first.sequence, &first.log_key), (1, node.log_keys().log_key()));
    assert_eq!(open(node.node_describe(&words("one")).await.unwrap()), first);
    assert_eq!(open(node.node_describe(&words("two")).await.unwrap()).sequence, 2);
    let bad = NodeWords { urls: vec!["ftp://x".into()], ..words("one") };
    assert!(matches!(node.node_describe(&bad).await, Err(HubError::Invalid(_))));
    assert!(LogKeys::from_seeds(&[1; 32], &[1; 32]).is_err());
}
