//! The card of a repository: the YAML at the top of its README, and the tags that follow from it.

mod license;
mod lint;
mod tags;
mod vocabulary;
mod yaml;

use serde_json::Value;

pub use license::LICENSE_IDS;
pub use lint::Finding;
pub use vocabulary::{SIZES, TASKS};
pub use yaml::YamlError;

/// Longest front matter that is read, in bytes. Datasets with hundreds of configurations list them.
pub const FRONT_MATTER_BYTES_MAX: usize = 1 << 20;

/// What a README says about its repository.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Card {
    /// The front matter as JSON: an object, or null when there is none or it is broken.
    pub data: Value,
    /// What the linter has to say: what must be changed, and what would make the card better.
    pub findings: Vec<Finding>,
    /// Papers that the text links to, as `1706.03762`.
    pub arxiv_ids: Vec<String>,
}

impl Card {
    /// Reads a README. Never fails: what is wrong is listed.
    pub fn parse(readme: &str) -> Card {
        let mut card = Card { arxiv_ids: tags::arxiv_ids(readme), ..Card::default() };
        match front_matter(readme) {
            None if is_unclosed(readme) => card.findings.push(Finding::Unclosed),
            None => card.findings.push(Finding::NoMetadata),
            Some(text) if text.len() > FRONT_MATTER_BYTES_MAX => card.findings.push(Finding::TooLong),
            Some(text) => match yaml::parse(text) {
                Ok(yaml::Parsed { value: Value::Object(data), has_anchors }) => {
                    if has_anchors {
                        card.findings.push(Finding::Anchors);
                    }
                    lint::check(&data, &mut card.findings);
                    card.data = Value::Object(data);
                }
                Ok(yaml::Parsed { value: Value::Null, .. }) => card.findings.push(Finding::NoMetadata),
                Ok(_) => card.findings.push(Finding::NotMapping),
                Err(error) => card.findings.push(Finding::Broken(error)),
            },
        }
        lint::check_body(body(readme), &mut card.findings);
        card
    }

    /// Returns why a client should not push this card.
    pub fn errors(&self) -> Vec<String> {
        self.findings.iter().filter(|finding| finding.is_error()).map(ToString::to_string).collect()
    }

    /// Returns what would make the card better.
    pub fn warnings(&self) -> Vec<String> {
        self.findings.iter().filter(|finding| !finding.is_error()).map(ToString::to_string).collect()
    }

    /// Returns a text of the metadata.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Returns the task that a model is for, such as `text-generation`.
    pub fn pipeline_tag(&self) -> Option<&str> {
        self.text("pipeline_tag")
    }

    /// Returns the library that a model is used with, such as `transformers`.
    pub fn library_name(&self) -> Option<&str> {
        self.text("library_name")
    }
}

/// Returns the text or texts of a value that may be one or a list.
fn texts_of(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    list.iter().filter_map(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Returns a README without its metadata: what people read.
pub fn body(readme: &str) -> &str {
    let Some(metadata) = front_matter(readme) else { return readme };
    // The metadata is a part of the README, and its last line follows it: `---`.
    let end = metadata.as_ptr().addr() - readme.as_ptr().addr() + metadata.len();
    readme[end..].trim_start_matches('-').trim_start_matches(['\r', '\n'])
}

/// Tells whether a README begins with metadata that does not end: a line `---`, and then a name with a value.
fn is_unclosed(readme: &str) -> bool {
    let text = readme.trim_start_matches('\u{FEFF}').trim_start();
    let is_field = |line: &str| {
        line.split_once(':').is_some_and(|(name, rest)| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                && (rest.is_empty() || rest.starts_with(' '))
        })
    };
    let mut lines = text.lines();
    lines.next() == Some("---") && lines.next().is_some_and(is_field)
}

/// Returns what lies between the first line `---` and the next one.
fn front_matter(readme: &str) -> Option<&str> {
    let text = readme.trim_start_matches('\u{FEFF}').trim_start();
    let body = text.strip_prefix("---").filter(|rest| rest.starts_with(['\r', '\n']))?;
    let mut line_start = 0;
    for (position, _) in body.match_indices(['\r', '\n']).chain([(body.len(), "")]) {
        if &body[line_start..position] == "---" {
            return Some(&body[..line_start]);
        }
        line_start = position + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_types::RepoKind;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_model_card() {
        let card = Card::parse(
            "---\r\nlicense: apache-2.0\r\nlanguage:\r\n- en\r\n- no\r\nlibrary_name: transformers\r\npipeline_tag: text-generation\r\ntags: [chat, 2024]\r\n\
             datasets: a/b\r\nbase_model: x/y\r\nmodel-index:\r\n- name: z\r\n---\r\n# Title\nhttps://arxiv.org/abs/1706.03762v2 and arxiv.org/pdf/2401.00001.\n",
        );
        assert_eq!(card.errors(), Vec::<String>::new());
        assert_eq!(card.data["language"], json!(["en", "no"]));
        assert_eq!((card.pipeline_tag(), card.library_name()), (Some("text-generation"), Some("transformers")));
        assert_eq!(
            card.tags(RepoKind::Model),
            [
                "transformers",
                "text-generation",
                "chat",
                "2024",
                "model-index",
                "en",
                "no",
                "dataset:a/b",
                "base_model:x/y",
                "base_model:finetune:x/y",
                "arxiv:1706.03762",
                "arxiv:2401.00001",
                "license:apache-2.0",
            ]
        );
    }

    #[test]
    fn the_body_is_what_follows_the_metadata() {
        for (readme, expected) in [
            ("---\nlicense: mit\n---\n# Title\n", "# Title\n"),
            ("\u{FEFF}---\r\nlicense: mit\r\n---\r\n\r\ntext", "text"),
            ("---\n---\n", ""),
            ("no metadata\n---\n", "no metadata\n---\n"),
            ("---\nnever closed\n", "---\nnever closed\n"),
        ] {
            assert_eq!(body(readme), expected, "{readme:?}");
        }
    }

    #[test]
    fn a_dataset_card() {
        let card = Card::parse(
            "---\nlicense: [mit, cc-by-4.0]\nlanguage: fr\ntask_categories:\n- translation\nsize_categories:\n- 1K<n<10K\n---\n",
        );
        let expected = [
            "task_categories:translation",
            "language:fr",
            "license:mit",
            "license:cc-by-4.0",
            "size_categories:1K<n<10K",
        ];
        assert_eq!(card.tags(RepoKind::Dataset), expected);
    }

    #[test]
    fn the_text_is_what_is_not_metadata() {
        for (readme, text) in [
            ("---\nlicense: mit\n---\n# Title\n---\nmore", "# Title\n---\nmore"),
            ("\u{FEFF}---\r\na: b\r\n---\r\ntext", "text"),
            ("---\n---", ""),
            ("# Title\n---\n", "# Title\n---\n"),
            ("---\nnever ends", "---\nnever ends"),
            ("", ""),
        ] {
            assert_eq!(body(readme), text, "{readme:?}");
        }
    }

    #[test]
    fn an_unknown_license_is_an_error_in_the_words_that_clients_know() {
        for license in ["not-a-license", "12", "[]", "[mit, nope]", "{a: b}"] {
            let card = Card::parse(&format!("---\nlicense: {license}\n---\n"));
            assert!(
                card.errors()[0].starts_with("\"license\" must be one of [apache-2.0, "),
                "{license} {:?}",
                card.errors()
            );
        }
        assert!(Card::parse("---\nlicense: mit\n---\n").errors().is_empty());
    }

    #[test]
    fn without_metadata_there_are_only_warnings() {
        for readme in [
            "",
            "# Title",
            "---",
            "---\n\nlicense: mit\n",
            "--- \nlicense: mit\n---\n",
            "text\n---\na: b\n---\n",
            "---\n---\n",
            "---\n\n# c\n---\n",
        ] {
            let card = Card::parse(readme);
            assert_eq!(
                (card.data.clone(), card.errors().len(), &card.findings[0]),
                (Value::Null, 0, &Finding::NoMetadata),
                "{readme:?}"
            );
        }
        let card = Card::parse("\u{FEFF}\n---\nlicense: mit\n---");
        assert_eq!(card.data, json!({"license": "mit"}));
    }

    #[test]
    fn wrong_shapes_are_errors() {
        for yaml in [
            "- a",
            "text",
            "tags: {a: b}",
            "tags: [[a]]",
            "pipeline_tag: [a]",
            "a: b: c",
            "a: [b",
            "a: 'b",
            "a: *x",
            "a: 1\na: 2",
            "? [a]\n: b",
        ] {
            let card = Card::parse(&format!("---\n{yaml}\n---\n"));
            assert!(!card.errors().is_empty(), "{yaml}");
        }
    }

    #[test]
    fn hostile_yaml_is_bounded() {
        let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..20 {
            let before = format!("*a{},", level - 1).repeat(9);
            laughs.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        let deep = format!("a: {}", "[".repeat(5_000));
        let dashes = "- ".repeat(100_000);
        let long = format!("a: &x {}\nb: [{}]", "y".repeat(400_000), "*x,".repeat(100_000));
        let questions = "? ".repeat(100_000);
        let huge = format!("a: {}", "x".repeat(FRONT_MATTER_BYTES_MAX));
        let tower = (1..2000).fold("a0: &a0 []\n".to_owned(), |text, n| text + &format!("a{n}: &a{n} [*a{}]\n", n - 1));
        for yaml in [laughs, deep, dashes, long, questions, huge, tower] {
            let card = Card::parse(&format!("---\n{yaml}\n---\n"));
            assert!(card.data.is_null() && !card.errors().is_empty(), "{yaml:.60}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(yaml in "[a-z0-9 \\-?:,\\[\\]{}#&*!|>'\"%@`\n]{0,80}") {
            let card = Card::parse(&format!("---\n{yaml}\n---\n"));
            let _ = card.tags(RepoKind::Model);
        }

        #[test]
        fn any_readme_is_parsed_without_panic(readme in "\\PC{0,80}") {
            let _ = Card::parse(&readme).tags(RepoKind::Dataset);
            prop_assert!(readme.ends_with(body(&readme)));
        }
    }
}
