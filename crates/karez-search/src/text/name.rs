//! Names of repositories: `Qwen/Qwen3-0.6B` is found by `qwen3-0.6`, `qwen 3`, `qwen30.6b` and `wen3`.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Atoms of one name that are indexed.
const ATOMS_MAX: usize = 64;

/// Returns the smallest pieces of a name: runs of letters, runs of digits.
pub(crate) fn name_atoms(name: &str) -> Vec<String> {
    let mut atoms: Vec<String> = Vec::new();
    let mut before = None;
    for letter in plain(name) {
        let class = match letter {
            _ if letter.is_numeric() => Some(0),
            _ if letter.is_alphabetic() => Some(1),
            _ => None,
        };
        let is_full = atoms.len() == ATOMS_MAX;
        if class.is_some() {
            match atoms.last_mut().filter(|_| class == before) {
                Some(last) => last.push(letter),
                None if is_full => break,
                None => atoms.push(letter.to_string()),
            }
        }
        before = class;
    }
    atoms
}

/// Returns the words that a name of a column is made of: `roofMaterial`, `pop2020`.
pub(crate) fn name_pieces(name: &str) -> Vec<String> {
    let (mut spaced, mut before) = (String::new(), ' ');
    for letter in name.chars() {
        if letter.is_uppercase() && before.is_lowercase() {
            spaced.push(' ');
        }
        spaced.push(letter);
        before = letter;
    }
    name_atoms(&spaced)
}

/// Returns a name without what stands between its pieces.
pub(crate) fn name_joined(name: &str) -> String {
    name_atoms(name).concat()
}

/// Returns all runs of three characters of a name, for those who remember only its middle.
pub(crate) fn name_grams(name: &str) -> Vec<String> {
    let letters: Vec<char> = name_joined(name).chars().collect();
    let mut grams: Vec<String> = letters.windows(3).map(|three| three.iter().collect()).collect();
    grams.sort_unstable();
    grams.dedup();
    grams
}

/// Lower case, without accents.
fn plain(name: &str) -> impl Iterator<Item = char> + '_ {
    name.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_as_people_type_them() {
        assert_eq!(name_atoms("Qwen/Qwen3-0.6B_chat"), ["qwen", "qwen", "3", "0", "6", "b", "chat"]);
        assert_eq!(name_atoms("qwen3-0.6"), ["qwen", "3", "0", "6"]);
        assert_eq!(name_joined("Paddle-OCR.v4"), "paddleocrv4");
        assert_eq!(name_grams("Qwen"), ["qwe", "wen"]);
        assert!(name_atoms("--").is_empty());
        assert_eq!(name_pieces("roofMaterial"), ["roof", "material"]);
        assert_eq!(name_pieces("GDP_perCapita2020"), ["gdp", "per", "capita", "2020"]);
        assert_eq!(name_pieces("plain"), ["plain"]);
    }
}
