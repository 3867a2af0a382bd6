//! Tests of the program itself, as an operator meets it: typed commands, what they print, how they end.

mod admin;
mod config;
mod fsck;
mod gc;
mod log;
mod preview;
mod program;
mod serve;
mod stop;
mod upstream;

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
