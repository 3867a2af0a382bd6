//! A log that has grown by more than is read in one step, from a static server: its files are made here, with the
//! functions that nodes make them with, because a node writes each entry durably and would take a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use karez_catalog::{NewRemote, RemoteAdded, RemoteKind};
use karez_federation::PeerSettings;
use karez_federation::peer::{PeerError, Polled};
use karez_formats::log_entry::{LogAct, LogEntry, LogFacts};
use karez_governance::tile::encode_tile;
use karez_governance::{Checkpoint, EntryBundle, Frontier, Growth, Note, SigningKey, TilePath, TileSet, TreeHash};
use karez_testkit::TestNode;
use karez_types::{GitOid, RefName};

use crate::liar::{Liar, Reply};
use crate::peers::{model, node, poll};

/// Entries of a step, as docs/log.md and `follow_log` have it: 64 bundles of 256.
const STEP: u64 = 64 * 256;
/// Repositories that the entries are about.
const REPOS: u64 = 300;

/// What stands at the addresses of a log.
struct Site {
    files: HashMap<String, Vec<u8>>,
    /// Bundles that are still given before the line is cut.
    bundles_left: usize,
}

fn entries(count: u64) -> Vec<Vec<u8>> {
    let commit = |number: u64| GitOid(std::array::from_fn(|at| number.to_le_bytes()[at % 8]));
    let entry = |idx: u64| {
        let act = match idx < REPOS {
            true => LogAct::Publish { head: Some(commit(idx)), facts: LogFacts::default() },
            false => LogAct::Ref {
                name: RefName::branch("main").unwrap(),
                target: commit(idx),
                previous: Some(commit(idx - REPOS)),
                facts: None,
            },
        };
        LogEntry { repo: model(&format!("amina/r{}", idx % REPOS)), at_secs: 1_793_491_200, act }.encode()
    };
    (0..count).map(entry).collect()
}

/// Returns the files of a log with these entries.
fn files(key: &SigningKey, entries: &[Vec<u8>]) -> HashMap<String, Vec<u8>> {
    let mut growth = Growth::new(0, &TileSet::default()).unwrap();
    let mut frontier = Frontier::default();
    for entry in entries {
        let leaf = TreeHash::of_entry(entry);
        growth.append(leaf).unwrap();
        frontier.append(leaf).unwrap();
    }
    let origin = key.verifier().name().to_owned();
    let checkpoint = Checkpoint { origin, size: frontier.size(), root: frontier.root(), extensions: Vec::new() };
    let mut note = Note::new(checkpoint.text()).unwrap();
    note.sign(key, 0);
    let mut files = HashMap::from([("/log/checkpoint".to_owned(), note.to_string().into_bytes())]);
    let path = |level, index, width| format!("/log/tile/{}", TilePath { level, index, width });
    for (tile, hashes) in growth.take_all() {
        files.insert(path(Some(tile.level), tile.index, hashes.len() as u16), encode_tile(&hashes));
    }
    for (index, bundle) in (0u64..).zip(entries.chunks(256)) {
        let bytes = EntryBundle::encode(bundle.iter().map(Vec::as_slice)).unwrap();
        files.insert(path(None, index, bundle.len() as u16), bytes);
    }
    files
}

async fn serve(site: &Arc<Mutex<Site>>) -> Liar {
    let site = Arc::clone(site);
    Liar::start(move |asked| {
        let mut site = site.lock().unwrap();
        if asked.target.starts_with("/log/tile/entries/") {
            if site.bundles_left == 0 {
                return Reply::new(503, &[], b"");
            }
            site.bundles_left -= 1;
        }
        site.files.get(&asked.target).map_or_else(|| Reply::new(404, &[], b""), |body| Reply::new(200, &[], body))
    })
    .await
}

async fn follower(key: &SigningKey, url: &str) -> TestNode {
    let here = node(2).await;
    let new = NewRemote {
        name: "a".to_owned(),
        kind: RemoteKind::Peer,
        url: url.to_owned(),
        log_key: Some(key.verifier().to_string()),
        witness_key: None,
        token: None,
        line: "default".to_owned(),
        settings: PeerSettings { allow_private: true, ..PeerSettings::default() }.to_value(),
    };
    let added = here.hub.catalog().remote_insert(&new, here.hub.clock().now()).await.unwrap();
    assert!(matches!(added, RemoteAdded::Added(_)));
    here
}

/// Returns how many entries of the log are applied.
async fn applied(here: &TestNode) -> u64 {
    let remote = here.hub.catalog().remote_get_by_name("a").await.unwrap().unwrap();
    here.hub.catalog().feed_get(remote.id).await.unwrap().map_or(0, |feed| feed.tree.size)
}

/// What was asked of the tree: bundles by their number, and tiles of hashes as nothing.
fn tiles_asked(server: &Liar) -> Vec<Option<usize>> {
    let asked =
        server.asked().into_iter().filter_map(|asked| Some(asked.target.strip_prefix("/log/tile/")?.to_owned()));
    asked
        .map(|tile| {
            let entries = tile.strip_prefix("entries/")?;
            Some(entries.split(".p/").next().unwrap().parse().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn a_log_that_grew_by_much_is_read_in_steps_that_are_proved() {
    let key = SigningKey::of_log(&[9; 32]);
    let all = entries(2 * STEP + 1_200);
    let first = files(&key, &all[..(2 * STEP + 1_000) as usize]);
    let site = Arc::new(Mutex::new(Site { files: first, bundles_left: 70 }));
    let server = serve(&site).await;
    let here = follower(&key, &server.url()).await;

    // The line is cut six bundles into the second step: the first is applied, and proved before.
    let error = poll(&here, "a").await.unwrap_err();
    assert!(matches!(error, PeerError::Wire(_)), "{error}");
    assert_eq!(applied(&here).await, STEP);
    let asked = tiles_asked(&server);
    let (step, rest) = asked.split_at(64);
    assert_eq!(step, (0..64).map(Some).collect::<Vec<_>>());
    let proof = rest.iter().take_while(|tile| tile.is_none()).count();
    assert!(proof > 0, "a proof needs tiles: {rest:?}");
    assert_eq!(rest[proof..proof + 6], (64..70).map(Some).collect::<Vec<_>>());

    // Meanwhile the log has grown. It goes on where it was, and no bundle of the first step is asked for again.
    *site.lock().unwrap() = Site { files: files(&key, &all), bundles_left: usize::MAX };
    let before = tiles_asked(&server).len();
    assert_eq!(poll(&here, "a").await.unwrap(), Polled::Grew { from: STEP, to: all.len() as u64 });
    assert_eq!(applied(&here).await, all.len() as u64);
    let asked = tiles_asked(&server).split_off(before);
    let bundles: Vec<usize> = asked.iter().flatten().copied().collect();
    assert_eq!(bundles, (64..=(all.len() - 1) / 256).collect::<Vec<_>>());
    let proved = asked[64..].iter().take_while(|tile| tile.is_none()).count();
    assert!(proved > 0, "the second step is proved too: {asked:?}");
    let found = here.hub.catalog().feed_search("", 1_000).await.unwrap();
    assert_eq!(found.len() as u64, REPOS);
    assert_eq!(poll(&here, "a").await.unwrap(), Polled::Same);
}

#[tokio::test]
async fn a_step_that_is_not_the_beginning_of_what_was_signed_is_not_applied() {
    let key = SigningKey::of_log(&[9; 32]);
    let all = entries(STEP + 300);
    let mut told = files(&key, &all);
    // One entry of the first step says something else than what was signed.
    let mut other = all[..256].to_vec();
    other[7].clone_from(&all[8]);
    let bundle = EntryBundle::encode(other.iter().map(Vec::as_slice)).unwrap();
    assert!(told.insert("/log/tile/entries/000".to_owned(), bundle).is_some());
    let site = Arc::new(Mutex::new(Site { files: told, bundles_left: usize::MAX }));
    let server = serve(&site).await;
    let here = follower(&key, &server.url()).await;
    let error = poll(&here, "a").await.unwrap_err();
    assert_eq!(error.incident(), Some("wrong-log"), "{error}");
    assert_eq!(applied(&here).await, 0);
    assert!(tiles_asked(&server).iter().flatten().all(|bundle| *bundle < 64), "the next step is not even asked for");
    assert!(here.hub.catalog().feed_search("", 9).await.unwrap().is_empty());
    // With the right bytes it goes on from the beginning.
    site.lock().unwrap().files = files(&key, &all);
    assert_eq!(poll(&here, "a").await.unwrap(), Polled::Grew { from: 0, to: all.len() as u64 });
}
