//! Any bytes as a xorb: never a panic, the same verdict however they arrive, and what verifies decodes.
#![no_main]

use karez_formats::xet::{XorbError, XorbIndex, XorbVerifier, decode_chunks};
use karez_types::XorbHash;
use libfuzzer_sys::fuzz_target;

const BYTES_MAX: u64 = 1 << 20;
const CHUNKS_MAX: u64 = 64;

fn verify(bytes: &[u8], part_bytes: usize, hash: XorbHash) -> Result<XorbIndex, XorbError> {
    let mut verifier = XorbVerifier::new(BYTES_MAX, CHUNKS_MAX);
    for part in bytes.chunks(part_bytes) {
        verifier.push(part)?;
    }
    verifier.finish(hash)
}

fuzz_target!(|bytes: &[u8]| {
    let _ = XorbIndex::decode(bytes);
    let mut raw = Vec::new();
    let decoded = decode_chunks(bytes, &mut raw);
    // The zero hash names nothing; the error tells what the bytes really are.
    let whole = verify(bytes, bytes.len().max(1), XorbHash([0; 32]));
    if bytes.len() as u64 <= BYTES_MAX {
        assert_eq!(whole, verify(bytes, 7, XorbHash([0; 32])));
    }
    let Err(XorbError::WrongHash { actual, .. }) = whole else {
        return;
    };
    let index = verify(bytes, 1000, actual).expect("the xorb has this name");
    decoded.expect("what verifies decodes");
    assert_eq!(index.raw_bytes(), raw.len() as u64);
    assert_eq!(XorbIndex::decode(&index.encode()).as_ref(), Ok(&index));
});
