//! `karez config`, and settings that are refused.

use crate::program::{fail, program, succeed, text};

#[test]
fn every_value_is_shown_with_its_source() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("karez.toml"), "log = \"info\"\n[limits]\nrepo_refs_max = 5\n").unwrap();
    let mut command = program(folder.path());
    let output = command.env("KAREZ_STOP_SECS_MAX", "3").args(["config", "--listen", "127.0.0.1:1"]).output().unwrap();
    let shown = text(&output.stdout);
    let source = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
        line.rsplit("# ").next().unwrap().to_owned()
    };
    assert_eq!(source("listen"), "--listen");
    assert_eq!(source("log"), "karez.toml");
    assert_eq!(source("stop_secs_max"), "KAREZ_STOP_SECS_MAX");
    assert_eq!(source("repo_refs_max"), "karez.toml");
    assert_eq!(source("xorb_chunks_max"), "default");

    let json = succeed(folder.path(), &["config", "--json"]);
    assert!(json.contains("\"limits.repo_refs_max\": {\n    \"source\": \"karez.toml\",\n    \"value\": 5"), "{json}");
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("karez.toml"), "[limits]\nxorb_byte_max = 5\n").unwrap();
    let said = fail(folder.path(), &["serve"]);
    let expected = "karez: karez.toml: there is no setting limits.xorb_byte_max; did you mean limits.xorb_bytes_max?\n";
    assert_eq!(said, expected);
    assert!(!folder.path().join("karez-data").exists(), "nothing was made");
}

#[test]
fn a_wrong_log_level_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(fail(folder.path(), &["user", "list", "--log", "a=b=c"]).contains("the setting log is wrong"));
}
