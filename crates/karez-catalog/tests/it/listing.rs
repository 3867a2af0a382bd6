//! Listings: search, filters, order, pages, and who sees what.

use karez_catalog::{AccountKind, Direction, RepoCursor, RepoFacts, RepoQuery, RepoSort, Viewer};
use karez_types::{OrgRole, RepoKind, Visibility};

use crate::db::{Db, NOW, cases};

cases!(private_repositories_are_not_listed_to_strangers, search_is_literal, filters_combine, pages_join_up);

async fn names(db: &Db, query: &RepoQuery) -> Vec<String> {
    let repos = db.catalog.repo_list(query).await.unwrap();
    assert!(repos.iter().all(|repo| query.visible_to.may_see(repo)), "one rule of visibility");
    repos.iter().map(|repo| repo.address().id()).collect()
}

fn query(visible_to: Viewer) -> RepoQuery {
    let direction = Direction::Ascending;
    RepoQuery { sort: RepoSort::Created, direction, ..RepoQuery::all(RepoKind::Model, visible_to, 100) }
}

async fn private_repositories_are_not_listed_to_strangers(db: &Db) {
    let (amina, karim) = (db.user("amina").await, db.user("karim").await);
    let lab = db.account("lab", AccountKind::Organization).await;
    db.catalog.member_set(lab.id, karim.id, OrgRole::Read).await.unwrap();
    for owner in [&amina, &karim, &lab] {
        db.repo(owner, "open", Visibility::Public).await;
        db.repo(owner, "closed", Visibility::Private).await;
    }
    db.repo_of(RepoKind::Dataset, &amina, "data", Visibility::Public, NOW).await;
    let open = ["amina/open", "karim/open", "lab/open"];
    assert_eq!(names(db, &query(Viewer::Anyone)).await, open);
    assert_eq!(names(db, &query(Viewer::All)).await.len(), 6);
    let as_amina = query(Viewer::User { id: amina.id, orgs: vec![], granted_since: NOW });
    assert_eq!(names(db, &as_amina).await, ["amina/open", "amina/closed", "karim/open", "lab/open"]);
    let as_karim = query(Viewer::User { id: karim.id, orgs: vec![lab.id], granted_since: NOW });
    assert_eq!(names(db, &as_karim).await, ["amina/open", "karim/open", "karim/closed", "lab/open", "lab/closed"]);
    let of_lab = RepoQuery { owner: Some("LAB".into()), ..query(Viewer::Anyone) };
    assert_eq!(names(db, &of_lab).await, ["lab/open"]);
    let searched = RepoQuery { search: Some("closed".into()), ..query(Viewer::Anyone) };
    assert!(names(db, &searched).await.is_empty());
    let nobody = RepoQuery { owner: Some("nobody".into()), ..query(Viewer::All) };
    assert!(names(db, &nobody).await.is_empty());
}

async fn search_is_literal(db: &Db) {
    let amina = db.user("Amina").await;
    for name in ["Bert_Uz", "BertAUz", "gpt2.5"] {
        db.repo(&amina, name, Visibility::Public).await;
    }
    let find = async |text: &str| names(db, &RepoQuery { search: Some(text.into()), ..query(Viewer::Anyone) }).await;
    assert_eq!(find("bERT_").await, ["Amina/Bert_Uz"]);
    assert_eq!(find("bert").await, ["Amina/Bert_Uz", "Amina/BertAUz"]);
    assert_eq!(find("amina/g").await, ["Amina/gpt2.5"]);
    assert_eq!(find("uz AMINA").await, ["Amina/Bert_Uz", "Amina/BertAUz"]);
    assert_eq!(find("  ").await.len(), 3);
    for nothing in ["%", "b%t", "gpt2_5", "\\", "'", "\0", "\u{202E}", "bert gpt"] {
        assert!(find(nothing).await.is_empty(), "{nothing:?}");
    }
}

async fn filters_combine(db: &Db) {
    let amina = db.user("amina").await;
    for (name, tags, task) in [
        ("a", vec!["language:uz", "license:mit"], Some("text-generation")),
        ("b", vec!["language:uz"], Some("fill-mask")),
        ("c", vec!["license:mit"], None),
    ] {
        let repo = db.repo(&amina, name, Visibility::Public).await;
        let tags = tags.into_iter().map(String::from).collect();
        let library_name = task.map(|_| "transformers".to_owned());
        let facts = RepoFacts { tags, pipeline_tag: task.map(String::from), library_name, ..RepoFacts::default() };
        db.catalog.repo_facts_set(repo.id, &facts).await.unwrap();
    }
    let tagged =
        |tags: &[&str]| RepoQuery { tags: tags.iter().map(|&it| it.into()).collect(), ..query(Viewer::Anyone) };
    assert_eq!(names(db, &tagged(&["language:uz"])).await, ["amina/a", "amina/b"]);
    assert_eq!(names(db, &tagged(&["language:uz", "license:mit"])).await, ["amina/a"]);
    assert!(names(db, &tagged(&["language"])).await.is_empty());
    let task = RepoQuery { pipeline_tag: Some("fill-mask".into()), ..tagged(&["language:uz"]) };
    assert_eq!(names(db, &task).await, ["amina/b"]);
    let library = RepoQuery { library_name: Some("transformers".into()), ..query(Viewer::Anyone) };
    assert_eq!(names(db, &library).await, ["amina/a", "amina/b"]);
    assert!(names(db, &RepoQuery { gated: Some(true), ..query(Viewer::Anyone) }).await.is_empty());
    let tags = db.catalog.repo_tags(RepoKind::Model, 10).await.unwrap();
    assert_eq!(tags, [("language:uz".to_owned(), 2), ("license:mit".to_owned(), 2)]);
}

async fn pages_join_up(db: &Db) {
    let amina = db.user("amina").await;
    for number in 0..11 {
        // Many are equal in what they are ordered by.
        let now = NOW.plus_secs(number % 3);
        let repo = db.repo_of(RepoKind::Model, &amina, &format!("r{number}"), Visibility::Public, now).await;
        db.catalog.repo_downloads_add(repo.id, (number % 2) as u64 * 5, NOW).await.unwrap();
    }
    for sort in [RepoSort::Modified, RepoSort::Created, RepoSort::Downloads, RepoSort::Likes, RepoSort::Trending] {
        for direction in [Direction::Descending, Direction::Ascending] {
            let all = RepoQuery { sort, direction, ..query(Viewer::Anyone) };
            let whole = db.catalog.repo_list(&all).await.unwrap();
            let (mut joined, mut after) = (Vec::new(), None);
            loop {
                let page = db.catalog.repo_list(&RepoQuery { limit: 3, after, ..all.clone() }).await.unwrap();
                let Some(last) = page.last() else { break };
                // A cursor survives its way through an address.
                let text = RepoCursor::after(last, sort).to_string();
                after = Some(text.parse().unwrap());
                joined.extend(page);
            }
            assert_eq!(joined, whole);
            let values: Vec<_> = whole.iter().map(|repo| RepoCursor::after(repo, sort).value).collect();
            let ordered = match direction {
                Direction::Ascending => values.is_sorted(),
                Direction::Descending => values.is_sorted_by(|a, b| a >= b),
            };
            assert!(ordered, "{values:?}");
        }
    }
    for text in ["", "1", "a_b", "1_2_3", "1_"] {
        assert!(text.parse::<RepoCursor>().is_err(), "{text:?}");
    }
}
