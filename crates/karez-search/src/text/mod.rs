//! How text becomes what is looked up: words where a script has spaces, pairs of characters where not.
//!
//! The usual tokenizers take a sentence of Chinese or Thai for one word and then find nothing in it. Here
//! a run of such a script gives all its neighbouring pairs; single ideographs besides, as they are words.
//! No dictionary is needed, and a word that no dictionary knows is found as well.

mod fold;
mod name;
mod stem;

use fold::{Script, fold_word, is_sign};
use unicode_normalization::UnicodeNormalization;

pub(crate) use name::{name_atoms, name_grams, name_joined, name_pieces};

/// Longest word, in bytes; what is longer is no word, and is cut.
const WORD_BYTES_MAX: usize = 96;

/// What text consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A word, and its stem when that differs.
    Word { word: String, stem: Option<String> },
    /// A run of a script without spaces, as its pairs; of one character, that one.
    Run { grams: Vec<String> },
}

impl Part {
    /// Returns one text for everything that is the same but for endings.
    pub(crate) fn key(&self) -> String {
        match self {
            Part::Word { word, stem } => stem.clone().unwrap_or_else(|| word.clone()),
            Part::Run { grams } => grams.join("+"),
        }
    }
}

/// Returns the parts of a text in their order.
pub(crate) fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    scan(text, &mut |run, script| match script.is_dense() {
        true => {
            let units = units(run);
            let grams = match units.as_slice() {
                [only] => vec![(*only).to_owned()],
                _ => units.windows(2).map(|pair| pair.concat()).collect(),
            };
            parts.push(Part::Run { grams });
        }
        false => {
            let (mut word, mut stem) = (String::new(), String::new());
            fold_word(run, script, &mut word);
            if !word.is_empty() {
                let differs = stem::stem(&word, script, &mut stem);
                parts.push(Part::Word { word, stem: differs.then_some(stem) });
            }
        }
    });
    parts
}

/// Gives everything that a text is found by: words, stems that differ from them, single ideographs, pairs.
pub(crate) fn terms(text: &str, term: &mut dyn FnMut(&str)) {
    let (mut word, mut stem) = (String::new(), String::new());
    scan(text, &mut |run, script| {
        if script.is_dense() {
            let units = units(run);
            if script == Script::Ideographic || units.len() == 1 {
                units.iter().for_each(|unit| term(unit));
            }
            for pair in units.windows(2) {
                word.clear();
                word.push_str(pair[0]);
                word.push_str(pair[1]);
                term(&word);
            }
            return;
        }
        word.clear();
        fold_word(run, script, &mut word);
        if word.is_empty() {
            return;
        }
        term(&word);
        stem.clear();
        if stem::stem(&word, script, &mut stem) {
            term(&stem);
        }
    });
}

/// Returns the letters of a run, each with its signs.
fn units(run: &str) -> Vec<&str> {
    let mut starts: Vec<usize> =
        run.char_indices().filter(|(_, letter)| !is_sign(*letter)).map(|(start, _)| start).collect();
    if starts.first() != Some(&0) {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([run.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &run[start..end]).collect()
}

/// Cuts text into runs of letters and digits of one script. Digits join the run beside them.
fn scan(text: &str, run: &mut dyn FnMut(&str, Script)) {
    if text.is_ascii() {
        let mut rest = text;
        while let Some(start) = rest.find(|letter: char| letter.is_ascii_alphanumeric()) {
            rest = &rest[start..];
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
            if !is_elided(&rest[..end], rest[end..].chars().next()) {
                run(&rest[..end.min(WORD_BYTES_MAX)], Script::Latin);
            }
            rest = &rest[end..];
        }
        return;
    }
    let mut current = String::new();
    let mut script = None;
    for letter in text.nfkc() {
        let is_letter = letter.is_alphanumeric();
        if !is_letter && (!is_sign(letter) || current.is_empty()) {
            if is_elided(&current, Some(letter)) {
                current.clear();
            }
            finish(&mut current, &mut script, run);
            continue;
        }
        if is_letter && !letter.is_numeric() {
            let own = Script::of(letter);
            // A word may mix scripts that have spaces; it takes the first one's rules.
            let changes = script.is_some_and(|before: Script| before != own && (before.is_dense() || own.is_dense()));
            if changes || (own.is_dense() && script.is_none() && !current.is_empty()) {
                finish(&mut current, &mut script, run);
            }
            script.get_or_insert(own);
        } else if is_letter && script.is_some_and(Script::is_dense) {
            finish(&mut current, &mut script, run);
        }
        // Runs of scripts without spaces are whole sentences; words are not.
        if script.is_some_and(Script::is_dense) || current.len() + letter.len_utf8() <= WORD_BYTES_MAX {
            current.push(letter);
        }
    }
    finish(&mut current, &mut script, run);
}

/// Tells whether a word is only what French and its neighbours leave of a little one: l', d', qu'.
fn is_elided(word: &str, next: Option<char>) -> bool {
    word.len() <= 2 && !word.is_empty() && word.is_ascii() && matches!(next, Some('\'' | '\u{2019}' | '\u{02BC}'))
}

fn finish(current: &mut String, script: &mut Option<Script>, run: &mut dyn FnMut(&str, Script)) {
    if !current.is_empty() {
        run(current, script.unwrap_or(Script::Spaced));
    }
    current.clear();
    *script = None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms_of(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        terms(text, &mut |term| found.push(term.to_owned()));
        found
    }

    #[test]
    fn each_script_is_cut_as_it_is_written() {
        for (text, expected) in [
            ("Images of Maize", &["images", "imag", "of", "maize", "maiz"][..]),
            ("Évaluation d'été", &["evaluation", "ete"]),
            ("l'image, d’or", &["image", "imag", "or"]),
            ("тёмный лес", &["темный", "темн", "лес"]),
            ("维修信息", &["维", "修", "信", "息", "维修", "修信", "信息"]),
            ("GPT模型2", &["gpt", "模", "型", "模型", "2"]),
            ("ข้าว", &["ข้า", "าว"]),
            ("الترجمة", &["الترجمه", "ترجم"]),
            ("ሐኪም ሃኪም", &["ሀኪም", "ሀኪም"]),
            ("भाषाओं", &["भाषाओं", "भाष"]),
            ("٢٠٢٦", &["2026"]),
            ("ｆｕｌｌ", &["full"]),
            ("e\u{301}te\u{301}", &["ete"]),
        ] {
            assert_eq!(terms_of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_word_has_an_end() {
        assert!(terms_of(&"x".repeat(5_000)).iter().all(|term| term.len() <= WORD_BYTES_MAX));
        assert!(terms_of(&"é".repeat(5_000)).iter().all(|term| term.len() <= WORD_BYTES_MAX));
    }

    proptest! {
        #[test]
        fn any_text_is_cut_without_panic(text in "\\PC{0,60}") {
            let found = terms_of(&text);
            prop_assert!(found.iter().all(|term| !term.is_empty()));
            // What a query looks for is always something that the same text would be found by.
            for part in parts(&text) {
                match part {
                    Part::Word { word, stem } => {
                        prop_assert!(found.contains(&word));
                        prop_assert!(stem.is_none_or(|stem| found.contains(&stem)));
                    }
                    Part::Run { grams } => prop_assert!(grams.iter().all(|gram| found.contains(gram))),
                }
            }
            let _ = (name_atoms(&text), name_grams(&text));
        }
    }
}
