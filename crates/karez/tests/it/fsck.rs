//! `karez fsck` on a node that is whole, and on damaged ones.

use std::path::{Path, PathBuf};

use crate::program::{Serving, run, succeed, text};

/// Makes a node with one large and one small file; returns the path of the one xorb.
fn node_with_files(folder: &Path) -> (Serving, PathBuf) {
    let node = Serving::start(folder, &["--set", "limits.regular_file_bytes_max=1000"]);
    succeed(folder, &["repo", "create", "admin/m"]);
    let content: Vec<u8> =
        (0..400_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for (path, content) in [("large.bin", &content[..]), ("small.txt", b"small")] {
        let answer = node.commit("admin/m", path, content);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let mut found = vec![folder.join("karez-data/objects/xorbs")];
    let xorb = loop {
        let path = found.pop().expect("there is a xorb");
        if path.is_dir() {
            found.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_none() {
            break path;
        }
    };
    (node, xorb)
}

fn check(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(folder, &[&["fsck"], arguments].concat());
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn a_whole_node_is_clean_also_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (_node, _) = node_with_files(folder.path());
    for arguments in [&[][..], &["--deep"]] {
        let (code, said) = check(folder.path(), arguments);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("Checked 1 repositories, 1 refs,"), "{said}");
        assert!(said.contains("1 large files, 1 xorbs"), "{said}");
        assert!(said.contains("Derived the log anew from its "), "{said}");
        assert!(said.contains("Everything is in order."), "{said}");
    }
    let (_, json) = check(folder.path(), &["--json"]);
    assert!(json.contains("\"clean\": true") && json.contains("\"files\": 1"), "{json}");
}

#[test]
fn damaged_bytes_are_found_by_the_deep_check() {
    let folder = tempfile::tempdir().unwrap();
    let (node, xorb) = node_with_files(folder.path());
    drop(node);
    let mut bytes = std::fs::read(&xorb).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&xorb, &bytes).unwrap();
    assert_eq!(check(folder.path(), &[]).0, Some(0), "lengths are right");
    let (code, said) = check(folder.path(), &["--deep"]);
    assert_eq!(code, Some(1), "{said}");
    let name = xorb.file_name().unwrap().to_str().unwrap();
    assert!(said.contains(&format!("xorb {name}: ")) && said.contains("file "), "{said}");
}

#[test]
fn missing_and_cut_xorbs_are_found_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (node, xorb) = node_with_files(folder.path());
    drop(node);
    let bytes = std::fs::read(&xorb).unwrap();
    std::fs::write(&xorb, &bytes[..bytes.len() / 2]).unwrap();
    let (code, said) = check(folder.path(), &[]);
    assert_eq!(code, Some(1), "{said}");
    std::fs::remove_file(&xorb).unwrap();
    let (code, said) = check(folder.path(), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is missing") && said.contains("2 problems."), "{said}");
    // Brought back from a copy, all is well again.
    std::fs::write(&xorb, &bytes).unwrap();
    assert_eq!(check(folder.path(), &["--deep"]).0, Some(0));
}

#[test]
fn a_log_that_was_edited_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (node, _) = node_with_files(folder.path());
    // The chore signs within a second.
    while !succeed(folder.path(), &["fsck"]).contains("; 0 wait to be signed") {
        std::thread::yield_now();
    }
    drop(node);
    let edit = |sql: &str| {
        let database = folder.path().join("karez-data/catalog.sqlite");
        let change = "import sqlite3, sys\n\
                      with sqlite3.connect(sys.argv[1]) as base:\n\
                      \x20   assert base.execute(sys.argv[2]).rowcount == 1";
        let done = std::process::Command::new("python3").args(["-c", change]).arg(database).arg(sql).status().unwrap();
        assert!(done.success(), "{sql}");
    };
    edit("UPDATE log_tile SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND tile = 0");
    let (code, said) = check(folder.path(), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("log: tile 0/0 is not that of the entries") && said.contains("1 problems."), "{said}");
    edit("DELETE FROM log_entry WHERE idx = 0");
    let (code, json) = check(folder.path(), &["--json"]);
    assert_eq!(code, Some(1), "{json}");
    assert!(json.contains("\"clean\": false") && json.contains("log: a row of table `log_entry` is broken"), "{json}");
}
