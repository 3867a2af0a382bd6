//! One form for what people write in several: case, accents, vowel signs, letters that sound alike.
//!
//! The same code folds cards and queries, so a form matters only in that it is one.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How a script is cut into what is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    Latin,
    Greek,
    Cyrillic,
    Arabic,
    Devanagari,
    Ethiopic,
    /// Another script that puts spaces between words.
    Spaced,
    /// Han, kana and hangul: pairs of characters.
    Ideographic,
    /// Thai, Lao, Khmer, Burmese, Tibetan: pairs of a letter with its signs.
    Unspaced,
}

impl Script {
    /// Returns the script of a letter or digit; digits go with whatever stands beside them.
    pub(crate) fn of(letter: char) -> Script {
        match u32::from(letter) {
            0x41..=0x24F | 0x1E00..=0x1EFF => Script::Latin,
            0x370..=0x3FF | 0x1F00..=0x1FFF => Script::Greek,
            0x400..=0x52F => Script::Cyrillic,
            0x600..=0x6FF | 0x750..=0x77F | 0x8A0..=0x8FF => Script::Arabic,
            0x900..=0x97F => Script::Devanagari,
            0x1200..=0x139F | 0x2D80..=0x2DDF | 0xAB00..=0xAB2F => Script::Ethiopic,
            0xE00..=0xEFF | 0xF00..=0xFFF | 0x1000..=0x109F | 0x1780..=0x17FF => Script::Unspaced,
            0x3005..=0x3007
            | 0x3040..=0x30FF
            | 0x31F0..=0x31FF
            | 0x3400..=0x4DBF
            | 0x4E00..=0x9FFF
            | 0xAC00..=0xD7AF
            | 0xF900..=0xFAFF
            | 0x2_0000..=0x3_FFFF => Script::Ideographic,
            _ => Script::Spaced,
        }
    }

    pub(crate) fn is_dense(self) -> bool {
        matches!(self, Script::Ideographic | Script::Unspaced)
    }
}

/// Tells whether a sign belongs to the letter before it.
pub(crate) fn is_sign(letter: char) -> bool {
    is_combining_mark(letter)
        || matches!(letter, '\u{200C}' | '\u{200D}' | '\u{0E31}' | '\u{0E34}'..='\u{0E3A}' | '\u{0E47}'..='\u{0E4E}')
}

/// Folds a word, which is in NFKC and of one script but for digits.
pub(crate) fn fold_word(word: &str, script: Script, out: &mut String) {
    if word.is_ascii() {
        out.extend(word.chars().map(|letter| letter.to_ascii_lowercase()));
        return;
    }
    match script {
        Script::Latin | Script::Greek => {
            let plain = word.nfd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase);
            plain.for_each(|letter| latin(letter, out));
        }
        Script::Cyrillic => {
            for letter in word.chars().flat_map(char::to_lowercase) {
                match letter {
                    'ё' => out.push('е'),
                    _ if is_combining_mark(letter) => {}
                    _ => out.push(digit(letter)),
                }
            }
        }
        Script::Arabic => word.chars().filter_map(arabic).for_each(|letter| out.push(letter)),
        Script::Devanagari => {
            for letter in word.chars() {
                match letter {
                    // Nukta, and the joiners that only change how a ligature looks.
                    '\u{093C}' | '\u{200C}' | '\u{200D}' => {}
                    // Candrabindu and anusvara are written for each other.
                    '\u{0901}' => out.push('\u{0902}'),
                    _ => out.push(digit(letter)),
                }
            }
        }
        Script::Ethiopic => word.chars().for_each(|letter| out.push(ethiopic(letter))),
        _ => {
            let kept = word.chars().filter(|letter| !matches!(letter, '\u{200C}' | '\u{200D}'));
            kept.flat_map(char::to_lowercase).for_each(|letter| out.push(digit(letter)));
        }
    }
}

fn latin(letter: char, out: &mut String) {
    match letter {
        'ß' => out.push_str("ss"),
        'æ' => out.push_str("ae"),
        'œ' => out.push_str("oe"),
        'ø' => out.push('o'),
        'đ' | 'ð' => out.push('d'),
        'ł' => out.push('l'),
        'ı' => out.push('i'),
        'ɓ' => out.push('b'),
        'ɗ' => out.push('d'),
        'ƙ' => out.push('k'),
        'ƴ' => out.push('y'),
        'ς' => out.push('σ'),
        _ => out.push(digit(letter)),
    }
}

/// Letters of Arabic and Persian in one form; vowel signs and tatweel are left out.
fn arabic(letter: char) -> Option<char> {
    match letter {
        '\u{0640}' | '\u{064B}'..='\u{065F}' | '\u{0670}' | '\u{06D6}'..='\u{06ED}' | '\u{200C}' | '\u{200D}' => None,
        'أ' | 'إ' | 'آ' | 'ٱ' => Some('ا'),
        'ى' | 'ی' | 'ئ' => Some('ي'),
        'ة' | 'ۀ' | 'ہ' | 'ە' => Some('ه'),
        'ؤ' => Some('و'),
        'ک' => Some('ك'),
        _ => Some(digit(letter)),
    }
}

/// Amharic writes some sounds with several series of letters; each series has eight, one after another.
fn ethiopic(letter: char) -> char {
    let code = u32::from(letter);
    let series = match code {
        0x1210..=0x1217 => code - 0x1210 + 0x1200,
        0x1280..=0x1287 => code - 0x1280 + 0x1200,
        0x1220..=0x1227 => code - 0x1220 + 0x1230,
        0x12D0..=0x12D7 => code - 0x12D0 + 0x12A0,
        0x1340..=0x1347 => code - 0x1340 + 0x1338,
        _ => code,
    };
    // In two series the fourth form sounds like the first.
    match series {
        0x1203 => 'ሀ',
        0x12A3 => 'አ',
        _ if series == code => digit(letter),
        _ => char::from_u32(series).unwrap_or(letter),
    }
}

/// Returns 0 to 9 for a digit of any script.
fn digit(letter: char) -> char {
    let zero = match u32::from(letter) {
        code @ 0x660..=0x669 => code - 0x660,
        code @ 0x6F0..=0x6F9 => code - 0x6F0,
        code @ 0x966..=0x96F => code - 0x966,
        code @ 0x9E6..=0x9EF => code - 0x9E6,
        code @ 0xE50..=0xE59 => code - 0xE50,
        code @ 0xED0..=0xED9 => code - 0xED0,
        code @ 0x1040..=0x1049 => code - 0x1040,
        code @ 0x17E0..=0x17E9 => code - 0x17E0,
        _ => return letter,
    };
    char::from_digit(zero, 10).unwrap_or(letter)
}
