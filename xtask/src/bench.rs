//! `cargo xtask bench`: builds a release node and lets `benches/` measure it.
//!
//! The measuring itself is Python, because half of what is measured are Python clients, and the other half is reading `/proc`.

use std::process::Command;

use anyhow::Result;

use crate::{
    environment::{Venv, ensure_packages},
    process::{cargo, root, shown, target},
};

/// Measures the rows whose names begin with one of the words, or all of them, and writes the table.
pub fn run(rows: &[String]) -> Result<bool> {
    ensure_packages()?;
    Venv::Hub2.ensure()?;
    if !shown(&mut cargo(&["build", "--release", "--package", "karez"]))?.succeeded {
        return Ok(false);
    }
    let mut command = Command::new(Venv::Hub2.program("python")?);
    command
        .arg("benches/run.py")
        .args(rows)
        .current_dir(root())
        .env("KAREZ_TEST_PROGRAM", target().join("release/karez"))
        .env("KAREZ_BENCH_LOAD", std::env::current_exe()?)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(shown(&mut command)?.succeeded)
}
