//! Two hundred written queries in ten languages over cards in ten languages (`tests/search`).

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use karez_search::{Reader, SearchDoc, SearchQuery};
use karez_types::{RepoId, RepoKind, Timestamp};
use serde_json::Value;

use crate::{everybody, ids, index_of};

const CARDS: &str = include_str!("../../../../tests/search/cards.jsonl");
const QUERIES: &str = include_str!("../../../../tests/search/queries.txt");

/// Among so many the card in the asker's own language must be.
const OWN_WITHIN: usize = 5;
/// Among so many the cards in all ten languages must be.
const ALL_WITHIN: usize = 20;
/// Share of what is wanted that must be found, in percent, in every language.
const RECALL_MIN: usize = 95;
/// Mean of one over the place of the first wanted card, in percent, in every language.
const RANK_MIN: usize = 85;

struct Card {
    id: i64,
    language: String,
    topic: String,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn cards() -> (Vec<Card>, Vec<SearchDoc>) {
    let (mut cards, mut docs) = (Vec::new(), Vec::new());
    for line in CARDS.lines() {
        let card: Value = serde_json::from_str(line).unwrap();
        let id = card["id"].as_i64().unwrap();
        let name = text(&card["name"]);
        let (owner, name) = name.split_once('/').unwrap();
        let tags = card["tags"].as_array().into_iter().flatten().map(text).collect();
        docs.push(SearchDoc {
            readers: vec![Reader::EVERYBODY],
            title: text(&card["title"]),
            body: text(&card["body"]),
            languages: vec![text(&card["lang"])],
            tasks: vec![text(&card["task"])],
            free_tags: tags,
            modified: Timestamp(id),
            ..SearchDoc::new(RepoId(id), RepoKind::Dataset, owner, name)
        });
        cards.push(Card { id, language: text(&card["lang"]), topic: text(&card["topic"]) });
    }
    (cards, docs)
}

#[test]
fn what_people_type_finds_what_they_want() {
    let (cards, docs) = cards();
    let index = index_of(docs);
    // Per language: wanted, found, queries, queries that found nothing, sum of one over the first place.
    let mut scores: BTreeMap<&str, (usize, usize, usize, usize, f64)> = BTreeMap::new();
    let mut misses = String::new();
    for line in QUERIES.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [language, query, topic, scope] = cells.as_slice() else { panic!("{line}") };
        let is_wanted = |card: &&Card| card.topic == *topic && (*scope == "all" || card.language == *language);
        let wanted: HashSet<i64> = cards.iter().filter(is_wanted).map(|card| card.id).collect();
        assert!(!wanted.is_empty() && matches!(*scope, "own" | "all"), "{line}");
        let found = ids(&index.search(&SearchQuery::of(query), &everybody()).unwrap());
        let within = if *scope == "all" { ALL_WITHIN } else { OWN_WITHIN };
        let hit = found.iter().take(within).filter(|id| wanted.contains(id)).count();
        let first = found.iter().position(|id| wanted.contains(id));
        let score = scores.entry(language).or_default();
        score.0 += wanted.len();
        score.1 += hit;
        score.2 += 1;
        score.3 += usize::from(found.is_empty());
        score.4 += first.map_or(0.0, |place| 1.0 / (place as f64 + 1.0));
        if hit < wanted.len() || first != Some(0) {
            let _ = writeln!(
                misses,
                "{language} {query}: {hit} of {}, first at {first:?}, {} found",
                wanted.len(),
                found.len()
            );
        }
    }
    println!("{misses}");
    assert_eq!(scores.values().map(|score| score.2).sum::<usize>(), 200);
    assert_eq!(scores.len(), 10);
    for (language, (wanted, found, queries, without, places)) in scores {
        let rank = places * 100.0 / queries as f64;
        println!("{language}: {found} of {wanted}, mean reciprocal rank {rank:.0} %, {without} without a result");
        assert!(found * 100 >= wanted * RECALL_MIN, "{language}: {found} of {wanted}\n{misses}");
        assert!(rank >= RANK_MIN as f64, "{language}: mean reciprocal rank {rank:.0} %\n{misses}");
        assert_eq!(without, 0, "{language}\n{misses}");
    }
}
