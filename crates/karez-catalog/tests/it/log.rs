//! The node's own log, what it witnesses, and proofs of forks.

use karez_catalog::{
    CommitOutcome, CommitWrite, LogTile, LogTree, NewFork, RefOutcome, Repo, RepoFacts, RepoPatch, Witnessed,
};
use karez_formats::log_entry::{LogAct, LogEntry, LogFacts};
use karez_types::{GitOid, RefName, Sha256, Visibility, Zone};

use crate::db::{Db, NOW, cases, commit_to_main, main, model, opens};

cases!(
    every_public_act_is_an_entry,
    private_gated_and_failed_acts_leave_none,
    what_becomes_public_is_published_with_its_facts,
    writers_that_race_leave_no_gap,
    a_missing_entry_is_an_error,
    trees_advance_one_at_a_time,
    a_floor_only_rises,
    a_description_is_counted_when_it_changes,
    a_witness_stores_what_it_checked,
    a_fork_is_kept_once,
);

async fn entries(db: &Db) -> Vec<LogEntry> {
    let entries = db.catalog.log_entries(0, 1000).await.unwrap();
    assert_eq!(db.catalog.log_size().await.unwrap(), entries.len() as u64);
    entries.iter().map(|bytes| LogEntry::parse(bytes).unwrap()).collect()
}

async fn acts(db: &Db) -> Vec<LogAct> {
    entries(db).await.into_iter().map(|entry| entry.act).collect()
}

fn gated(word: &str) -> RepoPatch {
    RepoPatch { gated: Some(word.into()), ..RepoPatch::default() }
}

fn visible(visibility: Visibility) -> RepoPatch {
    RepoPatch { visibility: Some(visibility), ..RepoPatch::default() }
}

async fn every_public_act_is_an_entry(db: &Db) {
    let amina = db.user("Amina").await;
    let repo = db.repo(&amina, "River", Visibility::Public).await;
    let first = repo.head.unwrap();
    let later = NOW.plus_secs(60);
    let write = commit_to_main(&repo, repo.head, "second");
    let second = write.content.target;
    assert_eq!(db.catalog.commit_apply(&write, later).await.unwrap(), CommitOutcome::Applied);
    let request = RefName::pull_request(1);
    let proposal = CommitWrite {
        ref_name: request.clone(),
        expected: None,
        proposal: opens(1, "t", "", &amina),
        ..commit_to_main(&repo, None, "third")
    };
    let third = proposal.content.target;
    assert_eq!(db.catalog.commit_apply(&proposal, later).await.unwrap(), CommitOutcome::Applied);
    let tag: RefName = "refs/tags/v1".parse().unwrap();
    assert_eq!(db.catalog.ref_create(repo.id, &tag, first, later).await.unwrap(), RefOutcome::Applied);
    assert_eq!(db.catalog.ref_set(repo.id, &tag, first, second, later).await.unwrap(), RefOutcome::Applied);
    assert_eq!(db.catalog.ref_delete(repo.id, &tag, second, later).await.unwrap(), RefOutcome::Applied);
    db.catalog.repo_move(repo.id, amina.id, &"Delta".parse().unwrap(), later).await.unwrap();
    db.catalog.repo_update(repo.id, &visible(Visibility::Private), later).await.unwrap();
    db.catalog.repo_update(repo.id, &visible(Visibility::Public), later).await.unwrap();
    db.catalog.repo_update(repo.id, &gated("auto"), later).await.unwrap();
    db.catalog.repo_update(repo.id, &gated("manual"), later).await.unwrap();
    db.catalog.repo_update(repo.id, &gated("false"), later).await.unwrap();
    assert!(db.catalog.repo_delete(repo.id, later).await.unwrap());

    let all = entries(db).await;
    let moved = |name: &RefName, previous, target, facts| LogAct::Ref { name: name.clone(), target, previous, facts };
    let publish = |head| LogAct::Publish { head: Some(head), facts: LogFacts::default() };
    let expected = [
        publish(first),
        moved(&main(), Some(first), second, Some(LogFacts::default())),
        moved(&request, None, third, None),
        moved(&tag, None, first, None),
        moved(&tag, Some(first), second, None),
        LogAct::Unref { name: tag, previous: second },
        LogAct::Move { to: model("Amina/Delta") },
        LogAct::Withdraw,
        publish(second),
        LogAct::Withdraw,
        publish(second),
        LogAct::Delete,
    ];
    assert_eq!(all.iter().map(|entry| entry.act.clone()).collect::<Vec<_>>(), expected);
    assert_eq!((all[0].at_secs, all[1].at_secs), (NOW.unix_secs(), later.unix_secs()));
    assert_eq!(all[6].repo, model("Amina/River"));
    assert_eq!(all[7].repo, model("Amina/Delta"));

    // The newest entry that names a commit, by the address that it names.
    let find = async |repo: &str, oid| db.catalog.log_entry_of(repo, oid).await.unwrap();
    assert_eq!(find("models/amina/river", second).await, Some(4));
    assert_eq!(find("models/amina/delta", second).await, Some(10));
    assert_eq!(find("models/amina/river", GitOid([9; 20])).await, None);
    assert_eq!(find("models/amina/none", second).await, None);
}

async fn private_gated_and_failed_acts_leave_none(db: &Db) {
    let amina = db.user("amina").await;
    let shut = db.repo(&amina, "shut", Visibility::Private).await;
    db.catalog.commit_apply(&commit_to_main(&shut, shut.head, "x"), NOW).await.unwrap();
    db.catalog.repo_move(shut.id, amina.id, &"moved".parse().unwrap(), NOW).await.unwrap();
    db.catalog.repo_update(shut.id, &gated("auto"), NOW).await.unwrap();
    // Public, but who reads must ask: that does not travel.
    db.catalog.repo_update(shut.id, &visible(Visibility::Public), NOW).await.unwrap();
    let tag: RefName = "refs/tags/v1".parse().unwrap();
    db.catalog.ref_create(shut.id, &tag, shut.head.unwrap(), NOW).await.unwrap();
    assert!(db.catalog.repo_delete(shut.id, NOW).await.unwrap());
    assert!(!db.catalog.repo_delete(shut.id, NOW).await.unwrap());
    assert_eq!(acts(db).await, []);

    let open = db.repo(&amina, "open", Visibility::Public).await;
    let mut bad = commit_to_main(&open, open.head, "bad");
    bad.content.files.push(Sha256([99; 32]));
    assert!(matches!(db.catalog.commit_apply(&bad, NOW).await.unwrap(), CommitOutcome::FileMissing(_)));
    let stale = commit_to_main(&open, None, "stale");
    assert!(matches!(db.catalog.commit_apply(&stale, NOW).await.unwrap(), CommitOutcome::Conflict { .. }));
    // Fails behind the entry: two requests of one number.
    let request = |text: &str, ref_name: &str| CommitWrite {
        ref_name: ref_name.parse().unwrap(),
        proposal: opens(1, text, "", &amina),
        ..commit_to_main(&open, None, text)
    };
    db.catalog.commit_apply(&request("one", "refs/pr/1"), NOW).await.unwrap();
    assert!(db.catalog.commit_apply(&request("two", "refs/pr/2"), NOW).await.is_err());
    assert!(db.catalog.ref_create(open.id, &tag, GitOid([9; 20]), NOW).await.is_err());
    db.catalog.repo_update(open.id, &visible(Visibility::Public), NOW).await.unwrap();
    db.catalog.repo_move(open.id, amina.id, &"open".parse().unwrap(), NOW).await.unwrap();
    assert_eq!(acts(db).await.len(), 2);
    // The next one takes the next index.
    db.catalog.ref_create(open.id, &tag, open.head.unwrap(), NOW).await.unwrap();
    assert_eq!(acts(db).await.len(), 3);
}

async fn what_becomes_public_is_published_with_its_facts(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Private).await;
    let files = [db.file(5, repo.zone()).await, db.file(6, repo.zone()).await];
    let mut write = commit_to_main(&repo, repo.head, "second");
    write.content.files = files.iter().map(|file| file.sha256).collect();
    write.content.facts = Some(RepoFacts {
        card: serde_json::json!({ "license": "mit" }),
        tags: vec!["uz".into(), "license:mit".into()],
        pipeline_tag: Some("text-generation".into()),
        library_name: Some("transformers".into()),
    });
    db.catalog.commit_apply(&write, NOW).await.unwrap();
    db.catalog.repo_update(repo.id, &visible(Visibility::Public), NOW).await.unwrap();
    let facts = LogFacts {
        file_bytes: files.iter().map(|file| file.file_bytes).sum(),
        tags: vec!["uz".into(), "license:mit".into()],
        license: Some("mit".into()),
        pipeline_tag: Some("text-generation".into()),
        library_name: Some("transformers".into()),
    };
    let head = Some(write.content.target);
    assert_eq!(acts(db).await, [LogAct::Publish { head, facts: facts.clone() }]);
    // A commit to main tells the facts as they are after it.
    let mut third = commit_to_main(&repo, head, "third");
    third.content.files = vec![db.file(7, Zone::PUBLIC).await.sha256];
    db.catalog.commit_apply(&third, NOW).await.unwrap();
    let Some(LogAct::Ref { facts: Some(now), .. }) = acts(db).await.pop() else { panic!("no facts") };
    assert_eq!(now, LogFacts { file_bytes: facts.file_bytes + 1000, ..facts });
}

async fn writers_that_race_leave_no_gap(db: &Db) {
    let amina = db.user("amina").await;
    let repos: Vec<Repo> = {
        let mut repos = Vec::new();
        for number in 0..4 {
            repos.push(db.repo(&amina, &format!("r{number}"), Visibility::Public).await);
        }
        repos
    };
    let tasks: Vec<_> = (0..40)
        .map(|turn| {
            let (catalog, repo) = (db.catalog.clone(), repos[turn % repos.len()].clone());
            let name = RefName::branch(&format!("b{turn}")).unwrap();
            // Every fourth fails after all checks, on what it points at.
            let target = if turn % 4 == 3 { GitOid([turn as u8; 20]) } else { repo.head.unwrap() };
            tokio::spawn(async move { catalog.ref_create(repo.id, &name, target, NOW).await.is_ok() })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.unwrap());
    }
    assert_eq!(done, 30);
    assert_eq!(acts(db).await.len(), repos.len() + done);
    assert_eq!(db.catalog.log_entries(31, 2).await.unwrap().len(), 2);
    assert!(db.catalog.log_entries(34, 10).await.unwrap().is_empty());
}

async fn a_missing_entry_is_an_error(db: &Db) {
    let amina = db.user("amina").await;
    for number in 0..3 {
        db.repo(&amina, &format!("r{number}"), Visibility::Public).await;
    }
    db.sql("DELETE FROM log_entry WHERE idx = 1").await;
    assert!(db.catalog.log_entries(0, 10).await.is_err());
    assert_eq!(db.catalog.log_entries(2, 10).await.unwrap().len(), 1);
}

async fn trees_advance_one_at_a_time(db: &Db) {
    let tree = |size: u64, note: &str| LogTree { size, frontier: vec![size as u8], note: note.into() };
    let tile = |index: u64, letter: u8| LogTile { level: 0, index, hashes: vec![letter; 32] };
    assert_eq!(db.catalog.log_tree().await.unwrap(), None);
    assert!(!db.catalog.log_tree_advance(Some("a"), &tree(1, "b"), &[tile(0, 9)]).await.unwrap());
    assert!(db.catalog.log_tree_advance(None, &tree(0, "a"), &[]).await.unwrap());
    assert!(!db.catalog.log_tree_advance(None, &tree(7, "x"), &[tile(0, 9)]).await.unwrap());
    assert_eq!(db.catalog.log_tile(0, 0).await.unwrap(), None, "what lost left nothing");
    assert!(db.catalog.log_tree_advance(Some("a"), &tree(1, "b"), &[tile(0, 1)]).await.unwrap());
    assert!(!db.catalog.log_tree_advance(Some("a"), &tree(1, "c"), &[tile(0, 9)]).await.unwrap());
    let many: Vec<LogTile> = (0..100).map(|index| tile(index, 2)).collect();
    assert!(db.catalog.log_tree_advance(Some("b"), &tree(2, "c"), &many).await.unwrap());
    assert_eq!(db.catalog.log_tree().await.unwrap(), Some(tree(2, "c")));
    assert_eq!(db.catalog.log_tile(0, 0).await.unwrap(), Some(vec![2; 32]));
    assert_eq!(db.catalog.log_tile(0, 99).await.unwrap(), Some(vec![2; 32]));
    assert_eq!(db.catalog.log_tile(1, 0).await.unwrap(), None);
    assert!(!db.catalog.log_note_set("b", "d").await.unwrap());
    assert!(db.catalog.log_note_set("c", "d").await.unwrap());
    assert_eq!(db.catalog.log_tree().await.unwrap(), Some(tree(2, "d")));

    // Of several that advance from one tree, one does.
    let racers: Vec<_> = (0..6)
        .map(|racer| {
            let (catalog, tree) = (db.catalog.clone(), tree(3, &format!("racer {racer}")));
            tokio::spawn(async move { catalog.log_tree_advance(Some("d"), &tree, &[]).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        won += u32::from(racer.await.unwrap());
    }
    assert_eq!(won, 1);
}

async fn a_floor_only_rises(db: &Db) {
    assert_eq!(db.catalog.log_floor("a").await.unwrap(), 0);
    for (size, floor) in [(7, 7), (3, 7), (9, 9)] {
        db.catalog.log_floor_raise("a", size).await.unwrap();
        assert_eq!(db.catalog.log_floor("a").await.unwrap(), floor);
    }
    assert_eq!(db.catalog.log_floor("b").await.unwrap(), 0);
}

async fn a_description_is_counted_when_it_changes(db: &Db) {
    for (origin, content, sequence) in
        [("a", "one", 1), ("a", "one", 1), ("a", "two", 2), ("a", "one", 3), ("b", "one", 1), ("a", "one", 3)]
    {
        assert_eq!(db.catalog.descriptor_sequence(origin, content).await.unwrap(), sequence);
    }
}

async fn a_witness_stores_what_it_checked(db: &Db) {
    let seen = |size: u64| Witnessed {
        origin: "a.example/log".into(),
        size,
        root: [size as u8; 32],
        note: format!("note {size}"),
        seen: NOW,
    };
    assert_eq!(db.catalog.witnessed_get("a.example/log").await.unwrap(), None);
    assert!(!db.catalog.witnessed_advance(Some(0), &seen(5)).await.unwrap());
    assert!(db.catalog.witnessed_advance(None, &seen(5)).await.unwrap());
    assert!(!db.catalog.witnessed_advance(None, &seen(6)).await.unwrap());
    assert!(!db.catalog.witnessed_advance(Some(4), &seen(6)).await.unwrap());
    assert!(!db.catalog.witnessed_advance(Some(5), &seen(4)).await.unwrap(), "a tree never shrinks");
    assert!(db.catalog.witnessed_advance(Some(5), &Witnessed { note: "again".into(), ..seen(5) }).await.unwrap());
    let racers: Vec<_> = (6..12)
        .map(|size| {
            let (catalog, new) = (db.catalog.clone(), seen(size));
            tokio::spawn(async move { catalog.witnessed_advance(Some(5), &new).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        won += u32::from(racer.await.unwrap());
    }
    assert_eq!(won, 1);
    let other = Witnessed { origin: "b.example/log".into(), ..seen(1) };
    assert!(db.catalog.witnessed_advance(None, &other).await.unwrap());
    let all = db.catalog.witnessed_list().await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[1], other);
    assert_eq!(db.catalog.witnessed_get("a.example/log").await.unwrap(), Some(all[0].clone()));
}

async fn a_fork_is_kept_once(db: &Db) {
    let fork = |number: u8| NewFork {
        origin: "a.example/log".into(),
        evidence: format!("evidence {number}"),
        sha256: Sha256([number; 32]),
    };
    assert!(db.catalog.fork_insert(&fork(1), NOW).await.unwrap());
    assert!(!db.catalog.fork_insert(&fork(1), NOW.plus_secs(5)).await.unwrap());
    for number in 2..=70 {
        db.catalog.fork_insert(&fork(number), NOW).await.unwrap();
    }
    let all = db.catalog.fork_list().await.unwrap();
    assert_eq!(all.len(), 64, "no more than so many of one log");
    assert_eq!((all[0].evidence.as_str(), all[0].found), ("evidence 1", NOW));
    assert!(db.catalog.fork_insert(&NewFork { origin: "b".into(), ..fork(71) }, NOW).await.unwrap());
}
