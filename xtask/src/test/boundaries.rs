//! What each crate must not know, checked against what cargo resolved and not against what we hope.

use std::{collections::BTreeSet, process::Command};

use anyhow::{Context, Result};

use crate::{
    process::{cargo, read},
    report::Counts,
};

/// Crates that may name a dependency in their manifest.
const DIRECT: [(&str, &[&str]); 10] = [
    ("axum", &["karez-server", "karez", "karez-testkit"]),
    ("hyper", &["karez-server", "karez", "karez-testkit"]),
    ("sqlx", &["karez-catalog"]),
    ("object_store", &["karez-store"]),
    ("tantivy", &["karez-search"]),
    ("parquet", &["karez-preview"]),
    ("clap", &["karez", "xtask"]),
    ("maud", &["karez-pages"]),
    ("ammonia", &["karez-pages"]),
    ("pulldown-cmark", &["karez-pages"]),
];

/// Packages that must not appear anywhere below a crate, tests and benchmarks aside.
const BELOW: [(&str, &[&str]); 11] = [
    ("karez-types", &["tokio", "axum", "sqlx", "http", "reqwest"]),
    ("karez-formats", &["tokio", "axum", "sqlx", "http", "reqwest"]),
    ("karez-pages", &["tokio", "axum", "sqlx", "http", "reqwest", "karez-hub"]),
    ("karez-store", &["karez-catalog", "karez-governance", "karez-hub", "axum", "sqlx"]),
    ("karez-catalog", &["karez-store", "karez-governance", "karez-hub", "axum", "object_store"]),
    ("karez-governance", &["karez-store", "karez-catalog", "karez-hub", "tokio", "axum", "sqlx", "http", "reqwest"]),
    (
        "karez-search",
        &["karez-formats", "karez-store", "karez-catalog", "karez-hub", "tokio", "axum", "sqlx", "http", "reqwest"],
    ),
    ("karez-preview", &["karez-store", "karez-catalog", "karez-hub", "tokio", "axum", "sqlx", "http", "reqwest"]),
    ("karez-hub", &["karez-federation", "karez-server", "axum"]),
    ("karez-federation", &["karez-server", "axum"]),
    ("karez", &["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls", "karez-testkit"]),
];

/// Dependencies point one way: a crate may name only those that stand before it.
const ORDER: [&str; 13] = [
    "karez-types",
    "karez-formats",
    "karez-store",
    "karez-catalog",
    "karez-governance",
    "karez-search",
    "karez-preview",
    "karez-hub",
    "karez-federation",
    "karez-pages",
    "karez-server",
    "karez-testkit",
    "karez",
];

/// Runs all checks and prints those that do not hold.
pub fn check() -> Result<Counts> {
    let metadata = read(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).context("reading cargo's metadata")?;
    let crates = manifests(&metadata);
    let mut counts = Counts::default();
    for (dependency, allowed) in DIRECT {
        let wrong =
            crates.iter().filter(|one| one.dependencies.contains(dependency) && !allowed.contains(&one.name.as_str()));
        let wrong = wrong.map(|one| format!("{} names {dependency}, which only {allowed:?} may", one.name));
        counts.add(rule(wrong.collect()));
    }
    for (own, name) in ORDER.iter().enumerate() {
        let one = crates.iter().find(|one| one.name == *name).with_context(|| format!("there is no crate {name}"))?;
        let wrong = ORDER[own..].iter().filter(|other| one.dependencies.contains(**other));
        counts.add(rule(wrong.map(|other| format!("{name} names {other}, which does not stand below it")).collect()));
    }
    for (name, forbidden) in BELOW {
        let below = packages_below(name)?;
        let wrong = forbidden.iter().filter(|package| below.contains(**package));
        counts.add(rule(
            wrong.map(|found| format!("{found} is below {name}; see: cargo tree -p {name} -i {found}")).collect(),
        ));
    }
    Ok(counts)
}

/// One rule, which holds when nothing was found against it.
fn rule(wrong: Vec<String>) -> Counts {
    for one in &wrong {
        println!("   {one}");
    }
    Counts::one(wrong.is_empty())
}

struct Manifest {
    name: String,
    dependencies: BTreeSet<String>,
}

/// The members of the workspace with the dependencies that they name, those for tests aside.
fn manifests(metadata: &serde_json::Value) -> Vec<Manifest> {
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    list(&metadata["packages"])
        .iter()
        .map(|package| Manifest {
            name: text(&package["name"]),
            dependencies: list(&package["dependencies"])
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| text(&dependency["name"]))
                .collect(),
        })
        .collect()
}

/// The names of all packages that are built for a crate.
fn packages_below(name: &str) -> Result<BTreeSet<String>> {
    let mut command: Command =
        cargo(&["tree", "--quiet", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let text = read(command.args(["--package", name]))?;
    Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}
