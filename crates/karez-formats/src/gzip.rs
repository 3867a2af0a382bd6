//! Gzip with a bound: git compresses long requests, and bundles of log entries travel packed.

use std::io::Read;

use flate2::Compression;
use flate2::bufread::GzEncoder;
use flate2::read::MultiGzDecoder;

/// Why bytes were not unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    /// The bytes are not gzip, or are cut off.
    #[error("the body is not valid gzip")]
    Malformed,
    /// More comes out than may.
    #[error("the body has more than {bytes_max} bytes when unpacked")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
}

/// Unpacks gzip into at most `bytes_max` bytes.
///
/// # Errors
/// When the bytes are malformed or become too large; no more than the bound is ever held.
pub fn unpack(packed: &[u8], bytes_max: u64) -> Result<Vec<u8>, GzipError> {
    let mut bytes = Vec::new();
    let mut decoder = MultiGzDecoder::new(packed).take(bytes_max.saturating_add(1));
    decoder.read_to_end(&mut bytes).map_err(|_| GzipError::Malformed)?;
    if bytes.len() as u64 > bytes_max { Err(GzipError::TooLarge { bytes_max }) } else { Ok(bytes) }
}

/// Packs bytes.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    GzEncoder::new(bytes, Compression::default()).read_to_end(&mut packed).expect("memory is read without errors");
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bound_holds() {
        let packed = pack(&vec![0; 10_000_000]);
        assert_eq!(unpack(&packed, 1000), Err(GzipError::TooLarge { bytes_max: 1000 }));
        assert_eq!(unpack(&packed, 10_000_000).unwrap().len(), 10_000_000);
        assert_eq!(unpack(&packed[..packed.len() - 9], u64::MAX), Err(GzipError::Malformed));
        assert_eq!(unpack(b"plain", 10), Err(GzipError::Malformed));
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(unpack(&pack(&bytes), 300).unwrap(), bytes.clone());
            let _ = unpack(&bytes, 300);
        }
    }
}
