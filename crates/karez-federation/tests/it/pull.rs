//! Files pulled from a node through every kind of source, byte for byte.

use std::path::Path;

use futures::TryStreamExt;
use karez_federation::net::{HttpClient, HttpOptions, Reach};
use karez_federation::source::{Remote, RemotePlanner};
use karez_federation::transfer::{
    CostClass, FileWanted, Layout, Place, Plan, Planner, Recipe, STORED, Source, SourceError,
};
use karez_formats::file_map::FileMapLimits;
use karez_formats::xet::{chunk_hash, decode_chunks};
use karez_hub::{Actor, Right};
use karez_testkit::reqwest::Method;
use karez_testkit::{NodeOptions, NodeStore, TestClient, TestNode};
use karez_types::{ByteRange, Entropy, Limits, RepoAddress, RepoKind, SeededEntropy, Sha256, XorbHash};
use serde_json::json;
use sha2::Digest;
use url::Url;

use crate::carrier::{Carry, carrier};

pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut data = vec![0; bytes];
    SeededEntropy::new(seed).fill(&mut data);
    data
}

pub fn sha256(data: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(data).into())
}

/// Pushes a large file through LFS, and commits it.
pub async fn push(client: &TestClient, id: &str, path: &str, data: &[u8]) {
    let oid = sha256(data);
    let body = json!({
        "operation": "upload", "transfers": ["basic"], "hash_algo": "sha256",
        "objects": [{ "oid": oid, "size": data.len() }],
    });
    let plan = client.post(&format!("/{id}.git/info/lfs/objects/batch"), &body).await.expect(200).json();
    if let Some(href) = plan["objects"][0]["actions"]["upload"]["href"].as_str() {
        client.send(client.request(Method::PUT, href).body(data.to_vec())).await.expect(200);
    }
    let value = json!({ "path": path, "algo": "sha256", "oid": oid, "size": data.len() });
    let line = json!({ "key": "lfsFile", "value": value });
    client.commit_lines(&format!("models/{id}"), "main", vec![line]).await.expect(200);
}

/// A node with `alice/m`, in which are two files: one that does not compress, and an edit of it with
/// text in the middle, so that its terms jump between xorbs.
pub async fn origin(visibility: &str) -> (TestNode, Vec<(&'static str, Vec<u8>)>) {
    let node = TestNode::start_with(NodeOptions { store: NodeStore::Folder, ..NodeOptions::default() }).await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", visibility).await;
    let first = noise(1, 3_000_000);
    let text: Vec<u8> = (0..200_000).flat_map(|n: u32| format!("{{\"id\":{n}}}\n").into_bytes()).collect();
    let second = [&first[..1_200_000], &text, &first[1_200_000..], &first[..900_000]].concat();
    let files = vec![("first.bin", first), ("folder/the second.bin", second)];
    for (path, data) in &files {
        push(&alice, "alice/m", path, data).await;
    }
    (node, files)
}

pub async fn wanted(node: &TestNode, path: &str, data: &[u8]) -> FileWanted {
    let address = RepoAddress::parse(RepoKind::Model, "alice/m").unwrap();
    let repo = node.hub.repo_open(&Actor::Operator, &address, Right::Read).await.unwrap();
    FileWanted {
        commit: repo.head.unwrap(),
        repo,
        remote_repo: address,
        path: path.parse().unwrap(),
        sha256: sha256(data),
        file_bytes: data.len() as u64,
    }
}

pub fn remote(url: &str, token: Option<&str>) -> Remote {
    let client = HttpClient::new(HttpOptions::new(Reach::ThisMachine)).unwrap();
    Remote::new("origin", Url::parse(url).unwrap(), client, token, CostClass::OnNet)
}

pub fn planner(url: &str, token: Option<&str>, folder: &Path) -> RemotePlanner {
    RemotePlanner::new(remote(url, token), folder, FileMapLimits::from(&Limits::default()))
}

pub async fn read(source: &dyn Source, place: &Place, bytes: ByteRange) -> Result<Vec<u8>, SourceError> {
    let pieces: Vec<bytes::Bytes> = source.open(place, bytes, STORED).await?.try_collect().await?;
    Ok(pieces.concat())
}

/// Reads every wire byte of a plan, in spans that meet at odd places.
pub async fn wire(plan: &Plan) -> Result<Vec<u8>, SourceError> {
    assert!(plan.layout.is_sound());
    let mut wire = Vec::new();
    for piece in &plan.layout.pieces {
        let mut at = 0;
        while at < piece.bytes {
            let end = (at + 333_333).min(piece.bytes);
            wire.extend(read(&*plan.sources[0], &piece.place, ByteRange { start: at, end }).await?);
            at = end;
        }
    }
    assert_eq!(wire.len() as u64, plan.layout.wire_bytes);
    Ok(wire)
}

fn stored<'a>(layout: &Layout, wire: &'a [u8], xorb: XorbHash, start: u64) -> &'a [u8] {
    let holds = |place: &Place, bytes: u64| match place {
        Place::Xorb { xorb: of, start: from } => *of == xorb && (*from..from + bytes).contains(&start),
        Place::File { .. } => false,
    };
    let piece = layout.pieces.iter().find(|piece| holds(&piece.place, piece.bytes)).expect("a piece holds it");
    let Place::Xorb { start: from, .. } = piece.place else { unreachable!() };
    &wire[(piece.at + start - from) as usize..(piece.at + piece.bytes) as usize]
}

/// Puts the file together, checking what each recipe lets one check.
pub fn assemble(plan: &Plan, wire: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    match &plan.recipe {
        Recipe::Plain => raw.extend_from_slice(wire),
        Recipe::Mapped(map) => {
            let mut number = 0;
            for term in map.terms() {
                let count = u64::from(term.chunk_end - term.chunk_start);
                let mut frames = stored(&plan.layout, wire, term.xorb, term.byte_start.into());
                for chunk in map.chunks(number..number + count).unwrap() {
                    let (frame, rest) = frames.split_at(chunk.frame_bytes as usize);
                    let start = raw.len();
                    decode_chunks(frame, &mut raw).unwrap();
                    assert_eq!(chunk_hash(&raw[start..]), chunk.hash);
                    frames = rest;
                }
                number += count;
            }
        }
        Recipe::Reconstructed { terms, .. } => {
            for term in terms {
                let run = (term.run_byte_end - term.run_byte_start) as usize;
                let frames = &stored(&plan.layout, wire, term.xorb, term.run_byte_start.into())[..run];
                let mut at = 0;
                for chunk in term.run_chunk_start..term.run_chunk_end {
                    let word = [frames[at + 1], frames[at + 2], frames[at + 3], 0];
                    let end = at + 8 + u32::from_le_bytes(word) as usize;
                    if (term.chunk_start..term.chunk_end).contains(&chunk) {
                        decode_chunks(&frames[at..end], &mut raw).unwrap();
                    }
                    at = end;
                }
            }
        }
    }
    raw
}

pub fn way(plan: &Plan) -> &'static str {
    match plan.recipe {
        Recipe::Mapped(_) => "mapped",
        Recipe::Reconstructed { .. } => "reconstructed",
        Recipe::Plain => "plain",
    }
}

#[tokio::test]
async fn a_file_comes_byte_for_byte_in_every_way() {
    let (node, files) = origin("public").await;
    let folder = tempfile::tempdir().unwrap();
    let no_maps = Carry { without: &["/federation/"], ..Carry::default() };
    let plain = Carry { without_header: Some("x-xet-hash"), ..no_maps };
    for (carry, expected) in [
        (Carry::default(), "mapped"),
        (no_maps, "reconstructed"),
        (Carry { without: &["/federation/", "/cas/v2/"], ..Carry::default() }, "reconstructed"),
        (Carry { without: &["/federation/", "/cas/v2/", "/cas/v1/"], ..Carry::default() }, "plain"),
        (Carry { without: &["/federation/", "/api/"], ..Carry::default() }, "plain"),
        (Carry { exact_ranges: true, ..no_maps }, "reconstructed"),
        (plain, "plain"),
        (Carry { without_ranges: true, ..plain }, "plain"),
    ] {
        let carrier = carrier(node.url(), carry).await;
        let planner = planner(&carrier.url(), None, folder.path());
        for (path, data) in &files {
            let file = wanted(&node, path, data).await;
            let plan = planner.plan(&file).await.unwrap();
            assert_eq!(way(&plan), expected, "{carry:?}");
            let wire = wire(&plan).await.unwrap();
            assert!(assemble(&plan, &wire) == *data, "{path} {expected}");
            if expected != "plain" && *path != "first.bin" {
                assert!(plan.layout.pieces.len() > 1, "{path}");
                assert!(wire.len() < data.len(), "what is there twice, or compresses, travels once: {path}");
            }
            plan.sources[0].probe().await.unwrap();
            plan.sources[0].redial();
            assert_eq!((plan.sources[0].name(), plan.sources[0].cost()), ("origin", CostClass::OnNet));
        }
    }
    node.stop().await;
}
