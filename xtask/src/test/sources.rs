//! Rules about the files themselves that no compiler checks.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::Result;

use crate::{
    process::{read, root},
    report::Counts,
};

/// Runs all checks over the files that git knows, and prints those that do not hold.
pub fn check() -> Result<Counts> {
    let root = root();
    let listing = read(Command::new("git").args(["ls-files", "-z"]).current_dir(&root))?;
    let files: Vec<&str> = listing.split('\0').filter(|path| !path.is_empty()).collect();
    let mut counts = Counts::default();
    for (rule, found) in [
        ("every module of tests/it is named in its main.rs", forgotten_modules(&root, &files)?),
        ("no file names the source that this machine gets packages from", named_sources(&root, &files)?),
        ("no test is ignored, nothing is left to do", leftovers(&root, &files)?),
        ("every file is text and ends with one line feed", untidy(&root, &files)?),
        ("every test that docs/threats.md names exists", threats_without_test(&root, &files)?),
    ] {
        for trouble in &found {
            println!("   {trouble}");
        }
        println!("   {rule}: {}", if found.is_empty() { "holds" } else { "DOES NOT HOLD" });
        counts.add(Counts::one(found.is_empty()));
    }
    Ok(counts)
}

/// Files of `tests/it` that `main.rs` does not name, which would never be compiled.
fn forgotten_modules(root: &Path, files: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for path in files.iter().filter(|path| path.contains("/tests/it/") && path.ends_with(".rs")) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        // A module in a folder is named by the file of the folder, so only the first level counts here.
        if !folder.ends_with("/tests/it") || name == "main.rs" {
            continue;
        }
        let main = fs::read_to_string(root.join(folder).join("main.rs")).unwrap_or_default();
        let module = name.trim_end_matches(".rs");
        if !main.lines().any(|line| line.trim().trim_start_matches("pub ").starts_with(&format!("mod {module};"))) {
            found.push(format!("{path} is not a module of {folder}/main.rs"));
        }
    }
    Ok(found)
}

/// Files that name a host of this machine's own package settings: such a file works on this machine only.
fn named_sources(root: &Path, files: &[&str]) -> Result<Vec<String>> {
    let mut hosts = BTreeSet::new();
    for (program, arguments) in [
        ("python3", ["-m", "pip", "config", "list"].as_slice()),
        ("npm", &["config", "get", "registry"]),
        ("git", &["config", "--global", "--list"]),
    ] {
        if let Ok(text) = read(Command::new(program).args(arguments)) {
            hosts.extend(hosts_of(&text));
        }
    }
    for file in ["config.toml", "config"] {
        let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
        if let Ok(text) = fs::read_to_string(Path::new(&home.unwrap_or_default()).join(file)) {
            hosts.extend(hosts_of(&text));
        }
    }
    // Cargo writes its default source into every lock file.
    hosts.retain(|host| host != "github.com" && host != "127.0.0.1" && host != "localhost");
    let mut found = Vec::new();
    for path in files {
        let text = String::from_utf8_lossy(&fs::read(root.join(path)).unwrap_or_default()).into_owned();
        found.extend(
            hosts.iter().filter(|host| text.contains(host.as_str())).map(|host| format!("{path} names {host}")),
        );
    }
    Ok(found)
}

/// The hosts of the URLs in a text.
fn hosts_of(text: &str) -> Vec<String> {
    text.split("://")
        .skip(1)
        .filter_map(|rest| rest.split(['/', '"', '\'', '\n', ' ', '\\', ']', ')', ',']).next())
        .filter_map(|authority| authority.rsplit('@').next()?.split(':').next())
        .filter(|host| host.contains('.'))
        .map(str::to_owned)
        .collect()
}

/// Tests that are switched off, and code that says it is not finished.
fn leftovers(root: &Path, files: &[&str]) -> Result<Vec<String>> {
    // Written in two halves, so that this file does not find itself.
    let words = [["#[ign", "ore"], ["todo", "!("], ["unimplem", "ented!("], ["db", "g!("], ["@pytest.mark.", "skip"]]
        .map(|halves| halves.concat());
    let mut found = Vec::new();
    for path in files.iter().filter(|path| path.ends_with(".rs") || path.ends_with(".py")) {
        let text = fs::read_to_string(root.join(path)).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            found.extend(
                words
                    .iter()
                    .filter(|word| line.contains(word.as_str()))
                    .map(|word| format!("{path}:{}: {word}", number + 1)),
            );
        }
    }
    Ok(found)
}

/// Text files that end without a line feed, or with more than one.
fn untidy(root: &Path, files: &[&str]) -> Result<Vec<String>> {
    const TEXT: [&str; 9] = [".rs", ".toml", ".md", ".py", ".sql", ".sh", ".txt", ".mjs", ".json"];
    let mut found = Vec::new();
    for path in files.iter().filter(|path| TEXT.iter().any(|end| path.ends_with(end))) {
        // Golden files and corpora hold exactly the bytes that they were taken with.
        if path.contains("/golden/") || path.contains("/corpus/") {
            continue;
        }
        let bytes = fs::read(root.join(path)).unwrap_or_default();
        if !bytes.is_empty() && (!bytes.ends_with(b"\n") || bytes.ends_with(b"\n\n")) {
            found.push(format!("{path} does not end with one line feed"));
        }
    }
    Ok(found)
}

/// Tests that the page of threats names and no source file has.
fn threats_without_test(root: &Path, files: &[&str]) -> Result<Vec<String>> {
    let page = fs::read_to_string(root.join("docs/threats.md"))?;
    let named = tests_named(&page);
    if named.is_empty() {
        return Ok(vec!["docs/threats.md names no test".to_owned()]);
    }
    let mut missing: BTreeSet<&str> = named;
    for path in files.iter().filter(|path| path.ends_with(".rs") || path.ends_with(".py")) {
        let text = fs::read_to_string(root.join(path)).unwrap_or_default();
        missing.retain(|name| !["fn ", "def "].iter().any(|word| text.contains(&format!("{word}{name}("))));
    }
    Ok(missing.into_iter().map(|name| format!("docs/threats.md names the test {name}, which is nowhere")).collect())
}

/// The names in backticks in the rows of a table.
fn tests_named(page: &str) -> BTreeSet<&str> {
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    rows.filter_map(|row| row.rsplit('|').nth(1)).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_out_of_the_last_column() {
        let page = "# x `no`\n| # | what | tests |\n| 1 | `not_this` | `first` `second` |\n| 2 | x | `first` |\n";
        assert_eq!(tests_named(page), BTreeSet::from(["first", "second"]));
    }

    #[test]
    fn reads_hosts_out_of_settings() {
        let text = "index='https://user:word@packages.example.org:8443/simple'\nregistry = \"sparse+https://crates.example.net/\"";
        assert_eq!(hosts_of(text), ["packages.example.org", "crates.example.net"]);
    }
}
