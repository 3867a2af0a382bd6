//! The conformance suite: every case runs over SQLite and over a real PostgreSQL.

mod access;
mod accounts;
mod administration;
mod changes;
mod commits;
mod db;
mod discussions;
mod feeds;
mod files;
mod garbage;
mod lines;
mod listing;
mod log;
mod mirrors;
mod misc;
mod publications;
mod quotas;
mod remotes;
mod repos;
mod schema;
mod social;
mod speed;

/// A module that is not named above would never run.
#[test]
fn every_file_in_this_folder_is_part_of_the_suite() {
    let main = include_str!("main.rs");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name} is not in main.rs");
    }
}
