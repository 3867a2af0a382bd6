//! What nothing refers to leaves the store, and nothing else does.

use std::collections::BTreeMap;
use std::path::Path;

use futures::TryStreamExt;
use karez_catalog::Repo;
use karez_hub::{Actor, Expected, FsckDepth, GarbageRound, GarbageSettings, HubError};
use karez_testkit::{NodeOptions, NodeStore, Origin, TestNode};
use karez_types::{ByteRange, Entropy, RepoAddress, RepoKind, SeededEntropy, Sha256, XorbHash};

use crate::mirrors::{body, noise, pointer, sha256, xorbs};

const SETTINGS: GarbageSettings =
    GarbageSettings { grace_secs: 36 * 3_600, upload_grace_secs: 22 * 86_400, round_secs: 3_600 };
const GRACE_SECS: i64 = SETTINGS.grace_secs as i64;
const DAY_SECS: i64 = 86_400;

async fn start() -> TestNode {
    TestNode::start_with(NodeOptions { store: NodeStore::Folder, is_alone: true, ..NodeOptions::default() }).await
}

async fn round(node: &TestNode) -> GarbageRound {
    node.hub.garbage_round(&Actor::Operator, &SETTINGS).await.unwrap()
}

/// Waits for the grace, with a round before it and one after; returns what the last did.
async fn rounds(node: &TestNode) -> GarbageRound {
    round(node).await;
    node.advance_secs(GRACE_SECS);
    round(node).await
}

/// Returns the bytes of xorbs on the disk, with their indexes.
fn disk_bytes(node: &TestNode) -> u64 {
    fn below(folder: &Path) -> u64 {
        let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { below(&path) } else { path.metadata().unwrap().len() }).sum()
    }
    below(&node.folder().join("objects/xorbs"))
}

/// Everything is in order, and no bytes are left that nobody knows of.
async fn check(node: &TestNode, when: &str) {
    let report = node.hub.fsck(&Actor::Operator, FsckDepth::Bytes).await.unwrap();
    assert!(report.is_clean() && report.counts.orphans == 0, "{when}: {:?}, {:?}", report.problems, report.counts);
}

async fn ingest(node: &TestNode, repo: &Repo, data: &[u8]) {
    node.hub.mirror_file_ingest(repo, sha256(data), data.len() as u64, body(data)).await.unwrap();
}

async fn evict(node: &TestNode, repo: &Repo, data: &[u8]) {
    node.hub.catalog().mirror_files_remove(repo.id, &[sha256(data)]).await.unwrap();
}

async fn read(node: &TestNode, file: Sha256) -> Option<Vec<u8>> {
    let row = node.hub.catalog().file_by_sha256(&file).await.unwrap()?;
    let whole = ByteRange { start: 0, end: row.file_bytes };
    let parts: Vec<bytes::Bytes> = node.hub.file_stream(&row, whole).try_collect().await.unwrap();
    Some(parts.concat())
}

async fn xorbs_of(node: &TestNode, data: &[u8]) -> Vec<XorbHash> {
    let row = node.hub.catalog().file_by_sha256(&sha256(data)).await.unwrap().unwrap();
    row.terms.iter().map(|term| term.xorb).collect()
}

#[tokio::test]
async fn evicted_files_of_mirrors_leave_the_disk_after_the_grace() {
    let node = start().await;
    let repo = node.mirror("far/m").await;
    let (gone, kept) = (noise(1, 3 << 20), noise(2, 1 << 20));
    ingest(&node, &repo, &kept).await;
    let before = disk_bytes(&node);
    ingest(&node, &repo, &gone).await;
    let full = disk_bytes(&node);
    assert!(full > before + (3 << 20) - 1);
    evict(&node, &repo, &gone).await;
    assert_eq!(disk_bytes(&node), full, "eviction by itself frees nothing");

    let first = round(&node).await;
    assert_eq!((first.files_condemned, first.xorbs_condemned, first.xorbs_freed), (1, 1, 0));
    assert_eq!(first.waiting.from_afar_bytes, first.condemned_bytes);
    check(&node, "condemned").await;
    node.advance_secs(GRACE_SECS - 1);
    let early = round(&node).await;
    assert_eq!((early.files_deleted, early.xorbs_freed, disk_bytes(&node)), (0, 0, full), "not a second before");
    node.advance_secs(1);
    let last = round(&node).await;
    assert_eq!((last.files_deleted, last.xorbs_freed, last.freed_bytes), (1, 1, first.condemned_bytes));
    assert_eq!(disk_bytes(&node), before, "all of it is gone");
    assert_eq!((last.waiting.xorbs, last.waiting.leaving_xorbs, last.waiting.files), (0, 0, 0));
    check(&node, "freed").await;
    assert!(read(&node, sha256(&kept)).await.unwrap() == kept);
    assert!(read(&node, sha256(&gone)).await.is_none());
    // Wanted again, it comes again.
    assert!(!node.hub.mirror_file_attach(&repo, sha256(&gone)).await.unwrap());
    ingest(&node, &repo, &gone).await;
    assert_eq!((round(&node).await.xorbs_condemned, disk_bytes(&node)), (0, full));
    assert!(read(&node, sha256(&gone)).await.unwrap() == gone);
    check(&node, "back").await;
}

#[tokio::test]
async fn what_another_file_uses_stays_whole() {
    let node = start().await;
    let (repo, other) = (node.mirror("far/m").await, node.mirror("far/n").await);
    let first = noise(3, 4 << 20);
    // The second is the beginning of the first, and something of its own.
    let second = [&first[..2 << 20], &noise(4, 1 << 20)].concat();
    ingest(&node, &repo, &first).await;
    ingest(&node, &other, &second).await;
    assert_eq!(xorbs_of(&node, &second).await[0], xorbs_of(&node, &first).await[0], "they share chunks");
    let full = disk_bytes(&node);
    evict(&node, &repo, &first).await;
    let freed = rounds(&node).await;
    assert_eq!((freed.files_deleted, freed.xorbs_freed, disk_bytes(&node)), (1, 0, full));
    assert!(read(&node, sha256(&second)).await.unwrap() == second);
    check(&node, "half used").await;
    // The same bytes in two mirrors are gone when both let go.
    ingest(&node, &repo, &second).await;
    evict(&node, &other, &second).await;
    assert_eq!(rounds(&node).await.files_deleted, 0);
    evict(&node, &repo, &second).await;
    assert_eq!((rounds(&node).await.files_deleted, disk_bytes(&node)), (1, 0));
    check(&node, "nothing").await;
}

#[tokio::test]
async fn what_is_wanted_again_before_the_grace_is_over_stays() {
    let node = start().await;
    let repo = node.mirror("far/m").await;
    let data = noise(5, 2 << 20);
    ingest(&node, &repo, &data).await;
    let full = disk_bytes(&node);
    let chunks = async || {
        let index = node.hub.store().xorb_index(xorbs_of(&node, &data).await[0]).await.unwrap().unwrap();
        let wanted: Vec<_> = index.chunks.iter().map(|chunk| chunk.hash).collect();
        node.hub.chunks_held(&repo, &wanted, &[]).await.unwrap().len()
    };
    let all = chunks().await;
    evict(&node, &repo, &data).await;
    assert_eq!(round(&node).await.files_condemned, 1);
    assert!(all > 10 && chunks().await == 0, "a transfer does not count on it");
    node.advance_secs(GRACE_SECS);
    // The bytes of a new transfer, or of a reader who finds the file in the store.
    assert!(node.hub.mirror_file_attach(&repo, sha256(&data)).await.unwrap());
    assert_eq!(chunks().await, all);
    let nothing = rounds(&node).await;
    assert_eq!((nothing.files_deleted, nothing.xorbs_freed, disk_bytes(&node)), (0, 0, full));
    check(&node, "revived").await;
    evict(&node, &repo, &data).await;
    round(&node).await;
    node.advance_secs(GRACE_SECS);
    ingest(&node, &repo, &data).await;
    assert_eq!((round(&node).await.files_deleted, disk_bytes(&node)), (0, full));
    check(&node, "revived again").await;
}

#[tokio::test]
async fn a_crash_between_any_two_steps_is_made_good() {
    let node = start().await;
    let repo = node.mirror("far/m").await;
    let (one, two) = (noise(6, 1 << 20), noise(7, 1 << 20));
    for data in [&one, &two] {
        ingest(&node, &repo, data).await;
        evict(&node, &repo, data).await;
    }
    let full = disk_bytes(&node);
    let xorb = xorbs_of(&node, &one).await[0];
    let mut done = GarbageRound::default();
    node.hub.garbage_condemn(&SETTINGS, &mut done).await.unwrap();
    check(&node, "after marking").await;
    node.advance_secs(GRACE_SECS);
    node.hub.garbage_rows_delete(&SETTINGS, &mut done).await.unwrap();
    // Killed here: rows are gone, bytes are not, and a row says so.
    assert_eq!((done.files_deleted, disk_bytes(&node)), (2, full));
    check(&node, "after the rows").await;
    // Somebody brings one of them at this very moment: its bytes are not those that are to go.
    ingest(&node, &repo, &one).await;
    assert_eq!(node.hub.catalog().garbage_totals().await.unwrap().leaving_xorbs, 1);
    assert!(read(&node, sha256(&one)).await.unwrap() == one);
    // Killed after half of a xorb was removed.
    let other: Vec<_> = node.hub.catalog().xorbs_leaving(None, 9).await.unwrap();
    let killed = node.hub.catalog().xorb_leave(other[0].0, async {
        node.hub.store().xorb_delete(other[0].0).await.unwrap();
        Err::<(), _>("killed")
    });
    assert_eq!(killed.await.unwrap(), Err("killed"));
    check(&node, "after the bytes").await;
    let next = round(&node).await;
    assert_eq!((next.xorbs_freed, next.waiting.leaving_xorbs), (1, 0));
    assert_eq!(node.hub.store().xorb_list().try_collect::<Vec<_>>().await.unwrap().len(), 1);
    assert_eq!(xorbs_of(&node, &one).await, [xorb]);
    assert!(read(&node, sha256(&one)).await.unwrap() == one);
    check(&node, "after the next round").await;
}

#[tokio::test]
async fn a_recipe_that_names_what_is_gone_is_refused_and_told_apart() {
    let node = start().await;
    let repo = node.mirror("far/m").await;
    let data = noise(8, 1 << 20);
    ingest(&node, &repo, &data).await;
    let row = node.hub.catalog().file_by_sha256(&sha256(&data)).await.unwrap().unwrap();
    evict(&node, &repo, &data).await;
    rounds(&node).await;
    let claim = karez_hub::FileClaim {
        hash: Some(row.hash),
        sha256: row.sha256,
        file_bytes: row.file_bytes,
        terms: row.terms.clone(),
    };
    let refused = node.hub.mirror_file_put(&repo, claim).await.unwrap_err();
    assert!(matches!(refused, HubError::XorbMissing(xorb) if xorb == row.terms[0].xorb), "{refused:?}");
    check(&node, "refused").await;
}

/// What one process remembers of a file must not outlive it, when another removes it and it comes again in another way.
#[tokio::test]
async fn other_processes_hear_that_something_went() {
    let node = start().await;
    let repo = node.mirror("far/m").await;
    let data = noise(11, 2 << 20);
    let mut origin = Origin::default();
    let head = origin.commit(&[("w.bin", &pointer(&data))], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), head)])).await.unwrap();
    let get = async || node.anonymous().get("/far/m/resolve/main/w.bin").await;
    ingest(&node, &repo, &data).await;
    assert!(get().await.expect(200).body == data);
    evict(&node, &repo, &data).await;

    // Another process: the same catalog and store, and a memory of its own.
    let other = TestNode::start_beside(&node).await;
    let settings = SETTINGS;
    let round = async || other.garbage_round(&Actor::Operator, &settings).await.unwrap();
    assert_eq!(round().await.files_condemned, 1);
    node.advance_secs(GRACE_SECS);
    assert_eq!(round().await.xorbs_freed, 1);
    node.hub.garbage_follow().await.unwrap();
    let (built, terms) = xorbs(&data, 7);
    for xorb in built {
        node.hub.mirror_xorb_put(&repo, xorb.hash, body(&xorb.bytes)).await.unwrap();
    }
    let (sha256, file_bytes) = (sha256(&data), data.len() as u64);
    let claim = karez_hub::FileClaim { hash: None, sha256, file_bytes, terms };
    node.hub.mirror_file_put(&repo, claim).await.unwrap();
    assert!(get().await.expect(200).body == data);
    check(&node, "with two processes").await;
}

async fn commit(node: &TestNode, repo: &str, path: &str, data: &[u8]) {
    let address = RepoAddress::parse(RepoKind::Model, repo).unwrap();
    let owner = node.hub.catalog().account_by_name(address.owner.as_str()).await.unwrap().unwrap();
    let brief = node.hub.ingest(owner.id, Expected::default(), body(data)).await.unwrap();
    let line = serde_json::json!({ "key": "lfsFile", "value": {
        "path": path, "algo": "sha256", "oid": brief.sha256.to_string(), "size": brief.file_bytes } });
    node.client("alice").commit_lines(&format!("models/{repo}"), "main", vec![line]).await.expect(200);
}

#[tokio::test]
async fn own_repositories_lose_nothing_and_deleted_ones_all() {
    let node = start().await;
    let alice = node.client("alice");
    let (public, private) = (noise(9, 1 << 20), noise(10, 1 << 20));
    for (repo, visibility, data) in [("alice/p", "public", &public), ("alice/s", "private", &private)] {
        alice.repo_create("model", repo, visibility).await;
        commit(&node, repo, "w.bin", data).await;
        // No branch names it any more; its history does.
        let gone = serde_json::json!({ "key": "deletedFile", "value": { "path": "w.bin" } });
        alice.commit_lines(&format!("models/{repo}"), "main", vec![gone]).await.expect(200);
    }
    let full = disk_bytes(&node);
    for _ in 0..3 {
        node.advance_secs(100 * DAY_SECS);
        let nothing = rounds(&node).await;
        assert_eq!((nothing.files_condemned, nothing.files_deleted, nothing.xorbs_freed), (0, 0, 0));
    }
    assert_eq!(disk_bytes(&node), full);
    check(&node, "long after").await;
    // Long after it was pushed, a repository that is deleted frees its bytes after the grace; soon after, when
    // clients have forgotten it.
    alice.delete("/api/repos/delete", &serde_json::json!({ "name": "p", "organization": "alice" })).await.expect(200);
    assert_eq!(rounds(&node).await.files_deleted, 1);
    assert!(disk_bytes(&node) < full);
    alice.repo_create("model", "alice/q", "public").await;
    commit(&node, "alice/q", "w.bin", &public).await;
    alice.delete("/api/repos/delete", &serde_json::json!({ "name": "q", "organization": "alice" })).await.expect(200);
    assert_eq!(rounds(&node).await.files_deleted, 0);
    node.advance_secs(22 * DAY_SECS);
    assert_eq!(rounds(&node).await.files_deleted, 1);
    assert!(read(&node, sha256(&private)).await.unwrap() == private);
    check(&node, "at the end").await;
}

/// Draws numbers from a seed.
struct Random(SeededEntropy);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        (u64::from_le_bytes(bytes) % bound as u64) as usize
    }
}

/// Returns a file of a few of eight blocks, so that files share chunks.
fn patchwork(random: &mut Random) -> Vec<u8> {
    let blocks: Vec<Vec<u8>> = (0..1 + random.below(3)).map(|_| noise(100 + random.below(8) as u64, 300_000)).collect();
    blocks.concat()
}

/// Uploads, deletions, evictions, rounds and uploads again, in an order that the seed gives: whatever a repository
/// names reads byte for byte at any time, and the disk holds nothing else in the end.
#[tokio::test]
async fn in_any_order_nothing_that_is_referred_to_is_missing() {
    for seed in [1, 2, 3] {
        let mut random = Random(SeededEntropy::new(seed));
        let node = start().await;
        let alice = node.client("alice");
        let mirrors = [node.mirror("far/m").await, node.mirror("far/n").await];
        let mut named: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        let mut forgotten: Vec<Vec<u8>> = Vec::new();
        for step in 0..70 {
            let when = format!("seed {seed}, step {step}");
            match random.below(8) {
                0 | 1 => {
                    let number = random.below(2);
                    let data =
                        forgotten.pop().filter(|_| random.below(2) == 0).unwrap_or_else(|| patchwork(&mut random));
                    ingest(&node, &mirrors[number], &data).await;
                    named.entry(format!("far{number}")).or_default().push(data);
                }
                2 => {
                    let number = random.below(2);
                    if let Some(data) = named.get_mut(&format!("far{number}")).and_then(Vec::pop) {
                        evict(&node, &mirrors[number], &data).await;
                        named.get_mut(&format!("far{number}")).unwrap().retain(|other| *other != data);
                        forgotten.push(data);
                    }
                }
                3 => {
                    let name = format!("alice/r{}", random.below(2));
                    if !named.contains_key(&name) {
                        alice.repo_create("model", &name, "private").await;
                    }
                    let data = patchwork(&mut random);
                    commit(&node, &name, &format!("{step}.bin"), &data).await;
                    named.entry(name).or_default().push(data);
                }
                4 => {
                    let number = random.below(2);
                    if named.remove(&format!("alice/r{number}")).is_some() {
                        let gone = serde_json::json!({ "name": format!("r{number}"), "organization": "alice" });
                        alice.delete("/api/repos/delete", &gone).await.expect(200);
                    }
                }
                5 => {
                    if let Some(data) = forgotten.last()
                        && node.hub.mirror_file_attach(&mirrors[0], sha256(data)).await.unwrap()
                    {
                        named.entry("far0".to_owned()).or_default().push(forgotten.pop().unwrap());
                    }
                }
                6 => node.advance_secs([3_600, GRACE_SECS, 22 * DAY_SECS][random.below(3)]),
                _ => drop(round(&node).await),
            }
            if step % 10 == 9 {
                check(&node, &when).await;
                for data in named.values().flatten() {
                    assert!(read(&node, sha256(data)).await.as_ref() == Some(data), "{when}");
                }
            }
        }
        node.advance_secs(22 * DAY_SECS);
        rounds(&node).await;
        check(&node, "in the end").await;
        for repo in &mirrors {
            for data in forgotten.iter().chain(named.values().flatten()) {
                evict(&node, repo, data).await;
            }
        }
        for name in named.keys().filter_map(|name| name.strip_prefix("alice/")) {
            let gone = serde_json::json!({ "name": name, "organization": "alice" });
            alice.delete("/api/repos/delete", &gone).await.expect(200);
        }
        rounds(&node).await;
        assert_eq!(disk_bytes(&node), 0, "seed {seed}: what nobody names is gone");
    }
}
