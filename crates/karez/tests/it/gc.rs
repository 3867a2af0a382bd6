//! `karez gc` beside a running node.

use crate::program::{Serving, run, succeed, text};

#[test]
fn it_says_what_it_did_and_lets_what_is_used_be() {
    let folder = tempfile::tempdir().unwrap();
    let node = Serving::start(folder.path(), &["--set", "limits.regular_file_bytes_max=1000"]);
    succeed(folder.path(), &["repo", "create", "admin/m"]);
    let content: Vec<u8> =
        (0..100_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let answer = node.commit("admin/m", "large.bin", &content);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // What was pushed a moment ago stays for weeks, also when its repository is deleted.
    for _ in 0..2 {
        let output = run(folder.path(), &["gc"]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(said.trim(), "Freed nothing: nothing has waited for long enough.\nNothing waits.");
        succeed(folder.path(), &["repo", "delete", "admin/m", "--yes"]);
        succeed(folder.path(), &["repo", "create", "admin/m"]);
    }
    let json = text(&run(folder.path(), &["gc", "--json"]).stdout);
    assert!(json.contains("\"freed_bytes\": 0") && json.contains("\"next\": null"), "{json}");
    let fsck = text(&run(folder.path(), &["fsck", "--deep"]).stdout);
    assert!(fsck.contains("1 large files, 1 xorbs") && fsck.contains("Everything is in order."), "{fsck}");
    let refused = run(folder.path(), &["gc", "--set", "garbage.grace_secs=60"]);
    assert!(text(&refused.stderr).contains("garbage.grace_secs must be at least 86400"), "{refused:?}");
}

#[test]
fn the_settings_say_what_they_are_for() {
    let folder = tempfile::tempdir().unwrap();
    let shown = text(&run(folder.path(), &["config"]).stdout);
    assert!(shown.contains("[garbage]\n# What nothing refers to any more waits for so long"), "{shown}");
}
