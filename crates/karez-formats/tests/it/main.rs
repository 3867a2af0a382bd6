//! The formats against other programs and against generated input.

mod attributes;
mod fetch_client;
mod file_map;
mod generated;
mod git_program;
mod mutations;
mod objects;
mod packs;
mod xet_chunks;
mod xet_golden;
mod xet_recipe;
mod xet_shard;
mod xet_xorb;

/// Every file of this folder is a module of this binary.
#[test]
fn no_file_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").unwrap_or(&name);
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name} is no module");
    }
}
