//! Repositories: names, moves, redirects, deletion.

use karez_catalog::{NewRepo, RepoCreated, RepoFacts, RepoMoved, RepoPatch, UploadRow};
use karez_types::{AccountId, RefName, RepoId, RepoKind, Sha256, Visibility, Zone};

use crate::db::{Db, NOW, cases, commit_content, commit_to_main, model, opens};

cases!(
    names_are_unique_per_kind_and_owner,
    two_creations_at_once_make_one_repository,
    old_addresses_redirect_until_they_are_taken,
    a_move_to_another_case_keeps_one_name,
    deletion_takes_everything_along,
    settings_change_one_by_one,
    facts_replace_each_other,
    overviews_count,
);

fn new_repo(owner: AccountId, name: &str) -> NewRepo {
    NewRepo { kind: RepoKind::Model, owner, name: name.parse().unwrap(), visibility: Visibility::Private, sdk: None }
}

async fn names_are_unique_per_kind_and_owner(db: &Db) {
    let (amina, karim) = (db.user("Amina").await, db.user("karim").await);
    let repo = db.repo(&amina, "Bert-Uz", Visibility::Public).await;
    assert_eq!(repo.head, Some(commit_content("initial").target));
    assert_eq!((repo.created, repo.modified, repo.gated.as_str()), (NOW, NOW, "false"));
    let again = db.catalog.repo_create(&new_repo(amina.id, "bert-uZ"), &commit_content("x"), NOW).await.unwrap();
    assert_eq!(again, RepoCreated::Taken(repo.clone()));
    db.repo(&karim, "bert-uz", Visibility::Public).await;
    db.repo_of(RepoKind::Dataset, &amina, "bert-uz", Visibility::Public, NOW).await;
    let gone = db.catalog.repo_create(&new_repo(AccountId(99), "x"), &commit_content("x"), NOW).await.unwrap();
    assert_eq!(gone, RepoCreated::OwnerMissing);

    let found = db.catalog.repo_find(&model("aMINA/bERT-uz")).await.unwrap().unwrap();
    assert_eq!((found.repo.clone(), found.redirected), (repo.clone(), false));
    assert_eq!(found.repo.address(), model("Amina/Bert-Uz"));
    assert_eq!(db.catalog.repo_by_id(repo.id).await.unwrap(), Some(repo));
    assert_eq!(db.catalog.repo_find(&model("amina/other")).await.unwrap(), None);
    assert_eq!(db.catalog.repo_by_id(RepoId(99)).await.unwrap(), None);
}

async fn two_creations_at_once_make_one_repository(db: &Db) {
    let owner = db.user("amina").await;
    let (new, content) = (new_repo(owner.id, "r"), commit_content("initial"));
    let create = || db.catalog.repo_create(&new, &content, NOW);
    let (a, b, c) = tokio::join!(create(), create(), create());
    let outcomes = [a.unwrap(), b.unwrap(), c.unwrap()];
    assert_eq!(outcomes.iter().filter(|it| matches!(it, RepoCreated::Created(_))).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|it| matches!(it, RepoCreated::Taken(_))).count(), 2, "{outcomes:?}");
}

async fn old_addresses_redirect_until_they_are_taken(db: &Db) {
    let (amina, karim) = (db.user("amina").await, db.user("karim").await);
    let repo = db.repo(&amina, "one", Visibility::Private).await;
    let move_to = async |owner: AccountId, name: &str| {
        db.catalog.repo_move(repo.id, owner, &name.parse().unwrap(), NOW).await.unwrap()
    };
    let RepoMoved::Moved(moved) = move_to(amina.id, "two").await else { panic!() };
    assert_eq!(moved.address(), model("amina/two"));
    let RepoMoved::Moved(moved) = move_to(karim.id, "three").await else { panic!() };
    assert_eq!(moved.address(), model("karim/three"));
    for old in ["amina/one", "amina/TWO"] {
        let found = db.catalog.repo_find(&model(old)).await.unwrap().unwrap();
        assert_eq!((found.repo.id, found.redirected), (repo.id, true), "{old}");
    }
    assert!(!db.catalog.repo_find(&model("karim/three")).await.unwrap().unwrap().redirected);
    // Redirects are per kind.
    let dataset = karez_types::RepoAddress { kind: RepoKind::Dataset, ..model("amina/one") };
    assert_eq!(db.catalog.repo_find(&dataset).await.unwrap(), None);

    // A new repository takes an old address; a taken address cannot be moved to.
    let new = db.repo(&amina, "one", Visibility::Public).await;
    let found = db.catalog.repo_find(&model("amina/one")).await.unwrap().unwrap();
    assert_eq!((found.repo.id, found.redirected), (new.id, false));
    assert_eq!(move_to(amina.id, "ONE").await, RepoMoved::Taken(new));
    // Back to an address that redirects to the repository itself.
    let RepoMoved::Moved(back) = move_to(amina.id, "two").await else { panic!() };
    assert_eq!(back.address(), model("amina/two"));
    assert!(!db.catalog.repo_find(&model("amina/two")).await.unwrap().unwrap().redirected);
    assert!(db.catalog.repo_find(&model("karim/three")).await.unwrap().unwrap().redirected);
    assert_eq!(move_to(AccountId(99), "x").await, RepoMoved::Missing);
    assert!(db.catalog.repo_delete(repo.id, NOW).await.unwrap());
    assert_eq!(move_to(amina.id, "x").await, RepoMoved::Missing);
    assert_eq!(db.catalog.repo_find(&model("karim/three")).await.unwrap(), None);
}

async fn a_move_to_another_case_keeps_one_name(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "bert", Visibility::Public).await;
    let moved = db.catalog.repo_move(repo.id, amina.id, &"BERT".parse().unwrap(), NOW).await.unwrap();
    let RepoMoved::Moved(moved) = moved else { panic!("{moved:?}") };
    assert_eq!(moved.name.as_str(), "BERT");
    assert!(!db.catalog.repo_find(&model("amina/bert")).await.unwrap().unwrap().redirected);
    assert_eq!(db.count("repo_redirect").await, 0);
}

async fn deletion_takes_everything_along(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let file = db.file(7, repo.zone()).await;
    let mut write = commit_to_main(&repo, repo.head, "second");
    write.content.files = vec![file.sha256];
    write.content.facts = Some(RepoFacts {
        card: serde_json::json!({"license": "mit"}),
        tags: vec!["license:mit".into()],
        ..RepoFacts::default()
    });
    db.catalog.commit_apply(&write, NOW).await.unwrap();
    let mut request = commit_to_main(&repo, None, "request");
    request.ref_name = RefName::pull_request(1);
    request.proposal = opens(1, "t", "", &amina);
    db.catalog.commit_apply(&request, NOW).await.unwrap();
    let upload = UploadRow {
        id: "u".into(),
        repo_id: repo.id,
        sha256: Sha256([9; 32]),
        file_bytes: 10,
        part_bytes: 5,
        user: amina.id,
        expires: NOW,
    };
    db.catalog.upload_create(&upload, NOW).await.unwrap();
    db.catalog.repo_move(repo.id, amina.id, &"moved".parse().unwrap(), NOW).await.unwrap();

    let tables =
        ["git_ref", "repo_commit", "repo_file", "repo_card", "repo_tag", "repo_redirect", "discussion", "upload"];
    for table in tables {
        assert!(db.count(table).await > 0, "{table}");
    }
    assert!(db.catalog.repo_delete(repo.id, NOW).await.unwrap());
    assert!(!db.catalog.repo_delete(repo.id, NOW).await.unwrap());
    for table in tables {
        assert_eq!(db.count(table).await, 0, "{table}");
    }
    assert_eq!(db.catalog.repo_file_contains(repo.id, &file.hash).await.unwrap(), None);
    assert!(db.catalog.file_by_hash(&file.hash).await.unwrap().is_some(), "bytes stay until they are collected");
    assert!(db.repo(&amina, "r", Visibility::Public).await.id > repo.id, "ids are not used again");
}

async fn settings_change_one_by_one(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Private).await;
    let file = db.file(7, repo.zone()).await;
    let mut write = commit_to_main(&repo, repo.head, "second");
    write.content.files = vec![file.sha256];
    db.catalog.commit_apply(&write, NOW).await.unwrap();
    assert!(db.catalog.files_in_zones(&[file.sha256], &[Zone::PUBLIC]).await.unwrap().is_empty());

    let patch = RepoPatch { gated: Some("auto".into()), ..RepoPatch::default() };
    let changed = db.catalog.repo_update(repo.id, &patch, NOW).await.unwrap().unwrap();
    assert_eq!((changed.gated.as_str(), changed.visibility), ("auto", Visibility::Private));
    let patch = RepoPatch { visibility: Some(Visibility::Public), ..RepoPatch::default() };
    let changed = db.catalog.repo_update(repo.id, &patch, NOW).await.unwrap().unwrap();
    assert_eq!((changed.gated.as_str(), changed.visibility), ("auto", Visibility::Public));
    // What everybody may read, everybody may hear of, and nothing else.
    assert!(db.catalog.files_in_zones(&[file.sha256], &[Zone::PUBLIC]).await.unwrap().is_empty());
    let patch = RepoPatch { gated: Some("false".into()), ..RepoPatch::default() };
    assert!(db.catalog.repo_update(repo.id, &patch, NOW).await.unwrap().unwrap().is_open());
    assert_eq!(db.catalog.files_in_zones(&[file.sha256], &[Zone::PUBLIC]).await.unwrap(), [file.sha256]);
    let xorb = file.terms[0].xorb;
    assert_eq!(db.catalog.xorbs_in_zones(&[xorb], &[Zone::PUBLIC]).await.unwrap(), [xorb]);
    assert_eq!(db.catalog.repo_update(RepoId(99), &patch, NOW).await.unwrap(), None);

    db.catalog.repo_downloads_add(repo.id, 3, NOW).await.unwrap();
    db.catalog.repo_downloads_add(repo.id, 4, NOW).await.unwrap();
    assert_eq!(db.catalog.repo_by_id(repo.id).await.unwrap().unwrap().downloads, 7);

    // A new owner's writers may speak of the files that come along.
    let karim = db.user("karim").await;
    assert!(db.catalog.files_in_zones(&[file.sha256], &[Zone::of_owner(karim.id)]).await.unwrap().is_empty());
    db.catalog.repo_move(repo.id, karim.id, &"r".parse().unwrap(), NOW).await.unwrap();
    assert_eq!(db.catalog.files_in_zones(&[file.sha256], &[Zone::of_owner(karim.id)]).await.unwrap(), [file.sha256]);
}

async fn facts_replace_each_other(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    assert_eq!(db.catalog.repo_card(repo.id).await.unwrap(), serde_json::Value::Null);
    let facts = RepoFacts {
        card: serde_json::json!({"language": ["uz", "fa"], "nul": "a\0b"}),
        tags: vec!["uz".into(), "fa".into(), "fa".into(), "odd\0tag".into()],
        pipeline_tag: Some("text-generation".into()),
        library_name: Some("transformers".into()),
    };
    db.catalog.repo_facts_set(repo.id, &facts).await.unwrap();
    let found = db.catalog.repo_by_id(repo.id).await.unwrap().unwrap();
    assert_eq!((found.tags.clone(), found.pipeline_tag.clone()), (facts.tags.clone(), facts.pipeline_tag.clone()));
    assert_eq!(db.catalog.repo_cards(&[repo.id]).await.unwrap(), [(repo.id, facts.card.clone())]);
    assert_eq!(db.count("repo_tag").await, 3);
    db.catalog.repo_facts_set(repo.id, &RepoFacts::default()).await.unwrap();
    let found = db.catalog.repo_by_id(repo.id).await.unwrap().unwrap();
    assert_eq!((found.tags, found.library_name), (Vec::<String>::new(), None));
    assert_eq!(db.catalog.repo_card(repo.id).await.unwrap(), serde_json::Value::Null);
    assert_eq!(db.count("repo_tag").await, 0);
}

async fn overviews_count(db: &Db) {
    let (amina, karim) = (db.user("amina").await, db.user("karim").await);
    let repo = db.repo(&amina, "open", Visibility::Public).await;
    db.repo(&amina, "closed", Visibility::Private).await;
    db.repo(&karim, "other", Visibility::Public).await;
    let count = async |visibility| db.catalog.repo_count(RepoKind::Model, amina.id, visibility).await.unwrap();
    assert_eq!((count(None).await, count(Some(Visibility::Public)).await), (2, 1));
    assert_eq!(db.catalog.repo_count(RepoKind::Dataset, amina.id, None).await.unwrap(), 0);
    assert_eq!(db.catalog.repo_stored_bytes(repo.id).await.unwrap(), 0);
    let mut write = commit_to_main(&repo, repo.head, "files");
    for letter in [1, 2] {
        write.content.files.push(db.file_of(letter, letter, &[letter, 9], repo.zone()).await.sha256);
    }
    db.catalog.commit_apply(&write, NOW).await.unwrap();
    assert_eq!(db.catalog.repo_stored_bytes(repo.id).await.unwrap(), 4000);
}
