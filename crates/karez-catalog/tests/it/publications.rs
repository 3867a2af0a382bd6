//! What the node tells the world that it publishes.

use karez_catalog::{Catalog, Publication, PublicationQuery, RepoPatch};
use karez_types::{RepoKind, Visibility};

use crate::db::{Db, NOW, cases};

cases!(an_address_has_one_latest_word, what_was_published_before_the_table_is_known);

async fn all(db: &Db) -> Vec<Publication> {
    let query = PublicationQuery { with_gone: true, limit: 100, ..PublicationQuery::default() };
    db.catalog.publications(&query).await.unwrap()
}

fn told(list: &[Publication]) -> Vec<(String, bool)> {
    list.iter().map(|one| (one.address.id(), one.repo.is_some())).collect()
}

fn visible(visibility: Visibility) -> RepoPatch {
    RepoPatch { visibility: Some(visibility), ..RepoPatch::default() }
}

/// Five repositories of amina: published, made private, deleted, moved, and never public.
async fn filled(db: &Db) {
    let amina = db.user("Amina").await;
    db.repo(&amina, "Stays", Visibility::Public).await;
    let shut = db.repo(&amina, "shut", Visibility::Public).await;
    let gone = db.repo(&amina, "gone", Visibility::Public).await;
    let moves = db.repo(&amina, "moves", Visibility::Public).await;
    db.repo(&amina, "secret", Visibility::Private).await;
    db.catalog.repo_update(shut.id, &visible(Visibility::Private), NOW.plus_secs(1)).await.unwrap();
    db.catalog.repo_delete(gone.id, NOW.plus_secs(2)).await.unwrap();
    db.catalog.repo_move(moves.id, amina.id, &"moved".parse().unwrap(), NOW.plus_secs(3)).await.unwrap();
}

async fn an_address_has_one_latest_word(db: &Db) {
    filled(db).await;
    let expected = [
        ("amina/stays", true),
        ("amina/shut", false),
        ("amina/gone", false),
        ("amina/moved", true),
        ("amina/moves", false),
    ];
    let expected = expected.map(|(id, is_there)| (id.to_owned(), is_there));
    assert_eq!(told(&all(db).await), expected);
    // Pages of two, in the same order.
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let query = PublicationQuery { with_gone: true, after, limit: 2, ..PublicationQuery::default() };
        let page = db.catalog.publications(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.index, format!("models/{}", last.address.id())));
        pages.extend(page);
    }
    assert_eq!(told(&pages), expected);
    // By time, by kind, and only what is there.
    let from = PublicationQuery {
        from: Some(NOW.plus_secs(1)),
        until: Some(NOW.plus_secs(2)),
        with_gone: true,
        limit: 9,
        ..PublicationQuery::default()
    };
    assert_eq!(told(&db.catalog.publications(&from).await.unwrap()), expected[1..3]);
    let datasets =
        PublicationQuery { kind: Some(RepoKind::Dataset), with_gone: true, limit: 9, ..PublicationQuery::default() };
    assert_eq!(db.catalog.publications(&datasets).await.unwrap(), []);
    let there = PublicationQuery { limit: 9, ..PublicationQuery::default() };
    assert_eq!(db.catalog.publications(&there).await.unwrap().len(), 2);
    assert_eq!(db.catalog.publication_parts(1_000).await.unwrap(), [(0, 2)]);
    assert_eq!(db.catalog.publications_by_repo(0, 1_000, 10).await.unwrap().len(), 2);
    assert_eq!(db.catalog.publication_first().await.unwrap(), Some(NOW));
    assert!(db.catalog.publication_get("models/amina/shut").await.unwrap().unwrap().repo.is_none());
    assert_eq!(db.catalog.publication_get("models/amina/secret").await.unwrap(), None);
    // What comes back has its address again.
    let shut = all(db).await;
    let repo = db.catalog.repo_find(&crate::db::model("amina/shut")).await.unwrap().unwrap().repo;
    db.catalog.repo_update(repo.id, &visible(Visibility::Public), NOW.plus_secs(9)).await.unwrap();
    let last = all(db).await.pop().unwrap();
    assert_eq!((last.address.id(), last.repo, shut.len()), ("amina/shut".to_owned(), Some(repo.id), 5));
}

async fn what_was_published_before_the_table_is_known(db: &Db) {
    filled(db).await;
    let told_before = told(&all(db).await);
    // The database as the version before left it.
    crate::garbage::before_the_tables(db).await;
    for table in ["collection_item", "collection", "repo_like", "publication"] {
        db.sql(&format!("DROP TABLE {table}")).await;
    }
    db.sql("DROP INDEX repo_by_trend").await;
    db.sql("ALTER TABLE repo DROP COLUMN trend").await;
    db.sql("ALTER TABLE account DROP COLUMN owned_bytes_max").await;
    db.sql("DELETE FROM schema_version WHERE version >= 6").await;
    let catalog = Catalog::open(&db.url, NOW).await.unwrap();
    catalog.close().await;
    let (mut before, mut after) = (told_before, told(&all(db).await));
    before.sort();
    after.sort();
    assert_eq!(after, before);
}
