//! Mirrors: rows, what comes from the origin, grants, withdrawal.

use karez_catalog::{
    Keep, MirrorCreated, MirrorGrant, MirrorMark, MirrorPatch, MirrorWrite, NewMirror, OwnerBound, Remote, RemotePatch,
    Repo, RepoFacts, RepoQuery, Viewer,
};
use karez_formats::git::GitKind;
use karez_types::{RefName, RemoteId, RepoAddress, RepoId, RepoKind, Sha256, Timestamp, Visibility, Zone};
use serde_json::json;

use crate::db::{Db, NOW, cases, main, model, object};
use crate::remotes::remote;

cases!(
    a_mirror_is_created_with_its_owner,
    many_create_the_same_mirror_at_once,
    an_address_in_use_is_not_taken,
    what_comes_is_applied_together,
    history_may_end,
    files_are_served_once_added,
    restricted_mirrors_need_a_grant,
    withdrawn_mirrors_are_hidden_where_the_operator_says_so,
    a_mirror_changes,
);

const LATER: Timestamp = Timestamp(NOW.0 + 60_000);

pub fn new_mirror(remote: &Remote, id: &str) -> NewMirror {
    NewMirror {
        address: model(id),
        remote: remote.id,
        remote_repo: model(id),
        keep: Keep::Demand,
        is_restricted: false,
        verified_by: "upstream".to_owned(),
        gated: None,
    }
}

async fn mirror(db: &Db, new: &NewMirror) -> Repo {
    match db.catalog.mirror_create(new, NOW).await.unwrap() {
        MirrorCreated::Created(made) => made.0,
        other => panic!("{other:?}"),
    }
}

fn write(repo: &Repo) -> MirrorWrite {
    MirrorWrite {
        repo_id: repo.id,
        objects: Vec::new(),
        refs: Vec::new(),
        commits: Vec::new(),
        shallow: Vec::new(),
        unshallow: Vec::new(),
        is_whole_history: false,
        facts: None,
        modified: None,
        verified_by: "upstream".to_owned(),
    }
}

async fn a_mirror_is_created_with_its_owner(db: &Db) {
    let hub = remote(db, "hub").await;
    let new = NewMirror {
        remote_repo: RepoAddress::parse(RepoKind::Model, "Far/There").unwrap(),
        gated: Some("manual".to_owned()),
        is_restricted: true,
        ..new_mirror(&hub, "Far/here")
    };
    let MirrorCreated::Created(made) = db.catalog.mirror_create(&new, NOW).await.unwrap() else { panic!() };
    let (repo, mirror) = *made;
    assert_eq!(
        (repo.address(), repo.visibility, repo.gated.as_str()),
        (new.address.clone(), Visibility::Private, "manual")
    );
    let mark = MirrorMark { remote: hub.id, is_restricted: true, withdrawn: None, is_hidden: false };
    assert_eq!((repo.mirror, repo.head), (Some(mark), None));
    assert_eq!(
        (mirror.remote_repo.clone(), mirror.keep, mirror.held_since),
        (new.remote_repo.clone(), Keep::Demand, NOW)
    );
    assert!(!mirror.is_whole_history && !mirror.is_pinned && mirror.is_restricted);
    let found = db.catalog.mirror_find(&model("far/HERE")).await.unwrap();
    assert_eq!(found, Some((repo.clone(), mirror.clone())));
    assert_eq!(db.catalog.mirror_by_repo(repo.id).await.unwrap(), Some(mirror.clone()));
    assert_eq!(db.catalog.mirrors_of(hub.id, &model("far/there")).await.unwrap(), std::slice::from_ref(&mirror));
    assert_eq!(db.catalog.mirrors_by_repos(&[RepoId(99), repo.id]).await.unwrap(), std::slice::from_ref(&mirror));
    let again = db.catalog.mirror_create(&new, LATER).await.unwrap();
    assert_eq!(again, MirrorCreated::Exists(Box::new((repo.clone(), mirror.clone()))));
    assert_eq!(db.catalog.mirror_list(Some(hub.id), None, 10).await.unwrap(), [(repo.clone(), mirror.clone())]);
    assert_eq!(db.catalog.mirror_list(None, None, 10).await.unwrap(), [(repo.clone(), mirror)]);
    assert_eq!(db.catalog.mirror_list(None, Some(repo.id), 10).await.unwrap(), []);
    assert_eq!(db.catalog.mirror_list(Some(RemoteId(99)), None, 10).await.unwrap(), []);
}

async fn many_create_the_same_mirror_at_once(db: &Db) {
    let hub = remote(db, "hub").await;
    let new = new_mirror(&hub, "far/a");
    let results = futures_join(db, &new).await;
    let created = results.iter().filter(|it| matches!(it, MirrorCreated::Created(_))).count();
    assert_eq!((created, results.len()), (1, 8), "{results:?}");
    assert!(results.iter().all(|it| matches!(it, MirrorCreated::Created(_) | MirrorCreated::Exists(_))), "{results:?}");
}

async fn futures_join(db: &Db, new: &NewMirror) -> Vec<MirrorCreated> {
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (catalog, new) = (db.catalog.clone(), new.clone());
            tokio::spawn(async move { catalog.mirror_create(&new, NOW).await.unwrap() })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

async fn an_address_in_use_is_not_taken(db: &Db) {
    let (hub, well) = (remote(db, "hub").await, remote(db, "well").await);
    let amina = db.user("amina").await;
    db.repo(&amina, "own", Visibility::Public).await;
    let clash = db.catalog.mirror_create(&new_mirror(&hub, "amina/own"), NOW).await.unwrap();
    assert_eq!(clash, MirrorCreated::NameClash(OwnerBound::Own));
    let clash = db.catalog.mirror_create(&new_mirror(&hub, "Amina/other"), NOW).await.unwrap();
    assert_eq!(clash, MirrorCreated::NameClash(OwnerBound::Own));
    let far = mirror(db, &new_mirror(&hub, "far/a")).await;
    let clash = db.catalog.mirror_create(&new_mirror(&well, "far/b"), NOW).await.unwrap();
    assert!(matches!(clash, MirrorCreated::NameClash(OwnerBound::Elsewhere(_))), "{clash:?}");
    // The address, but another repository over there.
    let other = NewMirror { remote_repo: model("far/b"), ..new_mirror(&hub, "far/a") };
    assert_eq!(db.catalog.mirror_create(&other, NOW).await.unwrap(), MirrorCreated::Taken(Box::new(far)));
    assert_eq!(db.count("mirror").await, 1);
}

async fn what_comes_is_applied_together(db: &Db) {
    let hub = remote(db, "hub").await;
    let repo = mirror(db, &new_mirror(&hub, "far/a")).await;
    let (commit, tag) = (object(GitKind::Commit, "one"), object(GitKind::Tag, "tag"));
    let facts = RepoFacts { tags: vec!["gguf".to_owned()], ..RepoFacts::default() };
    let refs = vec![(main(), Some(commit.oid)), (RefName::tag("v1").unwrap(), Some(tag.oid))];
    let first = MirrorWrite {
        objects: vec![commit.clone(), tag.clone()],
        refs,
        commits: vec![commit.oid, tag.oid],
        facts: Some(facts),
        modified: Some(Timestamp(5)),
        verified_by: "log of well".to_owned(),
        ..write(&repo)
    };
    assert!(db.catalog.mirror_apply(&first, LATER).await.unwrap());
    let (found, mirror) = db.catalog.mirror_find(&repo.address()).await.unwrap().unwrap();
    assert_eq!((found.head, found.modified, found.tags), (Some(commit.oid), Timestamp(5), vec!["gguf".to_owned()]));
    assert_eq!((mirror.checked, mirror.verified_by.as_str(), mirror.held_since), (LATER, "log of well", NOW));
    assert!(db.catalog.repo_commit_contains(repo.id, tag.oid).await.unwrap());
    let among = db.catalog.repo_commits_among(repo.id, &[commit.oid, object(GitKind::Commit, "?").oid]).await.unwrap();
    assert_eq!(among, [commit.oid]);
    // A ref moves, another goes.
    let next = object(GitKind::Commit, "two");
    let refs = vec![(main(), Some(next.oid)), (RefName::tag("v1").unwrap(), None)];
    let second = MirrorWrite { objects: vec![next.clone()], refs, commits: vec![next.oid], ..write(&repo) };
    assert!(db.catalog.mirror_apply(&second, LATER).await.unwrap());
    assert_eq!(db.catalog.ref_list(repo.id).await.unwrap(), [(main(), next.oid)]);
    // A ref to what is not there changes nothing.
    let refs = vec![(main(), Some(object(GitKind::Commit, "three").oid))];
    let third = MirrorWrite { refs, objects: vec![object(GitKind::Blob, "unseen")], ..write(&repo) };
    assert!(db.catalog.mirror_apply(&third, LATER).await.is_err());
    assert_eq!(db.catalog.ref_list(repo.id).await.unwrap(), [(main(), next.oid)]);
    assert_eq!(db.count("git_object").await, 3);
    assert_eq!(db.count("log_entry").await, 0);
    // Nothing is written to a repository that is not a mirror, or is gone.
    let amina = db.user("amina").await;
    let own = db.repo(&amina, "own", Visibility::Public).await;
    let commits = db.count("repo_commit").await;
    assert!(!db.catalog.mirror_apply(&MirrorWrite { commits: vec![next.oid], ..write(&own) }, LATER).await.unwrap());
    db.catalog.repo_delete(repo.id, NOW).await.unwrap();
    assert!(!db.catalog.mirror_apply(&second, LATER).await.unwrap());
    assert!(db.count("repo_commit").await < commits);
    assert_eq!((db.count("mirror").await, db.count("mirror_shallow").await), (0, 0));
}

async fn history_may_end(db: &Db) {
    let hub = remote(db, "hub").await;
    let repo = mirror(db, &new_mirror(&hub, "far/a")).await;
    let [a, b] = ["a", "b"].map(|text| object(GitKind::Commit, text).oid);
    let cut = MirrorWrite { shallow: vec![a, b], ..write(&repo) };
    assert!(db.catalog.mirror_apply(&cut, NOW).await.unwrap());
    let mut both = vec![a, b];
    both.sort_unstable();
    assert_eq!(db.catalog.mirror_shallow(repo.id).await.unwrap(), both);
    assert!(db.catalog.is_shallow_anywhere(a).await.unwrap());
    let deeper = MirrorWrite { unshallow: vec![a], ..write(&repo) };
    assert!(db.catalog.mirror_apply(&deeper, NOW).await.unwrap());
    assert_eq!(db.catalog.mirror_shallow(repo.id).await.unwrap(), [b]);
    assert!(!db.catalog.is_shallow_anywhere(a).await.unwrap());
    let whole = MirrorWrite { is_whole_history: true, ..write(&repo) };
    assert!(db.catalog.mirror_apply(&whole, NOW).await.unwrap());
    assert_eq!(db.catalog.mirror_shallow(repo.id).await.unwrap(), []);
    assert!(db.catalog.mirror_by_repo(repo.id).await.unwrap().unwrap().is_whole_history);
}

async fn files_are_served_once_added(db: &Db) {
    let hub = remote(db, "hub").await;
    let repo = mirror(db, &new_mirror(&hub, "far/a")).await;
    let file = db.file(7, Zone(99)).await;
    assert!(!db.catalog.repo_file_has(repo.id, &file.sha256).await.unwrap());
    let zones = [repo.zone(), Zone::PUBLIC];
    let wanted = [file.sha256, Sha256([8; 32]), file.sha256];
    assert_eq!(db.catalog.mirror_files_add(repo.id, &wanted, &zones).await.unwrap(), 1);
    assert!(db.catalog.repo_file_has(repo.id, &file.sha256).await.unwrap());
    assert_eq!(db.catalog.repo_files_among(repo.id, &wanted).await.unwrap(), [file.sha256]);
    assert_eq!(db.catalog.files_in_zones(&wanted, &[Zone::PUBLIC]).await.unwrap(), [file.sha256]);
    assert_eq!(db.catalog.mirror_files_add(RepoId(99), &wanted, &zones).await.unwrap(), 0);
    db.catalog.mirror_files_remove(repo.id, &wanted).await.unwrap();
    assert!(!db.catalog.repo_file_has(repo.id, &file.sha256).await.unwrap());
}

async fn listed(db: &Db, viewer: &Viewer) -> Vec<String> {
    let query = RepoQuery::all(RepoKind::Model, viewer.clone(), 100);
    let mut ids: Vec<String> =
        db.catalog.repo_list(&query).await.unwrap().iter().map(|repo| repo.address().id()).collect();
    ids.sort();
    ids
}

async fn restricted_mirrors_need_a_grant(db: &Db) {
    let hub = remote(db, "hub").await;
    let (amina, karim) = (db.user("amina").await, db.user("karim").await);
    let secret = mirror(db, &NewMirror { is_restricted: true, ..new_mirror(&hub, "far/secret") }).await;
    mirror(db, &new_mirror(&hub, "far/open")).await;
    // Even who belongs to the owner's organization here has no right over there.
    db.catalog.member_set(secret.owner.id, karim.id, karez_types::OrgRole::Admin).await.unwrap();
    let as_amina = Viewer::User { id: amina.id, orgs: vec![], granted_since: NOW };
    let as_karim = Viewer::User { id: karim.id, orgs: vec![secret.owner.id], granted_since: NOW };
    assert_eq!(db.catalog.mirror_grant_get(secret.id, amina.id).await.unwrap(), None);
    for (allowed, at, sees) in [(true, LATER, true), (true, NOW, false), (false, LATER, false), (true, LATER, true)] {
        db.catalog.mirror_grant_set(secret.id, amina.id, allowed, at).await.unwrap();
        let grant = db.catalog.mirror_grant_get(secret.id, amina.id).await.unwrap();
        assert_eq!(grant, Some(MirrorGrant { is_allowed: allowed, checked: at }));
        assert_eq!(listed(db, &as_amina).await.len(), if sees { 2 } else { 1 }, "{allowed} {at:?}");
    }
    for viewer in [Viewer::Anyone, as_karim] {
        assert_eq!(listed(db, &viewer).await, ["far/open"]);
        assert!(!viewer.may_see(&secret));
    }
    assert_eq!(listed(db, &Viewer::All).await.len(), 2);
}

async fn withdrawn_mirrors_are_hidden_where_the_operator_says_so(db: &Db) {
    let hub = remote(db, "hub").await;
    let repo = mirror(db, &new_mirror(&hub, "far/a")).await;
    mirror(db, &new_mirror(&hub, "far/b")).await;
    let mark = async || db.catalog.repo_by_id(repo.id).await.unwrap().unwrap().mirror.unwrap();
    let update = async |patch: MirrorPatch| db.catalog.mirror_update(repo.id, &patch).await.unwrap().unwrap();
    let hide = |word: &str| RemotePatch { settings: Some(json!({ "withdrawn": word })), ..RemotePatch::default() };
    db.catalog.remote_update(hub.id, &hide("hide")).await.unwrap();
    assert!(!mark().await.is_hidden, "not withdrawn");
    update(MirrorPatch { withdrawn: Some(Some(LATER)), ..MirrorPatch::default() }).await;
    assert_eq!((mark().await.withdrawn, mark().await.is_hidden), (Some(LATER), true));
    assert_eq!(listed(db, &Viewer::Anyone).await, ["far/b"]);
    assert_eq!(listed(db, &Viewer::All).await, ["far/a", "far/b"]);
    update(MirrorPatch { local_override: Some(Some("keep".to_owned())), ..MirrorPatch::default() }).await;
    assert!(!mark().await.is_hidden);
    assert_eq!(listed(db, &Viewer::Anyone).await, ["far/a", "far/b"]);
    update(MirrorPatch { local_override: Some(None), ..MirrorPatch::default() }).await;
    assert!(mark().await.is_hidden);
    db.catalog.remote_update(hub.id, &hide("keep")).await.unwrap();
    assert_eq!((mark().await.withdrawn, mark().await.is_hidden), (Some(LATER), false));
    update(MirrorPatch { local_override: Some(Some("hide".to_owned())), ..MirrorPatch::default() }).await;
    assert!(mark().await.is_hidden);
    update(MirrorPatch { withdrawn: Some(None), ..MirrorPatch::default() }).await;
    assert_eq!((mark().await.withdrawn, mark().await.is_hidden), (None, false));
}

async fn a_mirror_changes(db: &Db) {
    let hub = remote(db, "hub").await;
    let repo = mirror(db, &NewMirror { is_restricted: true, ..new_mirror(&hub, "far/a") }).await;
    let file = db.file(7, repo.zone()).await;
    db.catalog.mirror_files_add(repo.id, &[file.sha256], &[repo.zone()]).await.unwrap();
    let before = db.catalog.mirror_by_repo(repo.id).await.unwrap().unwrap();
    let unchanged = db.catalog.mirror_update(repo.id, &MirrorPatch::default()).await.unwrap();
    assert_eq!(unchanged, Some(before.clone()));
    let patch = MirrorPatch {
        remote_repo: Some(model("far/b")),
        keep: Some(Keep::Whole),
        is_restricted: Some(false),
        gated: Some("false".to_owned()),
        checked: Some(LATER),
        verified_by: Some("log".to_owned()),
        is_pinned: Some(true),
        ..MirrorPatch::default()
    };
    let changed = db.catalog.mirror_update(repo.id, &patch).await.unwrap().unwrap();
    assert_eq!((changed.remote_repo.id(), changed.keep, changed.is_pinned), ("far/b".to_owned(), Keep::Whole, true));
    assert_eq!((changed.checked, changed.verified_by.as_str()), (LATER, "log"));
    assert_eq!(db.catalog.mirrors_of(hub.id, &model("far/a")).await.unwrap(), []);
    let open = db.catalog.repo_by_id(repo.id).await.unwrap().unwrap();
    assert_eq!((open.visibility, open.gated.as_str()), (Visibility::Public, "false"));
    assert_eq!(db.catalog.files_in_zones(&[file.sha256], &[Zone::PUBLIC]).await.unwrap(), [file.sha256]);
    assert_eq!(db.catalog.mirror_update(RepoId(99), &patch).await.unwrap(), None);
}
