//! Files on request.

use karez_catalog::{AccessStatus, RepoPatch};
use karez_types::{Visibility, Zone};

use crate::db::{Db, NOW, cases, commit_to_main};

cases!(requests_are_kept_and_answered, what_is_given_on_request_leaves_the_public_zone,);

async fn requests_are_kept_and_answered(db: &Db) {
    let (amina, badru) = (db.user("amina").await, db.user("badru").await);
    let repo = db.repo(&amina, "river", Visibility::Public).await;
    let catalog = &db.catalog;
    assert_eq!(catalog.access_get(repo.id, badru.id).await.unwrap(), None);
    let ask = async |status| catalog.access_ask(repo.id, badru.id, status, NOW).await.unwrap();
    assert_eq!(ask(AccessStatus::Pending).await, AccessStatus::Pending);
    // Asking again does not change what is.
    assert_eq!(ask(AccessStatus::Accepted).await, AccessStatus::Pending);
    let set = async |status, why| catalog.access_set(repo.id, badru.id, status, why, NOW.plus_secs(1)).await.unwrap();
    set(AccessStatus::Rejected, "no contract").await;
    assert_eq!(ask(AccessStatus::Accepted).await, AccessStatus::Rejected);
    let list = async |status| catalog.access_list(repo.id, status, 9).await.unwrap();
    let found = list(AccessStatus::Rejected).await;
    assert_eq!((found.len(), found[0].user.name.as_str(), found[0].reason.as_str()), (1, "badru", "no contract"));
    assert_eq!(list(AccessStatus::Pending).await, []);
    set(AccessStatus::Accepted, "").await;
    catalog.access_set(repo.id, amina.id, AccessStatus::Accepted, "", NOW.plus_secs(2)).await.unwrap();
    let names: Vec<_> = list(AccessStatus::Accepted).await.into_iter().map(|it| it.user.name.to_string()).collect();
    assert_eq!(names, ["amina", "badru"]);
    catalog.account_delete(badru.id).await.unwrap();
    assert_eq!(db.count("repo_access").await, 1);
    catalog.repo_delete(repo.id, NOW).await.unwrap();
    assert_eq!(db.count("repo_access").await, 0);
}

async fn what_is_given_on_request_leaves_the_public_zone(db: &Db) {
    let amina = db.user("amina").await;
    let catalog = &db.catalog;
    let repo = db.repo(&amina, "river", Visibility::Public).await;
    let other = db.repo(&amina, "lake", Visibility::Public).await;
    let (own, both) = (db.file(5, repo.zone()).await, db.file(6, repo.zone()).await);
    for (repo, files) in [(&repo, vec![own.sha256, both.sha256]), (&other, vec![both.sha256])] {
        let mut write = commit_to_main(repo, repo.head, "one");
        write.content.files = files;
        write.content.zones = vec![Zone::PUBLIC];
        catalog.commit_apply(&write, NOW).await.unwrap();
    }
    let files = [own.sha256, both.sha256];
    let public = async || catalog.files_in_zones(&files, &[Zone::PUBLIC]).await.unwrap();
    assert_eq!(public().await, files);
    let gate = async |word: &str| {
        let patch = RepoPatch { gated: Some(word.to_owned()), ..RepoPatch::default() };
        catalog.repo_update(repo.id, &patch, NOW).await.unwrap().unwrap()
    };
    assert!(gate("manual").await.is_on_request());
    assert_eq!(public().await, [both.sha256], "what an open repository has stays");
    assert_eq!(catalog.files_in_zones(&files, &[repo.zone()]).await.unwrap(), files, "its owner knows it");
    let xorbs = [own.terms[0].xorb, both.terms[0].xorb];
    assert_eq!(catalog.xorbs_in_zones(&xorbs, &[Zone::PUBLIC]).await.unwrap(), [both.terms[0].xorb]);
    // Becoming public does not open it, and opening what is private does not publish it.
    let see = async |visibility| {
        let patch = RepoPatch { visibility: Some(visibility), ..RepoPatch::default() };
        catalog.repo_update(repo.id, &patch, NOW).await.unwrap().unwrap()
    };
    see(Visibility::Private).await;
    see(Visibility::Public).await;
    assert_eq!(public().await, [both.sha256]);
    see(Visibility::Private).await;
    gate("false").await;
    assert_eq!(public().await, [both.sha256]);
    assert!(see(Visibility::Public).await.is_open());
    assert_eq!(public().await, files);
}
