//! What `karez cost` says, beside what then travels.

use karez_catalog::RemoteKind;
use karez_federation::FederationSettings;
use karez_federation::follow::Cost;
use karez_federation::policy::line::{CostClass, Line};
use karez_hub::HubError;
use karez_testkit::{Cut, TestNode};
use karez_types::{RepoAddress, RepoKind, Revision};

use crate::pull_through::{Pair, Wish, noise};

async fn pair(file_max: Option<&str>) -> Pair {
    let federation = Some(FederationSettings::default());
    Pair::start_with(Wish { federation, file_max, ..Wish::default() }).await
}

async fn cost_of(node: &TestNode, id: &str) -> Result<Cost, HubError> {
    let address = RepoAddress::parse(RepoKind::Model, id).unwrap();
    node.federation().cost(&address, &Revision::main()).await
}

/// Reads a file through the node; returns how many bytes came for it.
async fn travelled(pair: &Pair, path: &str, data: &[u8]) -> u64 {
    let anyone = pair.node.anonymous();
    let file = format!("/hub/tiny/resolve/main/{path}");
    let sha256 = anyone.head(&file).await.expect(200).header("x-linked-etag").trim_matches('"').to_owned();
    let before = pair.up.link.counts().down_body_bytes;
    assert!(anyone.get(&file).await.expect(200).body == data);
    pair.arrived(&sha256).await;
    pair.up.link.counts().down_body_bytes - before
}

fn assert_close(said: u64, came: u64) {
    assert!(said.abs_diff(came) * 100 <= came, "{said} bytes were said, {came} came");
}

#[tokio::test]
async fn a_second_version_costs_what_is_new_of_it() {
    let pair = pair(None).await;
    let first = pair.large("model.bin", noise(1, 8 << 20)).await;
    pair.large("copy.bin", first.clone()).await;

    // Nothing is here: its metadata comes, no file does, and both names of the content are one.
    let cost = cost_of(&pair.node, "hub/tiny").await.unwrap();
    assert!(cost.is_new && cost.commit.is_some());
    assert_eq!((cost.files.len(), cost.file_bytes()), (1, first.len() as u64));
    assert!(pair.up.link.counts().down_body_bytes < 1 << 20);
    let whole = cost.wire_bytes();
    assert_close(whole, travelled(&pair, "model.bin", &first).await);
    assert_eq!(cost.sources.len(), 1);
    let source = &cost.sources[0];
    assert_eq!((source.remote.as_str(), source.kind, source.wire_bytes), ("up", RemoteKind::Upstream, whole));
    assert_eq!((source.line.as_str(), source.month_bytes_left, source.secs()), ("default", None, None));

    // It is here, so nothing travels.
    let cost = cost_of(&pair.node, "hub/tiny").await.unwrap();
    assert!(!cost.is_new && cost.sources.is_empty());
    assert_eq!(cost.wire_bytes(), 0);

    // A megabyte in the middle is another one.
    let second = [&first[..3 << 20], &noise(2, 1 << 20)[..], &first[4 << 20..]].concat();
    pair.large("model.bin", second.clone()).await;
    pair.node.advance_secs(301);
    let line = Line { month_bytes_max: Some(20_000_000), rate_bytes_per_sec_max: Some(100_000), ..line() };
    pair.node.hub.catalog().line_set("default", &serde_json::to_string(&line).unwrap()).await.unwrap();
    let cost = cost_of(&pair.node, "hub/tiny").await.unwrap();
    let said = cost.wire_bytes();
    assert!((1 << 20..2 << 20).contains(&said), "{said}");
    let source = &cost.sources[0];
    assert_eq!(source.secs(), Some(said.div_ceil(100_000)));
    assert!(source.month_bytes_left.unwrap() <= 20_000_000);
    let fast = Line { rate_bytes_per_sec_max: None, ..line };
    pair.node.hub.catalog().line_set("default", &serde_json::to_string(&fast).unwrap()).await.unwrap();
    assert_close(said, travelled(&pair, "model.bin", &second).await);
    let left: Vec<_> = std::fs::read_dir(pair.node.folder().join("transfers")).unwrap().collect();
    assert!(left.iter().all(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().contains("cost")));
}

fn line() -> Line {
    Line::open("default", CostClass::Metered)
}

#[tokio::test]
async fn what_does_not_come_or_is_nowhere_is_said() {
    let pair = pair(Some("4 MB")).await;
    pair.large("big.bin", noise(3, 5 << 20)).await;
    pair.large("small.bin", noise(4, 3 << 20)).await;
    let cost = cost_of(&pair.node, "hub/tiny").await.unwrap();
    let big = cost.files.iter().find(|file| file.path.as_str() == "big.bin").unwrap();
    assert_eq!(big.wire_bytes, 0);
    assert!(big.note.as_ref().unwrap().contains("files of at most 4 MB are taken"), "{big:?}");
    assert!((3 << 20..4 << 20).contains(&cost.wire_bytes()));
    assert!(matches!(cost_of(&pair.node, "hub/none").await, Err(HubError::RepoMissing { .. })));

    pair.node.client("alice").repo_create("model", "alice/own", "public").await;
    let own = cost_of(&pair.node, "alice/own").await.unwrap();
    assert!(own.commit.is_none() && own.sources.is_empty() && !own.is_new);

    // Without the upstream the files count whole, and what is unknown is an error that says so.
    pair.up.link.cut(Cut::Reset);
    let cost = cost_of(&pair.node, "hub/tiny").await.unwrap();
    let small = cost.files.iter().find(|file| file.path.as_str() == "small.bin").unwrap();
    assert_eq!(small.wire_bytes, 3 << 20);
    assert!(small.note.as_ref().unwrap().starts_with("counted whole: up "), "{small:?}");
    assert!(matches!(cost_of(&pair.node, "hub/other").await, Err(HubError::OriginSilent(_))));
}
