//! Tests of the index as its users meet it.

mod finding;
mod folder;
mod narrowing;
mod written;

use karez_search::{Batch, Eyes, IndexPlace, Reader, SearchDoc, SearchIndex, SearchPage, SearchQuery};
use karez_types::{RepoId, RepoKind, Timestamp};

/// Returns a public dataset with this name and text.
fn card(id: i64, name: &str, body: &str) -> SearchDoc {
    let (owner, name) = name.split_once('/').unwrap_or(("acme", name));
    SearchDoc {
        readers: vec![Reader::EVERYBODY],
        body: body.to_owned(),
        modified: Timestamp(1_000 + id),
        created: Timestamp(1_000 + id),
        ..SearchDoc::new(RepoId(id), RepoKind::Dataset, owner, name)
    }
}

fn index_of(docs: Vec<SearchDoc>) -> SearchIndex {
    let index = SearchIndex::open(&IndexPlace::Memory).unwrap();
    index.apply(&Batch { put: docs, mark: "1".to_owned(), ..Batch::default() }).unwrap();
    index
}

fn ids(page: &SearchPage) -> Vec<i64> {
    page.hits.iter().map(|hit| hit.id.0).collect()
}

fn everybody() -> Eyes {
    Eyes::Of(vec![Reader::EVERYBODY])
}

/// Returns what everybody finds with these words.
fn found(index: &SearchIndex, text: &str) -> Vec<i64> {
    ids(&index.search(&SearchQuery::of(text), &everybody()).unwrap())
}

/// A module that is not named above would never run.
#[test]
fn every_file_in_this_folder_is_part_of_the_suite() {
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name} is not in main.rs");
    }
}
