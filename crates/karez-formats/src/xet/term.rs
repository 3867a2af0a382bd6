//! The catalog's compact form of a file's recipe.
//!
//! Encoding: a version byte (1); the count of distinct xorbs and their hashes, in order of first use;
//! the count of terms, and for each the position of its xorb, its first chunk, its count of chunks and
//! its raw length. All numbers are LEB128. A typical term takes 7 bytes instead of 44.

use std::collections::HashMap;

use karez_types::XorbHash;

const VERSION: u8 = 1;

/// A run of chunks of one xorb, part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Term {
    /// The xorb.
    pub xorb: XorbHash,
    /// First chunk.
    pub chunk_start: u32,
    /// One past the last chunk.
    pub chunk_end: u32,
    /// Length of these chunks, unpacked.
    pub raw_bytes: u32,
}

/// A stored recipe is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored terms of a file are damaged: {reason}")]
pub struct TermError {
    reason: &'static str,
}

/// Returns the compact form of a recipe.
///
/// # Panics
/// When a term covers no chunk: shards with such terms are refused at the door.
pub fn encode_terms(terms: &[Term]) -> Vec<u8> {
    let mut positions = HashMap::new();
    let mut xorbs = Vec::new();
    for term in terms {
        positions.entry(term.xorb).or_insert_with(|| {
            xorbs.push(term.xorb);
            xorbs.len() as u64 - 1
        });
    }
    let mut bytes = vec![VERSION];
    put(xorbs.len() as u64, &mut bytes);
    xorbs.iter().for_each(|xorb| bytes.extend_from_slice(&xorb.0));
    put(terms.len() as u64, &mut bytes);
    for term in terms {
        assert!(term.chunk_start < term.chunk_end && term.raw_bytes > 0, "a term covers at least one chunk");
        put(positions[&term.xorb], &mut bytes);
        put(u64::from(term.chunk_start), &mut bytes);
        put(u64::from(term.chunk_end - term.chunk_start), &mut bytes);
        put(u64::from(term.raw_bytes), &mut bytes);
    }
    bytes
}

/// Reads the compact form of a recipe.
///
/// # Errors
/// When these are not exactly bytes that [`encode_terms`] could have given.
pub fn decode_terms(bytes: &[u8]) -> Result<Vec<Term>, TermError> {
    let mut rest = bytes;
    if take(&mut rest, 1)? != [VERSION] {
        return Err(TermError { reason: "unknown version" });
    }
    let xorb_count = number(&mut rest)?;
    let xorb_bytes = usize::try_from(xorb_count).ok().and_then(|count| count.checked_mul(32)).ok_or(TOO_SHORT)?;
    let (xorbs, _) = take(&mut rest, xorb_bytes)?.as_chunks::<32>();
    let term_count = number(&mut rest)?;
    // A term takes at least four bytes: do not reserve for terms that cannot be there.
    if term_count > rest.len() as u64 / 4 {
        return Err(TOO_SHORT);
    }
    let mut terms = Vec::with_capacity(term_count as usize);
    for _ in 0..term_count {
        let xorb = xorbs.get(number(&mut rest)? as usize).ok_or(TermError { reason: "unknown xorb" })?;
        let chunk_start = number(&mut rest)?;
        let chunk_count = number(&mut rest)?;
        let raw_bytes = number(&mut rest)?;
        let chunk_end = chunk_start.checked_add(chunk_count).ok_or(OUT_OF_RANGE)?;
        if chunk_count == 0 || raw_bytes == 0 {
            return Err(TermError { reason: "a term covers nothing" });
        }
        let word = |number: u64| u32::try_from(number).map_err(|_| OUT_OF_RANGE);
        terms.push(Term {
            xorb: XorbHash(*xorb),
            chunk_start: word(chunk_start)?,
            chunk_end: word(chunk_end)?,
            raw_bytes: word(raw_bytes)?,
        });
    }
    if rest.is_empty() { Ok(terms) } else { Err(TermError { reason: "bytes after the last term" }) }
}

const TOO_SHORT: TermError = TermError { reason: "it ends too soon" };
const OUT_OF_RANGE: TermError = TermError { reason: "a number is out of range" };

fn put(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn number(rest: &mut &[u8]) -> Result<u64, TermError> {
    let mut value = 0u64;
    // Five groups of seven bits hold every 32-bit number, and no valid one is longer.
    for shift in [0, 7, 14, 21, 28] {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(OUT_OF_RANGE)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], TermError> {
    let (head, tail) = rest.split_at_checked(count).ok_or(TOO_SHORT)?;
    *rest = tail;
    Ok(head)
}
