//! Mirrors: what comes from a remote is checked, and only then there.

use bytes::Bytes;
use futures::{Stream, stream};
use karez_formats::git::{GitKind, TreeEntry, TreeMode, encode_tree, object_id};
use karez_formats::lfs::LfsPointer;
use karez_formats::xet::{BuiltXorb, Chunker, Term, XorbBuilder, chunk_hash};
use karez_hub::{Expected, FileClaim, HubError, HubResult, MirrorUpdate};
use karez_testkit::{NodeOptions, Origin, TestNode};
use karez_types::{Entropy, GitOid, Limits, RefName, SeededEntropy, Sha256};
use serde_json::json;
use sha2::Digest;

// ---- what most cases begin with ----------------------------------------------------------------

pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut data = vec![0; bytes];
    SeededEntropy::new(seed).fill(&mut data);
    data
}

pub fn sha256(data: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(data).into())
}

pub fn pointer(data: &[u8]) -> Vec<u8> {
    LfsPointer { sha256: sha256(data), file_bytes: data.len() as u64 }.encode()
}

pub fn body(data: &[u8]) -> impl Stream<Item = HubResult<Bytes>> + Send + 'static {
    let pieces: Vec<HubResult<Bytes>> = data.chunks(77_777).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

/// A file as xorbs of at most this many chunks, with the terms that make it.
pub fn xorbs(data: &[u8], chunks_each: u32) -> (Vec<BuiltXorb>, Vec<Term>) {
    let (mut built, mut terms) = (Vec::new(), Vec::new());
    let (mut builder, mut raw_bytes) = (XorbBuilder::new(), 0);
    let mut end = |builder: &mut XorbBuilder, raw_bytes: &mut u32| {
        let chunk_end = builder.chunk_count();
        let xorb = std::mem::take(builder).finish();
        terms.push(Term { xorb: xorb.hash, chunk_start: 0, chunk_end, raw_bytes: std::mem::take(raw_bytes) });
        built.push(xorb);
    };
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    let mut chunker = Chunker::new();
    chunker.push(data, &mut |raw| chunks.push(raw.to_vec()));
    chunker.finish(&mut |raw| chunks.push(raw.to_vec()));
    for raw in &chunks {
        builder.push(raw, chunk_hash(raw));
        raw_bytes += raw.len() as u32;
        if builder.chunk_count() == chunks_each {
            end(&mut builder, &mut raw_bytes);
        }
    }
    if !builder.is_empty() {
        end(&mut builder, &mut raw_bytes);
    }
    (built, terms)
}

fn refused<T: std::fmt::Debug>(result: HubResult<T>) -> String {
    match result {
        Err(HubError::Invalid(what)) => what,
        Err(error @ HubError::XorbMissing(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn get(node: &TestNode, path: &str) -> karez_testkit::Answer {
    node.anonymous().get(path).await
}

// ---- history -----------------------------------------------------------------------------------

#[tokio::test]
async fn a_history_arrives_and_grows() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let card = b"---\ntags: [desert]\npipeline_tag: text-generation\n---\nA model.\n";
    let mut origin = Origin::default();
    let first = origin.commit(&[("README.md", card), ("w.gguf", &pointer(b"weights"))], &[]);
    let tag = origin.tag("v1", first, GitKind::Commit);
    let mut update = origin.take(&[(Origin::main(), first), (RefName::tag("v1").unwrap(), tag)]);
    update.is_whole_history = true;
    node.hub.mirror_apply(&repo, update).await.unwrap();
    let info = get(&node, "/api/models/far/m").await.expect(200).json();
    assert_eq!((&info["sha"], &info["pipeline_tag"]), (&json!(first.to_string()), &json!("text-generation")));
    assert!(info["tags"].as_array().unwrap().contains(&json!("desert")), "{info}");
    assert_eq!(info["lastModified"], "1970-01-12T13:46:40.000Z", "as the commit says");
    assert_eq!(get(&node, "/far/m/resolve/v1/README.md").await.expect(200).body, card.as_slice());
    // Only what is new comes along; the rest is known from before.
    let mut origin = Origin::default();
    let readme = object_id(GitKind::Blob, card);
    let added = origin.add(GitKind::Blob, b"new".to_vec());
    let entry = |name: &str, oid| TreeEntry { mode: TreeMode::File, name: name.to_owned(), oid };
    let tree = encode_tree(&[entry("README.md", readme), entry("new.txt", added)]).unwrap();
    let tree = origin.add(GitKind::Tree, tree);
    let second = origin.commit_of(tree, &[first]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), second)])).await.unwrap();
    assert_eq!(get(&node, "/far/m/resolve/main/new.txt").await.expect(200).body.as_ref(), b"new");
    let history = get(&node, "/api/models/far/m/commits/main").await.expect(200).json();
    assert_eq!(history.as_array().unwrap().len(), 2);
    // A ref goes; what it led to can still be asked for by id.
    let gone = MirrorUpdate { refs: vec![(Origin::main(), None)], ..MirrorUpdate::default() };
    node.hub.mirror_apply(&repo, gone).await.unwrap();
    get(&node, "/far/m/resolve/main/new.txt").await.expect(404);
    get(&node, &format!("/far/m/resolve/{second}/new.txt")).await.expect(200);
    assert_eq!(get(&node, "/api/models/far/m").await.expect(200).json()["pipeline_tag"], json!(null));
}

#[tokio::test]
async fn what_is_wrong_or_absent_is_refused() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let mut origin = Origin::default();
    let commit = origin.commit(&[("a", b"1"), ("b", b"2")], &[]);
    let whole = origin.objects.clone();
    let update = |objects: Vec<(GitKind, Vec<u8>)>, refs: &[(RefName, GitOid)]| Origin { objects }.take(refs);
    let without = |kind: GitKind, content: &[u8]| -> Vec<(GitKind, Vec<u8>)> {
        whole.iter().filter(|object| (object.0, &object.1[..]) != (kind, content)).cloned().collect()
    };
    let apply = async |update: MirrorUpdate| refused(node.hub.mirror_apply(&repo, update).await);
    // Another content than the id says is another id: what the ref names did not come.
    let mut changed = whole.clone();
    changed.last_mut().unwrap().1.push(b'!');
    let said = apply(update(changed, &[(Origin::main(), commit)])).await;
    assert!(said.contains(&format!("the commit {commit}, which refs/heads/main needs, did not come along")), "{said}");
    let said = apply(update(without(GitKind::Blob, b"2"), &[(Origin::main(), commit)])).await;
    assert!(said.contains("the blob") && said.contains("did not come along"), "{said}");
    let tree = whole.iter().find(|object| object.0 == GitKind::Tree).unwrap().1.clone();
    let said = apply(update(without(GitKind::Tree, &tree), &[(Origin::main(), commit)])).await;
    assert!(said.contains("the tree"), "{said}");
    // A folder whose entry escapes.
    let mut escape = b"100644 ..\0".to_vec();
    escape.extend_from_slice(object_id(GitKind::Blob, b"1").as_bytes());
    let mut origin = Origin { objects: vec![(GitKind::Blob, b"1".to_vec())] };
    let tree = origin.add(GitKind::Tree, escape);
    let commit_to_it = origin.commit_of(tree, &[]);
    let said = apply(origin.take(&[(Origin::main(), commit_to_it)])).await;
    assert!(said.contains(".."), "{said}");
    // A blob in the place of a folder.
    let mut origin = Origin::default();
    let blob = origin.add(GitKind::Blob, b"not a folder".to_vec());
    let odd = origin.commit_of(blob, &[]);
    assert!(apply(origin.take(&[(Origin::main(), odd)])).await.contains("for a tree"));
    // Refs to what is not a commit.
    let mut origin = Origin { objects: whole.clone() };
    let tag = origin.tag("t", object_id(GitKind::Blob, b"1"), GitKind::Blob);
    assert!(apply(origin.clone().take(&[(RefName::tag("t").unwrap(), tag)])).await.contains("does not lead"));
    let origin_tag = |origin: &mut Origin| origin.tag("u", commit, GitKind::Commit);
    let mut origin = Origin { objects: whole.clone() };
    let tag = origin_tag(&mut origin);
    assert!(apply(origin.take(&[(Origin::main(), tag)])).await.contains("does not point at a commit"));
    // A parent that neither came nor is said to be missing.
    let mut origin = Origin { objects: whole.clone() };
    let far = object_id(GitKind::Commit, b"far");
    let child = origin.commit(&[("a", b"1")], &[far]);
    assert!(apply(origin.clone().take(&[(Origin::main(), child)])).await.contains(&far.to_string()));
    let shallow = MirrorUpdate {
        shallow: vec![child],
        is_whole_history: true,
        ..origin.clone().take(&[(Origin::main(), child)])
    };
    assert!(apply(shallow).await.contains(&far.to_string()), "whole is whole");
    // Of all this nothing stayed.
    assert!(node.hub.catalog().ref_list(repo.id).await.unwrap().is_empty());
    assert!(node.hub.catalog().objects_scan(None, 100).await.unwrap().iter().all(|row| row.oid != commit));
    let shallow = MirrorUpdate { shallow: vec![child], ..origin.take(&[(Origin::main(), child)]) };
    node.hub.mirror_apply(&repo, shallow).await.unwrap();
    assert_eq!(get(&node, "/far/m/resolve/main/a").await.expect(200).body.as_ref(), b"1");
}

#[tokio::test]
async fn a_remote_cannot_open_what_others_keep_here() {
    let node = TestNode::start_alone().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/secret", "private").await;
    let weights = noise(1, 300_000);
    let made = alice.commit("models/alice/secret", "main", &[("w.bin", &weights), ("key.txt", b"hunter2")]).await;
    let head: GitOid = made.expect(200).json()["commitOid"].as_str().unwrap().parse().unwrap();
    let repo = node.mirror("far/m").await;
    // A ref, a parent, a folder and a file that are stored here, but not this remote's.
    let said = refused(node.hub.mirror_apply(&repo, Origin::default().take(&[(Origin::main(), head)])).await);
    assert!(said.contains("did not come along"), "{said}");
    let mut origin = Origin::default();
    let child = origin.commit(&[("a", b"1")], &[head]);
    refused(node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), child)])).await);
    let named = MirrorUpdate { commits: vec![head], ..MirrorUpdate::default() };
    refused(node.hub.mirror_apply(&repo, named).await);
    let mut origin = Origin::default();
    let entry =
        TreeEntry { mode: TreeMode::File, name: "stolen.txt".to_owned(), oid: object_id(GitKind::Blob, b"hunter2") };
    let tree = origin.add(GitKind::Tree, encode_tree(&[entry]).unwrap());
    let thief = origin.commit_of(tree, &[]);
    let said = refused(node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), thief)])).await);
    assert!(said.contains("the blob"), "{said}");
    // A large file is named by its sha256, which anybody may know; its bytes stay closed.
    let mut origin = Origin::default();
    let commit = origin.commit(&[("w.bin", &pointer(&weights))], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    assert!(!node.hub.mirror_file_attach(&repo, sha256(&weights)).await.unwrap());
    let head = node.anonymous().head("/far/m/resolve/main/w.bin").await.expect(200);
    assert_eq!((head.header("x-xet-hash"), head.header("content-length")), ("", "300000"));
    assert_eq!(head.header("etag"), format!("\"{}\"", sha256(&weights)));
    let answer = get(&node, "/far/m/resolve/main/w.bin").await.expect(404);
    assert!(answer.text().contains("not on this node"), "{}", answer.text());
    let listed = get(&node, "/api/models/far/m/tree/main").await.expect(200).json();
    assert_eq!((&listed[0]["size"], &listed[0]["xetHash"]), (&json!(300_000), &json!(null)));
    let files = node.hub.mirror_files(&repo, commit).await.unwrap();
    assert_eq!((files.len(), files[0].is_held, files[0].file_bytes), (1, false, 300_000));
    let chunks: Vec<_> = xorbs(&weights, 8_192).0[0].index.chunks.iter().map(|chunk| chunk.hash).collect();
    assert!(node.hub.chunks_held(&repo, &chunks, &[]).await.unwrap().is_empty());
    // The owner still reads it, though the same commit's path was looked at through the mirror.
    assert_eq!(alice.get("/alice/secret/resolve/main/w.bin").await.expect(200).body, weights);
}

#[tokio::test]
async fn limits_hold() {
    let limits = Limits { git_pack_objects_max: 20, repo_refs_max: 2, ..Limits::default() };
    let node = TestNode::start_with(NodeOptions { limits, is_alone: true, ..NodeOptions::default() }).await;
    let repo = node.mirror("far/m").await;
    let mut origin = Origin::default();
    let commit = origin.commit(&[("a", b"1")], &[]);
    let names: Vec<(RefName, GitOid)> =
        (0..3).map(|number| (RefName::branch(&format!("b{number}")).unwrap(), commit)).collect();
    let many = node.hub.mirror_apply(&repo, origin.clone().take(&names)).await;
    assert!(matches!(many, Err(HubError::TooLarge { setting: "repo_refs_max", .. })), "{many:?}");
    let proposals = [(RefName::pull_request(1), commit), (RefName::pull_request(2), commit)];
    let refs = [&names[..2], &proposals[..]].concat();
    node.hub.mirror_apply(&repo, origin.clone().take(&refs)).await.unwrap();
    for number in 0..20u8 {
        origin.add(GitKind::Blob, vec![number]);
    }
    let many = node.hub.mirror_apply(&repo, origin.take(&[])).await;
    assert!(matches!(many, Err(HubError::TooLarge { setting: "git_pack_objects_max", .. })), "{many:?}");
}

#[tokio::test]
async fn history_ends_where_the_remote_cut_it() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let mut origin = Origin::default();
    let first = origin.commit(&[("old", b"1")], &[]);
    let old = std::mem::take(&mut origin.objects);
    let second = origin.commit(&[("old", b"1"), ("a", b"1")], &[first]);
    let third = origin.commit(&[("old", b"1"), ("a", b"2")], &[second]);
    let update = MirrorUpdate { shallow: vec![second], ..origin.take(&[(Origin::main(), third)]) };
    node.hub.mirror_apply(&repo, update).await.unwrap();
    let ids = async || -> Vec<String> {
        let listed = get(&node, "/api/models/far/m/commits/main").await.expect(200).json();
        listed.as_array().unwrap().iter().map(|commit| commit["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids().await, [third.to_string(), second.to_string()]);
    let last = async |path: &str| -> String {
        let listed = get(&node, "/api/models/far/m/tree/main?expand=true").await.expect(200).json();
        let item = listed.as_array().unwrap().iter().find(|item| item["path"] == path).unwrap().clone();
        item["lastCommit"]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(last("a").await, third.to_string());
    assert_eq!(last("old").await, second.to_string(), "as far back as is known");
    get(&node, &format!("/api/models/far/m/revision/{first}")).await.expect(404);
    let sound = async || node.hub.fsck(&karez_hub::Actor::Operator, karez_hub::FsckDepth::Bytes).await.unwrap();
    assert!(sound().await.is_clean(), "{:?}", sound().await);
    // The rest comes later.
    let part = MirrorUpdate { unshallow: vec![second], ..MirrorUpdate::default() };
    refused(node.hub.mirror_apply(&repo, part).await);
    let rest = Origin { objects: old }.take(&[]);
    let rest = MirrorUpdate { commits: vec![first], is_whole_history: true, ..rest };
    node.hub.mirror_apply(&repo, rest).await.unwrap();
    assert_eq!(ids().await, [third.to_string(), second.to_string(), first.to_string()]);
    assert_eq!(last("old").await, first.to_string());
    assert!(node.hub.mirror_find(&repo.address()).await.unwrap().unwrap().1.is_whole_history);
    assert!(sound().await.is_clean(), "{:?}", sound().await);
}

#[tokio::test]
async fn a_pointer_that_lies_about_the_length_opens_nothing() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let weights = noise(6, 200_000);
    for (id, stated) in [("short", 100u64), ("long", 300_000)] {
        let lie = LfsPointer { sha256: sha256(&weights), file_bytes: stated }.encode();
        let mut origin = Origin::default();
        let commit = origin.commit(&[("w.bin", &lie)], &[]);
        let name = RefName::branch(id).unwrap();
        node.hub.mirror_apply(&repo, origin.take(&[(name, commit)])).await.unwrap();
    }
    node.hub.mirror_file_ingest(&repo, sha256(&weights), 200_000, body(&weights)).await.unwrap();
    for id in ["short", "long"] {
        get(&node, &format!("/far/m/resolve/{id}/w.bin")).await.expect(404);
        let listed = get(&node, &format!("/api/models/far/m/tree/{id}")).await.expect(200).json();
        assert_eq!(listed[0]["xetHash"], json!(null));
    }
}

// ---- large files -------------------------------------------------------------------------------

#[tokio::test]
async fn a_file_is_readable_once_its_terms_are_verified() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let weights = noise(2, 1_500_000);
    let mut origin = Origin::default();
    let commit = origin.commit(&[("w.bin", &pointer(&weights))], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    let (built, terms) = xorbs(&weights, 4);
    assert!(terms.len() > 3);
    let claim =
        FileClaim { hash: None, sha256: sha256(&weights), file_bytes: weights.len() as u64, terms: terms.clone() };
    let put = async |claim: &FileClaim| node.hub.mirror_file_put(&repo, claim.clone()).await;
    assert!(refused(put(&claim).await).contains("not stored here"));
    for xorb in &built {
        let wrong = &xorb.bytes[..xorb.bytes.len() - 1];
        refused(node.hub.mirror_xorb_put(&repo, xorb.hash, body(wrong)).await);
        node.hub.mirror_xorb_put(&repo, xorb.hash, body(&xorb.bytes)).await.unwrap();
        node.hub.mirror_xorb_put(&repo, xorb.hash, body(b"known: not read")).await.unwrap();
        get(&node, "/far/m/resolve/main/w.bin").await.expect(404);
    }
    // Recipes that lie.
    let mut swapped = claim.clone();
    swapped.terms.swap(0, 1);
    let said = refused(put(&swapped).await);
    assert!(said.contains("has sha256"), "{said}");
    let file_hash = put(&claim).await.unwrap().hash;
    node.hub.catalog().mirror_files_remove(repo.id, &[sha256(&weights)]).await.unwrap();
    let shown =
        async || node.anonymous().head("/far/m/resolve/main/w.bin").await.expect(200).header("x-xet-hash").len();
    assert_eq!(shown().await, 0);
    assert!(refused(put(&FileClaim { hash: Some(file_hash), ..swapped }).await).contains("make up file"));
    let other = FileClaim { sha256: Sha256([9; 32]), ..claim.clone() };
    assert!(refused(put(&other).await).contains("has sha256"));
    let longer = FileClaim { file_bytes: claim.file_bytes + 1, ..claim.clone() };
    assert!(refused(put(&longer).await).contains("bytes; the file has"));
    let mut beyond = claim.clone();
    beyond.terms[0].chunk_end += 1;
    assert!(refused(put(&beyond).await).contains("does not have"));
    let mut short = claim.clone();
    short.terms[0].raw_bytes -= 1;
    assert!(refused(put(&short).await).contains("another length"));
    let mut backwards = claim.clone();
    (backwards.terms[0].chunk_start, backwards.terms[0].chunk_end) = (4, 0);
    assert!(refused(put(&backwards).await).contains("does not have"));
    assert_eq!(shown().await, 0);
    assert!(node.hub.catalog().file_by_sha256(&other.sha256).await.unwrap().is_none());
    // The true one.
    let brief = put(&FileClaim { hash: Some(file_hash), ..claim }).await.unwrap();
    assert_eq!((brief.hash, brief.sha256), (file_hash, sha256(&weights)));
    assert_eq!(get(&node, "/far/m/resolve/main/w.bin").await.expect(200).body, weights);
    assert!(node.hub.mirror_files(&repo, commit).await.unwrap()[0].is_held);
    let head = node.anonymous().head("/far/m/resolve/main/w.bin").await.expect(200);
    assert_eq!(head.header("x-xet-hash"), file_hash.to_string());
    // What a second file of the mirror shares need not travel.
    let chunks: Vec<_> = built.iter().flat_map(|xorb| xorb.index.chunks.iter().map(|chunk| chunk.hash)).collect();
    let held = node.hub.chunks_held(&repo, &chunks, &[]).await.unwrap();
    assert_eq!(held.len(), chunks.len(), "the first chunk leads to all of its file");
    assert_eq!(held[&chunks[0]], (built[0].hash, 0));
    let named = node.hub.chunks_held(&repo, &chunks[1..2], &[built[0].hash]).await.unwrap();
    assert_eq!(named[&chunks[1]], (built[0].hash, 1));
}

#[tokio::test]
async fn a_plain_file_is_readable_once_verified() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let weights = noise(3, 400_000);
    let mut origin = Origin::default();
    let commit = origin.commit(&[("w.bin", &pointer(&weights))], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    let (hash, length) = (sha256(&weights), weights.len() as u64);
    let mut wrong = weights.clone();
    wrong[200_000] ^= 1;
    assert!(refused(node.hub.mirror_file_ingest(&repo, hash, length, body(&wrong)).await).contains("sha256"));
    assert!(refused(node.hub.mirror_file_ingest(&repo, hash, length - 1, body(&weights)).await).contains("more bytes"));
    refused(node.hub.mirror_file_ingest(&repo, hash, length, body(&weights[..length as usize - 1])).await);
    get(&node, "/far/m/resolve/main/w.bin").await.expect(404);
    node.hub.mirror_file_ingest(&repo, hash, length, body(&weights)).await.unwrap();
    assert_eq!(get(&node, "/far/m/resolve/main/w.bin").await.expect(200).body, weights);
    // Another mirror has it by its name alone, for it is public now: when somebody reads it, or before.
    let other = node.mirror("elsewhere/m").await;
    let mut origin = Origin::default();
    let commit = origin.commit(&[("w.bin", &pointer(&weights))], &[]);
    node.hub.mirror_apply(&other, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    let head = node.anonymous().head("/elsewhere/m/resolve/main/w.bin").await.expect(200);
    assert_eq!(head.header("x-xet-hash"), "");
    assert_eq!(get(&node, "/elsewhere/m/resolve/main/w.bin").await.expect(200).body, weights);
    node.hub.catalog().mirror_files_remove(other.id, &[hash]).await.unwrap();
    assert!(node.hub.mirror_file_attach(&other, hash).await.unwrap());
    assert_eq!(get(&node, "/elsewhere/m/resolve/main/w.bin").await.expect(200).body, weights);
    assert!(!node.hub.mirror_file_attach(&other, Sha256([1; 32])).await.unwrap());
}

#[tokio::test]
async fn a_private_file_of_this_node_is_not_attached() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let alice = node.hub.catalog().account_by_name("alice").await.unwrap().unwrap();
    let weights = noise(4, 200_000);
    let brief = node.hub.ingest(alice.id, Expected::default(), body(&weights)).await.unwrap();
    assert!(!node.hub.mirror_file_attach(&repo, brief.sha256).await.unwrap());
    let row = node.hub.catalog().file_by_hash(&brief.hash).await.unwrap().unwrap();
    let claim = FileClaim { hash: None, sha256: row.sha256, file_bytes: row.file_bytes, terms: row.terms };
    assert!(refused(node.hub.mirror_file_put(&repo, claim).await).contains("not stored here"));
}
