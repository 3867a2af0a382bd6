//! The hub, through a whole node with a store in memory.

mod bytes;
mod commits;
mod first_run;
mod garbage;
mod git_ids;
mod log;
mod mirror_guard;
mod mirrors;
mod previews;
mod reads;
mod refs;
mod search;

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
