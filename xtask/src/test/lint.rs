//! Format and lints, each one check.

use anyhow::Result;

use crate::{
    process::{cargo, shown},
    report::Counts,
};

/// `cargo fmt --check`.
pub fn format() -> Result<Counts> {
    Ok(Counts::one(shown(&mut cargo(&["fmt", "--all", "--check"]))?.succeeded))
}

/// Clippy over every target; a warning is a failure.
pub fn clippy() -> Result<Counts> {
    let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    Ok(Counts::one(shown(&mut cargo(&arguments))?.succeeded))
}
