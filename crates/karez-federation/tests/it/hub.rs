//! Into a real hub.

use std::sync::Arc;

use futures::TryStreamExt;
use karez_catalog::{NewRemote, RemoteAdded, RemoteKind};
use karez_federation::transfer::{HubSink, OpenLines, Priority};
use karez_hub::{Keep, NewMirror, Repo};
use karez_testkit::{NodeOptions, NodeStore, TestNode};
use karez_types::{ByteRange, RepoAddress, RepoKind};

use crate::sample::Sample;
use crate::source::{Behaviour, MemorySource};
use crate::world::{Fixed, World, finish, wanted_of};

async fn mirror(node: &TestNode) -> Repo {
    let new = NewRemote {
        name: "far".to_owned(),
        kind: RemoteKind::Upstream,
        url: "https://far.example".to_owned(),
        log_key: None,
        witness_key: None,
        token: None,
        line: "default".to_owned(),
        settings: serde_json::json!({}),
    };
    let RemoteAdded::Added(remote) = node.hub.catalog().remote_insert(&new, TestNode::START).await.unwrap() else {
        panic!("the remote is there already");
    };
    let address = RepoAddress::parse(RepoKind::Model, "far/model").unwrap();
    let new = NewMirror {
        address: address.clone(),
        remote: remote.id,
        remote_repo: address,
        keep: Keep::Demand,
        is_restricted: false,
        verified_by: "upstream".to_owned(),
        gated: None,
    };
    node.hub.mirror_create(&new).await.unwrap().0
}

#[tokio::test]
async fn a_hub_takes_files_and_keeps_what_it_has() {
    let node = TestNode::start_with(NodeOptions { store: NodeStore::Folder, ..NodeOptions::default() }).await;
    let repo = mirror(&node).await;
    let world = World::new();
    let sink = Arc::new(HubSink(node.hub.clone()));
    let transfers = world.transfers_in(world.folder.path().to_owned(), sink, Arc::new(OpenLines));
    let fast = Behaviour { latency_ms: 1, bytes_per_sec: 1_000_000_000, ..Behaviour::default() };
    for (seed, kind) in [(60, 0), (61, 1), (62, 2)] {
        let sample = Sample::new(seed, 3_000_000, 20);
        let source = MemorySource::new("far", &sample.objects, fast.clone());
        let plan = [sample.mapped(), sample.reconstructed(), sample.plain()][kind].clone();
        let planner = Fixed::new("far", plan, std::slice::from_ref(&source));
        let file = wanted_of(repo.clone(), sample.sha256, sample.data.len() as u64);
        let transfer = transfers.start(file.clone(), planner.clone(), Priority::High);
        let streamed: Vec<_> =
            transfer.stream(ByteRange { start: 0, end: file.file_bytes }).try_collect().await.unwrap();
        assert!(streamed.concat() == sample.data);
        finish(&transfer).await.unwrap();
        let brief = transfer.done().await.unwrap();
        let row = node.hub.catalog().file_by_hash(&brief.hash).await.unwrap().unwrap();
        let stored: Vec<_> =
            node.hub.file_stream(&row, ByteRange { start: 0, end: file.file_bytes }).try_collect().await.unwrap();
        assert!(stored.concat() == sample.data);
        // Once more: whole xorbs are found by their name and need not travel, not even for a reader.
        if kind == 0 {
            let sent = source.sent();
            let transfer = transfers.start(file.clone(), planner, Priority::High);
            let streamed: Vec<_> =
                transfer.stream(ByteRange { start: 0, end: file.file_bytes }).try_collect().await.unwrap();
            assert!(streamed.concat() == sample.data);
            finish(&transfer).await.unwrap();
            assert!(source.sent() < sent + sent / 2, "{} after {sent}", source.sent());
        }
    }
    transfers.stop().await;
    node.stop().await;
}
