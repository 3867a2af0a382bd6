//! What peers publish, rules of what to follow, and who holds what.

use karez_catalog::{FeedAct, FeedChange, FeedFacts, FeedState, FeedTree, Keep, MirrorCreated, NewFollow, NewMirror};
use karez_types::{GitOid, RemoteId, RepoAddress, Timestamp};

use crate::db::{Db, NOW, cases, model};

cases!(
    a_feed_moves_only_from_where_it_was,
    a_feed_says_how_repositories_stand,
    trouble_is_noted_and_ends,
    owners_and_search_span_all_peers,
    what_was_done_is_not_pending,
    rules_keep_their_order,
    holders_are_found_by_entry,
    what_is_mirrored_whole_is_held_whole,
    feeds_go_with_their_remote
);

async fn remote(db: &Db, name: &str) -> RemoteId {
    db.sql(&format!(
        "INSERT INTO remote (name, kind, url, line, settings, added)
         VALUES ('{name}', 'peer', 'https://{name}.example', 'default', '{{}}', 0)"
    ))
    .await;
    RemoteId(db.count("remote").await)
}

fn tree(size: u64) -> FeedTree {
    FeedTree { size, frontier: vec![size as u8; 32], note: format!("note of {size}\n") }
}

fn facts(bytes: u64, tags: &[&str]) -> FeedFacts {
    FeedFacts {
        file_bytes: bytes,
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        license: Some("apache-2.0".into()),
        pipeline_tag: None,
        library_name: Some("gguf".into()),
    }
}

fn oid(letter: u8) -> GitOid {
    GitOid([letter; 20])
}

fn change(idx: u64, repo: &str, act: FeedAct) -> FeedChange {
    FeedChange { idx, repo: model(repo), at: Timestamp(idx as i64 * 1000), act }
}

fn publish(idx: u64, repo: &str) -> FeedChange {
    change(idx, repo, FeedAct::Publish { head: Some(oid(idx as u8)), facts: facts(100, &["tajik", "50%"]) })
}

async fn a_feed_moves_only_from_where_it_was(db: &Db) {
    let peer = remote(db, "dushanbe").await;
    assert_eq!(db.catalog.feed_get(peer).await.unwrap(), None);
    assert!(!db.catalog.feed_apply(peer, 3, &tree(5), &[publish(3, "a/x")], NOW).await.unwrap());
    let (one, two) = ([publish(0, "a/x")], [publish(0, "a/y")]);
    let (tree_one, tree_two) = (tree(1), tree(2));
    let (left, right) = tokio::join!(
        db.catalog.feed_apply(peer, 0, &tree_one, &one, NOW),
        db.catalog.feed_apply(peer, 0, &tree_two, &two, NOW)
    );
    assert!(left.unwrap() ^ right.unwrap(), "one of two that race moves it");
    assert_eq!(db.count("feed_repo").await, 1, "and only its changes are there");
    let size = db.catalog.feed_get(peer).await.unwrap().unwrap().tree.size;
    assert!(!db.catalog.feed_apply(peer, size + 1, &tree(9), &[], NOW).await.unwrap());
    assert!(db.catalog.feed_apply(peer, size, &tree(9), &[], NOW).await.unwrap());
    let feed = db.catalog.feed_get(peer).await.unwrap().unwrap();
    assert_eq!((feed.tree, feed.polled, feed.changed, feed.trouble), (tree(9), NOW, NOW, None));
    assert!(!db.catalog.feed_apply(RemoteId(99), 0, &tree(1), &[], NOW).await.unwrap(), "no such peer");
}

async fn a_feed_says_how_repositories_stand(db: &Db) {
    let peer = remote(db, "dushanbe").await;
    let get = async |id: &str| db.catalog.feed_repo(peer, &model(id)).await.unwrap();
    let step = async |size: u64, changes: &[FeedChange]| {
        assert!(db.catalog.feed_apply(peer, size, &tree(size + 1), changes, NOW).await.unwrap());
    };
    step(0, &[publish(0, "Amina/Base")]).await;
    let base = get("amina/base").await.unwrap();
    assert_eq!((base.repo.id().as_str(), base.state, base.head), ("Amina/Base", FeedState::Public, Some(oid(0))));
    assert_eq!((base.head_idx, base.facts.tags.len(), base.facts.file_bytes), (Some(0), 2, 100));

    let head = FeedAct::Head { head: Some(oid(7)), facts: Some(facts(200, &["new"])) };
    step(1, &[change(1, "amina/base", head), change(2, "amina/base", FeedAct::Ref)]).await;
    let base = get("amina/base").await.unwrap();
    assert_eq!((base.head, base.idx, base.head_idx, base.facts.file_bytes), (Some(oid(7)), 2, Some(1), 200));
    assert_eq!((base.facts.tags, base.at), (vec!["new".to_owned()], Timestamp(2000)));

    step(2, &[change(3, "amina/base", FeedAct::Head { head: None, facts: None })]).await;
    let base = get("amina/base").await.unwrap();
    assert_eq!((base.head, base.facts.file_bytes), (None, 200), "what is not said anew stays");

    step(3, &[publish(4, "amina/base"), change(5, "amina/base", FeedAct::Move { to: model("amina/new") })]).await;
    let old = get("amina/base").await.unwrap();
    assert_eq!((old.state, old.moved_to), (FeedState::Moved, Some(model("amina/new"))));
    let new = get("amina/new").await.unwrap();
    assert_eq!((new.state, new.head, new.head_idx), (FeedState::Public, Some(oid(4)), Some(4)));

    step(4, &[change(6, "amina/new", FeedAct::Withdraw), publish(6, "amina/base")]).await;
    assert_eq!(get("amina/new").await.unwrap().state, FeedState::Withdrawn);
    let base = get("amina/base").await.unwrap();
    assert_eq!((base.state, base.moved_to), (FeedState::Public, None), "the old address may be used again");
    // Another spelling of the same address is the same repository.
    step(5, &[change(7, "amina/base", FeedAct::Move { to: model("Amina/BASE") })]).await;
    let base = get("amina/base").await.unwrap();
    assert_eq!((base.repo.id().as_str(), base.state), ("Amina/BASE", FeedState::Public));
    step(6, &[change(8, "amina/base", FeedAct::Delete), change(9, "no/such", FeedAct::Delete)]).await;
    assert_eq!(get("amina/base").await.unwrap().state, FeedState::Deleted);
    assert_eq!(get("no/such").await, None, "entries about what was never published say nothing");
}

async fn trouble_is_noted_and_ends(db: &Db) {
    let peer = remote(db, "dushanbe").await;
    db.catalog.feed_trouble_set(peer, Some("it shows two histories")).await.unwrap();
    let feed = db.catalog.feed_get(peer).await.unwrap().unwrap();
    assert_eq!((feed.tree.size, feed.trouble.as_deref()), (0, Some("it shows two histories")));
    assert!(db.catalog.feed_apply(peer, 0, &tree(1), &[], NOW).await.unwrap());
    db.catalog.feed_trouble_set(peer, Some("away")).await.unwrap();
    assert_eq!(db.catalog.feed_list().await.unwrap()[0].trouble.as_deref(), Some("away"));
    db.catalog.feed_polled(peer, NOW.plus_secs(5)).await.unwrap();
    let feed = db.catalog.feed_get(peer).await.unwrap().unwrap();
    assert_eq!((feed.trouble, feed.polled, feed.changed), (None, NOW.plus_secs(5), NOW));
    db.catalog.feed_trouble_set(RemoteId(99), Some("nobody")).await.unwrap();
    assert_eq!(db.count("feed").await, 1);
}

async fn owners_and_search_span_all_peers(db: &Db) {
    let (one, two) = (remote(db, "dushanbe").await, remote(db, "khujand").await);
    let first = [publish(0, "Amina/base"), publish(1, "amina/small_1"), publish(2, "karim/x")];
    db.catalog.feed_apply(one, 0, &tree(3), &first, NOW).await.unwrap();
    let second = [publish(0, "amina/other"), change(1, "amina/other", FeedAct::Ref), publish(2, "zebo/y")];
    db.catalog.feed_apply(two, 0, &tree(3), &second, NOW).await.unwrap();
    db.catalog.feed_apply(two, 3, &tree(4), &[change(3, "zebo/y", FeedAct::Withdraw)], NOW).await.unwrap();

    let owners = db.catalog.feed_owner("AMINA").await.unwrap();
    let brief: Vec<_> = owners.iter().map(|owner| (owner.remote, owner.repos)).collect();
    assert_eq!(brief, [(one, 2), (two, 1)]);
    assert_eq!(owners[0].owner, "Amina");
    assert!(db.catalog.feed_owner("zebo").await.unwrap().is_empty(), "nothing public is under that name");
    let page = db.catalog.feed_owners(None, 2).await.unwrap();
    let rest = db.catalog.feed_owners(Some((&page[1].owner, page[1].remote)), 9).await.unwrap();
    assert_eq!((page.len(), rest.len(), rest[0].owner.as_str()), (2, 1, "karim"));

    assert_eq!(db.catalog.feed_find(&model("amina/OTHER")).await.unwrap()[0].remote, two);
    let page = db.catalog.feed_page(one, None, 2).await.unwrap();
    let rest = db.catalog.feed_page(one, Some(&page[1].repo), 2).await.unwrap();
    assert_eq!((page.len(), rest.len(), rest[0].repo.id().as_str()), (2, 1, "karim/x"));
    let found = async |words: &str| -> Vec<String> {
        db.catalog.feed_search(words, 9).await.unwrap().iter().map(|repo| repo.repo.id()).collect()
    };
    assert_eq!(found("AMINA Base").await, ["Amina/base"]);
    assert_eq!(found("amina tajik 50%").await.len(), 3);
    assert_eq!(found("small_1").await, ["amina/small_1"]);
    assert_eq!(found("small%1").await.len(), 0);
    assert_eq!(found("zebo").await.len(), 0, "withdrawn things are not found");
    assert_eq!(found("").await.len(), 4);
}

async fn what_was_done_is_not_pending(db: &Db) {
    let peer = remote(db, "dushanbe").await;
    let all = [publish(0, "a/x"), publish(1, "a/y"), publish(2, "a/z")];
    db.catalog.feed_apply(peer, 0, &tree(3), &all, NOW).await.unwrap();
    let page = db.catalog.feed_pending(None, 2).await.unwrap();
    let rest = db.catalog.feed_pending(Some(&page[1]), 2).await.unwrap();
    assert_eq!((page.len(), rest.len()), (2, 1));
    for repo in page.iter().chain(&rest) {
        db.catalog.feed_done(peer, &repo.repo, repo.idx).await.unwrap();
    }
    assert!(db.catalog.feed_pending(None, 9).await.unwrap().is_empty());
    assert!(db.catalog.feed_repo(peer, &model("a/x")).await.unwrap().unwrap().is_done);
    // A new entry makes it pending again, also when an older one is reported done late.
    db.catalog.feed_apply(peer, 3, &tree(4), &[change(3, "a/x", FeedAct::Withdraw)], NOW).await.unwrap();
    db.catalog.feed_done(peer, &model("a/x"), 0).await.unwrap();
    let pending = db.catalog.feed_pending(None, 9).await.unwrap();
    assert_eq!((pending.len(), pending[0].state), (1, FeedState::Withdrawn));
    db.catalog.feed_done(peer, &model("a/x"), 3).await.unwrap();
    db.catalog.feed_look_again(Some(peer)).await.unwrap();
    assert_eq!(db.catalog.feed_pending(None, 9).await.unwrap().len(), 3);
}

async fn rules_keep_their_order(db: &Db) {
    let peer = remote(db, "dushanbe").await;
    db.catalog.feed_apply(peer, 0, &tree(1), &[publish(0, "a/x")], NOW).await.unwrap();
    db.catalog.feed_done(peer, &model("a/x"), 0).await.unwrap();
    let new = |remote, rule: &str| NewFollow { remote, rule: rule.into(), keep: Keep::Whole, copies: Some(2) };
    let first = db.catalog.follow_insert(&new(Some(peer), r#"{"owner":"a"}"#), NOW).await.unwrap();
    assert_eq!(db.catalog.feed_pending(None, 9).await.unwrap().len(), 1, "a new rule is tried on all there is");
    let second = db.catalog.follow_insert(&new(None, "{}"), NOW).await.unwrap();
    assert_eq!(db.catalog.follow_list().await.unwrap(), [first.clone(), second.clone()]);
    db.catalog.feed_done(peer, &model("a/x"), 0).await.unwrap();
    assert!(db.catalog.follow_delete(first.id).await.unwrap());
    assert!(!db.catalog.follow_delete(first.id).await.unwrap());
    assert_eq!(db.catalog.feed_pending(None, 9).await.unwrap().len(), 1);
    assert_eq!(db.catalog.follow_list().await.unwrap(), [second]);
}

async fn holders_are_found_by_entry(db: &Db) {
    let (one, two) = (remote(db, "dushanbe").await, remote(db, "khujand").await);
    db.catalog.have_replace(one, "log/a", &[0..3, 7..8]).await.unwrap();
    db.catalog.have_replace(two, "log/a", std::slice::from_ref(&(1..2))).await.unwrap();
    db.catalog.have_replace(two, "log/b", std::slice::from_ref(&(0..100))).await.unwrap();
    assert_eq!(db.catalog.have_holders("log/a", 1).await.unwrap(), [one, two]);
    assert_eq!(db.catalog.have_holders("log/a", 7).await.unwrap(), [one]);
    assert!(db.catalog.have_holders("log/a", 3).await.unwrap().is_empty());
    assert_eq!(db.catalog.have_count(one, "log/a").await.unwrap(), 4);
    db.catalog.have_replace(one, "log/a", &[]).await.unwrap();
    assert_eq!(db.catalog.have_count(one, "log/a").await.unwrap(), 0);
    assert_eq!(db.catalog.have_count(two, "log/b").await.unwrap(), 100);
    let many: Vec<_> = (0..500u64).map(|at| at * 2..at * 2 + 1).collect();
    db.catalog.have_replace(one, "log/a", &many).await.unwrap();
    assert_eq!(db.catalog.have_count(one, "log/a").await.unwrap(), 500);
}

async fn what_is_mirrored_whole_is_held_whole(db: &Db) {
    let peer = remote(db, "dushanbe").await;
    let all =
        [publish(0, "Amina/Whole"), publish(1, "amina/some"), publish(2, "amina/later"), publish(3, "amina/gone")];
    db.catalog.feed_apply(peer, 0, &tree(4), &all, NOW).await.unwrap();
    for (name, keep) in [("whole", Keep::Whole), ("some", Keep::Demand), ("later", Keep::Whole)] {
        let address = model(&format!("amina/{name}"));
        let new = NewMirror {
            address: address.clone(),
            remote: peer,
            remote_repo: address,
            keep,
            is_restricted: false,
            verified_by: "log".into(),
            gated: None,
        };
        let made = db.catalog.mirror_create(&new, NOW).await.unwrap();
        assert!(matches!(made, MirrorCreated::Created(_)), "{made:?}");
    }
    for (idx, name) in [(0, "whole"), (1, "some"), (3, "gone")] {
        db.catalog.feed_done(peer, &model(&format!("amina/{name}")), idx).await.unwrap();
    }
    assert_eq!(db.catalog.held_whole(peer).await.unwrap(), [0]);
    db.catalog.feed_done(peer, &model("amina/later"), 2).await.unwrap();
    assert_eq!(db.catalog.held_whole(peer).await.unwrap(), [0, 2]);
    db.catalog.feed_apply(peer, 4, &tree(5), &[change(4, "amina/whole", FeedAct::Ref)], NOW).await.unwrap();
    assert_eq!(db.catalog.held_whole(peer).await.unwrap(), [2], "not before it is done with");
}

async fn feeds_go_with_their_remote(db: &Db) {
    let peer = remote(db, "dushanbe").await;
    db.catalog.feed_apply(peer, 0, &tree(1), &[publish(0, "a/x")], NOW).await.unwrap();
    db.catalog.have_replace(peer, "log/a", std::slice::from_ref(&(0..1))).await.unwrap();
    db.sql("DELETE FROM remote").await;
    assert_eq!((db.count("feed").await, db.count("feed_repo").await, db.count("have").await), (0, 0, 0));
    let address: RepoAddress = model("a/x");
    assert!(db.catalog.feed_find(&address).await.unwrap().is_empty());
}
