//! Pkt-lines out of pieces.

use karez_types::GitOid;

use super::{FetchError, WORDS_CHARACTERS_MAX, shown};
use crate::git::PktError;
use crate::git::pkt::DATA_BYTES_MAX;

/// One pkt-line of an answer.
pub(super) enum Line<'a> {
    Data(&'a [u8]),
    Flush,
    Delimiter,
    ResponseEnd,
}

/// Puts pkt-lines together out of pieces; holds at most one line.
#[derive(Default)]
pub(super) struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Tells whether the bytes so far end within a line.
    pub(super) fn is_cut_off(&self) -> bool {
        !self.held.is_empty()
    }

    /// Hands on the lines that are whole with these bytes.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(Line<'_>) -> Result<(), FetchError>,
    ) -> Result<(), FetchError> {
        let mut rest = bytes;
        loop {
            let needed = match self.held.get(..4) {
                None => 4,
                Some(digits) => line_bytes(digits)?.max(4),
            };
            let part = needed.saturating_sub(self.held.len()).min(rest.len());
            let (part, after) = rest.split_at(part);
            self.held.extend_from_slice(part);
            rest = after;
            if self.held.len() < 4 {
                return Ok(());
            }
            let bytes = line_bytes(&self.held[..4])?;
            if self.held.len() < bytes.max(4) {
                if rest.is_empty() {
                    return Ok(());
                }
                continue;
            }
            let line = match bytes {
                0 => Line::Flush,
                1 => Line::Delimiter,
                2 => Line::ResponseEnd,
                _ => Line::Data(&self.held[4..]),
            };
            let taken = take(line);
            self.held.clear();
            taken?;
        }
    }
}

/// Returns the length that a pkt-line begins with, the digits included.
fn line_bytes(digits: &[u8]) -> Result<usize, FetchError> {
    let mut bytes = 0;
    for &digit in digits {
        bytes = bytes * 16 + char::from(digit).to_digit(16).ok_or(PktError::Length)? as usize;
    }
    if bytes == 3 || bytes > DATA_BYTES_MAX + 4 {
        return Err(PktError::Length.into());
    }
    Ok(bytes)
}

/// Returns a line without its newline, as text; the words of an error as that.
pub(super) fn text(line: &[u8]) -> Result<&str, FetchError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| FetchError::unexpected(line))?;
    match text.strip_prefix("ERR ") {
        Some(words) => Err(FetchError::Refused(shown(words.as_bytes(), WORDS_CHARACTERS_MAX))),
        None => Ok(text),
    }
}

pub(super) fn oid(text: &str) -> Result<GitOid, FetchError> {
    text.parse().map_err(|_| FetchError::unexpected(text.as_bytes()))
}
