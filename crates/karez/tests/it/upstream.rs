//! Upstream hubs at the command line, and a running node that takes them up.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::{Serving, fail, program, succeed, text};

/// Runs a command that reads something from standard input.
fn with_input(folder: &std::path::Path, arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = program(folder);
    let mut process =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn an_upstream_is_added_while_the_node_runs() {
    let (up_folder, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let up = Serving::start(up_folder.path(), &[]);
    succeed(up_folder.path(), &["org", "create", "hub"]);
    succeed(up_folder.path(), &["repo", "create", "hub/tiny"]);
    let folder = folder.path();
    let node = Serving::start(folder, &[]);
    assert!(node.request("GET", "/api/models/hub/tiny", None, "").starts_with("HTTP/1.1 401"));

    let url = format!("http://{}", up.address);
    let refused = fail(folder, &["upstream", "add", "near", &url]);
    assert!(refused.contains("this machine") && refused.contains("--allow-private"), "{refused}");
    assert!(fail(folder, &["upstream", "add", "Near", &url]).contains("small letters"));
    assert!(fail(folder, &["upstream", "add", "near", "https://x", "--file-max", "20 Gb"]).contains("write `20 GB`"));
    assert_eq!(
        succeed(folder, &["upstream", "list"]),
        "There are no upstream hubs. To add one: karez upstream add NAME URL\n"
    );
    let said = succeed(
        folder,
        &[
            "upstream",
            "add",
            "near",
            &url,
            "--allow-private",
            "--allow",
            "hub/*",
            "--deny",
            "hub/bad",
            "--file-max",
            "20 GB",
            "--revalidate",
            "1 h",
        ],
    );
    assert!(said.contains("karez upstream check near"), "{said}");
    assert!(fail(folder, &["upstream", "add", "near", &url, "--allow-private"]).contains("the name near is taken"));
    assert!(succeed(folder, &["upstream", "check", "near"]).starts_with("near answers, in "));
    let shown = succeed(folder, &["upstream", "show", "near"]);
    for part in ["hub/*", "hub/bad", "larger than 20 GB", "after 1 h", "without a token", "0 repositories"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    // The running node takes it up by itself.
    let began = Instant::now();
    while !node.request("GET", "/api/models/hub/tiny", None, "").starts_with("HTTP/1.1 200") {
        assert!(began.elapsed() < Duration::from_secs(20), "the node did not notice");
        std::thread::yield_now();
    }
    let origin = succeed(folder, &["repo", "origin", "hub/tiny"]);
    assert!(origin.contains("hub/tiny comes from near, where it is hub/tiny"), "{origin}");
    assert!(succeed(folder, &["repo", "origin", "hub/tiny", "--json"]).contains("\"remote\": \"near\""));
    assert!(succeed(folder, &["repo", "pin", "hub/tiny"]).contains("never removed"));
    assert!(succeed(folder, &["repo", "origin", "hub/tiny"]).contains("Pinned"));
    succeed(folder, &["repo", "unpin", "hub/tiny"]);
    succeed(folder, &["repo", "create", "admin/own"]);
    assert_eq!(succeed(folder, &["repo", "origin", "admin/own"]), "admin/own is this node's own.\n");
    assert!(fail(folder, &["repo", "pin", "admin/own"]).contains("is this node's own"));

    // What is set can change, and what came from it stays.
    assert!(fail(folder, &["upstream", "set", "near", "--file-max", "20 Gb"]).contains("write `20 GB`"));
    assert!(fail(folder, &["upstream", "set", "near", "--allow-private", "no"]).contains("--allow-private"));
    assert!(fail(folder, &["upstream", "set", "far", "--deny", "none"]).contains("no upstream hub named far"));
    let set = [
        "upstream",
        "set",
        "near",
        "--deny",
        "none",
        "--file-max",
        "none",
        "--repo-max",
        "9 GB",
        "--pass-tokens",
        "yes",
    ];
    let said = succeed(folder, &set);
    for part in ["hub/*", "more than 9 GB", "after 1 h", "private one", "does not know are tried"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("hub/bad") && !said.contains("20 GB"), "{said}");
    assert!(
        succeed(folder, &["upstream", "set", "near", "--allow", "all"]).contains("every repository that is not here")
    );
    assert!(succeed(folder, &["repo", "origin", "hub/tiny"]).contains("hub/tiny comes from near"));

    let (done, said) = with_input(folder, &["upstream", "login", "near", "admin"], "hf_secretsecret\n");
    assert!(done && !said.contains("hf_secret"), "{said}");
    let (done, said) = with_input(folder, &["upstream", "login", "near", "admin"], "  \n");
    assert!(!done && said.contains("standard input"), "{said}");
    let database = std::fs::read_dir(folder.join("karez-data")).into_iter().flatten().flatten();
    for file in database.filter(|file| file.file_name().to_string_lossy().starts_with("catalog")) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(9).any(|part| part == b"hf_secret"), "a token stands in {:?}", file.path());
    }
    assert!(succeed(folder, &["upstream", "logout", "near", "admin"]).starts_with("Forgot"));

    assert!(fail(folder, &["upstream", "remove", "near"]).contains("--with-repositories"));
    succeed(folder, &["upstream", "remove", "near", "--with-repositories"]);
    assert!(fail(folder, &["upstream", "show", "near"]).contains("there is no upstream hub named near"));
}
