//! Any bytes as a file map: never a panic, the same verdict however they arrive, and what parses
//! survives the round trip.
#![no_main]

use std::io::Cursor;

use karez_formats::file_map::{FileMap, FileMapLimits, FileMapReader, FileMapVerifier};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = FileMapLimits { file_bytes_max: 1 << 30, terms_max: 1000 };
    let whole = FileMap::parse(bytes, limits);
    let mut verifier = FileMapVerifier::new(limits);
    let pieces = bytes.chunks(7).try_for_each(|piece| verifier.push(piece)).and_then(|()| verifier.finish());
    assert_eq!(pieces, whole.as_ref().map(FileMap::head).map_err(Clone::clone));
    if let Ok(mut reader) = FileMapReader::open(Cursor::new(bytes)) {
        let _ = reader.term(0);
        let _ = reader.chunk(reader.head().chunk_count - 1);
    }
    if let Ok(map) = whole {
        assert_eq!(map.encode(), bytes);
    }
});
