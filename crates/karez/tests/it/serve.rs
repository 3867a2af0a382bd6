//! The first start, the second one, and starts that are refused.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::program::{Serving, fail, program, succeed};

#[test]
fn the_first_start_says_what_to_type() {
    let folder = tempfile::tempdir().unwrap();
    let node = Serving::start(folder.path(), &[]);
    let token = node.token().expect("the token is shown").to_owned();
    assert!(token.starts_with("hf_") && token.len() >= 37, "{token}");
    let data = folder.path().canonicalize().unwrap().join("karez-data");
    let expected = format!(
        "Karez is ready at http://{address}\n\
         Its data is in {data}\n\
         \n\
         This is the first start. The administrator is admin.\n\
         Keep the token below. It is not shown again.\n\
         \n\
         To push a file, type in another terminal:\n\
         \x20 export HF_ENDPOINT=http://{address} HF_TOKEN={token}\n\
         \x20 hf upload admin/first-model README.md\n\
         To get it back:\n\
         \x20 hf download admin/first-model\n\
         \n\
         To stop: Ctrl-C\n",
        address = node.address,
        data = data.display(),
    );
    assert_eq!(node.welcome, expected);
    let me = node.request("GET", "/api/whoami-v2", Some(&token), "");
    assert!(me.starts_with("HTTP/1.1 200") && me.contains("\"admin\""), "{me}");
    let mode = |name: &str| data.join(name).metadata().unwrap().mode() & 0o777;
    assert_eq!((mode(""), mode("keys/signing.key"), mode("catalog.sqlite")), (0o700, 0o600, 0o600));

    drop(node);
    let again = Serving::start(folder.path(), &[]);
    assert_eq!(again.token(), None, "the token is shown once");
    assert!(again.welcome.contains("karez token create NAME"), "{}", again.welcome);
    let me = again.request("GET", "/api/whoami-v2", Some(&token), "");
    assert!(me.starts_with("HTTP/1.1 200"), "the token still works: {me}");
}

#[test]
fn the_administrator_can_have_another_name_and_the_node_another_address() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["--admin", "nora", "--public-url", "https://hub.example.org/", "--data-dir", "elsewhere"];
    let mut command = program(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(settings).stdout(std::process::Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut welcome = String::new();
    let mut out = std::io::BufReader::new(process.stdout.take().unwrap());
    while !welcome.contains("To stop:") {
        assert_ne!(std::io::BufRead::read_line(&mut out, &mut welcome).unwrap(), 0, "{welcome}");
    }
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(welcome.contains("export HF_ENDPOINT=https://hub.example.org HF_TOKEN=hf_"), "{welcome}");
    assert!(welcome.contains("hf upload nora/first-model"), "{welcome}");
    assert!(folder.path().join("elsewhere/catalog.sqlite").exists());
}

#[test]
fn a_second_serve_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let node = Serving::start(folder.path(), &[]);
    let said = fail(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let holder = format!("another karez serve (process {}) uses the folder", node.process.id());
    assert!(said.contains(&holder) && said.contains("--data-dir"), "{said}");
    drop(node);
    Serving::start(folder.path(), &[]);
}

#[test]
fn a_port_in_use_is_said() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Serving::start(one.path(), &[]);
    let said = fail(two.path(), &["serve", "--listen", &node.address]);
    assert!(said.contains("another program listens on") && said.contains("--listen"), "{said}");
}

#[test]
fn a_database_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(Serving::start(folder.path(), &[]));
    let change = "import sqlite3, sys\n\
                  with sqlite3.connect(sys.argv[1]) as base:\n\
                  \x20   base.execute('UPDATE schema_version SET version = 9999 WHERE version = 1')\n";
    let path = folder.path().join("karez-data/catalog.sqlite");
    let changed = Command::new("python3").args(["-c", change]).arg(&path).status().unwrap();
    assert!(changed.success());
    for arguments in [&["serve"][..], &["user", "list"], &["fsck"]] {
        let said = fail(folder.path(), arguments);
        assert!(said.contains("9999") && said.contains("newer program"), "{said}");
    }
}

#[test]
fn help_and_version_need_no_node() {
    let folder = tempfile::tempdir().unwrap();
    let help = succeed(folder.path(), &["--help"]);
    for word in ["serve", "config", "user", "org", "token", "repo", "fsck"] {
        assert!(help.contains(&format!("  {word} ")), "{word}: {help}");
    }
    assert!(succeed(folder.path(), &["--version"]).starts_with("karez "));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_store_that_does_not_work_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let said = fail(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--store", "file/objects"]);
    assert!(said.starts_with("karez: cannot open the store file/objects"), "{said}");
}
