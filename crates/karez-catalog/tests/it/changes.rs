//! What changed since when, also for readers beside writers.

use std::collections::{BTreeSet, HashSet};

use karez_catalog::{Change, MirrorCreated, MirrorPatch, RemotePatch, RepoFacts, RepoPatch, Viewer};
use karez_types::{RepoId, Sha256, Visibility};

use crate::db::{Db, NOW, cases, commit_to_main};
use crate::mirrors::new_mirror;
use crate::remotes::remote;

cases!(
    every_act_is_a_change,
    looking_at_a_mirror_is_no_change,
    pages_join,
    nothing_is_missed_beside_writers,
    a_restored_database_is_noticed,
    ids_and_eyes
);

/// Somebody who reads on and passes over what they know: what is not settled is given out again.
struct Reader {
    place: i64,
    known: HashSet<(RepoId, i64)>,
}

impl Reader {
    async fn start(db: &Db) -> Reader {
        Reader { place: db.catalog.changes_settled().await.unwrap(), known: HashSet::new() }
    }

    /// Returns what is new, reading pages of so many.
    async fn read(&mut self, db: &Db, limit: u64) -> Vec<RepoId> {
        let (mut seen, mut after, mut settled) = (Vec::new(), None, None);
        loop {
            let page = db.catalog.changes(self.place, after, limit).await.unwrap();
            settled.get_or_insert(page.settled);
            let new = page.list.iter().filter(|change| self.known.insert((change.repo, change.change)));
            seen.extend(new.map(|change| change.repo));
            after = page.list.last().copied();
            if (page.list.len() as u64) < limit {
                self.place = settled.unwrap();
                return seen;
            }
        }
    }
}

async fn every_act_is_a_change(db: &Db) {
    let amina = db.user("amina").await;
    let bao = db.user("bao").await;
    let mut reader = Reader::start(db).await;
    let repo = db.repo(&amina, "one", Visibility::Public).await;
    let other = db.repo(&amina, "other", Visibility::Public).await;
    assert_eq!(reader.read(db, 10).await, [repo.id, other.id]);
    assert_eq!(reader.read(db, 10).await, []);
    for act in ["commit", "hide", "facts", "downloads", "move", "delete"] {
        match act {
            "commit" => {
                db.catalog.commit_apply(&commit_to_main(&repo, repo.head, "next"), NOW).await.unwrap();
            }
            "hide" => {
                let patch = RepoPatch { visibility: Some(Visibility::Private), ..RepoPatch::default() };
                db.catalog.repo_update(repo.id, &patch, NOW).await.unwrap();
            }
            "facts" => db.catalog.repo_facts_set(repo.id, &RepoFacts::default()).await.unwrap(),
            "downloads" => db.catalog.repo_downloads_add(repo.id, 3, NOW).await.unwrap(),
            "move" => {
                db.catalog.repo_move(repo.id, bao.id, &"two".parse().unwrap(), NOW).await.unwrap();
            }
            _ => assert!(db.catalog.repo_delete(repo.id, NOW).await.unwrap()),
        }
        assert_eq!(reader.read(db, 10).await, [repo.id], "{act}");
    }
    // What did not happen is no change.
    assert!(!db.catalog.repo_delete(RepoId(9_999), NOW).await.unwrap());
    assert_eq!(reader.read(db, 10).await, []);
}

async fn looking_at_a_mirror_is_no_change(db: &Db) {
    let hub = remote(db, "hub").await;
    let mut reader = Reader::start(db).await;
    let MirrorCreated::Created(made) = db.catalog.mirror_create(&new_mirror(&hub, "far/one"), NOW).await.unwrap()
    else {
        panic!()
    };
    let id = made.0.id;
    assert_eq!(reader.read(db, 10).await, [id]);
    let looked = MirrorPatch { checked: Some(NOW), verified_by: Some("log".to_owned()), ..MirrorPatch::default() };
    db.catalog.mirror_update(id, &looked).await.unwrap();
    assert_eq!(reader.read(db, 10).await, []);
    // How much of it is here is news, in both directions.
    let file = Sha256([7; 32]);
    db.catalog.mirror_files_add(id, &[file], &[]).await.unwrap();
    assert_eq!(reader.read(db, 10).await, [id]);
    db.catalog.mirror_files_remove(id, &[file]).await.unwrap();
    assert_eq!(reader.read(db, 10).await, [id]);
    let withdrawn = MirrorPatch { withdrawn: Some(Some(NOW)), ..MirrorPatch::default() };
    db.catalog.mirror_update(id, &withdrawn).await.unwrap();
    assert_eq!(reader.read(db, 10).await, [id]);
    // What the remote hides changes what is seen of all its mirrors.
    let hides = RemotePatch { settings: Some(serde_json::json!({"on_withdraw": "hide"})), ..RemotePatch::default() };
    db.catalog.remote_update(hub.id, &hides).await.unwrap();
    assert_eq!(reader.read(db, 10).await, [id]);
}

async fn pages_join(db: &Db) {
    let amina = db.user("amina").await;
    let place = db.catalog.changes_settled().await.unwrap();
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(db.repo(&amina, &format!("r{number}"), Visibility::Public).await.id);
    }
    for limit in [1, 2, 3, 7, 8] {
        let mut reader = Reader { place, known: HashSet::new() };
        assert_eq!(reader.read(db, limit).await, made);
    }
    assert_eq!(db.catalog.repos_all(made[2], 3).await.unwrap().len(), 3);
}

/// Writers that overlap, and a reader that always goes on from what it was told is settled.
async fn nothing_is_missed_beside_writers(db: &Db) {
    let amina = db.user("amina").await;
    let mut place = db.catalog.changes_settled().await.unwrap();
    let mut repos = Vec::new();
    for number in 0..8 {
        repos.push(db.repo(&amina, &format!("r{number}"), Visibility::Public).await.id);
    }
    let mut newest = std::collections::HashMap::new();
    let writers: Vec<_> = repos
        .iter()
        .map(|&repo| {
            let catalog = db.catalog.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    catalog.repo_downloads_add(repo, 1, NOW).await.unwrap();
                }
            })
        })
        .collect();
    loop {
        let is_over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let page = db.catalog.changes(place, None, 1_000).await.unwrap();
        for Change { repo, change } in page.list {
            let seen: &mut i64 = newest.entry(repo).or_default();
            *seen = change.max(*seen);
        }
        place = page.settled;
        if is_over {
            break;
        }
    }
    // The reader has seen the last change of everything.
    for Change { repo, change } in db.catalog.changes(0, None, 1_000).await.unwrap().list {
        assert_eq!(newest.get(&repo), Some(&change));
    }
    let seen: BTreeSet<RepoId> = newest.into_keys().collect();
    assert_eq!(seen, repos.into_iter().collect());
}

async fn a_restored_database_is_noticed(db: &Db) {
    let amina = db.user("amina").await;
    db.repo(&amina, "one", Visibility::Public).await;
    db.repo(&amina, "two", Visibility::Public).await;
    let place = db.catalog.changes_settled().await.unwrap();
    db.sql("DELETE FROM repo_change WHERE repo_id = (SELECT MAX(repo_id) FROM repo_change)").await;
    if db.url.starts_with("sqlite") {
        assert!(db.catalog.changes_settled().await.unwrap() < place);
    } else {
        // Numbers from another server, which this one has yet to come to.
        db.sql("UPDATE repo_change SET change = change + 4000000000").await;
        db.catalog.changes_settled().await.unwrap();
        assert_eq!(db.count("repo_change").await, 0);
    }
}

async fn ids_and_eyes(db: &Db) {
    let (amina, bao) = (db.user("amina").await, db.user("bao").await);
    let open = db.repo(&amina, "open", Visibility::Public).await;
    let shut = db.repo(&amina, "shut", Visibility::Private).await;
    let many: Vec<RepoId> = (1..400).map(RepoId).collect();
    let viewer = |id| Viewer::User { id, orgs: Vec::new(), granted_since: NOW };
    for (viewer, expected) in [
        (Viewer::Anyone, vec![open.id]),
        (viewer(bao.id), vec![open.id]),
        (viewer(amina.id), vec![open.id, shut.id]),
        (Viewer::All, vec![open.id, shut.id]),
    ] {
        let mut seen: Vec<RepoId> =
            db.catalog.repos_visible(&many, &viewer).await.unwrap().into_iter().map(|repo| repo.id).collect();
        seen.sort_unstable();
        assert_eq!(seen, expected, "{viewer:?}");
    }
}
