//! Likes, how much something is used now, and collections.

use karez_catalog::{
    Collection, CollectionPatch, CollectionQuery, Direction, NewCollection, RepoQuery, RepoSort, Viewer,
};
use karez_types::{RepoKind, Visibility};

use crate::db::{Db, NOW, cases};

cases!(
    likes_are_counted_once_each,
    what_is_used_now_comes_first,
    collections_keep_their_order,
    what_is_private_is_listed_for_its_owner,
);

async fn likes_are_counted_once_each(db: &Db) {
    let (amina, badru) = (db.user("amina").await, db.user("badru").await);
    let repo = db.repo(&amina, "river", Visibility::Public).await;
    let secret = db.repo(&amina, "secret", Visibility::Private).await;
    let catalog = &db.catalog;
    let likes = async || catalog.repo_by_id(repo.id).await.unwrap().unwrap().likes;
    assert!(catalog.like_set(repo.id, amina.id, NOW).await.unwrap());
    assert!(!catalog.like_set(repo.id, amina.id, NOW.plus_secs(1)).await.unwrap());
    assert!(catalog.like_set(repo.id, badru.id, NOW.plus_secs(2)).await.unwrap());
    assert!(catalog.like_set(secret.id, amina.id, NOW.plus_secs(3)).await.unwrap());
    assert_eq!(likes().await, 2);
    let names: Vec<String> = catalog.likers(repo.id, 9).await.unwrap().iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, ["badru", "amina"]);
    // What somebody likes is told as far as the reader may see it.
    let liked = async |viewer| catalog.liked_by(amina.id, viewer, 9).await.unwrap().len();
    assert_eq!((liked(&Viewer::Anyone).await, liked(&Viewer::All).await), (1, 2));
    assert!(catalog.like_unset(repo.id, badru.id).await.unwrap());
    assert!(!catalog.like_unset(repo.id, badru.id).await.unwrap());
    assert_eq!(likes().await, 1);
    assert!(catalog.like_has(repo.id, amina.id).await.unwrap() && !catalog.like_has(repo.id, badru.id).await.unwrap());
    // Many at once, of many people, are all counted.
    let mut people = Vec::new();
    for n in 0..8 {
        people.push(db.user(&format!("p{n}")).await.id);
    }
    let tasks: Vec<_> = people
        .into_iter()
        .map(|person| {
            let catalog = catalog.clone();
            tokio::spawn(async move { catalog.like_set(repo.id, person, NOW).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(likes().await, 9);
    catalog.repo_delete(repo.id, NOW).await.unwrap();
    assert_eq!(db.count("repo_like").await, 1);
}

async fn what_is_used_now_comes_first(db: &Db) {
    let amina = db.user("amina").await;
    let old = db.repo(&amina, "old", Visibility::Public).await;
    let new = db.repo(&amina, "new", Visibility::Public).await;
    db.repo(&amina, "unused", Visibility::Public).await;
    db.catalog.repo_downloads_add(old.id, 20, NOW).await.unwrap();
    db.catalog.repo_downloads_add(new.id, 3, NOW.plus_secs(40 * 86_400)).await.unwrap();
    let list = async || {
        let query = RepoQuery {
            sort: RepoSort::Trending,
            direction: Direction::Descending,
            ..RepoQuery::all(RepoKind::Model, Viewer::Anyone, 9)
        };
        let names = db.catalog.repo_list(&query).await.unwrap().into_iter().map(|repo| repo.name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(list().await, ["new", "old", "unused"]);
    // A like is worth five downloads, and taking it back undoes it.
    db.catalog.like_set(old.id, amina.id, NOW.plus_secs(40 * 86_400)).await.unwrap();
    assert_eq!(list().await, ["old", "new", "unused"]);
    db.catalog.like_unset(old.id, amina.id).await.unwrap();
    assert_eq!(list().await, ["new", "old", "unused"]);
}

async fn make(db: &Db, owner: &karez_catalog::Account, n: u32, is_private: bool) -> Collection {
    let new = NewCollection {
        mark: format!("{n:024x}"),
        owner: owner.id,
        title: format!("t{n}"),
        description: String::new(),
        is_private,
    };
    assert!(db.catalog.collection_create(&new, 3, NOW.plus_secs(i64::from(n))).await.unwrap());
    db.catalog.collection_get(&new.mark).await.unwrap().unwrap()
}

async fn collections_keep_their_order(db: &Db) {
    let amina = db.user("amina").await;
    let made = make(db, &amina, 1, false).await;
    let mut repos = Vec::new();
    for name in ["a", "b", "c"] {
        let repo = db.repo(&amina, name, Visibility::Public).await;
        assert_eq!(db.catalog.collection_item_add(made.id, repo.id, name, 3, NOW).await.unwrap(), Some(true));
        repos.push(repo);
    }
    let catalog = &db.catalog;
    let notes = async || {
        let items = catalog.collection_items(made.id, 9).await.unwrap();
        items.into_iter().map(|item| item.note).collect::<Vec<_>>()
    };
    assert_eq!(catalog.collection_item_add(made.id, repos[0].id, "", 3, NOW).await.unwrap(), Some(false));
    let more = db.repo(&amina, "d", Visibility::Public).await;
    assert_eq!(catalog.collection_item_add(made.id, more.id, "", 3, NOW).await.unwrap(), None, "it is full");
    let last = catalog.collection_items(made.id, 9).await.unwrap().pop().unwrap();
    assert!(catalog.collection_item_update(made.id, last.id, Some("first"), Some(0), NOW).await.unwrap());
    assert_eq!(notes().await, ["first", "a", "b"]);
    assert!(!catalog.collection_item_update(made.id, 900, None, Some(0), NOW).await.unwrap());
    assert!(catalog.collection_item_delete(made.id, last.id, NOW).await.unwrap());
    assert!(!catalog.collection_item_delete(made.id, last.id, NOW).await.unwrap());
    let patch = CollectionPatch { title: Some("new".into()), is_private: Some(true), ..CollectionPatch::default() };
    catalog.collection_update(made.id, &patch, NOW.plus_secs(9)).await.unwrap();
    let changed = catalog.collection_get(&made.mark).await.unwrap().unwrap();
    assert_eq!((changed.title.as_str(), changed.is_private, changed.theme.as_str()), ("new", true, "orange"));
    catalog.repo_delete(repos[0].id, NOW).await.unwrap();
    assert_eq!(notes().await, ["b"]);
    catalog.collection_delete(made.id).await.unwrap();
    assert_eq!((db.count("collection").await, db.count("collection_item").await), (0, 0));
}

async fn what_is_private_is_listed_for_its_owner(db: &Db) {
    let (amina, badru) = (db.user("amina").await, db.user("badru").await);
    let shown = make(db, &amina, 1, false).await;
    make(db, &amina, 2, true).await;
    make(db, &badru, 3, true).await;
    make(db, &amina, 4, false).await;
    let new = NewCollection {
        mark: "x".into(),
        owner: amina.id,
        title: "t".into(),
        description: String::new(),
        is_private: false,
    };
    assert!(!db.catalog.collection_create(&new, 3, NOW).await.unwrap(), "three are enough");
    let list = async |query: CollectionQuery| {
        let found = db.catalog.collections(&CollectionQuery { limit: 9, ..query }).await.unwrap();
        found.into_iter().map(|one| one.title).collect::<Vec<_>>()
    };
    let of = |private_of| CollectionQuery { private_of, ..CollectionQuery::default() };
    assert_eq!(list(of(Some(vec![]))).await, ["t4", "t1"]);
    assert_eq!(list(of(Some(vec![amina.id]))).await, ["t4", "t2", "t1"]);
    assert_eq!(list(of(None)).await, ["t4", "t3", "t2", "t1"]);
    assert_eq!(list(CollectionQuery { owner: Some(badru.id), ..of(Some(vec![])) }).await, [""; 0]);
    let repo = db.repo(&badru, "r", Visibility::Public).await;
    db.catalog.collection_item_add(shown.id, repo.id, "", 9, NOW.plus_secs(60)).await.unwrap();
    assert_eq!(list(CollectionQuery { repo: Some(repo.id), ..of(Some(vec![])) }).await, ["t1"]);
    let next = CollectionQuery { after: Some((NOW.plus_secs(4), i64::MAX)), ..of(Some(vec![])) };
    assert_eq!(list(next).await, ["t4"]);
}
