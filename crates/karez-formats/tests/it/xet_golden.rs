//! Golden vectors: what the reference implementation computes for generated files.
//!
//! `tests/upstream` wrote `tests/golden/xet.json` with the reference crates and checks that it is
//! still what they say; this test needs only the file.

use karez_formats::xet::{Chunk, Chunker, chunk_hash, file_hash, range_hash, xorb_hash};
use serde_json::Value;

use crate::generated;

#[test]
fn ids_are_those_of_the_reference_implementation() {
    let golden: Value = serde_json::from_str(include_str!("../golden/xet.json")).unwrap();
    let files = golden["files"].as_array().unwrap();
    let generated = generated::files();
    assert_eq!(files.len(), generated.len());
    for (expected, (name, bytes)) in files.iter().zip(generated) {
        let mut chunks = Vec::new();
        let mut chunker = Chunker::new();
        let mut take = |raw: &[u8]| chunks.push(Chunk { hash: chunk_hash(raw), raw_bytes: raw.len() as u32 });
        chunker.push(&bytes, &mut take);
        chunker.finish(&mut take);

        assert_eq!(expected["name"], name);
        assert_eq!(expected["bytes"], bytes.len());
        let lengths: Vec<u32> = chunks.iter().map(|chunk| chunk.raw_bytes).collect();
        assert_eq!(expected["chunk_bytes"], serde_json::json!(lengths), "{name}");
        let last = chunks.last().map(|chunk| chunk.hash.to_string());
        assert_eq!(expected["last_chunk"].as_str(), last.as_deref(), "{name}");
        assert_eq!(expected["xorb"], xorb_hash(&chunks).to_string(), "{name}");
        assert_eq!(expected["file"], file_hash(&chunks).to_string(), "{name}");
        let range = range_hash(chunks.iter().map(|chunk| &chunk.hash));
        assert_eq!(expected["range"], range.to_string(), "{name}");
    }
}
