//! Administration while the node runs.

use crate::program::{Serving, fail, run, run_with_input, succeed};

#[test]
fn people_tokens_and_repositories_while_the_node_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let node = Serving::start(folder, &[]);

    assert_eq!(
        succeed(folder, &["user", "add", "ann"]),
        "Added the user ann. To make a token: karez token create ann\n"
    );
    assert!(fail(folder, &["user", "create", "Ann"]).contains("the name Ann is taken"));
    let said = succeed(folder, &["token", "create", "ann", "--role", "read", "--expires-days", "7"]);
    let token = said.split("HF_TOKEN=").nth(1).unwrap().trim().to_owned();
    let me = node.request("GET", "/api/whoami-v2", Some(&token), "");
    assert!(me.starts_with("HTTP/1.1 200") && me.contains("\"ann\""), "the running node knows: {me}");

    let json = succeed(folder, &["token", "list", "ann", "--json"]);
    let id = json.split("\"id\": ").nth(1).unwrap().split([',', '\n']).next().unwrap().to_owned();
    succeed(folder, &["token", "revoke", "ann", &id]);
    assert!(node.request("GET", "/api/whoami-v2", Some(&token), "").starts_with("HTTP/1.1 401"));
    assert_eq!(succeed(folder, &["token", "list", "ann"]), "ann has no tokens.\n");

    succeed(folder, &["org", "create", "lab", "--fullname", "The laboratory"]);
    assert!(succeed(folder, &["org", "add", "lab", "ann", "--role", "admin"]).contains("with the role admin"));
    assert_eq!(succeed(folder, &["org", "members", "lab"]), "NAME  ROLE\nann   admin\n");
    assert!(succeed(folder, &["org", "list"]).contains("The laboratory"));

    assert_eq!(
        succeed(folder, &["repo", "create", "datasets/lab/corpus", "--private"]),
        "Created the private dataset datasets/lab/corpus.\n"
    );
    assert!(node.request("GET", "/api/datasets/lab/corpus", None, "").starts_with("HTTP/1.1 401"));
    succeed(folder, &["repo", "visibility", "datasets/lab/corpus", "public"]);
    assert!(node.request("GET", "/api/datasets/lab/corpus", None, "").starts_with("HTTP/1.1 200"));
    assert!(
        succeed(folder, &["repo", "move", "datasets/lab/corpus", "ann/corpus"]).contains("is now datasets/ann/corpus")
    );
    assert!(succeed(folder, &["repo", "list", "--owner", "ann"]).contains("datasets/ann/corpus"));
    assert!(fail(folder, &["user", "delete", "ann"]).contains("still owns 1 repositories"));
    assert!(fail(folder, &["repo", "delete", "datasets/ann/corpus"]).contains("add --yes"));
    assert_eq!(succeed(folder, &["repo", "delete", "datasets/ann/corpus", "--yes"]), "Deleted datasets/ann/corpus.\n");
    assert_eq!(succeed(folder, &["repo", "list"]), "There are no repositories.\n");

    succeed(folder, &["org", "remove", "lab", "ann"]);
    succeed(folder, &["org", "delete", "lab"]);
    succeed(folder, &["user", "delete", "ann"]);
    let users = succeed(folder, &["user", "list", "--json"]);
    assert!(users.contains("\"name\": \"admin\"") && !users.contains("ann"), "{users}");
}

#[test]
fn quotas_are_set_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _node = Serving::start(folder, &["--set", "limits.owner_bytes_max=5000"]);
    succeed(folder, &["user", "add", "ann"]);
    succeed(folder, &["org", "create", "lab"]);
    let sentence = "ann may own 20 GB of large files, and owns 0 B.\n";
    assert_eq!(succeed(folder, &["user", "quota", "ann", "20 GB"]), sentence);
    assert_eq!(succeed(folder, &["user", "quota", "ANN"]), sentence.replace("ann", "ANN"));
    let sentence = "lab may own large files without a bound, and owns 0 B.\n";
    assert_eq!(succeed(folder, &["org", "quota", "lab", "none"]), sentence);
    let users = succeed(folder, &["user", "list", "--json"]);
    for field in
        ["\"owned_bytes\": 0", "\"owned_bytes_max\": 20000000000", "\"quota\": 20000000000", "\"quota\": \"default\""]
    {
        assert!(users.contains(field), "{field}: {users}");
    }
    assert!(succeed(folder, &["user", "list"]).contains("0 B of 20 GB"));
    let orgs = succeed(folder, &["org", "list", "--json"]);
    assert!(orgs.contains("\"owned_bytes_max\": null") && orgs.contains("\"quota\": \"none\""), "{orgs}");
    assert!(
        succeed(folder, &["--set", "limits.owner_bytes_max=5000", "user", "quota", "ann", "default"]).contains("5 kB")
    );
    assert!(fail(folder, &["user", "quota", "ann", "much"]).contains("`20 GB`"));
    assert!(fail(folder, &["user", "quota", "lab", "1 GB"]).contains("there is no user named lab"));
    assert!(fail(folder, &["org", "quota", "ann"]).contains("there is no organisation named ann"));
}

#[test]
fn passwords_are_set_and_people_invited() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _node = Serving::start(folder, &[]);
    succeed(folder, &["user", "add", "ann"]);
    let said = succeed(folder, &["user", "invite", "ann"]);
    assert!(said.contains("/-/invited?code=") && said.contains("Put the address of this node before it"), "{said}");
    let said = run_with_input(folder, &["user", "password", "ann"], "too short\n");
    assert!(!said.status.success() && String::from_utf8_lossy(&said.stderr).contains("at least 10 characters"));
    let said = run_with_input(folder, &["user", "password", "ann"], "three quiet rivers\n");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "ann signs in with this password from now on.\n");
    assert!(fail(folder, &["user", "invite", "nobody"]).contains("there is no user"));
}

#[test]
fn a_folder_without_a_node_is_said_and_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["user", "list"][..], &["repo", "list"], &["token", "create", "admin"], &["fsck"]] {
        let said = fail(folder.path(), arguments);
        assert!(said.contains("there is no node in") && said.contains("karez serve"), "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn bad_names_are_refused_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["-x", "a b", "api", "..", "раypal"] {
        let output = run(folder.path(), &["user", "create", "--", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
}
