//! Entries of a node's log: one act on a public repository each, as canonical JSON.
//!
//! An entry is one line of JSON without blanks, its keys in this order, absent when there is nothing
//! to say: `v k r ref rev prev to t b tags lic task lib`. There is exactly one way to write an entry,
//! because its hash is what the log's tree is made of: [`LogEntry::parse`] refuses every other way.

use karez_types::{GitOid, RefName, RepoAddress, RepoKind};
use serde::{Deserialize, Serialize};

/// Longest entry, in bytes: small enough for a million of them, and far below the 65,535 of tlog-tiles.
pub const LOG_ENTRY_BYTES_MAX: usize = 4096;

/// Longest licence, task or library that an entry carries, in bytes; longer ones are left out. Three of
/// them with every character escaped, beside the longest names, leave the entry below its limit.
const FACT_BYTES_MAX: usize = 96;

const VERSION: u32 = 1;
const MAIN: &str = "refs/heads/main";

/// One act on a public repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The repository, by its address when this happened.
    pub repo: RepoAddress,
    /// When it happened, in seconds since 1970 by the node's clock.
    pub at_secs: i64,
    /// What happened.
    pub act: LogAct,
}

/// What happened to a public repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogAct {
    /// It was created public, or made public.
    Publish {
        /// What its main branch points at.
        head: Option<GitOid>,
        /// What can be said about it.
        facts: LogFacts,
    },
    /// A ref was created or moved.
    Ref {
        /// Which ref.
        name: RefName,
        /// What it points at now.
        target: GitOid,
        /// What it pointed at before; `None`: it is new.
        previous: Option<GitOid>,
        /// What can be said about the repository now; only when the ref is the main branch.
        facts: Option<LogFacts>,
    },
    /// A ref was deleted.
    Unref {
        /// Which ref.
        name: RefName,
        /// What it pointed at.
        previous: GitOid,
    },
    /// It was made private.
    Withdraw,
    /// It has another address from now on.
    Move {
        /// The new address.
        to: RepoAddress,
    },
    /// It was deleted.
    Delete,
}

/// What an entry says about a repository, for those who choose what to follow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFacts {
    /// Sum of the lengths of the large files that the repository serves.
    pub file_bytes: u64,
    /// Tags in the order of the card; the last ones are missing when the entry would grow too long.
    pub tags: Vec<String>,
    /// Licence as the card names it.
    pub license: Option<String>,
    /// Task of a model.
    pub pipeline_tag: Option<String>,
    /// Library that loads a model.
    pub library_name: Option<String>,
}

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogEntryError {
    /// More than [`LOG_ENTRY_BYTES_MAX`].
    #[error("a log entry has at most {LOG_ENTRY_BYTES_MAX} bytes")]
    TooLong,
    /// Not JSON with the keys of an entry.
    #[error("not a log entry: {0}")]
    Form(String),
    /// Written by a newer program; its meaning is not known here.
    #[error("a log entry of version {0}, and this program knows version {VERSION}")]
    Version(u32),
    /// A kind of act that is not known.
    #[error("a log entry of the unknown kind {0:?}")]
    Kind(String),
    /// A key is missing, has no business in this kind of entry, or holds something else.
    #[error("`{0}` of a log entry is missing, not valid, or out of place")]
    Key(&'static str),
    /// The same entry is written in another way.
    #[error("a log entry that is not written in the canonical way")]
    NotCanonical,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Line {
    v: u32,
    k: String,
    r: String,
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    ref_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rev: Option<GitOid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prev: Option<GitOid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    t: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lib: Option<String>,
}

/// Returns the address as entries write it: `models/owner/name`.
pub fn address_text(address: &RepoAddress) -> String {
    format!("{}/{}", address.kind.plural(), address.id())
}

/// Reads an address as entries write it.
pub fn parse_address(text: &str) -> Option<RepoAddress> {
    let (plural, id) = text.split_once('/')?;
    let kind = RepoKind::ALL.iter().find(|kind| kind.plural() == plural)?;
    RepoAddress::parse(*kind, id).ok()
}

impl LogEntry {
    /// Returns the canonical bytes, at most [`LOG_ENTRY_BYTES_MAX`]: tags that do not fit are left out
    /// from the end, facts of unreasonable length altogether.
    pub fn encode(&self) -> Vec<u8> {
        let mut line = Line { v: VERSION, r: address_text(&self.repo), t: self.at_secs, ..Line::default() };
        let mut facts = None;
        line.k = match &self.act {
            LogAct::Publish { head, facts: said } => {
                line.rev = *head;
                facts = Some(said);
                "publish"
            }
            LogAct::Ref { name, target, previous, facts: said } => {
                line.ref_name = Some(name.as_str().to_owned());
                (line.rev, line.prev) = (Some(*target), *previous);
                facts = said.as_ref().filter(|_| name.as_str() == MAIN);
                "ref"
            }
            LogAct::Unref { name, previous } => {
                line.ref_name = Some(name.as_str().to_owned());
                line.prev = Some(*previous);
                "unref"
            }
            LogAct::Withdraw => "withdraw",
            LogAct::Move { to } => {
                line.to = Some(address_text(to));
                "move"
            }
            LogAct::Delete => "delete",
        }
        .to_owned();
        if let Some(facts) = facts {
            let short =
                |text: &Option<String>| text.clone().filter(|text| !text.is_empty() && text.len() <= FACT_BYTES_MAX);
            line.b = Some(facts.file_bytes);
            line.lic = short(&facts.license);
            line.task = short(&facts.pipeline_tag);
            line.lib = short(&facts.library_name);
            line.tags = tags_that_fit(&facts.tags, LOG_ENTRY_BYTES_MAX - written(&line).len());
        }
        let bytes = written(&line);
        debug_assert!(bytes.len() <= LOG_ENTRY_BYTES_MAX, "names are bounded, and tags were cut");
        bytes
    }

    /// Reads the canonical bytes of an entry.
    ///
    /// # Errors
    /// For everything that [`LogEntry::encode`] would not have written.
    pub fn parse(bytes: &[u8]) -> Result<LogEntry, LogEntryError> {
        if bytes.len() > LOG_ENTRY_BYTES_MAX {
            return Err(LogEntryError::TooLong);
        }
        version_check(bytes)?;
        let line: Line = serde_json::from_slice(bytes).map_err(|error| LogEntryError::Form(error.to_string()))?;
        let repo = parse_address(&line.r).ok_or(LogEntryError::Key("r"))?;
        let at_secs = line.t;
        let entry = LogEntry { repo, at_secs, act: act_of(line)? };
        // What was out of place in the line is not in the entry, so it does not come out again.
        if entry.encode() == bytes { Ok(entry) } else { Err(LogEntryError::NotCanonical) }
    }
}

/// A newer entry may have keys that are not known here, so its version is looked at first.
fn version_check(bytes: &[u8]) -> Result<(), LogEntryError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let Version { v } = serde_json::from_slice(bytes).map_err(|error| LogEntryError::Form(error.to_string()))?;
    if v == VERSION { Ok(()) } else { Err(LogEntryError::Version(v)) }
}

fn written(line: &Line) -> Vec<u8> {
    serde_json::to_vec(line).expect("texts, numbers and lists of texts are always JSON")
}

/// Returns the first tags, as many as take this many bytes with their key, quotes and commas.
fn tags_that_fit(tags: &[String], bytes_free: usize) -> Vec<String> {
    let mut left = bytes_free.saturating_sub(r#","tags":[]"#.len());
    let fits = |tag: &&String| {
        let bytes = serde_json::to_string(tag).map_or(usize::MAX, |text| text.len()).saturating_add(1);
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    };
    tags.iter().take_while(fits).cloned().collect()
}

fn act_of(line: Line) -> Result<LogAct, LogEntryError> {
    let ref_name = || {
        let name = line.ref_name.as_deref().and_then(|name| name.parse::<RefName>().ok());
        name.ok_or(LogEntryError::Key("ref"))
    };
    let facts = line.b.map(|file_bytes| LogFacts {
        file_bytes,
        tags: line.tags.clone(),
        license: line.lic.clone(),
        pipeline_tag: line.task.clone(),
        library_name: line.lib.clone(),
    });
    Ok(match line.k.as_str() {
        "publish" => LogAct::Publish { head: line.rev, facts: facts.ok_or(LogEntryError::Key("b"))? },
        "ref" => LogAct::Ref {
            name: ref_name()?,
            target: line.rev.ok_or(LogEntryError::Key("rev"))?,
            previous: line.prev,
            facts,
        },
        "unref" => LogAct::Unref { name: ref_name()?, previous: line.prev.ok_or(LogEntryError::Key("prev"))? },
        "withdraw" => LogAct::Withdraw,
        "move" => LogAct::Move { to: line.to.as_deref().and_then(parse_address).ok_or(LogEntryError::Key("to"))? },
        "delete" => LogAct::Delete,
        _ => return Err(LogEntryError::Kind(line.k)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn address(text: &str) -> RepoAddress {
        parse_address(text).unwrap()
    }

    fn entry(act: LogAct) -> LogEntry {
        LogEntry { repo: address("models/Amina/River-Net"), at_secs: 1_700_000_000, act }
    }

    fn facts() -> LogFacts {
        LogFacts {
            file_bytes: 12_345,
            tags: vec!["license:mit".into(), "quote \" and \\ and \u{1}".into(), "日本".into()],
            license: Some("mit".into()),
            pipeline_tag: Some("text-generation".into()),
            library_name: None,
        }
    }

    #[test]
    fn entries_are_written_as_documented() {
        let oid: GitOid = OID.parse().unwrap();
        let main: RefName = MAIN.parse().unwrap();
        let cases = [
            (
                LogAct::Publish { head: Some(oid), facts: facts() },
                format!(
                    r#"{{"v":1,"k":"publish","r":"models/Amina/River-Net","rev":"{OID}","t":1700000000,"b":12345,"tags":["license:mit","quote \" and \\ and \u0001","日本"],"lic":"mit","task":"text-generation"}}"#
                ),
            ),
            (
                LogAct::Publish { head: None, facts: LogFacts::default() },
                r#"{"v":1,"k":"publish","r":"models/Amina/River-Net","t":1700000000,"b":0}"#.to_owned(),
            ),
            (
                LogAct::Ref { name: main, target: oid, previous: Some(oid), facts: Some(LogFacts::default()) },
                format!(
                    r#"{{"v":1,"k":"ref","r":"models/Amina/River-Net","ref":"refs/heads/main","rev":"{OID}","prev":"{OID}","t":1700000000,"b":0}}"#
                ),
            ),
            (
                LogAct::Ref { name: "refs/tags/v1".parse().unwrap(), target: oid, previous: None, facts: None },
                format!(
                    r#"{{"v":1,"k":"ref","r":"models/Amina/River-Net","ref":"refs/tags/v1","rev":"{OID}","t":1700000000}}"#
                ),
            ),
            (
                LogAct::Unref { name: "refs/tags/v1".parse().unwrap(), previous: oid },
                format!(
                    r#"{{"v":1,"k":"unref","r":"models/Amina/River-Net","ref":"refs/tags/v1","prev":"{OID}","t":1700000000}}"#
                ),
            ),
            (LogAct::Withdraw, r#"{"v":1,"k":"withdraw","r":"models/Amina/River-Net","t":1700000000}"#.to_owned()),
            (
                LogAct::Move { to: address("datasets/b/c") },
                r#"{"v":1,"k":"move","r":"models/Amina/River-Net","to":"datasets/b/c","t":1700000000}"#.to_owned(),
            ),
            (LogAct::Delete, r#"{"v":1,"k":"delete","r":"models/Amina/River-Net","t":1700000000}"#.to_owned()),
        ];
        for (act, text) in cases {
            let entry = entry(act);
            assert_eq!(String::from_utf8(entry.encode()).unwrap(), text);
            assert_eq!(LogEntry::parse(text.as_bytes()).unwrap(), entry);
        }
    }

    #[test]
    fn the_longest_entry_keeps_its_limit() {
        let long_name = "n".repeat(96);
        let long = "\u{1}".repeat(FACT_BYTES_MAX);
        let name: RefName = format!("refs/heads/{}", "\"".repeat(244)).parse().unwrap();
        let facts = LogFacts {
            file_bytes: u64::MAX,
            tags: vec!["\u{1}tag".into(); 10_000],
            license: Some(long.clone()),
            pipeline_tag: Some(long.clone()),
            library_name: Some(long),
        };
        let repo = address(&format!("datasets/{long_name}/{long_name}"));
        let oid = OID.parse().unwrap();
        for act in [
            LogAct::Publish { head: Some(oid), facts: facts.clone() },
            LogAct::Ref { name: MAIN.parse().unwrap(), target: oid, previous: Some(oid), facts: Some(facts.clone()) },
            LogAct::Ref { name: name.clone(), target: oid, previous: Some(oid), facts: Some(facts.clone()) },
            LogAct::Unref { name, previous: oid },
            LogAct::Move { to: repo.clone() },
        ] {
            let bytes = LogEntry { repo: repo.clone(), at_secs: i64::MIN, act }.encode();
            assert!(bytes.len() <= LOG_ENTRY_BYTES_MAX, "{}", bytes.len());
            assert_eq!(LogEntry::parse(&bytes).unwrap().encode(), bytes);
        }
        // Tags are cut from the end, and as few as possible.
        let bytes = LogEntry { repo, at_secs: 0, act: LogAct::Publish { head: None, facts } }.encode();
        assert!(bytes.len() > LOG_ENTRY_BYTES_MAX - r#""\u0001tag","#.len() - 1, "{}", bytes.len());
        // A licence of unreasonable length does not push everything else out.
        let facts = LogFacts { license: Some("x".repeat(9999)), tags: vec!["a".into()], ..LogFacts::default() };
        let LogAct::Publish { facts, .. } =
            LogEntry::parse(&entry(LogAct::Publish { head: None, facts }).encode()).unwrap().act
        else {
            panic!("another kind");
        };
        assert_eq!((facts.license, facts.tags.len()), (None, 1));
    }

    #[test]
    fn hostile_bytes_are_refused() {
        let good = r#"{"v":1,"k":"delete","r":"models/a/b","t":7}"#;
        assert!(LogEntry::parse(good.as_bytes()).is_ok());
        let replaced = |from: &str, to: &str| good.replace(from, to);
        let form = [
            String::new(),
            "null".into(),
            "[]".into(),
            "{".repeat(4000),
            "[".repeat(4000),
            good[..good.len() - 1].into(),
            format!("{good}{good}"),
            replaced("7", "7.0"),
            replaced("7", "1e3"),
            replaced("7", "-0"),
            replaced("7", "9223372036854775808"),
            replaced("7", "\"7\""),
            replaced("\"t\":7", "\"t\":7,\"t\":7"),
            replaced("\"t\":7", "\"t\":7,\"more\":1"),
            replaced("\"v\":1", "\"v\":-1"),
            replaced("models/a/b", "\\ud800"),
        ];
        for text in form {
            assert!(matches!(LogEntry::parse(text.as_bytes()), Err(LogEntryError::Form(_))), "{text:.60}");
        }
        let canonical = [
            format!(" {good}"),
            format!("{good}\n"),
            replaced(":", ": "),
            replaced("\"v\":1,\"k\":\"delete\"", "\"k\":\"delete\",\"v\":1"),
            replaced("models/a/b", "models\\/a/b"),
            replaced("models/a/b", "models/\\u0061/b"),
            replaced("\"t\":7", "\"t\":7,\"tags\":[]"),
            replaced("\"t\":7", "\"t\":7,\"lic\":null"),
            // Keys that have no business in this kind of entry.
            replaced("\"t\":7", "\"t\":7,\"b\":1"),
            replaced("\"t\":7", &format!("\"rev\":\"{OID}\",\"t\":7")),
            replaced("\"t\":7", "\"to\":\"models/a/c\",\"t\":7"),
            replaced("delete\"", "publish\"").replace("\"t\":7", "\"t\":7,\"b\":1,\"lic\":\"\""),
            replaced("delete\"", "publish\"")
                .replace("\"t\":7", &format!("\"t\":7,\"b\":1,\"lic\":\"{}\"", "x".repeat(97))),
            replaced("\"t\":7", &format!("\"ref\":\"refs/heads/x\",\"rev\":\"{OID}\",\"t\":7,\"b\":1"))
                .replace("delete", "ref"),
            replaced("\"t\":7", &format!("\"rev\":\"{}\",\"t\":7,\"b\":1", OID.to_uppercase()))
                .replace("delete", "publish"),
        ];
        for text in canonical {
            assert_eq!(LogEntry::parse(text.as_bytes()), Err(LogEntryError::NotCanonical), "{text}");
        }
        for (from, to, key) in [
            ("models/a/b", "a/b", "r"),
            ("models/a/b", "models/a/../b", "r"),
            ("models/a/b", "models/api/b", "r"),
            ("models/a/b", "", "r"),
            ("delete", "publish", "b"),
            ("delete", "ref", "ref"),
            ("delete", "unref", "ref"),
            ("delete", "move", "to"),
            (
                "\"k\":\"delete\",\"r\":\"models/a/b\"",
                "\"k\":\"unref\",\"r\":\"models/a/b\",\"ref\":\"refs/heads/x\"",
                "prev",
            ),
            (
                "\"k\":\"delete\",\"r\":\"models/a/b\"",
                "\"k\":\"ref\",\"r\":\"models/a/b\",\"ref\":\"refs/heads/x\"",
                "rev",
            ),
            (
                "\"k\":\"delete\",\"r\":\"models/a/b\"",
                "\"k\":\"ref\",\"r\":\"models/a/b\",\"ref\":\"refs/heads/../x\"",
                "ref",
            ),
        ] {
            let text = replaced(from, to);
            assert_eq!(LogEntry::parse(text.as_bytes()), Err(LogEntryError::Key(key)), "{text}");
        }
        let newer = r#"{"v":2,"what":"ever"}"#;
        assert_eq!(LogEntry::parse(newer.as_bytes()), Err(LogEntryError::Version(2)));
        assert_eq!(LogEntry::parse(replaced("delete", "eat").as_bytes()), Err(LogEntryError::Kind("eat".into())));
        let long = replaced("\"t\":7", &format!("\"t\":7,\"b\":1,\"tags\":[\"{}\"]", "x".repeat(4096)));
        assert_eq!(LogEntry::parse(long.as_bytes()), Err(LogEntryError::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_entry_that_writes_the_same_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(entry) = LogEntry::parse(&bytes) {
                prop_assert_eq!(entry.encode(), bytes);
            }
        }

        #[test]
        fn what_is_written_is_read(
            tags in proptest::collection::vec(".*", 0..40),
            license in proptest::option::of(".*"),
            file_bytes in any::<u64>(),
            at_secs in any::<i64>(),
        ) {
            let facts = LogFacts { file_bytes, tags, license, ..LogFacts::default() };
            let written = LogEntry { at_secs, ..entry(LogAct::Publish { head: None, facts: facts.clone() }) };
            let read = LogEntry::parse(&written.encode()).unwrap();
            let LogAct::Publish { facts: said, .. } = read.act else { panic!("another kind") };
            prop_assert!(facts.tags.starts_with(&said.tags));
            prop_assert_eq!(said.file_bytes, file_bytes);
            prop_assert_eq!(read.at_secs, at_secs);
        }
    }
}
