//! Folders of pictures and sounds as the `datasets` library builds them (datasets 5.2, `folder_based_builder.py`): what a
//! row is, and which labels there are, goes by the files of all splits together.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::layout::{DataFile, Split};

/// Names of files beside pictures and sounds that say more of them.
const METADATA_NAMES: [&str; 3] = ["metadata.csv", "metadata.jsonl", "metadata.parquet"];

/// Tells whether a path is that of a file that says more of the pictures or sounds beside it.
pub fn is_metadata(path: &str) -> bool {
    METADATA_NAMES.contains(&path.rsplit('/').next().unwrap_or_default())
}

/// Returns the name of the folder that a file is in.
pub fn folder_name(path: &str) -> &str {
    path.rsplit('/').nth(1).unwrap_or_default()
}

/// What makes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FolderRows {
    /// A file.
    Files,
    /// A file, labelled by its folder.
    LabelledFiles,
    /// A row of a metadata file, which names files.
    Metadata,
}

/// How the files of a split become rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// What makes a row.
    pub rows: FolderRows,
    /// The labels of all splits, sorted; empty when nothing is labelled.
    pub labels: Vec<String>,
    /// The metadata file of another split, whose columns are those of this one too, if it has none of its own.
    pub described_by: Option<DataFile>,
}

/// Says of every split how its files become rows, and puts metadata files before the others.
pub fn arrange(splits: &mut [Split]) {
    let (mut labels, mut depths, mut has_metadata) = (BTreeSet::new(), BTreeSet::new(), false);
    let mut rows = Vec::new();
    for split in splits.iter_mut() {
        split.files.sort_by_key(|file| !is_metadata(&file.path));
        for file in &split.files {
            if is_metadata(&file.path) {
                has_metadata = true;
            } else {
                labels.insert(folder_name(&file.path).to_owned());
                depths.insert(file.path.matches('/').count());
            }
        }
        // The library decides for each split by what it has seen up to it, and for the features by all.
        rows.push(match (has_metadata, labels.len() > 1 && depths.len() == 1) {
            (true, _) => FolderRows::Metadata,
            (false, true) => FolderRows::LabelledFiles,
            (false, false) => FolderRows::Files,
        });
    }
    let labels: Vec<String> = match rows.last() {
        Some(FolderRows::LabelledFiles) => labels.into_iter().collect(),
        _ => Vec::new(),
    };
    let first = splits.iter().flat_map(|split| &split.files).find(|file| is_metadata(&file.path)).cloned();
    for (split, rows) in splits.iter_mut().zip(rows) {
        let has_own = split.files.iter().any(|file| is_metadata(&file.path));
        let described_by = if has_own { None } else { first.clone() };
        split.folder = Some(Folder { rows, labels: labels.clone(), described_by });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(splits: &[&[&str]]) -> Vec<(String, FolderRows, Vec<String>, bool)> {
        let file = |path: &&str| DataFile { path: (*path).to_owned(), file_bytes: 1 };
        let split =
            |paths: &&[&str]| Split { name: "x".to_owned(), files: paths.iter().map(file).collect(), folder: None };
        let mut splits: Vec<Split> = splits.iter().map(split).collect();
        arrange(&mut splits);
        let shown = |split: Split| {
            let folder = split.folder.unwrap();
            (split.files[0].path.clone(), folder.rows, folder.labels, folder.described_by.is_some())
        };
        splits.into_iter().map(shown).collect()
    }

    #[test]
    fn labels_are_those_of_all_splits() {
        let found = arranged(&[&["train/cat/1.png", "train/dog/2.png"], &["test/dog/3.png"]]);
        let labels = vec!["cat".to_owned(), "dog".to_owned()];
        assert_eq!(found[0], ("train/cat/1.png".to_owned(), FolderRows::LabelledFiles, labels.clone(), false));
        assert_eq!(found[1], ("test/dog/3.png".to_owned(), FolderRows::LabelledFiles, labels, false));
        // The first split had one label when it was looked at.
        let found = arranged(&[&["train/cat/1.png"], &["test/dog/3.png"]]);
        assert_eq!((found[0].1, found[1].1, found[0].2.len()), (FolderRows::Files, FolderRows::LabelledFiles, 2));
        // Folders of different depth are no labels.
        assert!(arranged(&[&["cat/1.png", "dog/x/2.png"]])[0].2.is_empty());
    }

    #[test]
    fn metadata_comes_first_and_counts_for_the_splits_behind_it() {
        let found = arranged(&[&["a/1.png"], &["b/1.png", "b/metadata.csv"], &["c/1.png"]]);
        assert_eq!(found[0], ("a/1.png".to_owned(), FolderRows::Files, vec![], true));
        assert_eq!(found[1], ("b/metadata.csv".to_owned(), FolderRows::Metadata, vec![], false));
        assert_eq!(found[2], ("c/1.png".to_owned(), FolderRows::Metadata, vec![], true));
    }
}
