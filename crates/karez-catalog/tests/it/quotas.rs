//! What owners may own.

use karez_catalog::{
    Account, AccountKind, Catalog, CommitOutcome, CommitWrite, MirrorCreated, NewRepo, OverQuota, OwnerRoom, Quota,
    Repo, RepoCreated, RepoMoved,
};
use karez_types::{AccountId, RepoKind, Sha256, Visibility, Zone};

use crate::db::{Db, NOW, cases, commit_content, commit_to_main};
use crate::mirrors::new_mirror;
use crate::remotes::remote;

cases!(
    each_file_counts_once_and_mirrors_not_at_all,
    what_was_decided_for_one_goes_first,
    a_commit_over_the_quota_changes_nothing,
    of_commits_that_race_only_what_fits_is_applied,
    a_repository_does_not_come_to_whom_it_is_too_much,
    lengths_tell_what_is_certainly_new,
);

/// Commits files to the main branch of a repository as it is now.
async fn commit(catalog: &Catalog, repo: &Repo, text: &str, files: &[Sha256]) -> CommitOutcome {
    let repo = catalog.repo_by_id(repo.id).await.unwrap().unwrap();
    let mut write = commit_to_main(&repo, repo.head, text);
    write.content.files = files.to_vec();
    catalog.commit_apply(&write, NOW).await.unwrap()
}

/// Stores files of 1,000 bytes, except that file 9 has 3,000.
async fn files(db: &Db, owner: &Account) -> [Sha256; 4] {
    let zone = Zone::of_owner(owner.id);
    let mut stored = Vec::new();
    for letter in [1, 2, 3] {
        stored.push(db.file(letter, zone).await.sha256);
    }
    stored.push(db.file_of(9, 9, &[1, 2, 3], zone).await.sha256);
    stored.try_into().unwrap()
}

async fn owned_bytes(db: &Db, account: AccountId) -> u64 {
    db.catalog.owner_room(account).await.unwrap().owned_bytes
}

async fn each_file_counts_once_and_mirrors_not_at_all(db: &Db) {
    let amina = db.user("amina").await;
    let acme = db.account("acme", AccountKind::Organization).await;
    let [one, two, three, nine] = files(db, &amina).await;
    assert_eq!(owned_bytes(db, amina.id).await, 0);
    let first = db.repo(&amina, "first", Visibility::Public).await;
    let second = db.repo(&amina, "second", Visibility::Private).await;
    let other = db.repo(&acme, "other", Visibility::Public).await;
    commit(&db.catalog, &first, "a", &[one, two, one]).await;
    commit(&db.catalog, &first, "b", &[one]).await;
    commit(&db.catalog, &second, "c", &[one, nine]).await;
    commit(&db.catalog, &other, "d", &[one, three]).await;
    // The chunks of `nine` are those of the others: that counts in nobody's favour.
    assert_eq!(owned_bytes(db, amina.id).await, 5_000);
    assert_eq!(owned_bytes(db, acme.id).await, 2_000);
    // What comes from elsewhere is nobody's here.
    let hub = remote(db, "hub").await;
    let made = db.catalog.mirror_create(&new_mirror(&hub, "Far/here"), NOW).await.unwrap();
    let MirrorCreated::Created(made) = made else { panic!("{made:?}") };
    db.catalog.mirror_files_add(made.0.id, &[one, two], &[]).await.unwrap();
    assert_eq!(db.catalog.repo_stored_bytes(made.0.id).await.unwrap(), 2_000);
    assert_eq!(owned_bytes(db, made.0.owner.id).await, 0);
    db.catalog.repo_delete(second.id, NOW).await.unwrap();
    assert_eq!(owned_bytes(db, amina.id).await, 2_000);
}

async fn what_was_decided_for_one_goes_first(db: &Db) {
    let amina = db.user("amina").await;
    let catalog = db.catalog.clone().with_owner_bytes_max(Some(500));
    let seen = async |quota| {
        assert!(db.catalog.quota_set(amina.id, quota).await.unwrap());
        let owner_room = catalog.owner_room(amina.id).await.unwrap();
        assert_eq!(owner_room, OwnerRoom { owned_bytes: 0, quota, bytes_max: owner_room.bytes_max });
        assert_eq!(catalog.owner_bytes_max(amina.id).await.unwrap(), owner_room.bytes_max);
        owner_room.bytes_max
    };
    assert_eq!(catalog.owner_room(amina.id).await.unwrap().quota, Quota::OfNode);
    assert_eq!(seen(Quota::Bytes(7)).await, Some(7));
    assert_eq!(seen(Quota::Bytes(0)).await, Some(0));
    assert_eq!(seen(Quota::Unbounded).await, None);
    assert_eq!(seen(Quota::OfNode).await, Some(500));
    assert_eq!(db.catalog.owner_bytes_max(amina.id).await.unwrap(), None, "a node without a bound of its own");
    assert!(!db.catalog.quota_set(AccountId(99), Quota::Bytes(1)).await.unwrap());
}

async fn a_commit_over_the_quota_changes_nothing(db: &Db) {
    let amina = db.user("amina").await;
    let [one, two, three, nine] = files(db, &amina).await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let catalog = db.catalog.clone().with_owner_bytes_max(Some(2_500));
    assert_eq!(commit(&catalog, &repo, "a", &[one, two]).await, CommitOutcome::Applied);
    let (objects, head) = (db.count("git_object").await, catalog.repo_by_id(repo.id).await.unwrap().unwrap().head);
    let over = OverQuota { owned_bytes: 2_000, new_bytes: 1_000, bytes_max: 2_500 };
    assert_eq!(commit(&catalog, &repo, "b", &[one, three]).await, CommitOutcome::OverQuota(over));
    let over = OverQuota { new_bytes: 4_000, ..over };
    assert_eq!(commit(&catalog, &repo, "b", &[three, nine, three]).await, CommitOutcome::OverQuota(over));
    assert_eq!((db.count("git_object").await, db.count("repo_file").await), (objects, 2));
    assert_eq!(catalog.repo_by_id(repo.id).await.unwrap().unwrap().head, head);
    // Who has more than allowed since before goes on with what they have, and with small files.
    db.catalog.quota_set(amina.id, Quota::Bytes(1)).await.unwrap();
    let other = db.repo(&amina, "other", Visibility::Public).await;
    assert_eq!(commit(&catalog, &other, "c", &[one, two]).await, CommitOutcome::Applied);
    assert_eq!(commit(&catalog, &repo, "d", &[]).await, CommitOutcome::Applied);
    // What fits exactly fits.
    let over = OverQuota { bytes_max: 5_999, ..over };
    db.catalog.quota_set(amina.id, Quota::Bytes(5_999)).await.unwrap();
    assert_eq!(commit(&catalog, &repo, "e", &[three, nine]).await, CommitOutcome::OverQuota(over));
    db.catalog.quota_set(amina.id, Quota::Bytes(6_000)).await.unwrap();
    assert_eq!(commit(&catalog, &repo, "e", &[three, nine]).await, CommitOutcome::Applied);
}

async fn of_commits_that_race_only_what_fits_is_applied(db: &Db) {
    let amina = db.user("amina").await;
    let zone = Zone::of_owner(amina.id);
    let catalog = db.catalog.clone().with_owner_bytes_max(Some(3_000));
    let mut writes: Vec<CommitWrite> = Vec::new();
    // Each to a repository of its own, so nothing but the owner is shared.
    for letter in 1..=8 {
        let repo = db.repo(&amina, &format!("r{letter}"), Visibility::Public).await;
        let mut write = commit_to_main(&repo, repo.head, "x");
        write.content.files = vec![db.file(letter, zone).await.sha256];
        writes.push(write);
    }
    let tasks: Vec<_> = writes
        .into_iter()
        .map(|write| {
            let catalog = catalog.clone();
            tokio::spawn(async move { catalog.commit_apply(&write, NOW).await.unwrap() })
        })
        .collect();
    let mut applied = 0;
    for task in tasks {
        match task.await.unwrap() {
            CommitOutcome::Applied => applied += 1,
            CommitOutcome::OverQuota(over) => assert_eq!((over.new_bytes, over.bytes_max), (1_000, 3_000)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((applied, owned_bytes(db, amina.id).await), (3, 3_000));
}

async fn a_repository_does_not_come_to_whom_it_is_too_much(db: &Db) {
    let amina = db.user("amina").await;
    let karim = db.user("karim").await;
    let [one, two, _, nine] = files(db, &amina).await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    commit(&db.catalog, &repo, "a", &[one, two, nine]).await;
    let his = db.repo(&karim, "his", Visibility::Public).await;
    commit(&db.catalog, &his, "a", &[one]).await;
    db.catalog.quota_set(karim.id, Quota::Bytes(4_999)).await.unwrap();
    let name = "came".parse().unwrap();
    let over = OverQuota { owned_bytes: 1_000, new_bytes: 4_000, bytes_max: 4_999 };
    let moved = db.catalog.repo_move(repo.id, karim.id, &name, NOW).await.unwrap();
    assert_eq!(moved, RepoMoved::OverQuota(over));
    let there = db.catalog.repo_by_id(repo.id).await.unwrap().unwrap();
    assert_eq!((there.owner.id, there.name.as_str()), (amina.id, "r"));
    assert_eq!(db.count("repo_redirect").await, 0);
    // A copy: the same, at its first commit.
    let kind = RepoKind::Model;
    let new = NewRepo { kind, owner: karim.id, name: name.clone(), visibility: Visibility::Public, sdk: None };
    let mut content = commit_content("a copy");
    content.files = vec![one, two, nine];
    let repos = db.count("repo").await;
    assert_eq!(db.catalog.repo_create(&new, &content, NOW).await.unwrap(), RepoCreated::OverQuota(over));
    assert_eq!(db.count("repo").await, repos);
    // Within one owner nothing is new.
    db.catalog.quota_set(amina.id, Quota::Bytes(0)).await.unwrap();
    let moved = db.catalog.repo_move(repo.id, amina.id, &name, NOW).await.unwrap();
    assert!(matches!(moved, RepoMoved::Moved(_)), "{moved:?}");
    db.catalog.quota_set(karim.id, Quota::Bytes(5_000)).await.unwrap();
    let moved = db.catalog.repo_move(repo.id, karim.id, &name, NOW).await.unwrap();
    assert!(matches!(moved, RepoMoved::Moved(_)), "{moved:?}");
    assert_eq!((owned_bytes(db, amina.id).await, owned_bytes(db, karim.id).await), (0, 5_000));
}

async fn lengths_tell_what_is_certainly_new(db: &Db) {
    let amina = db.user("amina").await;
    let [one, two, three, _] = files(db, &amina).await;
    let repo = db.repo(&amina, "r", Visibility::Private).await;
    commit(&db.catalog, &repo, "a", &[one, two]).await;
    let lengths = db.catalog.owner_lengths_among(amina.id, &[999, 1_000, 3_000]).await.unwrap();
    assert_eq!(lengths, [1_000].into());
    let held = db.catalog.owner_files_among(amina.id, &[one, three]).await.unwrap();
    assert_eq!(held, [one].into());
}
