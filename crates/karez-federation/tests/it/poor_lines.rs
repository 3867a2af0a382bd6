//! Nodes in one process on poor lines: slow, late, cut, renumbered, and falsified, all from a seed.

use std::time::Duration;

use karez_catalog::Keep;
use karez_hub::{Actor, FsckDepth};
use karez_testkit::{Act, Corruption, Cut, Link, LinkShape, Step, TestClient, TestNode, Trigger};
use karez_types::Sha256;
use sha2::Digest;

use crate::peers::{befriend_at, incidents, node, person, poll, publish, rule};
use crate::pull_through::noise;

const FILE_BYTES: usize = 8 << 20;
const PATH: &str = "/amina/base/resolve/main/model.bin";
/// Looks at what peers publish before a file that does not come is a failure.
const PASSES_MAX: usize = 40;

/// A line of a few megabytes a second with some delay, different for each seed.
fn shape(seed: u64) -> LinkShape {
    LinkShape {
        down_bytes_per_sec: Some((3 + seed) << 20),
        delay: Duration::from_millis(5 * seed),
        ..LinkShape::default()
    }
}

/// Follows until the file is here, as the loop of a node does.
async fn follow(here: &TestNode, peers: &[&str], sha256: Sha256) {
    for _ in 0..PASSES_MAX {
        for peer in peers {
            let _ = poll(here, peer).await;
        }
        let pass = here.federation().follow_pass().await.unwrap();
        if pass.done > 0 {
            return;
        }
        if let Some(transfer) = here.federation().transfers().unwrap().find(sha256) {
            let _ = transfer.done().await;
        }
    }
    panic!("the file did not come in {PASSES_MAX} passes: {:?}", incidents(here).await);
}

async fn is_whole(here: &TestNode, data: &[u8]) {
    has_whole(here, PATH, data).await;
}

async fn has_whole(here: &TestNode, path: &str, data: &[u8]) {
    assert!(here.anonymous().get(path).await.expect(200).body == data, "the file is another one");
    let report = here.hub.fsck(&Actor::Operator, FsckDepth::Bytes).await.unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[tokio::test]
async fn files_come_whole_over_lines_that_do_their_worst() {
    for seed in 1..=3 {
        let (a, b, c) = (node(10 * seed).await, node(10 * seed + 1).await, node(10 * seed + 2).await);
        let data = noise(seed, FILE_BYTES);
        let sha256 = Sha256(sha2::Sha256::digest(&data).into());
        let amina = person(&a, "amina").await;
        publish(&a, &amina, "amina/base").await;
        amina.commit("models/amina/base", "main", &[("model.bin", &data)]).await.expect(200);
        a.hub.log_advance().await.unwrap();

        // B reads A over a line that is cut twice, once in silence, and whose address changes.
        let line = Link::to(a.url(), seed).await;
        befriend_at(&b, &line.url(), "a").await;
        rule(&b, "{}", Keep::Whole, None).await;
        line.set(shape(seed));
        line.script([
            Step::new(Trigger::DownBytes((1 << 20) + seed * 300_000), Act::Cut(Cut::BlackHole)),
            Step::new(Trigger::After(Duration::from_millis(2_500)), Act::Heal),
            Step::new(Trigger::DownBytes(2 << 20), Act::Strand),
            Step::new(Trigger::DownBytes(1 << 20), Act::Cut(Cut::Reset)),
            Step::new(Trigger::After(Duration::from_millis(300)), Act::Heal),
        ]);
        follow(&b, &["a"], sha256).await;
        line.script_done().await;
        is_whole(&b, &data).await;
        // What died on the way was never received; what was received is not asked for again. The rest is the log, the
        // map, git's objects and what the end of the file repeats.
        let received: u64 =
            b.hub.catalog().line_use_rows("default").await.unwrap().iter().map(|(_, bytes)| bytes).sum();
        let (least, most) = (FILE_BYTES as u64, FILE_BYTES as u64 * 102 / 100);
        assert!((least..most).contains(&received), "seed {seed}: {received} bytes were received for {FILE_BYTES}");

        // C asks A over a line that flips bits, and B, which holds the file too.
        let (falsified, sound) = (Link::to(a.url(), seed).await, Link::to(b.url(), seed).await);
        befriend_at(&c, &falsified.url(), "a").await;
        befriend_at(&c, &sound.url(), "b").await;
        befriend_at(&b, c.url(), "c").await;
        rule(&c, "{}", Keep::Whole, None).await;
        let path_part = "/federation/v1/xorb/".to_owned();
        let corruption = Some(Corruption { bytes_apart: 200_000, path_part });
        falsified.set(LinkShape { corruption, ..shape(seed) });
        sound.set(shape(seed));
        follow(&c, &["a", "b"], sha256).await;
        is_whole(&c, &data).await;
        if falsified.counts().bits_flipped > 0 {
            let told = incidents(&c).await;
            assert!(told.iter().any(|(remote, _)| remote == "a"), "seed {seed}: {told:?}");
            assert!(told.iter().all(|(remote, _)| remote != "b"), "seed {seed}: {told:?}");
        }
    }
}

/// Node a publishes a file, b is about to keep it whole, c knows nobody.
struct ThreeNodes {
    a: TestNode,
    b: TestNode,
    c: TestNode,
    /// Who publishes.
    amina: TestClient,
    data: Vec<u8>,
    sha256: Sha256,
}

async fn three_nodes(seed: u64) -> ThreeNodes {
    let (a, b, c) = (node(seed).await, node(seed + 1).await, node(seed + 2).await);
    let data = noise(seed, FILE_BYTES);
    let sha256 = Sha256(sha2::Sha256::digest(&data).into());
    let amina = person(&a, "amina").await;
    publish(&a, &amina, "amina/base").await;
    amina.commit("models/amina/base", "main", &[("model.bin", &data)]).await.expect(200);
    a.hub.log_advance().await.unwrap();
    befriend_at(&b, a.url(), "a").await;
    rule(&b, "{}", Keep::Whole, None).await;
    ThreeNodes { a, b, c, amina, data, sha256 }
}

/// Makes c know both others, over a line each.
async fn know_both(nodes: &ThreeNodes, polls: &[&str]) -> [Link; 2] {
    let ThreeNodes { a, b, c, .. } = nodes;
    let (first, second) = (Link::to(a.url(), 1).await, Link::to(b.url(), 2).await);
    befriend_at(c, &first.url(), "a").await;
    befriend_at(c, &second.url(), "b").await;
    for peer in polls {
        poll(c, peer).await.unwrap();
    }
    c.upstreams.remotes_changed();
    [first, second]
}

/// A file came from both, each byte once.
fn was_shared(lines: &[Link; 2]) {
    let carried = [lines[0].counts().down_body_bytes, lines[1].counts().down_body_bytes];
    assert!(carried.iter().all(|&bytes| bytes > FILE_BYTES as u64 / 4), "{carried:?}");
    assert!(carried.iter().sum::<u64>() < FILE_BYTES as u64 * 11 / 10, "{carried:?}");
}

fn even() -> LinkShape {
    LinkShape { down_bytes_per_sec: Some(2 << 20), ..LinkShape::default() }
}

#[tokio::test]
async fn what_somebody_reads_comes_from_all_who_hold_it() {
    let nodes = three_nodes(41).await;
    follow(&nodes.b, &["a"], nodes.sha256).await;
    // C follows nothing; somebody there reads the file.
    let lines = know_both(&nodes, &["a", "b", "a", "b"]).await;
    lines.iter().for_each(|line| line.set(even()));
    is_whole(&nodes.c, &nodes.data).await;
    was_shared(&lines);
}

/// Half of a file was at b before, in another one: b took the rest alone and has packed it anew.
#[tokio::test]
async fn who_has_packed_a_file_anew_gives_its_part() {
    let nodes = three_nodes(50).await;
    let ThreeNodes { a, b, c, amina, data, sha256 } = &nodes;
    follow(b, &["a"], *sha256).await;
    let again = [&noise(53, FILE_BYTES / 4), &data[FILE_BYTES / 2..], &noise(54, FILE_BYTES / 4)].concat();
    let sha256 = Sha256(sha2::Sha256::digest(&again).into());
    amina.commit("models/amina/base", "main", &[("again.bin", &again)]).await.expect(200);
    a.hub.log_advance().await.unwrap();
    follow(b, &["a"], sha256).await;
    let mut maps = Vec::new();
    for node in [a, b] {
        let path = format!("/federation/v1/map/models/amina/base/{sha256}");
        maps.push(node.anonymous().get(&path).await.expect(200).body);
    }
    assert_ne!(maps[0], maps[1]);

    let lines = know_both(&nodes, &["a", "b", "a", "b"]).await;
    lines.iter().for_each(|line| line.set(even()));
    has_whole(c, "/amina/base/resolve/main/again.bin", &again).await;
    was_shared(&lines);
}

/// What a node holds may be heard of long after a file was asked for: the transfer takes it in.
#[tokio::test]
async fn a_holder_that_is_heard_of_later_joins() {
    let nodes = three_nodes(44).await;
    let lines = know_both(&nodes, &["a", "b"]).await;
    // Twenty-eight seconds for the origin alone.
    lines[0].set(LinkShape { down_bytes_per_sec: Some(300_000), ..LinkShape::default() });
    let heard = async {
        follow(&nodes.b, &["a"], nodes.sha256).await;
        // What a node says of itself may be ten seconds old.
        tokio::time::sleep(Duration::from_secs(10)).await;
        poll(&nodes.c, "b").await.unwrap();
    };
    tokio::join!(is_whole(&nodes.c, &nodes.data), heard);
    was_shared(&lines);
}

/// The node that publishes has gone silent, another holds the file: that one says how it is put together.
#[tokio::test]
async fn a_holder_plans_when_the_origin_is_silent() {
    let ThreeNodes { a, b, c, data, sha256, .. } = three_nodes(47).await;
    follow(&b, &["a"], sha256).await;
    let origin = Link::to(a.url(), 1).await;
    befriend_at(&c, &origin.url(), "a").await;
    befriend_at(&c, b.url(), "b").await;
    for peer in ["a", "b", "a", "b"] {
        poll(&c, peer).await.unwrap();
    }
    c.upstreams.remotes_changed();
    // The history comes while the origin is there.
    c.anonymous().get("/api/models/amina/base").await.expect(200);
    origin.cut(Cut::BlackHole);
    is_whole(&c, &data).await;
}
