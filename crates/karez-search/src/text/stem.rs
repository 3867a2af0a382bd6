//! Light stems: what is left of a word without the endings that its script's larger languages add.
//!
//! Nobody says which language a query is in, and a card may be in three, so the script decides. A stem
//! is looked for beside the word itself and counts less, so a wrong one costs order and not results.

use super::fold::Script;

/// Appends the stem of a folded word, and tells whether it differs from the word.
pub(crate) fn stem(word: &str, script: Script, out: &mut String) -> bool {
    let start = out.len();
    match script {
        Script::Latin => latin(word, out),
        Script::Cyrillic => out.push_str(without_ending(word, CYRILLIC, 3)),
        Script::Arabic => out.push_str(without_ending(arabic_start(word), ARABIC_ENDINGS, 2)),
        Script::Devanagari => out.push_str(without_ending(word, DEVANAGARI, 2)),
        Script::Ethiopic => ethiopic(word, out),
        Script::Greek | Script::Spaced | Script::Ideographic | Script::Unspaced => out.push_str(word),
    }
    out[start..] != *word
}

/// Takes away the longest of the endings that leaves enough characters. Endings come longest first.
fn without_ending<'a>(word: &'a str, endings: &[&str], kept_min: usize) -> &'a str {
    let fits = |rest: &&str| rest.chars().count() >= kept_min;
    endings.iter().find_map(|ending| word.strip_suffix(ending).filter(fits)).unwrap_or(word)
}

/// Plurals of English, French, Spanish and Portuguese, their last vowels, and the English -ing and -ed.
fn latin(word: &str, out: &mut String) {
    if word.len() < 4 || word.bytes().any(|byte| byte.is_ascii_digit()) {
        return out.push_str(word);
    }
    if let Some(rest) = word.strip_suffix("ies").filter(|rest| rest.len() > 1) {
        out.push_str(rest);
        return out.push('i');
    }
    if let Some(rest) = word.strip_suffix("aux").filter(|rest| rest.len() > 1) {
        out.push_str(rest);
        return out.push_str("al");
    }
    let single = match word.strip_suffix('s') {
        Some(rest) if !rest.ends_with(['s', 'u', 'i']) => rest,
        _ => word.strip_suffix('x').filter(|rest| rest.ends_with("eu")).unwrap_or(word),
    };
    let single =
        ["ing", "ed"].iter().find_map(|end| single.strip_suffix(end).filter(|rest| rest.len() >= 4)).unwrap_or(single);
    let mut stem = single;
    while let Some(rest) = stem.strip_suffix(['e', 'a', 'o']).filter(|rest| rest.len() >= 4) {
        stem = rest;
    }
    // English -y and -ies, French -ie and -ies.
    match stem.strip_suffix('y') {
        Some(rest) => {
            out.push_str(rest);
            out.push('i');
        }
        None => out.push_str(stem),
    }
}

/// Endings of Russian nouns and adjectives; those of its neighbours are mostly among them.
const CYRILLIC: &[&str] = &[
    "иями", "ями", "ами", "ией", "иям", "иях", "ыми", "ими", "ого", "его", "ому", "ему", "ая", "яя", "ое", "ее", "ые",
    "ие", "ый", "ий", "ой", "ей", "ом", "ем", "ым", "им", "ам", "ям", "ах", "ях", "ых", "их", "ую", "юю", "ою", "ею",
    "ов", "ев", "ия", "ья", "ию", "ии", "ьи", "а", "я", "о", "е", "ы", "и", "у", "ю", "ь", "й",
];

/// The article and the little words that are written together with it (as in the stemmer Light10).
fn arabic_start(word: &str) -> &str {
    let enough = |rest: &&str, least: usize| rest.chars().count() >= least;
    let word = word.strip_prefix('و').filter(|rest| enough(rest, 4)).unwrap_or(word);
    let starts = ["وال", "بال", "كال", "فال", "لل", "ال"];
    starts.iter().find_map(|start| word.strip_prefix(start).filter(|rest| enough(rest, 3))).unwrap_or(word)
}

const ARABIC_ENDINGS: &[&str] = &["ها", "ان", "ات", "ون", "ين", "يه", "ه", "ي"];

/// Endings of Hindi (Ramanathan and Rao, "A Lightweight Stemmer for Hindi"), as folded here.
const DEVANAGARI: &[&str] = &[
    "ियों",
    "ियां",
    "ाओं",
    "ाएं",
    "ुओं",
    "ुएं",
    "ाइए",
    "ाना",
    "ाने",
    "ाता",
    "ाती",
    "ाते",
    "ों",
    "ें",
    "ीं",
    "ां",
    "ाए",
    "ाई",
    "ना",
    "नी",
    "ने",
    "ता",
    "ती",
    "ते",
    "ा",
    "ि",
    "ी",
    "ु",
    "ू",
    "े",
    "ो",
];

/// Little words before Amharic nouns, plurals and the definite ending. Plurals change the vowel before them.
fn ethiopic(word: &str, out: &mut String) {
    let enough = |rest: &&str| rest.chars().count() >= 2;
    let starts = ["ስለ", "የ", "በ", "ለ", "ከ"];
    let word = starts.iter().find_map(|start| word.strip_prefix(start).filter(enough)).unwrap_or(word);
    let endings = ["ዎቹን", "ዎችን", "ዎቹ", "ዎች"];
    if let Some(rest) = endings.iter().find_map(|end| word.strip_suffix(end).filter(enough)) {
        return out.push_str(rest);
    }
    let plural = ["ቹን", "ችን", "ቹ", "ች"].iter().find_map(|end| word.strip_suffix(end).filter(enough));
    let Some(plural) = plural else {
        return out.push_str(word.strip_suffix('ን').filter(|rest| rest.chars().count() >= 3).unwrap_or(word));
    };
    let mut letters: Vec<char> = plural.chars().collect();
    if let Some(last) = letters.last_mut() {
        // The seventh form (with o) of the last letter stands where the sixth (without a vowel) was.
        let code = u32::from(*last);
        if code % 8 == 6 {
            *last = char::from_u32(code - 1).unwrap_or(*last);
        }
    }
    out.extend(letters);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_word_meet() {
        for (script, forms) in [
            (Script::Latin, &["image", "images"][..]),
            (Script::Latin, &["modelo", "modelos"]),
            (Script::Latin, &["enfermedad", "enfermedades"]),
            (Script::Latin, &["traducao", "traducoes"]),
            (Script::Latin, &["hopital", "hopitaux"]),
            (Script::Latin, &["train", "training", "trained", "trains"]),
            (Script::Latin, &["story", "stories"]),
            (Script::Latin, &["energie", "energies", "energy"]),
            (Script::Cyrillic, &["малярия", "малярии", "малярию", "малярией"]),
            (Script::Cyrillic, &["перевод", "перевода", "переводов", "переводами"]),
            (Script::Arabic, &["ترجمه", "الترجمه", "والترجمه", "للترجمه"]),
            (Script::Devanagari, &["भाषा", "भाषाओं", "भाषाएं"]),
            (Script::Ethiopic, &["ቤት", "ቤቶች", "በቤት", "ቤቶችን"]),
            (Script::Ethiopic, &["ቋንቋ", "ቋንቋዎች", "የቋንቋ"]),
        ] {
            let stems: Vec<String> = forms
                .iter()
                .map(|form| {
                    let mut out = String::new();
                    stem(form, script, &mut out);
                    out
                })
                .collect();
            assert!(stems.iter().all(|one| *one == stems[0]), "{forms:?} {stems:?}");
        }
    }

    #[test]
    fn versions_and_short_words_stay() {
        for word in ["gpt2s", "bus", "ios", "class", "ocr"] {
            let mut out = String::new();
            assert!(!stem(word, Script::Latin, &mut out), "{word} {out}");
        }
    }
}
