//! What tasks, topics, languages and goals are called in the languages of the interface.
//!
//! Cards carry codes (`malaria`, `task:translation`, `swa`); people type words. A query, or words of it,
//! that equal a label in any language also find the code behind it, and the other labels in texts.
//! The table is `labels.tsv`: a property with its value, then one column per language, synonyms with `|`. The first
//! name is what pages show; one after `=` leads to the code and is not looked for in texts, where its words stand in
//! many other companies (`=sdg 3`). The six languages of the United Nations have every name, others most.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::text::{Part, parts};

const TABLE: &str = include_str!("labels.tsv");
/// Words of the longest label.
pub(crate) const LABEL_WORDS_MAX: usize = 6;

/// A code and everything that it is called.
#[derive(Debug)]
pub(crate) struct Label {
    /// Property of the code, as the exact field has it.
    pub property: &'static str,
    /// The code.
    pub value: &'static str,
    /// Each name that is looked for in texts, once, cut as they are.
    pub names: Vec<Vec<Part>>,
}

struct Labels {
    list: Vec<Label>,
    by_key: HashMap<String, Vec<usize>>,
}

/// Returns the codes that are called so in some language.
pub(crate) fn labels_of(words: &[Part]) -> Vec<&'static Label> {
    let labels = labels();
    let found = labels.by_key.get(&key(words)).into_iter().flatten();
    found.map(|&position| &labels.list[position]).collect()
}

/// Returns what a code is called in a language: the first of its names there. `property` is that of the exact
/// field, `language` a column of the table, such as `sw`.
pub fn label_name(property: &str, value: &str, language: &str) -> Option<&'static str> {
    let (columns, rows) = names();
    let column = *columns.get(language)?;
    rows.get(&(property, value))?.get(column)?.split('|').next().filter(|name| !name.is_empty())
}

type Columns = HashMap<&'static str, usize>;
type Rows = HashMap<(&'static str, &'static str), Vec<&'static str>>;

/// The table by code: which column a language has, and the cells of a row.
fn names() -> &'static (Columns, Rows) {
    static NAMES: OnceLock<(Columns, Rows)> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut lines = TABLE.lines();
        let head = lines.next().unwrap_or_default();
        let columns = head.split('\t').skip(1).enumerate().map(|(at, language)| (language, at)).collect();
        let row = |line: &'static str| {
            let mut cells = line.split('\t');
            Some((cells.next()?.split_once(':')?, cells.collect()))
        };
        (columns, lines.filter_map(row).collect())
    })
}

/// Returns the same text for names that differ in case, accents and endings only.
fn key(words: &[Part]) -> String {
    let keys: Vec<String> = words.iter().map(Part::key).collect();
    keys.join(" ")
}

fn labels() -> &'static Labels {
    static LABELS: OnceLock<Labels> = OnceLock::new();
    LABELS.get_or_init(|| {
        let mut labels = Labels { list: Vec::new(), by_key: HashMap::new() };
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let mut cells = line.split('\t');
            let Some((property, value)) = cells.next().and_then(|cell| cell.split_once(':')) else { continue };
            let mut label = Label { property, value, names: Vec::new() };
            for written in cells.flat_map(|cell| cell.split('|')) {
                let (name, is_in_texts) = match written.strip_prefix('=') {
                    Some(name) => (parts(name), false),
                    None => (parts(written), true),
                };
                let positions = labels.by_key.entry(key(&name)).or_default();
                if name.is_empty() || positions.contains(&labels.list.len()) {
                    continue;
                }
                positions.push(labels.list.len());
                if is_in_texts {
                    label.names.push(name);
                }
            }
            labels.list.push(label);
        }
        labels
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_code_and_all_columns() {
        let columns = TABLE.lines().next().unwrap().split('\t').count();
        for line in TABLE.lines().skip(1) {
            assert_eq!(line.split('\t').count(), columns, "{line}");
            let needed = 1 + ["en", "fr", "es", "ru", "ar", "zh"].len();
            assert!(line.split('\t').take(needed).all(|cell| !cell.trim().is_empty()), "{line}");
            assert!(line.split('\t').skip(1).all(|cell| !cell.starts_with(['|', '='])), "{line}");
            let longest = line.split('\t').skip(1).flat_map(|cell| cell.split('|')).map(|name| parts(name).len()).max();
            assert!(longest.unwrap() <= LABEL_WORDS_MAX, "{line}");
        }
    }

    #[test]
    fn a_code_has_a_name_in_each_language() {
        assert_eq!(label_name("code", "malaria", "fr"), Some("paludisme"));
        assert_eq!(label_name("task", "translation", "zh"), Some("翻译"));
        assert_eq!(label_name("sdg", "4", "id"), Some("pendidikan berkualitas"));
        assert_eq!(label_name("code", "water", "bn"), Some("জল"));
        assert_eq!(label_name("task", "image-to-text", "en"), Some("image to text"));
        assert_eq!(label_name("licence", "cc-by-4.0", "fr"), Some("CC BY 4.0"));
        assert_eq!(label_name("task", "fill-mask", "am"), None, "the code, rather than a word of another language");
        assert_eq!(label_name("language", "swa", "xx"), None);
        assert_eq!(label_name("code", "not in the table", "en"), None);
    }

    #[test]
    fn a_label_in_any_language_leads_to_its_code() {
        for (label, value) in [
            ("paludisme", "malaria"),
            ("PALUDISMO", "malaria"),
            ("疟疾", "malaria"),
            ("मलेरिया", "malaria"),
            ("traducciones automáticas", "translation"),
            ("الزراعة", "agriculture"),
            ("ภาษาไทย", "tha"),
            ("kesehatan ibu", "maternal-health"),
            ("ম্যালেরিয়া", "malaria"),
            ("remplissage de masque", "fill-mask"),
            ("classification tabulaire", "tabular-classification"),
            ("特征提取", "feature-extraction"),
            ("表格分类", "tabular-classification"),
            ("image to text", "image-to-text"),
            ("optical character recognition", "image-to-text"),
            ("SDG 3", "3"),
            ("sdg13", "13"),
            ("ЦУР 6", "6"),
            ("可持续发展目标4", "4"),
            ("licence Apache", "apache-2.0"),
            ("知识共享署名", "cc-by-4.0"),
            ("dominio público CC0", "cc0-1.0"),
            ("вьетнамский", "vie"),
            ("古吉拉特语", "guj"),
            ("في", ""),
            ("በሽታ", ""),
            // Indonesian for water; in too many other words' company.
            ("air", ""),
        ] {
            let found = labels_of(&parts(label));
            assert_eq!(found.first().map_or("", |found| found.value), value, "{label}");
        }
    }
}
