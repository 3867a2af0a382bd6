//! Newer, older and absent schemas.

use karez_catalog::{Catalog, CatalogError};

use crate::db::{Db, NOW, cases};

cases!(a_newer_schema_is_refused, an_empty_database_is_migrated_once, a_half_done_migration_is_not_taken_for_done);

async fn a_newer_schema_is_refused(db: &Db) {
    db.user("amina").await;
    db.sql("INSERT INTO schema_version (version, name, applied) VALUES (900, 'from the future', 0)").await;
    let error = Catalog::open(&db.url, NOW).await.err().unwrap();
    assert!(matches!(error, CatalogError::NewerSchema { found: 900, .. }), "{error:?}");
    assert!(error.to_string().contains("start the newer program"), "{error}");
    assert_eq!(db.count("account").await, 1, "nothing was touched");
}

async fn an_empty_database_is_migrated_once(db: &Db) {
    // Many programs open the same database, whose newest step is missing, at once.
    let versions = db.count("schema_version").await;
    for table in [
        "repo_access",
        "garbage_round",
        "xorb_leaving",
        "xorb_condemned",
        "file_condemned",
        "collection_item",
        "collection",
        "repo_like",
        "publication",
        "identity",
        "invitation",
        "session",
        "password",
        "repo_change",
        "incident",
        "have",
        "file_use",
        "transfer",
        "line_use",
        "line",
        "follow",
        "mirror_grant",
        "mirror_shallow",
        "mirror",
        "owner_origin",
        "feed_repo",
        "feed",
        "remote_login",
        "remote",
        "fork",
        "witnessed",
        "log_tree",
        "descriptor",
        "log_floor",
        "log_tile",
        "log_head",
        "log_entry",
        "secret",
        "upload",
        "dedup_chunk",
        "repo_file",
        "zone_file",
        "file_xorb",
        "lfs_file",
        "xet_file",
        "zone_xorb",
        "xorb",
        "discussion_edit",
        "discussion_event",
        "discussion",
        "repo_commit",
        "git_ref",
        "git_object",
        "repo_redirect",
        "repo_tag",
        "repo_card",
        "repo",
        "token",
        "membership",
        "account",
        "schema_version",
    ] {
        db.sql(&format!("DROP TABLE {table}")).await;
    }
    let open = || {
        let url = db.url.clone();
        tokio::spawn(async move { Catalog::open(&url, NOW).await.unwrap() })
    };
    for task in [open(), open(), open(), open()] {
        let catalog = task.await.unwrap();
        assert!(catalog.account_list(None, 1).await.unwrap().is_empty());
        catalog.close().await;
    }
    assert_eq!(db.count("schema_version").await, versions);
}

async fn a_half_done_migration_is_not_taken_for_done(db: &Db) {
    // A version that says less than what is there: the step fails, and the error says which engine
    // refused it, instead of a program that runs on tables that it does not know.
    db.sql("DELETE FROM schema_version").await;
    let error = Catalog::open(&db.url, NOW).await.err().unwrap();
    assert!(matches!(error, CatalogError::Database(_)), "{error:?}");
    assert_eq!(db.count("schema_version").await, 0);
}
