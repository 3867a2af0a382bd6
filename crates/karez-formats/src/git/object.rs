//! Kinds of objects, their ids, and what can be wrong with them.

use std::fmt;
use std::str::FromStr;

use karez_types::GitOid;
use sha1::{Digest, Sha1};

/// The four kinds of git object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GitKind {
    /// The bytes of a file.
    Blob,
    /// A folder.
    Tree,
    /// A revision.
    Commit,
    /// An annotated tag.
    Tag,
}

impl GitKind {
    /// Returns git's word for the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            GitKind::Blob => "blob",
            GitKind::Tree => "tree",
            GitKind::Commit => "commit",
            GitKind::Tag => "tag",
        }
    }

    /// Returns the number that packs use for the kind.
    pub fn number(self) -> u8 {
        match self {
            GitKind::Commit => 1,
            GitKind::Tree => 2,
            GitKind::Blob => 3,
            GitKind::Tag => 4,
        }
    }

    /// Returns the kind that packs number so.
    pub fn from_number(number: u8) -> Option<GitKind> {
        match number {
            1 => Some(GitKind::Commit),
            2 => Some(GitKind::Tree),
            3 => Some(GitKind::Blob),
            4 => Some(GitKind::Tag),
            _ => None,
        }
    }
}

impl fmt::Display for GitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GitKind {
    type Err = GitError;
    fn from_str(word: &str) -> Result<GitKind, GitError> {
        match word {
            "blob" => Ok(GitKind::Blob),
            "tree" => Ok(GitKind::Tree),
            "commit" => Ok(GitKind::Commit),
            "tag" => Ok(GitKind::Tag),
            _ => Err(GitError::Kind),
        }
    }
}

/// Why bytes are not a git object, or why a value cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// A word that is none of the four kinds.
    #[error("a git object is a blob, a tree, a commit or a tag")]
    Kind,
    /// The bytes do not follow the format.
    #[error("malformed {kind}: {what}")]
    Malformed {
        /// What the bytes should have been.
        kind: GitKind,
        /// What is wrong.
        what: &'static str,
    },
    /// A name that a folder cannot hold.
    #[error("`{0}` cannot be the name of a file in a git tree")]
    Name(String),
    /// Two entries of a folder have the same name.
    #[error("the folder has two entries named `{0}`")]
    Duplicate(String),
}

impl GitError {
    pub(super) fn malformed(kind: GitKind, what: &'static str) -> GitError {
        GitError::Malformed { kind, what }
    }
}

/// Returns the id that git gives to this content.
pub fn object_id(kind: GitKind, content: &[u8]) -> GitOid {
    let mut hasher = Sha1::new();
    hasher.update(kind.as_str());
    hasher.update(format!(" {}\0", content.len()));
    hasher.update(content);
    GitOid(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        assert_eq!(object_id(GitKind::Blob, b"").to_string(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(object_id(GitKind::Tree, b"").to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
        assert_eq!(object_id(GitKind::Blob, b"hello\n").to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn words_and_numbers_go_both_ways() {
        for kind in [GitKind::Blob, GitKind::Tree, GitKind::Commit, GitKind::Tag] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(GitKind::from_number(kind.number()), Some(kind));
        }
        assert_eq!("Blob".parse::<GitKind>(), Err(GitError::Kind));
    }
}
