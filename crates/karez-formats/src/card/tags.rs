//! Tags: what lists are filtered by.

use karez_types::RepoKind;
use serde_json::Value;

use super::{Card, texts_of};

/// Most tags of one repository, and the longest, in bytes; more are left out.
const TAGS_MAX: usize = 500;
const TAG_BYTES_MAX: usize = 200;
/// Most papers of one repository.
const ARXIV_IDS_MAX: usize = 50;

/// Fields of a dataset whose values become `field:value`, in the order in which they are shown.
const DATASET_FIELDS: &[&str] = &[
    "task_categories",
    "task_ids",
    "annotations_creators",
    "language_creators",
    "multilinguality",
    "source_datasets",
    "language",
    "license",
    "size_categories",
    "region",
];

impl Card {
    /// Returns the tags of a repository of this kind, each once.
    pub fn tags(&self, kind: RepoKind) -> Vec<String> {
        let mut tags = Tags(Vec::new());
        match kind {
            RepoKind::Dataset => {
                for field in DATASET_FIELDS {
                    tags.add_all(&format!("{field}:"), self.texts(field));
                }
                tags.add_all("", self.free_tags());
                tags.add_all("arxiv:", &self.arxiv_ids);
            }
            RepoKind::Model | RepoKind::Kernel => self.model_tags(&mut tags),
            RepoKind::Space => {
                tags.add_all("", self.texts("sdk"));
                tags.add_all("", self.free_tags());
                tags.add_all("license:", self.texts("license"));
            }
        }
        tags.0
    }

    fn model_tags(&self, tags: &mut Tags) {
        tags.add_all("", self.texts("library_name"));
        tags.add_all("", self.texts("pipeline_tag"));
        tags.add_all("", self.free_tags());
        if self.data.get("model-index").is_some_and(Value::is_array) {
            tags.add("model-index".to_owned());
        }
        tags.add_all("", self.texts("language"));
        tags.add_all("dataset:", self.texts("datasets"));
        tags.add_all("base_model:", self.texts("base_model"));
        tags.add_all(&format!("base_model:{}:", self.base_model_relation()), self.texts("base_model"));
        tags.add_all("arxiv:", &self.arxiv_ids);
        tags.add_all("license:", self.texts("license"));
        tags.add_all("region:", self.texts("region"));
    }

    /// Returns how the model came from its base, guessed as the clients' hub does when not said.
    fn base_model_relation(&self) -> &str {
        let said = self
            .text("base_model_relation")
            .filter(|word| matches!(*word, "finetune" | "adapter" | "quantized" | "merge"));
        let tagged = |words: &[&str]| self.texts("tags").any(|tag| words.contains(&tag));
        match said {
            Some(word) => word,
            None if tagged(&["merge", "mergekit"]) => "merge",
            None if self.library_name() == Some("peft") || tagged(&["lora", "peft"]) => "adapter",
            None if self.library_name() == Some("gguf") || tagged(&["gguf", "quantized"]) => "quantized",
            None => "finetune",
        }
    }

    fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        texts_of(self.data.get(key))
    }

    /// Returns the tags that the author wrote; a year without quotes is a number in YAML.
    fn free_tags(&self) -> impl Iterator<Item = String> {
        let list = match self.data.get("tags") {
            Some(Value::Array(list)) => list.as_slice(),
            Some(single) => std::slice::from_ref(single),
            None => &[],
        };
        list.iter().filter_map(|tag| match tag {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }
}

struct Tags(Vec<String>);

impl Tags {
    fn add(&mut self, tag: String) {
        let fits = !tag.is_empty() && tag.len() <= TAG_BYTES_MAX && !tag.contains(char::is_control);
        if fits && self.0.len() < TAGS_MAX && !self.0.contains(&tag) {
            self.0.push(tag);
        }
    }

    fn add_all<T: AsRef<str>>(&mut self, prefix: &str, values: impl IntoIterator<Item = T>) {
        for value in values.into_iter().take(TAGS_MAX) {
            self.add(format!("{prefix}{}", value.as_ref()));
        }
    }
}

/// Returns the papers that a text links to, each once, without their version.
pub(super) fn arxiv_ids(text: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for (position, _) in text.match_indices("arxiv.org/").take(10 * ARXIV_IDS_MAX) {
        let rest = &text[position + "arxiv.org/".len()..];
        let Some(rest) = rest.strip_prefix("abs/").or_else(|| rest.strip_prefix("pdf/")) else { continue };
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let year_month = digits(rest);
        let Some(number) = rest[year_month..].strip_prefix('.').map(digits) else { continue };
        let id = &rest[..year_month + 1 + number];
        if year_month == 4
            && matches!(number, 4 | 5)
            && ids.len() < ARXIV_IDS_MAX
            && !ids.iter().any(|known| known == id)
        {
            ids.push(id.to_owned());
        }
    }
    ids
}
