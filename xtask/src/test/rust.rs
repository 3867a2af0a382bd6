//! The Rust tests, counted from the lines that the test harness prints.

use anyhow::Result;

use crate::{
    environment::Venv,
    node::Node,
    process::{cargo, shown},
    report::Counts,
};

/// Every test of the workspace, with a real PostgreSQL and a real S3 server at hand.
pub fn workspace(postgres_url: &str) -> Result<Counts> {
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    command.env("KAREZ_TEST_POSTGRES", postgres_url).env("KAREZ_TEST_MOTO", Venv::S3.program("moto_server")?);
    let output = shown(&mut command)?;
    Ok(count(&output.text).and_status(output.succeeded))
}

/// Upstream's crates as an oracle, and the Rust client against a node; a workspace of its own, so that nothing else builds them.
pub fn upstream() -> Result<Counts> {
    let node = Node::start()?;
    let mut command = cargo(&["test", "--manifest-path", "tests/upstream/Cargo.toml", "--no-fail-fast"]);
    command.env("KAREZ_TEST_ENDPOINT", node.endpoint()).env("KAREZ_TEST_TOKEN", node.token());
    let output = shown(&mut command)?;
    Ok(count(&output.text).and_status(output.succeeded))
}

/// Adds up the `test result:` lines. An ignored test is one that did not hold: the house has none.
fn count(text: &str) -> Counts {
    let mut counts = Counts::default();
    for line in text.lines().filter(|line| line.starts_with("test result:")) {
        counts.add(Counts {
            passed: number_before(line, " passed"),
            failed: number_before(line, " failed") + number_before(line, " ignored"),
        });
    }
    counts
}

/// The number that stands right before a word, or 0.
pub fn number_before(line: &str, word: &str) -> u64 {
    let Some(end) = line.find(word) else { return 0 };
    let digits = line[..end].rsplit(|character: char| !character.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_the_lines_of_all_binaries() {
        let text = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n\
                    test result: FAILED. 11 passed; 1 failed; 1 ignored; 0 measured\n";
        assert_eq!(count(text), Counts { passed: 13, failed: 2 });
    }

    #[test]
    fn a_crash_without_a_line_is_one_failure() {
        assert_eq!(count("error: could not compile").and_status(false), Counts { passed: 0, failed: 1 });
    }
}
