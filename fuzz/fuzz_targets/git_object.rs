//! Any bytes as a git object or a fetch request: never a panic, and what parses is encoded again to
//! something that parses to the same.
#![no_main]

use karez_formats::git::upload_pack::{v0, v2};
use karez_formats::git::{encode_commit, encode_tag, encode_tree, parse_commit, parse_tag, parse_tree};
use karez_formats::lfs::LfsPointer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entries) = parse_tree(bytes) {
        let encoded = encode_tree(&entries).expect("what was parsed has good names");
        assert_eq!(parse_tree(&encoded).as_ref(), Ok(&entries));
    }
    if let Ok(commit) = parse_commit(bytes) {
        let once = parse_commit(&encode_commit(&commit)).expect("what is encoded is well formed");
        assert_eq!((once.tree, &once.parents), (commit.tree, &commit.parents));
        // Encoding cleans names and dates; a second time there is nothing left to clean.
        assert_eq!(encode_commit(&once), encode_commit(&commit));
    }
    if let Ok(tag) = parse_tag(bytes) {
        let once = parse_tag(&encode_tag(&tag)).expect("what is encoded is well formed");
        assert_eq!((once.target, once.target_kind), (tag.target, tag.target_kind));
    }
    if let Some(pointer) = LfsPointer::parse(bytes) {
        assert_eq!(LfsPointer::parse(&pointer.encode()), Some(pointer));
    }
    let _ = v0::parse(bytes, 1000);
    let _ = v2::parse(bytes, 1000);
});
