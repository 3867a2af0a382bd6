//! The search index beside the catalog: several processes, restarts, damage, mirrors with grants.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use karez_catalog::{Catalog, Keep, MirrorCreated, MirrorPatch, NewMirror, NewRemote, RemoteKind};
use karez_hub::{
    Actor, Facet, Hub, HubParts, IndexPlace, NewToken, NoHighWater, RepoSettings, RepoWish, SearchProgress,
    SearchQuery, new_user,
};
use karez_store::{Store, StoreLocation};
use karez_testkit::{Origin, TestNode, log_keys};
use karez_types::{FixedClock, Limits, RepoAddress, RepoKind, SeededEntropy, TokenRole, Visibility};
use tempfile::TempDir;

use crate::mirrors::{body, noise, pointer, sha256};

/// Returns one process of a node.
async fn hub(database: &str) -> Hub {
    Hub::new(HubParts {
        catalog: Catalog::open(database, TestNode::START).await.unwrap(),
        store: Store::open(StoreLocation::Memory, 1 << 20).await.unwrap(),
        limits: Limits::default(),
        signing_key: [1; 32],
        log_keys: log_keys(3),
        high_water: Arc::new(NoHighWater),
        clock: Arc::new(FixedClock::at(TestNode::START)),
        entropy: Arc::new(SeededEntropy::new(1)),
    })
}

async fn publish(hub: &Hub, name: &str) -> RepoAddress {
    let wish = RepoWish {
        kind: RepoKind::Model,
        owner: Some("ada".parse().unwrap()),
        name: name.parse().unwrap(),
        visibility: Visibility::Public,
        sdk: None,
    };
    hub.repo_create(&Actor::Operator, wish).await.unwrap().address()
}

async fn settle(hub: &Hub) -> u64 {
    loop {
        if let SearchProgress::Current(repos) = hub.search_step().await.unwrap() {
            return repos;
        }
    }
}

/// Returns the names that somebody finds, and whether an index found them.
async fn found(hub: &Hub, actor: &Actor, text: &str) -> (Vec<String>, bool) {
    let page = hub.search(actor, &SearchQuery::of(text), None).await.unwrap();
    let mut names: Vec<String> = page.items.iter().map(|info| info.repo.name.to_string()).collect();
    names.sort_unstable();
    (names, page.total.is_some())
}

fn folder_of(folder: &Path) -> IndexPlace {
    IndexPlace::Folder(folder.to_owned())
}

/// Two processes on one database, each with an index of its own in one folder.
async fn processes_stay_in_step(database: &str) {
    let folder = TempDir::new().unwrap();
    let (one, two) = (hub(database).await, hub(database).await);
    one.account_create(&Actor::Operator, new_user("ada".parse().unwrap(), true)).await.unwrap();
    publish(&one, "canal-first").await;
    for process in [&one, &two] {
        // Names answer until the index is complete.
        assert_eq!(found(process, &Actor::Anonymous, "canal").await, (vec!["canal-first".to_owned()], false));
        process.search_open(folder_of(folder.path())).await.unwrap();
        assert_eq!(settle(process).await, 1);
    }
    let second = publish(&one, "canal-second").await;
    for process in [&one, &two] {
        let both = vec!["canal-first".to_owned(), "canal-second".to_owned()];
        assert_eq!(found(process, &Actor::Anonymous, "canal").await, (both, true));
    }
    let hidden = RepoSettings { visibility: Some(Visibility::Private), ..RepoSettings::default() };
    two.repo_settings_change(&Actor::Operator, &second, hidden).await.unwrap();
    assert_eq!(found(&one, &Actor::Anonymous, "canal").await.0, ["canal-first"]);
    one.repo_delete(&Actor::Operator, &second).await.unwrap();
    assert_eq!(settle(&two).await, 1);
    assert_eq!(found(&two, &Actor::Operator, "canal").await.0, ["canal-first"]);
    one.catalog().close().await;
    two.catalog().close().await;
}

#[tokio::test]
async fn processes_on_one_sqlite_stay_in_step() {
    let folder = TempDir::new().unwrap();
    processes_stay_in_step(&format!("sqlite:{}", folder.path().join("k.db").display())).await;
}

#[tokio::test]
async fn processes_on_one_postgres_stay_in_step() {
    let server = std::env::var("KAREZ_TEST_POSTGRES").expect(
        "this case needs a PostgreSQL server, named in KAREZ_TEST_POSTGRES: run it through `cargo xtask test`, which starts one",
    );
    let mark = if server.contains('?') { '&' } else { '?' };
    // A schema of its own: the command line of the connection makes nothing, so the tables' own database does.
    let name = format!("search_{}", std::process::id());
    let admin = tokio::process::Command::new("psql").args([&server, "-qc", &format!("CREATE SCHEMA {name}")]).status();
    assert!(admin.await.unwrap().success());
    processes_stay_in_step(&format!("{server}{mark}options=-csearch_path%3D{name}")).await;
    let drop = format!("DROP SCHEMA {name} CASCADE");
    tokio::process::Command::new("psql").args([&server, "-qc", &drop]).status().await.unwrap();
}

#[tokio::test]
async fn a_restart_goes_on_and_damage_begins_anew() {
    let folder = TempDir::new().unwrap();
    let database = format!("sqlite:{}", folder.path().join("k.db").display());
    let place = folder.path().join("search");
    let first = hub(&database).await;
    first.account_create(&Actor::Operator, new_user("ada".parse().unwrap(), true)).await.unwrap();
    for number in 0..300 {
        publish(&first, &format!("well-{number}")).await;
    }
    first.search_open(folder_of(&place)).await.unwrap();
    assert_eq!(settle(&first).await, 300);
    drop(first);

    // While nobody looks, something changes.
    let second = hub(&database).await;
    publish(&second, "spring").await;
    second.search_open(folder_of(&place)).await.unwrap();
    // What is there already is not built again: the first step is the last.
    assert_eq!(second.search_step().await.unwrap(), SearchProgress::Current(301));
    assert_eq!(found(&second, &Actor::Anonymous, "spring").await, (vec!["spring".to_owned()], true));
    drop(second);

    for file in fs::read_dir(place.join("1/index")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::write(file, b"no index").unwrap();
    }
    let third = hub(&database).await;
    third.search_open(folder_of(&place)).await.unwrap();
    assert_eq!(found(&third, &Actor::Anonymous, "spring").await, (vec!["spring".to_owned()], false));
    assert_eq!(settle(&third).await, 301);
    assert_eq!(found(&third, &Actor::Anonymous, "spring").await, (vec!["spring".to_owned()], true));
}

#[tokio::test]
async fn restricted_mirrors_are_found_by_whom_the_origin_lets_in() {
    let folder = TempDir::new().unwrap();
    let hub = hub(&format!("sqlite:{}", folder.path().join("k.db").display())).await;
    let mut people = Vec::new();
    for person in ["ada", "ben"] {
        hub.account_create(&Actor::Operator, new_user(person.parse().unwrap(), false)).await.unwrap();
        let new = NewToken { name: "t".to_owned(), role: TokenRole::Read, expires: None };
        let token = hub.token_create(&Actor::Operator, person, new).await.unwrap();
        people.push(hub.sign_in(Some(&token)).await.unwrap());
    }
    let remote = NewRemote {
        name: "far".into(),
        kind: RemoteKind::Upstream,
        url: "https://far.example".into(),
        log_key: None,
        witness_key: None,
        token: None,
        line: "default".into(),
        settings: serde_json::json!({}),
    };
    hub.catalog().remote_insert(&remote, TestNode::START).await.unwrap();
    let remote = hub.catalog().remote_get_by_name("far").await.unwrap().unwrap();
    let new = NewMirror {
        address: RepoAddress::parse(RepoKind::Model, "far/gated-well").unwrap(),
        remote: remote.id,
        remote_repo: RepoAddress::parse(RepoKind::Model, "far/gated-well").unwrap(),
        keep: Keep::Metadata,
        is_restricted: true,
        verified_by: "upstream".to_owned(),
        gated: Some("manual".to_owned()),
    };
    let MirrorCreated::Created(made) = hub.catalog().mirror_create(&new, TestNode::START).await.unwrap() else {
        panic!()
    };
    hub.search_open(IndexPlace::Memory).await.unwrap();
    settle(&hub).await;
    let ada = people[0].user().unwrap().account.id;
    hub.catalog().mirror_grant_set(made.0.id, ada, true, TestNode::START).await.unwrap();
    for (actor, expected) in [(&Actor::Anonymous, 0), (&people[0], 1), (&people[1], 0), (&Actor::Operator, 1)] {
        assert_eq!(found(&hub, actor, "well").await.0.len(), expected, "{actor:?}");
    }
    // Opened at the origin: everybody finds it, and it is not held here.
    let patch = MirrorPatch { is_restricted: Some(false), ..MirrorPatch::default() };
    hub.catalog().mirror_update(made.0.id, &patch).await.unwrap();
    assert_eq!(found(&hub, &people[1], "well").await.0, ["gated-well"]);
    let query = SearchQuery { facet_values: 3, ..SearchQuery::of("well") };
    let page = hub.search(&Actor::Anonymous, &query, None).await.unwrap();
    let counts = |word: &str| page.facets.iter().find(|one| one.facet.as_str() == word).unwrap().values.clone();
    assert_eq!((counts("held"), counts("origin")), (vec![("no".to_owned(), 1)], vec![("far".to_owned(), 1)]));
}

#[tokio::test]
async fn a_mirror_is_held_as_far_as_its_files_are_here() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/well").await;
    let (one, two) = (noise(1, 100_000), noise(2, 100_000));
    let mut origin = Origin::default();
    let files: [(&str, &[u8]); 3] = [("README.md", b"# W\n"), ("a.bin", &pointer(&one)), ("b.bin", &pointer(&two))];
    let commit = origin.commit(&files, &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    let held = async |expected: &str| {
        let query = SearchQuery { facet_values: 3, ..SearchQuery::of("well") };
        let page = node.hub.search(&Actor::Anonymous, &query, None).await.unwrap();
        let counts = page.facets.iter().find(|one| one.facet == Facet::Held).unwrap();
        assert_eq!(counts.values, [(expected.to_owned(), 1)]);
        let narrowed = SearchQuery { facets: vec![(Facet::Held, expected.to_owned())], ..query };
        assert_eq!(node.hub.search(&Actor::Anonymous, &narrowed, None).await.unwrap().total, Some(1));
    };
    held("no").await;
    for (file, expected) in [(&one, "part"), (&two, "yes")] {
        node.hub.mirror_file_ingest(&repo, sha256(file), file.len() as u64, body(file)).await.unwrap();
        held(expected).await;
    }
    // One of them is evicted.
    node.hub.catalog().mirror_files_remove(repo.id, &[sha256(&one)]).await.unwrap();
    held("part").await;
    // A mirror without large files lacks nothing.
    let bare = origin.commit(&[("README.md", b"# W\n")], &[commit]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), bare)])).await.unwrap();
    held("yes").await;
}
