//! The languages of the pages: one file each under `locales/`, embedded when the program is built.
//!
//! A text is plain, with places such as `{n}`; it becomes HTML only here, escaped. A text that a language
//! lacks is shown in English, marked as English, so that a screen reader says it in the right voice.

use std::borrow::Cow;
use std::sync::LazyLock;

use karez_types::Timestamp;
use maud::{Markup, PreEscaped, Render, html};

/// The name of a text; one constant for each in [`key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u16);

include!(concat!(env!("OUT_DIR"), "/locales.rs"));

/// The language that stands in for what others lack.
const ENGLISH: &str = "en";

/// How a language counts: which form of a text goes with a number (Unicode CLDR, plural rules for cardinals).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PluralRule {
    /// One form for all: Chinese.
    None,
    /// 1, and all else: English, Spanish.
    One,
    /// 0 and 1, and all else: French.
    ZeroOne,
    /// 1, 21, 31; 2 to 4, 22 to 24; all else: Russian.
    Slavic,
    /// 0; 1; 2; 3 to 10; 11 to 99; all else: Arabic.
    Arabic,
}

impl PluralRule {
    fn parse(word: &str) -> Option<PluralRule> {
        match word {
            "none" => Some(PluralRule::None),
            "one" => Some(PluralRule::One),
            "zero-one" => Some(PluralRule::ZeroOne),
            "slavic" => Some(PluralRule::Slavic),
            "arabic" => Some(PluralRule::Arabic),
            _ => None,
        }
    }

    /// Returns the forms that a text must have under this rule.
    fn forms(self) -> &'static [&'static str] {
        match self {
            PluralRule::None => &["other"],
            PluralRule::One | PluralRule::ZeroOne => &["one", "other"],
            PluralRule::Slavic => &["one", "few", "many"],
            PluralRule::Arabic => &["zero", "one", "two", "few", "many", "other"],
        }
    }

    fn form(self, n: u64) -> &'static str {
        match self {
            PluralRule::None => "other",
            PluralRule::One => match n {
                1 => "one",
                _ => "other",
            },
            PluralRule::ZeroOne => match n {
                0 | 1 => "one",
                _ => "other",
            },
            PluralRule::Slavic => match (n % 10, n % 100) {
                (_, 11..=14) => "many",
                (1, _) => "one",
                (2..=4, _) => "few",
                _ => "many",
            },
            PluralRule::Arabic => match (n, n % 100) {
                (0, _) => "zero",
                (1, _) => "one",
                (2, _) => "two",
                (_, 3..=10) => "few",
                (_, 11..=99) => "many",
                _ => "other",
            },
        }
    }
}

/// One text of a language.
#[derive(Debug, Clone)]
enum Text {
    Plain(String),
    /// A form for each sort of number.
    Counted(Vec<(String, String)>),
}

/// A language.
#[derive(Debug)]
pub struct Locale {
    /// As in `lang`: the name of its file.
    pub code: &'static str,
    /// What it calls itself.
    pub name: String,
    /// Whether it is written from right to left.
    pub is_rtl: bool,
    rule: PluralRule,
    digits: Vec<char>,
    group: String,
    decimal: String,
    date: String,
    months: Vec<String>,
    texts: Vec<Option<Text>>,
}

static LOCALES: LazyLock<Vec<Locale>> = LazyLock::new(|| {
    let read = |&(code, text): &(&'static str, &str)| {
        Locale::parse(code, text)
            .unwrap_or_else(|error| panic!("locales/{code}.toml, which is part of the program: {error}"))
    };
    FILES.iter().map(read).collect()
});

impl Locale {
    /// Returns all languages, by code.
    pub fn all() -> &'static [Locale] {
        &LOCALES
    }

    /// Returns the language of this code: `zh-Hant-TW` finds `zh`.
    pub fn find(code: &str) -> Option<&'static Locale> {
        let main = code.trim().split(['-', '_']).next().unwrap_or_default();
        LOCALES.iter().find(|locale| locale.code.eq_ignore_ascii_case(main))
    }

    /// Returns English.
    pub fn english() -> &'static Locale {
        Locale::find(ENGLISH).expect("locales/en.toml is part of the program")
    }

    /// Chooses a language: the one asked for in the address, else the one chosen before, else the best of
    /// `Accept-Language`, else English.
    pub fn choose(asked: Option<&str>, before: Option<&str>, accepted: Option<&str>) -> &'static Locale {
        let named = asked.and_then(Locale::find).or_else(|| before.and_then(Locale::find));
        named.or_else(|| best_accepted(accepted?)).unwrap_or_else(Locale::english)
    }

    fn parse(code: &'static str, text: &str) -> Result<Locale, String> {
        let file: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
        let about = file.get("language").and_then(|value| value.as_table()).ok_or("no section [language]")?;
        let word = |name: &str| {
            let value = about.get(name).and_then(|value| value.as_str());
            value.map(str::to_owned).ok_or_else(|| format!("[language] lacks {name}"))
        };
        let rule = word("plural")?;
        let months = about.get("months").and_then(|value| value.as_array()).ok_or("[language] lacks months")?;
        let texts = file.get("text").and_then(|value| value.as_table()).ok_or("no section [text]")?;
        if let Some(unknown) = texts.keys().find(|name| !KEYS.contains(&name.as_str())) {
            return Err(format!("{unknown} is not a text of locales/en.toml"));
        }
        let locale = Locale {
            code,
            name: word("name")?,
            is_rtl: word("direction")? == "rtl",
            rule: PluralRule::parse(&rule).ok_or_else(|| format!("the plural rule {rule} is not known"))?,
            digits: word("digits")?.chars().collect(),
            group: word("group")?,
            decimal: word("decimal")?,
            date: word("date")?,
            months: months.iter().filter_map(|month| month.as_str()).map(str::to_owned).collect(),
            texts: KEYS.iter().map(|key| texts.get(*key).and_then(text_of)).collect(),
        };
        if locale.digits.len() != 10 || locale.months.len() != 12 {
            return Err("ten digits and twelve months are needed".to_owned());
        }
        Ok(locale)
    }

    /// Returns the text in this language, or in English; with the language that it is in.
    fn text(&self, key: Key) -> (&Text, bool) {
        match &self.texts[usize::from(key.0)] {
            Some(text) => (text, true),
            None => {
                let english = Locale::english().texts[usize::from(key.0)].as_ref();
                (english.expect("the constants are made of the English texts"), false)
            }
        }
    }

    /// Returns a text without its markup, for attributes and titles.
    pub fn plain(&self, key: Key) -> &str {
        match self.text(key).0 {
            Text::Plain(text) => text,
            Text::Counted(forms) => forms.last().map_or("", |(_, text)| text),
        }
    }

    /// Returns a text.
    pub fn t(&self, key: Key) -> Markup {
        self.fill(key, &[])
    }

    /// Returns a text with its places filled.
    pub fn fill(&self, key: Key, places: &[(&str, Markup)]) -> Markup {
        let (_, is_own) = self.text(key);
        mark_language(filled(self.plain(key), places), is_own)
    }

    /// Returns the form of a text that goes with a number, which fills its place `{n}`.
    pub fn count(&self, key: Key, n: u64) -> Markup {
        let (text, is_own) = self.text(key);
        let rule = if is_own { self.rule } else { Locale::english().rule };
        let form = match text {
            Text::Plain(text) => text,
            Text::Counted(forms) => {
                let wanted = rule.form(n);
                let found = forms.iter().find(|(form, _)| form == wanted).or_else(|| forms.last());
                found.map_or("", |(_, text)| text)
            }
        };
        mark_language(filled(form, &[("n", html! { (self.number(n)) })]), is_own)
    }

    /// Returns a number with the digits and groups of the language.
    pub fn number(&self, n: u64) -> String {
        let plain = n.to_string();
        let mut shown = String::with_capacity(plain.len() * 2);
        for (at, digit) in plain.bytes().enumerate() {
            if at > 0 && (plain.len() - at).is_multiple_of(3) && plain.len() > 4 {
                shown.push_str(&self.group);
            }
            shown.push(self.digits[usize::from(digit - b'0')]);
        }
        shown
    }

    /// Returns a number of bytes as people read it: powers of 1,000, at most one digit behind the point.
    pub fn bytes(&self, bytes: u64) -> Markup {
        const UNITS: [(u64, Key); 4] = [
            (1_000_000_000_000, key::UNIT_TB),
            (1_000_000_000, key::UNIT_GB),
            (1_000_000, key::UNIT_MB),
            (1_000, key::UNIT_KB),
        ];
        let (text, unit) = match UNITS.iter().find(|(size, _)| bytes >= *size) {
            None => (self.number(bytes), key::UNIT_B),
            Some((size, unit)) => {
                let (whole, tenth) = (bytes / size, bytes % size / (size / 10));
                let tail = if whole < 100 && tenth > 0 {
                    format!("{}{}", self.decimal, self.number(tenth))
                } else {
                    String::new()
                };
                (format!("{}{tail}", self.number(whole)), *unit)
            }
        };
        html! { bdi { (self.fill(unit, &[("n", html! { (text) })])) } }
    }

    /// Returns a day, as the language writes it, for people; and exactly, for programs.
    pub fn date(&self, at: Timestamp) -> Markup {
        let exact = at.to_string();
        let part =
            |range: std::ops::Range<usize>| exact.get(range).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let (year, month, day) = (part(0..4), part(5..7), part(8..10));
        // A year is written without groups.
        let year: String = year.to_string().bytes().map(|digit| self.digits[usize::from(digit - b'0')]).collect();
        let month = usize::try_from(month).ok().and_then(|month| self.months.get(month.wrapping_sub(1)));
        let shown = self.date.replace("{day}", &self.number(day)).replace("{year}", &year);
        let shown = shown.replace("{month}", month.map_or("?", String::as_str));
        html! { time datetime=(exact) { bdi { (shown) } } }
    }

    /// Returns `ltr` or `rtl`.
    pub fn direction(&self) -> &'static str {
        if self.is_rtl { "rtl" } else { "ltr" }
    }

    /// Lists what keeps the file from being a whole translation: texts that are missing, and texts whose
    /// places or forms are not those that they must have. Empty when it is whole.
    pub fn gaps(&self) -> Vec<String> {
        let english = Locale::english();
        let mut gaps = Vec::new();
        for (number, key) in KEYS.iter().enumerate() {
            let Some(text) = &self.texts[number] else {
                gaps.push(format!("{key} is missing"));
                continue;
            };
            let model = english.texts[number].as_ref().expect("the keys are those of the English texts");
            match (text, model) {
                (Text::Plain(text), Text::Plain(model)) if places(text) == places(model) => {}
                (Text::Counted(forms), Text::Counted(_)) => {
                    let wanted = self.rule.forms();
                    if forms.len() != wanted.len()
                        || wanted.iter().any(|form| !forms.iter().any(|(name, _)| name == form))
                    {
                        gaps.push(format!("{key} must have the forms {wanted:?}"));
                    }
                }
                _ => gaps.push(format!("{key} has not the places of the English text")),
            }
        }
        gaps
    }

    /// Returns how many texts a language should have.
    pub fn text_count() -> usize {
        KEYS.len()
    }
}

fn text_of(value: &toml::Value) -> Option<Text> {
    match value {
        toml::Value::String(text) => Some(Text::Plain(text.clone())),
        toml::Value::Table(forms) => {
            let form = |(name, text): (&String, &toml::Value)| Some((name.clone(), text.as_str()?.to_owned()));
            Some(Text::Counted(forms.iter().filter_map(form).collect()))
        }
        _ => None,
    }
}

/// Returns the best language that a header accepts: highest weight, first of equals.
fn best_accepted(header: &str) -> Option<&'static Locale> {
    let mut best: Option<(f32, &'static Locale)> = None;
    // Browsers send under ten.
    for item in header.split(',').take(32) {
        let (code, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        if let Some(locale) = Locale::find(code).filter(|_| weight > 0.0)
            && best.is_none_or(|(before, _)| weight > before)
        {
            best = Some((weight, locale));
        }
    }
    best.map(|(_, locale)| locale)
}

/// Returns the names of the places of a text, sorted.
fn places(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
    found.sort_unstable();
    found
}

/// Escapes a text and puts markup into its places.
fn filled(text: &str, places: &[(&str, Markup)]) -> Markup {
    let mut made = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        before.render_to(&mut made);
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        if let Some((_, markup)) = places.iter().find(|(place, _)| *place == name) {
            made.push_str(&markup.0);
        }
        rest = tail;
    }
    rest.render_to(&mut made);
    PreEscaped(made)
}

fn mark_language(markup: Markup, is_own: bool) -> Markup {
    if is_own {
        markup
    } else {
        html! { span lang="en" dir="ltr" { (markup) } }
    }
}

/// Returns a text with what hides or turns its direction made visible, so that a name cannot be shown as
/// something that it is not (Unicode TR36).
pub fn shown(text: &str) -> Cow<'_, str> {
    let is_deceptive = |c: char| {
        c.is_control()
            || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{2028}' | '\u{2029}')
    };
    if !text.contains(is_deceptive) {
        return Cow::Borrowed(text);
    }
    text.chars()
        .map(|c| if is_deceptive(c) { format!("<U+{:04X}>", u32::from(c)) } else { c.to_string() })
        .collect::<String>()
        .into()
}

/// As [`shown`], for texts of several lines.
pub(crate) fn shown_lines(text: &str) -> String {
    text.lines().map(shown).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all texts, in percent, that a language may lack.
    const MISSING_PERCENT_MAX: usize = 5;

    #[test]
    fn every_language_has_its_texts() {
        for locale in Locale::all() {
            let gaps = locale.gaps();
            let allowed = Locale::text_count() * MISSING_PERCENT_MAX / 100;
            assert!(gaps.len() <= allowed, "locales/{}.toml lacks {} texts: {gaps:#?}", locale.code, gaps.len());
        }
    }

    #[test]
    fn the_languages_that_are_promised_are_whole() {
        for code in ["en", "fr", "es", "ru", "zh", "ar", "sw", "pt", "hi", "am", "id", "bn"] {
            let locale = Locale::find(code).unwrap_or_else(|| panic!("there is no locales/{code}.toml"));
            assert_eq!(locale.gaps(), Vec::<String>::new(), "locales/{code}.toml");
        }
    }

    #[test]
    fn a_text_that_a_language_lacks_is_told_in_english() {
        let file = FILES.iter().find(|(code, _)| *code == "fr").unwrap().1;
        let cut: String =
            file.lines().filter(|line| !line.starts_with("models = ")).map(|line| format!("{line}\n")).collect();
        let locale = Locale::parse("fr", &cut).unwrap();
        assert_eq!(locale.gaps(), ["models is missing"]);
        assert_eq!(locale.t(key::MODELS).0, "<span lang=\"en\" dir=\"ltr\">Models</span>");
        assert!(Locale::parse("fr", &format!("{file}nonsense = \"x\"\n")).is_err());
    }

    #[test]
    fn numbers_follow_the_language() {
        let of = |code| Locale::find(code).unwrap();
        assert_eq!(of("en").number(1_234_567), "1,234,567");
        assert_eq!(of("fr").number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(of("en").number(2026), "2026");
        assert_eq!(of("ar").number(12), "١٢");
        assert_eq!(of("bn").number(12_345), "১২,৩৪৫");
        assert_eq!(of("en").bytes(1_550_000).0, "<bdi>1.5 MB</bdi>");
        assert_eq!(of("en").bytes(999).0, "<bdi>999 B</bdi>");
        assert_eq!(of("fr").bytes(1_550_000).0, "<bdi>1,5 Mo</bdi>");
        let day = of("zh").date(Timestamp(1_793_491_200_000)).0;
        assert!(day.contains("2026年11月1日") && day.contains("2026-11-01T"), "{day}");
    }

    #[test]
    fn plural_forms_follow_the_language() {
        let forms = |code: &str, n| Locale::find(code).unwrap().rule.form(n);
        assert_eq!([0, 1, 2].map(|n| forms("fr", n)), ["one", "one", "other"]);
        assert_eq!(
            [1, 2, 5, 11, 21, 22, 112].map(|n| forms("ru", n)),
            ["one", "few", "many", "many", "one", "few", "many"]
        );
        assert_eq!(
            [0, 1, 2, 3, 11, 100, 103].map(|n| forms("ar", n)),
            ["zero", "one", "two", "few", "many", "other", "few"]
        );
        assert_eq!(forms("zh", 1), "other");
        assert_eq!([0, 1, 2].map(|n| forms("pt", n)), ["one", "one", "other"]);
        assert_eq!([0, 1, 2].map(|n| forms("sw", n)), ["other", "one", "other"]);
    }

    #[test]
    fn the_address_counts_before_the_choice_before_the_browser() {
        let chosen = |asked, before, accepted| Locale::choose(asked, before, accepted).code;
        assert_eq!(chosen(Some("ru"), Some("fr"), Some("es")), "ru");
        assert_eq!(chosen(Some("xx"), Some("fr"), Some("es")), "fr");
        assert_eq!(chosen(None, None, Some("de, es;q=0.5, zh-CN;q=0.9, fr;q=0")), "zh");
        assert_eq!(chosen(None, None, Some("de, *;q=0.1")), "en");
        assert_eq!(chosen(None, None, None), "en");
    }

    #[test]
    fn what_fills_a_place_is_not_escaped_and_what_is_around_it_is() {
        assert_eq!(filled("a < {x} {none}b", &[("x", html! { b { "<" } })]).0, "a &lt; <b>&lt;</b> b");
    }

    #[test]
    fn what_deceives_is_shown() {
        assert_eq!(shown("a\u{202e}b"), "a<U+202E>b");
        assert_eq!(shown("größe.txt"), "größe.txt");
    }
}
