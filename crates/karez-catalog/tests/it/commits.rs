//! Commits, refs, objects, pull requests.

use karez_catalog::{CommitOutcome, CommitWrite, DiscussionFilter, NewObject, RefOutcome};
use karez_formats::git::GitKind;
use karez_formats::lfs::LfsPointer;
use karez_types::{GitOid, RefName, RepoId, Sha256, Visibility, Zone};

use crate::db::{Db, NOW, cases, commit_content, commit_to_main, main, object, opens};

cases!(
    a_commit_is_whole_or_nothing,
    of_commits_that_race_one_is_applied,
    commits_that_bring_the_same_objects_do_not_disturb_each_other,
    refs_change_only_from_what_was_expected,
    objects_come_back_as_they_were,
    commits_are_known_by_repository,
    pull_requests_have_numbers,
);

async fn a_commit_is_whole_or_nothing(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let file = db.file(5, repo.zone()).await;
    let later = NOW.plus_secs(9);
    let mut write = commit_to_main(&repo, repo.head, "second");
    write.content.files = vec![file.sha256];
    write.content.zones = vec![Zone::PUBLIC];

    // A file that is not stored; a stale parent; a repository that is gone: nothing is left behind.
    let mut bad = write.clone();
    bad.content.files.push(Sha256([99; 32]));
    assert_eq!(db.catalog.commit_apply(&bad, later).await.unwrap(), CommitOutcome::FileMissing(Sha256([99; 32])));
    for expected in [None, Some(GitOid([1; 20]))] {
        let bad = CommitWrite { expected, ..write.clone() };
        let conflict = CommitOutcome::Conflict { current: repo.head };
        assert_eq!(db.catalog.commit_apply(&bad, later).await.unwrap(), conflict);
    }
    let bad = CommitWrite { repo_id: RepoId(99), ..write.clone() };
    assert_eq!(db.catalog.commit_apply(&bad, later).await.unwrap(), CommitOutcome::RepoMissing);
    assert_eq!(db.count("git_object").await, 3);
    assert_eq!(db.count("repo_file").await, 0);
    assert_eq!(db.catalog.repo_by_id(repo.id).await.unwrap().unwrap().modified, NOW);

    assert_eq!(db.catalog.commit_apply(&write, later).await.unwrap(), CommitOutcome::Applied);
    let found = db.catalog.repo_by_id(repo.id).await.unwrap().unwrap();
    assert_eq!((found.modified, found.head), (later, Some(write.content.target)));
    assert_eq!(db.catalog.ref_get(repo.id, &main()).await.unwrap(), Some(write.content.target));
    assert_eq!(db.catalog.repo_file_contains(repo.id, &file.hash).await.unwrap(), Some(file.clone()));
    assert_eq!(db.catalog.files_in_zones(&[file.sha256], &[Zone::PUBLIC]).await.unwrap(), [file.sha256]);
    assert_eq!(db.catalog.repo_files(repo.id, None, 10).await.unwrap().len(), 1);
    assert!(db.catalog.repo_files(repo.id, Some(&file.sha256), 10).await.unwrap().is_empty());
}

async fn of_commits_that_race_one_is_applied(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let mut head = repo.head;
    for round in 0..10 {
        let writes: Vec<_> = (0..4).map(|racer| commit_to_main(&repo, head, &format!("{round} {racer}"))).collect();
        let tasks: Vec<_> = writes
            .iter()
            .cloned()
            .map(|write| {
                let catalog = db.catalog.clone();
                tokio::spawn(async move { catalog.commit_apply(&write, NOW).await.unwrap() })
            })
            .collect();
        let mut applied = Vec::new();
        let mut told = Vec::new();
        for (write, task) in writes.iter().zip(tasks) {
            match task.await.unwrap() {
                CommitOutcome::Applied => applied.push(write.content.target),
                CommitOutcome::Conflict { current } => told.push(current),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(applied.len(), 1);
        head = db.catalog.ref_get(repo.id, &main()).await.unwrap();
        assert_eq!(head, Some(applied[0]));
        assert_eq!(told, [head; 3], "the losers hear of the winner");
    }
}

async fn commits_that_bring_the_same_objects_do_not_disturb_each_other(db: &Db) {
    let amina = db.user("amina").await;
    let mut tasks = Vec::new();
    for racer in 0..6 {
        let repo = db.repo(&amina, &format!("r{racer}"), Visibility::Public).await;
        let mut write = commit_to_main(&repo, repo.head, "same");
        let mut blobs: Vec<_> = (0..300).map(|number| object(GitKind::Blob, &number.to_string())).collect();
        // Each in another order: whoever locks rows as they come would deadlock.
        blobs.rotate_left(racer * 50);
        write.content.objects.extend(blobs);
        let catalog = db.catalog.clone();
        tasks.push(tokio::spawn(async move { catalog.commit_apply(&write, NOW).await.unwrap() }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), CommitOutcome::Applied);
    }
    assert_eq!(db.count("git_object").await, 3 + 3 + 300);
}

async fn refs_change_only_from_what_was_expected(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let first = repo.head.unwrap();
    let write = commit_to_main(&repo, repo.head, "second");
    db.catalog.commit_apply(&write, NOW).await.unwrap();
    let second = write.content.target;
    let branch = RefName::branch("dev").unwrap();

    assert_eq!(db.catalog.ref_create(repo.id, &branch, first, NOW).await.unwrap(), RefOutcome::Applied);
    let conflict = RefOutcome::Conflict { current: Some(first) };
    assert_eq!(db.catalog.ref_create(repo.id, &branch, second, NOW).await.unwrap(), conflict);
    assert_eq!(db.catalog.ref_set(repo.id, &branch, second, second, NOW).await.unwrap(), conflict);
    assert_eq!(db.catalog.ref_set(repo.id, &branch, first, second, NOW).await.unwrap(), RefOutcome::Applied);
    assert_eq!(
        db.catalog.ref_list(repo.id).await.unwrap(),
        [(branch.clone(), second), (main(), second)],
        "by name, as bytes"
    );
    let conflict = RefOutcome::Conflict { current: Some(second) };
    assert_eq!(db.catalog.ref_delete(repo.id, &branch, first, NOW).await.unwrap(), conflict);
    assert_eq!(db.catalog.ref_delete(repo.id, &branch, second, NOW).await.unwrap(), RefOutcome::Applied);
    let conflict = RefOutcome::Conflict { current: None };
    assert_eq!(db.catalog.ref_delete(repo.id, &branch, second, NOW).await.unwrap(), conflict);
    assert_eq!(db.catalog.ref_get(repo.id, &branch).await.unwrap(), None);
    assert_eq!(db.catalog.ref_create(RepoId(99), &branch, first, NOW).await.unwrap(), RefOutcome::RepoMissing);
    // A ref to nothing would dangle: the engine refuses it.
    assert!(db.catalog.ref_create(repo.id, &branch, GitOid([9; 20]), NOW).await.is_err());
    // Names that differ in case are different refs, as in git.
    for name in ["Dev", "dev"] {
        let name = RefName::branch(name).unwrap();
        assert_eq!(db.catalog.ref_create(repo.id, &name, first, NOW).await.unwrap(), RefOutcome::Applied);
    }
}

async fn objects_come_back_as_they_were(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let mut write = commit_to_main(&repo, repo.head, "second");
    let lfs = LfsPointer { sha256: Sha256([8; 32]), file_bytes: 1 << 40 };
    let pointer = NewObject { lfs: Some(lfs), ..object(GitKind::Blob, "pointer") };
    let empty = object(GitKind::Blob, "");
    let binary = NewObject { content: (0..=255).cycle().take(100_000).collect(), ..object(GitKind::Blob, "binary") };
    write.content.objects.extend([pointer.clone(), empty.clone(), binary.clone()]);
    // More than fit into one statement, and each twice.
    let many: Vec<_> = (0..700).map(|number| object(GitKind::Blob, &format!("many {number}"))).collect();
    write.content.objects.extend(many.iter().cloned().chain(many.iter().cloned()));
    db.catalog.commit_apply(&write, NOW).await.unwrap();

    for stored in [&pointer, &empty, &binary] {
        let found = db.catalog.object_get(stored.oid).await.unwrap().unwrap();
        assert_eq!((found.kind, &found.content), (stored.kind, &stored.content));
    }
    assert_eq!(db.catalog.object_get(GitOid([9; 20])).await.unwrap(), None);
    let mut oids: Vec<_> = many.iter().map(|object| object.oid).collect();
    oids.extend([pointer.oid, binary.oid, GitOid([9; 20])]);
    let stats = db.catalog.object_stats(&oids).await.unwrap();
    assert_eq!(stats.len(), 702);
    let stat = |oid| stats.iter().find(|stat| stat.oid == oid).unwrap();
    assert_eq!((stat(pointer.oid).lfs, stat(pointer.oid).bytes), (Some(lfs), 7));
    assert_eq!((stat(binary.oid).lfs, stat(binary.oid).bytes), (None, 100_000));
    assert_eq!(db.catalog.objects_get(&oids).await.unwrap().len(), 702);
    assert!(db.catalog.object_stats(&[]).await.unwrap().is_empty());

    let (mut scanned, mut after) = (0, None);
    loop {
        let page = db.catalog.objects_scan(after.as_ref(), 100).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.oid);
        scanned += page.len();
    }
    assert_eq!(scanned as i64, db.count("git_object").await);
}

async fn commits_are_known_by_repository(db: &Db) {
    let amina = db.user("amina").await;
    let (one, two) = (db.repo(&amina, "1", Visibility::Public).await, db.repo(&amina, "2", Visibility::Public).await);
    let write = commit_to_main(&one, one.head, "second");
    db.catalog.commit_apply(&write, NOW).await.unwrap();
    let target = write.content.target;
    assert!(db.catalog.repo_commit_contains(one.id, target).await.unwrap());
    assert!(!db.catalog.repo_commit_contains(two.id, target).await.unwrap(), "another repository's commit");
    let text = target.to_string();
    for digits in [&text[..7], &text[..8], &text[..39], &text, &text[..9].to_uppercase()] {
        assert_eq!(db.catalog.oid_by_prefix(one.id, digits).await.unwrap(), [target], "{digits}");
        assert!(db.catalog.oid_by_prefix(two.id, digits).await.unwrap().is_empty());
    }
    for nothing in ["", "xyz", &format!("{text}0"), "é", "ma%"] {
        assert!(db.catalog.oid_by_prefix(one.id, nothing).await.unwrap().is_empty(), "{nothing}");
    }
    // The blob and the tree are no commits.
    let blob = commit_content("second").objects.iter().find(|it| it.kind == GitKind::Blob).unwrap().oid;
    assert!(!db.catalog.repo_commit_contains(one.id, blob).await.unwrap());
}

async fn pull_requests_have_numbers(db: &Db) {
    let amina = db.user("amina").await;
    let reader = db.user("reader").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    for number in 1..=3 {
        assert_eq!(db.catalog.discussion_number_next(repo.id).await.unwrap(), Some(number));
        let mut write = commit_to_main(&repo, None, &format!("request {number}"));
        write.ref_name = RefName::pull_request(number);
        write.proposal = opens(number, &format!("title {number}\0"), "why", &reader);
        assert_eq!(db.catalog.commit_apply(&write, NOW.plus_secs(5)).await.unwrap(), CommitOutcome::Applied);
    }
    assert_eq!(db.catalog.discussion_number_next(RepoId(99)).await.unwrap(), None);
    let (newest, count) = db.catalog.discussion_list(repo.id, &DiscussionFilter::default(), 0, 2).await.unwrap();
    assert_eq!((newest.iter().map(|it| it.number).collect::<Vec<_>>(), count), (vec![3, 2], 3));
    let (oldest, _) = db.catalog.discussion_list(repo.id, &DiscussionFilter::default(), 2, 2).await.unwrap();
    assert_eq!(oldest.iter().map(|it| it.number).collect::<Vec<_>>(), [1]);
    assert_eq!(oldest[0].author.as_ref().unwrap(), &reader.name);
    db.catalog.account_delete(reader.id).await.unwrap();
    assert_eq!(db.catalog.discussion_get(repo.id, 1).await.unwrap().unwrap().author, None);
    assert_eq!(db.catalog.discussion_get(repo.id, 4).await.unwrap(), None);
    // A request moves no branch, so the repository was not modified.
    assert_eq!(db.catalog.repo_by_id(repo.id).await.unwrap().unwrap().modified, NOW);
}
