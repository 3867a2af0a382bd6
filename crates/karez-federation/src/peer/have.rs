//! What nodes hold: one bit for each entry of an origin's log, set when the revision that the entry names
//! is held whole. For a log of a million entries that is 125 KB before compression, and far less after.

use std::collections::HashMap;
use std::ops::Range;

use karez_catalog::{Catalog, Remote};
use karez_types::RemoteId;
use tokio::time::Instant;

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

/// Where a node tells of which logs it holds something, each with a tag.
const LIST_PATH: &str = "/federation/v1/have";
/// Longest such list that is read, in bytes: a thousand logs.
const LIST_BYTES_MAX: u64 = 1 << 20;

/// What a peer has told about what it holds.
#[derive(Debug, Clone, Default)]
pub struct HaveHeard {
    /// When, and the tag of all of it, where the peer has such tags.
    pub heard: Option<(Instant, Option<u32>)>,
    /// Tag of each log's bitmap that is kept here; `None`: nothing is held of it.
    tags: HashMap<String, Option<u32>>,
    /// ETags, where the peer tells no tags.
    etags: HashMap<String, Option<String>>,
}

impl HaveHeard {
    /// Tells whether it was asked about all of these logs. `tag` is what its news say, if it tells them.
    pub fn knows_all(&self, tag: Option<u32>, origins: &[String]) -> bool {
        match tag {
            Some(_) => origins.iter().all(|origin| self.tags.contains_key(origin)),
            None => origins.iter().all(|origin| self.etags.contains_key(origin)),
        }
    }
}

/// Hears what a peer holds of these logs, and keeps it. `tag` is what its news say about all of it: then one
/// question tells which bitmaps are others than those that are known. Without it every bitmap is asked for.
pub async fn haves_hear(
    catalog: &Catalog,
    remote: RemoteId,
    wire: &Wire,
    origins: &[String],
    tag: Option<u32>,
    heard: &mut HaveHeard,
) -> Result<(), PeerError> {
    if tag.is_none() {
        for origin in origins {
            let etag = heard.etags.entry(origin.clone()).or_default();
            have_poll(catalog, remote, wire, origin, etag).await?;
        }
        return Ok(());
    }
    let wrong = || WireError::Wrong { path: LIST_PATH.to_owned(), what: "it is not a list of tags".to_owned() };
    let told: HashMap<String, u32> = match wire.get(LIST_PATH, None, LIST_BYTES_MAX).await {
        Ok(answer) => serde_json::from_slice(&answer.body).map_err(|_| wrong())?,
        // It holds nothing of anybody's.
        Err(WireError::Status { status: 404, .. }) => HashMap::new(),
        Err(error) => return Err(error.into()),
    };
    for origin in origins {
        let now = told.get(origin).copied();
        if heard.tags.get(origin) == Some(&now) {
            continue;
        }
        match now {
            Some(_) => have_poll(catalog, remote, wire, origin, &mut None).await?,
            None => catalog.have_replace(remote, origin, &[]).await?,
        }
        heard.tags.insert(origin.clone(), now);
    }
    Ok(())
}

/// Asks a peer what it holds of an origin's log, and keeps the answer.
async fn have_poll(
    catalog: &Catalog,
    remote: RemoteId,
    wire: &Wire,
    origin: &str,
    etag: &mut Option<String>,
) -> Result<(), PeerError> {
    let path = format!("{LIST_PATH}/{origin}");
    let answer = match wire.get(&path, etag.as_deref(), BITMAP_BYTES_MAX).await {
        Ok(answer) if answer.status == 304 => return Ok(()),
        Ok(answer) => answer,
        // It does not follow that origin.
        Err(WireError::Status { status: 404, .. }) => {
            catalog.have_replace(remote, origin, &[]).await?;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let too_many = || WireError::Wrong { path: path.clone(), what: "too many runs of bits".to_owned() };
    let ranges = bitmap_ranges(&answer.body).ok_or_else(too_many)?;
    catalog.have_replace(remote, origin, &ranges).await?;
    *etag = answer.etag;
    Ok(())
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
