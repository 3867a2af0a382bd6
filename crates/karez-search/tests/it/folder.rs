//! The index on disk: crashes, damage, several processes.

use std::fs;
use std::path::Path;

use karez_search::{Batch, IndexPlace, SearchError, SearchIndex};
use karez_types::RepoId;

use crate::{card, found};

fn batch(mark: &str, ids: &[i64]) -> Batch {
    let put = ids.iter().map(|&id| card(id, &format!("d{id}"), "water")).collect();
    Batch { put, mark: mark.to_owned(), ..Batch::default() }
}

fn open(folder: &Path) -> SearchIndex {
    SearchIndex::open(&IndexPlace::Folder(folder.to_owned())).unwrap()
}

#[test]
fn documents_and_mark_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    assert_eq!((index.mark().as_str(), index.doc_count()), ("", 0));
    index.apply(&batch("first 1", &[1, 2, 3])).unwrap();
    index.apply(&Batch { removed: vec![RepoId(2)], ..batch("second 2", &[3, 4]) }).unwrap();
    drop(index);
    let index = open(folder.path());
    assert_eq!((index.mark().as_str(), index.doc_count()), ("second 2", 3));
    let mut there = found(&index, "water");
    there.sort_unstable();
    assert_eq!(there, [1, 3, 4]);
    index.apply(&Batch { is_fresh: true, ..batch("third", &[9]) }).unwrap();
    assert_eq!(found(&index, "water"), [9]);
}

#[test]
fn a_damaged_index_is_begun_anew() {
    let damages: [fn(&Path); 4] = [
        |index| fs::write(index.join("meta.json"), b"{").unwrap(),
        |index| fs::remove_file(index.join("meta.json")).unwrap(),
        |index| {
            for file in fs::read_dir(index).unwrap().map(|entry| entry.unwrap().path()) {
                if file.extension().is_some_and(|ending| ending == "term" || ending == "idx") {
                    let mut bytes = fs::read(&file).unwrap();
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 0x40;
                    fs::write(&file, bytes).unwrap();
                }
            }
        },
        |index| {
            for file in fs::read_dir(index).unwrap().map(|entry| entry.unwrap().path()) {
                fs::write(&file, b"").unwrap();
            }
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).apply(&batch("1", &[1, 2])).unwrap();
        damage(&folder.path().join("1/index"));
        let index = open(folder.path());
        assert_eq!((index.mark().as_str(), index.doc_count()), ("", 0), "damage {number}");
        index.apply(&batch("2", &[5])).unwrap();
        assert_eq!(found(&index, "water"), [5]);
    }
}

#[test]
fn each_process_has_a_place_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (open(folder.path()), open(folder.path()));
    first.apply(&batch("a", &[1])).unwrap();
    second.apply(&batch("b", &[2])).unwrap();
    assert_eq!((found(&first, "water"), found(&second, "water")), (vec![1], vec![2]));
    drop(first);
    assert_eq!(open(folder.path()).mark(), "a");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"").unwrap();
    let place = IndexPlace::Folder(folder.path().join("file"));
    let Err(error) = SearchIndex::open(&place) else { panic!("a file is no folder") };
    assert!(matches!(&error, SearchError::Folder { .. }) && error.to_string().contains("file"), "{error}");
}
