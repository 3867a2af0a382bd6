//! Mirrors that hold more than they may.

use futures::TryStreamExt;
use karez_catalog::{Keep, MirrorPatch};
use karez_federation::FederationSettings;
use karez_federation::follow::Evicted;
use karez_hub::{Actor, FsckDepth, GarbageSettings};
use karez_testkit::TestNode;
use karez_types::{RepoAddress, RepoKind, Timestamp};

use crate::pull_through::{Pair, Wish, noise};

const FILE_BYTES: usize = 3 << 20;

async fn start(cache_bytes_max: u64) -> Pair {
    let federation = Some(FederationSettings { cache_bytes_max, ..FederationSettings::default() });
    Pair::start_with(Wish { federation, ..Wish::default() }).await
}

/// Whether a file shows that its bytes are here.
async fn is_here(node: &TestNode, path: &str) -> bool {
    let head = node.anonymous().head(&format!("/hub/tiny/resolve/main/{path}")).await.expect(200);
    !head.header("x-xet-hash").is_empty()
}

async fn read(pair: &Pair, path: &str, data: &[u8]) {
    let got = pair.node.anonymous().get(&format!("/hub/tiny/resolve/main/{path}")).await.expect(200);
    assert!(got.body == data);
    pair.arrived(got.header("etag").trim_matches('"')).await;
}

async fn change(pair: &Pair, patch: MirrorPatch) {
    let address = RepoAddress::parse(RepoKind::Model, "hub/tiny").unwrap();
    let (repo, _) = pair.node.hub.mirror_find(&address).await.unwrap().unwrap();
    pair.node.hub.mirror_change(&repo, &patch).await.unwrap();
}

/// Reads what would only be passed on otherwise.
async fn read_pinned(pair: &Pair, path: &str, data: &[u8]) {
    pair.node.anonymous().head(&format!("/hub/tiny/resolve/main/{path}")).await.expect(200);
    change(pair, MirrorPatch { is_pinned: Some(true), ..MirrorPatch::default() }).await;
    read(pair, path, data).await;
    change(pair, MirrorPatch { is_pinned: Some(false), ..MirrorPatch::default() }).await;
}

async fn evict(pair: &Pair) -> Evicted {
    pair.node.federation().evict().await.unwrap()
}

#[tokio::test]
async fn the_less_used_file_goes_and_comes_back_when_it_is_wanted() {
    let pair = start(4 << 20).await;
    let often = pair.large("often.bin", noise(1, FILE_BYTES)).await;
    let once = pair.large("once.bin", noise(2, FILE_BYTES)).await;
    for _ in 0..3 {
        read(&pair, "often.bin", &often).await;
    }
    assert_eq!(evict(&pair).await, Evicted::default(), "one file has room");
    pair.node.advance_secs(60);
    // The first time it is passed on, since there is little room; the second time it is kept.
    let got = pair.node.anonymous().get("/hub/tiny/resolve/main/once.bin").await.expect(200);
    assert!(got.body == once && !is_here(&pair.node, "once.bin").await);
    read(&pair, "once.bin", &once).await;
    assert!(is_here(&pair.node, "once.bin").await, "and that is remembered");

    let one = Evicted { files: 1, bytes: FILE_BYTES as u64, short_bytes: 0 };
    assert_eq!(evict(&pair).await, one);
    assert!(!is_here(&pair.node, "once.bin").await && is_here(&pair.node, "often.bin").await);
    assert_eq!(pair.node.hub.catalog().held_bytes().await.unwrap(), FILE_BYTES as u64);
    assert_eq!(evict(&pair).await, Evicted::default());

    // Whoever wants it gets it, and from then on it is here again; now it is the one that is used more.
    for _ in 0..3 {
        read(&pair, "once.bin", &once).await;
    }
    assert!(is_here(&pair.node, "once.bin").await);

    // What is pinned or kept whole stays, and so does what the origin does not show any more.
    for (set, unset) in [
        (
            MirrorPatch { is_pinned: Some(true), ..MirrorPatch::default() },
            MirrorPatch { is_pinned: Some(false), ..MirrorPatch::default() },
        ),
        (
            MirrorPatch { keep: Some(Keep::Whole), ..MirrorPatch::default() },
            MirrorPatch { keep: Some(Keep::Demand), ..MirrorPatch::default() },
        ),
        (
            MirrorPatch { withdrawn: Some(Some(Timestamp(1))), ..MirrorPatch::default() },
            MirrorPatch { withdrawn: Some(None), ..MirrorPatch::default() },
        ),
    ] {
        change(&pair, set).await;
        let kept = evict(&pair).await;
        assert_eq!((kept.files, kept.short_bytes), (0, 2 * FILE_BYTES as u64 - (4 << 20)));
        change(&pair, unset).await;
    }
    assert!(is_here(&pair.node, "once.bin").await && is_here(&pair.node, "often.bin").await);
    assert_eq!(evict(&pair).await, one);
    assert!(is_here(&pair.node, "once.bin").await && !is_here(&pair.node, "often.bin").await);
}

#[tokio::test]
async fn what_was_evicted_leaves_the_store_and_comes_again() {
    let pair = start(4 << 20).await;
    let often = pair.large("often.bin", noise(1, FILE_BYTES)).await;
    let once = pair.large("once.bin", noise(2, FILE_BYTES)).await;
    for _ in 0..3 {
        read(&pair, "often.bin", &often).await;
    }
    pair.node.advance_secs(60);
    read_pinned(&pair, "once.bin", &once).await;
    assert_eq!(evict(&pair).await.files, 1);
    let hub = &pair.node.hub;
    let stored_bytes = async || {
        let xorbs: Vec<_> = hub.store().xorb_list().try_collect().await.unwrap();
        xorbs.iter().map(|(_, bytes)| bytes).sum::<u64>()
    };
    let full = stored_bytes().await;
    let settings = GarbageSettings::default();
    let round = async || hub.garbage_round(&Actor::Operator, &settings).await.unwrap();
    assert!(full >= 2 * FILE_BYTES as u64);
    assert_eq!(round().await.files_condemned, 1);
    assert_eq!(stored_bytes().await, full);
    pair.node.advance_secs(settings.grace_secs as i64);
    assert_eq!(round().await.xorbs_freed, 1);
    assert!(stored_bytes().await < full - FILE_BYTES as u64 + 4096);
    // Whoever wants it gets it from where it comes from.
    assert!(!is_here(&pair.node, "once.bin").await && is_here(&pair.node, "often.bin").await);
    read(&pair, "often.bin", &often).await;
    read_pinned(&pair, "once.bin", &once).await;
    assert!(is_here(&pair.node, "once.bin").await && stored_bytes().await == full);
    let fsck = hub.fsck(&Actor::Operator, FsckDepth::Bytes).await.unwrap();
    assert!(fsck.is_clean(), "{:?}", fsck.problems);
}

#[tokio::test]
async fn what_is_still_on_the_disk_takes_room() {
    let pair = start(16 << 20).await;
    let address = RepoAddress::parse(RepoKind::Model, "hub/tiny").unwrap();
    let hub = &pair.node.hub;
    let settings = GarbageSettings::default();
    let round = async || hub.garbage_round(&Actor::Operator, &settings).await.unwrap();
    for number in 0..3u64 {
        let (path, data) = (format!("{number}.bin"), noise(10 + number, FILE_BYTES));
        let data = pair.large(&path, data).await;
        pair.node.advance_secs(600);
        read(&pair, &path, &data).await;
        assert!(is_here(&pair.node, &path).await, "less than half of the room is used");
    }
    let (repo, _) = hub.mirror_find(&address).await.unwrap().unwrap();
    let held = hub.catalog().repo_files(repo.id, None, 2).await.unwrap();
    let gone: Vec<_> = held.iter().map(|file| file.sha256).collect();
    hub.catalog().mirror_files_remove(repo.id, &gone).await.unwrap();
    assert_eq!(round().await.files_condemned, 2);
    let data = pair.large("later.bin", noise(20, FILE_BYTES)).await;
    pair.node.advance_secs(600);
    let got = pair.node.anonymous().get("/hub/tiny/resolve/main/later.bin").await.expect(200);
    assert!(got.body == data && !is_here(&pair.node, "later.bin").await, "it is passed on while the others wait");
    pair.node.advance_secs(settings.grace_secs as i64);
    assert_eq!(round().await.xorbs_freed, 2);
    let data = pair.large("last.bin", noise(21, FILE_BYTES)).await;
    pair.node.advance_secs(600);
    read(&pair, "last.bin", &data).await;
    assert!(is_here(&pair.node, "last.bin").await);
}

#[tokio::test]
async fn a_file_larger_than_all_the_room_does_not_drive_the_others_out() {
    let pair = start(4 << 20).await;
    let small = pair.large("small.bin", noise(3, FILE_BYTES)).await;
    let large = pair.large("large.bin", noise(4, 5 << 20)).await;
    read(&pair, "small.bin", &small).await;
    pair.node.advance_secs(60);
    read_pinned(&pair, "large.bin", &large).await;
    assert_eq!(evict(&pair).await, Evicted { files: 1, bytes: 5 << 20, short_bytes: 0 });
    assert!(is_here(&pair.node, "small.bin").await && !is_here(&pair.node, "large.bin").await);
}

#[tokio::test]
async fn the_loop_makes_room_when_a_transfer_has_ended() {
    let pair = start(1 << 20).await;
    let data = pair.large("model.bin", noise(5, FILE_BYTES)).await;
    let running = pair.node.federation().start();
    read_pinned(&pair, "model.bin", &data).await;
    let gone = async {
        while pair.node.hub.catalog().held_bytes().await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone).await.expect("room is made within seconds");
    running.stop().await;
}
