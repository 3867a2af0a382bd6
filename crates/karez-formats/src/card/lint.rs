//! The linter: what is wrong with a card, and what would make it better, as values.
//!
//! The hub API tells a [`Finding`] in English; pages say it in the reader's language. Unknown values are
//! accepted and warned about, never refused: vocabularies grow faster than programs. What is refused is what
//! other programs would read otherwise, or not at all.

use std::fmt;

use karez_types::{RepoAddress, RepoKind};
use serde_json::{Map, Value};

use super::vocabulary::{FIELDS, LANGUAGES, SDKS, SIZES, TASKS};
use super::{FRONT_MATTER_BYTES_MAX, LICENSE_IDS, YamlError, license, texts_of};

/// Longest value that a finding repeats, in characters.
const SHOWN_CHARS_MAX: usize = 60;
/// Findings of one card; who has more begins with these.
const FINDINGS_MAX: usize = 100;

/// One thing that the linter has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// There is no metadata.
    NoMetadata,
    /// The metadata begins and does not end.
    Unclosed,
    /// The metadata has over [`FRONT_MATTER_BYTES_MAX`] bytes.
    TooLong,
    /// The metadata is a list or a text.
    NotMapping,
    /// The metadata cannot be read.
    Broken(YamlError),
    /// Values are named and referred to. Many programs that read cards do not follow that.
    Anchors,
    /// A field that must be a text or a list of texts is something else.
    NotTexts(&'static str),
    /// A field that must be one text is something else.
    NotText(&'static str),
    /// No licence is named.
    LicenseMissing,
    /// The licence is not one of [`LICENSE_IDS`].
    LicenseUnknown {
        /// As it is written.
        value: String,
        /// The id that is probably meant.
        meant: Option<&'static str>,
    },
    /// The licence is `other` and has no name.
    LicenseUnnamed,
    /// A language is not given by its code.
    Language(String),
    /// A field is not known, but one that is spelled much like it.
    Misspelled {
        /// As it is written.
        field: String,
        /// As it is probably meant.
        meant: &'static str,
    },
    /// A task is not known.
    Task(String),
    /// A size is not one of [`SIZES`].
    Size(String),
    /// A value is none that its field can have.
    Value {
        /// The field.
        field: &'static str,
        /// The value.
        value: String,
        /// What it can be, in words.
        known: &'static str,
    },
    /// What should be `owner/name` is not.
    NotRepo {
        /// The field.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// A link is not an address on the web.
    NotLink(&'static str),
    /// The text says nothing.
    NoText,
    /// The text still has the words of a template.
    Template,
}

impl Finding {
    /// Tells whether a client should not push the card.
    pub fn is_error(&self) -> bool {
        use Finding::*;
        matches!(self, TooLong | NotMapping | Broken(_) | Anchors | NotTexts(_) | NotText(_) | LicenseUnknown { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::NoMetadata => f.write_str("empty or missing yaml metadata in repo card"),
            Finding::Unclosed => f.write_str("the metadata does not end; put a line `---` below it"),
            Finding::Value { field, value, known } => {
                write!(f, "\"{field}\": `{value}` is not a known value, which would be {known}")
            }
            Finding::TooLong => {
                write!(f, "the metadata has over {FRONT_MATTER_BYTES_MAX} bytes; move what is not metadata below it")
            }
            Finding::NotMapping => {
                f.write_str("the metadata must be a mapping of names to values, such as `license: mit`")
            }
            Finding::Broken(error) => error.fmt(f),
            Finding::Anchors => f.write_str(
                "the metadata names values with `&` or refers to them with `*`; write each value where it belongs",
            ),
            Finding::NotTexts(field) => write!(f, "\"{field}\" must be a text or a list of texts"),
            Finding::NotText(field) => write!(f, "\"{field}\" must be a string"),
            Finding::LicenseMissing => f.write_str("\"license\" is missing; say on what terms others may use this"),
            Finding::LicenseUnknown { value, meant: Some(meant) } => {
                write!(f, "\"license\" must be one of the known ids, and `{value}` is not; is it `{meant}`?")
            }
            Finding::LicenseUnknown { value, meant: None } => write!(
                f,
                "\"license\" must be one of [{}]; `{value}` is not: write `other` and name it with `license_name` and `license_link`",
                LICENSE_IDS.join(", ")
            ),
            Finding::LicenseUnnamed => {
                f.write_str("\"license\" is `other`: name it with `license_name` and `license_link`")
            }
            Finding::Language(value) => write!(
                f,
                "\"language\": `{value}` is not an ISO 639 code of two or three letters, nor `code` or `multilingual`"
            ),
            Finding::Misspelled { field, meant } => write!(f, "\"{field}\" is not a known field; is it \"{meant}\"?"),
            Finding::Task(value) => write!(f, "the task `{value}` is not a known one, such as `text-classification`"),
            Finding::Size(value) => write!(f, "\"size_categories\": `{value}` is not one of [{}]", SIZES.join(", ")),
            Finding::NotRepo { field, value } => write!(f, "\"{field}\": `{value}` is not like owner/name"),
            Finding::NotLink(field) => write!(f, "\"{field}\" must begin with https:// or http://"),
            Finding::NoText => f.write_str("the card has no text; say what this is, and for whom"),
            Finding::Template => f.write_str("the card still has words of its template; replace or remove them"),
        }
    }
}

/// Fields that are a text or a list of texts.
const TEXTS: [&str; 8] =
    ["tags", "datasets", "metrics", "language", "base_model", "task_categories", "task_ids", "size_categories"];
/// Fields that are one text.
const TEXT: [&str; 5] = ["pipeline_tag", "library_name", "pretty_name", "thumbnail", "sdk"];

/// Checks metadata that could be read.
pub(super) fn check(data: &Map<String, Value>, findings: &mut Vec<Finding>) {
    check_license(data, findings);
    for field in TEXTS {
        let is_text = |item: &Value| item.is_string() || item.is_number();
        match data.get(field) {
            None | Some(Value::Null | Value::String(_)) => {}
            // `no` and `on` are texts in YAML 1.2; `y: yes` habits of 1.1 do not matter here.
            Some(Value::Array(list)) if list.iter().all(is_text) => {}
            Some(_) => findings.push(Finding::NotTexts(field)),
        }
    }
    for field in TEXT {
        if data.get(field).is_some_and(|value| !value.is_string() && !value.is_null()) {
            findings.push(Finding::NotText(field));
        }
    }
    let texts = |field: &str| texts_of(data.get(field));
    findings.extend(texts("language").filter(|text| !is_language(text)).map(|text| Finding::Language(shown(text))));
    let tasks = texts("pipeline_tag").chain(texts("task_categories")).filter(|task| !TASKS.contains(task));
    findings.extend(tasks.map(|task| Finding::Task(shown(task))));
    let sizes = texts("size_categories").filter(|size| !SIZES.contains(size));
    findings.extend(sizes.map(|size| Finding::Size(shown(size))));
    // A name alone is that of one of the hub's first models, such as `gpt2`.
    let is_repo = |text: &str| {
        let whole = if text.contains('/') { text.to_owned() } else { format!("a/{text}") };
        RepoAddress::parse(RepoKind::Model, &whole).is_ok()
    };
    for field in ["base_model", "datasets"] {
        let wrong = texts(field).filter(|text| !is_repo(text));
        findings.extend(wrong.map(|text| Finding::NotRepo { field, value: shown(text) }));
    }
    for field in ["license_link", "thumbnail"] {
        // A licence may also be a file of the repository.
        let is_wrong = |text: &str| text.contains(':') && !text.starts_with("https://") && !text.starts_with("http://");
        if texts(field).any(is_wrong) {
            findings.push(Finding::NotLink(field));
        }
    }
    check_values(data, findings);
    let misspelled = |field: &String| {
        // `task_category` for `task_categories`, `licence_name`: the singular, and the other spelling.
        let plain = field.to_ascii_lowercase().replace("licence", "license").replace(['-', ' '], "_");
        let alike = |known: &&&str| {
            is_one_slip(field, known)
                || **known == plain
                || plain.strip_suffix('y').is_some_and(|stem| **known == format!("{stem}ies"))
        };
        let meant = FIELDS.iter().find(alike)?;
        Some(Finding::Misspelled { field: shown(field), meant })
    };
    findings.extend(data.keys().filter(|field| !FIELDS.contains(&field.as_str())).filter_map(misspelled));
    findings.truncate(FINDINGS_MAX);
}

/// Checks fields whose values are few.
fn check_values(data: &Map<String, Value>, findings: &mut Vec<Finding>) {
    let value = |field, value: &str, known| Finding::Value { field, value: shown(value), known };
    let goals = texts_of(data.get("tags")).filter_map(|tag| tag.strip_prefix("sdg:").map(|goal| (tag, goal)));
    let wrong = goals.filter(|(_, goal)| !goal.parse::<u8>().is_ok_and(|goal| (1..=17).contains(&goal)));
    findings.extend(wrong.map(|(tag, _)| value("tags", tag, "`sdg:1` to `sdg:17`")));
    let sdks = texts_of(data.get("sdk")).filter(|sdk| !SDKS.contains(sdk));
    findings.extend(sdks.map(|sdk| value("sdk", sdk, "`gradio`, `streamlit`, `docker` or `static`")));
    if let Some(port) =
        data.get("app_port").filter(|port| !port.as_u64().is_some_and(|port| (1..65_536).contains(&port)))
    {
        findings.push(value("app_port", &port.to_string(), "a number from 1 to 65535"));
    }
    let configs = data.get("configs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for files in configs.iter().filter_map(|config| config.get("data_files")) {
        let list = files.as_array().map_or(std::slice::from_ref(files), Vec::as_slice);
        let is_pattern = |one: &Value| match one {
            Value::String(_) => true,
            Value::Object(one) => one.get("path").is_some_and(|path| path.is_string() || path.is_array()),
            _ => false,
        };
        if !list.iter().all(is_pattern) {
            findings.push(value(
                "data_files",
                &files.to_string(),
                "a pattern of paths, or a list of `split:` with `path:`",
            ));
        }
    }
}

fn check_license(data: &Map<String, Value>, findings: &mut Vec<Finding>) {
    let Some(value) = data.get("license").filter(|value| !value.is_null()) else {
        return findings.push(Finding::LicenseMissing);
    };
    let texts: Vec<&str> = texts_of(Some(value)).collect();
    let wrong = texts.iter().find(|text| !license::is_known(text)).map(|text| (*text).to_owned());
    if let Some(wrong) = wrong.or_else(|| texts.is_empty().then(|| value.to_string())) {
        findings.push(Finding::LicenseUnknown { value: shown(&wrong), meant: license::meant(&wrong) });
    } else if texts.contains(&"other") && !data.contains_key("license_name") {
        findings.push(Finding::LicenseUnnamed);
    }
}

/// Checks what people read.
pub(super) fn check_body(body: &str, findings: &mut Vec<Finding>) {
    if body.trim().is_empty() {
        findings.push(Finding::NoText);
    } else if body.contains("[More Information Needed]") || body.contains("[optional]") {
        findings.push(Finding::Template);
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// Tells whether a language is given as clients expect: `fr`, `ckb`, `zh-Hant`, `code`.
fn is_language(text: &str) -> bool {
    let main = text.split(['-', '_']).next().unwrap_or_default();
    matches!(text, "code" | "multilingual" | "other")
        || match main.len() {
            2 => LANGUAGES.split(' ').any(|code| code == main),
            // ISO 639-3 has some eight thousand.
            3 => main.bytes().all(|byte| byte.is_ascii_lowercase()),
            _ => false,
        }
}

/// Tells whether one letter more, less or other makes the one word of the other, apart from case and what
/// joins words: `licence`, `Language`, `pipeline-tag`.
fn is_one_slip(written: &str, known: &str) -> bool {
    // Short words are one slip from many.
    if written.len() > 64 || known.len() < 5 || !written.is_ascii() {
        return false;
    }
    let plain = written.to_ascii_lowercase().replace(['-', ' '], "_");
    let (a, b) = (plain.as_bytes(), known.as_bytes());
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (rest_a, rest_b) = (&a[same..], &b[same..]);
    let tail = |bytes: &'_ [u8], skip: usize| bytes.get(skip..).unwrap_or_default().to_vec();
    tail(rest_a, 1) == tail(rest_b, 1) || tail(rest_a, 1) == rest_b || rest_a == tail(rest_b, 1)
}

#[cfg(test)]
mod tests {
    use super::super::Card;
    use super::*;

    fn findings(yaml: &str) -> Vec<Finding> {
        Card::parse(&format!("---\nlicense: mit\n{yaml}\n---\n# Text\n")).findings
    }

    #[test]
    fn a_good_card_has_no_findings() {
        assert_eq!(
            findings("language: [sw, zh-Hant]\npipeline_tag: text-generation\nbase_model: a/b\nown_field: 1"),
            []
        );
    }

    #[test]
    fn advice_names_what_is_meant() {
        assert_eq!(findings("pipeline_tag: text-genration"), [Finding::Task("text-genration".to_owned())]);
        assert_eq!(findings("size_categories: 1K<n<11K"), [Finding::Size("1K<n<11K".to_owned())]);
        assert_eq!(findings("language: English"), [Finding::Language("English".to_owned())]);
        let base = Finding::NotRepo { field: "base_model", value: "a/b/c".to_owned() };
        assert_eq!(findings("base_model: a/b/c"), [base]);
        assert_eq!(findings("license_link: 'javascript:alert(1)'"), [Finding::NotLink("license_link")]);
        for (field, meant) in [("Language", "language"), ("pipeline-tag", "pipeline_tag"), ("dataset", "datasets")] {
            let slip = Finding::Misspelled { field: field.to_owned(), meant };
            assert_eq!(findings(&format!("{field}: en")), [slip], "{field}");
        }
        assert_eq!(
            Card::parse("---\nlicence: mit\n---\n# T").findings[1].to_string(),
            "\"licence\" is not a known field; is it \"license\"?"
        );
        assert!(Card::parse("---\nlicense: mit\n---\n").findings.contains(&Finding::NoText));
        let template = Card::parse("---\nlicense: mit\n---\n# T\n\n[More Information Needed]\n");
        assert_eq!(template.findings, [Finding::Template]);
        assert!(findings("language: English").iter().all(|finding| !finding.is_error()));
    }

    #[test]
    fn licences_that_are_meant_are_named() {
        for (written, meant) in [
            ("MIT", Some("mit")),
            ("CC-BY-4.0", Some("cc-by-4.0")),
            ("EUPL-1.2", Some("eupl-1.2")),
            ("Apache 2.0", Some("apache-2.0")),
            ("apache", Some("apache-2.0")),
            ("apache2.0", Some("apache-2.0")),
            ("GPL-3.0-or-later", Some("gpl-3.0")),
            ("CC BY 4.0", Some("cc-by-4.0")),
            ("MIT License", Some("mit")),
            ("cc-by-4", Some("cc-by-4.0")),
            ("noodl", None),
            ("x", None),
        ] {
            let findings = Card::parse(&format!("---\nlicense: {written}\n---\n# T\n")).findings;
            assert_eq!(findings, [Finding::LicenseUnknown { value: written.to_owned(), meant }], "{written}");
        }
        let words = Card::parse("---\nlicense: MIT\n---\n# T\n").findings[0].to_string();
        assert_eq!(words, "\"license\" must be one of the known ids, and `MIT` is not; is it `mit`?");
    }

    #[test]
    fn values_that_no_field_can_have_are_seen() {
        for (yaml, field) in [
            ("tags: ['sdg:18']", "tags"),
            ("tags: ['sdg:water']", "tags"),
            ("sdk: gradio2", "sdk"),
            ("app_port: x", "app_port"),
            ("app_port: 70000", "app_port"),
            ("configs: [{config_name: a, data_files: 5}]", "data_files"),
            ("configs: [{config_name: a, data_files: [{split: train, pth: a.csv}]}]", "data_files"),
        ] {
            let found = findings(yaml);
            assert!(matches!(&found[..], [Finding::Value { field: seen, .. }] if *seen == field), "{yaml}: {found:?}");
            assert!(!found[0].is_error());
        }
        let good = "tags: ['sdg:17', 2024]\nsdk: docker\napp_port: 7860\nconfigs: [{config_name: a, data_files: '*.csv'}, {config_name: b, data_files: [{split: train, path: [a, b]}]}]";
        assert_eq!(findings(good), []);
        for language in ["xx", "zz"] {
            assert_eq!(findings(&format!("language: {language}")), [Finding::Language(language.to_owned())]);
        }
        let base = Finding::NotRepo { field: "base_model", value: "not a repo".to_owned() };
        assert_eq!(findings("base_model: not a repo"), [base]);
        assert_eq!(findings("base_model: gpt2"), []);
        for (field, meant) in [("task_category", "task_categories"), ("licence_name", "license_name")] {
            assert_eq!(
                findings(&format!("{field}: x")),
                [Finding::Misspelled { field: field.to_owned(), meant }],
                "{field}"
            );
        }
        assert_eq!(Card::parse("---\nlicense: mit\n# T\n").findings, [Finding::Unclosed]);
        assert_eq!(Card::parse("---\n\nA line above a text.\n").findings, [Finding::NoMetadata]);
    }

    #[test]
    fn names_and_references_are_refused_but_read() {
        let card = Card::parse("---\nlicense: &l mit\nlicense_name: *l\n---\n# T\n");
        assert_eq!(card.findings, [Finding::Anchors]);
        assert!(card.findings[0].is_error() && card.text("license_name") == Some("mit"));
        let deep = format!("a: {}1{}", "[".repeat(70), "]".repeat(70));
        assert_eq!(findings(&deep), [Finding::Broken(YamlError::Depth)]);
    }

    #[test]
    fn many_findings_are_bounded() {
        let languages = (0..10_000).map(|n| format!("Language{n}, ")).collect::<String>();
        assert_eq!(findings(&format!("language: [{languages}]")).len(), FINDINGS_MAX);
    }
}
