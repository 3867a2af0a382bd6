//! Large files that are passed on to whoever reads them and not kept: because the operator said so, or because room is
//! short and nobody has asked for them twice.

use std::sync::Arc;
use std::time::Duration;

use karez_federation::FederationSettings;
use karez_federation::transfer::{Transfer, TransferError};
use karez_testkit::reqwest::Method;
use karez_testkit::{Answer, TestClient};
use karez_types::Sha256;

use crate::pull_through::{Pair, Wish, noise};

const FILE: &str = "/hub/tiny/resolve/main/model.bin";

async fn passing() -> Pair {
    Pair::start_with(Wish { pass_through: &["hub/*"], ..Wish::default() }).await
}

async fn sha256_of(client: &TestClient) -> Sha256 {
    let head = client.head(FILE).await.expect(200);
    assert_eq!(head.header("x-xet-hash"), "", "it is not here");
    head.header("x-linked-etag").trim_matches('"').parse().unwrap()
}

async fn range(client: &TestClient, range: &str) -> Answer {
    client.send(client.request(Method::GET, FILE).header("range", range)).await.expect(206)
}

impl Pair {
    fn transfer(&self, sha256: Sha256) -> Arc<Transfer> {
        self.node.upstreams.ways().transfers.find(sha256).expect("it waits for more readers")
    }

    /// Lets what is passed on end with its readers, and waits until it has.
    async fn passed(&self, sha256: Sha256) {
        let ways = self.node.upstreams.ways();
        let transfer = self.transfer(sha256);
        ways.transfers.linger_set(Duration::ZERO);
        let end = tokio::time::timeout(Duration::from_secs(20), transfer.done()).await.expect("its readers have left");
        assert_eq!(end, Err(TransferError::NotKept));
        // The end is told before the registry has heard of it.
        while ways.transfers.find(sha256).is_some() {
            tokio::task::yield_now().await;
        }
        assert!(!ways.folder.join(sha256.to_string()).exists(), "nothing of it is left on the disk");
        assert_eq!(self.node.hub.catalog().held_bytes().await.unwrap(), 0);
        ways.transfers.linger_set(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn many_readers_of_what_is_passed_on_are_one_fetch_and_nothing_stays() {
    let pair = passing().await;
    let data = Arc::new(pair.large("model.bin", noise(1, 6 << 20)).await);
    let sha256 = sha256_of(&pair.node.anonymous()).await;
    let gets = (0..100).map(|_| {
        let (anyone, data) = (pair.node.anonymous(), Arc::clone(&data));
        tokio::spawn(async move { assert!(anyone.get(FILE).await.expect(200).body == *data) })
    });
    for get in gets.collect::<Vec<_>>() {
        get.await.unwrap();
    }
    // Who comes late, or comes back for the rest, is served from what is still there.
    let anyone = pair.node.anonymous();
    assert!(anyone.get(FILE).await.expect(200).body == *data);
    assert!(range(&anyone, "bytes=6000000-").await.body == data[6_000_000..]);
    let travelled = pair.up.link.counts().down_body_bytes;
    assert!(travelled < 7 << 20, "{travelled}");
    assert_eq!(sha256_of(&anyone).await, sha256);
    pair.passed(sha256).await;
    // Later it is fetched anew; small files are kept in any case.
    assert!(anyone.get(FILE).await.expect(200).body == *data);
    assert!(pair.up.link.counts().down_body_bytes > travelled + (6 << 20));
    pair.passed(sha256).await;
    let asked = pair.up.link.requests().len();
    anyone.get("/hub/tiny/resolve/main/config.json").await.expect(200);
    assert_eq!(pair.up.link.requests().len(), asked);
}

#[tokio::test]
async fn when_its_readers_leave_what_is_passed_on_ends() {
    let pair = passing().await;
    let data = pair.large("model.bin", noise(2, 24 << 20)).await;
    let anyone = pair.node.anonymous();
    let sha256 = sha256_of(&anyone).await;
    pair.up.link.drip(4 << 20);
    assert!(range(&anyone, "bytes=0-99999").await.body == data[..100_000]);
    pair.passed(sha256).await;
    let travelled = pair.up.link.counts().down_body_bytes;
    assert!(travelled < 20 << 20, "{travelled} of {} bytes came for nobody", data.len());
}

#[tokio::test]
async fn what_a_node_left_that_stopped_while_it_passed_a_file_on_is_removed() {
    let pair = passing().await;
    pair.large("model.bin", noise(7, 12 << 20)).await;
    let anyone = pair.node.anonymous();
    let sha256 = sha256_of(&anyone).await;
    let ways = pair.node.upstreams.ways();
    let folder = ways.folder.join(sha256.to_string());
    pair.up.link.drip(4 << 20);
    range(&anyone, "bytes=0-99999").await;
    assert_eq!(ways.transfers.sweep().await.unwrap(), 0, "it is at work");
    ways.transfers.stop().await;
    assert!(folder.exists());
    assert_eq!(ways.transfers.sweep().await.unwrap(), 1);
    assert!(!folder.exists());
    // What is to be kept is waited for, however long, also when it was to be passed on at first.
    range(&anyone, "bytes=0-99999").await;
    let address = karez_types::RepoAddress::parse(karez_types::RepoKind::Model, "hub/tiny").unwrap();
    let (repo, _) = pair.node.hub.mirror_find(&address).await.unwrap().unwrap();
    let pinned = karez_catalog::MirrorPatch { is_pinned: Some(true), ..karez_catalog::MirrorPatch::default() };
    pair.node.hub.mirror_change(&repo, &pinned).await.unwrap();
    range(&anyone, "bytes=0-99999").await;
    while folder.join("passing").exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ways.transfers.stop().await;
    assert_eq!(ways.transfers.sweep().await.unwrap(), 0);
    assert!(folder.exists());
}

#[tokio::test]
async fn a_pinned_repository_is_kept_although_others_of_its_owner_are_passed_on() {
    let pair = passing().await;
    let data = pair.large("model.bin", noise(3, 3 << 20)).await;
    let anyone = pair.node.anonymous();
    let sha256 = sha256_of(&anyone).await;
    let address = karez_types::RepoAddress::parse(karez_types::RepoKind::Model, "hub/tiny").unwrap();
    let (repo, _) = pair.node.hub.mirror_find(&address).await.unwrap().unwrap();
    assert!(anyone.get(FILE).await.expect(200).body == data);
    let travelled = pair.up.link.counts().down_body_bytes;
    let pinned = karez_catalog::MirrorPatch { is_pinned: Some(true), ..karez_catalog::MirrorPatch::default() };
    pair.node.hub.mirror_change(&repo, &pinned).await.unwrap();
    // Whoever wants it kept joins what is still there: nothing travels again.
    let transfer = pair.transfer(sha256);
    assert!(anyone.get(FILE).await.expect(200).body == data);
    transfer.done().await.unwrap();
    assert_eq!(pair.up.link.counts().down_body_bytes, travelled);
    assert_ne!(anyone.head(FILE).await.expect(200).header("x-xet-hash"), "");
}

#[tokio::test]
async fn with_half_of_the_room_used_a_file_is_kept_from_its_second_request_on() {
    let federation = FederationSettings { cache_bytes_max: 8 << 20, ..FederationSettings::default() };
    let pair = Pair::start_with(Wish { federation: Some(federation), ..Wish::default() }).await;
    let (early, data) = (noise(4, 5 << 20), noise(5, 2 << 20));
    pair.large("early.bin", early.clone()).await;
    pair.large("model.bin", data.clone()).await;
    pair.large("huge.bin", noise(6, 9 << 20)).await;
    let anyone = pair.node.anonymous();
    // While there is room, what comes is kept at once.
    let got = anyone.get("/hub/tiny/resolve/main/early.bin").await.expect(200);
    assert!(got.body == early);
    pair.arrived(got.header("etag").trim_matches('"')).await;
    assert_eq!(pair.node.hub.catalog().held_bytes().await.unwrap(), 5 << 20);
    let sha256 = sha256_of(&anyone).await;
    assert!(anyone.get(FILE).await.expect(200).body == data);
    let travelled = pair.up.link.counts().down_body_bytes;
    assert_eq!(pair.node.hub.catalog().held_bytes().await.unwrap(), 5 << 20, "asked for once, it is passed on");
    // The second request, be it a minute later, finds it still there, and keeps it.
    let transfer = pair.transfer(sha256);
    assert!(anyone.get(FILE).await.expect(200).body == data);
    transfer.done().await.unwrap();
    assert_eq!(pair.node.hub.catalog().held_bytes().await.unwrap(), 7 << 20);
    assert_eq!(pair.up.link.counts().down_body_bytes, travelled);
    // What is larger than all the room is never kept, however often it is wanted.
    for _ in 0..3 {
        anyone.get("/hub/tiny/resolve/main/huge.bin").await.expect(200);
    }
    assert_eq!(pair.node.hub.catalog().held_bytes().await.unwrap(), 7 << 20);
}
