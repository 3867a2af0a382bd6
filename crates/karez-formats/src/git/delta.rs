//! Deltas of packs: an object as copies out of another and bytes between them.

use super::pack_entry::PackError;

/// A delta that was read as far as its lengths.
pub(super) struct Delta<'a> {
    /// Length of the object that it copies from.
    pub base_bytes: u64,
    /// Length of the object that it makes.
    pub result_bytes: u64,
    steps: &'a [u8],
}

impl<'a> Delta<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Delta<'a>, PackError> {
        let mut rest = bytes;
        let (base_bytes, result_bytes) = (length(&mut rest)?, length(&mut rest)?);
        Ok(Delta { base_bytes, result_bytes, steps: rest })
    }

    /// Makes the object. The caller has bounded `result_bytes`; no step can make more of it.
    pub(super) fn apply(&self, base: &[u8]) -> Result<Vec<u8>, PackError> {
        if base.len() as u64 != self.base_bytes {
            return Err(PackError::Delta("it was made for a base of another length"));
        }
        let outside = || PackError::Delta("it copies from outside of its base");
        let beyond = || PackError::Delta("it makes more bytes than it says");
        let result_bytes = usize::try_from(self.result_bytes).map_err(|_| beyond())?;
        let mut result = Vec::new();
        let mut rest = self.steps;
        while let Some((&step, after)) = rest.split_first() {
            rest = after;
            let part = match step {
                0 => return Err(PackError::Delta("it has a step that no version knows")),
                1..=0x7F => {
                    let (new, after) = rest.split_at_checked(usize::from(step)).ok_or(CUT_OFF)?;
                    rest = after;
                    new
                }
                _ => {
                    let start = number(&mut rest, step & 0x0F, 4)?;
                    let bytes = match number(&mut rest, step >> 4 & 0x07, 3)? {
                        0 => 0x1_0000,
                        bytes => bytes,
                    };
                    let end = start.checked_add(bytes).ok_or_else(outside)?;
                    base.get(start..end).ok_or_else(outside)?
                }
            };
            if part.len() > result_bytes - result.len() {
                return Err(beyond());
            }
            result.extend_from_slice(part);
        }
        if result.len() < result_bytes {
            return Err(PackError::Delta("it makes fewer bytes than it says"));
        }
        Ok(result)
    }
}

const CUT_OFF: PackError = PackError::Delta("it is cut off");

/// Reads a length of seven bits a byte, lowest first.
fn length(rest: &mut &[u8]) -> Result<u64, PackError> {
    let mut value = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(CUT_OFF)?;
        *rest = after;
        let bits = u64::from(byte & 0x7F);
        if bits << shift >> shift != bits {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(PackError::Delta("it states a length beyond all bounds"))
}

/// Reads those bytes of a number, lowest first, that the mask says are there.
fn number(rest: &mut &[u8], mask: u8, bytes_max: u32) -> Result<usize, PackError> {
    let mut value = 0usize;
    for position in (0..bytes_max).filter(|position| mask >> position & 1 == 1) {
        let (&byte, after) = rest.split_first().ok_or(CUT_OFF)?;
        *rest = after;
        value |= usize::from(byte) << (8 * position);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(delta: &[u8], base: &[u8]) -> Result<Vec<u8>, PackError> {
        Delta::read(delta)?.apply(base)
    }

    #[test]
    fn copies_and_new_bytes_make_an_object() {
        // 10 bytes of base, 9 of result: copy 4 from 2, add "xy", copy 3 from 0.
        assert_eq!(apply(b"\x0A\x09\x91\x02\x04\x02xy\x90\x03", b"0123456789").unwrap(), b"2345xy012");
        assert_eq!(apply(b"\x00\x00", b"").unwrap(), b"");
        // A copy without a length is of 64 KiB.
        let base = vec![7; 0x1_0000];
        assert_eq!(apply(b"\x80\x80\x04\x80\x80\x04\x80", &base).unwrap(), base);
    }

    #[test]
    fn a_delta_that_lies_makes_nothing() {
        for (delta, words) in [
            (&b""[..], "cut off"),
            (b"\x8A", "cut off"),
            (b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", "bounds"),
            (b"\x0B\x01\x01a", "another length"),
            (b"\x0A\x02\x01a", "fewer"),
            (b"\x0A\x01\x02ab", "more"),
            (b"\x0A\x02\x02a", "cut off"),
            (b"\x0A\x04\x91\x08", "cut off"),
            (b"\x0A\x04\x91\x08\x04", "outside"),
            (b"\x0A\x04\x9F\xFF\xFF\xFF\xFF\x04", "outside"),
            (b"\x0A\x01\x00", "no version"),
            (b"\x0A\x01\x80", "outside"),
        ] {
            let error = apply(delta, b"0123456789").unwrap_err().to_string();
            assert!(error.contains(words), "{delta:?}: {error}");
        }
    }
}
