//! The parts of packs that are read before anything is unpacked, and what can be wrong with a pack.

use karez_types::GitOid;

use super::GitKind;

/// Why bytes are not a pack that is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The bytes do not follow the format.
    #[error("malformed pack: {0}")]
    Malformed(&'static str),
    /// A delta does not follow the format or does not fit its base.
    #[error("malformed pack: a delta is wrong: {0}")]
    Delta(&'static str),
    /// Over a bound.
    #[error("the pack is larger than this node takes: {what} over {limit}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// The bytes end before the pack does.
    #[error("the pack is cut off")]
    Truncated,
    /// The checksum at the end is not that of the bytes.
    #[error("the checksum of the pack is wrong")]
    Checksum,
    /// A delta stands on an object that is neither in the pack nor here.
    #[error("the pack has a delta of {0}, which is neither in it nor here")]
    BaseMissing(GitOid),
}

/// Bounds on a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackLimits {
    /// Objects.
    pub objects_max: u64,
    /// One object, unpacked, in bytes.
    pub object_bytes_max: u64,
    /// All objects and deltas together, unpacked, in bytes: what the reader holds in memory.
    pub total_bytes_max: u64,
    /// Deltas upon deltas. git makes 50 of them, and takes 4,095.
    pub delta_depth_max: u32,
}

impl Default for PackLimits {
    /// Returns bounds for repositories that keep large files out of git.
    fn default() -> PackLimits {
        PackLimits {
            objects_max: 1_000_000,
            object_bytes_max: 64 << 20,
            total_bytes_max: 512 << 20,
            delta_depth_max: 4_095,
        }
    }
}

/// Longest header of an entry: ten bytes of length and an id.
pub(super) const ENTRY_HEADER_BYTES_MAX: usize = 32;
/// What a delta stands on.
#[derive(Clone, Copy)]
pub(super) enum Base {
    /// The entry at this place of the pack.
    Offset(u64),
    /// The object with this id.
    Oid(GitOid),
}

/// What an entry holds.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    /// An object.
    Whole(GitKind),
    /// What makes an object of another.
    Delta(Base),
}

/// Reads the header of an entry at a position; `None` when more of it is needed.
pub(super) fn entry_of(header: &[u8], position: u64) -> Result<Option<(Entry, u64)>, PackError> {
    let beyond = PackError::Malformed("a length is beyond all bounds");
    let Some((&first, mut rest)) = header.split_first() else { return Ok(None) };
    let number = first >> 4 & 7;
    let mut bytes = u64::from(first & 15);
    let (mut goes_on, mut shift) = (first & 0x80 != 0, 4);
    while goes_on {
        let Some((&byte, after)) = rest.split_first() else { return Ok(None) };
        rest = after;
        let bits = u64::from(byte & 0x7F);
        if shift >= u64::BITS || bits << shift >> shift != bits {
            return Err(beyond);
        }
        bytes |= bits << shift;
        (goes_on, shift) = (byte & 0x80 != 0, shift + 7);
    }
    let entry = match number {
        6 => {
            let mut back = 0u64;
            loop {
                let Some((&byte, after)) = rest.split_first() else { return Ok(None) };
                rest = after;
                back = back
                    .checked_mul(128)
                    .and_then(|back| back.checked_add(u64::from(byte & 0x7F)))
                    .ok_or(beyond.clone())?;
                if byte & 0x80 == 0 {
                    break;
                }
                back = back.checked_add(1).ok_or(beyond.clone())?;
            }
            let base = position.checked_sub(back).filter(|_| back > 0);
            Entry::Delta(Base::Offset(base.ok_or(PackError::Malformed("a delta stands on what is not an entry"))?))
        }
        7 => match rest.get(..GitOid::LEN).and_then(GitOid::from_slice) {
            Some(oid) => Entry::Delta(Base::Oid(oid)),
            None => return Ok(None),
        },
        number => {
            Entry::Whole(GitKind::from_number(number).ok_or(PackError::Malformed("an entry is of no known kind"))?)
        }
    };
    Ok(Some((entry, bytes)))
}
