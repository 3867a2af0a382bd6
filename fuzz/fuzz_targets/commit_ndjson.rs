//! Any bytes as the body of a commit: never a panic, and the same verdict however they arrive.
#![no_main]

use karez_formats::commit_ndjson::{CommitBody, CommitBodyError, CommitParser};
use karez_types::Limits;
use libfuzzer_sys::fuzz_target;

fn parse(bytes: &[u8], part_bytes: usize) -> Result<CommitBody, CommitBodyError> {
    let limits = Limits { commit_operations_max: 20, commit_inline_file_bytes_max: 1000, ..Limits::default() };
    let mut parser = CommitParser::new(&limits);
    for part in bytes.chunks(part_bytes) {
        parser.push(part)?;
    }
    parser.finish()
}

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes, bytes.len().max(1));
    assert_eq!(whole, parse(bytes, 7));
    if let Ok(body) = whole {
        assert!(body.operations.len() <= 20);
    }
});
