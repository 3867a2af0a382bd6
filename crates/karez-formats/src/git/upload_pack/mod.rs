//! The fetch protocol, versions 2 and 0, over HTTP: each request stands alone.
//!
//! Version 2 is what git has spoken by default since 2.26; version 0 is what older and other
//! implementations speak. Both parse into the same [`FetchRequest`]; what differs in the answer is
//! kept in [`v0`] and [`v2`]. (gitprotocol-v2(5), gitprotocol-pack(5).)

pub mod v0;
pub mod v2;

use karez_types::GitOid;

use super::PktError;

/// What the node calls itself.
pub(super) const AGENT: &str = concat!("agent=karez/", env!("CARGO_PKG_VERSION"));

/// A ref as it is shown to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertisedRef {
    /// Full name, or `HEAD`.
    pub name: String,
    /// What it points at.
    pub oid: GitOid,
    /// What the annotated tag that it points at points at in the end.
    pub peeled: Option<GitOid>,
    /// The ref that this one stands for; only `HEAD` has one.
    pub symref_target: Option<String>,
}

/// How far back into history a fetch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// To the beginning, or to where the client's history ends.
    Whole,
    /// This many commits from each want.
    Commits(u32),
    /// This many commits beyond where the client's history ends now.
    Deeper(u32),
}

/// How far a fetch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The client wants to know where history will be cut, and nothing else yet (version 0).
    Shallow,
    /// The client says what it has and wants to know what we share.
    Negotiate,
    /// The client wants the pack now.
    Done,
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// Objects wanted, each once, in the order asked for.
    pub wants: Vec<GitOid>,
    /// Commits that the client says it has.
    pub haves: Vec<GitOid>,
    /// Commits at which the client's history ends although they have parents.
    pub shallow: Vec<GitOid>,
    /// How far back.
    pub depth: Depth,
    /// How far the fetch has come.
    pub stage: Stage,
    /// The pack is to come in side-band lines. Always so in version 2.
    pub side_band: bool,
    /// The pack may come with the first answer that shares anything. So in version 2; in version 0
    /// the client asks once more.
    pub pack_when_ready: bool,
    /// The client wants annotated tags of what it fetches.
    pub include_tag: bool,
    /// The client wants no words about progress.
    pub no_progress: bool,
}

impl FetchRequest {
    fn new() -> FetchRequest {
        FetchRequest {
            wants: Vec::new(),
            haves: Vec::new(),
            shallow: Vec::new(),
            depth: Depth::Whole,
            stage: Stage::Negotiate,
            side_band: true,
            pack_when_ready: true,
            include_tag: false,
            no_progress: false,
        }
    }

    /// Takes a line that both versions know; tells whether it was one.
    fn line(&mut self, line: &str) -> Result<bool, UploadPackError> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let oid = || rest.parse::<GitOid>().map_err(|_| UploadPackError::malformed(line));
        match word {
            "want" => {
                let oid = oid()?;
                if !self.wants.contains(&oid) {
                    self.wants.push(oid);
                }
            }
            "have" => self.haves.push(oid()?),
            "shallow" => self.shallow.push(oid()?),
            "deepen" => {
                let commits = rest.parse::<u32>().map_err(|_| UploadPackError::malformed(line))?;
                self.depth = match (self.depth, commits) {
                    (_, 0) => return Err(UploadPackError::malformed(line)),
                    (Depth::Deeper(_), commits) => Depth::Deeper(commits),
                    (_, commits) => Depth::Commits(commits),
                };
            }
            "deepen-relative" => {
                self.depth = match self.depth {
                    Depth::Commits(commits) | Depth::Deeper(commits) => Depth::Deeper(commits),
                    // The number follows.
                    Depth::Whole => Depth::Deeper(1),
                };
            }
            "deepen-since" => return Err(UploadPackError::Unsupported("--shallow-since")),
            "deepen-not" => return Err(UploadPackError::Unsupported("--shallow-exclude")),
            "done" => self.stage = Stage::Done,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Most wants in one request: a repository has at most as many refs.
pub const WANTS_MAX: usize = 10_000;

/// Why a request cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadPackError {
    /// The framing is broken.
    #[error(transparent)]
    Pkt(#[from] PktError),
    /// A line that the protocol does not have, or not there.
    #[error("the line `{0}` is not expected here")]
    Malformed(String),
    /// The request ends too early.
    #[error("the request ends before it asks for anything")]
    Incomplete,
    /// More lines than the node takes.
    #[error("the request has over {lines_max} lines; fetch with --depth")]
    TooLong {
        /// The limit that was passed in.
        lines_max: usize,
    },
    /// A part of the protocol that we leave out and do not announce.
    #[error("{0} is not supported here; use --depth")]
    Unsupported(&'static str),
}

impl UploadPackError {
    fn malformed(line: &str) -> UploadPackError {
        UploadPackError::Malformed(line.chars().take(80).flat_map(char::escape_debug).collect())
    }
}

/// Returns a line without its newline, as text.
fn text(line: &[u8]) -> Result<&str, UploadPackError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    std::str::from_utf8(line).map_err(|_| UploadPackError::malformed(&String::from_utf8_lossy(line)))
}

/// Appends `ERR` and a sentence: git shows it and stops.
pub fn write_error(sentence: &str, out: &mut Vec<u8>) {
    let sentence: String = sentence.chars().filter(|c| !c.is_control()).take(1000).collect();
    super::write_line(format!("ERR {sentence}\n").as_bytes(), out);
}
