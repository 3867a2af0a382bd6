//! `karez log`: a proof that leaves the node, and a node that was put back to an old backup.

use std::fs;
use std::path::Path;

use crate::program::{Serving, fail, succeed};

fn word_after(text: &str, mark: &str) -> String {
    text.split(mark).nth(1).unwrap().split(['"', '\n', ' ', ',']).next().unwrap().to_owned()
}

/// Waits until the node has signed so many entries; the chore does so every second.
fn wait_for_signed(node: &Serving, entries: u64) -> String {
    loop {
        let answer = node.request("GET", "/log/checkpoint", None, "");
        if answer.contains(&format!("\n{entries}\n")) {
            return answer;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_proof_is_checked_where_there_is_no_node() {
    let (home, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Serving::start(home.path(), &[]);
    succeed(home.path(), &["repo", "create", "admin/river"]);
    let said = node.commit("admin/river", "README.md", b"---\nlicense: mit\n---\n");
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    wait_for_signed(&node, 2);

    let key = word_after(&succeed(home.path(), &["log", "key", "--json"]), "\"log_key\": \"");
    assert!(succeed(home.path(), &["log", "key"]).contains(&key));
    let said = succeed(home.path(), &["log", "prove", "admin/river@main", "-o", "p.tlog-proof"]);
    assert!(said.contains("is entry 1 of the log") && said.contains(&key), "{said}");
    assert!(succeed(home.path(), &["log", "prove", "admin/river"]).starts_with("c2sp.org/tlog-proof@v1\n"));
    assert!(fail(home.path(), &["log", "prove", "admin/none"]).contains("not found"));
    let verified = succeed(home.path(), &["log", "verify"]);
    assert!(verified.contains("Derived 2 entries") && verified.contains("Everything is in order."), "{verified}");
    let shown = succeed(home.path(), &["log", "show"]);
    assert!(shown.contains("2 entries, 2 of them signed") && shown.contains("admin/river: main is"), "{shown}");
    let json = succeed(home.path(), &["log", "show", "--json", "--limit", "1"]);
    assert!(json.contains("\"lic\": \"mit\"") && !json.contains("publish"), "{json}");

    fs::copy(home.path().join("p.tlog-proof"), away.path().join("p.tlog-proof")).unwrap();
    let check = ["log", "verify", "p.tlog-proof", "--key", &key];
    let said = succeed(away.path(), &check);
    assert!(said.contains("The proof holds: entry 1 of 2") && said.contains("admin/river: main is"), "{said}");
    // As it was copied out of a list.
    succeed(away.path(), &["log", "verify", "p.tlog-proof", "--key", &format!("  {key}\n")]);
    assert!(succeed(away.path(), &[&check[..], &["--json"]].concat()).contains("\"valid\": true"));
    fs::write(away.path().join("policy"), format!("log {key}\nquorum none\n")).unwrap();
    assert!(succeed(away.path(), &["log", "verify", "p.tlog-proof", "--policy", "policy"]).contains("holds"));
    // Nobody to trust; another key; a changed proof; something else.
    assert!(fail(away.path(), &["log", "verify", "p.tlog-proof"]).contains("--key"));
    let proof = fs::read_to_string(away.path().join("p.tlog-proof")).unwrap();
    fs::write(away.path().join("p.tlog-proof"), proof.replace("index 1", "index 0")).unwrap();
    assert!(fail(away.path(), &check).contains("does not lead"));
    fs::write(away.path().join("p.tlog-proof"), "nonsense").unwrap();
    assert!(fail(away.path(), &check).contains("neither a proof"));
    assert_eq!(fs::read_dir(away.path()).unwrap().count(), 2, "checking leaves nothing behind");
}

#[test]
fn a_node_on_an_old_backup_serves_and_does_not_sign() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("karez-data");
    let node = Serving::start(home.path(), &[]);
    succeed(home.path(), &["repo", "create", "admin/one"]);
    let old_note = wait_for_signed(&node, 1);
    node.terminate();
    node.wait();
    let database = |name: &str| data.join(name);
    fs::copy(database("catalog.sqlite"), home.path().join("backup")).unwrap();

    let node = Serving::start(home.path(), &[]);
    succeed(home.path(), &["repo", "create", "admin/two"]);
    wait_for_signed(&node, 2);
    node.terminate();
    node.wait();
    restore(&data, &home.path().join("backup"));

    let node = Serving::start(home.path(), &[]);
    for name in ["admin/other", "admin/more", "admin/most"] {
        succeed(home.path(), &["repo", "create", name]);
    }
    // It works as before, and says the old checkpoint; the entries wait.
    assert!(node.request("GET", "/api/models/admin/one", None, "").starts_with("HTTP/1.1 200"));
    let shown = succeed(home.path(), &["log", "show", "--json"]);
    assert!(shown.contains("\"entries\": 4") && shown.contains("\"signed\": 1"), "{shown}");
    let note = |answer: &str| answer.split("\r\n\r\n").nth(1).unwrap().to_owned();
    assert_eq!(note(&node.request("GET", "/log/checkpoint", None, "")), note(&old_note));
}

fn restore(data: &Path, backup: &Path) {
    fs::copy(backup, data.join("catalog.sqlite")).unwrap();
    for side in ["catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(data.join(side));
    }
}

fn copy_folder(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

/// Runs a command again and again until what it prints has these words.
fn wait_for(folder: &Path, arguments: &[&str], words: &str) -> String {
    let began = std::time::Instant::now();
    loop {
        let said = succeed(folder, arguments);
        if said.contains(words) {
            return said;
        }
        assert!(began.elapsed().as_secs() < 60, "{words} never came: {said}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn evidence_of_a_fork_leaves_the_node_in_a_file() {
    let (home, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (home, away) = (home.path(), away.path());
    let soon = ["--set", "federation.poll_secs=1"];
    let _here = Serving::start(home, &soon);
    let start = || Serving::start(away, &[]);
    // Each time at another address: the peer is its key.
    let add = |other: &Serving| {
        let url = format!("http://{}", other.address);
        succeed(home, &["peer", "add", &url, "--yes", "--allow-private", "--name", "far"])
    };
    let other = start();
    succeed(away, &["repo", "create", "admin/one"]);
    wait_for_signed(&other, 1);
    let key = word_after(&succeed(away, &["log", "key", "--json"]), "\"log_key\": \"");
    assert!(add(&other).contains("far is a peer now"));
    wait_for(home, &["peer", "list", "--json"], "\"entries\": 1");
    drop(other);
    let backup = away.join("backup");
    copy_folder(&away.join("karez-data"), &backup);

    let other = start();
    assert!(add(&other).contains("far is asked at http://"));
    for name in ["admin/two", "admin/three"] {
        succeed(away, &["repo", "create", name]);
    }
    wait_for_signed(&other, 3);
    wait_for(home, &["peer", "list", "--json"], "\"entries\": 3");
    assert!(succeed(home, &["log", "forks"]).contains("No log was found"));
    drop(other);
    fs::remove_dir_all(away.join("karez-data")).unwrap();
    fs::rename(&backup, away.join("karez-data")).unwrap();

    let other = start();
    for name in ["admin/another-two", "admin/another-three", "admin/another-four"] {
        succeed(away, &["repo", "create", name]);
    }
    wait_for_signed(&other, 4);
    add(&other);
    wait_for(home, &["log", "forks"], ".karez/log");
    let listed = succeed(home, &["log", "forks", "--output", "evidence"]);
    let file = format!("evidence/{}.fork", word_after(&listed, "evidence/").trim_end_matches(".fork"));
    let said = succeed(home, &["log", "verify", &file, "--key", &key]);
    assert!(said.contains("The evidence holds") && said.contains("two histories"), "{said}");
    assert!(succeed(home, &["log", "show"]).contains("karez log forks --output FOLDER"));
    assert!(succeed(home, &["peer", "list"]).contains("showed two histories"));
}
