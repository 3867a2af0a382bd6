//! Uploads, keys, scans, several processes, bad addresses.

use karez_catalog::{Catalog, CatalogError, CommitOutcome, UploadRow};
use karez_types::{Sha256, TokenRole, Visibility};

use crate::db::{Db, NOW, block_on, cases, commit_to_main, main};

cases!(
    uploads_end_once,
    the_first_key_stays,
    two_processes_share_a_database,
    scans_see_everything,
    rows_from_elsewhere_are_broken
);

async fn uploads_end_once(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let upload = |id: &str, secs| UploadRow {
        id: id.into(),
        repo_id: repo.id,
        sha256: Sha256([9; 32]),
        file_bytes: 1 << 40,
        part_bytes: 1 << 26,
        user: amina.id,
        expires: NOW.plus_secs(secs),
    };
    for (id, secs) in [("late", 100), ("soon", 10), ("sooner", 5)] {
        db.catalog.upload_create(&upload(id, secs), NOW).await.unwrap();
    }
    assert_eq!(db.catalog.upload_get("late").await.unwrap(), Some(upload("late", 100)));
    assert_eq!(db.catalog.upload_get("LATE").await.unwrap(), None);
    let expired = db.catalog.uploads_expired(NOW.plus_secs(10), 10).await.unwrap();
    assert_eq!(expired, [upload("sooner", 5), upload("soon", 10)]);
    let (left, right) = tokio::join!(db.catalog.upload_delete("soon"), db.catalog.upload_delete("soon"));
    assert!(left.unwrap() ^ right.unwrap(), "one hears yes");
}

async fn the_first_key_stays(db: &Db) {
    let (left, right) = tokio::join!(
        db.catalog.secret_get_or_create("signing", [1; 32]),
        db.catalog.secret_get_or_create("signing", [2; 32])
    );
    let key = left.unwrap();
    assert_eq!(key, right.unwrap());
    assert_eq!(db.catalog.secret_get_or_create("signing", [3; 32]).await.unwrap(), key);
    assert_eq!(db.catalog.secret_get_or_create("other", [3; 32]).await.unwrap(), [3; 32]);
}

async fn two_processes_share_a_database(db: &Db) {
    let second = Catalog::open(&db.url, NOW).await.unwrap();
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    assert_eq!(second.repo_by_id(repo.id).await.unwrap(), Some(repo.clone()));
    // Both write as fast as they can: nobody sees an error, and every commit that was applied counts.
    let mut tasks = Vec::new();
    for (number, catalog) in [&db.catalog, &second, &db.catalog, &second].into_iter().enumerate() {
        let (catalog, repo, user) = (catalog.clone(), repo.clone(), amina.id);
        tasks.push(tokio::spawn(async move {
            let mut applied = 0;
            for round in 0..10u8 {
                let head = catalog.ref_get(repo.id, &main()).await.unwrap();
                let write = commit_to_main(&repo, head, &format!("{number} {round}"));
                applied += i64::from(catalog.commit_apply(&write, NOW).await.unwrap() == CommitOutcome::Applied);
                let hash = [number as u8 * 50 + round; 32];
                catalog.token_create(user, &hash, "t", TokenRole::Read, None, NOW).await.unwrap();
            }
            applied
        }));
    }
    let mut applied = 0;
    for task in tasks {
        applied += task.await.unwrap();
    }
    assert_eq!(db.count("repo_commit").await, 1 + applied);
    assert_eq!(second.token_list(amina.id).await.unwrap().len(), 40);
    second.close().await;
    assert!(second.ref_get(repo.id, &main()).await.is_err());
    db.catalog.healthy().await.unwrap();
}

async fn scans_see_everything(db: &Db) {
    let amina = db.user("amina").await;
    let file = db.file(3, karez_types::Zone::of_owner(amina.id)).await;
    for name in ["a", "b", "c"] {
        let repo = db.repo(&amina, name, Visibility::Private).await;
        let mut write = commit_to_main(&repo, repo.head, name);
        write.content.files = vec![file.sha256];
        db.catalog.commit_apply(&write, NOW).await.unwrap();
    }
    let repos = db.catalog.repos_scan(karez_types::RepoId(0), 2).await.unwrap();
    assert_eq!(db.catalog.repos_scan(repos[1].id, 2).await.unwrap().len(), 1);
    let refs = db.catalog.refs_scan(None, 2).await.unwrap();
    let rest = db.catalog.refs_scan(Some((refs[1].repo_id, &refs[1].name)), 2).await.unwrap();
    assert_eq!((refs.len(), rest.len(), &rest[0].name), (2, 1, &main()));
    let files = db.catalog.repo_files_scan(None, 2).await.unwrap();
    let rest = db.catalog.repo_files_scan(Some((files[1].0, &files[1].1)), 2).await.unwrap();
    assert_eq!((files.len(), rest.len(), rest[0].1), (2, 1, file.sha256));
}

async fn rows_from_elsewhere_are_broken(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let file = db.file(3, repo.zone()).await;
    db.sql("UPDATE repo SET visibility = 'secret'").await;
    let error = db.catalog.repo_by_id(repo.id).await.unwrap_err();
    assert_eq!(error.to_string(), "a row of table `repo` is broken: unknown word \"secret\"");
    db.sql("UPDATE xet_file SET file_bytes = 1").await;
    assert!(matches!(db.catalog.file_by_hash(&file.hash).await, Err(CatalogError::Broken { .. })));
    db.sql("UPDATE xet_file SET terms = sha256").await;
    assert!(matches!(db.catalog.file_by_sha256(&file.sha256).await, Err(CatalogError::Broken { .. })));
    db.sql("UPDATE account SET name = 'a b'").await;
    assert!(matches!(db.catalog.account_by_id(amina.id).await, Err(CatalogError::Broken { .. })));
}

#[test]
fn addresses_that_cannot_be_used_say_so() {
    block_on(async {
        for url in ["", "karez.db", "mysql://x", "sqlite:/nowhere/at/all/karez.db"] {
            let error = Catalog::open(url, NOW).await.err().unwrap();
            assert!(matches!(error, CatalogError::Address(_)), "{url}: {error:?}");
        }
    });
}

#[cfg(unix)]
#[test]
fn the_database_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&format!("sqlite:{}/k.db", folder.path().display()), NOW).await.unwrap();
        catalog.secret_get_or_create("signing", [1; 32]).await.unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        }
    });
}

#[test]
fn a_restart_of_postgres_goes_unnoticed_between_requests() {
    block_on(async {
        let db = Db::postgres().await;
        let amina = db.user("amina").await;
        // Many connections are idle, and all of them end at once.
        let ask = || async { db.catalog.account_by_id(amina.id).await.unwrap() };
        tokio::join!(ask(), ask(), ask(), ask(), ask(), ask());
        db.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()",
        )
        .await;
        for _ in 0..10 {
            assert!(db.catalog.account_by_id(amina.id).await.unwrap().is_some());
        }
        db.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()",
        )
        .await;
        db.user("karim").await;
        db.finish().await;
    });
}

/// What the hub's futures need to run in a server.
#[test]
fn futures_can_move_between_threads() {
    fn sendable<F: Send>(_: F) {}
    fn check(catalog: &Catalog, write: &karez_catalog::CommitWrite) {
        sendable(catalog.commit_apply(write, NOW));
        sendable(catalog.token_lookup(&[0; 32]));
        sendable(catalog.files_insert(&[], karez_types::Zone::PUBLIC, karez_catalog::Brought::ByClient, NOW));
    }
    let _ = check;
}
