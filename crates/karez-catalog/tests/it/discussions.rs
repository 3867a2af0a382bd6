//! What people say to each other about a repository.

use karez_catalog::{
    Catalog, CommitOutcome, DISCUSSION_EVENTS_MAX, DISCUSSION_TEXT_BYTES_MAX, Discussion, DiscussionEvent,
    DiscussionFilter, DiscussionOutcome, DiscussionStatus, EventKind, Merge, NewDiscussion, NewEvent, Proposal, Repo,
};
use karez_types::{RefName, RepoId, Visibility};

use crate::db::{Db, NOW, cases, commit_to_main, opens};

cases!(
    what_is_said_stays_in_order,
    comments_are_edited_and_hidden,
    lists_are_filtered,
    a_merge_is_one_transaction,
    a_discussion_has_bounds,
    everything_goes_with_the_repository,
);

fn new(title: &str, description: &str, author: &karez_catalog::Account) -> NewDiscussion {
    NewDiscussion { title: title.into(), description: description.into(), author: author.id }
}

fn done(outcome: DiscussionOutcome) -> DiscussionEvent {
    match outcome {
        DiscussionOutcome::Done(event) => event,
        other => panic!("{other:?}"),
    }
}

async fn of(catalog: &Catalog, repo: &Repo, number: u64) -> Discussion {
    catalog.discussion_get(repo.id, number).await.unwrap().unwrap()
}

async fn what_is_said_stays_in_order(db: &Db) {
    let (amina, reader) = (db.user("amina").await, db.user("reader").await);
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let catalog = &db.catalog;
    assert_eq!(catalog.discussion_create(RepoId(99), &new("t", "", &reader), NOW).await.unwrap(), None);
    let number = catalog.discussion_create(repo.id, &new("wrong licence", "is it MIT?", &reader), NOW).await.unwrap();
    assert_eq!(number, Some(1));
    let add = async |event: NewEvent| {
        catalog.discussion_event_add(repo.id, 1, Some(amina.id), &event, NOW.plus_secs(9)).await.unwrap()
    };
    done(add(NewEvent::Comment("it is".into())).await);
    let title = done(add(NewEvent::Title("licence".into())).await);
    assert_eq!((title.seq, title.content.as_str(), title.was.as_deref()), (3, "licence", Some("wrong licence")));
    done(add(NewEvent::Status(DiscussionStatus::Closed)).await);
    assert_eq!(add(NewEvent::Status(DiscussionStatus::Closed)).await, DiscussionOutcome::Unchanged);
    assert_eq!(add(NewEvent::Title("licence".into())).await, DiscussionOutcome::Unchanged);
    let found = of(catalog, &repo, 1).await;
    assert_eq!((found.title.as_str(), found.status, found.events), ("licence", DiscussionStatus::Closed, 4));
    assert_eq!((found.base, found.merge_commit), (None, None));
    let events = catalog.discussion_events(repo.id, 1).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| (event.seq, event.kind, event.content.as_str())).collect();
    assert_eq!(
        kinds,
        [
            (1, EventKind::Comment, "is it MIT?"),
            (2, EventKind::Comment, "it is"),
            (3, EventKind::Title, "licence"),
            (4, EventKind::Status, "closed")
        ]
    );
    let nowhere = catalog.discussion_event_add(repo.id, 2, None, &NewEvent::Comment("x".into()), NOW).await.unwrap();
    assert_eq!(nowhere, DiscussionOutcome::Missing);
    // Who has gone leaves what they said.
    catalog.account_delete(reader.id).await.unwrap();
    assert_eq!(catalog.discussion_events(repo.id, 1).await.unwrap()[0].author, None);
    assert_eq!(catalog.discussion_comment_author(repo.id, 1, 1).await.unwrap(), Some(None));
}

async fn comments_are_edited_and_hidden(db: &Db) {
    let (amina, reader) = (db.user("amina").await, db.user("reader").await);
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let catalog = &db.catalog;
    catalog.discussion_create(repo.id, &new("t", "frist", &reader), NOW).await.unwrap();
    let close = NewEvent::Status(DiscussionStatus::Closed);
    catalog.discussion_event_add(repo.id, 1, None, &close, NOW).await.unwrap();
    let edit = async |seq, text, by, secs| {
        catalog.discussion_comment_edit(repo.id, 1, seq, (text, Some(by)), NOW.plus_secs(secs)).await.unwrap()
    };
    let author = async |number, seq| catalog.discussion_comment_author(repo.id, number, seq).await.unwrap();
    assert_eq!(author(1, 1).await, Some(Some(reader.name.clone())));
    // What was done is no comment; nor is what is not there.
    assert_eq!((author(1, 2).await, author(1, 3).await, author(2, 1).await), (None, None, None));
    assert_eq!(author(u64::MAX, u64::MAX).await, None);
    done(edit(1, "first", reader.id, 5).await);
    let twice = done(edit(1, "First!", amina.id, 7).await);
    assert_eq!((twice.content.as_str(), twice.edited), ("First!", Some((NOW.plus_secs(7), Some(amina.name.clone())))));
    let history: Vec<_> =
        twice.history.iter().map(|edit| (edit.content.as_str(), edit.created, edit.author.clone())).collect();
    let by = Some(reader.name.clone());
    assert_eq!(history, [("frist", NOW, by.clone()), ("first", NOW.plus_secs(5), by)]);
    assert_eq!(edit(2, "no comment", reader.id, 8).await, DiscussionOutcome::Missing);
    assert_eq!(edit(3, "not there", reader.id, 8).await, DiscussionOutcome::Missing);
    let hide = async |seq| catalog.discussion_comment_hide(repo.id, 1, seq, (Some(amina.id), NOW)).await.unwrap();
    let hidden = done(hide(1).await);
    assert!(hidden.is_hidden && hidden.content.is_empty() && hidden.history.is_empty());
    assert_eq!(author(1, 1).await, None);
    assert_eq!(hide(2).await, DiscussionOutcome::Missing);
    assert_eq!(edit(1, "back", reader.id, 9).await, DiscussionOutcome::Missing, "hidden is for good");
}

async fn lists_are_filtered(db: &Db) {
    let (amina, reader) = (db.user("amina").await, db.user("Reader").await);
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let catalog = &db.catalog;
    for number in 1..=4 {
        let author = if number % 2 == 0 { &amina } else { &reader };
        if number == 3 {
            catalog.discussion_number_next(repo.id).await.unwrap();
            let mut write = commit_to_main(&repo, None, "request");
            write.ref_name = RefName::pull_request(3);
            write.proposal = opens(3, "fix", "", author);
            assert_eq!(catalog.commit_apply(&write, NOW).await.unwrap(), CommitOutcome::Applied);
        } else {
            catalog.discussion_create(repo.id, &new("t", "", author), NOW).await.unwrap();
        }
    }
    catalog.discussion_event_add(repo.id, 2, None, &NewEvent::Status(DiscussionStatus::Closed), NOW).await.unwrap();
    let list = async |is_pull_request, is_over, author, offset| {
        let filter = DiscussionFilter { is_pull_request, is_over, author };
        let (found, count) = catalog.discussion_list(repo.id, &filter, offset, 2).await.unwrap();
        (found.iter().map(|it| it.number).collect::<Vec<_>>(), count)
    };
    assert_eq!(list(None, None, "", 0).await, (vec![4, 3], 4));
    assert_eq!(list(None, None, "", 2).await, (vec![2, 1], 4));
    assert_eq!(list(Some(true), None, "", 0).await, (vec![3], 1));
    assert_eq!(list(Some(false), Some(false), "", 0).await, (vec![4, 1], 2));
    assert_eq!(list(None, Some(true), "", 0).await, (vec![2], 1));
    assert_eq!(list(None, None, "reader", 0).await, (vec![3, 1], 2));
    assert_eq!(list(None, None, "nobody", 0).await, (vec![], 0));
}

async fn a_merge_is_one_transaction(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let catalog = &db.catalog;
    let main = commit_to_main(&repo, repo.head, "first");
    assert_eq!(catalog.commit_apply(&main, NOW).await.unwrap(), CommitOutcome::Applied);
    catalog.discussion_number_next(repo.id).await.unwrap();
    let mut request = commit_to_main(&repo, None, "request");
    request.ref_name = RefName::pull_request(1);
    request.proposal = opens(1, "fix", "why", &amina);
    catalog.commit_apply(&request, NOW).await.unwrap();
    let merging = |expected, number| {
        let merge = Merge { number, by: Some(amina.id), comment: "thanks".into() };
        let proposal = Some(Proposal::Merges(merge));
        karez_catalog::CommitWrite { proposal, ..commit_to_main(&repo, Some(expected), "merged") }
    };
    let tip = main.content.target;
    assert_eq!(catalog.commit_apply(&merging(tip, 2), NOW).await.unwrap(), CommitOutcome::NotOpen);
    let lost = catalog.commit_apply(&merging(request.content.target, 1), NOW).await.unwrap();
    assert_eq!(lost, CommitOutcome::Conflict { current: Some(tip) });
    assert_eq!(of(catalog, &repo, 1).await.status, DiscussionStatus::Open, "a lost race changes nothing");
    let write = merging(tip, 1);
    assert_eq!(catalog.commit_apply(&write, NOW).await.unwrap(), CommitOutcome::Applied);
    let merged = of(catalog, &repo, 1).await;
    assert_eq!((merged.status, merged.merge_commit), (DiscussionStatus::Merged, Some(write.content.target)));
    let events = catalog.discussion_events(repo.id, 1).await.unwrap();
    assert_eq!(events.iter().map(|event| event.content.as_str()).collect::<Vec<_>>(), ["why", "thanks", "merged"]);
    // Not twice, and not open again; main stays.
    let again = merging(write.content.target, 1);
    assert_eq!(catalog.commit_apply(&again, NOW).await.unwrap(), CommitOutcome::NotOpen);
    let open = NewEvent::Status(DiscussionStatus::Open);
    assert_eq!(catalog.discussion_event_add(repo.id, 1, None, &open, NOW).await.unwrap(), DiscussionOutcome::Unchanged);
    assert_eq!(catalog.ref_get(repo.id, &main.ref_name).await.unwrap(), Some(write.content.target));
}

async fn a_discussion_has_bounds(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    let catalog = &db.catalog;
    catalog.discussion_create(repo.id, &new("t", "x", &amina), NOW).await.unwrap();
    let large = "y".repeat(DISCUSSION_TEXT_BYTES_MAX as usize - 1);
    let say = async |text: &str| {
        catalog.discussion_event_add(repo.id, 1, None, &NewEvent::Comment(text.into()), NOW).await.unwrap()
    };
    done(say(&large).await);
    assert_eq!(say("z").await, DiscussionOutcome::Full);
    let edited = catalog.discussion_comment_edit(repo.id, 1, 1, ("z", None), NOW).await.unwrap();
    assert_eq!(edited, DiscussionOutcome::Full);
    assert_eq!(of(catalog, &repo, 1).await.events, 2);
    db.sql(&format!("UPDATE discussion SET text_bytes = 0, events = {DISCUSSION_EVENTS_MAX} - 1")).await;
    done(say("last").await);
    assert_eq!(say("one more").await, DiscussionOutcome::Full);
}

async fn everything_goes_with_the_repository(db: &Db) {
    let amina = db.user("amina").await;
    let repo = db.repo(&amina, "r", Visibility::Public).await;
    db.catalog.discussion_create(repo.id, &new("t", "x", &amina), NOW).await.unwrap();
    db.catalog.discussion_comment_edit(repo.id, 1, 1, ("z", None), NOW).await.unwrap();
    db.catalog.repo_delete(repo.id, NOW).await.unwrap();
    for table in ["discussion", "discussion_event", "discussion_edit"] {
        assert_eq!(db.count(table).await, 0, "{table}");
    }
}
