//! The other end of the fetch protocol: version 2 as a client speaks it, over HTTP.
//!
//! Requests are written whole; answers are read while they arrive, from servers that are not trusted:
//! lines are bounded by their framing, lists by a limit, and the pack is handed on as it comes.
//! (gitprotocol-v2(5).)

mod answer;
mod lines;

use karez_types::GitOid;

pub use answer::{Capabilities, FetchEvent, FetchReader, RefsReader};

use super::upload_pack::AGENT;
use super::{PktError, write_delimiter, write_flush, write_line};

/// Why an answer is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The framing is broken.
    #[error(transparent)]
    Pkt(#[from] PktError),
    /// The server speaks another version, or is no git server.
    #[error("the server does not speak version 2 of git's protocol")]
    NotVersion2,
    /// The server keeps other than SHA-1 ids.
    #[error("the server uses another kind of object id than SHA-1")]
    ObjectFormat,
    /// A line that the protocol does not have, or not there.
    #[error("the server's line `{0}` is not expected here")]
    Unexpected(String),
    /// More than the caller takes.
    #[error("the server's answer has over {lines_max} lines")]
    TooLong {
        /// The limit that was passed in.
        lines_max: usize,
    },
    /// The answer ends before it is over.
    #[error("the server's answer is cut off")]
    Truncated,
    /// The server said why it refuses.
    #[error("the server says: {0}")]
    Refused(String),
}

impl FetchError {
    fn unexpected(line: &[u8]) -> FetchError {
        FetchError::Unexpected(shown(line, 80))
    }
}

/// Returns what somebody else wrote so that it can be shown: short, on one line.
fn shown(line: &[u8], characters_max: usize) -> String {
    let text = String::from_utf8_lossy(line);
    text.trim_end().chars().take(characters_max).flat_map(char::escape_debug).collect()
}

/// Longest words of a server that are kept.
const WORDS_CHARACTERS_MAX: usize = 500;

/// What to ask about refs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefsWish {
    /// Only refs whose name begins with one of these; all when there are none.
    pub prefixes: Vec<String>,
}

/// What to ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackWish {
    /// Objects wanted.
    pub wants: Vec<GitOid>,
    /// Commits that are here.
    pub haves: Vec<GitOid>,
    /// Commits at which history ends here although they have parents.
    pub shallow: Vec<GitOid>,
    /// This many commits from each want; all when unset.
    pub depth: Option<u32>,
    /// Send annotated tags of what is sent.
    pub include_tag: bool,
    /// Send the pack now, without more talk about what is shared.
    pub done: bool,
}

fn command(name: &str, out: &mut Vec<u8>) {
    for line in [&format!("command={name}"), AGENT, "object-format=sha1"] {
        write_line(format!("{line}\n").as_bytes(), out);
    }
    write_delimiter(out);
}

/// Appends the question for refs: with what annotated tags point at and what `HEAD` stands for.
///
/// # Panics
/// When a prefix is longer than a pkt-line holds.
pub fn write_ls_refs(wish: &RefsWish, out: &mut Vec<u8>) {
    command("ls-refs", out);
    write_line(b"peel\n", out);
    write_line(b"symrefs\n", out);
    for prefix in &wish.prefixes {
        write_line(format!("ref-prefix {prefix}\n").as_bytes(), out);
    }
    write_flush(out);
}

/// Appends the question for a pack. The pack may have deltas, but none of objects that it does not hold.
pub fn write_fetch(wish: &PackWish, out: &mut Vec<u8>) {
    command("fetch", out);
    let mut line = |text: &str| write_line(format!("{text}\n").as_bytes(), out);
    line("ofs-delta");
    if wish.include_tag {
        line("include-tag");
    }
    wish.shallow.iter().for_each(|oid| line(&format!("shallow {oid}")));
    if let Some(depth) = wish.depth {
        line(&format!("deepen {depth}"));
    }
    wish.wants.iter().for_each(|oid| line(&format!("want {oid}")));
    wish.haves.iter().for_each(|oid| line(&format!("have {oid}")));
    if wish.done {
        line("done");
    }
    write_flush(out);
}
