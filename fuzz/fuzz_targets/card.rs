//! Any text as the card of a repository: never a panic, and what the parser, the linter and the finder of splits say of
//! it is bounded by it.
#![no_main]

use karez_formats::card::{Card, body};
use karez_preview::{DataFile, configs};
use karez_types::RepoKind;
use libfuzzer_sys::fuzz_target;

/// Longer texts are more of the same.
const TEXT_BYTES_MAX: usize = 64 << 10;
const PATHS: [&str; 8] = [
    "train.csv",
    "data/train-00000-of-00001.parquet",
    "en/a.jsonl",
    "en/b.jsonl",
    "train/cat/1.png",
    "test/dog/2.png",
    "train/metadata.csv",
    ".hidden/x.csv",
];

fuzz_target!(|readme: &str| {
    if readme.len() > TEXT_BYTES_MAX {
        return;
    }
    let card = Card::parse(readme);
    assert_eq!(card.errors().len() + card.warnings().len(), card.findings.len());
    assert!(card.data.is_null() || card.data.is_object());
    assert!(readme.ends_with(body(readme)));
    for kind in [RepoKind::Model, RepoKind::Dataset, RepoKind::Space] {
        card.tags(kind);
    }
    let files = PATHS.map(|path| DataFile { path: path.to_owned(), file_bytes: 1 });
    for config in configs(&card.data, &files) {
        assert!(config.splits.iter().all(|split| !split.files.is_empty()));
    }
});
