//! The log of a running node, its proofs and evidence of forks, checked by Go's own code for such logs.
//!
//! The packages `note` and `tlog` lie inside the Go distribution, where other modules cannot import them;
//! they are copied beside the program of `tests/oracle` for the length of the test.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::rust::number_before;
use crate::{
    environment::Venv,
    node::Node,
    process::{cargo, read, root, shown, target},
    report::Counts,
};

/// Where the packages are, below the root of the distribution.
const SUMDB: &str = "src/cmd/vendor/golang.org/x/mod/sumdb";
/// Seconds until a new entry is under a checkpoint; a node signs every second.
const SIGNED_SECS_MAX: u64 = 30;

/// Builds the oracle, starts a node, and lets the oracle look at it.
pub fn check() -> Result<Counts> {
    Venv::Go.ensure()?;
    let folder = target().join("oracle");
    let program = build(&folder)?;
    let evidence = folder.join("evidence");
    fs::create_dir_all(&evidence)?;
    let example = ["run", "--quiet", "--package", "karez-governance", "--example", "fork_evidence", "--"];
    let forked = read(cargo(&example).arg(&evidence))?;

    let node = Node::start()?;
    read(&mut node.command(&["repo", "create", "admin/river"]))?;
    let keys = read(&mut node.command(&["log", "key", "--json"]))?;
    let keys: serde_json::Value = serde_json::from_str(&keys).context("reading the keys of the node")?;
    let key = keys["log_key"].as_str().context("the node has a log key")?;
    let proof = prove(&node, &folder)?;
    let output = shown(
        Command::new(program).args([&node.endpoint(), node.token(), key, &proof]).arg(&evidence).arg(forked.trim()),
    )?;
    let line = output.text.lines().last().unwrap_or_default();
    let counts = Counts { passed: number_before(line, " passed"), failed: number_before(line, " failed") };
    Ok(counts.and_status(output.succeeded))
}

/// Writes the proof of the first commit, once it is signed.
fn prove(node: &Node, folder: &Path) -> Result<String> {
    let path = folder.join("river.tlog-proof").to_string_lossy().into_owned();
    let deadline = Instant::now() + Duration::from_secs(SIGNED_SECS_MAX);
    loop {
        match read(&mut node.command(&["log", "prove", "admin/river@main", "-o", &path])) {
            Ok(_) => return Ok(path),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Puts a module together and builds it; nothing is fetched.
fn build(folder: &Path) -> Result<std::path::PathBuf> {
    let go = Venv::Go.program("go")?;
    let distribution = read(Command::new(&go).args(["env", "GOROOT"]).env("GOTOOLCHAIN", "local"))?;
    let sumdb = Path::new(distribution.trim()).join(SUMDB);
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for package in ["note", "tlog"] {
        let (from, to) = (sumdb.join(package), folder.join(package));
        fs::create_dir_all(&to)?;
        let files = fs::read_dir(&from).with_context(|| format!("there is no {}", from.display()))?;
        for file in files {
            let file = file?;
            fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    fs::copy(root().join("tests/oracle/oracle.go"), folder.join("oracle.go"))?;
    fs::write(folder.join("go.mod"), "module oracle\n\ngo 1.24\n")?;
    let program = folder.join("oracle");
    let built = Command::new(&go)
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(folder)
        .envs([("GOFLAGS", "-mod=mod"), ("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("CGO_ENABLED", "0")])
        .env("GOCACHE", target().join("clients/go-cache"))
        .output()
        .context("starting go")?;
    if !built.status.success() {
        bail!("the oracle does not build: {}", String::from_utf8_lossy(&built.stderr));
    }
    Ok(program)
}
