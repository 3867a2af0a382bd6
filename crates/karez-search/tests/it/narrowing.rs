//! Who finds what, facets, order and pages.

use karez_search::{Eyes, Facet, Held, OrderBy, Reader, SearchDoc, SearchOrder, SearchQuery};
use karez_types::{AccountId, RepoId, RepoKind};

use crate::{card, everybody, ids, index_of};

#[test]
fn nobody_finds_or_counts_what_they_may_not_see() {
    let (alice, acme) = (Reader::account(AccountId(7)), Reader::account(AccountId(9)));
    let secret = |id: i64, readers: Vec<Reader>| SearchDoc {
        readers,
        free_tags: vec![format!("tag-{id}")],
        ..card(id, "secret", "plans for the dam")
    };
    let index = index_of(vec![
        secret(1, vec![Reader::EVERYBODY]),
        secret(2, vec![alice]),
        secret(3, vec![acme]),
        secret(4, vec![Reader::granted(RepoId(4))]),
        secret(5, Vec::new()),
    ]);
    let query = SearchQuery { facet_values: 10, ..SearchQuery::of("dam") };
    for (eyes, expected) in [
        (everybody(), &[1][..]),
        (Eyes::Of(vec![Reader::EVERYBODY, alice]), &[1, 2]),
        (Eyes::Of(vec![Reader::EVERYBODY, alice, acme]), &[1, 2, 3]),
        (Eyes::Of(vec![Reader::EVERYBODY, Reader::account(AccountId(4))]), &[1]),
        (Eyes::Of(vec![Reader::EVERYBODY, Reader::granted(RepoId(4))]), &[1, 4]),
        (Eyes::Of(Vec::new()), &[]),
        (Eyes::All, &[1, 2, 3, 4, 5]),
    ] {
        for text in ["dam", "secret", "", "secre", "ecret", "plasn", "dam nowhere plans"] {
            let page = index.search(&SearchQuery { text: text.to_owned(), ..query.clone() }, &eyes).unwrap();
            let mut found = ids(&page);
            found.sort_unstable();
            assert_eq!(found, expected, "{text} {eyes:?}");
            assert_eq!(page.total, expected.len() as u64);
            let tags = page.facets.iter().find(|counts| counts.facet == Facet::Tag).unwrap();
            let expected: Vec<(String, u64)> = expected.iter().map(|id| (format!("tag-{id}"), 1)).collect();
            assert_eq!(tags.values, expected, "{text} {eyes:?}");
        }
    }
}

#[test]
fn facets_narrow_and_count() {
    let one = SearchDoc {
        languages: vec!["swa".into(), "eng".into()],
        licences: vec!["mit".into()],
        sdgs: vec![2, 13],
        size: Some("1K<n<10K".into()),
        origin: Some("peer".into()),
        held: Held::Part,
        tags: vec!["language:sw".into()],
        ..card(1, "one", "")
    };
    let two = SearchDoc { languages: vec!["swa".into()], tasks: vec!["translation".into()], ..card(2, "two", "") };
    let three =
        SearchDoc { kind: RepoKind::Model, library: Some("gguf".into()), is_gated: true, ..card(3, "three", "") };
    let index = index_of(vec![one, two, three]);
    let base = SearchQuery { facet_values: 5, ..SearchQuery::of("") };
    let page = index.search(&base, &everybody()).unwrap();
    assert_eq!(page.total, 3);
    let counts = |facet: Facet| {
        let counts = page.facets.iter().find(|counts| counts.facet == facet).unwrap();
        counts.values.iter().map(|(value, count)| format!("{value} {count}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(counts(Facet::Kind), "dataset 2, model 1");
    assert_eq!(counts(Facet::Language), "swa 2, eng 1");
    assert_eq!(counts(Facet::Sdg), "13 1, 2 1");
    assert_eq!(counts(Facet::Origin), "here 2, peer 1");
    assert_eq!(counts(Facet::Held), "yes 2, part 1");
    assert_eq!(counts(Facet::Campaign), "");
    for (facets, expected) in [
        (vec![(Facet::Language, "swa")], &[1, 2][..]),
        (vec![(Facet::Language, "swa"), (Facet::Language, "eng")], &[1]),
        (vec![(Facet::Sdg, "1")], &[]),
        (vec![(Facet::Held, "part")], &[1]),
        (vec![(Facet::Held, "no")], &[]),
        (vec![(Facet::Library, "gguf"), (Facet::Kind, "model")], &[3]),
        (vec![(Facet::Size, "1K<n<10K"), (Facet::Licence, "mit")], &[1]),
    ] {
        let facets = facets.into_iter().map(|(facet, value)| (facet, value.to_owned())).collect();
        let mut found = ids(&index.search(&SearchQuery { facets, ..base.clone() }, &everybody()).unwrap());
        found.sort_unstable();
        assert_eq!(found, expected);
    }
    let with = |query: SearchQuery| ids(&index.search(&query, &everybody()).unwrap());
    assert_eq!(with(SearchQuery { tags: vec!["language:sw".into()], ..base.clone() }), [1]);
    assert_eq!(with(SearchQuery { gated: Some(true), ..base.clone() }), [3]);
    assert_eq!(with(SearchQuery { owner: Some("ACME".into()), kinds: vec![RepoKind::Model], ..base.clone() }), [3]);
    assert_eq!(with(SearchQuery { kinds: vec![RepoKind::Model, RepoKind::Space], ..base.clone() }), [3]);
    assert!(with(SearchQuery { owner: Some("other".into()), ..base }).is_empty());
}

#[test]
fn pages_follow_one_another_in_every_order() {
    let docs = (1..=23).map(|id| SearchDoc {
        // Many are equal in everything, so ties decide.
        downloads: u64::try_from(id % 3).unwrap(),
        ..card(id, &format!("d{id}"), "water")
    });
    let index = index_of(docs.collect());
    for order in [
        SearchOrder::Relevance,
        SearchOrder::Ascending(OrderBy::Modified),
        SearchOrder::Descending(OrderBy::Modified),
        SearchOrder::Descending(OrderBy::Downloads),
        SearchOrder::Ascending(OrderBy::Likes),
        SearchOrder::Descending(OrderBy::Created),
    ] {
        for text in ["water", ""] {
            let mut query = SearchQuery { order, page_hits: 5, ..SearchQuery::of(text) };
            let (mut seen, mut pages) = (Vec::new(), 0);
            loop {
                let page = index.search(&query, &everybody()).unwrap();
                assert_eq!(page.total, 23);
                seen.extend(ids(&page));
                pages += 1;
                let Some(next) = page.next else { break };
                query.after = Some(next.to_string().parse().unwrap());
            }
            let whole =
                index.search(&SearchQuery { after: None, page_hits: 100, ..query.clone() }, &everybody()).unwrap();
            assert_eq!((pages, &seen), (5, &ids(&whole)), "{order:?}");
            match order {
                SearchOrder::Ascending(_) => assert_eq!(seen, (1..=23).collect::<Vec<_>>()),
                SearchOrder::Descending(OrderBy::Modified) => assert_eq!(seen, (1..=23).rev().collect::<Vec<_>>()),
                SearchOrder::Descending(OrderBy::Created) => assert_eq!(seen[..3], [23, 22, 21]),
                _ => assert_eq!(seen[..3], [23, 20, 17], "{order:?}"),
            }
        }
    }
}
