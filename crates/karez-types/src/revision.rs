//! Revisions that a caller may ask for, and full names of refs.

use std::fmt;
use std::str::FromStr;

/// A revision as a caller names it: branch, tag, full or short commit id, `refs/pr/N`, `HEAD`.
///
/// What it points at is decided against a repository; this type only says that the text obeys
/// git's rules for ref names, so it is safe to compare, print and store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revision(String);

/// The full name of a ref, beginning with `refs/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName(String);

/// Why a text is not a revision or ref name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid revision: use a branch, a tag, a commit id or refs/pr/N, without spaces, control characters, `..`, `~`, `^`, `:`, `?`, `*`, `[`, `\\` or `@{{`"
)]
pub struct RevisionError(String);

/// Longest ref name in bytes.
const REVISION_BYTES_MAX: usize = 255;

/// Checks the rules of `git check-ref-format`.
fn check(text: &str) -> Result<(), RevisionError> {
    let forbidden =
        |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c) || crate::path::is_deceptive(c);
    let part_bad = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let bad = text.is_empty()
        || text.len() > REVISION_BYTES_MAX
        || text.contains(forbidden)
        || text.contains("..")
        || text.contains("@{")
        || text == "@"
        || text.starts_with('-')
        || text.ends_with('.')
        || text.split('/').any(part_bad);
    if bad { Err(RevisionError(text.chars().take(80).flat_map(char::escape_debug).collect())) } else { Ok(()) }
}

impl Revision {
    /// Returns the revision as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the revision `main`.
    pub fn main() -> Revision {
        Revision("main".to_owned())
    }
}

impl FromStr for Revision {
    type Err = RevisionError;
    fn from_str(text: &str) -> Result<Self, RevisionError> {
        check(text).map(|()| Revision(text.to_owned()))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<crate::GitOid> for Revision {
    fn from(oid: crate::GitOid) -> Revision {
        Revision(oid.to_string())
    }
}

impl RefName {
    /// Returns `refs/heads/{branch}`.
    ///
    /// # Errors
    /// When the name breaks git's rules, or begins with `refs/` and so would hide another ref.
    pub fn branch(branch: &str) -> Result<RefName, RevisionError> {
        Self::under("refs/heads/", branch)
    }

    /// Returns `refs/tags/{tag}`.
    ///
    /// # Errors
    /// As [`RefName::branch`].
    pub fn tag(tag: &str) -> Result<RefName, RevisionError> {
        Self::under("refs/tags/", tag)
    }

    fn under(prefix: &str, name: &str) -> Result<RefName, RevisionError> {
        check(name)?;
        let looks_like_commit = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if name.starts_with("refs/") || name == "HEAD" || looks_like_commit {
            return Err(RevisionError(name.to_owned()));
        }
        Ok(RefName(format!("{prefix}{name}")))
    }

    /// Returns `refs/pr/{number}`.
    pub fn pull_request(number: u64) -> RefName {
        RefName(format!("refs/pr/{number}"))
    }

    /// Returns the full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name without `refs/heads/` or `refs/tags/`; other refs keep their full name.
    pub fn short(&self) -> &str {
        self.0.strip_prefix("refs/heads/").or_else(|| self.0.strip_prefix("refs/tags/")).unwrap_or(&self.0)
    }

    /// Tells whether this is a branch.
    pub fn is_branch(&self) -> bool {
        self.0.starts_with("refs/heads/")
    }

    /// Tells whether this is a tag.
    pub fn is_tag(&self) -> bool {
        self.0.starts_with("refs/tags/")
    }

    /// Returns the number of a pull request ref.
    pub fn pull_request_number(&self) -> Option<u64> {
        self.0.strip_prefix("refs/pr/")?.parse().ok()
    }
}

impl FromStr for RefName {
    type Err = RevisionError;
    fn from_str(text: &str) -> Result<Self, RevisionError> {
        check(text)?;
        if text.starts_with("refs/") && text.matches('/').count() >= 2 {
            Ok(RefName(text.to_owned()))
        } else {
            Err(RevisionError(text.to_owned()))
        }
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_follow_git() {
        for text in ["main", "refs/pr/5", "v1.0", "feature/x", "HEAD", "0123abc", "日本"] {
            assert!(text.parse::<Revision>().is_ok(), "{text}");
        }
        for text in [
            "", "a..b", "a b", "a~1", "a^", "x:y", "-x", ".a", "a/.b", "a//b", "a.lock", "a\0", "@", "a@{1}", "/a",
            "a/",
        ] {
            assert!(text.parse::<Revision>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_branch_cannot_hide_another_ref_or_a_commit() {
        assert_eq!(RefName::branch("main").unwrap().as_str(), "refs/heads/main");
        for name in ["refs/pr/5", "refs/something", "HEAD", &"a".repeat(40)] {
            assert!(RefName::branch(name).is_err(), "{name}");
        }
    }
}
