//! Configurations and splits of a dataset as the `datasets` library sees them (datasets 5.2, `data_files.py` and
//! `load.py`): what the card names, or else what the names of the files say.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::folder::{Folder, arrange, is_metadata};
use crate::format::{Format, endings, format_of_ending};
use crate::glob::{fits, is_pattern};
use crate::options::ReaderOptions;

/// Most configurations of one dataset. The largest known ones have some hundred: a language each.
pub const CONFIGS_MAX: usize = 2_000;
/// Most patterns of one dataset. Each is tried on each file.
const PATTERNS_MAX: usize = 5_000;
/// Most comparisons of a pattern with a path, so that many of both cannot keep a core busy.
const COMPARISONS_MAX: usize = 5_000_000;

/// A file of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Path from the root.
    pub path: String,
    /// Its length, in bytes.
    pub file_bytes: u64,
}

/// A part of a configuration, such as `train`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Its name.
    pub name: String,
    /// Its files, in the order in which their rows are numbered.
    pub files: Vec<DataFile>,
    /// How files become rows, where they are pictures or sounds.
    pub folder: Option<Folder>,
}

/// One way to load a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its name.
    pub name: String,
    /// The format of its files; nothing when it is one that cannot be shown.
    pub format: Option<Format>,
    /// Its splits.
    pub splits: Vec<Split>,
    /// Whether it is the one that is loaded when nobody names one.
    pub is_default: bool,
    /// How its files are read, or the name of an option of the card that is not followed here.
    pub options: Result<ReaderOptions, String>,
}

/// Names that never are data.
const IGNORED: [&str; 6] =
    ["README.md", "config.json", "dataset_info.json", "dataset_infos.json", "dummy_data.zip", "dataset_dict.json"];
/// Endings of formats that the library loads and that are not shown here.
const UNSHOWN: [&str; 14] =
    ["arrow", "tar", "zip", "xml", "h5", "hdf5", "mp4", "mkv", "avi", "mov", "webm", "pdf", "lance", "vortex"];
/// Splits that are looked for in names, with the words that stand for them.
const KEYWORDS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["validation", "valid", "dev", "val"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];
const SHARDED: &str = "data/*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9]*.*";

/// Finds the configurations of a dataset: of the metadata of its card, which may be null, and all its files.
pub fn configs(card: &Value, files: &[DataFile]) -> Vec<Config> {
    let mut finder = Finder { files, comparisons_left: COMPARISONS_MAX };
    let named = card.get("configs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if named.is_empty() {
        let splits = finder.splits_by_name("");
        return finder.config("default", splits, true, &Value::Null).into_iter().collect();
    }
    let mut patterns_left = PATTERNS_MAX;
    let mut found = Vec::new();
    for one in named.iter().take(CONFIGS_MAX) {
        let Some(name) = one.get("config_name").and_then(text) else { continue };
        let folder = one.get("data_dir").and_then(Value::as_str).unwrap_or_default().trim_matches('/');
        let wanted = one.get("data_files").map(wishes).unwrap_or_default();
        patterns_left = patterns_left.saturating_sub(wanted.iter().map(|(_, patterns)| patterns.len()).sum());
        let splits = if wanted.is_empty() || patterns_left == 0 {
            finder.splits_by_name(folder)
        } else {
            wanted.into_iter().map(|(split, patterns)| (split, finder.all_that_fit(folder, &patterns))).collect()
        };
        let is_default =
            named.len() == 1 || name == "default" || one.get("default").and_then(Value::as_bool) == Some(true);
        found.extend(finder.config(&name, splits, is_default, one));
    }
    found
}

/// Returns a name as text; numbers are names too.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads `data_files` of a card: a pattern, some patterns, or some for each split.
fn wishes(value: &Value) -> Vec<(String, Vec<String>)> {
    let patterns = |value: &Value| match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(some) => some.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let Value::Array(list) = value else {
        let patterns = patterns(value);
        return if patterns.is_empty() { Vec::new() } else { vec![("train".to_owned(), patterns)] };
    };
    if list.iter().any(Value::is_string) {
        return vec![("train".to_owned(), patterns(value))];
    }
    let mut splits: Vec<(String, Vec<String>)> = Vec::new();
    for item in list {
        let (Some(split), Some(path)) = (item.get("split").and_then(text), item.get("path")) else { continue };
        if !is_split_name(&split) {
            continue;
        }
        match splits.iter_mut().find(|(name, _)| *name == split) {
            Some((_, all)) => all.extend(patterns(path)),
            None => splits.push((split, patterns(path))),
        }
    }
    splits
}

/// Tells whether a text may name a split (`datasets`, `naming._split_re`).
fn is_split_name(name: &str) -> bool {
    name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

struct Finder<'a> {
    files: &'a [DataFile],
    comparisons_left: usize,
}

type Splits = Vec<(String, Vec<DataFile>)>;

impl Finder<'_> {
    /// Makes a configuration of its splits, with the files of the format that most of them have; nothing when there are none.
    fn config(&self, name: &str, splits: Splits, is_default: bool, card: &Value) -> Option<Config> {
        let first = splits.iter().find_map(|(_, files)| most_common_ending(files))?;
        let format = format_of_ending(&first);
        let is_folder = matches!(format, Some(Format::Images | Format::Sounds));
        let belongs = |path: &str| match format {
            Some(_) if is_folder && is_metadata(path) => true,
            Some(format) => endings(path).any(|ending| format_of_ending(ending) == Some(format)),
            None => endings(path).any(|ending| ending.eq_ignore_ascii_case(&first)),
        };
        let of_format = |(name, mut files): (String, Vec<DataFile>)| {
            files.retain(|file| belongs(&file.path));
            (!files.is_empty()).then_some(Split { name, files, folder: None })
        };
        let mut splits: Vec<Split> = splits.into_iter().filter_map(of_format).collect();
        if is_folder {
            arrange(&mut splits);
        }
        let options = format.map_or_else(|| Ok(ReaderOptions::default()), |format| ReaderOptions::of(card, format));
        (!splits.is_empty()).then(|| Config { name: name.to_owned(), format, splits, is_default, options })
    }

    /// Finds splits by what files and folders are called: the first way that finds something counts.
    fn splits_by_name(&mut self, folder: &str) -> Splits {
        let sharded = self.that_fit(folder, SHARDED);
        if !sharded.is_empty() {
            return self.sharded(sharded);
        }
        type Patterns = fn(&str) -> [String; 4];
        let in_folders: Patterns = |word| {
            ["{w}/**", "{w}[-._ 0-9]*/**", "*[-._ 0-9]{w}/**", "*[-._ 0-9]{w}[-._ 0-9]*/**"]
                .map(|pattern| format!("**/{}", pattern.replace("{w}", word)))
        };
        let in_names: Patterns = |word| {
            // Only two; twice each does no harm, since a file is taken once.
            ["{w}[-._ 0-9]*", "*[-._ 0-9]{w}[-._ 0-9]*", "{w}[-._ 0-9]*", "*[-._ 0-9]{w}[-._ 0-9]*"]
                .map(|pattern| format!("**/{}", pattern.replace("{w}", word)))
        };
        for patterns in [in_folders, in_names] {
            let mut found = Vec::new();
            for (split, words) in KEYWORDS {
                let all: Vec<String> = words.iter().flat_map(|word| patterns(word)).collect();
                let files = self.all_that_fit(folder, &all);
                if !files.is_empty() {
                    found.push((split.to_owned(), files));
                }
            }
            if !found.is_empty() {
                return found;
            }
        }
        vec![("train".to_owned(), self.that_fit(folder, "**"))]
    }

    /// Sorts files like `data/train-00000-of-00002.parquet` by their split, the usual splits first.
    fn sharded(&self, files: Vec<DataFile>) -> Splits {
        let mut splits: HashMap<String, Vec<DataFile>> = HashMap::new();
        for file in files {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            // `{split}-ddddd-of-ddddd...`: what stands before the last such mark.
            let is_mark = |at: &usize| {
                let mark: Vec<char> = name[*at..].chars().take(16).collect();
                mark.len() >= 15 && mark[1..6].iter().all(char::is_ascii_digit) && mark[6..10] == ['-', 'o', 'f', '-']
            };
            let Some(at) = name.match_indices('-').map(|(at, _)| at).rfind(is_mark) else { continue };
            splits.entry(name[..at].to_owned()).or_default().push(file);
        }
        let mut splits: Splits = splits.into_iter().filter(|(name, _)| is_split_name(name)).collect();
        let usual = |name: &str| KEYWORDS.iter().position(|(usual, _)| *usual == name).unwrap_or(KEYWORDS.len());
        splits.sort_by(|(one, _), (other, _)| (usual(one), one).cmp(&(usual(other), other)));
        splits
    }

    fn all_that_fit(&mut self, folder: &str, patterns: &[String]) -> Vec<DataFile> {
        let mut all: Vec<DataFile> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for pattern in patterns {
            for file in self.that_fit(folder, pattern) {
                if seen.insert(file.path.clone()) {
                    all.push(file);
                }
            }
        }
        all
    }

    /// Returns the files that fit a pattern, by path: those that are hidden or in hidden folders only if it says so.
    fn that_fit(&mut self, folder: &str, pattern: &str) -> Vec<DataFile> {
        if self.files.len() > self.comparisons_left {
            return Vec::new();
        }
        self.comparisons_left -= self.files.len();
        let pattern = pattern.trim_start_matches("./");
        let pattern = if folder.is_empty() { pattern.to_owned() } else { format!("{folder}/{pattern}") };
        let asked_name = pattern.rsplit('/').next().unwrap_or_default();
        let hidden =
            |path: &str| path.split('/').filter(|part| part.starts_with('.') || part.starts_with("__")).count();
        let hidden_asked = hidden(&pattern);
        let is_plain = !is_pattern(&pattern);
        let is_wanted = |file: &&DataFile| {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            let is_fit = if is_plain { file.path == pattern } else { fits(&pattern, &file.path) };
            is_fit
                && (!IGNORED.contains(&name) || name == asked_name)
                && hidden(&file.path) == hidden_asked
                && endings(&file.path).any(|ending| {
                    format_of_ending(ending).is_some() || UNSHOWN.iter().any(|other| ending.eq_ignore_ascii_case(other))
                })
        };
        let mut found: Vec<DataFile> = self.files.iter().filter(is_wanted).cloned().collect();
        found.sort_by(|one, other| one.path.cmp(&other.path));
        found
    }
}

/// Endings that win when files are as many, the best first.
const FAVOURITES: [&str; 6] = ["parquet", "lance", "arrow", "jsonl", "json", "csv"];

/// Returns the ending that most files have, among those that are loaded.
fn most_common_ending(files: &[DataFile]) -> Option<String> {
    let mut counts: HashMap<(bool, String), usize> = HashMap::new();
    for file in files {
        let is_metadata = is_metadata(&file.path);
        for ending in endings(&file.path).map(str::to_ascii_lowercase) {
            if format_of_ending(&ending).is_some() || UNSHOWN.contains(&ending.as_str()) {
                *counts.entry((!is_metadata, ending)).or_default() += 1;
            }
        }
    }
    let rank =
        |ending: &str| FAVOURITES.len() - FAVOURITES.iter().position(|one| *one == ending).unwrap_or(FAVOURITES.len());
    let key = |((is_data, ending), count): &((bool, String), usize)| (*is_data, *count, rank(ending), ending.clone());
    counts.into_iter().max_by_key(key).map(|((_, ending), _)| ending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(card: &Value, paths: &[&str]) -> Vec<String> {
        let files: Vec<DataFile> =
            paths.iter().map(|path| DataFile { path: (*path).to_owned(), file_bytes: 1 }).collect();
        let mut lines = Vec::new();
        for config in configs(card, &files) {
            for split in &config.splits {
                let paths: Vec<&str> = split.files.iter().map(|file| file.path.as_str()).collect();
                let mark = if config.is_default { "*" } else { "" };
                lines.push(format!("{}{mark}/{}: {}", config.name, split.name, paths.join(" ")));
            }
        }
        lines
    }

    #[test]
    fn names_say_what_is_a_split() {
        let none = Value::Null;
        assert_eq!(shown(&none, &["b.csv", "a.csv", "README.md", ".hidden.csv"]), ["default*/train: a.csv b.csv"]);
        assert_eq!(
            shown(&none, &["train_0.csv", "train_1.csv", "test.csv", "my-dev.csv"]),
            ["default*/train: train_0.csv train_1.csv", "default*/validation: my-dev.csv", "default*/test: test.csv"]
        );
        assert_eq!(
            shown(&none, &["x/train/a.png", "x/train/b.png", "x/test/c.png"]),
            ["default*/train: x/train/a.png x/train/b.png", "default*/test: x/test/c.png"]
        );
        let sharded = [
            "data/other-00000-of-00001.parquet",
            "data/test-00000-of-00001.parquet",
            "data/train-00000-of-00001-abc.parquet",
            "x.csv",
        ];
        assert_eq!(
            shown(&none, &sharded),
            [
                "default*/train: data/train-00000-of-00001-abc.parquet",
                "default*/test: data/test-00000-of-00001.parquet",
                "default*/other: data/other-00000-of-00001.parquet",
            ]
        );
        assert_eq!(shown(&none, &["a.csv", "b.parquet", "notes.xyz"]), ["default*/train: b.parquet"]);
        assert_eq!(shown(&none, &["a.jsonl.gz"]), ["default*/train: a.jsonl.gz"]);
        assert!(shown(&none, &["README.md", "a.py"]).is_empty());
    }

    #[test]
    fn a_card_names_configurations() {
        let card = json!({ "configs": [
            { "config_name": "en", "data_files": [{ "split": "train", "path": "en/*.csv" }, { "split": "bad name", "path": "x" }] },
            { "config_name": "fr", "default": true, "data_dir": "fr" },
            { "config_name": "one", "data_files": "en/b.csv" },
            { "config_name": "none", "data_files": "nothing/*" },
            7,
        ]});
        let found = shown(&card, &["en/a.csv", "en/b.csv", "fr/train.csv", "fr/test.csv"]);
        assert_eq!(
            found,
            ["en/train: en/a.csv en/b.csv", "fr*/train: fr/train.csv", "fr*/test: fr/test.csv", "one/train: en/b.csv"]
        );
    }

    #[test]
    fn many_patterns_on_many_files_end() {
        let files: Vec<DataFile> = (0..20_000).map(|n| DataFile { path: format!("{n}.csv"), file_bytes: 1 }).collect();
        let patterns: Vec<String> = (0..4_000).map(|n| format!("{n}*/**/*[a-z]*{n}*")).collect();
        let card = json!({ "configs": [{ "config_name": "x", "data_files": patterns }] });
        assert!(configs(&card, &files).is_empty());
    }
}
