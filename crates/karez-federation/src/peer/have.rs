//! What nodes hold: one bit for each entry of an origin's log, set when the revision that the entry names
//! is held whole. For a log of a million entries that is 125 KB before compression, and far less after.

use std::ops::Range;

use karez_catalog::{Catalog, Remote};
use karez_types::RemoteId;

use super::{PeerError, Wire, WireError};

/// Longest bitmap that is read, in bytes: a log of 64 million entries.
const BITMAP_BYTES_MAX: u64 = 8 << 20;
/// Most runs of bits that are kept of one node and origin.
const RANGES_MAX: usize = 200_000;

/// Writes a bitmap: bit `i % 8`, from the lowest, of byte `i / 8`. Trailing bytes without a bit are left out.
pub fn bitmap_encode(indices: &[u64]) -> Vec<u8> {
    let bytes_needed = indices.iter().max().map_or(0, |&last| last / 8 + 1);
    let mut bitmap = vec![0u8; usize::try_from(bytes_needed.min(BITMAP_BYTES_MAX)).unwrap_or(0)];
    for &index in indices {
        if let Some(byte) = usize::try_from(index / 8).ok().and_then(|at| bitmap.get_mut(at)) {
            *byte |= 1 << (index % 8);
        }
    }
    bitmap
}

/// Reads a bitmap into runs of set bits; `None` when there are too many.
pub fn bitmap_ranges(bitmap: &[u8]) -> Option<Vec<Range<u64>>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for (at, &byte) in bitmap.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        for bit in (0..8u64).filter(|bit| byte >> bit & 1 == 1) {
            let index = at as u64 * 8 + bit;
            let is_full = ranges.len() >= RANGES_MAX;
            match ranges.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ if is_full => return None,
                _ => ranges.push(index..index + 1),
            }
        }
    }
    Some(ranges)
}

/// Asks a peer what it holds of an origin's log, and keeps the answer. Tells whether there was a new one.
pub async fn have_poll(
    catalog: &Catalog,
    remote: RemoteId,
    wire: &Wire,
    origin: &str,
    etag: &mut Option<String>,
) -> Result<bool, PeerError> {
    let path = format!("/federation/v1/have/{origin}");
    let answer = match wire.get(&path, etag.as_deref(), BITMAP_BYTES_MAX).await {
        Ok(answer) if answer.status == 304 => return Ok(false),
        Ok(answer) => answer,
        // It does not follow that origin.
        Err(WireError::Status { status: 404, .. }) => {
            catalog.have_replace(remote, origin, &[]).await?;
            return Ok(true);
        }
        Err(error) => return Err(error.into()),
    };
    let too_many = || WireError::Wrong { path: path.clone(), what: "too many runs of bits".to_owned() };
    let ranges = bitmap_ranges(&answer.body).ok_or_else(too_many)?;
    catalog.have_replace(remote, origin, &ranges).await?;
    *etag = answer.etag;
    Ok(true)
}

/// Returns what this node holds of the log of a peer, for others to read.
pub async fn have_bitmap(catalog: &Catalog, remote: &Remote) -> Result<Vec<u8>, PeerError> {
    Ok(bitmap_encode(&catalog.held_whole(remote.id).await?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bits_are_where_the_document_says() {
        assert_eq!(bitmap_encode(&[0, 1, 9]), [0b0000_0011, 0b0000_0010]);
        assert_eq!(bitmap_encode(&[]), Vec::<u8>::new());
        assert_eq!(bitmap_ranges(&[0b1000_0000, 0b0000_0011, 0, 1]).unwrap(), [7..10, 24..25]);
        // Alternating bits make the most runs: a lie of a megabyte is not kept.
        assert_eq!(bitmap_ranges(&vec![0b0101_0101; 1 << 20]), None);
        assert_eq!(bitmap_encode(&[u64::MAX]).len() as u64, BITMAP_BYTES_MAX, "and no index takes all memory");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(indices in proptest::collection::btree_set(0u64..5000, 0..300)) {
            let indices: Vec<u64> = indices.into_iter().collect();
            let ranges = bitmap_ranges(&bitmap_encode(&indices)).unwrap();
            prop_assert_eq!(ranges.into_iter().flatten().collect::<Vec<_>>(), indices);
        }
    }
}
