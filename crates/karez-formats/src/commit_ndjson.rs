//! The body of a commit: one JSON object a line, `{"key": ..., "value": {...}}`.
//!
//! The parser is pushed pieces of the body as they arrive and keeps at most one unfinished line.
//! A line is read in place: base64 is decoded straight out of it, so one inline file costs its line
//! and its decoded bytes, nothing else.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use karez_types::{GitOid, Limits, PathError, RepoPath, Sha256};
use serde::Deserialize;

/// A whole commit, as a client asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitBody {
    /// First line of the message.
    pub summary: String,
    /// Rest of the message; may be empty.
    pub description: String,
    /// The commit that the caller builds on, when it says so.
    /// As the first 5 to 40 hexadecimal digits of its id, in lower case.
    pub parent: Option<String>,
    /// What to do, in order.
    pub operations: Vec<Operation>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Puts a file whose bytes came along.
    File {
        /// Where.
        path: RepoPath,
        /// The bytes.
        content: Vec<u8>,
    },
    /// Puts a file whose bytes came before, through LFS or Xet.
    LfsFile {
        /// Where.
        path: RepoPath,
        /// Which file.
        sha256: Sha256,
        /// Length, unless the client copies a file that it has not read.
        file_bytes: Option<u64>,
    },
    /// Takes a file away.
    DeleteFile {
        /// Which.
        path: RepoPath,
    },
    /// Takes a folder away, with everything in it.
    DeleteFolder {
        /// Which.
        path: RepoPath,
    },
}

/// Why a body is not a commit: what is wrong, and on which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct CommitBodyError {
    /// Line, counted from 1; one past the last when something is missing at the end.
    pub line: u64,
    /// What is wrong.
    pub problem: CommitProblem,
}

/// What is wrong with a line, in words that say what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitProblem {
    /// Not JSON, or JSON of another shape.
    #[error("this is not a JSON object `{{\"key\": ..., \"value\": {{...}}}}` on one line: {0}")]
    Json(String),
    /// A key that is none of ours.
    #[error("the key `{0}` is unknown; use `header`, `file`, `lfsFile`, `deletedFile` or `deletedFolder`")]
    Key(String),
    /// A field that the key needs is not there.
    #[error("`{key}` needs the field `{field}`; add it")]
    Missing {
        /// The key of the line.
        key: &'static str,
        /// The field that is missing.
        field: &'static str,
    },
    /// The first line is no header.
    #[error("a commit begins with one line `{{\"key\": \"header\", \"value\": {{\"summary\": ...}}}}`; put it first")]
    HeaderNotFirst,
    /// A second header.
    #[error("a commit has one `header` line; take this one out")]
    SecondHeader,
    /// `parentCommit` is not a commit id.
    #[error("`parentCommit` must be the id of a commit: 40 hexadecimal digits, or its first 5 at least")]
    Parent,
    /// A path that a repository cannot hold.
    #[error("`path`: {0}")]
    Path(PathError),
    /// `encoding` is none that we know.
    #[error("`encoding` must be `base64` or `utf-8`")]
    Encoding,
    /// `content` is not base64.
    #[error("`content` is not valid base64; encode the bytes of the file with the standard alphabet")]
    Base64,
    /// `algo` is not SHA-256.
    #[error("`algo` must be `sha256`")]
    Algo,
    /// `oid` is not a SHA-256.
    #[error("`oid` must be the 64 hexadecimal digits of the file's SHA-256")]
    Oid,
    /// Too many lines.
    #[error("a commit holds at most {operations_max} operations; split it into several commits")]
    TooManyOperations {
        /// The node's limit.
        operations_max: u64,
    },
    /// An inline file that is too large.
    #[error("an inline file may have {bytes_max} bytes; upload this one through LFS or Xet and commit it as `lfsFile`")]
    InlineTooLarge {
        /// The node's limit.
        bytes_max: u64,
    },
    /// A line other than an inline file that is too long, or a message that is.
    #[error(
        "the summary and description of a commit, and a line without content, may have {bytes_max} bytes; shorten them"
    )]
    TextTooLong {
        /// The limit.
        bytes_max: u64,
    },
    /// The whole body is too large.
    #[error(
        "the body of a commit may have {bytes_max} bytes; split it into several commits or use LFS or Xet for large files"
    )]
    BodyTooLarge {
        /// The node's limit.
        bytes_max: u64,
    },
}

impl CommitProblem {
    /// Tells whether the commit asks for more than the node takes (413), as against being wrong.
    pub fn is_too_large(&self) -> bool {
        use CommitProblem::{BodyTooLarge, InlineTooLarge, TextTooLong, TooManyOperations};
        matches!(self, TooManyOperations { .. } | InlineTooLarge { .. } | TextTooLong { .. } | BodyTooLarge { .. })
    }
}

/// Longest message, and what a line may have besides the content of its file, in bytes.
const TEXT_BYTES_MAX: u64 = 64 << 10;

/// Standard alphabet, with or without padding: some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the body of a commit piece by piece.
#[derive(Debug)]
pub struct CommitParser {
    body_bytes_max: u64,
    operations_max: u64,
    inline_file_bytes_max: u64,
    line_bytes_max: u64,
    body_bytes: u64,
    operation_count: u64,
    lines_done: u64,
    /// The unfinished last line.
    pending: Vec<u8>,
    header: Option<Header>,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Header {
    summary: String,
    description: String,
    parent: Option<String>,
}

impl CommitParser {
    /// Returns a parser that has seen nothing yet.
    pub fn new(limits: &Limits) -> CommitParser {
        let inline = limits.commit_inline_file_bytes_max;
        CommitParser {
            body_bytes_max: limits.commit_body_bytes_max,
            operations_max: limits.commit_operations_max,
            inline_file_bytes_max: inline,
            line_bytes_max: inline.saturating_add(2) / 3 * 4 + TEXT_BYTES_MAX,
            body_bytes: 0,
            operation_count: 0,
            lines_done: 0,
            pending: Vec::new(),
            header: None,
            operations: Vec::new(),
        }
    }

    /// Takes the next piece of the body.
    ///
    /// # Errors
    /// With the first line that is wrong; the parser is of no use afterwards.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), CommitBodyError> {
        self.body_bytes += piece.len() as u64;
        if self.body_bytes > self.body_bytes_max {
            return Err(self.error(CommitProblem::BodyTooLarge { bytes_max: self.body_bytes_max }));
        }
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if self.pending.is_empty() {
                self.line(line)?;
            } else {
                self.pending.extend_from_slice(line);
                let whole = std::mem::take(&mut self.pending);
                self.line(&whole)?;
            }
        }
        if (self.pending.len() + rest.len()) as u64 > self.line_bytes_max {
            return Err(self.error(CommitProblem::InlineTooLarge { bytes_max: self.inline_file_bytes_max }));
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    /// Takes out the operations read so far, so that a caller can put large files away while the
    /// rest arrives. They are not in the body that [`finish`](Self::finish) returns.
    pub fn take_operations(&mut self) -> Vec<Operation> {
        std::mem::take(&mut self.operations)
    }

    /// Ends the body.
    ///
    /// # Errors
    /// When the last line is wrong or there was no header.
    pub fn finish(mut self) -> Result<CommitBody, CommitBodyError> {
        let last = std::mem::take(&mut self.pending);
        self.line(&last)?;
        match self.header.take() {
            Some(Header { summary, description, parent }) => {
                Ok(CommitBody { summary, description, parent, operations: self.operations })
            }
            None => Err(self.error(CommitProblem::HeaderNotFirst)),
        }
    }

    fn error(&self, problem: CommitProblem) -> CommitBodyError {
        CommitBodyError { line: self.lines_done + 1, problem }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), CommitBodyError> {
        let result = if line.trim_ascii().is_empty() { Ok(()) } else { self.parse_line(line) };
        result.map_err(|problem| self.error(problem))?;
        self.lines_done += 1;
        Ok(())
    }

    fn parse_line(&mut self, bytes: &[u8]) -> Result<(), CommitProblem> {
        if bytes.len() as u64 > self.line_bytes_max {
            return Err(CommitProblem::InlineTooLarge { bytes_max: self.inline_file_bytes_max });
        }
        let line: Line =
            serde_json::from_slice(bytes).map_err(|error| CommitProblem::Json(shown_json_error(&error)))?;
        if line.value.content.is_none() && bytes.len() as u64 > TEXT_BYTES_MAX {
            return Err(CommitProblem::TextTooLong { bytes_max: TEXT_BYTES_MAX });
        }
        if line.key.0 == "header" {
            if self.header.is_some() {
                return Err(CommitProblem::SecondHeader);
            }
            self.header = Some(line.value.header()?);
            return Ok(());
        }
        if self.header.is_none() {
            return Err(CommitProblem::HeaderNotFirst);
        }
        self.operation_count += 1;
        if self.operation_count > self.operations_max {
            return Err(CommitProblem::TooManyOperations { operations_max: self.operations_max });
        }
        let operation = line.value.operation(&line.key.0, self.inline_file_bytes_max)?;
        self.operations.push(operation);
        Ok(())
    }
}

/// Checks the digits of a commit id; clients may abbreviate (`REGEX_COMMIT_OID` of huggingface_hub).
fn parent_digits(digits: &str) -> Result<String, CommitProblem> {
    let is_id = (5..=GitOid::LEN * 2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(digits.to_ascii_lowercase()) } else { Err(CommitProblem::Parent) }
}

/// Returns what serde says without its `at line 1 column n`, which would contradict our line.
fn shown_json_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.split(" at line ").next().unwrap_or_default();
    format!("{} at column {}", words.chars().take(200).collect::<String>(), error.column())
}

/// A text that borrows from the line unless it holds escapes. (`Option<Cow<str>>` never borrows.)
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    value: Fields<'a>,
}

/// The fields of every key in one: the key may come after the value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    summary: Option<Text<'a>>,
    #[serde(borrow)]
    description: Option<Text<'a>>,
    #[serde(borrow)]
    parent_commit: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    encoding: Option<Text<'a>>,
    #[serde(borrow)]
    path: Option<Text<'a>>,
    #[serde(borrow)]
    algo: Option<Text<'a>>,
    #[serde(borrow)]
    oid: Option<Text<'a>>,
    size: Option<u64>,
}

impl<'a> Fields<'a> {
    fn header(self) -> Result<Header, CommitProblem> {
        let summary = self.summary.ok_or(CommitProblem::Missing { key: "header", field: "summary" })?;
        let parent = match self.parent_commit {
            Some(Text(digits)) if !digits.is_empty() => Some(parent_digits(&digits)?),
            _ => None,
        };
        let description = self.description.map_or_else(String::new, |text| text.0.into_owned());
        Ok(Header { summary: summary.0.into_owned(), description, parent })
    }

    fn operation(self, key: &str, inline_file_bytes_max: u64) -> Result<Operation, CommitProblem> {
        match key {
            "file" => Ok(Operation::File { path: self.path("file")?, content: self.content(inline_file_bytes_max)? }),
            "lfsFile" => {
                let path = self.path("lfsFile")?;
                if self.algo.is_some_and(|algo| algo.0 != "sha256") {
                    return Err(CommitProblem::Algo);
                }
                let oid = self.oid.ok_or(CommitProblem::Missing { key: "lfsFile", field: "oid" })?;
                let sha256 = oid.0.parse().map_err(|_| CommitProblem::Oid)?;
                Ok(Operation::LfsFile { path, sha256, file_bytes: self.size })
            }
            "deletedFile" => Ok(Operation::DeleteFile { path: self.path("deletedFile")? }),
            "deletedFolder" => Ok(Operation::DeleteFolder { path: self.path("deletedFolder")? }),
            _ => Err(CommitProblem::Key(key.chars().take(40).flat_map(char::escape_debug).collect())),
        }
    }

    fn path(&self, key: &'static str) -> Result<RepoPath, CommitProblem> {
        let Text(path) = self.path.as_ref().ok_or(CommitProblem::Missing { key, field: "path" })?;
        // Clients write folders with a slash at the end.
        let path = if key == "deletedFolder" { path.strip_suffix('/').unwrap_or(path) } else { path };
        path.parse().map_err(CommitProblem::Path)
    }

    fn content(self, bytes_max: u64) -> Result<Vec<u8>, CommitProblem> {
        let Text(text) = self.content.ok_or(CommitProblem::Missing { key: "file", field: "content" })?;
        let content = match self.encoding.as_ref().map(|encoding| encoding.0.as_ref()) {
            Some("base64") => BASE64.decode(text.as_bytes()).map_err(|_| CommitProblem::Base64)?,
            Some("utf-8" | "utf8") | None => text.into_owned().into_bytes(),
            Some(_) => return Err(CommitProblem::Encoding),
        };
        if content.len() as u64 > bytes_max {
            return Err(CommitProblem::InlineTooLarge { bytes_max });
        }
        Ok(content)
    }
}
