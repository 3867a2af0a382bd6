//! Packed files from front to back, in constant memory and up to a bound: what unpacks to more was made to.

use std::io::{self, Read};

use crate::format::Packing;
use crate::source::Source;

/// Bytes that one file may unpack to before reading stops. Enough for what is looked at; a bomb ends here, or at
/// the time limit before that.
const UNPACKED_BYTES_MAX: u64 = 4 << 30;
/// Memory that a Zstandard frame may ask for, as a power of two: 128 MiB, which is what its own tool accepts.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Memory that an xz stream may ask for: its highest ordinary level needs 65 MiB.
const XZ_MEMORY_KIB_MAX: u32 = 96 << 10;

/// Returns the unpacked bytes of a file from its front.
///
/// # Errors
/// When the packing's own header is wrong.
pub fn unpacked(source: &Source, packing: Packing) -> io::Result<Box<dyn Read>> {
    let packed = source.reader(0);
    let reader: Box<dyn Read> = match packing {
        Packing::Plain => return Ok(Box::new(packed)),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Packing::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(packed)),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, XZ_MEMORY_KIB_MAX)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(packed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    };
    Ok(Box::new(Bounded { reader, left_bytes: UNPACKED_BYTES_MAX }))
}

struct Bounded {
    reader: Box<dyn Read>,
    left_bytes: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let left = self.left_bytes.checked_sub(count as u64);
        self.left_bytes = left.ok_or_else(|| {
            io::Error::new(io::ErrorKind::OutOfMemory, "it unpacks to more bytes than a preview looks at")
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::Bytes;

    use super::*;

    fn read(bytes: &[u8], packing: Packing) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        unpacked(&Source::new(Bytes::copy_from_slice(bytes)), packing)?.read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn every_packing_is_undone() {
        let plain = b"line\n".repeat(1_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(&plain).unwrap();
        // `printf 'line\n' | xz` (xz 5.4).
        let xz = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F\x02\0!\x01\x16\0\0\0t/\xe5\xa3\x01\0\x04line\n\0\0\0\0";
        assert_eq!(read(&gzip.finish().unwrap(), Packing::Gzip).unwrap(), plain);
        assert_eq!(read(&bzip2.finish().unwrap(), Packing::Bzip2).unwrap(), plain);
        assert_eq!(read(&zstd::encode_all(&plain[..], 1).unwrap(), Packing::Zstd).unwrap(), plain);
        // Cut in its check: the text came, and then an error.
        let mut started = Vec::new();
        let source = Source::new(Bytes::from_static(xz));
        assert!(unpacked(&source, Packing::Xz).unwrap().read_to_end(&mut started).is_err());
        assert_eq!(started, b"line\n");
    }

    #[test]
    fn noise_is_an_error() {
        let noise: Vec<u8> = (0..5_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for packing in [Packing::Gzip, Packing::Zstd, Packing::Bzip2, Packing::Xz] {
            assert!(read(&noise, packing).is_err(), "{packing:?}");
        }
    }
}
