//! The node over HTTP, from the outside.

mod access;
mod cas;
mod cas_hostile;
mod coverage;
mod discussions;
mod disk_full;
mod facets;
mod federation;
mod forms;
mod garbage;
mod git;
mod git_mirror;
mod lfs;
mod listing;
mod log;
mod metadata;
mod ollama;
mod pages;
mod people;
mod provider;
mod quotas;
mod repos;
mod search;
mod social;
mod upstreams;
mod viewer;
mod xet_client;
mod yaml;

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
