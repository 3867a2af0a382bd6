//! Previews through the program: hostile files cost one preview and never the node, and the process that reads them
//! has no rights.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::{Serving, commit_body, program, succeed};

const DATASETS: &[u8] = include_bytes!("../../../karez-preview/tests/it/golden/datasets.parquet");
/// One cell of 600 MB.
const HUGE_CELL: &[u8] = include_bytes!("../../../karez-preview/tests/it/golden/huge-cell.parquet");
/// 500 rows of a megabyte each.
const WIDE_ROWS: &[u8] = include_bytes!("../../../karez-preview/tests/it/golden/wide-rows.parquet");
/// 4 GB of text without the end of a line.
const ENDLESS: &[u8] = include_bytes!("../../../karez-preview/tests/it/golden/endless.txt.bz2");

fn node(folder: &Path) -> Serving {
    let settings = ["--set", "limits.preview_memory_bytes_max=400000000", "--set", "limits.preview_secs_max=2"];
    Serving::start(folder, &settings)
}

fn dataset(node: &Serving, folder: &Path, name: &str, path: &str, content: &[u8]) {
    succeed(folder, &["repo", "create", &format!("datasets/admin/{name}")]);
    let body = commit_body(path, content);
    let answer = node.request("POST", &format!("/api/datasets/admin/{name}/commit/main"), node.token(), &body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn ask(node: &Serving, what: &str, name: &str) -> String {
    let path = format!("/datasets-server/{what}dataset=admin/{name}&config=default&split=train");
    node.request("GET", &path, None, "")
}

/// Returns the memory of a process, in bytes.
fn resident_bytes(pid: u32) -> u64 {
    let pages = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Returns the children of all threads of a process.
fn children(pid: u32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // A thread may end meanwhile; then it has no children.
    let of_task =
        |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("children")).ok();
    tasks.filter_map(of_task).collect::<String>().trim().to_owned()
}

#[test]
fn rows_come_from_a_child_and_a_bad_file_ends_only_that() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path());
    dataset(&node, folder.path(), "good", "a.parquet", DATASETS);
    dataset(&node, folder.path(), "huge", "a.parquet", HUGE_CELL);
    dataset(&node, folder.path(), "endless", "a.txt.bz2", ENDLESS);
    let good = ask(&node, "rows?offset=998&length=1&", "good");
    assert!(good.starts_with("HTTP/1.1 200") && good.contains("Zeile 998: ቡና"), "{good}");
    let before = resident_bytes(node.process.id());

    for what in ["rows?", "statistics?", "search?query=x&"] {
        let huge = ask(&node, what, "huge");
        assert!(huge.starts_with("HTTP/1.1 422") && huge.contains("TooBigContentError"), "{what}: {huge}");
    }
    let begun = Instant::now();
    let endless = ask(&node, "statistics?", "endless");
    assert!(endless.starts_with("HTTP/1.1 422"), "{endless}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

    // Many at once: the node goes on meanwhile, and answers about what is good.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| ask(&node, "rows?offset=0&length=1&", "huge"));
        }
        let well = node.request("GET", "/healthz", None, "");
        assert!(well.starts_with("HTTP/1.1 200"), "{well}");
    });
    let good = ask(&node, "statistics?", "good");
    assert!(good.starts_with("HTTP/1.1 200") && good.contains("\"num_examples\":1000"), "{good}");
    let after = resident_bytes(node.process.id());
    assert!(after < before + (150 << 20), "the node grew from {before} to {after} bytes");
    let begun = Instant::now();
    while !children(node.process.id()).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "children are left: {}", children(node.process.id()));
        std::thread::yield_now();
    }
}

#[test]
fn rows_that_are_long_together_are_read_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path());
    dataset(&node, folder.path(), "wide", "a.parquet", WIDE_ROWS);
    let found = ask(&node, "statistics?", "wide");
    assert!(found.starts_with("HTTP/1.1 200") && found.contains("\"max\":1000006"), "{found}");
    let found = ask(&node, "search?query=000499x&", "wide");
    assert!(found.starts_with("HTTP/1.1 200") && found.contains("\"num_rows_total\":1,"), "{:.400}", found);
}

#[test]
fn the_child_gives_up_what_it_does_not_need() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = program(folder.path());
    command.args(["preview-worker", "500000000", "7"]).stdin(Stdio::from(OwnedFd::from(theirs)));
    let mut child = command.spawn().unwrap();
    let of_child = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap();
    let begun = Instant::now();
    // It waits for a question once all is given up.
    while !of_child("status").contains("Seccomp:\t2") {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", of_child("status"));
        std::thread::yield_now();
    }
    let limits = of_child("limits");
    let limit = |name: &str| {
        limits.lines().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(limit("Max open files"), "0");
    assert_eq!(limit("Max address space"), "500000000");
    assert_eq!(limit("Max cpu time"), "7");
    assert_eq!(limit("Max file size"), "0");
    // It has nothing open but the socket and what tests print to.
    drop(ours);
    assert!(!child.wait().unwrap().success(), "who asks nothing gets nothing");
}
