//! `cargo xtask bench`: builds a release node and lets `benches/` measure it.
//!
//! The measuring itself is Python, because half of what is measured are Python clients, and the other half is reading `/proc`.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::{
    environment::{Venv, ensure_net_packages, ensure_packages},
    process::{cargo, is_root, root, shown, target},
};

/// The group of rows that need an emulator of poor lines, and with it root.
const NET: &str = "net";

/// Measures the rows whose names begin with one of the words, or all of them, and writes the table. `net` and words after it are the
/// rows over poor lines.
pub fn run(rows: &[String], net: &[String]) -> Result<bool> {
    let over_net = rows.first().is_some_and(|word| word == NET);
    ensure!(over_net || net.is_empty(), "{} are for `bench net`", net.join(" "));
    ensure!(!over_net || is_root(), "`bench net` makes network namespaces, and only root may");
    ensure_packages()?;
    if over_net {
        ensure_net_packages()?;
    }
    Venv::Hub2.ensure()?;
    Venv::Bench.ensure()?;
    if !shown(&mut cargo(&["build", "--release", "--package", "karez"]))?.succeeded {
        return Ok(false);
    }
    let mut command = Command::new(Venv::Hub2.program("python")?);
    match over_net {
        true => command.arg("benches/net/run.py").args(&rows[1..]).args(net),
        false => command.arg("benches/run.py").args(rows),
    };
    command
        .current_dir(root())
        .env("KAREZ_TEST_PROGRAM", target().join("release/karez"))
        .env("KAREZ_BENCH_PYTHON", Venv::Bench.program("python")?)
        .env("KAREZ_BENCH_LOAD", std::env::current_exe()?)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(shown(&mut command)?.succeeded)
}
