//! Builds every fuzz target, so that none of them rots. They run on demand: see `fuzz/README.md`.

use anyhow::{Result, bail};

use crate::{
    process::{cargo, read, shown},
    report::Counts,
};

/// Builds the targets and counts them.
pub fn build() -> Result<Counts> {
    let manifest = "fuzz/Cargo.toml";
    let metadata = read(&mut cargo(&["metadata", "--no-deps", "--format-version", "1", "--manifest-path", manifest]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let targets: Vec<&str> = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|package| package["targets"].as_array().into_iter().flatten())
        .filter(|target| target["kind"][0] == "bin")
        .filter_map(|target| target["name"].as_str())
        .collect();
    if targets.is_empty() {
        bail!("{manifest} names no target");
    }
    let mut counts = Counts::default();
    for name in targets {
        let mut command = cargo(&["build", "--quiet", "--manifest-path", manifest, "--bin", name]);
        let held = shown(&mut command)?.succeeded;
        println!("   {name}: {}", if held { "builds" } else { "DOES NOT BUILD" });
        counts.add(Counts::one(held));
    }
    Ok(counts)
}
