//! Paths of files inside a repository.

use std::fmt;
use std::str::FromStr;

/// A path inside a repository: relative, `/`-separated, no empty, `.` or `..` part, no control
/// character, no backslash, no bidirectional control, at most 4,096 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoPath(String);

/// Why a text is not a path that a repository can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing there.
    #[error("the path is empty; name a file such as `data/train.csv`")]
    Empty,
    /// Over 4,096 bytes, or a part over 255 bytes, which most file systems cannot hold.
    #[error("the path is too long; keep it under 4,096 bytes and each part under 256")]
    TooLong,
    /// Starts with `/`.
    #[error("the path is absolute; leave out the leading `/`")]
    Absolute,
    /// Contains a part that is empty, `.` or `..`.
    #[error("the path has an empty, `.` or `..` part; name the file by its plain path in the repository")]
    Escape,
    /// A part named `.git`.
    #[error("the path has a part named `.git`, which git reserves; use another name")]
    GitFolder,
    /// A backslash, NUL, other control or bidirectional control character.
    #[error("the path has a backslash, a control character or a text-direction character; take it out")]
    Forbidden,
}

/// Longest path in bytes: PATH_MAX on Linux.
const PATH_BYTES_MAX: usize = 4096;
/// Longest part in bytes: NAME_MAX on Linux.
const PART_BYTES_MAX: usize = 255;

/// Tells whether a character changes the direction of text or hides itself, so that a name can be
/// shown as something that it is not (Unicode TR36, TR9).
pub(crate) fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

impl RepoPath {
    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the parts between the slashes; there is at least one.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Returns the last part.
    pub fn file_name(&self) -> &str {
        self.parts().next_back().expect("a path has at least one part")
    }
}

impl FromStr for RepoPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute);
        }
        // U+200C and U+200D join letters in Persian and many Indic scripts; names may hold them.
        let forbidden =
            |c: char| c == '\\' || c.is_control() || (is_deceptive(c) && !matches!(c, '\u{200C}' | '\u{200D}'));
        if text.contains(forbidden) {
            return Err(PathError::Forbidden);
        }
        for part in text.split('/') {
            if part.is_empty() || part == "." || part == ".." {
                return Err(PathError::Escape);
            }
            if part.len() > PART_BYTES_MAX {
                return Err(PathError::TooLong);
            }
            if part.eq_ignore_ascii_case(".git") {
                return Err(PathError::GitFolder);
            }
        }
        Ok(RepoPath(text.to_owned()))
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for RepoPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_pass() {
        for text in ["a", "README.md", "data/train-00000.parquet", ".gitattributes", "日本/データ.txt", "a b/c+d"]
        {
            assert_eq!(text.parse::<RepoPath>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn escapes_are_refused() {
        let long = "a/".repeat(3000) + "b";
        for text in [
            "",
            "/a",
            "..",
            "a/../b",
            "a//b",
            "./a",
            "a/",
            "a\\b",
            "..\\a",
            "a\0b",
            "a\nb",
            ".git/config",
            "x/.GIT/y",
            "a\u{202E}b",
            &long,
        ] {
            assert!(text.parse::<RepoPath>().is_err(), "{text:?}");
        }
    }
}
