//! Names of owners and repositories, and the address made of them.

use std::fmt;
use std::str::FromStr;

use crate::role::word_enum;

word_enum!(
    /// The kinds of repository.
    RepoKind {
        /// Weights, tokenizers, configuration.
        Model = "model",
        /// Data.
        Dataset = "dataset",
        /// Applications.
        Space = "space",
        /// Compute kernels.
        Kernel = "kernel",
    }
);

impl RepoKind {
    /// Returns the plural used under `/api/`.
    pub fn plural(self) -> &'static str {
        match self {
            RepoKind::Model => "models",
            RepoKind::Dataset => "datasets",
            RepoKind::Space => "spaces",
            RepoKind::Kernel => "kernels",
        }
    }

    /// Returns what stands before `owner/name` in addresses outside `/api/`: nothing for models.
    pub fn url_prefix(self) -> &'static str {
        match self {
            RepoKind::Model => "",
            RepoKind::Dataset => "datasets/",
            RepoKind::Space => "spaces/",
            RepoKind::Kernel => "kernels/",
        }
    }
}

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Breaks the grammar.
    #[error(
        "`{name}` is not a valid {what}: use 1 to 96 letters A-Z a-z, digits, `-`, `_` and `.`; start and end with a letter or digit; no `--` or `..`; not ending in `.git` or `.ipynb`"
    )]
    Grammar {
        /// "owner name" or "repository name".
        what: &'static str,
        /// The text as given, shortened and with unprintable characters escaped.
        name: String,
    },
    /// A word that addresses of the node use.
    #[error("`{name}` is reserved: the node uses it in its addresses; choose another name")]
    Reserved {
        /// The reserved word.
        name: String,
    },
    /// Not of the form `owner/name`.
    #[error("`{name}` is not a repository id: write it as `owner/name`")]
    NotOwnerSlashName {
        /// The text as given, shortened and escaped.
        name: String,
    },
}

/// Longest name: what the client libraries accept (`REPO_ID_REGEX` allows 96).
const NAME_BYTES_MAX: usize = 96;

/// First path segments that belong to the node, and words that would deceive (DESIGN, URL space).
const RESERVED_OWNERS: &[&str] = &[
    "-",
    "_",
    "api",
    "cas",
    "v1",
    "v2",
    "log",
    "federation",
    "witness",
    "metrics",
    "healthz",
    "readyz",
    "models",
    "datasets",
    "datasets-server",
    "spaces",
    "kernels",
    "buckets",
    "model",
    "dataset",
    "space",
    "kernel",
    "bucket",
    "oauth",
    "resolve",
    "settings",
    "join",
    "login",
    "logout",
    "new",
    "docs",
    "organizations",
    "users",
    "uploads",
    "static",
    "assets",
    "collections",
    "papers",
    "favicon.ico",
    "robots.txt",
    "sitemap.xml",
    "me",
    "none",
    "null",
    "undefined",
];

/// Returns a text as people wrote it; what is no letter, digit or sign on a keyboard is shown as its code.
fn shown(text: &str) -> String {
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
    text.chars().take(120).flat_map(|c| if is_plain(c) { vec![c] } else { c.escape_unicode().collect() }).collect()
}

/// Checks the grammar of `huggingface_hub`'s `validate_repo_id`, which every client applies.
fn check(what: &'static str, text: &str) -> Result<(), NameError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    let valid = matches!(bytes.len(), 1..=NAME_BYTES_MAX)
        && bytes.iter().all(|&byte| plain(byte))
        && bytes[0].is_ascii_alphanumeric()
        && bytes[bytes.len() - 1].is_ascii_alphanumeric()
        && !text.contains("--")
        && !text.contains("..")
        && !text.to_ascii_lowercase().ends_with(".git")
        && !text.to_ascii_lowercase().ends_with(".ipynb");
    if valid { Ok(()) } else { Err(NameError::Grammar { what, name: shown(text) }) }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $reserved:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Returns the name as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                check($what, text)?;
                let reserved: &[&str] = $reserved;
                if reserved.contains(&text.to_ascii_lowercase().as_str()) {
                    return Err(NameError::Reserved { name: text.to_owned() });
                }
                Ok($name(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

name_type!(
    /// Name of a person or organisation: the part before the slash.
    OwnerName, "owner name", RESERVED_OWNERS
);
name_type!(
    /// Name of a repository within its owner: the part after the slash.
    RepoName, "repository name", &[]
);

/// Folds a name for comparison: two names that differ only in case are the same name.
pub fn fold_name(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Where a repository is: kind, owner and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoAddress {
    /// Model, dataset, space or kernel.
    pub kind: RepoKind,
    /// Person or organisation.
    pub owner: OwnerName,
    /// Name within the owner.
    pub name: RepoName,
}

impl RepoAddress {
    /// Parses `owner/name`.
    pub fn parse(kind: RepoKind, text: &str) -> Result<RepoAddress, NameError> {
        let not_id = || NameError::NotOwnerSlashName { name: shown(text) };
        let (owner, name) = text.split_once('/').ok_or_else(not_id)?;
        if name.contains('/') {
            return Err(not_id());
        }
        Ok(RepoAddress { kind, owner: owner.parse()?, name: name.parse()? })
    }

    /// Returns `owner/name`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// Returns the path in web addresses: `owner/name` for models, `datasets/owner/name`, and so on.
    pub fn url_path(&self) -> String {
        format!("{}{}/{}", self.kind.url_prefix(), self.owner, self.name)
    }
}

impl fmt::Display for RepoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_clients_grammar() {
        for text in ["a", "gpt2", "Qwen2.5-7B_Instruct", "0x", "a.b-c_d"] {
            assert!(text.parse::<RepoName>().is_ok(), "{text}");
        }
        let long = "a".repeat(97);
        for text in [
            "",
            "-a",
            "a-",
            ".a",
            "a--b",
            "a..b",
            "x.git",
            "x.ipynb",
            "a b",
            "a/b",
            "раypal",
            "a\u{202E}b",
            "a\0",
            &long,
        ] {
            assert!(text.parse::<RepoName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn addresses_of_the_node_are_not_owner_names() {
        for text in ["api", "API", "datasets", "cas", "metrics"] {
            assert!(matches!(text.parse::<OwnerName>(), Err(NameError::Reserved { .. })), "{text}");
        }
        assert!("api".parse::<RepoName>().is_ok());
    }

    #[test]
    fn an_address_has_one_slash() {
        assert!(RepoAddress::parse(RepoKind::Model, "a/b").is_ok());
        for text in ["a", "a/b/c", "/b", "a/"] {
            assert!(RepoAddress::parse(RepoKind::Model, text).is_err(), "{text}");
        }
    }
}
