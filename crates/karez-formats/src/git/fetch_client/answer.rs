//! What servers answer, read while it arrives.

use karez_types::GitOid;

use super::lines::{Line, Lines, oid, text};
use super::{FetchError, WORDS_CHARACTERS_MAX, shown};
use crate::git::upload_pack::AdvertisedRef;

/// What a server can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Words of the command `fetch`, such as `shallow`.
    pub fetch: Vec<String>,
    /// What the server calls itself.
    pub agent: Option<String>,
}

impl Capabilities {
    /// Tells whether history can be cut.
    pub fn has_shallow(&self) -> bool {
        self.fetch.iter().any(|word| word == "shallow")
    }

    /// Reads the whole first answer, of `info/refs?service=git-upload-pack`.
    ///
    /// # Errors
    /// [`FetchError::NotVersion2`] for a server that answers with refs or with something else.
    pub fn parse(bytes: &[u8]) -> Result<Capabilities, FetchError> {
        let mut found = Capabilities::default();
        let (mut is_version_2, mut is_over) = (false, false);
        let mut take = |line: Line<'_>| {
            let line = match line {
                // Some servers name the service first, as in version 0.
                Line::Data(line) if line.starts_with(b"# service=") => return Ok(()),
                Line::Data(line) => text(line)?,
                Line::Flush => {
                    is_over = is_version_2;
                    return Ok(());
                }
                Line::Delimiter | Line::ResponseEnd => return Err(FetchError::NotVersion2),
            };
            match line.split_once('=').unwrap_or((line, "")) {
                ("version 2", _) => is_version_2 = true,
                _ if !is_version_2 => return Err(FetchError::NotVersion2),
                ("fetch", words) => found.fetch = words.split(' ').map(str::to_owned).collect(),
                ("agent", name) => found.agent = Some(shown(name.as_bytes(), 80)),
                ("object-format", format) if format != "sha1" => return Err(FetchError::ObjectFormat),
                _ => {}
            }
            Ok(())
        };
        match Lines::default().push(bytes, &mut take) {
            Err(FetchError::Pkt(_)) if !is_version_2 => Err(FetchError::NotVersion2),
            Err(error) => Err(error),
            Ok(()) if !is_version_2 => Err(FetchError::NotVersion2),
            Ok(()) if !is_over => Err(FetchError::Truncated),
            Ok(()) => Ok(found),
        }
    }
}

/// Reads the answer to `ls-refs`.
pub struct RefsReader {
    lines: Lines,
    refs: Vec<AdvertisedRef>,
    refs_max: usize,
    is_over: bool,
}

impl RefsReader {
    /// Begins an answer of at most this many refs.
    pub fn new(refs_max: usize) -> RefsReader {
        RefsReader { lines: Lines::default(), refs: Vec::new(), refs_max, is_over: false }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// With what is wrong in them; the reader is of no use afterwards.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        let RefsReader { lines, refs, refs_max, is_over } = self;
        lines.push(bytes, &mut |line| match line {
            Line::Data(line) if !*is_over => {
                if refs.len() >= *refs_max {
                    return Err(FetchError::TooLong { lines_max: *refs_max });
                }
                refs.extend(ref_of(text(line)?)?);
                Ok(())
            }
            Line::Flush if !*is_over => {
                *is_over = true;
                Ok(())
            }
            Line::ResponseEnd => Ok(()),
            Line::Data(line) => Err(FetchError::unexpected(line)),
            Line::Flush | Line::Delimiter => Err(FetchError::unexpected(b"")),
        })
    }

    /// Ends the answer; returns the refs as the server listed them.
    ///
    /// # Errors
    /// [`FetchError::Truncated`].
    pub fn finish(self) -> Result<Vec<AdvertisedRef>, FetchError> {
        if self.is_over && !self.lines.is_cut_off() { Ok(self.refs) } else { Err(FetchError::Truncated) }
    }
}

/// Reads a line of refs; nothing for a `HEAD` whose branch does not exist.
fn ref_of(line: &str) -> Result<Option<AdvertisedRef>, FetchError> {
    let unexpected = || FetchError::unexpected(line.as_bytes());
    let mut words = line.split(' ');
    let (Some(id), Some(name)) = (words.next(), words.next().filter(|name| !name.is_empty())) else {
        return Err(unexpected());
    };
    if id == "unborn" {
        return Ok(None);
    }
    let mut shown = AdvertisedRef { name: name.to_owned(), oid: oid(id)?, peeled: None, symref_target: None };
    for word in words {
        match word.split_once(':') {
            Some(("peeled", id)) => shown.peeled = Some(oid(id)?),
            Some(("symref-target", target)) => shown.symref_target = Some(target.to_owned()),
            // Attributes may be added to the protocol.
            _ => {}
        }
    }
    Ok(Some(shown))
}

/// What comes in the answer to `fetch`, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// The server has this commit too.
    Common(GitOid),
    /// The server knows enough: a pack follows.
    Ready,
    /// History will end here.
    Shallow(GitOid),
    /// History ended here and will not any more.
    Unshallow(GitOid),
    /// The next bytes of the pack.
    Pack(&'a [u8]),
    /// Words for a person.
    Progress(&'a [u8]),
}

/// Reads the answer to `fetch`.
pub struct FetchReader {
    lines: Lines,
    section: Section,
    lines_left: usize,
    lines_max: usize,
    has_pack: bool,
    is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Start,
    Acknowledgments,
    ShallowInfo,
    /// One that may be skipped, such as `wanted-refs`.
    Other,
    Pack,
}

impl FetchReader {
    /// Begins an answer with at most this many lines before the pack.
    pub fn new(lines_max: usize) -> FetchReader {
        let section = Section::Start;
        FetchReader {
            lines: Lines::default(),
            section,
            lines_left: lines_max,
            lines_max,
            has_pack: false,
            is_over: false,
        }
    }

    /// Takes the next bytes; calls `take` with what they bring.
    ///
    /// # Errors
    /// With what is wrong in them, or the server's words when it gives up; the reader is of no use
    /// afterwards.
    pub fn push(&mut self, bytes: &[u8], take: &mut dyn FnMut(FetchEvent<'_>)) -> Result<(), FetchError> {
        let FetchReader { lines, section, lines_left, lines_max, has_pack, is_over } = self;
        lines.push(bytes, &mut |line| {
            if *is_over && !matches!(line, Line::ResponseEnd) {
                return Err(FetchError::unexpected(b"after the end"));
            }
            let line = match line {
                Line::Data(line) => line,
                Line::Delimiter if *section != Section::Pack => {
                    *section = Section::Start;
                    return Ok(());
                }
                Line::Delimiter => return Err(FetchError::unexpected(b"0001")),
                Line::Flush => {
                    *is_over = true;
                    return Ok(());
                }
                Line::ResponseEnd => return Ok(()),
            };
            if *section == Section::Pack {
                return side_band(line, take);
            }
            *lines_left = lines_left.checked_sub(1).ok_or(FetchError::TooLong { lines_max: *lines_max })?;
            let line = text(line)?;
            match *section {
                Section::Start => {
                    *section = match line {
                        "acknowledgments" => Section::Acknowledgments,
                        "shallow-info" => Section::ShallowInfo,
                        "wanted-refs" | "packfile-uris" => Section::Other,
                        "packfile" => Section::Pack,
                        _ => return Err(FetchError::unexpected(line.as_bytes())),
                    };
                    *has_pack |= *section == Section::Pack;
                }
                Section::Acknowledgments => match line.split_once(' ') {
                    Some(("ACK", id)) => take(FetchEvent::Common(oid(id)?)),
                    None if line == "NAK" => {}
                    None if line == "ready" => take(FetchEvent::Ready),
                    _ => return Err(FetchError::unexpected(line.as_bytes())),
                },
                Section::ShallowInfo => match line.split_once(' ') {
                    Some(("shallow", id)) => take(FetchEvent::Shallow(oid(id)?)),
                    Some(("unshallow", id)) => take(FetchEvent::Unshallow(oid(id)?)),
                    _ => return Err(FetchError::unexpected(line.as_bytes())),
                },
                Section::Other | Section::Pack => {}
            }
            Ok(())
        })
    }

    /// Ends the answer; tells whether there was a pack in it, or only talk about what is shared.
    ///
    /// # Errors
    /// [`FetchError::Truncated`].
    pub fn finish(self) -> Result<bool, FetchError> {
        if self.is_over && !self.lines.is_cut_off() { Ok(self.has_pack) } else { Err(FetchError::Truncated) }
    }
}

fn side_band(line: &[u8], take: &mut dyn FnMut(FetchEvent<'_>)) -> Result<(), FetchError> {
    match line.split_first() {
        Some((1, data)) => take(FetchEvent::Pack(data)),
        Some((2, words)) => take(FetchEvent::Progress(words)),
        Some((3, words)) => return Err(FetchError::Refused(shown(words, WORDS_CHARACTERS_MAX))),
        _ => return Err(FetchError::unexpected(line)),
    }
    Ok(())
}
