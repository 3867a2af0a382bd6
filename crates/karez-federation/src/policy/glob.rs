//! Patterns with `*` and `?`, and patterns for repositories.

use karez_types::{RepoAddress, RepoKind};
use serde::{Deserialize, Serialize};

/// A pattern: `*` stands for any run of characters (also none, also `/`), `?` for one. Case does not
/// matter, as it does not for names on a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob(String);

/// Longest pattern in bytes: matching may take length of pattern times length of text.
const GLOB_BYTES_MAX: usize = 256;

impl Glob {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Says what a pattern may hold; `[`, `{` and `!` are refused, since other programs give them a meaning.
    pub fn parse(text: &str) -> Result<Glob, String> {
        let is_plain = |c: char| !c.is_control() && !matches!(c, '[' | ']' | '{' | '}' | '!');
        if text.is_empty() || text.len() > GLOB_BYTES_MAX || !text.chars().all(is_plain) {
            let shown = text.chars().take(60).collect::<String>();
            let shown = shown.escape_debug();
            return Err(format!(
                "`{shown}` is not a pattern: use plain characters, `*` for any run of them and `?` for one, up to {GLOB_BYTES_MAX} bytes"
            ));
        }
        Ok(Glob(text.to_ascii_lowercase()))
    }

    /// Tells whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        // Goes back to the last star only: linear for one star, never exponential.
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut at, mut seen, mut star) = (0, 0, None);
        while seen < text.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(b'?') => {
                    at += 1;
                    seen += 1;
                    // One character, not one byte.
                    while text.get(seen).is_some_and(|byte| byte & 0xC0 == 0x80) {
                        seen += 1;
                    }
                }
                Some(byte) if *byte == text[seen].to_ascii_lowercase() => {
                    at += 1;
                    seen += 1;
                }
                _ => {
                    let Some((star_at, star_seen)) = star else { return false };
                    star = Some((star_at, star_seen + 1));
                    at = star_at + 1;
                    seen = star_seen + 1;
                }
            }
        }
        pattern[at..].iter().all(|&byte| byte == b'*')
    }

    /// Returns the pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Glob {
    type Error = String;

    fn try_from(text: String) -> Result<Glob, String> {
        Glob::parse(&text)
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> String {
        glob.0
    }
}

impl std::str::FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Glob, String> {
        Glob::parse(text)
    }
}

/// A pattern for repositories: `owner/*`, `datasets/owner/name`, `models/*`. Without a kind: any kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoGlob {
    kind: Option<RepoKind>,
    id: Glob,
}

impl RepoGlob {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Says how one is written.
    pub fn parse(text: &str) -> Result<RepoGlob, String> {
        let with_kind = text.split_once('/').and_then(|(first, rest)| {
            let kind = RepoKind::ALL.iter().find(|kind| kind.plural().eq_ignore_ascii_case(first));
            kind.map(|kind| (Some(*kind), rest))
        });
        let (kind, id) = with_kind.unwrap_or((None, text));
        // `models/*` says every model; otherwise the pattern has an owner and a name.
        if id != "*" && id.matches('/').count() != 1 {
            let shown = text.chars().take(60).collect::<String>();
            let shown = shown.escape_debug();
            return Err(format!(
                "`{shown}` is not a pattern for repositories: write `owner/*`, `owner/name` or, for one kind, `datasets/owner/*`"
            ));
        }
        Ok(RepoGlob { kind, id: Glob::parse(id)? })
    }

    /// Tells whether the repository matches.
    pub fn matches(&self, repo: &RepoAddress) -> bool {
        self.kind.is_none_or(|kind| kind == repo.kind) && self.id.matches(&repo.id())
    }
}

impl TryFrom<String> for RepoGlob {
    type Error = String;

    fn try_from(text: String) -> Result<RepoGlob, String> {
        RepoGlob::parse(&text)
    }
}

impl From<RepoGlob> for String {
    fn from(glob: RepoGlob) -> String {
        match glob.kind {
            Some(kind) => format!("{}/{}", kind.plural(), glob.id.as_str()),
            None => glob.id.into(),
        }
    }
}

impl std::str::FromStr for RepoGlob {
    type Err = String;

    fn from_str(text: &str) -> Result<RepoGlob, String> {
        RepoGlob::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("*.safetensors", "a/model-00001-of-00002.SafeTensors", true),
            ("*.safetensors", "model.safetensors.index.json", false),
            ("model?.bin", "modelé.bin", true),
            ("model?.bin", "model.bin", false),
            ("a*b*c", "aXXbYYbZc", true),
            ("a*b*c", "aXXbYYbZ", false),
            ("UD-Nahuatl/*", "ud-nahuatl/corpus", true),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().matches(text), matches, "{pattern} {text}");
        }
        for pattern in ["", "[ab]", "a\nb", &"a".repeat(257)] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
        // The worst case is quadratic, not exponential: this would not end otherwise.
        let pattern = Glob::parse(&format!("{}c", "a*".repeat(127))).unwrap();
        assert!(!pattern.matches(&"a".repeat(4000)));
    }

    #[test]
    fn repository_patterns_know_the_kind() {
        let repo = |kind, id| RepoAddress::parse(kind, id).unwrap();
        let model = repo(RepoKind::Model, "Masakhane/afro-xlmr");
        let dataset = repo(RepoKind::Dataset, "masakhane/mafand");
        for (pattern, on_model, on_dataset) in [
            ("masakhane/*", true, true),
            ("datasets/masakhane/*", false, true),
            ("models/*", true, false),
            ("*", true, true),
            ("*/afro-*", true, false),
        ] {
            let glob = RepoGlob::parse(pattern).unwrap();
            assert_eq!((glob.matches(&model), glob.matches(&dataset)), (on_model, on_dataset), "{pattern}");
            assert_eq!(String::from(glob), pattern);
        }
        assert!(RepoGlob::parse("gpt2").is_err() && RepoGlob::parse("models/a/b/c").is_err());
    }
}
