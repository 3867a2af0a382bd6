//! Large files: in through ingest and xorbs, out as streams; what breaks off leaves nothing.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use karez_catalog::FileRow;
use karez_formats::xet::{BuiltXorb, Chunker, XorbBuilder, chunk_hash};
use karez_hub::{Actor, Expected, Hub, HubError, HubResult, XetGrant, XetScope};
use karez_testkit::{NodeOptions, NodeStore, TestNode};
use karez_types::{AccountId, ByteRange, Entropy, RepoAddress, RepoKind, SeededEntropy, Sha256};
use sha2::Digest;

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut data = vec![0; bytes];
    SeededEntropy::new(seed).fill(&mut data);
    data
}

/// A body in pieces of odd sizes, as sockets give them.
fn body(data: &[u8]) -> impl Stream<Item = HubResult<Bytes>> + Send + 'static {
    let pieces: Vec<HubResult<Bytes>> = data.chunks(99_991).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

/// A body whose sender goes away.
fn broken_body(data: &[u8]) -> impl Stream<Item = HubResult<Bytes>> + Send + 'static {
    body(data).chain(stream::once(async { Err(HubError::BodyBroken("gone".to_owned())) }))
}

async fn read(hub: &Hub, file: &FileRow, start: u64, end: u64) -> Vec<u8> {
    let parts: Vec<Bytes> = hub.file_stream(file, ByteRange { start, end }).try_collect().await.unwrap();
    parts.concat()
}

async fn folder_node() -> (TestNode, AccountId, XetGrant) {
    let node = TestNode::start_with(NodeOptions { store: NodeStore::Folder, ..NodeOptions::default() }).await;
    node.client("alice").repo_create("model", "alice/m", "private").await;
    let address = RepoAddress::parse(RepoKind::Model, "alice/m").unwrap();
    let token = node.hub.xet_write_token(&Actor::Operator, &address, karez_hub::PushPlace::Undecided).await.unwrap();
    let grant = node.hub.xet_sign_in(Some(&token.text), XetScope::Write).unwrap();
    (node, grant.owner, grant)
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path.display().to_string()) }
    }
    found
}

fn xorb(data: &[u8]) -> BuiltXorb {
    let mut builder = XorbBuilder::new();
    let mut take = |raw: &[u8]| builder.push(raw, chunk_hash(raw));
    let mut chunker = Chunker::new();
    chunker.push(data, &mut take);
    chunker.finish(&mut take);
    builder.finish()
}

#[tokio::test]
async fn files_of_every_size_come_back() {
    let (node, owner, _) = folder_node().await;
    for (seed, bytes) in [(1, 0), (2, 1), (3, 8_191), (4, 200_000), (5, 3_333_333), (6, 70 << 20)] {
        let data = noise(seed, bytes);
        let sha256 = Sha256(sha2::Sha256::digest(&data).into());
        let expected = Expected { sha256: Some(sha256), file_bytes: Some(bytes as u64) };
        let brief = node.hub.ingest(owner, expected, body(&data)).await.unwrap();
        assert_eq!((brief.sha256, brief.file_bytes), (sha256, bytes as u64));
        let file = node.hub.catalog().file_by_hash(&brief.hash).await.unwrap().unwrap();
        assert!(read(&node.hub, &file, 0, bytes as u64).await == data, "{bytes} bytes");
        let draw = SeededEntropy::new(seed);
        for _ in 0..20 {
            let (a, b) = (draw.next_u64() % (bytes as u64 + 1), draw.next_u64() % (bytes as u64 + 1));
            let (start, end) = (a.min(b), a.max(b).min(a.min(b) + 500_000));
            let got = read(&node.hub, &file, start, end).await;
            assert!(got == data[start as usize..end as usize], "{start}..{end} of {bytes}");
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn the_same_file_twice_is_stored_once() {
    let (node, owner, _) = folder_node().await;
    let data = noise(7, 2_000_000);
    let first = node.hub.ingest(owner, Expected::default(), body(&data)).await.unwrap();
    let before = files_below(&node.folder().join("objects/xorbs"));
    let second = node.hub.ingest(owner, Expected::default(), body(&data)).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(files_below(&node.folder().join("objects/xorbs")), before);
    node.stop().await;
}

#[tokio::test]
async fn what_breaks_off_leaves_nothing() {
    let (node, owner, grant) = folder_node().await;
    let data = noise(8, 5_000_000);
    let outcome = node.hub.ingest(owner, Expected::default(), broken_body(&data)).await;
    assert!(matches!(outcome, Err(HubError::BodyBroken(_))), "{outcome:?}");
    let wrong = Expected { sha256: Some(Sha256([1; 32])), file_bytes: None };
    let outcome = node.hub.ingest(owner, wrong, body(&data)).await;
    assert!(matches!(outcome, Err(HubError::Invalid(_))), "{outcome:?}");
    let xorb = xorb(&data);
    let outcome = node.hub.xorb_put(&grant, xorb.hash, broken_body(&xorb.bytes)).await;
    assert!(matches!(outcome, Err(HubError::BodyBroken(_))), "{outcome:?}");
    assert!(!node.hub.xorb_known(&grant, xorb.hash).await.unwrap());
    node.hub.xorb_put(&grant, xorb.hash, body(&xorb.bytes)).await.unwrap();
    let objects = node.folder().join("objects");
    assert_eq!(files_below(&objects.join("xorbs")).len(), 2, "one xorb and its index");
    // A batch that was being written when its stage was dropped goes away in the background.
    let emptied = async {
        while !files_below(&objects.join("tmp")).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), emptied).await.expect("nothing stays in tmp");
    node.stop().await;
}

#[tokio::test]
async fn one_xorb_from_many_senders_at_once() {
    let (node, _, grant) = folder_node().await;
    let xorb = xorb(&noise(9, 4_000_000));
    let sends = (0..8).map(|_| node.hub.xorb_put(&grant, xorb.hash, body(&xorb.bytes)));
    let outcomes = futures::future::join_all(sends).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(node.hub.xorb_stored_bytes(&grant, xorb.hash).await.unwrap(), xorb.bytes.len() as u64);
    node.stop().await;
}

#[tokio::test]
async fn damage_ends_the_stream() {
    let (node, owner, _) = folder_node().await;
    let data = noise(10, 1_000_000);
    let brief = node.hub.ingest(owner, Expected::default(), body(&data)).await.unwrap();
    let file = node.hub.catalog().file_by_hash(&brief.hash).await.unwrap().unwrap();
    let stored = files_below(&node.folder().join("objects/xorbs"));
    let path = stored.iter().find(|path| !path.ends_with(".idx")).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let second_header = node.hub.store().xorb_index(file.terms[0].xorb).await.unwrap().unwrap().chunks[0].end_bytes;
    bytes[second_header as usize + 5] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let outcome: HubResult<Vec<Bytes>> =
        node.hub.file_stream(&file, ByteRange { start: 0, end: file.file_bytes }).try_collect().await;
    assert!(matches!(outcome, Err(HubError::Damaged(_))), "a wrong length is never served");
    node.stop().await;
}
