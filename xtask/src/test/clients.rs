//! Real clients against a real node: `tests/clients`, run by pytest in each client's own environment.

use std::process::Command;

use anyhow::Result;

use super::rust::number_before;
use crate::{
    environment::{Venv, ensure_browser, ensure_javascript},
    process::{root, shown, target},
    report::Counts,
};

/// The stories of the Hub client itself, told once by each line of it that is in the field.
pub fn hub(venv: Venv) -> Result<Counts> {
    pytest(venv, "tests/clients/hub", &[])
}

/// Datasets, transformers, git, JavaScript, curl, crashes, and two nodes on one database.
pub fn others(postgres_url: &str) -> Result<Counts> {
    let javascript = ensure_javascript()?;
    let javascript = javascript.to_string_lossy();
    let moto = Venv::S3.program("moto_server")?;
    let moto = moto.to_string_lossy();
    pytest(
        Venv::Hub2,
        "tests/clients/others",
        &[
            ("KAREZ_TEST_POSTGRES", postgres_url),
            ("KAREZ_TEST_MOTO", moto.as_ref()),
            ("KAREZ_TEST_JAVASCRIPT", javascript.as_ref()),
        ],
    )
}

/// What catalogues elsewhere read, with the programs that they read it with.
pub fn catalogue() -> Result<Counts> {
    pytest(Venv::Catalogue, "tests/clients/catalogue", &[])
}

/// Every page in Chromium: accessible, light, whole on a phone, and safe with what strangers wrote.
pub fn pages() -> Result<Counts> {
    let browser = ensure_browser()?;
    pytest(Venv::Hub2, "tests/pages", &[("KAREZ_TEST_BROWSER", browser.to_string_lossy().as_ref())])
}

fn pytest(venv: Venv, folder: &str, environment: &[(&str, &str)]) -> Result<Counts> {
    venv.ensure()?;
    let mut command = Command::new(venv.program("python")?);
    command
        .args(["-m", "pytest", "-p", "no:cacheprovider", "--durations=8", "--tb=short", "-ra", folder])
        .current_dir(root())
        .env("KAREZ_TEST_PROGRAM", target().join("debug/karez"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(environment.iter().copied());
    let output = shown(&mut command)?;
    Ok(count(&output.text).and_status(output.succeeded))
}

/// Reads pytest's last line. A test that was skipped did not run, so it did not pass.
fn count(text: &str) -> Counts {
    let line = text.lines().rev().find(|line| line.starts_with("===") && line.contains(" in ")).unwrap_or_default();
    let failed = ["failed", "error", "skipped", "xfailed", "xpassed"]
        .iter()
        .map(|word| number_before(line, &format!(" {word}")))
        .sum();
    Counts { passed: number_before(line, " passed"), failed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_every_kind_of_outcome() {
        let text = "....\n==== 2 failed, 31 passed, 1 skipped, 3 errors in 12.3s ====\n";
        assert_eq!(count(text), Counts { passed: 31, failed: 6 });
    }
}
