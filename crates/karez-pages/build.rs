//! Embeds every file of `locales/`, and makes a constant of each text of `locales/en.toml`: a page that
//! asks for a text that is not there does not compile, and a new language is one new file.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("locales");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder locales/ is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    let mut made = String::from("pub(crate) static FILES: &[(&str, &str)] = &[\n");
    for path in &files {
        let code = path.file_stem().and_then(|name| name.to_str()).expect("locales have plain names");
        writeln!(made, "    ({code:?}, include_str!({:?})),", path.display().to_string()).expect("a String grows");
    }
    let english = fs::read_to_string(folder.join("en.toml")).expect("locales/en.toml is there");
    let texts = english.split("[text]").nth(1).expect("locales/en.toml has a section [text]");
    let keys: Vec<&str> = texts.lines().filter_map(|line| Some(line.split_once(" = ")?.0.trim())).collect();
    writeln!(made, "];\npub(crate) static KEYS: &[&str] = &{keys:?};").expect("a String grows");
    made.push_str("/// Texts of the pages, by name.\n#[allow(missing_docs)]\npub mod key {\n    use super::Key;\n");
    for (number, key) in keys.iter().enumerate() {
        writeln!(made, "    pub const {}: Key = Key({number});", key.to_uppercase()).expect("a String grows");
    }
    made.push_str("}\n");
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("locales.rs");
    fs::write(out, made).expect("OUT_DIR can be written");
}
