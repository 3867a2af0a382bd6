//! Federation: transfers from sources in memory that follow a script of faults, in time that costs none;
//! and over real sockets, with nodes, and servers that lie.

mod carrier;
mod cost;
mod disk_full;
mod evict;
mod faults;
mod git;
mod heads;
mod http;
mod hub;
mod joining;
mod liar;
mod liars;
mod long_log;
mod moved;
mod news;
mod passing;
mod peers;
mod poor_lines;
mod pull;
mod pull_through;
mod restarts;
mod sample;
mod sink;
mod source;
mod sources;
mod streams;
mod whole;
mod world;

/// A file that nobody names here would never run.
#[test]
fn no_file_is_forgotten() {
    let source = include_str!("main.rs");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || source.contains(&format!("mod {module};")), "{name} is not a module of main.rs");
    }
}
