//! `cargo xtask bench search`: builds an index of many cards and asks it, and writes the table of `docs/benchmarks.md`.

use std::fs;

use anyhow::{Context, Result};

use crate::process::{cargo, read, root};

const CARDS: &str = "100000";
const CARDS_LARGE: &str = "2000000";

/// Measures the index of the usual or the large size. The page has a table for each.
pub fn run(is_large: bool) -> Result<bool> {
    let (cards, name) = if is_large { (CARDS_LARGE, "search-large") } else { (CARDS, "search") };
    let rows =
        read(cargo(&["run", "--release", "--package", "karez-search", "--example", "measure", "--"]).arg(cards))?;
    let head = "| what | target | measured | beside it |\n|---|---|---|---|";
    let table = format!("{}\n\n{head}\n{}", machine(), rows.trim_end());
    println!("{table}");
    write_between(name, &table)?;
    Ok(true)
}

/// Replaces what stands between the two marks of this name on the page of benchmarks.
fn write_between(name: &str, table: &str) -> Result<()> {
    let page = root().join("docs/benchmarks.md");
    let text = fs::read_to_string(&page).context("reading the page of benchmarks")?;
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let (before, rest) = text.split_once(&begin).with_context(|| format!("the page has no mark {begin}"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("the page has no mark {end}"))?;
    fs::write(page, format!("{before}{begin}\n{table}\n{end}{after}")).context("writing the page of benchmarks")
}

/// The machine and how busy it is, in a few words.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!("{}, {cores} cores; load average at the end {load}.", model.trim_start_matches(['\t', ' ', ':']))
}
