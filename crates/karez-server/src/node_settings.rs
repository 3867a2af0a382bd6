//! Who runs the node, in words: the section `[node]` of `karez.toml`.

use serde::{Deserialize, Serialize};

/// Longest name of a node, in bytes: what a signed description takes.
const NAME_BYTES_MAX: usize = 100;
/// Longest name of who runs it, and longest contact, in bytes.
const WORDS_BYTES_MAX: usize = 200;

/// Who runs the node, in words for people: the section `[node]` of `karez.toml`. All of it may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSettings {
    /// What people call the node, on its pages, in feeds and in its signed description. Empty: the host of
    /// `public_url`, or else a part of its key.
    pub name: String,
    /// Who runs it: a person, a ministry, a university.
    pub operator: String,
    /// Where to reach them: a mail address, an address that begins with https://, or words such as a phone number.
    pub contact: String,
}

impl NodeSettings {
    /// Checks that the words can be shown.
    ///
    /// # Errors
    /// With the name of the setting and what to write instead.
    pub fn check(&self) -> Result<(), String> {
        let most = [
            ("name", &self.name, NAME_BYTES_MAX),
            ("operator", &self.operator, WORDS_BYTES_MAX),
            ("contact", &self.contact, WORDS_BYTES_MAX),
        ];
        for (name, words, bytes_max) in most {
            if words.len() > bytes_max || words.chars().any(char::is_control) {
                return Err(format!("the setting node.{name} must be one line of at most {bytes_max} bytes"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_line() {
        let named = |name: &str| NodeSettings { name: name.to_owned(), ..NodeSettings::default() };
        assert!(NodeSettings::default().check().is_ok() && named("Hub of the Ministry").check().is_ok());
        for bad in ["two\nlines", &"x".repeat(101)] {
            assert!(named(bad).check().unwrap_err().contains("node.name"), "{bad}");
        }
    }
}
